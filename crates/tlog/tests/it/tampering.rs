//! A superuser tampers with an in-memory store; the verifier must name the first bad event.

use std::collections::HashMap;

use tenure_tlog::{
    AuditKey, Checkpoint, Frontier, Hash, Mac, leaf_hash,
    note::SignerKey,
    verify::{Evidence, Fault, Kind, Record, Report, Source, StoredEvent, Verifier},
};
use uuid::Uuid;

const ORIGIN: &str = "audit.example.com/t1";

/// Splitmix64: seeded, so that each failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

#[derive(Clone)]
struct Event {
    bytes: Vec<u8>,
    mac: Mac,
}

#[derive(Clone)]
struct Seal {
    index: u64,
    event_id: Uuid,
    leaf_hash: Hash,
    mac: Mac,
}

/// The tables, in reach of the attacker.
#[derive(Clone)]
struct Store {
    events: HashMap<Uuid, Event>,
    seals: Vec<Seal>,
    checkpoints: Vec<String>,
}

/// What the attacker cannot reach.
struct Outside {
    key: AuditKey,
    signer: SignerKey,
    checkpoints: Vec<(u64, String)>,
    leaf_hashes: Vec<Hash>,
}

fn audit_key() -> AuditKey {
    AuditKey::new(&[5; 32])
}

fn event(key: &AuditKey, id: Uuid, text: &str) -> Event {
    let bytes = format!("{{\"id\":\"{id}\",\"text\":\"{text}\"}}").into_bytes();
    let mac = key.event(&bytes);
    Event { bytes, mac }
}

/// A log of `size` events, sealed in batches of 1 to 9 with a checkpoint behind each.
fn log(size: u64, random: &mut Random) -> (Store, Outside) {
    let (key, signer) = (audit_key(), SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap());
    let mut store = Store { events: HashMap::new(), seals: Vec::new(), checkpoints: Vec::new() };
    let mut outside = Outside { key, signer, checkpoints: Vec::new(), leaf_hashes: Vec::new() };
    let mut frontier = Frontier::new();
    while frontier.size() < size {
        for _ in 0..(1 + random.below(9)).min(size - frontier.size()) {
            let index = frontier.size();
            let event_id = Uuid::from_u64_pair(random.next(), random.next());
            let event = event(&outside.key, event_id, &index.to_string());
            let leaf_hash = leaf_hash(&event.bytes);
            frontier.push(leaf_hash);
            outside.leaf_hashes.push(leaf_hash);
            store.seals.push(Seal { index, event_id, leaf_hash, mac: outside.key.seal(index, &leaf_hash) });
            store.events.insert(event_id, event);
        }
        let note = Checkpoint::new(ORIGIN, frontier.size(), frontier.root()).sign(&outside.signer).unwrap().to_string();
        store.checkpoints.push(note.clone());
        outside.checkpoints.push((frontier.size(), note));
    }
    (store, outside)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tampering {
    Edit,
    Delete,
    DeleteLeavingGap,
    Insert,
    InsertAsDouble,
    Swap,
    Truncate,
}

/// How far the attacker goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reach {
    /// Changes event rows alone.
    Events,
    /// Changes seals and stored checkpoints too, so that they fit each other.
    Seals,
    /// Has the audit key and makes the codes fit as well.
    Key,
}

/// What the verifier has, besides a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Material {
    Checkpoint,
    Checkpoints,
    Key,
    LeafHashes,
}

/// What must be found: kind, index, and the id if it is known.
struct Expected {
    kind: Kind,
    index: u64,
    event_id: Option<Uuid>,
}

