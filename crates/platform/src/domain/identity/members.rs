//! What an administrator may do about the logins of a member; the rules of who may are the members' own.

use tenure_kernel::bus::Message;
use tenure_kernel::event::Outcome;
use tenure_kernel::{NewEvent, Problem, Result, SystemTx, TenantId, UserId};

use super::event::{SessionEvent, UserEvent};
use super::{lockout, mfa_store, store};

/// Removes every second factor of the person and ends their logins; what is to be told of it.
///
/// # Errors
/// 409 where the person has none, or is a member elsewhere, too: what protects another organisation is not for this one
/// to take away.
pub async fn reset_factors(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<Vec<NewEvent>> {
    let had = mfa_store::has_mfa_alone(tx, user).await?;
    if mfa_store::belongs_elsewhere(tx, user, tenant).await? {
        let detail = "this login is not your organisation's alone, so its second factor is not yours to remove; ask the platform's operator";
        return Err(Problem::conflict(detail).into());
    }
    if !had {
        return Err(Problem::conflict("this person has no second factor").into());
    }
    let mut events = remove_factors(tx, user).await?;
    events.push(NewEvent::new(UserEvent::MFA_RESET, user.to_string()).in_tenant(tenant));
    Ok(events)
}

/// The same for whoever runs the installation, whatever organisations the person belongs to. How many logins ended, and what is to
/// be told of it: in each organisation of theirs, and where they have none on the platform's stream.
///
/// # Errors
/// 409 where the person has no second factor; PostgreSQL's.
pub async fn reset_factors_everywhere(tx: &mut SystemTx, user: UserId) -> Result<(usize, Vec<NewEvent>)> {
    if !mfa_store::has_mfa_alone(tx, user).await? {
        return Err(Problem::conflict("this person has no second factor").into());
    }
    let mut events = remove_factors(tx, user).await?;
    let (ended, reset) = (events.len(), || NewEvent::new(UserEvent::MFA_RESET, user.to_string()));
    let tenants = store::audiences(tx, Some(user)).await?;
    events.extend(tenants.iter().map(|tenant| reset().in_tenant(*tenant)));
    if tenants.is_empty() {
        events.push(reset());
    }
    Ok((ended, events))
}

/// Factors, codes and trusted devices, and every login: the event of each end.
async fn remove_factors(tx: &mut SystemTx, user: UserId) -> Result<Vec<NewEvent>> {
    mfa_store::delete_factors(tx, user).await?;
    let ended = store::end_logins(tx, user, None).await?;
    tx.announce(Message::UserChanged { user }).await?;
    let told = ended.iter().map(|ended| {
        NewEvent::new(SessionEvent::ENDED, ended.session.id.to_string())
            .outcome(Outcome::Success, "second-factor-reset")
            .detail("user", user)
            .in_tenant(ended.session.tenant)
    });
    Ok(told.collect())
}

/// Ends the wait that failed logins have brought on the person; what is to be told of it.
///
/// # Errors
/// 409 where that was done too often since a login last succeeded.
pub async fn lift_wait(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<NewEvent> {
    let waited = lockout::lift(tx, user).await?;
    Ok(NewEvent::new(UserEvent::UNLOCKED, user.to_string()).detail("waited", waited).in_tenant(tenant))
}
