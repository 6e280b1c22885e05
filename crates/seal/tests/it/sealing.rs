//! Values, keys, providers and secrets.

use std::{
    fs,
    future::Future,
    os::unix::fs::{PermissionsExt, symlink},
    pin::pin,
    task::{Context, Poll, Waker},
};

use proptest::prelude::*;
use tenure_seal::{
    DataKey, Kek, KeyId, KeyMaterial, KeyProvider, KeyRing, KeySource, LocalKeyError, LocalKeys, NotAWrappedKey,
    OVERHEAD, OpenError, Place, Purpose, SecretBytes, SecretString, WrapContext, WrappedKey, key_id, open, seal,
};
use uuid::Uuid;

const TENANT: Uuid = Uuid::from_u128(1);

fn material(byte: u8) -> KeyMaterial {
    KeyMaterial::from_slice(&[byte; 32]).unwrap()
}

fn data_key(id: u128, byte: u8) -> DataKey {
    DataKey::new(KeyId(Uuid::from_u128(id)), &material(byte)).unwrap()
}

fn place() -> Place<'static> {
    Place { tenant: Some(TENANT), table: "secrets", column: "value", row: b"row-1" }
}

fn context() -> WrapContext {
    WrapContext { tenant: Some(TENANT), purpose: Purpose::Data, key_id: KeyId(Uuid::from_u128(7)) }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the local provider waits for nothing"),
    }
}

#[test]
fn a_value_opens_only_where_it_was_sealed() {
    let key = data_key(1, 1);
    let sealed = seal(&key, &place(), b"secret").unwrap();
    assert_eq!(sealed.len(), 6 + OVERHEAD);
    assert_eq!(open(&key, &place(), &sealed).unwrap().expose(), b"secret");
    assert_eq!(key_id(&sealed).unwrap(), key.id());
    assert_ne!(seal(&key, &place(), b"secret").unwrap(), sealed, "each sealing has a nonce of its own");

    let elsewhere = [
        Place { tenant: Some(Uuid::from_u128(2)), ..place() },
        Place { tenant: None, ..place() },
        Place { tenant: Some(Uuid::nil()), ..place() },
        Place { table: "secret", ..place() },
        Place { column: "values", ..place() },
        Place { row: b"row-2", ..place() },
        Place { row: b"", ..place() },
        // The same bytes, divided otherwise.
        Place { table: "secretsv", column: "alue", ..place() },
        Place { column: "valuer", row: b"ow-1", ..place() },
    ];
    for place in elsewhere {
        assert_eq!(open(&key, &place, &sealed), Err(OpenError), "{place:?}");
    }
    assert_eq!(open(&data_key(1, 2), &place(), &sealed), Err(OpenError), "same id, other key");
    assert_eq!(open(&data_key(2, 1), &place(), &sealed), Err(OpenError), "same key, other id");
}

#[test]
fn every_byte_of_a_sealed_value_counts() {
    let key = data_key(1, 1);
    let sealed = seal(&key, &place(), b"a secret of some length").unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            assert_eq!(open(&key, &place(), &changed), Err(OpenError), "byte {at}, bit {bit}");
        }
        assert_eq!(open(&key, &place(), &sealed[..at]), Err(OpenError), "cut to {at}");
        assert_eq!(open(&key, &place(), &sealed[at + 1..]), Err(OpenError), "without the first {at}");
    }
    assert_eq!(open(&key, &place(), &[sealed.as_slice(), &[0]].concat()), Err(OpenError));
}

#[test]
fn a_ring_opens_what_earlier_keys_sealed() {
    let mut ring = KeyRing::new(data_key(1, 1));
    let first = ring.seal(&place(), b"one").unwrap();
    ring.rotate(data_key(2, 2));
    let second = ring.seal(&place(), b"two").unwrap();
    assert_eq!((key_id(&first).unwrap(), key_id(&second).unwrap()), (data_key(1, 1).id(), ring.current()));
    assert_eq!(ring.open(&place(), &first).unwrap().expose(), b"one");
    assert_eq!(ring.open(&place(), &second).unwrap().expose(), b"two");

    let shredded = KeyRing::new(data_key(2, 2));
    assert_eq!(shredded.open(&place(), &first), Err(OpenError));
    assert!(shredded.get(data_key(1, 1).id()).is_none());
}

