//! The one wall around everything a tenant writes.
//!
//! Expressions (CEL, jq, templates) and plugins (Python source) run in WebAssembly guests, never natively in the server: a
//! library for any of these languages can be made to abort its process, eat its memory, run for ever or read its environment.
//! Inside a guest each of that is a typed error of its own call.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use serde_json::json;
//! use tenure_sandbox::*;
//!
//! let images = Images::prepare("guests".as_ref(), "images".as_ref())?;
//! let expressions = Expressions::new(&images, ExpressionLimits::default())?;
//! let programs = vec![Program::cel("/edges/0/when", "state.classify.label != 'spam'")];
//! let set = ProgramSet::new([0; 32], programs)?; // in place of zeros: a digest of tenant and workflow version
//! let document = json!({ "input": {}, "state": { "classify": { "label": "ham" } }, "execution": {} });
//! let results = expressions.evaluate(&set, &[Evaluation::new("/edges/0/when", &document)]).await?;
//! assert_eq!(results, [Ok(json!(true))]);
//!
//! let python = Python::new(&images, PythonConfig::default())?;
//! let source = "def execute(state, config):\n    return state['input']";
//! let outcome = python.call(PythonCall::new(source, &document, &json!({}))).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Guests
//!
//! | guest | what it is | imports | instance |
//! | --- | --- | --- | --- |
//! | expressions | `jaq`, `cel` and templates, one core module, snapshot with its tables built | none at all | warm, of one [`ProgramSet`] |
//! | Python | CPython as a component | `log`, granted `http`; the WASI functions that it names are linked to refusals | fresh per call |
//!
//! Both are built by `cargo xtask guests`. Their [`Images`], compiled from that for one machine, are native code: they lie in a
//! directory of the server's user alone and their digest is checked at each load.
//!
//! An expression instance serves one owner with one set of programs, compiles each program when it is first asked for it, and is
//! thrown away after any trap, after 10,000 calls, when a document has blown it up, or when others were used more recently.
//!
//! # Limits
//!
//! Fuel bounds instructions, an epoch each 10 ms bounds everything that fuel does not see, a timer bounds sleep, a meter bounds
//! memory, the engine bounds the stack. [`Limit`] tells which one was met.
//!
//! # Concurrency
//!
//! Each guest kind has its own threads, as many as there are processors, at a lower priority than the server's. A guest gives way
//! at each tick, so that bombs slow down other guests by their share of the processors, and requests hardly at all. The calls
//! under way are bounded ([`ExpressionLimits::concurrent`], [`PythonConfig::concurrent`]); more wait in lines, one of each tenant
//! ([`PythonCall::lane`]) or workflow version, that are served round about. Calls of a plugin to its host run on the caller's runtime. Dropping the
//! future of a call stops its guest at the next tick, and with it what it waits for.

mod engine;
mod error;
mod expressions;
mod images;
mod meter;
mod python;
mod runtime;
mod snapshot;
mod turns;

pub use engine::Guest;
pub use error::{ImageError, Limit, SandboxError};
pub use expressions::{
    Checked, Evaluation, ExpressionError, ExpressionErrorKind, ExpressionLimits, Expressions, Language, Position,
    Program, ProgramSet, Reference, Segment,
};
pub use images::Images;
pub use python::{
    HostFault, HostFuture, HttpRequest, HttpResponse, Import, LogLevel, LogLine, NoHost, PluginError, PluginHost,
    Python, PythonCall, PythonConfig, PythonLimits, PythonOutcome, Raised, SourceFault, Treatment, Usage,
};
