//! `/api/v1/teams`

use serde::{Deserialize, Serialize};
use tenure_kernel::bus::Message;
use tenure_kernel::permission::{TeamRead, TeamWrite};
use tenure_kernel::{
    Audited, Authorized, Created, Json, NewEvent, NoContent, OnConstraint as _, Page, PageQuery, Path, Problem, Query,
    Result, Sample, TeamId, Timestamp, UserId,
};
use utoipa::ToSchema;

use super::event::TeamEvent;
use super::model::{Description, Team, TeamName};
use super::store;
use crate::app::Routes;
use crate::domain::quotas::{self, Quota};

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Teams")
        .get("/teams", list, "List teams, by name.")
        .post("/teams", create, "Create a team.\n\nTeams are counted: 403 `quota-exceeded` where the organisation has as many as its plan allows.")
        .get("/teams/{id}", get, "See a team.")
        .patch("/teams/{id}", update, "Rename a team, or describe it anew.")
        .delete("/teams/{id}", delete, "Delete a team.\n\nIts members stay members of the organisation. Refused with 409 while something is private to it.")
        .get("/teams/{id}/members", members, "See who is in a team, by user name.")
        .put("/teams/{id}/members/{user}", add_member, "Put a member of the organisation into a team.")
        .delete("/teams/{id}/members/{user}", remove_member, "Take a member out of a team.")
}

/// A team to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// 1 to 100 characters, unique in the organisation.
    name: String,
    /// What it is for; at most 1,000 characters.
    #[serde(default)]
    description: String,
}

impl Sample for NewTeam {
    fn sample() -> serde_json::Value {
        serde_json::json!({"name": "Field operations", "description": "Runs what must run"})
    }
}

/// What to change of a team.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamChange {
    /// Its new name.
    name: Option<String>,
    /// Its new description.
    description: Option<String>,
}

impl Sample for TeamChange {
    fn sample() -> serde_json::Value {
        serde_json::json!({"name": "Field operations"})
    }
}

/// Somebody in a team.
#[derive(Debug, Serialize, ToSchema)]
pub struct TeamMember {
    /// Who.
    pub id: UserId,
    /// Their user name.
    pub username: String,
    /// What they are called.
    pub full_name: String,
    /// Since when.
    pub added_at: Timestamp,
}

async fn list(cx: Authorized<TeamRead>, Query(page): Query<PageQuery>) -> Result<Json<Page<Team>>> {
    cx.read(async |tx| store::list(tx, &page).await).await.map(Json)
}

async fn get(cx: Authorized<TeamRead>, Path(id): Path<TeamId>) -> Result<Json<Team>> {
    cx.read(async |tx| Ok(tx.load::<Team>(id).await?.into_inner())).await.map(Json)
}

async fn create(cx: Authorized<TeamWrite>, Json(new): Json<NewTeam>) -> Result<Created<Team>> {
    let (name, description) = (TeamName::parse(&new.name)?, Description::parse(&new.description)?);
    let team = cx
        .write(async |tx| {
            let created = store::insert(tx, &name, &description).await?.audited(TeamEvent::CREATED);
            quotas::take(tx, Quota::Teams, 1).await?;
            Ok(created)
        })
        .await;
    let team = team.on_constraint("teams_name_key", name_taken)?;
    let location = format!("/api/v1/teams/{}", team.id);
    Ok(Created(team, Some(location)))
}

async fn update(
    cx: Authorized<TeamWrite>,
    Path(id): Path<TeamId>,
    Json(change): Json<TeamChange>,
) -> Result<Json<Team>> {
    let name = change.name.as_deref().map(TeamName::parse).transpose()?;
    let description = change.description.as_deref().map(Description::parse).transpose()?;
    let team = cx
        .write(async |tx| {
            let team = tx.load::<Team>(id).await?;
            Ok(store::update(tx, team, name, description).await?.audited(TeamEvent::UPDATED))
        })
        .await;
    team.on_constraint("teams_name_key", name_taken).map(Json)
}

async fn delete(cx: Authorized<TeamWrite>, Path(id): Path<TeamId>) -> Result<NoContent> {
    cx.write(async |tx| {
        let team = tx.load::<Team>(id).await?;
        let deleted = store::delete(tx, team).await?.audited(TeamEvent::DELETED).map(drop);
        quotas::give_back(tx, Quota::Teams, 1).await?;
        Ok(deleted)
    })
    .await
    .on_constraint("workflows_tenant_id_team_id_fkey", has_private)
    .on_constraint("secrets_team_fkey", has_private)
    .on_constraint("plugins_team_fkey", has_private)?;
    Ok(NoContent)
}

async fn members(
    cx: Authorized<TeamRead>,
    Path(id): Path<TeamId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<TeamMember>>> {
    let members = cx
        .read(async |tx| {
            let team = tx.load::<Team>(id).await?;
            store::members(tx, &team, &page).await
        })
        .await?;
    Ok(Json(members))
}

async fn add_member(cx: Authorized<TeamWrite>, Path((id, user)): Path<(TeamId, UserId)>) -> Result<NoContent> {
    cx.write(async |tx| {
        let team = tx.load::<Team>(id).await?;
        if !store::is_member_of_organization(tx, user).await? {
            return Err(Problem::not_found().into());
        }
        if !store::add_member(tx, &team, user).await? {
            return Ok(Audited::none("they were in the team already", ()));
        }
        // Which teams' private resources they see has changed.
        tx.announce(Message::UserChanged { user }).await?;
        Ok(Audited::of((), NewEvent::new(TeamEvent::MEMBER_ADDED, team.id.to_string()).detail("user", user)))
    })
    .await?;
    Ok(NoContent)
}

async fn remove_member(cx: Authorized<TeamWrite>, Path((id, user)): Path<(TeamId, UserId)>) -> Result<NoContent> {
    cx.write(async |tx| {
        let team = tx.load::<Team>(id).await?;
        if !store::remove_member(tx, &team, user).await? {
            return Err(Problem::not_found().into());
        }
        tx.announce(Message::UserChanged { user }).await?;
        Ok(Audited::of((), NewEvent::new(TeamEvent::MEMBER_REMOVED, team.id.to_string()).detail("user", user)))
    })
    .await?;
    Ok(NoContent)
}

/// They would become everybody's, or nobody's.
fn has_private() -> Problem {
    Problem::conflict("workflows, secrets or plugins are private to this team; move or delete them first")
}

fn name_taken() -> Problem {
    Problem::conflict("a team of this name exists already; choose another").field("/name", "is taken")
}
