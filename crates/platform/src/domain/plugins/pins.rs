//! The versions that an execution keeps: what its references meant when it was let in, whatever is activated, deprecated or
//! deleted afterwards.

use std::collections::BTreeMap;

use semver::Version;
use serde::Serialize;
use tenure_kernel::{Error, ExecutionId, Mode, PluginId, Result, TeamId, TenantTx, Write};
use tenure_workflow::nodes::PluginReference;
use utoipa::ToSchema;

use super::catalog::{ResolvedPlugin, full_name, latest, pinned, resolve};

/// A plugin that an execution runs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PinnedPlugin {
    /// As the definition names it: `acme/classify@^1`.
    pub reference: String,
    /// Which plugin.
    pub plugin_id: PluginId,
    /// In which version.
    pub version: String,
    /// SHA-256 of the version's manifest and source, in hexadecimal.
    pub digest: String,
}

fn text(reference: &PluginReference) -> String {
    format!("{}@{}", full_name(reference), reference.range)
}

/// Writes down which versions the references mean now. What nothing fits is left to the step that names it.
///
/// # Errors
/// PostgreSQL's.
pub async fn pin(
    tx: &mut TenantTx<Write>,
    execution: ExecutionId,
    team: Option<TeamId>,
    references: &[PluginReference],
) -> Result<()> {
    let references: BTreeMap<String, &PluginReference> =
        references.iter().map(|reference| (text(reference), reference)).collect();
    for (name, reference) in references {
        let Some((id, version)) = latest(tx, reference, team).await? else { continue };
        sqlx::query!(
            "insert into execution_plugins (tenant_id, execution_id, reference, plugin_id, version, digest)
             select v.tenant_id, $4, $5, v.plugin_id, v.version, v.digest from plugin_versions v
             where v.tenant_id = $1 and v.plugin_id = $2 and v.version = $3",
            tx.tenant().uuid(),
            id.uuid(),
            version.to_string(),
            execution.uuid(),
            name
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// The version that the execution keeps for this reference; where it has none, the highest active one.
///
/// # Errors
/// PostgreSQL's; a fault of ours where the version is not what was written down.
pub async fn kept<M: Mode>(
    tx: &mut TenantTx<M>,
    execution: ExecutionId,
    reference: &PluginReference,
) -> Result<Option<ResolvedPlugin>> {
    let row = sqlx::query!(
        r#"select x.plugin_id as "id: PluginId", x.version, x.digest, may_use(p.team_id, w.team_id) as "usable!"
           from execution_plugins x
           join plugins p on p.tenant_id = x.tenant_id and p.id = x.plugin_id
           join executions e on e.tenant_id = x.tenant_id and e.id = x.execution_id
           join workflows w on w.tenant_id = e.tenant_id and w.id = e.workflow_id
           where x.tenant_id = $1 and x.execution_id = $2 and x.reference = $3"#,
        tx.tenant().uuid(),
        execution.uuid(),
        text(reference)
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        let team = team_of(tx, execution).await?;
        return resolve(tx, reference, team).await;
    };
    // It may have become another team's since.
    if !row.usable {
        return Ok(None);
    }
    let version = Version::parse(&row.version).map_err(Error::internal)?;
    let plugin = pinned(tx, row.id, &version).await?;
    if plugin.digest.as_slice() != row.digest {
        return Err(Error::internal(format!("{}@{version} is not what the execution began with", plugin.name)));
    }
    Ok(Some(plugin))
}

/// The team that the execution's workflow is private to.
async fn team_of<M: Mode>(tx: &mut TenantTx<M>, execution: ExecutionId) -> Result<Option<TeamId>> {
    let team = sqlx::query_scalar!(
        r#"select w.team_id as "team: TeamId" from executions e
           join workflows w on w.tenant_id = e.tenant_id and w.id = e.workflow_id
           where e.tenant_id = $1 and e.id = $2"#,
        tx.tenant().uuid(),
        execution.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(team.flatten())
}

/// All that an execution keeps.
///
/// # Errors
/// PostgreSQL's.
pub async fn pins<M: Mode>(tx: &mut TenantTx<M>, execution: ExecutionId) -> Result<Vec<PinnedPlugin>> {
    let rows = sqlx::query!(
        r#"select reference, plugin_id as "plugin_id: PluginId", version, digest from execution_plugins
           where tenant_id = $1 and execution_id = $2 order by reference"#,
        tx.tenant().uuid(),
        execution.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let pin = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(rows
        .into_iter()
        .map(|row| PinnedPlugin {
            reference: row.reference,
            plugin_id: row.plugin_id,
            version: row.version,
            digest: pin(&row.digest),
        })
        .collect())
}
