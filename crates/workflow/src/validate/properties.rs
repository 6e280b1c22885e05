//! Whatever is sent as a definition: an answer within bounds, its faults where the reader can see them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::tests::{Plugins, VALID};
use super::*;
use crate::expression::{ExpressionFault, SourcePosition};

/// What each line holds, in characters; YAML ends lines like this, and so do editors.
fn line_lengths(text: &str) -> Vec<usize> {
    let one = text.replace("\r\n", "\n").replace('\r', "\n");
    one.split('\n').map(|line| line.chars().count()).collect()
}

/// Reads, judges and writes; each expression is answered with a fault at its last character.
fn judge(text: &[u8]) -> (Option<Draft>, Report) {
    let draft = match Draft::parse(text) {
        Ok(draft) => draft,
        Err(report) => return (None, report),
    };
    let checked: Vec<Checked> = draft
        .expressions()
        .iter()
        .map(|expression| {
            let position = (expression.kind != ExpressionKind::Template).then(|| {
                let lines: Vec<&str> = expression.source.split('\n').collect();
                let last = lines.last().map_or(0, |line| line.chars().count());
                let count = |number: usize| u32::try_from(number).expect("a short text");
                SourcePosition { line: count(lines.len()), column: count(last.max(1)), pointer: None }
            });
            Err(vec![ExpressionFault { syntax: true, message: "wrong".to_owned(), position, suggestion: None }])
        })
        .collect();
    let secrets = BTreeSet::new();
    let limits = PlanLimits { nodes: 50, parallelism: 20, timeout: None };
    let report = draft.validate(&checked, &Context { catalog: &Plugins, secrets: &secrets, limits });
    (Some(draft), report)
}

/// What must hold of any bytes.
fn holds(bytes: &[u8]) -> Result<(), TestCaseError> {
    let begun = Instant::now();
    let (draft, report) = judge(bytes);
    prop_assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    let text = String::from_utf8_lossy(bytes);
    let lines = line_lengths(&text);
    for fault in &report.faults {
        let (line, column) = (usize::try_from(fault.line).unwrap_or(0), usize::try_from(fault.column).unwrap_or(0));
        prop_assert!((1..=lines.len()).contains(&line), "line {} of {}: {}\n{}", line, lines.len(), fault, text);
        let length = lines.get(line - 1).copied().unwrap_or_default();
        prop_assert!((1..=length + 1).contains(&column), "column {} of {}: {}\n{}", column, length, fault, text);
    }
    let Some(draft) = draft else {
        prop_assert_eq!(report.faults.len(), 1, "what cannot be read has one fault: {}", report);
        return Ok(());
    };
    // Written out and read again it is the same, wrong as it may be, unless a key stood twice.
    let twice = report.has(Code::DuplicateKey) || report.has(Code::DuplicateId);
    for written in [draft.canonical_json(), draft.to_yaml()] {
        let again = Draft::parse(written.as_bytes());
        prop_assert!(again.is_ok(), "{}\n{}", text, written);
        let again = again.expect("just seen");
        prop_assert!(twice || again.definition() == draft.definition(), "{}\n{}", text, written);
        prop_assert!(twice || again.digest() == draft.digest(), "{}\n{}", text, written);
    }
    Ok(())
}

/// What a slip of an editor, or of somebody who tries, does to a text.
#[derive(Debug, Clone)]
enum Slip {
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    /// A part once more, elsewhere.
    Repeat(Index, usize, Index),
    Cut(Index),
    Flip(Index, u8),
}

fn slip() -> impl Strategy<Value = Slip> {
    let pieces = select(vec![
        "\"",
        "'",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        "\r\n",
        "\t",
        " ",
        "  ",
        "- ",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">-\n",
        "#",
        "---\n",
        "...",
        "? ",
        "<<: ",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "\u{0}",
        "é✓😀",
        "\\u12",
        "\\ud800",
        "null",
        "~",
        "1e999",
        "-0x1",
        "{{",
        "}}",
        "{{ secrets.x }}",
        "start",
        "end",
        "else",
        "type: ",
        "when: ",
        "do: ",
        "on: error",
        "limits: { recursion: 3 }\n",
    ]);
    let index = any::<Index>;
    prop_oneof![
        (index(), 1..12_usize).prop_map(|(at, length)| Slip::Remove(at, length)),
        (index(), pieces).prop_map(|(at, piece)| Slip::Insert(at, piece.as_bytes().to_vec())),
        (index(), prop::collection::vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Slip::Insert(at, bytes)),
        (index(), 1..80_usize, index()).prop_map(|(at, length, to)| Slip::Repeat(at, length, to)),
        index().prop_map(Slip::Cut),
        (index(), any::<u8>()).prop_map(|(at, byte)| Slip::Flip(at, byte)),
    ]
}

fn slipped(text: &[u8], slips: &[Slip]) -> Vec<u8> {
    let mut text = text.to_vec();
    for slip in slips {
        let at = |index: &Index| index.index(text.len() + 1);
        let part = |from: usize, length: usize| from..(from + length).min(text.len());
        match slip {
            Slip::Remove(index, length) => drop(text.drain(part(at(index), *length))),
            Slip::Insert(index, bytes) => drop(text.splice(at(index)..at(index), bytes.iter().copied())),
            Slip::Repeat(index, length, to) => {
                let (to, copied) = (at(to), text.get(part(at(index), *length)).unwrap_or_default().to_vec());
                drop(text.splice(to..to, copied));
            }
            Slip::Cut(index) => text.truncate(at(index)),
            Slip::Flip(index, byte) => {
                let at = at(index);
                if let Some(place) = text.get_mut(at) {
                    *place ^= *byte;
                }
            }
        }
    }
    text
}

#[test]
fn a_definition_is_the_same_in_its_own_json() {
    for text in VALID {
        holds(text.as_bytes()).unwrap();
        let draft = Draft::parse(text.as_bytes()).expect("readable");
        let again = Draft::parse(draft.canonical_json().as_bytes()).expect("readable");
        assert_eq!(again.canonical_json(), draft.canonical_json(), "and it is a fixed point");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn bytes_are_read_or_refused_at_a_place(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes)?;
    }

    #[test]
    fn yaml_like_texts_are_read_or_refused_at_a_place(
        text in "((nodes|edges|name|state|input|a|\"b\"|- |'|\\||>|&x|\\*x|!|#|%|@|`): ?|[{}\\[\\],:\\-\n\r\t ]|[a-c0-9é]){0,60}",
    ) {
        holds(text.as_bytes())?;
    }

    #[test]
    fn a_definition_with_slips_is_read_or_refused_at_a_place(
        text in select(VALID.to_vec()),
        slips in prop::collection::vec(slip(), 1..5),
    ) {
        holds(&slipped(text.as_bytes(), &slips))?;
    }
}
