//! `/api/v1/auth/logins` and `/api/v1/users/{id}/logins`: who logged in when and from where, and who tried, as the log
//! tells it. There is no second record of it that could say something else.

use serde::Serialize;
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::permission::{AuditRead, UserRead};
use tenure_kernel::record::SaltedValue;
use tenure_kernel::{
    All, Authenticated, Authorized, EventId, Json, Mode, Page, PageQuery, Path, Query, Result, TenantTx, Timestamp,
    UserId,
};
use tenure_tlog::leaf::PatchOp;
use utoipa::ToSchema;

use super::http::reading;
use super::store::{self, LoginRow};
use crate::app::Routes;
use crate::domain::identity::logged_in;
use crate::domain::members::Member;

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .get("/auth/logins", own, "List your own logins in this organisation and the tries that failed, newest first.\n\nFrom the audit log, so back to its beginning. A try that you do not know is somebody else's.")
        .get("/users/{id}/logins", of_member, "List a member's logins in this organisation and the tries that failed, newest first.\n\nReading is an event itself; repeats within a minute are folded.")
}

/// How a try to log in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LoginOutcome {
    /// Logged in.
    Success,
    /// Refused.
    Denied,
}

/// A login, or a try.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoginRecord)]
pub struct LoginRecord {
    /// Identifier of the event that tells of it.
    id: EventId,
    /// When.
    time: Timestamp,
    /// How it ended.
    outcome: LoginOutcome,
    /// Why it was refused: `invalid-credentials`, or `rate-limited` while too many had failed.
    reason: Option<String>,
    /// The session that began.
    session: Option<String>,
    /// From where; null if it is not known, or was erased.
    address: Option<String>,
    /// What the program called itself; null if it is not known, or was erased.
    user_agent: Option<String>,
    /// How many further ones like it were folded into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    count: Option<u64>,
}

async fn own(cx: Authenticated, Query(page): Query<PageQuery>) -> Result<Json<Page<LoginRecord>>> {
    let (user, _) = logged_in(&cx)?;
    cx.read(async |tx| logins_of(tx, user, &page).await).await.map(Json)
}

async fn of_member(
    cx: Authorized<All<(UserRead, AuditRead)>>,
    Path(id): Path<UserId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<LoginRecord>>> {
    let found = cx
        .read_audited(async |tx| {
            tx.load::<Member>(id).await?;
            let found = logins_of(tx, id, &page).await?;
            reading(tx, None, serde_json::json!({"logins_of": id}), found).await
        })
        .await?;
    Ok(Json(found))
}

/// Logins of this person in the organisation, and the tries that failed, newest first.
///
/// # Errors
/// 422 for a cursor of another list; PostgreSQL's.
pub async fn logins_of<M: Mode>(tx: &mut TenantTx<M>, user: UserId, page: &PageQuery) -> Result<Page<LoginRecord>> {
    let rows = store::logins(tx, user, page).await?;
    let keys = tx.keys().await?;
    let items = rows.items.into_iter().map(|row| record(row, &keys)).collect();
    Ok(Page { items, next_cursor: rows.next_cursor })
}

fn record(row: LoginRow, keys: &TenantKeys) -> LoginRecord {
    // As in the log itself: what does not open was erased, and is not shown.
    let opened = row.personal.as_deref().and_then(|sealed| keys.open_personal(row.id, sealed).ok()).unwrap_or_default();
    let text = |value: Option<SaltedValue>| value?.value.as_str().map(str::to_owned);
    let operations = row.diff.and_then(|diff| serde_json::from_value::<Vec<PatchOp>>(diff).ok()).unwrap_or_default();
    let repeats = operations.into_iter().find(|operation| operation.path == "/repeats");
    let began = row.action == "session.started";
    LoginRecord {
        id: row.id,
        time: row.at,
        outcome: if began { LoginOutcome::Success } else { LoginOutcome::Denied },
        reason: row.reason,
        session: row.resource_id.filter(|_| began),
        address: text(opened.address),
        user_agent: text(opened.user_agent),
        count: repeats.and_then(|operation| operation.value?.as_u64()),
    }
}
