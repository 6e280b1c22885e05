//! The offline verifier: finds the first event that was edited, deleted, inserted, moved or cut off.
//!
//! # What is found with what
//!
//! A signed checkpoint proves *that* something is wrong below its size. *Which* event it is takes more: a root is one hash,
//! and every change gives another. So the verifier holds the events against each list it is given of what was sealed, and
//! believes a list only as far as the list's own root is a signed one:
//!
//! | given | against whom | says |
//! | --- | --- | --- |
//! | a checkpoint | anyone who cannot change it or sign another | whether all events below its size are as sealed |
//! | several checkpoints | the same | between which two the first bad event lies ([`Kind::Unlocated`]) |
//! | and the seals' leaf hashes | who changed events but not their seals | the event, and what was done |
//! | and leaf hashes kept outside the database (level 0 tiles, an export) | anyone | the event, and what was done |
//! | the audit key | anyone without that key, checkpoint or not | the event, and what was done |
//!
//! Leaf hashes kept outside need no trust of their own: they are used only if a checkpoint's root is theirs. The audit key
//! needs no checkpoint, but can tell of a truncation only with one, and tells nothing of what its holder did.
//! What was cut off *after* the latest checkpoint that the verifier holds leaves no trace anywhere: that window is as long
//! as the interval at which checkpoints leave the database's reach.
//!
//! Stored checkpoints are believed when the log's key signed them, since who can change tables cannot sign, but a
//! checkpoint that the verifier holds comes first: it alone shows that stored ones were rolled back or signed anew.
//!
//! # Naming
//!
//! Events are compared by position, one pass, constant memory. At the first difference the verifier goes on to learn whether
//! the event that belongs here comes later, and whether the one that stands here belongs later:
//!
//! | | stands here: belongs later | belongs nowhere |
//! | --- | --- | --- |
//! | **belongs here: comes later** | reordered | inserted |
//! | **is gone** | deleted | edited |
//!
//! Only the first bad event is named: behind it, the rest can no longer be judged.

mod report;
mod track;

use uuid::Uuid;

pub use report::{CheckpointFault, Evidence, Fault, Finding, Kind, Report, Source};
use track::{Coverage, Mismatch, SignedRoot, Track};

use crate::{AuditKey, Checkpoint, Frontier, Hash, Mac, leaf_hash, note::VerifierKey};

/// One sealed event as it is stored: a seal and the event that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The index that the seal gives.
    pub index: u64,
    /// The id that the seal gives.
    pub event_id: Uuid,
    /// The event of that id.
    pub event: StoredEvent,
    /// The leaf hash in the seal.
    pub leaf_hash: Option<Hash>,
    /// The code stored with the event, see [`AuditKey::event`].
    pub event_mac: Option<Mac>,
    /// The code in the seal, see [`AuditKey::seal`].
    pub seal_mac: Option<Mac>,
}

/// What is stored of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredEvent {
    /// Its leaf bytes, rebuilt from its columns.
    Present(Vec<u8>),
    /// A row from which no leaf bytes can be rebuilt.
    Unreadable,
    /// Nothing, though nothing says that it may be gone.
    Missing,
    /// Nothing, because retention moved it: its leaf hash stands for it.
    Archived,
}

/// Verifies one tenant's log: give it checkpoints and what else there is, [`push`](Self::push) each record in the order of
/// indexes, then [`finish`](Self::finish).
pub struct Verifier<'a> {
    setup: Setup<'a>,
    run: Option<Run>,
}

/// What is known before the first record.
struct Setup<'a> {
    origin: String,
    log_keys: Vec<VerifierKey>,
    start: Frontier,
    roots: Vec<SignedRoot>,
    faults: Vec<CheckpointFault>,
    audit_keys: Vec<AuditKey>,
    leaf_hashes: Option<Box<dyn Iterator<Item = Hash> + Send + 'a>>,
    all_confirmed: bool,
}

/// What is learnt from the records.
struct Run {
    position: u64,
    /// Behind the last record whose event is there.
    last_present: u64,
    archived: u64,
    events: Track,
    seals: Track,
    outside: Track,
    by_seals: Option<(Mismatch, Option<Hash>)>,
    by_outside: Option<(Mismatch, Hash)>,
    by_key: Option<(Mismatch, Option<Mac>)>,
    forged: Option<Finding>,
    structural: Option<Finding>,
}

