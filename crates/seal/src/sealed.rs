//! Sealed values: what a `sealed` column holds.
//!
//! Bytes: version 1, the data key's id (16), nonce (12), ciphertext, tag (16); 45 more than the value. Tenant, table, column,
//! row and key are authenticated with it, so a value copied to another place does not open there.

use std::{collections::HashMap, fmt};

use uuid::Uuid;

use crate::{
    DataKey, KeyId, SecretBytes,
    aad::Aad,
    aead::{OpenError, SealError},
};

const VERSION: u8 = 1;

/// Bytes that a sealed value takes beyond its plaintext.
pub const OVERHEAD: usize = 1 + KeyId::LEN + 12 + 16;

/// Where a sealed value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant; none for the platform's own tables.
    pub tenant: Option<Uuid>,
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row's primary key without the tenant, as bytes (a UUID's 16).
    pub row: &'a [u8],
}

impl Place<'_> {
    fn aad(&self, key: KeyId) -> Vec<u8> {
        Aad::new(b"tenure sealed v1")
            .optional(self.tenant.as_ref().map(|tenant| tenant.as_bytes().as_slice()))
            .part(self.table.as_bytes())
            .part(self.column.as_bytes())
            .part(self.row)
            .part(key.0.as_bytes())
            .finish()
    }
}

/// Seals a value for its place.
///
/// # Errors
/// If the system's random generator fails.
pub fn seal(key: &DataKey, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
    sealed.push(VERSION);
    sealed.extend_from_slice(key.id().0.as_bytes());
    key.aead.seal(&mut sealed, &place.aad(key.id()), plaintext)?;
    Ok(sealed)
}

/// Opens a value that was sealed for this place under this key.
///
/// # Errors
/// One and the same for a wrong key, changed or cut bytes, and another place.
pub fn open(key: &DataKey, place: &Place<'_>, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
    let (id, rest) = split(sealed)?;
    if id != key.id() {
        return Err(OpenError);
    }
    key.aead.open(rest, &place.aad(id))
}

/// The id of the key that a value says it is sealed under, so that it can be fetched. It is not verified before opening.
///
/// # Errors
/// If the bytes are no sealed value of this version.
pub fn key_id(sealed: &[u8]) -> Result<KeyId, OpenError> {
    split(sealed).map(|(id, _)| id)
}

fn split(sealed: &[u8]) -> Result<(KeyId, &[u8]), OpenError> {
    let (header, rest) = sealed.split_first_chunk::<{ 1 + KeyId::LEN }>().ok_or(OpenError)?;
    match header {
        [VERSION, id @ ..] => Ok((KeyId(Uuid::from_bytes(*id)), rest)),
        _ => Err(OpenError),
    }
}

/// The data keys of one owner: values are sealed under the current one and open under any.
pub struct KeyRing {
    current: KeyId,
    keys: HashMap<KeyId, DataKey>,
}

impl KeyRing {
    /// A ring that seals under `current`.
    #[must_use]
    pub fn new(current: DataKey) -> Self {
        let id = current.id();
        Self { current: id, keys: HashMap::from([(id, current)]) }
    }

    /// Adds an earlier key, under which values open.
    pub fn add(&mut self, key: DataKey) {
        self.keys.insert(key.id(), key);
    }

    /// Adds a key and seals under it from now on.
    pub fn rotate(&mut self, current: DataKey) {
        self.current = current.id();
        self.add(current);
    }

    /// The id of the key that values are sealed under.
    #[must_use]
    pub const fn current(&self) -> KeyId {
        self.current
    }

    /// A key by its id.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<&DataKey> {
        self.keys.get(&id)
    }

    /// Seals under the current key.
    ///
    /// # Errors
    /// If the system's random generator fails.
    pub fn seal(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        seal(self.get(self.current).ok_or(SealError)?, place, plaintext)
    }

    /// Opens under the key that the value names.
    ///
    /// # Errors
    /// As [`open`], and if the ring has no such key.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        open(self.get(key_id(sealed)?).ok_or(OpenError)?, place, sealed)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys, current {}, redacted)", self.keys.len(), self.current)
    }
}
