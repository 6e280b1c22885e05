//! OAuth 2 as its clients know it: the token endpoint (RFC 6749) with token exchange (RFC 8693). Owns no table: a delegated
//! token is worth what it was cut out of, and so nothing of it is stored.

mod answer;
mod event;
mod exchange;
mod http;
mod store;

pub use event::DelegationEvent;
pub use http::routes;
