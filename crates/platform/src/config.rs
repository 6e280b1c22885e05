//! Settings of the domains; made once at start and passed down.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::audit::AuditConfig;
use crate::domain::engine::EngineConfig;
use crate::domain::identity::{Registration, TokenConfig};
use crate::domain::mail::MailConfig;
use crate::domain::tenancy::Plan;

/// Longer than checking a password takes that came from another system, within the bounds on what one may cost.
const FAILED_LOGIN_TAKES: Duration = Duration::from_secs(1);

/// Settings of the domains.
#[derive(Debug, Clone)]
pub struct PlatformConfig {
    /// Whether others depend on this instance; it is only told, each setting decides for itself.
    pub production: bool,
    /// Whether everybody logs in. Only told, too: where not, the server puts the local administrator in.
    pub logins: bool,
    /// Who may register.
    pub registration: Registration,
    /// Plan of a new organisation.
    pub default_plan: Plan,
    /// A failed login takes a whole number of these, so that its time tells nothing of how a password is stored.
    pub failed_login_takes: Duration,
    /// Access and refresh tokens.
    pub tokens: TokenConfig,
    /// How messages are delivered.
    pub mail: MailConfig,
    /// How this node drives executions.
    pub engine: EngineConfig,
    /// How long executions that are over are kept, in whole days; forever where absent.
    pub keep_executions: Option<Duration>,
    /// Where the audit log is kept beside the database.
    pub audit: AuditConfig,
    /// Hosts that outbound calls may reach although their addresses are private.
    pub egress_allow: Vec<String>,
    /// Whether a plugin needs a signature before it can be activated.
    pub require_signed_plugins: bool,
    /// What the configuration denies, as its `[policy]` table stands in the file; `null` for nothing.
    pub policy: serde_json::Value,
    /// Where the compiled guests are; without them expressions and plugins are refused.
    pub guests: Option<GuestPaths>,
}

/// Where the guests are (see [`tenure_sandbox::Images::open`]).
#[derive(Debug, Clone)]
pub struct GuestPaths {
    /// The directory of `expressions.wasm` and `python.wasm`.
    pub modules: PathBuf,
    /// The directory of their compiled images: of the server's user alone.
    pub images: PathBuf,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            production: false,
            logins: true,
            registration: Registration::Open,
            default_plan: Plan::Enterprise,
            failed_login_takes: FAILED_LOGIN_TAKES,
            tokens: TokenConfig::default(),
            mail: MailConfig::default(),
            engine: EngineConfig::default(),
            keep_executions: None,
            audit: AuditConfig::default(),
            egress_allow: Vec::new(),
            require_signed_plugins: false,
            policy: serde_json::Value::Null,
            guests: None,
        }
    }
}
