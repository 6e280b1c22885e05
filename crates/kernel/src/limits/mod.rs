//! Rate limits: GCRA (ITU-T I.371) per API key, address, person and tenant.
//!
//! Each key keeps one number, its theoretical arrival time; a request conforms if that is not further ahead than the
//! burst allows. The numbers are in this process, or in a Redis that all nodes share; when that is lost, in this process
//! again, and each node lets through its part of a limit.

mod local;
mod shared;

use std::net::IpAddr;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::context::Identity;
use crate::id::{KeyId, TenantId, UserId};
use local::{Count, Local};
pub use shared::RedisUrl;
use shared::Shared;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const NOW: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// So many requests in so long; also the size of a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Requests.
    pub requests: u32,
    /// Seconds they may be spread over.
    pub seconds: u32,
}

impl Rate {
    /// So many in each of these spans.
    #[must_use]
    pub const fn per(span: Span, requests: u32) -> Self {
        Self { requests, seconds: span.seconds() }
    }

    /// The time it is spread over, in microseconds.
    fn window(self) -> u64 {
        u64::from(self.seconds.max(1)) * 1_000_000
    }

    /// The time between two requests, in microseconds.
    fn interval(self) -> u64 {
        (self.window() / u64::from(self.requests.max(1))).max(1)
    }

    /// As many a minute, at least one.
    #[must_use]
    pub fn a_minute(self) -> u32 {
        let requests = u64::from(self.requests) * 60 / u64::from(self.seconds.max(1));
        u32::try_from(requests.max(1)).unwrap_or(u32::MAX)
    }

    /// One node's part of it, at least one.
    fn shared_by(self, nodes: u32) -> Self {
        Self { requests: (self.requests / nodes.max(1)).max(1), ..self }
    }
}

/// What a limit is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// The shortest: a minute where nothing else was set.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Span {
    /// Its length.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }
}

/// The limits of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Of one address, whoever comes from there.
    pub address: Rate,
    /// Of one person.
    pub user: Rate,
    /// Of one tenant.
    pub tenant: Rate,
    /// Of one API key, for a while.
    pub key: Rate,
    /// Of one API key, over a longer time.
    pub key_long: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            address: Rate { requests: 600, seconds: 60 },
            user: Rate { requests: 100, seconds: 60 },
            tenant: Rate { requests: 500, seconds: 60 },
            key: Rate { requests: 60, seconds: 60 },
            key_long: Rate { requests: 1_000, seconds: 3600 },
        }
    }
}

/// Limits that were set, of one whom they are for; as the installation says where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spans {
    /// Requests a minute.
    pub minute: Option<u32>,
    /// Requests an hour.
    pub hour: Option<u32>,
    /// Requests a day.
    pub day: Option<u32>,
}

impl Spans {
    /// The rates in force: those that are set, and of the others those that the installation has.
    fn rates(self, minute: Option<Rate>, hour: Option<Rate>) -> impl Iterator<Item = (Span, Rate)> {
        let set = |span, requests: Option<u32>| requests.map(|requests| Rate::per(span, requests));
        let minute = set(Span::Minute, self.minute).or(minute).map(|rate| (Span::Minute, rate));
        let hour = set(Span::Hour, self.hour).or(hour).map(|rate| (Span::Hour, rate));
        let day = set(Span::Day, self.day).map(|rate| (Span::Day, rate));
        [minute, hour, day].into_iter().flatten()
    }
}

/// The limits of a caller's own, of their key and of their tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnRates {
    /// Of the API key it came with.
    pub key: Spans,
    /// Of the person, in this tenant.
    pub user: Spans,
    /// Of the tenant.
    pub tenant: Spans,
}

/// Whom a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An address; of IPv6 the /64, which is what one customer gets.
    Address(IpAddr),
    /// A person in a tenant, which may set limits for its own members.
    User(TenantId, UserId, Span),
    /// A tenant.
    Tenant(TenantId, Span),
    /// An API key of a tenant.
    Key(TenantId, KeyId, Span),
}

impl Subject {
    /// The subject that an address counts as.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::Address(v4.into()),
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                Self::Address(std::net::Ipv6Addr::from(network).into())
            }
        }
    }

    /// The limit's name.
    const fn name(self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::User(_, _, Span::Minute) => "user",
            Self::User(_, _, Span::Hour) => "user-hour",
            Self::User(_, _, Span::Day) => "user-day",
            Self::Tenant(_, Span::Minute) => "tenant",
            Self::Tenant(_, Span::Hour) => "tenant-hour",
            Self::Tenant(_, Span::Day) => "tenant-day",
            Self::Key(_, _, Span::Minute) => "key",
            Self::Key(_, _, Span::Hour) => "key-hour",
            Self::Key(_, _, Span::Day) => "key-day",
        }
    }

    /// Whose it is; an address is nobody's.
    const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Address(_) => None,
            Self::User(tenant, ..) | Self::Tenant(tenant, _) | Self::Key(tenant, ..) => Some(tenant),
        }
    }

    /// Its key in Redis; what stands in braces decides the slot of a Cluster (its hash tag).
    fn key(self) -> String {
        let name = self.name();
        match self {
            Self::Address(address) => format!("tenure:limit:{{{address}}}:{name}"),
            Self::Tenant(tenant, _) => format!("tenure:limit:{{{}}}:{name}", tenant.uuid()),
            Self::User(tenant, user, _) => format!("tenure:limit:{{{}}}:{name}:{}", tenant.uuid(), user.uuid()),
            Self::Key(tenant, key, _) => format!("tenure:limit:{{{}}}:{name}:{}", tenant.uuid(), key.uuid()),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            other => f.write_str(&other.key()),
        }
    }
}

