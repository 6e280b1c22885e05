//! A log as a file: JSON Lines that verify on a machine without the database.
//!
//! The first line is the [`Header`]; every further line is one sealed event. `leaf` holds the event's leaf bytes as they are,
//! so a tool that reformats the file breaks it, and the reader says so.
//!
//! ```json
//! {"format":"tenure-audit-export","version":1,"origin":"…","keys":["<vkey>"],"checkpoints":["<signed note>"]}
//! {"index":0,"id":"0192…","leaf":{"action":"…"},"leaf_hash":"<base64>","event_mac":"<base64>","seal_mac":"<base64>"}
//! ```
//!
//! The keys in the header are those of the exporter. Whoever verifies an export compares them with keys it has from
//! elsewhere, or it verifies only that the file fits itself.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use crate::{
    AuditKey, Frontier, FrontierError, Hash, Mac, jcs,
    note::VerifierKey,
    verify::{Record, Report, Source, StoredEvent, Verifier},
};

/// What the header's `format` says.
const FORMAT: &str = "tenure-audit-export";

/// The version that is written.
const VERSION: u32 = 1;

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 64 << 20;

/// Why an export cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Reading or writing failed.
    #[error("the export cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// A line is not what it must be.
    #[error("line {line} of the export: {fault}")]
    Line {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// Leaf bytes that are no JSON cannot be written.
    #[error("event {index} cannot be exported: its leaf bytes are not JSON")]
    Leaf {
        /// The event's index.
        index: u64,
    },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// There is no header.
    #[error("no header: not an export, or cut short")]
    NoHeader,
    /// The header is of another format or version.
    #[error("not a {FORMAT} of version {VERSION}")]
    Format,
    /// It is longer than 64 MiB.
    #[error("longer than 64 MiB")]
    TooLong,
    /// It is not the JSON expected.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The leaf is not in canonical form: the file was reformatted, or a member stands twice.
    #[error("the leaf is not in canonical form (RFC 8785): verify the file as it was exported")]
    NotCanonical,
    /// The start is no frontier.
    #[error(transparent)]
    Start(#[from] FrontierError),
}

/// The first line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    version: u32,
    /// The log's origin.
    pub origin: String,
    /// The log's public keys (`vkey`), as the exporter knows them.
    pub keys: Vec<String>,
    /// Signed checkpoints, as the exporter knows them.
    pub checkpoints: Vec<String>,
    /// The tree before the first event exported; none if that is the log's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<Start>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    size: u64,
    nodes: Vec<Hash>,
}

impl Header {
    /// A header for the log `origin`.
    pub fn new(origin: impl Into<String>, keys: Vec<String>, checkpoints: Vec<String>) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, origin: origin.into(), keys, checkpoints, start: None }
    }

    /// Says that the export begins behind the events that `start` covers.
    #[must_use]
    pub fn starting_at(mut self, start: &Frontier) -> Self {
        self.start = Some(Start { size: start.size(), nodes: start.nodes().to_vec() });
        self
    }

    /// The tree before the first event exported, for [`Verifier::starting_at`](crate::verify::Verifier::starting_at).
    ///
    /// # Errors
    /// If the header holds none that can be.
    pub fn start(&self) -> Result<Frontier, FrontierError> {
        self.start.as_ref().map_or(Ok(Frontier::new()), |start| Frontier::from_parts(start.size, start.nodes.clone()))
    }
}

/// A record's line. Codes are base64 like hashes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    index: u64,
    id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaf: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    archived: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_mac: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal_mac: Option<Hash>,
}

