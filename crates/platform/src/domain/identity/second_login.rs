//! `POST /api/v1/auth/mfa`, the other half of a login, and `/auth/passkey`, a login by a passkey alone.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_kernel::describe::Raw;
use tenure_kernel::{Anonymous, Audited, Code, Factor, Json, NewEvent, Result, Sample, SystemReason, SystemTx, UserId};
use utoipa::ToSchema;
use webauthn_rs::prelude::DiscoverableAuthentication;
use zeroize::Zeroizing;

use super::attempt::{Attempt, refuse_for_now, refuse_second};
use super::begin::{self, Chosen, Entering, Proof};
use super::challenge::{self, Challenge, Purpose, Whom};
use super::cookie::{self, RefreshIn};
use super::event::UserEvent;
use super::http::{Given, LoggedInAnswer, OrganizationRef, answer, client};
use super::known::{self, Known};
use super::lockout::{self, Subjects};
use super::login::{actor, nowhere, wait_out};
use super::mfa_store;
use super::model::{Session, User};
use super::passkey::{Credential, Used};
use super::second::{self, PasskeyChallenge, SecondAnswer, SecondFactor};
use super::store::{self, Belonging};
use super::token::{Opaque, RefreshToken};
use crate::app::{App, Routes};

/// How long a device is trusted.
pub(super) const TRUSTED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const DEVICE_PREFIX: &str = "tnr_td_";

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .public(Method::POST, "/auth/mfa", "it is the other half of a login", finish, "Finish a login with a second factor.\n\nThe token is that of the login's answer, and works from the same address. Wrong answers count like wrong passwords; after five the login begins again. The refresh token goes where the login said.")
        .public(Method::POST, "/auth/passkey/options", "a login begins with it", passkey_options, "Ask for what a browser needs to log in with a passkey.\n\nThe person picks the passkey; no name is needed.")
        .public(Method::POST, "/auth/passkey", "this is how a login by passkey happens", passkey_login, "Log in with a passkey alone.\n\nIt asks for its owner's finger, face or PIN, so it counts as two factors.")
}

/// The other half of a login: the token and one of the three answers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MfaLogin {
    /// `mfa_token` of the login.
    mfa_token: String,
    /// The six digits that the app shows.
    #[schema(value_type = Option<String>)]
    code: Option<Zeroizing<String>>,
    /// One of the codes that each work once.
    #[schema(value_type = Option<String>)]
    recovery_code: Option<Zeroizing<String>>,
    /// What the browser answered with a passkey (`PublicKeyCredential` as JSON).
    #[schema(value_type = Option<Object>)]
    passkey: Option<Credential>,
    /// Whether logins from this device shall ask for no second factor for 30 days.
    #[serde(default)]
    trust_device: bool,
}

