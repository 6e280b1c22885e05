//! Goes through imports, one of each node at a time, a line a transaction.
//!
//! What who asked may do is asked again for each line: nobody adds people for an hour on the strength of a permission that
//! was taken from them a minute after they began.

use std::sync::Arc;
use std::time::Duration;

use tenure_kernel::{Audited, Code, Error, Kernel, NewEvent, PermissionSet, Problem, Result, SystemReason, SystemTx};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::line::{self, Candidate, Made, Ready};
use super::model::{ImportKind, ImportState, LineError, LineState};
use super::people::{self, Rest, Secret};
use super::store::{self, Claim, Lease, Turn, Verdict};
use crate::domain::api_keys;
use crate::domain::identity::{self, NewPerson, Passwords};
use crate::domain::tenancy;

/// A line takes well under a second; a node that does not renew for so long is dead.
const LEASE: Duration = Duration::from_secs(20);
/// News of a new import may be another node's.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// Whoever brings so many keys of other organisations is trying them out.
const MOST_OF_OTHERS: i32 = 5;
/// Lines of one turn; then another organisation has its own.
const PER_TURN: i64 = 100;

/// See the module.
#[derive(Debug, Clone)]
pub struct Importer {
    kernel: Kernel,
    passwords: Passwords,
    node: Uuid,
    work: Arc<Notify>,
}

/// How a turn ended.
enum Turned {
    /// There are more lines.
    More,
    /// All lines are over.
    Done,
    /// Somebody cancelled it, or who asked may not go on.
    Stopped(&'static str),
    /// Another node is at it.
    Lost,
}

impl Importer {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(kernel: Kernel, passwords: Passwords) -> Self {
        Self { kernel, passwords, node: Uuid::new_v4(), work: Arc::default() }
    }

    /// There is a new import.
    pub(super) fn wake(&self) {
        self.work.notify_one();
    }

