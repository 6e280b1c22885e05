//! All SQL on `secrets` and `secret_grants`.

use std::collections::{BTreeMap, BTreeSet};

use tenure_kernel::{
    Audited, Change, Code, Error, ExecutionId, KeyId, Load, Mode, NewEvent, Page, PageQuery, Permitted, Personal,
    Problem, Result, Sealed, SecretId, TeamId, TenantTx, Timestamp, UserId, WorkflowId, Write,
};
use tenure_seal::SecretBytes;

use super::event::SecretEvent;
use super::model::{Editor, Grant, Secret, SecretDescription, SecretName, SecretValue};
use crate::domain::quotas::{self, Quota};

/// Where the sealed value stands: part of what it is authenticated with.
const SEALED: (&str, &str) = ("secrets", "value");

/// A row without the value.
struct Row {
    id: SecretId,
    name: String,
    description: String,
    version: i32,
    team_id: Option<TeamId>,
    key_id: KeyId,
    created_at: Timestamp,
    updated_at: Timestamp,
    editor_id: Option<UserId>,
    editor_name: Option<String>,
    grants: Vec<WorkflowId>,
}

impl From<Row> for Secret {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            version: u32::try_from(row.version).unwrap_or(0),
            team_id: row.team_id,
            grants: row.grants.into_iter().map(|id| Grant { id }).collect(),
            key_id: row.key_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
            updated_by: row.editor_id.zip(row.editor_name).map(|(id, name)| Editor { id, name: Personal(name) }),
        }
    }
}

impl Load for Secret {
    type Id = SecretName;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, name: SecretName, lock: bool) -> Result<Option<Self>> {
        let tenant = tx.tenant().uuid();
        if lock {
            sqlx::query!(
                "select 1 as one from secrets where tenant_id = $1 and name = $2 for update",
                tenant,
                name.as_str()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        find(tx, &name).await
    }
}

/// The secret of this name, if the actor may see it.
async fn find<M: Mode>(tx: &mut TenantTx<M>, name: &SecretName) -> Result<Option<Secret>> {
    let teams = tx.own_teams();
    let row = sqlx::query_as!(
        Row,
        r#"select s.id as "id: SecretId", s.name, s.description, s.version, s.team_id as "team_id: TeamId", s.key_id as "key_id: KeyId", s.created_at,
               s.updated_at, m.user_id as "editor_id?: UserId", m.username as "editor_name?",
               array(select g.workflow_id from secret_grants g
                     join workflows w on w.tenant_id = g.tenant_id and w.id = g.workflow_id
                     where g.tenant_id = s.tenant_id and g.secret_id = s.id and in_reach(w.team_id, $3)
                     order by g.workflow_id) as "grants!: Vec<WorkflowId>"
           from secrets s left join memberships m on m.tenant_id = s.tenant_id and m.user_id = s.updated_by
           where s.tenant_id = $1 and s.name = $2 and in_reach(s.team_id, $3)"#,
        tx.tenant().uuid(),
        name.as_str(),
        &teams
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(Secret::from))
}

pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>, page: &PageQuery) -> Result<Page<Secret>> {
    let after: Option<String> = page.after()?;
    let teams = tx.own_teams();
    let rows = sqlx::query_as!(
        Row,
        r#"select s.id as "id: SecretId", s.name, s.description, s.version, s.team_id as "team_id: TeamId", s.key_id as "key_id: KeyId", s.created_at,
               s.updated_at, m.user_id as "editor_id?: UserId", m.username as "editor_name?",
               array(select g.workflow_id from secret_grants g
                     join workflows w on w.tenant_id = g.tenant_id and w.id = g.workflow_id
                     where g.tenant_id = s.tenant_id and g.secret_id = s.id and in_reach(w.team_id, $4)
                     order by g.workflow_id) as "grants!: Vec<WorkflowId>"
           from secrets s left join memberships m on m.tenant_id = s.tenant_id and m.user_id = s.updated_by
           where s.tenant_id = $1 and ($2::text is null or s.name > $2) and in_reach(s.team_id, $4)
           order by s.name limit $3"#,
        tx.tenant().uuid(),
        after,
        page.rows()?,
        &teams
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows.into_iter().map(Secret::from).collect(), |secret| secret.name.clone())
}

