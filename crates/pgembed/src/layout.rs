//! What lies where below the directory a cluster owns, and how it is made.
//!
//! ```text
//! <dir>/            ours: 0700, or 0711 as root, so that PostgreSQL's user can pass but not write
//!   lock            held while a process owns the cluster, holds its process id
//!   hba.conf        who may connect
//!   ident.conf      which system user counts as the superuser
//!   data/           PostgreSQL's own, 0700
//!   run/            the socket, 0700; elsewhere if this path is too long for one
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
};

use nix::unistd::geteuid;

use crate::{
    Binaries, ClusterConfig, Error, Result,
    account::{Account, own_name},
    error::IoContext as _,
    leftovers, process,
};

/// The name of initdb's superuser.
pub(crate) const SUPERUSER: &str = "postgres";

/// Part of the socket's file name; no TCP port is opened.
pub(crate) const PORT: u16 = 5432;

/// `sizeof(sockaddr_un.sun_path)` less its closing zero, and less one because that is what PostgreSQL checks.
const LONGEST_SOCKET_PATH: usize = 106;

/// A directory that is locked, initialised and free of leftovers: ready for a server to start on it.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) socket_dir: PathBuf,
    pub(crate) account: Account,
    pub(crate) binaries: Binaries,
    /// Held as long as the cluster is owned.
    _lock: File,
}

impl Layout {
    /// Takes the lock, picks the programs that fit the data, makes the data if there is none, stops leftovers.
    pub(crate) fn prepare(config: &ClusterConfig) -> Result<Self> {
        make_dir(&config.dir)?;
        let dir = config.dir.canonicalize().at("resolve", &config.dir)?;
        let lock = take_lock(&dir)?;
        let data = dir.join("data");
        let binaries = fitting(config, &data)?;
        let account = Account::choose(&data)?;
        check_reach(&binaries, &account, &dir)?;
        let layout = Self { socket_dir: socket_dir(&dir, &account)?, dir, data, account, binaries, _lock: lock };
        layout.allow_superuser(true)?;
        if layout.data.exists() {
            leftovers::clear(&layout.data)?;
        } else {
            layout.initdb(config.durable)?;
        }
        Ok(layout)
    }

    pub(crate) fn hba_file(&self) -> PathBuf {
        self.dir.join("hba.conf")
    }

    pub(crate) fn ident_file(&self) -> PathBuf {
        self.dir.join("ident.conf")
    }

    /// Writes who may connect. Takes effect when the server starts or is told to reload.
    pub(crate) fn allow_superuser(&self, allowed: bool) -> Result<()> {
        let method = if allowed { "peer map=owner" } else { "reject" };
        write_readable(&self.hba_file(), &format!("local all {SUPERUSER} {method}\nlocal all all scram-sha-256\n"))?;
        write_readable(&self.ident_file(), &format!("owner \"{}\" {SUPERUSER}\n", own_name()?))
    }

    /// Frees the lock, and removes a socket directory that lies elsewhere: whoever comes next makes it again.
    pub(crate) fn release(self) {
        if !self.socket_dir.starts_with(&self.dir) {
            let _ = fs::remove_dir(&self.socket_dir);
        }
    }

    /// Makes the data under another name first: a directory called `data` is always whole.
    fn initdb(&self, durable: bool) -> Result<()> {
        let draft = self.dir.join("data.new");
        if draft.exists() {
            fs::remove_dir_all(&draft).at("remove", &draft)?;
        }
        make_private(&draft, &self.account)?;

        let mut command = process::command(&self.binaries.program("initdb"), &self.account, &self.dir);
        command.arg("--pgdata").arg(&draft);
        command.args(["--username", SUPERUSER, "--auth-local=reject", "--auth-host=reject", "--encoding=UTF8"]);
        // Byte order for sorting, Unicode for upper and lower case, the same on every machine.
        command.args(match self.binaries.major() {
            ..=16 => &["--locale=C.UTF-8"][..],
            17.. => &["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"][..],
        });
        command.args(["--no-instructions", "--no-sync"]);
        if durable {
            command.arg("--data-checksums");
        }
        let output = command.stdin(Stdio::null()).output().at("run", &self.binaries.program("initdb"))?;
        if !output.status.success() {
            let detail = process::last_words(&output.stderr);
            // The draft says nothing that the message does not, and on a full disk its space is needed.
            let _ = fs::remove_dir_all(&draft);
            return Err(Error::Initdb { dir: self.data.clone(), detail });
        }
        let flush = |dir: &Path| if durable { flush_file_system(dir).at("flush", dir) } else { Ok(()) };
        flush(&draft)?;
        fs::rename(&draft, &self.data).at("rename", &draft)?;
        flush(&self.dir)
    }
}

