use serde::{Deserialize, Serialize};
use tenure_kernel::{PermissionSet, Problem, Resource, Result, Timestamp, text};
use utoipa::ToSchema;

use super::permissions::names;
use crate::domain::access::SystemRole;

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Role {
    /// Unique in the organisation; members have it, and approvals ask for it, by this name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// As they were written: `workflow:read`, `team:*` for all of a resource, `*` for everything.
    pub permissions: Vec<String>,
    /// Every single permission that these stand for now.
    pub permits: Vec<String>,
    /// Whether every organisation has it; such a role cannot be changed or deleted.
    pub system: bool,
    /// When it was made; null for a system role.
    pub created_at: Option<Timestamp>,
    /// When it was last changed; null for a system role.
    pub updated_at: Option<Timestamp>,
}

impl Resource for Role {
    fn resource_id(&self) -> String {
        self.name.clone()
    }
}

impl Role {
    /// What it permits.
    #[must_use]
    pub fn set(&self) -> PermissionSet {
        PermissionSet::from_patterns(self.permissions.iter().map(String::as_str))
    }

    /// A system role as it is shown.
    pub(super) fn system(role: SystemRole) -> Self {
        let set = role.permissions();
        let written = if set == PermissionSet::ALL { vec!["*".to_owned()] } else { names(set) };
        Self {
            name: role.as_str().to_owned(),
            description: role.description().to_owned(),
            permissions: written,
            permits: names(set),
            system: true,
            created_at: None,
            updated_at: None,
        }
    }
}

/// The name of a role: a lower-case letter, then up to 62 lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleName(String);

impl RoleName {
    /// # Errors
    /// 422 at `pointer`.
    pub fn parse(text: &str, pointer: &str) -> Result<Self> {
        let mut letters = text.chars();
        let begins = letters.next().is_some_and(|first| first.is_ascii_lowercase());
        let goes_on = letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if begins && goes_on && text.len() <= 63 {
            return Ok(Self(text.to_owned()));
        }
        let detail = "must be a lower-case letter, then at most 62 lower-case letters, digits and hyphens";
        Err(Problem::invalid(pointer, detail).into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The system role of this name.
    #[must_use]
    pub fn system(&self) -> Option<SystemRole> {
        SystemRole::parse(&self.0)
    }
}

/// The most roles that one member has.
const MAX_ROLES: usize = 20;

/// Names of roles at `pointer`, sorted, each once.
///
/// # Errors
/// 422 at the name that none can be.
pub fn parse_names(roles: &[String], pointer: &str) -> Result<Vec<String>> {
    if roles.len() > MAX_ROLES {
        return Err(Problem::invalid(pointer, format!("must be at most {MAX_ROLES}")).into());
    }
    let parse = |(index, name): (usize, &String)| RoleName::parse(name, &format!("{pointer}/{index}"));
    let mut names: Vec<RoleName> = roles.iter().enumerate().map(parse).collect::<Result<_>>()?;
    names.sort_unstable();
    names.dedup();
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// At most 1,000 characters on any number of lines.
///
/// # Errors
/// 422 at `/description`.
pub fn parse_description(text: &str) -> Result<&str> {
    text::prose(text, "/description", 1000)
}
