//! One test for each sentence of spec 20, *Semantics*, and properties over random graphs and orders.

mod properties;
mod retry;
mod semantics;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::definition::EdgeWhen;
use crate::validate::Draft;

/// Runs a machine. Instead of the sandbox: outputs and conditions come from tables, by the step's name.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) machine: Machine,
    pub(super) journal: Vec<Entry>,
    pub(super) change: Change,
    /// Output of a step; unless given its own name.
    pub(super) outputs: HashMap<String, Value>,
    /// Failure of a step.
    pub(super) failures: HashMap<String, ErrorClass>,
    /// Result of a condition, by its CEL source and the step it follows (`source@step`), or by its source alone.
    pub(super) conditions: HashMap<String, bool>,
    /// Items of a map.
    pub(super) items: HashMap<String, Value>,
}

pub(super) use crate::ErrorClass;

pub(super) fn plan(yaml: &str) -> Arc<Plan> {
    Arc::new(Draft::parse(yaml.as_bytes()).expect("readable").into_plan().unwrap_or_else(|report| panic!("{report}")))
}

impl Run {
    pub(super) fn new(yaml: &str) -> Self {
        Self::of(plan(yaml))
    }

    pub(super) fn of(plan: Arc<Plan>) -> Self {
        let machine = Machine::new(plan, json!({}).into(), Arc::new(json!({ "id": "exe_1" })));
        Self {
            machine,
            journal: Vec::new(),
            change: Change::default(),
            outputs: HashMap::new(),
            failures: HashMap::new(),
            conditions: HashMap::new(),
            items: HashMap::new(),
        }
    }

    pub(super) fn output(mut self, step: &str, output: Value) -> Self {
        self.outputs.insert(step.to_owned(), output);
        self
    }

    pub(super) fn fails(mut self, step: &str, class: ErrorClass) -> Self {
        self.failures.insert(step.to_owned(), class);
        self
    }

    pub(super) fn holds(mut self, condition: &str, holds: bool) -> Self {
        self.conditions.insert(condition.to_owned(), holds);
        self
    }

    pub(super) fn items(mut self, step: &str, items: Value) -> Self {
        self.items.insert(step.to_owned(), items);
        self
    }

    pub(super) fn begin(mut self) -> Self {
        let conditions = self.machine.conditions(Subject::Start);
        let taken = self.decide(&conditions, "start");
        self.apply(Entry::Begun { taken });
        self
    }

    /// Begins and runs to the end, always the first step that is ready.
    pub(super) fn run_through(self) -> Self {
        let mut run = self.begin();
        while let Some(work) = run.machine.ready().first().cloned() {
            run.finish_work(&work);
        }
        run
    }

    pub(super) fn apply(&mut self, entry: Entry) {
        self.journal.push(entry.clone());
        let change = self.machine.apply(entry).expect("the entry fits");
        self.change.skipped.extend(change.skipped);
        self.change.failed.extend(change.failed);
        self.change.cancel.extend(change.cancel);
        self.change.ended = change.ended;
    }

    pub(super) fn ready(&self) -> Vec<String> {
        self.machine.ready().iter().map(|work| work.step.to_string()).collect()
    }

    /// Finishes the step of this name, which must be ready or in flight.
    pub(super) fn finish(&mut self, step: &str) -> &mut Self {
        let ready = self.machine.ready().into_iter().find(|work| work.step.to_string() == step);
        let work = ready.unwrap_or_else(|| {
            let key: StepKey = step.parse().expect("a step's name");
            assert!(self.machine.in_flight().contains(&key), "{step} is neither ready nor in flight");
            let node = self.machine.plan().find(&key.node).expect("a node");
            Work { step: key, node, task: Task::Run }
        });
        self.finish_work(&work);
        self
    }

    pub(super) fn finish_work(&mut self, work: &Work) {
        let name = work.step.to_string();
        let entry = match &work.task {
            Task::Expand => {
                let items = self.items.get(&name).cloned().unwrap_or(json!([]));
                let count = u32::try_from(items.as_array().map_or(0, Vec::len)).expect("few");
                Entry::Expanded { step: work.step.clone(), items: items.into(), count }
            }
            Task::Close(Err(error)) => self.failed(work, error.clone()),
            Task::Close(Ok(parts)) => {
                let NodeKind::Map(map) = &self.machine.plan().node(work.node).kind else { panic!("a map") };
                let output = join::<Infallible>(parts, map.batch.is_some(), &mut |_| unreachable!()).expect("inline");
                self.succeeded(work, output)
            }
            Task::Run => match self.failures.get(&name) {
                Some(class) => {
                    let error = StepError { class: *class, message: format!("{name} broke"), attempts: 1 };
                    self.failed(work, error)
                }
                None => {
                    let output = self.outputs.get(&name).cloned().unwrap_or_else(|| name.clone().into());
                    self.succeeded(work, output)
                }
            },
        };
        self.apply(entry);
    }

