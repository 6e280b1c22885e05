//! The SQL of an offboarding, over the tables of several domains; that on approvals that change hands is in
//! `approvals_store.rs`.

use tenure_kernel::{
    InvitationId, KeyId, Mode, PluginId, Result, SystemTx, TeamId, TenantId, TenantTx, UserId, WorkflowId, Write,
};

use super::model::{Asset, AssetList};

/// How many of a kind are shown.
const SHOWN: i64 = 100;

/// Whoever looks sees no names of what is private to other teams; it is counted all the same.
pub(super) async fn workflows<M: Mode>(tx: &mut TenantTx<M>, owner: UserId) -> Result<AssetList> {
    let teams = tx.own_teams();
    let tenant = tx.tenant().uuid();
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from workflows where tenant_id = $1 and owner_id = $2 and deleted_at is null"#,
        tenant,
        owner.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    let rows = sqlx::query!(
        r#"select id as "id: WorkflowId", name from workflows
           where tenant_id = $1 and owner_id = $2 and deleted_at is null and in_reach(team_id, $3)
           order by lower(name), id limit $4"#,
        tenant,
        owner.uuid(),
        &teams,
        SHOWN
    )
    .fetch_all(&mut *tx)
    .await?;
    let items = rows.into_iter().map(|row| Asset { id: row.id.to_string(), name: row.name }).collect();
    Ok(AssetList { total, items })
}

pub(super) async fn plugins<M: Mode>(tx: &mut TenantTx<M>, owner: UserId) -> Result<AssetList> {
    let teams = tx.own_teams();
    let tenant = tx.tenant().uuid();
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from plugins where tenant_id = $1 and owner_id = $2 and deleted_at is null"#,
        tenant,
        owner.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    let rows = sqlx::query!(
        r#"select id as "id: PluginId", name from plugins
           where tenant_id = $1 and owner_id = $2 and deleted_at is null and in_reach(team_id, $3) order by name limit $4"#,
        tenant,
        owner.uuid(),
        &teams,
        SHOWN
    )
    .fetch_all(&mut *tx)
    .await?;
    let items = rows.into_iter().map(|row| Asset { id: row.id.to_string(), name: row.name }).collect();
    Ok(AssetList { total, items })
}

/// Keys that work: those that act for them, or those of service accounts for which they answer.
pub(super) async fn keys<M: Mode>(tx: &mut TenantTx<M>, owner: UserId, of_accounts: bool) -> Result<AssetList> {
    let rows = sqlx::query!(
        r#"select id as "id: KeyId", name, count(*) over () as "total!" from api_keys
           where tenant_id = $1 and (not $2 and user_id = $3 or $2 and answerable = $3)
             and revoked_at is null and (expires_at is null or expires_at > $4) and (retires_at is null or retires_at > $4)
           order by name, id limit $5"#,
        tx.tenant().uuid(),
        of_accounts,
        owner.uuid(),
        tx.now(),
        SHOWN
    )
    .fetch_all(&mut *tx)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let items = rows.into_iter().map(|row| Asset { id: row.id.to_string(), name: row.name }).collect();
    Ok(AssetList { total, items })
}

pub(super) async fn teams<M: Mode>(tx: &mut TenantTx<M>, member: UserId) -> Result<AssetList> {
    let rows = sqlx::query!(
        r#"select t.id as "id: TeamId", t.name, count(*) over () as "total!"
           from team_members m join teams t on t.tenant_id = m.tenant_id and t.id = m.team_id
           where m.tenant_id = $1 and m.user_id = $2 order by lower(t.name) limit $3"#,
        tx.tenant().uuid(),
        member.uuid(),
        SHOWN
    )
    .fetch_all(&mut *tx)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let items = rows.into_iter().map(|row| Asset { id: row.id.to_string(), name: row.name }).collect();
    Ok(AssetList { total, items })
}

