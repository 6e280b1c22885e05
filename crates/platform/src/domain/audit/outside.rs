//! What is kept of each log outside PostgreSQL: `<directory>/<tenant>/checkpoints`, signed notes with an empty line
//! behind each, and `<directory>/<tenant>/leaves`, the leaf hashes in order, 32 bytes each.
//!
//! Leaves are synced before the checkpoint over them, so a checkpoint in its file has its leaves. Whatever a crash left
//! behind the last whole note, or behind the leaves that it covers, is overwritten by the next append.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tenure_kernel::TenantId;
use tenure_tlog::note::SignedNote;
use tenure_tlog::{Checkpoint, Hash};

const CHECKPOINTS: &str = "checkpoints";
const LEAVES: &str = "leaves";
const HASH: u64 = Hash::LEN as u64;
/// More than any note is long.
const TAIL: u64 = 16 * 1024;

/// The directory beside the database.
#[derive(Debug, Clone)]
pub struct Outside {
    directory: PathBuf,
}

/// What is kept of one log.
#[derive(Debug, Clone)]
pub struct Held {
    directory: PathBuf,
}

impl Outside {
    /// Files below this directory; made when first written to, readable by this user alone.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The files of one tenant's log.
    #[must_use]
    pub fn of(&self, tenant: TenantId) -> Held {
        Held { directory: self.directory.join(tenant.to_string()) }
    }
}

impl Held {
    /// The checkpoints, oldest first, as they were written; none before the first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn checkpoints(&self) -> io::Result<Vec<String>> {
        let Some(mut file) = self.open(CHECKPOINTS)? else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(whole_notes(&bytes).into_iter().filter_map(|range| text(&bytes, range)).collect())
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest(&self) -> io::Result<Option<String>> {
        let Some(mut file) = self.open(CHECKPOINTS)? else { return Ok(None) };
        Ok(last_note(&mut file)?.map(|(note, _)| note))
    }

    /// The leaf hashes from index `from` on.
    ///
    /// # Errors
    /// When the file cannot be opened; a later fault ends the list.
    pub fn leaves(&self, from: u64) -> io::Result<impl Iterator<Item = Hash> + Send + use<>> {
        let mut reader = self.open(LEAVES)?.map(BufReader::new);
        if let Some(reader) = &mut reader {
            reader.seek(SeekFrom::Start(from.saturating_mul(HASH)))?;
        }
        Ok(std::iter::from_fn(move || {
            let mut hash = [0; Hash::LEN];
            reader.as_mut()?.read_exact(&mut hash).ok()?;
            Some(Hash(hash))
        }))
    }

    /// Appends the leaf hashes of the places from `from` on, then the checkpoint over them, and syncs.
    ///
    /// What the files hold already is left as it is: another process of the same directory may have been faster. Where
    /// they lack what comes before `from`, nothing is written.
    ///
    /// # Errors
    /// When the files cannot be written; they are then as a crash would leave them.
    pub fn append(&self, from: u64, hashes: &[Hash], note: Option<&str>) -> io::Result<()> {
        self.make_directory()?;
        let mut checkpoints = self.create(CHECKPOINTS)?;
        checkpoints.lock()?;
        let mut leaves = self.create(LEAVES)?;
        let (covered, end) = match last_note(&mut checkpoints)? {
            Some((note, end)) => (size_of(&note).ok_or_else(|| damaged("checkpoints"))?, end),
            None => (0, 0),
        };
        let there = leaves.metadata()?.len() / HASH;
        let start = if there < covered { from } else { from.max(covered) };
        let Some(new) = usize::try_from(start - from).ok().and_then(|skip| hashes.get(skip..)) else { return Ok(()) };
        if start > there {
            return Ok(());
        }
        if !new.is_empty() {
            leaves.set_len(start * HASH)?;
            leaves.seek(SeekFrom::End(0))?;
            leaves.write_all(&new.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>())?;
            leaves.sync_data()?;
        }
        if let Some(note) = note.filter(|note| size_of(note).is_some_and(|size| size > covered)) {
            checkpoints.set_len(end)?;
            checkpoints.seek(SeekFrom::End(0))?;
            checkpoints.write_all(format!("{note}\n").as_bytes())?;
            checkpoints.sync_data()?;
        }
        Ok(())
    }

