//! Workflows without input or output: their definition, its validation, and their semantics as a deterministic state
//! machine (spec 20). Nothing here waits, stores or evaluates; an engine does that around it.
//!
//! - [`document`]: YAML and JSON with positions, read within bounds.
//! - [`definition`], [`nodes`]: the model and the node types.
//! - [`validate`], [`fault`], [`expression`]: every fault at once, with its place.
//! - [`plan`]: the definition compiled for running.
//! - [`sensitive`]: what a schema marks as sensitive, and masking it.
//! - [`machine`]: what runs when, and what comes out.

pub mod definition;
pub mod document;
pub mod expression;
pub mod fault;
pub mod machine;
pub mod nodes;
pub mod plan;
pub mod sensitive;
pub mod validate;

mod byte_size;
mod error_class;
mod retry;
mod timespan;

pub use byte_size::{ByteSize, ByteSizeError};
pub use error_class::{ErrorClass, UnknownErrorClass};
pub use retry::{Backoff, Retry};
pub use timespan::{Timespan, TimespanError};