impl<'a> Verifier<'a> {
    /// A verifier of the log `origin`, whose checkpoints are signed by one of `log_keys` (several after a rotation).
    #[must_use]
    pub fn new(origin: impl Into<String>, log_keys: Vec<VerifierKey>) -> Self {
        let setup = Setup {
            origin: origin.into(),
            log_keys,
            start: Frontier::new(),
            roots: Vec::new(),
            faults: Vec::new(),
            audit_keys: Vec::new(),
            leaf_hashes: None,
            all_confirmed: false,
        };
        Self { setup, run: None }
    }

    /// Adds a checkpoint (a signed note). All are to be added before the first record.
    #[must_use]
    pub fn checkpoint(mut self, source: Source, note: &str) -> Self {
        match Checkpoint::open(note, &self.setup.origin, &self.setup.log_keys) {
            Ok(Checkpoint { size, root, .. }) => self.setup.roots.push(SignedRoot { size, root, source }),
            Err(error) => {
                self.setup.faults.push(CheckpointFault { source, size: None, fault: Fault::Rejected(error) });
            }
        }
        self
    }

    /// Checks the records' codes too, under any of these audit keys (several after a rotation). A record without codes is
    /// bad then.
    #[must_use]
    pub fn audit_keys(mut self, keys: Vec<AuditKey>) -> Self {
        self.setup.audit_keys = keys;
        self
    }

    /// Adds leaf hashes kept outside the database, in order of index, beginning where the records begin.
    #[must_use]
    pub fn leaf_hashes(mut self, hashes: impl Iterator<Item = Hash> + Send + 'a) -> Self {
        self.setup.leaf_hashes = Some(Box::new(hashes));
        self
    }

    /// Takes records that no checkpoint reaches for bad. Right where seals and the checkpoint over them are stored in one
    /// transaction, all stored checkpoints are given, and records and checkpoints are read from one snapshot.
    #[must_use]
    pub const fn all_confirmed(mut self) -> Self {
        self.setup.all_confirmed = true;
        self
    }

    /// Begins behind the events that `start` covers, for records of a part of the log. A wrong `start` shows at the next
    /// checkpoint.
    #[must_use]
    pub fn starting_at(mut self, start: Frontier) -> Self {
        self.setup.start = start;
        self
    }

    /// Takes the next record. The order is that of stored indexes; of equal ones, any.
    pub fn push(&mut self, record: &Record) {
        let run = self.run.get_or_insert_with(|| Run::new(&mut self.setup));
        run.push(record, &mut self.setup);
    }

    /// The result over all records pushed.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let run = self.run.take().unwrap_or_else(|| Run::new(&mut self.setup));
        run.finish(self.setup)
    }
}

impl Setup<'_> {
    /// Orders the roots by size, the verifier's own first, and drops those that another of the same size contradicts.
    fn order_roots(&mut self) {
        self.roots.sort_by_key(|signed| (signed.size, signed.source));
        let faults = &mut self.faults;
        self.roots.dedup_by(|later, first| {
            let same_size = later.size == first.size;
            if same_size && later.root != first.root {
                let (source, size) = (later.source, Some(later.size));
                faults.push(CheckpointFault { source, size, fault: Fault::Fork });
            }
            same_size
        });
    }

    fn verify_seal(&self, index: u64, leaf: Option<Hash>, mac: Option<Mac>) -> bool {
        let Some((leaf, mac)) = leaf.zip(mac) else { return false };
        self.audit_keys.iter().any(|key| key.verify_seal(index, &leaf, &mac))
    }

    fn verify_event(&self, leaf_bytes: &[u8], mac: Option<Mac>) -> bool {
        mac.is_some_and(|mac| self.audit_keys.iter().any(|key| key.verify_event(leaf_bytes, &mac)))
    }
}

impl Run {
    fn new(setup: &mut Setup<'_>) -> Self {
        setup.order_roots();
        let track = || Track::new(setup.start.clone(), &setup.roots);
        Self {
            position: setup.start.size(),
            last_present: setup.start.size(),
            archived: 0,
            events: track(),
            seals: track(),
            outside: track(),
            by_seals: None,
            by_outside: None,
            by_key: None,
            forged: None,
            structural: None,
        }
    }

    fn push(&mut self, record: &Record, setup: &mut Setup<'_>) {
        let actual = match &record.event {
            StoredEvent::Present(leaf_bytes) => Some(leaf_hash(leaf_bytes)),
            StoredEvent::Archived => record.leaf_hash,
            // Bytes that no event has.
            StoredEvent::Unreadable => Some(leaf_hash(&[])),
            StoredEvent::Missing => None,
        };
        self.archived += u64::from(record.event == StoredEvent::Archived);
        self.note_structure(record);
        self.compare_seal(record, actual);
        self.compare_outside(record, actual, setup);
        if !setup.audit_keys.is_empty() {
            self.check_codes(record, actual, setup);
        }
        self.events.push(actual, &setup.roots);
        self.seals.push(record.leaf_hash, &setup.roots);
        self.position += 1;
        if record.event != StoredEvent::Missing {
            self.last_present = self.position;
        }
    }

