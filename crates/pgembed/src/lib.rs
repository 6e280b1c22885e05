//! PostgreSQL as a supervised child process.
//!
//! [`Cluster::open`] finds PostgreSQL's programs, makes a private data directory at first start, runs the server on a
//! unix socket only, starts it again when it dies, and stops it with the process that owns it. It speaks no SQL: what
//! it hands out is an [`Endpoint`], from which callers make a connection URL.
//!
//! **Who may connect.** The socket lies in a directory of mode 0700. The superuser is admitted by the kernel's word on
//! who is calling (`peer`: only the user this process runs as), needs no password, and can be locked out for the rest
//! of the run by [`Cluster::forget_superuser`]. Every other role proves itself with a password (SCRAM), which its owner
//! sets afresh at each start while the superuser is still admitted. So no credential is ever written to disk.
//!
//! **What it leaves behind.** `PR_SET_PDEATHSIG` ends PostgreSQL with its owner even after `kill -9`; what survives
//! none the less is found by its working directory and stopped by the next start, before that touches the data.

mod account;
mod binaries;
mod cluster;
mod error;
mod layout;
mod leftovers;
mod process;
mod supervisor;
#[cfg(feature = "testing")]
pub mod testing;

pub use binaries::{Binaries, MINIMUM_MAJOR};
pub use cluster::{Cluster, ClusterConfig, Endpoint};
pub use error::{Error, Result};
pub use supervisor::{Outage, State};
