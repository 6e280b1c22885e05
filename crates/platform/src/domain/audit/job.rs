//! The sealer: see the module's documentation for what it does in which order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenure_kernel::event::Outcome;
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::{Audited, Error, EventId, Kernel, NewEvent, Result, SystemReason, SystemTx, TenantId};
use tenure_tlog::note::SignerKey;
use tenure_tlog::{Checkpoint, Frontier, Hash, leaf_hash};
use uuid::Uuid;

use super::event::AuditEvent;
use super::model::{EventKey, EventRow, origin, signer};
use super::outside::Outside;
use super::seals::{self, Head, NewHeads, NewSeals};

/// How often it looks. An event is sealed at most this long, and the time of one round, after its commit.
const EVERY: Duration = Duration::from_millis(250);
/// Events sealed in one transaction, shared among the tenants of a round.
const BATCH: usize = 10_000;
/// Each tenant of a round gets at least this many, so that a busy one does not hold up the others.
const FAIR_SHARE: usize = 100;
const TENANTS: i64 = 100;
/// A log that cannot be sealed is left alone this long.
const REST: Duration = Duration::from_secs(10);
/// Leaf hashes read at once to catch up.
const CATCH_UP: i64 = 20_000;

/// Seals the events of all tenants; one node at a time does.
#[derive(Debug)]
pub struct Sealer {
    kernel: Kernel,
    outside: Option<Outside>,
    /// The trees of which this node's files hold all leaves, so that they need not be read again to grow.
    grown: HashMap<TenantId, Frontier>,
    /// Logs that could not be sealed: since when, and whether an event tells of it.
    resting: HashMap<TenantId, Resting>,
    /// The last tenant of the round before: the next begins behind it.
    after: Uuid,
}

#[derive(Debug, Clone, Copy)]
struct Resting {
    since: Instant,
    told: bool,
}

/// A log that may grow.
struct Log {
    tenant: TenantId,
    keys: Arc<TenantKeys>,
    signer: SignerKey,
    frontier: Frontier,
    /// Its size before this round.
    from: u64,
    new: Vec<Hash>,
}

/// Why a log may not grow: the words of the event that tells of it.
type Stopped = &'static str;

const ALTERED: Stopped = "the stored tree is not the one that was last signed: somebody changed the tables";
const BEHIND: Stopped =
    "the stored log is shorter than the checkpoint kept beside the database: it was rolled back or restored";
const FOREIGN: Stopped = "the checkpoint kept beside the database is not of this log, or its file is damaged";
const OTHER: Stopped =
    "the stored log does not begin with the one kept beside the database: somebody changed the tables";

/// What became of a round.
#[derive(Debug, Default)]
struct Round {
    grown: Vec<Grown>,
    stopped: Vec<TenantId>,
    /// Whether a tenant had more than its share.
    more: bool,
}

#[derive(Debug)]
struct Grown {
    tenant: TenantId,
    from: u64,
    hashes: Vec<Hash>,
    note: String,
    frontier: Frontier,
}

impl Sealer {
    /// A sealer that keeps checkpoints and leaf hashes in `outside` too.
    #[must_use]
    pub fn new(kernel: Kernel, outside: Option<Outside>) -> Self {
        Self { kernel, outside, grown: HashMap::new(), resting: HashMap::new(), after: Uuid::nil() }
    }

