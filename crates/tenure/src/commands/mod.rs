//! The verbs, one module each: its arguments, its help, and what it does.

mod audit;
mod board;
mod completions;
mod config;
mod credentials;
mod demo;
mod execution;
mod follow;
mod import;
mod inside;
mod key;
mod local;
mod login;
mod migrate;
mod openapi;
mod organization;
mod platform_admin;
mod pages;
mod proof;
mod remote;
mod role;
mod run;
mod serve;
mod user;
mod workflow;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigError, Flags, Loaded};
use crate::platform::{OpenError, Platform, Work};
use crate::{logging, output};

/// Runs AI-agent workflows for many tenants, and proves afterwards that every one was allowed
#[derive(Debug, Parser)]
#[command(name = "tenure", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Where the flags that every verb takes stand in its help.
const GLOBAL: &str = "Options of every command";

/// Flags that every verb takes.
#[derive(Debug, Args)]
struct Global {
    /// TOML file with settings [env: TENURE_CONFIG]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory that holds everything that is kept [env: TENURE_DATA_DIR]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// development or production [env: TENURE_ENVIRONMENT]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "NAME")]
    environment: Option<String>,
    /// What to log: error, warn, info, debug, trace, or directives [env: TENURE_LOG]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text, json, or auto: text on a terminal [env: TENURE_LOG_FORMAT]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Each verb's own documentation is its help.
#[derive(Debug, Subcommand)]
enum Verb {
    Serve(serve::Args),
    Run(run::Args),
    Execution(execution::Args),
    Workflow(workflow::Args),
    Demo(demo::Args),
    Migrate(migrate::Args),
    Config(config::Args),
    Organization(organization::Args),
    PlatformAdmin(platform_admin::Args),
    User(user::Args),
    Role(role::Args),
    Key(key::Args),
    Login(login::LoginArgs),
    Logout(login::LogoutArgs),
    Whoami(login::WhoamiArgs),
    Audit(audit::Args),
    Completions(completions::Args),
    /// Print the API's OpenAPI document
    Openapi,
}

/// Why a verb did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked for, or how it is set up, makes no sense: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It was tried and did not work: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It waits for a person that no terminal can stand for: exit code 3.
    #[error("{0}")]
    Waiting(String),
    /// Several settings are wrong, a line each: exit code 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<tenure_kernel::Error> for Failure {
    fn from(error: tenure_kernel::Error) -> Self {
        Self::Failed(match &error {
            tenure_kernel::Error::Problem(problem) => explain(problem),
            other => other.to_string(),
        })
    }
}

/// A problem document in one line.
fn explain(problem: &tenure_kernel::Problem) -> String {
    let fields: Vec<String> = problem
        .errors
        .iter()
        .map(|field| format!("{} {}", field.pointer.trim_start_matches('/').replace('_', " "), field.detail))
        .collect();
    if fields.is_empty() { problem.detail.to_string() } else { fields.join("; ") }
}

/// What a verb returns.
pub(crate) type Outcome = Result<(), Failure>;

/// Parses the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = match &failure {
                Failure::Usage(_) | Failure::Config(_) => 2,
                Failure::Failed(_) => 1,
                Failure::Waiting(_) => 3,
            };
            if let Failure::Config(ConfigError(faults)) = &failure {
                faults.iter().for_each(output::error);
            } else {
                output::error(&failure);
            }
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli) -> Outcome {
    let flags = cli.global.flags();
    match cli.verb {
        Verb::Serve(args) => serve::run(&args, flags),
        Verb::Run(args) => run::run(&args, &flags),
        Verb::Execution(args) => execution::run(args, &flags),
        Verb::Workflow(args) => workflow::run(args, &flags),
        Verb::Demo(args) => demo::run(&args, flags),
        Verb::Migrate(args) => migrate::run(&args, &flags),
        Verb::Config(args) => config::run(&args, &flags),
        Verb::Organization(args) => organization::run(args, &flags),
        Verb::PlatformAdmin(args) => platform_admin::run(&args, &flags),
        Verb::User(args) => user::run(args),
        Verb::Role(args) => role::run(args),
        Verb::Key(args) => key::run(args),
        Verb::Login(args) => login::login(&args),
        Verb::Logout(args) => login::logout(&args),
        Verb::Whoami(args) => login::whoami(args),
        Verb::Completions(args) => completions::run(&args),
        Verb::Audit(args) => audit::run(args, &flags),
        Verb::Openapi => openapi::run(),
    }
}

impl Global {
    fn flags(self) -> Flags {
        let mut flags = Flags { config: self.config, ..Flags::default() };
        flags.set("data_dir", self.data_dir.map(|path| path.to_string_lossy().into_owned()));
        flags.set("environment", self.environment);
        flags.set("log.level", self.log_level);
        flags.set("log.format", self.log_format);
        flags
    }
}

/// The settings, with logging set up as they say.
pub(crate) fn settings(flags: &Flags) -> Result<Config, Failure> {
    let loaded = Loaded::read(flags)?;
    logging::start(&loaded.config.log);
    Ok(loaded.config)
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("threads cannot be started: {error}")))?;
    let outcome = runtime.block_on(future);
    // What still runs is of no use to anybody now.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}

/// Opens the platform for one piece of work and closes it again: for verbs that need no server.
pub(crate) fn on_platform<T>(
    flags: &Flags,
    work: impl AsyncFnOnce(&Platform) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut flags = flags.clone();
    flags.quiet = true;
    let config = settings(&flags)?;
    block_on(async {
        let platform = Platform::open_to(&config, Work::Left).await?;
        let outcome = work(&platform).await;
        platform.close().await;
        outcome
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        super::Cli::command().debug_assert();
    }
}
