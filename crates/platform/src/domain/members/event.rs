use super::model::Member;

tenure_kernel::actions! {
    /// What happens to members.
    pub MemberEvent on Member = "member" {
        ADDED = "added", "A person became a member of the organisation.";
        UPDATED = "updated", "A member's status or roles were changed.";
        CHANGE_REFUSED = "change-refused", "Of a change of many members, the one of this member was refused.";
    }
}
