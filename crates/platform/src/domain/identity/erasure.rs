//! The end of a person: of one whom nobody has come to know, and of one who deletes their own account.

use serde::Serialize;
use tenure_kernel::{Result, SessionId, SystemTx, TeamId, TenantId, Timestamp, TokenId, UserId};
use utoipa::ToSchema;

use super::model::User;
use super::{link_store, store};

/// Deletes a person whom this organisation made, if they have never logged in and nobody asks them to be a member; whether
/// they were deleted.
///
/// # Errors
/// PostgreSQL's.
pub async fn delete_unknown_person(tx: &mut SystemTx, made_in: TenantId, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "delete from users u where u.id = $1 and u.created_in = $2
             and not exists (select from memberships m where m.user_id = u.id)
             and not exists (select from sessions s where s.user_id = u.id)",
        user.uuid(),
        made_in.uuid()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A membership of somebody who goes.
pub(super) struct Leaving {
    pub(super) tenant: TenantId,
    pub(super) organization: String,
}

/// All their memberships, in the order in which they are to be locked.
pub(super) async fn memberships(tx: &mut SystemTx, user: UserId) -> Result<Vec<Leaving>> {
    let rows = sqlx::query_as!(
        Leaving,
        r#"select m.tenant_id as "tenant: TenantId", t.name as organization
           from memberships m join tenants t on t.tenant_id = m.tenant_id where m.user_id = $1 order by m.tenant_id"#,
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows)
}

/// What became of a membership.
pub(super) enum Ended {
    /// It cannot end: nobody else is administrator.
    LastAdmin,
    /// It is over, and names nobody any more.
    Left,
    /// It had never been agreed to; it is declined, and holds what its administrator typed. The teams that they were in.
    Declined(Vec<TeamId>),
    /// It was over before. It names nobody any more either.
    Over,
}

/// Ends their membership of the tenant the transaction is in, takes their names out of it, and ends what acts for them there.
pub(super) async fn end_membership(tx: &mut SystemTx, leaving: &Leaving, user: UserId) -> Result<Ended> {
    let (tenant, now) = (leaving.tenant.uuid(), tx.now());
    let rows = sqlx::query!(
        r#"select user_id as "user: UserId", status, accepted_at is not null as "accepted!",
                  status = 'active' and 'admin' = any(roles) as "admin!"
           from memberships where tenant_id = $1 and (user_id = $2 or status = 'active' and 'admin' = any(roles))
           order by user_id for update"#,
        tenant,
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let Some(own) = rows.iter().find(|row| row.user == user) else { return Ok(Ended::Over) };
    if own.admin && !rows.iter().any(|row| row.admin && row.user != user) {
        return Ok(Ended::LastAdmin);
    }
    if !own.accepted {
        let left = link_store::decline_membership(tx, leaving.tenant, user).await?;
        return Ok(left.map_or(Ended::Over, Ended::Declined));
    }
    sqlx::query!(
        "with teams as (delete from team_members where tenant_id = $1 and user_id = $2),
              keys as (update api_keys set revoked_at = $3, updated_at = $3, last_used_address = null
                       where tenant_id = $1 and user_id = $2 and revoked_at is null),
              lines as (update user_import_lines l set username = '', email = '' from memberships m
                        where l.tenant_id = $1 and m.tenant_id = $1 and m.user_id = $2
                          and (l.user_id = $2 or lower(l.email) = lower(m.email))),
              invited as (update invitations i set email = 'deleted@invalid', updated_at = $3,
                                 status = case i.status when 'open' then 'revoked' else i.status end
                          from memberships m
                          where i.tenant_id = $1 and m.tenant_id = $1 and m.user_id = $2
                            and (i.accepted_by = $2 or lower(i.email) = lower(m.email)))
         update memberships set status = 'deactivated', username = 'deleted', email = '', full_name = 'Deleted account',
             roles = '{}', permissions = '{}', attributes = '{}', updated_at = $3
         where tenant_id = $1 and user_id = $2",
        tenant,
        user.uuid(),
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(if own.status == "deactivated" { Ended::Over } else { Ended::Left })
}

/// Deletes the person, and with them whatever hangs on them: credentials, sessions, outside identities.
pub(super) async fn delete_person(tx: &mut SystemTx, user: UserId) -> Result<()> {
    sqlx::query!("delete from users where id = $1", user.uuid()).execute(&mut *tx).await?;
    Ok(())
}

/// What the installation knows of a person, beside what their organisations do.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnData {
    /// The person.
    pub profile: User,
    /// What they can log in with, never the secret itself.
    pub credentials: Vec<OwnCredential>,
    /// The organisations that they belong to or that ask them to.
    pub memberships: Vec<OwnMembership>,
    /// Their sessions that are still on record, in every organisation.
    pub sessions: Vec<OwnSession>,
    /// The tokens cut out of their logins and keys that have not run out, in every organisation, newest first.
    pub delegated_tokens: Vec<OwnToken>,
}

/// Something to log in with.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnCredential {
    /// `password`, or another factor.
    pub kind: String,
    /// Since when it is as it is.
    pub updated_at: Timestamp,
}

/// What an organisation knows of the person.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnMembership {
    /// Short name of the organisation.
    pub organization: String,
    /// What it calls them.
    pub username: String,
    /// The address it has of them.
    pub email: String,
    /// The name it has of them.
    pub full_name: String,
    /// Where the membership stands.
    pub status: String,
    /// Names of roles.
    pub roles: Vec<String>,
    /// Single permissions.
    pub permissions: Vec<String>,
    /// What else it knows.
    pub attributes: serde_json::Value,
    /// Since when.
    pub created_at: Timestamp,
    /// When they agreed.
    pub accepted_at: Option<Timestamp>,
    /// When they declined.
    pub declined_at: Option<Timestamp>,
    /// When they last began a login there.
    pub last_login_at: Option<Timestamp>,
    /// When they last did something there.
    pub last_active_at: Option<Timestamp>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnSession {
    /// Identifier.
    pub id: SessionId,
    /// Short name of the organisation.
    pub organization: String,
    /// Through which program.
    pub client: String,
    /// From where.
    pub address: Option<String>,
    /// What the program called itself.
    pub user_agent: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed.
    pub last_seen_at: Timestamp,
    /// When it ended, where it was ended.
    pub revoked_at: Option<Timestamp>,
}

/// A delegated token, which itself is nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnToken {
    /// Identifier.
    pub id: TokenId,
    /// Short name of the organisation.
    pub organization: String,
    /// The permissions that it is cut down to, with spaces between.
    pub scope: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// When it was revoked, where it was.
    pub revoked_at: Option<Timestamp>,
}

