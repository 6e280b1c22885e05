//! Random graphs, random conditions, random orders of completion.

use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

use super::*;

/// A graph of `transform` nodes `n0…`, forward edges (some with conditions), loops that enclose stretches of it, and
/// what each condition gives after each step.
#[derive(Debug, Clone)]
struct Case {
    yaml: String,
    seed: u64,
    parallelism: u32,
}

fn case() -> impl Strategy<Value = Case> {
    let edge = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..5);
    (
        2usize..9,
        prop::collection::vec(edge, 0..14),
        prop::collection::vec((0usize..9, 0usize..9), 0..3),
        any::<u64>(),
        1u32..5,
    )
        .prop_map(|(count, edges, loops, seed, parallelism)| build(count, &edges, &loops, seed, parallelism))
}

type RawEdge = (prop::sample::Index, prop::sample::Index, u8);

fn build(count: usize, edges: &[RawEdge], loops: &[(usize, usize)], seed: u64, parallelism: u32) -> Case {
    let mut lines: Vec<(String, String, String)> = Vec::new();
    let mut has_parent = vec![false; count];
    let mut has_child = vec![false; count];
    for (number, (a, b, kind)) in edges.iter().enumerate() {
        let (a, b) = (a.index(count), b.index(count));
        if a >= b {
            continue;
        }
        let when = match kind {
            0 | 1 => format!("c{number}"),
            2 => "!error".to_owned(),
            _ => String::new(),
        };
        has_parent[b] = true;
        has_child[a] = true;
        lines.push((format!("n{a}"), format!("n{b}"), when));
    }
    // Nested or disjoint stretches become loops: from the last back to the first.
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (a, b) in loops {
        let (a, b) = (a.min(b) % count, a.max(b) % count);
        let overlaps = taken.iter().any(|(c, d)| (a < *c && *c <= b && b < *d) || (*c < a && a <= *d && *d < b));
        if a < b && !overlaps && !taken.iter().any(|(c, _)| *c == a) {
            taken.push((a, b));
            // A chain makes the head lead to the back edge's source.
            for node in a..b {
                has_parent[node + 1] = true;
                has_child[node] = true;
                lines.push((format!("n{node}"), format!("n{}", node + 1), String::new()));
            }
            lines.push((format!("n{b}"), format!("n{a}"), format!("back{b}to{a}")));
        }
    }
    for node in 0..count {
        if !has_parent[node] {
            lines.push(("start".to_owned(), format!("n{node}"), String::new()));
        }
        if !has_child[node] {
            lines.push((format!("n{node}"), "end".to_owned(), String::new()));
        }
    }
    let mut seen = HashSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    let edges: Vec<String> = lines
        .into_iter()
        .map(
            |(from, to, when)| {
                if when.is_empty() { format!("{from} -> {to}") } else { format!("{from} -> {to}: {when}") }
            },
        )
        .collect();
    let nodes: Vec<String> = (0..count).map(|node| format!("n{node} set: {{ notes: \".\" }}")).collect();
    let head =
        format!("state: {{ notes: {{ reduce: append }} }}\nlimits: {{ parallelism: {parallelism}, recursion: 6 }}");
    Case { yaml: graph(&head, &nodes.join(", "), &edges.join(", ")), seed, parallelism }
}

/// Back edges hold in the first rounds, other conditions by the hash of seed, condition and step.
fn holds(seed: u64, condition: &str, step: &StepKey) -> bool {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (seed, condition, step.to_string()).hash(&mut hasher);
    let odd = hasher.finish().is_multiple_of(2);
    if condition.starts_with("back") { step.round < 3 && odd } else { odd }
}

struct Order<'a>(std::slice::Iter<'a, u16>);

impl Order<'_> {
    fn pick(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |number| usize::from(*number) % count.max(1))
    }
}

/// Runs with random starts and ends until nothing is left; checks on the way what must hold at every moment.
fn run(plan: &Arc<Plan>, case: &Case, order: &[u16]) -> Result<Run, TestCaseError> {
    let sources = condition_sources(plan);
    let mut order = Order(order.iter());
    let mut run = Run::of(Arc::clone(plan)).begin();
    let mut started: HashSet<StepKey> = HashSet::new();
    let mut in_flight: Vec<Work> = Vec::new();
    for _ in 0..10_000 {
        let ready = run.machine.ready();
        prop_assert!(ready.len() + in_flight.len() <= case.parallelism as usize);
        let choices = ready.len() + in_flight.len();
        if choices == 0 {
            break;
        }
        let pick = order.pick(choices);
        if let Some(work) = ready.get(pick) {
            prop_assert!(started.insert(work.step.clone()), "{} starts twice", work.step);
            prop_assert!(!run.change.skipped.contains(&work.step), "{} was skipped", work.step);
            run.machine.start(&work.step).expect("ready");
            in_flight.push(work.clone());
        } else {
            let work = in_flight.swap_remove(pick - ready.len());
            for source in &sources {
                run.conditions.insert(format!("{source}@{}", work.step), holds(case.seed, source, &work.step));
            }
            // A node with an error edge sometimes fails.
            let graph = plan.graph();
            let handled = |edge: &EdgeIndex| graph.edge(*edge).condition == Condition::Error;
            if graph.node(work.node).outgoing.iter().any(handled) && holds(case.seed, "fails", &work.step) {
                run.failures.insert(work.step.to_string(), ErrorClass::Plugin);
            }
            run.finish_work(&work);
        }
    }
    prop_assert_ne!(run.machine.status(), &Status::Running, "deadlock");
    Ok(run)
}

