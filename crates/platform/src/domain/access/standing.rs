//! What an actor may do *now*, for whatever happens after the request that asked for it: a step of an execution, a line of an
//! import, an invitation that is accepted.
//!
//! The login or key of then is not at hand any more. What counts is what its owner may do at this moment, within the scopes of
//! the key, and whether everybody who stands between still may act for them. A login may have ended since; a key that was
//! revoked, or has run out, ends it.

use std::sync::Arc;

use tenure_kernel::context::MAX_ACTORS;
use tenure_kernel::permission::DelegationAct;
use tenure_kernel::{
    Actor, Context, KeyId, Permission as _, PermissionSet, Principal, Result, ServiceAccountId, SystemTx, TeamId,
    TenantId, UserId,
};

use super::role::effective;

/// Somebody in a tenant, by themselves or by one of their keys.
pub type Holder = (Principal, Option<KeyId>);

/// What a holder may do, and whose private things they reach.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What they may do, within the scopes of the key.
    pub permissions: PermissionSet,
    /// The teams that they are in.
    pub teams: Arc<[TeamId]>,
}

impl Standing {
    /// What these roles and single permissions give, within the scopes of the key.
    fn of(roles: &[String], permissions: &[String], scopes: Option<&[String]>, teams: Vec<TeamId>) -> Self {
        let held = effective(roles, permissions);
        let scope = scopes.map(|scopes| PermissionSet::from_patterns(scopes.iter().map(String::as_str)));
        Self { permissions: scope.map_or(held, |scope| held.intersection(scope)), teams: teams.into() }
    }
}

/// What is known of holders in one tenant.
pub trait Known: Send {
    /// What a holder may do now.
    fn ask(&mut self, holder: Holder) -> impl Future<Output = Result<Option<Standing>>> + Send;
}

/// What an actor may do now, by what is known of those on whom it hangs; nothing if they, their tenant, the key, or anybody who
/// acts for them is out of service.
///
/// # Errors
/// Those of `known`.
pub async fn judge(actor: &Actor, known: &mut impl Known) -> Result<Option<Standing>> {
    let key = actor.delegation.map_or(actor.key, |by| by.key);
    let owner = actor.on_behalf_of.map_or(actor.principal, Principal::User);
    let Some(standing) = known.ask((owner, key)).await? else { return Ok(None) };
    let actors = actor.delegation.map_or([None; MAX_ACTORS], |by| by.actors);
    for acting in actors.into_iter().flatten() {
        let theirs = known.ask((Principal::ServiceAccount(acting.account), Some(acting.key))).await?;
        if !theirs.is_some_and(|theirs| theirs.permissions.contains(DelegationAct::NEEDS)) {
            return Ok(None);
        }
    }
    Ok(Some(standing))
}

/// As [`judge`], by what the database says at this moment.
///
/// # Errors
/// PostgreSQL's.
pub async fn what_may(tx: &mut SystemTx, tenant: TenantId, actor: &Actor) -> Result<Option<Standing>> {
    judge(actor, &mut Fresh { tx, tenant }).await
}

/// Who asked for something that happens later, as it is kept until then: what comes of it is within what they held then, and what
/// they may do when it happens.
#[derive(Debug, Clone)]
pub struct Asker {
    /// With the key or token that they asked with.
    pub actor: Actor,
    /// What they held when they asked.
    pub held: PermissionSet,
}

impl Asker {
    /// Who asks now.
    #[must_use]
    pub fn of(cx: &Context) -> Self {
        Self { actor: *cx.actor(), held: cx.identity.permissions }
    }

    /// As two columns hold it.
    ///
    /// # Errors
    /// When the actor cannot be written.
    pub fn stored(&self) -> Result<(String, Vec<String>)> {
        let held = self.held.iter().map(|id| id.as_str().to_owned()).collect();
        Ok((serde_json::to_string(&self.actor)?, held))
    }

