//! `POST /api/v1/auth/step-up`: somebody who is logged in proves again who they are, for what is sensitive.
//!
//! Who has a second factor gives that one; a password alone would let in whoever has looked over a shoulder.

use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use tenure_kernel::bus::Message;
use tenure_kernel::event::Outcome;
use tenure_kernel::{
    Audited, Authenticated, Error, Factor, Json, NewEvent, NoContent, Owing, Problem, Result, Sample, SessionId,
    SystemReason, SystemTx, TenantId, UserId,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::challenge::{self, Challenge, Purpose, Whom};
use super::event::{SessionEvent, UserEvent};
use super::lockout::{self, Subjects};
use super::mfa_store;
use super::new_password::MAX_PASSWORD;
use super::passkey::Credential;
use super::second::{self, PasskeyChallenge, SecondAnswer};
use super::second_login::PasskeyQuestion;
use super::sessions::{By, person};
use super::store;
use crate::app::{App, Routes};

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .post("/auth/step-up", step_up, "Prove again who you are, for what is sensitive.\n\nFor five minutes from then on this login may do what is refused with `step-up-required`. With a second factor you give that one (`code`, `recovery_code`, or `passkey` with its `passkey_token`), otherwise the password. Wrong answers count, apart from those of who is not logged in.")
        .post("/auth/step-up/passkey", question, "Ask for what a browser needs to prove a passkey of yours.")
}

/// One proof.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUp {
    /// The password, of who has no second factor.
    #[schema(value_type = Option<String>)]
    password: Option<Zeroizing<String>>,
    /// The six digits that the app shows.
    #[schema(value_type = Option<String>)]
    code: Option<Zeroizing<String>>,
    /// One of the codes that each work once.
    #[schema(value_type = Option<String>)]
    recovery_code: Option<Zeroizing<String>>,
    /// `passkey_token` of the question.
    passkey_token: Option<String>,
    /// What the browser answered with a passkey (`PublicKeyCredential` as JSON).
    #[schema(value_type = Option<Object>)]
    passkey: Option<Credential>,
}

impl Sample for StepUp {
    fn sample() -> Value {
        serde_json::json!({"password": "a quiet green meadow"})
    }
}

/// Whose proof it is to be.
struct Standing {
    has_mfa: bool,
    password: Option<String>,
    tenants: Vec<TenantId>,
    wait: Option<u64>,
}

async fn step_up(cx: Authenticated<Owing>, State(app): State<App>, Json(body): Json<StepUp>) -> Result<NoContent> {
    let (user, session) = person(&cx)?;
    if !app.config.logins {
        return Err(Problem::conflict("logins are switched off here, so there is nothing to prove").into());
    }
    let _turn = app.passwords.turn(&user.to_string()).await;
    let subjects = Subjects::inside(user, cx.cx().origin.address);
    let standing = standing(&cx, user, &subjects).await?;
    if let Some(seconds) = standing.wait {
        return Err(cx.refused(lockout::too_soon(seconds).into()).await);
    }
    let StepUp { password, code, recovery_code, passkey_token, passkey } = body;
    let (proof, pointer) = match (password, standing.has_mfa) {
        (Some(_), true) => return Err(cx.refused(second_wanted()).await),
        (Some(_), false) if code.is_some() || recovery_code.is_some() || passkey.is_some() => {
            return Err(Problem::invalid("/password", "is all that you have to prove; give it alone").into());
        }
        (Some(password), false) => (Proof::Password(password), "/password"),
        (None, false) => return Err(Problem::invalid("/password", "is what you have to prove").into()),
        (None, true) => {
            let pointer = match (&code, &recovery_code) {
                (Some(_), _) => "/code",
                (None, Some(_)) => "/recovery_code",
                (None, None) => "/passkey",
            };
            (Proof::Second(SecondAnswer::one_of(code, recovery_code, passkey)?, passkey_token), pointer)
        }
    };
    let right = match &proof {
        Proof::Second(..) => true,
        Proof::Password(password) => {
            let right = password.len() <= MAX_PASSWORD
                && app.passwords.verify(password.clone(), standing.password.clone()).await?;
            if !right && let Some(seconds) = lockout::failed(cx.kernel(), &subjects).await? {
                return Err(cx.refused(lockout::too_soon(seconds).into()).await);
            }
            right
        }
    };
    let proven = right && prove(&cx, &app, (user, session), &standing, &proof, &subjects).await?;
    if proven { Ok(NoContent) } else { Err(wrong(&cx, &standing.tenants, session, pointer).await) }
}

/// What was given.
enum Proof {
    /// Which was checked already.
    Password(Zeroizing<String>),
    /// With the token of the question to a passkey.
    Second(SecondAnswer, Option<String>),
}

async fn standing(cx: &Authenticated<Owing>, user: UserId, subjects: &Subjects) -> Result<Standing> {
    let system = cx.kernel().system(SystemReason::Authenticate);
    system
        .run(async |tx| {
            let standing = Standing {
                has_mfa: mfa_store::has_mfa(tx, user).await?,
                password: store::password(tx, user).await?,
                tenants: store::audiences(tx, Some(user)).await?,
                wait: lockout::wait_for(tx, subjects).await?,
            };
            Ok(Audited::none("looks up what is to be proven", standing))
        })
        .await
}

