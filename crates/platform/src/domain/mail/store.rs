//! All SQL on `mail_messages` and `mail_failures`.

use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{
    Error, Kernel, MailId, Mode, Page, PageQuery, Result, Sealed, SystemReason, SystemTx, TenantId, TenantTx, Timestamp,
};
use uuid::Uuid;

use super::http::MailFailure;
use super::model::{NewMail, Sealable};

/// What was delivered, given up or never sent stays so long, without its content.
const KEPT_FOR: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);
/// What nobody counts any more.
const REQUESTS_KEPT_FOR: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// Writes the message down in the transaction of what it tells: it is delivered if that is committed, and only then.
///
/// # Errors
/// PostgreSQL's.
pub async fn enqueue(tx: &mut SystemTx, new: &NewMail) -> Result<MailId> {
    let (id, now): (MailId, _) = (tx.new_id(), tx.now());
    let sealable = Sealable { to: new.to.clone(), subject: new.letter.subject.clone(), text: new.letter.text.clone() };
    let content = zeroize::Zeroizing::new(serde_json::to_vec(&sealable)?);
    let keys = tx.keys_of(PLATFORM_TENANT).await?;
    // Also for nobody: sealing takes time, and writing takes more.
    let sealed = keys.seal("mail_messages", "sealed", id.uuid(), &content)?;
    let tenants: Vec<Uuid> = new.tenants.iter().map(|tenant| tenant.uuid()).collect();
    let (status, sealed) = if new.to_somebody { ("waiting", Some(sealed)) } else { ("discarded", None) };
    sqlx::query!(
        "insert into mail_messages (id, kind, about, tenants, sealed, status, created_at, next_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
        id.uuid(),
        new.kind.as_str(),
        new.about,
        &tenants,
        sealed as Option<Sealed>,
        status,
        now,
        now.after(new.lasts)
    )
    .execute(&mut *tx)
    .await?;
    Ok(id)
}

/// A message that this node has taken.
pub(super) struct Taken {
    pub(super) id: MailId,
    pub(super) kind: String,
    pub(super) about: String,
    pub(super) tenants: Vec<TenantId>,
    pub(super) sealed: Option<Sealed>,
    pub(super) attempts: i32,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// Takes messages that are due: until `until` no other node does. A node that dies leaves them to whoever comes then.
pub(super) async fn take(tx: &mut SystemTx, until: Timestamp, at_most: i64) -> Result<Vec<Taken>> {
    let rows = sqlx::query_as!(
        Taken,
        r#"update mail_messages set attempts = attempts + 1, next_at = $2
           where id = any (array(
               select id from mail_messages where status = 'waiting' and next_at <= $1
               order by next_at limit $3 for update skip locked))
           returning id as "id: MailId", kind, about, tenants as "tenants: Vec<TenantId>", sealed as "sealed: Sealed", attempts,
                     created_at, expires_at"#,
        tx.now(),
        until,
        at_most
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows)
}

/// What the message says.
pub(super) async fn open(tx: &mut SystemTx, id: MailId, sealed: &Sealed) -> Result<Sealable> {
    let opened = tx.keys_of(PLATFORM_TENANT).await?.open("mail_messages", "sealed", id.uuid(), sealed.as_bytes())?;
    serde_json::from_slice(opened.expose()).map_err(Error::from)
}

/// The server took it: its content is erased.
pub(super) async fn delivered(tx: &mut SystemTx, id: MailId) -> Result<()> {
    sqlx::query!(
        "update mail_messages set status = 'delivered', sealed = null where id = $1 and status = 'waiting'",
        id.uuid()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// It is tried again then.
pub(super) async fn put_off(tx: &mut SystemTx, id: MailId, until: Timestamp) -> Result<()> {
    sqlx::query!("update mail_messages set next_at = $2 where id = $1 and status = 'waiting'", id.uuid(), until)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// It is given up: its content is erased, and whom it concerns can see that. `false` if another node was faster.
pub(super) async fn give_up(tx: &mut SystemTx, message: &Taken, reason: &str) -> Result<bool> {
    let done = sqlx::query!(
        "update mail_messages set status = 'failed', sealed = null where id = $1 and status = 'waiting'",
        message.id.uuid()
    )
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let tenants: Vec<Uuid> = message.tenants.iter().map(|tenant| tenant.uuid()).collect();
    sqlx::query!(
        "insert into mail_failures (tenant_id, id, kind, about, reason, failed_at)
         select tenant, $2, $3, $4, $5, $6 from unnest($1::uuid[]) as tenant",
        &tenants,
        message.id.uuid(),
        message.kind,
        message.about,
        reason,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(true)
}

/// A message that waits, in the outbox of a development instance.
pub(super) struct Waiting {
    pub(super) id: MailId,
    pub(super) kind: String,
    pub(super) sealed: Option<Sealed>,
    pub(super) created_at: Timestamp,
}

/// What waits, newest first.
pub(super) async fn waiting(tx: &mut SystemTx, page: &PageQuery) -> Result<Page<Waiting>> {
    let (at, id) = page.after::<(Timestamp, MailId)>()?.unzip();
    let rows = sqlx::query_as!(
        Waiting,
        r#"select id as "id: MailId", kind, sealed as "sealed: Sealed", created_at from mail_messages
           where status = 'waiting' and expires_at > $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
           order by created_at desc, id desc limit $4"#,
        tx.now(),
        at,
        id.map(MailId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows, |last| (last.created_at, last.id))
}

/// What could not be delivered, newest first.
pub(super) async fn failures<M: Mode>(tx: &mut TenantTx<M>, page: &PageQuery) -> Result<Page<MailFailure>> {
    let (at, id) = page.after::<(Timestamp, MailId)>()?.unzip();
    let rows = sqlx::query_as!(
        MailFailure,
        r#"select id as "id: MailId", kind, about, reason, failed_at from mail_failures
           where tenant_id = $1 and ($2::timestamptz is null or (failed_at, id) < ($2, $3::uuid))
           order by failed_at desc, id desc limit $4"#,
        tx.tenant().uuid(),
        at,
        id.map(MailId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows, |last| (last.failed_at, last.id))
}

/// Deletes what has run out. How many rows.
///
/// # Errors
/// PostgreSQL's; what was deleted before stays deleted.
pub async fn sweep(kernel: &Kernel) -> Result<u64> {
    Ok(kernel.sweep(SystemReason::Upkeep, messages).await?
        + kernel.sweep(SystemReason::Upkeep, told_failures).await?
        + kernel.sweep(SystemReason::Upkeep, requests).await?)
}

async fn messages(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from mail_messages where id in (select id from mail_messages where expires_at < $1 limit $2)",
        tx.now().before(KEPT_FOR),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

async fn told_failures(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from mail_failures where (tenant_id, id) in (
             select tenant_id, id from mail_failures where failed_at < $1 limit $2)",
        tx.now().before(KEPT_FOR),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}

async fn requests(tx: &mut SystemTx, most: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from mail_requests where subject in (select subject from mail_requests where since < $1 limit $2)",
        tx.now().before(REQUESTS_KEPT_FOR),
        most
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected())
}
