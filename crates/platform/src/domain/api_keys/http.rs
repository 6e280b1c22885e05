//! `/api/v1/api-keys`

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{ApiKeyRead, ApiKeyWrite, ServiceAccountWrite};
use tenure_kernel::{
    Actor, Audited, Authorized, Code, Created, Json, JsonOrNothing, KeyId, Page, PageQuery, Path, Permission as _,
    Personal, Problem, Query, Recent, RecentLogin, Result, Sample, ServiceAccountId, TenantTx, Timestamp, Write,
};
use utoipa::{IntoParams, ToSchema};

use super::event::ApiKeyEvent;
use super::model::{ApiKey, Environment, KeyOwner, KeyState, parse_name, parse_networks, parse_scopes};
use super::store;
use super::text::NewKeyText;
use crate::app::Routes;
use crate::domain::rate_limits::{self, RateLimit};
use crate::domain::roles;
use crate::domain::service_accounts::ServiceAccount;

const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const LONGEST_GRACE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("API keys")
        .get("/api-keys", list, "List API keys, the newest first.\n\nYour own; with `user:write` everybody's, with `service_account:read` those of service accounts.")
        .post("/api-keys", create, "Make an API key of your own, or of a service account.\n\nThe latter needs `service_account:write` too.\n\nThe key is in this answer and never again. It may do what you may do at the moment of its use, cut down to its scopes; nobody gives it a permission that they do not hold. An API key makes no API keys.")
        .get("/api-keys/{id}", get, "See an API key, never the key itself.")
        .patch("/api-keys/{id}", update, "Rename an API key, change where and how often it may be used, or cut it down further.\n\nFor more permissions make another. Takes effect on every node within a second.")
        .post("/api-keys/{id}/rotate", rotate, "Replace an API key by a new one of the same name, scopes, networks, limits and end.\n\nThe old one works on through a grace of 7 days unless told otherwise. Its owner may do this, and the key itself. A key that is `blocked` because it was made without the second factor of its owner is made good by a login that has proven that.\n\nAn `imported` key is replaced by one of ours.")
        .post("/api-keys/{id}/revoke", revoke, "Revoke an API key, for good.\n\nTakes effect on every node within a second. Its owner may do this, and who holds `user:write`.")
}

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What it is for; 1 to 100 characters.
    name: String,
    /// What it may do: permissions, and wildcards over them as they stand today.
    scopes: Vec<String>,
    /// Which environment it is meant for; `dev` unless told.
    #[serde(default)]
    environment: Environment,
    /// The networks it may be used from, in CIDR notation; anywhere unless told.
    #[serde(default)]
    allowed_cidrs: Vec<String>,
    /// When it ends; never by itself unless told.
    expires_at: Option<Timestamp>,
    /// How many requests it may make; as the installation says unless told.
    #[serde(default)]
    rate_limit: RateLimit,
    /// For which service account; your own unless told.
    service_account: Option<ServiceAccountId>,
}

impl Sample for NewApiKey {
    fn sample() -> serde_json::Value {
        serde_json::json!({
            "name": "Nightly import", "scopes": ["workflow:read", "workflow:execute"], "environment": "dev",
            "allowed_cidrs": ["192.0.2.0/24"]
        })
    }
}

/// What to change of a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyChange {
    /// Its new name.
    name: Option<String>,
    /// All that it may do from now on; nothing that it may not do already.
    scopes: Option<Vec<String>>,
    /// All networks it may be used from; an empty list is anywhere.
    allowed_cidrs: Option<Vec<String>>,
    /// Its new limits, all of them.
    rate_limit: Option<RateLimit>,
}

impl Sample for ApiKeyChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"name": "Hourly import"})
    }
}

/// How to replace a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the old key works on, in seconds: 604800 (7 days) unless told, 0 for not at all, at most 90 days.
    grace_seconds: Option<u32>,
}

impl Sample for Rotation {
    fn sample() -> serde_json::Value {
        serde_json::json!({"grace_seconds": 3600})
    }
}

/// A new key, this once.
#[derive(Serialize, ToSchema)]
pub struct IssuedKey {
    /// The key. It is stored nowhere: keep it now.
    key: String,
    /// What is known of it.
    api_key: ApiKey,
}

/// Which keys to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KeyQuery {
    /// `true` for your own alone.
    #[serde(default)]
    mine: bool,
    /// How many items at most, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

async fn list(cx: Authorized<ApiKeyRead>, Query(query): Query<KeyQuery>) -> Result<Json<Page<ApiKey>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    cx.read(async |tx| store::list(tx, &page, query.mine).await).await.map(Json)
}

async fn get(cx: Authorized<ApiKeyRead>, Path(id): Path<KeyId>) -> Result<Json<ApiKey>> {
    cx.read(async |tx| Ok(tx.load::<ApiKey>(id).await?.into_inner())).await.map(Json)
}

