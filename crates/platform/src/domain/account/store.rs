//! What an organisation's tables say of one person, over several domains.

use serde::Serialize;
use tenure_kernel::{
    ApprovalId, ExecutionId, ImportId, InvitationId, KeyId, Mode, PluginId, Result, SecretId, TeamId, TenantTx,
    Timestamp, UserId, WorkflowId,
};
use utoipa::ToSchema;
use uuid::Uuid;

/// One of their API keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnKey {
    /// Identifier.
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// From where it may be used.
    pub allowed_cidrs: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_address: Option<String>,
}

/// Something that names them.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnRecord {
    /// What it is: `workflow`, `execution` …
    pub kind: String,
    /// Identifier.
    pub id: String,
    /// What it is called, where it has a name that they may see.
    pub name: Option<String>,
    /// What they have to do with it: `created`, `owns`, `asked for`, `answers for` …
    pub relation: String,
    /// When.
    pub at: Timestamp,
}

pub(super) async fn keys<M: Mode>(tx: &mut TenantTx<M>, user: UserId) -> Result<Vec<OwnKey>> {
    let keys = sqlx::query_as!(
        OwnKey,
        r#"select id as "id: KeyId", name, scopes, allowed_cidrs, created_at, expires_at, revoked_at, last_used_at, last_used_address
           from api_keys where tenant_id = $1 and user_id = $2 order by created_at desc"#,
        tx.tenant().uuid(),
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(keys)
}

/// Newest first. The names of what is private to teams that they are not in any more are left out. Each column that names
/// people (`offboarding::PERSON_COLUMNS`) is here, in [`keys`] or in what the installation tells of the person; a test asks for
/// each.
pub(super) async fn records<M: Mode>(tx: &mut TenantTx<M>, user: UserId, most: i64) -> Result<Vec<OwnRecord>> {
    let teams = tx.own_teams();
    let rows = sqlx::query!(
        r#"select kind as "kind!", id as "id!", name, relation as "relation!", at as "at!" from (
               select 'workflow' as kind, id, case when in_reach(team_id, $3) then name end as name, 'created' as relation, created_at as at
               from workflows where tenant_id = $1 and created_by = $2
               union all
               select 'workflow', id, case when in_reach(team_id, $3) then name end, 'owns', created_at
               from workflows where tenant_id = $1 and owner_id = $2 and deleted_at is null
               union all
               select 'workflow', workflow_id, 'version ' || version, 'saved', created_at from workflow_versions where tenant_id = $1 and author = $2
               union all
               select 'plugin', id, case when in_reach(team_id, $3) then name end, 'created', created_at
               from plugins where tenant_id = $1 and created_by = $2
               union all
               select 'plugin', id, case when in_reach(team_id, $3) then name end, 'owns', created_at
               from plugins where tenant_id = $1 and owner_id = $2 and deleted_at is null
               union all
               select 'plugin', plugin_id, 'version ' || version, 'uploaded', created_at from plugin_versions where tenant_id = $1 and created_by = $2
               union all
               select 'secret', id, case when in_reach(team_id, $3) then name end, 'set', updated_at
               from secrets where tenant_id = $1 and updated_by = $2
               union all
               select 'execution', id, null, 'asked for', created_at from executions where tenant_id = $1 and requested_by = $2
               union all
               select 'execution', id, null, 'answers for', created_at from executions where tenant_id = $1 and answerable = $2
               union all
               select 'approval', id, null, 'asked for', created_at from approvals where tenant_id = $1 and requested_by = $2
               union all
               select 'approval', id, null, 'answers for', created_at from approvals where tenant_id = $1 and answerable = $2
               union all
               select 'approval', approval_id, comment, decision, decided_at from approval_decisions where tenant_id = $1 and user_id = $2
               union all
               select 'team', team_id, null, 'member', added_at from team_members where tenant_id = $1 and user_id = $2
               union all
               select 'api-key', id, name, 'created', created_at from api_keys where tenant_id = $1 and created_by = $2
               union all
               select 'api-key', id, name, 'answers for', created_at from api_keys where tenant_id = $1 and answerable = $2
               union all
               select 'invitation', id, null, 'sent', created_at from invitations where tenant_id = $1 and invited_by = $2
               union all
               select 'invitation', id, null, 'accepted', updated_at from invitations where tenant_id = $1 and accepted_by = $2
               union all
               select case kind when 'roles' then 'role-import' when 'api_keys' then 'api-key-import' else 'user-import' end, id, null, 'handed in', created_at
               from user_imports where tenant_id = $1 and created_by = $2
               union all
               select 'user-import', i.id, 'line ' || l.line, 'is named in', i.created_at
               from user_import_lines l join user_imports i on i.tenant_id = l.tenant_id and i.id = l.import_id
               where l.tenant_id = $1 and l.user_id = $2
               union all
               select 'rate-limit', user_id, null, 'is limited by', updated_at from member_rate_limits where tenant_id = $1 and user_id = $2
           ) as found order by at desc, id limit $4"#,
        tx.tenant().uuid(),
        user.uuid(),
        &teams,
        most
    )
    .fetch_all(&mut *tx)
    .await?;
    let record = |kind: String, id, name, relation, at| OwnRecord { id: written(&kind, id), kind, name, relation, at };
    Ok(rows.into_iter().map(|row| record(row.kind, row.id, row.name, row.relation, row.at)).collect())
}

/// The identifier as the API writes it.
fn written(kind: &str, id: Uuid) -> String {
    match kind {
        "workflow" => WorkflowId::from_uuid(id).to_string(),
        "plugin" => PluginId::from_uuid(id).to_string(),
        "secret" => SecretId::from_uuid(id).to_string(),
        "execution" => ExecutionId::from_uuid(id).to_string(),
        "approval" => ApprovalId::from_uuid(id).to_string(),
        "team" => TeamId::from_uuid(id).to_string(),
        "api-key" => KeyId::from_uuid(id).to_string(),
        "invitation" => InvitationId::from_uuid(id).to_string(),
        "rate-limit" => UserId::from_uuid(id).to_string(),
        "user-import" | "role-import" | "api-key-import" => ImportId::from_uuid(id).to_string(),
        _ => id.to_string(),
    }
}
