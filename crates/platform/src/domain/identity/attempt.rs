//! A try to log in that fails: counted, told to whom it concerns, answered always the same.

use tenure_kernel::event::Outcome;
use tenure_kernel::{Actor, Anonymous, Audited, Code, Error, NewEvent, Problem, SystemReason, TenantId, UserId};

use super::event::SessionEvent;
use super::lockout::{self, Subjects};

/// Somebody's try to log in.
pub(super) struct Attempt {
    pub(super) subjects: Subjects,
    /// Whose name was typed, where it is somebody's.
    pub(super) user: Option<UserId>,
    /// Whose administrators are to read of it.
    pub(super) tenants: Vec<TenantId>,
}

impl Attempt {
    /// Nobody who proved who they are, on behalf of whom they claim to be.
    pub(super) fn claimed(&self) -> Actor {
        Actor { on_behalf_of: self.user, ..Actor::anonymous() }
    }
}

/// Counts and records the failure; the words are the same whatever was wrong.
pub(super) async fn refuse_login(anonymous: &Anonymous, whose: &Attempt) -> Error {
    match lockout::failed(anonymous.kernel(), &whose.subjects).await {
        Ok(None) => {}
        Ok(Some(seconds)) => return refuse_for_now(anonymous, whose, seconds).await,
        Err(error) => return error,
    }
    let words = "the name or the password is wrong, or the account may not log in here";
    refuse(anonymous, whose, "invalid-credentials", words).await
}

/// Records that a wait is on: whatever was given, it is not judged.
pub(super) async fn refuse_for_now(anonymous: &Anonymous, whose: &Attempt, seconds: u64) -> Error {
    anonymous.refused_to(&whose.tenants, &whose.claimed(), lockout::too_soon(seconds).into()).await
}

/// Records a wrong second factor, which was counted where it was found wrong.
pub(super) async fn refuse_second(anonymous: &Anonymous, whose: &Attempt) -> Error {
    refuse(anonymous, whose, "invalid-second-factor", "the second factor is wrong, or was used before").await
}

async fn refuse(anonymous: &Anonymous, whose: &Attempt, reason: &'static str, words: &'static str) -> Error {
    let event = || {
        let event =
            NewEvent::new(SessionEvent::LOGIN_FAILED, None).outcome(Outcome::Denied, reason).by(whose.claimed());
        match whose.user {
            Some(user) => event.detail("user", user),
            None => event,
        }
    };
    let mut events: Vec<NewEvent> = whose.tenants.iter().map(|tenant| event().in_tenant(*tenant)).collect();
    if events.is_empty() {
        events.push(event());
    }
    let recorded = anonymous
        .kernel()
        .system(SystemReason::PlatformEvent)
        .from(anonymous.origin())
        .run(async |_| Ok(Audited::many((), events)))
        .await;
    match recorded {
        Ok(()) => Problem::new(Code::InvalidCredentials, words).into(),
        Err(_) => Problem::unavailable("the login could not be recorded; try again").into(),
    }
}
