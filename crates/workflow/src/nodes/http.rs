//! `http`: one request to an outside service.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::{NodeType, Template};
use crate::definition::fields::{Item, Object};
use crate::expression::Sites;
use crate::fault::{Code, Faults};
use crate::validate::Shape;

/// A request. Output: `{ status, headers, json | text }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// The method.
    pub method: Method,
    /// `{ url, headers, query, json | form | body }` as given, templates inside.
    pub request: Template,
    /// The statuses that are no failure; 200 to 299 unless given.
    pub expect_status: RangeInclusive<u16>,
    /// Whether an `Idempotency-Key` that stays the same over attempts is sent.
    pub idempotent: bool,
}

/// The methods a request can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "they are HTTP's own words")]
pub enum Method {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    const WORDS: [(&'static str, Self); 7] = [
        ("GET", Self::Get),
        ("HEAD", Self::Head),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
        ("OPTIONS", Self::Options),
    ];

    /// As it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, method)| *method == self).map_or("GET", |(word, _)| word)
    }
}

const SUCCESS: RangeInclusive<u16> = 200..=299;

impl NodeType for Http {
    const NAME: &'static str = "http";

    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        let mut http =
            Self { method: Method::default(), request: Template::default(), expect_status: SUCCESS, idempotent: false };
        if let Some(mut request) = object.required("request", faults).and_then(|item| item.object(faults)) {
            http.method =
                request.optional("method").and_then(|item| item.word(&Method::WORDS, faults)).unwrap_or_default();
            http.request = Template::new(Value::Object(parse_request(&mut request, faults)));
            request.finish(faults);
        }
        if let Some(mut expect) = object.optional("expect").and_then(|item| item.object(faults)) {
            if let Some(item) = expect.optional("status") {
                http.expect_status = parse_status(&item, faults).unwrap_or(SUCCESS);
            }
            expect.finish(faults);
        }
        http.idempotent = object.optional("idempotent").and_then(|item| item.boolean(faults)).unwrap_or_default();
        http
    }

    fn schema() -> Value {
        let texts = json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } });
        json!({
            "description": "One request; its output is { status, headers, json | text }.",
            "required": ["request"],
            "properties": {
                "request": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["url"],
                    "properties": {
                        "method": { "enum": Method::WORDS.map(|(word, _)| word) },
                        "url": { "type": "string", "minLength": 1 },
                        "headers": texts,
                        "query": texts,
                        "json": true,
                        "form": texts,
                        "body": { "type": "string" }
                    }
                },
                "expect": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "status": {
                            "description": "One status, or the first and the last that are no failure.",
                            "oneOf": [
                                { "$ref": "#/$defs/status" },
                                { "type": "array", "minItems": 2, "maxItems": 2, "items": { "$ref": "#/$defs/status" } }
                            ]
                        }
                    }
                },
                "idempotent": { "type": "boolean", "description": "Sends an Idempotency-Key that stays the same over attempts." }
            }
        })
    }

    fn expressions(&self, sites: &mut Sites<'_>) {
        sites.template("request", &self.request, true);
    }

    fn output(&self) -> Shape {
        Shape::object([
            ("status", Shape::Scalar("number")),
            ("headers", Shape::Any),
            ("json", Shape::Any),
            ("text", Shape::Scalar("string")),
        ])
    }
}

fn parse_request(object: &mut Object<'_>, faults: &mut Faults) -> Map<String, Value> {
    let mut request = Map::new();
    if let Some(item) = object.required("url", faults)
        && let Some(url) = item.text(faults)
    {
        check_url(&url, &item, faults);
        request.insert("url".to_owned(), url.into());
    }
    let bodies: Vec<&str> = ["json", "form", "body"].into_iter().filter(|name| object.has(name)).collect();
    if bodies.len() > 1 {
        let message = format!("a request has one body; give only one of `{}`", bodies.join("`, `"));
        faults.error(Code::ConflictingFields, &object.pointer, message);
    }
    for name in ["headers", "query", "form"] {
        let Some(item) = object.optional(name) else { continue };
        for (key, item) in item.entries(faults).unwrap_or_default() {
            if item.value().is_object() || item.value().is_array() || item.value().is_null() {
                faults.error(Code::WrongType, &item.pointer, "expected text or a number");
            }
            if name == "headers" && !is_token(&key.text) {
                faults.error(Code::InvalidValue, &item.pointer, format!("`{}` cannot be a header's name", key.text));
            }
        }
        request.insert(name.to_owned(), item.value());
    }
    if let Some(item) = object.optional("json") {
        request.insert("json".to_owned(), item.value());
    }
    if let Some(body) = object.optional("body").and_then(|item| item.text(faults)) {
        request.insert("body".to_owned(), body.into());
    }
    request
}

/// What can be told before the templates are rendered; the rest is refused when the request is made.
fn check_url(url: &str, item: &Item<'_>, faults: &mut Faults) {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let known = matches!(scheme.as_deref(), Some("http" | "https"));
    if !known && !url.trim_start().starts_with("{{") {
        faults.error(
            Code::InvalidValue,
            &item.pointer,
            "a URL begins with `https://` or `http://`, or with a template",
        );
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn parse_status(item: &Item<'_>, faults: &mut Faults) -> Option<RangeInclusive<u16>> {
    let status = |item: &Item<'_>, faults: &mut Faults| {
        item.integer(100..=599, faults).and_then(|status| u16::try_from(status).ok())
    };
    if !item.value().is_array() {
        return status(item, faults).map(|status| status..=status);
    }
    match item.list(faults)?.as_slice() {
        [first, last] => {
            let range = status(first, faults)?..=status(last, faults)?;
            if range.is_empty() {
                faults.error(Code::InvalidValue, &item.pointer, "the first status is above the last");
            }
            Some(range)
        }
        _ => {
            faults.error(Code::InvalidValue, &item.pointer, "give the first and the last status, such as [200, 299]");
            None
        }
    }
}
