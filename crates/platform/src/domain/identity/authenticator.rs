//! Tells who holds a token: verified once, looked up once, forgotten at once when something changes.
//!
//! Two caches. What a token *says* is fixed: signature and claims are kept by the token's SHA-256 until it runs out.
//! What its login *may do* changes: it is kept per session, dropped on news from the bus, and bypassed while this node
//! would not hear such news. An entry is only kept if no news came while it was read.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use tenure_kernel::bus::Message;
use tenure_kernel::{
    Actor, Audited, Code, Error, Identity, Kernel, PermissionSet, Principal, Problem, Rejected, Result, SessionId,
    SystemReason, Timestamp, WeakKernel,
};

use super::standing::standing;
use super::token::{Claims, LoginRef, Said, SharedTokens};
use crate::domain::{access, rate_limits};
use crate::remembered::Remembered;

/// Even without news nothing is believed longer than this.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
const TOKENS_KEPT: u64 = 100_000;

#[derive(Clone)]
struct Known {
    identity: Arc<Identity>,
    expires_at: Timestamp,
    tenant_active: bool,
}

/// What a token's login turned out to be.
enum Found {
    /// Alive.
    Alive(Known),
    /// Ended, or its person, member or tenant is gone.
    Over,
    /// Of another person or tenant than the token says.
    Foreign,
}

/// See the module.
pub struct TokenAuthenticator {
    /// Weak, because the kernel holds this.
    kernel: WeakKernel,
    tokens: SharedTokens,
    verified: Cache<[u8; 32], Arc<Said>>,
    known: Remembered<SessionId, Known>,
}

impl std::fmt::Debug for TokenAuthenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenAuthenticator").finish_non_exhaustive()
    }
}

impl TokenAuthenticator {
    /// With empty caches. Without [`TokenAuthenticator::follow`] revocations take up to a minute.
    #[must_use]
    pub fn new(kernel: &Kernel, tokens: SharedTokens) -> Self {
        Self {
            kernel: kernel.downgrade(),
            tokens,
            verified: Cache::builder().max_capacity(TOKENS_KEPT).time_to_live(Duration::from_secs(3600)).build(),
            known: Remembered::new(TOKENS_KEPT, BELIEVED_FOR),
        }
    }

    /// Forgets, from now on, what the bus says is out of date.
    pub fn follow(self: &Arc<Self>, kernel: &Kernel) {
        let this = Arc::downgrade(self);
        kernel.bus().on_news(move |message| {
            if let Some(this) = this.upgrade() {
                this.forget(message);
            }
        });
    }

    fn forget(&self, message: &Message) {
        match message {
            Message::SessionChanged { session } => self.known.forget(session),
            Message::UserChanged { user } => {
                let user = *user;
                self.known.forget_where(move |known| known.identity.actor.user() == Some(user));
            }
            Message::TenantChanged { tenant } => {
                let tenant = *tenant;
                self.known.forget_where(move |known| known.identity.tenant == tenant);
            }
            Message::NewsLost => self.known.forget_all(),
            Message::KeyChanged { .. }
            | Message::ServiceAccountChanged { .. }
            | Message::WorkQueued
            | Message::ExecutionCancelled { .. }
            | Message::ExecutionProgress { .. }
            | Message::Heartbeat { .. } => {}
        }
    }

