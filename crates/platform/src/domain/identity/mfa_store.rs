//! All SQL on second factors that are codes, on trusted devices, and on what a login has proven.

use serde::Serialize;
use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{DeviceId, Page, PageQuery, Result, SessionId, SystemTx, TenantId, Timestamp, UserId};
use utoipa::ToSchema;

use super::authenticator::invalid;
use super::factors::TotpSecret;

/// Whether the person has a second factor. It stays so until the transaction ends: a login that begins must not escape
/// the end of all logins that comes with the first factor.
pub(super) async fn has_mfa(tx: &mut SystemTx, user: UserId) -> Result<bool> {
    let mfa =
        sqlx::query_scalar!("select mfa from users where id = $1 for share", user.uuid()).fetch_one(&mut *tx).await?;
    Ok(mfa)
}

/// The same, and nobody else changes it or logs in until the transaction ends.
pub(super) async fn has_mfa_alone(tx: &mut SystemTx, user: UserId) -> Result<bool> {
    let mfa =
        sqlx::query_scalar!("select mfa from users where id = $1 for update", user.uuid()).fetch_one(&mut *tx).await?;
    Ok(mfa)
}

/// As [`has_mfa_alone`], of an identifier that somebody presented.
pub(super) async fn lock_if_known(tx: &mut SystemTx, user: UserId) -> Result<()> {
    sqlx::query!("select from users where id = $1 for update", user.uuid()).fetch_optional(&mut *tx).await?;
    Ok(())
}

/// Which factors a person has.
#[derive(Debug, Clone)]
pub(super) struct Has {
    pub(super) totp_since: Option<Timestamp>,
    pub(super) passkeys: i64,
    pub(super) recovery_codes: i64,
    /// Whether their password is too short to stand alone.
    pub(super) short_password: bool,
}