    /// From those columns.
    ///
    /// # Errors
    /// When it is not what [`Asker::stored`] wrote.
    pub fn read(actor: &str, held: &[String]) -> Result<Self> {
        let held = PermissionSet::from_patterns(held.iter().map(String::as_str));
        Ok(Self { actor: serde_json::from_str(actor)?, held })
    }

    /// What they may do now of what they could do when they asked.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn may(&self, tx: &mut SystemTx, tenant: TenantId) -> Result<PermissionSet> {
        let standing = what_may(tx, tenant, &self.actor).await?;
        Ok(standing.map_or(PermissionSet::NONE, |standing| standing.permissions.intersection(self.held)))
    }
}

struct Fresh<'t> {
    tx: &'t mut SystemTx,
    tenant: TenantId,
}

impl Known for Fresh<'_> {
    async fn ask(&mut self, holder: Holder) -> Result<Option<Standing>> {
        of_holder(self.tx, self.tenant, holder).await
    }
}

/// What a holder may do in this tenant now.
///
/// # Errors
/// PostgreSQL's.
pub async fn of_holder(tx: &mut SystemTx, tenant: TenantId, (principal, key): Holder) -> Result<Option<Standing>> {
    match principal {
        Principal::User(user) => person(tx, tenant, user, key).await,
        Principal::ServiceAccount(account) => service_account(tx, tenant, account, key).await,
        Principal::System(_) | Principal::Anonymous => Ok(None),
    }
}

/// A key that is blocked for want of a second factor does nothing here either, as when it is shown. Without a key a login's proof
/// was asked for when it began.
async fn person(tx: &mut SystemTx, tenant: TenantId, user: UserId, key: Option<KeyId>) -> Result<Option<Standing>> {
    let row = sqlx::query!(
        r#"select m.roles, k.scopes as "scopes?",
                  m.permissions || array(select unnest(r.permissions) from roles r where r.tenant_id = m.tenant_id and r.name = any(m.roles)) as "permissions!",
                  array(select team_id from team_members tm where tm.tenant_id = m.tenant_id and tm.user_id = m.user_id) as "teams!: Vec<TeamId>"
           from memberships m join tenants t on t.tenant_id = m.tenant_id
           join users u on u.id = m.user_id and u.status = 'active'
           left join api_keys k on k.tenant_id = m.tenant_id and k.id = $3 and k.user_id = m.user_id
                and k.revoked_at is null and (k.expires_at is null or k.expires_at > $4)
           where m.tenant_id = $1 and m.user_id = $2 and m.status = 'active' and t.status = 'active'
             and ($3::uuid is null or k.id is not null
                  and key_block(k.second_factor, m.mfa, (select require_mfa from tenant_security ts where ts.tenant_id = m.tenant_id)) is null)"#,
        tenant.uuid(),
        user.uuid(),
        key.map(KeyId::uuid),
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Standing::of(&row.roles, &row.permissions, row.scopes.as_deref(), row.teams)))
}

async fn service_account(
    tx: &mut SystemTx,
    tenant: TenantId,
    account: ServiceAccountId,
    key: Option<KeyId>,
) -> Result<Option<Standing>> {
    // It acts by a key, always: without one there is nothing.
    let row = sqlx::query!(
        r#"select s.roles, k.scopes,
                  s.permissions || array(select unnest(r.permissions) from roles r where r.tenant_id = s.tenant_id and r.name = any(s.roles)) as "permissions!"
           from service_accounts s join tenants t on t.tenant_id = s.tenant_id
           join api_keys k on k.tenant_id = s.tenant_id and k.id = $3 and k.service_account_id = s.id
                and k.revoked_at is null and (k.expires_at is null or k.expires_at > $4)
           where s.tenant_id = $1 and s.id = $2 and s.status = 'active' and t.status = 'active'"#,
        tenant.uuid(),
        account.uuid(),
        key.map(KeyId::uuid),
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Standing::of(&row.roles, &row.permissions, Some(&row.scopes), Vec::new())))
}
