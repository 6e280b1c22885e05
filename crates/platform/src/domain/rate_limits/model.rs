use serde::{Deserialize, Serialize};
use tenure_kernel::limits::{Rate, Rates, Span, Spans};
use tenure_kernel::{Problem, Resource, Result, TenantId, UserId};
use utoipa::ToSchema;

use crate::domain::tenancy::Plan;

/// The most that can be set.
const MOST: u32 = 1_000_000_000;

/// What a plan gives an organisation: no more than the installation gives any, and the smaller plans less (specification 00, "Plans").
pub(super) fn of_plan(plan: Plan, rates: &Rates) -> Rate {
    let most = match plan {
        // One member has 100: no one of them holds up all the others.
        Plan::Free => 200,
        Plan::Pro => 400,
        Plan::Enterprise => return rates.tenant,
    };
    if rates.tenant.a_minute() <= most { rates.tenant } else { Rate::per(Span::Minute, most) }
}

/// How many requests; as the installation says where null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// In a minute.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub per_minute: Option<u32>,
    /// In an hour.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub per_hour: Option<u32>,
    /// In a day.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub per_day: Option<u32>,
}

impl RateLimit {
    /// Its members with their names and spans.
    fn members(self) -> [(&'static str, Span, Option<u32>); 3] {
        [
            ("per_minute", Span::Minute, self.per_minute),
            ("per_hour", Span::Hour, self.per_hour),
            ("per_day", Span::Day, self.per_day),
        ]
    }

    /// Within what can be set, and within `bounds`.
    ///
    /// # Errors
    /// 422 below `pointer` at the first member that is not.
    pub fn check(self, bounds: &Bounds, pointer: &str) -> Result<Self> {
        for (name, span, requests) in self.members() {
            let Some(requests) = requests else { continue };
            if !(1..=MOST).contains(&requests) {
                return Err(Problem::invalid(format!("{pointer}/{name}"), format!("must be 1 to {MOST}")).into());
            }
            if let Some(most) = bounds.of(span).filter(|most| requests > *most) {
                let detail = format!("must be at most {most}, which is what the platform lets your organisation have");
                return Err(Problem::invalid(format!("{pointer}/{name}"), detail).with("limit", most).into());
            }
        }
        Ok(self)
    }

    /// For the limiter.
    #[must_use]
    pub const fn spans(self) -> Spans {
        Spans { minute: self.per_minute, hour: self.per_hour, day: self.per_day }
    }
}

/// What an organisation may have at most; null where only the limits of other spans bound it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bounds {
    /// In a minute.
    pub per_minute: u32,
    /// In an hour.
    pub per_hour: Option<u32>,
    /// In a day.
    pub per_day: Option<u32>,
}

impl Bounds {
    /// As much as a figure can say.
    pub const NONE: Self = Self { per_minute: MOST, per_hour: None, per_day: None };

    /// What the platform set for an organisation of this plan; where it set nothing, what the plan gives.
    #[must_use]
    pub fn of_platform(set: RateLimit, plan: Plan, rates: &Rates) -> Self {
        let per_minute = set.per_minute.unwrap_or_else(|| of_plan(plan, rates).a_minute());
        Self { per_minute, per_hour: set.per_hour, per_day: set.per_day }
    }

    fn of(&self, span: Span) -> Option<u32> {
        match span {
            Span::Minute => Some(self.per_minute),
            Span::Hour => self.per_hour,
            Span::Day => self.per_day,
        }
    }
}

/// An organisation's own limit, and its bounds, as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantLimits {
    /// Whose.
    pub tenant: TenantId,
    /// Its plan, which gives what the platform did not set; it changes elsewhere.
    pub plan: Plan,
    /// What the organisation set.
    #[serde(flatten)]
    pub own: RateLimit,
    /// What the platform set.
    pub bounds: RateLimit,
}

impl TenantLimits {
    /// Where nothing is set.
    pub(crate) fn none(tenant: TenantId, plan: Plan) -> Self {
        Self { tenant, plan, own: RateLimit::default(), bounds: RateLimit::default() }
    }

    /// What anybody in the organisation may set at most.
    #[must_use]
    pub fn most(&self, rates: &Rates) -> Bounds {
        Bounds::of_platform(self.bounds, self.plan, rates)
    }
}

impl Resource for TenantLimits {
    fn resource_id(&self) -> String {
        self.tenant.to_string()
    }
}