/// Open requests for approval that name them, by whichever of their names, and on which they have not decided; executions of theirs that are not over.
pub(super) async fn open_work<M: Mode>(tx: &mut TenantTx<M>, user: UserId) -> Result<(i64, i64)> {
    let tenant = tx.tenant().uuid();
    let approvals = sqlx::query_scalar!(
        r#"select count(*) as "count!" from approvals a join memberships m on m.tenant_id = a.tenant_id and m.user_id = $2
           where a.tenant_id = $1 and a.state = 'pending' and (a.expires_at is null or a.expires_at > $4)
             and exists (
                 select from jsonb_array_elements_text(a.approvers -> 'users') as person
                 where lower(person) in (lower(m.username), lower(m.email), $3))
             and not exists (
                 select from approval_decisions d where d.tenant_id = $1 and d.approval_id = a.id and d.user_id = $2)"#,
        tenant,
        user.uuid(),
        user.to_string(),
        tx.now()
    )
    .fetch_one(&mut *tx)
    .await?;
    // What is not over has its row in the queue.
    let executions = sqlx::query_scalar!(
        r#"select count(*) as "count!" from jobs j join executions e on e.tenant_id = j.tenant_id and e.id = j.id
           where j.tenant_id = $1 and e.requested_by = $2"#,
        tenant,
        user.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok((approvals, executions))
}

/// Invitations of theirs whose link works.
pub(super) async fn invitations<M: Mode>(tx: &mut TenantTx<M>, by: UserId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from invitations
           where tenant_id = $1 and invited_by = $2 and status = 'open' and expires_at > $3"#,
        tx.tenant().uuid(),
        by.uuid(),
        tx.now()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(count)
}

/// Sessions of theirs in this organisation that have not ended.
pub(super) async fn sessions(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from sessions where user_id = $1 and tenant_id = $2 and revoked_at is null and expires_at > $3"#,
        user.uuid(),
        tenant.uuid(),
        tx.now()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(count)
}

/// Gives what they own to somebody else, also what is private to teams.
pub(super) async fn transfer(
    tx: &mut TenantTx<Write>,
    from: UserId,
    to: UserId,
) -> Result<(Vec<WorkflowId>, Vec<PluginId>)> {
    let tenant = tx.tenant().uuid();
    let workflows = sqlx::query_scalar!(
        r#"update workflows set owner_id = $3 where tenant_id = $1 and owner_id = $2 and deleted_at is null returning id as "id: WorkflowId""#,
        tenant,
        from.uuid(),
        to.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let plugins = sqlx::query_scalar!(
        r#"update plugins set owner_id = $3 where tenant_id = $1 and owner_id = $2 and deleted_at is null returning id as "id: PluginId""#,
        tenant,
        from.uuid(),
        to.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok((workflows, plugins))
}

/// Has somebody else answer for what the service accounts' keys start for which they do; the keys that have not been revoked.
pub(super) async fn hand_over_keys(tx: &mut TenantTx<Write>, from: UserId, to: UserId) -> Result<Vec<KeyId>> {
    let keys = sqlx::query!(
        r#"update api_keys set answerable = $3 where tenant_id = $1 and answerable = $2
           returning id as "id: KeyId", revoked_at is null as "stands!""#,
        tx.tenant().uuid(),
        from.uuid(),
        to.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(keys.into_iter().filter(|key| key.stands).map(|key| key.id).collect())
}

/// Revokes the keys that act for them.
pub(super) async fn revoke_keys(tx: &mut TenantTx<Write>, owner: UserId) -> Result<Vec<KeyId>> {
    let keys = sqlx::query_scalar!(
        r#"update api_keys set revoked_at = $3, updated_at = $3 where tenant_id = $1 and user_id = $2 and revoked_at is null
           returning id as "id: KeyId""#,
        tx.tenant().uuid(),
        owner.uuid(),
        tx.now()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(keys)
}

/// Takes their invitations back. One that has run out stays: who sends it again invites.
pub(super) async fn revoke_invitations(tx: &mut TenantTx<Write>, by: UserId) -> Result<Vec<InvitationId>> {
    let invitations = sqlx::query_scalar!(
        r#"update invitations set status = 'revoked', updated_at = $3
           where tenant_id = $1 and invited_by = $2 and status = 'open' and expires_at > $3 returning id as "id: InvitationId""#,
        tx.tenant().uuid(),
        by.uuid(),
        tx.now()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(invitations)
}

pub(super) async fn leave_teams(tx: &mut TenantTx<Write>, member: UserId) -> Result<Vec<TeamId>> {
    let teams = sqlx::query_scalar!(
        r#"delete from team_members where tenant_id = $1 and user_id = $2 returning team_id as "team: TeamId""#,
        tx.tenant().uuid(),
        member.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(teams)
}
