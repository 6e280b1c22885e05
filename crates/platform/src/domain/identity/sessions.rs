//! `/api/v1/auth/sessions`: a person's own logins, in whichever of their organisations, and their end.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::event::Outcome;
use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{
    Actor, Audited, Authenticated, Code, Json, NewEvent, NoContent, Page, PageQuery, Path, Principal, Problem, Query,
    Result, SessionId, SystemReason, TenantId, Timestamp, UserId,
};
use utoipa::{IntoParams, ToSchema};

use super::cookie;
use super::event::SessionEvent;
use super::http::OrganizationRef;
use super::store::{self, Ended, Login};
use crate::app::{App, Routes};

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .get("/auth/sessions", list, "List your own logins that have not ended, newest first.\n\nThose in your other organisations too. An address or program that you do not know is a reason to end it and to change the password.")
        .delete("/auth/sessions", end_all, "End all your other logins, in every organisation.\n\nTakes effect on every node within a second, also for access tokens that have not run out.")
        .delete("/auth/sessions/{id}", end, "End one of your own logins.\n\nTakes effect on every node within a second, also for access tokens that have not run out.")
}

/// Through which program somebody logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// A program that keeps its refresh token itself.
    Api,
    /// The console, in a browser.
    Console,
    /// `tenure login`, or another program that a person let in by a code.
    Cli,
}

/// A login that has not ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Identifier.
    id: SessionId,
    /// Whether it is the one that asks.
    current: bool,
    /// For which organisation.
    organization: OrganizationRef,
    /// Through which program.
    client: Client,
    /// What the program called itself when it logged in.
    user_agent: Option<String>,
    /// The address it logged in from.
    address: Option<String>,
    /// When it began.
    created_at: Timestamp,
    /// When it was last refreshed; a client does so every few minutes while it is used.
    last_seen_at: Timestamp,
    /// When it ends unless it is used.
    expires_at: Timestamp,
}

/// Which logins to end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EndSessions {
    /// Also the one that asks.
    #[serde(default)]
    include_current: bool,
}

/// What was ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsEnded {
    /// How many logins.
    ended: usize,
}

/// Described as 200 with [`SessionsEnded`].
#[derive(Debug)]
pub struct EndedAnswer;

impl Output for EndedAnswer {
    fn describe(description: &mut Description) {
        description.answers::<SessionsEnded>(200, "Ended.");
    }
}

/// The person who asks, and the login that they ask with: what is a person's own is none of their keys'.
///
/// # Errors
/// 401 for any other credential.
pub fn person<D>(cx: &Authenticated<D>) -> Result<(UserId, SessionId)> {
    let actor = cx.cx().actor();
    actor.user().zip(actor.session).ok_or_else(|| {
        Problem::new(Code::Unauthenticated, "this credential does not belong to a person who logged in").into()
    })
}

async fn list(cx: Authenticated, Query(page): Query<PageQuery>) -> Result<Json<Page<SessionView>>> {
    let (user, current) = person(&cx)?;
    let logins = cx
        .kernel()
        .system(SystemReason::Authenticate)
        .run(async |tx| Ok(Audited::none("a person looks at their own logins", store::logins(tx, user, &page).await?)))
        .await?;
    let items = logins.items.into_iter().map(|login| view(login, current)).collect();
    Ok(Json(Page { items, next_cursor: logins.next_cursor }))
}

fn view(login: Login, current: SessionId) -> SessionView {
    SessionView {
        id: login.id,
        current: login.id == current,
        organization: OrganizationRef::new(login.tenant, login.slug, login.name),
        client: match login.client.as_str() {
            "console" => Client::Console,
            "cli" => Client::Cli,
            _ => Client::Api,
        },
        user_agent: login.user_agent,
        address: login.address,
        created_at: login.created_at,
        last_seen_at: login.last_seen_at,
        expires_at: login.expires_at,
    }
}

