//! The platform as those see it who run it: organisations with plan, status and use. Owns `platform_admins` and `setup_links`, and changes plan and
//! status of `tenants`; people are suspended by way of `identity`.

mod admins;
mod event;
mod events;
mod http;
mod people;
mod people_store;
mod setup;
mod store;

pub use admins::{FactorsReset, PlatformAdmin, add_admin, admins, remove_admin, reset_factors};
pub use event::{PlatformAdminEvent, SetupLinkEvent};
pub use http::routes;
pub use people::{PersonDecided, PlatformPerson, decide_about};
pub use setup::{SetupLink, setup_link};
