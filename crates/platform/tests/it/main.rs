//! The platform through its public surface, on a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test wants the first thing that goes wrong to stop it, and looks at tables past the kernel"
)]

mod audit;
mod bad_input;
mod catalogue;
mod engine;
mod escapes;
mod guests;
mod identity;
mod isolation;
mod matrix;
mod plugins;
mod quotas;
mod secrets;
mod teams;
mod workflows;
