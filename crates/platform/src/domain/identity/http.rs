//! `/api/v1/auth/*` and the public keys.

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use tenure_kernel::context::Owed;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::event::Outcome;
use tenure_kernel::platform;
use tenure_kernel::{
    Anonymous, Audited, Authenticated, Code, Error, Json, JsonOrNothing, NewEvent, NoContent, PermissionId, Problem,
    Renewing, Result, Sample, SystemReason, Timestamp,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::authenticator::suspended;
use super::begin::{Proof, end_replaced};
use super::cookie::{self, RefreshIn};
use super::delete_account;
use super::event::{SessionEvent, started};
use super::login::{self, actor_of};
use super::mfa;
use super::model::{Email, NewPerson, Session, User, Username, parse_name};
use super::new_password::PasswordRules;
use super::second_login::{self, TRUSTED_FOR};
use super::sessions::{self, may_end_current};
use super::signup::create_organization;
use super::standing::standing;
use super::step_up;
use super::store::{self, NewSession, Presented};
use super::switch;
use super::token::{Opaque, RefreshToken};
use super::{by_mail, change_email, change_password, link_store, verify_email};
use crate::app::{App, Routes};
use crate::domain::tenancy::{self, Organization};
use tenure_kernel::bus::Message;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .public(Method::POST, "/auth/register", "somebody new has no login yet", register, "Register a person and their organisation.\n\nThe person becomes its administrator. Refused with `registration-closed` where registration is closed.")
        .public(Method::POST, "/auth/refresh", "the refresh token is the credential", refresh, "Exchange a refresh token for a new access token and a new refresh token.\n\nEach refresh token works once; using one twice ends its login.")
        .public(Method::POST, "/auth/logout", "the token is the credential, and an expired login may end too", logout, "End the login that a refresh token, or the access token in `Authorization`, belongs to.\n\nIts access tokens stop working within a second.")
        .get("/auth/me", me, "Who is logged in, where, and what they may do.")
        .merge(login::routes())
        .merge(second_login::routes())
        .merge(step_up::routes())
        .merge(sessions::routes())
        .merge(switch::routes())
        .merge(change_password::routes())
        .merge(mfa::routes())
        .merge(verify_email::routes())
        .merge(by_mail::routes())
        .merge(change_email::routes())
        .merge(delete_account::routes())
}

/// Public keys; at the root, where other services look for them.
pub fn well_known() -> Routes {
    Routes::new("Authentication").public(
        Method::GET,
        "/.well-known/jwks.json",
        "public keys are public",
        jwks,
        "The public keys that verify access tokens (RFC 7517).",
    )
}

/// A registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Address of the person.
    email: String,
    /// 2 to 64 letters, digits, dots, hyphens, underscores.
    username: String,
    /// At least 12 characters.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// What the person is called.
    full_name: String,
    /// Name of the organisation.
    organization_name: String,
    /// Where the refresh token goes.
    #[serde(default)]
    refresh: RefreshIn,
}

impl Sample for Register {
    fn sample() -> serde_json::Value {
        serde_json::json!({
            "email": "ada@example.com", "username": "ada", "password": "a quiet green meadow", "full_name": "Ada Lovelace",
            "organization_name": "Analytical Engines"
        })
    }
}

/// A refresh token, in the body unless the cookie brings it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The token; absent where the cookie brings it.
    refresh_token: Option<String>,
    /// Where the next one goes. It goes where this one came from; a console may say so.
    #[serde(default, rename = "refresh")]
    _refresh: Option<RefreshIn>,
}

impl Refresh {
    /// Of a client that keeps it itself.
    pub(super) fn of(token: String) -> Self {
        Self { refresh_token: Some(token), _refresh: None }
    }
}