/// Creates the secret, or replaces the value of the one of this name. Without a description the old one stays.
///
/// # Errors
/// The constraint `secrets_name_key` where another transaction creates it at the same moment; PostgreSQL's.
pub(super) async fn set(
    tx: &mut TenantTx<Write>,
    name: &SecretName,
    value: &SecretValue,
    description: Option<&SecretDescription>,
    team: Option<TeamId>,
) -> Result<Change<Secret>> {
    let before = Secret::load(tx, name.clone(), true).await?;
    if before.is_none() && is_hidden(tx, name).await? {
        return Err(Problem::not_found().into());
    }
    if before.as_ref().is_some_and(|secret| team.is_some() && secret.team_id != team) {
        let detail = "is not the team that the secret is private to; leave it out, or move the secret first";
        return Err(Problem::invalid("/team_id", detail).into());
    }
    let id = before.as_ref().map_or_else(|| tx.new_id(), |secret| secret.id);
    let keys = tx.keys().await?;
    let sealed = keys.seal(SEALED.0, SEALED.1, id.uuid(), value.expose())?;
    let (held, bytes) = (bytes_of(tx, id).await?, sealed.as_bytes().len() as u64);
    sqlx::query!(
        "insert into secrets as s (tenant_id, id, name, description, version, value, key_id, created_at, updated_at, updated_by, team_id)
         values ($1, $2, $3, coalesce($4, ''), 1, $5, $6, $7, $7, $8, $9)
         on conflict (tenant_id, id) do update set description = coalesce($4, s.description), version = s.version + 1,
             value = excluded.value, key_id = excluded.key_id, updated_at = excluded.updated_at,
             updated_by = excluded.updated_by",
        tx.tenant().uuid(),
        id.uuid(),
        name.as_str(),
        description.map(|description| description.0.as_str()),
        sealed as Sealed,
        keys.data_id().uuid(),
        tx.now(),
        tx.cx().actor().user().map(UserId::uuid),
        team.map(TeamId::uuid)
    )
    .execute(&mut *tx)
    .await?;
    let after = written(tx, name).await?;
    match bytes.checked_sub(held) {
        Some(more) => quotas::take(tx, Quota::StorageBytes, more).await?,
        None => quotas::give_back(tx, Quota::StorageBytes, held - bytes).await?,
    }
    Ok(match before {
        None => Change::Created(after),
        Some(before) => Change::Updated { before, after },
    })
}

async fn written(tx: &mut TenantTx<Write>, name: &SecretName) -> Result<Secret> {
    find(tx, name).await?.ok_or_else(|| Error::internal("a secret that was just written is not there"))
}

