//! Templates: `{{ path | filter | … }}` in the strings of a JSON value.
//!
//! ```text
//! expression = (path | JSON string) { "|" filter }
//! path       = name { "." name | "[" (integer | JSON string) "]" }
//! filter     = name [ "(" JSON value ")" ]
//! ```
//!
//! A string that is exactly one expression becomes the value itself; in any other, strings stand as they are and other values as
//! their JSON text. A literal `{{` is written `{{ "{{" }}`.

use crate::protocol::{Error, ErrorKind, Position, Reference, Segment};
use serde_json::Value;
use std::collections::BTreeMap;

/// What expressions can see.
pub struct Scope<'a> {
    pub document: &'a Value,
    /// Top-level names that hide those of the document.
    pub locals: Option<&'a Value>,
    /// Name to placeholder: the secret itself never comes here.
    pub secrets: &'a BTreeMap<String, String>,
}

pub enum Template {
    Literal(Value),
    /// A string that is one expression.
    Value(Expression),
    Text(Vec<Piece>),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

pub enum Piece {
    Literal(String),
    Expression(Expression),
}

pub struct Expression {
    head: Head,
    filters: Vec<Filter>,
    position: Position,
}

enum Head {
    Path(Vec<Segment>),
    Literal(String),
}

enum Filter {
    Json,
    String,
    Default(Value),
    Upper,
    Lower,
    Trim,
    Join(String),
    Length,
}

impl Template {
    /// `source` is the JSON text of a value.
    pub fn parse(source: &str) -> Result<Self, Vec<Error>> {
        let value: Value = serde_json::from_str(source)
            .map_err(|error| vec![Error::new(ErrorKind::Syntax, format!("the template is not JSON: {error}"))])?;
        let mut errors = Vec::new();
        let template = Self::of(value, &mut String::new(), &mut errors);
        if errors.is_empty() { Ok(template) } else { Err(errors) }
    }

    fn of(value: Value, pointer: &mut String, errors: &mut Vec<Error>) -> Self {
        let mut below = |key: &str, value, errors: &mut Vec<Error>| {
            let outer = pointer.len();
            pointer.push('/');
            pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            let template = Self::of(value, pointer, errors);
            pointer.truncate(outer);
            template
        };
        match value {
            Value::String(text) if text.contains("{{") => match pieces(&text, pointer) {
                Ok(mut pieces) => match pieces.pop() {
                    Some(Piece::Expression(expression)) if pieces.is_empty() => Self::Value(expression),
                    last => {
                        pieces.extend(last);
                        Self::Text(pieces)
                    }
                },
                Err(error) => {
                    errors.push(error);
                    Self::Literal(Value::Null)
                }
            },
            Value::Array(items) => Self::Array(
                items.into_iter().enumerate().map(|(index, item)| below(&index.to_string(), item, errors)).collect(),
            ),
            Value::Object(entries) => Self::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let template = below(&key, value, errors);
                        (key, template)
                    })
                    .collect(),
            ),
            other => Self::Literal(other),
        }
    }

    pub fn render(&self, scope: &Scope<'_>) -> Result<Value, Error> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Value(expression) => expression.evaluate(scope)?,
            Self::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Literal(literal) => text.push_str(literal),
                        Piece::Expression(expression) => text.push_str(&to_text(expression.evaluate(scope)?)),
                    }
                }
                Value::String(text)
            }
            Self::Array(items) => Value::Array(items.iter().map(|item| item.render(scope)).collect::<Result<_, _>>()?),
            Self::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, template)| Ok((key.clone(), template.render(scope)?)))
                    .collect::<Result<_, Error>>()?,
            ),
        })
    }

    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect(&self, found: &mut Vec<Reference>) {
        match self {
            Self::Literal(_) => {}
            Self::Value(expression) => found.extend(expression.reference()),
            Self::Text(pieces) => found.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Literal(_) => None,
                Piece::Expression(expression) => expression.reference(),
            })),
            Self::Array(items) => items.iter().for_each(|item| item.collect(found)),
            Self::Object(entries) => entries.iter().for_each(|(_, template)| template.collect(found)),
        }
    }
}

impl Expression {
    fn reference(&self) -> Option<Reference> {
        let Head::Path(path) = &self.head else { return None };
        let optional = self.filters.iter().any(|filter| matches!(filter, Filter::Default(_)));
        Some(Reference { path: path.clone(), optional, position: self.position.clone() })
    }

    fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Error> {
        let error = |kind, message: String| Error::new(kind, message).at(self.position.clone());
        let mut value = match &self.head {
            Head::Literal(text) => Some(Value::String(text.clone())),
            Head::Path(path) => self.look_up(path, scope)?.cloned_value(),
        };
        for filter in &self.filters {
            value = match (filter, value) {
                (Filter::Default(fallback), None | Some(Value::Null)) => Some(fallback.clone()),
                (_, None) => None,
                (filter, Some(value)) => Some(filter.apply(value).map_err(|message| error(ErrorKind::Type, message))?),
            };
        }
        value.ok_or_else(|| {
            let path = match &self.head {
                Head::Path(path) => display(path),
                Head::Literal(_) => String::new(),
            };
            error(ErrorKind::Missing, format!("there is no value at `{path}`; `| default(…)` provides one"))
        })
    }

    fn look_up<'a>(&self, path: &[Segment], scope: &Scope<'a>) -> Result<Found<'a>, Error> {
        let error = |message: String| Error::new(ErrorKind::Missing, message).at(self.position.clone());
        if let [Segment::Key(root), rest @ ..] = path
            && root == "secrets"
        {
            let [Segment::Key(name)] = rest else {
                return Err(error("a secret is written `secrets.NAME`".into()));
            };
            let placeholder =
                scope.secrets.get(name).ok_or_else(|| error(format!("the secret `{name}` is not granted here")))?;
            return Ok(Found::Secret(placeholder));
        }
        let root = match (path, scope.locals) {
            ([Segment::Key(root), ..], Some(locals)) if locals.get(root).is_some() => locals,
            _ => scope.document,
        };
        let step = |value: &'a Value, segment: &Segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => {
                let items = value.as_array()?;
                let index = if *index < 0 { *index + items.len() as i64 } else { *index };
                items.get(usize::try_from(index).ok()?)
            }
            Segment::Any => None,
        };
        Ok(Found::Value(path.iter().try_fold(root, step)))
    }
}

enum Found<'a> {
    Value(Option<&'a Value>),
    Secret(&'a str),
}

impl Found<'_> {
    fn cloned_value(self) -> Option<Value> {
        match self {
            Self::Value(value) => value.cloned(),
            Self::Secret(placeholder) => Some(Value::String(placeholder.to_owned())),
        }
    }
}

impl Filter {
    fn apply(&self, value: Value) -> Result<Value, String> {
        let text = |value: Value, name: &str, change: fn(&str) -> String| match value {
            Value::String(text) => Ok(Value::String(change(&text))),
            other => Err(format!("`{name}` wants a string, not {}", kind(&other))),
        };
        match self {
            Self::Json => Ok(Value::String(value.to_string())),
            Self::String => Ok(Value::String(to_text(value))),
            Self::Default(_) => Ok(value),
            Self::Upper => text(value, "upper", str::to_uppercase),
            Self::Lower => text(value, "lower", str::to_lowercase),
            Self::Trim => text(value, "trim", |text| text.trim().to_owned()),
            Self::Join(separator) => match value {
                Value::Array(items) => {
                    let items: Vec<_> = items.into_iter().map(to_text).collect();
                    Ok(Value::String(items.join(separator)))
                }
                other => Err(format!("`join` wants a list, not {}", kind(&other))),
            },
            Self::Length => match value {
                Value::String(text) => Ok(text.chars().count().into()),
                Value::Array(items) => Ok(items.len().into()),
                Value::Object(entries) => Ok(entries.len().into()),
                other => Err(format!("`length` wants a string, a list or an object, not {}", kind(&other))),
            },
        }
    }
}

fn to_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn display(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) if key.chars().all(in_name) => text.extend([".", key]),
            Segment::Key(key) => text.push_str(&format!("[{key:?}]")),
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
            Segment::Any => text.push_str("[]"),
        }
    }
    text
}

fn in_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-')
}

fn pieces(text: &str, pointer: &str) -> Result<Vec<Piece>, Error> {
    let mut parser = Parser { text, offset: 0, pointer };
    let mut pieces = Vec::new();
    while let Some(length) = parser.rest().find("{{") {
        if length > 0 {
            pieces.push(Piece::Literal(parser.rest()[..length].to_owned()));
        }
        parser.offset += length + 2;
        pieces.push(Piece::Expression(parser.expression()?));
    }
    if !parser.rest().is_empty() {
        pieces.push(Piece::Literal(parser.rest().to_owned()));
    }
    Ok(pieces)
}

