//! Service accounts: members that are no people. Owns `service_accounts`.
//!
//! They cannot log in; API keys act for them.

mod event;
mod http;
mod model;
mod store;

pub use event::ServiceAccountEvent;
pub use http::routes;
pub use model::ServiceAccount;
pub use store::names;
