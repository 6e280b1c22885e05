//! Roles: what a member may do. Owns no table; memberships name roles, this turns names into permissions.

mod role;

pub use role::{SystemRole, effective};
