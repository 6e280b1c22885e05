use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};
use tenure_kernel::extract::PathParams;
use tenure_kernel::{PluginId, Problem, Resource, Result, Timestamp, UserId};
use utoipa::ToSchema;

use super::stages::Stage;

/// A plugin; its code stands in its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    /// Identifier.
    pub id: PluginId,
    /// `publisher/name`, unique in the organisation.
    pub name: String,
    /// What it is for: `node`.
    pub kind: String,
    /// What people call it.
    pub display_name: String,
    /// What it does.
    pub description: Option<String>,
    /// The highest version (semver).
    pub version: String,
    /// Status of that version.
    pub status: PluginStatus,
    /// Who uploaded its first version.
    pub created_by: Option<UserId>,
    /// Who looks after it: whoever uploaded it first, or took over from them. Gives no permission.
    pub owner_id: Option<UserId>,
    /// When its first version was uploaded.
    pub created_at: Timestamp,
    /// When a version was last uploaded.
    pub updated_at: Timestamp,
}

impl Resource for Plugin {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// A version of a plugin: `plg_…@1.2.0` in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginVersion {
    /// Whose.
    pub plugin_id: PluginId,
    /// `publisher/name`.
    pub name: String,
    /// Semver.
    pub version: String,
    /// Whether workflows can use it.
    pub status: PluginStatus,
    /// SHA-256 of manifest and source, in hexadecimal.
    pub digest: String,
    /// Bytes of manifest and source.
    pub size: i64,
    /// Whether a trusted publisher signed it; signing comes in a later release.
    pub signed: bool,
    /// Who uploaded it.
    pub author: Option<UserId>,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

impl Resource for PluginVersion {
    fn resource_id(&self) -> String {
        format!("{}@{}", self.plugin_id, self.version)
    }
}

/// A version with what was uploaded.
#[derive(Debug, Clone)]
pub(super) struct StoredVersion {
    pub(super) version: PluginVersion,
    pub(super) manifest: String,
    pub(super) source: String,
    pub(super) stages: Vec<Stage>,
}

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PluginStatus {
    /// Uploaded: it can be read and tested.
    Draft,
    /// Workflows can use it.
    Active,
    /// Workflows cannot begin to use it.
    Deprecated,
}

impl PluginStatus {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Deprecated => "deprecated",
        }
    }

    /// From what is stored; whatever is unknown cannot be used.
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "deprecated" => Self::Deprecated,
            _ => Self::Draft,
        }
    }

    /// # Errors
    /// 409 for a step that leads nowhere: what was ever active is not a draft again.
    pub(super) fn step_to(self, next: Self) -> Result<()> {
        let leads =
            matches!((self, next), (Self::Draft | Self::Deprecated, Self::Active) | (Self::Active, Self::Deprecated));
        if leads || self == next {
            return Ok(());
        }
        let detail =
            format!("a version that is {} cannot become {}; draft → active ⇄ deprecated", self.as_str(), next.as_str());
        Err(Problem::conflict(detail).into())
    }
}

/// Semver without build metadata, which has no place in an order, at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginVersionNumber(pub(super) Version);

impl FromStr for PluginVersionNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let version = Version::parse(text).map_err(|error| format!("is no semantic version such as 1.2.0: {error}"))?;
        if !version.build.is_empty() || text.len() > 64 {
            return Err("must be a semantic version of at most 64 characters without build metadata".to_owned());
        }
        Ok(Self(version))
    }
}

impl PathParams for PluginVersionNumber {
    fn parse(values: &[&str]) -> Option<Self> {
        let [value] = values else { return None };
        value.parse().ok()
    }

    fn schemas() -> Vec<utoipa::openapi::RefOr<utoipa::openapi::Schema>> {
        vec![<String as utoipa::PartialSchema>::schema()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semver_without_build_metadata() {
        for good in ["1.0.0", "0.1.0-rc.1"] {
            assert!(good.parse::<PluginVersionNumber>().is_ok(), "{good}");
        }
        for bad in ["", "1", "1.0", "v1.0.0", "1.0.0+build", "01.0.0", &format!("1.0.0-{}", "x".repeat(64))] {
            assert!(bad.parse::<PluginVersionNumber>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_becomes_a_draft_again() {
        use PluginStatus::{Active, Deprecated, Draft};
        for (from, to, leads) in [
            (Draft, Active, true),
            (Active, Deprecated, true),
            (Deprecated, Active, true),
            (Active, Active, true),
            (Active, Draft, false),
            (Deprecated, Draft, false),
            (Draft, Deprecated, false),
        ] {
            assert_eq!(from.step_to(to).is_ok(), leads, "{from:?} to {to:?}");
        }
    }
}
