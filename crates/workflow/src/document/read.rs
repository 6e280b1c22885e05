//! Reads YAML 1.2 (core schema) and JSON with bounds that hold while the text is read, not after.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::Number;

use super::{Content, Data, Key, Lines, Position, Tree};
use crate::fault::Code;

/// What is read at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of text, and of all texts together once aliases are replaced by what they stand for.
    pub bytes: usize,
    /// Levels of nesting.
    pub depth: usize,
    /// Values, once aliases are replaced by what they stand for.
    pub values: usize,
}

impl Default for Limits {
    /// 1 MiB, 64 levels, 200,000 values.
    fn default() -> Self {
        Self { bytes: 1024 * 1024, depth: 64, values: 200_000 }
    }
}

/// Why a text could not be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}: {message}", at.line, at.column)]
pub struct SyntaxFault {
    /// `syntax`, `too-large`, `duplicate-key` or `invalid-value`.
    pub code: Code,
    /// What is wrong and what to do.
    pub message: String,
    /// Where.
    pub at: Position,
}

fn fault<T>(code: Code, at: Position, message: impl Into<String>) -> Result<T, SyntaxFault> {
    Err(SyntaxFault { code, message: message.into(), at })
}

/// A document and the keys that it repeats: the first of each is kept.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) tree: Tree,
    /// Pointer of the mapping, and the repeated key with the place of its repetition.
    pub(crate) duplicates: Vec<Duplicate>,
    pub(crate) lines: Lines,
}

/// A key that a mapping holds twice.
#[derive(Debug)]
pub(crate) struct Duplicate {
    pub(crate) pointer: String,
    pub(crate) key: String,
    pub(crate) at: Position,
}

/// Reads a document; a repeated key is a fault.
///
/// # Errors
/// [`SyntaxFault`] with its position when the text is not UTF-8, not YAML or JSON, or beyond `limits`.
pub fn read(text: &[u8], limits: &Limits) -> Result<Tree, SyntaxFault> {
    let read = read_keeping_duplicates(text, limits)?;
    match read.duplicates.first() {
        None => Ok(read.tree),
        Some(duplicate) => fault(Code::DuplicateKey, duplicate.at, format!("key `{}` is given twice", duplicate.key)),
    }
}

pub(crate) fn read_keeping_duplicates(text: &[u8], limits: &Limits) -> Result<Read, SyntaxFault> {
    if text.len() > limits.bytes {
        return fault(
            Code::TooLarge,
            Position::START,
            format!("the document has {} bytes; at most {} are read", text.len(), limits.bytes),
        );
    }
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let at = position_of_byte(text, error.valid_up_to());
            return fault(Code::Syntax, at, "the text is not valid UTF-8 here; save the file as UTF-8");
        }
    };
    let text = if text.trim_start().starts_with('{') { join_surrogates(text) } else { Cow::Borrowed(text) };
    let lines = Lines::of(&text);
    match Loader::new(&text, limits).load() {
        Ok((tree, duplicates)) => Ok(Read { tree, duplicates, lines }),
        // The parser misses what does not come on the line behind the last.
        Err(fault) => Err(SyntaxFault { at: lines.nearest(fault.at), ..fault }),
    }
}

fn position_of_byte(text: &[u8], byte: usize) -> Position {
    Lines::of(&String::from_utf8_lossy(text.get(..byte).unwrap_or_default())).end()
}

/// JSON writes characters beyond U+FFFF as two `\u` escapes, YAML as one `\U`.
fn join_surrogates(text: &str) -> Cow<'_, str> {
    if !text.contains("\\uD") && !text.contains("\\ud") {
        return Cow::Borrowed(text);
    }
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        joined.push_str(before);
        let unit = |from: usize| {
            escape
                .get(from..from + 6)
                .and_then(|escape| escape.strip_prefix("\\u"))
                .and_then(|digits| u16::from_str_radix(digits, 16).ok())
        };
        let pair = unit(0).zip(unit(6)).and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok());
        match pair {
            Some(character) if character > '\u{ffff}' => {
                joined.push_str(&format!("\\U{:08X}", u32::from(character)));
                rest = escape.get(12..).unwrap_or_default();
            }
            _ => {
                // The escaped character goes along, or `\\u` would be taken for the begin of an escape.
                let end = escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end);
                joined.push_str(escape.get(..end).unwrap_or_default());
                rest = escape.get(end..).unwrap_or_default();
            }
        }
    }
    joined.push_str(rest);
    Cow::Owned(joined)
}

/// A list or mapping that is still open.
struct Open {
    tree: Tree,
    anchor: usize,
    /// A mapping's key that waits for its value.
    key: Option<Key>,
    /// The keys of the mapping so far.
    keys: HashSet<String>,
}

impl Open {
    fn awaits_key(&self) -> bool {
        matches!(self.tree.data, Data::Map(_)) && self.key.is_none()
    }
}

/// A value that an anchor names, with what it costs to repeat it.
struct Anchored {
    tree: Tree,
    values: usize,
    bytes: usize,
}

