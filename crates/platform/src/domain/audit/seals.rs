//! All SQL of the sealer and the verifier.
//!
//! What both need is generic over the transaction: the sealer works across tenants, a verification in the console as the
//! tenant that asks for it.

use std::collections::HashMap;

use sqlx::PgExecutor;
use tenure_kernel::{Result, SystemTx, TenantId, Timestamp};
use tenure_tlog::{Frontier, Hash, Mac};
use uuid::Uuid;

use super::model::{EventKey, EventRow};

/// Whether this transaction is the one that seals; the lock ends with it.
pub(super) async fn try_lock(tx: &mut SystemTx) -> Result<bool> {
    let got = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock(hashtext('tenure sealer')) as "got!""#)
        .fetch_one(&mut *tx)
        .await?;
    Ok(got)
}

/// Tenants with unsealed events, in the order of their ids, beginning behind `after`. A skip scan: one index probe each,
/// however many events wait.
pub(super) async fn waiting(tx: &mut SystemTx, after: Uuid, limit: i64) -> Result<Vec<TenantId>> {
    let tenants = sqlx::query_scalar!(
        r#"with recursive skip as (
               (select tenant_id from unsealed_events where tenant_id > $1 order by tenant_id limit 1)
               union all
               select (select u.tenant_id from unsealed_events u where u.tenant_id > skip.tenant_id order by u.tenant_id limit 1)
               from skip where skip.tenant_id is not null
           )
           select tenant_id as "tenant_id!: TenantId" from skip where tenant_id is not null limit $2"#,
        after,
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(tenants)
}

/// Where a tenant's tree stands, as it is stored.
#[derive(Debug)]
pub(super) struct Head {
    pub tenant_id: Uuid,
    pub size: i64,
    pub frontier: Vec<u8>,
    /// The signed checkpoint of that size.
    pub note: Option<String>,
}

impl Head {
    /// Its parts as a frontier, if they fit each other.
    pub fn frontier(&self) -> Option<Frontier> {
        let (hashes, rest) = self.frontier.as_chunks::<{ Hash::LEN }>();
        let nodes = hashes.iter().copied().map(Hash).collect();
        Frontier::from_parts(u64::try_from(self.size).ok()?, nodes).ok().filter(|_| rest.is_empty())
    }
}

/// The stored heads of these tenants.
pub(super) async fn heads<T>(tx: &mut T, tenants: &[Uuid]) -> Result<Vec<Head>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let heads = sqlx::query_as!(
        Head,
        r#"select t.tenant_id as "tenant_id!", t.size as "size!", t.frontier as "frontier!", c.note as "note?"
           from tree_states t left join checkpoints c on c.tenant_id = t.tenant_id and c.size = t.size
           where t.tenant_id = any($1)"#,
        tenants
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(heads)
}

/// Takes up to `limit` unsealed events of each tenant, the oldest first.
pub(super) async fn take(tx: &mut SystemTx, tenants: &[Uuid], limit: i64) -> Result<Vec<(TenantId, EventKey)>> {
    // By physical place: nobody else deletes here, and a join back to the table would be planned badly.
    let rows = sqlx::query!(
        r#"delete from unsealed_events where ctid = any(array(
               select w.ctid from unnest($1::uuid[]) t (tenant_id)
               cross join lateral (select ctid from unsealed_events u where u.tenant_id = t.tenant_id order by at, id limit $2) w))
           returning tenant_id as "tenant_id: TenantId", at, id"#,
        tenants,
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut taken: Vec<_> = rows.into_iter().map(|row| (row.tenant_id, (row.at, row.id))).collect();
    taken.sort_unstable();
    Ok(taken)
}

