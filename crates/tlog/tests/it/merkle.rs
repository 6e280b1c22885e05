//! The tree against published vectors, a naive implementation and ct-merkle.

use std::convert::Infallible;

use proptest::prelude::*;
use tenure_tlog::{
    Checkpoint, Frontier, FrontierError, Hash, NodeId, leaf_hash, node_hash, prove_consistency, prove_inclusion,
    verify_consistency, verify_inclusion,
};

/// RFC 6962's definition, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::EMPTY_ROOT,
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

fn reader(leaves: &[Hash]) -> impl FnMut(NodeId) -> Result<Hash, Infallible> + '_ {
    |node| {
        let start = (node.index << node.level) as usize;
        Ok(naive_root(&leaves[start..start + (1 << node.level)]))
    }
}

/// The leaves and roots that Certificate Transparency implementations share (certificate-transparency-go and successors).
#[test]
fn known_roots() {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::new();
    assert_eq!(format!("{:?}", frontier.root()), roots[0]);
    for (input, root) in inputs.iter().zip(&roots[1..]) {
        let bytes: Vec<u8> =
            (0..input.len()).step_by(2).map(|i| u8::from_str_radix(&input[i..i + 2], 16).unwrap()).collect();
        frontier.push(leaf_hash(&bytes));
        assert_eq!(format!("{:?}", frontier.root()), *root);
    }
}

#[test]
fn a_frontier_resumes_only_as_signed() {
    let mut frontier = Frontier::new();
    frontier.extend(leaves(11));
    let (size, nodes) = (frontier.size(), frontier.nodes().to_vec());
    let signed = Checkpoint::new("log", size, frontier.root());
    assert_eq!(Frontier::resume(size, nodes.clone(), &signed).unwrap(), frontier);

    let mut rewritten = nodes.clone();
    rewritten[1] = leaf_hash(b"rewritten");
    assert_eq!(Frontier::resume(size, rewritten, &signed), Err(FrontierError::NotAsSigned { size: 11, signed: 11 }));
    assert_eq!(
        Frontier::from_parts(size, nodes[..2].to_vec()),
        Err(FrontierError::NodeCount { size: 11, expected: 3, found: 2 })
    );
}

/// Every proof of every tree up to 66 leaves, and that none passes for another place, size, leaf or root.
#[test]
fn all_small_proofs() {
    let leaves = leaves(66);
    for size in 1..=66_u64 {
        let root = naive_root(&leaves[..size as usize]);
        for index in 0..size {
            let leaf = leaves[index as usize];
            let proof = prove_inclusion(index, size, &mut reader(&leaves)).unwrap();
            verify_inclusion(&leaf, index, size, &proof, &root).unwrap();
            assert!(verify_inclusion(&leaf, index ^ 1, size, &proof, &root).is_err() || index ^ 1 == index);
            assert!(verify_inclusion(&leaf_hash(b"x"), index, size, &proof, &root).is_err());
            assert!(verify_inclusion(&leaf, index, size, &proof, &leaf_hash(b"x")).is_err());
            let longer: Vec<_> = proof.iter().copied().chain([root]).collect();
            assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify_inclusion(&leaf, index, size, shorter, &root).is_err());
            }
        }
        for old_size in 1..=size {
            let old_root = naive_root(&leaves[..old_size as usize]);
            let proof = prove_consistency(old_size, size, &mut reader(&leaves)).unwrap();
            verify_consistency(old_size, size, &proof, &old_root, &root).unwrap();
            assert!(verify_consistency(old_size, size, &proof, &leaf_hash(b"x"), &root).is_err());
            assert!(verify_consistency(old_size, size, &proof, &old_root, &leaf_hash(b"x")).is_err());
            if !proof.is_empty() {
                assert!(verify_consistency(old_size, size, &proof[1..], &old_root, &root).is_err());
                assert!(verify_consistency(old_size, size, &proof[..proof.len() - 1], &old_root, &root).is_err());
            }
        }
        assert!(verify_consistency(0, size, &[], &Hash::EMPTY_ROOT, &root).is_ok());
        assert!(prove_inclusion(size, size, &mut reader(&leaves)).is_err());
        assert!(prove_consistency(size + 1, size, &mut reader(&leaves)).is_err());
        assert!(prove_consistency(0, size, &mut reader(&leaves)).is_err());
    }
}

/// ct-merkle makes the same roots and byte-identical proofs, and accepts ours.
#[test]
fn agrees_with_ct_merkle() {
    let mut theirs = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    let leaves = leaves(300);
    let bytes = |proof: &[Hash]| proof.iter().flat_map(|hash| hash.0).collect::<Vec<_>>();
    for size in 1..=300_u64 {
        let old = theirs.root();
        theirs.push((size - 1).to_be_bytes().to_vec());
        let root = naive_root(&leaves[..size as usize]);
        assert_eq!(theirs.root().as_bytes().as_slice(), root.as_bytes());
        if size % 7 != 0 {
            continue;
        }
        for index in [0, size / 3, size - 1] {
            let ours = prove_inclusion(index, size, &mut reader(&leaves)).unwrap();
            assert_eq!(theirs.prove_inclusion(index as usize).as_bytes(), bytes(&ours));
        }
        for additions in [1, size / 2, size - 1] {
            let ours = prove_consistency(size - additions, size, &mut reader(&leaves)).unwrap();
            let proof = theirs.prove_consistency(additions as usize);
            assert_eq!(proof.as_bytes(), bytes(&ours), "{size} {additions}");
            if additions == 1 {
                theirs.root().verify_consistency(&old, &proof).unwrap();
            }
        }
    }
}

proptest! {
    #[test]
    fn the_frontier_is_the_tree(sizes in proptest::collection::vec(0_u64..200, 1..6)) {
        let all = leaves(sizes.iter().sum());
        let mut frontier = Frontier::new();
        let mut nodes = std::collections::HashMap::new();
        let mut end = 0;
        for batch in sizes {
            // A sealer knows the frontier alone between batches.
            frontier = Frontier::from_parts(frontier.size(), frontier.nodes().to_vec()).unwrap();
            for leaf in &all[end..end + batch as usize] {
                frontier.push_with(*leaf, |node, hash| assert!(nodes.insert(node, hash).is_none()));
            }
            end += batch as usize;
            prop_assert_eq!(frontier.root(), naive_root(&all[..end]));
        }
        for (node, hash) in nodes {
            prop_assert_eq!(reader(&all)(node).unwrap(), hash);
        }
    }

    #[test]
    fn no_other_proof_holds(size in 2_u64..500, index in 0_u64..500, flip in any::<(usize, usize)>()) {
        let index = index % size;
        let all = leaves(size);
        let root = naive_root(&all);
        let mut proof = prove_inclusion(index, size, &mut reader(&all)).unwrap();
        let (at, bit) = (flip.0 % proof.len(), flip.1 % 256);
        proof[at].0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(&all[index as usize], index, size, &proof, &root).is_err());
    }

    #[test]
    fn verifiers_never_panic(
        a in any::<u64>(), b in any::<u64>(),
        proof in proptest::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70),
    ) {
        prop_assert!(verify_inclusion(&Hash::EMPTY_ROOT, a, b, &proof, &Hash::EMPTY_ROOT).is_err());
        let _ = verify_consistency(a, b, &proof, &Hash::EMPTY_ROOT, &Hash::EMPTY_ROOT);
    }
}