fn result(run: &Run) -> (Value, Value, BTreeMap<String, String>, Vec<String>) {
    let mut outputs: BTreeMap<String, String> = BTreeMap::new();
    for (step, _) in run.machine.outputs() {
        outputs.insert(step.to_string(), step.node.to_string());
    }
    let mut skipped = run.skipped();
    skipped.sort();
    (run.final_state(), run.result(), outputs, skipped)
}

/// The random graphs are worth something only if most can run, and many have loops that are taken.
#[test]
fn random_graphs_can_run() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut plans, mut looping, mut skipping) = (0, 0, 0);
    for _ in 0..200 {
        let case = case().new_tree(&mut runner).expect("a case").current();
        let Ok(plan) = Draft::parse(case.yaml.as_bytes()).expect("readable").into_plan() else { continue };
        let run = run(&Arc::new(plan), &case, &[]).expect("runs");
        plans += 1;
        looping += usize::from(run.machine.outputs().any(|(step, _)| step.round > 1));
        skipping += usize::from(!run.skipped().is_empty());
    }
    println!("of 200 random graphs {plans} can run, {looping} go round, {skipping} skip a node");
    assert!(plans > 120 && looping > 20 && skipping > 20, "{plans} {looping} {skipping}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// (a) State and output do not depend on the order; (b) every order ends; (d) no step starts twice.
    #[test]
    fn order_does_not_matter(case in case(), orders in prop::collection::vec(prop::collection::vec(any::<u16>(), 0..120), 2..4)) {
        let draft = Draft::parse(case.yaml.as_bytes()).expect("readable");
        // Random loops can be refused (entered twice, overlapping): those are not what is tested here.
        let Ok(plan) = draft.into_plan() else { return Ok(()) };
        let plan = Arc::new(plan);
        let first = run(&plan, &case, &[])?;
        for order in &orders {
            let other = run(&plan, &case, order)?;
            prop_assert_eq!(first.machine.status(), other.machine.status(), "{}", case.yaml);
            prop_assert_eq!(result(&first), result(&other), "{}", case.yaml);
        }
    }

    /// (c) A rebuild from any prefix of the journal is the machine as it was, apart from what ran at that moment.
    #[test]
    fn replay_is_the_machine(case in case(), order in prop::collection::vec(any::<u16>(), 0..120)) {
        let draft = Draft::parse(case.yaml.as_bytes()).expect("readable");
        let Ok(plan) = draft.into_plan() else { return Ok(()) };
        let plan = Arc::new(plan);
        let complete = run(&plan, &case, &order)?;
        let mut live = Run::of(Arc::clone(&plan)).machine;
        for length in 0..=complete.journal.len() {
            if let Some(entry) = length.checked_sub(1).and_then(|last| complete.journal.get(last)) {
                live.apply(entry.clone()).expect("fits");
            }
            // Starting everything that is ready must leave no trace once it is forgotten.
            for work in live.ready() {
                live.start(&work.step).expect("ready");
            }
            let mut idle = live.clone();
            idle.forget_in_flight();
            let prefix = complete.journal.iter().take(length).cloned();
            let rebuilt = Machine::replay(Arc::clone(&plan), json!({}).into(), Arc::new(json!({})), prefix).expect("fits");
            prop_assert_eq!(rebuilt.snapshot(), idle.snapshot());
            prop_assert_eq!(rebuilt.ready(), idle.ready());
        }
    }

    /// Entries in any order and of any step are refused or taken, but never panic, and refused ones change nothing.
    #[test]
    fn hostile_journals(case in case(), entries in prop::collection::vec((0u32..9, 1u32..4, prop::option::of(0u32..3), prop::collection::vec(0u32..20, 0..3), any::<bool>()), 0..30)) {
        let draft = Draft::parse(case.yaml.as_bytes()).expect("readable");
        let Ok(plan) = draft.into_plan() else { return Ok(()) };
        let mut machine = Run::of(Arc::new(plan)).begin().machine;
        for (node, round, item, taken, fails) in entries {
            let step = StepKey { node: format!("n{node}").into(), round, item };
            let taken = taken.into_iter().map(EdgeIndex).collect();
            let outcome = if fails {
                let error = StepError { class: ErrorClass::Internal, message: String::new(), attempts: 1 };
                Outcome::Failed { error, taken }
            } else {
                Outcome::Succeeded { output: StoredValue::null(), writes: vec![], taken }
            };
            let before = machine.snapshot().clone();
            if machine.apply(Entry::Finished { step, outcome }).is_err() {
                prop_assert_eq!(&before, machine.snapshot());
            }
        }
    }
}