/// The events of these keys. Two rows of one key, which nothing but a broken table can hold, give nothing.
pub(super) async fn events<T>(
    tx: &mut T,
    tenants: &[Uuid],
    keys: (&[Timestamp], &[Uuid]),
) -> Result<HashMap<EventKey, Option<EventRow>>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let rows = sqlx::query_as!(
        EventRow,
        r#"select e.tenant_id, e.id, e.at, e.schema_version, e.principal, e.session_id, e.key_id, e.on_behalf_of, e.action,
               e.resource_type, e.resource_id, e.outcome, e.reason, e.request_id, e.trace_id, e.region, e.policy_version,
               e.diff, e.address_digest, e.user_agent_digest, e.hmac
           from unnest($1::uuid[], $2::timestamptz[], $3::uuid[]) k (tenant_id, at, id)
           join events e on e.tenant_id = k.tenant_id and e.at = k.at and e.id = k.id"#,
        tenants,
        keys.0 as &[Timestamp],
        keys.1
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut events: HashMap<EventKey, Option<EventRow>> = HashMap::with_capacity(rows.len());
    for row in rows {
        events.entry((row.at, row.id)).and_modify(|other| *other = None).or_insert(Some(row));
    }
    Ok(events)
}

/// Seals to be written, one array per column.
#[derive(Debug, Default)]
pub(super) struct NewSeals {
    pub tenant: Vec<Uuid>,
    pub seq: Vec<i64>,
    pub event: Vec<Uuid>,
    pub at: Vec<Timestamp>,
    pub leaf: Vec<Vec<u8>>,
    pub mac: Vec<Vec<u8>>,
}

