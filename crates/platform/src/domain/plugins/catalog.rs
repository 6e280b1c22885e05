//! The plugins that workflows can name, and which workflows do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::Version;
use serde::Serialize;
use tenure_kernel::{Error, Mode, PluginId, Problem, Result, TeamId, TenantTx, WorkflowId, Write};
use tenure_sandbox::PythonLimits;
use tenure_workflow::nodes::PluginReference;
use tenure_workflow::sensitive::SensitiveSchema;
use tenure_workflow::validate::{self, Resolution};
use utoipa::ToSchema;

use super::manifest::{Capability, Manifest, TENURE};

/// So many names are looked through for one that was probably meant.
const MAX_NAMES: i64 = 2_000;

/// The tenant's plugins: every name, and the active versions of those that are asked for.
#[derive(Debug, Default)]
pub struct Catalog(BTreeMap<String, Vec<Version>>);

/// `publisher/name`
pub(super) fn full_name(reference: &PluginReference) -> String {
    format!("{}/{}", reference.publisher, reference.name)
}

impl Catalog {
    /// What the validator must know to judge these references in a workflow that is private to `team`, or to nobody.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn load<M: Mode>(
        tx: &mut TenantTx<M>,
        references: &[&PluginReference],
        team: Option<TeamId>,
    ) -> Result<Self> {
        let mut catalog = Self::default();
        if references.is_empty() {
            return Ok(catalog);
        }
        let names: Vec<String> = references.iter().map(|reference| full_name(reference)).collect();
        let rows = sqlx::query!(
            r#"select p.name, v.version as "version?" from plugins p
               left join plugin_versions v on v.tenant_id = p.tenant_id and v.plugin_id = p.id
                 and v.status = 'active' and p.name = any($2)
               where p.tenant_id = $1 and p.deleted_at is null and may_use(p.team_id, $4)
               order by p.name = any($2) desc, p.name limit $3"#,
            tx.tenant().uuid(),
            &names,
            MAX_NAMES,
            team.map(TeamId::uuid)
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in rows {
            let versions = catalog.0.entry(row.name).or_default();
            versions.extend(row.version.and_then(|version| Version::parse(&version).ok()));
        }
        for versions in catalog.0.values_mut() {
            versions.sort_unstable_by(|a, b| b.cmp(a));
        }
        Ok(catalog)
    }

    fn similar(&self, reference: &PluginReference) -> Option<String> {
        let wanted = full_name(reference);
        let near = |name: &&String| strsim::damerau_levenshtein(name, &wanted) <= wanted.len() / 3;
        let name = self.0.keys().filter(near).min_by_key(|name| strsim::damerau_levenshtein(name, &wanted))?;
        Some(format!("{name}@{}", reference.range))
    }
}

impl validate::Catalog for Catalog {
    fn resolve(&self, reference: &PluginReference) -> Resolution {
        match self.0.get(&full_name(reference)) {
            None => Resolution::UnknownPlugin { similar: self.similar(reference) },
            Some(versions) if versions.iter().any(|version| reference.range.matches(version)) => Resolution::Found,
            Some(versions) => Resolution::NoVersion { versions: versions.iter().map(Version::to_string).collect() },
        }
    }
}

/// Writes which plugins a workflow's new version names, so that none of them is deleted under it.
///
/// # Errors
/// 409 where one of them was deleted since the definition was judged.
pub async fn remember_uses(
    tx: &mut TenantTx<Write>,
    workflow: WorkflowId,
    version: i32,
    team: Option<TeamId>,
    references: &[&PluginReference],
) -> Result<()> {
    let names: BTreeSet<String> = references.iter().map(|reference| full_name(reference)).collect();
    let names: Vec<String> = names.into_iter().collect();
    if names.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant().uuid();
    let held = sqlx::query_scalar!(
        "select name from plugins where tenant_id = $1 and name = any($2) and deleted_at is null and may_use(team_id, $3) for share",
        tenant,
        &names,
        team.map(TeamId::uuid)
    )
    .fetch_all(&mut *tx)
    .await?;
    if held.len() < names.len() {
        return Err(Problem::conflict(
            "a plugin that the workflow uses was deleted at the same time; validate it again",
        )
        .into());
    }
    sqlx::query!(
        "insert into workflow_plugin_uses (tenant_id, workflow_id, version, plugin_name) select $1, $2, $3, unnest($4::text[])",
        tenant,
        workflow.uuid(),
        version,
        &names
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The plugins that this version names and that a workflow of this team could not use, by name. They are held until the transaction
/// ends: none becomes private to a team meanwhile.
///
/// # Errors
/// PostgreSQL's.
pub async fn not_usable_by(
    tx: &mut TenantTx<Write>,
    workflow: WorkflowId,
    version: i32,
    team: Option<TeamId>,
) -> Result<Vec<String>> {
    let rows = sqlx::query!(
        r#"select p.name, may_use(p.team_id, $4) as "usable!" from workflow_plugin_uses u
           join plugins p on p.tenant_id = u.tenant_id and p.name = u.plugin_name and p.deleted_at is null
           where u.tenant_id = $1 and u.workflow_id = $2 and u.version = $3 order by p.name for share of p"#,
        tx.tenant().uuid(),
        workflow.uuid(),
        version,
        team.map(TeamId::uuid)
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().filter(|row| !row.usable).map(|row| row.name).collect())
}

/// A workflow that names a plugin in its newest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PluginUser {
    /// The workflow.
    pub id: WorkflowId,
    /// Its name.
    pub name: String,
}

/// Who uses a plugin: the workflows that the actor may see, and how many others there are.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub(super) visible: Vec<PluginUser>,
    pub(super) hidden: usize,
}