pub(super) async fn has(tx: &mut SystemTx, user: UserId) -> Result<Has> {
    let row = sqlx::query!(
        r#"select (select confirmed_at from totp_factors where user_id = $1) as totp_since,
                  (select count(*) from passkeys where user_id = $1) as "passkeys!",
                  (select count(*) from recovery_codes where user_id = $1 and used_at is null) as "recovery_codes!",
                  exists (select from credentials where user_id = $1 and kind = 'password' and needs_mfa) as "short!""#,
        user.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(Has {
        totp_since: row.totp_since,
        passkeys: row.passkeys,
        recovery_codes: row.recovery_codes,
        short_password: row.short,
    })
}

/// How many of their API keys that have not ended, in whatever organisation, a login made that had proven no second factor.
pub(super) async fn keys_made_without(tx: &mut SystemTx, user: UserId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from memberships m join api_keys k on k.tenant_id = m.tenant_id and k.user_id = m.user_id
           where m.user_id = $1 and not k.second_factor and k.revoked_at is null
             and coalesce(least(k.expires_at, k.retires_at) > $2, true)"#,
        user.uuid(),
        tx.now()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(count)
}

/// A person's secret.
pub(super) struct Totp {
    pub(super) secret: TotpSecret,
    pub(super) confirmed: bool,
}

/// Keeps a secret that no code has confirmed yet, in the place of an earlier such one; `false` where one is confirmed.
pub(super) async fn put_totp(tx: &mut SystemTx, user: UserId, secret: &TotpSecret) -> Result<bool> {
    let keys = tx.keys_of(PLATFORM_TENANT).await?;
    let sealed = keys.seal("totp_factors", "secret", user.uuid(), secret.bytes())?;
    let done = sqlx::query!(
        "insert into totp_factors as f (user_id, secret, created_at) values ($1, $2, $3)
         on conflict (user_id) do update set secret = $2, created_at = $3, last_step = 0 where f.confirmed_at is null",
        user.uuid(),
        sealed.as_bytes(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn totp(tx: &mut SystemTx, user: UserId) -> Result<Option<Totp>> {
    let row = sqlx::query!(
        r#"select secret, confirmed_at is not null as "confirmed!" from totp_factors where user_id = $1"#,
        user.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let keys = tx.keys_of(PLATFORM_TENANT).await?;
    let secret = keys.open("totp_factors", "secret", user.uuid(), &row.secret)?;
    Ok(Some(Totp { secret: TotpSecret::from_bytes(secret.expose()), confirmed: row.confirmed }))
}

/// Takes the code of this step; `false` where it, or a later one, was taken before, on whatever node.
pub(super) async fn take_step(tx: &mut SystemTx, user: UserId, step: i64) -> Result<bool> {
    let done =
        sqlx::query!("update totp_factors set last_step = $2 where user_id = $1 and last_step < $2", user.uuid(), step)
            .execute(&mut *tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn confirm_totp(tx: &mut SystemTx, user: UserId) -> Result<()> {
    sqlx::query!("update totp_factors set confirmed_at = $2 where user_id = $1", user.uuid(), tx.now())
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// `true` if there was a confirmed one.
pub(super) async fn delete_totp(tx: &mut SystemTx, user: UserId) -> Result<bool> {
    let done = sqlx::query!("delete from totp_factors where user_id = $1 and confirmed_at is not null", user.uuid())
        .execute(&mut *tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts these in the place of all codes that the person had.
pub(super) async fn put_recovery_codes(tx: &mut SystemTx, user: UserId, digests: &[Vec<u8>]) -> Result<()> {
    sqlx::query!("delete from recovery_codes where user_id = $1", user.uuid()).execute(&mut *tx).await?;
    sqlx::query!(
        "insert into recovery_codes (user_id, digest) select $1, digest from unnest($2::bytea[]) as digest",
        user.uuid(),
        digests
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Uses up a code; `false` where it is none of theirs, or was used.
pub(super) async fn take_recovery_code(tx: &mut SystemTx, user: UserId, digest: &[u8]) -> Result<bool> {
    let done = sqlx::query!(
        "update recovery_codes set used_at = $3 where user_id = $1 and digest = $2 and used_at is null",
        user.uuid(),
        digest,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Everything that a person has beside the password; their devices with it.
pub(super) async fn delete_factors(tx: &mut SystemTx, user: UserId) -> Result<()> {
    sqlx::query!("delete from totp_factors where user_id = $1", user.uuid()).execute(&mut *tx).await?;
    sqlx::query!("delete from passkeys where user_id = $1", user.uuid()).execute(&mut *tx).await?;
    delete_what_stands_beside(tx, user).await
}

/// What is of no use without a second factor.
pub(super) async fn delete_what_stands_beside(tx: &mut SystemTx, user: UserId) -> Result<()> {
    sqlx::query!("delete from recovery_codes where user_id = $1", user.uuid()).execute(&mut *tx).await?;
    sqlx::query!("delete from auth_challenges where user_id = $1", user.uuid()).execute(&mut *tx).await?;
    delete_devices(tx, user).await
}

// Trusted devices -----------------------------------------------------------------------------------------------------

/// A device on which a second factor was proven, and is not asked for again for a while.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrustedDevice {
    /// Identifier.
    pub id: DeviceId,
    /// The address it was trusted from.
    pub address: Option<String>,
    /// What its program called itself.
    pub user_agent: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last logged in from.
    pub last_used_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

pub(super) async fn insert_device(
    tx: &mut SystemTx,
    user: UserId,
    digest: &[u8],
    expires_at: Timestamp,
) -> Result<DeviceId> {
    let (id, now): (DeviceId, _) = (tx.new_id(), tx.now());
    let (address, agent) = (tx.origin().address.map(|address| address.to_string()), tx.origin().user_agent.clone());
    sqlx::query!(
        "insert into trusted_devices (id, user_id, digest, address, user_agent, created_at, last_used_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $6, $7)",
        id.uuid(),
        user.uuid(),
        digest,
        address,
        agent.as_deref(),
        now,
        expires_at
    )
    .execute(&mut *tx)
    .await?;
    Ok(id)
}

/// A device that somebody presented.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownDevice {
    pub(super) id: DeviceId,
    /// When a second factor was proven on it.
    pub(super) proven_at: Timestamp,
}

/// The person's device of this digest, while it is trusted.
pub(super) async fn device(tx: &mut SystemTx, user: Option<UserId>, digest: &[u8]) -> Result<Option<KnownDevice>> {
    let row = sqlx::query!(
        r#"select id as "id: DeviceId", created_at from trusted_devices
           where digest = $1 and user_id = $2 and expires_at > $3"#,
        digest,
        user.map(UserId::uuid),
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| KnownDevice { id: row.id, proven_at: row.created_at }))
}

/// Whether the refresh token of this digest belongs to a login of this person that has not ended.
pub(super) async fn is_logged_in(tx: &mut SystemTx, user: Option<UserId>, refresh: &[u8]) -> Result<bool> {
    let there = sqlx::query_scalar!(
        r#"select exists (
               select from refresh_tokens r join sessions s on s.id = r.session_id
               where r.digest = $1 and s.user_id = $2 and s.revoked_at is null and s.expires_at > $3) as "there!""#,
        refresh,
        user.map(UserId::uuid),
        tx.now()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(there)
}

/// Whether the device is trusted still: it may be forgotten while a password is checked.
pub(super) async fn device_used(tx: &mut SystemTx, id: DeviceId) -> Result<bool> {
    let done = sqlx::query!("update trusted_devices set last_used_at = $2 where id = $1", id.uuid(), tx.now())
        .execute(&mut *tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Newest first.
pub(super) async fn devices(tx: &mut SystemTx, user: UserId, page: &PageQuery) -> Result<Page<TrustedDevice>> {
    let before = page.after::<DeviceId>()?;
    let rows = sqlx::query_as!(
        TrustedDevice,
        r#"select id as "id: DeviceId", address, user_agent, created_at, last_used_at, expires_at from trusted_devices
           where user_id = $1 and expires_at > $2 and ($3::uuid is null or id < $3) order by id desc limit $4"#,
        user.uuid(),
        tx.now(),
        before.map(DeviceId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows, |last| last.id)
}

pub(super) async fn delete_device(tx: &mut SystemTx, user: UserId, id: DeviceId) -> Result<bool> {
    let done = sqlx::query!("delete from trusted_devices where user_id = $1 and id = $2", user.uuid(), id.uuid())
        .execute(&mut *tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn delete_devices(tx: &mut SystemTx, user: UserId) -> Result<()> {
    sqlx::query!("delete from trusted_devices where user_id = $1", user.uuid()).execute(&mut *tx).await?;
    Ok(())
}

// What a login has proven -----------------------------------------------------------------------------------------------

/// When the login proved a second factor, when it last proved the best that its person has, and when it began. It does not
/// end before the transaction does.
///
/// # Errors
/// 401 for one that has ended since the request was let in.
pub(super) async fn proven(
    tx: &mut SystemTx,
    user: UserId,
    id: SessionId,
) -> Result<(Option<Timestamp>, Option<Timestamp>, Timestamp)> {
    // The person before the login, as whoever changes their factors locks them; the session that begins would ask for it later.
    sqlx::query!("select from users where id = $1 for key share", user.uuid()).fetch_optional(&mut *tx).await?;
    let row = sqlx::query!(
        r#"select mfa_at, proven_at, coalesce(begun_at, created_at) as "begun_at!: Timestamp"
           from sessions where id = $1 and revoked_at is null and expires_at > $2 for no key update"#,
        id.uuid(),
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    row.map(|row| (row.mfa_at, row.proven_at, row.begun_at)).ok_or_else(|| invalid().into())
}

/// The login proved a factor just now.
///
/// # Errors
/// 401 for one that has ended since the request was let in.
pub(super) async fn proved(tx: &mut SystemTx, id: SessionId, second: bool) -> Result<()> {
    let done = sqlx::query!(
        "update sessions set proven_at = $2, mfa_at = case when $3 then $2 else mfa_at end
         where id = $1 and revoked_at is null and expires_at > $2",
        id.uuid(),
        tx.now(),
        second
    )
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(invalid().into()) }
}

/// Whether the organisation asks its members for a second factor.
pub(super) async fn is_required(tx: &mut SystemTx, tenant: TenantId) -> Result<bool> {
    let required = sqlx::query_scalar!(
        r#"select coalesce((select require_mfa from tenant_security where tenant_id = $1), false) as "required!""#,
        tenant.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(required)
}

/// The person chose the password themselves; whether it is too short to stand alone.
pub(super) async fn password_is_own(tx: &mut SystemTx, user: UserId, needs_mfa: bool) -> Result<()> {
    sqlx::query!(
        "update credentials set needs_mfa = $2, must_change = false where user_id = $1 and kind = 'password'",
        user.uuid(),
        needs_mfa
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Whether more than this organisation rests on the person's login: another has them as a member who agreed to be one, or
/// they administer the platform.
pub(super) async fn belongs_elsewhere(tx: &mut SystemTx, user: UserId, tenant: TenantId) -> Result<bool> {
    let there = sqlx::query_scalar!(
        r#"select exists (
               select from memberships m join tenants t on t.tenant_id = m.tenant_id
               where m.user_id = $1 and m.tenant_id <> $2 and m.status in ('active', 'locked') and t.status <> 'deleted')
               or exists (select from platform_admins where user_id = $1) as "there!""#,
        user.uuid(),
        tenant.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(there)
}
