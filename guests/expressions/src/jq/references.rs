//! What a jq program reads from its input, followed through pipes, variables, iteration and the common filters.
//!
//! Best effort by nature: where the value of `.` is not known without running, nothing is reported rather than something wrong.

use crate::protocol::{Reference, Segment};
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Opt, Part};

/// Filters whose arguments see each element of the input.
const OVER_ELEMENTS: [&str; 9] =
    ["map", "map_values", "sort_by", "group_by", "min_by", "max_by", "unique_by", "any", "all"];
/// Filters whose arguments see values that only the run knows.
const OVER_UNKNOWN: [&str; 11] =
    ["recurse", "walk", "until", "while", "repeat", "sub", "gsub", "with_entries", "in", "inside", "paths"];

/// The names of the filters that `term` calls.
pub fn calls<'s>(term: &Term<&'s str>, found: &mut Vec<&'s str>) {
    let mut each = |term: &Term<&'s str>| calls(term, found);
    match term {
        Term::Call(name, arguments) => {
            arguments.iter().for_each(&mut each);
            found.push(name);
        }
        Term::Str(format, parts) => {
            parts.iter().for_each(|part| {
                if let StrPart::Term(term) = part {
                    each(term);
                }
            });
            found.push("tostring");
            found.extend(format);
        }
        Term::Arr(inner) => inner.iter().for_each(|term| each(term)),
        Term::Obj(entries) => entries.iter().for_each(|(key, value)| {
            each(key);
            value.iter().for_each(&mut each);
        }),
        Term::Neg(inner) | Term::Label(_, inner) => each(inner),
        Term::BinOp(left, operator, right) => {
            if let BinaryOp::Pipe(Some(pattern)) = operator {
                pattern_terms(pattern, &mut each);
            }
            each(left);
            each(right);
        }
        Term::Fold(_, over, pattern, arguments) => {
            each(over);
            pattern_terms(pattern, &mut each);
            arguments.iter().for_each(each);
        }
        Term::TryCatch(body, handler) => {
            each(body);
            handler.iter().for_each(|term| each(term));
        }
        Term::IfThenElse(cases, otherwise) => {
            cases.iter().for_each(|(condition, then)| {
                each(condition);
                each(then);
            });
            otherwise.iter().for_each(|term| each(term));
        }
        Term::Def(definitions, rest) => {
            definitions.iter().for_each(|definition| each(&definition.body));
            each(rest);
        }
        Term::Path(base, path) => {
            each(base);
            path.0.iter().for_each(|(part, _)| match part {
                Part::Index(index) => each(index),
                Part::Range(from, to) => from.iter().chain(to).for_each(&mut each),
            });
        }
        Term::Id | Term::Recurse | Term::Num(_) | Term::Var(_) | Term::Break(_) => {}
    }
}

fn pattern_terms<'s>(pattern: &Pattern<&'s str>, each: &mut impl FnMut(&Term<&'s str>)) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(patterns) => patterns.iter().for_each(|pattern| pattern_terms(pattern, each)),
        Pattern::Obj(entries) => entries.iter().for_each(|(key, pattern)| {
            each(key);
            pattern_terms(pattern, each);
        }),
    }
}

/// The references of a program that parses.
pub fn of(source: &str) -> Vec<Reference> {
    let Some(term) = jaq_core::load::parse(source, |parser| parser.term()) else { return Vec::new() };
    let mut walk = Walk { source, variables: Vec::new(), local: Vec::new(), found: Vec::new() };
    walk.visit(&term, &Some(Vec::new()), false);
    walk.found
}

/// The path from the program's input to a value, where it is one.
type Known = Option<Vec<Segment>>;

struct Walk<'s> {
    source: &'s str,
    variables: Vec<(&'s str, Known)>,
    /// Filters that the program defines itself: what their arguments see is not followed.
    local: Vec<&'s str>,
    found: Vec<Reference>,
}

