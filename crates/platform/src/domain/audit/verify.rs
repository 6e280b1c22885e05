//! Verifies a tenant's log as it is stored, and names the first event that is not what was sealed.

use std::time::Instant;

use serde::Serialize;
use sqlx::PgExecutor;
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::{Audited, Error, EventId, Kernel, Result, SystemReason, TenantId, Timestamp};
use tenure_tlog::note::{SignedNote, VerifierKey};
use tenure_tlog::verify::{CheckpointFault, Finding, Kind, Record, Report, Source, StoredEvent, Verifier};
use tenure_tlog::{Checkpoint, Frontier, Hash};
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{origin, signer};
use super::outside::Held;
use super::seals::{self, Seal, StoredCheckpoint};

/// Rows read at once.
const BATCH: i64 = 5_000;
const CHECKPOINTS: i64 = 1_000;

/// What the verifier brings along from outside the database.
#[derive(Debug, Default)]
pub struct Trusted {
    /// Checkpoints: signed notes.
    pub notes: Vec<String>,
    /// The files beside the database; their leaf hashes need no trust, a checkpoint authenticates them.
    pub files: Option<Held>,
}

/// How much is recomputed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every event and every stored checkpoint.
    Whole,
    /// This many of the newest events; the leaf hashes of all before them, and no checkpoints over those.
    Newest(u64),
}

/// What a verification found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verification {
    /// Whether nothing was found.
    pub ok: bool,
    /// The log's name, as in its checkpoints.
    pub origin: String,
    /// The log's public key, as a C2SP verifier key.
    pub vkey: String,
    /// Events in the log.
    pub size: u64,
    /// The root over them, in base64; absent if an event is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_hash: Option<String>,
    /// Events whose content was recomputed.
    pub events_checked: u64,
    /// Events not sealed yet, as a rule younger than a second.
    pub unsealed: u64,
    /// The newest stored checkpoint.
    pub checkpoint: Option<CheckpointView>,
    /// Whether a checkpoint kept outside the database was part of it. Without one, whoever can change the tables may
    /// have rolled all of them back together.
    pub compared_with_outside: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// When it was done.
    pub verified_at: Timestamp,
    /// The first fault in the order of the log.
    pub first_fault: Option<Fault>,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LogFault)]
pub struct Fault {
    /// `edited`, `deleted`, `inserted`, `reordered`, `missing-at-end`, `seal-altered`, `forged`, `unconfirmed`,
    /// `unlocated`, `withheld`, `checkpoint` or `tree-state`.
    pub kind: &'static str,
    /// The event's index in the log.
    pub index: Option<u64>,
    /// The event that stands there.
    pub event_id: Option<EventId>,
    /// In words.
    pub message: String,
}

/// A signed tree head.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointView {
    /// Leaves covered.
    pub size: u64,
    /// The root, in base64.
    pub root_hash: String,
    /// When it was signed.
    pub time: Timestamp,
    /// The signed note (C2SP checkpoint), verbatim.
    pub note: String,
}

impl From<StoredCheckpoint> for CheckpointView {
    fn from(row: StoredCheckpoint) -> Self {
        let root_hash = row.hash().map_or_else(String::new, |root| root.to_string());
        Self { size: row.size.cast_unsigned(), root_hash, time: row.created_at, note: row.note }
    }
}

impl StoredCheckpoint {
    fn hash(&self) -> Option<Hash> {
        Some(Hash(self.root.as_slice().try_into().ok()?))
    }

    /// Whether its columns say what its note says, signed or not.
    fn is_consistent(&self) -> bool {
        let signed = self.note.parse::<SignedNote>().ok().and_then(|note| note.text().parse::<Checkpoint>().ok());
        signed.is_some_and(|signed| Ok(signed.size) == u64::try_from(self.size) && Some(signed.root) == self.hash())
    }
}

/// Every tenant's id and short name.
///
/// # Errors
/// When PostgreSQL is gone.
pub async fn tenants(kernel: &Kernel) -> Result<Vec<(TenantId, String)>> {
    let system = kernel.system(SystemReason::Seal);
    system.run(async |tx| Ok(Audited::none("the operator's list of logs", seals::tenants(tx).await?))).await
}

/// Verifies a tenant's log as an operator: with the rights of the sealer, in one snapshot.
///
/// # Errors
/// When PostgreSQL or a file cannot be read, or the tenant's keys do not open. What is wrong with the log is no error.
pub async fn verify_tenant(kernel: &Kernel, tenant: TenantId, trusted: Trusted, depth: Depth) -> Result<Verification> {
    let system = kernel.system(SystemReason::Seal);
    system
        .run(async |tx| {
            seals::one_moment(tx).await?;
            let keys = tx.keys_of(tenant).await?;
            let now = tx.now();
            let found = verify_in(tx, &keys, (tenant, now), trusted, depth).await?;
            Ok(Audited::none("the operator's check leaves the log as it is", found))
        })
        .await
}

