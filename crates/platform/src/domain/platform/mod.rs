//! The platform as those see it who run it: organisations with plan, status and use. Owns `platform_admins` and `setup_links`, and changes plan and
//! status of `tenants`.

mod admins;
mod event;
mod http;
mod setup;
mod store;

pub use admins::{FactorsReset, PlatformAdmin, add_admin, admins, remove_admin, reset_factors};
pub use event::{PlatformAdminEvent, SetupLinkEvent};
pub use http::routes;
pub use setup::{SetupLink, setup_link};
