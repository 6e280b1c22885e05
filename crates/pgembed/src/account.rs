//! Which user PostgreSQL runs as.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use nix::unistd::{Uid, User, geteuid};

use crate::{Error, Result};

/// The user PostgreSQL's processes run as.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) name: String,
    /// Whether processes must change to it, because this one is root.
    pub(crate) switch: bool,
}

impl Account {
    /// The process's own user, or, since PostgreSQL refuses root, the owner of existing data, `postgres` or `nobody`.
    pub(crate) fn choose(existing_data: &Path) -> Result<Self> {
        let us = geteuid();
        let owner = existing_data.metadata().ok().map(|metadata| metadata.uid());
        if !us.is_root() {
            if let Some(owner) = owner.filter(|owner| *owner != us.as_raw()) {
                return Err(Error::NotOurs { dir: existing_data.to_owned(), owner, us: us.as_raw() });
            }
            let user = lookup(us).ok_or(Error::UnnamedUser { uid: us.as_raw() })?;
            return Ok(Self::new(user, false));
        }
        if let Some(owner) = owner {
            let user = Some(owner).filter(|uid| *uid != 0).and_then(|uid| lookup(Uid::from_raw(uid)));
            let not_ours = Error::NotOurs { dir: existing_data.to_owned(), owner, us: 0 };
            return user.map(|user| Self::new(user, true)).ok_or(not_ours);
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::new(user, true))
            .ok_or(Error::NoAccount)
    }

    fn new(user: User, switch: bool) -> Self {
        Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), name: user.name, switch }
    }
}

/// Name of the user this process runs as, as `peer` authentication will see it.
pub(crate) fn own_name() -> Result<String> {
    let us = geteuid();
    lookup(us).map(|user| user.name).ok_or(Error::UnnamedUser { uid: us.as_raw() })
}

fn lookup(uid: Uid) -> Option<User> {
    User::from_uid(uid).ok().flatten()
}