    /// The difference that `record` makes at the current position.
    fn mismatch(&self, record: &Record, actual: Option<Hash>) -> Mismatch {
        let (index, event_id) = (self.position, Some(record.event_id));
        Mismatch { index, event_id, actual, expected_later: false, actual_later: false }
    }

    /// Gaps, doubles and events that are not there need no list to be seen.
    fn note_structure(&mut self, record: &Record) {
        let (kind, event_id) = match record.event {
            _ if record.index > self.position => (Kind::Deleted, None),
            _ if record.index < self.position => (Kind::Inserted, Some(record.event_id)),
            StoredEvent::Missing => (Kind::Deleted, Some(record.event_id)),
            StoredEvent::Unreadable => (Kind::Edited, Some(record.event_id)),
            StoredEvent::Present(_) | StoredEvent::Archived => return,
        };
        let finding = Finding { index: self.position, kind, event_id, evidence: Evidence::Records };
        self.structural.get_or_insert(finding);
    }

    fn compare_seal(&mut self, record: &Record, actual: Option<Hash>) {
        if let Some((mismatch, expected)) = &mut self.by_seals {
            mismatch.expected_later |= actual.is_some() && actual == *expected;
            mismatch.actual_later |= mismatch.actual.is_some() && mismatch.actual == record.leaf_hash;
        } else if actual.is_none() || actual != record.leaf_hash {
            self.by_seals = Some((self.mismatch(record, actual), record.leaf_hash));
        }
    }

    fn compare_outside(&mut self, record: &Record, actual: Option<Hash>, setup: &mut Setup<'_>) {
        let outside = setup.leaf_hashes.as_mut().and_then(Iterator::next);
        if setup.leaf_hashes.is_some() {
            self.outside.push(outside, &setup.roots);
        }
        if let Some((mismatch, expected)) = &mut self.by_outside {
            mismatch.expected_later |= actual == Some(*expected);
            mismatch.actual_later |= outside.is_some() && mismatch.actual == outside;
        } else if let Some(expected) = outside.filter(|expected| actual != Some(*expected)) {
            self.by_outside = Some((self.mismatch(record, actual), expected));
        }
    }

    fn check_codes(&mut self, record: &Record, actual: Option<Hash>, setup: &Setup<'_>) {
        if let Some((mismatch, mac)) = &mut self.by_key {
            mismatch.expected_later =
                mismatch.expected_later || setup.verify_seal(mismatch.index, actual, record.seal_mac);
            mismatch.actual_later = mismatch.actual_later || setup.verify_seal(self.position, mismatch.actual, *mac);
        } else if !setup.verify_seal(self.position, actual, record.seal_mac) {
            self.by_key = Some((self.mismatch(record, actual), record.seal_mac));
        } else if let StoredEvent::Present(leaf_bytes) = &record.event
            && !setup.verify_event(leaf_bytes, record.event_mac)
        {
            let (index, event_id) = (self.position, Some(record.event_id));
            let forged = Finding { index, kind: Kind::Forged, event_id, evidence: Evidence::AuditKey };
            self.forged.get_or_insert(forged);
        }
    }

    fn finish(mut self, mut setup: Setup<'_>) -> Report {
        let signed_size = setup.roots.last().map_or(0, |signed| signed.size);
        self.read_on(&mut setup, signed_size);
        let (covered, forks) = self.events.coverage();
        let event = self.first_bad_event(&setup, covered, signed_size);
        let unconfirmed = (setup.all_confirmed && covered.authentic < self.position).then_some(Finding {
            index: covered.authentic,
            kind: Kind::Unconfirmed,
            event_id: None,
            evidence: Evidence::Checkpoints,
        });
        let mut checkpoints = setup.faults;
        checkpoints.extend(forks.into_iter().map(|(size, source)| CheckpointFault {
            source,
            size: Some(size),
            fault: Fault::Fork,
        }));
        Report {
            size: self.position,
            root: self.events.root(),
            confirmed: covered.authentic,
            archived: self.archived,
            first: event.map(|finding| self.name_the_end(finding)).or(unconfirmed),
            checkpoints,
        }
    }

