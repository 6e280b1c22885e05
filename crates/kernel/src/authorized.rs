//! The proof that a caller may do something in a tenant: the first argument of every handler.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{Actor, Assurance, Context, Identity, Origin, Owed};
use crate::error::{Code, Error, Problem, Result};
use crate::event::Audited;
use crate::id::{TenantId, WorkflowId};
use crate::idempotency::{self, Claim, IdempotencyKey, Scope};
use crate::kernel::{Credential, Kernel, Rejected};
use crate::limits::{Standing, Wanted};
use crate::permission::{Access, Permission, PermissionSet, Read, Write};
use crate::record::{self, PLATFORM_TENANT};
use crate::request::{RateSlot, RequestInfo};
use crate::system_tx::{SystemReason, SystemTx};
use crate::tenant_tx::TenantTx;

/// The caller holds `P` in the tenant that the credential is for.
pub struct Authorized<P> {
    kernel: Kernel,
    cx: Arc<Context>,
    idempotency: Option<IdempotencyKey>,
    permission: PhantomData<fn() -> P>,
}

/// The caller is known, and no permission is needed: what everybody may do with their own login. Counted by a test.
/// `D` is what the route asks of the login beyond that.
pub struct Authenticated<D = Plain> {
    kernel: Kernel,
    cx: Arc<Context>,
    demand: PhantomData<fn() -> D>,
}

/// What a route asks of a login.
pub trait Demand: Send + Sync + 'static {
    /// A factor proven within the last five minutes.
    const STEP_UP: bool;
    /// Also a login passes that owes one of these.
    const OWING: &'static [Owed];
}

macro_rules! demands {
    ($($(#[$doc:meta])* $name:ident = $step_up:literal, [$($owed:ident),*];)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl Demand for $name {
            const STEP_UP: bool = $step_up;
            const OWING: &'static [Owed] = &[$(Owed::$owed),*];
        }
    )*};
}

demands! {
    /// Nothing more.
    Plain = false, [];
    /// A factor proven within the last five minutes.
    Proven = true, [];
    /// Nothing, and who must still set up a second factor passes: what it takes to do so.
    Enrolling = false, [SecondFactor];
    /// The same, with a factor proven within the last five minutes.
    ProvenEnrolling = true, [SecondFactor];
    /// Nothing, and who must still choose a password passes.
    Renewing = false, [NewPassword];
    /// The same, with a factor proven within the last five minutes.
    ProvenRenewing = true, [NewPassword];
    /// Nothing, and whoever owes anything passes: what it takes to do either.
    Owing = false, [NewPassword, SecondFactor];
}

