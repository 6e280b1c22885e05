use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenure_kernel::{Personal, Problem, Resource, Result, Timestamp, UserId, text};
use utoipa::ToSchema;

/// A person as this organisation knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Identifier of the person.
    pub id: UserId,
    /// User name.
    pub username: Personal<String>,
    /// Address.
    pub email: Personal<String>,
    /// What they are called.
    pub full_name: Personal<String>,
    /// Where the membership stands.
    pub status: MemberStatus,
    /// Names of their roles.
    pub roles: Vec<String>,
    /// Single permissions beside the roles'.
    pub permissions: Vec<String>,
    /// What else is known of them here, such as department and region.
    pub attributes: Personal<Attributes>,
    /// Since when they are a member.
    pub created_at: Timestamp,
    /// When the membership was last changed.
    pub updated_at: Timestamp,
    /// When they last began a login here; null if they never did.
    #[serde(default)]
    pub last_login_at: Option<Timestamp>,
    /// When they last did something here, by a login or an API key, to within the minutes that an access token lasts.
    #[serde(default)]
    pub last_active_at: Option<Timestamp>,
    /// Whether the person agreed to be a member. Not shown: `invited` says it, and after a withdrawal nobody needs to know.
    #[serde(skip)]
    pub accepted: bool,
}

impl Resource for Member {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// What else is known of a member, by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Attribute {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// At most 200 characters.
    Text(String),
    /// At most 50 texts.
    Texts(Vec<String>),
}

/// `NaN` is not JSON, so equality holds for whatever can be stored.
impl Eq for Attribute {}

const MAX_ATTRIBUTES: usize = 50;

/// Names are a lower-case letter and up to 62 lower-case letters, digits and `_`, as expressions write them.
///
/// # Errors
/// 422 at `/attributes`.
pub fn parse_attributes(attributes: &Attributes) -> Result<()> {
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(Problem::invalid("/attributes", format!("must be at most {MAX_ATTRIBUTES}")).into());
    }
    let clean = |text: &String| text.chars().count() <= 200 && text.chars().all(text::is_plain);
    for (name, value) in attributes {
        let named = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !named {
            let detail = "has a name that is not a lower-case letter followed by at most 62 lower-case letters, digits and underscores";
            return Err(Problem::invalid("/attributes", detail).into());
        }
        let fine = match value {
            Attribute::Flag(_) | Attribute::Number(_) => true,
            Attribute::Text(text) => clean(text),
            Attribute::Texts(texts) => texts.len() <= 50 && texts.iter().all(clean),
        };
        if !fine {
            let detail = "texts must be at most 200 characters without control characters, lists at most 50 texts";
            return Err(Problem::invalid(format!("/attributes/{name}"), detail).into());
        }
    }
    Ok(())
}

/// Where a membership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberStatus {
    /// Asked, has not accepted.
    Invited,
    /// May log in.
    Active,
    /// Locked out for now.
    Locked,
    /// Gone.
    Deactivated,
}

impl MemberStatus {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Deactivated => "deactivated",
        }
    }

    /// From what is stored; whatever is unknown may not log in.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "invited" => Self::Invited,
            "active" => Self::Active,
            "locked" => Self::Locked,
            _ => Self::Deactivated,
        }
    }
}
