//! Values too large for a row: sealed files in a directory of the server's own, named by tenant, execution and digest.
//!
//! The name says what is in it, so writing one twice is harmless. What is kept for an execution that never came about, or that
//! is gone, is an orphan that upkeep removes (`sweep.rs`). Other stores (S3, GCS, Azure) come behind the same two calls.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::{Error, ExecutionId, Result, Sealed, TenantId};
use tenure_seal::SecretBytes;
use tenure_workflow::machine::{ObjectRef, Sensitive, StoredValue};
use tenure_workflow::sensitive::SensitiveValues;
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
        if Self::keeps_inline(&value)? {
            return Ok(StoredValue::from(value));
        }
        let bytes = serde_json::to_vec(&value)?;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("{}/{}/{hex}", tenant.uuid(), execution.uuid());
        let sealed = keys.seal("objects", "value", row(&digest), &bytes)?;
        self.put(&key, sealed).await?;
        Ok(StoredValue::Object(Arc::new(ObjectRef { key, size: bytes.len() as u64, digest: hex, sensitive: None })))
    }

    /// The same for a value with sensitive `parts`, or one that may have been made of such: it is sealed however small it
    /// is, its name tells nothing of it, and beside it stands what may be shown.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn store_sensitive(
        &self,
        keys: &TenantKeys,
        tenant: TenantId,
        execution: ExecutionId,
        value: &Value,
        values: &SensitiveValues,
        parts: Vec<String>,
    ) -> Result<StoredValue> {
        let bytes = serde_json::to_vec(value)?;
        let id = Uuid::new_v4();
        let sealed = keys.seal("objects", "value", id, &bytes)?;
        let (size, digest) = (bytes.len() as u64, id.simple().to_string());
        if bytes.len() <= INLINE_MAX {
            let shown = Some(serde_json::to_string(&values.masked(value, &parts))?);
            let sensitive = Sensitive { sealed: Some(STANDARD.encode(sealed.as_bytes())), shown, parts };
            let object = ObjectRef { key: String::new(), size, digest, sensitive: Some(sensitive) };
            return Ok(StoredValue::Object(Arc::new(object)));
        }
        let key = format!("{}/{}/{digest}", tenant.uuid(), execution.uuid());
        self.put(&key, sealed).await?;
        let sensitive = Some(Sensitive { sealed: None, shown: None, parts });
        Ok(StoredValue::Object(Arc::new(ObjectRef { key, size, digest, sensitive })))
    }

    /// An execution's input; `parts` are those that its schema declares to be sensitive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn store_input(
        &self,
        keys: &TenantKeys,
        tenant: TenantId,
        execution: ExecutionId,
        value: Value,
        parts: Vec<String>,
    ) -> Result<StoredValue> {
        if parts.is_empty() {
            return self.store(keys, tenant, execution, value).await;
        }
        let mut values = SensitiveValues::default();
        values.add(&value, &parts);
        self.store_sensitive(keys, tenant, execution, &value, &values, parts).await
    }

    /// Whether a value is so small that it stands in its row.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn keeps_inline(value: &Value) -> Result<bool> {
        // Cheap values are the rule: their size is seen without writing them out.
        Ok(is_small(value, &mut { INLINE_MAX / 2 }) || serde_json::to_vec(value)?.len() <= INLINE_MAX)
    }

    async fn put(&self, key: &str, sealed: Sealed) -> Result<()> {
        let path = self.0.join(key);
        tokio::task::spawn_blocking(move || write(&path, sealed.as_bytes()))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }

    /// The value that a reference names.
    ///
    /// # Errors
    /// When it is not there, does not open, or is not what its digest says.
    pub async fn load(&self, keys: &TenantKeys, tenant: TenantId, object: &ObjectRef) -> Result<Value> {
        Ok(serde_json::from_slice(self.load_json(keys, tenant, object).await?.expose())?)
    }

    /// The same, as JSON that nobody has parsed.
    ///
    /// # Errors
    /// As [`ObjectStore::load`].
    pub async fn load_json(&self, keys: &TenantKeys, tenant: TenantId, object: &ObjectRef) -> Result<SecretBytes> {
        if let Some(Sensitive { sealed: Some(text), .. }) = &object.sensitive {
            let sealed = STANDARD.decode(text).map_err(Error::internal)?;
            return keys.open("objects", "value", named(object)?, &sealed);
        }
        if !object.key.starts_with(&format!("{}/", tenant.uuid())) || object.key.contains("..") {
            return Err(Error::internal("a journal names an object of another tenant"));
        }
        let sealed = tokio::fs::read(self.0.join(&object.key)).await.map_err(Error::internal)?;
        if object.sensitive.is_some() {
            return keys.open("objects", "value", named(object)?, &sealed);
        }
        let digest =
            parse_hex(&object.digest).ok_or_else(|| Error::internal("an object's digest is not hexadecimal"))?;
        let bytes = keys.open("objects", "value", row(&digest), &sealed)?;
        let actual: [u8; 32] = Sha256::digest(bytes.expose()).into();
        if actual != digest {
            return Err(Error::internal("an object is not what its digest says"));
        }
        Ok(bytes)
    }

    /// Forgets a value that was stored for an execution that did not come about.
    pub async fn remove(&self, tenant: TenantId, value: &StoredValue) {
        let Some(object) = value.object().filter(|object| object.key.starts_with(&format!("{}/", tenant.uuid())))
        else {
            return;
        };
        let path = self.0.join(&object.key);
        if let Err(error) = tokio::fs::remove_file(&path).await {
            tracing::warn!(%error, object = %object.key, "an object that nothing names could not be removed");
        }
        // Its execution's directory was made for it.
        if let Some(directory) = path.parent() {
            let _ = tokio::fs::remove_dir(directory).await;
        }
    }
}

impl ObjectStore {
    /// Removes all that was kept for executions that are gone. What is not removed, because the process ends or the disk does
    /// not let it, the sweep finds.
    pub async fn remove_all(&self, tenant: TenantId, executions: &[ExecutionId]) {
        let of_tenant = self.0.join(tenant.uuid().to_string());
        let directories: Vec<PathBuf> =
            executions.iter().map(|execution| of_tenant.join(execution.uuid().to_string())).collect();
        let remove = move || {
            for directory in directories {
                match std::fs::remove_dir_all(&directory) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(%error, directory = %directory.display(), "what a deleted execution kept could not be removed yet");
                    }
                    _ => {}
                }
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(remove).await {
            tracing::warn!(%error, "what deleted executions kept could not be removed yet");
        }
    }
}

/// What a sensitive value is bound to: the number that it is named by.
fn named(object: &ObjectRef) -> Result<Uuid> {
    Uuid::parse_str(&object.digest).map_err(Error::internal)
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