/// Nobody needs to be known. Counted by a test; `routes.public` asks for the reason.
pub struct Anonymous {
    kernel: Kernel,
    origin: Origin,
    idempotency: Option<IdempotencyKey>,
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
debug_context!([D] Authenticated<D>, "Authenticated");
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

/// 403 for who holds the right, and has to show once more that it is them. What is no person's login never can, and is
/// not sent to try.
pub(crate) fn step_up(assurance: &Assurance) -> Problem {
    if assurance.factors.is_empty() {
        let detail =
            "this needs a person who has just proven who they are; neither an API key nor a delegated token can";
        return Problem::new(Code::PermissionDenied, detail);
    }
    let detail = "this needs a factor that you have proven within the last five minutes: send one of `factors` to /api/v1/auth/step-up, then repeat the request";
    Problem::new(Code::StepUpRequired, detail).with("factors", serde_json::json!(assurance.factors))
}

/// 403 for a login that has to do something else first.
fn owing(owed: Owed) -> Problem {
    match owed {
        Owed::NewPassword => {
            let detail = "choose a password of your own first, in the console or with POST /api/v1/auth/password: this one was chosen by somebody else, or is too short without a second factor; until then this login reaches nothing else";
            Problem::new(Code::PasswordChangeRequired, detail)
        }
        Owed::SecondFactor => {
            let detail = "your organisation asks for a second factor: set one up under /api/v1/auth/mfa; until then this login reaches nothing else";
            Problem::new(Code::MfaRequired, detail)
        }
    }
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

    /// Records the refusal, if the error is one: for what a handler refuses outside a transaction. Inside one
    /// ([`Authorized::read`], [`Authorized::write`] …) it happens by itself.
    pub async fn refused(&self, error: Error) -> Error {
        self.kernel.refused(Some(self.cx.tenant()), self.cx.actor(), &self.cx.origin, error).await
    }
}

impl<P: Permission> Authorized<P> {
    /// Proves it once more with the credential of the request's headers, for an answer that outlives its request: a stream
    /// asks when news of its session, key, person or tenant comes, and every few seconds, and ends when this fails.
    ///
    /// # Errors
    /// As at the beginning of a request; nothing is counted or recorded.
    pub async fn renewed(&self, headers: &HeaderMap) -> Result<Self> {
        let credential = credential(headers)?.unwrap_or(Credential::Bearer(""));
        let identity = self.kernel.authenticate(credential, self.cx.origin.address).await?;
        let missing = P::NEEDS.missing_from(identity.permissions);
        if let Some(owed) = identity.assurance.owes {
            return Err(owing(owed).into());
        }
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
        let store = async |tx: &mut TenantTx<Write>, key: &IdempotencyKey, value: &T| {
            let keys = tx.keys().await?;
            let scope = self.scope(tx.now(), &keys);
            idempotency::store(&mut tx.transaction, &scope, key, value).await
        };
        self.write_with(f, idempotency::replay, store).await
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
            && let Claim::Answered(answer) = {
                let keys = tx.keys().await?;
                let scope = self.scope(tx.now(), &keys);
                idempotency::claim(&mut tx.transaction, &scope, key).await?
            }
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

impl<P: Permission<Mode = Write>> Authorized<P> {
    fn scope<'a>(&self, now: crate::Timestamp, keys: &'a crate::keys::TenantKeys) -> Scope<'a> {
        Scope { tenant: self.tenant(), principal: self.cx.actor().principal, now, keys }
    }

    /// As [`Authorized::write`], for what a tenant's transaction cannot reach (people): in the narrow role of `reason`,
    /// by this caller, and in their tenant from the start.
    ///
    /// # Errors
    /// As [`Authorized::write`].
    pub async fn write_across<T>(
        &self,
        reason: SystemReason,
        f: impl AsyncFnOnce(&mut SystemTx) -> Result<Audited<T>>,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        let system = self.kernel.system(reason).by(*self.cx.actor()).from(&self.cx.origin);
        let done = system
            .run(async |tx| {
                tx.enter(self.tenant()).await?;
                let Some(key) = &self.idempotency else { return f(tx).await };
                let keys = tx.keys_of(self.tenant()).await?;
                let scope = self.scope(tx.now(), &keys);
                if let Claim::Answered(answer) = idempotency::claim(&mut tx.transaction, &scope, key).await? {
                    let value = answer.map_or_else(|| Err(idempotency::not_kept()), idempotency::replay)?;
                    return Ok(Audited::none("the first of these requests has its event", value));
                }
                let audited = f(tx).await?;
                idempotency::store(&mut tx.transaction, &scope, key, audited.value()).await?;
                Ok(audited)
            })
            .await;
        match done {
            Ok(value) => Ok(value),
            Err(error) => Err(self.refused(error).await),
        }
    }
}

impl<D> Authenticated<D> {
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

