//! `/api/v1/auth/mfa`: a person's own second factors, recovery codes and trusted devices.
//!
//! The first factor ends the person's other logins, which proved none. Where an organisation asks for a second factor,
//! these routes are all that a login without one reaches; the guard (`Enrolling`) says which.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_kernel::bus::Message;
use tenure_kernel::{
    Audited, Authenticated, Created, DeviceId, Enrolling, Factor, Json, NewEvent, NoContent, Owing, Page, PageQuery,
    PasskeyId, Path, Problem, Proven, ProvenEnrolling, Query, Result, Sample, SessionId, SystemReason, SystemTx,
    TenantId, Timestamp, UserId,
};
use utoipa::ToSchema;
use webauthn_rs::prelude::PasskeyRegistration;
use zeroize::Zeroizing;

use super::challenge::{self, Challenge, Purpose, Whom};
use super::event::UserEvent;
use super::factors::{self, TotpSecret};
use super::mfa_store::{self, Has, TrustedDevice};
use super::model::parse_name;
use super::new_password::PasswordRules;
use super::passkey::{self, Credential, PasskeyView};
use super::second_login::PasskeyQuestion;
use super::sessions::{By, person};
use super::store;
use crate::app::{App, Routes};

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Second factors")
        .get("/auth/mfa", status, "See which second factors you have.")
        .post("/auth/mfa/totp", begin_totp, "Begin to set up codes from an authenticator app (RFC 6238).\n\nThe secret is in this answer and never again. It counts from when a first code confirms it.")
        .post("/auth/mfa/totp/confirm", confirm_totp, "Confirm the app with a code that it shows.\n\nWith your first second factor your other logins end, and the answer holds ten recovery codes, this once.")
        .delete("/auth/mfa/totp", remove_totp, "Remove the app's codes.\n\nDevices that you trusted are forgotten. With your last second factor the recovery codes go, too.")
        .post("/auth/mfa/recovery-codes", new_codes, "Get ten new recovery codes.\n\nThe earlier ones work no more. Each works once; they are in this answer and never again.")
        .get("/auth/mfa/passkeys", passkeys, "List your passkeys, the newest first.")
        .post("/auth/mfa/passkeys/options", begin_passkey, "Ask for what a browser needs to make a passkey.")
        .post("/auth/mfa/passkeys", add_passkey, "Add a passkey that a browser made.\n\nWith your first second factor your other logins end, and the answer holds ten recovery codes, this once.")
        .delete("/auth/mfa/passkeys/{id}", remove_passkey, "Remove a passkey.\n\nDevices that you trusted are forgotten. With your last second factor the recovery codes go, too.")
        .get("/auth/mfa/devices", devices, "List the devices that you trust, the newest first.")
        .delete("/auth/mfa/devices/{id}", forget_device, "Trust a device no more.\n\nThe next login from it asks for a second factor; logins that are open stay.")
}

/// Which second factors a person has.
#[derive(Serialize, ToSchema)]
pub struct MfaStatus {
    /// Whether there is any: then every login asks for one.
    enabled: bool,
    /// Whether the organisation of this login asks for one.
    required: bool,
    /// Since when an app's codes are set up; null if they are not.
    totp_since: Option<Timestamp>,
    /// How many passkeys.
    passkeys: i64,
    /// How many recovery codes are left.
    recovery_codes: i64,
    /// Whether there can be passkeys: the installation is reached by a domain.
    passkeys_possible: bool,
    /// How many of your API keys that have not ended, in all your organisations, were made by a login that had proven no second
    /// factor: they are refused while you have one, until they are rotated.
    api_keys_made_without: i64,
    /// Characters that a new password needs.
    password_min_length: usize,
}

async fn status(cx: Authenticated<Owing>, State(app): State<App>) -> Result<Json<MfaStatus>> {
    let (user, _) = person(&cx)?;
    let tenant = cx.cx().tenant();
    let (has, required, rules, made_without) = cx
        .kernel()
        .system(SystemReason::Authenticate)
        .run(async |tx| {
            let (has, required) = (mfa_store::has(tx, user).await?, mfa_store::is_required(tx, tenant).await?);
            // Of the length alone.
            let rules = PasswordRules::of_person(tx, user, [""; 3]).await?;
            let found = (has, required, rules, mfa_store::keys_made_without(tx, user).await?);
            Ok(Audited::none("a person looks at their own factors", found))
        })
        .await?;
    let enabled = has.any();
    Ok(Json(MfaStatus {
        enabled,
        required,
        totp_since: has.totp_since,
        passkeys: has.passkeys,
        recovery_codes: has.recovery_codes,
        passkeys_possible: app.passkeys.are_possible(),
        api_keys_made_without: made_without,
        password_min_length: rules.least(),
    }))
}