impl Store {
    fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let mut seals: Vec<_> = self.seals.iter().collect();
        seals.sort_by_key(|seal| seal.index);
        seals.into_iter().map(|seal| {
            let event = self.events.get(&seal.event_id);
            Record {
                index: seal.index,
                event_id: seal.event_id,
                event: event.map_or(StoredEvent::Missing, |event| StoredEvent::Present(event.bytes.clone())),
                leaf_hash: Some(seal.leaf_hash),
                event_mac: event.map(|event| event.mac),
                seal_mac: Some(seal.mac),
            }
        })
    }

    fn renumber(&mut self) {
        for (index, seal) in (0..).zip(&mut self.seals) {
            seal.index = index;
        }
    }

    /// Makes seals fit the events, as far as the attacker can.
    fn cover_up(&mut self, reach: Reach) {
        for seal in &mut self.seals {
            if let Some(event) = self.events.get_mut(&seal.event_id) {
                seal.leaf_hash = leaf_hash(&event.bytes);
                if reach == Reach::Key {
                    event.mac = audit_key().event(&event.bytes);
                    seal.mac = audit_key().seal(seal.index, &seal.leaf_hash);
                }
            }
        }
    }

    /// Tampers at an index below `size` and says what is to be found.
    fn tamper(&mut self, tampering: Tampering, reach: Reach, size: u64, random: &mut Random) -> Expected {
        let index = random.below(size);
        let at = index as usize;
        let event_id = self.seals[at].event_id;
        let last = at + 1 == self.seals.len();
        let expected = |kind, event_id| Expected { kind, index, event_id };
        let found = match tampering {
            Tampering::Edit => {
                self.events.get_mut(&event_id).unwrap().bytes.insert(0, b' ');
                expected(Kind::Edited, Some(event_id))
            }
            Tampering::Delete | Tampering::DeleteLeavingGap => {
                self.events.remove(&event_id);
                if reach == Reach::Events {
                    let kind = if last { Kind::MissingAtEnd } else { Kind::Deleted };
                    return expected(kind, Some(event_id));
                }
                self.seals.remove(at);
                if tampering == Tampering::Delete {
                    self.renumber();
                }
                expected(if last { Kind::MissingAtEnd } else { Kind::Deleted }, None)
            }
            Tampering::Insert | Tampering::InsertAsDouble => {
                let new_id = Uuid::from_u64_pair(random.next(), random.next());
                self.events.insert(new_id, event(&AuditKey::new(&[6; 32]), new_id, "planted"));
                let (leaf_hash, mac) = (Hash::EMPTY_ROOT, [0; 32]);
                self.seals.insert(at, Seal { index, event_id: new_id, leaf_hash, mac });
                if tampering == Tampering::Insert {
                    self.renumber();
                }
                expected(Kind::Inserted, Some(new_id))
            }
            Tampering::Swap => {
                let other = (at + 1 + random.below(self.seals.len() as u64 - 1) as usize) % self.seals.len();
                let (first, second) = (at.min(other), at.max(other));
                let second_id = self.seals[second].event_id;
                if reach == Reach::Events {
                    // The rows' contents change places; the ids cannot, or the seals would lead to the right rows again.
                    let first_id = self.seals[first].event_id;
                    let (a, b) = (self.events[&first_id].clone(), self.events[&second_id].clone());
                    self.events.insert(first_id, b);
                    self.events.insert(second_id, a);
                } else {
                    self.seals.swap(first, second);
                    self.renumber();
                }
                let event_id = Some(self.seals[first].event_id);
                Expected { kind: Kind::Reordered, index: first as u64, event_id }
            }
            Tampering::Truncate => {
                for seal in &self.seals[at..] {
                    self.events.remove(&seal.event_id);
                }
                if reach == Reach::Events {
                    return expected(Kind::MissingAtEnd, Some(event_id));
                }
                self.seals.truncate(at);
                expected(Kind::MissingAtEnd, None)
            }
        };
        if reach != Reach::Events {
            self.cover_up(reach);
            // Later checkpoints cannot be signed anew: they are removed, as if the log had never been larger.
            self.checkpoints.clear();
        }
        found
    }
}

