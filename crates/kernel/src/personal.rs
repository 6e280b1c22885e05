//! Values that are personal to somebody: plain in the API, salted in the audit log.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Member under which a personal value stands while an event's diff is made; no resource has a field of this name.
const MARK: &str = "$personal";

thread_local! {
    /// Whether the resource being serialised is for the log. Serialisation is synchronous and stays on one thread.
    static FOR_THE_LOG: Cell<bool> = const { Cell::new(false) };
}

/// Marks a field as personal, by its type: it is stored and shown as it is, but enters the audit log as a salted
/// digest, so that erasing the person's key later leaves the log verifiable and the value gone.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = T)]
pub struct Personal<T: utoipa::ToSchema>(pub T);

impl<T: utoipa::ToSchema> Deref for Personal<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: utoipa::ToSchema> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(…)")
    }
}

impl<T: Serialize + utoipa::ToSchema> Serialize for Personal<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !FOR_THE_LOG.get() {
            return self.0.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(MARK, &self.0)?;
        map.end()
    }
}

/// The resource with its personal values marked.
pub(crate) fn marked<T: Serialize>(resource: &T) -> Result<Value, serde_json::Error> {
    struct Unmark;
    impl Drop for Unmark {
        fn drop(&mut self) {
            FOR_THE_LOG.set(false);
        }
    }
    FOR_THE_LOG.set(true);
    let _unmark = Unmark;
    serde_json::to_value(resource)
}

/// Whether a personal value stands anywhere in it.
pub(crate) fn holds_mark(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key(MARK) || map.values().any(holds_mark),
        Value::Array(items) => items.iter().any(holds_mark),
        _ => false,
    }
}

/// The same without marks.
pub(crate) fn unmarked(value: Value) -> Value {
    match value {
        Value::Object(mut map) => match map.remove(MARK) {
            Some(inner) => unmarked(inner),
            None => Value::Object(map.into_iter().map(|(name, value)| (name, unmarked(value))).collect()),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(unmarked).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Member {
        email: Personal<String>,
        roles: Vec<&'static str>,
    }

    #[test]
    fn marked_only_for_the_log() {
        let member = Member { email: Personal("a@example.com".to_owned()), roles: vec!["viewer"] };
        assert_eq!(
            marked(&member).unwrap(),
            serde_json::json!({"email": {"$personal": "a@example.com"}, "roles": ["viewer"]})
        );
        assert_eq!(
            serde_json::to_value(&member).unwrap(),
            serde_json::json!({"email": "a@example.com", "roles": ["viewer"]})
        );
        assert!(!format!("{:?}", member.email).contains("example"));
    }
}
