//! Access tokens: JWT (RFC 7519) signed with Ed25519 (`EdDSA`, RFC 8037), checked without asking anybody.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tenure_kernel::{Error, Kernel, Result, SessionId, TenantId, Timestamp, UserId};

use super::delegated::{self, DelegatedClaims};
use super::signing::{self, Keyring};

/// How tokens are made.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// `iss`: the installation's address.
    pub issuer: String,
    /// How long an access token is good for.
    pub access_ttl: Duration,
    /// How long a login lasts without being used.
    pub refresh_ttl: Duration,
    /// How long a login lasts however much it is used.
    pub login_ttl: Duration,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            issuer: "http://localhost:8080".to_owned(),
            access_ttl: Duration::from_secs(15 * 60),
            refresh_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            login_ttl: Duration::from_secs(90 * 24 * 60 * 60),
        }
    }
}

/// `aud` of every access token.
pub const AUDIENCE: &str = "tenure";

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// The person.
    pub sub: UserId,
    /// The tenant.
    pub tid: TenantId,
    /// The login.
    pub sid: SessionId,
    /// What it is cut down to; `*` is everything its owner may do.
    pub scope: String,
    /// This token.
    pub jti: uuid::Uuid,
    /// Made at, in seconds.
    pub iat: i64,
    /// Good until, in seconds.
    pub exp: i64,
}

impl Claims {
    /// Whether the token has begun and has not ended.
    #[must_use]
    pub fn are_good_at(&self, now: Timestamp) -> bool {
        is_good_at(now, self.iat, self.exp)
    }
}

/// Whether what was made then has begun, has not ended, and lasts no longer than any token of ours does.
pub(super) fn is_good_at(now: Timestamp, made: i64, ends: i64) -> bool {
    let now = now.as_seconds();
    let lasts = ends.checked_sub(made);
    now < ends
        && made <= now + CLOCK_SKEW_SECONDS
        && lasts.is_some_and(|lasts| (0..=signing::LONGEST_TOKEN.as_secs().cast_signed()).contains(&lasts))
}

/// What a token of ours says.
#[derive(Debug)]
pub enum Said {
    /// It is the access token of a login.
    Login(Claims),
    /// It was cut out of a login, a key or another such token.
    Delegated(DelegatedClaims),
}

/// The login that an access token is of.
#[derive(Debug, Clone, Copy)]
pub struct LoginRef {
    /// Whose.
    pub user: UserId,
    /// For which organisation.
    pub tenant: TenantId,
    /// Which.
    pub session: SessionId,
}

impl From<&Claims> for LoginRef {
    fn from(claims: &Claims) -> Self {
        Self { user: claims.sub, tenant: claims.tid, session: claims.sid }
    }
}

/// The keys that sign and verify.
pub struct Tokens {
    config: TokenConfig,
    keys: RwLock<Arc<Keyring>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Loads the keys; makes the first one at first start.
    ///
    /// # Errors
    /// When PostgreSQL is gone or the stored key does not open under the installation's master key.
    pub async fn load(kernel: &Kernel, config: TokenConfig) -> Result<Self> {
        Ok(Self { config, keys: RwLock::new(Arc::new(Keyring::load(kernel).await?)) })
    }

    /// Learns of keys that other nodes made, and makes and retires them where it is time. To be called every few seconds.
    ///
    /// # Errors
    /// As [`Tokens::load`]; the keys known so far stay.
    pub async fn renew(&self, kernel: &Kernel) -> Result<()> {
        let keys = Arc::new(Keyring::load(kernel).await?);
        *self.keys.write().map_err(|_| Error::internal("a thread that held the keys has failed"))? = keys;
        Ok(())
    }

    fn keys(&self) -> Result<Arc<Keyring>> {
        let keys = self.keys.read().map_err(|_| Error::internal("a thread that held the keys has failed"))?;
        Ok(Arc::clone(&keys))
    }

    /// How tokens are made.
    #[must_use]
    pub fn config(&self) -> &TokenConfig {
        &self.config
    }

