//! The platform as those see it who run it: organisations with plan, status and use. Owns `platform_admins`, and changes plan and
//! status of `tenants`.

mod admins;
mod event;
mod http;
mod store;

pub use admins::{PlatformAdmin, add_admin, admins, remove_admin};
pub use event::PlatformAdminEvent;
pub use http::routes;
