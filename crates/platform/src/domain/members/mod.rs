//! Members: people as one organisation knows them. Owns `memberships` (identity writes the first row at registration).
//!
//! An administrator acts on the membership, never on the person's other organisations.

mod add;
mod bulk;
mod event;
mod explain;
mod filter;
mod http;
mod listing;
mod leaving;
mod model;
mod store;

pub use add::{Added, Taken, add, take_back};
pub use event::MemberEvent;
pub use http::routes;
pub use leaving::deactivate;
pub use model::{Attribute, Attributes, Member, MemberStatus, parse_attributes};
pub use store::names;
