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

/// Names a value that is not held as it is: in the object store, or sealed where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its key in the object store; empty for one that is sealed where it stands.
    pub key: String,
    /// Its length as JSON text, in bytes.
    pub size: u64,
    /// SHA-256 of its JSON text, in hexadecimal; of a sensitive one a random number, for a digest could be guessed from.
    pub digest: String,
    /// What is there besides for a value of an execution whose input has sensitive parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<Sensitive>,
}

/// A value with sensitive parts, or one that may have been made of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sensitive {
    /// The sealed value in base64, where it stands here and not in the object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// What may be shown of it, as JSON text; nothing where it is too large for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// JSON pointers of the parts that a schema declares to be sensitive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
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
