//! Rate limits: GCRA (ITU-T I.371) per API key, address, person and tenant, in this process.
//!
//! Each key keeps one number, its theoretical arrival time; a request conforms if that is not further ahead than the
//! burst allows.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::id::{KeyId, TenantId, UserId};

/// So many requests in so long; also the size of a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Requests.
    pub requests: u32,
    /// Seconds they may be spread over.
    pub seconds: u32,
}

/// The limits of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Of one address.
    pub address: Rate,
    /// Of one person.
    pub user: Rate,
    /// Of one tenant.
    pub tenant: Rate,
    /// Of one API key, for a while.
    pub key: Rate,
    /// Of one API key, for longer.
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

/// What one API key is limited to instead of what all are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyRates {
    /// Instead of [`Rates::key`].
    pub key: Option<Rate>,
    /// Instead of [`Rates::key_long`].
    pub key_long: Option<Rate>,
}

/// Whom a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An address; of IPv6 the /64, which is what one customer gets.
    Address(IpAddr),
    /// A person.
    User(UserId),
    /// A tenant.
    Tenant(TenantId),
    /// An API key, for a while.
    Key(KeyId),
    /// An API key, for longer.
    KeyLong(KeyId),
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
            Self::User(_) => "user",
            Self::Tenant(_) => "tenant",
            Self::Key(_) => "key",
            Self::KeyLong(_) => "key-long",
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::User(user) => user.fmt(f),
            Self::Tenant(tenant) => tenant.fmt(f),
            Self::Key(key) | Self::KeyLong(key) => key.fmt(f),
        }
    }
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
        let mut set = |header: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(header), value);
            }
        };
        set("ratelimit-policy", format!("\"{name}\";q={};w={}", self.rate.requests, self.rate.seconds));
        set("ratelimit", format!("\"{name}\";r={};t={reset}", self.remaining));
        set("x-ratelimit-limit", self.rate.requests.to_string());
        set("x-ratelimit-remaining", self.remaining.to_string());
        set("x-ratelimit-reset", reset.to_string());
    }
}

const SHARDS: usize = 16;
/// A shard is swept of what has run out whenever it has grown by so many keys.
const SWEEP_EVERY: usize = 4096;

/// The limits with the state of everybody they count.
#[derive(Debug)]
pub struct Limiter {
    rates: Rates,
    hasher: RandomState,
    started: Instant,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    /// Theoretical arrival time, in nanoseconds since `started`.
    arrivals: HashMap<Subject, u64>,
    sweep_at: usize,
}

impl Limiter {
    /// A limiter that has seen nobody.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self {
            rates,
            hasher: RandomState::new(),
            started: Instant::now(),
            shards: std::array::from_fn(|_| Mutex::new(Shard { arrivals: HashMap::new(), sweep_at: SWEEP_EVERY })),
        }
    }

    /// Counts one request of `subject`.
    #[must_use]
    pub fn count(&self, subject: Subject) -> Standing {
        let rate = match subject {
            Subject::Address(_) => self.rates.address,
            Subject::User(_) => self.rates.user,
            Subject::Tenant(_) => self.rates.tenant,
            Subject::Key(_) => self.rates.key,
            Subject::KeyLong(_) => self.rates.key_long,
        };
        self.count_within(subject, rate)
    }

    /// Counts one request of `subject`, which has a limit of its own.
    #[must_use]
    pub fn count_within(&self, subject: Subject, rate: Rate) -> Standing {
        self.count_at(subject, rate, self.started.elapsed())
    }

    fn count_at(&self, subject: Subject, rate: Rate, now: Duration) -> Standing {
        let now = nanos(now);
        let window = u64::from(rate.seconds.max(1)) * 1_000_000_000;
        let interval = window / u64::from(rate.requests.max(1));
        let shard = usize::try_from(self.hasher.hash_one(subject)).unwrap_or(0) % SHARDS;
        let Some(shard) = self.shards.get(shard) else { return standing(subject, rate, window, interval, 0, None) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.arrivals.len() >= shard.sweep_at {
            shard.arrivals.retain(|_, arrival| *arrival > now);
            shard.sweep_at = shard.arrivals.len() + SWEEP_EVERY;
        }
        let arrival = shard.arrivals.entry(subject).or_insert(now);
        let next = (*arrival).max(now) + interval;
        let ahead = next - now;
        if ahead > window {
            let wait = Duration::from_nanos(ahead - window);
            return standing(subject, rate, window, interval, ahead - interval, Some(wait));
        }
        *arrival = next;
        standing(subject, rate, window, interval, ahead, None)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

fn standing(
    subject: Subject,
    rate: Rate,
    window: u64,
    interval: u64,
    ahead: u64,
    retry_after: Option<Duration>,
) -> Standing {
    Standing {
        limit: subject.name(),
        rate,
        remaining: u32::try_from(window.saturating_sub(ahead) / interval.max(1)).unwrap_or(u32::MAX),
        reset: Duration::from_nanos(ahead),
        retry_after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        let rate = Rate { requests: 3, seconds: 60 };
        Limiter::new(Rates { address: rate, ..Rates::default() })
    }

    #[test]
    fn a_burst_passes_then_one_every_interval() {
        let limiter = limiter();
        let subject = Subject::address("192.0.2.1".parse().unwrap());
        let at = |seconds| limiter.count_at(subject, limiter.rates.address, Duration::from_secs(seconds));
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
            let _ = limiter.count(Subject::address("192.0.2.1".parse().unwrap()));
        }
        assert_eq!(limiter.count(Subject::address("192.0.2.2".parse().unwrap())).remaining, 2);
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
    fn headers_say_what_is_left() {
        let standing = limiter().count(Subject::address("192.0.2.1".parse().unwrap()));
        let mut headers = HeaderMap::new();
        standing.write_to(&mut headers);
        assert_eq!(headers["ratelimit"], "\"address\";r=2;t=20");
        assert_eq!(headers["ratelimit-policy"], "\"address\";q=3;w=60");
        assert_eq!(headers["x-ratelimit-reset"], "20");
    }
}
