//! The expression guest: everything a tenant writes as CEL, jq or template is parsed and run in here, never in the server.
//!
//! The module imports nothing. Its host calls [`allocate`], writes a JSON request there, calls [`handle`], and reads the JSON
//! response at the address and length that come back packed in one `u64`. The buffer serves both ways. A bomb traps, and the host throws the instance away.

mod cel;
mod jq;
mod protocol;
mod template;

use protocol::{Error, ErrorKind, Evaluate, Job, Language, Load, Outcome, Reference, Request};
use serde::Serialize;
use serde_json::value::RawValue;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

/// The engines and the programs compiled so far.
pub struct Guest {
    cel: cel::Engine,
    jq: jq::Engine,
    programs: HashMap<u32, Result<Program, Error>>,
}

enum Program {
    Cel(::cel::Program),
    Jq(jq::Program),
    Template(template::Template),
}

impl Default for Guest {
    fn default() -> Self {
        Self { cel: cel::Engine::new(), jq: jq::Engine::new(), programs: HashMap::new() }
    }
}

impl Guest {
    /// Answers one request; both are JSON.
    pub fn handle(&mut self, request: &[u8]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Response<T> {
            results: T,
        }
        let answer = match serde_json::from_slice(request) {
            Ok(Request::Evaluate(request)) => serde_json::to_vec(&Response { results: self.evaluate(request) }),
            Ok(Request::Check(request)) => {
                let check = |program: &protocol::Source| match self.check(program.language, &program.source) {
                    Ok(references) => Outcome::Ok(references),
                    Err(errors) => Outcome::Error(errors),
                };
                let results: Vec<_> = request.programs.iter().map(check).collect();
                serde_json::to_vec(&Response { results })
            }
            Err(error) => serde_json::to_vec(&serde_json::json!({ "fault": error.to_string() })),
        };
        answer.unwrap_or_else(|error| format!(r#"{{"fault":{:?}}}"#, error.to_string()).into_bytes())
    }

    fn evaluate(&mut self, request: Evaluate<'_>) -> Vec<Outcome<Box<RawValue>, Error>> {
        for load in request.load {
            self.load(load);
        }
        let documents: Vec<_> = request.documents.iter().map(|raw| Document::new(raw)).collect();
        let run = |job: &Job<'_>| match self.run(job, &documents) {
            Ok(value) => Outcome::Ok(value),
            Err(error) => Outcome::Error(error),
        };
        request.jobs.iter().map(run).collect()
    }

    fn load(&mut self, load: Load) {
        let first = |mut errors: Vec<Error>| errors.swap_remove(0);
        let program = match load.language {
            Language::Cel => self.cel.compile(&load.source).map(Program::Cel).map_err(first),
            Language::Jq => self.jq.compile(&load.source).map(Program::Jq).map_err(first),
            Language::Template => template::Template::parse(&load.source).map(Program::Template).map_err(first),
        };
        self.programs.insert(load.slot, program);
    }

    fn run(&self, job: &Job<'_>, documents: &[Document<'_>]) -> Result<Box<RawValue>, Error> {
        let missing =
            |what: &str| Error::new(ErrorKind::Undefined, format!("the request names a {what} it did not bring"));
        let program = self.programs.get(&job.slot).ok_or_else(|| missing("program"))?.as_ref().map_err(Clone::clone)?;
        let document = documents.get(job.document).ok_or_else(|| missing("document"))?;
        let locals = job.locals.map(Document::new);
        match program {
            Program::Cel(program) => {
                let mut layers = vec![document.cel()?];
                if let Some(locals) = &locals {
                    layers.push(locals.cel()?);
                }
                raw(&self.cel.run(program, &layers)?)
            }
            Program::Jq(program) => {
                let input = match &locals {
                    Some(locals) => jq::overlay(document.jq()?, locals.jq()?)?,
                    None => document.jq()?.clone(),
                };
                raw(&program.run(input)?)
            }
            Program::Template(template) => {
                let locals = locals.as_ref().map(Document::json).transpose()?;
                raw(&template.render(&template::Scope { document: document.json()?, locals, secrets: &job.secrets })?)
            }
        }
    }

    fn check(&self, language: Language, source: &str) -> Result<Vec<Reference>, Vec<Error>> {
        match language {
            Language::Cel => self.cel.check(source),
            Language::Jq => self.jq.check(source),
            Language::Template => template::Template::parse(source).map(|template| template.references()),
        }
    }
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, Error> {
    serde_json::value::to_raw_value(value).map_err(|error| Error::new(ErrorKind::Type, error.to_string()))
}

/// A document, parsed at most once for each language that asks.
struct Document<'a> {
    raw: &'a RawValue,
    json: OnceCell<serde_json::Value>,
    cel: OnceCell<cel::Variables>,
    jq: OnceCell<jaq_json::Val>,
}

impl<'a> Document<'a> {
    fn new(raw: &'a RawValue) -> Self {
        Self { raw, json: OnceCell::new(), cel: OnceCell::new(), jq: OnceCell::new() }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.raw.get())
            .map_err(|error| Error::new(ErrorKind::Type, format!("the document cannot be read: {error}")))
    }

    fn json(&self) -> Result<&serde_json::Value, Error> {
        once(&self.json, || self.parse())
    }

    fn cel(&self) -> Result<&cel::Variables, Error> {
        once(&self.cel, || cel::variables(self.parse()?))
    }

    fn jq(&self) -> Result<&jaq_json::Val, Error> {
        once(&self.jq, || self.parse())
    }
}

fn once<T>(cell: &OnceCell<T>, build: impl FnOnce() -> Result<T, Error>) -> Result<&T, Error> {
    if cell.get().is_none() {
        let _ = cell.set(build()?);
    }
    cell.get().ok_or_else(|| Error::new(ErrorKind::Runtime, "the document was lost"))
}

thread_local! {
    static GUEST: RefCell<Guest> = RefCell::default();
    static BUFFER: RefCell<Vec<u8>> = RefCell::default();
}

/// Builds the parsers' tables and the definitions of jq; a snapshot of the memory is taken after it.
#[unsafe(export_name = "wizer-initialize")]
pub extern "C" fn initialize() {
    GUEST.with_borrow_mut(|guest| {
        let warm = br#"{"check":{"programs":[{"language":"cel","source":"a.b == 1 || has(a.c)"},{"language":"jq","source":"map(.a) | add"}]}}"#;
        guest.handle(warm);
    });
}

/// Gives the host `size` bytes to write a request into, and frees the last response.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(size: usize) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        *buffer = Vec::new();
        *buffer = vec![0; size];
        buffer.as_mut_ptr()
    })
}

/// Answers the request in the buffer: address << 32 | length of the response, which stays until the next [`allocate`].
#[unsafe(no_mangle)]
pub extern "C" fn handle() -> u64 {
    let request = BUFFER.take();
    let response = GUEST.with_borrow_mut(|guest| guest.handle(&request));
    let packed = (response.as_ptr() as u64) << 32 | response.len() as u64;
    BUFFER.set(response);
    packed
}
