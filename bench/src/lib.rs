//! Side-by-side measurements.
//!
//! Disks and neighbours vary by more than what is measured, so no figure stands alone: [`compare`] runs a subject and
//! its reference in turns (A, B, A, B, …), takes the ratio of each pair and reports the median ratio. It measures how
//! idle the machine is *before* each sample (a subject that uses the machine fully is no disturbance, a neighbour is)
//! and how much of the CPU the hypervisor stole during it, and discards samples that were disturbed. The report shows
//! what was kept, what was discarded, and what an fdatasync cost at the time.
//!
//! - [`run`](compare), [`report`], [`figure`], [`stats`], [`machine`], [`fsync`]: how is measured and judged.
//! - [`program`], [`scratch`], [`client`], [`load`], [`serve`]: what is measured, and what puts load on it.
//! - [`pgbench`], [`engine`], [`requests`], [`sealing`], [`start`], [`kill`]: the benches.

pub mod client;
pub mod engine;
pub mod figure;
pub mod fsync;
pub mod identity;
pub mod kill;
pub mod load;
pub mod machine;
pub mod pgbench;
pub mod program;
pub mod report;
pub mod requests;
pub mod scratch;
pub mod sealing;
pub mod serve;
pub mod start;
pub mod stats;

mod run;

pub use figure::Findings;
pub use report::Report;
pub use run::{Contender, Measured, Settings, compare, compare_all};
