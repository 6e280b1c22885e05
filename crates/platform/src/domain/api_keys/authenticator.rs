//! Tells who holds an API key: looked up once, forgotten at once when the key or its owner changes.
//!
//! As with access tokens, what is known is bypassed while this node would not hear of changes. Everything that is wrong
//! with a key gets the same answer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use ipnet::IpNet;
use moka::sync::Cache;
use tenure_kernel::bus::Message;
use tenure_kernel::permission::DelegationAct;
use tenure_kernel::{
    Actor, Assurance, Audited, Authenticator, Code, Credential, Error, Identity, Kernel, KeyId, Permission as _,
    PermissionSet, Problem, Rejected, Result, SystemReason, Timestamp, TokenId, WeakKernel,
};

use super::foreign;
use super::model::KeyBlock;
use super::store::{self, LastUse, Standing};
use super::text::{self, KeyDigest};
use crate::domain::access;
use crate::domain::identity::delegated::{DelegatedClaims, Subject};
use crate::domain::identity::delegated_store;
use crate::domain::identity::{LoginRef, Said, TokenAuthenticator, invalid as invalid_token, suspended};
use crate::remembered::Remembered;

/// Even without news nothing is believed longer than this.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
const KEYS_KEPT: u64 = 100_000;
const FOREIGN_KEPT: u64 = 100_000;
const TOKENS_KEPT: u64 = 100_000;

/// What a key stands for, whether or not it works.
#[derive(Clone)]
struct Known {
    identity: Arc<Identity>,
    digest: KeyDigest,
    /// Not revoked, and its owner may act.
    alive: bool,
    tenant_active: bool,
    /// Why it is refused although it is alive.
    blocked: Option<KeyBlock>,
    ends_at: Option<Timestamp>,
    networks: Arc<[IpNet]>,
}

/// Access tokens and API keys. See the module.
pub struct CredentialAuthenticator {
    /// Weak, because the kernel holds this.
    kernel: WeakKernel,
    tokens: Arc<TokenAuthenticator>,
    known: Remembered<KeyId, Known>,
    /// Keys of other systems, which do not name themselves. What they stand for is in `known`.
    foreign: Cache<KeyDigest, KeyId>,
    /// Delegated tokens: whether each was given out and not revoked.
    out: Remembered<TokenId, bool>,
    /// Uses that are not written yet.
    used: Mutex<HashMap<KeyId, LastUse>>,
}

impl std::fmt::Debug for CredentialAuthenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialAuthenticator").finish_non_exhaustive()
    }
}

impl CredentialAuthenticator {
    /// With an empty cache. Without [`CredentialAuthenticator::follow`] revocations take up to a minute.
    #[must_use]
    pub fn new(kernel: &Kernel, tokens: Arc<TokenAuthenticator>) -> Self {
        let known = Remembered::new(KEYS_KEPT, BELIEVED_FOR);
        let foreign = Cache::builder().max_capacity(FOREIGN_KEPT).time_to_live(BELIEVED_FOR).build();
        let out = Remembered::new(TOKENS_KEPT, BELIEVED_FOR);
        Self { kernel: kernel.downgrade(), tokens, known, foreign, out, used: Mutex::default() }
    }

    /// Forgets, from now on, what the bus says is out of date.
    pub fn follow(self: &Arc<Self>, kernel: &Kernel) {
        self.tokens.follow(kernel);
        let this = Arc::downgrade(self);
        kernel.bus().on_news(move |message| {
            if let Some(this) = this.upgrade() {
                this.forget(message);
            }
        });
    }

