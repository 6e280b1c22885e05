//! Rate limits that are set: an organisation's own, its members', and above them what the platform lets it have. Owns
//! `tenant_rate_limits` and `member_rate_limits`; those of API keys stand with the keys.
//!
//! What is not set is as the installation says (`limits.*`). Nobody sets more for a key, a member or the organisation than
//! the platform lets the organisation have; if that is lowered later, the lower one holds.

mod event;
mod http;
mod model;
pub mod store;

pub use event::{MemberLimitEvent, RateLimitEvent};
pub use http::routes;
pub use model::{Bounds, MemberLimit, RateLimit, TenantLimits};
