//! Inclusion and consistency proofs (RFC 6962, section 2.1; verified as RFC 9162, sections 2.1.3.2 and 2.1.4.2).

use crate::{
    hash::Hash,
    merkle::{NodeId, node_hash},
};

/// Why no proof can be made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError<E> {
    /// The leaf or the smaller tree is not in the larger tree.
    #[error("no proof from {inner} in a tree of {size} leaves")]
    OutOfRange {
        /// The leaf's index, or the smaller tree's size.
        inner: u64,
        /// The tree's size.
        size: u64,
    },
    /// A node could not be read.
    #[error(transparent)]
    Read(#[from] E),
}

/// A proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the given root")]
pub struct InvalidProof;

/// The audit path of leaf `index` in the tree of `size` leaves, from the leaf upwards.
///
/// `read` gives the hash of any perfect subtree within the tree.
///
/// # Errors
/// If the leaf is not in the tree, or `read` fails.
pub fn prove_inclusion<E>(
    index: u64,
    size: u64,
    read: &mut impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, ProveError<E>> {
    if index >= size {
        return Err(ProveError::OutOfRange { inner: index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(middle, end, read)?);
            end = middle;
        } else {
            path.push(range_root(start, middle, read)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `size` leaves extends the tree of its first `old_size`.
///
/// # Errors
/// If the old tree is empty or larger than the new one, or `read` fails.
pub fn prove_consistency<E>(
    old_size: u64,
    size: u64,
    read: &mut impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, ProveError<E>> {
    if old_size == 0 || old_size > size {
        return Err(ProveError::OutOfRange { inner: old_size, size });
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while old_size < end {
        let middle = start + split(end - start);
        if old_size <= middle {
            path.push(range_root(middle, end, read)?);
            end = middle;
        } else {
            path.push(range_root(start, middle, read)?);
            start = middle;
        }
    }
    // The verifier knows the old root; any other subtree that ends the old tree must be told.
    if start > 0 {
        path.push(range_root(start, end, read)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` stands at `index` of the tree of `size` leaves under `root`.
///
/// # Errors
/// If the proof does not hold.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), InvalidProof> {
    if index >= size {
        return Err(InvalidProof);
    }
    let mut walk = Walk { node: index, last: size - 1 };
    let mut hash = *leaf;
    for sibling in proof {
        hash = match walk.up()? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    if walk.last == 0 && hash == *root { Ok(()) } else { Err(InvalidProof) }
}

/// Checks that the tree of `size` leaves under `root` extends the tree of `old_size` leaves under `old_root`.
///
/// Every tree extends the empty one, with an empty proof.
///
/// # Errors
/// If the proof does not hold.
pub fn verify_consistency(
    old_size: u64,
    size: u64,
    proof: &[Hash],
    old_root: &Hash,
    root: &Hash,
) -> Result<(), InvalidProof> {
    if old_size == 0 {
        return if proof.is_empty() && *old_root == Hash::EMPTY_ROOT { Ok(()) } else { Err(InvalidProof) };
    }
    if old_size == size {
        return if proof.is_empty() && old_root == root { Ok(()) } else { Err(InvalidProof) };
    }
    if old_size > size {
        return Err(InvalidProof);
    }
    let mut walk = Walk { node: old_size - 1, last: size - 1 };
    while walk.node & 1 == 1 {
        walk.shift();
    }
    // An old tree that is one perfect subtree is its own first node, and not repeated in the proof.
    let (first, rest) =
        if old_size.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(InvalidProof)? };
    let (mut old_hash, mut hash) = (*first, *first);
    for sibling in rest {
        match walk.up()? {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                hash = node_hash(sibling, &hash);
            }
            Side::Right => hash = node_hash(&hash, sibling),
        }
    }
    if walk.last == 0 && old_hash == *old_root && hash == *root { Ok(()) } else { Err(InvalidProof) }
}

/// The largest power of two below `count`, which is at least 2.
const fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The Merkle tree hash of leaves `start..end`, where `start` is a multiple of the largest power of two up to their count.
fn range_root<E>(start: u64, end: u64, read: &mut impl FnMut(NodeId) -> Result<Hash, E>) -> Result<Hash, E> {
    let count = end - start;
    if count.is_power_of_two() {
        let level = count.ilog2();
        return read(NodeId { level: level as u8, index: start >> level });
    }
    let middle = start + split(count);
    let left = range_root(start, middle, read)?;
    Ok(node_hash(&left, &range_root(middle, end, read)?))
}

/// Where a proof's sibling stands.
enum Side {
    Left,
    Right,
}

/// A walk from a node to the root: its index in its level, and that of the level's last node (`fn` and `sn` of RFC 9162).
struct Walk {
    node: u64,
    last: u64,
}

impl Walk {
    fn shift(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    /// Goes to the parent and says on which side the sibling of the node left behind stands.
    fn up(&mut self) -> Result<Side, InvalidProof> {
        if self.last == 0 {
            return Err(InvalidProof);
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            while self.node & 1 == 0 && self.node != 0 {
                self.shift();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.shift();
        Ok(side)
    }
}
