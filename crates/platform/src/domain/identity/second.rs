//! A second factor, checked: at a login and at a step-up in the same way.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_kernel::{Factor, Problem, Result, SystemTx, UserId};
use webauthn_rs::prelude::PasskeyAuthentication;
use zeroize::Zeroizing;

use super::factors::recovery_digest;
use super::mfa_store;
use super::passkey::{self, Credential, Passkeys, Used};

/// The longest code taken.
const MAX_CODE: usize = 64;

/// That a second factor was right; made here alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecondFactor(Factor);

impl SecondFactor {
    pub(super) const fn kind(self) -> Factor {
        self.0
    }
}

/// One of the ways to answer.
pub(super) enum SecondAnswer {
    /// The six digits that the app shows.
    Code(Zeroizing<String>),
    /// One of the codes that each work once.
    RecoveryCode(Zeroizing<String>),
    /// What the browser answered with a passkey.
    Passkey(Credential),
}

/// A challenge to the person's passkeys, where it was made.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct PasskeyChallenge(Option<PasskeyAuthentication>);

/// Asks the person's passkeys; what the browser needs, where there are any.
pub(super) async fn ask_passkeys(
    tx: &mut SystemTx,
    passkeys: &Passkeys,
    user: UserId,
) -> Result<(Option<Value>, PasskeyChallenge)> {
    let begun = passkeys.begin(&passkey::of(tx, user).await?)?;
    Ok(begun.map_or((None, PasskeyChallenge(None)), |(options, state)| (Some(options), PasskeyChallenge(Some(state)))))
}

/// Whether the answer is right. What works once is used up by it, on every node.
pub(super) async fn check(
    tx: &mut SystemTx,
    passkeys: &Passkeys,
    user: UserId,
    answer: &SecondAnswer,
    challenge: &PasskeyChallenge,
) -> Result<Option<SecondFactor>> {
    match answer {
        SecondAnswer::Code(code) => {
            let totp = mfa_store::totp(tx, user).await?.filter(|totp| totp.confirmed);
            let step = totp.and_then(|totp| totp.secret.step_of(code, tx.now()));
            let Some(step) = step else { return Ok(None) };
            let taken = mfa_store::take_step(tx, user, step).await?;
            Ok(taken.then_some(SecondFactor(Factor::Totp)))
        }
        SecondAnswer::RecoveryCode(code) => {
            let taken = mfa_store::take_recovery_code(tx, user, &recovery_digest(user, code)).await?;
            Ok(taken.then_some(SecondFactor(Factor::RecoveryCode)))
        }
        SecondAnswer::Passkey(credential) => {
            let (used, known) = (Used::parse(credential, "/passkey")?, passkey::of(tx, user).await?);
            let state = challenge.0.as_ref();
            let Some(passkey) = state.and_then(|state| passkeys.check(&used, state, &known)) else { return Ok(None) };
            passkey::used(tx, &passkey).await?;
            Ok(Some(SecondFactor(Factor::Passkey)))
        }
    }
}

/// Whose passkey, picked without a name, answered the challenge rightly. It counts as both factors: it asks for its
/// owner's finger, face or PIN.
pub(super) async fn check_alone(
    tx: &mut SystemTx,
    passkeys: &Passkeys,
    used: &Used,
    challenge: webauthn_rs::prelude::DiscoverableAuthentication,
) -> Result<Option<(UserId, SecondFactor)>> {
    let Some((user, credential)) = passkeys.claimed(used) else { return Ok(None) };
    let Some(known) = passkey::of_credential(tx, user, &credential).await? else { return Ok(None) };
    let Some(passkey) = passkeys.check_anonymous(used, challenge, &known) else { return Ok(None) };
    passkey::used(tx, &passkey).await?;
    Ok(Some((user, SecondFactor(Factor::Passkey))))
}

impl SecondAnswer {
    /// 422 for what cannot be right, before anything is counted.
    pub(super) fn one_of(
        code: Option<Zeroizing<String>>,
        recovery_code: Option<Zeroizing<String>>,
        passkey: Option<Credential>,
    ) -> Result<Self> {
        let fits = |code: &Zeroizing<String>| code.len() <= MAX_CODE;
        match (code, recovery_code, passkey) {
            (Some(code), None, None) if fits(&code) => Ok(Self::Code(code)),
            (None, Some(code), None) if fits(&code) => Ok(Self::RecoveryCode(code)),
            (None, None, Some(passkey)) => Ok(Self::Passkey(passkey)),
            _ => Err(Problem::invalid("/code", "give one of code, recovery_code and passkey").into()),
        }
    }
}
