//! All SQL on `device_logins`, and what the token endpoint asks of organisations.

use std::time::Duration;

use tenure_kernel::{Kernel, Result, SessionId, SystemReason, SystemTx, TenantId, Timestamp, UserId};

use super::device::DeviceLogin;
use crate::domain::identity::Session;

/// The short name of an organisation.
pub(super) async fn slug(tx: &mut SystemTx, tenant: TenantId) -> Result<String> {
    let slug =
        sqlx::query_scalar!("select slug from tenants where tenant_id = $1", tenant.uuid()).fetch_one(&mut *tx).await?;
    Ok(slug)
}

/// A program that asks.
pub(super) struct NewDeviceLogin<'a> {
    pub(super) digest: Vec<u8>,
    pub(super) user_code: Vec<u8>,
    pub(super) client: &'a str,
    pub(super) lasts: Duration,
    pub(super) poll_seconds: i32,
}

/// A code that another program shows at this moment is refused as a conflict: the program asks again.
pub(super) async fn insert_device(tx: &mut SystemTx, new: &NewDeviceLogin<'_>) -> Result<()> {
    let now = tx.now();
    let (address, agent) = (tx.origin().address.map(|address| address.to_string()), tx.origin().user_agent.clone());
    sqlx::query!(
        "insert into device_logins (digest, user_code, client, address, user_agent, poll_seconds, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.digest,
        new.user_code,
        new.client,
        address,
        agent.as_deref(),
        new.poll_seconds,
        now,
        now.after(new.lasts)
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What waits with this code.
pub(super) async fn pending_device(tx: &mut SystemTx, user_code: &[u8]) -> Result<Option<DeviceLogin>> {
    let found = sqlx::query_as!(
        DeviceLogin,
        "select client, address, user_agent, created_at, expires_at from device_logins
         where user_code = $1 and state = 'pending' and expires_at > $2",
        user_code,
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(found)
}

/// Writes down what this login decided; nothing if nothing waits.
pub(super) async fn decide_device(
    tx: &mut SystemTx,
    user_code: &[u8],
    session: SessionId,
    approve: bool,
) -> Result<Option<DeviceLogin>> {
    let decided = sqlx::query_as!(
        DeviceLogin,
        "update device_logins set state = case when $3 then 'approved' else 'denied' end, session_id = $2
         where user_code = $1 and state = 'pending' and expires_at > $4
         returning client, address, user_agent, created_at, expires_at",
        user_code,
        session.uuid(),
        approve,
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(decided)
}

/// What a program hears.
pub(super) enum Polled {
    /// No such login, or whoever approved it has logged out since.
    Unknown,
    Expired,
    /// It asks too often, and is to wait longer from now on.
    TooSoon,
    Pending,
    Denied,
    /// Once: it is used up.
    Approved(Session),
}

/// How a device login stands; what is decided is gone with the answer.
pub(super) async fn poll_device(tx: &mut SystemTx, digest: &[u8]) -> Result<Polled> {
    let now = tx.now();
    let row = sqlx::query!(
        r#"select d.state, d.expires_at, d.polled_at, d.poll_seconds, s.id as "session?: SessionId",
                  s.user_id as "user?: UserId", s.tenant_id as "tenant?: TenantId",
                  s.revoked_at is null and s.expires_at > $2 as "alive?"
           from device_logins d left join sessions s on s.id = d.session_id
           where d.digest = $1 for update of d"#,
        digest,
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(Polled::Unknown) };
    let wait = Duration::from_secs(u64::try_from(row.poll_seconds).unwrap_or_default());
    let too_soon = row.polled_at.is_some_and(|polled: Timestamp| now < polled.after(wait));
    if row.expires_at > now && (row.state == "pending" || too_soon) {
        sqlx::query!(
            "update device_logins set polled_at = $2, poll_seconds = least(3600, poll_seconds + case when $3 then 5 else 0 end)
             where digest = $1",
            digest,
            now,
            too_soon
        )
        .execute(&mut *tx)
        .await?;
        return Ok(if too_soon { Polled::TooSoon } else { Polled::Pending });
    }
    sqlx::query!("delete from device_logins where digest = $1", digest).execute(&mut *tx).await?;
    Ok(match (row.expires_at > now, row.state.as_str(), row.session.zip(row.user).zip(row.tenant), row.alive) {
        (false, ..) => Polled::Expired,
        (true, "denied", ..) => Polled::Denied,
        (true, "approved", Some(((id, user), tenant)), Some(true)) => Polled::Approved(Session { id, user, tenant }),
        _ => Polled::Unknown,
    })
}

/// Deletes device logins that ended a while ago; how many. Until then their program hears that they did.
///
/// # Errors
/// PostgreSQL's.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    const KEPT_FOR: Duration = Duration::from_secs(60 * 60);
    let delete = async |tx: &mut SystemTx, most: i64| {
        let done = sqlx::query!(
            "delete from device_logins where digest in (select digest from device_logins where expires_at < $1 limit $2)",
            tx.now().before(KEPT_FOR),
            most
        )
        .execute(&mut *tx)
        .await?;
        Ok(done.rows_affected())
    };
    kernel.sweep(SystemReason::Upkeep, delete).await
}
