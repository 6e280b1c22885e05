//! The end of somebody's time in an organisation: what they own goes to somebody who stays, and what acts in their name
//! ends. Owns no table; [`PERSON_COLUMNS`] says of every column that names a person what becomes of it.

mod approvals_store;
mod columns;
mod http;
mod model;
mod store;

pub use columns::{PERSON_COLUMNS, PersonColumn, Then};
pub use http::routes;
