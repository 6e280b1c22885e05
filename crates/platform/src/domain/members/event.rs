use super::model::Member;

tenure_kernel::actions! {
    /// What happens to members.
    pub MemberEvent on Member = "member" {
        ADDED = "added", "A person became a member of the organisation.";
        UPDATED = "updated", "A member's status or roles were changed.";
        OFFBOARDED = "offboarded", "A member left: what they own went to somebody else, and what acts in their name ended.";
        REMOVED = "removed", "A membership was taken back before its person had agreed to it.";
        CHANGE_REFUSED = "change-refused", "Of a change of many members, the one of this member was refused.";
    }
}