pub(super) async fn insert_seals(tx: &mut SystemTx, seals: &NewSeals) -> Result<()> {
    sqlx::query!(
        "insert into event_seals (tenant_id, seq, event_id, event_at, leaf_hash, seal_mac)
         select * from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::bytea[], $6::bytea[])",
        &seals.tenant,
        &seals.seq,
        &seals.event,
        &seals.at as &[Timestamp],
        &seals.leaf,
        &seals.mac
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Tree heads to be written, one array per column.
#[derive(Debug, Default)]
pub(super) struct NewHeads {
    pub tenant: Vec<Uuid>,
    pub size: Vec<i64>,
    pub frontier: Vec<Vec<u8>>,
    pub root: Vec<Vec<u8>>,
    pub note: Vec<String>,
}

pub(super) async fn write_heads(tx: &mut SystemTx, heads: &NewHeads) -> Result<()> {
    sqlx::query!(
        "insert into tree_states (tenant_id, size, frontier)
         select * from unnest($1::uuid[], $2::bigint[], $3::bytea[])
         on conflict (tenant_id) do update set size = excluded.size, frontier = excluded.frontier",
        &heads.tenant,
        &heads.size,
        &heads.frontier
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into checkpoints (tenant_id, size, root, note, created_at)
         select n.*, $5 from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::text[]) n",
        &heads.tenant,
        &heads.size,
        &heads.root,
        &heads.note,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The leaf hashes that the seals from `from` on hold, in order; ends before the first that is out of place.
pub(super) async fn leaf_hashes<T>(tx: &mut T, tenant: TenantId, from: u64, limit: i64) -> Result<Vec<Hash>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let rows = sqlx::query!(
        "select seq, leaf_hash from event_seals where tenant_id = $1 and seq >= $2 order by seq limit $3",
        tenant.uuid(),
        i64::try_from(from).unwrap_or(i64::MAX),
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    let in_place = rows.into_iter().zip(from..).take_while(|(row, index)| u64::try_from(row.seq) == Ok(*index));
    Ok(in_place.map_while(|(row, _)| Some(Hash(row.leaf_hash.try_into().ok()?))).collect())
}

/// A seal as it is stored.
#[derive(Debug)]
pub(super) struct Seal {
    pub seq: i64,
    pub event_id: Uuid,
    pub event_at: Timestamp,
    pub leaf_hash: Vec<u8>,
    pub seal_mac: Vec<u8>,
}

impl Seal {
    pub fn key(&self) -> EventKey {
        (self.event_at, self.event_id)
    }

    pub fn leaf(&self) -> Option<Hash> {
        Some(Hash(self.leaf_hash.as_slice().try_into().ok()?))
    }

    pub fn mac(&self) -> Option<Mac> {
        self.seal_mac.as_slice().try_into().ok()
    }
}

/// The seals behind `after`, in the order of their indexes.
pub(super) async fn seals_after<T>(tx: &mut T, tenant: TenantId, after: (i64, Uuid), limit: i64) -> Result<Vec<Seal>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let seals = sqlx::query_as!(
        Seal,
        "select seq, event_id, event_at, leaf_hash, seal_mac from event_seals
         where tenant_id = $1 and (seq, event_id) > ($2, $3) order by seq, event_id limit $4",
        tenant.uuid(),
        after.0,
        after.1,
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(seals)
}

/// What of a sealed event its leaf does not hold, and what it holds of that.
#[derive(Debug)]
pub(super) struct PersonalRow {
    pub seq: i64,
    pub id: Uuid,
    pub diff: Option<serde_json::Value>,
    pub address_digest: Option<Vec<u8>>,
    pub user_agent_digest: Option<Vec<u8>>,
    pub personal: Option<Vec<u8>>,
    pub personal_key_id: Option<Uuid>,
    pub hmac_key_id: Uuid,
}

/// The sealed events behind `after`, in the order of the log; those that are gone are left out.
pub(super) async fn personal_after<T>(
    tx: &mut T,
    tenant: TenantId,
    after: (i64, Uuid),
    limit: i64,
) -> Result<Vec<PersonalRow>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let rows = sqlx::query_as!(
        PersonalRow,
        "select s.seq, e.id, e.diff, e.address_digest, e.user_agent_digest, e.personal, e.personal_key_id, e.hmac_key_id
         from event_seals s join events e on e.tenant_id = s.tenant_id and e.at = s.event_at and e.id = s.event_id
         where s.tenant_id = $1 and (s.seq, s.event_id) > ($2, $3) order by s.seq, s.event_id limit $4",
        tenant.uuid(),
        after.0,
        after.1,
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows)
}

/// A checkpoint as it is stored.
#[derive(Debug)]
pub(super) struct StoredCheckpoint {
    pub size: i64,
    pub root: Vec<u8>,
    pub note: String,
    pub created_at: Timestamp,
}

/// The stored checkpoints below `below`, largest first.
pub(super) async fn checkpoints<T>(
    tx: &mut T,
    tenant: TenantId,
    below: Option<i64>,
    limit: i64,
) -> Result<Vec<StoredCheckpoint>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let checkpoints = sqlx::query_as!(
        StoredCheckpoint,
        "select size, root, note, created_at from checkpoints
         where tenant_id = $1 and ($2::bigint is null or size < $2) order by size desc limit $3",
        tenant.uuid(),
        below,
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(checkpoints)
}

/// An event, and whether it is in the log or waits for it.
#[derive(Debug)]
pub(super) struct Place {
    pub at: Timestamp,
    pub id: Uuid,
    pub known: bool,
}

/// The events behind `after`, by time, each with whether the log or its queue knows of it.
pub(super) async fn places_after<T>(
    tx: &mut T,
    tenant: TenantId,
    after: Option<EventKey>,
    limit: i64,
) -> Result<Vec<Place>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let (at, id) = after.unzip();
    let places = sqlx::query_as!(
        Place,
        r#"with batch as materialized (
               select at, id from events where tenant_id = $1 and ($2::timestamptz is null or (at, id) > ($2, $3::uuid))
               order by at, id limit $4
           )
           select at, id,
               exists (select from event_seals s where s.tenant_id = $1 and s.event_id = batch.id)
               or exists (select from unsealed_events u where u.tenant_id = $1 and u.at = batch.at and u.id = batch.id) as "known!"
           from batch order by at, id"#,
        tenant.uuid(),
        at,
        id,
        limit
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(places)
}

/// How many events wait for their seal.
pub(super) async fn unsealed<T>(tx: &mut T, tenant: TenantId) -> Result<u64>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let count =
        sqlx::query_scalar!(r#"select count(*) as "count!" from unsealed_events where tenant_id = $1"#, tenant.uuid())
            .fetch_one(&mut *tx)
            .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// From here on the transaction sees one moment. To be called before its first query.
pub(super) async fn one_moment<T>(tx: &mut T) -> Result<()>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *tx).await?;
    Ok(())
}

/// Every tenant, by its short name.
pub(super) async fn tenants(tx: &mut SystemTx) -> Result<Vec<(TenantId, String)>> {
    let rows = sqlx::query!(r#"select tenant_id as "tenant_id: TenantId", slug from tenants order by slug"#)
        .fetch_all(&mut *tx)
        .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_id, row.slug)).collect())
}
