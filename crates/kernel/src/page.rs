//! Cursor pages: `{items, next_cursor}`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, SchemaType, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{Problem, Result};

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page<T> {
    /// At most `limit` of them.
    pub items: Vec<T>,
    /// Pass as `cursor` to get the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let items =
            ArrayBuilder::new().items(Ref::from_schema_name(T::name())).description(Some("At most `limit` of them."));
        let cursor = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("Pass as `cursor` to get the next page; null on the last."));
        ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("items", items)
            .required("items")
            .property("next_cursor", cursor)
            .required("next_cursor")
            .into()
    }
}

// Not derived: the derived name is `Page` whatever it holds, and a document has one schema of a name.
impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("PageOf{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// The largest page.
pub const MAX_LIMIT: u16 = 200;
const DEFAULT_LIMIT: u16 = 50;

/// The part of a list's query that is the same everywhere.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items at most, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// How many rows to read: one more than the page holds, so that its end is seen.
    ///
    /// # Errors
    /// 422 outside 1 to 200.
    pub fn rows(&self) -> Result<i64> {
        Ok(i64::from(self.size()?) + 1)
    }

    fn size(&self) -> Result<u16> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            0 => Err(Problem::invalid("#query/limit", "must be at least 1").into()),
            limit if limit > MAX_LIMIT => Err(Problem::invalid("#query/limit", "must be at most 200").into()),
            limit => Ok(limit),
        }
    }

    /// The key of the last row of the page before.
    ///
    /// # Errors
    /// 422 for a cursor that this list did not give.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>> {
        let decode = |cursor: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        match &self.cursor {
            None => Ok(None),
            Some(cursor) => decode(cursor).map(Some).ok_or_else(|| {
                Problem::invalid("#query/cursor", "is not a cursor of this list; begin again without one").into()
            }),
        }
    }

    /// The page of `rows` that [`PageQuery::rows`] asked for; `key` gives what the next page begins after.
    ///
    /// # Errors
    /// As [`PageQuery::rows`].
    pub fn page<T, K: Serialize>(&self, mut rows: Vec<T>, key: impl FnOnce(&T) -> K) -> Result<Page<T>> {
        let size = usize::from(self.size()?);
        let more = rows.len() > size;
        rows.truncate(size);
        let next_cursor = match rows.last() {
            Some(last) if more => Some(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&key(last))?)),
            _ => None,
        };
        Ok(Page { items: rows, next_cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_from_one_to_the_next() {
        let query = PageQuery { limit: Some(2), cursor: None };
        let page = query.page(vec![1, 2, 3], |last| *last).unwrap();
        assert_eq!(page.items, [1, 2]);
        let next = PageQuery { limit: Some(2), cursor: page.next_cursor };
        assert_eq!(next.after::<i32>().unwrap(), Some(2));
        assert!(next.page(vec![3], |last| *last).unwrap().next_cursor.is_none());
    }

    #[test]
    fn a_foreign_cursor_and_a_wild_limit_are_refused() {
        assert!(PageQuery { limit: None, cursor: Some("e30".to_owned()) }.after::<i32>().is_err());
        assert!(PageQuery { limit: None, cursor: Some("\u{0}".to_owned()) }.after::<i32>().is_err());
        assert!(PageQuery { limit: Some(0), cursor: None }.rows().is_err());
        assert!(PageQuery { limit: Some(201), cursor: None }.rows().is_err());
    }
}
