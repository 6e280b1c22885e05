//! Approvals: steps that wait for people. Owns `approvals` and `approval_decisions`.
//!
//! The engine asks ([`request`]) and later looks what came of it ([`state_of`]); people see and decide over HTTP. A decision
//! is bound to the digest of what its approver was shown. Whoever changes an approval and its execution's job in one
//! transaction changes the approval first, so that no two wait for one another.

mod engine;
mod event;
mod http;
mod model;
mod rules;
mod store;

pub use engine::{ApprovalOutcome, NewApproval, Requested, cancel_pending, expire, request, state_of};
pub use event::ApprovalEvent;
pub use http::routes;
pub use model::{Approval, ApprovalState, Verdict};
