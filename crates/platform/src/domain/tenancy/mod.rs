//! Tenants: the unit of isolation, plan and keys. Owns `tenants`; the rows of `tenant_keys` belong to the kernel.

mod model;
pub mod store;

pub use model::{Organization, OrganizationEvent, Plan, Slug};