impl<'s> Walk<'s> {
    fn visit(&mut self, term: &Term<&'s str>, input: &Known, optional: bool) -> Known {
        match term {
            Term::Id => return input.clone(),
            Term::Var(name) => {
                return self
                    .variables
                    .iter()
                    .rev()
                    .find(|(bound, _)| bound == name)
                    .and_then(|(_, known)| known.clone());
            }
            Term::Path(base, path) => return self.path(base, &path.0, input, optional),
            Term::BinOp(left, operator, right) => return self.binary(left, operator, right, input, optional),
            Term::Call(name, arguments) => return self.call(name, arguments, input, optional),
            Term::Def(definitions, rest) => return self.definitions(definitions, rest, input, optional),
            Term::Label(_, inner) => return self.visit(inner, input, optional),
            Term::TryCatch(body, handler) => {
                let known = self.visit(body, input, true);
                handler.iter().for_each(|handler| {
                    self.visit(handler, &None, true);
                });
                return known;
            }
            Term::Str(_, parts) => parts.iter().for_each(|part| {
                if let StrPart::Term(term) = part {
                    self.visit(term, input, optional);
                }
            }),
            Term::Arr(inner) => inner.iter().for_each(|inner| {
                self.visit(inner, input, optional);
            }),
            Term::Obj(entries) => {
                for (key, value) in entries {
                    match (value, literal(key)) {
                        (Some(value), _) => {
                            self.visit(key, input, optional);
                            self.visit(value, input, optional);
                        }
                        // `{name}` is `{name: .name}`
                        (None, Some(name)) => {
                            let known = extend(input, Segment::Key(name.to_owned()));
                            self.record(&known, name, optional);
                        }
                        (None, None) => {
                            self.visit(key, input, optional);
                        }
                    }
                }
            }
            Term::Neg(inner) => {
                self.visit(inner, input, optional);
            }
            Term::Fold(_, over, pattern, arguments) => {
                let element = self.visit(over, input, optional);
                let outer = self.bind(pattern, element);
                for (index, argument) in arguments.iter().enumerate() {
                    // The first is the start value; the others see the accumulator.
                    self.visit(argument, if index == 0 { input } else { &None }, optional);
                }
                self.variables.truncate(outer);
            }
            Term::IfThenElse(cases, otherwise) => {
                for (condition, then) in cases {
                    self.visit(condition, input, optional);
                    self.visit(then, input, optional);
                }
                otherwise.iter().for_each(|otherwise| {
                    self.visit(otherwise, input, optional);
                });
            }
            Term::Recurse | Term::Num(_) | Term::Break(_) => {}
        }
        None
    }

