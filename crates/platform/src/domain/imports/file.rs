//! The file: its header, and its lines cut into cells. Nothing of them is understood here.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tenure_kernel::{Problem, Result};
use zeroize::Zeroizing;

use super::keys;
use super::model::ImportKind;

/// The most lines of one file, without its header.
pub(super) const MOST_LINES: usize = 10_000;
/// Beyond, a line is no person.
const MOST_CELL_BYTES: usize = 4096;
/// What the header of a file may name.
struct Columns {
    required: &'static [&'static str],
    optional: &'static [&'static str],
    /// One of these is needed, too.
    one_of: &'static [&'static str],
    /// No two lines have the same in one of these, whatever their case.
    unique: &'static [&'static str],
}

impl ImportKind {
    const fn columns(self) -> Columns {
        match self {
            Self::Users => Columns {
                required: &["email", "username", "full_name"],
                optional: &["password", "password_hash", "roles", "teams"],
                one_of: &["password", "password_hash"],
                unique: &["email", "username"],
            },
            Self::Roles => Columns {
                required: &["name", "permissions"],
                optional: &["description"],
                one_of: &[],
                unique: &["name"],
            },
            Self::ApiKeys => Columns {
                required: &["name", "owner", "scopes"],
                optional: &["key", "key_sha256", "environment", "expires_at", "allowed_cidrs"],
                one_of: &["key", "key_sha256"],
                unique: &["key_sha256"],
            },
        }
    }
}

/// `attributes.department`, `attributes.level:number`.
pub(super) const ATTRIBUTE: &str = "attributes.";

/// The cells of a line by their column, or why it has none. Holds a password: sealed wherever it rests.
#[derive(Serialize, Deserialize)]
pub(super) struct Cells {
    cells: BTreeMap<String, Zeroizing<String>>,
    /// What is wrong with the line as a line.
    pub(super) fault: Option<String>,
    /// What is wrong with the key that stood in it.
    #[serde(default)]
    pub(super) key_fault: Option<String>,
}

impl Cells {
    /// Trimmed; empty where the column is not there.
    pub(super) fn get(&self, column: &str) -> &str {
        self.raw(column).trim()
    }

    /// As it stands there: a password may begin with a space.
    pub(super) fn raw(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", |cell| cell.as_str())
    }

    /// The columns that hold attributes.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_prefix = self.cells.iter().filter_map(|(name, cell)| Some((name.strip_prefix(ATTRIBUTE)?, cell.trim())));
        of_prefix.filter(|(_, cell)| !cell.is_empty())
    }

    pub(super) fn put(&mut self, column: &str, text: String) {
        self.cells.insert(column.to_owned(), Zeroizing::new(text));
    }

    /// Nothing stays of what stood there.
    pub(super) fn clear(&mut self) {
        self.cells.clear();
    }

    /// What stands in a column, which then is not there any more.
    pub(super) fn take(&mut self, column: &str) -> Zeroizing<String> {
        self.cells.remove(column).unwrap_or_default()
    }

    /// Whether the text stands in some cell.
    pub(super) fn hold(&self, text: &str) -> bool {
        self.cells.values().any(|cell| cell.contains(text))
    }

    #[cfg(test)]
    pub(super) fn of(cells: &[(&str, &str)]) -> Self {
        let cell = |(name, text): &(&str, &str)| ((*name).to_owned(), Zeroizing::new((*text).to_owned()));
        Self { cells: cells.iter().map(cell).collect(), fault: None, key_fault: None }
    }
}

/// A line before anybody has understood it.
pub(super) struct RawLine {
    /// From 1, as an editor counts.
    pub(super) number: i32,
    pub(super) cells: Cells,
}

/// Cuts the text into lines. Commas or semicolons, as the header has it; a byte order mark is no part of it.
///
/// # Errors
/// 422 at `/csv` for a header that is not understood, for no lines and for too many.
pub(super) fn read(kind: ImportKind, text: &str) -> Result<Vec<RawLine>> {
    let invalid = |detail: String| Problem::invalid("/csv", detail);
    let text = text.trim_start_matches('\u{feff}');
    let head = text.lines().next().unwrap_or_default();
    let delimiter = if head.matches(';').count() > head.matches(',').count() { b';' } else { b',' };
    // Lines of another length are told one by one.
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let mut records = reader.records();
    let header = records.next().transpose().map_err(|error| invalid(format!("cannot be read: {error}")))?;
    let columns =
        columns(kind, &header.ok_or_else(|| invalid("is empty; its first line names the columns".to_owned()))?)?;
    let (mut lines, mut places) = (Vec::new(), Places { text: text.as_bytes(), at: 0, line: 1 });
    let mut seen = HashMap::new();
    for record in records {
        let record = record.map_err(|error| invalid(format!("cannot be read: {error}")))?;
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if lines.len() == MOST_LINES {
            return Err(invalid(format!("has more than {MOST_LINES} lines; cut it into several")).into());
        }
        let number = places.line(record.position().map_or(0, csv::Position::byte));
        let mut cells = cells(&columns, &record);
        if kind == ImportKind::ApiKeys {
            keys::hide(&mut cells);
        }
        for column in kind.columns().unique {
            let text = cells.get(column).to_lowercase();
            if text.is_empty() {
                continue;
            }
            let first = *seen.entry((*column, text)).or_insert(number);
            if first != number && cells.fault.is_none() {
                cells.fault = Some(format!("has the {} of line {first}", column.trim_end_matches("_sha256")));
            }
        }
        lines.push(RawLine { number, cells });
    }
    if lines.is_empty() {
        return Err(invalid("has no line below its header".to_owned()).into());
    }
    Ok(lines)
}

