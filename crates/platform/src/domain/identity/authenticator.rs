//! Tells who holds a token: verified once, looked up once, forgotten at once when something changes.
//!
//! Two caches. What a token *says* is fixed: signature and claims are kept by the token's SHA-256 until it runs out.
//! What its login *may do* changes: it is kept per session, dropped on news from the bus, and bypassed while this node
//! would not hear such news. An entry is only kept if no news came while it was read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use tenure_kernel::bus::Message;
use tenure_kernel::{
    Actor, Audited, Authenticator, Code, Identity, Kernel, Principal, Problem, Result, SessionId, SystemReason,
    Timestamp, WeakKernel,
};

use super::store;
use super::token::{Claims, SharedTokens};
use crate::domain::access;

/// Even without news nothing is believed longer than this.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
const TOKENS_KEPT: u64 = 100_000;

#[derive(Clone)]
struct Known {
    identity: Arc<Identity>,
    expires_at: Timestamp,
    tenant_active: bool,
}

/// See the module.
pub struct TokenAuthenticator {
    /// Weak, because the kernel holds this.
    kernel: WeakKernel,
    tokens: SharedTokens,
    verified: Cache<[u8; 32], Arc<Claims>>,
    known: Cache<SessionId, Known>,
    /// Grows with each piece of news.
    epoch: AtomicU64,
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
            known: Cache::builder()
                .max_capacity(TOKENS_KEPT)
                .time_to_live(BELIEVED_FOR)
                .support_invalidation_closures()
                .build(),
            epoch: AtomicU64::new(0),
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
            Message::SessionChanged { session } => {
                self.epoch.fetch_add(1, Ordering::AcqRel);
                self.known.invalidate(session);
            }
            Message::UserChanged { user } => {
                self.epoch.fetch_add(1, Ordering::AcqRel);
                let user = *user;
                self.forget_where(move |known| known.identity.actor.user() == Some(user));
            }
            Message::TenantChanged { tenant } => {
                self.epoch.fetch_add(1, Ordering::AcqRel);
                let tenant = *tenant;
                self.forget_where(move |known| known.identity.tenant == tenant);
            }
            Message::NewsLost => {
                self.epoch.fetch_add(1, Ordering::AcqRel);
                self.known.invalidate_all();
            }
            Message::WorkQueued
            | Message::ExecutionCancelled { .. }
            | Message::ExecutionProgress { .. }
            | Message::Heartbeat { .. } => {}
        }
    }

    fn forget_where(&self, stale: impl Fn(&Known) -> bool + Send + Sync + 'static) {
        if self.known.invalidate_entries_if(move |_, known| stale(known)).is_err() {
            self.known.invalidate_all();
        }
    }

    fn claims(&self, token: &str, now: Timestamp) -> Option<Arc<Claims>> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(claims) = self.verified.get(&digest) {
            return (now.as_seconds() < claims.exp).then_some(claims);
        }
        let claims = Arc::new(self.tokens.verify(token, now)?);
        self.verified.insert(digest, Arc::clone(&claims));
        Some(claims)
    }

    async fn known(&self, claims: &Claims) -> Result<Option<Known>> {
        let kernel = self.kernel.upgrade()?;
        let believe = kernel.bus().hears();
        if believe && let Some(known) = self.known.get(&claims.sid) {
            return Ok(Some(known));
        }
        let before = self.epoch.load(Ordering::Acquire);
        let standing = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                Ok(Audited::none("looks up what a token stands for", store::standing(tx, claims.sid).await?))
            })
            .await?;
        let Some(standing) =
            standing.filter(|standing| standing.alive && standing.user == claims.sub && standing.tenant == claims.tid)
        else {
            return Ok(None);
        };
        let actor = Actor {
            principal: Principal::User(standing.user),
            session: Some(claims.sid),
            key: None,
            on_behalf_of: None,
        };
        let permissions = access::effective(&standing.roles, &standing.permissions);
        let identity = Arc::new(Identity { tenant: standing.tenant, actor, permissions, teams: standing.teams });
        let known = Known { identity, expires_at: standing.expires_at, tenant_active: standing.tenant_active };
        if believe && self.epoch.load(Ordering::Acquire) == before {
            self.known.insert(claims.sid, known.clone());
        }
        Ok(Some(known))
    }

    async fn who(&self, token: &str) -> Result<Arc<Identity>> {
        let invalid = || {
            Problem::new(
                Code::Unauthenticated,
                "the access token is not valid, or not any more; refresh it or log in again",
            )
        };
        let now = self.kernel.upgrade()?.clock().now();
        let claims = self.claims(token, now).ok_or_else(invalid)?;
        let known = self.known(&claims).await?.filter(|known| known.expires_at > now).ok_or_else(invalid)?;
        if !known.tenant_active {
            let detail = "your organisation is suspended; ask its administrator or the platform's operator";
            return Err(Problem::new(Code::TenantSuspended, detail).into());
        }
        Ok(known.identity)
    }
}

impl Authenticator for TokenAuthenticator {
    fn authenticate<'a>(&'a self, bearer: &'a str) -> BoxFuture<'a, Result<Arc<Identity>>> {
        self.who(bearer).boxed()
    }
}
