//! All SQL on `plugins` and `plugin_versions`; what concerns workflows is in [`super::catalog`].

use semver::Version;
use tenure_kernel::{
    Change, Load, Mode, OnConstraint as _, Page, PageQuery, Permitted, PluginId, Problem, Result, TenantTx, Timestamp,
    UserId, Write,
};

use super::model::{Plugin, PluginStatus, PluginVersion, PluginVersionNumber, StoredVersion};
use super::stages::Upload;

struct PluginRow {
    id: PluginId,
    name: String,
    kind: String,
    display_name: String,
    description: Option<String>,
    version: String,
    status: String,
    created_by: Option<UserId>,
    owner_id: Option<UserId>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<PluginRow> for Plugin {
    fn from(row: PluginRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            kind: row.kind,
            display_name: row.display_name,
            description: row.description,
            version: row.version,
            status: PluginStatus::parse(&row.status),
            created_by: row.created_by,
            owner_id: row.owner_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Which plugins are wanted.
#[derive(Debug, Default)]
struct Filter<'a> {
    id: Option<PluginId>,
    name: Option<&'a str>,
    search: Option<&'a str>,
    after: Option<String>,
}

async fn select<M: Mode>(tx: &mut TenantTx<M>, filter: &Filter<'_>, rows: i64) -> Result<Vec<Plugin>> {
    let rows = sqlx::query_as!(
        PluginRow,
        r#"select p.id as "id: PluginId", p.name, p.kind, p.display_name, p.description, p.latest_version as version, v.status,
                  p.created_by as "created_by: UserId", p.owner_id as "owner_id: UserId", p.created_at, p.updated_at
           from plugins p join plugin_versions v
             on v.tenant_id = p.tenant_id and v.plugin_id = p.id and v.version = p.latest_version
           where p.tenant_id = $1 and p.deleted_at is null
             and ($2::uuid is null or p.id = $2) and ($3::text is null or p.name = $3)
             and ($4::text is null or position(lower($4) in lower(p.name || ' ' || p.display_name)) > 0)
             and ($5::text is null or p.name > $5)
           order by p.name limit $6"#,
        tx.tenant().uuid(),
        filter.id.map(PluginId::uuid),
        filter.name,
        filter.search,
        filter.after,
        rows
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(Plugin::from).collect())
}

impl Load for Plugin {
    type Id = PluginId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: PluginId, lock: bool) -> Result<Option<Self>> {
        if lock {
            let tenant = tx.tenant().uuid();
            sqlx::query!("select 1 as one from plugins where tenant_id = $1 and id = $2 for update", tenant, id.uuid())
                .fetch_optional(&mut *tx)
                .await?;
        }
        let filter = Filter { id: Some(id), ..Filter::default() };
        Ok(select(tx, &filter, 1).await?.into_iter().next())
    }
}

/// The plugins by name.
pub(super) async fn list<M: Mode>(
    tx: &mut TenantTx<M>,
    search: Option<&str>,
    page: &PageQuery,
) -> Result<Page<Plugin>> {
    let filter = Filter { search, after: page.after()?, ..Filter::default() };
    let plugins = select(tx, &filter, page.rows()?).await?;
    page.page(plugins, |last| last.name.clone())
}

/// Stores an upload as a draft, and its plugin where it is the first version.
pub(super) async fn insert(tx: &mut TenantTx<Write>, upload: &Upload) -> Result<Change<PluginVersion>> {
    let (manifest, number) = (&upload.manifest, upload.manifest.version.0.to_string());
    let (tenant, now, author) = (tx.tenant().uuid(), tx.now(), tx.cx().actor().user());
    sqlx::query!(
        "insert into plugins (tenant_id, id, name, kind, display_name, description, latest_version, created_by, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         on conflict (tenant_id, name) where deleted_at is null do nothing",
        tenant,
        tx.new_id::<tenure_kernel::kind::Plugin>().uuid(),
        manifest.name,
        manifest.kind,
        manifest.display_name(),
        manifest.description,
        number,
        author.map(UserId::uuid),
        now
    )
    .execute(&mut *tx)
    .await?;
    let row = sqlx::query!(
        r#"select id as "id: PluginId", latest_version from plugins where tenant_id = $1 and name = $2 and deleted_at is null for update"#,
        tenant,
        manifest.name
    )
    .fetch_one(&mut *tx)
    .await?;
    let version = PluginVersion {
        plugin_id: row.id,
        name: manifest.name.clone(),
        version: number,
        status: PluginStatus::Draft,
        digest: hex(&upload.digest()),
        size: i64::try_from(upload.manifest_text.len() + upload.source.len()).unwrap_or(i64::MAX),
        signed: false,
        author,
        created_at: now,
    };
    let digest = upload.digest();
    let inserted: Result<_> = sqlx::query!(
        "insert into plugin_versions (tenant_id, plugin_id, version, status, manifest, source, digest, report, created_by, created_at, updated_at)
         values ($1, $2, $3, 'draft', $4, $5, $6, $7, $8, $9, $9)",
        tenant,
        row.id.uuid(),
        version.version,
        upload.manifest_text,
        upload.source,
        digest.as_slice(),
        serde_json::to_string(&upload.stages)?,
        author.map(UserId::uuid),
        now
    )
    .execute(&mut *tx)
    .await
    .on_constraint("plugin_versions_pkey", || {
        let detail = format!("version {} of {} exists already, and versions never change; raise the version", version.version, version.name);
        Problem::conflict(detail).field("/manifest", "/version: is taken")
    });
    inserted?;
    let highest = Version::parse(&row.latest_version).is_ok_and(|latest| upload.manifest.version.0 >= latest);
    if highest {
        sqlx::query!(
            "update plugins set latest_version = $3, display_name = $4, description = $5, updated_at = $6 where tenant_id = $1 and id = $2",
            tenant,
            row.id.uuid(),
            version.version,
            manifest.display_name(),
            manifest.description,
            now
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(Change::Created(version))
}

struct VersionRow {
    version: String,
    status: String,
    digest: Vec<u8>,
    size: i32,
    author: Option<UserId>,
    created_at: Timestamp,
}

impl VersionRow {
    fn of(self, plugin: &Plugin) -> PluginVersion {
        PluginVersion {
            plugin_id: plugin.id,
            name: plugin.name.clone(),
            version: self.version,
            status: PluginStatus::parse(&self.status),
            digest: hex(&self.digest),
            size: i64::from(self.size),
            signed: false,
            author: self.author,
            created_at: self.created_at,
        }
    }
}

/// The versions, the one that was uploaded last first.
pub(super) async fn versions<M: Mode>(
    tx: &mut TenantTx<M>,
    plugin: &Permitted<Plugin>,
    page: &PageQuery,
) -> Result<Page<PluginVersion>> {
    let (at, version) = page.after::<(Timestamp, String)>()?.unzip();
    let rows = sqlx::query_as!(
        VersionRow,
        r#"select version, status, digest, octet_length(manifest) + octet_length(source) as "size!",
                  created_by as "author: UserId", created_at
           from plugin_versions
           where tenant_id = $1 and plugin_id = $2 and ($3::timestamptz is null or (created_at, version) < ($3, $4))
           order by created_at desc, version desc limit $5"#,
        tx.tenant().uuid(),
        plugin.id.uuid(),
        at as Option<Timestamp>,
        version,
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    let versions = rows.into_iter().map(|row| row.of(plugin)).collect();
    page.page(versions, |last| (last.created_at, last.version.clone()))
}

/// The number of the highest active version; of the highest there is, where none is active.
pub(super) async fn current<M: Mode>(tx: &mut TenantTx<M>, plugin: &Permitted<Plugin>) -> Result<PluginVersionNumber> {
    let active = sqlx::query_scalar!(
        "select version from plugin_versions where tenant_id = $1 and plugin_id = $2 and status = 'active'",
        tx.tenant().uuid(),
        plugin.id.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    match active.iter().filter_map(|version| Version::parse(version).ok()).max() {
        Some(version) => Ok(PluginVersionNumber(version)),
        None => latest(plugin),
    }
}

/// The number of the highest version.
pub(super) fn latest(plugin: &Permitted<Plugin>) -> Result<PluginVersionNumber> {
    plugin.version.parse().map_err(|fault| {
        tenure_kernel::Error::internal(format!("the latest version of {} was stored and {fault}", plugin.id))
    })
}

/// One version with what was uploaded.
pub(super) async fn version<M: Mode>(
    tx: &mut TenantTx<M>,
    plugin: &Permitted<Plugin>,
    number: &PluginVersionNumber,
) -> Result<StoredVersion> {
    let row = sqlx::query!(
        r#"select version, status, digest, created_by as "author: UserId", created_at as "created_at: Timestamp", manifest, source, report
           from plugin_versions where tenant_id = $1 and plugin_id = $2 and version = $3"#,
        tx.tenant().uuid(),
        plugin.id.uuid(),
        number.0.to_string()
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(Problem::not_found)?;
    let size = i32::try_from(row.manifest.len() + row.source.len()).unwrap_or(i32::MAX);
    let version = VersionRow {
        version: row.version,
        status: row.status,
        digest: row.digest,
        size,
        author: row.author,
        created_at: row.created_at,
    };
    let stages = serde_json::from_str(&row.report)?;
    Ok(StoredVersion { version: version.of(plugin), manifest: row.manifest, source: row.source, stages })
}

/// Moves a version to another status; its plugin is locked.
pub(super) async fn set_status(
    tx: &mut TenantTx<Write>,
    before: PluginVersion,
    status: PluginStatus,
) -> Result<Change<PluginVersion>> {
    let after = PluginVersion { status, ..before.clone() };
    sqlx::query!(
        "update plugin_versions set status = $4, updated_at = $5 where tenant_id = $1 and plugin_id = $2 and version = $3",
        tx.tenant().uuid(),
        after.plugin_id.uuid(),
        after.version,
        status.as_str(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// Marks a plugin as deleted: its versions stay for the executions that ran them.
pub(super) async fn delete(tx: &mut TenantTx<Write>, plugin: Permitted<Plugin>) -> Result<Change<Plugin>> {
    let plugin = plugin.into_inner();
    sqlx::query!(
        "update plugins set deleted_at = $3 where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        plugin.id.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Deleted(plugin))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
