//! Teams: groups inside a tenant that own resources. Owns `teams` and `team_members`.

mod event;
mod http;
mod model;
mod store;

pub use event::TeamEvent;
pub use http::routes;
pub use model::{Team, TeamChoice};
