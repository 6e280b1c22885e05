//! All SQL on `teams` and `team_members`.

use tenure_kernel::{Change, Load, Mode, Page, PageQuery, Permitted, Result, TeamId, TenantTx, UserId, Write};

use super::http::TeamMember;
use super::model::{Description, Team, TeamName};

impl Load for Team {
    type Id = TeamId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: TeamId, lock: bool) -> Result<Option<Self>> {
        let tenant = tx.tenant().uuid();
        if lock {
            sqlx::query!("select 1 as one from teams where tenant_id = $1 and id = $2 for update", tenant, id.uuid())
                .fetch_optional(&mut *tx)
                .await?;
        }
        let team = sqlx::query_as!(
            Team,
            r#"select id as "id: TeamId", name, description, created_at, updated_at from teams where tenant_id = $1 and id = $2"#,
            tenant,
            id.uuid()
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(team)
    }
}

pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>, page: &PageQuery) -> Result<Page<Team>> {
    let after: Option<(String, TeamId)> = page.after()?;
    let (name, id) = after.unzip();
    let teams = sqlx::query_as!(
        Team,
        r#"select id as "id: TeamId", name, description, created_at, updated_at from teams
           where tenant_id = $1 and ($2::text is null or (lower(name), id) > ($2, $3::uuid))
           order by lower(name), id limit $4"#,
        tx.tenant().uuid(),
        name,
        id.map(TeamId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(teams, |team| (team.name.to_lowercase(), team.id))
}

pub(super) async fn insert(
    tx: &mut TenantTx<Write>,
    name: &TeamName,
    description: &Description,
) -> Result<Change<Team>> {
    let now = tx.now();
    let team = Team {
        id: tx.new_id(),
        name: name.0.clone(),
        description: description.0.clone(),
        created_at: now,
        updated_at: now,
    };
    sqlx::query!(
        "insert into teams (tenant_id, id, name, description, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)",
        tx.tenant().uuid(),
        team.id.uuid(),
        team.name,
        team.description,
        now
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Created(team))
}

pub(super) async fn update(
    tx: &mut TenantTx<Write>,
    team: Permitted<Team>,
    name: Option<TeamName>,
    description: Option<Description>,
) -> Result<Change<Team>> {
    let before = team.into_inner();
    let after = Team {
        name: name.map_or_else(|| before.name.clone(), |name| name.0),
        description: description.map_or_else(|| before.description.clone(), |description| description.0),
        updated_at: tx.now(),
        ..before.clone()
    };
    sqlx::query!(
        "update teams set name = $3, description = $4, updated_at = $5 where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        after.id.uuid(),
        after.name,
        after.description,
        after.updated_at
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

pub(super) async fn delete(tx: &mut TenantTx<Write>, team: Permitted<Team>) -> Result<Change<Team>> {
    let team = team.into_inner();
    sqlx::query!("delete from teams where tenant_id = $1 and id = $2", tx.tenant().uuid(), team.id.uuid())
        .execute(&mut *tx)
        .await?;
    Ok(Change::Deleted(team))
}

/// Adds a member of the organisation; `false` if they are in the team already.
pub(super) async fn add_member(tx: &mut TenantTx<Write>, team: &Permitted<Team>, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "insert into team_members (tenant_id, team_id, user_id, added_at)
         select tenant_id, $2, user_id, $4 from memberships where tenant_id = $1 and user_id = $3
         on conflict (tenant_id, team_id, user_id) do nothing",
        tx.tenant().uuid(),
        team.id.uuid(),
        user.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn is_member_of_organization(tx: &mut TenantTx<Write>, user: UserId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        "select user_id from memberships where tenant_id = $1 and user_id = $2",
        tx.tenant().uuid(),
        user.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(found.is_some())
}

/// Takes a member out; `false` if they were not in the team.
pub(super) async fn remove_member(tx: &mut TenantTx<Write>, team: &Permitted<Team>, user: UserId) -> Result<bool> {
    let done = sqlx::query!(
        "delete from team_members where tenant_id = $1 and team_id = $2 and user_id = $3",
        tx.tenant().uuid(),
        team.id.uuid(),
        user.uuid()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn members<M: Mode>(
    tx: &mut TenantTx<M>,
    team: &Permitted<Team>,
    page: &PageQuery,
) -> Result<Page<TeamMember>> {
    let (name, id) = page.after::<(String, UserId)>()?.unzip();
    let members = sqlx::query_as!(
        TeamMember,
        r#"select m.user_id as "id: UserId", m.username, m.full_name, t.added_at
           from team_members t join memberships m on m.tenant_id = t.tenant_id and m.user_id = t.user_id
           where t.tenant_id = $1 and t.team_id = $2
             and ($3::text is null or (lower(m.username), m.user_id) > ($3, $4::uuid))
           order by lower(m.username), m.user_id limit $5"#,
        tx.tenant().uuid(),
        team.id.uuid(),
        name,
        id.map(UserId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(members, |member| (member.username.to_lowercase(), member.id))
}
