//! The `tenure` program: one module per verb under [`commands`].

mod commands;
mod config;
mod guests;
mod http;
mod logging;
mod output;
mod platform;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
