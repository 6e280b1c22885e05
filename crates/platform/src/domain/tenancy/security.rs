//! `/api/v1/organization/security`: what an organisation asks of its members' logins.

use serde::{Deserialize, Deserializer, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{TenantRead, TenantUpdate};
use tenure_kernel::{Authorized, Json, Problem, Recent, Resource, Result, Sample, TenantId, Timestamp};
use utoipa::ToSchema;

use super::store;
use crate::app::Routes;

/// What an organisation asks of its members' logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecuritySettings {
    /// Whether each login needs a second factor. Without one it reaches nothing but setting one up, and the API keys of a
    /// person who has none do not work.
    pub require_mfa: bool,
    /// Characters that a password needs which a member chooses, 12 to 64; null is what the installation asks for: 12, and 8 with a
    /// second factor. Passwords that are there already stay.
    pub password_min_length: Option<i16>,
    /// When this was last changed; null if never.
    pub updated_at: Option<Timestamp>,
    /// Whose these are.
    #[serde(skip)]
    pub tenant: Option<TenantId>,
}

impl Resource for SecuritySettings {
    fn resource_id(&self) -> String {
        self.tenant.map(|tenant| tenant.to_string()).unwrap_or_default()
    }
}

/// What an organisation's part in a new password is.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// Its name, which is no secret of anybody's.
    pub name: String,
    /// Its short name, neither.
    pub slug: String,
    /// Characters that it asks for; nothing where it asks for no more than the installation.
    pub min_length: Option<i16>,
}

impl PasswordPolicy {
    /// Characters that it asks for, 0 where it asks for none.
    #[must_use]
    pub fn least(&self) -> usize {
        self.min_length.and_then(|least| usize::try_from(least).ok()).unwrap_or(0)
    }
}

tenure_kernel::actions! {
    /// What happens to an organisation's settings.
    pub SecurityEvent on SecuritySettings = "organization-security" {
        CHANGED = "changed", "What the organisation asks of its members' logins was changed.";
    }
}

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Organisation")
        .get("/organization/security", get, "See what the organisation asks of its members' logins.")
        .put("/organization/security", put, "Say what the organisation asks of its members' logins.\n\nWhat is not named stays as it is. A second factor is asked for within a second, also of logins that are open: those without one reach nothing but setting one up. Who asks others for one must have proven their own. The length holds for each password that is chosen from now on, and changes none that is there.")
}

/// What to ask. What is not named stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityChange {
    /// Whether each login needs a second factor.
    pub(super) require_mfa: Option<bool>,
    /// Characters that a new password needs, 12 to 64; null is what the installation asks for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i16>, minimum = 12, maximum = 64)]
    pub(super) password_min_length: Option<Option<i16>>,
}

/// A null that is given is not one that is left out.
fn given<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Option<i16>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Sample for SecurityChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"require_mfa": false, "password_min_length": 16})
    }
}

async fn get(cx: Authorized<TenantRead>) -> Result<Json<SecuritySettings>> {
    cx.read(async |tx| store::security(tx).await).await.map(Json)
}

async fn put(
    cx: Authorized<Recent<TenantUpdate>>,
    Json(change): Json<SecurityChange>,
) -> Result<Json<SecuritySettings>> {
    let proven = cx.cx().identity.assurance.mfa;
    if change.password_min_length.flatten().is_some_and(|least| !(12..=64).contains(&least)) {
        let detail = "must be 12 to 64 characters, or null for what the installation asks for";
        return Err(Problem::invalid("/password_min_length", detail).into());
    }
    cx.write(async |tx| {
        if change.require_mfa == Some(true) && !proven {
            let detail = "set up a second factor of your own first: without one you would shut yourself out";
            return Err(Problem::conflict(detail).into());
        }
        let changed = store::put_security(tx, &change).await?;
        tx.announce(Message::TenantChanged { tenant: tx.tenant() }).await?;
        Ok(changed.audited(SecurityEvent::CHANGED))
    })
    .await
    .map(Json)
}
