//! What an administrator does about a member's logins: ends a wait, removes second factors of who has lost them.

use tenure_kernel::permission::{RoleAssign, UserWrite};
use tenure_kernel::{
    All, Audited, Authorized, NewEvent, NoContent, Path, Permission, Problem, Recent, Result, SystemReason, SystemTx,
    UserId, Write,
};

use super::store;
use crate::app::Routes;
use crate::domain::{identity, roles};

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Members")
        .post("/users/{id}/unlock", unlock, "End the wait that failed logins have brought on a member.\n\nWhat was counted stays counted until a login succeeds: the next failure begins a longer wait, and after three times it is refused. Membership that is `locked` is a status, and changed as such.")
        .delete("/users/{id}/mfa", reset, "Remove a member's second factors and end their logins: for who has lost them.\n\nTheir next login asks for the password alone, and for a new second factor where the organisation wants one. Not of a member who belongs to other organisations, too.")
}

async fn unlock(cx: Authorized<UserWrite>, Path(id): Path<UserId>) -> Result<NoContent> {
    let tenant = cx.tenant();
    on_member(&cx, id, async |tx| Ok(vec![identity::lift_wait(tx, tenant, id).await?])).await
}

async fn reset(cx: Authorized<Recent<All<(UserWrite, RoleAssign)>>>, Path(id): Path<UserId>) -> Result<NoContent> {
    let tenant = cx.tenant();
    on_member(&cx, id, async |tx| identity::reset_factors(tx, tenant, id).await).await
}

/// Nobody does this to who may do more than they themselves.
async fn on_member<P: Permission<Mode = Write>>(
    cx: &Authorized<P>,
    id: UserId,
    work: impl AsyncFnOnce(&mut SystemTx) -> Result<Vec<NewEvent>>,
) -> Result<NoContent> {
    let (tenant, held, actor) = (cx.tenant(), cx.cx().identity.permissions, *cx.cx().actor());
    cx.write_across(SystemReason::ManagePeople, async |tx| {
        let (roles, permissions) = store::given(tx, tenant, id).await?.ok_or_else(Problem::not_found)?;
        roles::within_own(&mut *tx, tenant, held, &roles, &permissions, "/roles").await?;
        let events = work(tx).await?;
        Ok(Audited::many((), events.into_iter().map(|event| event.by(actor))))
    })
    .await?;
    Ok(NoContent)
}
