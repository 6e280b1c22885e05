//! jq, through `jaq`. Without `env`, `now`, `input`, `halt`, `debug` and local time: a program sees its input and nothing else.

mod references;

use crate::protocol::{Error, ErrorKind, Position, Reference};
use jaq_core::load::{self, Arena, File, Loader, lex, parse::Def};
use jaq_core::{Compiler, Ctx, Filter, Vars, compile::Undefined, data::JustLut, native::Fun, unwrap_valr};
use jaq_json::{Num, Val};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::collections::{HashMap, HashSet};

type Data = JustLut<Val>;

/// Names that would reach out of the program, and the definitions that stand on them.
const WITHHELD: [&str; 13] = [
    "env",
    "now",
    "halt",
    "halt_error",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "localtime",
    "strflocaltime",
    "input",
    "inputs",
    "input_filename",
];

/// The definitions of jq's own language, parsed once.
pub struct Engine {
    prelude: Vec<Def<&'static str>>,
    /// What each definition calls, so that a program is compiled with what it needs alone.
    calls: HashMap<&'static str, Vec<&'static str>>,
}

impl Engine {
    pub fn new() -> Self {
        let prelude: Vec<_> = jaq_core::defs()
            .chain(jaq_std::defs())
            .chain(jaq_json::defs())
            .filter(|def| !WITHHELD.contains(&def.name))
            .collect();
        let mut calls: HashMap<_, Vec<_>> = HashMap::new();
        for def in &prelude {
            references::calls(&def.body, calls.entry(def.name).or_default());
        }
        Self { prelude, calls }
    }

    pub fn compile(&self, source: &str) -> Result<Program, Vec<Error>> {
        let arena = Arena::default();
        let loader = Loader::new(self.needed(source));
        let modules = loader.load(&arena, File { code: source, path: () }).map_err(|errors| {
            errors.into_iter().flat_map(|(_, error)| load_errors(source, error)).collect::<Vec<_>>()
        })?;
        let filter = Compiler::default().with_funs(functions()).compile(modules).map_err(|errors| {
            errors
                .into_iter()
                .flat_map(|(_, errors)| errors)
                .map(|(name, undefined)| undefined_error(source, name, &undefined))
                .collect::<Vec<_>>()
        })?;
        Ok(Program(filter))
    }

    pub fn check(&self, source: &str) -> Result<Vec<Reference>, Vec<Error>> {
        self.compile(source)?;
        Ok(references::of(source))
    }

    /// The definitions that `source` calls, and those that they call, in their order.
    fn needed(&self, source: &str) -> impl Iterator<Item = Def<&'static str>> {
        let mut open = Vec::new();
        if let Some(term) = load::parse(source, |parser| parser.term()) {
            references::calls(&term, &mut open);
        }
        let mut needed = HashSet::new();
        let mut reached: Vec<_> = self.calls.keys().copied().filter(|name| open.contains(name)).collect();
        while let Some(name) = reached.pop() {
            if needed.insert(name) {
                let callees = self.calls.get(name).into_iter().flatten();
                reached.extend(callees.filter(|callee| self.calls.contains_key(*callee)));
            }
        }
        self.prelude.iter().filter(move |def| needed.contains(def.name)).cloned()
    }
}

fn functions() -> impl Iterator<Item = Fun<Data>> {
    jaq_core::funs::<Data>()
        .chain(jaq_std::funs::<Data>())
        .chain(jaq_json::funs::<Data>())
        .filter(|(name, ..)| !WITHHELD.contains(name))
}

fn position(source: &str, part: &str) -> Position {
    let offset = (part.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize);
    // Parts that are not slices of the source (there are none today) point at its start rather than anywhere.
    Position::at(source, if offset <= source.len() { offset } else { 0 })
}

fn load_errors(source: &str, error: load::Error<&str>) -> Vec<Error> {
    let syntax = |message: String, part: &str| Error::new(ErrorKind::Syntax, message).at(position(source, part));
    match error {
        load::Error::Io(paths) => {
            paths.into_iter().map(|(path, _)| syntax("there are no modules to import".into(), path)).collect()
        }
        load::Error::Lex(errors) => errors
            .into_iter()
            .map(|(expected, found)| syntax(format!("expected {}", lexeme(&expected)), found))
            .collect(),
        load::Error::Parse(errors) => errors
            .into_iter()
            .map(|(expected, found)| {
                let found_text = if found.is_empty() { "the end".into() } else { format!("`{found}`") };
                syntax(format!("expected {}, found {found_text}", expected.as_str()), found)
            })
            .collect(),
    }
}