    fn forget(&self, message: &Message) {
        match message {
            Message::KeyChanged { key } => self.known.forget(key),
            Message::UserChanged { user } => {
                let user = *user;
                self.known.forget_where(move |known| known.identity.actor.user() == Some(user));
            }
            Message::ServiceAccountChanged { account } => {
                let account = *account;
                self.known.forget_where(move |known| known.identity.actor.service_account() == Some(account));
            }
            Message::TenantChanged { tenant } => {
                let tenant = *tenant;
                self.known.forget_where(move |known| known.identity.tenant == tenant);
            }
            Message::TokenRevoked { token } => self.out.forget(token),
            Message::NewsLost => {
                self.known.forget_all();
                self.out.forget_all();
            }
            Message::SessionChanged { .. }
            | Message::WorkQueued
            | Message::ExecutionCancelled { .. }
            | Message::ExecutionProgress { .. }
            | Message::Heartbeat { .. } => {}
        }
    }

    /// What is known of the key of this identifier; asks the database unless this node knows it.
    async fn find(&self, kernel: &Kernel, id: KeyId, address: Option<IpAddr>) -> Result<Option<Known>> {
        let believe = kernel.bus().hears();
        if believe && let Some(known) = self.known.get(&id) {
            return Ok(Some(known));
        }
        if !may_ask(kernel, address).await {
            return Ok(None);
        }
        let glance = self.known.glance();
        let standing = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                Ok(Audited::none(
                    "looks up what an API key stands for",
                    store::standing(tx, kernel.limiter().rates(), id).await?,
                ))
            })
            .await?;
        let known = standing.map(|standing| Known::from(id, standing));
        if believe && let Some(known) = &known {
            self.known.keep(glance, id, known.clone());
        }
        Ok(known)
    }

    /// The key of another system with this digest, and what is known of it; asks the database unless this node knows it. What is no
    /// key at all costs as much as one of ours that there is not.
    async fn named(
        &self,
        kernel: &Kernel,
        digest: KeyDigest,
        address: Option<IpAddr>,
    ) -> Result<Option<(KeyId, Known)>> {
        // What is remembered may be gone meanwhile, and taken over again under another identifier.
        if let Some(id) = self.foreign.get(&digest) {
            if let Some(known) = self.find(kernel, id, address).await? {
                return Ok(Some((id, known)));
            }
            self.foreign.invalidate(&digest);
        }
        if !may_ask(kernel, address).await {
            return Ok(None);
        }
        let id = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| Ok(Audited::none("looks up which key this is", store::of_digest(tx, &digest).await?)))
            .await?;
        let Some(id) = id else { return Ok(None) };
        self.foreign.insert(digest, id);
        Ok(self.find(kernel, id, address).await?.map(|known| (id, known)))
    }

    async fn holder(&self, key: &str, address: Option<IpAddr>) -> Result<Arc<Identity>, Rejected> {
        let invalid = || {
            let detail = "the API key is not valid, not valid any more, or not valid from here";
            Error::from(Problem::new(Code::Unauthenticated, detail))
        };
        let kernel = self.kernel.upgrade()?;
        let now = kernel.clock().now();
        let digest = text::digest(key);
        let (id, known) = if foreign::may_be(key) {
            self.named(&kernel, digest, address).await?.ok_or_else(invalid)?
        } else {
            let id = text::parse(key).ok_or_else(invalid)?.id;
            (id, self.find(&kernel, id, address).await?.ok_or_else(invalid)?)
        };
        // Who does not hold the key learns nothing of it, and neither does its owner hear of them.
        verify_slices_are_equal(&digest, &known.digest).map_err(|_| invalid())?;
        self.admit(id, &known, address, now).map_err(|refusal| Rejected {
            error: refusal.unwrap_or_else(invalid),
            subject: Some((known.identity.tenant, known.identity.actor)),
        })
    }

    /// Whose key this is, if it works now and from here; otherwise why not, where that is no secret.
    fn admit(
        &self,
        id: KeyId,
        known: &Known,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Arc<Identity>, Option<Error>> {
        if !known.alive || known.ends_at.is_some_and(|end| end <= now) || !known.may_come_from(address) {
            return Err(None);
        }
        if !known.tenant_active {
            return Err(Some(suspended().into()));
        }
        if let Some(block) = known.blocked {
            return Err(Some(block.problem().into()));
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(id, LastUse { at: now, address });
        Ok(Arc::clone(&known.identity))
    }

    /// Whose key this is, for what was cut out of it: it must still work, also from here.
    async fn root(&self, kernel: &Kernel, id: KeyId, address: Option<IpAddr>) -> Result<Arc<Identity>, Option<Error>> {
        let known = self.find(kernel, id, address).await.map_err(Some)?.ok_or(None)?;
        self.admit(id, &known, address, kernel.clock().now())
    }

    /// Whether a delegated token was given out here and has not been revoked.
    async fn is_out(&self, kernel: &Kernel, claims: &DelegatedClaims) -> Result<bool> {
        let believe = kernel.bus().hears();
        if believe && let Some(out) = self.out.get(&claims.jti) {
            return Ok(out);
        }
        let glance = self.out.glance();
        let out = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                let out = delegated_store::is_out(tx, claims.tid, claims.jti).await?;
                Ok(Audited::none("looks up whether a token was revoked", out))
            })
            .await?;
        if believe {
            self.out.keep(glance, claims.jti, out);
        }
        Ok(out)
    }

    /// Who acts by a delegated token: all that it comes from is asked anew, so that it never may more, or longer, than that.
    async fn delegated(&self, claims: &DelegatedClaims, address: Option<IpAddr>) -> Result<Arc<Identity>, Rejected> {
        let kernel = self.kernel.upgrade()?;
        let actor = claims.actor().ok_or_else(|| Error::from(invalid_token()))?;
        let rejected = |error: Option<Error>| Rejected {
            error: error.unwrap_or_else(|| invalid_token().into()),
            subject: Some((claims.tid, actor)),
        };
        if !claims.are_good_at(kernel.clock().now()) {
            return Err(rejected(None));
        }
        if !self.is_out(&kernel, claims).await.map_err(|error| rejected(Some(error)))? {
            return Err(rejected(None));
        }
        let root = match (claims.sid, claims.key, claims.sub) {
            (Some(session), None, Subject::User(user)) => {
                let login = LoginRef { user, tenant: claims.tid, session };
                self.tokens.of_login(login).await.map_err(|refused| rejected(Some(refused.error)))?
            }
            (None, Some(key), _) => self.root(&kernel, key, address).await.map_err(rejected)?,
            _ => return Err(rejected(None)),
        };
        if root.tenant != claims.tid || root.actor.principal != claims.sub.into() {
            return Err(rejected(None));
        }
        let mut rates = root.rates;
        // The one that handed on first comes last, so that the limits are those of the one that acts now.
        let mut actors: Vec<_> = claims.actors().collect();
        actors.reverse();
        for acting in actors {
            let identity = self.root(&kernel, acting.key, address).await.map_err(rejected)?;
            let itself = identity.tenant == claims.tid && identity.actor.service_account() == Some(acting.account);
            if !itself || !identity.permissions.contains(DelegationAct::NEEDS) {
                return Err(rejected(None));
            }
            rates = identity.rates;
        }
        let permissions = root.permissions.intersection(claims.permissions());
        let (tenant, teams, workflow) = (claims.tid, Arc::clone(&root.teams), claims.workflow);
        // It has proven nothing itself, and reaches no further than its login.
        let assurance = Assurance { owes: root.assurance.owes, ..Assurance::default() };
        Ok(Arc::new(Identity { tenant, actor, permissions, teams, rates, assurance, workflow }))
    }

    /// Writes when, and from where, keys were last used. Not on the path of a request: what is known of uses may be lost
    /// with the process.
    ///
    /// # Errors
    /// PostgreSQL's; the uses then wait for the next time.
    pub async fn write_uses(&self) -> Result<()> {
        let uses = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if uses.is_empty() {
            return Ok(());
        }
        let kernel = self.kernel.upgrade()?;
        let written = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                store::note_uses(tx, &uses).await?;
                Ok(Audited::none("what a key was used for has events of its own", ()))
            })
            .await;
        if written.is_err() {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, earlier) in uses {
                used.entry(key).or_insert(earlier);
            }
        }
        written
    }
}

