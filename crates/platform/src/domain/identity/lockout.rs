//! Growing delay after failed logins, per account and per address.
//!
//! The account is counted by what was typed, whether it exists or not, so that the answer tells nothing. The first
//! failures are free; then each doubles the wait, up to a quarter of an hour. A success clears the account's count, not
//! the address's.

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tenure_kernel::{Audited, Code, Kernel, Problem, Result, SystemReason, SystemTx};

const FREE_PER_ACCOUNT: i32 = 4;
const FREE_PER_ADDRESS: i32 = 20;
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Failures older than this are forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// What failures are counted by.
#[derive(Debug, Clone)]
pub(super) struct Subjects {
    account: String,
    address: Option<String>,
}

impl Subjects {
    pub(super) fn new(typed: &str, address: Option<IpAddr>) -> Self {
        let digest = Sha256::digest(typed.trim().to_lowercase().as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { account: format!("account:{hex}"), address: address.map(|address| format!("address:{address}")) }
    }

    fn all(&self) -> Vec<String> {
        std::iter::once(self.account.clone()).chain(self.address.clone()).collect()
    }
}

/// Refuses while a wait is on.
pub(super) async fn check(tx: &mut SystemTx, subjects: &Subjects) -> Result<()> {
    let now = tx.now();
    let until =
        sqlx::query_scalar!("select max(locked_until) from login_failures where subject = any($1)", &subjects.all())
            .fetch_one(&mut *tx)
            .await?;
    match until.filter(|until| *until > now) {
        None => Ok(()),
        Some(until) => {
            let seconds = until.since(now).as_secs() + 1;
            Err(Problem::new(Code::RateLimited, format!("too many failed logins; try again in {seconds} s"))
                .retry_after(seconds)
                .into())
        }
    }
}

/// Counts a failure, in a transaction of its own: it stays although the login does not happen.
pub(super) async fn failed(kernel: &Kernel, subjects: &Subjects) -> Result<()> {
    let count = async |tx: &mut SystemTx, subject: &str, free: i32| -> Result<()> {
        let now = tx.now();
        let failures = sqlx::query_scalar!(
            "insert into login_failures as f (subject, failures, last_at, locked_until) values ($1, 1, $2, $2)
             on conflict (subject) do update
                set failures = case when f.last_at < $3 then 1 else f.failures + 1 end, last_at = $2
             returning failures",
            subject,
            now,
            now.before(FORGET_AFTER)
        )
        .fetch_one(&mut *tx)
        .await?;
        let until = now.after(wait(failures - free));
        sqlx::query!(
            "update login_failures set locked_until = greatest(locked_until, $2) where subject = $1",
            subject,
            until
        )
        .execute(&mut *tx)
        .await?;
        Ok(())
    };
    kernel
        .system(SystemReason::Authenticate)
        .run(async |tx| {
            count(tx, &subjects.account, FREE_PER_ACCOUNT).await?;
            if let Some(address) = &subjects.address {
                count(tx, address, FREE_PER_ADDRESS).await?;
            }
            Ok(Audited::none("the refused login is an event of its own", ()))
        })
        .await
}

/// Forgets the account's failures.
pub(super) async fn succeeded(tx: &mut SystemTx, subjects: &Subjects) -> Result<()> {
    sqlx::query!("delete from login_failures where subject = $1", subjects.account).execute(&mut *tx).await?;
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
        assert_eq!(Subjects::new(" Ada ", None).account, Subjects::new("ada", None).account);
    }
}