fn verify(store: &Store, outside: &Outside, held: usize, material: Material) -> Report {
    let mut verifier = Verifier::new(ORIGIN, vec![outside.signer.verifier().clone()]);
    let held_from = if material == Material::Checkpoints { 0 } else { held };
    for (_, note) in &outside.checkpoints[held_from..=held] {
        verifier = verifier.checkpoint(Source::Held, note);
    }
    for note in &store.checkpoints {
        verifier = verifier.checkpoint(Source::Stored, note);
    }
    verifier = match material {
        Material::Checkpoint | Material::Checkpoints => verifier,
        Material::Key => verifier.audit_keys(vec![AuditKey::new(&[4; 32]), outside.key.clone()]),
        Material::LeafHashes => verifier.leaf_hashes(outside.leaf_hashes.iter().copied()),
    };
    store.records().for_each(|record| verifier.push(&record));
    verifier.finish()
}

#[test]
fn every_tampering_is_found_and_named() {
    let tamperings = [
        Tampering::Edit,
        Tampering::Delete,
        Tampering::DeleteLeavingGap,
        Tampering::Insert,
        Tampering::InsertAsDouble,
        Tampering::Swap,
        Tampering::Truncate,
    ];
    let reaches = [Reach::Events, Reach::Seals, Reach::Key];
    let materials = [Material::Checkpoint, Material::Checkpoints, Material::Key, Material::LeafHashes];
    let (mut named, mut enclosed) = (0, 0);
    for seed in 0..1500 {
        let mut random = Random(seed);
        let size = 2 + random.below(90);
        let (mut store, outside) = log(size, &mut random);
        let tampering = tamperings[random.below(7) as usize];
        let reach = reaches[random.below(3) as usize];
        let material = materials[random.below(4) as usize];
        let held = random.below(outside.checkpoints.len() as u64) as usize;
        let held_size = outside.checkpoints[held].0;
        if reach == Reach::Events && matches!(tampering, Tampering::Insert | Tampering::InsertAsDouble) {
            continue; // An event without a seal is not in the log.
        }
        let clean = verify(&store, &outside, held, material);
        assert!(clean.is_ok() && clean.confirmed == size, "seed {seed}: {clean}");

        let expected = store.tamper(tampering, reach, held_size, &mut random);
        let report = verify(&store, &outside, held, material);
        let what = format!("seed {seed}: {tampering:?} {reach:?} {material:?} of {size}, held {held_size}: {report:?}");
        let first = report.first.unwrap_or_else(|| panic!("not found: {what}"));
        assert!(report.checkpoints.is_empty(), "{what}");

        // The audit key says nothing of its holder's work.
        let located = match material {
            Material::LeafHashes => true,
            Material::Key => reach != Reach::Key,
            Material::Checkpoint | Material::Checkpoints => reach == Reach::Events,
        };
        if let Kind::Unlocated { before } = first.kind {
            assert!(!located, "{what}");
            assert!((first.index..before).contains(&expected.index), "{}: {what}", expected.index);
            enclosed += 1;
            continue;
        }
        if !located && first.kind == Kind::MissingAtEnd && first.index != expected.index {
            // The key's holder deleted and made the codes of the rest fit: by the codes, only the end is missing.
            assert!(material == Material::Key && first.evidence == Evidence::AuditKey, "{what}");
            assert!(matches!(tampering, Tampering::Delete) && expected.index < first.index, "{what}");
            enclosed += 1;
            continue;
        }
        let swapped_content =
            tampering == Tampering::Swap && reach == Reach::Events && material == Material::LeafHashes;
        // Without anything to tell them apart, the second of two records with one index is taken for the planted one.
        let double = tampering == Tampering::InsertAsDouble && !located;
        let index = expected.index + u64::from(double);
        assert_eq!((first.index, first.kind), (index, expected.kind), "{what}");
        if !double && !swapped_content && first.event_id.is_some() {
            assert_eq!(first.event_id, expected.event_id, "{what}");
        }
        assert_ne!(first.event_id.is_some(), expected.event_id.is_none(), "{what}");
        if material == Material::LeafHashes && reach != Reach::Events {
            assert_eq!(first.evidence, Evidence::LeafHashes, "{what}");
        }
        named += 1;
    }
    assert!(named > 800 && enclosed > 100, "{named} named, {enclosed} enclosed");
}

