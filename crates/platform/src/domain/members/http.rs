//! `/api/v1/users`

use axum::extract::State;
use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{RoleAssign, RoleRead, UserRead, UserWrite};
use tenure_kernel::{
    All, Audited, Authorized, Created, Json, OnConstraint as _, Page, Path, Problem, Query, Result, Sample,
    SystemReason, UserId,
};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::add::add;
use super::bulk;
use super::event::MemberEvent;
use super::explain::{Explanation, explain};
use super::filter::MemberFilter;
use super::listing;
use super::logins;
use super::model::{Attributes, Member, MemberStatus, parse_attributes};
use super::store::{self, NewStanding};
use crate::app::{App, Routes};
use crate::domain::access::SystemRole;
use crate::domain::identity::{self, Email, NewPerson, PasswordRules, Username};
use crate::domain::roles;
use crate::domain::tenancy;

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Members")
        .get("/users", list, "List the members of the organisation, by user name unless `sort` says otherwise.")
        .post("/users", create, "Add a person to the organisation.\n\nA new address becomes a new person with this password, who agrees to be a member by logging in with it, and then chooses another. An address that is known here gets a pending membership that its owner must accept. Both are `invited` until then, and the answer is the same.")
        .get("/users/{id}", get, "See a member.")
        .get("/permissions/explain", explained, "Say what a member may do, and why, permission by permission.")
        .patch("/users/{id}", update, "Change a member's status, roles, single permissions or attributes.\n\nTakes effect on every node within a second; locking and deactivating end their logins. Nobody gives a role that holds more than they hold, and the last administrator stays.")
        .merge(super::rates::routes())
        .merge(logins::routes())
        .merge(bulk::routes())
}

/// A person to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// Address.
    email: String,
    /// User name.
    username: String,
    /// What they are called.
    full_name: String,
    /// Their first password, at least 12 characters. It opens nothing but its own change.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// Names of roles; `viewer` unless told.
    #[serde(default)]
    roles: Vec<String>,
}

impl Sample for NewMember {
    fn sample() -> serde_json::Value {
        serde_json::json!({
            "email": "grace@example.com", "username": "grace", "full_name": "Grace Hopper", "password": "a loud yellow morning",
            "roles": ["viewer"]
        })
    }
}

/// What to change of a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberChange {
    /// The new status: `active`, `locked` or `deactivated`; until they have agreed, `invited` or `deactivated`.
    status: Option<MemberStatus>,
    /// The new roles, all of them.
    roles: Option<Vec<String>>,
    /// The new single permissions beside the roles', all of them.
    permissions: Option<Vec<String>>,
    /// The new attributes, all of them.
    attributes: Option<Attributes>,
}

impl Sample for MemberChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"roles": ["viewer"]})
    }
}

async fn list(cx: Authorized<UserRead>, Query(filter): Query<MemberFilter>) -> Result<Json<Page<Member>>> {
    cx.read(async |tx| listing::list(tx, &filter).await).await.map(Json)
}

async fn get(cx: Authorized<UserRead>, Path(id): Path<UserId>) -> Result<Json<Member>> {
    cx.read(async |tx| Ok(tx.load::<Member>(id).await?.into_inner())).await.map(Json)
}

/// Whose permissions to explain.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// The member.
    user: UserId,
}