    /// Seals what comes, until dropped.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            loop {
                match self.round().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "events wait for their seals");
                        break;
                    }
                }
            }
        }
    }

    /// Seals a batch; whether more is waiting.
    ///
    /// # Errors
    /// When PostgreSQL or the files are gone. Nothing is lost: what was not sealed still waits.
    pub async fn round(&mut self) -> Result<bool> {
        let tenants = self.waiting().await?;
        if tenants.is_empty() {
            return Ok(false);
        }
        match self.seal(&tenants).await {
            Ok(more) => Ok(more),
            Err(error) if tenants.len() == 1 => {
                self.rest(&tenants, false);
                Err(error)
            }
            // One log must not hold up the others: each by itself.
            Err(_) => {
                let mut more = false;
                for tenant in tenants {
                    match self.seal(&[tenant]).await {
                        Ok(rest) => more |= rest,
                        Err(error) => {
                            tracing::warn!(%error, %tenant, "this log's events wait for their seals");
                            self.rest(&[tenant], false);
                        }
                    }
                }
                Ok(more)
            }
        }
    }

    fn rest(&mut self, tenants: &[TenantId], told: bool) {
        for tenant in tenants {
            let told = told || self.resting.get(tenant).is_some_and(|resting| resting.told);
            self.resting.insert(*tenant, Resting { since: Instant::now(), told });
        }
    }

    async fn waiting(&mut self) -> Result<Vec<TenantId>> {
        let after = self.after;
        let mut tenants = self
            .kernel
            .system(SystemReason::Seal)
            .run(async |tx| {
                let mut tenants = seals::waiting(tx, after, TENANTS).await?;
                if tenants.is_empty() && !after.is_nil() {
                    tenants = seals::waiting(tx, Uuid::nil(), TENANTS).await?;
                }
                Ok(Audited::none("looks whether there is something to seal", tenants))
            })
            .await?;
        let full = tenants.len() == usize::try_from(TENANTS).unwrap_or(usize::MAX);
        self.after = tenants.last().filter(|_| full).map_or(Uuid::nil(), |tenant| tenant.uuid());
        tenants.retain(|tenant| self.resting.get(tenant).is_none_or(|resting| resting.since.elapsed() > REST));
        Ok(tenants)
    }

    async fn seal(&mut self, tenants: &[TenantId]) -> Result<bool> {
        let kernel = self.kernel.clone();
        let round = kernel.system(SystemReason::Seal).run(async |tx| self.seal_in(tx, tenants).await).await?;
        self.rest(&round.stopped, true);
        for grown in &round.grown {
            self.resting.remove(&grown.tenant);
        }
        self.keep_outside(round.grown).await?;
        Ok(round.more)
    }

    async fn seal_in(&mut self, tx: &mut SystemTx, tenants: &[TenantId]) -> Result<Audited<Round>> {
        let (mut round, mut events) = (Round::default(), Vec::new());
        if !seals::try_lock(tx).await? {
            return Ok(Audited::none("another node seals at this moment", round));
        }
        let ids: Vec<Uuid> = tenants.iter().map(|tenant| tenant.uuid()).collect();
        let heads = seals::heads(tx, &ids).await?;
        let mut logs: HashMap<TenantId, Log> = HashMap::new();
        for tenant in tenants {
            let head = heads.iter().find(|head| head.tenant_id == tenant.uuid());
            match self.resume(tx, *tenant, head).await? {
                Ok(log) => {
                    logs.insert(*tenant, log);
                }
                Err(why) => {
                    tracing::error!(%tenant, "sealing stopped: {why}");
                    if !self.resting.get(tenant).is_some_and(|resting| resting.told) {
                        events.push(stopped(*tenant, why));
                    }
                    round.stopped.push(*tenant);
                }
            }
        }
        let (seals, refused, more) = grow(tx, &mut logs).await?;
        round.more = more;
        events.extend(refused);
        seals::insert_seals(tx, &seals).await?;
        round.grown = logs.into_values().filter(|log| !log.new.is_empty()).map(Log::signed).collect::<Result<_>>()?;
        seals::write_heads(tx, &new_heads(&round.grown)?).await?;
        Ok(Audited::many(round, events))
    }

    /// The log as it is stored, if it is the one that was last signed and `outside` knows of nothing newer.
    async fn resume(
        &mut self,
        tx: &mut SystemTx,
        tenant: TenantId,
        head: Option<&Head>,
    ) -> Result<Result<Log, Stopped>> {
        let keys = tx.keys_of(tenant).await?;
        let signer = signer(tenant, &keys)?;
        let verifier = signer.verifier().clone();
        let Some(frontier) = head.map_or_else(|| Some(Frontier::new()), Head::frontier) else {
            return Ok(Err(ALTERED));
        };
        let open = |note: &str| Checkpoint::open(note, &origin(tenant), std::slice::from_ref(&verifier)).ok();
        let is_head = |signed: &Checkpoint| signed.size == frontier.size() && signed.root == frontier.root();
        let held =
            self.outside.as_ref().map(|outside| outside.of(tenant).newest()).transpose().map_err(Error::internal)?;
        let held = match held.flatten().map(|note| open(&note)) {
            Some(None) => return Ok(Err(FOREIGN)),
            Some(Some(held)) => Some(held),
            None => None,
        };
        let known = match &held {
            Some(held) if held.size > frontier.size() => return Ok(Err(BEHIND)),
            Some(held) if held.size == frontier.size() && !is_head(held) => return Ok(Err(ALTERED)),
            Some(held) => is_head(held),
            None => frontier.size() == 0,
        };
        if !known {
            // Another node signed this head, or this one crashed before it wrote it down: it must be signed, and go on
            // from what is outside.
            let note = head.and_then(|head| head.note.as_deref());
            let note = note.filter(|note| open(note).is_some_and(|signed| is_head(&signed)));
            let Some(note) = note else { return Ok(Err(ALTERED)) };
            if !self.catch_up(tx, tenant, held.as_ref(), &frontier, note).await? {
                return Ok(Err(OTHER));
            }
        }
        Ok(Ok(Log { tenant, keys, signer, from: frontier.size(), frontier, new: Vec::new() }))
    }

    /// Extends the files to the stored head, if the stored log begins with what they hold; whether it does.
    async fn catch_up(
        &mut self,
        tx: &mut SystemTx,
        tenant: TenantId,
        held: Option<&Checkpoint>,
        head: &Frontier,
        note: &str,
    ) -> Result<bool> {
        let Some(outside) = self.outside.as_ref().map(|outside| outside.of(tenant)) else { return Ok(true) };
        let held_size = held.map_or(0, |held| held.size);
        let contradicts =
            |tree: &Frontier| held.is_some_and(|held| held.size == tree.size() && held.root != tree.root());
        let mut tree = self.grown.remove(&tenant).filter(|tree| tree.size() <= held_size).unwrap_or_default();
        let missing = usize::try_from(held_size - tree.size()).unwrap_or(usize::MAX);
        tree.extend(outside.leaves(tree.size()).map_err(Error::internal)?.take(missing));
        while tree.size() < head.size() {
            let from = tree.size();
            let hashes = seals::leaf_hashes(tx, tenant, from, CATCH_UP).await?;
            if hashes.is_empty() || contradicts(&tree) {
                return Ok(false);
            }
            for hash in hashes.iter().take(usize::try_from(head.size() - from).unwrap_or(usize::MAX)) {
                tree.push(*hash);
                if contradicts(&tree) {
                    return Ok(false);
                }
            }
            let last = tree.size() == head.size();
            if last && tree.root() != head.root() {
                return Ok(false);
            }
            outside.append(from, &hashes, last.then_some(note)).map_err(Error::internal)?;
        }
        self.grown.insert(tenant, tree);
        Ok(true)
    }

    /// Behind the commit: what it sealed is the log now, whatever happens here.
    async fn keep_outside(&mut self, grown: Vec<Grown>) -> Result<()> {
        let Some(outside) = self.outside.clone() else { return Ok(()) };
        let written = tokio::task::spawn_blocking(move || {
            for log in &grown {
                outside.of(log.tenant).append(log.from, &log.hashes, Some(&log.note))?;
            }
            Ok::<_, std::io::Error>(grown)
        });
        for log in written.await.map_err(Error::internal)?.map_err(Error::internal)? {
            self.grown.insert(log.tenant, log.frontier);
        }
        Ok(())
    }
}

