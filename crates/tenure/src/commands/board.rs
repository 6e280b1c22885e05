//! The steps of an execution as a table: drawn again in place on a terminal, a line for each change elsewhere.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde_json::Value;

use crate::output;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const BUSY: Style = AnsiColor::Cyan.on_default();
const QUIET: Style = Style::new().dimmed();
const BAR: usize = 20;

/// A node of the graph; a map's items are counted in its row.
#[derive(Debug, Default)]
struct Row {
    name: String,
    r#type: String,
    state: String,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    attempt: u64,
    error: String,
    items: HashMap<String, bool>,
    /// The line that was printed last, where lines are not drawn again.
    told: String,
}

/// What is known of an execution's steps.
#[derive(Debug)]
pub(super) struct Board {
    rows: Vec<Row>,
    state: String,
    total: usize,
    /// Whether it is drawn in place.
    live: bool,
    /// Lines that stand on the terminal now.
    drawn: usize,
}

impl Board {
    /// An empty one; live where standard error is a terminal that can move its cursor.
    pub(super) fn new() -> Self {
        let live = std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb");
        Self { rows: Vec::new(), state: String::new(), total: 0, live, drawn: 0 }
    }

    /// Takes in an ExecutionSummary.
    pub(super) fn execution(&mut self, summary: &Value) {
        self.state = text(summary, "state");
        // Nodes at first; a map's items are counted in its row, so that more than these are of no interest.
        let total = summary.get("steps_total").and_then(Value::as_u64).and_then(|total| usize::try_from(total).ok());
        if self.total == 0 {
            self.total = total.unwrap_or_default();
        }
    }

    /// Whether somebody halted it.
    pub(super) fn is_paused(&self) -> bool {
        self.state == "paused"
    }

    /// Whether it waits for a person or a moment.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == "waiting"
    }

    /// Takes in a StepSummary.
    pub(super) fn step(&mut self, step: &Value) {
        let (name, state) = (text(step, "name"), text(step, "state"));
        let (row, item) = match name.split_once('[') {
            Some((node, _)) => (node, true),
            None => (name.as_str(), false),
        };
        let index = self.rows.iter().position(|known| known.name == row).unwrap_or_else(|| {
            self.rows.push(Row { name: row.to_owned(), ..Row::default() });
            self.rows.len() - 1
        });
        let Some(row) = self.rows.get_mut(index) else { return };
        if item {
            let over = !matches!(state.as_str(), "running" | "waiting");
            row.items.insert(name, over);
            return;
        }
        row.r#type = text(step, "type");
        row.state = state;
        row.attempt = step.get("attempt").and_then(Value::as_u64).unwrap_or(1);
        row.started_at = moment(step, "started_at").or(row.started_at);
        row.finished_at = moment(step, "finished_at");
        row.error = step.get("error").map(|error| text(error, "message")).unwrap_or_default();
    }

    /// Shows what is new.
    pub(super) fn show(&mut self) {
        if self.live { self.draw() } else { self.tell() }
    }

    /// Leaves what stands there and begins below it.
    pub(super) fn leave(&mut self) {
        self.drawn = 0;
    }

    fn draw(&mut self) {
        let size = terminal_size::terminal_size_of(std::io::stderr());
        let (width, height) = size.map_or((0, 0), |(width, height)| (usize::from(width.0), usize::from(height.0)));
        // One that tells no size is taken for the usual one.
        let width = if width == 0 { 80 } else { width.max(20) };
        let height = if height == 0 { 24 } else { height };
        // What has scrolled away cannot be drawn again: the newest rows stay.
        let room = height.saturating_sub(3).max(1);
        let hidden = self.rows.len().saturating_sub(room);
        let mut text = String::new();
        if self.drawn > 0 {
            let _ = write!(text, "\x1b[{}A", self.drawn);
        }
        let coloured = output::has_colours();
        let dyed = |style: Style| if coloured { style } else { Style::new() };
        let mut lines = 0;
        self.rows.sort_by_key(|row| row.started_at.unwrap_or(Timestamp::MAX));
        for row in self.rows.iter().skip(hidden) {
            let (style, line) = row.line(now());
            let style = dyed(style);
            let _ = writeln!(text, "\x1b[2K{style}{}{style:#}", cut(&line, width));
            lines += 1;
        }
        let finished = self.rows.iter().filter(|row| row.finished_at.is_some() || row.state == "skipped").count();
        let total = self.total.max(self.rows.len());
        let full = (finished * BAR).checked_div(total).unwrap_or_default().min(BAR);
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
        let footer = format!("{bar} {finished} of {total} steps, {}", self.state);
        let quiet = dyed(QUIET);
        let _ = writeln!(text, "\x1b[2K{quiet}{}{quiet:#}", cut(&footer, width));
        self.drawn = lines + 1;
        output::draw(&text);
    }

    fn tell(&mut self) {
        for row in &mut self.rows {
            // Counting items line by line would be a flood.
            if row.state == "running" && !row.told.is_empty() || row.state.is_empty() {
                continue;
            }
            let line = row.plain();
            if line != row.told {
                output::note(&line);
                row.told = line;
            }
        }
    }
}

