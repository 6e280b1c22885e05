//! The audit log: reads events, seals them into a Merkle tree per tenant, verifies it. Owns `event_seals`,
//! `checkpoints`, `tree_states` and the files beside the database; reads `events`, empties `unsealed_events`. Events are
//! written by the kernel, in the transaction of what they tell of.
//!
//! # From event to checkpoint
//!
//! [`Sealer`] takes what waits in `unsealed_events`, rebuilds each event's leaf bytes from its columns and checks them
//! against the code that was written with it (a row put into the table past the application is refused, and an event
//! tells of it), gives each its place in its tenant's tree, and signs the new root.
//!
//! # What is where, and in which order
//!
//! Seals, tree state and checkpoint commit in one transaction; *then* leaf hashes and checkpoint are appended to files
//! outside the database ([`Outside`]) and synced. The order is deliberate: PostgreSQL decides what the log is, so a crash
//! between the two leaves files that lag, never a second history. The next round extends them, if and only if the log
//! still begins with what they hold. The other order would leave, after a crash, a signed root of a batch that never
//! was. Files that are *ahead* of the database therefore mean that the database was rolled back: sealing stops.
//!
//! Every node keeps files of its own; each is a prefix of the one log, and a lagging one is caught up when its node
//! seals next.

mod activity;
mod event;
mod export;
mod http;
mod job;
mod logins;
mod model;
mod outside;
mod personal;
mod seals;
mod store;
mod turns;
mod verify;
mod view;

pub use activity::events_by;
pub use event::AuditEvent;
pub use export::{ExportFault, export, verify_export};
pub use http::{EventFilter, found, routes};
pub use job::Sealer;
pub use logins::{LoginRecord, logins_of};
pub use model::{AuditConfig, AuditLog, origin};
pub use outside::{Held, Outside, read_notes};
pub use turns::Verifications;
pub use verify::{Depth, Fault, Trusted, Verification, tenants, verify_in, verify_tenant};
pub use view::AuditedEvent;
