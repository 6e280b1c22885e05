//! What every domain of Tenure stands on; it knows no domain.
//!
//! A handler's first argument is the proof of its permission ([`Authorized`]); it opens the only transaction that
//! reaches tenants' rows ([`TenantTx`]); what a write returns must carry its events ([`Audited`]). See ARCHITECTURE.md.

mod authorized;
pub mod bus;
pub mod clock;
pub mod context;
pub mod database;
pub mod decision;
pub mod describe;
pub mod error;
pub mod event;
mod executor;
pub mod extract;
pub mod id;
mod idempotency;
pub mod job;
mod kernel;
pub mod keys;
pub mod limits;
#[cfg(doctest)]
pub mod must_not_compile;
pub mod page;
mod partitions;
pub mod permission;
pub mod platform;
mod personal;
pub mod record;
pub mod refusal;
pub mod request;
pub mod routes;
mod sealed;
mod statements;
mod strict;
mod system_tx;
mod tenant_tx;
pub mod text;
mod unread;
mod upkeep;

pub use authorized::{
    Anonymous, Authenticated, Authorized, Demand, Enrolling, Owing, Plain, Proven, ProvenEnrolling, ProvenRenewing,
    Renewing, bearer,
};
pub use clock::{Clock, Timestamp};
pub use context::{Actor, Assurance, Context, Factor, Identity, Origin, Principal};
pub use error::{Code, Error, OnConstraint, Problem, Result};
pub use event::{Action, Audited, Change, NewEvent, Resource};
pub use extract::{Created, Form, Json, JsonOrNothing, NoContent, Path, Query, Sample};
pub use id::*;
pub use job::{Job, JobKind};
pub use kernel::{Authenticator, Credential, Kernel, KernelConfig, Rejected, WeakKernel};
pub use page::{Page, PageQuery};
pub use permission::{Access, All, Mode, Permission, PermissionId, PermissionSet, Read, Recent, RecentLogin, Write};
pub use personal::Personal;
pub use routes::{RouteInfo, Routes};
pub use sealed::Sealed;
pub use statements::{Statement, Statements};
pub use system_tx::{System, SystemReason, SystemTx};
pub use tenant_tx::{Load, Permitted, TenantTx};
