//! What an invitation gives, and who may give it: asked when it is made, when it is sent again, and when it is accepted.

use tenure_kernel::permission::{RoleAssign, TeamWrite, UserWrite};
use tenure_kernel::{All, Code, Error, Permission as _, PermissionSet, Problem, Result, SystemTx, TeamId, TenantId};

use super::model::Invitation;
use super::store;
use crate::domain::roles;

/// What it takes to invite.
pub(super) type MayInvite = All<(UserWrite, RoleAssign)>;

/// Nobody gives what they do not hold: not by roles, and not by teams, for which it takes `team:write`.
///
/// # Errors
/// 422 at `/roles` for a role that is not there, 403 for what goes beyond; PostgreSQL's.
pub(super) async fn within_own(
    tx: &mut SystemTx,
    tenant: TenantId,
    held: PermissionSet,
    roles: &[String],
    teams: &[TeamId],
) -> Result<()> {
    roles::within_own(&mut *tx, tenant, held, roles, &[], "/roles").await?;
    if teams.is_empty() || held.contains(TeamWrite::NEEDS) {
        return Ok(());
    }
    let detail = format!("to put somebody into a team takes the permission {}", TeamWrite::NEEDS);
    Err(Problem::new(Code::PermissionDenied, detail).with("permission", TeamWrite::NEEDS.to_string()).into())
}

/// Whether who invited may do so still, with these roles and into these teams. Otherwise an administrator who goes would be one
/// again by a link to a second address of theirs.
pub(super) async fn may_still(tx: &mut SystemTx, tenant: TenantId, invitation: &Invitation) -> Result<bool> {
    let held = store::asker(tx, tenant, invitation).await?.may(tx, tenant).await?;
    if !held.contains(MayInvite::NEEDS) {
        return Ok(false);
    }
    match within_own(tx, tenant, held, &invitation.roles, &invitation.teams).await {
        Ok(()) => Ok(true),
        Err(Error::Problem(_)) => Ok(false),
        Err(other) => Err(other),
    }
}