    fn path(
        &mut self,
        base: &Term<&'s str>,
        parts: &[(Part<Term<&'s str>>, Opt)],
        input: &Known,
        optional: bool,
    ) -> Known {
        let mut known = self.visit(base, input, optional);
        let mut optional = optional;
        let mut first = None;
        for (part, opt) in parts {
            optional |= matches!(opt, Opt::Optional);
            match part {
                Part::Index(index) => {
                    let segment = match (literal(index), index) {
                        (Some(key), _) => {
                            first.get_or_insert(key);
                            Segment::Key(key.to_owned())
                        }
                        (None, Term::Num(number)) => {
                            first.get_or_insert(number);
                            number.parse().map_or(Segment::Any, Segment::Index)
                        }
                        (None, index) => {
                            self.visit(index, input, optional);
                            Segment::Any
                        }
                    };
                    known = extend(&known, segment);
                }
                Part::Range(None, None) => known = extend(&known, Segment::Any),
                Part::Range(from, to) => from.iter().chain(to).for_each(|bound| {
                    self.visit(bound, input, optional);
                }),
            }
        }
        if !parts.is_empty() {
            self.record(&known, first.unwrap_or(&self.source[..0]), optional);
        }
        known
    }

    fn binary(
        &mut self,
        left: &Term<&'s str>,
        operator: &BinaryOp<&'s str>,
        right: &Term<&'s str>,
        input: &Known,
        optional: bool,
    ) -> Known {
        match operator {
            BinaryOp::Pipe(None) => {
                let between = self.visit(left, input, optional);
                return self.visit(right, &between, optional);
            }
            BinaryOp::Pipe(Some(pattern)) => {
                let value = self.visit(left, input, optional);
                let outer = self.bind(pattern, value);
                let known = self.visit(right, input, optional);
                self.variables.truncate(outer);
                return known;
            }
            BinaryOp::Alt => {
                self.visit(left, input, true);
                self.visit(right, input, optional);
            }
            // What is assigned to need not exist.
            BinaryOp::Update | BinaryOp::UpdateAlt => {
                let target = self.visit(left, input, true);
                self.visit(right, &target, optional);
            }
            BinaryOp::Assign | BinaryOp::UpdateMath(_) => {
                self.visit(left, input, true);
                self.visit(right, input, optional);
            }
            BinaryOp::Comma | BinaryOp::Or | BinaryOp::And | BinaryOp::Math(_) | BinaryOp::Cmp(_) => {
                self.visit(left, input, optional);
                self.visit(right, input, optional);
            }
        }
        None
    }

    fn call(&mut self, name: &&'s str, arguments: &[Term<&'s str>], input: &Known, optional: bool) -> Known {
        let element = || extend(input, Segment::Any);
        let seen = match *name {
            name if self.local.contains(&name) || OVER_UNKNOWN.contains(&name) => None,
            name if OVER_ELEMENTS.contains(&name) && arguments.len() == 1 => element(),
            "any" | "all" if arguments.len() == 2 => {
                let element = self.visit(&arguments[0], input, optional);
                self.visit(&arguments[1], &element, optional);
                return None;
            }
            "has" => {
                if let [argument] = arguments
                    && let Some(key) = literal(argument)
                {
                    let known = extend(input, Segment::Key(key.to_owned()));
                    self.record(&known, key, true);
                }
                return None;
            }
            _ => input.clone(),
        };
        let mut last = None;
        for argument in arguments {
            last = self.visit(argument, &seen, optional);
        }
        match (*name, arguments.len()) {
            (name, _) if self.local.contains(&name) => None,
            ("select", 1) => input.clone(),
            ("first" | "last", 0) => element(),
            ("first" | "last", 1) => last,
            _ => None,
        }
    }

    fn definitions(
        &mut self,
        definitions: &[Def<&'s str>],
        rest: &Term<&'s str>,
        input: &Known,
        optional: bool,
    ) -> Known {
        let (outer, outer_variables) = (self.local.len(), self.variables.len());
        self.local.extend(definitions.iter().map(|definition| definition.name));
        for definition in definitions {
            // Arguments shadow variables and filters of the same names.
            self.local.extend(definition.args.iter().filter(|name| !name.starts_with('$')));
            self.variables
                .extend(definition.args.iter().filter(|name| name.starts_with('$')).map(|name| (*name, None)));
            self.visit(&definition.body, &None, optional);
            self.variables.truncate(outer_variables);
        }
        let known = self.visit(rest, input, optional);
        self.local.truncate(outer);
        known
    }

    /// Binds the pattern's variables and returns how many there were before.
    fn bind(&mut self, pattern: &Pattern<&'s str>, value: Known) -> usize {
        let outer = self.variables.len();
        self.bind_inner(pattern, value);
        outer
    }

    fn bind_inner(&mut self, pattern: &Pattern<&'s str>, value: Known) {
        match pattern {
            Pattern::Var(name) => self.variables.push((name, value)),
            Pattern::Arr(patterns) => {
                for (index, pattern) in patterns.iter().enumerate() {
                    self.bind_inner(pattern, extend(&value, Segment::Index(index as i64)));
                }
            }
            Pattern::Obj(entries) => {
                for (key, pattern) in entries {
                    let known = literal(key).and_then(|key| extend(&value, Segment::Key(key.to_owned())));
                    self.bind_inner(pattern, known);
                }
            }
        }
    }

    fn record(&mut self, known: &Known, at: &str, optional: bool) {
        if let Some(path) = known {
            let position = super::position(self.source, at);
            self.found.push(Reference { path: path.clone(), optional, position });
        }
    }
}

fn extend(known: &Known, segment: Segment) -> Known {
    known.as_ref().map(|path| [path.as_slice(), &[segment]].concat())
}

/// The text of a string without escapes or interpolation.
fn literal<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    match term {
        Term::Str(None, parts) => match parts.as_slice() {
            [StrPart::Str(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}
