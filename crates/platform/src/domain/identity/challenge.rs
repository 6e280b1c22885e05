//! What was asked and is not answered yet: the second half of a login, or a passkey's challenge.
//!
//! The client holds a token, the server everything else. A token is good for five minutes, from the address that it was
//! given to, for one right answer and at most five wrong ones.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tenure_kernel::{Code, Problem, Result, SessionId, SystemTx, UserId};

use super::token::Opaque;

pub(super) const GOOD_FOR: Duration = Duration::from_secs(5 * 60);
const MOST_WRONG: i16 = 5;
const PREFIX: &str = "tnr_ch_";

/// What is to be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The second factor of a login.
    Login,
    /// A login by a passkey alone, of nobody who is known yet.
    PasskeyLogin,
    /// That a new passkey is there.
    PasskeyRegistration,
    /// A passkey, by somebody who is logged in.
    StepUp,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::PasskeyLogin => "passkey-login",
            Self::PasskeyRegistration => "passkey-registration",
            Self::StepUp => "step-up",
        }
    }
}

/// Of whom it is asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Whom {
    pub(super) user: Option<UserId>,
    /// The login that asks, where there is one.
    pub(super) session: Option<SessionId>,
}

/// A challenge that is good.
pub(super) struct Challenge<S> {
    digest: Vec<u8>,
    pub(super) state: S,
}

/// Asks; the token goes to the client.
pub(super) async fn ask<S: Serialize>(tx: &mut SystemTx, purpose: Purpose, of: Whom, state: &S) -> Result<String> {
    let token = Opaque::random(PREFIX)?;
    let address = tx.origin().address.map(|address| address.to_canonical().to_string());
    sqlx::query!(
        "insert into auth_challenges (digest, purpose, user_id, session_id, address, state, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        token.digest,
        purpose.as_str(),
        of.user.map(UserId::uuid),
        of.session.map(SessionId::uuid),
        address,
        serde_json::to_value(state)?,
        tx.now().after(GOOD_FOR)
    )
    .execute(&mut *tx)
    .await?;
    Ok(token.text)
}

/// Who was asked, of whom an answer is expected: a look, before anything is locked.
pub(super) async fn asked(tx: &mut SystemTx, purpose: Purpose, token: &str) -> Result<Option<UserId>> {
    let user = sqlx::query_scalar!(
        r#"select user_id as "user: UserId" from auth_challenges where digest = $1 and purpose = $2"#,
        Opaque::digest(token),
        purpose.as_str()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(user.flatten())
}

/// The challenge of this token, which is nobody else's until the transaction ends.
///
/// # Errors
/// 401 for a token that is unknown, used up, run out, of another purpose, login or address: the same words for all.
pub(super) async fn find<S: DeserializeOwned>(
    tx: &mut SystemTx,
    purpose: Purpose,
    session: Option<SessionId>,
    token: &str,
) -> Result<Challenge<S>> {
    let digest = Opaque::digest(token);
    let address = tx.origin().address.map(|address| address.to_canonical().to_string());
    let row = sqlx::query!(
        "select state from auth_challenges
           where digest = $1 and purpose = $2 and session_id is not distinct from $3 and address is not distinct from $4
             and attempts < $5 and expires_at > $6 for update",
        digest,
        purpose.as_str(),
        session.map(SessionId::uuid),
        address,
        MOST_WRONG,
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let row = row.ok_or_else(over)?;
    Ok(Challenge { digest, state: serde_json::from_value(row.state)? })
}

/// 401 where there is nothing to answer, or not any more.
pub(super) fn over() -> Problem {
    Problem::new(
        Code::InvalidCredentials,
        "this was answered already, has run out, or was not asked of you; begin again",
    )
}

impl<S> Challenge<S> {
    /// It was answered rightly, and is over.
    pub(super) async fn answered(&self, tx: &mut SystemTx) -> Result<()> {
        sqlx::query!("delete from auth_challenges where digest = $1", self.digest).execute(&mut *tx).await?;
        Ok(())
    }

    /// It was answered wrongly.
    pub(super) async fn missed(&self, tx: &mut SystemTx) -> Result<()> {
        sqlx::query!("update auth_challenges set attempts = attempts + 1 where digest = $1", self.digest)
            .execute(&mut *tx)
            .await?;
        Ok(())
    }
}

/// Nothing that was asked of the person before is answered any more.
pub(super) async fn forget(tx: &mut SystemTx, user: UserId) -> Result<()> {
    sqlx::query!("delete from auth_challenges where user_id = $1", user.uuid()).execute(&mut *tx).await?;
    Ok(())
}