impl Sample for MfaLogin {
    fn sample() -> Value {
        serde_json::json!({"mfa_token": "tnr_ch_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "code": "123456"})
    }
}

/// What the first half of a login leaves for the other.
#[derive(Serialize, Deserialize)]
pub(super) struct LoginState {
    organization: Option<String>,
    console: bool,
    /// Whether it came from within a login of the person.
    inside: bool,
    passkey: PasskeyChallenge,
}

impl LoginState {
    pub(super) fn new(
        organization: &Option<String>,
        refresh: RefreshIn,
        inside: bool,
        passkey: PasskeyChallenge,
    ) -> Self {
        Self { organization: organization.clone(), console: refresh == RefreshIn::Cookie, inside, passkey }
    }

    const fn refresh(&self) -> RefreshIn {
        if self.console { RefreshIn::Cookie } else { RefreshIn::Body }
    }
}

/// Somebody who got in.
struct Entered {
    session: Session,
    organization: Belonging,
    user: User,
    given: Given,
    refresh: RefreshIn,
}

/// What the second factor came to.
enum Finished {
    Entered(Box<Entered>),
    Wrong,
    TooSoon(u64),
    Nowhere(User, Chosen),
}

async fn finish(
    anonymous: Anonymous,
    State(app): State<App>,
    headers: HeaderMap,
    Json(login): Json<MfaLogin>,
) -> Result<Raw<LoggedInAnswer>> {
    let begun = Instant::now();
    let done = by_second_factor(&anonymous, &app, &headers, login).await;
    if done.as_ref().is_err_and(|error| error.problem().code == Code::InvalidCredentials) {
        wait_out(begun, &app).await;
    }
    done.map(Raw::new)
}

async fn by_second_factor(anonymous: &Anonymous, app: &App, headers: &HeaderMap, login: MfaLogin) -> Result<Response> {
    let second = SecondAnswer::one_of(login.code, login.recovery_code, login.passkey)?;
    let system = || anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin());
    let asked = system().run(async |tx| {
        let asked = challenge::asked(tx, Purpose::Login, &login.mfa_token).await?;
        Ok(Audited::none("a look at who is asked", asked.ok_or_else(challenge::over)?))
    });
    let user = match asked.await {
        Ok(user) => user,
        Err(error) => return Err(anonymous.refused(error).await),
    };
    // Guesses at one person that are sent at once, each to a challenge of its own, are judged one after another; on
    // several nodes by the person's row, which is also what every change of factors locks first.
    let _turn = app.passwords.turn(&user.to_string()).await;
    let finished = system()
        .run(async |tx| {
            mfa_store::has_mfa_alone(tx, user).await?;
            let challenge: Challenge<LoginState> = challenge::find(tx, Purpose::Login, None, &login.mfa_token).await?;
            cookie::guard(headers, challenge.state.refresh())?;
            let known = challenge.state.inside.then_some(Known::Session);
            let subjects = known::subjects(known.as_ref(), "", Some(user), anonymous.origin().address);
            let whose = Attempt { subjects, user: Some(user), tenants: store::audiences(tx, Some(user)).await? };
            if let Some(seconds) = lockout::wait_for(tx, &whose.subjects).await? {
                return Ok(Audited::none("refused right below, with an event", (whose, Finished::TooSoon(seconds))));
            }
            let asked = &challenge.state.passkey;
            let Some(proven) = second::check(tx, &app.passkeys, user, &second, asked).await? else {
                challenge.missed(tx).await?;
                let wait = lockout::missed(tx, &whose.subjects).await?;
                let finished = wait.map_or(Finished::Wrong, Finished::TooSoon);
                return Ok(Audited::none("refused right below, with an event", (whose, finished)));
            };
            challenge.answered(tx).await?;
            let organization = challenge.state.organization.as_deref();
            let into = Into { organization, refresh: challenge.state.refresh(), trust: login.trust_device };
            let entered = let_in(tx, app, user, &proven, &whose, into).await?;
            Ok(entered.map(|finished| (whose, finished)))
        })
        .await;
    match finished {
        Err(error) => Err(anonymous.refused(error).await),
        Ok((whose, finished)) => respond(anonymous, app, headers, &whose, finished).await,
    }
}

/// Where a login goes to.
struct Into<'a> {
    organization: Option<&'a str>,
    refresh: RefreshIn,
    trust: bool,
}

async fn let_in(
    tx: &mut SystemTx,
    app: &App,
    user: UserId,
    proven: &SecondFactor,
    whose: &Attempt,
    into: Into<'_>,
) -> Result<Audited<Finished>> {
    let (token, lasts) = (RefreshToken::random()?, app.tokens.config().refresh_ttl);
    let (proof, organization) = (Proof::of(user, proven, tx.now()), into.organization);
    let tell = |event: fn(UserId) -> NewEvent| {
        whose.tenants.iter().map(move |tenant| event(user).by(actor(user)).in_tenant(*tenant))
    };
    let mut events = Vec::new();
    // It is used up, wherever the login comes to.
    if proven.kind() == Factor::RecoveryCode {
        events.extend(tell(|user| NewEvent::new(UserEvent::RECOVERY_CODE_USED, user.to_string())));
    }
    let entering = Entering { proof, organization, client: client(into.refresh), lasts };
    let entered = begin::enter(tx, &entering, &token).await?;
    let person = store::user(tx, user).await?;
    if entered.value().is_err() {
        let nowhere = entered.map(|refused| match refused {
            Err(refused) => Finished::Nowhere(person, refused),
            Ok(_) => Finished::Wrong,
        });
        return Ok(events.into_iter().fold(nowhere, Audited::also));
    }
    lockout::succeeded(tx, &whose.subjects).await?;
    let device = if into.trust { Some(Opaque::random(DEVICE_PREFIX)?) } else { None };
    if let Some(device) = &device {
        mfa_store::insert_device(tx, user, &device.digest, tx.now().after(TRUSTED_FOR)).await?;
        events.extend(tell(|user| NewEvent::new(UserEvent::DEVICE_TRUSTED, user.to_string())));
    }
    let given = Given { refresh: token, device };
    let entered = entered.map(|entered| match entered {
        Ok((session, organization)) => {
            Finished::Entered(Box::new(Entered { session, organization, user: person, given, refresh: into.refresh }))
        }
        Err(refused) => Finished::Nowhere(person, refused),
    });
    Ok(events.into_iter().fold(entered, Audited::also))
}

