//! The one place where logins begin: whatever a person shows to get in, a session is made of a [`Proof`], and a proof is
//! made here alone.
//!
//! A login is a sequence of factors. A first one (a password; later, what an identity provider says) comes to
//! [`after_first`], which asks for a second where the person has one. A passkey alone, which asks for its owner's
//! finger or PIN itself, counts as both. And should a way in ever go round this, its session would be worth nothing: a
//! session that proved no second factor is dead as soon as its person has one (`store::standing`, `store::rotate`).

use std::time::Duration;

use tenure_kernel::{Audited, Factor, NewEvent, Result, SessionId, SystemTx, TenantId, Timestamp, UserId};

use super::event::{UserEvent, started};
use super::known::Known;
use super::login::actor;
use super::mfa_store;
use super::model::Session;
use super::second::SecondFactor;
use super::store::{self, Belonging, NewSession};
use super::token::RefreshToken;

/// What a person has proven to be let in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proof {
    user: UserId,
    mfa_at: Option<Timestamp>,
    proven_at: Option<Timestamp>,
    /// The login that this one goes on with, where it does.
    goes_on: Option<GoesOn>,
}

/// A login that is entered from another of the same person began with it, and ends no later.
#[derive(Debug, Clone, Copy)]
pub(super) struct GoesOn {
    pub(super) begun_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

/// What is left to do after a first factor.
pub(super) enum Next {
    Enter(Proof),
    /// The person has a second factor: these kinds of it.
    Ask(Vec<Factor>),
}

/// A first factor was right.
pub(super) async fn after_first(tx: &mut SystemTx, user: UserId, known: Option<&Known>) -> Result<Next> {
    if !mfa_store::has_mfa(tx, user).await? {
        return Ok(Next::Enter(Proof { user, mfa_at: None, proven_at: Some(tx.now()), goes_on: None }));
    }
    if let Some(Known::Device(device)) = known
        && mfa_store::device_used(tx, device.id).await?
    {
        // It lets in. What asks for a factor proven just now asks for one.
        return Ok(Next::Enter(Proof { user, mfa_at: Some(device.proven_at), proven_at: None, goes_on: None }));
    }
    let has = mfa_store::has(tx, user).await?;
    let kinds = [
        (has.totp_since.is_some(), Factor::Totp),
        (has.passkeys > 0, Factor::Passkey),
        (has.recovery_codes > 0, Factor::RecoveryCode),
    ];
    Ok(Next::Ask(kinds.into_iter().filter_map(|(there, kind)| there.then_some(kind)).collect()))
}

impl Proof {
    /// A second factor was right, after a first one or in its place.
    pub(super) fn of(user: UserId, _proven: &SecondFactor, now: Timestamp) -> Self {
        Self { user, mfa_at: Some(now), proven_at: Some(now), goes_on: None }
    }

    /// Somebody whom this transaction made.
    pub(super) fn of_new_person(user: UserId, now: Timestamp) -> Self {
        Self { user, mfa_at: None, proven_at: Some(now), goes_on: None }
    }

    /// Somebody who is logged in has shown as much as that login did, and no more; nor do they stay in for longer by it.
    pub(super) async fn of_session(
        tx: &mut SystemTx,
        user: UserId,
        session: SessionId,
        login_ttl: Duration,
    ) -> Result<Self> {
        let (mfa_at, proven_at, begun_at) = mfa_store::proven(tx, user, session).await?;
        let goes_on = Some(GoesOn { begun_at, ends_at: begun_at.after(login_ttl) });
        Ok(Self { user, mfa_at, proven_at, goes_on })
    }

    /// The administrator of an installation where nobody logs in: there is nothing to prove, then or later.
    pub(super) fn of_nobody(user: UserId, until: Timestamp) -> Self {
        Self { user, mfa_at: None, proven_at: Some(until), goes_on: None }
    }

    pub(super) const fn user(self) -> UserId {
        self.user
    }

    pub(super) const fn mfa_at(self) -> Option<Timestamp> {
        self.mfa_at
    }

    pub(super) const fn proven_at(self) -> Option<Timestamp> {
        self.proven_at
    }

    pub(super) const fn goes_on(self) -> Option<GoesOn> {
        self.goes_on
    }
}

/// Where a login goes to.
pub(super) enum Chosen {
    One(Belonging),
    /// Only a suspended organisation fits.
    Suspended(TenantId),
    Nowhere,
}

/// What a login is to be.
pub(super) struct Entering<'a> {
    pub(super) proof: Proof,
    /// Slug of the organisation; the oldest membership otherwise.
    pub(super) organization: Option<&'a str>,
    pub(super) client: &'static str,
    pub(super) lasts: Duration,
}

/// Begins the session in the organisation that fits; `Err` where none does.
pub(super) async fn enter(
    tx: &mut SystemTx,
    entering: &Entering<'_>,
    token: &RefreshToken,
) -> Result<Audited<std::result::Result<(Session, Belonging), Chosen>>> {
    let user = entering.proof.user();
    let chosen = match choose(store::belongings(tx, user).await?, entering.organization) {
        Chosen::One(chosen) => chosen,
        refused => return Ok(Audited::none("refused by the caller, with an event of its own", Err(refused))),
    };
    tx.enter(chosen.tenant).await?;
    if chosen.pending {
        store::accept_membership(tx, chosen.tenant, user).await?;
    }
    let begin =
        NewSession { proof: entering.proof, tenant: chosen.tenant, client: entering.client, lasts: entering.lasts };
    let session = started(store::insert_session(tx, &begin, token).await?);
    let joined = NewEvent::new(UserEvent::JOINED, user.to_string()).by(actor(user));
    let session = if chosen.pending { session.also(joined) } else { session };
    Ok(session.map(|session| Ok((session, chosen))))
}

fn choose(belongings: Vec<Belonging>, slug: Option<&str>) -> Chosen {
    let fitting = belongings.into_iter().filter(|belonging| slug.is_none_or(|slug| belonging.slug == slug));
    let (active, suspended): (Vec<_>, Vec<_>) = fitting.partition(|belonging| belonging.active);
    match (active.into_iter().next(), suspended.first()) {
        (Some(one), _) => Chosen::One(one),
        (None, Some(suspended)) => Chosen::Suspended(suspended.tenant),
        (None, None) => Chosen::Nowhere,
    }
}
