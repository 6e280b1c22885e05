//! `/api/v1/audit`

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenure_kernel::permission::AuditRead;
use tenure_kernel::{
    Audited, Authorized, Error, EventId, Json, NewEvent, Page, PageQuery, Path, Problem, Query, Read, Result, TenantTx,
    Timestamp,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::activity;
use super::event::AuditEvent;
use super::logins;
use super::outside::Outside;
use super::seals;
use super::store::{self, Filter};
use super::verify::{self, CheckpointView, Depth, Trusted, Verification};
use super::view::{AuditedEvent, show};
use crate::app::{App, Routes};

/// Repeats of a reader are one event this long.
const FOLD: Duration = Duration::from_secs(60);
/// Events that the console's verification recomputes; `tenure audit verify` recomputes all.
const CONSOLE_DEPTH: u64 = 100_000;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Audit")
        .get("/audit/events", list, "List events, newest first.\n\nReading is an event itself; repeats with one filter within a minute are folded.")
        .get("/audit/events/{id}", get, "See an event.")
        .get("/audit/actions", actions, "List what events can tell of, by name: the event catalogue.")
        .get("/audit/checkpoints", checkpoints, "List the log's signed checkpoints, newest first.\n\nKeep one elsewhere, and it proves later that nothing before it was changed.")
        .post("/audit/verify", verify, "Verify the log against its checkpoints.\n\nRecomputes the newest 100,000 events and the leaf hashes of all. POST because it is work, and an event of its own.")
        .merge(logins::routes())
        .merge(activity::routes())
}

/// Which events to list.
#[derive(Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventFilter {
    /// At or after this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// Before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
    /// By this actor: a person's id, `system:engine`, `anonymous` …
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    /// This action (`team.created`), or all that begin so where it ends in a full stop (`team.`).
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    /// On resources of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<String>,
    /// On this resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_id: Option<String>,
    /// That ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    outcome: Option<EventOutcome>,
    /// Of this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Uuid>,
    /// Part of the action, the resource's type or its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<String>,
    /// How many at most, 1 to 200; 50 unless told.
    #[serde(skip_serializing_if = "of_the_page")]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "of_the_page")]
    cursor: Option<String>,
}

/// Which page is read is no part of what is told of the reading. Not `skip_serializing`: with it the API's description
/// would leave the parameter out.
fn of_the_page<T>(_: &Option<T>) -> bool {
    true
}

/// How what an event tells of ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventOutcome {
    /// Done.
    Success,
    /// Allowed, and failed.
    Failure,
    /// Refused.
    Denied,
}

impl EventOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

impl EventFilter {
    fn split(self) -> (Filter, PageQuery) {
        let is_prefix = self.action.as_ref().is_some_and(|action| action.ends_with('.'));
        let (action, action_prefix) = if is_prefix { (None, self.action) } else { (self.action, None) };
        let filter = Filter {
            id: None,
            from: self.from,
            to: self.to,
            actor: self.actor_id,
            action,
            action_prefix,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            outcome: self.outcome.map(EventOutcome::as_str),
            request_id: self.request_id,
            text: self.q,
        };
        (filter, PageQuery { limit: self.limit, cursor: self.cursor })
    }
}

/// One kind of event.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionView {
    /// `team.created`
    action: &'static str,
    /// `team`
    resource_type: &'static str,
    /// What it means.
    description: &'static str,
}

async fn list(cx: Authorized<AuditRead>, Query(filter): Query<EventFilter>) -> Result<Json<Page<AuditedEvent>>> {
    cx.read_audited(async |tx| found(tx, filter).await).await.map(Json)
}

/// A page of the events of this transaction's log, with the event that tells of their being read.
///
/// # Errors
/// 422 for a page that is none; PostgreSQL's.
pub async fn found(tx: &mut TenantTx<Read>, filter: EventFilter) -> Result<Audited<Page<AuditedEvent>>> {
    let told = serde_json::to_value(&filter)?;
    let (filter, page) = filter.split();
    let rows = store::events(tx, &filter, &page).await?;
    let items = show(tx, rows.items).await?;
    let page = Page { items, next_cursor: rows.next_cursor };
    reading(tx, None, told, page).await
}

async fn get(cx: Authorized<AuditRead>, Path(id): Path<EventId>) -> Result<Json<AuditedEvent>> {
    let filter = Filter { id: Some(id.uuid()), ..Filter::default() };
    let told = serde_json::json!({"id": id});
    let event = cx
        .read_audited(async |tx| {
            let rows = store::events(tx, &filter, &PageQuery::default()).await?.items;
            let event = show(tx, rows).await?.pop().ok_or_else(Problem::not_found)?;
            reading(tx, Some(id.to_string()), told, event).await
        })
        .await?;
    Ok(Json(event))
}

/// The value with the event of its being read, unless there is one of the same within the last minute.
pub(super) async fn reading<T>(
    tx: &mut TenantTx<Read>,
    resource: Option<String>,
    filter: serde_json::Value,
    value: T,
) -> Result<Audited<T>> {
    let since = tx.now().before(FOLD);
    if store::was_read(tx, AuditEvent::READ.info().name, &filter, since).await? {
        return Ok(Audited::none("the first of these reads within a minute tells of all", value));
    }
    Ok(Audited::of(value, NewEvent::new(AuditEvent::READ, resource).detail("filter", filter)))
}

async fn actions(_: Authorized<AuditRead>, Query(page): Query<PageQuery>) -> Result<Json<Page<ActionView>>> {
    let mut events = crate::app::events();
    events.sort_unstable_by_key(|info| info.name);
    let (after, rows): (Option<String>, _) = (page.after()?, usize::try_from(page.rows()?).unwrap_or(0));
    let next = events.into_iter().filter(|info| after.as_deref().is_none_or(|after| info.name > after)).take(rows);
    let actions =
        next.map(|info| ActionView { action: info.name, resource_type: info.resource, description: info.doc });
    page.page(actions.collect(), |last| last.action).map(Json)
}

async fn checkpoints(cx: Authorized<AuditRead>, Query(page): Query<PageQuery>) -> Result<Json<Page<CheckpointView>>> {
    let below: Option<i64> = page.after()?;
    let rows = cx.read(async |tx| seals::checkpoints(tx, tx.tenant(), below, page.rows()?).await).await?;
    let rows = page.page(rows, |last| last.size)?;
    let items = rows.items.into_iter().map(CheckpointView::from).collect();
    Ok(Json(Page { items, next_cursor: rows.next_cursor }))
}

async fn verify(
    cx: Authorized<AuditRead>,
    axum::extract::State(app): axum::extract::State<App>,
) -> Result<Json<Verification>> {
    let _turn = app.verifications.begin(cx.tenant()).await?;
    let files = app.config.audit.directory.clone().map(|directory| Outside::new(directory).of(cx.tenant()));
    let newest = files.as_ref().map(super::Held::newest).transpose().map_err(Error::internal)?.flatten();
    let trusted = Trusted { notes: newest.into_iter().collect(), files };
    let found = cx
        .read_audited(async |tx| {
            seals::one_moment(tx).await?;
            let (keys, tenant, now) = (tx.keys().await?, tx.tenant(), tx.now());
            let found = verify::verify_in(tx, &keys, (tenant, now), trusted, Depth::Newest(CONSOLE_DEPTH)).await?;
            let event = NewEvent::new(AuditEvent::VERIFIED, None).detail("size", found.size);
            let event = match &found.first_fault {
                Some(fault) => event.detail("fault", fault),
                None => event,
            };
            Ok(Audited::of(found, event))
        })
        .await?;
    Ok(Json(found))
}
