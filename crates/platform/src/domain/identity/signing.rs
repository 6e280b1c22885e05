//! The keys that sign tokens: each is published before it signs, signs for a month, and verifies until the last token that it
//! signed has ended.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use tenure_kernel::{
    Audited, Change, Error, Kernel, KeyId, NewEvent, Resource, Result, SystemReason, SystemTx, Timestamp,
};
use tenure_seal::KeyMaterial;
use utoipa::ToSchema;

/// A key signs for so long; then another is made.
const SIGNS_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A key is published so long before it signs: other nodes, and services that keep the JWK set, know it by then.
const PUBLISHED_AHEAD: Duration = Duration::from_secs(60 * 60);
/// No token of any kind is good for longer, so a key that another has replaced for so long verifies nothing any more.
pub(super) const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a JWK set may be kept (`Cache-Control`): well within the time that a key is published ahead.
pub(super) const KEEP_JWKS_SECONDS: u64 = 900;

/// A key that signs tokens, as the event that tells of it.
#[derive(Debug, Clone, serde::Serialize, ToSchema)]
pub struct SigningKey {
    /// Its name: `kid`.
    pub id: KeyId,
}

impl Resource for SigningKey {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

tenure_kernel::actions! {
    /// What happens to the keys that sign tokens.
    pub SigningKeyEvent on SigningKey = "signing-key" {
        CREATED = "created", "A key that signs tokens was made; it is published before it signs.";
        RETIRED = "retired", "A key that signed tokens verifies none any more: the last of them has ended.";
    }
}

/// The keys of one moment.
pub(super) struct Keyring {
    /// Which signs.
    pub(super) signer: KeyId,
    pub(super) signs: EncodingKey,
    verifying: HashMap<String, (DecodingKey, [u8; 32])>,
}

/// A row of `signing_keys` that is not retired.
struct Row {
    id: KeyId,
    public_key: Vec<u8>,
    wrapped: Vec<u8>,
    created_at: Timestamp,
}

impl Row {
    fn signs_from(&self) -> Timestamp {
        self.created_at.after(PUBLISHED_AHEAD)
    }
}

impl Keyring {
    /// Reads the keys; makes a first or a next one and retires old ones where it is time.
    ///
    /// # Errors
    /// When PostgreSQL is gone or a stored key does not open under the installation's master key.
    pub(super) async fn load(kernel: &Kernel) -> Result<Self> {
        let now = kernel.clock().now();
        let rows = kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                let rows = rows(tx).await?;
                if !is_due(&rows, now) {
                    return Ok(Audited::none("keys are read", rows));
                }
                // Two nodes at once must not each make a key.
                sqlx::query!("select pg_advisory_xact_lock(hashtext('tenure signing keys'))").execute(&mut *tx).await?;
                turn(kernel, tx, now).await
            })
            .await?;
        Self::of(kernel, &rows, now)
    }

    fn of(kernel: &Kernel, rows: &[Row], now: Timestamp) -> Result<Self> {
        // The newest that has been known for long enough; at the very beginning the only one.
        let known = rows.iter().rev().find(|row| row.signs_from() <= now).or_else(|| rows.first());
        let signer = known.ok_or_else(|| Error::internal("there is no signing key"))?;
        let seed = kernel.keys().unwrap_token_seed(signer.id, &signer.wrapped)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(Error::internal)?;
        let pkcs8 = pair.to_pkcs8().map_err(Error::internal)?;
        let verifying = rows.iter().map(|row| {
            let public = row.public_key.as_slice();
            let raw: [u8; 32] = public.try_into().map_err(|_| Error::internal("a public key has not 32 bytes"))?;
            Ok((row.id.to_string(), (DecodingKey::from_ed_der(&raw), raw)))
        });
        let signs = EncodingKey::from_ed_der(pkcs8.as_ref());
        Ok(Self { signer: signer.id, signs, verifying: verifying.collect::<Result<_>>()? })
    }

    /// The key of this name, if it verifies.
    pub(super) fn verifying(&self, kid: &str) -> Option<DecodingKey> {
        self.verifying.get(kid).map(|(key, _)| key.clone())
    }

    /// The public keys as a JWK set (RFC 7517; RFC 8037 for the kind of key).
    pub(super) fn jwks(&self) -> serde_json::Value {
        let keys = self.verifying.iter().map(|(kid, (_, public))| {
            serde_json::json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": URL_SAFE_NO_PAD.encode(public)})
        });
        serde_json::json!({ "keys": keys.collect::<Vec<_>>() })
    }
}

/// Whether something is to be made or retired.
fn is_due(rows: &[Row], now: Timestamp) -> bool {
    rows.last().is_none_or(|newest| newest.signs_from().after(SIGNS_FOR) <= now) || over(rows, now).next().is_some()
}

/// The keys that another has replaced for longer than any token lasts. Oldest first.
fn over(rows: &[Row], now: Timestamp) -> impl Iterator<Item = KeyId> {
    rows.windows(2).filter_map(move |pair| match pair {
        [old, next] => (next.signs_from().after(LONGEST_TOKEN) <= now).then_some(old.id),
        _ => None,
    })
}

/// Makes what is missing and retires what is over, under the lock; what is left.
async fn turn(kernel: &Kernel, tx: &mut SystemTx, now: Timestamp) -> Result<Audited<Vec<Row>>> {
    let known = rows(tx).await?;
    let made = if known.last().is_none_or(|newest| newest.signs_from().after(SIGNS_FOR) <= now) {
        insert(kernel, tx, now).await?.audited(SigningKeyEvent::CREATED).map(|_| ())
    } else {
        Audited::none("another node was first, or something is only retired", ())
    };
    let mut turned = made;
    for old in over(&known, now) {
        sqlx::query!("update signing_keys set retired_at = $2 where id = $1", old.uuid(), now)
            .execute(&mut *tx)
            .await?;
        turned = turned.also(NewEvent::new(SigningKeyEvent::RETIRED, old.to_string()));
    }
    let left = rows(tx).await?;
    Ok(turned.map(|()| left))
}

async fn rows(tx: &mut SystemTx) -> Result<Vec<Row>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: KeyId", public_key, wrapped, created_at as "created_at: Timestamp"
           from signing_keys where retired_at is null order by created_at, id"#
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows)
}

async fn insert(kernel: &Kernel, tx: &mut SystemTx, now: Timestamp) -> Result<Change<SigningKey>> {
    let (id, seed): (KeyId, _) = (tx.new_id(), KeyMaterial::generate().map_err(Error::internal)?);
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(Error::internal)?;
    sqlx::query!(
        "insert into signing_keys (id, public_key, wrapped, created_at) values ($1, $2, $3, $4)",
        id.uuid(),
        pair.public_key().as_ref(),
        kernel.keys().wrap_token_seed(id, &seed)?,
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Created(SigningKey { id }))
}
