//! One page that lists every route by its tag.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::schema;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A route as the document describes it.
struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    id: &'a str,
    detail: &'a Value,
}

pub(super) fn render(document: &Value, to_try: Option<&str>) -> String {
    let mut tags: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for method in METHODS {
            let Some(detail) = item.get(method) else { continue };
            let tag = detail.pointer("/tags/0").and_then(Value::as_str).unwrap_or("Other");
            tags.entry(tag).or_default().push(Operation { method, path, id: text(detail, "operationId"), detail });
        }
    }
    let info = |name| document.pointer(&format!("/info/{name}")).and_then(Value::as_str).unwrap_or_default();
    let body = html! {
        nav {
            h2 { "Routes" }
            @for (tag, operations) in &tags {
                h3 { (tag) }
                ul { @for operation in operations {
                    li { a href={ "#" (operation.id) } { (badge(operation.method)) " " (short(operation.path)) } }
                } }
            }
            h3 { "Types" }
            ul { @for name in schema::names(document) { li { a href={ "#type-" (name) } { (name) } } } }
        }
        main {
            h1 { (info("title")) " API " small { (info("version")) } }
            p { (info("description")) }
            p {
                "The same for machines: " a href="/api/openapi.json" { "OpenAPI 3.1" } ". What can go wrong: "
                a href="/docs/problems" { "problem codes" } "."
            }
            @if let Some(page) = to_try { p {
                a href=(page) { "Try it" } ": log in there with user name and password, or with an API key, and call each route from the page."
            } }
            (introduction())
            @for (tag, operations) in &tags {
                h2 { (tag) }
                @for operation in operations { (operation_section(operation, to_try.map(|page| place(page, tag, operation)))) }
            }
            h2 { "Types" }
            (schema::sections(document))
        }
    };
    frame("Tenure API", "", &body)
}

/// The page around a body.
pub(super) fn frame(title: &str, class: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href="/docs/style.css";
            }
            body class=(class) { (body) }
        }
    }
    .into_string()
}

fn introduction() -> Markup {
    html! {
        h2 { "How to call it" }
        p {
            "Log in, and send the access token with each request. Lists come in pages of " code { "{items, next_cursor}" }
            "; times are ISO 8601 in UTC; identifiers carry their kind (" code { "wf_…" } ", " code { "usr_…" }
            "). A " code { "POST" } " with an " code { "Idempotency-Key" } " can be repeated safely."
        }
        pre { code {
            "curl -s $URL/api/v1/auth/login -H 'content-type: application/json' \\\n  -d '{\"username\": \"ada\", \"password\": \"…\"}'\n"
            "curl -s $URL/api/v1/auth/me -H \"authorization: Bearer $TOKEN\""
        } }
    }
}

/// Where the page to try things on has this operation (Swagger UI's deep links).
fn place(page: &str, tag: &str, operation: &Operation<'_>) -> String {
    format!("{page}#/{}/{}", tag.replace(' ', "%20"), operation.id)
}

fn operation_section(operation: &Operation<'_>, to_try: Option<String>) -> Markup {
    let detail = operation.detail;
    // The last paragraph says what is needed to call it.
    let description = text(detail, "description");
    let (words, needs) = description.rsplit_once("\n\n").unwrap_or(("", description));
    let parameters = detail.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let body = detail.pointer("/requestBody/content").and_then(Value::as_object);
    html! {
        section id=(operation.id) {
            h3 { (badge(operation.method)) " " code { (operation.path) } " " a.anchor href={ "#" (operation.id) } { "#" }
                @if let Some(place) = to_try { " " a.anchor href=(place) { "Try it" span.apart { " out: " (operation.method.to_uppercase()) " " (operation.path) } } }
            }
            p.summary { (text(detail, "summary")) }
            @for paragraph in words.split("\n\n").filter(|paragraph| !paragraph.is_empty()) { p { (code_spans(paragraph)) } }
            p.needs { (code_spans(needs)) }
            @if !parameters.is_empty() {
                h4 { "Parameters" }
                table { @for parameter in parameters { tr {
                    td { code { (text(parameter, "name")) } }
                    td { (text(parameter, "in")) }
                    td { (schema::reference(parameter.get("schema"))) }
                    td { (code_spans(text(parameter, "description"))) }
                } } }
            }
            @for (media, content) in body.into_iter().flatten() {
                h4 { "Body: " (schema::reference(content.get("schema"))) " " small { (media) } }
                @if let Some(sample) = content.get("example") { pre { code { (format!("{sample:#}")) } } }
            }
            h4 { "Answers" }
            table { @for (status, answer) in detail.get("responses").and_then(Value::as_object).into_iter().flatten() { tr {
                td { code { (if status == "default" { "4xx, 5xx" } else { status }) } }
                td { @for content in answer.get("content").and_then(Value::as_object).into_iter().flatten() {
                    (schema::reference(content.1.get("schema")))
                } }
                td { (code_spans(text(answer, "description"))) }
            } } }
        }
    }
}

fn badge(method: &str) -> Markup {
    html! { span class={ "method " (method) } { (method.to_uppercase()) } }
}

fn short(path: &str) -> &str {
    path.strip_prefix("/api/v1").unwrap_or(path)
}

/// A text member, empty if there is none.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// What stands between backticks, as code.
pub(super) fn code_spans(words: &str) -> Markup {
    html! { @for (index, part) in words.split('`').enumerate() {
        @if index % 2 == 1 { code { (part) } } @else { (part) }
    } }
}
