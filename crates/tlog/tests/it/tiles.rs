//! Tiles and bundles (C2SP tlog-tiles).

use std::collections::HashMap;

use proptest::prelude::*;
use tenure_tlog::{
    Frontier, Hash, NodeId, leaf_hash, prove_consistency, prove_inclusion,
    tile::{Tile, TileError, decode_bundle, encode_bundle},
    verify_consistency, verify_inclusion,
};

#[test]
fn paths_are_those_of_the_specification() {
    let path = |level, index, width| Tile::new(level, index, width).unwrap().to_string();
    assert_eq!(path(0, 0, 256), "tile/0/000");
    assert_eq!(path(1, 1_234_067, 256), "tile/1/x001/x234/067");
    assert_eq!(path(63, 1000, 8), "tile/63/x001/000.p/8");
    assert_eq!(Tile::new(0, 1_234_067, 8).unwrap().entries_path(), "tile/entries/x001/x234/067.p/8");
    for wrong in [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/+00",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/000/",
        "tile/-1/000",
        "/tile/0/000",
        "tile/entries/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(wrong.parse::<Tile>(), Err(TileError::Path), "{wrong}");
    }
}

/// The specification's own example: a tree of 70,000.
#[test]
fn a_tree_is_published_as_the_specification_says() {
    let tiles: Vec<_> = Tile::published(0, 70_000).collect();
    let widths = |level, width: u16| tiles.iter().filter(|t| t.level() == level && t.width() == width).count();
    assert_eq!((widths(0, 256), widths(0, 112), widths(1, 256), widths(1, 17), widths(2, 1)), (273, 1, 1, 1, 1));
    assert_eq!(tiles.len(), 277);
    assert_eq!(Tile::published(0, 256).count(), 2);
    assert_eq!(Tile::published(70_000, 70_000).count(), 0);
    assert_eq!(Tile::published(70_000, 70_001).collect::<Vec<_>>(), [Tile::new(0, 273, 113).unwrap()]);
}

/// A log that publishes tiles as it grows, and a client that has nothing else.
#[test]
fn proofs_from_tiles_alone() {
    let sizes = [1_u64, 255, 256, 257, 700, 65_536, 70_000];
    let mut frontier = Frontier::new();
    let (mut nodes, mut files, mut roots) = (HashMap::new(), HashMap::new(), Vec::new());
    let mut old = 0;
    for size in sizes {
        for i in old..size {
            frontier.push_with(leaf_hash(&i.to_be_bytes()), |node, hash| {
                if node.level % 8 == 0 {
                    nodes.insert(node, hash);
                }
            });
        }
        for tile in Tile::published(old, size) {
            let (level, range) = tile.nodes();
            let hashes: Vec<_> = range.map(|index| nodes[&NodeId { level, index }]).collect();
            files.insert(tile.to_string(), tile.encode(&hashes).unwrap());
        }
        roots.push(frontier.root());
        old = size;
    }
    let reader = |size| {
        let files = &files;
        move |node| {
            let tile = Tile::of_node(node, size)?;
            tile.node(node, &tile.decode(&files[&tile.to_string()])?)
        }
    };
    for (size, root) in sizes.iter().zip(&roots) {
        for index in [0, size / 2, size - 1] {
            let proof = prove_inclusion::<TileError>(index, *size, &mut reader(*size)).unwrap();
            verify_inclusion(&leaf_hash(&index.to_be_bytes()), index, *size, &proof, root).unwrap();
        }
        for (old_size, old_root) in sizes.iter().zip(&roots).take_while(|(old, _)| *old <= size) {
            let proof = prove_consistency::<TileError>(*old_size, *size, &mut reader(*size)).unwrap();
            verify_consistency(*old_size, *size, &proof, old_root, root).unwrap();
        }
    }
    assert_eq!(Tile::of_node(NodeId { level: 0, index: 70_000 }, 70_000), Err(TileError::NoSuchNode));
    assert_eq!(Tile::of_node(NodeId { level: 17, index: 0 }, 70_000), Err(TileError::NoSuchNode));
    assert_eq!(Tile::of_node(NodeId { level: 255, index: u64::MAX }, u64::MAX), Err(TileError::NoSuchNode));
}

proptest! {
    #[test]
    fn tile_paths_survive(level in 0_u8..64, index in any::<u64>(), width in 1_u16..=256) {
        let tile = Tile::new(level, index, width).unwrap();
        prop_assert_eq!(tile.to_string().parse::<Tile>().unwrap(), tile);
    }

    #[test]
    fn any_text_is_a_path_or_refused(text in "(tile/)?[0-9x/.p+-]{0,24}|\\PC{0,24}") {
        if let Ok(tile) = text.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), text);
        }
    }

    #[test]
    fn bundles_survive(entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let bundle = encode_bundle(entries.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(decode_bundle(&bundle, entries.len() as u16).unwrap(), entries.clone());
        prop_assert_eq!(decode_bundle(&bundle, entries.len() as u16 + 1), Err(TileError::Bundle));
        if !entries.is_empty() {
            prop_assert_eq!(decode_bundle(&bundle[..bundle.len() - 1], entries.len() as u16), Err(TileError::Bundle));
        }
    }

    #[test]
    fn tiles_survive(hashes in proptest::collection::vec(any::<[u8; 32]>().prop_map(Hash), 1..=256)) {
        let tile = Tile::new(0, 3, hashes.len() as u16).unwrap();
        let bytes = tile.encode(&hashes).unwrap();
        prop_assert_eq!(tile.decode(&bytes).unwrap(), hashes);
        prop_assert!(tile.decode(&bytes[1..]).is_err());
    }
}