    /// Records the refusal, if the error is one.
    pub async fn refused(&self, error: Error) -> Error {
        self.kernel.refused(Some(self.cx.tenant()), self.cx.actor(), &self.cx.origin, error).await
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

    /// Runs `f` in the narrow role of `reason` and honours an `Idempotency-Key`. The answer is taken to hold a secret:
    /// it is never stored, and a repeat gets 409.
    ///
    /// # Errors
    /// Those of `f`, and PostgreSQL's; then nothing was written but, for a refusal, its event.
    pub async fn write_once<T>(
        &self,
        reason: SystemReason,
        f: impl AsyncFnOnce(&mut SystemTx) -> Result<Audited<T>>,
    ) -> Result<T> {
        let done = self
            .kernel
            .system(reason)
            .from(&self.origin)
            .run(async |tx| {
                if let Some(key) = &self.idempotency {
                    // Nobody is known yet: the key is kept among the platform's own.
                    tx.enter(PLATFORM_TENANT).await?;
                    let (keys, now) = (tx.keys_of(PLATFORM_TENANT).await?, tx.now());
                    let principal = Actor::anonymous().principal;
                    let scope = Scope { tenant: PLATFORM_TENANT, principal, now, keys: &keys };
                    if let Claim::Answered(_) = idempotency::claim(&mut tx.transaction, &scope, key).await? {
                        return Err(idempotency::not_kept());
                    }
                }
                f(tx).await
            })
            .await;
        match done {
            Ok(value) => Ok(value),
            Err(error) => Err(self.refused(error).await),
        }
    }

    /// Records the refusal, if the error is one, in the platform's stream.
    pub async fn refused(&self, error: Error) -> Error {
        self.refused_to(&[], &Actor::anonymous(), error).await
    }

    /// Records the refusal, if the error is one, in the stream of each of these tenants, whom it concerns; of none, in
    /// the platform's.
    pub async fn refused_to(&self, tenants: &[TenantId], actor: &Actor, error: Error) -> Error {
        if tenants.is_empty() {
            return self.kernel.refused(None, actor, &self.origin, error).await;
        }
        let mut error = error;
        for tenant in tenants {
            error = self.kernel.refused(Some(*tenant), actor, &self.origin, error).await;
        }
        error
    }
}

/// Counts the request against its limits; `Err` once one of them is used up.
async fn count(kernel: &Kernel, slot: &RateSlot, wanted: &[Wanted]) -> Result<()> {
    let standings = kernel.limiter().count(wanted, || kernel.bus().nodes()).await;
    let mut over = None;
    for standing in standings {
        slot.note(standing);
        over = over.or(standing.retry_after.map(|wait| rate_limited(&standing, wait)));
    }
    over.map_or(Ok(()), |problem| Err(problem.into()))
}

/// Counts a request of nobody known against the limit of its address.
async fn count_address(kernel: &Kernel, info: &RequestInfo) -> Result<()> {
    let wanted = info.origin.address.map(|address| kernel.limiter().of_address(address));
    count(kernel, &info.slot, wanted.as_slice()).await
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
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What the request proves itself with, if anything.
///
/// # Errors
/// 401 for more than one credential: which of them counts would be a guess.
fn credential(headers: &HeaderMap) -> Result<Option<Credential<'_>>> {
    let mut keys = headers.get_all(API_KEY).iter();
    let Some(key) = keys.next() else { return Ok(bearer(headers).map(Credential::Bearer)) };
    if keys.next().is_some() || headers.contains_key(AUTHORIZATION) {
        let detail = "send one credential: either `Authorization: Bearer …` or one `X-API-Key`";
        return Err(Problem::new(Code::Unauthenticated, detail).into());
    }
    Ok(Some(Credential::ApiKey(key.to_str().unwrap_or_default().trim())))
}

/// What a guard asks of a caller, as a value.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    needs: PermissionSet,
    step_up: bool,
    keys_pass: bool,
    owing: &'static [Owed],
}

impl Asked {
    /// A login that may do more than set up what is missing of it.
    pub(crate) const fn login() -> Self {
        Self { needs: PermissionSet::NONE, step_up: false, keys_pass: false, owing: &[] }
    }

    const fn of<D: Demand>() -> Self {
        Self { needs: PermissionSet::NONE, step_up: D::STEP_UP, keys_pass: false, owing: D::OWING }
    }

    const fn permission<P: Permission>() -> Self {
        Self { needs: P::NEEDS, step_up: P::STEP_UP, keys_pass: P::KEYS_PASS, owing: &[] }
    }

