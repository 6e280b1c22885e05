//! Common Expression Language, through `cel`.
//!
//! JSON integers become CEL `int` (`uint` above `i64::MAX`), other numbers `double`. Equality and comparison work across them
//! (`1 == 1.0`); arithmetic does not, as the specification says: `double(input.n) * 1.1`. Beside the standard library there are the
//! extensions for strings, lists and mathematics.

use crate::protocol::{Error, ErrorKind, Position, Reference, Segment};
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::objects::{Key, Map};
use cel::{Context, Env, ExecutionError, Program, Value, extensions};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

/// A document ready for CEL: its top-level keys are the variables.
pub type Variables = Vec<(String, Value)>;

pub struct Engine {
    env: Arc<Env>,
}

impl Engine {
    pub fn new() -> Self {
        let mut env = Env::stdlib();
        for extension in [extensions::strings, extensions::lists, extensions::math] {
            // Fails only where two libraries declare one name; the tests would not run.
            let _ = env.add_extension(extension);
        }
        let engine = Self { env: Arc::new(env) };
        // The parser builds its tables on first use: have them in the snapshot.
        let _ = engine.compile("a.b[0] == 'x' && has(a.c) || [1].exists(x, x > 0.5) ? {'k': 1u} : {}");
        engine
    }

    pub fn compile(&self, source: &str) -> Result<Program, Vec<Error>> {
        self.env.compile(source).map_err(|errors| {
            errors
                .errors
                .iter()
                .map(|error| {
                    let position = position(source, error.pos);
                    Error::new(ErrorKind::Syntax, error.msg.trim()).at(position)
                })
                .collect()
        })
    }

    pub fn run(&self, program: &Program, layers: &[&Variables]) -> Result<Json, Error> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        for (name, value) in layers.iter().copied().flatten() {
            context.add_variable_from_value(name.as_str(), value.clone());
        }
        let value = program.execute(&context).map_err(runtime)?;
        to_json(&value)
    }

    /// What the source reads, or why it cannot run: syntax, and functions that do not exist.
    pub fn check(&self, source: &str) -> Result<Vec<Reference>, Vec<Error>> {
        let program = self.compile(source)?;
        let info = program.source_info();
        let mut walk = Walk { engine: self, info, bound: Vec::new(), found: Vec::new(), errors: Vec::new() };
        walk.visit(program.expression(), false);
        if walk.errors.is_empty() { Ok(walk.found) } else { Err(walk.errors) }
    }

    fn has_function(&self, name: &str) -> bool {
        // A context refuses a function that the environment already has, which is the way to ask for one.
        Context::with_env(Arc::clone(&self.env)).add_function(name, || true).is_err()
    }
}

/// `cel` counts lines from 1 and columns from 1, in characters, and uses 0 for "at the start".
fn position(source: &str, (line, column): (isize, isize)) -> Position {
    let line_start =
        source.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum::<usize>();
    let rest = source.get(line_start..).unwrap_or("");
    let in_line =
        rest.char_indices().nth(usize::try_from(column - 1).unwrap_or(0)).map_or(rest.len(), |(offset, _)| offset);
    Position::at(source, line_start + in_line)
}

fn runtime(error: ExecutionError) -> Error {
    let kind = match &error {
        ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_) => ErrorKind::Missing,
        ExecutionError::UndeclaredReference(_) => ErrorKind::Undefined,
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::UnexpectedType { .. }
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::UnsupportedIndex(..)
        | ExecutionError::UnsupportedTargetType { .. }
        | ExecutionError::NotSupportedAsMethod { .. } => ErrorKind::Type,
        _ => ErrorKind::Runtime,
    };
    let message = match &error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::UndeclaredReference(name) => format!("undeclared name: {name}"),
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => format!(
            "no `{operator}` of {} and {}; convert one with int(), double() or string()",
            left.type_of(),
            right.type_of()
        ),
        other => other.to_string(),
    };
    Error::new(kind, message)
}

pub fn variables(document: Json) -> Result<Variables, Error> {
    match document {
        Json::Object(map) => Ok(map.into_iter().map(|(key, value)| (key, from_json(value))).collect()),
        _ => Err(Error::new(ErrorKind::Type, "the document of a CEL expression must be an object")),
    }
}

fn from_json(value: Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(bool),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(uint)) => Value::UInt(uint),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(string) => Value::String(Arc::new(string)),
        Json::Array(items) => Value::List(items.into_iter().map(from_json).collect::<Vec<_>>().into()),
        Json::Object(map) => Value::Map(Map::from(
            map.into_iter().map(|(key, value)| (Key::from(key), from_json(value))).collect::<HashMap<_, _>>(),
        )),
    }
}

/// As `Value::json`, but durations are ISO 8601 text seconds and values JSON has no word for are errors.
fn to_json(value: &Value) -> Result<Json, Error> {
    let unfit = |what: &str| Error::new(ErrorKind::Type, format!("the result is {what}, which JSON cannot hold"));
    Ok(match value {
        Value::Float(float) => {
            Json::Number(serde_json::Number::from_f64(*float).ok_or_else(|| unfit("not a finite number"))?)
        }
        Value::List(items) => Json::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Value::Map(map) => Json::Object(
            map.map.iter().map(|(key, value)| Ok((key.to_string(), to_json(value)?))).collect::<Result<_, Error>>()?,
        ),
        other => other.json().map_err(|_| unfit(&format!("a {}", other.type_of())))?,
    })
}

