//! Members: people as one organisation knows them. Owns `memberships` (identity writes the first row at registration).
//!
//! An administrator acts on the membership, never on the person's other organisations.

mod bulk;
mod event;
mod explain;
mod filter;
mod http;
mod listing;
mod model;
mod store;

pub use event::MemberEvent;
pub use http::routes;
pub use model::Member;
pub use store::names;
