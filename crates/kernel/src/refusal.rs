//! Refusals are events, committed before the caller hears of them; if that fails the answer is 503.
//!
//! So that refusals cannot be used to fill the disk, repeats of one subject, route and reason within a minute are
//! folded into one later event that tells their count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::context::{Actor, Origin, Principal};
use crate::error::{Code, Error, Problem, Result};
use crate::event::{Audited, NewEvent, Outcome};
use crate::id::TenantId;
use crate::kernel::Kernel;
use crate::limits::Subject;
use crate::system_tx::SystemReason;

/// A request that was refused; the resource of the events that tell of it.
#[derive(Debug)]
pub enum Request {}

crate::actions! {
    /// What happens to requests as such.
    pub RequestEvent on Request = "request" {
        REFUSED = "refused", "A request was refused: by a missing permission, a limit, a quota, a policy, or for want of a login. Repeats within a minute are folded; `repeats` counts them.";
    }
}

const FOLD: Duration = Duration::from_secs(60);
/// More distinct refusals than this within a minute are told together, one event a tenant: [`OTHERS`].
const MAX_FOLDED: usize = 10_000;
/// The reason of what is told together.
const OTHERS: &str = "others";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: Option<TenantId>,
    subject: String,
    route: Option<Arc<str>>,
    reason: &'static str,
}

#[derive(Debug, Clone)]
struct Folded {
    actor: Actor,
    origin: Origin,
    policy_version: Option<String>,
    first: Timestamp,
    repeats: u64,
}

/// The refusals of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<Key, Folded>>);

/// What is to be written of a refusal before its caller hears of it.
enum Noted {
    /// Nothing: one like it was written within the last minute, and this one is counted.
    Counted,
    /// It, under this key; and before it what was counted of those that came earlier.
    First(Key, Option<Box<Folded>>),
}

impl Refusals {
    fn note(&self, key: Key, folded: Folded) -> Noted {
        let now = folded.first;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if known.len() < MAX_FOLDED || known.contains_key(&key) {
            key
        } else {
            Key { tenant: key.tenant, subject: String::new(), route: None, reason: OTHERS }
        };
        if let Some(earlier) = known.get_mut(&key).filter(|earlier| now.since(earlier.first) < FOLD) {
            earlier.repeats += 1;
            return Noted::Counted;
        }
        let earlier = known.insert(key.clone(), folded).filter(|earlier| earlier.repeats > 0).map(Box::new);
        Noted::First(key, earlier)
    }

    /// The first was not written: the next one must try again. What was counted meanwhile waits for the next flush.
    fn not_written(&self, key: &Key) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(key) {
            Some(folded) if folded.repeats > 0 => folded.first = folded.first.before(FOLD),
            Some(_) => drop(known.remove(key)),
            None => {}
        }
    }

    fn take_over(&self, now: Timestamp, all: bool) -> Vec<(Key, Folded)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = known.extract_if(|_, folded| all || now.since(folded.first) >= FOLD);
        over.filter(|(_, folded)| folded.repeats > 0).collect()
    }

    /// Counts that could not be written wait for the next flush.
    fn put_back(&self, owed: impl IntoIterator<Item = (Key, Folded)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, folded) in owed {
            let repeats = folded.repeats;
            known.entry(key).and_modify(|newer| newer.repeats += repeats).or_insert(folded);
        }
    }
}

/// Whether telling the caller this is a refusal that the log wants.
pub(crate) const fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated
            | Code::InvalidCredentials
            | Code::EmailUnverified
            | Code::PermissionDenied
            | Code::KeyBlocked
            | Code::TenantSuspended
            | Code::QuotaExceeded
            | Code::Denied
            | Code::RegistrationClosed
            | Code::LinkOver
            | Code::RateLimited
    )
}

impl Kernel {
    /// Writes the refusal, if the problem is one, and gives back what to answer.
    pub async fn refused(&self, tenant: Option<TenantId>, actor: &Actor, origin: &Origin, error: Error) -> Error {
        let Error::Problem(problem) = &error else { return error };
        if !is_refusal(problem.code) {
            return error;
        }
        let detail = problem.extensions.clone();
        match self.record_refusal(tenant, actor, origin, problem.code, detail).await {
            Ok(()) => error,
            Err(cause) => {
                tracing::error!(error = %cause, "a refusal could not be written");
                Problem::unavailable("the refusal could not be recorded; try again").into()
            }
        }
    }