    /// Goes on until it is to stop: the lines that it is at then are finished, and another node goes on with the next.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let claimed = match self.claim().await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!(%error, "imports were not looked for; the next round tries again");
                    None
                }
            };
            let Some(claim) = claimed else {
                tokio::select! {
                    () = self.work.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    _ = stop.changed() => {}
                }
                continue;
            };
            if let Err(error) = self.turn(&claim).await {
                // Its lease runs out, and it goes on where it stands.
                tracing::warn!(%error, import = %claim.id, "an import did not get on; it is tried again");
                tokio::time::sleep(AFTER_TROUBLE).await;
            }
        }
    }

    async fn claim(&self) -> Result<Option<Claim>> {
        let system = self.kernel.system(SystemReason::ManagePeople);
        let claimed = async |tx: &mut SystemTx| store::claim(tx, self.node, LEASE).await;
        system.run(async |tx| Ok(Audited::none("who is at an import is no change of it", claimed(tx).await?))).await
    }

    async fn turn(&self, claim: &Claim) -> Result<()> {
        let ended = self.lines(claim).await?;
        let (state, because) = match ended {
            Turned::Lost => return Ok(()),
            Turned::More => {
                return self
                    .within(claim, async |tx| {
                        store::release(tx, claim, self.node).await?;
                        Ok(Audited::none("who is at an import is no change of it", ()))
                    })
                    .await;
            }
            Turned::Done if claim.undoing => (ImportState::Undone, None),
            Turned::Done => (ImportState::Finished, None),
            Turned::Stopped(why) => (ImportState::Stopped, Some(why)),
        };
        self.within(claim, async |tx| {
            if store::renew(tx, claim, self.node, LEASE).await? == Lease::Lost {
                return Ok(Audited::none("another node took it over", ()));
            }
            let counts = store::finish(tx, claim, state, because).await?;
            let events = claim.kind.events();
            let action = match state {
                ImportState::Undone => events.undone,
                ImportState::Stopped => events.stopped,
                _ => events.finished,
            };
            let event = NewEvent::new(action, claim.id.to_string()).detail("counts", counts);
            let event = event.detail("dry_run", claim.dry_run);
            Ok(Audited::of((), because.into_iter().fold(event, |event, why| event.detail("because", why))))
        })
        .await
    }

    /// A transaction in the import's organisation, by who asked for it.
    async fn within<T>(&self, claim: &Claim, f: impl AsyncFnOnce(&mut SystemTx) -> Result<Audited<T>>) -> Result<T> {
        let system = self.kernel.system(SystemReason::ManagePeople).by(claim.asker.actor);
        system
            .run(async |tx| {
                tx.enter(claim.tenant).await?;
                f(tx).await
            })
            .await
    }

    async fn lines(&self, claim: &Claim) -> Result<Turned> {
        let waiting = if claim.undoing { LineState::Added } else { LineState::Waiting };
        let (turns, keys, organization) = self
            .within(claim, async |tx| {
                let turns = store::turns(tx, claim, waiting, PER_TURN).await?;
                let organization = tenancy::store::password_policy(tx, claim.tenant).await?;
                let keys = tx.keys_of(claim.tenant).await?;
                Ok(Audited::none("reads the lines whose turn it is", (turns, keys, organization)))
            })
            .await?;
        let more = i64::try_from(turns.len()).is_ok_and(|read| read == PER_TURN);
        for turn in turns {
            let stopped = if claim.undoing {
                self.take_back(claim, &turn).await?
            } else {
                let parsed =
                    turn.cells(&keys).map_err(|_| vec![LineError::whole("cannot be read any more; import it again")]);
                let parsed = parsed.and_then(|cells| line::parse(claim.kind, &cells, &organization));
                self.one(claim, &turn, parsed).await?
            };
            if let Some(ended) = stopped {
                return Ok(ended);
            }
        }
        Ok(if more { Turned::More } else { Turned::Done })
    }

    /// Carries out a line, or tries it; what stops the whole import, if something does.
    async fn one(
        &self,
        claim: &Claim,
        turn: &Turn,
        parsed: Result<Candidate, Vec<LineError>>,
    ) -> Result<Option<Turned>> {
        let candidate = match parsed {
            Ok(candidate) => candidate,
            Err(errors) => return self.settle(claim, turn, Verdict::refused(errors)).await,
        };
        let ready = self.ready(candidate, claim.dry_run).await?;
        let mut found = None;
        let tried = self
            .within(claim, async |tx| {
                let held = match self.may_go_on(tx, claim).await? {
                    Ok(held) => held,
                    Err(ended) => return Ok(Audited::none("it stops before this line", Some(ended))),
                };
                let added = line::add(tx, claim, held, ready).await?;
                if claim.dry_run {
                    // It went through to its end; now nothing of it happens.
                    found = Some(Verdict::of(LineState::Planned, Made::default()));
                    return Err(Problem::conflict("a dry run").into());
                }
                store::settle(tx, claim, turn.line, &Verdict::of(LineState::Added, *added.value())).await?;
                Ok(added.map(|_| None))
            })
            .await;
        match (tried, found) {
            (Ok(ended), _) => Ok(ended),
            (Err(_), Some(verdict)) => self.settle(claim, turn, verdict).await,
            (Err(error), None) if api_keys::is_anothers(&error) => self.of_another(claim, turn).await,
            (Err(error), None) => {
                let errors = refusal(error)?;
                self.settle(claim, turn, Verdict::refused(errors)).await
            }
        }
    }

    /// A candidate with whatever takes long done before its transaction begins.
    async fn ready(&self, candidate: Candidate, dry_run: bool) -> Result<Ready> {
        Ok(match candidate {
            Candidate::Person(candidate) => {
                let (person, rest) = self.person(candidate, dry_run).await?;
                Ready::Person(person, rest)
            }
            Candidate::Role(role) => Ready::Role(role),
            Candidate::Key(key) => Ready::Key(key),
        })
    }

    /// A candidate with the hash that a login checks. Whether the address is known or not takes the same time.
    async fn person(&self, candidate: people::Candidate, dry_run: bool) -> Result<(NewPerson, Rest)> {
        let people::Candidate { username, email, full_name, secret, roles, teams, attributes } = candidate;
        // Whoever wrote the file knows the passwords in it; behind a hash is one that its person chose.
        let must_change = matches!(secret, Secret::Password(_));
        let password_hash = match secret {
            Secret::Hash(hash) => hash,
            Secret::Password(_) if dry_run => Arc::from("not hashed for a dry run"),
            Secret::Password(password) => loop {
                // Logins come first where the queue is full.
                match self.passwords.hash(password.clone()).await {
                    Err(Error::Problem(problem)) if problem.code == Code::Unavailable => {
                        tokio::time::sleep(AFTER_TROUBLE).await;
                    }
                    other => break other?,
                }
            },
        };
        Ok((NewPerson { username, email, full_name, password_hash, must_change }, Rest { roles, teams, attributes }))
    }

    /// A key that is another organisation's: the platform is told first, then the line says as much as of any that is taken.
    async fn of_another(&self, claim: &Claim, turn: &Turn) -> Result<Option<Turned>> {
        let event = api_keys::claimed_anothers(claim.tenant)
            .detail("import", claim.id)
            .detail("line", turn.line)
            .detail("dry_run", claim.dry_run);
        let system = self.kernel.system(SystemReason::PlatformEvent).by(claim.asker.actor);
        system.run(async |_| Ok(Audited::of((), event))).await?;
        let verdict = Verdict::of_another(line::told(&api_keys::unusable()));
        self.settle(claim, turn, verdict).await
    }

    async fn settle(&self, claim: &Claim, turn: &Turn, verdict: Verdict) -> Result<Option<Turned>> {
        self.within(claim, async |tx| {
            let lease = store::renew(tx, claim, self.node, LEASE).await?;
            if lease != Lease::Held {
                return Ok(Audited::none("it stops before this line", Some(ended(lease))));
            }
            let of_others = store::settle(tx, claim, turn.line, &verdict).await?;
            let stopped = (!claim.undoing && of_others >= MOST_OF_OTHERS)
                .then_some(Turned::Stopped("five of its keys are other organisations'; the platform was told"));
            Ok(Audited::none("the import's end is an event that counts its refused lines", stopped))
        })
        .await
    }

    /// What who asked may do in this line; or what stops the import before it. Its lease is renewed.
    async fn may_go_on(&self, tx: &mut SystemTx, claim: &Claim) -> Result<Result<PermissionSet, Turned>> {
        let lease = store::renew(tx, claim, self.node, LEASE).await?;
        if lease != Lease::Held {
            return Ok(Err(ended(lease)));
        }
        if claim.kind == ImportKind::ApiKeys && !self.login_holds(tx, claim).await? {
            let why =
                "the login that it was asked for with is over, or has something else to do first; log in and ask again";
            return Ok(Err(Turned::Stopped(why)));
        }
        let held = store::standing(tx, claim).await?;
        if held.contains(claim.kind.needs()) {
            return Ok(Ok(held));
        }
        Ok(Err(Turned::Stopped("whoever handed it in may not add or remove these any more")))
    }

    /// Keys are made by logins alone, so what a login may not do any more its import does not do for it.
    async fn login_holds(&self, tx: &mut SystemTx, claim: &Claim) -> Result<bool> {
        let Some(session) = claim.asker.actor.session else { return Ok(false) };
        identity::login_holds(tx, claim.tenant, session).await
    }

    /// Removes what a line added, unless there is a reason for it to stay.
    async fn take_back(&self, claim: &Claim, turn: &Turn) -> Result<Option<Turned>> {
        let tried = self
            .within(claim, async |tx| {
                let held = match self.may_go_on(tx, claim).await? {
                    Ok(held) => held,
                    Err(ended) => return Ok(Audited::none("it stops before this line", Some(ended))),
                };
                let taken = line::take_back(tx, claim, held, turn).await?;
                let verdict = match *taken.value() {
                    None => Verdict::of(LineState::Undone, Made::default()),
                    Some(why) => Verdict::kept(vec![LineError::whole(why)]),
                };
                store::settle(tx, claim, turn.line, &verdict).await?;
                Ok(taken.map(|_| None))
            })
            .await;
        match tried {
            Ok(ended) => Ok(ended),
            Err(error) => {
                let errors = refusal(error)?;
                self.settle(claim, turn, Verdict::kept(errors)).await
            }
        }
    }
}

fn ended(lease: Lease) -> Turned {
    if lease == Lease::Cancelled { Turned::Stopped("somebody cancelled it") } else { Turned::Lost }
}

/// What is to be said of a line that did not work.
///
/// # Errors
/// The error itself where it is of this moment and not of the line: then the line is tried again.
fn refusal(error: Error) -> Result<Vec<LineError>> {
    let problem = error.problem();
    match problem.code {
        Code::Unavailable | Code::DiskFull => Err(error),
        Code::Internal => {
            tracing::error!(%error, "a line of an import failed");
            Ok(vec![LineError::whole("the server failed at this line; its log says why")])
        }
        _ => Ok(line::told(&problem)),
    }
}
