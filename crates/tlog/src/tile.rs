//! C2SP `tlog-tiles`: the tree as files of 256 hashes, and its entries as bundles.

use std::{fmt, ops::Range, str::FromStr};

use crate::{
    hash::Hash,
    merkle::{NodeId, node_hash},
};

/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// Tree levels that a tile spans.
const TILE_HEIGHT: u8 = 8;

/// What is wrong with a tile, a bundle or a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not a tile's coordinates.
    #[error("a tile has a level of 0 to 63 and a width of 1 to 256")]
    Coordinates,
    /// Not a tile's path.
    #[error("not a tile path: expected tile/<level>/<index>[.p/<width>]")]
    Path,
    /// A tile's bytes are not one hash per unit of width.
    #[error("tile data is {found} bytes long, {expected} expected")]
    Length {
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// An entry is too long for a bundle.
    #[error("an entry of {0} bytes does not fit a bundle: at most 65535")]
    EntryLength(usize),
    /// A bundle's bytes do not hold what its width says.
    #[error("an entry bundle is cut short or has bytes too many")]
    Bundle,
    /// The tree has no such node.
    #[error("the tree has no such node")]
    NoSuchNode,
}

/// A tile's coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

impl Tile {
    /// The tile `index` at `level` (0 holds leaf hashes), with `width` hashes; below 256 it is partial.
    ///
    /// # Errors
    /// If the level is above 63 or the width is not 1 to 256.
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        if level > 63 || !(1..=TILE_WIDTH).contains(&width) {
            return Err(TileError::Coordinates);
        }
        Ok(Self { level, index, width })
    }

    /// The tile's level: its hashes are those of subtrees of `256^level` leaves.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The tile's index within its level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Hashes in the tile, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// The tree level of the tile's hashes, and their indexes within it.
    #[must_use]
    pub fn nodes(&self) -> (u8, Range<u64>) {
        let start = self.index.saturating_mul(u64::from(TILE_WIDTH));
        (self.level.saturating_mul(TILE_HEIGHT), start..start.saturating_add(u64::from(self.width)))
    }

    /// The tiles that a log must publish when it has grown from `old_size` to `size` leaves: full ones that became full,
    /// partial ones that are new or wider.
    pub fn published(old_size: u64, size: u64) -> impl Iterator<Item = Self> {
        (0..TILE_HEIGHT).flat_map(move |level| {
            let hashes = |leaves: u64| leaves.checked_shr(u32::from(level * TILE_HEIGHT)).unwrap_or(0);
            let (old, new) = (hashes(old_size), hashes(size));
            let width = u64::from(TILE_WIDTH);
            let range = if old == new { 0..0 } else { old / width..new.div_ceil(width) };
            range.map(move |index| Self { level, index, width: (new - index * width).min(width) as u16 })
        })
    }

    /// The tile of a tree of `size` leaves from which `node` can be computed.
    ///
    /// # Errors
    /// If the tree has no such node.
    pub fn of_node(node: NodeId, size: u64) -> Result<Self, TileError> {
        let end = node.index.checked_add(1).and_then(|next| checked_shl(next, node.level));
        if end.is_none_or(|end| end > size) {
            return Err(TileError::NoSuchNode);
        }
        let level = node.level / TILE_HEIGHT;
        let first = checked_shl(node.index, node.level % TILE_HEIGHT).ok_or(TileError::NoSuchNode)?;
        let index = first / u64::from(TILE_WIDTH);
        let hashes = size >> (level * TILE_HEIGHT);
        let width = (hashes - index * u64::from(TILE_WIDTH)).min(u64::from(TILE_WIDTH)) as u16;
        Ok(Self { level, index, width })
    }

    /// Computes `node` from the tile's hashes.
    ///
    /// # Errors
    /// If `node` is not within this tile, or `hashes` are not as many as its width.
    pub fn node(&self, node: NodeId, hashes: &[Hash]) -> Result<Hash, TileError> {
        let (base, range) = self.nodes();
        let height = node.level.checked_sub(base).filter(|h| *h < TILE_HEIGHT).ok_or(TileError::NoSuchNode)?;
        let first = checked_shl(node.index, height).and_then(|first| first.checked_sub(range.start));
        let first = first.and_then(|first| usize::try_from(first).ok()).ok_or(TileError::NoSuchNode)?;
        if hashes.len() != usize::from(self.width) {
            return Err(TileError::Length { expected: usize::from(self.width), found: hashes.len() });
        }
        let leaves = hashes.get(first..first.saturating_add(1 << height)).ok_or(TileError::NoSuchNode)?;
        Ok(perfect_root(leaves))
    }

    /// The tile's bytes: its hashes, one after the other.
    ///
    /// # Errors
    /// If `hashes` are not as many as its width.
    pub fn encode(&self, hashes: &[Hash]) -> Result<Vec<u8>, TileError> {
        if hashes.len() != usize::from(self.width) {
            let (expected, found) = (self.byte_len(), hashes.len() * Hash::LEN);
            return Err(TileError::Length { expected, found });
        }
        Ok(hashes.iter().flat_map(|hash| hash.0).collect())
    }

    /// The hashes in the tile's bytes.
    ///
    /// # Errors
    /// If they are not 32 bytes per unit of width.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
        if bytes.len() != self.byte_len() {
            return Err(TileError::Length { expected: self.byte_len(), found: bytes.len() });
        }
        let hashes = bytes.chunks_exact(Hash::LEN).filter_map(|chunk| Hash::try_from(chunk).ok());
        Ok(hashes.collect())
    }

    /// The bytes that a tile of this width takes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        usize::from(self.width) * Hash::LEN
    }

    /// The path of the entry bundle beside a level 0 tile of this index and width.
    #[must_use]
    pub fn entries_path(&self) -> String {
        format!("tile/entries/{}", PathTail(self))
    }
}

