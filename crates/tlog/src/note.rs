//! C2SP signed notes (the format of Go's `golang.org/x/mod/sumdb/note`), with Ed25519 keys.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::hash::{Hash, parse_hex};

/// Longest note that is parsed, in bytes, and most signatures on it: as in Go's implementation.
const MAX_NOTE_BYTES: usize = 1_000_000;
const MAX_SIGNATURES: usize = 100;

/// What separates the text from its signatures, and what starts each of these.
const SIGNATURES_START: &str = "\n\n";
const SIGNATURE_PREFIX: &str = "— ";

const SKEY_PREFIX: &str = "PRIVATE+KEY+";

/// What is wrong with a note or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note.
    #[error("malformed note: {0}")]
    Malformed(&'static str),
    /// Not a key's text.
    #[error("malformed key: {0}")]
    Key(&'static str),
    /// A known key's signature does not fit the text.
    #[error("the note carries a wrong signature of a known key: its text was changed")]
    WrongSignature,
    /// No known key has signed.
    #[error("the note is signed by no known key")]
    Unsigned,
}

/// Signature types (C2SP signed-note).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// Ed25519 over the text.
    Ed25519 = 1,
    /// A witness's Ed25519 signature over a time and the text (C2SP tlog-cosignature).
    Cosignature = 4,
}

impl Algorithm {
    fn key_id(self, name: &str, public: &[u8; 32]) -> u32 {
        let hash = Hash::of(&[name.as_bytes(), b"\n", &[self as u8], public]);
        let [a, b, c, d, ..] = hash.0;
        u32::from_be_bytes([a, b, c, d])
    }
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// A public key by which notes are verified. Its text is Go's `vkey`: `<name>+<id in hex>+<base64 of type and key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    algorithm: Algorithm,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key's name; a log's is its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id: the first four bytes of a hash over name, type and key.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        match self.algorithm {
            Algorithm::Ed25519 => key.verify(text.as_bytes(), signature).is_ok(),
            Algorithm::Cosignature => signature.split_first_chunk().is_some_and(|(time, signature)| {
                let message = format!("cosignature/v1\ntime {}\n{text}", u64::from_be_bytes(*time));
                key.verify(message.as_bytes(), signature).is_ok()
            }),
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.algorithm as u8], self.public.as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(typed))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(vkey: &str) -> Result<Self, NoteError> {
        let (name, id, typed) = split_key(vkey)?;
        let (algorithm, public) = match typed.split_first() {
            Some((1, public)) => (Algorithm::Ed25519, public),
            Some((4, public)) => (Algorithm::Cosignature, public),
            _ => return Err(NoteError::Key("only Ed25519 keys and cosignature keys are known")),
        };
        let public = public.try_into().map_err(|_| NoteError::Key("an Ed25519 public key has 32 bytes"))?;
        if algorithm.key_id(name, &public) != id {
            return Err(NoteError::Key("the id does not belong to name and key"));
        }
        Ok(Self { name: name.to_owned(), id, algorithm, public })
    }
}

/// Splits `<name>+<id>+<base64>`.
fn split_key(text: &str) -> Result<(&str, u32, Zeroizing<Vec<u8>>), NoteError> {
    let (name, rest) = text.split_once('+').ok_or(NoteError::Key("expected <name>+<id>+<key>"))?;
    let (id, key) = rest.split_once('+').ok_or(NoteError::Key("expected <name>+<id>+<key>"))?;
    if !is_key_name(name) {
        return Err(NoteError::Key("a name has at least one character and no space, control character or plus sign"));
    }
    let id = parse_hex(id).ok_or(NoteError::Key("the id is not 8 lowercase hex digits"))?;
    let key = STANDARD.decode(key).map_err(|_| NoteError::Key("the key is not base64"))?;
    Ok((name, u32::from_be_bytes(id), Zeroizing::new(key)))
}

/// A private key that signs notes. Its text is Go's `skey`: `PRIVATE+KEY+<name>+<id in hex>+<base64 of type and seed>`.
pub struct SignerKey {
    verifier: VerifierKey,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}, redacted)", self.verifier.name)
    }
}

