use serde::{Deserialize, Serialize};
use tenure_kernel::{Resource, TenantId, Timestamp};
use utoipa::ToSchema;

/// A tenant as its members see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    /// Its identifier.
    pub id: TenantId,
    /// Short name for addresses; unique in the installation.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Which quotas it has.
    pub plan: Plan,
    /// `active`, `suspended` or `deleted`.
    pub status: String,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Resource for Organization {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

tenure_kernel::actions! {
    /// What happens to organisations.
    pub OrganizationEvent on Organization = "organization" {
        CREATED = "created", "An organisation was created, with its first administrator and its keys.";
        SUSPENDED = "suspended", "The platform suspended the organisation.";
        RESUMED = "resumed", "The platform let the organisation go on.";
        PLAN_CHANGED = "plan-changed", "The platform gave the organisation another plan.";
    }
}

/// What a tenant pays for, and so what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// Small.
    Free,
    /// Medium.
    Pro,
    /// Unlimited in most ways.
    Enterprise,
}

impl Plan {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }

    /// From what is stored; whatever is unknown is the smallest.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "pro" => Self::Pro,
            "enterprise" => Self::Enterprise,
            _ => Self::Free,
        }
    }
}

/// A tenant's short name: lower-case letters, digits and inner hyphens, at most 63 (a DNS label).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// Made from a name: what is no letter or digit becomes a hyphen. Empty names become `organization`.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut slug = String::new();
        for c in name.to_lowercase().chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.ends_with('-') && !slug.is_empty() {
                slug.push('-');
            }
        }
        slug.truncate(48);
        let slug = slug.trim_matches('-');
        Self(if slug.is_empty() { "organization".to_owned() } else { slug.to_owned() })
    }

    /// The same with a number behind it, for when the plain one is taken.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        Self(format!("{}-{number}", self.0))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_dns_labels() {
        assert_eq!(Slug::from_name("Acme Corporation").as_str(), "acme-corporation");
        assert_eq!(Slug::from_name("  Ünïcode & Söhne GmbH  ").as_str(), "n-code-s-hne-gmbh");
        assert_eq!(Slug::from_name("日本").as_str(), "organization");
        assert_eq!(Slug::from_name("a").numbered(2).as_str(), "a-2");
        assert!(Slug::from_name(&"x".repeat(500)).as_str().len() <= 63);
    }
}
