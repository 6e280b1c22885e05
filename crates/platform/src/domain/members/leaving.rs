//! Somebody's membership ends, under the rules of any change of it.

use tenure_kernel::{Change, PermissionSet, Result, TenantTx, UserId, Write};

use super::http::last_admin;
use super::model::{Member, MemberStatus};
use super::store::{self, NewStanding};
use crate::domain::roles;

/// Deactivates a member. `also` is locked with them, in the order in which everybody locks members.
///
/// # Errors
/// 404 where there is no such member, 403 where they hold more than `held`, 409 for the last administrator; PostgreSQL's.
pub async fn deactivate(
    tx: &mut TenantTx<Write>,
    held: PermissionSet,
    user: UserId,
    also: UserId,
) -> Result<Change<Member>> {
    let admins = store::lock_with_admins(tx, &[user, also]).await?;
    let (tenant, member) = (tx.tenant(), tx.load::<Member>(user).await?);
    roles::within_own(&mut *tx, tenant, held, &member.roles, &member.permissions, "/roles").await?;
    if admins == [user] {
        return Err(last_admin().into());
    }
    let new = NewStanding { status: Some(MemberStatus::Deactivated), ..NewStanding::default() };
    store::update(tx, member, new).await
}
