//! A key of another system is taken over by an import, or given up again.

use tenure_kernel::bus::Message;
use tenure_kernel::event::Outcome;
use tenure_kernel::permission::UserWrite;
use tenure_kernel::{
    Audited, Error, KeyId, NewEvent, OnConstraint as _, Permission as _, PermissionSet, Personal, Problem, Result,
    SystemTx, TenantId, Timestamp, UserId,
};

use super::event::ApiKeyEvent;
use super::model::{ApiKey, Environment, KeyOwner, KeyState};
use super::store;
use super::text::KeyDigest;
use crate::domain::rate_limits::RateLimit;
use crate::domain::roles;

/// A key that another system made. Its text is not known here.
#[derive(Debug)]
pub struct ForeignKey {
    /// What it is for.
    pub name: String,
    /// Its SHA-256.
    pub digest: KeyDigest,
    /// What its owner is called.
    pub owner: String,
    /// What it may do.
    pub scopes: PermissionSet,
    /// What it is meant for.
    pub environment: Environment,
    /// The networks that it may be used from; from anywhere, if there are none.
    pub allowed_cidrs: Vec<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// The person who asks for it, by a login.
#[derive(Debug, Clone, Copy)]
pub struct TakingOver {
    /// Who.
    pub user: UserId,
    /// What they hold at this moment.
    pub held: PermissionSet,
    /// Whether that login had proven a second factor.
    pub second_factor: bool,
}

/// Takes a key over, for a service account or for who asks. A key of anybody else would act in their name, past their second factor,
/// and in the hands of whoever wrote the file.
///
/// # Errors
/// 422 for an owner who is neither and for an end that is past, 403 for scopes beyond what they hold, 409 for a key that is there
/// already, or that this organisation revoked; PostgreSQL's, among them [`is_anothers`].
pub async fn take_over(tx: &mut SystemTx, tenant: TenantId, by: TakingOver, key: ForeignKey) -> Result<Audited<KeyId>> {
    roles::allow(key.scopes, by.held)?;
    let now = tx.now();
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(Problem::invalid("/expires_at", "must lie in the future").into());
    }
    let (owner, owner_name) = owner(tx, tenant, by.user, &key.owner).await?;
    let api_key = ApiKey {
        id: tx.new_id(),
        name: key.name,
        owner,
        owner_name: Personal(owner_name),
        environment: key.environment,
        imported: true,
        state: KeyState::Active,
        blocked: None,
        second_factor: by.second_factor,
        scopes: roles::names(key.scopes),
        allowed_cidrs: key.allowed_cidrs,
        rate_limit: RateLimit::default(),
        expires_at: key.expires_at,
        retires_at: None,
        revoked_at: None,
        rotated_from: None,
        created_by: Some(by.user),
        answerable: Some(by.user).filter(|_| matches!(owner, KeyOwner::ServiceAccount { .. })),
        created_at: now,
        updated_at: now,
        last_used_at: None,
        last_used_address: None,
    };
    let made = store::insert(&mut *tx, tenant, api_key, &key.digest).await;
    let made = made.on_constraint("api_keys_by_digest", unusable).on_constraint("imported_digests_ended", unusable)?;
    Ok(made.audited(ApiKeyEvent::IMPORTED).in_tenant(tenant).map(|key| key.id))
}

/// Whoever asks has the key or its hash in hand: more than that it cannot be used is nobody's to learn.
#[must_use]
pub fn unusable() -> Problem {
    Problem::conflict("this key cannot be used; make a new one").field("/key", "cannot be used; make a new key instead")
}

/// Whether a key was not taken over because it is another organisation's, or was once. Who asked is told [`unusable`].
#[must_use]
pub fn is_anothers(error: &Error) -> bool {
    error.constraint() == Some("imported_digests_of_another")
}

/// For the platform's own stream: somebody brought a key that is another organisation's.
#[must_use]
pub fn claimed_anothers(tenant: TenantId) -> NewEvent {
    NewEvent::new(ApiKeyEvent::IMPORT_REFUSED, None)
        .outcome(Outcome::Denied, "another-organization")
        .detail("tenant", tenant)
}

/// Who is called so: of people only who asks, so that nobody learns here who the others are.
async fn owner(tx: &mut SystemTx, tenant: TenantId, asks: UserId, called: &str) -> Result<(KeyOwner, String)> {
    let invalid = |detail: &str| Err(Problem::invalid("/owner", detail).into());
    let found = store::owners(tx, tenant, asks, called).await?;
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => invalid(
            "must be the name of a service account, or your own user name: nobody makes a key that acts in another's name",
        ),
        _ => invalid("is your user name and the name of a service account, too; rename that"),
    }
}

/// What became of a key that was to be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// It is gone, and works within a second on no node any more.
    Removed,
    /// It was gone before.
    Gone,
    /// Another key took its place: it stays.
    Rotated,
    /// It was revoked, for good: it stays, so that nobody takes it over again.
    Revoked,
}

/// Removes a key that was taken over, unless it was revoked or another has taken its place, for who `asks` and holds `held` now.
///
/// # Errors
/// 422 where it is a person's whose keys who asks may not end; PostgreSQL's.
pub async fn give_up(
    tx: &mut SystemTx,
    tenant: TenantId,
    asks: Option<UserId>,
    held: PermissionSet,
    id: KeyId,
) -> Result<Audited<GivenUp>> {
    let Some((key, rotated)) = store::imported(tx, tenant, id).await? else {
        return Ok(Audited::many(GivenUp::Gone, []));
    };
    let anothers = matches!(key.owner, KeyOwner::User { id } if Some(id) != asks);
    if anothers && !held.contains(UserWrite::NEEDS) {
        let detail = "is another person's key; who ends it needs the permission user:write";
        return Err(Problem::invalid("/owner", detail).into());
    }
    if key.revoked_at.is_some() {
        return Ok(Audited::many(GivenUp::Revoked, []));
    }
    if rotated || key.retires_at.is_some() {
        return Ok(Audited::many(GivenUp::Rotated, []));
    }
    tx.announce(Message::KeyChanged { key: id }).await?;
    let removed = store::remove_imported(tx, tenant, key).await?;
    Ok(removed.audited(ApiKeyEvent::REMOVED).in_tenant(tenant).map(|_| GivenUp::Removed))
}
