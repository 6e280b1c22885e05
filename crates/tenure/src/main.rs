//! The `tenure` program: one module per verb under [`commands`].

mod commands;
mod config;
mod guests;
mod http;
mod logging;
mod output;
mod platform;

use std::process::ExitCode;

/// A login's hash takes 19 MiB of aligned memory, and glibc (before 2.38 at least) finds no use for such a block once it is
/// free: every login would make the server 19 MiB larger.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::main()
}
