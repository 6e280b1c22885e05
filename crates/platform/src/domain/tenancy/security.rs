//! `/api/v1/organization/security`: what an organisation asks of its members' logins.

use serde::{Deserialize, Serialize};
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
        .put("/organization/security", put, "Say what the organisation asks of its members' logins.\n\nHolds within a second, also for logins that are open: those without a second factor reach nothing but setting one up. Who asks others for one must have proven their own.")
}

/// What to ask.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityChange {
    /// Whether each login needs a second factor.
    require_mfa: bool,
}

impl Sample for SecurityChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"require_mfa": false})
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
    cx.write(async |tx| {
        if change.require_mfa && !proven {
            let detail = "set up a second factor of your own first: without one you would shut yourself out";
            return Err(Problem::conflict(detail).into());
        }
        let changed = store::put_security(tx, change.require_mfa).await?;
        tx.announce(Message::TenantChanged { tenant: tx.tenant() }).await?;
        Ok(changed.audited(SecurityEvent::CHANGED))
    })
    .await
    .map(Json)
}
