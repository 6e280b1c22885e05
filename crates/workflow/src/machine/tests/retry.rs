//! Going on after the end.

use super::*;

fn retried(run: &Run) -> (Vec<String>, Machine) {
    let forgotten = failures(run.machine.plan(), &run.journal);
    let names = forgotten.iter().map(ToString::to_string).collect();
    let journal = run.journal.iter().cloned().chain([Entry::Retried { forgotten }]);
    let plan = Arc::clone(run.machine.plan());
    (names, Machine::replay(plan, json!({}).into(), Arc::new(json!({})), journal).expect("fits"))
}

fn ready(machine: &Machine) -> Vec<String> {
    machine.ready().iter().map(|work| work.step.to_string()).collect()
}

#[test]
fn the_fatal_failure_is_forgotten_and_what_finished_is_kept() {
    let yaml = graph("", "a, b, c", "start -> a, a -> b, a -> c, b -> end, c -> end");
    let mut run = Run::new(&yaml).fails("b", ErrorClass::Timeout).begin();
    run.finish("a").finish("b");
    let (forgotten, machine) = retried(&run);
    assert_eq!(forgotten, ["b"]);
    assert_eq!((machine.status(), ready(&machine)), (&Status::Running, vec!["b".to_owned(), "c".to_owned()]));
}

#[test]
fn a_failure_that_the_definition_provides_for_stands() {
    let yaml = "
name: test
nodes:
  a: { type: transform, jq: ., continue_on_error: true }
  b: { type: transform, jq: . }
edges:
  - { from: start, to: a }
  - { from: a, to: b }
  - { from: b, to: end }
";
    let mut run = Run::new(yaml).fails("a", ErrorClass::Timeout).begin();
    run.finish("a");
    // Cancelled here, so nothing fatal stands in the journal.
    let (forgotten, machine) = retried(&run);
    assert_eq!((forgotten, ready(&machine)), (vec![], vec!["b".to_owned()]));
}

#[test]
fn a_map_does_its_failed_items_again_and_no_others() {
    let yaml = "
name: test
nodes:
  m: { type: map, over: .input, do: { type: transform, jq: . } }
edges:
  - { from: start, to: m }
  - { from: m, to: end }
";
    let run = Run::new(yaml).items("m", json!([1, 2, 3])).fails("m[1]", ErrorClass::Network).run_through();
    assert_eq!(run.failure(), Some(("m".to_owned(), ErrorClass::Network)));
    let (forgotten, machine) = retried(&run);
    assert_eq!(forgotten, ["m[1]", "m"]);
    assert_eq!(ready(&machine), ["m[1]", "m[2]"]);
}

#[test]
fn what_stands_there_for_people_changes_nothing() {
    let yaml = graph("", "a, b", "start -> a, a -> b, b -> end");
    let mut run = Run::new(&yaml).begin();
    run.finish("a");
    let told = Entry::Told { step: "b".parse().expect("a step"), error: None };
    let before = run.machine.snapshot().clone();
    assert_eq!(run.machine.apply(told).expect("taken").skipped, []);
    assert_eq!(run.machine.snapshot(), &before);
    assert!(
        run.machine.apply(Entry::Retried { forgotten: vec![] }).is_err(),
        "a running machine has no past to change"
    );
}
