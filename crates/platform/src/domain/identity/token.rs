//! Access tokens: JWT (RFC 7519) signed with Ed25519 (`EdDSA`, RFC 8037), checked without asking anybody.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tenure_kernel::{Audited, Error, Kernel, KeyId, Result, SessionId, SystemReason, TenantId, Timestamp, UserId};
use tenure_seal::KeyMaterial;

use super::delegated::{self, DelegatedClaims};

/// How tokens are made.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// `iss`: the installation's address.
    pub issuer: String,
    /// How long an access token is good for.
    pub access_ttl: Duration,
    /// How long a login lasts without being used.
    pub refresh_ttl: Duration,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            issuer: "http://localhost:8080".to_owned(),
            access_ttl: Duration::from_secs(15 * 60),
            refresh_ttl: Duration::from_secs(30 * 24 * 60 * 60),
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

/// Whether what was made then has begun, and has not ended.
pub(super) fn is_good_at(now: Timestamp, made: i64, ends: i64) -> bool {
    let now = now.as_seconds();
    now < ends && made <= ends && made <= now + CLOCK_SKEW_SECONDS
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

struct SigningKey {
    id: KeyId,
    encoding: EncodingKey,
}

/// The keys that sign and verify.
pub struct Tokens {
    config: TokenConfig,
    signing: SigningKey,
    verifying: RwLock<HashMap<String, (DecodingKey, [u8; 32])>>,
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
        let rows = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                // Two nodes that start at once must not each make a first key.
                sqlx::query!("select pg_advisory_xact_lock(hashtext('tenure signing keys'))").execute(&mut *tx).await?;
                let known = sqlx::query!("select id as \"id: KeyId\", public_key, wrapped from signing_keys where retired_at is null order by created_at")
                    .fetch_all(&mut *tx)
                    .await?;
                let mut rows: Vec<(KeyId, Vec<u8>, Vec<u8>)> = known.into_iter().map(|row| (row.id, row.public_key, row.wrapped)).collect();
                if rows.is_empty() {
                    let (id, public, wrapped) = generate(kernel, tx.new_id())?;
                    sqlx::query!(
                        "insert into signing_keys (id, public_key, wrapped, created_at) values ($1, $2, $3, $4)",
                        id.uuid(), public, wrapped, tx.now()
                    )
                    .execute(&mut *tx)
                    .await?;
                    rows.push((id, public, wrapped));
                }
                Ok(Audited::none("the first signing key is made with the installation", rows))
            })
            .await?;
        let newest = rows.last().ok_or_else(|| Error::internal("there is no signing key"))?;
        let seed = kernel.keys().unwrap_token_seed(newest.0, &newest.2)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(Error::internal)?;
        let pkcs8 = pair.to_pkcs8().map_err(Error::internal)?;
        let signing = SigningKey { id: newest.0, encoding: EncodingKey::from_ed_der(pkcs8.as_ref()) };
        let verifying = rows
            .iter()
            .map(|(id, public, _)| {
                let raw: [u8; 32] =
                    public.as_slice().try_into().map_err(|_| Error::internal("a public key has not 32 bytes"))?;
                Ok((id.to_string(), (DecodingKey::from_ed_der(&raw), raw)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { config, signing, verifying: RwLock::new(verifying) })
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
        self.sign("JWT", &claims)
    }

    /// A delegated token that says this.
    ///
    /// # Errors
    /// When signing fails.
    pub fn delegate(&self, claims: &DelegatedClaims) -> Result<String> {
        self.sign(delegated::TYPE, claims)
    }

    fn sign(&self, r#type: &str, claims: &impl Serialize) -> Result<String> {
        let (kid, typ) = (Some(self.signing.id.to_string()), Some(r#type.to_owned()));
        let header = Header { kid, typ, ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.signing.encoding).map_err(Error::internal)
    }

    /// The claims of a token that is ours and whole, whether or not it is still good (`Claims::are_good_at`). Whatever
    /// else it is, is nothing.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<Claims> {
        self.claims(token, &jsonwebtoken::decode_header(token).ok()?, AUDIENCE)
    }

    /// The same of a token of either kind.
    #[must_use]
    pub fn said(&self, token: &str) -> Option<Said> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() == Some(delegated::TYPE) {
            return self.claims(token, &header, delegated::AUDIENCE).map(Said::Delegated);
        }
        self.claims(token, &header, AUDIENCE).map(Said::Login)
    }

    /// Claims of this kind in a token that is ours.
    fn claims<C: serde::de::DeserializeOwned>(&self, token: &str, header: &Header, audience: &str) -> Option<C> {
        let key = {
            let keys = self.verifying.read().ok()?;
            keys.get(header.kid.as_deref()?)?.0.clone()
        };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Our clock decides, not the library's: tests move it.
        validation.validate_exp = false;
        Some(jsonwebtoken::decode::<C>(token, &key, &validation).ok()?.claims)
    }

    /// The public keys as a JWK set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let keys = self.verifying.read().map(|keys| {
            keys.iter()
                .map(|(kid, (_, public))| {
                    serde_json::json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": URL_SAFE_NO_PAD.encode(public)})
                })
                .collect::<Vec<_>>()
        });
        serde_json::json!({ "keys": keys.unwrap_or_default() })
    }
}

/// Nodes' clocks may differ by this much.
const CLOCK_SKEW_SECONDS: i64 = 30;

fn generate(kernel: &Kernel, id: KeyId) -> Result<(KeyId, Vec<u8>, Vec<u8>)> {
    let seed = KeyMaterial::generate().map_err(Error::internal)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(Error::internal)?;
    Ok((id, pair.public_key().as_ref().to_vec(), kernel.keys().wrap_token_seed(id, &seed)?))
}

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

const REFRESH_PREFIX: &str = "tnr_rt_";

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