/// In which line, as an editor counts, something begins. The reader counts `\n` alone, and before it skips empty lines.
struct Places<'a> {
    text: &'a [u8],
    at: usize,
    line: i32,
}

impl Places<'_> {
    /// Of a record that is read from `byte` on; records are asked for in their order.
    fn line(&mut self, byte: u64) -> i32 {
        let is_break = |at: usize| matches!(self.text.get(at), Some(b'\r' | b'\n'));
        let mut begins = usize::try_from(byte).unwrap_or(usize::MAX);
        while is_break(begins) {
            begins += 1;
        }
        for at in self.at..begins.min(self.text.len()) {
            // `\r\n` is one break.
            let half = self.text.get(at) == Some(&b'\r') && self.text.get(at + 1) == Some(&b'\n');
            self.line += i32::from(is_break(at) && !half);
        }
        self.at = begins;
        self.line
    }
}

fn columns(kind: ImportKind, header: &csv::StringRecord) -> Result<Vec<String>> {
    let invalid = |detail: String| Problem::invalid("/csv", detail);
    let wanted = kind.columns();
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
    for (index, name) in columns.iter().enumerate() {
        let named = wanted.required.contains(&name.as_str()) || wanted.optional.contains(&name.as_str());
        let known = named || kind == ImportKind::Users && is_attribute(name);
        if !known {
            return Err(invalid(unknown(kind, &wanted, index, name)).into());
        }
        if columns.iter().take(index).any(|earlier| earlier == name) {
            return Err(invalid(format!("has the column `{name}` twice")).into());
        }
    }
    let lacks = |name: &&&str| !columns.iter().any(|column| column == **name);
    if let Some(missing) = wanted.required.iter().find(lacks) {
        return Err(invalid(format!("lacks the column `{missing}`")).into());
    }
    if !wanted.one_of.is_empty() && wanted.one_of.iter().all(|name| lacks(&name)) {
        return Err(invalid(format!("needs a column `{}`", wanted.one_of.join("` or `"))).into());
    }
    Ok(columns)
}

/// Where a file of keys has no header its first line holds a key, which is not repeated.
fn unknown(kind: ImportKind, wanted: &Columns, index: usize, name: &str) -> String {
    let known = [wanted.required, wanted.optional].concat().join(", ");
    let near: String = name.chars().take(50).collect();
    match kind {
        ImportKind::Users => format!(
            "has a column `{near}`; columns are {known}, and attributes.<name> with :number, :flag or :list behind it where it is no text"
        ),
        ImportKind::Roles => format!("has a column `{near}`; columns are {known}"),
        ImportKind::ApiKeys => {
            format!("is not known in its column {}; its first line names the columns, which are {known}", index + 1)
        }
    }
}

fn is_attribute(column: &str) -> bool {
    column.strip_prefix(ATTRIBUTE).is_some_and(|rest| {
        let (name, kind) = rest.split_once(':').unwrap_or((rest, "text"));
        !name.is_empty() && ["text", "number", "flag", "list"].contains(&kind)
    })
}

