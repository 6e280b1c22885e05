//! All SQL on `mail_tokens`, and on people as far as mail changes them.

use std::time::Duration;

use tenure_kernel::{Personal, Result, SystemTx, TeamId, TenantId, Timestamp, UserId};

use super::model::{Email, User};
use crate::domain::mail::LinkToken;

/// What a link is for: one is no good for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    VerifyEmail,
    ChangeEmail,
    ResetPassword,
    Unlock,
}

impl Purpose {
    /// As it is stored; also the name of the page that the link opens.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::ChangeEmail => "change-email",
            Self::ResetPassword => "reset-password",
            Self::Unlock => "unlock",
        }
    }

    /// How long a link works.
    pub(super) const fn lasts(self) -> Duration {
        const HOUR: u64 = 60 * 60;
        match self {
            Self::VerifyEmail => Duration::from_secs(3 * 24 * HOUR),
            Self::ChangeEmail => Duration::from_secs(24 * HOUR),
            Self::ResetPassword | Self::Unlock => Duration::from_secs(HOUR),
        }
    }
}

/// A person whom mail may reach.
pub(super) struct Reached {
    pub(super) user: User,
    pub(super) verified: bool,
}

/// The person of this address, if they may log in at all.
pub(super) async fn of_email(tx: &mut SystemTx, email: &Email) -> Result<Option<Reached>> {
    let row = sqlx::query!(
        r#"select id as "id: UserId", username, email, full_name, created_at, email_verified_at is not null as "verified!"
           from users where lower(email) = lower($1) and status = 'active'"#,
        email.as_str()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| reached(row.id, row.username, row.email, row.full_name, row.created_at, row.verified)))
}

/// The person of this id, locked until the end of the transaction; nobody where they may not log in at all.
pub(super) async fn of_id(tx: &mut SystemTx, id: UserId) -> Result<Option<Reached>> {
    let row = sqlx::query!(
        r#"select username, email, full_name, created_at, email_verified_at is not null as "verified!"
           from users where id = $1 and status = 'active' for no key update"#,
        id.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| reached(id, row.username, row.email, row.full_name, row.created_at, row.verified)))
}

fn reached(
    id: UserId,
    username: String,
    email: String,
    full_name: String,
    created_at: Timestamp,
    verified: bool,
) -> Reached {
    let user =
        User { id, username: Personal(username), email: Personal(email), full_name: Personal(full_name), created_at };
    Reached { user, verified }
}