    fn open(&self, name: &str) -> io::Result<Option<File>> {
        match File::open(self.directory.join(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let path = self.directory.join(name);
        let new = !path.exists();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        if new {
            sync_directory(&self.directory)?;
        }
        Ok(file)
    }

    fn make_directory(&self) -> io::Result<()> {
        if !self.directory.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            self.directory.parent().map_or(Ok(()), sync_directory)?;
        }
        Ok(())
    }
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the file of {what} is damaged: its last entry cannot be read"))
}

/// How many leaves a note, verified or not, says it covers.
fn size_of(note: &str) -> Option<u64> {
    Some(note.parse::<SignedNote>().ok()?.text().parse::<Checkpoint>().ok()?.size)
}

fn text(bytes: &[u8], range: Range<usize>) -> Option<String> {
    String::from_utf8(bytes.get(range)?.to_vec()).ok()
}

/// The last whole note, and the position behind it and its empty line.
fn last_note(file: &mut File) -> io::Result<Option<(String, u64)>> {
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let Some(range) = whole_notes(&bytes).pop() else { return Ok(None) };
    let end = skipped + range.end as u64 + 1;
    Ok(text(&bytes, range).map(|note| (note, end)))
}

/// The signed notes in a text: one, or several with an empty line behind each.
#[must_use]
pub fn read_notes(text: &str) -> Vec<String> {
    let ended = format!("{text}\n");
    whole_notes(ended.as_bytes()).into_iter().filter_map(|range| ended.get(range).map(str::to_owned)).collect()
}

/// Where whole notes stand. A note is a text, an empty line, and signature lines; an empty line ends it.
fn whole_notes(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut notes, mut block, mut before) = (Vec::new(), 0, None);
    for gap in bytes.windows(2).enumerate().filter(|(_, pair)| pair == b"\n\n").map(|(at, _)| at) {
        if gap < block {
            continue;
        }
        let signatures = bytes.get(block..).is_some_and(|rest| rest.starts_with("— ".as_bytes()));
        if let Some(start) = before.take().filter(|_| signatures) {
            notes.push(start..gap + 1);
        } else {
            before = Some(block);
        }
        block = gap + 2;
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_tlog::note::SignerKey;

    fn note(size: u64) -> String {
        let signer = SignerKey::from_seed("log", &[7; 32]).unwrap();
        Checkpoint::new("log", size, Hash([1; 32])).sign(&signer).unwrap().to_string()
    }

    fn hashes(range: Range<u8>) -> Vec<Hash> {
        range.map(|byte| Hash([byte; 32])).collect()
    }

    #[test]
    fn what_is_appended_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let held = Outside::new(directory.path().to_owned()).of(TenantId::from_uuid(uuid::Uuid::nil()));
        assert_eq!(held.newest().unwrap(), None);
        held.append(0, &hashes(0..3), Some(&note(3))).unwrap();
        held.append(3, &hashes(3..4), Some(&note(4))).unwrap();
        // Another process had this batch already, and this one would leave a gap.
        held.append(2, &hashes(2..4), Some(&note(4))).unwrap();
        held.append(9, &hashes(9..12), None).unwrap();
        assert_eq!(held.checkpoints().unwrap(), [note(3), note(4)]);
        assert_eq!(held.newest().unwrap(), Some(note(4)));
        assert_eq!(read_notes(&note(3)), [note(3)]);
        assert_eq!(read_notes(&format!("{}\n{}\n", note(3), note(4))), [note(3), note(4)]);
        assert_eq!(held.leaves(1).unwrap().collect::<Vec<_>>(), hashes(1..4));
    }

    #[test]
    fn what_a_crash_tore_is_overwritten() {
        for torn in 0..note(5).len() + 1 {
            let directory = tempfile::tempdir().unwrap();
            let held = Outside::new(directory.path().to_owned()).of(TenantId::from_uuid(uuid::Uuid::nil()));
            held.append(0, &hashes(0..4), Some(&note(4))).unwrap();
            let tear = |name: &str, bytes: &[u8]| {
                let mut file = OpenOptions::new().append(true).open(held.directory.join(name)).unwrap();
                file.write_all(bytes).unwrap();
            };
            tear(LEAVES, &[9; 45]);
            tear(CHECKPOINTS, &note(5).as_bytes()[..torn]);
            assert_eq!(held.newest().unwrap(), Some(note(4)), "torn after {torn} bytes");
            held.append(4, &hashes(4..6), Some(&note(6))).unwrap();
            assert_eq!(held.checkpoints().unwrap(), [note(4), note(6)]);
            assert_eq!(held.leaves(0).unwrap().collect::<Vec<_>>(), hashes(0..6));
        }
    }
}
