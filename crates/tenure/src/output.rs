//! What a person or a program reads: standard output for results, standard error for everything else. Colours are on
//! only where a terminal shows them and `NO_COLOR` does not forbid them.

use std::fmt::Display;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// A line of the result.
pub(crate) fn line(text: impl Display) {
    // A reader that went away (`| head`) is no fault of the work.
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// The result as one JSON document.
pub(crate) fn json(value: &serde_json::Value) {
    line(format_args!("{value:#}"));
}

/// A line for the person who watches.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A question to the person who watches; the answer stands behind it.
pub(crate) fn prompt(text: impl Display) {
    let mut out = anstream::stderr();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// Why it did not work.
pub(crate) fn error(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {text}");
}

/// Text that is less important than its neighbours.
pub(crate) fn faint(text: impl Display) -> String {
    format!("{FAINT}{text}{FAINT:#}")
}
