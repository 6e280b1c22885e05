use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenure_kernel::{Code, Problem, Resource, TenantId, Timestamp};
use utoipa::ToSchema;

use crate::domain::tenancy::Plan;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Workflows that exist.
    Workflows,
    /// Teams that exist.
    Teams,
    /// Executions started in a clock hour (UTC).
    ExecutionsPerHour,
    /// Executions started in a calendar month (UTC).
    ExecutionsPerMonth,
    /// Executions in the state `running`.
    ConcurrentExecutions,
    /// Executions that are not over.
    QueuedExecutions,
    /// Streams of events that are open, and calls that wait for an execution's end.
    ConcurrentConnections,
    /// Bytes of plugins, of secrets, and of values too large for a row.
    StorageBytes,
    /// Calls that steps make to hosts outside, in a calendar month (UTC).
    ProviderCallsPerMonth,
}

const MIB: u64 = 1024 * 1024;

/// How much of a quota there is; `None` is unlimited.
pub type Limit = Option<u64>;

impl Quota {
    /// Every quota, in the order the API lists them.
    pub const ALL: [Self; 9] = [
        Self::Workflows,
        Self::Teams,
        Self::ExecutionsPerHour,
        Self::ExecutionsPerMonth,
        Self::ConcurrentExecutions,
        Self::QueuedExecutions,
        Self::ConcurrentConnections,
        Self::StorageBytes,
        Self::ProviderCallsPerMonth,
    ];

    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workflows => "workflows",
            Self::Teams => "teams",
            Self::ExecutionsPerHour => "executions_per_hour",
            Self::ExecutionsPerMonth => "executions_per_month",
            Self::ConcurrentExecutions => "concurrent_executions",
            Self::QueuedExecutions => "queued_executions",
            Self::ConcurrentConnections => "concurrent_connections",
            Self::StorageBytes => "storage_bytes",
            Self::ProviderCallsPerMonth => "provider_calls_per_month",
        }
    }

    /// From its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quota| quota.as_str() == name)
    }

    /// What is counted, for a person.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Workflows => "Workflows in the organisation",
            Self::Teams => "Teams in the organisation",
            Self::ExecutionsPerHour => "Executions started in a clock hour (UTC)",
            Self::ExecutionsPerMonth => "Executions started in a calendar month (UTC)",
            Self::ConcurrentExecutions => "Executions that run at the same time; more wait for their turn",
            Self::QueuedExecutions => {
                "Executions that are not over: those that run, wait or are paused, and those in the queue"
            }
            Self::ConcurrentConnections => "Streams of events and waiting calls that are open at the same time",
            Self::StorageBytes => "Bytes of plugins, secrets, and values above 64 KiB",
            Self::ProviderCallsPerMonth => "Calls of workflows to other hosts in a calendar month (UTC)",
        }
    }

    /// The table of plans (specification 00, "Plans").
    #[must_use]
    pub const fn limit(self, plan: Plan) -> Limit {
        match (self, plan) {
            (Self::Workflows, Plan::Free) => Some(5),
            (Self::Workflows, Plan::Pro) => Some(50),
            (Self::Teams, Plan::Free) => Some(3),
            (Self::Teams, Plan::Pro) => Some(25),
            (Self::ExecutionsPerHour, Plan::Free) => Some(20),
            (Self::ExecutionsPerHour, Plan::Pro) => Some(1_000),
            (Self::ExecutionsPerMonth, Plan::Free) => Some(100),
            (Self::ExecutionsPerMonth, Plan::Pro) => Some(10_000),
            (Self::StorageBytes, Plan::Free) => Some(100 * MIB),
            (Self::StorageBytes, Plan::Pro) => Some(1024 * MIB),
            (Self::ProviderCallsPerMonth, Plan::Free) => Some(1_000),
            (Self::ProviderCallsPerMonth, Plan::Pro) => Some(100_000),
            (
                Self::Workflows
                | Self::Teams
                | Self::ExecutionsPerHour
                | Self::ExecutionsPerMonth
                | Self::StorageBytes
                | Self::ProviderCallsPerMonth,
                Plan::Enterprise,
            ) => None,
            (Self::ConcurrentExecutions, Plan::Free) => Some(2),
            (Self::ConcurrentExecutions, Plan::Pro) => Some(10),
            (Self::ConcurrentExecutions, Plan::Enterprise) => Some(50),
            (Self::QueuedExecutions, Plan::Free) => Some(100),
            (Self::QueuedExecutions, Plan::Pro) => Some(2_000),
            (Self::QueuedExecutions, Plan::Enterprise) => Some(10_000),
            (Self::ConcurrentConnections, Plan::Free) => Some(10),
            (Self::ConcurrentConnections, Plan::Pro) => Some(100),
            (Self::ConcurrentConnections, Plan::Enterprise) => Some(1_000),
        }
    }

    /// Its limits in all plans, as the counting statements take them: free, pro, enterprise.
    pub(super) fn limits(self) -> [Option<i64>; 3] {
        [Plan::Free, Plan::Pro, Plan::Enterprise].map(|plan| self.limit(plan).map(stored))
    }

    /// The period that `now` lies in; none for what does not reset.
    pub(super) fn period(self, now: Timestamp) -> Option<Period> {
        match self {
            Self::ExecutionsPerMonth | Self::ProviderCallsPerMonth => {
                let (from, to) = now.month();
                Some(Period { from, to })
            }
            Self::ExecutionsPerHour => {
                let from = hour_of(now);
                Some(Period { from, to: from.after(Duration::from_secs(60 * 60)) })
            }
            Self::Workflows
            | Self::Teams
            | Self::ConcurrentExecutions
            | Self::QueuedExecutions
            | Self::ConcurrentConnections
            | Self::StorageBytes => None,
        }
    }

    /// Whether it is kept what was used by the end of each day: of an hour that says nothing.
    pub(super) const fn has_days(self) -> bool {
        !matches!(self, Self::ExecutionsPerHour)
    }

    /// As `quota_usage.period_start` stores it: the epoch for what does not reset.
    pub(super) fn period_start(self, now: Timestamp) -> Timestamp {
        self.period(now).map_or(Timestamp::from_micros(0), |period| period.from)
    }
}

