//! Types: a table of members each, and how others refer to them.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::page::{code_spans, text};

fn schemas(document: &Value) -> Option<&Map<String, Value>> {
    document.pointer("/components/schemas").and_then(Value::as_object)
}

/// Their names, sorted.
pub(super) fn names(document: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = schemas(document).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

/// All of them.
pub(super) fn sections(document: &Value) -> Markup {
    html! { @for name in names(document) {
        @if let Some(schema) = schemas(document).and_then(|schemas| schemas.get(name)) {
            section id={ "type-" (name) } {
                h3 { (name) " " a.anchor href={ "#type-" (name) } { "#" } }
                p { (code_spans(text(schema, "description"))) }
                @if schema.get("properties").is_some() { (members(schema)) } @else { p { (reference(Some(schema))) } }
            }
        }
    } }
}

fn members(schema: &Value) -> Markup {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    html! {
        table { @for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() { tr {
            td { code { (name) } @if !required.contains(&name.as_str()) { " " small { "optional" } } }
            td { (reference(Some(member))) }
            td { (code_spans(text(member, "description"))) }
        } } }
    }
}

/// A type in passing: its name as a link, or its shape in a word.
pub(super) fn reference(schema: Option<&Value>) -> Markup {
    let Some(schema) = schema else { return html! {} };
    if let Some(name) = text(schema, "$ref").rsplit('/').next().filter(|name| !name.is_empty()) {
        return html! { a href={ "#type-" (name) } { (name) } };
    }
    for (member, glue) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = schema.get(member).and_then(Value::as_array) {
            return html! { @for (index, part) in parts.iter().enumerate() {
                @if index > 0 { (glue) }
                (reference(Some(part)))
            } };
        }
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return html! { @for (index, word) in words.iter().enumerate() {
            @if index > 0 { " · " }
            code { (word.as_str().map_or_else(|| word.to_string(), str::to_owned)) }
        } };
    }
    let kinds = match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    html! {
        (kinds)
        @if let Some(items) = schema.get("items") { " of " (reference(Some(items))) }
        @if let Some(format) = schema.get("format").and_then(Value::as_str) { " " small { (format) } }
    }
}
