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

/// Why it did not work, which may be in the words of a plugin or a service.
pub(crate) fn error(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {}", plain(&text.to_string()));
}

/// Text of somebody else's: what would move a cursor or change a colour does not reach the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}

/// Draws on the terminal at standard error. The text goes out as it is: what takes colours away would take away where the
/// cursor goes too.
pub(crate) fn draw(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Whether standard error shows colours.
pub(crate) fn has_colours() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Text that is less important than its neighbours.
pub(crate) fn faint(text: impl Display) -> String {
    format!("{FAINT}{text}{FAINT:#}")
}
