//! Quotas: how much of the installation a tenant may use. Owns `quota_usage`, `quota_days`,
//! `quota_overrides`, `stored_objects` and `open_connections`.
//!
//! A limit is the plan's, unless the platform set another for the tenant. What is used is counted in the transaction of
//! what it counts, by one conditional statement; so a rollback gives it back, and two transactions never both get the
//! last one. Nothing is checked first and counted later.
//!
//! - Requests count single things: [`take`] and [`give_back`] in their [`TenantTx`](tenure_kernel::TenantTx).
//! - Executions count in their hour and their month in one statement: [`take_execution`].
//! - For many tenants at once, in a [`SystemTx`](tenure_kernel::SystemTx): [`reserve_executions`] and
//!   [`release_executions`].
//! - Values in the object store with the row that names them: [`keep`] and [`keep_of`], and back with [`strike_out`].
//! - Calls to providers in blocks that a node holds: [`ProviderCalls`].
//! - Connections that stay are each node's own count, of its share: [`Connections`].
//! - What runs at the same time is not counted at all: a slot is a leased row of the engine's queue. Nor is how long that is:
//!   [`find_room_in_queue`].

mod calls;
mod connections;
mod days;
mod event;
mod executions;
mod http;
mod model;
mod objects;
mod store;
mod warn;

pub use calls::ProviderCalls;
pub use connections::{Connection, Connections};
pub use days::sweep;
pub use event::QuotaEvent;
pub use executions::{find_room_in_queue, give_back_execution, release_executions, reserve_executions, take_execution};
pub use http::routes;
pub use model::{Limit, Quota, QuotaStanding, QuotaUsage, Share};
pub use objects::{forget, keep, keep_of, strike_out};
pub use store::{
    begin_with, clear_override, give_back, give_back_of, set_override, standings, standings_of, take, usage,
};
pub use warn::warn;