struct Loader<'t> {
    text: &'t str,
    limits: &'t Limits,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    duplicates: Vec<Duplicate>,
    values: usize,
    bytes: usize,
}

impl<'t> Loader<'t> {
    fn new(text: &'t str, limits: &'t Limits) -> Self {
        Self { text, limits, open: Vec::new(), anchors: HashMap::new(), duplicates: Vec::new(), values: 0, bytes: 0 }
    }

    fn load(mut self) -> Result<(Tree, Vec<Duplicate>), SyntaxFault> {
        let mut parser = Parser::new_from_str(self.text);
        let mut root = None;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.or_else(|error| {
                // The parser's own bound on `[` and `{`, which it reads ahead of its events.
                if error.info().contains("recursion limit") {
                    let message = format!("nested deeper than {} levels", self.limits.depth);
                    return fault(Code::TooLarge, marker(error.marker()), message);
                }
                fault(Code::Syntax, marker(error.marker()), format!("this is not valid YAML or JSON: {}", error.info()))
            })?;
            let at = marker(&span.start);
            let complete = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let tree = self.scalar(text, style, tag.as_deref(), &span)?;
                    self.complete(tree, anchor)?
                }
                Event::SequenceStart(anchor, tag) => {
                    self.begin(Data::List(Vec::new()), anchor, tag.as_deref(), at)?;
                    None
                }
                Event::MappingStart(anchor, tag) => {
                    self.begin(Data::Map(Vec::new()), anchor, tag.as_deref(), at)?;
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                    Some(open) => self.complete(open.tree, open.anchor)?,
                    None => None,
                },
                Event::Alias(anchor) => {
                    let tree = self.alias(anchor, at)?;
                    self.complete(tree, 0)?
                }
                Event::DocumentStart(_) if root.is_some() => {
                    return fault(Code::Syntax, at, "a second document begins here; give one definition per file");
                }
                _ => None,
            };
            if let Some(tree) = complete {
                root = Some(tree);
            }
        }
        match root {
            Some(tree) => Ok((tree, self.duplicates)),
            None => fault(Code::Syntax, Position::START, "the document is empty"),
        }
    }

    fn begin(&mut self, data: Data, anchor: usize, tag: Option<&Tag>, at: Position) -> Result<(), SyntaxFault> {
        if self.open.len() >= self.limits.depth {
            return fault(Code::TooLarge, at, format!("nested deeper than {} levels", self.limits.depth));
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            return fault(Code::Syntax, at, format!("tag `{tag}` has no meaning here; remove it"));
        }
        self.spend(1, 0, at)?;
        self.open.push(Open { tree: Tree { data, at, content: None }, anchor, key: None, keys: HashSet::new() });
        Ok(())
    }

    fn spend(&mut self, values: usize, bytes: usize, at: Position) -> Result<(), SyntaxFault> {
        self.values += values;
        self.bytes += bytes;
        if self.values > self.limits.values || self.bytes > self.limits.bytes {
            return fault(
                Code::TooLarge,
                at,
                format!(
                    "more than {} values or {} bytes of text once aliases are replaced",
                    self.limits.values, self.limits.bytes
                ),
            );
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<Tree, SyntaxFault> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return fault(Code::Syntax, at, "an alias stands inside the value that it repeats");
        };
        let (values, bytes) = (anchored.values, anchored.bytes);
        self.spend(values, bytes, at)?;
        let depth = self.open.len();
        let Some(anchored) = self.anchors.get(&anchor) else {
            return fault(Code::Syntax, at, "the alias names no anchor");
        };
        if depth + depth_of(&anchored.tree) > self.limits.depth {
            return fault(Code::TooLarge, at, format!("nested deeper than {} levels", self.limits.depth));
        }
        Ok(anchored.tree.clone())
    }

    /// Puts a finished value where it belongs; gives it back if it is the document.
    fn complete(&mut self, tree: Tree, anchor: usize) -> Result<Option<Tree>, SyntaxFault> {
        if anchor > 0 {
            let (values, bytes) = cost(&tree);
            // Keeping a copy costs as much as repeating it.
            self.spend(values, bytes, tree.at)?;
            self.anchors.insert(anchor, Anchored { tree: tree.clone(), values, bytes });
        }
        let pointer = || {
            self.open.iter().fold(String::new(), |pointer, open| match (&open.key, &open.tree.data) {
                (Some(key), _) => super::child(&pointer, &key.text),
                (None, Data::List(items)) => super::child(&pointer, items.len()),
                (None, _) => pointer,
            })
        };
        let repeated = match self.open.last() {
            Some(Open { key: Some(key), keys, .. }) if keys.contains(&key.text) => Some(pointer()),
            _ => None,
        };
        let Some(open) = self.open.last_mut() else { return Ok(Some(tree)) };
        match (&mut open.tree.data, open.key.take()) {
            (Data::List(items), _) => items.push(tree),
            (Data::Map(entries), Some(key)) => match repeated {
                Some(pointer) => self.duplicates.push(Duplicate { pointer, key: key.text, at: key.at }),
                None => {
                    open.keys.insert(key.text.clone());
                    entries.push((key, tree));
                }
            },
            (Data::Map(_), None) => match tree.data {
                Data::Text(text) => open.key = Some(Key { text, at: tree.at }),
                _ => return fault(Code::Syntax, tree.at, "a key must be text"),
            },
            _ => {}
        }
        Ok(None)
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<Tree, SyntaxFault> {
        let at = marker(&span.start);
        self.spend(1, text.len(), at)?;
        if text.contains('\0') {
            return fault(Code::InvalidValue, at, "the text holds a NUL character, which cannot be stored; remove it");
        }
        let is_key = self.open.last().is_some_and(Open::awaits_key);
        let content = content(&text, style, span);
        let data = match tag {
            // A key is what was written: `404:` is the key "404".
            _ if is_key => Data::Text(text.into_owned()),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Data::Text(text.into_owned()),
            Some(tag) if !tag.is_yaml_core_schema() && tag.to_string() != "!" => {
                return fault(Code::Syntax, at, format!("tag `{tag}` has no meaning here; remove it"));
            }
            _ if style == ScalarStyle::Plain => plain(&text, at)?,
            _ => Data::Text(text.into_owned()),
        };
        Ok(Tree { data, at, content })
    }
}

