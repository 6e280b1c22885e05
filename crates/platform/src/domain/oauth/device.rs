//! Device authorization (RFC 8628): a program that has no browser shows a code, and a person who is logged in types it into the
//! console, sees what asks, and says yes or no.

use axum::extract::State;
use axum::http::Method;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::{
    Anonymous, Audited, Authenticated, Code, Error, Form, Json, NewEvent, NoContent, Problem, Proven, Query, Result,
    Sample, SystemReason, Timestamp, UserId,
};
use utoipa::{IntoParams, ToSchema};

use super::answer::{OAuthProblem, REFUSED, Refused, Token, given};
use super::event::DeviceLoginEvent;
use super::http::Parameters;
use super::store::{self, NewDeviceLogin, Polled};
use crate::app::{App, Routes};
use crate::domain::identity::{grants, logged_in};

/// How long a code may be typed in.
const LASTS: Duration = Duration::from_secs(10 * 60);
/// How often a program may ask at first, in seconds, and by how much less often each time it asks sooner (RFC 8628, 3.5).
const POLL_SECONDS: i32 = 5;
/// Letters that are told apart when read out, and make no words (RFC 8628, 6.1): 8 of them are 34 bits, and few tries are let
/// through.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;

pub(super) fn routes() -> Routes {
    Routes::new("Authentication")
        .public(
            Method::POST,
            "/auth/device",
            "a program that wants to log in has no login yet",
            ask,
            "Begin a login of a program without a browser (RFC 8628, form-encoded).\n\nShow the person `user_code` and `verification_uri`, and ask `/auth/token` for `device_code` every `interval` seconds until they have decided.",
        )
        .get("/auth/device", look, "See which program wants to log in with a code.\n\nWrong codes are counted: after a few of them, `429` until a while has passed.")
        .post("/auth/device/approve", approve, "Let the program that showed you a code log in as you, in your present organisation.\n\nOnly for a code that you were shown by a program you started yourself.")
        .post("/auth/device/deny", deny, "Refuse the program that showed you a code.")
}

/// Who asks for a device login.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form; it is read by name, as OAuth wants it read")]
pub struct DeviceRequest {
    /// What the program calls itself, for the person to read; 1 to 100 characters.
    client_id: String,
}

/// Codes of a device login.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceCodes {
    /// For the program alone.
    device_code: String,
    /// For the person to type in.
    user_code: String,
    /// Where they type it in.
    verification_uri: String,
    /// The same with the code in it.
    verification_uri_complete: String,
    /// Seconds until the codes end.
    expires_in: u64,
    /// Seconds between two questions.
    interval: i32,
}

/// Described as 200 with [`DeviceCodes`], and 400 with [`OAuthProblem`].
#[derive(Debug)]
pub struct DeviceAnswer;

impl Output for DeviceAnswer {
    fn describe(description: &mut Description) {
        description.answers::<DeviceCodes>(200, "Show the code to the person.");
        description.answers::<OAuthProblem>(400, REFUSED);
    }
}

/// A program that waits for a decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeviceLogin {
    /// What it calls itself.
    pub(super) client: String,
    /// The address it asked from.
    pub(super) address: Option<String>,
    /// What its HTTP client calls itself.
    pub(super) user_agent: Option<String>,
    /// When it asked.
    pub(super) created_at: Timestamp,
    /// Until when it waits.
    pub(super) expires_at: Timestamp,
}

/// Which program.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuery {
    /// The code that it shows.
    user_code: String,
}

/// The device login that is decided on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceCode {
    /// The code that the program shows; neither case nor hyphens matter.
    user_code: String,
}

impl Sample for DeviceCode {
    fn sample() -> serde_json::Value {
        serde_json::json!({"user_code": "BCDF-GHJK"})
    }
}

/// The letters of a code as it was typed; nothing for what can be none.
fn letters(typed: &str) -> Option<String> {
    if typed.len() > 64 {
        return None;
    }
    let letters: String = typed.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect();
    let rest = typed.chars().all(|c| c.is_ascii_alphabetic() || c == '-' || c == ' ');
    (rest && letters.len() == CODE_LETTERS && letters.bytes().all(|c| LETTERS.contains(&c))).then_some(letters)
}

