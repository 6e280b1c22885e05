//! What whoever an execution runs for may do *now*: asked before each step that acts, remembered for seconds, forgotten at
//! once when something changes.
//!
//! A step never holds the login or the key that its execution was started with. It acts by what is cut out of them: what their
//! owner may do at this moment, within the scopes of the key and of the delegated token, in this workflow. A login may have
//! ended since; a key that was revoked, or has run out, ends it.

use std::sync::Arc;
use std::time::Duration;

use tenure_kernel::bus::Message;
use tenure_kernel::context::{DelegatedBy, Delegation, MAX_ACTORS};
use tenure_kernel::limits::OwnRates;
use tenure_kernel::permission::DelegationAct;
use tenure_kernel::{
    Actor, Assurance, Audited, Identity, Kernel, KeyId, Permission as _, PermissionSet, Principal, Result,
    ServiceAccountId, SystemReason, SystemTx, TeamId, TenantId, UserId,
};

use super::queue::Claim;
use crate::domain::access;
use crate::remembered::Remembered;

/// Even without news nothing is believed longer than this.
const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// Somebody in a tenant, by themselves or by one of their keys.
type Holder = (TenantId, Principal, Option<KeyId>);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Standings {
    kernel: Kernel,
    known: Remembered<Holder, Option<Standing>>,
}

#[derive(Debug, Clone)]
struct Standing {
    permissions: PermissionSet,
    teams: Arc<[TeamId]>,
}

impl Standings {
    pub(super) fn new(kernel: &Kernel) -> Self {
        let known: Remembered<Holder, Option<Standing>> = Remembered::new(50_000, BELIEVED_FOR);
        let stale = known.clone();
        kernel.bus().on_news(move |message| match message {
            Message::UserChanged { .. }
            | Message::KeyChanged { .. }
            | Message::ServiceAccountChanged { .. }
            | Message::TenantChanged { .. }
            | Message::NewsLost => stale.forget_all(),
            Message::SessionChanged { .. }
            | Message::TokenRevoked { .. }
            | Message::WorkQueued
            | Message::ExecutionCancelled { .. }
            | Message::ExecutionProgress { .. }
            | Message::Heartbeat { .. } => {}
        });
        Self { kernel: kernel.clone(), known }
    }

    /// What a step of this execution acts by; nothing if whoever started it, or whoever it came through, may not act any more.
    pub(super) async fn identity(&self, claim: &Claim) -> Result<Option<Arc<Identity>>> {
        let (tenant, actor) = (claim.tenant, claim.actor);
        let key = actor.delegation.map_or(actor.key, |by| by.key);
        let owner = actor.on_behalf_of.map_or(actor.principal, Principal::User);
        let Some(standing) = self.standing((tenant, owner, key)).await? else { return Ok(None) };
        let actors = actor.delegation.map_or([None; MAX_ACTORS], |by| by.actors);
        for acting in actors.into_iter().flatten() {
            let account = Principal::ServiceAccount(acting.account);
            let standing = self.standing((tenant, account, Some(acting.key))).await?;
            if !standing.is_some_and(|standing| standing.permissions.contains(DelegationAct::NEEDS)) {
                return Ok(None);
            }
        }
        let session = actor.delegation.map_or(actor.session, |by| by.session);
        let delegation = Delegation { by: DelegatedBy::Execution(claim.execution), session, key, actors };
        let actor = Actor { session: None, key: None, delegation: Some(delegation), ..actor };
        let permissions = claim.scope.map_or(standing.permissions, |scope| standing.permissions.intersection(scope));
        let (teams, rates, workflow) = (standing.teams, OwnRates::default(), Some(claim.workflow));
        Ok(Some(Arc::new(Identity {
            tenant,
            actor,
            permissions,
            teams,
            rates,
            assurance: Assurance::default(),
            workflow,
        })))
    }

    async fn standing(&self, holder: Holder) -> Result<Option<Standing>> {
        if let Some(standing) = self.known.get(&holder).filter(|_| self.kernel.bus().hears()) {
            return Ok(standing);
        }
        let (glance, believe) = (self.known.glance(), self.kernel.bus().hears());
        let standing = self.ask(holder).await?;
        if believe {
            self.known.keep(glance, holder, standing.clone());
        }
        Ok(standing)
    }

    async fn ask(&self, (tenant, principal, key): Holder) -> Result<Option<Standing>> {
        let system = self.kernel.system(SystemReason::EngineBatch);
        system
            .run(async |tx| {
                let standing = match principal {
                    Principal::User(user) => person(tx, tenant, user, key).await?,
                    Principal::ServiceAccount(account) => service_account(tx, tenant, account, key).await?,
                    Principal::System(_) | Principal::Anonymous => None,
                };
                Ok(Audited::none("asks again what an actor may do", standing))
            })
            .await
    }
}

impl Standing {
    /// What these roles and single permissions give, within the scopes of the key.
    fn of(roles: &[String], permissions: &[String], scopes: Option<&[String]>, teams: Vec<TeamId>) -> Self {
        let held = access::effective(roles, permissions);
        let scope = scopes.map(|scopes| PermissionSet::from_patterns(scopes.iter().map(String::as_str)));
        Self { permissions: scope.map_or(held, |scope| held.intersection(scope)), teams: teams.into() }
    }
}

/// A key ends with the second factor that its tenant asks of its owner, as it does when it is shown. Without a key a login's
/// proof was asked for when it began.
async fn person(tx: &mut SystemTx, tenant: TenantId, user: UserId, key: Option<KeyId>) -> Result<Option<Standing>> {
    let row = sqlx::query!(
        r#"select m.roles, k.scopes as "scopes?",
                  m.permissions || array(select unnest(r.permissions) from roles r where r.tenant_id = m.tenant_id and r.name = any(m.roles)) as "permissions!",
                  array(select team_id from team_members tm where tm.tenant_id = m.tenant_id and tm.user_id = m.user_id) as "teams!: Vec<TeamId>"
           from memberships m join tenants t on t.tenant_id = m.tenant_id
           left join api_keys k on k.tenant_id = m.tenant_id and k.id = $3 and k.user_id = m.user_id
                and k.revoked_at is null and (k.expires_at is null or k.expires_at > $4)
           where m.tenant_id = $1 and m.user_id = $2 and m.status = 'active' and t.status = 'active'
             and ($3::uuid is null or k.id is not null
                  and (m.mfa or not coalesce((select require_mfa from tenant_security ts where ts.tenant_id = m.tenant_id), false)))"#,
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