/// The core schema of YAML 1.2: only these are not text.
fn plain(text: &str, at: Position) -> Result<Data, SyntaxFault> {
    let data = match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "-.inf" | "-.Inf" | "-.INF" | "+.inf" => {
            return fault(Code::InvalidValue, at, "JSON has no such number; use a finite one");
        }
        _ => match number(text) {
            None => Data::Text(text.to_owned()),
            Some(Some(number)) => Data::Number(number),
            Some(None) => {
                return fault(Code::InvalidValue, at, "the number is too large to be kept exactly; quote it as text");
            }
        },
    };
    Ok(data)
}

/// `None` for text; `Some(None)` for a number that cannot be represented.
fn number(text: &str) -> Option<Option<Number>> {
    if let Some(digits) = text.strip_prefix("0x") {
        return is_all(digits, |b| b.is_ascii_hexdigit())
            .then(|| u64::from_str_radix(digits, 16).ok().map(Number::from));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return is_all(digits, |b| (b'0'..=b'7').contains(&b))
            .then(|| u64::from_str_radix(digits, 8).ok().map(Number::from));
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if is_all(unsigned, |b| b.is_ascii_digit()) {
        let signed = text.strip_prefix('+').unwrap_or(text);
        return Some(signed.parse::<i64>().map(Number::from).or_else(|_| signed.parse::<u64>().map(Number::from)).ok());
    }
    let mantissa_and_exponent = unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    if mantissa_and_exponent && unsigned.bytes().any(|b| b.is_ascii_digit()) {
        // Rust's grammar for floats is the core schema's, once letters such as `inf` are excluded.
        return text.parse::<f64>().ok().map(Number::from_f64);
    }
    None
}

fn is_all(text: &str, test: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(test)
}

fn content(text: &str, style: ScalarStyle, span: &Span) -> Option<Content> {
    let start = marker(&span.start);
    match style {
        ScalarStyle::Plain => Some(Content { first: start, indent: None }),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            Some(Content { first: Position { line: start.line, column: start.column + 1 }, indent: None })
        }
        // A block's span begins with its first character that is neither indentation nor an empty line.
        ScalarStyle::Literal | ScalarStyle::Folded => {
            let empty = small(text.chars().take_while(|c| *c == '\n').count());
            let first = Position { line: start.line.saturating_sub(empty), column: start.column };
            Some(Content { first, indent: (style == ScalarStyle::Literal).then_some(start.column) })
        }
    }
}

fn cost(tree: &Tree) -> (usize, usize) {
    match &tree.data {
        Data::Text(text) => (1, text.len()),
        Data::List(items) => sum(items.iter().map(cost)),
        Data::Map(entries) => sum(entries.iter().map(|(key, value)| {
            let (values, bytes) = cost(value);
            (values + 1, bytes + key.text.len())
        })),
        _ => (1, 0),
    }
}

fn sum(costs: impl Iterator<Item = (usize, usize)>) -> (usize, usize) {
    costs.fold((1, 0), |(values, bytes), (more, text)| (values + more, bytes + text))
}

fn depth_of(tree: &Tree) -> usize {
    match &tree.data {
        Data::List(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Data::Map(entries) => 1 + entries.iter().map(|(_, value)| depth_of(value)).max().unwrap_or(0),
        _ => 0,
    }
}

fn marker(marker: &saphyr_parser::Marker) -> Position {
    Position { line: small(marker.line()).max(1), column: small(marker.col()) + 1 }
}

/// Lines and columns fit: a document has at most as many as its bound on bytes.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 1)
}
