use super::model::Role;

tenure_kernel::actions! {
    /// What happens to roles.
    pub RoleEvent on Role = "role" {
        CREATED = "created", "A role was made.";
        UPDATED = "updated", "What a role permits, or its description, was changed, for everybody who has it.";
        DELETED = "deleted", "A role that nobody had any more was deleted.";
    }
}
