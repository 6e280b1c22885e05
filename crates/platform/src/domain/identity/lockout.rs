//! Growing delay after failed logins, per account and per address. Wrong second factors count like wrong passwords.
//!
//! The account is counted by its person, or, where nobody is known by that name, by what was typed, so that the answer
//! tells nothing. The first failures are free; then each doubles the wait, up to a quarter of an hour. A success clears
//! the account's count.
//!
//! An address (of IPv6 the /64) is counted by how fast it fails: one failure a minute is forgiven, and no success
//! clears it. Once it has failed too often it delays each name that fails *from there*, and no other: behind one proxy or
//! one office's address there are many people, and who knows their password is let in.
//!
//! Whoever tries one password on many names never meets that delay, so the names that fail are counted as well: each that has
//! not failed from there for a quarter of an hour is one more, and one in three minutes is forgiven. Twenty are free, as in an
//! office on a Monday morning; each further one makes the whole address wait, twice as long as the one before. What is
//! judged meanwhile is not told, right or wrong, so many guesses sent at once are no more than one by one.
//!
//! Whoever comes with a device that the person trusts, or from within one of their logins, is counted apart: outsiders
//! who guess cannot keep the person out, and the wait that they have earned does not tell them whether they hit.

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tenure_kernel::limits::Subject;
use tenure_kernel::{Audited, Code, DeviceId, Kernel, Problem, Result, SystemReason, SystemTx, Timestamp, UserId};

const FREE_PER_ACCOUNT: i32 = 4;
const FREE_PER_ADDRESS: i32 = 20;
const FREE_NAMES_PER_ADDRESS: i32 = 20;
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// How often others may end a wait before a login has to succeed.
const MOST_LIFTS: i16 = 3;
/// Failures of an account older than this are forgotten.
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// An address is forgiven one failure each.
const FORGIVE_EVERY_SECONDS: f64 = 60.0;
/// An address is forgiven one name each.
const FORGIVE_A_NAME_EVERY_SECONDS: f64 = 180.0;
/// A name that failed from an address within this time is no further one.
const SAME_NAME_FOR: Duration = Duration::from_secs(15 * 60);

/// What failures are counted by.
#[derive(Debug, Clone)]
pub(super) struct Subjects {
    account: String,
    address: Option<Address>,
    user: Option<UserId>,
}

#[derive(Debug, Clone)]
struct Address {
    /// All failures from there.
    all: String,
    /// What an address delays; nothing of who is known.
    delays: Option<Delays>,
}

#[derive(Debug, Clone)]
struct Delays {
    /// Failures of this account from there.
    of_account: String,
    /// Names that fail from there; nothing where no name is guessed.
    names: Option<String>,
}

impl Subjects {
    pub(super) fn new(typed: &str, user: Option<UserId>, address: Option<IpAddr>) -> Self {
        let account = match user {
            Some(user) => hex(user.uuid().as_bytes()),
            None => hex(typed.trim().to_lowercase().as_bytes()),
        };
        let address = address.map(|address| {
            let address = Subject::address(address);
            let pair = hex(format!("{address} {account}").as_bytes());
            let delays = Delays { of_account: format!("pair:{pair}"), names: Some(format!("sprayed:{address}")) };
            Address { all: format!("address:{address}"), delays: Some(delays) }
        });
        Self { account: format!("account:{account}"), address, user }
    }

    /// Of whoever types a code that is no name's: it makes no name fail.
    pub(super) fn code(of: &str, address: Option<IpAddr>) -> Self {
        let mut subjects = Self::new(of, None, address);
        if let Some(delays) = subjects.address.as_mut().and_then(|address| address.delays.as_mut()) {
            delays.names = None;
        }
        subjects
    }

    /// Of somebody who comes with a device that the person trusts.
    pub(super) fn on_device(device: DeviceId, user: UserId, address: Option<IpAddr>) -> Self {
        Self::known(format!("device:{}", hex(device.uuid().as_bytes())), user, address)
    }

    /// Of somebody who is logged in. One count for all logins of the person: whoever has stolen one gets no more tries by
    /// making others.
    pub(super) fn inside(user: UserId, address: Option<IpAddr>) -> Self {
        Self::known(format!("inside:{}", hex(user.uuid().as_bytes())), user, address)
    }

