//! API keys: credentials of programs. Owns `api_keys`, and `imported_digests`, which its triggers write.
//!
//! A key acts for its owner and may do what the owner may do at that moment, cut down to the key's scopes. Keys that another system
//! made are taken over by imports; they are found by their digest, ours by the identifier in them.

mod authenticator;
mod event;
mod foreign;
mod http;
mod model;
mod store;
mod take_over;
mod text;
mod upkeep;

pub use authenticator::CredentialAuthenticator;
pub use event::ApiKeyEvent;
pub use foreign::{digest as digest_of_foreign, parse_digest, write_digest};
pub use http::routes;
pub use model::{ApiKey, Environment, parse_name, parse_networks, parse_scopes};
pub use store::{answerable, is_imported};
pub use take_over::{ForeignKey, GivenUp, TakingOver, claimed_anothers, give_up, is_anothers, take_over, unusable};
pub use text::KeyDigest;
pub(crate) use text::looks_like_a_key;
pub use upkeep::sweep;