    /// Reads what lies behind the last record: leaf hashes kept outside, and places that a signed root says there were.
    fn read_on(&mut self, setup: &mut Setup<'_>, signed_size: u64) {
        if let Some((mismatch, mac)) = &mut self.by_key {
            // A deletion without a trace moves the last event up, from a place that no record stands for any more.
            let mut places = self.position..=signed_size.max(self.position);
            mismatch.actual_later =
                mismatch.actual_later || places.any(|index| setup.verify_seal(index, mismatch.actual, *mac));
        }
        let Some(hashes) = &mut setup.leaf_hashes else { return };
        for expected in hashes {
            self.outside.push(Some(expected), &setup.roots);
            let index = self.position;
            let end = Mismatch { index, event_id: None, actual: None, expected_later: false, actual_later: false };
            let (mismatch, _) = self.by_outside.get_or_insert((end, expected));
            mismatch.actual_later |= mismatch.actual == Some(expected);
        }
    }

    /// The first bad event: of all that was noticed, the lowest; of equals, what is known best.
    fn first_bad_event(&self, setup: &Setup<'_>, covered: Coverage, signed_size: u64) -> Option<Finding> {
        let seals = self.seals.coverage().0.authentic;
        let outside = self.outside.coverage().0.authentic;
        let by_outside = self.by_outside.map(|(mismatch, _)| mismatch).filter(|mismatch| mismatch.index < outside);
        let by_key = self.by_key.map(|(mismatch, _)| mismatch);

        // Below these, the events are as they were sealed, so that a contradiction is the seals' fault.
        let intact_outside = by_outside.map_or(outside.min(self.position), |mismatch| mismatch.index);
        let intact_lists = covered.authentic.max(intact_outside);
        let intact_keys = if setup.audit_keys.is_empty() { 0 } else { by_key.map_or(self.position, |m| m.index) };
        let blame = |finding: Finding, intact: u64| {
            if finding.index < intact { Finding { kind: Kind::SealAltered, ..finding } } else { finding }
        };

        let found = [
            by_outside.map(|mismatch| mismatch.finding(Evidence::LeafHashes)),
            self.by_seals.map(|(mismatch, _)| {
                let evidence = if mismatch.index < seals { Evidence::Seals } else { Evidence::Records };
                blame(mismatch.finding(evidence), intact_lists.max(intact_keys))
            }),
            by_key.map(|mismatch| match mismatch.finding(Evidence::AuditKey) {
                // Nothing tells what was sealed behind the last signed root, nor whether anything was.
                Finding { kind: Kind::Edited, .. } if mismatch.index >= signed_size => {
                    Finding { kind: Kind::Forged, ..mismatch.finding(Evidence::AuditKey) }
                }
                finding => blame(finding, intact_lists),
            }),
            self.forged,
            self.structural.map(|finding| blame(finding, intact_lists.max(intact_keys))),
        ];
        let lowest = |altered: bool| {
            let of_kind = found.into_iter().flatten().filter(|finding| (finding.kind == Kind::SealAltered) == altered);
            of_kind.min_by_key(|finding| (finding.index, finding.evidence))
        };
        let event = match self.enclosed(setup, covered, signed_size) {
            None => lowest(false),
            Some((enclosed, end)) => lowest(false).filter(|finding| finding.index < end).or(Some(enclosed)),
        };
        event.or(lowest(true))
    }

    /// A deletion that nothing follows is a truncation.
    fn name_the_end(&self, finding: Finding) -> Finding {
        let at_end = finding.kind == Kind::Deleted && finding.index >= self.last_present;
        if at_end { Finding { kind: Kind::MissingAtEnd, ..finding } } else { finding }
    }

    /// What the signed roots say: a finding, and the index before which anything else says more.
    fn enclosed(&self, setup: &Setup<'_>, covered: Coverage, signed_size: u64) -> Option<(Finding, u64)> {
        let finding = |index, kind, evidence| Finding { index, kind, event_id: None, evidence };
        let unlocated = |before| {
            let found = finding(covered.authentic, Kind::Unlocated { before }, Evidence::Checkpoints);
            Some((found, before))
        };
        if let Some(wrong_at) = covered.wrong_at {
            return unlocated(wrong_at);
        }
        if self.position >= signed_size {
            return None;
        }
        // Nothing but the end can be missing where every record is known to stand where it was sealed.
        let vouched = !setup.audit_keys.is_empty() && self.by_key.is_none();
        if covered.authentic == self.position || vouched {
            let evidence = if vouched { Evidence::AuditKey } else { Evidence::Checkpoints };
            return Some((finding(self.position, Kind::MissingAtEnd, evidence), signed_size));
        }
        unlocated(signed_size)
    }
}
