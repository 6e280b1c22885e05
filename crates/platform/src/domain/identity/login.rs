//! `POST /api/v1/auth/login`: a password, and what comes after it.

use std::time::Instant;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::{
    Actor, Anonymous, Audited, Code, Factor, Json, NewEvent, Principal, Problem, Result, Sample, SystemReason, UserId,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::attempt::{Attempt, refuse_for_now, refuse_login};
use super::authenticator::suspended;
use super::begin::{self, Chosen, Entering, Next};
use super::challenge::{self, Purpose, Whom};
use super::cookie::{self, RefreshIn};
use super::event::UserEvent;
use super::http::{LoggedIn, OrganizationRef, answer, client};
use super::known::{self, Brought};
use super::lockout;
use super::mfa_store;
use super::model::{Session, User};
use super::new_password::MAX_PASSWORD;
use super::password::Turn;
use super::second::ask_passkeys;
use super::second_login::LoginState;
use super::store::{self, Belonging, Person};
use super::token::RefreshToken;
use crate::app::{App, Routes};

/// The route.
pub fn routes() -> Routes {
    Routes::new("Authentication").public(Method::POST, "/auth/login", "this is how a login begins", login, "Log in with a user name or address and a password.\n\nWhere the person has a second factor the answer is not a login but `mfa_required` with an `mfa_token`, which `POST /auth/mfa` takes together with the second factor. The answer is the same, and takes the same time, for an unknown user and a wrong password.")
}

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// User name; this or `email`.
    username: Option<String>,
    /// Address; this or `username`.
    email: Option<String>,
    /// The password.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// Slug of the organisation, for a person in several; the oldest membership otherwise.
    organization: Option<String>,
    /// Where the refresh token goes.
    #[serde(default)]
    refresh: RefreshIn,
    /// Of a device that you trust (`device_token` of an earlier login), where no cookie brings it.
    device_token: Option<String>,
}

impl Login {
    /// With a name of either kind, for a client that keeps its refresh token itself.
    pub(super) fn by_password(name: String, password: Zeroizing<String>, organization: Option<String>) -> Self {
        let refresh = RefreshIn::Body;
        Self { username: Some(name), email: None, password, organization, refresh, device_token: None }
    }
}

impl Sample for Login {
    fn sample() -> serde_json::Value {
        serde_json::json!({"username": "ada", "password": "a quiet green meadow"})
    }
}

/// What a login gives: one of the two.
#[derive(ToSchema)]
#[schema(as = LoginAnswer)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described: each is written by itself")]
pub enum LoginAnswer {
    /// Tokens.
    LoggedIn(LoggedIn),
    /// The password was right, and a second factor is asked for.
    MfaRequired(MfaRequired),
}

/// The first half of a login.
#[derive(Serialize, ToSchema)]
pub struct MfaRequired {
    /// `true`.
    mfa_required: bool,
    /// For `POST /auth/mfa`: from this address, for one right answer and at most five wrong ones.
    mfa_token: String,
    /// Seconds until it ends.
    expires_in: u64,
    /// What would do.
    factors: Vec<Factor>,
    /// What a browser needs to ask for a passkey (`PublicKeyCredentialRequestOptionsJSON`), where the person has any.
    #[schema(value_type = Option<Object>)]
    passkey: Option<Value>,
}

/// Described as 200 with [`LoginAnswer`].
#[derive(Debug)]
pub struct LoginOutcome;

impl Output for LoginOutcome {
    fn describe(description: &mut Description) {
        description.answers::<LoginAnswer>(200, "Logged in, or asked for a second factor.");
    }
}

pub(super) fn actor(user: UserId) -> Actor {
    Actor { principal: Principal::User(user), ..Actor::anonymous() }
}

pub(super) fn actor_of(session: &Session) -> Actor {
    Actor { session: Some(session.id), ..actor(session.user) }
}

