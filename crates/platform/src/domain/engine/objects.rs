//! Values too large for a row: sealed files in a directory of the server's own, named by tenant, execution and digest.
//!
//! The name says what is in it, so writing one twice is harmless; one whose journal entry was never written is an orphan
//! that upkeep may remove. Other stores (S3, GCS, Azure) come behind the same two calls.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::{Error, ExecutionId, Result, TenantId};
use tenure_workflow::machine::{ObjectRef, StoredValue};
use uuid::Uuid;

/// Values whose JSON is longer are kept here.
pub const INLINE_MAX: usize = 64 * 1024;

/// The store.
#[derive(Debug, Clone)]
pub struct ObjectStore(Arc<PathBuf>);

impl ObjectStore {
    /// In this directory, which is made when first needed.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self(Arc::new(directory))
    }

    /// The value as the journal holds it: itself, or a reference to where it was put, sealed under the tenant's key.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn store(
        &self,
        keys: &TenantKeys,
        tenant: TenantId,
        execution: ExecutionId,
        value: Value,
    ) -> Result<StoredValue> {
        // Cheap values are the rule: their size is seen without writing them out.
        if is_small(&value, &mut { INLINE_MAX / 2 }) {
            return Ok(StoredValue::from(value));
        }
        let bytes = serde_json::to_vec(&value)?;
        if bytes.len() <= INLINE_MAX {
            return Ok(StoredValue::from(value));
        }
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("{}/{}/{hex}", tenant.uuid(), execution.uuid());
        let sealed = keys.seal("objects", "value", row(&digest), &bytes)?;
        let path = self.0.join(&key);
        tokio::task::spawn_blocking(move || write(&path, &sealed))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)?;
        Ok(StoredValue::Object(Arc::new(ObjectRef { key, size: bytes.len() as u64, digest: hex })))
    }

    /// The value that a reference names.
    ///
    /// # Errors
    /// When it is not there, does not open, or is not what its digest says.
    pub async fn load(&self, keys: &TenantKeys, tenant: TenantId, object: &ObjectRef) -> Result<Value> {
        if !object.key.starts_with(&format!("{}/", tenant.uuid())) || object.key.contains("..") {
            return Err(Error::internal("a journal names an object of another tenant"));
        }
        let sealed = tokio::fs::read(self.0.join(&object.key)).await.map_err(Error::internal)?;
        let digest =
            parse_hex(&object.digest).ok_or_else(|| Error::internal("an object's digest is not hexadecimal"))?;
        let bytes = keys.open("objects", "value", row(&digest), &sealed)?;
        let actual: [u8; 32] = Sha256::digest(bytes.expose()).into();
        if actual != digest {
            return Err(Error::internal("an object is not what its digest says"));
        }
        Ok(serde_json::from_slice(bytes.expose())?)
    }
}

/// What a sealed object is bound to: the first half of its digest.
fn row(digest: &[u8; 32]) -> Uuid {
    let mut half = [0; 16];
    half.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    Uuid::from_bytes(half)
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Whole or not at all: written beside, flushed, renamed.
fn write(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    if path.exists() {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(path);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let beside = directory.join(format!(".{}", Uuid::new_v4().simple()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    std::fs::File::open(directory)?.sync_all()
}

/// Whether the value's JSON is surely shorter than what is left of `budget`.
fn is_small(value: &Value, budget: &mut usize) -> bool {
    let cost = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 24,
        // Each byte may be escaped to six.
        Value::String(text) => text.len().saturating_mul(6) + 2,
        Value::Array(items) => 2 + items.len(),
        Value::Object(map) => 2 + map.keys().map(|key| key.len().saturating_mul(6) + 4).sum::<usize>(),
    };
    match budget.checked_sub(cost) {
        None => return false,
        Some(left) => *budget = left,
    }
    match value {
        Value::Array(items) => items.iter().all(|item| is_small(item, budget)),
        Value::Object(map) => map.values().all(|item| is_small(item, budget)),
        _ => true,
    }
}
