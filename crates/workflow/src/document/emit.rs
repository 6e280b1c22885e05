//! Writes a document: canonical JSON for digests, YAML for people.

use std::fmt::Write as _;

use super::{Data, Key, Tree};

/// Compact JSON with the keys of each mapping sorted, except the mapping under the top-level key `nodes`, whose order
/// has a meaning. Two documents that mean the same have the same text, whatever their layout, quoting and comments.
#[must_use]
pub fn canonical_json(tree: &Tree) -> String {
    let mut out = String::new();
    json(tree, &mut out, Place::Root);
    out
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Nodes,
    Inside,
}

fn json(tree: &Tree, out: &mut String, place: Place) {
    match &tree.data {
        Data::Null => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Number(number) => out.push_str(&number.to_string()),
        Data::Text(text) => out.push_str(&quoted(text)),
        Data::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                json(item, out, Place::Inside);
            }
            out.push(']');
        }
        Data::Map(entries) => {
            let mut entries: Vec<&(Key, Tree)> = entries.iter().collect();
            if place != Place::Nodes {
                entries.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
            }
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(&key.text));
                out.push(':');
                let nodes = place == Place::Root && key.text == "nodes";
                json(value, out, if nodes { Place::Nodes } else { Place::Inside });
            }
            out.push('}');
        }
    }
}

/// JSON's quoting, which is also YAML's double quoting.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Block-style YAML that reads back as the same document.
#[must_use]
pub fn to_yaml(tree: &Tree) -> String {
    let mut out = String::new();
    yaml(tree, &mut out, 0, false);
    out
}

/// `inline`: the value follows `key:` or `-` on its line.
fn yaml(tree: &Tree, out: &mut String, indent: usize, inline: bool) {
    match &tree.data {
        Data::List(items) if !items.is_empty() => {
            if inline {
                out.push('\n');
            }
            for item in items {
                let _ = write!(out, "{:indent$}-", "");
                yaml(item, out, indent + 2, true);
            }
        }
        Data::Map(entries) if !entries.is_empty() => {
            if inline {
                out.push('\n');
            }
            for (key, value) in entries {
                let _ = write!(out, "{:indent$}{}:", "", scalar(&key.text));
                yaml(value, out, indent + 2, true);
            }
        }
        data => {
            if inline {
                out.push(' ');
            }
            match data {
                Data::Text(text) if is_block(text) => {
                    out.push_str("|-");
                    for line in text.split('\n') {
                        out.push('\n');
                        if !line.is_empty() {
                            let _ = write!(out, "{:indent$}{line}", "", indent = indent.max(2));
                        }
                    }
                }
                Data::Text(text) => out.push_str(&scalar(text)),
                _ => json(tree, out, Place::Inside),
            }
            out.push('\n');
        }
    }
}

/// Text of several lines that a literal block keeps as it is.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with('\n')
        && text.chars().all(|c| c == '\n' || c == '\t' || (' '..='\u{7e}').contains(&c))
        && text.lines().all(|line| !line.trim().is_empty() || line.is_empty())
}

/// Plain where that cannot be mistaken for anything else, quoted otherwise.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./ ".contains(c))
        && !text.ends_with(' ')
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain { text.to_owned() } else { quoted(text) }
}
