use super::model::ExecutionSummary;

tenure_kernel::actions! {
    /// What happens to executions. Their steps are rows of the journal, not events.
    pub ExecutionEvent on ExecutionSummary = "execution" {
        REQUESTED = "requested", "An execution of a workflow was requested, let through the gate and queued.";
        CANCEL_REQUESTED = "cancel-requested", "Somebody asked for an execution to be cancelled.";
        PAUSED = "paused", "Somebody paused an execution: what runs may end, nothing more begins.";
        RESUMED = "resumed", "Somebody lifted the pause of an execution.";
        RETRIED = "retried", "Somebody had an execution go on that had ended without success; what finished is kept.";
        SUCCEEDED = "succeeded", "An execution ended with an output.";
        FAILED = "failed", "An execution ended because a step failed.";
        CANCELLED = "cancelled", "An execution ended because somebody cancelled it.";
        DELETED = "deleted", "An execution that was over was deleted, by somebody or because it had been kept long enough, and what it held was given back.";
        TIMED_OUT = "timed-out", "An execution ended because it took longer than its limit.";
    }
}