struct Parser<'a> {
    text: &'a str,
    offset: usize,
    pointer: &'a str,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn position(&self) -> Position {
        Position { pointer: Some(self.pointer.to_owned()), ..Position::at(self.text, self.offset) }
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, Error> {
        Err(Error::new(ErrorKind::Syntax, message).at(self.position()))
    }

    fn space(&mut self) {
        self.offset = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    /// What stands between the braces, and the closing ones.
    fn expression(&mut self) -> Result<Expression, Error> {
        self.space();
        let position = self.position();
        let head = if self.rest().starts_with('"') {
            match self.json()? {
                Value::String(text) => Head::Literal(text),
                _ => return self.error("expected a string"),
            }
        } else {
            Head::Path(self.path()?)
        };
        let mut filters = Vec::new();
        while self.eat("|") {
            self.space();
            let secret = matches!(&head, Head::Path(path) if path.first() == Some(&Segment::Key("secrets".into())));
            if secret {
                return self.error("a secret cannot pass through a filter: only its placeholder is known here");
            }
            filters.push(self.filter()?);
        }
        if !self.eat("}}") {
            return self.error("expected `|` or `}}`");
        }
        Ok(Expression { head, filters, position })
    }

    fn name(&mut self) -> Result<&'a str, Error> {
        self.space();
        let rest = self.rest();
        let name = &rest[..rest.find(|character| !in_name(character)).unwrap_or(rest.len())];
        if name.is_empty() {
            return self.error("expected a name");
        }
        self.offset += name.len();
        Ok(name)
    }

    fn path(&mut self) -> Result<Vec<Segment>, Error> {
        let mut path = vec![Segment::Key(self.name()?.to_owned())];
        loop {
            if self.eat(".") {
                path.push(Segment::Key(self.name()?.to_owned()));
            } else if self.eat("[") {
                self.space();
                path.push(match self.json()? {
                    Value::String(key) => Segment::Key(key),
                    Value::Number(number) if number.is_i64() => Segment::Index(number.as_i64().unwrap_or_default()),
                    _ => return self.error("expected an index or a quoted key"),
                });
                if !self.eat("]") {
                    return self.error("expected `]`");
                }
            } else {
                return Ok(path);
            }
        }
    }

    fn filter(&mut self) -> Result<Filter, Error> {
        let start = self.offset;
        let name = self.name()?;
        let mut argument = None;
        if self.eat("(") {
            self.space();
            argument = Some(self.json()?);
            if !self.eat(")") {
                return self.error("expected `)`");
            }
        }
        let filter = match (name, argument) {
            ("json", None) => Filter::Json,
            ("string", None) => Filter::String,
            ("upper", None) => Filter::Upper,
            ("lower", None) => Filter::Lower,
            ("trim", None) => Filter::Trim,
            ("length", None) => Filter::Length,
            ("default", Some(value)) => Filter::Default(value),
            ("join", None) => Filter::Join(",".into()),
            ("join", Some(Value::String(separator))) => Filter::Join(separator),
            ("default", None) => return self.error("`default` wants a value: `default(\"…\")`"),
            ("join", Some(_)) => return self.error("`join` wants a string"),
            ("json" | "string" | "upper" | "lower" | "trim" | "length", Some(_)) => {
                return self.error(format!("`{name}` takes no argument"));
            }
            _ => {
                self.offset = start;
                return self.error(format!(
                    "there is no filter `{name}`; there are json, string, default, upper, lower, trim, join and length"
                ));
            }
        };
        Ok(filter)
    }

    /// One JSON value.
    fn json(&mut self) -> Result<Value, Error> {
        let rest = self.rest();
        let parsed = if rest.starts_with(['"', '[', '{']) {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter();
            values.next().and_then(Result::ok).map(|value| (value, values.byte_offset()))
        } else {
            // Numbers and words have no end of their own.
            let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && !"+-.".contains(character));
            let word = &rest[..end.unwrap_or(rest.len())];
            serde_json::from_str(word).ok().map(|value| (value, word.len()))
        };
        match parsed {
            Some((value, length)) => {
                self.offset += length;
                Ok(value)
            }
            None => self.error("expected a JSON value"),
        }
    }
}
