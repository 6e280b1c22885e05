use std::path::{Path, PathBuf};

/// What can go wrong between looking for PostgreSQL and stopping it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable installation anywhere.
    #[error(
        "no PostgreSQL 15 or newer found (looked in {}); install it (Debian: `apt-get install postgresql-15`), name its \
         bin directory in TENURE_PG_BIN, or name a running server in DATABASE_URL",
        list(looked_in)
    )]
    NotFound {
        /// Directories that were tried.
        looked_in: Vec<PathBuf>,
    },
    /// The directory that was asked for holds no PostgreSQL this crate can use.
    #[error("{} is not a usable PostgreSQL: {detail}", bin.display())]
    Unusable {
        /// The directory.
        bin: PathBuf,
        /// What was seen there.
        detail: String,
    },
    /// Another process works on the data directory.
    #[error(
        "{} is in use by process {pid}; stop it first, or choose another data directory with TENURE_DATA_DIR",
        dir.display()
    )]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// Process id that the holder wrote down, `unknown` if it had not yet.
        pid: String,
    },
    /// The data was written by a major version that is not installed.
    #[error(
        "{} was written by PostgreSQL {found} and is left untouched; installed here: {}. Install PostgreSQL {found}, or \
         move the data with pg_upgrade or pg_dump",
        dir.display(),
        majors(installed)
    )]
    OtherMajor {
        /// The data directory.
        dir: PathBuf,
        /// Content of its `PG_VERSION`.
        found: String,
        /// Major versions found on this machine.
        installed: Vec<u32>,
    },
    /// Running as root, and there is no account to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root and there is no user `postgres` or `nobody` to run it as; create one of them"
    )]
    NoAccount,
    /// The process's own user has no name.
    #[error("user id {uid} has no entry in the user database, which PostgreSQL needs; add one to /etc/passwd")]
    UnnamedUser {
        /// The effective user id.
        uid: u32,
    },
    /// The data directory belongs to somebody else.
    #[error("{} belongs to user id {owner}, not to {us}; start as that user, or choose another data directory", dir.display())]
    NotOurs {
        /// The directory.
        dir: PathBuf,
        /// Its owner.
        owner: u32,
        /// The effective user id.
        us: u32,
    },
    /// Running as root, and the unprivileged user cannot reach the data directory or the programs.
    #[error(
        "user `{user}`, as whom PostgreSQL runs, cannot enter {}: {detail}; put it where that user can reach it, for data \
         such as below /var/lib/tenure",
        dir.display()
    )]
    OutOfReach {
        /// The directory.
        dir: PathBuf,
        /// The unprivileged user.
        user: String,
        /// The system's words.
        detail: String,
    },
    /// The runtime directory for the socket cannot be trusted.
    #[error("{} is not a private directory of user id {uid}; remove it, or set XDG_RUNTIME_DIR", dir.display())]
    SocketDir {
        /// The directory.
        dir: PathBuf,
        /// Who should own it.
        uid: u32,
    },
    /// `initdb` failed.
    #[error("initdb could not create {}: {detail}", dir.display())]
    Initdb {
        /// The data directory.
        dir: PathBuf,
        /// Last lines of its output.
        detail: String,
    },
    /// The server did not come up.
    #[error("PostgreSQL on {} did not start: {outage}", dir.display())]
    Start {
        /// The data directory.
        dir: PathBuf,
        /// Why it ended.
        outage: crate::Outage,
    },
    /// Processes of an earlier run would not end.
    #[error("processes {pids:?} of an earlier run still hold {} and do not end; end them by hand", dir.display())]
    Leftovers {
        /// The data directory.
        dir: PathBuf,
        /// Their ids.
        pids: Vec<i32>,
    },
    /// A file operation failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// Verb phrase.
        what: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The supervising thread is gone: a bug in this crate.
    #[error("the thread that supervises PostgreSQL ended unexpectedly")]
    Supervisor,
}

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Turns `io::Error` into [`Error::Io`] with what was being done to which path.
pub(crate) trait IoContext<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> IoContext<T> for Result<T, E> {
    fn at(self, what: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io { what, path: path.to_owned(), source: source.into() })
    }
}

fn list(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "TENURE_PG_BIN, /usr/lib/postgresql, PATH".to_owned();
    }
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn majors(installed: &[u32]) -> String {
    if installed.is_empty() {
        return "none".to_owned();
    }
    installed.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
