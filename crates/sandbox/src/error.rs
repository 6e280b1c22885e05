//! What can go wrong, by whose fault it is.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// The host's own fault or state; never something a tenant wrote.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// Threads or engine could not be started.
    #[error("the sandbox cannot start: {0}")]
    Start(String),
    /// The sandbox is shutting down.
    #[error("the sandbox is shutting down")]
    Stopped,
    /// The host's side of a call panicked.
    #[error("the sandbox panicked; see the log")]
    Panic,
    /// Two programs of a set have one id.
    #[error("the program set has two programs with the id `{0}`")]
    DuplicateProgram(String),
    /// An evaluation names a program that its set does not have.
    #[error("the program set has no program `{0}`")]
    UnknownProgram(String),
    /// The guest did not speak the protocol of this version.
    #[error("the {guest} guest answered nonsense: {message}; rebuild it with `cargo xtask guests`")]
    Protocol {
        /// Which guest.
        guest: &'static str,
        /// What was wrong.
        message: String,
    },
    /// A fresh instance could not be made.
    #[error("no instance of the {guest} guest: {message}")]
    Instantiate {
        /// Which guest.
        guest: &'static str,
        /// What was wrong.
        message: String,
    },
}

/// A guest's compiled image that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The guest's module was never built.
    #[error("the {guest} guest is not built: {} is missing; run `cargo xtask guests`", path.display())]
    NotBuilt {
        /// Which guest.
        guest: &'static str,
        /// Where its module was looked for.
        path: PathBuf,
    },
    /// The module was not compiled for this version and processor.
    #[error("the {guest} guest is not compiled for this machine: {} is missing; run `cargo xtask guests`", path.display())]
    NotCompiled {
        /// Which guest.
        guest: &'static str,
        /// Where its image was looked for.
        path: PathBuf,
    },
    /// The image is not what was compiled.
    #[error("{} does not have the recorded digest; delete it and run `cargo xtask guests`", path.display())]
    Digest {
        /// The image.
        path: PathBuf,
    },
    /// Others could write native code for the server to run.
    #[error("{} must belong to the server's user alone: {fault}; `chmod 700` it", path.display())]
    Permissions {
        /// The directory of images.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The compiler or loader refused.
    #[error("the {guest} guest: {message}")]
    Wasm {
        /// Which guest.
        guest: &'static str,
        /// What it said.
        message: String,
    },
}

/// Which limit a guest ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// CPU time or fuel.
    Cpu,
    /// Linear memory.
    Memory,
    /// Depth of recursion.
    Stack,
    /// Time since the call began.
    WallClock,
    /// Size of the result.
    Output,
    /// Number of calls to the host.
    HostCalls,
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cpu => "it used up its CPU time",
            Self::Memory => "it used up its memory",
            Self::Stack => "it recursed too deeply",
            Self::WallClock => "it took too long",
            Self::Output => "its result is too large",
            Self::HostCalls => "it called the host too often",
        })
    }
}

/// How a guest's run ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    Limit(Limit),
    Crash(String),
}

impl Stop {
    /// Reads the cause off a wasmtime error; `starved` tells that a request for memory was refused on the way.
    pub(crate) fn of(error: &wasmtime::Error, starved: bool) -> Self {
        if let Some(limit) = error.downcast_ref::<LimitReached>() {
            return Self::Limit(limit.0);
        }
        match error.downcast_ref::<wasmtime::Trap>() {
            Some(wasmtime::Trap::OutOfFuel | wasmtime::Trap::Interrupt) => Self::Limit(Limit::Cpu),
            Some(wasmtime::Trap::StackOverflow) => Self::Limit(Limit::Stack),
            _ if starved => Self::Limit(Limit::Memory),
            // The guests' own stack lies at the bottom of memory, so that running over its end leaves the memory.
            Some(wasmtime::Trap::MemoryOutOfBounds) => Self::Limit(Limit::Stack),
            Some(trap) => Self::Crash(trap.to_string()),
            None => Self::Crash(format!("{error:#}")),
        }
    }
}

/// Raised by the host inside a guest's call to end it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LimitReached(pub(crate) Limit);