/// Whether it is known that mail reaches the person.
pub(super) async fn is_verified(tx: &mut SystemTx, user: UserId) -> Result<bool> {
    let verified = sqlx::query_scalar!(
        r#"select email_verified_at is not null as "verified!" from users where id = $1"#,
        user.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(verified.unwrap_or(false))
}

/// Writes down what a link carries; one of nobody opens nothing.
pub(super) async fn insert(
    tx: &mut SystemTx,
    purpose: Purpose,
    user: Option<UserId>,
    email: &str,
    token: &LinkToken,
) -> Result<()> {
    sqlx::query!(
        "insert into mail_tokens (digest, purpose, user_id, email, expires_at) values ($1, $2, $3, $4, $5)",
        token.digest,
        purpose.as_str(),
        user.map(UserId::uuid),
        email,
        tx.now().after(purpose.lasts())
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Whose link it is, and for which address.
pub(super) struct Holder {
    pub(super) user: UserId,
    pub(super) email: String,
}

/// Whose link it would be, without using it.
pub(super) async fn look(tx: &mut SystemTx, purpose: Purpose, digest: &[u8]) -> Result<Option<Holder>> {
    let row = sqlx::query_as!(
        Holder,
        r#"select user_id as "user!: UserId", email from mail_tokens
           where digest = $1 and purpose = $2 and expires_at > $3 and user_id is not null"#,
        digest,
        purpose.as_str(),
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row)
}

/// Uses the link up, and with it all others of this person and purpose. Of two that use it at once one finds nothing.
pub(super) async fn use_up(tx: &mut SystemTx, purpose: Purpose, digest: &[u8]) -> Result<Option<Holder>> {
    let used = sqlx::query_as!(
        Holder,
        r#"delete from mail_tokens where digest = $1 and purpose = $2 and expires_at > $3 and user_id is not null
           returning user_id as "user!: UserId", email"#,
        digest,
        purpose.as_str(),
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(holder) = &used {
        forget(tx, purpose, holder.user).await?;
    }
    Ok(used)
}

/// Links of this purpose that the person was sent open nothing from now on.
pub(super) async fn forget(tx: &mut SystemTx, purpose: Purpose, user: UserId) -> Result<()> {
    sqlx::query!("delete from mail_tokens where user_id = $1 and purpose = $2", user.uuid(), purpose.as_str())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Notes that mail to this address reached the person; `false` if that was known, or the address is not theirs any more.
pub(super) async fn verified(tx: &mut SystemTx, user: UserId, email: &str) -> Result<bool> {
    let done = sqlx::query!(
        "update users set email_verified_at = $3
         where id = $1 and lower(email) = lower($2) and email_verified_at is null",
        user.uuid(),
        email,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that mail to the person's address, whatever it is, reached them.
///
/// # Errors
/// PostgreSQL's.
pub async fn email_reached(tx: &mut SystemTx, user: UserId) -> Result<()> {
    sqlx::query!(
        "update users set email_verified_at = coalesce(email_verified_at, $2) where id = $1",
        user.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Sets the person's password, whether or not they have one.
pub(super) async fn set_password(tx: &mut SystemTx, user: UserId, hash: &str) -> Result<()> {
    sqlx::query!(
        "insert into credentials (user_id, kind, secret, updated_at) values ($1, 'password', $2, $3)
         on conflict (user_id, kind) do update set secret = excluded.secret, updated_at = excluded.updated_at",
        user.uuid(),
        hash,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Gives the person this address, which reached them.
///
/// # Errors
/// PostgreSQL's; `users_email_key` where it is somebody else's.
pub(super) async fn change_email(tx: &mut SystemTx, user: UserId, email: &str) -> Result<()> {
    sqlx::query!("update users set email = $2, email_verified_at = $3 where id = $1", user.uuid(), email, tx.now())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// The tenant that the transaction is in knows the person under this address from now on.
pub(super) async fn change_email_in(tx: &mut SystemTx, tenant: TenantId, user: UserId, email: &str) -> Result<()> {
    sqlx::query!(
        "update memberships set email = $3, updated_at = $4 where tenant_id = $1 and user_id = $2",
        tenant.uuid(),
        user.uuid(),
        email,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Makes the person a member of the tenant the transaction is in, with these roles, by their own will: also where they were
/// asked before, or declined. What they had been given then beside the roles they do not get: who invites them now need not
/// hold it. The teams that they were in so long; nothing where an administrator has put them out, or they are a member already.
///
/// # Errors
/// PostgreSQL's; `memberships_roles_exist` where a role is gone.
pub async fn join(tx: &mut SystemTx, tenant: TenantId, user: &User, roles: &[String]) -> Result<Option<Vec<TeamId>>> {
    let left = sqlx::query_scalar!(
        r#"with joined as (
             insert into memberships as m (
                 tenant_id, user_id, username, email, full_name, status, roles, created_at, updated_at, accepted_at)
             values ($1, $2, $3, $4, $5, 'active', $6, $7, $7, $7)
             on conflict (tenant_id, user_id) do update
                set status = 'active', roles = excluded.roles, permissions = '{}', attributes = '{}', updated_at = $7, accepted_at = $7
                where m.accepted_at is null and (m.status = 'invited' or m.declined_at is not null)
             returning user_id),
         left_teams as (
             delete from team_members t using joined where t.tenant_id = $1 and t.user_id = joined.user_id returning t.team_id)
         select array(select team_id from left_teams) as "left!: Vec<TeamId>" from joined"#,
        tenant.uuid(),
        user.id.uuid(),
        *user.username,
        *user.email,
        *user.full_name,
        roles,
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(left)
}

/// The person does not want to be a member of the tenant the transaction is in. What they had been given for the case ends, and
/// does not wait for another invitation. The teams that they were in; nothing if nobody asks them.
pub(super) async fn decline_membership(
    tx: &mut SystemTx,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<Vec<TeamId>>> {
    let left = sqlx::query_scalar!(
        r#"with declined as (
             update memberships set status = 'deactivated', permissions = '{}', attributes = '{}', declined_at = $3, updated_at = $3
             where tenant_id = $1 and user_id = $2 and status = 'invited' returning user_id),
         left_teams as (
             delete from team_members t using declined where t.tenant_id = $1 and t.user_id = declined.user_id returning t.team_id)
         select array(select team_id from left_teams) as "left!: Vec<TeamId>" from declined"#,
        tenant.uuid(),
        user.uuid(),
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(left)
}

/// Deletes links that have run out. How many rows.
pub(super) async fn sweep_tokens(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from mail_tokens where digest in (select digest from mail_tokens where expires_at < $1 limit $2)",
        tx.now(),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