async fn create(cx: Authorized<Recent<ApiKeyWrite>>, Json(new): Json<NewApiKey>) -> Result<Created<IssuedKey>> {
    let (name, scopes) = (parse_name(&new.name)?, parse_scopes(&new.scopes)?);
    let networks = parse_networks(&new.allowed_cidrs)?;
    let issued = cx
        .write_once(async |tx| {
            let actor = *tx.cx().actor();
            only_a_login(&actor)?;
            roles::allow(scopes, tx.cx().identity.permissions)?;
            if new.expires_at.is_some_and(|end| end <= tx.now()) {
                return Err(Problem::invalid("/expires_at", "must lie in the future").into());
            }
            let bounds = rate_limits::store::bounds(tx, cx.kernel().limiter().rates()).await?;
            let rate_limit = new.rate_limit.check(&bounds, "/rate_limit")?;
            let (owner, owner_name) = owner(tx, &actor, new.service_account).await?;
            let key = ApiKey {
                environment: new.environment,
                scopes: roles::names(scopes),
                allowed_cidrs: networks,
                expires_at: new.expires_at,
                rate_limit,
                ..blank(tx, name, owner, Personal(owner_name))
            };
            issue(tx, key).await
        })
        .await?;
    Ok(created(issued))
}

async fn update(
    cx: Authorized<Recent<ApiKeyWrite>>,
    Path(id): Path<KeyId>,
    Json(change): Json<ApiKeyChange>,
) -> Result<Json<ApiKey>> {
    let name = change.name.as_deref().map(parse_name).transpose()?;
    let scopes = change.scopes.as_deref().map(parse_scopes).transpose()?;
    let networks = change.allowed_cidrs.as_deref().map(parse_networks).transpose()?;
    let changed = cx
        .write(async |tx| {
            let key = tx.load::<ApiKey>(id).await?;
            let actor = *tx.cx().actor();
            only_a_login(&actor)?;
            only_its_owner(tx, &key)?;
            still_works(&key)?;
            if scopes.is_some_and(|scopes| !key.scope().contains(scopes)) {
                let detail = "must name nothing that the key may not do already; for more make another key";
                return Err(Problem::invalid("/scopes", detail).into());
            }
            let bounds = rate_limits::store::bounds(tx, cx.kernel().limiter().rates()).await?;
            let rate_limit = change.rate_limit.map(|limit| limit.check(&bounds, "/rate_limit")).transpose()?;
            tx.announce(Message::KeyChanged { key: id }).await?;
            let change = store::update(tx, key, |key| {
                key.name = name.unwrap_or_else(|| key.name.clone());
                key.scopes = scopes.map_or_else(|| key.scopes.clone(), roles::names);
                key.allowed_cidrs = networks.unwrap_or_else(|| key.allowed_cidrs.clone());
                key.rate_limit = rate_limit.unwrap_or(key.rate_limit);
            });
            Ok(change.await?.audited(ApiKeyEvent::UPDATED))
        })
        .await?;
    Ok(Json(changed))
}

async fn rotate(
    cx: Authorized<RecentLogin<ApiKeyWrite>>,
    Path(id): Path<KeyId>,
    JsonOrNothing(rotation): JsonOrNothing<Rotation>,
) -> Result<Created<IssuedKey>> {
    let grace = rotation.and_then(|rotation| rotation.grace_seconds);
    let grace = grace.map_or(GRACE, |seconds| Duration::from_secs(seconds.into()));
    if grace > LONGEST_GRACE {
        return Err(Problem::invalid("/grace_seconds", "must be at most 7776000, which is 90 days").into());
    }
    let issued = cx
        .write_once(async |tx| {
            let old = tx.load::<ApiKey>(id).await?;
            let actor = *tx.cx().actor();
            if actor.key != Some(id) {
                only_a_login(&actor)?;
            }
            only_its_owner(tx, &old)?;
            still_works(&old)?;
            if old.state == KeyState::Retiring {
                return Err(
                    Problem::conflict("this key was rotated already; rotate the one that took its place").into()
                );
            }
            let blank = blank(tx, old.name.clone(), old.owner, old.owner_name.clone());
            let new = ApiKey {
                environment: old.environment,
                scopes: old.scopes.clone(),
                allowed_cidrs: old.allowed_cidrs.clone(),
                expires_at: old.expires_at,
                rate_limit: old.rate_limit,
                rotated_from: Some(old.id),
                // Who answers for what a key does stays known when it rotates itself, and the old one is gone.
                created_by: actor.user().or(old.created_by),
                answerable: blank.answerable.or(old.answerable),
                // By a login that has proven a second factor a key becomes good; by itself it stays what it was.
                second_factor: if actor.session.is_some() { blank.second_factor } else { old.second_factor },
                ..blank
            };
            tx.announce(Message::KeyChanged { key: id }).await?;
            let retires = tx.now().after(grace);
            let rotated = store::update(tx, old, |key| key.retires_at = Some(retires)).await?;
            let issued = issue(tx, new).await?;
            Ok(rotated.audited(ApiKeyEvent::ROTATED).and(issued).map(|(_, issued)| issued))
        })
        .await?;
    Ok(created(issued))
}