    fn succeeded(&self, work: &Work, output: Value) -> Entry {
        let node = self.machine.plan().node(work.node);
        let item = work.step.item.is_some();
        // In these tests `set: { key: "." }` writes the whole output.
        let set = node.set.iter().filter(|_| !item);
        let writes = set.map(|set| Write { key: set.key.clone(), value: output.clone().into() }).collect();
        let conditions = self.machine.conditions(Subject::Step(&work.step));
        let taken = self.decide(&conditions, &work.step.to_string());
        Entry::Finished {
            step: work.step.clone(),
            outcome: Outcome::Succeeded { output: output.into(), writes, taken },
        }
    }

    fn failed(&self, work: &Work, error: StepError) -> Entry {
        let continues = self.machine.plan().node(work.node).continue_on_error && work.step.item.is_none();
        let conditions = self.machine.conditions(Subject::Step(&work.step));
        let taken = if continues { self.decide(&conditions, &work.step.to_string()) } else { Vec::new() };
        Entry::Finished { step: work.step.clone(), outcome: Outcome::Failed { error, taken } }
    }

    fn decide(&self, conditions: &Conditions, step: &str) -> Vec<EdgeIndex> {
        let results = conditions.expressions().map(|pointer| {
            let expressions = self.machine.plan().expressions();
            let source = &expressions.iter().find(|expression| expression.pointer == pointer).expect("known").source;
            let at_step = self.conditions.get(&format!("{source}@{step}"));
            let holds = at_step.or_else(|| self.conditions.get(source)).copied();
            holds.ok_or_else(|| format!("no result for `{source}` after {step}"))
        });
        conditions.decide(results.collect()).expect("every condition has a result")
    }

    /// What the step sees.
    pub(super) fn sees(&self, step: &str) -> Value {
        let document = self.machine.document(&step.parse().expect("a step's name")).expect("active");
        document.to_value::<Infallible>(&mut |_| unreachable!()).expect("inline")
    }

    pub(super) fn final_state(&self) -> Value {
        let document = self.machine.final_document();
        document.to_value::<Infallible>(&mut |_| unreachable!()).expect("inline")["state"].clone()
    }

    /// The output as a value; of an output mapping the names.
    pub(super) fn result(&self) -> Value {
        let inline = |value: &StoredValue| match value {
            StoredValue::Inline(value) => Value::clone(value),
            StoredValue::Object(_) => panic!("inline"),
        };
        match self.machine.output() {
            Output::Mapping(mapping) => mapping.into_iter().map(|(name, _)| Value::from(name)).collect(),
            Output::Value(value) => inline(&value),
            Output::ByNode(values) => {
                Value::Object(values.iter().map(|(node, value)| (node.to_string(), inline(value))).collect())
            }
            Output::Nothing => Value::Null,
        }
    }

    pub(super) fn failure(&self) -> Option<(String, ErrorClass)> {
        match self.machine.status() {
            Status::Failed { step, error } => Some((step.to_string(), error.class)),
            _ => None,
        }
    }

    pub(super) fn skipped(&self) -> Vec<String> {
        self.change.skipped.iter().map(ToString::to_string).collect()
    }

    pub(super) fn steps(&self) -> Vec<String> {
        self.machine.outputs().map(|(step, _)| step.to_string()).collect()
    }
}

/// A definition of `transform` nodes from lines such as `a -> b: condition`, `a -> b: !error`, `a !set notes`.
pub(crate) fn graph(head: &str, nodes: &str, edges: &str) -> String {
    use std::fmt::Write as _;
    let mut yaml = format!("name: test\n{head}\nnodes:\n");
    for node in nodes.split(',').map(str::trim).filter(|node| !node.is_empty()) {
        let (id, more) = node.split_once(' ').unwrap_or((node, ""));
        let _ =
            writeln!(yaml, "  {id}: {{ type: transform, jq: \".\"{}{more} }}", if more.is_empty() { "" } else { ", " });
    }
    yaml.push_str("edges:\n");
    for edge in edges.split(',').map(str::trim).filter(|edge| !edge.is_empty()) {
        let (ends, when) = edge.split_once(':').map_or((edge, ""), |(ends, when)| (ends, when.trim()));
        let (from, to) = ends.split_once("->").expect("an arrow");
        let when = match when {
            "" => String::new(),
            "!error" => ", on: error".to_owned(),
            when => format!(", when: \"{when}\""),
        };
        let _ = writeln!(yaml, "  - {{ from: {}, to: {}{when} }}", from.trim(), to.trim());
    }
    yaml
}

/// Conditions of a definition, for tables of random results.
pub(super) fn condition_sources(plan: &Plan) -> Vec<String> {
    let edges = plan.definition().edges.iter();
    let sources = edges.filter_map(|edge| match &edge.when {
        EdgeWhen::Cel(source) => Some(source.clone()),
        _ => None,
    });
    sources.collect()
}
