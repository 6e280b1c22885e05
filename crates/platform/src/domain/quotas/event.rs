use super::model::QuotaUsage;

tenure_kernel::actions! {
    /// What happens to quotas. A refusal for want of one is `request.refused`.
    pub QuotaEvent on QuotaUsage = "quota" {
        LIMITED = "limited", "The platform gave a tenant another limit than its plan's.";
        UNLIMITED = "unlimited", "The platform took a limit off a tenant.";
        NEARLY_USED = "nearly_used", "Four fifths of a quota are used; told once a period.";
        RESTORED = "restored", "A tenant's limit is its plan's again.";
    }
}