/// Events intact, seals not: the seals are to blame.
#[test]
fn altered_seals_are_not_taken_for_altered_events() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let (store, outside) = log(40, &mut random);
        let held = outside.checkpoints.len() - 1;
        let at = random.below(40) as usize;
        for material in [Material::Checkpoint, Material::Checkpoints, Material::Key, Material::LeafHashes] {
            let mut hash_changed = store.clone();
            hash_changed.seals[at].leaf_hash.0[3] ^= 1;
            let first = verify(&hash_changed, &outside, held, material).first.unwrap();
            assert_eq!((first.index, first.kind), (at as u64, Kind::SealAltered), "{material:?}");
        }
        let mut code_changed = store.clone();
        code_changed.seals[at].mac[0] ^= 1;
        let first = verify(&code_changed, &outside, held, Material::Key).first.unwrap();
        assert_eq!((first.index, first.kind), (at as u64, Kind::SealAltered));

        let mut event_code_changed = store.clone();
        let id = store.seals[at].event_id;
        event_code_changed.events.get_mut(&id).unwrap().mac[0] ^= 1;
        let first = verify(&event_code_changed, &outside, held, Material::Key).first.unwrap();
        assert_eq!((first.index, first.kind, first.event_id), (at as u64, Kind::Forged, Some(id)));
    }
}

#[test]
fn records_behind_the_last_checkpoint() {
    let mut random = Random(1);
    let (mut store, outside) = log(20, &mut random);
    let held = outside.checkpoints.len() - 1;
    let new_id = Uuid::from_u128(1);
    let planted = event(&AuditKey::new(&[6; 32]), new_id, "planted");
    let seal = Seal { index: 20, event_id: new_id, leaf_hash: leaf_hash(&planted.bytes), mac: [0; 32] };
    store.seals.push(seal);
    store.events.insert(new_id, planted);

    let report = verify(&store, &outside, held, Material::LeafHashes);
    assert!(report.is_ok() && (report.size, report.confirmed) == (21, 20), "{report}");
    let first = verify(&store, &outside, held, Material::Key).first.unwrap();
    assert_eq!((first.index, first.kind, first.event_id), (20, Kind::Forged, Some(new_id)));

    let mut strict = Verifier::new(ORIGIN, vec![outside.signer.verifier().clone()])
        .checkpoint(Source::Held, &outside.checkpoints[held].1)
        .all_confirmed();
    store.records().for_each(|record| strict.push(&record));
    let first = strict.finish().first.unwrap();
    assert_eq!((first.index, first.kind), (20, Kind::Unconfirmed));
}

#[test]
fn checkpoints_that_are_not_accepted() {
    let mut random = Random(2);
    let (mut store, outside) = log(30, &mut random);
    let held = outside.checkpoints.len() - 2;
    let root = Hash::EMPTY_ROOT;

    // A stored root rewritten without the key.
    let note = store.checkpoints[1].clone();
    let old_root = note.lines().nth(2).unwrap().to_owned();
    store.checkpoints[1] = note.replace(&old_root, &root.to_string());
    let report = verify(&store, &outside, held, Material::Checkpoint);
    assert!(report.first.is_none() && !report.is_ok());
    assert!(
        matches!(report.checkpoints[..], [ref fault] if fault.source == Source::Stored && matches!(fault.fault, Fault::Rejected(_)))
    );

    // One signed with the log's own key over another log.
    let size = outside.checkpoints[1].0;
    store.checkpoints[1] = Checkpoint::new(ORIGIN, size, root).sign(&outside.signer).unwrap().to_string();
    let report = verify(&store, &outside, held, Material::Checkpoints);
    assert!(report.first.is_none());
    assert!(matches!(report.checkpoints[..], [ref fault] if fault.size == Some(size) && fault.fault == Fault::Fork));
    let report = verify(&store, &outside, held, Material::Checkpoint);
    assert!(report.first.is_none(), "{report}");
    assert!(matches!(report.checkpoints[..], [ref fault] if fault.size == Some(size) && fault.fault == Fault::Fork));

    // The attacker has the signing key: rewrites an event and signs everything anew. The held checkpoint comes first.
    let (mut store, outside) = log(30, &mut random);
    store.events.get_mut(&store.seals[3].event_id).unwrap().bytes.insert(0, b' ');
    store.cover_up(Reach::Key);
    let mut frontier = Frontier::new();
    frontier.extend(store.seals.iter().map(|seal| seal.leaf_hash));
    store.checkpoints = vec![Checkpoint::new(ORIGIN, 30, frontier.root()).sign(&outside.signer).unwrap().to_string()];
    let held = outside.checkpoints.len() - 2;
    let report = verify(&store, &outside, held, Material::LeafHashes);
    let first = report.first.unwrap();
    assert_eq!((first.index, first.kind, first.evidence), (3, Kind::Edited, Evidence::LeafHashes));
    assert!(matches!(report.checkpoints[..], [ref fault] if fault.fault == Fault::Fork));
}

