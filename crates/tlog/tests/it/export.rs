//! Exports: written, read and verified without a store.

use proptest::prelude::*;
use tenure_tlog::{
    AuditKey, Checkpoint, Frontier, Hash,
    export::{ExportError, Header, LineFault, Reader, Writer, verify_export},
    leaf_hash,
    note::SignerKey,
    verify::{Kind, Record, Report, StoredEvent},
};
use uuid::Uuid;

const ORIGIN: &str = "audit.example.com/t1";

fn signer() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn key() -> AuditKey {
    AuditKey::new(&[5; 32])
}

fn records() -> Vec<Record> {
    let record = |index: u64| {
        let event_id = Uuid::from_u128(u128::from(index));
        let bytes = format!(r#"{{"big":"9007199254740993","id":"{event_id}","n":{index}}}"#).into_bytes();
        let hash = leaf_hash(&bytes);
        Record {
            index,
            event_id,
            event_mac: Some(key().event(&bytes)),
            event: StoredEvent::Present(bytes),
            leaf_hash: Some(hash),
            seal_mac: Some(key().seal(index, &hash)),
        }
    };
    (0..20).map(record).collect()
}

fn frontier(records: &[Record]) -> Frontier {
    let mut frontier = Frontier::new();
    frontier.extend(records.iter().filter_map(|record| record.leaf_hash));
    frontier
}

fn export(header: &Header, records: &[Record]) -> String {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    records.iter().for_each(|record| writer.write(record).unwrap());
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

fn header() -> Header {
    let tree = frontier(&records());
    let note = Checkpoint::new(ORIGIN, tree.size(), tree.root()).sign(&signer()).unwrap().to_string();
    Header::new(ORIGIN, vec![signer().verifier().to_string()], vec![note])
}

fn verify(file: &str) -> Result<Report, ExportError> {
    verify_export(Reader::new(file.as_bytes())?, vec![signer().verifier().clone()], &[], vec![])
}

#[test]
fn an_export_is_read_as_it_was_written_and_verifies() {
    let (header, mut records) = (header(), records());
    let file = export(&header, &records);
    let reader = Reader::new(file.as_bytes()).unwrap();
    assert_eq!(reader.header(), &header);
    assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap(), records);
    let report = verify(&file).unwrap();
    assert!(report.is_ok() && report.confirmed == 20, "{report}");

    records[4].event = StoredEvent::Archived;
    let report = verify(&export(&header, &records)).unwrap();
    assert!(report.is_ok() && report.archived == 1, "{report}");
    records[5].event = StoredEvent::Missing;
    let first = verify(&export(&header, &records)).unwrap().first.unwrap();
    assert_eq!((first.index, first.kind), (5, Kind::Deleted));

    let part = records.split_off(8);
    let mut file = export(&header.starting_at(&frontier(&records)), &part);
    assert!(verify(&file).unwrap().is_ok());
    file = file.replacen(r#"\"n\":12"#, r#"\"n\":13"#, 1).replacen(r#""n":12"#, r#""n":13"#, 1);
    let first = verify(&file).unwrap().first.unwrap();
    assert_eq!((first.index, first.kind), (12, Kind::Edited));
}

#[test]
fn files_that_are_none() {
    let file = export(&header(), &records());
    let fault = |file: &str| match verify(file) {
        Err(ExportError::Line { line, fault }) => (line, fault),
        other => panic!("{other:?}"),
    };
    assert!(matches!(fault(""), (1, LineFault::NoHeader)));
    assert!(matches!(fault(&file.replace("\"version\":1", "\"version\":2")), (1, LineFault::Format)));
    let half = &file[..file.len() - 40];
    assert!(matches!(fault(half), (21, LineFault::Json(_))));
    for (from, to) in [(r#""n":3"#, r#""n": 3"#), (r#""n":3"#, r#""n":3,"n":3"#), (r#""n":3"#, r#""n":3.0"#)] {
        assert!(matches!(fault(&file.replacen(from, to, 1)), (5, LineFault::NotCanonical)), "{to}");
    }
    let start = Hash::EMPTY_ROOT;
    let wrong_start = file.replacen(
        "\"checkpoints\"",
        &format!("\"start\":{{\"size\":3,\"nodes\":[\"{start}\"]}},\"checkpoints\""),
        1,
    );
    assert!(matches!(fault(&wrong_start), (1, LineFault::Start(_))));
}

proptest! {
    /// Whatever byte of an export is changed, it is refused, or verification finds it, or nothing that is verified changed.
    #[test]
    fn every_byte_counts(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let file = export(&header(), &records());
        let body = file.find('\n').unwrap() + 1;
        let mut bytes = file.clone().into_bytes();
        let at = body + at.index(bytes.len() - body);
        bytes[at] ^= 1 << bit;
        let Ok(reader) = Reader::new(bytes.as_slice()) else { return Ok(()) };
        let report = verify_export(reader, vec![signer().verifier().clone()], &[], vec![key()]);
        if let Ok(report) = report && report.is_ok() {
            // Only the id beside the leaf and superfluous white space are not under any hash.
            let records: Vec<_> = Reader::new(bytes.as_slice()).unwrap().map(Result::unwrap).collect();
            for (read, written) in records.iter().zip(&self::records()) {
                prop_assert_eq!((read.index, &read.event), (written.index, &written.event));
            }
        }
    }
}
