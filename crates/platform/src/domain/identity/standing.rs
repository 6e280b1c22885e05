//! What a login may do at this moment.

use std::sync::Arc;

use tenure_kernel::context::Owed;
use tenure_kernel::{Assurance, Factor, Result, SessionId, SystemTx, TeamId, TenantId, Timestamp, UserId};

/// Everything that decides what a login may do now.
pub(super) struct Standing {
    pub(super) user: UserId,
    pub(super) tenant: TenantId,
    pub(super) expires_at: Timestamp,
    pub(super) alive: bool,
    pub(super) tenant_active: bool,
    pub(super) roles: Vec<String>,
    pub(super) permissions: Vec<String>,
    pub(super) teams: Arc<[TeamId]>,
    pub(super) assurance: Assurance,
}

/// A login that proved no second factor is over as soon as its person has one.
pub(super) async fn standing(tx: &mut SystemTx, session: SessionId) -> Result<Option<Standing>> {
    let row = sqlx::query!(
        r#"select s.user_id as "user: UserId", s.tenant_id as "tenant: TenantId", s.expires_at,
                  s.revoked_at is null and u.status = 'active' and m.status = 'active' and t.status <> 'deleted'
                      and (s.mfa_at is not null or not u.mfa) as "alive!",
                  t.status = 'active' as "tenant_active!", m.roles,
                  m.permissions || array(select unnest(r.permissions) from roles r where r.tenant_id = m.tenant_id and r.name = any(m.roles)) as "permissions!",
                  array(select team_id from team_members tm where tm.tenant_id = m.tenant_id and tm.user_id = m.user_id) as "teams!: Vec<TeamId>",
                  s.proven_at, u.mfa and s.mfa_at is not null as "mfa!", u.mfa as has_mfa,
                  coalesce((select require_mfa from tenant_security ts where ts.tenant_id = s.tenant_id), false) as "required!",
                  exists (select from credentials c where c.user_id = s.user_id and c.kind = 'password'
                          and (c.must_change or c.needs_mfa and not u.mfa)) as "password_is_due!",
                  exists (select from totp_factors f where f.user_id = s.user_id and f.confirmed_at is not null) as "totp!",
                  exists (select from passkeys p where p.user_id = s.user_id) as "passkey!",
                  exists (select from recovery_codes c where c.user_id = s.user_id and c.used_at is null) as "recovery!"
           from sessions s
           join users u on u.id = s.user_id
           join tenants t on t.tenant_id = s.tenant_id
           join memberships m on m.tenant_id = s.tenant_id and m.user_id = s.user_id
           where s.id = $1"#,
        session.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kinds = [
        (!row.has_mfa, Factor::Password),
        (row.totp, Factor::Totp),
        (row.passkey, Factor::Passkey),
        (row.has_mfa && row.recovery, Factor::RecoveryCode),
    ];
    let owes = first_owed(row.password_is_due, row.required && !row.mfa);
    let assurance = Assurance {
        proven_at: row.proven_at,
        mfa: row.mfa,
        owes,
        factors: kinds.into_iter().filter_map(|(there, kind)| there.then_some(kind)).collect(),
    };
    Ok(Some(Standing {
        user: row.user,
        tenant: row.tenant,
        expires_at: row.expires_at,
        alive: row.alive,
        tenant_active: row.tenant_active,
        roles: row.roles,
        permissions: row.permissions,
        teams: row.teams.into(),
        assurance,
    }))
}

/// Whether this login is good for something in this organisation that was asked for with it: it is not over, its person and
/// organisation are in service, and it has nothing else to do first.
///
/// # Errors
/// PostgreSQL's.
pub async fn login_holds(tx: &mut SystemTx, tenant: TenantId, session: SessionId) -> Result<bool> {
    let now = tx.now();
    Ok(standing(tx, session).await?.is_some_and(|login| {
        let over = !login.alive || login.expires_at <= now;
        login.tenant == tenant && !over && login.tenant_active && login.assurance.owes.is_none()
    }))
}

/// What stands in the way of every login of a member.
#[derive(Debug, Clone, Copy)]
pub struct InTheWay {
    /// Whether the platform has suspended the person.
    pub suspended: bool,
    /// What each login has to do before it reaches anything else.
    pub owes: Option<Owed>,
}

/// What stands in the way of every login of this member.
///
/// # Errors
/// PostgreSQL's.
pub async fn in_the_way(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<InTheWay> {
    let row = sqlx::query!(
        r#"select u.mfa, u.status <> 'active' as "suspended!", coalesce((select require_mfa from tenant_security ts where ts.tenant_id = $1), false) as "required!",
                  exists (select from credentials c where c.user_id = u.id and c.kind = 'password'
                          and (c.must_change or c.needs_mfa and not u.mfa)) as "password_is_due!"
           from users u where u.id = $2"#,
        tenant.uuid(),
        user.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    // Of a deleted account the membership is left, and says so itself.
    let Some(row) = row else { return Ok(InTheWay { suspended: false, owes: None }) };
    let owes = first_owed(row.password_is_due, row.required && !row.mfa);
    Ok(InTheWay { suspended: row.suspended, owes })
}

/// The password first: what is set up beside it would otherwise be set up by whoever else knows it.
const fn first_owed(password: bool, second_factor: bool) -> Option<Owed> {
    match (password, second_factor) {
        (true, _) => Some(Owed::NewPassword),
        (false, true) => Some(Owed::SecondFactor),
        (false, false) => None,
    }
}
