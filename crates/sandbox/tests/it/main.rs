//! The sandbox from outside: what works, what is refused, and what the host is like afterwards.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod bombs;
mod escapes;
mod expressions;
mod images;
mod imports;
mod python;
mod python_limits;
mod support;
mod templates;
