//! What the guests can reach at all.

use crate::support::{PYTHON, guests};
use tenure_sandbox::{Import, Treatment};

/// A core module names its imports in section 2; there is to be none.
#[test]
fn the_expression_guest_imports_nothing() {
    let path = guests().join("expressions.wasm");
    let module =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()));
    assert_eq!(&module[..8], b"\0asm\x01\0\0\0");
    let mut rest = &module[8..];
    let mut sections = Vec::new();
    while let [id, tail @ ..] = rest {
        let (mut size, mut shift, mut length) = (0_usize, 0, 0);
        for byte in tail {
            size |= usize::from(byte & 0x7f) << shift;
            (shift, length) = (shift + 7, length + 1);
            if byte & 0x80 == 0 {
                break;
            }
        }
        sections.push(*id);
        rest = &tail[length + size..];
    }
    assert!(sections.contains(&10), "a module has code");
    assert!(!sections.contains(&2), "the expression guest imports something");
}

/// Everything that the interpreter's component is linked to: what is new here needs a second thought.
#[tokio::test]
async fn the_interpreters_imports_are_known() {
    let golden = include_str!("python-imports.txt");
    let line = |import: &Import| format!("{:?} {}\n", import.treatment, import.name);
    assert_eq!(PYTHON.imports().iter().map(line).collect::<String>(), golden, "review, then update python-imports.txt");
    let lent = PYTHON.imports().iter().filter(|import| import.treatment == Treatment::Lent);
    assert!(
        lent.map(|import| import.name.as_str()).eq(["tenure:plugin/host@0.1.0#http", "tenure:plugin/host@0.1.0#log"])
    );
}