#[test]
fn a_part_of_the_log() {
    let mut random = Random(3);
    let (mut store, outside) = log(50, &mut random);
    let mut start = Frontier::new();
    start.extend(outside.leaf_hashes[..20].iter().copied());
    let verify = |store: &Store| {
        let mut verifier = Verifier::new(ORIGIN, vec![outside.signer.verifier().clone()])
            .checkpoint(Source::Held, &outside.checkpoints.last().unwrap().1)
            .starting_at(start.clone());
        store.records().skip(20).for_each(|record| verifier.push(&record));
        verifier.finish()
    };
    let report = verify(&store);
    assert!(report.is_ok() && report.confirmed == 50, "{report}");
    store.events.get_mut(&store.seals[30].event_id).unwrap().bytes[0] ^= 1;
    let first = verify(&store).first.unwrap();
    assert_eq!((first.index, first.kind), (30, Kind::Edited));
}

#[test]
fn archived_and_unreadable_events() {
    let mut random = Random(4);
    let (store, outside) = log(30, &mut random);
    let verify = |change: &dyn Fn(&mut Record)| {
        let mut verifier = Verifier::new(ORIGIN, vec![outside.signer.verifier().clone()])
            .checkpoint(Source::Held, &outside.checkpoints.last().unwrap().1);
        store.records().for_each(|mut record| {
            change(&mut record);
            verifier.push(&record);
        });
        verifier.finish()
    };
    let report = verify(&|record| {
        if record.index < 10 {
            record.event = StoredEvent::Archived;
        }
    });
    assert!(report.is_ok() && (report.confirmed, report.archived) == (30, 10), "{report}");
    let report = verify(&|record| {
        if record.index == 7 {
            record.event = StoredEvent::Unreadable;
        }
    });
    let first = report.first.unwrap();
    assert_eq!((first.index, first.kind), (7, Kind::Edited));
}

/// What the records say is written out as it is.
#[test]
fn an_empty_log() {
    let signer = SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap();
    let empty = Checkpoint::new(ORIGIN, 0, Hash::EMPTY_ROOT).sign(&signer).unwrap().to_string();
    let keys = || vec![signer.verifier().clone()];
    assert!(Verifier::new(ORIGIN, keys()).finish().is_ok());
    assert!(Verifier::new(ORIGIN, keys()).checkpoint(Source::Held, &empty).finish().is_ok());
    let one = Checkpoint::new(ORIGIN, 1, leaf_hash(b"x")).sign(&signer).unwrap().to_string();
    let report = Verifier::new(ORIGIN, keys()).checkpoint(Source::Held, &one).finish();
    assert_eq!(report.first.map(|first| (first.index, first.kind)), Some((0, Kind::MissingAtEnd)));
    assert_eq!(report.to_string(), "event 0 and all that followed it are missing");
}
