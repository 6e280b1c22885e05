//! The logins of `tenure login`, in a file that nobody else can read.
//!
//! A refresh token works once. Whoever refreshes holds the lock beside the file until the next one is on the disk, so that two
//! commands at once never use the same, which the server would take for theft.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Failure;

/// Where the file is, for those who want it elsewhere.
const PLACE: &str = "TENURE_CREDENTIALS";

/// One login; there is at most one for each server and organisation.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) server: String,
    /// Short name of the organisation.
    pub(super) organization: String,
    pub(super) username: String,
    pub(super) access_token: String,
    /// When the access token ends, in seconds since 1970.
    pub(super) expires_at: i64,
    pub(super) refresh_token: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// The last one used comes first.
    logins: Vec<Login>,
}

/// Where logins are kept.
pub(super) struct Credentials(PathBuf);

impl Credentials {
    /// `TENURE_CREDENTIALS`, or `tenure/credentials.json` in the user's configuration directory.
    pub(super) fn locate() -> Result<Self, Failure> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(place) = set(PLACE) {
            return Ok(Self(place));
        }
        let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
        let config = config.ok_or_else(|| Failure::Usage(format!("set HOME or {PLACE}: a login is kept in a file")))?;
        Ok(Self(config.join("tenure/credentials.json")))
    }

    /// The logins as they are, for a look.
    pub(super) fn look(&self) -> Result<Vec<Login>, Failure> {
        Ok(read(&self.0)?.logins)
    }

    /// The logins, with everybody else kept away until this is dropped.
    pub(super) fn lock(&self) -> Result<Locked<'_>, Failure> {
        let failed = |error: std::io::Error| unusable(&self.0, &error);
        if let Some(directory) = self.0.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        }
        let open =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(self.0.with_extension("lock"));
        let lock = open.map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Locked { path: &self.0, kept: read(&self.0)?, _lock: lock })
    }
}

/// The logins, held.
pub(super) struct Locked<'a> {
    path: &'a Path,
    kept: Kept,
    /// Let go when it is closed.
    _lock: File,
}

/// The first that fits; whatever is not told fits.
pub(super) fn find<'a>(logins: &'a [Login], server: Option<&str>, organization: Option<&str>) -> Option<&'a Login> {
    logins.iter().find(|login| {
        server.is_none_or(|server| login.server == server)
            && organization.is_none_or(|organization| login.organization == organization)
    })
}

impl Locked<'_> {
    pub(super) fn find(&self, server: &str, organization: Option<&str>) -> Option<&Login> {
        find(&self.kept.logins, Some(server), organization)
    }

    /// Puts a login in the place of the one for the same server and organisation, first of all, and writes it down.
    pub(super) fn put(&mut self, login: Login) -> Result<(), Failure> {
        self.forget(&login);
        self.kept.logins.insert(0, login);
        self.save()
    }

    /// Throws a login away.
    pub(super) fn remove(&mut self, login: &Login) -> Result<(), Failure> {
        self.forget(login);
        self.save()
    }

    fn forget(&mut self, login: &Login) {
        let same = |other: &Login| other.server == login.server && other.organization == login.organization;
        self.kept.logins.retain(|other| !same(other));
    }

    /// Whole, or not at all: what a crash leaves is the file as it was.
    fn save(&self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| unusable(self.path, &error);
        let text = serde_json::to_vec_pretty(&self.kept).map_err(|error| Failure::Failed(error.to_string()))?;
        let beside = self.path.with_extension("new");
        let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside);
        let mut file = open.map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&beside, self.path).map_err(failed)
    }
}

fn read(path: &Path) -> Result<Kept, Failure> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(unusable(path, &error)),
    };
    let mode = file.metadata().map_err(|error| unusable(path, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(Failure::Usage(format!("others may read {path}, which holds logins; run `chmod 600 {path}`")));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| unusable(path, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!("{} is not as `tenure login` wrote it: {error}; remove it", path.display()))
    })
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{} cannot be used: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(server: &str, organization: &str) -> Login {
        Login {
            server: server.to_owned(),
            organization: organization.to_owned(),
            username: "ada".to_owned(),
            access_token: "a".to_owned(),
            expires_at: 0,
            refresh_token: "r".to_owned(),
        }
    }

    #[test]
    fn the_last_login_comes_first_and_there_is_one_for_each_place() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials(dir.path().join("below/credentials.json"));
        assert!(credentials.look().unwrap().is_empty());
        for (server, organization) in [("s", "acme"), ("t", "acme"), ("s", "globex"), ("s", "acme")] {
            credentials.lock().unwrap().put(login(server, organization)).unwrap();
        }
        let kept = credentials.look().unwrap();
        let places: Vec<_> = kept.iter().map(|one| (one.server.as_str(), one.organization.as_str())).collect();
        assert_eq!(places, [("s", "acme"), ("s", "globex"), ("t", "acme")]);
        assert_eq!(find(&kept, Some("t"), None).unwrap().organization, "acme");
        assert!(find(&kept, Some("t"), Some("globex")).is_none());
        credentials.lock().unwrap().remove(&login("s", "acme")).unwrap();
        assert_eq!(credentials.look().unwrap().len(), 2);
        let mode = std::fs::metadata(&credentials.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&credentials.0, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(credentials.look(), Err(Failure::Usage(words)) if words.contains("chmod 600")));
    }
}