/// Verifies in the caller's transaction, which must see one moment (repeatable read).
///
/// # Errors
/// As [`verify_tenant`].
pub async fn verify_in<T>(
    tx: &mut T,
    keys: &TenantKeys,
    (tenant, now): (TenantId, Timestamp),
    trusted: Trusted,
    depth: Depth,
) -> Result<Verification>
where
    T: Send,
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let begun = Instant::now();
    let (origin, vkey) = (origin(tenant), signer(tenant, keys)?.verifier().clone());
    let start = start(tx, tenant, &trusted, depth, (&origin, &vkey)).await?;
    let from = start.size();
    let (stored, newest) = stored_checkpoints(tx, tenant, from).await?;
    let columns = stored.iter().find(|row| !row.is_consistent()).map(columns_differ);

    let mut verifier = Verifier::new(origin.clone(), vec![vkey.clone()])
        .audit_keys(vec![keys.audit().clone()])
        .starting_at(start)
        .all_confirmed();
    if let Some(files) = &trusted.files {
        verifier = verifier.leaf_hashes(files.leaves(from).map_err(Error::internal)?);
    }
    verifier = trusted.notes.iter().fold(verifier, |verifier, note| verifier.checkpoint(Source::Held, note));
    verifier = stored.iter().fold(verifier, |verifier, row| verifier.checkpoint(Source::Stored, &row.note));
    each_record(tx, tenant, from, |record| {
        verifier.push(record);
        Ok(())
    })
    .await?;
    let report = verifier.finish();

    let first_fault = match report.first {
        Some(finding) => Some(Fault::from(finding)),
        None => match slipped_past(tx, keys, tenant, depth).await? {
            Some(fault) => Some(fault),
            None => match report.checkpoints.first().map(Fault::from).or(columns) {
                Some(fault) => Some(fault),
                None => tree_state(tx, tenant, &report).await?,
            },
        },
    };
    Ok(Verification {
        ok: first_fault.is_none(),
        origin,
        vkey: vkey.to_string(),
        size: report.size,
        root_hash: report.root.map(|root| root.to_string()),
        events_checked: report.size - from,
        unsealed: seals::unsealed(tx, tenant).await?,
        checkpoint: newest,
        compared_with_outside: !trusted.notes.is_empty(),
        duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        verified_at: now,
        first_fault,
    })
}

/// The tree before the first event that is recomputed: made of leaf hashes alone, and wrong ones show at the next
/// checkpoint.
async fn start<T>(
    tx: &mut T,
    tenant: TenantId,
    trusted: &Trusted,
    depth: Depth,
    (origin, vkey): (&str, &VerifierKey),
) -> Result<Frontier>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let Depth::Newest(count) = depth else { return Ok(Frontier::new()) };
    let heads = seals::heads(tx, &[tenant.uuid()]).await?;
    let size = heads.first().map_or(0, |head| u64::try_from(head.size).unwrap_or(0));
    let held = trusted.notes.iter().filter_map(|note| Checkpoint::open(note, origin, std::slice::from_ref(vkey)).ok());
    // A held checkpoint that lies before the start would say nothing.
    let wanted = held.map(|held| held.size).fold(size.saturating_sub(count), u64::min);
    let mut tree = Frontier::new();
    while tree.size() < wanted {
        let left = usize::try_from(wanted - tree.size()).unwrap_or(usize::MAX);
        let hashes = seals::leaf_hashes(tx, tenant, tree.size(), 10 * BATCH).await?;
        if hashes.is_empty() {
            // The seals themselves are broken: everything is to be looked at.
            return Ok(Frontier::new());
        }
        tree.extend(hashes.into_iter().take(left));
    }
    Ok(tree)
}

/// The stored checkpoints of `from` leaves and more, and the newest.
async fn stored_checkpoints<T>(
    tx: &mut T,
    tenant: TenantId,
    from: u64,
) -> Result<(Vec<StoredCheckpoint>, Option<CheckpointView>)>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let (mut stored, mut below) = (Vec::new(), None);
    loop {
        let batch = seals::checkpoints(tx, tenant, below, CHECKPOINTS).await?;
        below = batch.last().map(|row| row.size);
        let done = batch.is_empty() || below.is_some_and(|size| from > 0 && size < from.cast_signed());
        stored.extend(batch.into_iter().filter(|row| from == 0 || row.size >= from.cast_signed()));
        if done {
            let newest = seals::checkpoints(tx, tenant, None, 1).await?.pop().map(CheckpointView::from);
            return Ok((stored, newest));
        }
    }
}