/// Takes what waits for these logs and appends what is authentic: the new seals, the events that tell of what is not,
/// and whether a log had more than its share.
async fn grow(tx: &mut SystemTx, logs: &mut HashMap<TenantId, Log>) -> Result<(NewSeals, Vec<NewEvent>, bool)> {
    let (mut seals, mut refused) = (NewSeals::default(), Vec::new());
    let share = (BATCH / logs.len().max(1)).max(FAIR_SHARE);
    let ids: Vec<Uuid> = logs.keys().map(|tenant| tenant.uuid()).collect();
    let taken = seals::take(tx, &ids, i64::try_from(share).unwrap_or(i64::MAX)).await?;
    let tenants: Vec<Uuid> = taken.iter().map(|(tenant, _)| tenant.uuid()).collect();
    let (at, id): (Vec<_>, Vec<_>) = taken.iter().map(|(_, key)| *key).unzip();
    let rows = seals::events(tx, &tenants, (&at, &id)).await?;
    for (count, (tenant, key)) in taken.iter().enumerate() {
        let Some(log) = logs.get_mut(tenant) else { continue };
        // What else this thread is to do waits for so many signatures at most.
        if count % 32 == 31 {
            tokio::task::yield_now().await;
        }
        let row = rows.get(key).and_then(Option::as_ref).filter(|row| row.tenant_id == tenant.uuid());
        if !log.append(*key, row, &mut seals)? {
            tracing::error!(%tenant, event = %EventId::from_uuid(key.1), "a row that the application did not write waits for its seal");
            refused.push(row_refused(*tenant, *key, row.is_some()));
        }
    }
    let more = logs.values().any(|log| log.new.len() >= share);
    Ok((seals, refused, more))
}