    /// Of whoever answers with a passkey alone. Nobody guesses a signature, so no count is kept of the person that it claims to
    /// be of, whom a stranger could keep out by it: only of that claim from there.
    pub(super) fn passkey(claimed: Option<UserId>, address: Option<IpAddr>) -> Self {
        let from = address.map(Subject::address).map_or_else(String::new, |address| address.to_string());
        let whose = claimed.map_or_else(String::new, |user| user.to_string());
        let all = Address { all: format!("address:{from}"), delays: None };
        let account = format!("passkey:{}", hex(format!("{from} {whose}").as_bytes()));
        Self { account, address: address.map(|_| all), user: None }
    }

    fn known(account: String, user: UserId, address: Option<IpAddr>) -> Self {
        let all = |address| Address { all: format!("address:{}", Subject::address(address)), delays: None };
        Self { account, address: address.map(all), user: Some(user) }
    }

    fn delays(&self) -> Option<&Delays> {
        self.address.as_ref()?.delays.as_ref()
    }

    /// What has to be over before a try is judged.
    fn waits(&self) -> Vec<String> {
        let delays =
            self.delays().into_iter().flat_map(|delays| std::iter::once(&delays.of_account).chain(&delays.names));
        std::iter::once(&self.account).chain(delays).cloned().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds until the next try; nothing where no wait is on.
pub(super) async fn wait_for(tx: &mut SystemTx, subjects: &Subjects) -> Result<Option<u64>> {
    let waits = subjects.waits();
    let until = sqlx::query_scalar!("select max(locked_until) from login_failures where subject = any($1)", &waits)
        .fetch_one(&mut *tx)
        .await?;
    Ok(until.and_then(|until| seconds_until(until, tx.now())))
}

fn seconds_until(until: Timestamp, now: Timestamp) -> Option<u64> {
    (until > now).then(|| until.since(now).as_secs() + 1)
}

/// 429 while a wait is on.
pub(super) fn too_soon(seconds: u64) -> Problem {
    Problem::new(Code::RateLimited, format!("too many failed logins; try again in {seconds} s")).retry_after(seconds)
}

/// Counts a failure, in a transaction of its own: it stays although the login does not happen. See [`missed`].
pub(super) async fn failed(kernel: &Kernel, subjects: &Subjects) -> Result<Option<u64>> {
    kernel
        .system(SystemReason::Authenticate)
        .run(async |tx| {
            let wait = missed(tx, subjects).await?;
            Ok(Audited::none("the refused login is an event of its own", wait))
        })
        .await
}

/// Counts a failure in the transaction that found it, so that the next guess of it, which waits for the same rows, finds it
/// counted. The transaction has to commit.
///
/// Seconds where a wait has begun since the guess was let through: then it is not counted, and its answer must be that of a
/// guess that was not, [`too_soon`].
pub(super) async fn missed(tx: &mut SystemTx, subjects: &Subjects) -> Result<Option<u64>> {
    let (user, now) = (subjects.user, tx.now());
    // The person first, whom the rows point to: who checks a second factor has them locked already. Asked for nobody, too.
    sqlx::query!("select 1 as one from users where id = $1 for key share", user.map(UserId::uuid))
        .fetch_optional(&mut *tx)
        .await?;
    let mut rows = subjects.waits();
    rows.extend(subjects.address.iter().map(|address| address.all.clone()));
    // Rows are locked in this order everywhere, which is also that of the counts below: account, address, pair, names.
    let before = sqlx::query!(
        "select subject, last_at, locked_until from login_failures where subject = any($1) order by subject for update",
        &rows
    )
    .fetch_all(&mut *tx)
    .await?;
    let waits = subjects.waits();
    let on =
        before.iter().filter(|row| waits.contains(&row.subject)).filter_map(|row| seconds_until(row.locked_until, now));
    if let Some(seconds) = on.max() {
        return Ok(Some(seconds));
    }
    let failures = count(tx, &subjects.account, user, None).await?;
    delay(tx, &subjects.account, wait(failures - FREE_PER_ACCOUNT)).await?;
    let Some(address) = &subjects.address else { return Ok(None) };
    let failures = count(tx, &address.all, None, Some(FORGIVE_EVERY_SECONDS)).await?;
    let Some(Delays { of_account, names }) = &address.delays else { return Ok(None) };
    count(tx, of_account, user, None).await?;
    delay(tx, of_account, wait(failures - FREE_PER_ADDRESS)).await?;
    let lately = |row: &Timestamp| *row >= now.before(SAME_NAME_FOR);
    let is_another = !before.iter().any(|row| row.subject == *of_account && lately(&row.last_at));
    if let Some(names) = names.as_ref().filter(|_| is_another) {
        let failed = count(tx, names, None, Some(FORGIVE_A_NAME_EVERY_SECONDS)).await?;
        delay(tx, names, wait(failed - FREE_NAMES_PER_ADDRESS)).await?;
    }
    Ok(None)
}

/// One more failure; how many there are now. What is forgiven goes by the time since the last one.
async fn count(tx: &mut SystemTx, subject: &str, user: Option<UserId>, forgive_every: Option<f64>) -> Result<i32> {
    let now = tx.now();
    let failures = sqlx::query_scalar!(
        "insert into login_failures as f (subject, failures, last_at, locked_until, user_id) values ($1, 1, $2, $2, $5)
         on conflict (subject) do update
            set failures = 1 + case
                    when f.last_at < $3 then 0
                    when $4::float8 is null then f.failures
                    else greatest(0, f.failures - floor(extract(epoch from $2 - f.last_at) / $4)::int)
                end,
                lifts = case when f.last_at < $3 then 0 else f.lifts end,
                -- What is left of a begun minute counts on, or failures closer than a minute were never forgiven.
                last_at = case
                    when f.last_at < $3 or $4::float8 is null
                        or f.failures <= floor(extract(epoch from $2 - f.last_at) / $4) then $2
                    else f.last_at + make_interval(secs => $4 * floor(extract(epoch from $2 - f.last_at) / $4))
                end
         returning failures",
        subject,
        now,
        now.before(FORGET_AFTER),
        forgive_every,
        user.map(UserId::uuid)
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(failures)
}

async fn delay(tx: &mut SystemTx, subject: &str, wait: Duration) -> Result<()> {
    sqlx::query!(
        "update login_failures set locked_until = greatest(locked_until, $2) where subject = $1",
        subject,
        tx.now().after(wait)
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Forgets the account's failures.
pub(super) async fn succeeded(tx: &mut SystemTx, subjects: &Subjects) -> Result<()> {
    sqlx::query!("delete from login_failures where subject = $1", subjects.account).execute(&mut *tx).await?;
    Ok(())
}

/// Ends every wait that is on for this person, and says whether one was. What was counted stays counted until a login
/// succeeds: the next failure begins a longer wait. Each lift is one more guess, so there are [`MOST_LIFTS`] until a login
/// succeeds, or the failures are forgotten: whoever may do this cannot have a password guessed.
///
/// # Errors
/// 409 where there were so many.
pub(super) async fn lift(tx: &mut SystemTx, user: UserId) -> Result<bool> {
    let now = tx.now();
    let waits = sqlx::query!(
        "update login_failures
         set locked_until = case when lifts < $3 then $2 else locked_until end, lifts = least(lifts + 1, $3 + 1)
         where user_id = $1 and locked_until > $2 returning lifts",
        user.uuid(),
        now,
        MOST_LIFTS
    )
    .fetch_all(&mut *tx)
    .await?;
    if waits.iter().any(|wait| wait.lifts > MOST_LIFTS) {
        let detail = format!(
            "this login was unlocked {MOST_LIFTS} times and failed again each time; the person can unlock it by mail, or wait"
        );
        return Err(Problem::conflict(detail).into());
    }
    Ok(!waits.is_empty())
}

/// Ends the wait of the account, and of the account from where this is asked; other addresses that fail go on waiting.
pub(super) async fn unlocked(tx: &mut SystemTx, subjects: &Subjects) -> Result<()> {
    succeeded(tx, subjects).await?;
    if let Some(delays) = subjects.delays() {
        sqlx::query!("delete from login_failures where subject = $1", delays.of_account).execute(&mut *tx).await?;
    }
    Ok(())
}

fn wait(beyond_free: i32) -> Duration {
    match u32::try_from(beyond_free) {
        Err(_) | Ok(0) => Duration::ZERO,
        Ok(beyond) => FIRST_WAIT.saturating_mul(2_u32.saturating_pow(beyond - 1)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = (-1..=12).map(|beyond| wait(beyond).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(wait(i32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn an_account_is_counted_as_typed_without_case() {
        assert_eq!(Subjects::new(" Ada ", None, None).account, Subjects::new("ada", None, None).account);
    }

    #[test]
    fn a_person_is_counted_under_each_of_their_names_and_a_customers_network_as_one() {
        let ada = Some(UserId::random());
        let of = |typed, address: &str| Subjects::new(typed, ada, Some(address.parse().unwrap()));
        let (by_name, by_mail) = (of("ada", "2001:db8::1"), of("ada@example.com", "2001:db8::ffff"));
        assert_eq!(by_name.account, by_mail.account);
        assert_eq!(by_name.address.unwrap().all, by_mail.address.unwrap().all);
    }
}