/// Whatever programs are found first for new data, the ones of its own major version for existing data.
fn fitting(config: &ClusterConfig, data: &Path) -> Result<Binaries> {
    let (bin, cache) = (config.bin.as_deref(), config.cache.as_deref());
    if !data.exists() {
        return Binaries::find(bin, cache);
    }
    let version_file = data.join("PG_VERSION");
    let found = fs::read_to_string(&version_file).at("read", &version_file)?.trim().to_owned();
    let installed = Binaries::all(bin, cache)?;
    let majors = installed.iter().map(Binaries::major).collect();
    let fits = installed.into_iter().find(|binaries| binaries.major().to_string() == found);
    fits.ok_or(Error::OtherMajor { dir: data.to_owned(), found, installed: majors })
}

fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).at("create", dir)?;
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    fs::set_permissions(dir, Permissions::from_mode(mode)).at("set the mode of", dir)
}

fn take_lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .at("open", &path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).at("read", &path)?;
            let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
            return Err(Error::Locked { dir: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(error).at("lock", &path),
    }
    file.set_len(0).at("write", &path)?;
    writeln!(file, "{}", std::process::id()).at("write", &path)?;
    Ok(file)
}

/// As root, sees by trying whether PostgreSQL's user gets to its programs and to its data.
fn check_reach(binaries: &Binaries, account: &Account, dir: &Path) -> Result<()> {
    if !account.switch {
        return Ok(());
    }
    for (cwd, reached) in [(Path::new("/"), binaries.bin()), (dir, dir)] {
        let tried = process::command(&binaries.program("postgres"), account, cwd).arg("--version").output();
        if let Err(error) = tried {
            return Err(Error::OutOfReach {
                dir: reached.to_owned(),
                user: account.name.clone(),
                detail: error.to_string(),
            });
        }
    }
    Ok(())
}

/// A directory for the socket: below `dir` if the path is short enough, else a private one in a runtime directory.
fn socket_dir(dir: &Path, account: &Account) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    let name = format!("tenure-{}-{:016x}", account.uid, hasher.finish());

    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !account.switch).map(PathBuf::from);
    let candidates = [Some(dir.join("run")), runtime.map(|runtime| runtime.join(&name))];
    let short = |path: &PathBuf| path.as_os_str().len() + format!("/.s.PGSQL.{PORT}").len() <= LONGEST_SOCKET_PATH;
    let chosen = candidates.into_iter().flatten().find(short).unwrap_or_else(|| Path::new("/tmp").join(&name));

    if fs::symlink_metadata(&chosen).is_err() {
        make_private(&chosen, account)?;
    }
    // In a directory that everybody may write to, another user may have been first.
    let metadata = fs::symlink_metadata(&chosen).at("examine", &chosen)?;
    if !metadata.is_dir() || metadata.uid() != account.uid || metadata.mode() & 0o077 != 0 {
        return Err(Error::SocketDir { dir: chosen, uid: account.uid });
    }
    Ok(chosen)
}

/// Writes a whole file system to its disk. For initdb's thousand files a third of the time of flushing each, which is
/// what it would do itself.
fn flush_file_system(dir: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::unistd::syncfs(File::open(dir)?)?;
    #[cfg(not(target_os = "linux"))]
    nix::unistd::sync();
    Ok(())
}

/// A new directory of mode 0700 that belongs to PostgreSQL's user.
fn make_private(dir: &Path, account: &Account) -> Result<()> {
    DirBuilder::new().mode(0o700).create(dir).at("create", dir)?;
    if account.switch {
        chown(dir, Some(account.uid), Some(account.gid)).at("change the owner of", dir)?;
    }
    Ok(())
}

/// Replaces a file at once; PostgreSQL's user may read it and not write it.
fn write_readable(path: &Path, content: &str) -> Result<()> {
    let draft = path.with_extension("new");
    fs::write(&draft, content).at("write", &draft)?;
    fs::set_permissions(&draft, Permissions::from_mode(0o644)).at("set the mode of", &draft)?;
    fs::rename(&draft, path).at("rename", &draft)
}