impl Has {
    const fn any(&self) -> bool {
        self.totp_since.is_some() || self.passkeys > 0
    }
}

/// Who changes their factors, and who is told.
struct Changing {
    user: UserId,
    session: SessionId,
    by: By,
}

impl Changing {
    fn of<D>(cx: &Authenticated<D>, app: &App) -> Result<Self> {
        let (user, session) = person(cx)?;
        if !app.config.logins {
            return Err(Problem::conflict("logins are switched off here, so there is nothing to protect").into());
        }
        Ok(Self { user, session, by: By::of(cx) })
    }

    /// In one transaction; a refusal is an event.
    async fn write<D, T>(
        &self,
        cx: &Authenticated<D>,
        change: impl AsyncFnOnce(&mut SystemTx) -> Result<(T, Vec<NewEvent>)>,
    ) -> Result<T> {
        let system = cx.kernel().system(SystemReason::Authenticate).from(&cx.cx().origin);
        let done = system
            .run(async |tx| {
                let (value, events) = change(tx).await?;
                Ok(Audited::many(value, events))
            })
            .await;
        match done {
            Ok(value) => Ok(value),
            Err(error) => Err(cx.refused(error).await),
        }
    }

    async fn tell(&self, tx: &mut SystemTx, event: impl Fn() -> NewEvent) -> Result<Vec<NewEvent>> {
        let mut tenants: Vec<TenantId> = store::audiences(tx, Some(self.user)).await?;
        if tenants.is_empty() {
            tenants.push(self.by.tenant());
        }
        Ok(self.by.tell(&tenants, event))
    }

    /// A factor is there: the login that set it up has proven it. With the first one the others end, which have not, and
    /// recovery codes are made.
    async fn added(
        &self,
        tx: &mut SystemTx,
        kind: Factor,
        had: bool,
    ) -> Result<(Option<Vec<Zeroizing<String>>>, Vec<NewEvent>)> {
        mfa_store::proved(tx, self.session, true).await?;
        let user = self.user.to_string();
        let mut events =
            self.tell(tx, || NewEvent::new(UserEvent::FACTOR_ADDED, user.clone()).detail("factor", kind)).await?;
        let mut codes = None;
        if !had {
            codes = Some(self.make_codes(tx).await?);
            challenge::forget(tx, self.user).await?;
            let ended = store::end_logins(tx, self.user, Some(self.session)).await?;
            events.extend(ended.iter().map(|ended| self.by.ended(ended, "second-factor-set-up")));
        }
        tx.announce(Message::UserChanged { user: self.user }).await?;
        Ok((codes, events))
    }

    /// A factor is gone, and with the last one what stands beside it.
    async fn removed(&self, tx: &mut SystemTx, kind: Factor) -> Result<((), Vec<NewEvent>)> {
        let left = mfa_store::has(tx, self.user).await?;
        if left.any() {
            mfa_store::delete_devices(tx, self.user).await?;
        } else if left.short_password {
            let detail = "your password is too short to stand alone; choose one of at least 12 characters first";
            return Err(Problem::conflict(detail).into());
        } else {
            mfa_store::delete_what_stands_beside(tx, self.user).await?;
        }
        let user = self.user.to_string();
        let removed = || NewEvent::new(UserEvent::FACTOR_REMOVED, user.clone()).detail("factor", kind);
        let events = self.tell(tx, removed).await?;
        tx.announce(Message::UserChanged { user: self.user }).await?;
        Ok(((), events))
    }

    async fn make_codes(&self, tx: &mut SystemTx) -> Result<Vec<Zeroizing<String>>> {
        let codes = factors::recovery_codes()?;
        let digests: Vec<_> = codes.iter().map(|code| factors::recovery_digest(self.user, code)).collect();
        mfa_store::put_recovery_codes(tx, self.user, &digests).await?;
        Ok(codes)
    }
}

/// What an app needs, this once.
#[derive(Serialize, ToSchema)]
pub struct TotpSetup {
    /// The secret in base32, to be typed.
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// The same as `otpauth://totp/…`.
    #[schema(value_type = String)]
    otpauth_uri: Zeroizing<String>,
    /// The same as a picture (SVG), to be scanned.
    #[schema(value_type = String)]
    qr_svg: Zeroizing<String>,
}

