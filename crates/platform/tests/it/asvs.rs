//! docs/asvs.md names tests: each is there.

use std::collections::BTreeSet;
use std::path::Path;

fn sources(directory: &Path, text: &mut String, files: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            sources(&path, text, files);
        } else if name.ends_with(".rs") || name.ends_with(".test.ts") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
            files.insert(name);
        }
    }
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut text, mut files) = (String::new(), BTreeSet::new());
    for directory in ["crates/platform/tests", "crates/tenure/tests", "console/e2e"] {
        sources(&root.join(directory), &mut text, &mut files);
    }
    let table = std::fs::read_to_string(root.join("docs/asvs.md")).unwrap();
    let (mut items, mut named, mut missing) = (0, 0, Vec::new());
    for row in table.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        items += 1;
        for test in cells[4].split(", ").map(|name| name.trim().trim_matches('`')).filter(|name| *name != "–") {
            named += 1;
            let there = files.contains(test)
                || text.contains(&format!("fn {test}("))
                || text.contains(&format!("test('{test}'"));
            if !there {
                missing.push(format!("{}: {test}", cells[0]));
            }
        }
        // Where no test is named there is a reason.
        assert!(cells[3].trim().len() > 10 || !cells[4].contains('–'), "{row}");
    }
    assert!(items > 90 && named > 60, "{items} items, {named} tests");
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}
