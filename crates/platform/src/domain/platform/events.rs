//! `/api/v1/platform/events`: the platform's own part of the audit log. It tells of what belongs to no single organisation: who
//! administers the platform, whom it suspended and why, requests that were refused to who was not logged in.

use tenure_kernel::platform::PlatformAuthorized;
use tenure_kernel::platform::platform_permission::EventRead;
use tenure_kernel::{Audited, Json, Page, Query, Result, UserId};

use super::people_store as store;
use crate::app::Routes;
use crate::domain::audit::{self, AuditedEvent, EventFilter};

/// The route.
pub(super) fn routes() -> Routes {
    Routes::new("Platform").get("/platform/events", list, "List events of the platform's own part of the audit log, newest first.\n\nWhat organisations did stands in theirs, and not here. Reading is an event itself; repeats with one filter within a minute are folded.")
}

async fn list(
    cx: PlatformAuthorized<EventRead>,
    Query(filter): Query<EventFilter>,
) -> Result<Json<Page<AuditedEvent>>> {
    let mut page = cx.read_log(async |tx| audit::found(tx, filter).await).await?;
    let people: Vec<UserId> = page.items.iter().flat_map(AuditedEvent::people).collect();
    let named = cx.run_on_people(async |tx| {
        let names = store::usernames(tx, &people).await?;
        Ok(Audited::none("only puts names to what was read with an event", names))
    });
    let names = named.await?;
    for event in &mut page.items {
        event.call_people(&names);
    }
    Ok(Json(page))
}
