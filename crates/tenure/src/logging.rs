//! Log lines: text on a terminal, JSON elsewhere, always on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{LogConfig, LogFormat};

/// Below these levels they would tell of headers, bodies and statements.
const HELD_AT_INFO: [&str; 8] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "sqlx", "tower", "wasmtime"];

/// Whether lines are JSON in the end.
pub(crate) fn is_json(config: &LogConfig) -> bool {
    match config.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    }
}

/// Sets up logging for the whole process; a second call changes nothing.
pub(crate) fn start(config: &LogConfig) {
    // It was tried when the configuration was read.
    let wanted = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let quiet = HELD_AT_INFO.map(|target| (target, LevelFilter::INFO));
    let held = Targets::new().with_default(LevelFilter::TRACE).with_targets(quiet);
    // "already exists, skipping" at each start; what is wrong comes back as an error as well.
    let held = held.with_target("sqlx::postgres::notice", LevelFilter::OFF);
    let layer = if is_json(config) {
        fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
    } else {
        let colours =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        fmt::layer().with_ansi(colours).with_target(false).with_writer(std::io::stderr).boxed()
    };
    // Filters of the whole, not of the layer: where a library only asks whether an event would be wanted, as sqlx does, a layer's
    // filter drops the next event of that thread.
    let _ = tracing_subscriber::registry().with(wanted).with(held).with(layer).try_init();
}