    async fn record_refusal(
        &self,
        tenant: Option<TenantId>,
        actor: &Actor,
        origin: &Origin,
        code: Code,
        mut detail: serde_json::Map<String, serde_json::Value>,
    ) -> Result<()> {
        let subject = match actor.principal {
            known @ (Principal::User(_) | Principal::ServiceAccount(_)) => known.to_string(),
            // An IPv6 customer has 2⁶⁴ addresses to fill the table from.
            Principal::System(_) | Principal::Anonymous => {
                let address = origin.address.map(|address| Subject::address(address).to_string()).unwrap_or_default();
                actor.on_behalf_of.map_or_else(|| address.clone(), |person| format!("{address} as {person}"))
            }
        };
        let key = Key { tenant, subject, route: origin.route.clone(), reason: code.as_str() };
        let policy_version = match detail.remove("policy_version") {
            Some(serde_json::Value::String(version)) => Some(version),
            _ => None,
        };
        let folded =
            Folded { actor: *actor, origin: origin.clone(), policy_version, first: self.clock().now(), repeats: 0 };
        let Noted::First(key, owed) = self.refusals().note(key, folded.clone()) else { return Ok(()) };
        let kernel = self.clone();
        // On a task of its own: a caller who goes away now must not leave a refusal counted that was never written.
        let written = tokio::spawn(async move {
            if let Some(owed) = owed
                && let Err(error) = kernel.write_refusal(repeats(&key, &owed), &owed).await
            {
                kernel.refusals().put_back([(key.clone(), *owed)]);
                kernel.refusals().not_written(&key);
                return Err(error);
            }
            let event =
                detail.into_iter().fold(event(&key, &folded), |event, (name, value)| event.detail(&name, value));
            let written = kernel.write_refusal(event, &folded).await;
            if written.is_err() {
                kernel.refusals().not_written(&key);
            }
            written
        });
        written.await.map_err(Error::internal)?
    }

    /// Writes the counts of what was folded and is over; with `all`, of everything.
    ///
    /// # Errors
    /// When PostgreSQL is gone; the counts then wait for the next time.
    pub async fn flush_refusals(&self, all: bool) -> Result<()> {
        let mut owed = self.refusals().take_over(self.clock().now(), all).into_iter();
        while let Some((key, folded)) = owed.next() {
            if let Err(error) = self.write_refusal(repeats(&key, &folded), &folded).await {
                self.refusals().put_back(owed.chain([(key, folded)]));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_refusal(&self, event: NewEvent, of: &Folded) -> Result<()> {
        self.system(SystemReason::PlatformEvent)
            .by(of.actor)
            .from(&of.origin)
            .run(async |_| Ok(Audited::of((), event)))
            .await
    }
}

fn repeats(key: &Key, folded: &Folded) -> NewEvent {
    event(key, folded).detail("repeats", folded.repeats)
}

fn event(key: &Key, folded: &Folded) -> NewEvent {
    let event = NewEvent::new(RequestEvent::REFUSED, key.route.as_deref().map(str::to_owned))
        .outcome(Outcome::Denied, key.reason)
        .by(folded.actor);
    let event = match key.tenant {
        Some(tenant) => event.in_tenant(tenant),
        None => event,
    };
    match &folded.policy_version {
        Some(version) => event.decided_by(version),
        None => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(first: u64) -> Folded {
        let start = Timestamp::from_micros(0);
        let first = start.after(Duration::from_secs(first));
        Folded { actor: Actor::anonymous(), origin: Origin::default(), policy_version: None, first, repeats: 0 }
    }

    fn key(number: usize) -> Key {
        Key { tenant: None, subject: number.to_string(), route: None, reason: "unauthenticated" }
    }

    #[test]
    fn a_count_that_is_replaced_is_handed_over() {
        let refusals = Refusals::default();
        assert!(matches!(refusals.note(key(1), folded(0)), Noted::First(_, None)));
        assert!(matches!(refusals.note(key(1), folded(59)), Noted::Counted));
        let Noted::First(_, Some(owed)) = refusals.note(key(1), folded(60)) else { panic!("the count is lost") };
        assert_eq!(owed.repeats, 1);
    }

    #[test]
    fn beyond_what_is_kept_apart_refusals_are_told_together() {
        let refusals = Refusals::default();
        for number in 0..MAX_FOLDED {
            assert!(matches!(refusals.note(key(number), folded(0)), Noted::First(_, None)));
        }
        let Noted::First(together, None) = refusals.note(key(MAX_FOLDED), folded(0)) else { panic!("it is dropped") };
        assert_eq!(together.reason, OTHERS);
        assert!(matches!(refusals.note(key(MAX_FOLDED + 1), folded(0)), Noted::Counted));
        assert!(matches!(refusals.note(key(7), folded(0)), Noted::Counted), "who is known is counted as before");
        let counts: Vec<u64> =
            refusals.take_over(Timestamp::from_micros(0), true).iter().map(|(_, f)| f.repeats).collect();
        assert_eq!(counts, [1, 1]);
    }

    #[test]
    fn what_could_not_be_written_is_not_lost() {
        let refusals = Refusals::default();
        assert!(matches!(refusals.note(key(1), folded(0)), Noted::First(_, None)));
        assert!(matches!(refusals.note(key(1), folded(1)), Noted::Counted));
        refusals.not_written(&key(1));
        // The one that was counted was answered; it is owed.
        let owed = refusals.take_over(folded(2).first, false);
        assert_eq!(owed.iter().map(|(_, folded)| folded.repeats).collect::<Vec<_>>(), [1]);
        assert!(matches!(refusals.note(key(1), folded(3)), Noted::First(_, None)));
        refusals.put_back(owed);
        assert!(matches!(refusals.note(key(1), folded(4)), Noted::Counted));
        let again = refusals.take_over(folded(5).first, true);
        assert_eq!(again.iter().map(|(_, folded)| folded.repeats).collect::<Vec<_>>(), [2]);
    }
}
