//! One call of a plugin in the sandbox, outside of any execution: its examples, and the test bench.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_sandbox::{LogLevel, PluginError, Python, PythonCall, PythonLimits, PythonOutcome};
use utoipa::ToSchema;

/// What came of a test.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TestResult {
    /// `succeeded` or `failed`.
    #[schema(pattern = "^(succeeded|failed)$")]
    pub outcome: String,
    /// What `execute` returned; null if it failed.
    pub output: Value,
    /// Why it failed.
    pub error: Option<TestError>,
    /// What it logged and printed, also where it failed.
    pub logs: Vec<TestLog>,
    /// Whether the limit of the log cut something off.
    pub logs_truncated: bool,
    /// Milliseconds from begin to end.
    pub duration_ms: f64,
    /// Milliseconds on a processor.
    pub cpu_ms: f64,
    /// Most bytes of memory, the interpreter's included.
    pub peak_memory_bytes: u64,
    /// Instructions, roughly; the same call uses the same.
    pub fuel: u64,
}

/// Why a test failed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TestError {
    /// Class of the failure, as a step would have it: `plugin`, `limit` or `internal`.
    pub class: String,
    /// In words.
    pub message: String,
    /// Line of the source, where it is known.
    pub line: Option<u32>,
    /// Frames in the source, outermost first.
    pub traceback: Vec<String>,
}

/// A line of a test's log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TestLog {
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// What was said.
    pub message: String,
}

/// Calls `execute(state, config)`. No capability but the log is lent: what calls a host fails here.
pub(super) async fn call(
    python: &Python,
    source: &str,
    state: &Value,
    config: &Value,
    mut limits: PythonLimits,
) -> TestResult {
    // More than this is for nodes that ask for it.
    limits.output = limits.output.min(PythonLimits::default().output);
    let call = PythonCall { limits, ..PythonCall::new(source, state, config) };
    python.call(call).await.into()
}

impl From<PythonOutcome> for TestResult {
    fn from(outcome: PythonOutcome) -> Self {
        let (output, error) = match outcome.result {
            Ok(output) => (output, None),
            Err(error) => (Value::Null, Some(TestError::from(error))),
        };
        let level = |level| match level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
        };
        let log =
            |line: tenure_sandbox::LogLine| TestLog { level: level(line.level).to_owned(), message: line.message };
        Self {
            outcome: if error.is_none() { "succeeded" } else { "failed" }.to_owned(),
            output,
            error,
            logs: outcome.logs.into_iter().map(log).collect(),
            logs_truncated: outcome.logs_truncated,
            duration_ms: outcome.usage.duration.as_secs_f64() * 1_000.0,
            cpu_ms: outcome.usage.cpu.as_secs_f64() * 1_000.0,
            peak_memory_bytes: u64::try_from(outcome.usage.peak_memory).unwrap_or(u64::MAX),
            fuel: outcome.usage.fuel,
        }
    }
}

impl From<PluginError> for TestError {
    fn from(error: PluginError) -> Self {
        let message = error.to_string();
        let (class, line, traceback) = match error {
            PluginError::Raised { raised } => ("plugin", raised.line, raised.traceback),
            PluginError::Limit(_) => ("limit", None, Vec::new()),
            PluginError::Host(_) => ("internal", None, Vec::new()),
            _ => ("plugin", None, Vec::new()),
        };
        Self { class: class.to_owned(), message, line, traceback }
    }
}