fn checked_shl(value: u64, bits: u8) -> Option<u64> {
    1u64.checked_shl(u32::from(bits)).and_then(|factor| value.checked_mul(factor))
}

/// The root over a power of two of hashes.
fn perfect_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Hash::EMPTY_ROOT,
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            node_hash(&perfect_root(left), &perfect_root(right))
        }
    }
}

/// The tile's path below the log's prefix: `tile/<level>/<index>[.p/<width>]`.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, PathTail(self))
    }
}

/// Index and width in a path: three digits an element, all but the last marked with an `x`.
struct PathTail<'a>(&'a Tile);

impl fmt::Display for PathTail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tile { index, width, .. } = *self.0;
        let mut higher = Vec::new();
        let mut rest = index / 1000;
        while rest > 0 {
            higher.push(rest % 1000);
            rest /= 1000;
        }
        for element in higher.iter().rev() {
            write!(f, "x{element:03}/")?;
        }
        write!(f, "{:03}", index % 1000)?;
        if width < TILE_WIDTH { write!(f, ".p/{width}") } else { Ok(()) }
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let parse = || {
            let (level, tail) = path.strip_prefix("tile/")?.split_once('/')?;
            let (index, width) = match tail.split_once(".p/") {
                Some((index, width)) => (index, width.parse().ok().filter(|width| *width < TILE_WIDTH)?),
                None => (tail, TILE_WIDTH),
            };
            let index = index.split('/').try_fold(0u64, |index, element| {
                let digits = element.strip_prefix('x').unwrap_or(element);
                index.checked_mul(1000)?.checked_add(digits.parse().ok()?)
            })?;
            Self::new(level.parse().ok()?, index, width).ok()
        };
        // Writing it again refuses every other spelling: signs, leading zeros, missing or superfluous elements.
        parse().filter(|tile| tile.to_string() == path).ok_or(TileError::Path)
    }
}

/// Writes an entry bundle: each entry behind its length as a big-endian `u16`.
///
/// # Errors
/// If an entry is longer than 65,535 bytes.
pub fn encode_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, TileError> {
    let mut bundle = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryLength(entry.len()))?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// The `width` entries of a bundle.
///
/// # Errors
/// If the bundle does not hold exactly that many.
pub fn decode_bundle(mut bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(usize::from(width));
    for _ in 0..width {
        let (length, rest) = bundle.split_first_chunk().ok_or(TileError::Bundle)?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(TileError::Bundle)?;
        entries.push(entry);
        bundle = rest;
    }
    if bundle.is_empty() { Ok(entries) } else { Err(TileError::Bundle) }
}
