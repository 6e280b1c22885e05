//! Prints a log with its checkpoints, proofs and tiles as JSON, for `interop/tlog` to check.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::{collections::BTreeMap, error::Error};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tenure_tlog::{
    Checkpoint, Frontier, Hash, NodeId, leaf_hash,
    note::SignerKey,
    prove_consistency, prove_inclusion,
    tile::{Tile, TileError},
};

const ORIGIN: &str = "audit.example.com/0191f3c0-0000-7000-8000-0000000000a1";

/// Sizes at which a checkpoint is signed: around tile borders, and between.
const SIZES: [u64; 9] = [1, 2, 7, 100, 255, 256, 257, 600, 1000];

fn main() -> Result<(), Box<dyn Error>> {
    let signer = SignerKey::from_seed(ORIGIN, &[7; 32])?;
    let (mut frontier, mut nodes) = (Frontier::new(), BTreeMap::new());
    let (mut leaves, mut checkpoints) = (Vec::new(), Vec::new());
    let (mut inclusion, mut consistency, mut tiles) = (Vec::new(), Vec::new(), BTreeMap::new());
    let proof = |inner, size, path: Vec<Hash>| json!({"inner": inner, "size": size, "path": path});
    for (at, size) in SIZES.into_iter().enumerate() {
        let old = frontier.size();
        for index in old..size {
            let leaf = format!("{{\"index\":{index}}}");
            frontier.push_with(leaf_hash(leaf.as_bytes()), |node, hash| {
                nodes.insert(node, hash);
            });
            leaves.push(leaf);
        }
        let mut read = |node: NodeId| nodes.get(&node).copied().ok_or(TileError::NoSuchNode);
        for tile in Tile::published(old, size) {
            let (level, range) = tile.nodes();
            let hashes = range.map(|index| read(NodeId { level, index })).collect::<Result<Vec<_>, _>>()?;
            tiles.insert(tile.to_string(), STANDARD.encode(tile.encode(&hashes)?));
        }
        for index in [0, size / 2, size - 1] {
            inclusion.push(proof(index, size, prove_inclusion(index, size, &mut read)?));
        }
        for old_size in SIZES.into_iter().take(at + 1) {
            consistency.push(proof(old_size, size, prove_consistency(old_size, size, &mut read)?));
        }
        let note = Checkpoint::new(ORIGIN, size, frontier.root()).sign(&signer)?.to_string();
        checkpoints.push(json!({"size": size, "note": note}));
    }
    let document: Value = json!({
        "vkey": signer.verifier().to_string(),
        "skey": *signer.to_skey()?,
        "leaves": leaves,
        "checkpoints": checkpoints,
        "inclusion": inclusion,
        "consistency": consistency,
        "tiles": tiles,
    });
    println!("{document}");
    Ok(())
}
