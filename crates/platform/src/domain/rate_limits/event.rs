use super::model::{MemberLimit, TenantLimits};

tenure_kernel::actions! {
    /// What happens to an organisation's rate limits.
    pub RateLimitEvent on TenantLimits = "rate_limit" {
        SET = "set", "The organisation set its own rate limit.";
        BOUNDED = "bounded", "The platform set what an organisation may have at most.";
    }
}

tenure_kernel::actions! {
    /// What happens to members' rate limits.
    pub MemberLimitEvent on MemberLimit = "member_rate_limit" {
        SET = "set", "A member's rate limit was set.";
    }
}
