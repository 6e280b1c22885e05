//! Lists of leaf hashes, held against the signed roots and against the events.

use uuid::Uuid;

use super::report::{Evidence, Finding, Kind, Source};
use crate::{Frontier, Hash};

/// A root that was signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignedRoot {
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) source: Source,
}

/// A list of leaf hashes as it grows, compared with each signed root on its way.
#[derive(Debug)]
pub(super) struct Track {
    frontier: Frontier,
    /// Whether a hash was missing, so that no root can be formed from here on.
    broken: bool,
    /// Position among the signed roots, ordered by size, of the next to compare with.
    next: usize,
    /// Sizes compared, ascending: source, and whether the root was the signed one.
    compared: Vec<(u64, Source, bool)>,
}

/// How far a list is the signed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coverage {
    /// `0..authentic` is exactly what was signed.
    pub(super) authentic: u64,
    /// The smallest size above at which it is not what was signed.
    pub(super) wrong_at: Option<u64>,
}

impl Track {
    pub(super) fn new(start: Frontier, roots: &[SignedRoot]) -> Self {
        let next = roots.partition_point(|signed| signed.size < start.size());
        let mut track = Self { frontier: start, broken: false, next, compared: Vec::new() };
        track.compare(roots);
        track
    }

    pub(super) fn push(&mut self, leaf: Option<Hash>, roots: &[SignedRoot]) {
        match leaf {
            Some(leaf) if !self.broken => {
                self.frontier.push(leaf);
                self.compare(roots);
            }
            _ => self.broken = true,
        }
    }

    fn compare(&mut self, roots: &[SignedRoot]) {
        while let Some(signed) = roots.get(self.next).filter(|signed| signed.size == self.frontier.size()) {
            self.compared.push((signed.size, signed.source, signed.root == self.frontier.root()));
            self.next += 1;
        }
    }

    pub(super) fn root(&self) -> Option<Hash> {
        (!self.broken).then(|| self.frontier.root())
    }

    /// How far the list is the signed one, and the sizes of stored roots that held ones contradict.
    ///
    /// A root fixes everything before it, so no list can miss one root and meet a larger one, unless one of the two was
    /// signed over another list. The verifier's own count first then.
    pub(super) fn coverage(&self) -> (Coverage, Vec<(u64, Source)>) {
        let sizes = |wanted: bool| {
            let of_kind = self.compared.iter().filter(move |(_, _, met)| *met == wanted);
            of_kind.map(|(size, source, _)| (*size, *source))
        };
        let held = |(_, source): &(u64, Source)| *source == Source::Held;
        let held_missed = sizes(false).find(held).map(|(size, _)| size);
        let below = |limit: Option<u64>| move |(size, _): &(u64, Source)| limit.is_none_or(|limit| *size < limit);
        let floor = sizes(true).filter(held).rfind(below(held_missed)).map_or(0, |(size, _)| size);
        let wrong_at = sizes(false).map(|(size, _)| size).find(|size| *size > floor);
        let authentic = sizes(true).rfind(below(wrong_at)).map_or(0, |(size, _)| size);
        let beyond = sizes(true).filter(|(size, _)| wrong_at.is_some_and(|limit| *size > limit));
        let forks = sizes(false).filter(|(size, _)| *size < floor).chain(beyond).collect();
        (Coverage { authentic, wrong_at }, forks)
    }
}

/// The first place where the events differ from a list, and what tells the kinds of tampering apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mismatch {
    pub(super) index: u64,
    pub(super) event_id: Option<Uuid>,
    /// The record's own event; none if it is missing.
    pub(super) actual: Option<Hash>,
    /// Whether the event that belongs here comes later.
    pub(super) expected_later: bool,
    /// Whether the event that stands here belongs later.
    pub(super) actual_later: bool,
}

impl Mismatch {
    pub(super) fn finding(&self, evidence: Evidence) -> Finding {
        let kind = match (self.actual, self.expected_later, self.actual_later) {
            (None, _, _) | (Some(_), false, true) => Kind::Deleted,
            (Some(_), true, true) => Kind::Reordered,
            (Some(_), true, false) => Kind::Inserted,
            (Some(_), false, false) => Kind::Edited,
        };
        // After a deletion the record that stands here is another, intact event.
        let event_id = self.event_id.filter(|_| kind != Kind::Deleted || self.actual.is_none());
        Finding { index: self.index, kind, event_id, evidence }
    }
}