/// Whether a secret of this name is there that the actor may not see.
async fn is_hidden(tx: &mut TenantTx<Write>, name: &SecretName) -> Result<bool> {
    let there = sqlx::query_scalar!(
        r#"select exists (select from secrets where tenant_id = $1 and name = $2) as "there!""#,
        tx.tenant().uuid(),
        name.as_str()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(there)
}

/// Makes the secret private to a team, or everybody's. Grants to workflows that could not use it then end.
pub(super) async fn set_team(
    tx: &mut TenantTx<Write>,
    secret: Permitted<Secret>,
    team: Option<TeamId>,
) -> Result<Change<Secret>> {
    let before = secret.into_inner();
    let (tenant, id, now) = (tx.tenant().uuid(), before.id.uuid(), tx.now());
    sqlx::query!(
        "update secrets set team_id = $3, updated_at = $4 where tenant_id = $1 and id = $2",
        tenant,
        id,
        team.map(TeamId::uuid),
        now
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from secret_grants g using workflows w
         where g.tenant_id = $1 and g.secret_id = $2 and w.tenant_id = g.tenant_id and w.id = g.workflow_id
           and not may_use($3, w.team_id)",
        tenant,
        id,
        team.map(TeamId::uuid)
    )
    .execute(&mut *tx)
    .await?;
    let name = SecretName::parse(&before.name)?;
    let after = written(tx, &name).await?;
    Ok(Change::Updated { before, after })
}

/// How much the sealed value of this secret takes; nothing where there is none yet.
async fn bytes_of(tx: &mut TenantTx<Write>, id: SecretId) -> Result<u64> {
    let bytes = sqlx::query_scalar!(
        r#"select octet_length(value) as "bytes!" from secrets where tenant_id = $1 and id = $2"#,
        tx.tenant().uuid(),
        id.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
}

pub(super) async fn delete(tx: &mut TenantTx<Write>, secret: Permitted<Secret>) -> Result<Change<Secret>> {
    let secret = secret.into_inner();
    let held = bytes_of(tx, secret.id).await?;
    sqlx::query!("delete from secrets where tenant_id = $1 and id = $2", tx.tenant().uuid(), secret.id.uuid())
        .execute(&mut *tx)
        .await?;
    quotas::give_back(tx, Quota::StorageBytes, held).await?;
    Ok(Change::Deleted(secret))
}

/// Lets these workflows use the secret, and no others that the actor sees.
///
/// # Errors
/// 422 where one of them is not there, is out of the actor's sight, or may not use what is private to the secret's team.
pub(super) async fn set_grants(
    tx: &mut TenantTx<Write>,
    secret: Permitted<Secret>,
    workflows: &BTreeSet<WorkflowId>,
) -> Result<Change<Secret>> {
    let before = secret.into_inner();
    let (tenant, id) = (tx.tenant().uuid(), before.id.uuid());
    let ids: Vec<_> = workflows.iter().map(|id| id.uuid()).collect();
    let teams = tx.own_teams();
    let fitting = sqlx::query_scalar!(
        r#"select count(*) as "count!" from workflows where tenant_id = $1 and id = any($2) and in_reach(team_id, $3) and may_use($4, team_id)"#,
        tenant,
        &ids,
        &teams,
        before.team_id.map(TeamId::uuid)
    )
    .fetch_one(&mut *tx)
    .await?;
    if usize::try_from(fitting).is_ok_and(|fitting| fitting < ids.len()) {
        let detail =
            "one of them is no workflow of this organisation, or may not use what is private to the secret's team";
        return Err(Problem::invalid("/workflow_ids", detail).into());
    }
    sqlx::query!(
        "delete from secret_grants g using workflows w
         where g.tenant_id = $1 and g.secret_id = $2 and g.workflow_id <> all($3::uuid[])
           and w.tenant_id = g.tenant_id and w.id = g.workflow_id and in_reach(w.team_id, $4)",
        tenant,
        id,
        &ids,
        &teams
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into secret_grants (tenant_id, secret_id, workflow_id, granted_at)
         select $1, $2, w.id, $4 from unnest($3::uuid[]) as w (id)
         on conflict (tenant_id, secret_id, workflow_id) do nothing",
        tenant,
        id,
        &ids,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    let after = Secret { grants: workflows.iter().map(|id| Grant { id: *id }).collect(), ..before.clone() };
    Ok(Change::Updated { before, after })
}

/// The names of the secrets that this workflow may use: what its definition is validated against.
///
/// # Errors
/// PostgreSQL's.
pub async fn granted_names<M: Mode>(tx: &mut TenantTx<M>, workflow: WorkflowId) -> Result<BTreeSet<String>> {
    let names = sqlx::query_scalar!(
        "select s.name from secret_grants g join secrets s on s.tenant_id = g.tenant_id and s.id = g.secret_id
         join workflows w on w.tenant_id = g.tenant_id and w.id = g.workflow_id
         where g.tenant_id = $1 and g.workflow_id = $2 and may_use(s.team_id, w.team_id)",
        tx.tenant().uuid(),
        workflow.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(names.into_iter().collect())
}

/// Opens the secrets of these names for a step of an execution: all of them, or none. Each opening is an event
/// (`secret.opened`, with workflow, execution and version), which goes with the value: the caller's transaction returns
/// the [`Audited`] (`cx.read_audited(async |tx| secrets::resolve(tx, …).await)`), or nothing is opened.
///
/// # Errors
/// 403 `denied` with the member `secrets` naming those that do not exist or are not granted to the workflow (nobody can
/// tell which); an internal error where a value was tampered with or its key is gone.
pub async fn resolve<M: Mode>(
    tx: &mut TenantTx<M>,
    workflow: WorkflowId,
    execution: ExecutionId,
    names: &BTreeSet<String>,
) -> Result<Audited<BTreeMap<String, SecretBytes>>> {
    let wanted: Vec<String> = names.iter().cloned().collect();
    let rows = sqlx::query!(
        r#"select s.id as "id: SecretId", s.name, s.version, s.value
           from secret_grants g join secrets s on s.tenant_id = g.tenant_id and s.id = g.secret_id
           join workflows w on w.tenant_id = g.tenant_id and w.id = g.workflow_id
           where g.tenant_id = $1 and g.workflow_id = $2 and s.name = any($3) and may_use(s.team_id, w.team_id)"#,
        tx.tenant().uuid(),
        workflow.uuid(),
        &wanted
    )
    .fetch_all(&mut *tx)
    .await?;
    let missing: Vec<&String> = names.iter().filter(|name| !rows.iter().any(|row| row.name == **name)).collect();
    if !missing.is_empty() {
        return Err(not_granted(&missing).into());
    }
    let keys = tx.keys().await?;
    let mut values = BTreeMap::new();
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        values.insert(row.name, keys.open(SEALED.0, SEALED.1, row.id.uuid(), &row.value)?);
        let opened = NewEvent::new(SecretEvent::OPENED, row.id.to_string())
            .detail("workflow", workflow)
            .detail("execution", execution)
            .detail("version", row.version);
        events.push(opened);
    }
    Ok(Audited::many(values, events))
}

fn not_granted(missing: &[&String]) -> Problem {
    let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
    let detail = format!(
        "this workflow may not use {}: set the secret and grant it to the workflow, under Secrets",
        names.join(", ")
    );
    Problem::new(Code::Denied, detail).with("secrets", names)
}

/// The secrets that are granted to the workflow and that one of this team could not use, by name. They are held until the
/// transaction ends: none becomes private to a team meanwhile.
///
/// # Errors
/// PostgreSQL's.
pub async fn not_usable_by(
    tx: &mut TenantTx<Write>,
    workflow: WorkflowId,
    team: Option<TeamId>,
) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"select s.name, may_use(s.team_id, $3) as "usable!" from secret_grants g
           join secrets s on s.tenant_id = g.tenant_id and s.id = g.secret_id
           where g.tenant_id = $1 and g.workflow_id = $2 order by s.name for share of s"#,
        tx.tenant().uuid(),
        workflow.uuid(),
        team.map(TeamId::uuid)
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().filter(|row| !row.usable).map(|row| row.name).collect())
}
