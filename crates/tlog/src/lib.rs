//! Tamper-evident event log: what a tenant's events are hashed, sealed, signed and verified by.
//!
//! Pure: no database, no network, no clock. A writer makes [`leaf bytes`](leaf) and their code ([`AuditKey`]) in the event's own
//! transaction; a sealer appends leaf hashes to a [`Frontier`], stores [`tile`]s and signs a [`Checkpoint`]; anyone with the
//! log's public key verifies, offline, by [`verify`] and [`export`].
//!
//! The formats are others': RFC 8785 (JCS), RFC 6962 (Merkle trees), C2SP `tlog-tiles`, `tlog-checkpoint` and `signed-note`, so
//! that any client of these can check a log.

mod checkpoint;
pub mod export;
mod hash;
mod jcs;
pub mod leaf;
mod mac;
mod merkle;
pub mod note;
mod proof;
pub mod tile;
pub mod verify;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use hash::{Hash, InvalidHash};
pub use jcs::{CanonicalError, canonical};
pub use mac::{AuditKey, Mac};
pub use merkle::{Frontier, FrontierError, NodeId, leaf_hash, node_hash};
pub use proof::{InvalidProof, ProveError, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion};
