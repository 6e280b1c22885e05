//! Faults as the API shows them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tenure_kernel::error::FieldError;
use tenure_kernel::{Code, Problem};
use tenure_workflow::fault::{self, Report, Severity};
use utoipa::ToSchema;

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Stable name of the fault, such as `unknown-node`.
    pub code: String,
    /// `error` keeps the definition from being saved, `warning` does not.
    #[schema(pattern = "^(error|warning)$")]
    pub severity: String,
    /// What is wrong and what to do.
    pub message: String,
    /// JSON pointer (RFC 6901) into the definition; empty for the whole of it.
    pub pointer: String,
    /// Line of the text, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl From<fault::Fault> for Fault {
    fn from(fault: fault::Fault) -> Self {
        let severity = match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Self {
            code: fault.code.as_str().to_owned(),
            severity: severity.to_owned(),
            message: fault.message,
            pointer: fault.pointer,
            line: fault.line,
            column: fault.column,
            suggestion: fault.suggestion,
        }
    }
}

/// All that is wrong with a definition.
#[derive(Debug, Serialize, ToSchema)]
pub struct Validation {
    /// Whether it can be saved: no fault is an error.
    pub valid: bool,
    /// Errors and warnings, in the order of the text.
    pub faults: Vec<Fault>,
}

impl From<Report> for Validation {
    fn from(report: Report) -> Self {
        Self { valid: report.is_valid(), faults: list(report) }
    }
}

pub(super) fn list(report: Report) -> Vec<Fault> {
    report.faults.into_iter().map(Fault::from).collect()
}

/// 422 with every fault: short in `errors`, whole in `faults`.
pub(super) fn refusal(report: Report) -> Problem {
    let field = |fault: &fault::Fault| FieldError {
        pointer: fault.pointer.clone(),
        detail: fault.message.clone(),
        code: Some(Cow::Borrowed(fault.code.as_str())),
    };
    let errors: Vec<FieldError> = report.errors().map(field).collect();
    let detail = match errors.len() {
        1 => "the definition has a fault; see faults".to_owned(),
        count => format!("the definition has {count} faults; see faults"),
    };
    let mut problem = Problem::new(Code::Invalid, detail).with("faults", serde_json::json!(list(report)));
    problem.errors = errors;
    problem
}