async fn end(
    cx: Authenticated,
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
) -> Result<Raw<NoContent>> {
    let (user, current) = person(&cx)?;
    may_end_current(&app, id == current)?;
    let by = By::of(&cx);
    let ended = cx
        .kernel()
        .system(SystemReason::Authenticate)
        .from(&cx.cx().origin)
        .run(async |tx| {
            let ended = store::end_login(tx, user, id).await?.ok_or_else(Problem::not_found)?;
            tx.announce(Message::SessionChanged { session: id }).await?;
            let event = by.ended(&ended, "ended-by-its-person");
            Ok(Audited::of(ended, event))
        })
        .await?;
    without_cookie(NoContent.into_response(), &headers, ended.session.id == current && ended.console).map(Raw::new)
}

async fn end_all(
    cx: Authenticated,
    State(app): State<App>,
    headers: HeaderMap,
    Query(which): Query<EndSessions>,
) -> Result<Raw<EndedAnswer>> {
    let (user, current) = person(&cx)?;
    may_end_current(&app, which.include_current)?;
    let keep = (!which.include_current).then_some(current);
    let by = By::of(&cx);
    let ended = cx
        .kernel()
        .system(SystemReason::Authenticate)
        .from(&cx.cx().origin)
        .run(async |tx| {
            let ended = store::end_logins(tx, user, keep).await?;
            tx.announce(Message::UserChanged { user }).await?;
            let events: Vec<_> = ended.iter().map(|ended| by.ended(ended, "ended-by-its-person")).collect();
            Ok(Audited::many(ended, events))
        })
        .await?;
    let own = ended.iter().any(|ended| ended.session.id == current && ended.console);
    let answer = axum::Json(SessionsEnded { ended: ended.len() }).into_response();
    without_cookie(answer, &headers, own).map(Raw::new)
}

/// Where nobody logs in there is one login, the server's own; without it nothing would answer until the next start.
pub(super) fn may_end_current(app: &App, ends: bool) -> Result<()> {
    if ends && !app.config.logins {
        return Err(Problem::conflict("logins are switched off here, so this one cannot be ended").into());
    }
    Ok(())
}

/// The browser forgets what is of no use any more.
fn without_cookie(mut response: Response, headers: &HeaderMap, over: bool) -> Result<Response> {
    if over {
        response.headers_mut().insert(SET_COOKIE, cookie::set(headers, "", 0)?);
    }
    Ok(response)
}

/// Who ended a login, as its organisation reads of it.
pub(super) struct By {
    actor: Actor,
    tenant: TenantId,
}

impl By {
    pub(super) fn of<D>(cx: &Authenticated<D>) -> Self {
        Self { actor: *cx.cx().actor(), tenant: cx.cx().tenant() }
    }

    /// The person, who opened a link that was sent to them and has no login.
    pub(super) fn mail(user: UserId) -> Self {
        let actor = Actor { principal: Principal::User(user), ..Actor::anonymous() };
        Self { actor, tenant: PLATFORM_TENANT }
    }

    /// Who, and through no login.
    pub(super) fn seen_from_nowhere(&self) -> Actor {
        Actor { session: None, ..self.actor }
    }

    /// The organisation of the login that they act with.
    pub(super) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Another organisation reads who, and not through which login: it is not for them to know that there is one.
    pub(super) fn seen_from(&self, tenant: TenantId) -> Actor {
        Actor { session: self.actor.session.filter(|_| tenant == self.tenant), ..self.actor }
    }

    /// The same event for each organisation of the person.
    pub(super) fn tell(&self, tenants: &[TenantId], event: impl Fn() -> NewEvent) -> Vec<NewEvent> {
        tenants.iter().map(|tenant| event().by(self.seen_from(*tenant)).in_tenant(*tenant)).collect()
    }

    pub(super) fn ended(&self, ended: &Ended, why: &'static str) -> NewEvent {
        let session = &ended.session;
        NewEvent::new(SessionEvent::ENDED, session.id.to_string())
            .outcome(Outcome::Success, why)
            .detail("user", session.user)
            .by(self.seen_from(session.tenant))
            .in_tenant(session.tenant)
    }
}
