//! C2SP `tlog-checkpoint`: a log's size and root, as the text of a signed note.

use std::{fmt, str::FromStr};

use crate::{
    hash::Hash,
    note::{NoteError, SignedNote, SignerKey, VerifierKey},
};

/// A log's size and root at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity, such as `audit.example.com/<tenant id>`; its key's name too.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// Further lines, opaque. Tenure writes none.
    pub extensions: Vec<String>,
}

/// Why a checkpoint is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The signed note around it is not accepted.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note's text is no checkpoint.
    #[error("malformed checkpoint: {0}")]
    Malformed(&'static str),
    /// It is of another log.
    #[error("the checkpoint is of log {found:?}, expected {expected:?}")]
    Origin {
        /// The log asked for.
        expected: String,
        /// The log found.
        found: String,
    },
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Self {
        Self { origin: origin.into(), size, root, extensions: Vec::new() }
    }

    /// Signs the checkpoint.
    ///
    /// # Errors
    /// If origin or extensions would not survive parsing (empty, or with a line break or control character).
    pub fn sign(&self, signer: &SignerKey) -> Result<SignedNote, CheckpointError> {
        let text = self.to_string();
        if text.parse::<Self>()? != *self {
            return Err(CheckpointError::Malformed("origin and extensions are single, non-empty lines"));
        }
        Ok(SignedNote::sign(text, signer)?)
    }

    /// Reads a signed checkpoint of the log `origin`, signed by one of that log's `keys`.
    ///
    /// # Errors
    /// If it is malformed, of another log, or not signed by any of the keys.
    pub fn open(note: &str, origin: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note: SignedNote = note.parse()?;
        note.verify(keys)?;
        let checkpoint: Self = note.text().parse()?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::Origin { expected: origin.to_owned(), found: checkpoint.origin });
        }
        Ok(checkpoint)
    }
}

/// The checkpoint as a note's text.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let mut lines = text.strip_suffix('\n').ok_or(malformed("the last line does not end"))?.split('\n');
        let mut next = || lines.next().filter(|line| !line.is_empty()).ok_or(malformed("expected three lines"));
        let (origin, size, root) = (next()?, next()?, next()?);
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| malformed("the size is not a decimal number"))?,
            root: root.parse().map_err(|_| malformed("the root is not base64 of 32 bytes"))?,
            extensions: lines.map(str::to_owned).collect(),
        };
        if checkpoint.extensions.iter().any(String::is_empty) {
            return Err(malformed("an extension line is empty"));
        }
        // Writing it again refuses every other spelling of the size (signs, leading zeros).
        if checkpoint.to_string() == text { Ok(checkpoint) } else { Err(malformed("not in canonical form")) }
    }
}