/// All of it; of the tokens at most `most`.
///
/// # Errors
/// PostgreSQL's.
pub async fn own_data(tx: &mut SystemTx, user: UserId, most: i64) -> Result<OwnData> {
    let profile = store::user(tx, user).await?;
    let credentials = sqlx::query_as!(
        OwnCredential,
        r#"select kind as "kind!", updated_at as "updated_at!" from (
               select kind, updated_at from credentials where user_id = $1
               union all select 'totp', confirmed_at from totp_factors where user_id = $1 and confirmed_at is not null
               union all select 'passkey', created_at from passkeys where user_id = $1
               union all select 'trusted device', created_at from trusted_devices where user_id = $1) c order by 1, 2"#,
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let memberships = sqlx::query_as!(
        OwnMembership,
        "select t.slug as organization, m.username, m.email, m.full_name, m.status, m.roles, m.permissions, m.attributes, m.created_at,
                m.accepted_at, m.declined_at, m.last_login_at, m.last_active_at
         from memberships m join tenants t on t.tenant_id = m.tenant_id where m.user_id = $1 order by m.created_at, t.slug",
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let sessions = sqlx::query_as!(
        OwnSession,
        r#"select s.id as "id: SessionId", t.slug as organization, s.client, s.address, s.user_agent, s.created_at, s.last_seen_at, s.revoked_at
           from sessions s join tenants t on t.tenant_id = s.tenant_id where s.user_id = $1 order by s.created_at desc"#,
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let delegated_tokens = sqlx::query_as!(
        OwnToken,
        r#"select d.id as "id: TokenId", t.slug as organization, d.scope, d.created_at, d.expires_at, d.revoked_at
           from delegated_tokens d join tenants t on t.tenant_id = d.tenant_id where d.user_id = $1
           order by d.created_at desc, d.id limit $2"#,
        user.uuid(),
        most
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(OwnData { profile, credentials, memberships, sessions, delegated_tokens })
}
