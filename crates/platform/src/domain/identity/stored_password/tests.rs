use std::time::{Duration, Instant};

use argon2::{AssociatedData, ParamsBuilder};
use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[track_caller]
fn is_of(stored: &str, password: &str) {
    let parsed = StoredPassword::parse(stored).unwrap_or_else(|| panic!("{stored} is not understood"));
    assert!(parsed.is_of(password), "{stored} is not of {password}");
    assert!(!parsed.is_of(&format!("{password}!")), "{stored} is of anything");
    assert!(!parsed.is_ours());
}

/// RFC 9106, 5.1 to 5.3.
#[test]
fn argon2s_own_vectors() {
    let cases = [
        (Algorithm::Argon2d, "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb"),
        (Algorithm::Argon2i, "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8"),
        (Algorithm::Argon2id, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"),
    ];
    for (algorithm, tag) in cases {
        let mut params = ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).data(AssociatedData::new(&[4; 12]).unwrap());
        let secret = [3; 8];
        let argon2 = Argon2::new_with_secret(&secret, algorithm, Version::V0x13, params.build().unwrap()).unwrap();
        let mut found = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut found).unwrap();
        assert_eq!(found.as_slice(), hex(tag), "{algorithm}");
    }
}

/// RFC 7914, 12; the last one there takes a gigabyte, and is beyond the bounds.
#[test]
fn scrypts_own_vectors() {
    let cases = [
        (
            "",
            "",
            4,
            1,
            1,
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
        ),
        (
            "password",
            "NaCl",
            10,
            8,
            16,
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
        ),
        (
            "pleaseletmein",
            "SodiumChloride",
            14,
            8,
            1,
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
        ),
    ];
    for (password, salt, log_n, r, p, output) in cases {
        let parsed = scrypt(log_n, r, p, salt.into(), hex(output)).unwrap();
        assert!(parsed.is_of(password) && !parsed.is_of("another"), "{password}");
        let phc = format!(
            "$scrypt$ln={log_n},r={r},p={p}${}${}",
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(hex(output))
        );
        is_of(&phc, password);
    }
    assert!(scrypt(20, 8, 1, b"SodiumChloride".to_vec(), vec![0; 64]).is_none());
}

/// RFC 7914, 11.
#[test]
fn pbkdf2s_own_vectors() {
    let cases = [
        (
            "passwd",
            "salt",
            1,
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
        ),
        (
            "Password",
            "NaCl",
            80_000,
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
        ),
    ];
    for (password, salt, iterations, output) in cases {
        let parsed = pbkdf2(Digest::Sha256, iterations, salt.into(), hex(output)).unwrap();
        assert!(parsed.is_of(password) && !parsed.is_of("another"), "{password}");
    }
}

/// Of Openwall's crypt_blowfish.
#[test]
fn bcrypts_own_vectors() {
    for (stored, password) in [
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
        ("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"),
    ] {
        is_of(stored, password);
        is_of(&stored.replace("$2a$", "$2b$"), password);
        is_of(&stored.replace("$2a$", "$2y$"), password);
    }
    let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let stored = StoredPassword::parse("$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui").unwrap();
    assert!(stored.is_of(&format!("{long}chars after 72 are ignored")) && stored.is_of(long));
    assert!(!stored.is_of(&long[1..]));
}

/// As other systems write them.
#[test]
fn each_spelling_is_understood() {
    let meadow = "a quiet green meadow";
    is_of("pbkdf2_sha256$1000000$seasalt$r1uLUxoxpP2Ued/qxvmje7UH9PUJBkRrvf9gGPL7Cps=", "lètmein");
    is_of("$pbkdf2-sha256$29000$AAECAwQFBgcICQoLDA0ODw$1hjCc/QYKNXkF35V6D91dlVs7eiwx16R7a.QfEE/b.0", meadow);
    is_of("$pbkdf2-sha256$i=29000,l=32$AAECAwQFBgcICQoLDA0ODw$1hjCc/QYKNXkF35V6D91dlVs7eiwx16R7a+QfEE/b+0", meadow);
    is_of("$pbkdf2-sha256$i=29000$AAECAwQFBgcICQoLDA0ODw$1hjCc/QYKNXkF35V6D91dlVs7eiwx16R7a+QfEE/b+0", meadow);
    is_of("$scrypt$ln=15,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$ZSM2AiB+wF1LT9PD915KC84CVC0MxtlLl80byw6FXvQ", meadow);
}

