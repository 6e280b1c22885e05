//! All SQL on `workflows` and `workflow_versions`.

use tenure_kernel::{
    Change, Load, Mode, Page, PageQuery, Permitted, Problem, Result, TeamId, TenantId, TenantTx, Timestamp, UserId,
    WorkflowId, Write,
};

use super::inspect::Inspected;
use super::model::{Author, Format, Message, StoredVersion, Workflow, WorkflowSummary, WorkflowVersion, hex};

struct Row {
    id: WorkflowId,
    name: String,
    description: Option<String>,
    team_id: Option<TeamId>,
    tags: Vec<String>,
    version: i32,
    digest: Vec<u8>,
    created_by: Option<UserId>,
    owner_id: Option<UserId>,
    created_at: Timestamp,
    updated_at: Timestamp,
    node_count: i32,
    author: Option<UserId>,
    author_name: Option<String>,
}

impl From<Row> for WorkflowSummary {
    fn from(row: Row) -> Self {
        let workflow = Workflow {
            id: row.id,
            name: row.name,
            description: row.description,
            team_id: row.team_id,
            tags: row.tags,
            version: row.version,
            digest: hex(&row.digest),
            created_by: row.created_by,
            owner_id: row.owner_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Self { workflow, node_count: row.node_count, updated_by: Author::new(row.author, row.author_name) }
    }
}

/// Which workflows a list shows.
#[derive(Debug, Default)]
pub(super) struct Filter<'a> {
    pub(super) id: Option<WorkflowId>,
    pub(super) search: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
}

/// The workflows that the actor may see: those of everybody, and those of their own teams.
async fn select<M: Mode>(
    tx: &mut TenantTx<M>,
    filter: &Filter<'_>,
    after: Option<(String, WorkflowId)>,
    rows: i64,
) -> Result<Vec<WorkflowSummary>> {
    let teams = tx.own_teams();
    let (name, id) = after.unzip();
    let rows = sqlx::query_as!(
        Row,
        r#"select w.id as "id: WorkflowId", w.name, w.description, w.team_id as "team_id: TeamId", w.tags,
                  w.latest_version as version, v.digest, w.created_by as "created_by: UserId", w.owner_id as "owner_id: UserId",
                  w.created_at, w.updated_at,
                  v.node_count, v.author as "author: UserId", m.full_name as "author_name?"
           from workflows w
           join workflow_versions v
             on v.tenant_id = w.tenant_id and v.workflow_id = w.id and v.version = w.latest_version
           left join memberships m on m.tenant_id = v.tenant_id and m.user_id = v.author
           where w.tenant_id = $1 and w.deleted_at is null and in_reach(w.team_id, $2)
             and ($3::uuid is null or w.id = $3)
             and ($4::text is null or position(lower($4) in lower(w.name || ' ' || coalesce(w.description, ''))) > 0)
             and ($5::text is null or $5 = any(w.tags))
             and ($6::text is null or (lower(w.name), w.id) > ($6, $7::uuid))
           order by lower(w.name), w.id limit $8"#,
        tx.tenant().uuid(),
        &teams,
        filter.id.map(WorkflowId::uuid),
        filter.search,
        filter.tag,
        name,
        id.map(WorkflowId::uuid),
        rows
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(WorkflowSummary::from).collect())
}