    /// A new access token.
    ///
    /// # Errors
    /// When signing fails.
    pub fn issue(&self, user: UserId, tenant: TenantId, session: SessionId, now: Timestamp) -> Result<String> {
        let claims = Claims {
            iss: self.config.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            tid: tenant,
            sid: session,
            scope: "*".to_owned(),
            jti: uuid::Uuid::new_v4(),
            iat: now.as_seconds(),
            exp: now.after(self.config.access_ttl).as_seconds(),
        };
        self.sign(LOGIN_TYPE, &claims)
    }

    /// A delegated token that says this.
    ///
    /// # Errors
    /// When signing fails.
    pub fn delegate(&self, claims: &DelegatedClaims) -> Result<String> {
        self.sign(delegated::TYPE, claims)
    }

    fn sign(&self, r#type: &str, claims: &impl Serialize) -> Result<String> {
        let keys = self.keys()?;
        jsonwebtoken::encode(&header(r#type, keys.signer.to_string()), claims, &keys.signs).map_err(Error::internal)
    }

    /// The claims of a token that is ours and whole, whether or not it is still good (`Claims::are_good_at`). Whatever
    /// else it is, is nothing.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<Claims> {
        self.claims(token, LOGIN_TYPE, AUDIENCE)
    }

    /// The same of a token of either kind.
    #[must_use]
    pub fn said(&self, token: &str) -> Option<Said> {
        let delegated = || self.claims(token, delegated::TYPE, delegated::AUDIENCE).map(Said::Delegated);
        self.read(token).map(Said::Login).or_else(delegated)
    }

    /// Claims of this kind in a token that is ours. Its header is the one that we would write, to the last member: what we do
    /// not write (`crit`, `jku`, `jwk`, `zip`, another `typ` …) asks a verifier for something that this one would not do.
    fn claims<C: serde::de::DeserializeOwned>(&self, token: &str, r#type: &str, audience: &str) -> Option<C> {
        let found = jsonwebtoken::decode_header(token).ok()?;
        let kid = found.kid.clone()?;
        if found != header(r#type, kid.clone()) {
            return None;
        }
        let key = self.keys().ok()?.verifying(&kid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Our clock decides, not the library's: tests move it.
        validation.validate_exp = false;
        Some(jsonwebtoken::decode::<C>(token, &key, &validation).ok()?.claims)
    }

    /// The public keys as a JWK set (RFC 7517).
    ///
    /// # Errors
    /// When a thread that held the keys has failed.
    pub fn jwks(&self) -> Result<serde_json::Value> {
        Ok(self.keys()?.jwks())
    }
}

/// The header of a token of ours.
fn header(r#type: &str, kid: String) -> Header {
    Header { kid: Some(kid), typ: Some(r#type.to_owned()), ..Header::new(Algorithm::EdDSA) }
}

/// `typ` of an access token.
const LOGIN_TYPE: &str = "JWT";

/// Nodes' clocks may differ by this much.
const CLOCK_SKEW_SECONDS: i64 = 30;

/// An opaque token: 256 random bits, stored only as their digest.
pub struct Opaque {
    /// Given to the client, once.
    pub text: String,
    /// Stored.
    pub digest: Vec<u8>,
}

impl Opaque {
    /// A new one; the prefix tells people what they have found.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn random(prefix: &str) -> Result<Self> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(Error::internal)?;
        let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self { digest: Self::digest(&text), text })
    }

    /// What is stored of a token.
    #[must_use]
    pub fn digest(text: &str) -> Vec<u8> {
        Sha256::digest(text.as_bytes()).to_vec()
    }
}

/// An opaque refresh token.
pub struct RefreshToken {
    /// Given to the client, once.
    pub text: String,
    /// Stored.
    pub digest: Vec<u8>,
}

/// How every refresh token begins.
pub const REFRESH_PREFIX: &str = "tnr_rt_";

impl RefreshToken {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn random() -> Result<Self> {
        let Opaque { text, digest } = Opaque::random(REFRESH_PREFIX)?;
        Ok(Self { text, digest })
    }

    /// What is stored of a token.
    #[must_use]
    pub fn digest(text: &str) -> Vec<u8> {
        Opaque::digest(text)
    }
}

/// Shared by the slice's handlers.
pub type SharedTokens = Arc<Tokens>;
