//! `/api/v1/users`

use axum::extract::State;
use serde::Deserialize;
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{RoleAssign, UserRead, UserWrite};
use tenure_kernel::{
    All, Audited, Authorized, Code, Created, Json, NewEvent, OnConstraint as _, Page, PageQuery, Path, PermissionSet,
    Personal, Problem, Query, Result, Sample, SystemReason, Timestamp, UserId,
};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::event::MemberEvent;
use super::model::{Member, MemberStatus};
use super::store;
use crate::app::{App, Routes};
use crate::domain::access::{self, SystemRole};
use crate::domain::identity::{self, Email, NewPerson, User, UserEvent, Username};

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Members")
        .get("/users", list, "List the members of the organisation, by user name.")
        .post("/users", create, "Add a person to the organisation.\n\nA new address becomes a new person with this password. An address that is known here gets a pending membership that its owner must accept; the answer is the same.")
        .get("/users/{id}", get, "See a member.")
        .patch("/users/{id}", update, "Change a member's status or roles.\n\nTakes effect on every node within a second. Nobody gives a role that holds more than they hold, and the last administrator stays.")
}

/// Which members to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MemberFilter {
    /// Only of this status.
    status: Option<MemberStatus>,
    /// Only with this role.
    role: Option<String>,
    /// Part of the user name, the address or the name.
    search: Option<String>,
    /// How many at most, 1 to 200.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
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
    /// Their first password, at least 12 characters.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// Names of roles; `viewer` unless told.
    #[serde(default)]
    roles: Vec<SystemRole>,
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
    /// The new status: `active`, `locked` or `deactivated`.
    status: Option<MemberStatus>,
    /// The new roles, all of them.
    roles: Option<Vec<SystemRole>>,
}

impl Sample for MemberChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"roles": ["viewer"]})
    }
}

async fn list(cx: Authorized<UserRead>, Query(filter): Query<MemberFilter>) -> Result<Json<Page<Member>>> {
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor };
    cx.read(async |tx| store::list(tx, &page, filter.status, filter.role.as_deref(), filter.search.as_deref()).await)
        .await
        .map(Json)
}

async fn get(cx: Authorized<UserRead>, Path(id): Path<UserId>) -> Result<Json<Member>> {
    cx.read(async |tx| Ok(tx.load::<Member>(id).await?.into_inner())).await.map(Json)
}

async fn create(
    cx: Authorized<All<(UserWrite, RoleAssign)>>,
    State(app): State<App>,
    Json(new): Json<NewMember>,
) -> Result<Created<Member>> {
    let roles = names(if new.roles.is_empty() { &[SystemRole::Viewer] } else { &new.roles });
    within_own(cx.cx().identity.permissions, &roles)?;
    let (username, email) = (Username::parse(&new.username, "/username")?, Email::parse(&new.email, "/email")?);
    let full_name = identity::parse_name(&new.full_name, "/full_name")?;
    let password = identity::parse_password(&new.password, "/password", &[username.as_str(), email.as_str()])?;
    // Hashed in either case: the time must not tell whether the address is known.
    let person = NewPerson { username, email, full_name, password_hash: app.passwords.hash(password).await? };
    let tenant = cx.tenant();
    let member = cx
        .kernel()
        .system(SystemReason::ManagePeople)
        .by(*cx.cx().actor())
        .from(&cx.cx().origin)
        .run(async |tx| {
            tx.enter(tenant).await?;
            let known = identity::find_person(tx, person.email.as_str()).await?;
            let (user, status, event) = match known {
                // What the administrator typed, not what is stored elsewhere: a known person's profile is theirs to show.
                Some(known) => (User { id: known.user.id, ..typed(&person, tx.now()) }, MemberStatus::Invited, None),
                None => {
                    let created =
                        identity::insert_person(tx, &person).await.on_constraint("users_username_key", || {
                            Problem::conflict("this user name is taken; choose another")
                        })?;
                    let user = created.audited(UserEvent::CREATED);
                    (user.value().clone(), MemberStatus::Active, Some(user))
                }
            };
            if !identity::insert_membership(tx, tenant, &user, status.as_str(), &roles).await? {
                return Err(Problem::conflict("this person is a member of the organisation already").into());
            }
            let member = Member {
                id: user.id,
                username: user.username.clone(),
                email: user.email.clone(),
                full_name: user.full_name.clone(),
                // The same for both, on purpose.
                status: MemberStatus::Active,
                roles: roles.clone(),
                permissions: Vec::new(),
                created_at: tx.now(),
                updated_at: tx.now(),
            };
            let added = NewEvent::new(MemberEvent::ADDED, user.id.to_string()).detail("roles", &roles);
            Ok(match event {
                Some(user) => user.map(|_| member).also(added),
                None => Audited::of(member, added),
            })
        })
        .await?;
    let location = format!("/api/v1/users/{}", member.id);
    Ok(Created(member, Some(location)))
}

async fn update(
    cx: Authorized<All<(UserWrite, RoleAssign)>>,
    Path(id): Path<UserId>,
    Json(change): Json<MemberChange>,
) -> Result<Json<Member>> {
    if change.status == Some(MemberStatus::Invited) {
        return Err(
            Problem::invalid("/status", "a member cannot be made invited; only active, locked or deactivated").into()
        );
    }
    let roles = change.roles.as_deref().map(names);
    let held = cx.cx().identity.permissions;
    let member = cx
        .write(async |tx| {
            let member = tx.load::<Member>(id).await?;
            // Neither what is given nor what is taken away may go beyond what the actor holds.
            within_own(held, &member.roles)?;
            if let Some(roles) = &roles {
                within_own(held, roles)?;
            }
            if member.status == MemberStatus::Invited && change.status == Some(MemberStatus::Active) {
                return Err(Problem::conflict("an invited person becomes active by accepting the invitation").into());
            }
            let change = store::update(tx, member, change.status, roles).await?;
            if store::active_admins(tx).await?.is_empty() {
                return Err(Problem::conflict("the last administrator of an organisation cannot be removed; make somebody else administrator first").into());
            }
            tx.announce(Message::UserChanged { user: id }).await?;
            Ok(change.audited(MemberEvent::UPDATED))
        })
        .await?;
    Ok(Json(member))
}

fn typed(person: &NewPerson, now: Timestamp) -> User {
    User {
        id: UserId::new(now),
        username: Personal(person.username.as_str().to_owned()),
        email: Personal(person.email.as_str().to_owned()),
        full_name: Personal(person.full_name.clone()),
        created_at: now,
    }
}

fn names(roles: &[SystemRole]) -> Vec<String> {
    let mut names: Vec<String> = roles.iter().map(|role| role.as_str().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Nobody gives, or takes, a permission that they do not hold.
fn within_own(held: PermissionSet, roles: &[String]) -> Result<()> {
    let missing = access::effective(roles, &[]).missing_from(held);
    if missing.is_empty() {
        return Ok(());
    }
    let detail = format!("these roles hold permissions that you do not hold: {missing}");
    Err(Problem::new(Code::PermissionDenied, detail).with("permission", missing.to_string()).into())
}