/// A limit that a request is to be counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Whose.
    pub subject: Subject,
    /// How much.
    pub rate: Rate,
}

/// Where a subject stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which limit.
    pub limit: &'static str,
    /// The limit.
    pub rate: Rate,
    /// How many requests could follow at once.
    pub remaining: u32,
    /// When the full burst is there again.
    pub reset: Duration,
    /// If this request was one too many: when the next will be let through.
    pub retry_after: Option<Duration>,
}

impl Standing {
    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) and the older `X-RateLimit-*`.
    pub fn write_to(&self, headers: &mut HeaderMap) {
        let name = self.limit;
        let reset = self.reset.as_secs() + u64::from(self.reset.subsec_nanos() > 0);
        let text = |text: String| HeaderValue::try_from(text).ok();
        let policy = text(format!("\"{name}\";q={};w={}", self.rate.requests, self.rate.seconds));
        let now = text(format!("\"{name}\";r={};t={reset}", self.remaining));
        headers.extend(policy.map(|policy| (POLICY, policy)));
        headers.extend(now.map(|now| (NOW, now)));
        headers.insert(LIMIT, self.rate.requests.into());
        headers.insert(REMAINING, self.remaining.into());
        headers.insert(RESET, reset.into());
    }
}

/// The limits with the state of everybody they count.
#[derive(Debug)]
pub struct Limiter {
    rates: Rates,
    local: Local,
    shared: Option<Shared>,
}

impl Limiter {
    /// A limiter that has seen nobody; `shared` is where all nodes count together.
    #[must_use]
    pub fn new(rates: Rates, shared: Option<RedisUrl>) -> Self {
        Self { rates, local: Local::new(), shared: shared.map(Shared::new) }
    }

    /// The installation's limits.
    #[must_use]
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The limit of an address.
    #[must_use]
    pub fn of_address(&self, address: IpAddr) -> Wanted {
        Wanted { subject: Subject::address(address), rate: self.rates.address }
    }

    /// Every limit of a caller, the narrowest first: who is over their own takes nothing from the others of their tenant.
    #[must_use]
    pub fn of_caller(&self, identity: &Identity, address: Option<IpAddr>) -> Vec<Wanted> {
        let (tenant, own, rates) = (identity.tenant, &identity.rates, &self.rates);
        let mut wanted = Vec::with_capacity(8);
        if let Some(key) = identity.actor.counted_key() {
            let of_key = own.key.rates(Some(rates.key), Some(rates.key_long));
            wanted.extend(of_key.map(|(span, rate)| Wanted { subject: Subject::Key(tenant, key, span), rate }));
        }
        if let Some(user) = identity.actor.user() {
            let of_user = own.user.rates(Some(rates.user), None);
            wanted.extend(of_user.map(|(span, rate)| Wanted { subject: Subject::User(tenant, user, span), rate }));
        }
        wanted.extend(address.map(|address| self.of_address(address)));
        let of_tenant = own.tenant.rates(Some(rates.tenant), None);
        wanted.extend(of_tenant.map(|(span, rate)| Wanted { subject: Subject::Tenant(tenant, span), rate }));
        wanted
    }

    /// Counts one request against these, in their order, up to the first that is over its limit. `nodes` says how many share
    /// them where they cannot count together.
    pub async fn count(&self, wanted: &[Wanted], nodes: impl FnOnce() -> u32) -> Vec<Standing> {
        let Some(shared) = &self.shared else { return self.count_here(wanted, 1) };
        let nodes = nodes();
        let Some(counted) = shared.count(wanted).await else { return self.count_here(wanted, nodes) };
        if counted.iter().all(|count| count.wait.is_none()) {
            // Remembered, so that nobody begins anew with this node's part when the others are out of reach.
            let _ = self.count_here(wanted, nodes);
        }
        wanted.iter().zip(counted).map(|(wanted, count)| standing(wanted, count)).collect()
    }

