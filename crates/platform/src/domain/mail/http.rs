//! `/api/v1/mail/failures`, and the outbox of a development instance.

use axum::extract::State;
use axum::http::header::HOST;
use axum::http::{HeaderMap, Method};
use serde::Serialize;
use tenure_kernel::permission::{UserRead, UserWrite};
use tenure_kernel::{
    All, Anonymous, Audited, Authorized, Json, MailId, Page, PageQuery, Problem, Query, Result, SystemReason, Timestamp,
};
use utoipa::ToSchema;

use super::model::Way;
use super::store;
use crate::app::{App, Routes};

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Mail")
        .get("/mail/failures", failures, "List messages that could not be delivered, newest first.\n\nTo or about members and people who are invited, of the last 30 days; never what they said.")
        .public(
            Method::GET,
            "/dev/outbox",
            "without mail, who cannot log in yet finds their link here; only in development and from this machine",
            outbox,
            "Read what would have been sent by mail, newest first.\n\nOnly on a development instance without a mail server, and only from the machine that it runs on; 404 elsewhere.",
        )
}

/// A message that could not be delivered.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailFailure {
    /// Identifier.
    pub(super) id: MailId,
    /// What it was for: `invitation`, `verify-email`, `reset-password` …
    pub(super) kind: String,
    /// The person or the invitation that it was about.
    pub(super) about: String,
    /// Why.
    pub(super) reason: String,
    /// When it was given up.
    pub(super) failed_at: Timestamp,
}

/// A message in the outbox of a development instance.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutboxMessage {
    /// Identifier.
    id: MailId,
    /// What it is for.
    kind: String,
    /// Its address.
    to: String,
    /// Its subject.
    subject: String,
    /// What it says.
    text: String,
    /// When it was written.
    created_at: Timestamp,
}

async fn failures(
    cx: Authorized<All<(UserRead, UserWrite)>>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<MailFailure>>> {
    cx.read(async |tx| store::failures(tx, &page).await).await.map(Json)
}

async fn outbox(
    anonymous: Anonymous,
    State(app): State<App>,
    headers: HeaderMap,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<OutboxMessage>>> {
    let from_here = anonymous.origin().address.is_some_and(|address| address.to_canonical().is_loopback());
    if app.mail.way() != Way::Outbox || !from_here || !names_this_machine(&headers, app.mail.instance()) {
        return Err(Problem::not_found().into());
    }
    let messages = anonymous.kernel().system(SystemReason::DeliverMail).run(async |tx| {
        let found = store::waiting(tx, &page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        for message in found.items {
            let Some(sealed) = &message.sealed else { continue };
            let opened = store::open(tx, message.id, sealed).await?;
            items.push(OutboxMessage {
                id: message.id,
                kind: message.kind,
                to: opened.to,
                subject: opened.subject,
                text: opened.text.to_string(),
                created_at: message.created_at,
            });
        }
        Ok(Audited::none("a developer looks at their own outbox", Page { items, next_cursor: found.next_cursor }))
    });
    messages.await.map(Json)
}

/// Whether the request asks for this machine by a name of its own, and no other is configured: a page elsewhere whose name was
/// rebound to this machine does not, nor does a proxy in front of a public development instance.
fn names_this_machine(headers: &HeaderMap, instance: &str) -> bool {
    let is_local = |authority: &str| {
        let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let named = matches!((hosts.next(), hosts.next()), (Some(host), None) if is_local(host));
    let forwarded = ["forwarded", "x-forwarded-for", "x-forwarded-host"].iter().any(|name| headers.contains_key(*name));
    named && !forwarded && instance.split_once("://").is_some_and(|(_, authority)| is_local(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_by_its_own_name() {
        let asked = |host: &'static str, more: Option<&'static str>, instance: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(name) = more {
                headers.insert(name, "192.0.2.1".parse().unwrap());
            }
            names_this_machine(&headers, instance)
        };
        let here = "http://127.0.0.1:8080";
        assert!(asked("localhost:8080", None, here) && asked("[::1]:1", None, here) && asked("127.0.0.1", None, here));
        assert!(!asked("rebound.example:8080", None, here));
        assert!(!asked("localhost:8080", Some("x-forwarded-for"), here));
        assert!(!asked("localhost:8080", None, "https://dev.example.com"));
        assert!(!names_this_machine(&HeaderMap::new(), here));
    }
}
