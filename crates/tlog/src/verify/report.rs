//! What a verification found.

use std::fmt;

use uuid::Uuid;

use crate::{checkpoint::CheckpointError, hash::Hash};

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Sealed events seen, counted from the log's start.
    pub size: u64,
    /// The root over them; none if one is missing.
    pub root: Option<Hash>,
    /// The events `0..confirmed` are exactly those that a checkpoint was signed over. What lies beyond is vouched for by the
    /// audit key alone, if that was given, and otherwise by nothing: right after a seal there is little of it.
    pub confirmed: u64,
    /// Events that left the hot store by retention and were checked by their leaf hash alone.
    pub archived: u64,
    /// The first bad event.
    pub first: Option<Finding>,
    /// Checkpoints that were not accepted.
    pub checkpoints: Vec<CheckpointFault>,
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.first.is_none() && self.checkpoints.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ok() {
            write!(f, "{} events verified, {} of them under a checkpoint", self.size, self.confirmed)?;
        }
        if let Some(first) = &self.first {
            write!(f, "{first}")?;
        }
        for (position, fault) in self.checkpoints.iter().enumerate() {
            let separator = if position == 0 && self.first.is_none() { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

/// The first bad event, or the place where it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its index in the log as it was sealed; for [`Kind::Unlocated`] the lowest it can be.
    pub index: u64,
    /// What was done.
    pub kind: Kind,
    /// The id of the event that stands there now, or stood there as far as its seal tells.
    pub event_id: Option<Uuid>,
    /// What it is known from.
    pub evidence: Evidence,
}

/// What was done to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does not say what was sealed.
    Edited,
    /// It is gone; later events are there.
    Deleted,
    /// It was never sealed there.
    Inserted,
    /// It stands at another place than where it was sealed.
    Reordered,
    /// It and all that followed are gone.
    MissingAtEnd,
    /// It is as it was sealed, but the hash or the code in its seal was changed.
    SealAltered,
    /// It is not what the application wrote there: the code that goes with it is wrong, and nothing signed tells whether
    /// the event was put into the table past the application, edited, or only its code changed.
    Forged,
    /// No checkpoint reaches it: it was added behind the newest one, or newer ones were removed.
    Unconfirmed,
    /// It lies in `index..before`: two checkpoints enclose it, and nothing that was given tells more.
    Unlocated {
        /// The end of the range.
        before: u64,
    },
}

/// What a finding is known from, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Leaf hashes kept outside the database, whose root is a signed one.
    LeafHashes,
    /// The leaf hashes in the seals, whose root is a signed one.
    Seals,
    /// Codes under the audit key.
    AuditKey,
    /// The signed roots alone.
    Checkpoints,
    /// The records' own gaps and contradictions. Unsigned: an earlier event that was changed together with its seal is not
    /// excluded, and below the last checkpoint the range is as for [`Kind::Unlocated`].
    Records,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}", self.index)?;
        if let Some(id) = self.event_id {
            write!(f, " ({id})")?;
        }
        match self.kind {
            Kind::Edited => f.write_str(" was edited"),
            Kind::Deleted => f.write_str(" was deleted"),
            Kind::Inserted => f.write_str(" was inserted"),
            Kind::Reordered => f.write_str(" was moved here from another place"),
            Kind::MissingAtEnd => f.write_str(" and all that followed it are missing"),
            Kind::SealAltered => f.write_str(" is intact, but its seal was altered"),
            Kind::Forged => f.write_str(" is not what the application wrote"),
            Kind::Unconfirmed => f.write_str(" and all that follow it are under no checkpoint"),
            Kind::Unlocated { before } => {
                write!(f, " or a later one below {before} is bad: give the audit key or the leaf hashes to learn which")
            }
        }
    }
}

/// Where a checkpoint comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The verifier's own: from outside the database.
    Held,
    /// Stored beside the events, within the reach of whoever changed them.
    Stored,
}

/// A checkpoint that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFault {
    /// Where it comes from.
    pub source: Source,
    /// Its size, if it could be read.
    pub size: Option<u64>,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is malformed, of another log, or not signed by the log's key.
    Rejected(CheckpointError),
    /// Another checkpoint contradicts it, and both are signed: the log has forked, or its key is abused.
    Fork,
}

impl fmt::Display for CheckpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Held => "a given checkpoint",
            Source::Stored => "a stored checkpoint",
        })?;
        if let Some(size) = self.size {
            write!(f, " of {size} events")?;
        }
        match &self.fault {
            Fault::Rejected(error) => write!(f, " is not accepted: {error}"),
            Fault::Fork => f.write_str(" contradicts another one, though both are signed: the log has forked"),
        }
    }
}