async fn revoke(cx: Authorized<ApiKeyWrite>, Path(id): Path<KeyId>) -> Result<Json<ApiKey>> {
    let revoked = cx
        .write(async |tx| {
            let key = tx.load::<ApiKey>(id).await?;
            may_revoke(tx, &key)?;
            if key.state == KeyState::Revoked {
                return Ok(Audited::none("it was revoked already", key.into_inner()));
            }
            tx.announce(Message::KeyChanged { key: id }).await?;
            let now = tx.now();
            let change = store::update(tx, key, |key| key.revoked_at = Some(now)).await?;
            Ok(change.audited(ApiKeyEvent::REVOKED))
        })
        .await?;
    Ok(Json(revoked))
}

/// A key of this moment, for an owner, with nothing in it yet.
fn blank(tx: &TenantTx<Write>, name: String, owner: KeyOwner, owner_name: Personal<String>) -> ApiKey {
    ApiKey {
        id: tx.new_id(),
        name,
        owner,
        owner_name,
        environment: Environment::default(),
        imported: false,
        state: KeyState::Active,
        blocked: None,
        second_factor: tx.cx().identity.assurance.mfa,
        scopes: Vec::new(),
        allowed_cidrs: Vec::new(),
        rate_limit: RateLimit::default(),
        expires_at: None,
        retires_at: None,
        revoked_at: None,
        rotated_from: None,
        created_by: tx.cx().actor().user(),
        answerable: tx.cx().actor().user().filter(|_| matches!(owner, KeyOwner::ServiceAccount { .. })),
        created_at: tx.now(),
        updated_at: tx.now(),
        last_used_at: None,
        last_used_address: None,
    }
}

async fn issue(tx: &mut TenantTx<Write>, key: ApiKey) -> Result<Audited<IssuedKey>> {
    let text = NewKeyText::random(key.environment, key.id)?;
    let tenant = tx.tenant();
    let created = store::insert(&mut *tx, tenant, key, &text.digest).await?.audited(ApiKeyEvent::CREATED);
    Ok(created.map(|api_key| IssuedKey { key: text.text, api_key }))
}

fn created(issued: IssuedKey) -> Created<IssuedKey> {
    let location = format!("/api/v1/api-keys/{}", issued.api_key.id);
    Created(issued, Some(location))
}

/// What widens or makes keys wants a login: who got hold of a key must not get more than it.
fn only_a_login(actor: &Actor) -> Result<()> {
    if actor.session.is_some() {
        return Ok(());
    }
    let detail = "neither an API key nor a delegated token makes or changes API keys, a key can only rotate itself; log in to do this";
    Err(Problem::new(Code::PermissionDenied, detail).into())
}

/// For whom a new key acts, and what they are called.
async fn owner(
    tx: &mut TenantTx<Write>,
    actor: &Actor,
    account: Option<ServiceAccountId>,
) -> Result<(KeyOwner, String)> {
    if let Some(id) = account {
        let account = tx.load::<ServiceAccount>(id).await?;
        manages_accounts(tx)?;
        return Ok((KeyOwner::ServiceAccount { id }, account.name.clone()));
    }
    let id = actor.user().ok_or_else(Problem::not_found)?;
    let name = store::name_of_member(tx, id).await?;
    Ok((KeyOwner::User { id }, name.unwrap_or_else(|| id.to_string())))
}

/// Who manages people may revoke their keys, but never hold one: it would act in their name. A service account's key is
/// for who manages those, as far as their own permissions reach.
fn only_its_owner(tx: &TenantTx<Write>, key: &ApiKey) -> Result<()> {
    let actor = tx.cx().actor();
    let detail = match key.owner {
        KeyOwner::User { id } if actor.user() == Some(id) => return Ok(()),
        KeyOwner::ServiceAccount { id } if actor.service_account() == Some(id) => return Ok(()),
        KeyOwner::User { .. } => "only the owner of an API key may change or rotate it",
        KeyOwner::ServiceAccount { .. } => {
            manages_accounts(tx)?;
            return roles::allow(key.scope(), tx.cx().identity.permissions);
        }
    };
    Err(Problem::new(Code::PermissionDenied, detail).into())
}

/// Whoever sees a person's key may revoke it; that of a service account only who manages those, or itself.
fn may_revoke(tx: &TenantTx<Write>, key: &ApiKey) -> Result<()> {
    match key.owner {
        KeyOwner::ServiceAccount { id } if tx.cx().actor().service_account() != Some(id) => manages_accounts(tx),
        KeyOwner::ServiceAccount { .. } | KeyOwner::User { .. } => Ok(()),
    }
}

fn manages_accounts(tx: &TenantTx<Write>) -> Result<()> {
    if tx.cx().identity.permissions.contains(ServiceAccountWrite::NEEDS) {
        return Ok(());
    }
    let detail = "API keys of service accounts are for who holds service_account:write";
    Err(Problem::new(Code::PermissionDenied, detail).with("permission", "service_account:write").into())
}

fn still_works(key: &ApiKey) -> Result<()> {
    match key.state {
        KeyState::Active | KeyState::Retiring => Ok(()),
        KeyState::Expired | KeyState::Revoked => {
            Err(Problem::conflict("this API key does not work any more; make another").into())
        }
    }
}