    /// What is owed first, as until then there are no permissions; then who may not is told so, and not asked to prove
    /// anything.
    fn check(self, kernel: &Kernel, identity: &Identity) -> Result<()> {
        if let Some(owed) = identity.assurance.owes
            && !self.owing.contains(&owed)
        {
            return Err(owing(owed).into());
        }
        let missing = self.needs.missing_from(identity.permissions);
        if missing != PermissionSet::NONE {
            return Err(denied(missing).into());
        }
        // What was cut out of a key holds none itself.
        let passes = self.keys_pass && identity.actor.key.is_some();
        if self.step_up && !passes && !identity.assurance.is_recent(kernel.clock().now()) {
            return Err(step_up(&identity.assurance).into());
        }
        Ok(())
    }
}

/// Authenticates and counts the request; whatever is refused is recorded before the answer.
pub(crate) async fn admit(parts: &Parts, kernel: &Kernel, demand: Asked) -> Result<(Arc<Identity>, RequestInfo)> {
    let info = RequestInfo::of(parts);
    let given = credential(&parts.headers).and_then(|given| {
        given.ok_or_else(|| {
            let detail = "send a valid access token or API key as `Authorization: Bearer …`; log in to get one";
            Problem::new(Code::Unauthenticated, detail).into()
        })
    });
    let given = match given {
        Ok(given) => given,
        Err(error) => {
            let error = count_address(kernel, &info).await.err().unwrap_or(error);
            return Err(kernel.refused(None, &Actor::anonymous(), &info.origin, error).await);
        }
    };
    let identity = match kernel.who(given, info.origin.address).await {
        Ok(identity) => identity,
        Err(Rejected { error, subject }) => {
            let error = count_address(kernel, &info).await.err().unwrap_or(error);
            // A credential that we made tells whose it was: their administrator wants to know of its use.
            let (tenant, actor) = subject.map_or((None, Actor::anonymous()), |(tenant, actor)| (Some(tenant), actor));
            return Err(kernel.refused(tenant, &actor, &info.origin, error).await);
        }
    };
    let wanted = kernel.limiter().of_caller(&identity, info.origin.address);
    let counted = count(kernel, &info.slot, &wanted).await;
    match counted.and_then(|()| demand.check(kernel, &identity)) {
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
        let (identity, info) = admit(parts, &kernel, Asked::permission::<P>()).await?;
        if let Some(workflow) = identity.workflow
            && !leads_to(parts.uri.path(), workflow)
        {
            let detail = format!("this token is for the workflow {workflow} and its executions, and for nothing else");
            let error = Problem::new(Code::PermissionDenied, detail).into();
            return Err(kernel.refused(Some(identity.tenant), &identity.actor, &info.origin, error).await);
        }
        Ok(Self::prove(kernel, Arc::new(Context { identity, origin: info.origin }), info.idempotency))
    }
}

/// Whether a path is of this workflow, or of executions, whose own slice shows those of the workflow alone. What is no such path
/// is closed, whatever a later release adds. The nested router has taken the API's prefix off, or not.
fn leads_to(path: &str, workflow: WorkflowId) -> bool {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("workflows"), Some(id)) => id.parse() == Ok(workflow),
        (Some("executions"), _) => true,
        _ => false,
    }
}

impl<S, D> FromRequestParts<S> for Authenticated<D>
where
    S: Send + Sync,
    Kernel: FromRef<S>,
    D: Demand,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let kernel = Kernel::from_ref(state);
        let (identity, info) = admit(parts, &kernel, Asked::of::<D>()).await?;
        // What somebody may do with their own login is not what they cut a token down to.
        if identity.actor.delegation.is_some() {
            let detail = "a delegated token is for the organisation's API and not for its owner's account; log in";
            let error = Problem::new(Code::PermissionDenied, detail).into();
            return Err(kernel.refused(Some(identity.tenant), &identity.actor, &info.origin, error).await);
        }
        Ok(Self { kernel, cx: Arc::new(Context { identity, origin: info.origin }), demand: PhantomData })
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
        if let Err(error) = count_address(&kernel, &info).await {
            return Err(kernel.refused(None, &Actor::anonymous(), &info.origin, error).await);
        }
        Ok(Self { kernel, origin: info.origin, idempotency: info.idempotency })
    }
}