impl Row {
    fn line(&self, now: Timestamp) -> (Style, String) {
        let (style, mark) = match self.state.as_str() {
            "succeeded" => (GOOD, '✓'),
            "failed" => (BAD, '✗'),
            "cancelled" => (BAD, '–'),
            "skipped" => (QUIET, '·'),
            "waiting" => (BUSY, '…'),
            _ => (BUSY, '▸'),
        };
        let took = match (self.started_at, self.finished_at) {
            (Some(begun), end) => seconds(begun, end.unwrap_or(now)),
            _ => String::new(),
        };
        let line = format!("{mark} {:24} {:10} {:10} {took:>8}  {}", self.name, self.r#type, self.state, self.more());
        (style, line)
    }

    fn plain(&self) -> String {
        let took = match (self.started_at, self.finished_at) {
            (Some(begun), Some(end)) => format!(" in {}", seconds(begun, end)),
            _ => String::new(),
        };
        let more = self.more();
        let more = if more.is_empty() { more } else { format!(": {more}") };
        format!("{} ({}) {}{took}{more}", self.name, self.r#type, self.state)
    }

    /// Items of a map, attempts, the fault.
    fn more(&self) -> String {
        let mut parts = Vec::new();
        if !self.items.is_empty() {
            let over = self.items.values().filter(|over| **over).count();
            parts.push(if over == self.items.len() { format!("{over} items") } else { format!("{over} items done") });
        }
        if self.attempt > 1 {
            parts.push(format!("attempt {}", self.attempt));
        }
        if !self.error.is_empty() {
            parts.push(self.error.clone());
        }
        parts.join(", ")
    }
}

/// The moment, for what a terminal shows.
#[expect(clippy::disallowed_methods, reason = "no test moves the clock of a person who watches")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// `0.8 s`, `3 min 5 s`.
pub(super) fn seconds(begun: Timestamp, end: Timestamp) -> String {
    let millis = (end.as_millisecond() - begun.as_millisecond()).max(0);
    match millis / 60_000 {
        0 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        minutes => format!("{minutes} min {} s", millis / 1000 % 60),
    }
}

/// A moment of an answer.
pub(super) fn moment(value: &Value, name: &str) -> Option<Timestamp> {
    value.get(name).and_then(Value::as_str)?.parse().ok()
}

/// A text of an answer; empty where there is none.
pub(super) fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// One line of at most so many characters; what tenants wrote may hold anything, also what moves a cursor.
pub(super) fn cut(line: &str, width: usize) -> String {
    let plain = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = plain.clone().take(width).collect();
    if plain.count() > width {
        kept = kept.chars().take(width.saturating_sub(1)).collect();
        kept.push('…');
    }
    kept.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_counted_in_the_row_of_their_map() {
        let mut board = Board::new();
        board.step(&json!({"name": "grade", "type": "map", "state": "running", "started_at": "2026-01-01T00:00:00Z"}));
        board.step(&json!({"name": "grade[0]", "type": "plugin", "state": "succeeded"}));
        board.step(&json!({"name": "grade[1]", "type": "plugin", "state": "running"}));
        board.step(
            &json!({"name": "write#2", "type": "transform", "state": "failed", "error": {"message": "no\u{1b}[2J"}}),
        );
        let lines: Vec<String> = board.rows.iter().map(Row::plain).collect();
        assert_eq!(lines[0], "grade (map) running: 1 items done");
        assert!(lines[1].starts_with("write#2 (transform) failed: no"), "{}", lines[1]);
        assert!(!cut(&lines[1], 80).contains('\u{1b}'));
    }

    #[test]
    fn lines_fit_and_durations_read_well() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(seconds(at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:01.26Z")), "1.2 s");
        assert_eq!(seconds(at("2026-01-01T00:00:00Z"), at("2026-01-01T00:02:05Z")), "2 min 5 s");
    }
}
