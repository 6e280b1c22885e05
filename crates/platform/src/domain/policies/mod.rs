//! Policies: what may not happen although a permission allows it. Owns `decisions`.
//!
//! In this release the policy comes from the configuration and can only deny ([`ConfiguredPolicy`]); whoever asks does so
//! through [`Policy`](tenure_kernel::decision::Policy), and [`decide`] keeps what was asked and answered.

mod configured;
mod store;

pub use configured::{ConfiguredPolicy, PolicyError};
pub use store::decide;
