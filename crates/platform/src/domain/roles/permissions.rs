//! Lists of permissions as people write them. One parser; whoever keeps such a list says beside it what of it is kept.

use tenure_kernel::{PermissionId, PermissionSet, Problem, Result};

/// More are never needed: the catalogue is shorter.
const MAX_PERMISSIONS: usize = 200;

/// Permissions and wildcards, each of which stands for something.
#[derive(Debug, Clone)]
pub struct Permissions(Vec<String>);

impl Permissions {
    /// As they were written, sorted, each once: a wildcard also holds what a later release adds to it.
    #[must_use]
    pub fn as_written(mut self) -> Vec<String> {
        self.0.sort_unstable();
        self.0.dedup();
        self.0
    }

    /// What they stand for today: what a later release adds to a wildcard is not in it.
    #[must_use]
    pub fn of_today(&self) -> PermissionSet {
        PermissionSet::from_patterns(self.0.iter().map(String::as_str))
    }

    /// What they stand for, where nothing is a wildcard.
    ///
    /// # Errors
    /// 422 below `pointer` for one.
    pub fn single(&self, pointer: &str) -> Result<PermissionSet> {
        match self.0.iter().position(|name| name.ends_with('*')) {
            Some(place) => {
                let detail = "must be a single permission, like `workflow:read`, and no wildcard";
                Err(Problem::invalid(format!("{pointer}/{place}"), detail).into())
            }
            None => Ok(self.of_today()),
        }
    }
}

/// Permissions and wildcards at `pointer`.
///
/// # Errors
/// 422 at what stands for nothing.
pub fn parse_permissions(permissions: &[String], pointer: &str) -> Result<Permissions> {
    if permissions.len() > MAX_PERMISSIONS {
        return Err(Problem::invalid(pointer, format!("must be at most {MAX_PERMISSIONS}")).into());
    }
    for (index, pattern) in permissions.iter().enumerate() {
        if PermissionSet::from_patterns([pattern.as_str()]).is_empty() {
            let detail = match nearest(pattern) {
                Some(near) => format!("is no permission; did you mean `{near}`?"),
                None => "is no permission; GET /api/v1/permissions lists them".to_owned(),
            };
            return Err(Problem::invalid(format!("{pointer}/{index}"), detail).into());
        }
    }
    Ok(Permissions(permissions.to_vec()))
}

/// The permissions of a set by name, in the catalogue's order: as they are stored and shown.
#[must_use]
pub fn names(set: PermissionSet) -> Vec<String> {
    set.iter().map(|id| id.as_str().to_owned()).collect()
}

/// A permission that is written nearly so.
fn nearest(text: &str) -> Option<&'static str> {
    if text.len() > 64 {
        return None;
    }
    let near = |id: &PermissionId| (strsim::damerau_levenshtein(text, id.as_str()), id.as_str());
    PermissionId::ALL.iter().map(near).min().filter(|(distance, _)| *distance <= 3).map(|(_, name)| name)
}
