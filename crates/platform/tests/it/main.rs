//! The platform through its public surface, on a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test wants the first thing that goes wrong to stop it, and looks at tables past the kernel"
)]

mod approvals;
mod audit;
mod catalogue;
mod engine;
mod executions;
mod guests;
mod identity;
mod matrix;
mod plugins;
mod quotas;
mod secrets;
mod teams;
mod values;
mod workflows;
