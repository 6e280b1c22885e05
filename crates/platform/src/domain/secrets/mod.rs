//! Secrets: values that workflows send and nobody reads. Owns `secrets` and `secret_grants`.
//!
//! A value is sealed under the tenant's data key before it reaches PostgreSQL and opened again only by [`resolve`], for
//! a workflow that was granted it, with an event for each opening. No route shows it; revealing comes with step-up.

mod event;
mod http;
mod model;
mod store;

pub use event::SecretEvent;
pub use http::routes;
pub use model::{Editor, Grant, Secret, SecretName, SecretValue};
pub use store::{granted_names, not_usable_by, resolve};
