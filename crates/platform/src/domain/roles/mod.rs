//! Roles that an organisation makes for itself, and what a role or a permission stands for. Owns `roles`.
//!
//! The system roles are [`access::SystemRole`](crate::domain::access::SystemRole) and no rows. A custom role is known by its name,
//! which cannot change: memberships and the approvers of a workflow write it. PostgreSQL keeps anybody from having a role
//! that is not there, and a role that somebody has from being deleted.

mod event;
mod http;
mod make;
mod model;
mod permissions;
mod store;

pub use event::RoleEvent;
pub use http::routes;
pub use make::{Wanted, make, parse_kept, parse_new_name, take_back};
pub use model::{Role, RoleName, parse_description, parse_names};
pub use permissions::{Permissions, names, parse_permissions};
pub use store::{allow, of_names, within_own};
