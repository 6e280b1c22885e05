//! House rules that no linter knows: how long a file may be, and where SQL may be put together.

use std::path::Path;

use anyhow::bail;

use crate::{context::Context, files};

const QUESTIONABLE_LINES: usize = 600;
const MOST_LINES: usize = 1000;

/// Stands on the line above a statement that has to be put together, with the reason: an escape hatch that is counted.
const HATCH: &str = "// assembled SQL: ";

/// No file of code is longer than a thousand lines, tests aside.
pub(crate) fn file_lengths(cx: &Context) -> anyhow::Result<String> {
    let (mut questionable, mut too_long) = (Vec::new(), Vec::new());
    for path in files::tracked(cx, &["*.rs", "*.ts", "*.tsx", "*.css", "*.py"])? {
        if is_test(&path) {
            continue;
        }
        let lines = files::read_text(&cx.root.join(&path))?.lines().count();
        if lines > MOST_LINES {
            too_long.push(format!("{} ({lines})", path.display()));
        } else if lines > QUESTIONABLE_LINES {
            questionable.push(format!("{} ({lines})", path.display()));
        }
    }
    if !too_long.is_empty() {
        bail!("longer than {MOST_LINES} lines: {}", too_long.join(", "));
    }
    if questionable.is_empty() {
        return Ok(format!("no file is longer than {QUESTIONABLE_LINES} lines"));
    }
    Ok(format!("longer than {QUESTIONABLE_LINES} lines, is each still one thing? {}", questionable.join(", ")))
}

/// Outside the kernel no statement is put together from pieces and none touches the tenant setting.
pub(crate) fn assembled_sql(cx: &Context) -> anyhow::Result<String> {
    let (mut found, mut hatches) = (Vec::new(), 0);
    for path in files::tracked(cx, &["crates/*.rs"])? {
        if path.starts_with("crates/kernel") || is_test(&path) {
            continue;
        }
        let text = files::read_text(&cx.root.join(&path))?;
        for offence in offences(&text) {
            match offence {
                Offence::Excused => hatches += 1,
                Offence::At(line, what) => found.push(format!("{}:{line}: {what}", path.display())),
            }
        }
    }
    if !found.is_empty() {
        bail!(
            "SQL is put together outside the kernel (use query!, or `{HATCH}<reason>` above it):\n  {}",
            found.join("\n  ")
        );
    }
    Ok(format!("{hatches} statements are put together, each with its reason"))
}

#[derive(Debug, PartialEq, Eq)]
enum Offence {
    At(usize, &'static str),
    Excused,
}

/// Reads text, not syntax: what it misses, review and the clippy bans have to catch.
fn offences(text: &str) -> Vec<Offence> {
    let mut found = Vec::new();
    let mut above = "";
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        if !code.starts_with("//") {
            let next = lines.get(index + 1).copied().unwrap_or_default();
            if let Some(what) = offence(code, next) {
                let excused = above.strip_prefix(HATCH).is_some_and(|reason| !reason.trim().is_empty());
                found.push(if excused { Offence::Excused } else { Offence::At(index + 1, what) });
            }
        }
        above = code;
    }
    found
}

fn offence(code: &str, next: &str) -> Option<&'static str> {
    let lower = code.to_ascii_lowercase();
    if lower.contains("set_config(") {
        return Some("set_config");
    }
    if lower.contains("set local ") {
        return Some("set local");
    }
    for formatter in ["format!(", "write!(", "writeln!(", "concat!(", "push_str("] {
        let Some((_, rest)) = code.split_once(formatter) else { continue };
        // The text may stand on the next line.
        let text = if rest.trim().is_empty() { next.trim_start() } else { rest };
        let text = text.split_once('"').map_or("", |(_, text)| text).to_ascii_lowercase();
        if is_statement(&text) {
            return Some("a statement in format!");
        }
    }
    None
}

fn is_statement(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    let has = |word: &str| text.split_whitespace().any(|other| other == word);
    match words[..] {
        ["insert", "into", ..]
        | ["delete", "from", ..]
        | ["set", "role" | "session", ..]
        | ["truncate", "table", ..] => true,
        ["select", ..] => has("from"),
        ["with", ..] => has("select"),
        ["update", ..] => has("set"),
        ["create" | "alter" | "drop", what, ..] => {
            ["table", "role", "user", "database", "policy", "index", "function", "schema", "view"].contains(&what)
        }
        ["grant" | "revoke", ..] => has("to") || has("from"),
        _ => false,
    }
}

/// Tests may be long, and may try what is banned.
fn is_test(path: &Path) -> bool {
    let text = path.to_string_lossy();
    ["/tests/", "/e2e/", "/benches/", "/testkit"].iter().any(|part| text.contains(part))
        || ["tests.rs", ".test.ts", ".test.tsx", ".spec.ts"].iter().any(|end| text.ends_with(end))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn assembled_statements_are_found_and_words_are_not() {
        let found = |text: &str| offences(text).len();
        assert_eq!(found(r#"let q = format!("select * from {table}");"#), 1);
        assert_eq!(found("let q = format!(\n    \"delete from {table} where true\",\n);"), 1);
        assert_eq!(found(r#"query("SELECT set_config('app.current_tenant_id', $1, true)")"#), 1);
        assert_eq!(found(r#"tx.execute("SET LOCAL role x")"#), 1);
        assert_eq!(found(r#"format!("select a workflow first")"#), 0);
        assert_eq!(found(r#"format!("update {name} and try again")"#), 0);
        assert_eq!(found(r#"format!("create an organization first")"#), 0);
        assert_eq!(found("// format!(\"select 1 from x\")"), 0);
        assert_eq!(found("query!(\"select id from teams\")"), 0);
    }

    #[test]
    fn an_excuse_needs_a_reason() {
        let text = |excuse: &str| format!("{excuse}\nlet q = format!(\"alter role {{role}} password\");");
        assert_eq!(offences(&text("// assembled SQL: roles cannot be parameters")), [Offence::Excused]);
        assert_eq!(offences(&text("// assembled SQL: ")), [Offence::At(2, "a statement in format!")]);
    }
}