impl TenantLimits {
    /// What is in force: the organisation's own limit where the platform does not set a lower one, or has taken back the
    /// higher one under which it was set.
    #[must_use]
    pub fn in_force(self, rates: &Rates) -> Spans {
        let most = self.most(rates).per_minute;
        let of_plan = of_plan(self.plan, rates);
        let of_plan = (of_plan != rates.tenant).then(|| of_plan.a_minute());
        let lower = |own: Option<u32>, bound: Option<u32>| match (own, bound) {
            (Some(own), Some(bound)) => Some(own.min(bound)),
            (own, bound) => own.or(bound),
        };
        Spans {
            minute: self.own.per_minute.map(|own| own.min(most)).or(self.bounds.per_minute).or(of_plan),
            hour: lower(self.own.per_hour, self.bounds.per_hour),
            day: lower(self.own.per_day, self.bounds.per_day),
        }
    }
}

/// A member's limit in this organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberLimit {
    /// Whose.
    pub user_id: UserId,
    /// In a minute; as the installation says where null.
    #[schema(minimum = 1)]
    pub per_minute: Option<u32>,
    /// In an hour.
    #[schema(minimum = 1)]
    pub per_hour: Option<u32>,
    /// In a day.
    #[schema(minimum = 1)]
    pub per_day: Option<u32>,
}

impl MemberLimit {
    pub(super) const fn new(user_id: UserId, limit: RateLimit) -> Self {
        let RateLimit { per_minute, per_hour, per_day } = limit;
        Self { user_id, per_minute, per_hour, per_day }
    }

    /// How much.
    #[must_use]
    pub const fn limit(&self) -> RateLimit {
        RateLimit { per_minute: self.per_minute, per_hour: self.per_hour, per_day: self.per_day }
    }
}

impl Resource for MemberLimit {
    fn resource_id(&self) -> String {
        self.user_id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_minute: Option<u32>, per_day: Option<u32>) -> RateLimit {
        RateLimit { per_minute, per_hour: None, per_day }
    }

    #[test]
    fn nobody_sets_more_than_the_platform_gives() {
        let bounds = Bounds::of_platform(limit(None, Some(1000)), Plan::Enterprise, &Rates::default());
        assert_eq!(bounds.per_minute, 500, "what every organisation has");
        for fine in [limit(None, None), limit(Some(1), Some(1)), limit(Some(500), Some(1000))] {
            assert_eq!(fine.check(&bounds, "").unwrap(), fine);
        }
        for (wrong, pointer) in [
            (limit(Some(501), None), "/per_minute"),
            (limit(Some(0), None), "/per_minute"),
            (limit(Some(1), Some(1001)), "/per_day"),
        ] {
            assert_eq!(wrong.check(&bounds, "").unwrap_err().problem().errors[0].pointer, pointer);
        }
        let unbounded = RateLimit { per_hour: Some(MOST + 1), ..RateLimit::default() };
        assert_eq!(unbounded.check(&bounds, "/x").unwrap_err().problem().errors[0].pointer, "/x/per_hour");
    }

    #[test]
    fn the_lower_of_two_is_in_force() {
        let tenant = TenantId::new(tenure_kernel::Timestamp::from_micros(1));
        let limits = TenantLimits {
            own: limit(Some(50), None),
            bounds: limit(Some(20), Some(9)),
            ..TenantLimits::none(tenant, Plan::Enterprise)
        };
        let rates = Rates::default();
        assert_eq!(limits.in_force(&rates), Spans { minute: Some(20), hour: None, day: Some(9) });
        let most = rates.tenant.a_minute();
        let once_more = TenantLimits { own: limit(Some(most + 100), None), bounds: limit(None, None), ..limits };
        assert_eq!(once_more.in_force(&rates).minute, Some(most), "what was given and taken back is not kept");
    }
    #[test]
    fn a_plan_gives_less_and_never_more_than_the_installation() {
        let tenant = TenantId::new(tenure_kernel::Timestamp::from_micros(1));
        let in_force = |plan, bounds, rates: &Rates| {
            TenantLimits { bounds, ..TenantLimits::none(tenant, plan) }.in_force(rates).minute
        };
        let (usual, nothing) = (Rates::default(), RateLimit::default());
        assert_eq!(in_force(Plan::Free, nothing, &usual), Some(200));
        assert_eq!(in_force(Plan::Pro, nothing, &usual), Some(400));
        assert_eq!(in_force(Plan::Enterprise, nothing, &usual), None, "the installation's own");
        assert_eq!(in_force(Plan::Free, limit(Some(2000), None), &usual), Some(2000), "the platform set it");
        let small = Rates { tenant: Rate { requests: 20, seconds: 10 }, ..usual };
        assert_eq!(in_force(Plan::Pro, nothing, &small), None, "120 a minute are less");
        let smaller = Rates { tenant: Rate { requests: 50, seconds: 10 }, ..usual };
        assert_eq!(in_force(Plan::Free, nothing, &smaller), Some(200), "of 300");
    }
}
