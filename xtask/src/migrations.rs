//! What a migration may do: the history is only added to, and the version before must go on working beside it.

use std::collections::BTreeMap;

use anyhow::ensure;

use crate::{context::Context, files};

/// Stands on the line above a statement that takes something away, with the reason: by then no running version uses it.
const HATCH: &str = "-- contract: ";

/// Looks at every migration.
pub(crate) fn lint(cx: &Context) -> anyhow::Result<String> {
    let (mut numbers, mut found) = (BTreeMap::new(), Vec::new());
    let paths = files::tracked(cx, &["migrations/*.sql"])?;
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match number(&name) {
            None => found.push(format!("{name}: is not named NNNN_what_it_does.sql")),
            Some(number) => {
                if let Some(other) = numbers.insert(number, name.clone()) {
                    found.push(format!("{name}: has the number of {other}"));
                }
            }
        }
        let text = files::read_text(&cx.root.join(path))?;
        found.extend(offences(&text).into_iter().map(|(line, what)| format!("{name}:{line}: {what}")));
    }
    ensure!(found.is_empty(), "migrations break the house rules:\n  {}", found.join("\n  "));
    Ok(format!("{} in order", paths.len()))
}

fn number(name: &str) -> Option<u32> {
    let (digits, rest) = name.strip_suffix(".sql")?.split_once('_')?;
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (digits.len() == 4 && !rest.is_empty() && rest.chars().all(word)).then(|| digits.parse().ok())?
}

/// Reads text, not syntax; what it misses the tests over the catalogue find.
fn offences(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut above = "";
    let lower = text.to_ascii_lowercase();
    for (index, line) in lower.lines().enumerate() {
        let code = line.trim();
        if !code.starts_with("--") {
            let excused = above.strip_prefix(HATCH).is_some_and(|reason| !reason.trim().is_empty());
            if let Some(what) = takes_away(code).filter(|_| !excused) {
                found.push((
                    index + 1,
                    format!("{what}; once no running version needs it, say so in `{HATCH}<reason>` above it"),
                ));
            }
        }
        above = code;
    }
    for (at, _) in lower.match_indices("create table ") {
        let statement = lower.get(at..).and_then(|rest| rest.split(");").next()).unwrap_or_default();
        let name = statement.split_whitespace().nth(2).unwrap_or_default();
        let of_a_tenant = statement.lines().any(|line| line.trim_start().starts_with("tenant_id "));
        // What is no tenant's alone, and reached by roles that are no tenant's either, says so with policies of its own.
        let isolated = lower.contains(&format!("call isolate_tenants('{name}')"))
            || lower.contains(&format!("alter table {name} force row level security"));
        if of_a_tenant && !isolated && !statement.contains("partition of") {
            let line = lower.get(..at).unwrap_or_default().lines().count() + 1;
            found.push((line, format!("{name} has a tenant_id and no `call isolate_tenants('{name}')`")));
        }
    }
    found
}

fn takes_away(code: &str) -> Option<&'static str> {
    let has = |words: &str| code.contains(words);
    if has("drop table") {
        return Some("drops a table");
    }
    if has("drop column") {
        return Some("drops a column");
    }
    if has("alter column") && has(" type ") {
        return Some("changes a column's type, which rewrites the table under a lock");
    }
    if has("alter table") && has(" rename ") {
        return Some("renames what the version before still calls by its name");
    }
    if has("add column") && has("not null") && !has("default") {
        return Some("adds a column that the version before does not fill");
    }
    has("truncate ").then_some("empties a table")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn what_takes_away_needs_its_reason() {
        let found = |text: &str| offences(text).len();
        assert_eq!(found("alter table a drop column b;"), 1);
        assert_eq!(found("-- contract: nothing reads it since 0.3\nalter table a drop column b;"), 0);
        assert_eq!(found("-- contract: \nalter table a drop column b;"), 1);
        assert_eq!(found("alter table a add column b int not null;"), 1);
        assert_eq!(found("alter table a add column b int not null default 0;"), 0);
        assert_eq!(found("-- we never drop table by hand"), 0);
    }

    #[test]
    fn tables_of_tenants_are_isolated() {
        let table = "create table a (\n    tenant_id uuid not null,\n    primary key (tenant_id)\n);\n";
        assert_eq!(offences(table)[0].1, "a has a tenant_id and no `call isolate_tenants('a')`");
        assert!(offences(&format!("{table}call isolate_tenants('a');")).is_empty());
        assert!(offences("create table b (\n    id uuid\n);").is_empty());
    }

    #[test]
    fn this_repositorys_keep_the_rules() {
        lint(&Context::new().unwrap()).unwrap();
    }

    #[test]
    fn names_have_a_number() {
        assert_eq!(number("0012_more_of_it.sql"), Some(12));
        for bad in ["12_more.sql", "0012.sql", "0012_More.sql", "0012_.sql"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