impl Sample for Refresh {
    fn sample() -> serde_json::Value {
        serde_json::json!({"refresh_token": "tnr_rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
    }
}

/// What a login gives.
#[derive(Serialize, ToSchema)]
pub struct LoggedIn {
    /// For `Authorization: Bearer …`.
    access_token: String,
    /// For the next refresh; absent where it went into the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    refresh_token: Option<String>,
    /// For logins from this device, which ask for no second factor for 30 days; only where it was asked for, and not where
    /// it went into a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    device_token: Option<String>,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token ends.
    expires_in: u64,
    /// Who.
    user: User,
    /// In which organisation.
    organization: OrganizationRef,
}

/// An organisation in passing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrganizationRef {
    /// Identifier.
    id: tenure_kernel::TenantId,
    /// Short name.
    slug: String,
    /// Name.
    name: String,
}

/// Described as 201 with [`LoggedIn`].
#[derive(Debug)]
pub struct RegisteredAnswer;

impl Output for RegisteredAnswer {
    fn describe(description: &mut Description) {
        description.answers::<LoggedIn>(201, "Registered and logged in.");
    }
}

/// Described as 200 with [`LoggedIn`].
#[derive(Debug)]
pub struct LoggedInAnswer;

impl Output for LoggedInAnswer {
    fn describe(description: &mut Description) {
        description.answers::<LoggedIn>(200, "Logged in.");
    }
}

async fn register(
    anonymous: Anonymous,
    State(app): State<App>,
    headers: HeaderMap,
    Json(new): Json<Register>,
) -> Result<Raw<RegisteredAnswer>> {
    if let Some(detail) = app.config.registration.refuses_organizations() {
        return Err(anonymous.refused(Problem::new(Code::RegistrationClosed, detail).into()).await);
    }
    cookie::guard(&headers, new.refresh)?;
    let (username, email) = (Username::parse(&new.username, "/username")?, Email::parse(&new.email, "/email")?);
    let full_name = parse_name(&new.full_name, "/full_name")?;
    let organization_name = parse_name(&new.organization_name, "/organization_name")?;
    if organization_name.chars().count() > 100 {
        return Err(Problem::invalid("/organization_name", "must be at most 100 characters").into());
    }
    let rules = PasswordRules::new(username.as_str(), email.as_str(), &full_name).in_new(&organization_name);
    let password = rules.parse(&new.password, "/password")?;
    let person = NewPerson {
        username,
        email,
        full_name,
        password_hash: app.passwords.hash(password).await?,
        must_change: false,
    };
    let (token, lasts) = (RefreshToken::random()?, app.tokens.config().refresh_ttl);
    let (plan, replaces) = (app.config.default_plan, cookie::replaced(&headers, new.refresh));
    let ((user, organization), session) = anonymous
        .write_once(SystemReason::Authenticate, async |tx| {
            let created = create_organization(tx, &person, &organization_name, plan).await?;
            let (user, organization) = created.value();
            let proof = Proof::of_new_person(user.id, tx.now());
            let begin = NewSession { proof, tenant: organization.id, client: client(new.refresh), lasts };
            let session = started(store::insert_session(tx, &begin, &token).await?);
            if app.mail.possible() {
                verify_email::send(tx, &app.mail, user, vec![organization.id]).await?;
            }
            let session = match end_replaced(tx, replaces.as_deref()).await? {
                Some(ended) => session.also(ended),
                None => session,
            };
            Ok(created.and(session))
        })
        .await?;
    app.mail.wake();
    answer(&app, &headers, StatusCode::CREATED, new.refresh, token, &session, user, reference(&organization))
        .map(Raw::new)
}

pub(super) async fn refresh(
    anonymous: Anonymous,
    State(app): State<App>,
    headers: HeaderMap,
    Json(body): Json<Refresh>,
) -> Result<Raw<LoggedInAnswer>> {
    let (presented, into) = match cookie::presented(&headers, body.refresh_token) {
        Ok(presented) => presented,
        Err(error) => return Err(anonymous.refused(error).await),
    };
    let digest = RefreshToken::digest(&presented);
    let next = RefreshToken::random()?;
    let result = anonymous
        .kernel()
        .system(SystemReason::Authenticate)
        .from(anonymous.origin())
        .run(async |tx| match store::rotate(tx, &digest, &next, app.tokens.config()).await? {
            Presented::Nothing => {
                Ok(Audited::none("refused right below, with an event of its own", Refreshed::Unknown))
            }
            Presented::Over(session) => {
                Ok(Audited::none("refused right below, with an event of its own", Refreshed::Over(session)))
            }
            Presented::Suspended(session) => {
                Ok(Audited::none("refused right below, with an event of its own", Refreshed::Suspended(session)))
            }
            Presented::Reused(session) => {
                tx.announce(Message::SessionChanged { session: session.id }).await?;
                let event = NewEvent::new(SessionEvent::REUSE_DETECTED, session.id.to_string())
                    .outcome(Outcome::Denied, "refresh-token-reused")
                    .detail("user", session.user)
                    .in_tenant(session.tenant);
                Ok(Audited::of(Refreshed::Over(session), event))
            }
            Presented::Good(session) => {
                let user = store::user(tx, session.user).await?;
                let organization = store::organization(tx, session.tenant).await?;
                Ok(Audited::none(
                    "the login itself is the event; refreshing it every few minutes is not",
                    Refreshed::Good(session, user, organization),
                ))
            }
        })
        .await?;
    let invalid = || {
        Error::from(Problem::new(
            Code::Unauthenticated,
            "the refresh token is not valid, or was used before; log in again",
        ))
    };
    match result {
        Refreshed::Good(session, user, organization) => {
            anonymous.kernel().bus().wake(Message::SessionChanged { session: session.id });
            answer(&app, &headers, StatusCode::OK, into, next, &session, user, organization).map(Raw::new)
        }
        Refreshed::Over(session) => Err(anonymous.refused_to(&[session.tenant], &actor_of(&session), invalid()).await),
        Refreshed::Suspended(session) => {
            Err(anonymous.refused_to(&[session.tenant], &actor_of(&session), suspended().into()).await)
        }
        Refreshed::Unknown => Err(anonymous.refused(invalid()).await),
    }
}

/// What a refresh came to.
enum Refreshed {
    Good(Session, User, OrganizationRef),
    Over(Session),
    Suspended(Session),
    Unknown,
}

/// What a logout ends: the login of a refresh token, or of the access token that came with the request.
enum Ends {
    OfRefresh(Vec<u8>),
    Login(Session),
}

fn ends(app: &App, headers: &HeaderMap, body: Option<Refresh>) -> Result<(Ends, RefreshIn)> {
    let presented = cookie::presented(headers, body.and_then(|body| body.refresh_token));
    let error = match presented {
        Ok((token, from)) => return Ok((Ends::OfRefresh(RefreshToken::digest(&token)), from)),
        Err(error) => error,
    };
    let now = app.kernel.clock().now();
    let claims = tenure_kernel::bearer(headers).map(|token| app.tokens.read(token));
    match claims {
        None => Err(error),
        Some(claims) => {
            let claims = claims.filter(|claims| claims.are_good_at(now)).ok_or_else(|| {
                Problem::new(Code::Unauthenticated, "the access token is not valid, or not any more; it ends nothing")
            })?;
            Ok((Ends::Login(Session { id: claims.sid, user: claims.sub, tenant: claims.tid }), RefreshIn::Body))
        }
    }
}

pub(super) async fn logout(
    anonymous: Anonymous,
    State(app): State<App>,
    headers: HeaderMap,
    JsonOrNothing(body): JsonOrNothing<Refresh>,
) -> Result<Raw<NoContent>> {
    let (ends, into) = match ends(&app, &headers, body) {
        Ok(ends) => ends,
        Err(error) => return Err(anonymous.refused(error).await),
    };
    anonymous
        .kernel()
        .system(SystemReason::Authenticate)
        .from(anonymous.origin())
        .run(async |tx| {
            let session = match ends {
                Ends::Login(session) => Some(session),
                Ends::OfRefresh(digest) => store::session_of_refresh(tx, &digest).await?,
            };
            let Some(session) = session else { return Ok(Audited::none("there is no such login", ())) };
            may_end_current(&app, true)?;
            if !store::revoke(tx, session.id).await? {
                return Ok(Audited::none("the login was over already", ()));
            }
            tx.announce(Message::SessionChanged { session: session.id }).await?;
            let event = NewEvent::new(SessionEvent::ENDED, session.id.to_string()).detail("user", session.user);
            Ok(Audited::of((), event.by(actor_of(&session)).in_tenant(session.tenant)))
        })
        .await?;
    let mut response = NoContent.into_response();
    if into == RefreshIn::Cookie {
        response.headers_mut().insert(SET_COOKIE, cookie::set(&headers, "", 0)?);
    }
    Ok(Raw::new(response))
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// The person.
    user: User,
    /// Whether this login reaches nothing but this and `POST /auth/password`, until the password is changed.
    password_change_required: bool,
    /// Whether it is known that mail to their address reaches them.
    email_verified: bool,
    /// The organisation this login is for.
    organization: Organization,
    /// Their roles in it.
    roles: Vec<String>,
    /// What they may do in it.
    permissions: Vec<&'static str>,
    /// What they may do for the platform, whichever organisation this login is for; nothing but of who administers it.
    platform_permissions: Vec<&'static str>,
    /// Every organisation they belong to.
    organizations: Vec<OrganizationRef>,
    /// Organisations that ask them to be a member.
    invitations: Vec<OrganizationRef>,
    /// When this login ends unless it is used.
    session_expires_at: Timestamp,
}

async fn me(cx: Authenticated<Renewing>) -> Result<Json<Me>> {
    let organization = cx.read(async |tx| tenancy::store::current(tx).await).await?;
    let (Some(user), Some(session)) = (cx.cx().actor().user(), cx.cx().actor().session) else {
        return Err(
            Problem::new(Code::Unauthenticated, "this tells of a login, and an API key has none; log in").into()
        );
    };
    let (user, email_verified, belongings, invitations, standing, platform) = cx
        .kernel()
        .system(SystemReason::Authenticate)
        .run(async |tx| {
            let (belongings, invitations) = (store::belongings(tx, user).await?, store::invitations(tx, user).await?);
            let (verified, standing) = (link_store::is_verified(tx, user).await?, standing(tx, session).await?);
            let platform = platform::held(tx, user).await?;
            let found = (store::user(tx, user).await?, verified, belongings, invitations, standing, platform);
            Ok(Audited::none("a person looks at their own login", found))
        })
        .await?;
    let standing = standing.ok_or_else(Problem::not_found)?;
    Ok(Json(Me {
        user,
        password_change_required: standing.assurance.owes == Some(Owed::NewPassword),
        email_verified,
        organization,
        roles: standing.roles,
        permissions: cx.cx().identity.permissions.iter().map(PermissionId::as_str).collect(),
        platform_permissions: platform.iter().map(|held| held.as_str()).collect(),
        organizations: belongings
            .into_iter()
            .filter(|belonging| !belonging.pending)
            .map(|b| OrganizationRef { id: b.tenant, slug: b.slug, name: b.name })
            .collect(),
        invitations,
        session_expires_at: standing.expires_at,
    }))
}

/// Described as a JWK set.
#[derive(Debug)]
pub struct JwkSet;

impl Output for JwkSet {
    fn describe(description: &mut Description) {
        description.answers_with(200, "A JWK set.", "application/json", utoipa::openapi::ObjectBuilder::new());
    }
}

async fn jwks(_anonymous: Anonymous, State(app): State<App>) -> Result<Raw<JwkSet>> {
    let keep = format!("public, max-age={}", super::signing::KEEP_JWKS_SECONDS);
    Ok(Raw::new(([(axum::http::header::CACHE_CONTROL, keep)], axum::Json(app.tokens.jwks()?))))
}

fn reference(organization: &Organization) -> OrganizationRef {
    OrganizationRef { id: organization.id, slug: organization.slug.clone(), name: organization.name.clone() }
}

impl OrganizationRef {
    pub(super) fn new(id: tenure_kernel::TenantId, slug: String, name: String) -> Self {
        Self { id, slug, name }
    }
}

pub(super) const fn client(refresh: RefreshIn) -> &'static str {
    match refresh {
        RefreshIn::Body => "api",
        RefreshIn::Cookie => "console",
    }
}

