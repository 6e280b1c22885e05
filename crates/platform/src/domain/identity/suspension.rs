//! What follows where the platform suspends a person, or lets them go on; who may is the platform's own.

use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::event::Outcome;
use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{NewEvent, Result, SystemTx, UserId};
use utoipa::ToSchema;

use super::event::{SessionEvent, UserEvent};
use super::{challenge, store};

/// How a person stands with the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PersonStatus {
    /// They log in.
    Active,
    /// The platform has suspended them: nothing of theirs works, in any organisation.
    Suspended,
}

impl PersonStatus {
    /// As the row has it. What is unknown is no active person.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "active" { Self::Active } else { Self::Suspended }
    }

    /// As the row has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// Writes the status of a person whom the caller has locked, ends every login of theirs and tells every node. How many logins ended,
/// and what is to be told of it: the reason on the platform's stream alone.
///
/// Logins end at either: one that began while its person was being suspended was dead, and must not come to life again.
///
/// # Errors
/// PostgreSQL's.
pub async fn set_status(
    tx: &mut SystemTx,
    user: UserId,
    status: PersonStatus,
    reason: &str,
) -> Result<(usize, Vec<NewEvent>)> {
    sqlx::query!("update users set status = $2 where id = $1", user.uuid(), status.as_str()).execute(&mut *tx).await?;
    // Half a login is none.
    challenge::forget(tx, user).await?;
    let ended = store::end_logins(tx, user, None).await?;
    tx.announce(Message::UserChanged { user }).await?;
    let action = match status {
        PersonStatus::Active => UserEvent::RESUMED,
        PersonStatus::Suspended => UserEvent::SUSPENDED,
    };
    let decided = || NewEvent::new(action, user.to_string());
    let mut events = vec![decided().detail("reason", reason).in_tenant(PLATFORM_TENANT)];
    let tenants = store::audiences(tx, Some(user)).await?;
    events.extend(tenants.into_iter().map(|tenant| decided().in_tenant(tenant)));
    events.extend(ended.iter().map(|ended| {
        NewEvent::new(SessionEvent::ENDED, ended.session.id.to_string())
            .outcome(Outcome::Success, "person-suspended")
            .detail("user", user)
            .in_tenant(ended.session.tenant)
    }));
    Ok((ended.len(), events))
}
