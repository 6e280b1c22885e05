//! The proof that a caller may do something in a tenant: the first argument of every handler.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{Actor, Context, Identity, Origin};
use crate::error::{Code, Error, Problem, Result};
use crate::event::Audited;
use crate::id::TenantId;
use crate::idempotency::{self, Claim, IdempotencyKey};
use crate::kernel::Kernel;
use crate::limits::{Standing, Subject};
use crate::permission::{Access, Permission, PermissionSet, Read, Write};
use crate::record;
use crate::request::{RateSlot, RequestInfo};
use crate::tenant_tx::TenantTx;

/// The caller holds `P` in the tenant that the credential is for.
pub struct Authorized<P> {
    kernel: Kernel,
    cx: Arc<Context>,
    idempotency: Option<IdempotencyKey>,
    permission: PhantomData<fn() -> P>,
}

/// The caller is known, and no permission is needed: what everybody may do with their own login. Counted by a test.
pub struct Authenticated {
    kernel: Kernel,
    cx: Arc<Context>,
}

/// Nobody needs to be known. Counted by a test; `routes.public` asks for the reason.
pub struct Anonymous {
    kernel: Kernel,
    origin: Origin,
}

macro_rules! debug_context {
    ([$($generics:tt)*] $type:ty, $name:literal) => {
        impl<$($generics)*> std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    };
}
debug_context!([P] Authorized<P>, "Authorized");
debug_context!([] Authenticated, "Authenticated");
debug_context!([] Anonymous, "Anonymous");

pub(crate) fn denied(missing: PermissionSet) -> Problem {
    Problem::new(
        Code::PermissionDenied,
        format!(
            "this needs the permission {missing}, which you do not hold; ask an administrator of your organisation"
        ),
    )
    .with("permission", missing.to_string())
}

impl<P> Authorized<P> {
    pub(crate) fn prove(kernel: Kernel, cx: Arc<Context>, idempotency: Option<IdempotencyKey>) -> Self {
        Self { kernel, cx, idempotency, permission: PhantomData }
    }

    /// Who, for which tenant, from where.
    #[must_use]
    pub fn cx(&self) -> &Context {
        &self.cx
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.cx.tenant()
    }

    /// What the process shares.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Reads the tenant's rows in one read-only transaction.
    ///
    /// # Errors
    /// Those of `f`, and PostgreSQL's.
    pub async fn read<T>(&self, f: impl AsyncFnOnce(&mut TenantTx<Read>) -> Result<T>) -> Result<T> {
        let mut tx = TenantTx::<Read>::begin(&self.kernel, &self.cx).await?;
        let value = f(&mut tx).await.map_err(|error| (error, ()));
        tx.end();
        match value {
            Ok(value) => Ok(value),
            Err((error, ())) => Err(self.refused(error).await),
        }
    }

    /// Reads what is worth an event (reveal, export, the audit log itself). The transaction is read-write for that
    /// event alone.
    ///
    /// # Errors
    /// Those of `f`, and PostgreSQL's; without the event nothing is shown.
    pub async fn read_audited<T>(&self, f: impl AsyncFnOnce(&mut TenantTx<Read>) -> Result<Audited<T>>) -> Result<T> {
        let mut tx = TenantTx::<Read>::begin_as(&self.kernel, &self.cx, Access::Write).await?;
        match f(&mut tx).await {
            Ok(audited) => {
                record::tenant(&mut tx, audited.events).await?;
                tx.transaction.commit().await?;
                Ok(audited.value)
            }
            Err(error) => {
                drop(tx);
                Err(self.refused(error).await)
            }
        }
    }

    async fn refused(&self, error: Error) -> Error {
        self.kernel.refused(Some(self.cx.tenant()), self.cx.actor(), &self.cx.origin, error).await
    }
}

impl<P: Permission> Authorized<P> {
    /// Proves it once more with the token of the request's headers, for an answer that outlives its request: a stream
    /// asks when news of its session, person or tenant comes, and every few seconds, and ends when this fails.
    ///
    /// # Errors
    /// As at the beginning of a request; nothing is counted or recorded.
    pub async fn renewed(&self, headers: &HeaderMap) -> Result<Self> {
        let token = bearer(headers).unwrap_or_default();
        let identity = self.kernel.authenticate(token).await?;
        let missing = P::NEEDS.missing_from(identity.permissions);
        if missing != PermissionSet::NONE || identity.tenant != self.tenant() {
            return Err(denied(missing).into());
        }
        let cx = Context { identity, origin: self.cx.origin.clone() };
        Ok(Self::prove(self.kernel.clone(), Arc::new(cx), None))
    }
}

impl<P: Permission<Mode = Write>> Authorized<P> {
    /// Changes the tenant's rows in one transaction, together with the events that tell of it, and commits.
    ///
    /// With an `Idempotency-Key` the value is stored with it, and a repeat gets that value without running `f`.
    ///
    /// # Errors
    /// Those of `f`, and PostgreSQL's; then nothing was written but, for a refusal, its event.
    pub async fn write<T>(&self, f: impl AsyncFnOnce(&mut TenantTx<Write>) -> Result<Audited<T>>) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        self.write_with(f, idempotency::replay, async |tx, key, value| idempotency::store(tx, key, value).await).await
    }

    /// As [`Authorized::write`], for an answer that holds a secret: it is never stored, and a repeat gets 409.
    ///
    /// # Errors
    /// As [`Authorized::write`].
    pub async fn write_once<T>(&self, f: impl AsyncFnOnce(&mut TenantTx<Write>) -> Result<Audited<T>>) -> Result<T> {
        self.write_with(f, |_| Err(idempotency::not_kept()), async |_, _, _| Ok(())).await
    }

    async fn write_with<T>(
        &self,
        f: impl AsyncFnOnce(&mut TenantTx<Write>) -> Result<Audited<T>>,
        replay: impl FnOnce(serde_json::Value) -> Result<T>,
        store: impl AsyncFnOnce(&mut TenantTx<Write>, &IdempotencyKey, &T) -> Result<()>,
    ) -> Result<T> {
        let mut tx = TenantTx::<Write>::begin(&self.kernel, &self.cx).await?;
        if let Some(key) = &self.idempotency
            && let Claim::Answered(answer) = idempotency::claim(&mut tx, key).await?
        {
            return answer.map_or_else(|| Err(idempotency::not_kept()), replay);
        }
        match f(&mut tx).await {
            Ok(audited) => {
                if let Some(key) = &self.idempotency {
                    store(&mut tx, key, &audited.value).await?;
                }
                record::tenant(&mut tx, audited.events).await?;
                tx.commit().await?;
                Ok(audited.value)
            }
            Err(error) => {
                drop(tx);
                Err(self.refused(error).await)
            }
        }
    }
}

