//! Argon2id on threads of its own.
//!
//! Tries of one account come one after another ([`Passwords::turn`]): a hundred guesses sent at once would otherwise all
//! pass the lockout before the first of them was counted.
//!
//! A hash takes a core for 10 to 20 ms on purpose. So that a storm of logins cannot starve the API, hashing runs on
//! cores − 1 threads at the lowest priority behind a short queue; beyond it the answer is 503, at once.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use tenure_kernel::{Error, Problem, Result};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::stored_password::StoredPassword;

/// OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// `m`, `t` and `p` of a hash that is made here.
pub(super) const OURS: [u32; 3] = [MEMORY_KIB, PASSES, LANES];
const QUEUE: usize = 64;
const LOWEST_PRIORITY: i32 = 19;

type Work = Box<dyn FnOnce() + Send>;

/// Accounts share so many turns; which, nobody outside can tell.
const TURNS: usize = 1024;

/// The right to try a password of an account; until it is dropped, others wait.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held, not read")] tokio::sync::OwnedMutexGuard<()>);

/// The pool.
#[derive(Debug, Clone)]
pub struct Passwords {
    queue: SyncSender<Work>,
    /// Verified against when there is no such account, so that both take the same time.
    nobody: Arc<str>,
    turns: Arc<[Arc<tokio::sync::Mutex<()>>]>,
    hasher: std::hash::RandomState,
    checked: Arc<AtomicU64>,
}

impl Passwords {
    /// Starts the threads; they end when the last handle is gone.
    ///
    /// # Errors
    /// When a thread cannot be started or the system gives no randomness.
    pub fn start() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (queue, receiver) = sync_channel::<Work>(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..cores.saturating_sub(1).max(1) {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&receiver))
                .map_err(Error::internal)?;
        }
        let nobody = hash("nobody has this password")?.into();
        let turns = (0..TURNS).map(|_| Arc::default()).collect();
        let (hasher, checked) = (std::hash::RandomState::new(), Arc::default());
        Ok(Self { queue, nobody, turns, hasher, checked })
    }

    /// Waits for this account's turn; `account` is compared without case.
    pub async fn turn(&self, account: &str) -> Option<Turn> {
        let place = usize::try_from(self.hasher.hash_one(account.to_lowercase()) % TURNS as u64).ok()?;
        Some(Turn(Arc::clone(self.turns.get(place)?).lock_owned().await))
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// 503 when the queue is full.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<Arc<str>> {
        self.run(move || hash(&password).map(Arc::from)).await?
    }

    /// Whether the password is the one of this hash, ours or another system's; without one, or with one that is not
    /// known or beyond the bounds, it takes as long as one of ours and is never right.
    ///
    /// # Errors
    /// 503 when the queue is full.
    pub async fn verify(&self, password: Zeroizing<String>, known: Option<String>) -> Result<bool> {
        let nobody = Arc::clone(&self.nobody);
        self.checked.fetch_add(1, Ordering::Relaxed);
        self.run(move || match known.as_deref().and_then(StoredPassword::parse) {
            Some(known) => known.is_of(&password),
            None => {
                if known.is_some() {
                    tracing::warn!(
                        "a stored password hash is of no known kind, or costs too much to check; it opens nothing"
                    );
                }
                // Its answer does not matter, its time does.
                let _ = std::hint::black_box(StoredPassword::parse(&nobody).map(|nobody| nobody.is_of(&password)));
                false
            }
        })
        .await
    }

    /// How many passwords were checked on this node so far, those of nobody among them.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// A hash of ours in the place of a checked one that is not: another system's, or an older one. Nothing where it is ours
    /// already, or where the queue is full: then the next login does it.
    pub async fn renew(&self, password: Zeroizing<String>, checked: Option<&str>) -> Option<Arc<str>> {
        if StoredPassword::parse(checked?)?.is_ours() {
            return None;
        }
        self.hash(password).await.ok()
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move || {
            // Nobody waits for it any more: the client went away.
            let _ = answer.send(work());
        });
        self.queue.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => {
                Problem::unavailable("too many logins at once; try again in a moment").retry_after(2)
            }
            TrySendError::Disconnected(_) => Problem::unavailable("the server is stopping"),
        })?;
        answered.await.map_err(|_| Problem::unavailable("the server is stopping").into())
    }
}

fn work(queue: &Mutex<Receiver<Work>>) {
    // Best effort: a sandbox may forbid it, and hashing then competes at normal priority.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), LOWEST_PRIORITY);
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(work) => work(),
            Err(_) => return,
        }
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<String> {
    let hash = argon2()?.hash_password(password.as_bytes()).map_err(|error| Error::internal(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_and_no_other() {
        let passwords = Passwords::start().unwrap();
        let of = |text: &str| Zeroizing::new(text.to_owned());
        let phc = passwords.hash(of("correct horse battery")).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify(of("correct horse battery"), Some(phc.to_string())).await.unwrap());
        assert!(!passwords.verify(of("correct horse batterz"), Some(phc.to_string())).await.unwrap());
        assert!(passwords.renew(of("correct horse battery"), Some(&phc)).await.is_none());
        assert!(!passwords.verify(of("x"), Some("$2b$31$beyond the bounds".to_owned())).await.unwrap());
        assert!(!passwords.verify(of("nobody has this password"), None).await.unwrap());
    }
}