/// Collects the paths that start at a name the expression does not bind itself.
struct Walk<'a> {
    engine: &'a Engine,
    info: &'a SourceInfo,
    bound: Vec<&'a str>,
    found: Vec<Reference>,
    errors: Vec<Error>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, expression: &'a IdedExpr, optional: bool) {
        if let Some((path, tested)) = self.path(expression) {
            if tested && let [owner @ .., _] = path.as_slice() {
                // `has(a.b.c)` provides for the absence of `c`, not for that of `b`.
                self.push(expression, owner.to_vec(), optional);
            }
            self.push(expression, path, optional || tested);
            return;
        }
        match &expression.expr {
            Expr::Call(call) => {
                if matches!(call.func_name.as_str(), operators::OPT_SELECT | operators::OPT_INDEX) {
                    call.args.iter().for_each(|argument| self.visit(argument, true));
                    return;
                }
                let namespaced = call.target.as_ref().and_then(|target| match &target.expr {
                    Expr::Ident(namespace) => Some(format!("{namespace}.{}", call.func_name)),
                    _ => None,
                });
                let operator = !call.func_name.starts_with(char::is_alphabetic);
                if !namespaced.is_some_and(|name| self.engine.has_function(&name)) {
                    call.target.iter().for_each(|target| self.visit(target, false));
                    if !operator && !self.engine.has_function(&call.func_name) {
                        let message = format!("there is no function {}", call.func_name);
                        let start = self.info.offset_for(expression.id).map_or(0, |(start, _)| start);
                        let position = Position::at(&self.info.source, start as usize);
                        self.errors.push(Error::new(ErrorKind::Undefined, message).at(position));
                    }
                }
                call.args.iter().for_each(|argument| self.visit(argument, false));
            }
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range, false);
                self.visit(&comprehension.accu_init, false);
                let outer = self.bound.len();
                self.bound.push(&comprehension.iter_var);
                self.bound.extend(comprehension.iter_var2.as_deref());
                self.bound.push(&comprehension.accu_var);
                self.visit(&comprehension.loop_cond, false);
                self.visit(&comprehension.loop_step, false);
                self.visit(&comprehension.result, false);
                self.bound.truncate(outer);
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element, false)),
            Expr::Map(map) => self.entries(&map.entries),
            Expr::Struct(structure) => self.entries(&structure.entries),
            Expr::Select(select) => self.visit(&select.operand, optional || select.test),
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        }
    }

    fn entries(&mut self, entries: &'a [cel::common::ast::IdedEntryExpr]) {
        for entry in entries {
            match &entry.expr {
                EntryExpr::StructField(field) => self.visit(&field.value, false),
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, false);
                    self.visit(&entry.value, false);
                }
            }
        }
    }

    fn push(&mut self, expression: &'a IdedExpr, path: Vec<Segment>, optional: bool) {
        let start = self.start(expression);
        let position = Position::at(&self.info.source, start as usize);
        self.found.push(Reference { path, optional, position });
    }

    /// The first byte of the expression's text; a selection's own offset is that of its dot.
    fn start(&self, expression: &IdedExpr) -> u32 {
        let inner = match &expression.expr {
            Expr::Select(select) => Some(&*select.operand),
            Expr::Call(call) if call.func_name == operators::INDEX => call.args.first(),
            _ => None,
        };
        match inner {
            Some(inner) => self.start(inner),
            None => self.info.offset_for(expression.id).map_or(0, |(start, _)| start),
        }
    }

    /// `a.b["c"][0]` as a path, unless it starts at a bound name; the flag tells of `has(…)`.
    fn path(&mut self, expression: &'a IdedExpr) -> Option<(Vec<Segment>, bool)> {
        match &expression.expr {
            // `int` and its like name types.
            Expr::Ident(name) if self.engine.env.types().find_type(name).is_some() => None,
            Expr::Ident(name) if !self.bound.contains(&name.as_str()) && !name.starts_with('@') => {
                Some((vec![Segment::Key(name.trim_start_matches('.').to_owned())], false))
            }
            Expr::Select(select) => {
                let (mut path, tested) = self.path(&select.operand)?;
                path.push(Segment::Key(select.field.clone()));
                Some((path, tested || select.test))
            }
            Expr::Call(call) if call.func_name == operators::INDEX && call.target.is_none() => {
                let [operand, index] = call.args.as_slice() else { return None };
                let (mut path, tested) = self.path(operand)?;
                path.push(match &index.expr {
                    Expr::Literal(LiteralValue::String(key)) => Segment::Key(key.inner().to_owned()),
                    Expr::Literal(LiteralValue::Int(index)) => Segment::Index(*index.inner()),
                    _ => {
                        self.visit(index, false);
                        Segment::Any
                    }
                });
                Some((path, tested))
            }
            _ => None,
        }
    }
}