/// What is stored is plain AES-256-GCM in the documented form, that any tool can open.
#[test]
fn the_cipher_is_aes_256_gcm() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    // What a sealed value holds opens with a bare cipher under the documented format.
    let key = data_key(1, 1);
    let sealed = seal(&key, &place(), b"secret").unwrap();
    let part = |bytes: &[u8]| [&(bytes.len() as u64).to_be_bytes(), bytes].concat();
    let aad = [
        part(b"tenure sealed v1"),
        vec![1],
        part(TENANT.as_bytes()),
        part(b"secrets"),
        part(b"value"),
        part(b"row-1"),
        part(Uuid::from_u128(1).as_bytes()),
    ]
    .concat();
    let bare = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[1; 32]).unwrap());
    let mut rest = sealed[29..].to_vec();
    let nonce = Nonce::try_assume_unique_for_key(&sealed[17..29]).unwrap();
    assert_eq!(bare.open_in_place(nonce, Aad::from(aad), &mut rest).unwrap(), b"secret");

    // Test case 14 of the GCM proposal to NIST (McGrew and Viega): zero key, zero nonce, one zero block.
    let zero = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[0; 32]).unwrap());
    let mut block = vec![0; 16];
    zero.seal_in_place_append_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut block).unwrap();
    let hex: String = block.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

#[test]
fn a_wrapped_key_unwraps_only_in_its_context() {
    let kek = Kek::new(&material(1)).unwrap();
    let wrapped = kek.wrap(&material(9), &context()).unwrap();
    assert_eq!(Kek::id_of(&wrapped), Some(kek.id()));
    assert_eq!(kek.unwrap(&wrapped, &context()).unwrap().expose(), &[9; 32]);
    let bytes = wrapped.to_bytes();
    assert_eq!(WrappedKey::try_from(bytes.as_slice()).unwrap(), wrapped);

    for other in [
        WrapContext { tenant: None, ..context() },
        WrapContext { tenant: Some(Uuid::from_u128(2)), ..context() },
        WrapContext { purpose: Purpose::Audit, ..context() },
        WrapContext { key_id: KeyId(Uuid::from_u128(8)), ..context() },
    ] {
        assert!(kek.unwrap(&wrapped, &other).is_err(), "{other:?}");
    }
    assert!(Kek::new(&material(2)).unwrap().unwrap(&wrapped, &context()).is_err());
    assert!(kek.unwrap(&WrappedKey::new(2, wrapped.payload().to_vec()), &context()).is_err());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let unwrapped = WrappedKey::try_from(changed.as_slice()).map(|key| kek.unwrap(&key, &context()));
            assert!(!matches!(unwrapped, Ok(Ok(_))), "byte {at}, bit {bit}");
        }
        let cut = WrappedKey::try_from(&bytes[..at]).map(|key| kek.unwrap(&key, &context()));
        assert!(!matches!(cut, Ok(Ok(_))), "cut to {at}");
    }
    assert_eq!(WrappedKey::try_from([].as_slice()), Err(NotAWrappedKey));
}

#[test]
fn derived_keys_differ_by_purpose_and_context() {
    let root = material(1);
    let derive = |purpose, context: &[u8]| *root.derive(purpose, context).unwrap().expose();
    let keys = [
        derive(Purpose::Data, b""),
        derive(Purpose::Audit, b""),
        derive(Purpose::TokenSigning, b""),
        derive(Purpose::Data, b"x"),
        *root.expose(),
    ];
    for (at, key) in keys.iter().enumerate() {
        assert!(!keys[..at].contains(key), "{at}");
    }
    assert_eq!(derive(Purpose::Data, b"x"), keys[3]);
    assert_ne!(KeyMaterial::generate().unwrap().expose(), KeyMaterial::generate().unwrap().expose());
}

#[test]
fn the_local_provider_behind_its_trait() {
    let old = LocalKeys::from_value(&"01".repeat(32)).unwrap();
    let provider: &dyn KeyProvider = &old;
    let wrapped = now(provider.wrap(&material(9), &context())).unwrap();
    assert_eq!(now(provider.unwrap(&wrapped, &context())).unwrap().expose(), &[9; 32]);
    assert!(provider.is_current(&wrapped));

    let new = LocalKeys::from_value(&"02".repeat(32)).unwrap();
    assert!(now(new.unwrap(&wrapped, &context())).is_err());
    let new = new.with_earlier(old);
    assert_eq!(now(new.unwrap(&wrapped, &context())).unwrap().expose(), &[9; 32]);
    assert!(!new.is_current(&wrapped));
    assert!(new.is_current(&new.wrap_now(&material(9), &context()).unwrap()));
}

#[test]
fn master_key_values() {
    let hex = LocalKeys::from_value(&"ab".repeat(32)).unwrap();
    let upper = LocalKeys::from_value(&"AB".repeat(32)).unwrap();
    let base64 = LocalKeys::from_value(" q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n").unwrap();
    assert_eq!((hex.id(), hex.id(), hex.source()), (upper.id(), base64.id(), KeySource::Value));
    for wrong in ["", "secret", "ab", &"zz".repeat(32), &"é".repeat(32), "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urqw=="]
    {
        let error = LocalKeys::from_value(wrong).unwrap_err();
        assert!(matches!(error, LocalKeyError::Value));
        assert!(wrong.is_empty() || !error.to_string().contains(wrong) || wrong == "ab", "{error}");
    }
}

