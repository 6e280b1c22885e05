//! `GET /api/v1/auth/me/export`: everything that names the person, as one JSON document.
//!
//! What the installation knows of them, and what the organisation knows that the login is for: each organisation answers for
//! what it keeps, so that a person in several saves one document in each.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use axum::response::IntoResponse as _;
use serde::Serialize;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::page::MAX_LIMIT;
use tenure_kernel::{
    Audited, Authenticated, NewEvent, PageQuery, Read, Result, SystemReason, TenantTx, Timestamp, UserId,
};
use utoipa::ToSchema;

use super::store::{self, OwnKey, OwnRecord};
use crate::app::Routes;
use crate::domain::audit::{self, AuditedEvent, LoginRecord};
use crate::domain::identity::{OwnData, UserEvent, logged_in, own_data};

/// Of the longest lists, the newest so many.
const MOST: usize = 10_000;
/// One more, so that it is seen where there are more.
const ROWS: i64 = 10_001;

/// The route.
pub fn routes() -> Routes {
    Routes::new("Authentication").get("/auth/me/export", export, "Save everything that names you: your profile, memberships, sessions, logins, API keys without their secrets, what you made, and the events of what you did.\n\nOf organisations, what the one knows that this login is for; go to another and save there too. Saving it is an event.")
}

/// Everything that names the person.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonalExport {
    /// When it was put together.
    created_at: Timestamp,
    /// What the installation knows.
    #[serde(flatten)]
    person: OwnData,
    /// Their API keys in this organisation, without the keys themselves.
    api_keys: Vec<OwnKey>,
    /// What they made, own, asked for or decided in this organisation, newest first.
    records: Vec<OwnRecord>,
    /// Their logins in this organisation and the tries that failed, newest first.
    logins: Vec<LoginRecord>,
    /// The events of what they did in this organisation, newest first.
    events: Vec<AuditedEvent>,
    /// Whether records, logins, events or delegated tokens are more than the 10,000 newest that stand here.
    truncated: bool,
}

/// Described as 200 with [`PersonalExport`].
#[derive(Debug)]
pub struct ExportAnswer;

impl Output for ExportAnswer {
    fn describe(description: &mut Description) {
        description.answers::<PersonalExport>(200, "Everything.");
    }
}

async fn export(cx: Authenticated) -> Result<Raw<ExportAnswer>> {
    let ((user, _), actor) = (logged_in(&cx)?, *cx.cx().actor());
    let (api_keys, mut records, mut logins, mut events) = cx
        .read(async |tx| {
            let (keys, records) = (store::keys(tx, user).await?, store::records(tx, user, ROWS).await?);
            Ok((keys, records, logins(tx, user).await?, events(tx, user).await?))
        })
        .await?;
    let created_at = cx.kernel().clock().now();
    // Without its event nothing is shown.
    let (kernel, tenant) = (cx.kernel(), cx.cx().tenant());
    let mut person = kernel
        .system(SystemReason::Authenticate)
        .by(actor)
        .from(&cx.cx().origin)
        .run(async |tx| {
            let exported = NewEvent::new(UserEvent::EXPORTED, user.to_string()).in_tenant(tenant);
            Ok(Audited::of(own_data(tx, user, ROWS).await?, exported))
        })
        .await?;
    let tokens = &mut person.delegated_tokens;
    let lengths = [records.len(), logins.len(), events.len(), tokens.len()];
    let truncated = lengths.into_iter().any(|length| length > MOST);
    records.truncate(MOST);
    logins.truncate(MOST);
    events.truncate(MOST);
    tokens.truncate(MOST);
    let document = PersonalExport { created_at, person, api_keys, records, logins, events, truncated };
    Ok(Raw::new(file(document, user)))
}

fn file(document: PersonalExport, user: UserId) -> axum::response::Response {
    let mut response = axum::Json(document).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{user}.json\"")) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    response
}

async fn logins(tx: &mut TenantTx<Read>, user: UserId) -> Result<Vec<LoginRecord>> {
    let (mut found, mut next) = (Vec::new(), Some(first_page()));
    while let Some(query) = next {
        let page = audit::logins_of(tx, user, &query).await?;
        found.extend(page.items);
        next = page.next_cursor.filter(|_| found.len() <= MOST).map(page_after);
    }
    Ok(found)
}

async fn events(tx: &mut TenantTx<Read>, user: UserId) -> Result<Vec<AuditedEvent>> {
    let (mut found, mut next) = (Vec::new(), Some(first_page()));
    while let Some(query) = next {
        let page = audit::events_by(tx, user, &query).await?;
        found.extend(page.items);
        next = page.next_cursor.filter(|_| found.len() <= MOST).map(page_after);
    }
    Ok(found)
}

const fn first_page() -> PageQuery {
    PageQuery { limit: Some(MAX_LIMIT), cursor: None }
}

fn page_after(cursor: String) -> PageQuery {
    PageQuery { limit: Some(MAX_LIMIT), cursor: Some(cursor) }
}