/// Anybody can write down a well-formed key, or anything at all. Who does so by the thousand asks the database no more than their
/// address may ask anything; the kernel counts the refusal once more and tells of the limit.
async fn may_ask(kernel: &Kernel, address: Option<IpAddr>) -> bool {
    let limiter = kernel.limiter();
    let wanted = address.map(|address| limiter.of_address(address));
    let counted = limiter.count(wanted.as_slice(), || kernel.bus().nodes()).await;
    counted.iter().all(|standing| standing.retry_after.is_none())
}

/// Whether a bearer is for who checks tokens. What is neither a key of ours nor can be another's is told to be no token.
fn is_a_token(bearer: &str) -> bool {
    !text::looks_like_a_key(bearer) && (foreign::looks_like_a_token(bearer) || !foreign::may_be(bearer))
}

impl Known {
    fn from(id: KeyId, standing: Standing) -> Self {
        let scope = PermissionSet::from_patterns(standing.scopes.iter().map(String::as_str));
        let owner = access::effective(&standing.roles, &standing.permissions);
        let actor = Actor { principal: standing.owner, key: Some(id), ..Actor::anonymous() };
        let networks: Result<Arc<[IpNet]>, _> = standing.allowed_cidrs.iter().map(|text| text.parse()).collect();
        Self {
            identity: Arc::new(Identity {
                tenant: standing.tenant,
                actor,
                permissions: owner.intersection(scope),
                teams: standing.teams,
                rates: standing.rates,
                assurance: Assurance::default(),
                workflow: None,
            }),
            digest: standing.digest,
            // A network that cannot be read must not mean any network.
            alive: standing.alive && networks.is_ok(),
            tenant_active: standing.tenant_active,
            blocked: standing.blocked,
            ends_at: standing.ends.at(),
            networks: networks.unwrap_or_default(),
        }
    }

    fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        let within = |address: IpAddr| self.networks.iter().any(|network| network.contains(&address));
        self.networks.is_empty() || address.is_some_and(|address| within(address.to_canonical()))
    }
}

impl Authenticator for CredentialAuthenticator {
    fn authenticate<'a>(
        &'a self,
        credential: Credential<'a>,
        address: Option<IpAddr>,
    ) -> BoxFuture<'a, Result<Arc<Identity>, Rejected>> {
        match credential {
            Credential::Bearer(token) if is_a_token(token) => async move {
                match self.tokens.said(token).as_deref() {
                    Some(Said::Login(claims)) => self.tokens.who(claims).await,
                    Some(Said::Delegated(claims)) => self.delegated(claims, address).await,
                    None => Err(Error::from(invalid_token()).into()),
                }
            }
            .boxed(),
            Credential::Bearer(key) | Credential::ApiKey(key) => self.holder(key, address).boxed(),
        }
    }

    fn remembered(&self, credential: Credential<'_>, address: Option<IpAddr>) -> Option<Arc<Identity>> {
        let key = match credential {
            Credential::Bearer(token) if is_a_token(token) => return self.tokens.remembered(token),
            Credential::Bearer(key) | Credential::ApiKey(key) => key,
        };
        let kernel = self.kernel.upgrade().ok()?;
        let (id, digest) = if text::looks_like_a_key(key) {
            (text::parse(key)?.id, text::digest(key))
        } else if foreign::may_be(key) {
            let digest = text::digest(key);
            (self.foreign.get(&digest)?, digest)
        } else {
            return None;
        };
        let known = self.known.get(&id).filter(|_| kernel.bus().hears())?;
        verify_slices_are_equal(&digest, &known.digest).ok()?;
        self.admit(id, &known, address, kernel.clock().now()).ok()
    }
}
