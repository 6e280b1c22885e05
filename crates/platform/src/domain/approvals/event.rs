use super::model::Approval;

tenure_kernel::actions! {
    /// What happens to approvals.
    pub ApprovalEvent on Approval = "approval" {
        REQUESTED = "requested", "An execution came to a step that people must approve.";
        APPROVED = "approved", "Somebody approved; `state` tells whether enough have, or whether it is still pending.";
        REJECTED = "rejected", "Somebody rejected, and with that the approval is rejected.";
        HANDED_OVER = "handed-over", "Somebody who leaves was named as approver; whoever takes over is named instead.";
        EXPIRED = "expired", "Nobody decided in time.";
    }
}
