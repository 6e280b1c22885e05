//! The RFC 6962 Merkle tree, grown by its frontier alone.

use crate::hash::Hash;

/// The hash of a leaf: SHA-256 of `0x00` and its bytes.
#[must_use]
pub fn leaf_hash(leaf_bytes: &[u8]) -> Hash {
    Hash::of(&[&[0], leaf_bytes])
}

/// The hash of an interior node: SHA-256 of `0x01` and its children.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::of(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// A perfect subtree: `2^level` leaves from leaf `index · 2^level` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// Height above the leaves, which are level 0.
    pub level: u8,
    /// Position within the level, from the left.
    pub index: u64,
}

/// A frontier was given with the wrong number of nodes, or one that a checkpoint contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// The count of nodes does not fit the size.
    #[error("a tree of {size} leaves has {expected} frontier nodes, not {found}")]
    NodeCount {
        /// Leaves in the tree.
        size: u64,
        /// Nodes that such a tree has.
        expected: u32,
        /// Nodes given.
        found: usize,
    },
    /// The stored frontier is not the tree that was last signed: somebody changed it, so nothing may be appended to it.
    #[error("the stored tree of {size} leaves is not the one last signed ({signed} leaves): run an audit verification")]
    NotAsSigned {
        /// Leaves in the stored tree.
        size: u64,
        /// Leaves in the signed tree.
        signed: u64,
    },
}

/// The roots of the perfect subtrees that make up a tree, largest first: all that appending needs.
///
/// There is one per set bit of the size, so at most 64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A frontier from its stored parts.
    ///
    /// # Errors
    /// If `nodes` is not one hash per set bit of `size`.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Result<Self, FrontierError> {
        let expected = size.count_ones();
        if nodes.len() == expected as usize {
            Ok(Self { size, nodes })
        } else {
            Err(FrontierError::NodeCount { size, expected, found: nodes.len() })
        }
    }

    /// A frontier from its stored parts, if it is the tree that was last signed.
    ///
    /// The sealer resumes through here, with the checkpoint from *outside* the database: otherwise whoever rewrites the
    /// stored frontier would have the sealer sign the rewritten log.
    ///
    /// # Errors
    /// If the parts do not fit each other or `signed`.
    pub fn resume(size: u64, nodes: Vec<Hash>, signed: &crate::Checkpoint) -> Result<Self, FrontierError> {
        let frontier = Self::from_parts(size, nodes)?;
        if signed.size == size && signed.root == frontier.root() {
            Ok(frontier)
        } else {
            Err(FrontierError::NotAsSigned { size, signed: signed.size })
        }
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The subtree roots, largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        self.push_with(leaf, |_, _| ());
    }

    /// Appends a leaf by its hash and tells `completed` every subtree that this completes, leaf first, so that the caller can
    /// store those it wants (tiles need the levels divisible by 8).
    pub fn push_with(&mut self, leaf: Hash, mut completed: impl FnMut(NodeId, Hash)) {
        let mut node = NodeId { level: 0, index: self.size };
        let mut hash = leaf;
        completed(node, hash);
        while node.index & 1 == 1 {
            let Some(left) = self.nodes.pop() else { break };
            hash = node_hash(&left, &hash);
            node = NodeId { level: node.level + 1, index: node.index >> 1 };
            completed(node, hash);
        }
        self.nodes.push(hash);
        self.size += 1;
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        let Some(&smallest) = nodes.next() else { return Hash::EMPTY_ROOT };
        nodes.fold(smallest, |right, left| node_hash(left, &right))
    }
}

impl Extend<Hash> for Frontier {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}
