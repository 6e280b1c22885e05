//! The list of common passwords that the server refuses, from two packages of others.
//!
//! - `common-passwords.txt.gz` of Django (BSD-3-Clause), which Royce Williams made of the most frequent ones in Have I Been
//!   Pwned's corpus;
//! - `passwords.json` of `@zxcvbn-ts/language-common` (MIT), which goes back to Dan Wheeler's zxcvbn.
//!
//! Both are taken from their registries by version and checked by digest, so the file can be made again, byte for byte.
//! Few of them are as long as a password must be here, and people know how to make a short one longer: each stands in the
//! list with the usual endings as well, and the most frequent also twice. The automaton shares endings, so they cost little.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::ensure;
use sha2::{Digest as _, Sha256};

use crate::{context::Context, files, shell};

const FILE: &str = "crates/platform/src/domain/identity/common_passwords.fst";

/// Shorter ones are too short for any password that could be chosen here (8 characters with a second factor).
const SHORTEST: usize = 8;

const DJANGO: &str = "5.2.19";
const DJANGO_LIST: &str = "django/contrib/auth/common-passwords.txt.gz";
const DJANGO_DIGEST: &str = "3c1baed62596de36860824eb3f436d5932d37ca8b06e59df78f5a44ec175afe4";
const ZXCVBN: &str = "4.1.3";
const ZXCVBN_LIST: &str = "package/src/passwords.json";
const ZXCVBN_DIGEST: &str = "f422773d94d630f27e08b26d7017e847bb1feb2a84809340e9c0b0c47b33e3f1";

/// What NOTICE says of them.
pub(crate) const NOTICE: &str = "\nThe list of common passwords\n\n  @zxcvbn-ts/language-common 4.1.3: MIT, https://github.com/zxcvbn-ts/zxcvbn\n  Django 5.2.19 (common-passwords.txt.gz): BSD-3-Clause, https://github.com/django/django\n";

/// A word that gets endings has so many characters at least.
const SHORTEST_WORD: usize = 4;
/// So many of the most frequent stand in the list twice over (`passwordpassword`).
const DOUBLED: usize = 5_000;
const MARKS: [&str; 4] = ["", "!", "!!", "."];
const DIGITS: [&str; 22] = [
    "1",
    "2",
    "7",
    "01",
    "10",
    "11",
    "12",
    "13",
    "21",
    "22",
    "23",
    "69",
    "99",
    "111",
    "123",
    "321",
    "007",
    "1234",
    "4321",
    "12345",
    "123456",
    "123456789",
];
const YEARS: std::ops::RangeInclusive<u16> = 1990..=2030;

/// Writes the list anew.
pub(crate) fn refresh(cx: &Context) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let lists = [zxcvbn(cx, directory.path())?, django(directory.path())?];
    let words: Vec<String> = lists.into_iter().flatten().map(|word| word.to_lowercase()).collect();
    let endings = endings();
    let mut all = BTreeSet::new();
    for (place, word) in words.iter().enumerate() {
        all.insert(word.clone());
        if word.chars().count() >= SHORTEST_WORD {
            all.extend(endings.iter().map(|ending| format!("{word}{ending}")));
        }
        if place < DOUBLED {
            all.insert(format!("{word}{word}"));
        }
    }
    all.retain(|password| password.chars().count() >= SHORTEST);
    let set = fst::Set::from_iter(&all)?;
    println!("{} passwords in {} bytes", set.len(), set.as_fst().as_bytes().len());
    files::write_or_compare(&cx.root.join(FILE), set.as_fst().as_bytes(), false, "")
}

/// Digits or a year, a mark, or both.
fn endings() -> Vec<String> {
    let numbers = DIGITS.iter().map(|digits| (*digits).to_owned()).chain(YEARS.map(|year| year.to_string()));
    let numbers = std::iter::once(String::new()).chain(numbers);
    let all = numbers.flat_map(|number| MARKS.map(|mark| format!("{number}{mark}")));
    all.filter(|ending| !ending.is_empty()).collect()
}

/// The most frequent first.
fn django(at: &Path) -> anyhow::Result<Vec<String>> {
    let wheel = format!("django=={DJANGO}");
    let mut pip = Command::new("python3");
    shell::run(pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", &wheel]).current_dir(at))?;
    let wheel = format!("django-{DJANGO}-py3-none-any.whl");
    let unpack = format!("import zipfile; zipfile.ZipFile('{wheel}').extract('{DJANGO_LIST}')");
    shell::run(Command::new("python3").args(["-c", &unpack]).current_dir(at))?;
    checked(&at.join(DJANGO_LIST), DJANGO_DIGEST)?;
    let text = shell::capture(Command::new("gzip").args(["-dc", DJANGO_LIST]).current_dir(at))?;
    Ok(String::from_utf8(text)?.lines().map(str::to_owned).collect())
}

/// The most frequent first.
fn zxcvbn(cx: &Context, at: &Path) -> anyhow::Result<Vec<String>> {
    let package = format!("@zxcvbn-ts/language-common@{ZXCVBN}");
    let arguments = ["pack", "--silent", "--pack-destination"];
    shell::run(cx.npm(&arguments).arg(at).arg(&package).stdout(Stdio::null()))?;
    let archive = format!("zxcvbn-ts-language-common-{ZXCVBN}.tgz");
    shell::run(Command::new("tar").args(["-xzf", &archive, ZXCVBN_LIST]).current_dir(at))?;
    let list = checked(&at.join(ZXCVBN_LIST), ZXCVBN_DIGEST)?;
    Ok(serde_json::from_slice(&list)?)
}

fn checked(path: &Path, digest: &str) -> anyhow::Result<Vec<u8>> {
    let content = files::read(path)?;
    let found: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(found == digest, "{} has the digest {found}, not {digest}", path.display());
    Ok(content)
}