async fn begin_totp(cx: Authenticated<ProvenEnrolling>, State(app): State<App>) -> Result<Json<TotpSetup>> {
    let changing = Changing::of(&cx, &app)?;
    let secret = TotpSecret::random()?;
    let account = changing
        .write(&cx, async |tx| {
            if !mfa_store::put_totp(tx, changing.user, &secret).await? {
                return Err(Problem::conflict("codes of an app are set up already; remove them first").into());
            }
            let user = store::user(tx, changing.user).await?;
            // It opens nothing yet: that it does is an event.
            Ok((user.username.0, Vec::new()))
        })
        .await?;
    let uri = secret.uri("Tenure", &account)?;
    Ok(Json(TotpSetup { secret: secret.base32(), qr_svg: factors::qr_svg(&uri)?, otpauth_uri: uri }))
}

/// A code of the app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    /// The six digits that it shows.
    #[schema(value_type = String)]
    code: Zeroizing<String>,
}

impl Sample for TotpCode {
    fn sample() -> Value {
        serde_json::json!({"code": "123456"})
    }
}

/// What a person has now.
#[derive(Serialize, ToSchema)]
pub struct FactorAdded {
    /// Ten codes that each work once, where this is the first second factor. They are shown nowhere else: keep them now.
    #[schema(value_type = Option<Vec<String>>)]
    recovery_codes: Option<Vec<Zeroizing<String>>>,
    /// The passkey, where it is one.
    passkey: Option<PasskeyView>,
}

async fn confirm_totp(
    cx: Authenticated<ProvenEnrolling>,
    State(app): State<App>,
    Json(body): Json<TotpCode>,
) -> Result<Json<FactorAdded>> {
    let changing = Changing::of(&cx, &app)?;
    let _turn = app.passwords.turn(&changing.user.to_string()).await;
    let recovery_codes = changing
        .write(&cx, async |tx| {
            let had = mfa_store::has_mfa_alone(tx, changing.user).await?;
            let totp = mfa_store::totp(tx, changing.user).await?.filter(|totp| !totp.confirmed);
            let totp = totp.ok_or_else(|| Problem::conflict("there is no app to confirm; begin to set one up"))?;
            let step = totp.secret.step_of(&body.code, tx.now());
            let step = step.ok_or_else(|| {
                Problem::invalid("/code", "is not what the app shows now; check that the device's clock is right")
            })?;
            mfa_store::take_step(tx, changing.user, step).await?;
            mfa_store::confirm_totp(tx, changing.user).await?;
            changing.added(tx, Factor::Totp, had).await
        })
        .await?;
    Ok(Json(FactorAdded { recovery_codes, passkey: None }))
}

async fn remove_totp(cx: Authenticated<Proven>, State(app): State<App>) -> Result<NoContent> {
    let changing = Changing::of(&cx, &app)?;
    changing
        .write(&cx, async |tx| {
            mfa_store::has_mfa_alone(tx, changing.user).await?;
            if !mfa_store::delete_totp(tx, changing.user).await? {
                return Err(Problem::not_found().into());
            }
            changing.removed(tx, Factor::Totp).await
        })
        .await?;
    Ok(NoContent)
}

/// New codes, this once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Ten codes that each work once. They are shown nowhere else: keep them now.
    #[schema(value_type = Vec<String>)]
    recovery_codes: Vec<Zeroizing<String>>,
}