/// Writes an export, one record at a time.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Begins an export.
    ///
    /// # Errors
    /// If writing fails.
    pub fn new(mut out: W, header: &Header) -> Result<Self, ExportError> {
        write_line(&mut out, header)?;
        Ok(Self { out })
    }

    /// Writes a record. Codes under the audit key are for who has that key; they tell others nothing.
    ///
    /// # Errors
    /// If writing fails, or leaf bytes are not JSON.
    pub fn write(&mut self, record: &Record) -> Result<(), ExportError> {
        let not_json = |_| ExportError::Leaf { index: record.index };
        let leaf = match &record.event {
            StoredEvent::Present(bytes) => Some(serde_json::from_slice(bytes).map_err(not_json)?),
            StoredEvent::Unreadable | StoredEvent::Missing | StoredEvent::Archived => None,
        };
        let line = Line {
            index: record.index,
            id: record.event_id,
            leaf,
            archived: record.event == StoredEvent::Archived,
            leaf_hash: record.leaf_hash,
            event_mac: record.event_mac.map(Hash),
            seal_mac: record.seal_mac.map(Hash),
        };
        Ok(write_line(&mut self.out, &line)?)
    }

    /// Flushes, and gives back what was written to.
    ///
    /// # Errors
    /// If flushing fails.
    pub fn finish(mut self) -> Result<W, ExportError> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Reads an export: the header, then records as an iterator.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    header: Header,
    line: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// If reading fails, or the first line is not a header of this version.
    pub fn new(mut input: R) -> Result<Self, ExportError> {
        let fault = |fault| ExportError::Line { line: 1, fault };
        let bytes = read_line(&mut input)?.map_err(fault)?.ok_or_else(|| fault(LineFault::NoHeader))?;
        let header: Header = serde_json::from_slice(&bytes).map_err(|error| fault(error.into()))?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(fault(LineFault::Format));
        }
        header.start().map_err(|error| fault(error.into()))?;
        Ok(Self { input, header, line: 1 })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, ExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line += 1;
        let line = self.line;
        let record = read_line(&mut self.input).map(|read| read.and_then(|bytes| bytes.map(|b| parse(&b)).transpose()));
        match record {
            Ok(Ok(record)) => record.map(Ok),
            Ok(Err(fault)) => Some(Err(ExportError::Line { line, fault })),
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// Verifies an export offline.
///
/// `log_keys` and `held` come from elsewhere than the file: the log's public keys, and checkpoints that its holder has kept.
/// The file's own checkpoints are believed as far as they are signed by these keys. `audit_keys` may be empty.
///
/// # Errors
/// If the file cannot be read as an export.
pub fn verify_export<R: BufRead>(
    reader: Reader<R>,
    log_keys: Vec<VerifierKey>,
    held: &[String],
    audit_keys: Vec<AuditKey>,
) -> Result<Report, ExportError> {
    let header = reader.header();
    let start = header.start().map_err(|error| ExportError::Line { line: 1, fault: error.into() })?;
    let mut verifier = Verifier::new(&header.origin, log_keys).audit_keys(audit_keys).starting_at(start);
    for note in held {
        verifier = verifier.checkpoint(Source::Held, note);
    }
    for note in &header.checkpoints {
        verifier = verifier.checkpoint(Source::Stored, note);
    }
    for record in reader {
        verifier.push(&record?);
    }
    Ok(verifier.finish())
}

/// The next line without its end; none at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Result<Option<Vec<u8>>, LineFault>> {
    let mut bytes = Vec::new();
    io::Read::take(&mut *input, MAX_LINE + 1).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(Ok(None));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if bytes.len() as u64 > MAX_LINE {
        return Ok(Err(LineFault::TooLong));
    }
    Ok(Ok(Some(bytes)))
}

fn parse(bytes: &[u8]) -> Result<Record, LineFault> {
    let line: Line = serde_json::from_slice(bytes)?;
    let event = match line.leaf {
        Some(leaf) => StoredEvent::Present(canonical_bytes(&leaf)?),
        None if line.archived => StoredEvent::Archived,
        None => StoredEvent::Missing,
    };
    Ok(Record {
        index: line.index,
        event_id: line.id,
        event,
        leaf_hash: line.leaf_hash,
        event_mac: line.event_mac.map(to_mac),
        seal_mac: line.seal_mac.map(to_mac),
    })
}

/// The leaf's bytes. Other bytes than canonical ones would show one thing to a JSON tool and hash as another (RFC 8785 does not
/// have, for instance, a member twice).
fn canonical_bytes(leaf: &RawValue) -> Result<Vec<u8>, LineFault> {
    let value: Value = serde_json::from_str(leaf.get())?;
    let canonical = jcs::canonical(&value).map_err(|_| LineFault::NotCanonical)?;
    if canonical == leaf.get().as_bytes() { Ok(canonical) } else { Err(LineFault::NotCanonical) }
}

const fn to_mac(hash: Hash) -> Mac {
    hash.0
}
