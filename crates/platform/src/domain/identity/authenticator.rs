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
use tenure_kernel::limits::KeyRates;
use tenure_kernel::{
    Actor, Audited, Code, Error, Identity, Kernel, PermissionSet, Principal, Problem, Rejected, Result, SessionId,
    SystemReason, Timestamp, WeakKernel,
};

use super::standing::standing;
use super::token::{Claims, SharedTokens};
use crate::domain::access;
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
    verified: Cache<[u8; 32], Arc<Claims>>,
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
    fn claims(&self, token: &str) -> Option<Arc<Claims>> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(claims) = self.verified.get(&digest) {
            return Some(claims);
        }
        let claims = Arc::new(self.tokens.read(token)?);
        self.verified.insert(digest, Arc::clone(&claims));
        Some(claims)
    }

    async fn find(&self, kernel: &Kernel, claims: &Claims) -> Result<Found> {
        let believe = kernel.bus().hears();
        if believe && let Some(known) = self.known.get(&claims.sid) {
            return Ok(Found::of(known, claims));
        }
        let glance = self.known.glance();
        let standing = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| Ok(Audited::none("looks up what a token stands for", standing(tx, claims.sid).await?)))
            .await?;
        let Some(standing) = standing else { return Ok(Found::Over) };
        if standing.user != claims.sub || standing.tenant != claims.tid {
            return Ok(Found::Foreign);
        }
        if !standing.alive {
            return Ok(Found::Over);
        }
        // Whatever guards a route: who must set up a second factor first may do nothing.
        let permissions = match standing.assurance.enrolment_only {
            true => PermissionSet::NONE,
            false => access::effective(&standing.roles, &standing.permissions),
        };
        let actor = actor_of(claims);
        let (tenant, rates) = (standing.tenant, KeyRates::default());
        let (teams, assurance) = (standing.teams, standing.assurance);
        let identity = Arc::new(Identity { tenant, actor, permissions, teams, rates, assurance });
        let known = Known { identity, expires_at: standing.expires_at, tenant_active: standing.tenant_active };
        if believe {
            self.known.keep(glance, claims.sid, known.clone());
        }
        Ok(Found::Alive(known))
    }

    /// Who holds this access token.
    ///
    /// # Errors
    /// As [`tenure_kernel::Authenticator::authenticate`].
    pub async fn who(&self, token: &str) -> Result<Arc<Identity>, Rejected> {
        let invalid = || {
            Error::from(Problem::new(
                Code::Unauthenticated,
                "the access token is not valid, or not any more; refresh it or log in again",
            ))
        };
        let kernel = self.kernel.upgrade()?;
        let now = kernel.clock().now();
        let claims = self.claims(token).ok_or_else(invalid)?;
        let rejected = |error| Rejected { error, subject: Some((claims.tid, actor_of(&claims))) };
        if !claims.are_good_at(now) {
            return Err(rejected(invalid()));
        }
        match self.find(&kernel, &claims).await? {
            Found::Alive(known) if known.expires_at <= now => Err(rejected(invalid())),
            Found::Alive(known) if !known.tenant_active => Err(rejected(suspended().into())),
            Found::Alive(known) => Ok(known.identity),
            Found::Over => Err(rejected(invalid())),
            Found::Foreign => Err(invalid().into()),
        }
    }
}

impl Found {
    /// A login that is known from another token: this one must be for the same person and tenant.
    fn of(known: Known, claims: &Claims) -> Self {
        let same = known.identity.tenant == claims.tid && known.identity.actor.user() == Some(claims.sub);
        if same { Self::Alive(known) } else { Self::Foreign }
    }
}

fn actor_of(claims: &Claims) -> Actor {
    Actor { principal: Principal::User(claims.sub), session: Some(claims.sid), key: None, on_behalf_of: None }
}

/// 403 for whoever belongs to an organisation that is suspended.
pub(crate) fn suspended() -> Problem {
    Problem::new(
        Code::TenantSuspended,
        "your organisation is suspended; ask its administrator or the platform's operator",
    )
}
