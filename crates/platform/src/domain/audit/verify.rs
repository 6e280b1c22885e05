//! Verifies a tenant's log as it is stored, and names the first event that is not what was sealed.

use std::collections::HashMap;
use std::sync::Arc;
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

use super::model::{EventKey, EventRow, origin, signer};
use super::outside::Held;
use super::personal;
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
    /// This many of the newest events, the leaf hashes of all before them, and of the stored checkpoints the newest.
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
    /// Of these, events whose personal values were erased: digests are left, by which the log still verifies.
    pub personal_erased: u64,
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
    keys: &Arc<TenantKeys>,
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
    let (stored, newest) = match depth {
        Depth::Whole => stored_checkpoints(tx, tenant).await?,
        Depth::Newest(_) => newest_checkpoint(tx, tenant).await?,
    };
    let columns = stored.iter().find(|row| !row.is_consistent()).map(columns_differ);

    let (name, key, audit) = (origin.clone(), vkey.clone(), keys.audit().clone());
    let leaves = trusted.files.as_ref().map(|files| files.leaves(from).map_err(Error::internal)).transpose()?;
    let compared_with_outside = !trusted.notes.is_empty();
    // Signatures, hashes and the files' reads are the processor's and the disk's work: not on a thread that serves others.
    let mut verifier = blocking(move || {
        let mut verifier = Verifier::new(name, vec![key]).audit_keys(vec![audit]).starting_at(start).all_confirmed();
        if let Some(leaves) = leaves {
            verifier = verifier.leaf_hashes(leaves);
        }
        verifier = trusted.notes.iter().fold(verifier, |verifier, note| verifier.checkpoint(Source::Held, note));
        stored.iter().fold(verifier, |verifier, row| verifier.checkpoint(Source::Stored, &row.note))
    })
    .await?;
    let mut batches = Batches::from(from);
    while let Some(batch) = batches.next(tx, tenant).await? {
        verifier = blocking(move || {
            batch.records().for_each(|record| verifier.push(&record));
            verifier
        })
        .await?;
    }
    let report = blocking(move || verifier.finish()).await?;
    let personal = personal::check(tx, keys, tenant, from).await?;

    let in_the_tree = report.first.map(Fault::from);
    let first_fault = match earlier(in_the_tree, personal.fault) {
        Some(fault) => Some(fault),
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
        personal_erased: personal.erased,
        unsealed: seals::unsealed(tx, tenant).await?,
        checkpoint: newest,
        compared_with_outside,
        duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        verified_at: now,
        first_fault,
    })
}

/// The one that comes first in the log.
fn earlier(one: Option<Fault>, other: Option<Fault>) -> Option<Fault> {
    match (one, other) {
        (Some(one), Some(other)) if other.index < one.index => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
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

/// Every stored checkpoint, and the newest of them as it is shown.
async fn stored_checkpoints<T>(tx: &mut T, tenant: TenantId) -> Result<(Vec<StoredCheckpoint>, Option<CheckpointView>)>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let (_, newest) = newest_checkpoint(tx, tenant).await?;
    let (mut stored, mut below) = (Vec::new(), None);
    loop {
        let batch = seals::checkpoints(tx, tenant, below, CHECKPOINTS).await?;
        let Some(last) = batch.last() else { return Ok((stored, newest)) };
        below = Some(last.size);
        stored.extend(batch);
    }
}

/// The newest stored checkpoint alone, to be verified and to be shown.
async fn newest_checkpoint<T>(tx: &mut T, tenant: TenantId) -> Result<(Vec<StoredCheckpoint>, Option<CheckpointView>)>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let shown = seals::checkpoints(tx, tenant, None, 1).await?.pop().map(CheckpointView::from);
    Ok((seals::checkpoints(tx, tenant, None, 1).await?, shown))
}

/// Runs what takes a processor for a while on a thread made for that.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

/// The sealed events in the order of their indexes, some thousand at a time.
pub(super) struct Batches {
    after: (i64, Uuid),
}

impl Batches {
    /// From this index on.
    pub(super) fn from(from: u64) -> Self {
        let after = match from {
            0 => (i64::MIN, Uuid::nil()),
            from => (from.cast_signed() - 1, Uuid::max()),
        };
        Self { after }
    }

    /// The next of them; none at the end.
    pub(super) async fn next<T>(&mut self, tx: &mut T, tenant: TenantId) -> Result<Option<Batch>>
    where
        for<'c> &'c mut T: PgExecutor<'c>,
    {
        let seals = seals::seals_after(tx, tenant, self.after, BATCH).await?;
        let Some(last) = seals.last() else { return Ok(None) };
        self.after = (last.seq, last.event_id);
        let tenants = vec![tenant.uuid(); seals.len()];
        let (at, id): (Vec<_>, Vec<_>) = seals.iter().map(Seal::key).unzip();
        let events = seals::events(tx, &tenants, (&at, &id)).await?;
        Ok(Some(Batch { seals, events }))
    }
}

/// Seals with the events that they name.
pub(super) struct Batch {
    seals: Vec<Seal>,
    events: HashMap<EventKey, Option<EventRow>>,
}

impl Batch {
    /// Each seal with the leaf bytes of its event.
    pub(super) fn records(self) -> impl Iterator<Item = Record> {
        let Self { seals, mut events } = self;
        seals.into_iter().map(move |seal| {
            let row = events.remove(&seal.key());
            let event_mac = row.as_ref().and_then(|row| row.as_ref()?.mac());
            let event = match row {
                None => StoredEvent::Missing,
                Some(row) => row.and_then(|row| row.leaf_bytes()).map_or(StoredEvent::Unreadable, StoredEvent::Present),
            };
            Record {
                index: seal.seq.cast_unsigned(),
                event_id: seal.event_id,
                event,
                leaf_hash: seal.leaf(),
                event_mac,
                seal_mac: seal.mac(),
            }
        })
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
