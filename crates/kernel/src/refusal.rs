//! Refusals are events, committed before the caller hears of them; if that fails the answer is 503.
//!
//! So that refusals cannot be used to fill the disk, repeats of one subject, route and reason within a minute are
//! folded into one later event that tells their count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::context::{Actor, Origin};
use crate::error::{Code, Error, Problem, Result};
use crate::event::{Audited, NewEvent, Outcome};
use crate::id::TenantId;
use crate::kernel::Kernel;
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
/// More distinct refusals than this within a minute are written as one "others".
const MAX_FOLDED: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: Option<TenantId>,
    subject: String,
    route: Option<Arc<str>>,
    reason: &'static str,
}

#[derive(Debug)]
struct Folded {
    actor: Actor,
    origin: Origin,
    first: Timestamp,
    repeats: u64,
}

/// The refusals of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<Key, Folded>>);

/// Whether telling the caller this is a refusal that the log wants.
pub(crate) const fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated
            | Code::InvalidCredentials
            | Code::PermissionDenied
            | Code::TenantSuspended
            | Code::QuotaExceeded
            | Code::Denied
            | Code::RegistrationClosed
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
        detail: serde_json::Map<String, serde_json::Value>,
    ) -> Result<()> {
        let subject = match actor.user() {
            Some(user) => user.to_string(),
            None => origin.address.map(|address| address.to_string()).unwrap_or_default(),
        };
        let key = Key { tenant, subject, route: origin.route.clone(), reason: code.as_str() };
        let now = self.clock().now();
        {
            let mut folded = self.refusals().0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = folded.get_mut(&key).filter(|known| now.since(known.first) < FOLD) {
                known.repeats += 1;
                return Ok(());
            }
            if folded.len() >= MAX_FOLDED {
                return Ok(());
            }
            folded.insert(key.clone(), Folded { actor: *actor, origin: origin.clone(), first: now, repeats: 0 });
        }
        let event = detail.into_iter().fold(event(&key, actor), |event, (name, value)| event.detail(&name, value));
        let written = self.write_refusals(vec![event], actor, origin).await;
        if written.is_err() {
            // It was not recorded: the next one must try again.
            self.refusals().0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
        written
    }

    /// Writes the counts of what was folded and is over; with `all`, of everything.
    ///
    /// # Errors
    /// When PostgreSQL is gone; the counts are then lost, the first of each refusal is not.
    pub async fn flush_refusals(&self, all: bool) -> Result<()> {
        let now = self.clock().now();
        let over: Vec<(Key, Folded)> = self
            .refusals()
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extract_if(|_, folded| all || now.since(folded.first) >= FOLD)
            .collect();
        for (key, folded) in over.into_iter().filter(|(_, folded)| folded.repeats > 0) {
            let event = event(&key, &folded.actor).detail("repeats", folded.repeats);
            self.write_refusals(vec![event], &folded.actor, &folded.origin).await?;
        }
        Ok(())
    }

    async fn write_refusals(&self, events: Vec<NewEvent>, actor: &Actor, origin: &Origin) -> Result<()> {
        self.system(SystemReason::PlatformEvent)
            .by(*actor)
            .from(origin)
            .run(async |_| Ok(Audited::many((), events)))
            .await
    }
}

fn event(key: &Key, actor: &Actor) -> NewEvent {
    let event = NewEvent::new(RequestEvent::REFUSED, key.route.as_deref().map(str::to_owned))
        .outcome(Outcome::Denied, key.reason)
        .by(*actor);
    match key.tenant {
        Some(tenant) => event.in_tenant(tenant),
        None => event,
    }
}