    /// What a token of ours says, whether or not it is still good.
    pub(crate) fn said(&self, token: &str) -> Option<Arc<Said>> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(said) = self.verified.get(&digest) {
            return Some(said);
        }
        let said = Arc::new(self.tokens.said(token)?);
        self.verified.insert(digest, Arc::clone(&said));
        Some(said)
    }

    async fn find(&self, kernel: &Kernel, login: LoginRef) -> Result<Found> {
        let believe = kernel.bus().hears();
        if believe && let Some(known) = self.known.get(&login.session) {
            return Ok(Found::of(known, login));
        }
        let glance = self.known.glance();
        let standing = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                let found = standing(tx, login.session).await?;
                let rates =
                    rate_limits::store::of_caller(tx, kernel.limiter().rates(), login.tenant, Some(login.user)).await?;
                Ok(Audited::none("looks up what a token stands for", found.map(|found| (found, rates))))
            })
            .await?;
        let Some((standing, rates)) = standing else { return Ok(Found::Over) };
        if standing.user != login.user || standing.tenant != login.tenant {
            return Ok(Found::Foreign);
        }
        if !standing.alive {
            return Ok(Found::Over);
        }
        // Whatever guards a route: who owes something first may do nothing.
        let permissions = match standing.assurance.owes {
            Some(_) => PermissionSet::NONE,
            None => access::effective(&standing.roles, &standing.permissions),
        };
        let actor = actor_of(login);
        let (tenant, teams, assurance) = (standing.tenant, standing.teams, standing.assurance);
        let identity = Arc::new(Identity { tenant, actor, permissions, teams, rates, assurance, workflow: None });
        let known = Known { identity, expires_at: standing.expires_at, tenant_active: standing.tenant_active };
        if believe {
            self.known.keep(glance, login.session, known.clone());
        }
        Ok(Found::Alive(known))
    }

    /// Who holds this access token, where this node knows it and hears of changes; without waiting or allocating.
    pub(crate) fn remembered(&self, token: &str) -> Option<Arc<Identity>> {
        let kernel = self.kernel.upgrade().ok()?;
        if !kernel.bus().hears() {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let said = self.verified.get(&digest)?;
        let (Said::Login(claims), now) = (&*said, kernel.clock().now()) else { return None };
        let known = self.known.get(&claims.sid).filter(|_| claims.are_good_at(now))?;
        let good = known.tenant_active && known.expires_at > now;
        match Found::of(known, LoginRef::from(claims)) {
            Found::Alive(known) if good => Some(known.identity),
            _ => None,
        }
    }

    /// Who holds this access token.
    ///
    /// # Errors
    /// As [`tenure_kernel::Authenticator::authenticate`].
    pub(crate) async fn who(&self, claims: &Claims) -> Result<Arc<Identity>, Rejected> {
        let login = LoginRef::from(claims);
        if !claims.are_good_at(self.kernel.upgrade()?.clock().now()) {
            return Err(Rejected { error: invalid().into(), subject: Some((login.tenant, actor_of(login))) });
        }
        self.of_login(login).await
    }

    /// Whose login this is, and what they may do now.
    ///
    /// # Errors
    /// As [`TokenAuthenticator::who`].
    pub(crate) async fn of_login(&self, login: LoginRef) -> Result<Arc<Identity>, Rejected> {
        let kernel = self.kernel.upgrade()?;
        let now = kernel.clock().now();
        let rejected = |error| Rejected { error, subject: Some((login.tenant, actor_of(login))) };
        match self.find(&kernel, login).await? {
            Found::Alive(known) if known.expires_at <= now => Err(rejected(invalid().into())),
            Found::Alive(known) if !known.tenant_active => Err(rejected(suspended().into())),
            Found::Alive(known) => Ok(known.identity),
            Found::Over => Err(rejected(invalid().into())),
            Found::Foreign => Err(Error::from(invalid()).into()),
        }
    }
}

/// 401 for whatever is no good token.
pub(crate) fn invalid() -> Problem {
    Problem::new(Code::Unauthenticated, "the access token is not valid, or not any more; refresh it or log in again")
}

impl Found {
    /// A login that is known from another token: this one must be for the same person and tenant.
    fn of(known: Known, login: LoginRef) -> Self {
        let same = known.identity.tenant == login.tenant && known.identity.actor.user() == Some(login.user);
        if same { Self::Alive(known) } else { Self::Foreign }
    }
}

fn actor_of(login: LoginRef) -> Actor {
    Actor { principal: Principal::User(login.user), session: Some(login.session), ..Actor::anonymous() }
}

/// 403 for whoever belongs to an organisation that is suspended.
pub(crate) fn suspended() -> Problem {
    Problem::new(
        Code::TenantSuspended,
        "your organisation is suspended; ask its administrator or the platform's operator",
    )
}
