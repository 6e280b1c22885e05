//! `tenure openapi`.

use super::{Failure, Outcome};
use crate::output;

/// Prints the document; `cargo xtask openapi` commits it.
pub(super) fn run() -> Outcome {
    let document = tenure_platform::app::openapi()
        .to_pretty_json()
        .map_err(|error| Failure::Failed(format!("the document cannot be written as JSON: {error}")))?;
    output::line(document);
    Ok(())
}
