//! Values of an execution: small ones held, large ones named.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON value, or where it is kept. Written as `{"inline": …}` or `{"object": …}`, so that a value that a tenant's
/// step gives can never pose as a reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoredValue {
    /// The value itself.
    Inline(Arc<Value>),
    /// A value in the object store.
    Object(Arc<ObjectRef>),
}

/// Names a value in the object store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its key.
    pub key: String,
    /// Its length as JSON text, in bytes.
    pub size: u64,
    /// SHA-256 of its JSON text, in hexadecimal.
    pub digest: String,
}

impl StoredValue {
    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::from(Value::Null)
    }

    /// The value, fetched if it is kept elsewhere.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub fn load<E>(&self, fetch: Fetch<'_, E>) -> Result<Arc<Value>, E> {
        match self {
            Self::Inline(value) => Ok(Arc::clone(value)),
            Self::Object(object) => fetch(object),
        }
    }

    /// The reference, if the value is kept elsewhere.
    #[must_use]
    pub fn object(&self) -> Option<&Arc<ObjectRef>> {
        match self {
            Self::Inline(_) => None,
            Self::Object(object) => Some(object),
        }
    }
}

/// Gets a value from the object store.
pub type Fetch<'a, E> = &'a mut dyn FnMut(&ObjectRef) -> Result<Arc<Value>, E>;

impl From<Value> for StoredValue {
    fn from(value: Value) -> Self {
        Self::Inline(Arc::new(value))
    }
}
