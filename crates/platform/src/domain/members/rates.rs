//! `/api/v1/users/{id}/rate-limit`

use tenure_kernel::permission::{UserRead, UserWrite};
use tenure_kernel::{Audited, Authorized, Json, Path, Result, UserId};

use super::model::Member;
use crate::app::Routes;
use crate::domain::rate_limits::{MemberLimit, MemberLimitEvent, RateLimit, store};
use crate::domain::roles;

/// Routes of members' limits.
pub(super) fn routes() -> Routes {
    Routes::new("Rate limits")
        .get("/users/{id}/rate-limit", get, "See how many requests a member may make.")
        .put("/users/{id}/rate-limit", set, "Set how many requests a member may make.\n\nNull is what the installation says. Takes effect on every node within a second. Nobody limits who may do more than they may.")
}

async fn get(cx: Authorized<UserRead>, Path(id): Path<UserId>) -> Result<Json<MemberLimit>> {
    let limit = cx
        .read(async |tx| {
            let member = tx.load::<Member>(id).await?;
            store::of_member(tx, member.id).await
        })
        .await?;
    Ok(Json(limit))
}

async fn set(
    cx: Authorized<UserWrite>,
    Path(id): Path<UserId>,
    Json(limit): Json<RateLimit>,
) -> Result<Json<MemberLimit>> {
    let held = cx.cx().identity.permissions;
    let limit = cx
        .write(async |tx| {
            let (tenant, member) = (tx.tenant(), tx.load::<Member>(id).await?);
            // Who is limited to one request a minute is as good as locked out.
            roles::within_own(&mut *tx, tenant, held, &member.roles, &member.permissions, "/roles").await?;
            let bounds = store::bounds(tx, cx.kernel().limiter().rates()).await?;
            let limit = limit.check(&bounds, "")?;
            let before = store::of_member(tx, id).await?;
            if before.limit() == limit {
                return Ok(Audited::none("it was set to the same before", before));
            }
            Ok(store::set_of_member(tx, id, limit).await?.audited(MemberLimitEvent::SET))
        })
        .await?;
    Ok(Json(limit))
}