pub(super) async fn login(
    anonymous: Anonymous,
    State(app): State<App>,
    headers: HeaderMap,
    Json(login): Json<Login>,
) -> Result<Raw<LoginOutcome>> {
    let begun = Instant::now();
    let claim = claim(&anonymous, &app, &headers, &login).await?;
    let done = judge(&anonymous, &app, &headers, login, claim).await;
    // Too soon it is here where a wait began while the password was checked.
    let refused = |code| [Code::InvalidCredentials, Code::RateLimited].contains(&code);
    if done.as_ref().is_err_and(|error| refused(error.problem().code)) {
        wait_out(begun, &app).await;
    }
    done.map(Raw::new)
}

/// A failed login takes a whole number of beats: checking what another system made of a password takes longer than
/// checking ours, and that time must not tell that there is such an account.
pub(super) async fn wait_out(begun: Instant, app: &App) {
    let beat = app.config.failed_login_takes.as_nanos();
    if let Some(over) = begun.elapsed().as_nanos().checked_div(beat) {
        let beats = u32::try_from(over).unwrap_or(u32::MAX - 1) + 1;
        tokio::time::sleep_until((begun + app.config.failed_login_takes.saturating_mul(beats)).into()).await;
    }
}

/// Who wants to log in, as far as it is known.
struct Claim {
    person: Option<Person>,
    whose: Attempt,
    known: Option<known::Known>,
    /// Held until the try is counted.
    turn: Option<Turn>,
}

/// What the password opened.
enum Opened {
    Session(Session, Belonging),
    Question(MfaRequired),
    Nothing(Chosen),
    /// A wait has begun while the password was checked.
    TooSoon(u64),
}

/// Who wants to log in, once it is their turn.
///
/// # Errors
/// 429 while they have to wait.
async fn claim(anonymous: &Anonymous, app: &App, headers: &HeaderMap, login: &Login) -> Result<Claim> {
    cookie::guard(headers, login.refresh)?;
    let typed = match (&login.username, &login.email) {
        (Some(name), None) | (None, Some(name)) => name.trim(),
        _ => return Err(Problem::invalid("/username", "give either username or email").into()),
    };
    if typed.is_empty() || typed.len() > 254 || login.password.len() > MAX_PASSWORD {
        return Err(Problem::invalid("/username", "is empty, or too long to be right").into());
    }
    let turn = app.passwords.turn(typed).await;
    let (claim, wait) = look_up(anonymous, headers, login, typed).await?;
    match wait {
        Some(seconds) => Err(refuse_for_now(anonymous, &claim.whose, seconds).await),
        None => Ok(Claim { turn, ..claim }),
    }
}