/// What a client keeps for the next time.
pub(super) struct Given {
    pub(super) refresh: RefreshToken,
    /// Where the person trusts the device from now on.
    pub(super) device: Option<Opaque>,
}

impl From<RefreshToken> for Given {
    fn from(refresh: RefreshToken) -> Self {
        Self { refresh, device: None }
    }
}

#[expect(clippy::too_many_arguments, reason = "one place that puts the parts of the answer together")]
pub(super) fn answer(
    app: &App,
    headers: &HeaderMap,
    status: StatusCode,
    into: RefreshIn,
    given: impl Into<Given>,
    session: &Session,
    user: User,
    organization: OrganizationRef,
) -> Result<axum::response::Response> {
    let (config, Given { refresh, device }) = (app.tokens.config(), given.into());
    let body = LoggedIn {
        access_token: app.tokens.issue(session.user, session.tenant, session.id, app.kernel.clock().now())?,
        refresh_token: (into == RefreshIn::Body).then(|| refresh.text.clone()),
        device_token: device.as_ref().filter(|_| into == RefreshIn::Body).map(|device| device.text.clone()),
        token_type: "Bearer",
        expires_in: config.access_ttl.as_secs(),
        user,
        organization,
    };
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(axum::http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if into == RefreshIn::Cookie {
        response.headers_mut().insert(SET_COOKIE, cookie::set(headers, &refresh.text, config.refresh_ttl.as_secs())?);
        response.headers_mut().append(SET_COOKIE, cookie::arrived(headers)?);
        if let Some(device) = device {
            let cookie = cookie::set_device(headers, &device.text, TRUSTED_FOR.as_secs())?;
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    Ok(response)
}