async fn respond(
    anonymous: &Anonymous,
    app: &App,
    headers: &HeaderMap,
    whose: &Attempt,
    finished: Finished,
) -> Result<Response> {
    match finished {
        Finished::Entered(entered) => {
            let Entered { session, organization, user, given, refresh } = *entered;
            let organization = OrganizationRef::new(organization.tenant, organization.slug, organization.name);
            answer(app, headers, StatusCode::OK, refresh, given, &session, user, organization)
        }
        Finished::Wrong => Err(refuse_second(anonymous, whose).await),
        Finished::TooSoon(seconds) => Err(refuse_for_now(anonymous, whose, seconds).await),
        Finished::Nowhere(user, chosen) => Err(nowhere(anonymous, whose, &user, chosen).await),
    }
}

/// What a browser needs to ask for a passkey.
#[derive(Serialize, ToSchema)]
pub struct PasskeyQuestion {
    /// Sent along with the answer; good for five minutes and one answer.
    pub(super) passkey_token: String,
    /// `PublicKeyCredentialRequestOptionsJSON`, or for a new passkey `PublicKeyCredentialCreationOptionsJSON`.
    #[schema(value_type = Object)]
    pub(super) options: Value,
}

async fn passkey_options(anonymous: Anonymous, State(app): State<App>) -> Result<Json<PasskeyQuestion>> {
    let (options, state) = app.passkeys.begin_anonymous()?;
    let system = anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin());
    let passkey_token = system
        .run(async |tx| {
            let token = challenge::ask(tx, Purpose::PasskeyLogin, Whom::default(), &state).await?;
            Ok(Audited::none("a question; a login that answers it is an event", token))
        })
        .await?;
    Ok(Json(PasskeyQuestion { passkey_token, options }))
}

/// A login by a passkey alone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyLogin {
    /// `passkey_token` of the question.
    passkey_token: String,
    /// What the browser answered (`PublicKeyCredential` as JSON).
    #[schema(value_type = Object)]
    credential: Credential,
    /// Slug of the organisation, for a person in several; the oldest membership otherwise.
    organization: Option<String>,
    /// Where the refresh token goes.
    #[serde(default)]
    refresh: RefreshIn,
}

impl Sample for PasskeyLogin {
    fn sample() -> Value {
        serde_json::json!({
            "passkey_token": "tnr_ch_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "credential": {
                "id": "AAAA", "rawId": "AAAA", "type": "public-key",
                "response": {"authenticatorData": "AAAA", "clientDataJSON": "AAAA", "signature": "AAAA", "userHandle": "AAAA"}
            }
        })
    }
}

async fn passkey_login(
    anonymous: Anonymous,
    State(app): State<App>,
    headers: HeaderMap,
    Json(login): Json<PasskeyLogin>,
) -> Result<Raw<LoggedInAnswer>> {
    cookie::guard(&headers, login.refresh)?;
    let used = Used::parse(&login.credential, "/credential")?;
    let system = anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin());
    let finished = system
        .run(async |tx| {
            let challenge: Challenge<DiscoverableAuthentication> =
                challenge::find(tx, Purpose::PasskeyLogin, None, &login.passkey_token).await?;
            // Right or wrong, it is asked once.
            challenge.answered(tx).await?;
            let claimed = app.passkeys.claimed(&used).map(|(user, _)| user);
            let subjects = Subjects::passkey(claimed, anonymous.origin().address);
            let whose = Attempt { subjects, user: claimed, tenants: store::audiences(tx, claimed).await? };
            if let Some(seconds) = lockout::wait_for(tx, &whose.subjects).await? {
                return Ok(Audited::none("refused right below, with an event", (whose, Finished::TooSoon(seconds))));
            }
            if let Some(claimed) = claimed {
                // Their factors stay as they are until this login stands: taking one away ends the logins that there are.
                mfa_store::lock_if_known(tx, claimed).await?;
            }
            let Some((user, proven)) = second::check_alone(tx, &app.passkeys, &used, challenge.state).await? else {
                let wait = lockout::missed(tx, &whose.subjects).await?;
                let finished = wait.map_or(Finished::Wrong, Finished::TooSoon);
                return Ok(Audited::none("refused right below, with an event", (whose, finished)));
            };
            let into = Into { organization: login.organization.as_deref(), refresh: login.refresh, trust: false };
            let entered = let_in(tx, &app, user, &proven, &whose, into).await?;
            Ok(entered.map(|finished| (whose, finished)))
        })
        .await;
    match finished {
        Err(error) => Err(anonymous.refused(error).await),
        Ok((whose, finished)) => respond(&anonymous, &app, &headers, &whose, finished).await.map(Raw::new),
    }
}