async fn judge(anonymous: &Anonymous, app: &App, headers: &HeaderMap, login: Login, claim: Claim) -> Result<Response> {
    let Claim { person, whose, known, turn: _turn } = claim;
    let hash = person.as_ref().filter(|person| person.active).and_then(|person| person.password.clone());
    let right = app.passwords.verify(login.password.clone(), hash.clone()).await?;
    let (Some(person), true) = (person, right) else {
        return Err(refuse_login(anonymous, &whose).await);
    };
    let user = person.user;
    let renewed = app.passwords.renew(login.password.clone(), hash.as_deref()).await;
    let (token, lasts) = (RefreshToken::random()?, app.tokens.config().refresh_ttl);
    let opened = anonymous
        .kernel()
        .system(SystemReason::Authenticate)
        .from(anonymous.origin())
        .run(async |tx| {
            // The person before their password, as who sets another by mail locks them.
            mfa_store::has_mfa(tx, user.id).await?;
            if let Some(seconds) = lockout::wait_for(tx, &whose.subjects).await? {
                return Ok(Audited::none("refused right below, with an event", Opened::TooSoon(seconds)));
            }
            let still = match &renewed {
                Some(new) => store::replace_password(tx, user.id, hash.as_deref(), new).await?,
                None => store::is_password(tx, user.id, hash.as_deref()).await?,
            };
            if !still {
                return Err(Problem::unavailable("the password was changed meanwhile; try again").into());
            }
            let opened = match begin::after_first(tx, user.id, known.as_ref()).await? {
                Next::Ask(factors) => {
                    let (passkey, challenge) = ask_passkeys(tx, &app.passkeys, user.id).await?;
                    let state = LoginState::new(&login.organization, login.refresh, known.is_some(), challenge);
                    let whom = Whom { user: Some(user.id), session: None };
                    let mfa_token = challenge::ask(tx, Purpose::Login, whom, &state).await?;
                    let expires_in = challenge::GOOD_FOR.as_secs();
                    let asked = MfaRequired { mfa_required: true, mfa_token, expires_in, factors, passkey };
                    Audited::none("half a login; its other half, or a wrong one, is an event", Opened::Question(asked))
                }
                Next::Enter(proof) => {
                    let organization = login.organization.as_deref();
                    let entering = Entering { proof, organization, client: client(login.refresh), lasts };
                    let entered = begin::enter(tx, &entering, &token).await?;
                    if entered.value().is_ok() {
                        lockout::succeeded(tx, &whose.subjects).await?;
                    }
                    entered.map(|entered| match entered {
                        Ok((session, belonging)) => Opened::Session(session, belonging),
                        Err(refused) => Opened::Nothing(refused),
                    })
                }
            };
            let rehashed = NewEvent::new(UserEvent::PASSWORD_REHASHED, user.id.to_string()).by(actor(user.id));
            let rehashed = match whose.tenants.first() {
                Some(tenant) => rehashed.in_tenant(*tenant),
                None => rehashed,
            };
            Ok(if renewed.is_some() { opened.also(rehashed) } else { opened })
        })
        .await?;
    match opened {
        Opened::Session(session, chosen) => {
            let organization = OrganizationRef::new(chosen.tenant, chosen.slug, chosen.name);
            answer(app, headers, StatusCode::OK, login.refresh, token, &session, user, organization)
        }
        Opened::Question(asked) => Ok(question(asked)),
        Opened::TooSoon(seconds) => Err(refuse_for_now(anonymous, &whose, seconds).await),
        Opened::Nothing(chosen) => Err(nowhere(anonymous, &whose, &user, chosen).await),
    }
}

/// And how long they have to wait.
async fn look_up(
    anonymous: &Anonymous,
    headers: &HeaderMap,
    login: &Login,
    typed: &str,
) -> Result<(Claim, Option<u64>)> {
    let brought = Brought::new(headers, login.device_token.as_deref());
    anonymous
        .kernel()
        .system(SystemReason::Authenticate)
        .run(async |tx| {
            let person = store::find_person(tx, typed).await?;
            let user = person.as_ref().map(|person| person.user.id);
            let known = brought.known(tx, user).await?;
            let subjects = known::subjects(known.as_ref(), typed, user, anonymous.origin().address);
            let wait = lockout::wait_for(tx, &subjects).await?;
            let whose = Attempt { subjects, user, tenants: store::audiences(tx, user).await? };
            Ok(Audited::none("looks up who wants to log in", (Claim { person, whose, known, turn: None }, wait)))
        })
        .await
}

/// The person proved who they are, and no organisation takes them in.
pub(super) async fn nowhere(
    anonymous: &Anonymous,
    whose: &Attempt,
    user: &User,
    chosen: Chosen,
) -> tenure_kernel::Error {
    match chosen {
        Chosen::Suspended(tenant) => anonymous.refused_to(&[tenant], &actor(user.id), suspended().into()).await,
        Chosen::One(_) | Chosen::Nowhere => refuse_login(anonymous, whose).await,
    }
}

fn question(asked: MfaRequired) -> Response {
    let mut response = axum::Json(asked).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
