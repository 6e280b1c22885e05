//! API keys: credentials of programs. Owns `api_keys`.
//!
//! A key acts for its owner and may do what the owner may do at that moment, cut down to the key's scopes.

mod authenticator;
mod event;
mod http;
mod model;
mod store;
mod text;
mod upkeep;

pub use authenticator::CredentialAuthenticator;
pub use event::ApiKeyEvent;
pub use http::routes;
pub use model::ApiKey;
pub use store::answerable;
pub(crate) use text::looks_like_a_key;
pub use upkeep::sweep;