fn cells(columns: &[String], record: &csv::StringRecord) -> Cells {
    let fault = if record.len() != columns.len() {
        Some(format!("has {} cells where the header has {}", record.len(), columns.len()))
    } else if record.iter().any(|cell| cell.len() > MOST_CELL_BYTES) {
        Some(format!("has a cell of more than {MOST_CELL_BYTES} bytes"))
    } else {
        None
    };
    let taken = record.iter().map(|cell| if cell.len() > MOST_CELL_BYTES { "" } else { cell });
    let cells = columns.iter().cloned().zip(taken.map(|cell| Zeroizing::new(cell.to_owned()))).collect();
    Cells { cells, fault, key_fault: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "email,username,full_name,password\n";

    fn of_people(text: &str) -> Result<Vec<RawLine>> {
        read(ImportKind::Users, text)
    }

    fn refused(kind: ImportKind, text: &str) -> String {
        match read(kind, text).map(|lines| lines.len()) {
            Err(tenure_kernel::Error::Problem(problem)) => problem.errors[0].detail.clone(),
            other => panic!("{text:?} was not refused: {other:?}"),
        }
    }

    #[test]
    fn lines_are_cut_into_cells() {
        let lines = of_people("\u{feff}Email;Username;full_name;password;attributes.level:number\r\n\r\na@b; ann ;\"Ann;\nLee\"; x;3\r\nc@d;cy\r\n").unwrap();
        let [first, second] = lines.as_slice() else { panic!("{}", lines.len()) };
        assert_eq!((first.number, first.cells.get("username"), first.cells.raw("password")), (3, "ann", " x"));
        assert_eq!(first.cells.get("full_name"), "Ann;\nLee");
        assert_eq!(first.cells.attributes().collect::<Vec<_>>(), [("level:number", "3")]);
        assert_eq!((second.number, second.cells.fault.as_deref()), (5, Some("has 2 cells where the header has 5")));
    }

    #[test]
    fn a_person_stands_once() {
        let lines = of_people(&format!("{HEAD}a@b,ann,A,x\nA@B,other,A,x\nc@d,ANN,A,x\n,,,\n")).unwrap();
        let faults: Vec<_> = lines.iter().map(|line| line.cells.fault.as_deref()).collect();
        assert_eq!(faults, [None, Some("has the email of line 2"), Some("has the username of line 2")]);
    }

    #[test]
    fn a_header_says_what_is_wrong_with_it() {
        for (text, told) in [
            ("", "is empty"),
            (HEAD, "no line below"),
            ("email,username,password\na,b,c", "lacks the column `full_name`"),
            ("email,username,full_name\na,b,c", "`password` or `password_hash`"),
            ("email,username,full_name,password,roels\n", "`roels`"),
            ("email,username,full_name,password,password\n", "twice"),
            ("email,username,full_name,password,attributes.a:date\n", "attributes.a:date"),
        ] {
            let found = refused(ImportKind::Users, text);
            assert!(found.contains(told), "{text:?}: {found}");
        }
        let many = format!("{HEAD}{}", "a,b,c,d\n".repeat(MOST_LINES + 1));
        assert!(refused(ImportKind::Users, &many).contains("cut it"));
    }

    #[test]
    fn each_kind_has_columns_of_its_own() {
        let (roles, keys) = (ImportKind::Roles, ImportKind::ApiKeys);
        assert!(refused(roles, "name\nx\n").contains("lacks the column `permissions`"));
        assert!(refused(roles, "name,permissions,email\n").contains("`email`"));
        assert!(refused(keys, "name,owner,scopes\nx,y,z\n").contains("`key` or `key_sha256`"));
        let lines = read(roles, "name,permissions\na,x\nA,y\n").unwrap();
        assert_eq!(lines[1].cells.fault.as_deref(), Some("has the name of line 2"));
        // No header, but a key: it is not repeated.
        let told = refused(keys, "mover,ada,9f2b6c1de4a85730fb1c24d9e6a7b833,workflow:read\n");
        assert!(told.contains("in its column 1") && !told.contains("mover") && !told.contains("9f2b"), "{told}");
        let told = refused(keys, "name,owner,9f2b6c1de4a85730fb1c24d9e6a7b833,scopes\n");
        assert!(told.contains("in its column 3") && !told.contains("9f2b"), "{told}");
    }

    proptest! {
        #[test]
        fn whatever_it_is_it_is_read_or_refused(text in "[a-z,;\"\n\r@. =]{0,400}") {
            let _ = of_people(&text);
            if let Ok(lines) = of_people(&format!("{HEAD}{text}")) {
                prop_assert!(lines.iter().all(|line| line.number >= 2));
                prop_assert!(lines.windows(2).all(|pair| pair[0].number < pair[1].number));
            }
        }

        #[test]
        fn what_was_written_is_what_is_read(cells in proptest::collection::vec("[^\u{0}\u{feff}]{1,40}", 4)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["email", "username", "full_name", "password"]).unwrap();
            writer.write_record(&cells).unwrap();
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            if cells.iter().any(|cell| !cell.trim().is_empty()) {
                let lines = of_people(&text).unwrap();
                for (column, cell) in ["email", "username", "full_name", "password"].iter().zip(&cells) {
                    prop_assert_eq!(lines[0].cells.raw(column), cell);
                }
            }
        }
    }
}
