//! Workflows: definitions with immutable versions. Owns `workflows` and `workflow_versions`.
//!
//! A definition is judged in three steps: read ([`tenure_workflow::validate::Draft`]), its expressions and Python
//! checked in the sandbox (`inspect.rs`), and held against what the tenant has (`inspect::judge`). The engine takes compiled
//! versions from [`PlanCache`].

mod body;
mod event;
mod expressions;
mod fault;
mod http;
mod inspect;
mod model;
mod plans;
mod store;

pub use event::WorkflowEvent;
pub use expressions::program;
pub use http::routes;
pub use model::Workflow;
pub use plans::{CompiledWorkflow, PlanCache};
