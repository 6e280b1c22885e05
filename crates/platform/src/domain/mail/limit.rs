//! How often messages are sent to one person, and asked for from one address: nobody's mailbox is to be filled.
//!
//! Counted in the database, so on all nodes together, and by what was typed, whether or not somebody has that name: the answer
//! tells nothing.

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tenure_kernel::limits::Subject;
use tenure_kernel::{Code, Problem, Result, SystemTx};

const WINDOW: Duration = Duration::from_secs(60 * 60);
/// Messages of one purpose to one person in an hour.
const PER_PERSON: i32 = 5;
/// Messages that one address asks for in an hour.
const PER_ADDRESS: i32 = 60;
/// Messages that one person sends to others in an hour.
const PER_SENDER: i32 = 200;

/// Counts a message of this purpose to this person (an address, a name or an identifier) that was asked for from there. The
/// seconds to wait where that was one too many.
///
/// # Errors
/// PostgreSQL's.
pub async fn limit(tx: &mut SystemTx, purpose: &str, person: &str, from: Option<IpAddr>) -> Result<Option<u64>> {
    let of_person = count(tx, &format!("{purpose}\0{}", person.trim().to_lowercase()), PER_PERSON).await?;
    if of_person.is_some() {
        return Ok(of_person);
    }
    match from {
        Some(from) => count(tx, &format!("address\0{}", Subject::address(from)), PER_ADDRESS).await,
        None => Ok(None),
    }
}

/// Counts a message that this person sends to others, such as an invitation.
///
/// # Errors
/// PostgreSQL's.
pub async fn limit_of_sender(tx: &mut SystemTx, sender: &str) -> Result<Option<u64>> {
    count(tx, &format!("sender\0{sender}"), PER_SENDER).await
}

async fn count(tx: &mut SystemTx, subject: &str, at_most: i32) -> Result<Option<u64>> {
    let digest: String = Sha256::digest(subject.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let now = tx.now();
    let counted = sqlx::query!(
        "insert into mail_requests as r (subject, asked, since) values ($1, 1, $2)
         on conflict (subject) do update
            set asked = case when r.since <= $3 then 1 else r.asked + 1 end,
                since = case when r.since <= $3 then $2 else r.since end
         returning asked, since",
        digest,
        now,
        now.before(WINDOW)
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok((counted.asked > at_most).then(|| counted.since.after(WINDOW).since(now).as_secs() + 1))
}

/// 429.
#[must_use]
pub fn too_often(seconds: u64) -> Problem {
    let detail = format!("too many messages were asked for; look into your mailbox, or try again in {seconds} s");
    Problem::new(Code::RateLimited, detail).retry_after(seconds)
}