impl SignerKey {
    /// The key of a 32-byte Ed25519 seed, under a name.
    ///
    /// # Errors
    /// If the name is empty or holds a space, a control character or a plus sign.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::Key(
                "a name has at least one character and no space, control character or plus sign",
            ));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key("not an Ed25519 seed"))?;
        let public = aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref().try_into();
        let public = public.map_err(|_| NoteError::Key("an Ed25519 public key has 32 bytes"))?;
        let algorithm = Algorithm::Ed25519;
        let id = algorithm.key_id(name, &public);
        Ok(Self { verifier: VerifierKey { name: name.to_owned(), id, algorithm, public }, pair })
    }

    /// Parses an `skey`.
    ///
    /// # Errors
    /// If it is none, or of another algorithm than Ed25519.
    pub fn from_skey(skey: &str) -> Result<Self, NoteError> {
        let rest = skey.strip_prefix(SKEY_PREFIX).ok_or(NoteError::Key("expected PRIVATE+KEY+<name>+<id>+<key>"))?;
        let (name, id, typed) = split_key(rest)?;
        let seed = match typed.split_first() {
            Some((1, seed)) => seed.try_into().map_err(|_| NoteError::Key("an Ed25519 seed has 32 bytes"))?,
            _ => return Err(NoteError::Key("only Ed25519 keys can sign")),
        };
        let key = Self::from_seed(name, seed)?;
        if key.verifier.id == id { Ok(key) } else { Err(NoteError::Key("the id does not belong to name and key")) }
    }

    /// The key as an `skey`: a secret.
    ///
    /// # Errors
    /// If the seed cannot be exported.
    pub fn to_skey(&self) -> Result<Zeroizing<String>, NoteError> {
        let seed = self.pair.seed().map_err(|_| NoteError::Key("the seed cannot be exported"))?;
        let seed = aws_lc_rs::encoding::AsBigEndian::as_be_bytes(&seed);
        let seed: aws_lc_rs::encoding::Curve25519SeedBin<'_> =
            seed.map_err(|_| NoteError::Key("the seed cannot be exported"))?;
        let typed = Zeroizing::new([&[Algorithm::Ed25519 as u8], seed.as_ref()].concat());
        let VerifierKey { name, id, .. } = &self.verifier;
        Ok(Zeroizing::new(format!("{SKEY_PREFIX}{name}+{id:08x}+{}", STANDARD.encode(&*typed))))
    }

    /// The public half.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }
}

/// A line below a note: who signed it, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub key_id: u32,
    /// The signature, in the key's own form.
    pub signature: Vec<u8>,
}

/// A text and its signatures. What it says must be ignored until [`verify`](Self::verify) has said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Signs a text, which ends in a newline.
    ///
    /// # Errors
    /// If the text does not end in a newline or holds a control character.
    pub fn sign(text: impl Into<String>, signer: &SignerKey) -> Result<Self, NoteError> {
        let text = text.into();
        check_text(&text)?;
        let mut note = Self { text, signatures: Vec::new() };
        note.add_signature(signer);
        Ok(note)
    }

    /// Adds another key's signature.
    pub fn add_signature(&mut self, signer: &SignerKey) {
        let signature = signer.pair.sign(self.text.as_bytes()).as_ref().to_vec();
        let VerifierKey { name, id, .. } = &signer.verifier;
        self.signatures.push(NoteSignature { name: name.clone(), key_id: *id, signature });
    }

    /// The text, which ends in a newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Which of `keys` have signed. Signatures of other keys are ignored.
    ///
    /// # Errors
    /// If a signature of one of `keys` is wrong, or there is none.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signed = Vec::new();
        for line in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.id == line.key_id && key.name == line.name) else { continue };
            if !key.verifies(&self.text, &line.signature) {
                return Err(NoteError::WrongSignature);
            }
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() { Err(NoteError::Unsigned) } else { Ok(signed) }
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text does not end in a newline"));
    }
    check_characters(text)
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::Malformed("it holds a control character"));
    }
    Ok(())
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for NoteSignature { name, key_id, signature } in &self.signatures {
            let keyed = [&key_id.to_be_bytes(), signature.as_slice()].concat();
            writeln!(f, "{SIGNATURE_PREFIX}{name} {}", STANDARD.encode(keyed))?;
        }
        Ok(())
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Malformed("it is longer than a million bytes"));
        }
        check_characters(note)?;
        let (text, lines) = note.rsplit_once(SIGNATURES_START).ok_or(NoteError::Malformed("it has no signatures"))?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("its last line does not end"))?;
        let signatures = lines.split('\n').map(parse_signature).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("it has more than 100 signatures"));
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }
}

fn parse_signature(line: &str) -> Result<NoteSignature, NoteError> {
    let malformed = NoteError::Malformed("a signature line is not: — <name> <base64>");
    let (name, keyed) = line.strip_prefix(SIGNATURE_PREFIX).and_then(|rest| rest.split_once(' ')).ok_or(malformed)?;
    let keyed = STANDARD.decode(keyed).map_err(|_| malformed)?;
    let (id, signature) = keyed.split_first_chunk().ok_or(malformed)?;
    if !is_key_name(name) || signature.is_empty() {
        return Err(malformed);
    }
    Ok(NoteSignature { name: name.to_owned(), key_id: u32::from_be_bytes(*id), signature: signature.to_vec() })
}
