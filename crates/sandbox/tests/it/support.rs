//! The guests, loaded once.

use serde_json::Value;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use tenure_sandbox::{
    Evaluation, ExpressionError, ExpressionLimits, Expressions, Images, Program, ProgramSet, Python, PythonCall,
    PythonConfig, PythonLimits, PythonOutcome,
};

/// `TENURE_GUESTS_DIR`, else where `cargo xtask guests` puts them.
pub fn guests() -> PathBuf {
    if let Some(directory) = std::env::var_os("TENURE_GUESTS_DIR") {
        return directory.into();
    }
    let cache = std::env::var_os("TENURE_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/tenure")));
    cache.expect("TENURE_GUESTS_DIR, TENURE_CACHE or HOME is set").join("guests/current")
}

pub fn images() -> Images {
    let guests = guests();
    Images::prepare(&guests, &guests.join("images")).unwrap_or_else(|error| panic!("{error}"))
}

pub static EXPRESSIONS: LazyLock<Expressions> = LazyLock::new(|| {
    Expressions::new(&images(), ExpressionLimits::default()).unwrap_or_else(|error| panic!("{error}"))
});

pub static PYTHON: LazyLock<Python> =
    LazyLock::new(|| Python::new(&images(), PythonConfig::default()).unwrap_or_else(|error| panic!("{error}")));

/// The same with limits so wide that a busy machine does not meet them first.
pub static PATIENT: LazyLock<Python> = LazyLock::new(|| {
    let most = PythonLimits { cpu: Duration::from_secs(60), wall: Duration::from_secs(120), ..PythonLimits::most() };
    Python::new(&images(), PythonConfig { most, concurrent: 4 }).unwrap_or_else(|error| panic!("{error}"))
});

pub async fn evaluate(program: Program, document: &Value) -> Result<Value, ExpressionError> {
    let set = ProgramSet::new([7; 32], vec![program]).unwrap();
    EXPRESSIONS.evaluate(&set, &[Evaluation::new("p", document)]).await.unwrap().remove(0)
}

pub async fn cel(source: &str, document: &Value) -> Result<Value, ExpressionError> {
    evaluate(Program::cel("p", source), document).await
}

pub async fn jq(source: &str, document: &Value) -> Result<Value, ExpressionError> {
    evaluate(Program::jq("p", source), document).await
}

pub async fn template(value: &Value, document: &Value) -> Result<Value, ExpressionError> {
    evaluate(Program::template("p", value), document).await
}

pub async fn python(source: &str, state: &Value) -> PythonOutcome {
    PYTHON.call(PythonCall::new(source, state, &Value::Null)).await
}

/// Resident memory of this process in bytes.
pub fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

/// Runs a test of this binary in a process of its own, where its memory and processor time are not mixed with those of other tests.
/// True in that process.
pub fn alone(test: &str) -> bool {
    alone_with(test, &[])
}

/// The same, with variables in that process's environment.
pub fn alone_with(test: &str, variables: &[(&str, &str)]) -> bool {
    const MARK: &str = "TENURE_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(MARK, "1")
        .envs(variables.iter().copied())
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed in its own process");
    false
}
