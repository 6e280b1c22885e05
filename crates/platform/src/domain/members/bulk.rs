//! `POST /api/v1/users/bulk`: one change of many members at once, under the rules of each single one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::event::Outcome;
use tenure_kernel::permission::{RoleAssign, UserWrite};
use tenure_kernel::{
    All, Audited, Authorized, Error, Json, NewEvent, OnConstraint as _, PermissionSet, Problem, Result, Sample,
    TenantTx, UserId, Write,
};
use utoipa::ToSchema;

use super::event::MemberEvent;
use super::http::{last_admin, may_become};
use super::model::{Member, MemberStatus};
use super::store::{self, NewStanding};
use crate::app::Routes;
use crate::domain::access::SystemRole;
use crate::domain::roles;

/// One request changes so many people: a transaction holds their rows.
const MOST: usize = 200;

/// The route.
pub fn routes() -> Routes {
    Routes::new("Members").post("/users/bulk", change, "Change the status or roles of up to 200 members at once.\n\nEach is judged by itself under the rules of a single change, and the answer says of each what came of it: who is refused does not stop the others. The last administrator stays.")
}

/// What to change, and of whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkChange {
    /// 1 to 200 members.
    users: Vec<UserId>,
    /// Their new status: `active`, `locked` or `deactivated`.
    status: Option<MemberStatus>,
    /// Roles to give to each.
    #[serde(default)]
    add_roles: Vec<String>,
    /// Roles to take from each.
    #[serde(default)]
    remove_roles: Vec<String>,
}

impl Sample for BulkChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"users": ["usr_01jd0000000000000000000000"], "add_roles": ["viewer"]})
    }
}

/// What came of a change of many.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct BulkResult {
    /// How many were changed.
    changed: usize,
    /// How many were so already.
    unchanged: usize,
    /// How many were refused.
    refused: usize,
    /// Each person, in the order of the request without repeats.
    results: Vec<BulkOutcome>,
}

/// What came of it for one person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BulkOutcome {
    /// Who.
    user: UserId,
    /// What came of it.
    outcome: BulkVerdict,
    /// Why it was refused.
    detail: Option<String>,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BulkVerdict {
    /// They are as was asked for, now.
    Changed,
    /// They were before.
    Unchanged,
    /// They stay as they were.
    Refused,
}

/// A change that was read.
struct Wanted {
    status: Option<MemberStatus>,
    add: Vec<String>,
    remove: Vec<String>,
}

async fn change(
    cx: Authorized<All<(UserWrite, RoleAssign)>>,
    Json(change): Json<BulkChange>,
) -> Result<Json<BulkResult>> {
    let (users, wanted) = parse(change)?;
    let held = cx.cx().identity.permissions;
    let done = cx
        .write(async |tx| {
            let tenant = tx.tenant();
            roles::within_own(&mut *tx, tenant, held, &wanted.add, &[], "/add_roles").await?;
            let mut admins: BTreeSet<UserId> = store::lock_with_admins(tx, &users).await?.into_iter().collect();
            let mut told = Audited::many(BulkResult::default(), []);
            for (index, user) in users.iter().enumerate() {
                let outside = |error| not_a_member(error, index);
                let member = tx.load::<Member>(*user).await.map_err(outside)?;
                let standing = standing(&member, &wanted);
                if standing == (member.status, member.roles.clone()) {
                    told = noted(told, *user, BulkVerdict::Unchanged, None);
                    continue;
                }
                if let Err(problem) = allow(tx, held, &member, &standing, &admins).await? {
                    let event = refused(*user, &problem);
                    told = noted(told, *user, BulkVerdict::Refused, Some(problem.detail.to_string())).also(event);
                    continue;
                }
                if governs(standing.0, &standing.1) {
                    admins.insert(*user)
                } else {
                    admins.remove(user)
                };
                let new = NewStanding { status: Some(standing.0), roles: Some(standing.1), ..NewStanding::default() };
                let changed = store::update(tx, member, new).await?.audited(MemberEvent::UPDATED);
                tx.announce(Message::UserChanged { user: *user }).await?;
                told = noted(told.and(changed).map(|(result, _)| result), *user, BulkVerdict::Changed, None);
            }
            Ok(told)
        })
        .await;
    let gone = || Problem::invalid("/add_roles", "one of them was deleted meanwhile");
    done.on_constraint("memberships_roles_exist", gone).map(Json)
}

