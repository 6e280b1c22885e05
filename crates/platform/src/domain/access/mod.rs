//! What roles permit, and what somebody may do now. Owns no table; memberships name roles, this turns names into permissions.

mod role;
mod standing;

pub use role::{SystemRole, effective};
pub use standing::{Asker, Holder, Known, Standing, judge, of_holder, what_may};
