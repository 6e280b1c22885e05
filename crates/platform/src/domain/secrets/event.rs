use super::model::Secret;

tenure_kernel::actions! {
    /// What happens to secrets. The diff tells of metadata; a value never enters it.
    pub SecretEvent on Secret = "secret" {
        CREATED = "created", "A secret was created.";
        REPLACED = "replaced", "A secret got a new value.";
        GRANTED = "granted", "The workflows that may use a secret were set anew.";
        MOVED = "moved", "A secret was made private to a team, or everybody's.";
        OPENED = "opened", "A secret was opened for a step of an execution.";
        DELETED = "deleted", "A secret was deleted, with its grants.";
    }
}