fn second_wanted() -> Error {
    Problem::invalid("/password", "is not enough: you have a second factor; give that one").into()
}

/// Notes that the login has proven a factor; `false` where the second factor is wrong.
async fn prove(
    cx: &Authenticated<Owing>,
    app: &App,
    (user, session): (UserId, SessionId),
    standing: &Standing,
    proof: &Proof,
    subjects: &Subjects,
) -> Result<bool> {
    let by = By::of(cx);
    let system = cx.kernel().system(SystemReason::Authenticate).from(&cx.cx().origin);
    let done = system.run(async |tx| {
        let kind = match proof {
            Proof::Password(_) => {
                // A second factor that was set up meanwhile is asked for.
                if mfa_store::has_mfa(tx, user).await? {
                    return Err(second_wanted());
                }
                let same = store::is_password(tx, user, standing.password.as_deref()).await?;
                if !same {
                    return Err(Problem::unavailable("the password was changed meanwhile; try again").into());
                }
                Factor::Password
            }
            Proof::Second(answer, token) => {
                // On several nodes guesses wait for each other here, and find the last one counted.
                mfa_store::has_mfa_alone(tx, user).await?;
                if let Some(seconds) = lockout::wait_for(tx, subjects).await? {
                    return Err(lockout::too_soon(seconds).into());
                }
                let proven = second_factor(tx, app, (user, session), answer, token.as_deref()).await?;
                let Some(kind) = proven else {
                    if let Some(seconds) = lockout::missed(tx, subjects).await? {
                        return Err(lockout::too_soon(seconds).into());
                    }
                    return Ok(Audited::none("refused right below, with an event of its own", false));
                };
                kind
            }
        };
        mfa_store::proved(tx, session, kind != Factor::Password).await?;
        lockout::succeeded(tx, subjects).await?;
        tx.announce(Message::SessionChanged { session }).await?;
        let mut events = by.tell(&[by.tenant()], || {
            NewEvent::new(SessionEvent::STEPPED_UP, session.to_string()).detail("factor", kind)
        });
        if kind == Factor::RecoveryCode {
            let used = || NewEvent::new(UserEvent::RECOVERY_CODE_USED, user.to_string());
            events.extend(by.tell(&standing.tenants, used));
        }
        Ok(Audited::many(true, events))
    });
    match done.await {
        Ok(done) => Ok(done),
        Err(error) => Err(cx.refused(error).await),
    }
}

async fn second_factor(
    tx: &mut SystemTx,
    app: &App,
    (user, session): (UserId, SessionId),
    answer: &SecondAnswer,
    token: Option<&str>,
) -> Result<Option<Factor>> {
    if !matches!(answer, SecondAnswer::Passkey(_)) {
        let proven = second::check(tx, &app.passkeys, user, answer, &PasskeyChallenge::default()).await?;
        return Ok(proven.map(|proven| proven.kind()));
    }
    let token = token.ok_or_else(|| Problem::invalid("/passkey_token", "belongs to a passkey's answer"))?;
    let challenge: Challenge<PasskeyChallenge> = challenge::find(tx, Purpose::StepUp, Some(session), token)
        .await
        .map_err(|_| Problem::invalid("/passkey_token", "was used, or has run out; ask again"))?;
    challenge.answered(tx).await?;
    let proven = second::check(tx, &app.passkeys, user, answer, &challenge.state).await?;
    Ok(proven.map(|proven| proven.kind()))
}

/// Records a wrong proof. A field that is wrong, no 401: the login itself is good, and clients take a 401 for
/// its end.
async fn wrong(cx: &Authenticated<Owing>, tenants: &[TenantId], session: SessionId, pointer: &'static str) -> Error {
    let by = By::of(cx);
    let failed = || NewEvent::new(SessionEvent::STEP_UP_FAILED, None).outcome(Outcome::Denied, "wrong-factor");
    let mut events = by.tell(tenants, failed);
    if events.is_empty() {
        events = by.tell(&[by.tenant()], || failed().detail("session", session));
    }
    let system = cx.kernel().system(SystemReason::PlatformEvent).from(&cx.cx().origin);
    match system.run(async |_| Ok(Audited::many((), events))).await {
        Ok(()) => Problem::invalid(pointer, "is wrong, or was used before").into(),
        Err(_) => Problem::unavailable("the refusal could not be recorded; try again").into(),
    }
}

async fn question(cx: Authenticated<Owing>, State(app): State<App>) -> Result<Json<PasskeyQuestion>> {
    let (user, session) = person(&cx)?;
    let system = cx.kernel().system(SystemReason::Authenticate).from(&cx.cx().origin);
    let asked = system
        .run(async |tx| {
            let (options, state) = second::ask_passkeys(tx, &app.passkeys, user).await?;
            let Some(options) = options else {
                return Err(Problem::conflict("you have no passkey that could be asked for").into());
            };
            let whom = Whom { user: Some(user), session: Some(session) };
            let passkey_token = challenge::ask(tx, Purpose::StepUp, whom, &state).await?;
            Ok(Audited::none("a question; its answer is an event", PasskeyQuestion { passkey_token, options }))
        })
        .await;
    match asked {
        Ok(asked) => Ok(Json(asked)),
        Err(error) => Err(cx.refused(error).await),
    }
}