    /// The same by what this node alone has seen.
    #[must_use]
    pub fn count_here(&self, wanted: &[Wanted], nodes: u32) -> Vec<Standing> {
        let mut standings = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let part = Wanted { rate: wanted.rate.shared_by(nodes), ..*wanted };
            let standing = standing(&part, self.local.count(&part));
            standings.push(standing);
            if standing.retry_after.is_some() {
                break;
            }
        }
        standings
    }

    /// Whether all nodes count together now.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.as_ref().is_some_and(Shared::is_connected)
    }

    /// Keeps the connection to where all nodes count, until the future is dropped.
    pub async fn run(&self) {
        if let Some(shared) = &self.shared {
            shared.run_connection().await;
        }
    }
}

fn standing(wanted: &Wanted, count: Count) -> Standing {
    let (rate, left) = (wanted.rate, wanted.rate.window().saturating_sub(count.ahead));
    Standing {
        limit: wanted.subject.name(),
        rate,
        remaining: u32::try_from(left / rate.interval()).unwrap_or(u32::MAX),
        reset: Duration::from_micros(count.ahead),
        retry_after: count.wait.map(Duration::from_micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { requests: 3, seconds: 60 };

    fn limiter() -> Limiter {
        Limiter::new(Rates { address: RATE, ..Rates::default() }, None)
    }

    fn wanted(address: &str) -> Wanted {
        limiter().of_address(address.parse().unwrap())
    }

    #[test]
    fn a_burst_passes_then_one_every_interval() {
        let (local, wanted) = (Local::new(), wanted("192.0.2.1"));
        let at = |seconds| standing(&wanted, local.count_at(&wanted, Duration::from_secs(seconds)));
        assert_eq!((at(0).remaining, at(0).remaining, at(0).remaining), (2, 1, 0));
        let refused = at(0);
        assert_eq!((refused.remaining, refused.retry_after), (0, Some(Duration::from_secs(20))));
        assert_eq!(at(19).retry_after, Some(Duration::from_secs(1)));
        assert_eq!(at(20).retry_after, None);
        assert!(at(20).retry_after.is_some(), "a refused request does not count, a passed one does");
        assert_eq!(at(200).remaining, 2, "in the end the full burst is back");
    }

    #[test]
    fn subjects_do_not_share() {
        let limiter = limiter();
        for _ in 0..4 {
            let _ = limiter.count_here(&[wanted("192.0.2.1")], 1);
        }
        assert_eq!(limiter.count_here(&[wanted("192.0.2.2")], 1)[0].remaining, 2);
        assert_eq!(
            Subject::address("2001:db8::1".parse().unwrap()),
            Subject::address("2001:db8::ffff".parse().unwrap()),
            "one customer's IPv6 network is one subject"
        );
        assert_eq!(
            Subject::address("::ffff:192.0.2.1".parse().unwrap()),
            Subject::address("192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn nodes_that_count_for_themselves_let_through_their_part() {
        let limiter = limiter();
        let passed = |nodes| {
            let one = |_: &i32| limiter.count_here(&[wanted("192.0.2.9")], nodes)[0].retry_after.is_none();
            (0..9).filter(one).count()
        };
        assert_eq!(passed(2), 1, "half of three, rounded down");
        assert_eq!(Rate { requests: 3, seconds: 60 }.shared_by(7).requests, 1, "and never nothing");
    }

    #[test]
    fn what_is_over_its_limit_takes_nothing_from_what_comes_after_it() {
        let limiter = limiter();
        let (narrow, wide) = (wanted("192.0.2.3"), wanted("192.0.2.4"));
        for _ in 0..5 {
            let _ = limiter.count_here(&[narrow, wide], 1);
        }
        assert_eq!(limiter.count_here(&[narrow, wide], 1).len(), 1);
        assert_eq!(limiter.local.count(&wide).wait.map(|_| ()), Some(()), "three passed both");
    }

    #[test]
    fn headers_say_what_is_left() {
        let standing = limiter().count_here(&[wanted("192.0.2.1")], 1)[0];
        let mut headers = HeaderMap::new();
        standing.write_to(&mut headers);
        assert_eq!(headers["ratelimit"], "\"address\";r=2;t=20");
        assert_eq!(headers["ratelimit-policy"], "\"address\";q=3;w=60");
        assert_eq!(headers["x-ratelimit-reset"], "20");
    }

    #[test]
    fn what_is_set_stands_instead_of_what_the_installation_has() {
        let default = Rate { requests: 7, seconds: 10 };
        let rates = |spans: Spans| spans.rates(Some(default), None).collect::<Vec<_>>();
        assert_eq!(rates(Spans::default()), [(Span::Minute, default)]);
        let set = Spans { minute: Some(5), hour: None, day: Some(9) };
        assert_eq!(rates(set), [(Span::Minute, Rate::per(Span::Minute, 5)), (Span::Day, Rate::per(Span::Day, 9))]);
        assert_eq!(default.a_minute(), 42);
    }
}
