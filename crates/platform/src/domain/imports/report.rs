//! The report as a file that a spreadsheet opens.

use tenure_kernel::{Error, Result};

use super::model::{ImportKind, ImportLine};

/// What a spreadsheet would take for a formula (OWASP, CSV Injection) begins so; a quote before it makes it text.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

pub(super) fn csv(kind: ImportKind, lines: &[ImportLine]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head: &[&str] = match kind {
        ImportKind::Users => &["line", "state", "email", "username", "user", "errors"],
        ImportKind::Roles => &["line", "state", "name", "errors"],
        ImportKind::ApiKeys => &["line", "state", "name", "key", "errors"],
    };
    writer.write_record(head).map_err(Error::internal)?;
    for line in lines {
        let errors: Vec<String> = line
            .errors
            .iter()
            .map(|error| match &error.column {
                Some(column) => format!("{column}: {}", error.detail),
                None => error.detail.clone(),
            })
            .collect();
        let mut cells = vec![line.line.to_string(), line.state.as_str().to_owned()];
        match kind {
            ImportKind::Users => {
                let user = line.user.map(|user| user.to_string()).unwrap_or_default();
                cells.extend([line.email.0.clone(), line.username.0.clone(), user]);
            }
            ImportKind::Roles => cells.push(line.name.clone()),
            ImportKind::ApiKeys => {
                cells.extend([line.name.clone(), line.key.map(|key| key.to_string()).unwrap_or_default()]);
            }
        }
        cells.push(errors.join("; "));
        writer.write_record(cells.iter().map(|cell| harmless(cell))).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

fn harmless(cell: &str) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tenure_kernel::Personal;

    use super::*;
    use crate::domain::imports::model::{LineError, LineState};

    proptest! {
        #[test]
        fn no_cell_is_a_formula(email in "[=+@\t\r\n\",;a-z-]{0,12}", detail in "[=+@\t\r\n\",;a-z-]{0,12}") {
            let line = ImportLine {
                line: 2,
                state: LineState::Refused,
                username: Personal(email.clone()),
                email: Personal(email.clone()),
                name: email,
                user: None,
                key: None,
                errors: vec![LineError::whole(detail)],
            };
            for (kind, cells) in [(ImportKind::Users, 6), (ImportKind::Roles, 4), (ImportKind::ApiKeys, 5)] {
                let text = csv(kind, std::slice::from_ref(&line)).unwrap();
                let mut reader = csv::Reader::from_reader(text.as_slice());
                for record in reader.records() {
                    let record = record.unwrap();
                    prop_assert_eq!(record.len(), cells);
                    prop_assert!(record.iter().all(|cell| !cell.starts_with(FORMULA)), "{:?}", record);
                }
            }
        }
    }
}
