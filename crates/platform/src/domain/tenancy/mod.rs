//! Tenants: the unit of isolation, plan and keys. Owns `tenants` and `tenant_security`; the rows of `tenant_keys` belong to the kernel.

mod model;
mod security;
pub mod store;

pub use model::{Organization, OrganizationEvent, Plan, Slug};
pub use security::{PasswordPolicy, SecurityEvent, SecuritySettings, routes};
