//! Keys: what they are made of, what they are for, and how one is wrapped under another.
//!
//! Three layers: the provider's key-encryption key (KEK) wraps each tenant's KEK, which wraps the tenant's keys, one per
//! purpose and, for personal data, per person. Rotating the provider's KEK wraps tenants' KEKs anew and touches no row;
//! destroying a wrapped key makes all that it sealed unreadable, in backups too.

use std::{fmt, str::FromStr};

use aws_lc_rs::{hkdf, rand};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    aad::Aad,
    aead::{Aead, OpenError, SealError},
};

/// A key's identity. It is no secret: sealed values and wrapped keys name the key they are under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub Uuid);

impl KeyId {
    /// Bytes in a key's id.
    pub const LEN: usize = 16;
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for KeyId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// What a key is for. A key wrapped for one purpose does not unwrap for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A tenant's KEK.
    TenantKek,
    /// Sealing values.
    Data,
    /// Event authentication codes.
    Audit,
    /// The Ed25519 seed that signs checkpoints.
    CheckpointSigning,
    /// The Ed25519 seed that signs access tokens.
    TokenSigning,
}

impl Purpose {
    /// The name under which the purpose enters wrapping and derivation: never to be changed.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TenantKek => "tenant-kek",
            Self::Data => "data",
            Self::Audit => "audit",
            Self::CheckpointSigning => "checkpoint-signing",
            Self::TokenSigning => "token-signing",
        }
    }
}

/// 32 secret bytes: an AES-256 or HMAC key, or an Ed25519 seed. Zeroed when dropped.
pub struct KeyMaterial(Zeroizing<[u8; KeyMaterial::LEN]>);

impl KeyMaterial {
    /// Bytes in a key.
    pub const LEN: usize = 32;

    /// New random material.
    ///
    /// # Errors
    /// If the system's random generator fails.
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        rand::fill(&mut *bytes).map_err(|_| SealError)?;
        Ok(Self(bytes))
    }

    /// Material from its bytes, if there are 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The bytes. Do not copy them anywhere that is not zeroed.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Other material, made from this by HKDF-SHA-256, that tells nothing of this or of what is made for another purpose
    /// or context.
    ///
    /// # Errors
    /// If the derivation fails, which it does not for this length.
    pub fn derive(&self, purpose: Purpose, context: &[u8]) -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        self.expand(&[b"tenure derive v1\n", purpose.label().as_bytes(), b"\n", context], &mut *bytes)?;
        Ok(Self(bytes))
    }

    fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Result<(), SealError> {
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenure").extract(&*self.0);
        let okm = prk.expand(info, Length(out.len())).map_err(|_| SealError)?;
        okm.fill(out).map_err(|_| SealError)
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(redacted)")
    }
}

/// A key that seals values.
pub struct DataKey {
    id: KeyId,
    pub(crate) aead: Aead,
}

impl DataKey {
    /// The key `id` of this material.
    ///
    /// # Errors
    /// If the cipher does not take it.
    pub fn new(id: KeyId, material: &KeyMaterial) -> Result<Self, SealError> {
        Ok(Self { id, aead: Aead::new(material)? })
    }

    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, redacted)", self.id)
    }
}

/// Whose a key is and what it is for: bound to it when it is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrapContext {
    /// The tenant; none for the platform's own keys.
    pub tenant: Option<Uuid>,
    /// What the key is for.
    pub purpose: Purpose,
    /// The wrapped key's id.
    pub key_id: KeyId,
}

impl WrapContext {
    /// The bytes that a provider binds to the key.
    #[must_use]
    pub fn to_aad(&self) -> Vec<u8> {
        Aad::new(b"tenure wrapped key v1")
            .optional(self.tenant.as_ref().map(|tenant| tenant.as_bytes().as_slice()))
            .part(self.purpose.label().as_bytes())
            .part(self.key_id.0.as_bytes())
            .finish()
    }
}

/// A key that is safe to store: encrypted under a KEK and bound to its context.
///
/// Its bytes: version 1, the provider's kind, what the provider made.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    kind: u8,
    payload: Vec<u8>,
}

/// Stored bytes are not a wrapped key of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a wrapped key of version {VERSION}")]
pub struct NotAWrappedKey;

const VERSION: u8 = 1;

impl WrappedKey {
    /// A wrapped key as a provider of `kind` made it. Kind 1 is [`Kek`]; each other provider takes a number of its own.
    #[must_use]
    pub const fn new(kind: u8, payload: Vec<u8>) -> Self {
        Self { kind, payload }
    }

    /// The kind of provider that made it.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// What the provider made.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The bytes to store.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[VERSION, self.kind], self.payload.as_slice()].concat()
    }
}

impl TryFrom<&[u8]> for WrappedKey {
    type Error = NotAWrappedKey;

    fn try_from(bytes: &[u8]) -> Result<Self, NotAWrappedKey> {
        match bytes {
            [VERSION, kind, payload @ ..] => Ok(Self { kind: *kind, payload: payload.to_vec() }),
            _ => Err(NotAWrappedKey),
        }
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey(kind {}, {} bytes)", self.kind, self.payload.len())
    }
}

/// A key-encryption key in memory: the local provider's, or a tenant's once unwrapped.
///
/// Its wrapped keys hold its id, a nonce, and the key under AES-256-GCM.
pub struct Kek {
    id: KeyId,
    aead: Aead,
}

impl Kek {
    /// The kind of its wrapped keys.
    pub const KIND: u8 = 1;

    /// The KEK of this material. Its id is derived from the material, so that a wrapped key shows which KEK it needs.
    ///
    /// # Errors
    /// If the cipher does not take it.
    pub fn new(material: &KeyMaterial) -> Result<Self, SealError> {
        let mut id = [0; KeyId::LEN];
        material.expand(&[b"tenure kek id v1"], &mut id)?;
        Ok(Self { id: KeyId(Uuid::from_bytes(id)), aead: Aead::new(material)? })
    }

    /// The KEK's id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The id of the KEK that a wrapped key of this kind is under.
    #[must_use]
    pub fn id_of(wrapped: &WrappedKey) -> Option<KeyId> {
        let id = wrapped.payload.first_chunk::<{ KeyId::LEN }>().filter(|_| wrapped.kind == Self::KIND)?;
        Some(KeyId(Uuid::from_bytes(*id)))
    }

    /// Wraps a key.
    ///
    /// # Errors
    /// If the system's random generator fails.
    pub fn wrap(&self, key: &KeyMaterial, context: &WrapContext) -> Result<WrappedKey, SealError> {
        let mut payload = self.id.0.as_bytes().to_vec();
        self.aead.seal(&mut payload, &context.to_aad(), key.expose())?;
        Ok(WrappedKey::new(Self::KIND, payload))
    }

    /// Unwraps a key.
    ///
    /// # Errors
    /// If it was wrapped under another KEK or for another context, or was changed.
    pub fn unwrap(&self, wrapped: &WrappedKey, context: &WrapContext) -> Result<KeyMaterial, OpenError> {
        if Self::id_of(wrapped) != Some(self.id) {
            return Err(OpenError);
        }
        let sealed = wrapped.payload.get(KeyId::LEN..).ok_or(OpenError)?;
        let bytes = self.aead.open(sealed, &context.to_aad())?;
        KeyMaterial::from_slice(bytes.expose()).ok_or(OpenError)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kek({}, redacted)", self.id)
    }
}