#[test]
fn a_key_file_is_made_once_and_guarded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("master.key");
    assert!(matches!(LocalKeys::open(&path), Err(LocalKeyError::Io { .. })));
    let made = LocalKeys::open_or_create(&path).unwrap();
    let read = LocalKeys::open_or_create(&path).unwrap();
    assert_eq!((made.source(), read.source()), (KeySource::Generated, KeySource::File));
    assert_eq!(made.id(), read.id());
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, 32));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");

    for mode in [0o640, 0o604, 0o660, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(
            matches!(LocalKeys::open_or_create(&path), Err(LocalKeyError::Mode { mode: found, .. }) if found == mode)
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(LocalKeys::open(&path).unwrap().id(), made.id());

    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(LocalKeys::open_or_create(&link), Err(LocalKeyError::NotAKey { .. })));
    assert!(matches!(LocalKeys::open_or_create(directory.path()), Err(LocalKeyError::NotAKey { .. })));
    let dangling = directory.path().join("dangling");
    symlink(directory.path().join("nothing"), &dangling).unwrap();
    assert!(matches!(LocalKeys::open_or_create(&dangling), Err(LocalKeyError::NotAKey { .. })));

    let short = directory.path().join("short");
    fs::write(&short, [0; 31]).unwrap();
    fs::set_permissions(&short, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(LocalKeys::open_or_create(&short), Err(LocalKeyError::NotAKey { .. })));
}

#[test]
fn first_starts_at_once_end_with_one_key() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let start = || {
            let keys = LocalKeys::open_or_create(&path).unwrap();
            (keys.id(), keys.source())
        };
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|(id, _)| *id == keys[0].0));
        assert_eq!(keys.iter().filter(|(_, source)| *source == KeySource::Generated).count(), 1);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
    }
}

#[test]
fn secrets_do_not_show_themselves() {
    let text = SecretString::from("s3cr3t".to_owned());
    let bytes = SecretBytes::from(b"s3cr3t".to_vec());
    let kek = Kek::new(&material(0x41)).unwrap();
    let ring = KeyRing::new(data_key(1, 0x41));
    let keys = LocalKeys::from_value(&"41".repeat(32)).unwrap();
    let wrapped = keys.wrap_now(&material(0x41), &context()).unwrap();
    let shown = format!(
        "{text:?} {bytes:?} {kek:?} {ring:?} {keys:?} {wrapped:?} {:?} {:?}",
        material(0x41),
        data_key(1, 0x41)
    );
    for secret in ["s3cr3t", "65, 65", "AAAA", "4141"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(text, SecretString::from("s3cr3t".to_owned()));
    assert_ne!(text, SecretString::from("s3cr3T".to_owned()));
    assert_ne!(bytes, SecretBytes::from(b"s3cr3".to_vec()));
    assert_eq!(bytes.into_string().unwrap(), text);
    let not_utf8 = SecretBytes::from(vec![0xff]);
    assert_eq!(not_utf8.clone().into_string().unwrap_err(), not_utf8);
}

proptest! {
    #[test]
    fn values_survive(plaintext in proptest::collection::vec(any::<u8>(), 0..2000), row in any::<[u8; 16]>(), tenant in any::<Option<u128>>()) {
        let key = data_key(1, 1);
        let place = Place { tenant: tenant.map(Uuid::from_u128), row: &row, ..place() };
        let sealed = seal(&key, &place, &plaintext).unwrap();
        let opened = open(&key, &place, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), plaintext.as_slice());
    }

    #[test]
    fn no_bytes_open_by_chance(bytes in proptest::collection::vec(any::<u8>(), 0..200), named in any::<bool>()) {
        let key = data_key(1, 1);
        let mut bytes = bytes;
        if named && bytes.len() > 17 {
            bytes[0] = 1;
            bytes[1..17].copy_from_slice(key.id().0.as_bytes());
        }
        prop_assert_eq!(open(&key, &place(), &bytes), Err(OpenError));
        let unwrapped = WrappedKey::try_from(bytes.as_slice()).map(|wrapped| Kek::new(&material(1)).unwrap().unwrap(&wrapped, &context()));
        prop_assert!(!matches!(unwrapped, Ok(Ok(_))));
    }

    #[test]
    fn places_do_not_run_together(a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}", x in "[a-c]{0,3}", y in "[a-c]{0,3}", z in "[a-c]{0,3}") {
        let key = data_key(1, 1);
        let sealed_at = Place { tenant: None, table: &a, column: &b, row: c.as_bytes() };
        let opened_at = Place { tenant: None, table: &x, column: &y, row: z.as_bytes() };
        let sealed = seal(&key, &sealed_at, b"v").unwrap();
        prop_assert_eq!(open(&key, &opened_at, &sealed).is_ok(), sealed_at == opened_at);
    }
}