/// A figure as PostgreSQL stores it.
pub(super) fn stored(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

/// The first moment of the day (UTC) that this one lies in.
pub(super) fn day_of(moment: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000;
    Timestamp::from_micros(moment.as_micros().div_euclid(DAY) * DAY)
}

/// The first moment of the clock hour (UTC) that this one lies in.
fn hour_of(moment: Timestamp) -> Timestamp {
    const HOUR: i64 = 60 * 60 * 1_000_000;
    Timestamp::from_micros(moment.as_micros().div_euclid(HOUR) * HOUR)
}

/// From one moment to another, the second not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Period {
    /// First moment.
    pub from: Timestamp,
    /// First moment of the next period.
    pub to: Timestamp,
}

/// Of a hundred, where somebody is told that little is left.
pub(super) const WARN_AT: u64 = 80;

/// How much of a quota's period was used by the end of a day, or until now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuotaDay {
    /// Which quota.
    pub quota: Quota,
    /// The day's first moment (UTC).
    pub day: Timestamp,
    /// What was used by then: of a month since its beginning, of what does not reset altogether.
    pub used: u64,
}

/// A quota, and how much of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuotaUsage {
    /// Which.
    pub name: Quota,
    /// What it counts.
    pub description: String,
    /// How much there is; null is unlimited.
    pub limit: Option<u64>,
    /// How much is used. Above the limit where that was lowered since.
    pub used: u64,
    /// How much is left; null is unlimited.
    pub remaining: Option<u64>,
    /// Whether four fifths of it or more are used.
    pub nearly_used: bool,
    /// What the use is counted over; null for what does not reset.
    pub period: Option<Period>,
    /// When the use begins again at zero; null for what does not reset.
    pub resets_at: Option<Timestamp>,
}

impl Resource for QuotaUsage {
    fn resource_id(&self) -> String {
        self.name.as_str().to_owned()
    }
}

impl QuotaUsage {
    pub(super) fn new(quota: Quota, limit: Limit, used: u64, now: Timestamp) -> Self {
        let period = quota.period(now);
        Self {
            name: quota,
            description: quota.description().to_owned(),
            limit,
            used,
            remaining: limit.map(|limit| limit.saturating_sub(used)),
            nearly_used: limit.is_some_and(|limit| used.saturating_mul(100) >= limit.saturating_mul(WARN_AT)),
            period,
            resets_at: period.map(|period| period.to),
        }
    }

    /// 403: naming the quota, its limit, its use and its reset.
    #[must_use]
    pub fn exceeded(&self) -> Problem {
        let limit = self.limit.map_or_else(|| "no".to_owned(), |limit| limit.to_string());
        let way_out = match self.resets_at {
            Some(at) => format!("wait until {at}, or ask the platform for more"),
            None => "remove what is not needed, or ask the platform for more".to_owned(),
        };
        let detail = format!("the quota {} is used up ({} of {limit}); {way_out}", self.name.as_str(), self.used);
        Problem::new(Code::QuotaExceeded, detail)
            .with("quota", self.name.as_str())
            .with("limit", self.limit)
            .with("used", self.used)
            .with("resets_at", self.resets_at.map(|at| at.to_string()))
    }
}

/// A quota of a tenant as the platform's administrators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuotaStanding {
    /// What is in force, and used.
    #[serde(flatten)]
    pub usage: QuotaUsage,
    /// What the plan gives; null is unlimited.
    pub plan_limit: Limit,
    /// Whether the platform gave the tenant another limit.
    pub overridden: bool,
}

/// A number of something for one tenant, in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Whose.
    pub tenant: TenantId,
    /// How many.
    pub n: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_shows_the_stored_names() {
        for quota in Quota::ALL {
            assert_eq!(serde_json::json!(quota), quota.as_str());
        }
    }

    #[test]
    fn a_month_ends_in_utc_and_what_does_not_reset_has_no_end() {
        let now: Timestamp = "2026-12-31T23:59:59.999999Z".parse().unwrap();
        let month = QuotaUsage::new(Quota::ExecutionsPerMonth, Some(100), 100, now);
        assert_eq!(month.resets_at.unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(month.remaining, Some(0));
        let problem = month.exceeded().document();
        assert_eq!(problem["status"], 403);
        assert_eq!(problem["quota"], "executions_per_month");
        assert_eq!((&problem["limit"], &problem["used"]), (&serde_json::json!(100), &serde_json::json!(100)));
        assert_eq!(problem["resets_at"], "2027-01-01T00:00:00Z");
        let workflows = QuotaUsage::new(Quota::Workflows, Some(5), 7, now);
        assert_eq!((workflows.remaining, workflows.resets_at), (Some(0), None));
    }
}
