//! Executions: what was asked to run, how it stands, and what its steps did. Owns `executions` and `execution_retention`; its jobs
//! it puts into the queue, has them cancelled and wakes what waits, the rest is the engine's; the journal it only reads, and deletes
//! with the execution.
//!
//! - `gate.rs` decides whether an execution may begin: tenant, quota, queue, policy, in this order.
//! - `control.rs` is what people want of one that exists: cancel, pause, resume, retry.
//! - `follow.rs` tells how one goes on, as server-sent events; `wait.rs` waits for its end.
//! - `live.rs` is where the engine says what runs at this moment; `steps.rs` tells of steps, `inputs.rs` what each was given.
//! - `removal.rs` deletes what is over; `retention.rs` says when that happens by itself, and `expiry.rs` does it.
//! - `values.rs` gives whole what is too large to stand in an answer with other things.

mod control;
mod event;
mod expiry;
mod filter;
mod follow;
mod gate;
mod http;
mod inputs;
mod live;
mod model;
mod news;
mod removal;
mod retention;
mod retention_store;
mod steps;
mod store;
mod values;
mod wait;

pub use control::wake;
pub use event::ExecutionEvent;
pub use expiry::expire;
pub use http::routes;
pub use live::{LiveState, LiveStep, LiveSteps};
pub use model::{
    Execution, ExecutionError, ExecutionState, ExecutionSummary, LogLine, PersonRef, RequestedBy, Requester,
    RequesterKind, StepState, StepSummary, WorkflowRef,
};
pub use retention::RetentionEvent;