impl Log {
    /// Appends the event, if the application wrote it; whether it did.
    fn append(&mut self, (at, id): EventKey, row: Option<&EventRow>, seals: &mut NewSeals) -> Result<bool> {
        let Some(bytes) = row.and_then(|row| row.authentic(self.keys.audit())) else { return Ok(false) };
        let (leaf, index) = (leaf_hash(&bytes), self.frontier.size());
        seals.tenant.push(self.tenant.uuid());
        seals.seq.push(i64::try_from(index).map_err(Error::internal)?);
        seals.event.push(id);
        seals.at.push(at);
        seals.leaf.push(leaf.0.to_vec());
        seals.mac.push(self.keys.audit().seal(index, &leaf).to_vec());
        self.frontier.push(leaf);
        self.new.push(leaf);
        Ok(true)
    }

    fn signed(self) -> Result<Grown> {
        let checkpoint = Checkpoint::new(origin(self.tenant), self.frontier.size(), self.frontier.root());
        let note = checkpoint.sign(&self.signer).map_err(Error::internal)?.to_string();
        Ok(Grown { tenant: self.tenant, from: self.from, hashes: self.new, note, frontier: self.frontier })
    }
}

fn new_heads(grown: &[Grown]) -> Result<NewHeads> {
    let mut heads = NewHeads::default();
    for log in grown {
        heads.tenant.push(log.tenant.uuid());
        heads.size.push(i64::try_from(log.frontier.size()).map_err(Error::internal)?);
        heads.frontier.push(log.frontier.nodes().iter().flat_map(|node| node.0).collect());
        heads.root.push(log.frontier.root().0.to_vec());
        heads.note.push(log.note.clone());
    }
    Ok(heads)
}

fn stopped(tenant: TenantId, why: Stopped) -> NewEvent {
    NewEvent::new(AuditEvent::SEALING_STOPPED, None).in_tenant(tenant).outcome(Outcome::Failure, why)
}

fn row_refused(tenant: TenantId, (at, id): EventKey, there: bool) -> NewEvent {
    let why = if there { "the row is not what the application wrote" } else { "the row is gone" };
    NewEvent::new(AuditEvent::ROW_REFUSED, None)
        .in_tenant(tenant)
        .outcome(Outcome::Failure, why)
        .detail("event", EventId::from_uuid(id))
        .detail("time", at)
}
