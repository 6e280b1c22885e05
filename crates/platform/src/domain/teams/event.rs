use super::model::Team;

tenure_kernel::actions! {
    /// What happens to teams.
    pub TeamEvent on Team = "team" {
        CREATED = "created", "A team was created.";
        UPDATED = "updated", "A team was renamed or described anew.";
        DELETED = "deleted", "A team was deleted.";
        MEMBER_ADDED = "member-added", "A member joined a team.";
        MEMBER_REMOVED = "member-removed", "A member left a team.";
    }
}