impl Authenticated {
    /// Who, for which tenant, from where.
    #[must_use]
    pub fn cx(&self) -> &Context {
        &self.cx
    }

    /// What the process shares.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Reads the tenant's rows in one read-only transaction.
    ///
    /// # Errors
    /// Those of `f`, and PostgreSQL's.
    pub async fn read<T>(&self, f: impl AsyncFnOnce(&mut TenantTx<Read>) -> Result<T>) -> Result<T> {
        let mut tx = TenantTx::<Read>::begin(&self.kernel, &self.cx).await?;
        let value = f(&mut tx).await;
        tx.end();
        value
    }
}

impl Anonymous {
    /// From where.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What the process shares.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Records the refusal, if the error is one, in the platform's stream.
    pub async fn refused(&self, error: Error) -> Error {
        self.kernel.refused(None, &Actor::anonymous(), &self.origin, error).await
    }
}

/// Counts the request against a limit; `Err` once it is used up.
fn count(kernel: &Kernel, slot: &RateSlot, subject: Subject) -> Result<()> {
    let standing = kernel.limiter().count(subject);
    let over = standing.retry_after;
    slot.note(standing);
    match over {
        None => Ok(()),
        Some(wait) => Err(rate_limited(&standing, wait).into()),
    }
}

fn rate_limited(standing: &Standing, wait: std::time::Duration) -> Problem {
    let seconds = wait.as_secs() + 1;
    let limit = standing.limit;
    Problem::new(
        Code::RateLimited,
        format!(
            "the limit of {} requests in {} seconds per {limit} is reached; try again in {seconds} s",
            standing.rate.requests, standing.rate.seconds
        ),
    )
    .with("limit", limit)
    .retry_after(seconds)
}

/// The token of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Authenticates and counts the request; whatever is refused is recorded before the answer.
async fn admit(parts: &Parts, kernel: &Kernel) -> Result<(Arc<Identity>, RequestInfo)> {
    let info = RequestInfo::of(parts);
    let anonymous = |error| async { Err(kernel.refused(None, &Actor::anonymous(), &info.origin, error).await) };
    let Some(token) = bearer(&parts.headers) else {
        let limited =
            info.origin.address.map_or(Ok(()), |address| count(kernel, &info.slot, Subject::address(address)));
        let problem = Problem::new(
            Code::Unauthenticated,
            "send a valid access token as `Authorization: Bearer …`; log in to get one",
        );
        return anonymous(limited.err().unwrap_or_else(|| problem.into())).await;
    };
    let identity = match kernel.authenticate(token).await {
        Ok(identity) => identity,
        Err(error) => {
            // Guessing tokens is limited by address; valid ones are limited by whom they name.
            let limited =
                info.origin.address.map_or(Ok(()), |address| count(kernel, &info.slot, Subject::address(address)));
            return anonymous(limited.err().unwrap_or(error)).await;
        }
    };
    let counted =
        count(kernel, &info.slot, Subject::Tenant(identity.tenant)).and_then(|()| match identity.actor.user() {
            Some(user) => count(kernel, &info.slot, Subject::User(user)),
            None => Ok(()),
        });
    match counted {
        Ok(()) => Ok((identity, info)),
        Err(error) => Err(kernel.refused(Some(identity.tenant), &identity.actor, &info.origin, error).await),
    }
}

impl<S, P> FromRequestParts<S> for Authorized<P>
where
    S: Send + Sync,
    Kernel: FromRef<S>,
    P: Permission,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let kernel = Kernel::from_ref(state);
        let (identity, info) = admit(parts, &kernel).await?;
        let missing = P::NEEDS.missing_from(identity.permissions);
        if missing != PermissionSet::NONE {
            let error = denied(missing).into();
            return Err(kernel.refused(Some(identity.tenant), &identity.actor, &info.origin, error).await);
        }
        Ok(Self::prove(kernel, Arc::new(Context { identity, origin: info.origin }), info.idempotency))
    }
}

impl<S> FromRequestParts<S> for Authenticated
where
    S: Send + Sync,
    Kernel: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let kernel = Kernel::from_ref(state);
        let (identity, info) = admit(parts, &kernel).await?;
        Ok(Self { kernel, cx: Arc::new(Context { identity, origin: info.origin }) })
    }
}

impl<S> FromRequestParts<S> for Anonymous
where
    S: Send + Sync,
    Kernel: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let kernel = Kernel::from_ref(state);
        let info = RequestInfo::of(parts);
        if let Some(address) = info.origin.address
            && let Err(error) = count(&kernel, &info.slot, Subject::address(address))
        {
            return Err(kernel.refused(None, &Actor::anonymous(), &info.origin, error).await);
        }
        Ok(Self { kernel, origin: info.origin })
    }
}
