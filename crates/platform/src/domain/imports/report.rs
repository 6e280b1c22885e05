//! The report as a file that a spreadsheet opens.

use tenure_kernel::{Error, Result};

use super::model::ImportLine;

/// What a spreadsheet would take for a formula (OWASP, CSV Injection) begins so; a quote before it makes it text.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

pub(super) fn csv(lines: &[ImportLine]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["line", "state", "email", "username", "user", "errors"]).map_err(Error::internal)?;
    for line in lines {
        let errors: Vec<String> = line
            .errors
            .iter()
            .map(|error| match &error.column {
                Some(column) => format!("{column}: {}", error.detail),
                None => error.detail.clone(),
            })
            .collect();
        let user = line.user.map(|user| user.to_string()).unwrap_or_default();
        let cells = [
            line.line.to_string(),
            line.state.as_str().to_owned(),
            line.email.0.clone(),
            line.username.0.clone(),
            user,
            errors.join("; "),
        ];
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
                email: Personal(email),
                user: None,
                errors: vec![LineError::whole(detail)],
            };
            let text = csv(&[line]).unwrap();
            let mut reader = csv::Reader::from_reader(text.as_slice());
            for record in reader.records() {
                let record = record.unwrap();
                prop_assert_eq!(record.len(), 6);
                prop_assert!(record.iter().all(|cell| !cell.starts_with(FORMULA)), "{:?}", record);
            }
        }
    }
}