async fn explained(
    cx: Authorized<All<(UserRead, RoleRead)>>,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<Explanation>> {
    let (member, roles) = cx
        .read(async |tx| {
            let member = tx.load::<Member>(query.user).await?.into_inner();
            let tenant = tx.tenant();
            let roles = roles::of_names(&mut *tx, tenant, &member.roles).await?;
            Ok((member, roles))
        })
        .await?;
    let tenant = cx.tenant();
    let in_the_way = cx
        .kernel()
        .system(SystemReason::ManagePeople)
        .run(async |tx| {
            let found = identity::in_the_way(tx, tenant, query.user).await?;
            Ok(Audited::none("asks what is in the way of a member's logins", found))
        })
        .await?;
    Ok(Json(explain(member, &roles, in_the_way)))
}

async fn create(
    cx: Authorized<All<(UserWrite, RoleAssign)>>,
    State(app): State<App>,
    Json(new): Json<NewMember>,
) -> Result<Created<Member>> {
    let roles = roles::parse_names(&new.roles, "/roles")?;
    let roles = if roles.is_empty() { vec![SystemRole::Viewer.as_str().to_owned()] } else { roles };
    let (tenant, held) = (cx.tenant(), cx.cx().identity.permissions);
    // In a transaction of its own, so that a refusal costs no hash.
    let organization = cx
        .kernel()
        .system(SystemReason::ManagePeople)
        .run(async |tx| {
            roles::within_own(&mut *tx, tenant, held, &roles, &[], "/roles").await?;
            Ok(Audited::none("asks what roles permit", tenancy::store::password_policy(tx, tenant).await?))
        })
        .await;
    let organization = match organization {
        Ok(organization) => organization,
        Err(error) => return Err(cx.refused(error).await),
    };
    let (username, email) = (Username::parse(&new.username, "/username")?, Email::parse(&new.email, "/email")?);
    let full_name = identity::parse_name(&new.full_name, "/full_name")?;
    let rules = PasswordRules::new(username.as_str(), email.as_str(), &full_name).within(&organization);
    let password = rules.parse(&new.password, "/password")?;
    // Hashed in either case: the time must not tell whether the address is known.
    let person =
        NewPerson { username, email, full_name, password_hash: app.passwords.hash(password).await?, must_change: true };
    let added = cx
        .write_across(SystemReason::ManagePeople, async |tx| {
            Ok(add(tx, cx.tenant(), &person, roles, Attributes::new()).await?.map(|added| added.member))
        })
        .await;
    let member = added.on_constraint("memberships_roles_exist", role_is_gone)?;
    let location = format!("/api/v1/users/{}", member.id);
    Ok(Created(member, Some(location)))
}

async fn update(
    cx: Authorized<All<(UserWrite, RoleAssign)>>,
    Path(id): Path<UserId>,
    Json(change): Json<MemberChange>,
) -> Result<Json<Member>> {
    let new = NewStanding {
        status: change.status,
        roles: change.roles.as_deref().map(|names| roles::parse_names(names, "/roles")).transpose()?,
        permissions: change.permissions.as_deref().map(kept).transpose()?,
        attributes: change.attributes,
    };
    new.attributes.as_ref().map(parse_attributes).transpose()?;
    let held = cx.cx().identity.permissions;
    let updated = cx
        .write(async |tx| {
            // In the order in which everybody locks members: two changes at once would wait for each other.
            store::lock_with_admins(tx, &[id]).await?;
            let (tenant, member) = (tx.tenant(), tx.load::<Member>(id).await?);
            // Neither what is given nor what is taken away may go beyond what the actor holds.
            roles::within_own(&mut *tx, tenant, held, &member.roles, &member.permissions, "/roles").await?;
            let wanted = new.roles.as_deref().unwrap_or_default();
            let single = new.permissions.as_deref().unwrap_or_default();
            roles::within_own(&mut *tx, tenant, held, wanted, single, "/roles").await?;
            if let Some(wanted) = new.status {
                may_become(&member, wanted)?;
            }
            let change = store::update(tx, member, new.clone()).await?;
            if store::active_admins(tx).await?.is_empty() {
                return Err(last_admin().into());
            }
            tx.announce(Message::UserChanged { user: id }).await?;
            Ok(change.audited(MemberEvent::UPDATED))
        })
        .await;
    updated.on_constraint("memberships_roles_exist", role_is_gone).map(Json)
}

/// What a member has beside their roles grows with its wildcards, as roles do.
fn kept(permissions: &[String]) -> Result<Vec<String>> {
    Ok(roles::parse_permissions(permissions, "/permissions")?.as_written())
}

pub(super) fn last_admin() -> Problem {
    let detail = "the last administrator of an organisation cannot be removed; make somebody else administrator first";
    Problem::conflict(detail)
}

fn role_is_gone() -> Problem {
    Problem::invalid("/roles", "one of them was deleted meanwhile")
}

/// Nobody becomes a member without their own consent, by whatever detour, and nobody who gave it is asked again.
pub(super) fn may_become(member: &Member, wanted: MemberStatus) -> Result<()> {
    match (wanted, member.accepted) {
        (MemberStatus::Deactivated, _) => Ok(()),
        (MemberStatus::Active | MemberStatus::Locked, true) | (MemberStatus::Invited, false) => Ok(()),
        (MemberStatus::Active | MemberStatus::Locked, false) => Err(Problem::conflict(
            "this person has not agreed to be a member yet; they become active by accepting, and can only be deactivated until then",
        )
        .into()),
        (MemberStatus::Invited, true) => {
            Err(Problem::conflict("this person is a member already; only active, locked or deactivated").into())
        }
    }
}