fn parse(change: BulkChange) -> Result<(Vec<UserId>, Wanted)> {
    if change.users.is_empty() || change.users.len() > MOST {
        return Err(Problem::invalid("/users", format!("must be 1 to {MOST} members")).into());
    }
    if change.status == Some(MemberStatus::Invited) {
        return Err(Problem::invalid("/status", "must be active, locked or deactivated").into());
    }
    let add = roles::parse_names(&change.add_roles, "/add_roles")?;
    let remove = roles::parse_names(&change.remove_roles, "/remove_roles")?;
    if let Some(both) = add.iter().find(|name| remove.contains(name)) {
        return Err(Problem::invalid("/remove_roles", format!("`{both}` is to be given and taken")).into());
    }
    if change.status.is_none() && add.is_empty() && remove.is_empty() {
        return Err(Problem::invalid("", "say what to change: status, add_roles or remove_roles").into());
    }
    let mut seen = BTreeSet::new();
    let users = change.users.into_iter().filter(|user| seen.insert(*user)).collect();
    Ok((users, Wanted { status: change.status, add, remove }))
}

/// The list that was chosen from says who is a member, so that somebody else is a mistake of the whole request.
fn not_a_member(error: Error, index: usize) -> Error {
    match error {
        Error::Problem(problem) if problem.code == tenure_kernel::Code::NotFound => {
            Problem::invalid(format!("/users/{index}"), "is no member of this organisation").into()
        }
        other => other,
    }
}

/// Status and roles as they are to be.
fn standing(member: &Member, wanted: &Wanted) -> (MemberStatus, Vec<String>) {
    let kept = member.roles.iter().filter(|name| !wanted.remove.contains(name));
    let all: BTreeSet<String> = kept.chain(&wanted.add).cloned().collect();
    (wanted.status.unwrap_or(member.status), all.into_iter().collect())
}

fn governs(status: MemberStatus, roles: &[String]) -> bool {
    status == MemberStatus::Active && roles.iter().any(|name| name == SystemRole::Admin.as_str())
}

/// The rules of a single change; the inner error is this person's alone.
async fn allow(
    tx: &mut TenantTx<Write>,
    held: PermissionSet,
    member: &Member,
    (status, new_roles): &(MemberStatus, Vec<String>),
    admins: &BTreeSet<UserId>,
) -> Result<Result<(), Problem>> {
    let tenant = tx.tenant();
    let judged = async {
        roles::within_own(&mut *tx, tenant, held, &member.roles, &member.permissions, "/roles").await?;
        roles::parse_names(new_roles, "/add_roles")?;
        if *status != member.status {
            may_become(member, *status)?;
        }
        if admins.contains(&member.id) && admins.len() == 1 && !governs(*status, new_roles) {
            return Err(last_admin().into());
        }
        Ok(())
    };
    match judged.await {
        Ok(()) => Ok(Ok(())),
        Err(Error::Problem(problem)) => Ok(Err(*problem)),
        Err(other) => Err(other),
    }
}

fn refused(user: UserId, problem: &Problem) -> NewEvent {
    NewEvent::new(MemberEvent::CHANGE_REFUSED, user.to_string()).outcome(Outcome::Denied, problem.code.as_str())
}

fn noted(told: Audited<BulkResult>, user: UserId, outcome: BulkVerdict, detail: Option<String>) -> Audited<BulkResult> {
    told.map(|mut result| {
        match outcome {
            BulkVerdict::Changed => result.changed += 1,
            BulkVerdict::Unchanged => result.unchanged += 1,
            BulkVerdict::Refused => result.refused += 1,
        }
        result.results.push(BulkOutcome { user, outcome, detail });
        result
    })
}