fn lexeme(expected: &lex::Expect<&str>) -> String {
    match expected {
        lex::Expect::Digit => "a digit".into(),
        lex::Expect::Ident => "a name".into(),
        lex::Expect::Delim(open) => format!("what closes `{open}`"),
        lex::Expect::Escape => "an escape sequence".into(),
        lex::Expect::Unicode => "a Unicode escape sequence".into(),
        _ => "a token".into(),
    }
}

fn undefined_error(source: &str, name: &str, undefined: &Undefined) -> Error {
    let what = match undefined {
        Undefined::Filter(arity) => format!("filter {name}/{arity}"),
        other => format!("{} {name}", other.as_str()),
    };
    let why =
        if WITHHELD.contains(&name) || name == "$ENV" { "is not available to workflows" } else { "is not defined" };
    Error::new(ErrorKind::Undefined, format!("{what} {why}")).at(position(source, name))
}

pub struct Program(Filter<Data>);

impl Program {
    /// The program's one result; none is null, several are an error.
    pub fn run(&self, input: Val) -> Result<Json, Error> {
        let context = Ctx::<Data>::new(&self.0.lut, Vars::new([]));
        let mut results = self.0.id.run((context, input)).map(unwrap_valr);
        let runtime = |error: jaq_json::Error| Error::new(ErrorKind::Runtime, error.to_string());
        let first = results.next().transpose().map_err(runtime)?.unwrap_or(Val::Null);
        match results.next() {
            None => Ok(Json(first)),
            Some(_) => Err(Error::new(ErrorKind::Results, "the program gives several results; gather them with [ … ]")),
        }
    }
}

/// `document` with the keys of `locals` laid over its own.
pub fn overlay(document: &Val, locals: &Val) -> Result<Val, Error> {
    let (Val::Obj(document), Val::Obj(locals)) = (document, locals) else {
        return Err(Error::new(ErrorKind::Type, "a document with locals must be an object"));
    };
    let mut merged = (**document).clone();
    merged.extend(locals.iter().map(|(key, value)| (key.clone(), value.clone())));
    Ok(Val::obj(merged))
}

/// A jq value as JSON; jq's extensions of it (byte strings, NaN, keys that are not strings) fail.
pub struct Json(Val);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

struct Borrowed<'a>(&'a Val);

impl Serialize for Borrowed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

fn serialize<S: Serializer>(value: &Val, serializer: S) -> Result<S::Ok, S::Error> {
    let unfit = |what: &str| S::Error::custom(format!("the result holds {what}, which JSON cannot hold"));
    let text =
        |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| unfit("text that is not UTF-8"));
    match value {
        Val::Null => serializer.serialize_unit(),
        Val::Bool(bool) => serializer.serialize_bool(*bool),
        Val::Num(Num::Int(int)) => serializer.serialize_i64(*int as i64),
        Val::Num(Num::Float(float)) if !float.is_finite() => Err(unfit("a number that is not finite")),
        Val::Num(Num::Float(float)) => serializer.serialize_f64(*float),
        Val::Num(number) => {
            // Large integers and decimals keep their digits.
            let number = serde_json::value::RawValue::from_string(number.to_string()).map_err(S::Error::custom)?;
            number.serialize(serializer)
        }
        Val::BStr(_) => Err(unfit("a byte string")),
        Val::TStr(string) => serializer.serialize_str(&text(string)?),
        Val::Arr(items) => {
            let mut sequence = serializer.serialize_seq(Some(items.len()))?;
            for item in items.iter() {
                sequence.serialize_element(&Borrowed(item))?;
            }
            sequence.end()
        }
        Val::Obj(entries) => {
            let mut map = serializer.serialize_map(Some(entries.len()))?;
            for (key, value) in entries.iter() {
                let Val::TStr(key) = key else { return Err(unfit("an object key that is not a string")) };
                map.serialize_entry(&text(key)?, &Borrowed(value))?;
            }
            map.end()
        }
    }
}