#[test]
fn what_would_burn_a_core_or_proves_nothing_is_no_hash() {
    let begun = Instant::now();
    let (salt, output) = ("AAECAwQFBgcICQoLDA0ODw", "ZSM2AiB+wF1LT9PD915KC84CVC0MxtlLl80byw6FXvQ");
    let bcrypt = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    for stored in [
        format!("$2b$15${bcrypt}"),
        format!("$2b$31${bcrypt}"),
        format!("$2b$99${bcrypt}"),
        format!("$2b$03${bcrypt}"),
        format!("$2x$05${bcrypt}"),
        format!("$2b$05${bcrypt}A"),
        "$2b$05$".to_owned(),
        format!("$scrypt$ln=20,r=8,p=1${salt}${output}"),
        format!("$scrypt$ln=10,r=8,p=4096${salt}${output}"),
        format!("$scrypt$ln=63,r=4294967295,p=4294967295${salt}${output}"),
        format!("$scrypt$ln=4294967295,r=8,p=1${salt}${output}"),
        format!("$scrypt$ln=0,r=8,p=1${salt}${output}"),
        format!("$scrypt$ln=15,r=0,p=1${salt}${output}"),
        format!("$scrypt$ln=15,r=8,p=1${salt}$AAECAwQ"),
        format!("$scrypt$ln=15,r=8,p=1,x=1${salt}${output}"),
        format!("$scrypt$ln=15,r=8,p=1${salt}${}", "A".repeat(1_000_000)),
        format!("$pbkdf2-sha256$i=4294967295${salt}${output}"),
        format!("$pbkdf2-sha256$i=0${salt}${output}"),
        format!("$pbkdf2-sha256$i=1000,l=16${salt}${output}"),
        format!("$pbkdf2-sha256$2000001${salt}${output}"),
        format!("pbkdf2_sha256$99999999$salt${output}="),
        format!("pbkdf2_sha256$1000${}${output}=", "s".repeat(65)),
        format!("pbkdf2_md5$1000$salt${output}="),
        format!("pbkdf2_sha256$2000001$salt${output}="),
        format!("$pbkdf2-sha1$i=1000001${salt}${output}"),
        format!("$pbkdf2-sha512$i=2000001${salt}${output}"),
        format!("$pbkdf2-md5$i=1000${salt}${output}"),
        format!("$pbkdf2-sha512$2000001${salt}${output}"),
        format!("pbkdf2:sha256:99999999$salt${}", "00".repeat(32)),
        format!("pbkdf2:sha256$salt${}", "00".repeat(32)),
        format!("pbkdf2:md5:1000$salt${}", "00".repeat(32)),
        format!("pbkdf2:sha256:1000$salt${}", "00".repeat(1_000_000)),
        format!("pbkdf2:sha256:1000$salt${}", "0x".repeat(32)),
        format!("pbkdf2:sha256:1000$salt${}", "é".repeat(16)),
        format!("scrypt:1048576:8:1$salt${}", "00".repeat(32)),
        format!("scrypt:32767:8:1$salt${}", "00".repeat(32)),
        format!("scrypt:32768:8:1:1$salt${}", "00".repeat(32)),
        format!("scrypt$1048576$salt$8$1${output}="),
        format!("scrypt$16384$salt$8$100${output}="),
        format!("argon2$argon2id$v=19$m=4194304,t=1,p=1${salt}${output}"),
        format!("bcrypt$$2b$15${bcrypt}"),
        format!("bcrypt_sha256$$2b$31${bcrypt}"),
        "bcrypt_sha256$$2b$05$".to_owned(),
        format!("$argon2id$v=19$m=4194304,t=1,p=1${salt}${output}"),
        format!("$argon2id$v=19$m=19456,t=4294967295,p=1${salt}${output}"),
        format!("$argon2id$v=19$m=19456,t=2,p=255${salt}${output}"),
        format!("$argon2id$v=19$m=19456,t=2,p=1${salt}"),
        format!("$argon2id$v=19$t=2,p=1${salt}${output}"),
        "md5$salt$0123456789abcdef0123456789abcdef".to_owned(),
        "a quiet green meadow".to_owned(),
        String::new(),
    ] {
        assert!(StoredPassword::parse(&stored).is_none(), "{stored:.100}");
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "nothing of it was checked");
}

/// `fixtures.py` makes them, with the systems themselves.
#[test]
fn what_other_systems_make_of_a_password_opens() {
    let mut lines = include_str!("fixtures.txt").lines();
    let (password, mut hashes) = (lines.next().unwrap(), 0);
    for line in lines {
        let (_, hash) = line.split_once('\t').unwrap();
        is_of(hash, password);
        hashes += 1;
    }
    assert_eq!(hashes, 19);
}

#[test]
fn another_systems_argon2_is_checked_and_not_ours() {
    // Of the reference implementation's own tests.
    is_of("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password");
    is_of("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA", "password");
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".{0,200}") {
        let _ = StoredPassword::parse(&text);
    }

    #[test]
    fn parsing_what_looks_like_a_hash_keeps_the_bounds(
        name in "[$]?(2b|argon2id|scrypt|pbkdf2-sha(1|256|512)|pbkdf2|pbkdf2_sha1|scrypt:2:[0-9]{1,9}:[0-9]{1,9}|pbkdf2:sha512:[0-9]{1,9})", parameters in "[a-z0-9=,]{0,30}", salt in "[A-Za-z0-9+/.]{0,100}",
        output in "[A-Za-z0-9+/.]{0,200}"
    ) {
        match StoredPassword::parse(&format!("{name}${parameters}${salt}${output}")) {
            Some(StoredPassword::Pbkdf2 { iterations, salt, output, .. }) => {
                prop_assert!(u64::from(iterations.get()) <= MAX_PBKDF2_WORK && salt.len() <= 64 && output.len() <= 64);
            }
            Some(StoredPassword::Scrypt { params, output, .. }) => {
                prop_assert!(params.n() * u64::from(params.r()) * 128 <= MAX_SCRYPT_MEMORY && output.len() <= 64);
            }
            _ => {}
        }
    }
}
