//! `/api/v1/users/{id}/activity`: what somebody did, as the log tells it.

use tenure_kernel::permission::{AuditRead, UserRead};
use tenure_kernel::{All, Authorized, Json, Mode, Page, PageQuery, Path, Query, Result, TenantTx, UserId};

use super::http::reading;
use super::store::{self, Filter};
use super::view::{AuditedEvent, show};
use crate::app::Routes;
use crate::domain::members::Member;

/// The route.
pub fn routes() -> Routes {
    Routes::new("Members").get("/users/{id}/activity", of_member, "List what a member did in this organisation, newest first.\n\nThe events of the audit log whose actor they are. Reading is an event itself; repeats within a minute are folded.")
}

async fn of_member(
    cx: Authorized<All<(UserRead, AuditRead)>>,
    Path(id): Path<UserId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<AuditedEvent>>> {
    let found = cx
        .read_audited(async |tx| {
            tx.load::<Member>(id).await?;
            let found = events_by(tx, id, &page).await?;
            reading(tx, None, serde_json::json!({"activity_of": id}), found).await
        })
        .await?;
    Ok(Json(found))
}

/// What this person did in the organisation, newest first.
///
/// # Errors
/// 422 for a cursor of another list; PostgreSQL's.
pub async fn events_by<M: Mode>(tx: &mut TenantTx<M>, user: UserId, page: &PageQuery) -> Result<Page<AuditedEvent>> {
    let filter = Filter { actor: Some(user.to_string()), ..Filter::default() };
    let rows = store::events(tx, &filter, page).await?;
    Ok(Page { items: show(tx, rows.items).await?, next_cursor: rows.next_cursor })
}