impl Load for Workflow {
    type Id = WorkflowId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: WorkflowId, lock: bool) -> Result<Option<Self>> {
        if lock {
            let tenant = tx.tenant().uuid();
            sqlx::query!(
                "select 1 as one from workflows where tenant_id = $1 and id = $2 for update",
                tenant,
                id.uuid()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        let filter = Filter { id: Some(id), ..Filter::default() };
        let found = select(tx, &filter, None, 1).await?;
        Ok(found.into_iter().next().map(|summary| summary.workflow))
    }
}

pub(super) async fn list<M: Mode>(
    tx: &mut TenantTx<M>,
    filter: &Filter<'_>,
    page: &PageQuery,
) -> Result<Page<WorkflowSummary>> {
    let found = select(tx, filter, page.after()?, page.rows()?).await?;
    page.page(found, |last| (last.workflow.name.to_lowercase(), last.workflow.id))
}

/// The workflow as lists show it.
pub(super) async fn summary<M: Mode>(tx: &mut TenantTx<M>, id: WorkflowId) -> Result<WorkflowSummary> {
    let filter = Filter { id: Some(id), ..Filter::default() };
    let found = select(tx, &filter, None, 1).await?.into_iter().next();
    found.ok_or_else(|| Problem::not_found().into())
}

/// A new workflow with its first version.
pub(super) async fn insert(
    tx: &mut TenantTx<Write>,
    inspected: &Inspected,
    team: Option<TeamId>,
    message: &Message,
) -> Result<Change<Workflow>> {
    let definition = inspected.draft.definition();
    let now = tx.now();
    let workflow = Workflow {
        id: tx.new_id(),
        name: definition.name.trim().to_owned(),
        description: definition.description.clone(),
        team_id: team,
        tags: definition.tags.clone(),
        version: 1,
        digest: hex(&inspected.draft.digest()),
        created_by: tx.cx().actor().user(),
        owner_id: tx.cx().actor().user(),
        created_at: now,
        updated_at: now,
    };
    sqlx::query!(
        "insert into workflows (tenant_id, id, name, description, team_id, tags, latest_version, created_by, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, 1, $7, $8, $8)",
        tx.tenant().uuid(),
        workflow.id.uuid(),
        workflow.name,
        workflow.description,
        team.map(TeamId::uuid),
        &workflow.tags,
        workflow.created_by.map(UserId::uuid),
        now
    )
    .execute(&mut *tx)
    .await?;
    insert_version(tx, &workflow, inspected, message).await?;
    Ok(Change::Created(workflow))
}

/// A new version of a workflow, which takes its name, description and tags from it.
pub(super) async fn add_version(
    tx: &mut TenantTx<Write>,
    workflow: Permitted<Workflow>,
    inspected: &Inspected,
    message: &Message,
) -> Result<Change<Workflow>> {
    let definition = inspected.draft.definition();
    let before = workflow.into_inner();
    let after = Workflow {
        name: definition.name.trim().to_owned(),
        description: definition.description.clone(),
        tags: definition.tags.clone(),
        version: before.version + 1,
        digest: hex(&inspected.draft.digest()),
        updated_at: tx.now(),
        ..before.clone()
    };
    sqlx::query!(
        "update workflows set name = $3, description = $4, tags = $5, latest_version = $6, updated_at = $7
         where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        after.id.uuid(),
        after.name,
        after.description,
        &after.tags,
        after.version,
        after.updated_at
    )
    .execute(&mut *tx)
    .await?;
    insert_version(tx, &after, inspected, message).await?;
    Ok(Change::Updated { before, after })
}

async fn insert_version(
    tx: &mut TenantTx<Write>,
    workflow: &Workflow,
    inspected: &Inspected,
    message: &Message,
) -> Result<()> {
    let digest = inspected.draft.digest();
    sqlx::query!(
        "insert into workflow_versions
             (tenant_id, workflow_id, version, definition, digest, source, format, node_count, author, message, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        tx.tenant().uuid(),
        workflow.id.uuid(),
        workflow.version,
        inspected.draft.canonical_json(),
        digest.as_slice(),
        inspected.source,
        inspected.format.as_str(),
        i32::try_from(inspected.draft.definition().nodes.len()).unwrap_or(i32::MAX),
        tx.cx().actor().user().map(UserId::uuid),
        message.0,
        workflow.updated_at
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Marks a workflow as deleted: its versions stay for the executions that ran them.
pub(super) async fn delete(tx: &mut TenantTx<Write>, workflow: Permitted<Workflow>) -> Result<Change<Workflow>> {
    let workflow = workflow.into_inner();
    sqlx::query!(
        "update workflows set deleted_at = $3 where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        workflow.id.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Deleted(workflow))
}

/// Makes the workflow private to a team, or everybody's.
pub(super) async fn set_team(
    tx: &mut TenantTx<Write>,
    workflow: Permitted<Workflow>,
    team: Option<TeamId>,
) -> Result<Change<Workflow>> {
    let before = workflow.into_inner();
    let after = Workflow { team_id: team, ..before.clone() };
    sqlx::query!(
        "update workflows set team_id = $3 where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        after.id.uuid(),
        team.map(TeamId::uuid)
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// The versions, newest first.
pub(super) async fn versions<M: Mode>(
    tx: &mut TenantTx<M>,
    workflow: &Permitted<Workflow>,
    page: &PageQuery,
) -> Result<Page<WorkflowVersion>> {
    let rows = sqlx::query!(
        r#"select v.version, v.message, v.author as "author: UserId", m.full_name as "author_name?", v.created_at as "created_at: Timestamp",
                  v.digest, v.node_count
           from workflow_versions v left join memberships m on m.tenant_id = v.tenant_id and m.user_id = v.author
           where v.tenant_id = $1 and v.workflow_id = $2 and ($3::integer is null or v.version < $3)
           order by v.version desc limit $4"#,
        tx.tenant().uuid(),
        workflow.id.uuid(),
        page.after::<i32>()?,
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    let versions = rows.into_iter().map(|row| WorkflowVersion {
        version: row.version,
        message: row.message,
        author: Author::new(row.author, row.author_name),
        created_at: row.created_at,
        digest: hex(&row.digest),
        node_count: row.node_count,
    });
    page.page(versions.collect(), |last| last.version)
}

/// One version with its text.
pub(super) async fn version<M: Mode>(
    tx: &mut TenantTx<M>,
    workflow: &Permitted<Workflow>,
    version: i32,
) -> Result<StoredVersion> {
    let row = sqlx::query!(
        r#"select v.version, v.message, v.author as "author: UserId", m.full_name as "author_name?", v.created_at as "created_at: Timestamp",
                  v.digest, v.node_count, v.definition, v.source, v.format
           from workflow_versions v left join memberships m on m.tenant_id = v.tenant_id and m.user_id = v.author
           where v.tenant_id = $1 and v.workflow_id = $2 and v.version = $3"#,
        tx.tenant().uuid(),
        workflow.id.uuid(),
        version
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(Problem::not_found)?;
    let version = WorkflowVersion {
        version: row.version,
        message: row.message,
        author: Author::new(row.author, row.author_name),
        created_at: row.created_at,
        digest: hex(&row.digest),
        node_count: row.node_count,
    };
    let format = if row.format == "json" { Format::Json } else { Format::Yaml };
    Ok(StoredVersion { version, definition: row.definition, source: row.source, format })
}

/// The canonical definition of a version, for whoever holds a reference to it (the engine, for an execution's row).
pub(super) async fn definition<'c>(
    executor: impl sqlx::PgExecutor<'c>,
    tenant: TenantId,
    workflow: WorkflowId,
    version: i32,
) -> Result<String> {
    let found = sqlx::query_scalar!(
        "select definition from workflow_versions where tenant_id = $1 and workflow_id = $2 and version = $3",
        tenant.uuid(),
        workflow.uuid(),
        version
    )
    .fetch_optional(executor)
    .await?;
    found.ok_or_else(|| Problem::not_found().into())
}