/// Gives `take` every record from index `from` on, in the order of the seals.
pub(super) async fn each_record<T>(
    tx: &mut T,
    tenant: TenantId,
    from: u64,
    mut take: impl FnMut(&Record) -> Result<()>,
) -> Result<()>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let mut after = match from {
        0 => (i64::MIN, Uuid::nil()),
        from => (from.cast_signed() - 1, Uuid::max()),
    };
    loop {
        let batch = seals::seals_after(tx, tenant, after, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(()) };
        after = (last.seq, last.event_id);
        let tenants = vec![tenant.uuid(); batch.len()];
        let (at, id): (Vec<_>, Vec<_>) = batch.iter().map(Seal::key).unzip();
        let mut rows = seals::events(tx, &tenants, (&at, &id)).await?;
        for seal in &batch {
            let row = rows.remove(&seal.key());
            let event_mac = row.as_ref().and_then(|row| row.as_ref()?.mac());
            let event = match row {
                None => StoredEvent::Missing,
                Some(row) => row.and_then(|row| row.leaf_bytes()).map_or(StoredEvent::Unreadable, StoredEvent::Present),
            };
            take(&Record {
                index: seal.seq.cast_unsigned(),
                event_id: seal.event_id,
                event,
                leaf_hash: seal.leaf(),
                event_mac,
                seal_mac: seal.mac(),
            })?;
        }
    }
}

/// The first event, by time, that is neither in the log nor waiting for it.
async fn slipped_past<T>(tx: &mut T, keys: &TenantKeys, tenant: TenantId, depth: Depth) -> Result<Option<Fault>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let mut after = match depth {
        Depth::Whole => None,
        Depth::Newest(count) => {
            let heads = seals::heads(tx, &[tenant.uuid()]).await?;
            let size = heads.first().map_or(0, |head| head.size);
            let before = (size.saturating_sub_unsigned(count), Uuid::nil());
            seals::seals_after(tx, tenant, before, 1).await?.first().filter(|seal| seal.seq > 0).map(Seal::key)
        }
    };
    loop {
        let batch = seals::places_after(tx, tenant, after, 4 * BATCH).await?;
        let Some(last) = batch.last() else { return Ok(None) };
        after = Some((last.at, last.id));
        let Some(stray) = batch.iter().find(|place| !place.known) else { continue };
        let rows = seals::events(tx, &[tenant.uuid()], (&[stray.at], &[stray.id])).await?;
        let row = rows.into_values().next().flatten();
        let written = row.is_some_and(|row| row.authentic(keys.audit()).is_some());
        let (kind, what) = if written {
            ("withheld", "was written by the application and kept from the log")
        } else {
            ("inserted", "was put into the table past the application; it is not in the log")
        };
        let event_id = EventId::from_uuid(stray.id);
        let message = format!("event {event_id} of {} {what}", stray.at);
        return Ok(Some(Fault { kind, index: None, event_id: Some(event_id), message }));
    }
}

/// What the sealer would go on from must be the tree of the events.
async fn tree_state<T>(tx: &mut T, tenant: TenantId, report: &Report) -> Result<Option<Fault>>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let heads = seals::heads(tx, &[tenant.uuid()]).await?;
    let tree = match heads.first() {
        None => Some(Frontier::new()),
        Some(head) => head.frontier(),
    };
    let fits = tree.is_some_and(|tree| tree.size() == report.size && Some(tree.root()) == report.root);
    let message = "the stored tree state is not that of the events: nothing will be sealed on it".to_owned();
    Ok((!fits).then_some(Fault { kind: "tree-state", index: Some(report.size), event_id: None, message }))
}

fn columns_differ(row: &StoredCheckpoint) -> Fault {
    let message = format!("the columns of the stored checkpoint of {} events contradict its note", row.size);
    Fault { kind: "checkpoint", index: u64::try_from(row.size).ok(), event_id: None, message }
}

impl From<Finding> for Fault {
    fn from(finding: Finding) -> Self {
        let kind = match finding.kind {
            Kind::Edited => "edited",
            Kind::Deleted => "deleted",
            Kind::Inserted => "inserted",
            Kind::Reordered => "reordered",
            Kind::MissingAtEnd => "missing-at-end",
            Kind::SealAltered => "seal-altered",
            Kind::Forged => "forged",
            Kind::Unconfirmed => "unconfirmed",
            Kind::Unlocated { .. } => "unlocated",
        };
        let event_id = finding.event_id.map(EventId::from_uuid);
        Self { kind, index: Some(finding.index), event_id, message: finding.to_string() }
    }
}

impl From<&CheckpointFault> for Fault {
    fn from(fault: &CheckpointFault) -> Self {
        Self { kind: "checkpoint", index: fault.size, event_id: None, message: fault.to_string() }
    }
}
