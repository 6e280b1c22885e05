//! Side-by-side measurements.
//!
//! Disks and neighbours vary by more than what is measured, so no figure stands alone: [`compare`] runs a subject and
//! its reference in turns (A, B, A, B, …), takes the ratio of each pair and reports the median ratio. It measures how
//! idle the machine is *before* each sample (a subject that uses the machine fully is no disturbance, a neighbour is)
//! and how much of the CPU the hypervisor stole during it, and discards samples that were disturbed. The report shows
//! what was kept, what was discarded, and what an fdatasync cost at the time.

pub mod fsync;
pub mod machine;
pub mod pgbench;
pub mod report;
pub mod stats;

mod run;

pub use report::Report;
pub use run::{Contender, Measured, Settings, compare};