/// Who uses each of these plugins.
pub(super) async fn users<M: Mode>(tx: &mut TenantTx<M>, names: &[String]) -> Result<BTreeMap<String, Users>> {
    let teams = tx.own_teams();
    let rows = sqlx::query!(
        r#"select u.plugin_name, w.id as "id: WorkflowId", w.name, in_reach(w.team_id, $3) as "visible!"
           from workflow_plugin_uses u join workflows w
             on w.tenant_id = u.tenant_id and w.id = u.workflow_id and w.latest_version = u.version
           where u.tenant_id = $1 and u.plugin_name = any($2) and w.deleted_at is null
           order by lower(w.name), w.id"#,
        tx.tenant().uuid(),
        names,
        &teams
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut users: BTreeMap<String, Users> = BTreeMap::new();
    for row in rows {
        let of_plugin = users.entry(row.plugin_name).or_default();
        if row.visible {
            of_plugin.visible.push(PluginUser { id: row.id, name: row.name });
        } else {
            of_plugin.hidden += 1;
        }
    }
    Ok(users)
}

/// A version of a plugin as the engine runs it. An execution records plugin, version and digest, and keeps them.
#[derive(Debug, Clone)]
pub struct ResolvedPlugin {
    /// The plugin.
    pub id: PluginId,
    /// `publisher/name`.
    pub name: String,
    /// Which version.
    pub version: Version,
    /// SHA-256 of manifest and source.
    pub digest: [u8; 32],
    /// Python that defines `execute(state, config)`.
    pub source: Arc<str>,
    /// Whether a trusted publisher signed it; signing comes in a later release.
    pub signed: bool,
    /// What it was granted.
    pub capabilities: Vec<Capability>,
    /// Its limits, none above the platform's.
    pub limits: PythonLimits,
    /// What its manifest's `outputs` marks as sensitive.
    pub sensitive: SensitiveSchema,
}

/// The highest active version in the range that a workflow of this team may use, if there is one.
///
/// # Errors
/// PostgreSQL's.
pub async fn resolve<M: Mode>(
    tx: &mut TenantTx<M>,
    reference: &PluginReference,
    team: Option<TeamId>,
) -> Result<Option<ResolvedPlugin>> {
    match latest(tx, reference, team).await? {
        Some((id, version)) => pinned(tx, id, &version).await.map(Some),
        None => Ok(None),
    }
}

/// The same without what is in it.
pub(super) async fn latest<M: Mode>(
    tx: &mut TenantTx<M>,
    reference: &PluginReference,
    team: Option<TeamId>,
) -> Result<Option<(PluginId, Version)>> {
    let rows = sqlx::query!(
        r#"select p.id as "id: PluginId", v.version from plugins p
           join plugin_versions v on v.tenant_id = p.tenant_id and v.plugin_id = p.id and v.status = 'active'
           where p.tenant_id = $1 and p.name = $2 and p.deleted_at is null and may_use(p.team_id, $3)"#,
        tx.tenant().uuid(),
        full_name(reference),
        team.map(TeamId::uuid)
    )
    .fetch_all(&mut *tx)
    .await?;
    let versions = rows.into_iter().filter_map(|row| Some((row.id, Version::parse(&row.version).ok()?)));
    Ok(versions.filter(|(_, version)| reference.range.matches(version)).max_by(|(_, a), (_, b)| a.cmp(b)))
}

/// Whether what a plugin needs is there: each an active version in its range.
///
/// # Errors
/// 409 with what is missing.
pub(super) async fn require(
    tx: &mut TenantTx<Write>,
    dependencies: &BTreeMap<String, String>,
    team: Option<TeamId>,
) -> Result<()> {
    let mut missing = Vec::new();
    // Tenure itself was asked for when the manifest was read.
    for (name, range) in dependencies.iter().filter(|(name, _)| *name != TENURE) {
        let wanted = format!("{name}@{range}");
        let reference: PluginReference = wanted.parse().map_err(Error::internal)?;
        if resolve(tx, &reference, team).await?.is_none() {
            missing.push(wanted);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let detail = format!("the plugin needs {}, of which no version is active; activate it first", missing.join(", "));
    Err(Problem::conflict(detail).with("missing", missing).into())
}

/// The version that an execution recorded, whatever became of it since.
///
/// # Errors
/// 404 where there is no such version; PostgreSQL's.
pub async fn pinned<M: Mode>(tx: &mut TenantTx<M>, id: PluginId, version: &Version) -> Result<ResolvedPlugin> {
    let row = sqlx::query!(
        "select p.name, v.manifest, v.source, v.digest from plugin_versions v
         join plugins p on p.tenant_id = v.tenant_id and p.id = v.plugin_id
         where v.tenant_id = $1 and v.plugin_id = $2 and v.version = $3",
        tx.tenant().uuid(),
        id.uuid(),
        version.to_string()
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(Problem::not_found)?;
    let broken =
        |what: String| Error::internal(format!("{}@{version} was stored and cannot be used: {what}", row.name));
    let manifest = Manifest::parse(&row.manifest).map_err(|fault| broken(fault.detail))?;
    let digest = row.digest.as_slice().try_into().map_err(|_| broken("its digest is no SHA-256".to_owned()))?;
    Ok(ResolvedPlugin {
        id,
        version: version.clone(),
        digest,
        source: row.source.into(),
        signed: false,
        limits: manifest.limits.python(),
        sensitive: manifest.outputs.as_ref().map(SensitiveSchema::new).unwrap_or_default(),
        capabilities: manifest.capabilities,
        name: row.name,
    })
}
