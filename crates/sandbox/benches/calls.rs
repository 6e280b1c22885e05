//! Times of single calls: warm expressions beside the same code run natively, and Python. `cargo bench -p tenure-sandbox`.
//!
//! Guest and native calls take turns, so that a neighbour's load falls on both; the median and the 90th percentile are printed.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement, not the product"
)]

use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tenure_sandbox::{
    Evaluation, ExpressionLimits, Expressions, Images, Program, ProgramSet, Python, PythonCall, PythonConfig,
};

#[tokio::main]
async fn main() {
    let guests = std::env::var_os("TENURE_GUESTS_DIR").map_or_else(
        || {
            let cache = std::env::var_os("TENURE_CACHE").map(PathBuf::from);
            let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/tenure");
            cache.unwrap_or_else(home).join("guests/current")
        },
        PathBuf::from,
    );
    let start = Instant::now();
    let images = Images::prepare(&guests, &guests.join("images")).unwrap();
    let expressions = Expressions::new(&images, ExpressionLimits::default()).unwrap();
    println!("load the expression guest      {:>10.1?}", start.elapsed());
    let start = Instant::now();
    let python = Python::new(&images, PythonConfig::default()).unwrap();
    println!("load the Python guest          {:>10.1?}", start.elapsed());

    let document = json!({
        "input": { "xs": [1, 2, 3, 4, 5], "name": "Ada", "text": "a small document" },
        "state": { "classify": { "label": "ham", "score": 0.93 } },
        "execution": { "id": "exe_1", "environment": "dev", "attempt": 1 },
    });
    println!("\n{:<30} {:>10} {:>10}", "", "median", "p90");
    for (name, program) in [
        ("CEL condition", Program::cel("p", "state.classify.label != 'spam' && size(input.xs) > 3")),
        ("jq transform", Program::jq("p", "{total: (.input.xs | add), name: .input.name}")),
        ("template", Program::template("p", &json!({ "text": "Hello {{ input.name }}, {{ input.xs | length }}" }))),
    ] {
        beside_native(&expressions, name, program, &document).await;
    }
    let programs: Vec<_> = (0..200)
        .map(|index| Program::cel("", format!("state.classify.score > 0.{index} && has(input.name)")))
        .collect();
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(time(expressions.check(&programs)).await);
    }
    row("check 200 CEL conditions", times);

    for (name, source, rounds) in [
        ("Python, trivial", "def execute(state, config):\n    return 1\n", 100),
        (
            "Python, 10,000 rows",
            "def execute(state, config):\n    return sum(r['cost'] for r in [{'cost': i} for i in range(10000)])\n",
            20,
        ),
    ] {
        let (mut times, mut processor) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let start = Instant::now();
            let outcome = python.call(PythonCall::new(source, &document, &Value::Null)).await;
            times.push(start.elapsed());
            processor.push(outcome.usage.cpu);
            outcome.result.unwrap();
        }
        row(name, times);
        row("  of it on a processor", processor);
    }
}

async fn beside_native(expressions: &Expressions, name: &str, program: Program, document: &Value) {
    let request = json!({
        "evaluate": {
            "load": [],
            "documents": [document],
            "jobs": [{ "slot": 0, "document": 0, "locals": null }],
        }
    })
    .to_string();
    let load = json!({
        "evaluate": {
            "load": [{ "slot": 0, "language": program.language, "source": program.source }],
            "documents": [],
            "jobs": [],
        }
    })
    .to_string();
    let mut native = expressions::Guest::default();
    native.handle(load.as_bytes());

    let set = ProgramSet::new([0; 32], vec![program]).unwrap();
    let evaluations = [Evaluation::new("p", document)];
    let (mut guest_times, mut native_times) = (Vec::new(), Vec::new());
    for _ in 0..5000 {
        guest_times.push(time(expressions.evaluate(&set, &evaluations)).await);
        native_times.push(time(async { native.handle(request.as_bytes()) }).await);
    }
    row(name, guest_times);
    row("  the same code natively", native_times);
}

async fn time<T>(call: impl Future<Output = T>) -> Duration {
    let start = Instant::now();
    std::hint::black_box(call.await);
    start.elapsed()
}

fn row(name: &str, mut times: Vec<Duration>) {
    times.sort();
    println!("{name:<30} {:>10.1?} {:>10.1?}", times[times.len() / 2], times[times.len() * 9 / 10]);
}
