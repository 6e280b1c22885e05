use super::model::Workflow;

tenure_kernel::actions! {
    /// What happens to workflows.
    pub WorkflowEvent on Workflow = "workflow" {
        CREATED = "created", "A workflow was created with its first version.";
        VERSION_SAVED = "version-saved", "A new version of a workflow was saved.";
        MOVED = "moved", "A workflow was made private to a team, or everybody's.";
        OWNER_CHANGED = "owner-changed", "A workflow's owner left, and somebody else owns it.";
        DELETED = "deleted", "A workflow was deleted; its versions stay for the executions that ran them.";
    }
}
