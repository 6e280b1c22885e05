//! Envelope encryption: what of a tenant's data is sealed, and under which key.
//!
//! A [`KeyProvider`] wraps each tenant's key-encryption key, this [`Kek`] wraps the tenant's keys, and a [`DataKey`] seals
//! values for their [`Place`] with AES-256-GCM. Nothing here talks to a database: where wrapped keys and sealed values are
//! stored, and which keys are kept in memory, is the caller's.

mod aad;
mod aead;
mod key;
mod provider;
mod sealed;
mod secret;

pub use aead::{OpenError, SealError};
pub use key::{DataKey, Kek, KeyId, KeyMaterial, NotAWrappedKey, Purpose, WrapContext, WrappedKey};
pub use provider::{Answer, KeyProvider, KeySource, LocalKeyError, LocalKeys, ProviderError};
pub use sealed::{KeyRing, OVERHEAD, Place, key_id, open, seal};
pub use secret::{SecretBytes, SecretString};
