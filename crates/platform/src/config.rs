//! Settings of the domains; made once at start and passed down.

use crate::domain::identity::{Registration, TokenConfig};
use crate::domain::tenancy::Plan;

/// Settings of the domains.
#[derive(Debug, Clone)]
pub struct PlatformConfig {
    /// Who may register.
    pub registration: Registration,
    /// Plan of a new organisation.
    pub default_plan: Plan,
    /// Access and refresh tokens.
    pub tokens: TokenConfig,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self { registration: Registration::Open, default_plan: Plan::Enterprise, tokens: TokenConfig::default() }
    }
}