async fn new_codes(cx: Authenticated<Proven>, State(app): State<App>) -> Result<Json<RecoveryCodes>> {
    let changing = Changing::of(&cx, &app)?;
    let recovery_codes = changing
        .write(&cx, async |tx| {
            if !mfa_store::has_mfa_alone(tx, changing.user).await? {
                return Err(Problem::conflict("recovery codes stand beside a second factor; set one up first").into());
            }
            let (codes, user) = (changing.make_codes(tx).await?, changing.user.to_string());
            let made = || NewEvent::new(UserEvent::RECOVERY_CODES_MADE, user.clone());
            let events = changing.tell(tx, made).await?;
            tx.announce(Message::UserChanged { user: changing.user }).await?;
            Ok((codes, events))
        })
        .await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

async fn passkeys(cx: Authenticated<Enrolling>, Query(page): Query<PageQuery>) -> Result<Json<Page<PasskeyView>>> {
    let (user, _) = person(&cx)?;
    let system = cx.kernel().system(SystemReason::Authenticate);
    let list = system.run(async |tx| {
        Ok(Audited::none("a person looks at their own passkeys", passkey::list(tx, user, &page).await?))
    });
    list.await.map(Json)
}

async fn begin_passkey(cx: Authenticated<ProvenEnrolling>, State(app): State<App>) -> Result<Json<PasskeyQuestion>> {
    let changing = Changing::of(&cx, &app)?;
    let question = changing
        .write(&cx, async |tx| {
            let user = store::user(tx, changing.user).await?;
            let known = passkey::of(tx, changing.user).await?;
            let known = known.iter().map(|passkey| passkey.cred_id().clone()).collect();
            let (options, state) = app.passkeys.begin_registration(&user, known)?;
            let whom = Whom { user: Some(changing.user), session: Some(changing.session) };
            let passkey_token = challenge::ask(tx, Purpose::PasskeyRegistration, whom, &state).await?;
            Ok((PasskeyQuestion { passkey_token, options }, Vec::new()))
        })
        .await?;
    Ok(Json(question))
}

/// A passkey that a browser made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    /// `passkey_token` of the question.
    passkey_token: String,
    /// What you call it; 1 to 100 characters.
    name: String,
    /// What the browser answered (`PublicKeyCredential` as JSON).
    #[schema(value_type = Object)]
    credential: Credential,
}

impl Sample for NewPasskey {
    fn sample() -> Value {
        serde_json::json!({
            "passkey_token": "tnr_ch_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "name": "Telephone",
            "credential": {
                "id": "AAAA", "rawId": "AAAA", "type": "public-key",
                "response": {"attestationObject": "AAAA", "clientDataJSON": "AAAA"}
            }
        })
    }
}

async fn add_passkey(
    cx: Authenticated<ProvenEnrolling>,
    State(app): State<App>,
    Json(new): Json<NewPasskey>,
) -> Result<Created<FactorAdded>> {
    let changing = Changing::of(&cx, &app)?;
    let name = parse_name(&new.name, "/name")?;
    if name.chars().count() > 100 {
        return Err(Problem::invalid("/name", "must be at most 100 characters").into());
    }
    let (passkey, recovery_codes) = changing
        .write(&cx, async |tx| {
            let had = mfa_store::has_mfa_alone(tx, changing.user).await?;
            let session = Some(changing.session);
            let challenge: Challenge<PasskeyRegistration> =
                challenge::find(tx, Purpose::PasskeyRegistration, session, &new.passkey_token)
                    .await
                    .map_err(|_| Problem::invalid("/passkey_token", "was used, or has run out; begin again"))?;
            let made = app.passkeys.finish_registration(&new.credential, &challenge.state)?;
            challenge.answered(tx).await?;
            let view = passkey::insert(tx, changing.user, &name, &made).await?;
            let (codes, events) = changing.added(tx, Factor::Passkey, had).await?;
            Ok(((view, codes), events))
        })
        .await?;
    Ok(Created(FactorAdded { recovery_codes, passkey: Some(passkey) }, None))
}

async fn remove_passkey(
    cx: Authenticated<Proven>,
    State(app): State<App>,
    Path(id): Path<PasskeyId>,
) -> Result<NoContent> {
    let changing = Changing::of(&cx, &app)?;
    changing
        .write(&cx, async |tx| {
            mfa_store::has_mfa_alone(tx, changing.user).await?;
            if !passkey::delete(tx, changing.user, id).await? {
                return Err(Problem::not_found().into());
            }
            changing.removed(tx, Factor::Passkey).await
        })
        .await?;
    Ok(NoContent)
}

async fn devices(cx: Authenticated<Enrolling>, Query(page): Query<PageQuery>) -> Result<Json<Page<TrustedDevice>>> {
    let (user, _) = person(&cx)?;
    let system = cx.kernel().system(SystemReason::Authenticate);
    let list = system.run(async |tx| {
        Ok(Audited::none("a person looks at their own devices", mfa_store::devices(tx, user, &page).await?))
    });
    list.await.map(Json)
}

async fn forget_device(cx: Authenticated, State(app): State<App>, Path(id): Path<DeviceId>) -> Result<NoContent> {
    let changing = Changing::of(&cx, &app)?;
    changing
        .write(&cx, async |tx| {
            if !mfa_store::delete_device(tx, changing.user, id).await? {
                return Err(Problem::not_found().into());
            }
            let user = changing.user.to_string();
            let forgotten = || NewEvent::new(UserEvent::DEVICE_FORGOTTEN, user.clone()).detail("device", id);
            Ok(((), changing.tell(tx, forgotten).await?))
        })
        .await?;
    Ok(NoContent)
}