fn digest(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// A new code for a person. A byte beyond the last multiple of 20 is thrown away, so that no letter is more likely.
fn user_code() -> Result<String> {
    let mut code = String::with_capacity(CODE_LETTERS);
    while code.len() < CODE_LETTERS {
        let mut byte = [0; 1];
        aws_lc_rs::rand::fill(&mut byte).map_err(Error::internal)?;
        let [byte] = byte;
        if byte < 240
            && let Some(letter) = LETTERS.get(usize::from(byte) % LETTERS.len())
        {
            code.push(char::from(*letter));
        }
    }
    Ok(code)
}

async fn ask(anonymous: Anonymous, State(app): State<App>, form: Form<DeviceRequest>) -> Result<Raw<DeviceAnswer>> {
    Ok(match begin(&anonymous, &app, form).await {
        Ok(codes) => Raw::new(given(codes)),
        Err(refused) => Raw::new(refused.into_response()),
    })
}

async fn begin(anonymous: &Anonymous, app: &App, form: Form<DeviceRequest>) -> Result<DeviceCodes, Refused> {
    let asked = Parameters::of(form)?;
    let client = asked.need("client_id")?.trim();
    if client.is_empty() || client.chars().count() > 100 || client.chars().any(char::is_control) {
        return Err(Refused::request("`client_id` must be 1 to 100 characters without control characters"));
    }
    if asked.get("scope").is_some() {
        let detail = "a login cannot be cut down; exchange its token for one that may less";
        return Err(Refused::new("invalid_scope", Problem::new(Code::BadRequest, detail)));
    }
    let device_code = format!("tnr_dc_{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let code = user_code()?;
    let new = NewDeviceLogin {
        digest: digest(&device_code),
        user_code: digest(&code),
        client,
        lasts: LASTS,
        poll_seconds: POLL_SECONDS,
    };
    let system = app.kernel.system(SystemReason::Authenticate).from(anonymous.origin());
    system
        .run(async |tx| {
            store::insert_device(tx, &new).await?;
            Ok(Audited::none("a program that asks has not logged in; the decision is the event", ()))
        })
        .await?;
    let (first, last) = code.split_at(CODE_LETTERS / 2);
    let user_code = format!("{first}-{last}");
    let verification_uri = format!("{}/device", app.tokens.config().issuer.trim_end_matches('/'));
    Ok(DeviceCodes {
        device_code,
        verification_uri_complete: format!("{verification_uri}?code={user_code}"),
        verification_uri,
        user_code,
        expires_in: LASTS.as_secs(),
        interval: POLL_SECONDS,
    })
}

/// 404 for a wrong code, which is counted: nobody tries them one after another.
async fn wrong<D>(cx: &Authenticated<D>, user: UserId) -> Error {
    match grants::wrong_code(cx.kernel(), user, cx.cx().origin.address).await {
        Ok(()) => {
            Problem::new(Code::NotFound, "no program waits with this code; check it, or start the login again").into()
        }
        Err(error) => error,
    }
}

async fn not_too_soon<D>(cx: &Authenticated<D>, user: UserId) -> Result<()> {
    match grants::code_wait(cx.kernel(), user, cx.cx().origin.address).await? {
        None => Ok(()),
        Some(problem) => Err(cx.refused(problem.into()).await),
    }
}

async fn look(cx: Authenticated, Query(query): Query<DeviceQuery>) -> Result<Json<DeviceLogin>> {
    let (user, _) = logged_in(&cx)?;
    not_too_soon(&cx, user).await?;
    let Some(code) = letters(&query.user_code) else { return Err(wrong(&cx, user).await) };
    let found = cx
        .kernel()
        .system(SystemReason::Authenticate)
        .run(async |tx| {
            Ok(Audited::none("a person looks at who asks them", store::pending_device(tx, &digest(&code)).await?))
        })
        .await?;
    match found {
        Some(found) => Ok(Json(found)),
        None => Err(wrong(&cx, user).await),
    }
}

/// What comes of it lasts as long as a login and may as much: a session that somebody left open does not do.
async fn approve(cx: Authenticated<Proven>, Json(code): Json<DeviceCode>) -> Result<NoContent> {
    decide(&cx, &code, true).await
}

async fn deny(cx: Authenticated, Json(code): Json<DeviceCode>) -> Result<NoContent> {
    decide(&cx, &code, false).await
}

async fn decide<D>(cx: &Authenticated<D>, code: &DeviceCode, approve: bool) -> Result<NoContent> {
    let (user, session) = logged_in(cx)?;
    not_too_soon(cx, user).await?;
    let Some(code) = letters(&code.user_code) else { return Err(wrong(cx, user).await) };
    let (actor, tenant) = (*cx.cx().actor(), cx.cx().tenant());
    let decided = cx
        .kernel()
        .system(SystemReason::Authenticate)
        .by(actor)
        .from(&cx.cx().origin)
        .run(async |tx| {
            let Some(decided) = store::decide_device(tx, &digest(&code), session, approve).await? else {
                return Ok(Audited::none("nothing waits with this code", false));
            };
            let action = if approve { DeviceLoginEvent::APPROVED } else { DeviceLoginEvent::DENIED };
            let event = NewEvent::new(action, None).detail("client", decided.client);
            let event = event.detail("from", decided.address.map(tenure_kernel::Personal));
            Ok(Audited::of(true, event.in_tenant(tenant)))
        })
        .await?;
    if decided { Ok(NoContent) } else { Err(wrong(cx, user).await) }
}

/// The device grant of the token endpoint (RFC 8628, 3.4 and 3.5).
pub(super) async fn poll(anonymous: &Anonymous, app: &App, asked: &Parameters) -> Result<Token, Refused> {
    let code = digest(asked.need("device_code")?);
    let login = grants::NewLogin::of(app)?;
    let system = app.kernel.system(SystemReason::Authenticate).from(anonymous.origin());
    let polled = system
        .run(async |tx| match store::poll_device(tx, &code).await? {
            Polled::Approved(by) => {
                let begun = login.begin(tx, &by).await?;
                Ok(begun.map(Ok))
            }
            other => Ok(Audited::none("a program asks whether it was decided; the decision is the event", Err(other))),
        })
        .await?;
    let session = match polled {
        Ok(session) => session,
        Err(Polled::Unknown | Polled::Approved(_)) => {
            let problem = Problem::new(Code::InvalidCredentials, "no login waits for this code, or not any more");
            return Err(Refused::new("invalid_grant", anonymous.refused(problem.into()).await));
        }
        Err(other) => return Err(told(&other)),
    };
    let (access_token, expires_in) = login.access_token(app, &session)?;
    let refresh_token = Some(login.refresh_token());
    Ok(Token { access_token, token_type: "Bearer", expires_in, refresh_token, scope: None, issued_token_type: None })
}

fn told(polled: &Polled) -> Refused {
    let (error, detail) = match polled {
        Polled::Pending => ("authorization_pending", "nobody has decided yet; ask again after the interval"),
        Polled::TooSoon => ("slow_down", "ask less often: the interval is 5 seconds longer now"),
        Polled::Denied => ("access_denied", "the person said no"),
        Polled::Expired | Polled::Unknown | Polled::Approved(_) => {
            ("expired_token", "nobody decided in time; start the login again")
        }
    };
    Refused::new(error, Problem::new(Code::BadRequest, detail))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for typed in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "B-C-D-F-G-H-J-K"] {
            assert_eq!(letters(typed).as_deref(), Some("BCDFGHJK"), "{typed}");
        }
        for typed in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF_GHJK", "BCDF-GHJ1", "ßCDF-GHJK"] {
            assert_eq!(letters(typed), None, "{typed}");
        }
    }

    #[test]
    fn codes_are_of_the_letters_and_differ() {
        let codes: std::collections::BTreeSet<String> = (0..100).map(|_| user_code().unwrap()).collect();
        assert!(codes.len() == 100 && codes.iter().all(|code| letters(code).as_ref() == Some(code)));
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_read_or_refused(typed in ".{0,100}") {
            if let Some(code) = letters(&typed) {
                prop_assert_eq!(letters(&code), Some(code));
            }
        }
    }
}
