//! `/api/v1/plugins`

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tenure_kernel::permission::{PluginCreate, PluginDelete, PluginRead, PluginUpdate};
use tenure_kernel::{
    Audited, Authorized, Code, Created, Error, Json, Mode, NewEvent, NoContent, OnConstraint as _, Page, PageQuery,
    Path, PluginId, Problem, Query, Resource as _, Result, Sample, TeamId, TenantTx,
};
use tenure_workflow::definition::InputSchema;
use utoipa::{IntoParams, ToSchema};

use super::catalog::{self, PluginUser, Users};
use super::event::{PluginEvent, PluginVersionEvent};
use super::manifest::{Capability, Manifest};
use super::model::{Plugin, PluginStatus, PluginVersion, PluginVersionNumber, StoredVersion};
use super::run::{self, TestResult};
use super::stages::{self, MAX_SOURCE, Stage};
use super::store;
use crate::app::{App, Routes};
use crate::domain::quotas::{self, Quota};
use crate::domain::teams::TeamChoice;

const UPLOAD: &str = "Upload a plugin, or a new version of one.\n\nIt passes stages: manifest, schemas, capabilities, source, examples. What fails is refused with 422 and the report in `stages`; what passes is stored as a draft.";
const STATUS: &str =
    "Activate or deprecate a version.\n\nWorkflows can use active versions; draft → active ⇄ deprecated.";
const STATUS_OF_PLUGIN: &str = "Activate a plugin's highest version, or deprecate the active one.\n\n`active` is for the highest version there is, `deprecated` for the highest active one. To move another, name it in the path.";
const TEST: &str = "Call a plugin once in the sandbox, on given input.\n\nIts highest active version, or the highest there is where none is active.";
const CODE: &str = "See a plugin's manifest and source.\n\nOf its highest active version, or of the highest there is where none is active.";
const DELETE: &str = "Delete a plugin that no workflow uses.\n\nRefused with 409 and the list of workflows while their newest versions name it.";

/// A source and a manifest of the largest size, escaped as JSON.
const MAX_UPLOAD: usize = 4 * 1024 * 1024;

/// The slice's routes.
pub fn routes() -> Routes {
    let upload = Routes::new("Plugins").post("/plugins", upload, UPLOAD).body_limit(MAX_UPLOAD);
    upload.merge(
        Routes::new("Plugins")
            .get("/plugins", list, "List plugins, by name.")
            .get("/plugins/schema", manifest_schema, "The JSON Schema of manifests, for editors.")
            .get("/plugins/{id}", get, "See a plugin and who uses it.")
            .delete("/plugins/{id}", delete, DELETE)
            .get("/plugins/{id}/code", current_code, CODE)
            .put("/plugins/{id}/team", set_team, "Make a plugin private to one of your teams, or everybody's.\n\nWhat is private to a team does not exist for those outside it, and only workflows that are private to the same team can use it. Refused with 409 while others do.")
            .put("/plugins/{id}/status", set_current_status, STATUS_OF_PLUGIN)
            .post("/plugins/{id}/test", test_current, TEST)
            .get("/plugins/{id}/versions", versions, "List a plugin's versions, the last upload first.")
            .get("/plugins/{id}/versions/{version}", version, "See what a version asks for and how its upload went.")
            .get("/plugins/{id}/versions/{version}/code", code, "See a version's manifest and source.")
            .put("/plugins/{id}/versions/{version}/status", set_status, STATUS)
            .post("/plugins/{id}/versions/{version}/test", test, "Call a version once in the sandbox, on given input."),
    )
}

/// A plugin to upload.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlugin {
    /// `plugin.yaml`, at most 256 KiB.
    manifest: String,
    /// `main.py`, at most 1 MiB; defines `execute(state, config)`.
    source: String,
    /// One of your teams, for a new plugin that is private to it.
    team_id: Option<TeamId>,
}

impl Sample for NewPlugin {
    fn sample() -> Value {
        json!({
            "manifest": "name: acme/shout\nversion: 1.0.0\nkind: node\ndescription: Says it louder.\n",
            "source": "def execute(state, config):\n    return {'text': state['input']['text'].upper()}\n",
        })
    }
}

/// What became of an upload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginUpload {
    /// The version, a draft.
    version: PluginVersion,
    /// Every stage.
    stages: Vec<Stage>,
}

/// A plugin with those who use it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginDetail {
    /// The plugin.
    #[serde(flatten)]
    plugin: Plugin,
    /// The language of its source: `python`.
    language: &'static str,
    /// The workflows whose newest version names it, as far as you may see them.
    used_by: Vec<PluginUser>,
    /// How many more there are that you may not see.
    used_by_hidden: usize,
}

impl PluginDetail {
    fn new(plugin: Plugin, users: Users) -> Self {
        Self { plugin, language: "python", used_by: users.visible, used_by_hidden: users.hidden }
    }
}

/// A version with what its manifest says.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginVersionDetail {
    /// The version.
    #[serde(flatten)]
    version: PluginVersion,
    /// What it may do beyond computing.
    capabilities: Vec<Capability>,
    /// JSON Schema of the configuration, for a form.
    config_schema: Option<Value>,
    /// What it reads, as the manifest says.
    inputs: Option<Value>,
    /// What it returns, as the manifest says.
    outputs: Option<Value>,
    /// The manifest's author, licence and homepage.
    author_name: Option<String>,
    license: Option<String>,
    homepage: Option<String>,
    /// Its icon: an address, or the image itself as a `data:` URL.
    icon: Option<String>,
    /// What it needs, as the manifest says: ranges of versions by the names of plugins, and of `tenure`.
    dependencies: BTreeMap<String, String>,
    /// The oldest release of Tenure that it runs on.
    min_tenure: Option<String>,
    /// How its upload went.
    stages: Vec<Stage>,
}

/// What was uploaded.
#[derive(Debug, Serialize, ToSchema)]
pub struct PluginCode {
    /// Which version.
    version: String,
    /// The language of the source: `python`.
    language: &'static str,
    /// `plugin.yaml`
    manifest: String,
    /// `main.py`
    source: String,
}

/// Where a version shall stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    /// `active` or `deprecated`.
    status: PluginStatus,
}

impl Sample for StatusChange {
    fn sample() -> Value {
        json!({"status": "active"})
    }
}

/// A call to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginTest {
    /// First argument of `execute`: `{input, state, execution}`.
    state: Value,
    /// Second argument; must fit the manifest's `config_schema`.
    #[serde(default)]
    config: Option<Value>,
}

impl Sample for PluginTest {
    fn sample() -> Value {
        json!({"state": {"input": {"text": "hello"}, "state": {}, "execution": {}}, "config": {}})
    }
}

/// What a list of plugins shows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Part of the name, in any case.
    search: Option<String>,
    /// How many items at most, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

async fn upload(
    cx: Authorized<PluginCreate>,
    State(app): State<App>,
    Json(new): Json<NewPlugin>,
) -> Result<Created<PluginUpload>> {
    if new.source.len() > MAX_SOURCE {
        return Err(Problem::invalid("/source", format!("must be at most {MAX_SOURCE} bytes")).into());
    }
    let upload = stages::pass(&app.sandbox, new.manifest, new.source).await?;
    let stored = cx
        .write(async |tx| {
            tx.own_team(new.team_id, "/team_id")?;
            let stored = store::insert(tx, &upload, new.team_id).await?.audited(PluginVersionEvent::UPLOADED);
            quotas::take(tx, Quota::StorageBytes, upload.bytes()).await?;
            Ok(stored.map(|version| PluginUpload { version, stages: upload.stages.clone() }))
        })
        .await?;
    let location = format!("/api/v1/plugins/{}/versions/{}", stored.version.plugin_id, stored.version.version);
    Ok(Created(stored, Some(location)))
}

async fn set_team(
    cx: Authorized<PluginUpdate>,
    Path(id): Path<PluginId>,
    Json(change): Json<TeamChoice>,
) -> Result<Json<Plugin>> {
    let plugin = cx
        .write(async |tx| {
            let plugin = tx.load::<Plugin>(id).await?;
            tx.own_team(change.team_id, "/team_id")?;
            if plugin.team_id == change.team_id {
                return Ok(Audited::none("it was so before", plugin.into_inner()));
            }
            Ok(store::set_team(tx, plugin, change.team_id).await?.audited(PluginEvent::MOVED))
        })
        .await?;
    Ok(Json(plugin))
}

async fn list(cx: Authorized<PluginRead>, Query(query): Query<ListQuery>) -> Result<Json<Page<PluginDetail>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let page = cx
        .read(async |tx| {
            let found = store::list(tx, query.search.as_deref(), &page).await?;
            let names: Vec<String> = found.items.iter().map(|plugin| plugin.name.clone()).collect();
            let mut users = catalog::users(tx, &names).await?;
            let items = found.items.into_iter().map(|plugin| {
                let of_plugin = users.remove(&plugin.name).unwrap_or_default();
                PluginDetail::new(plugin, of_plugin)
            });
            Ok(Page { items: items.collect(), next_cursor: found.next_cursor })
        })
        .await?;
    Ok(Json(page))
}

async fn get(cx: Authorized<PluginRead>, Path(id): Path<PluginId>) -> Result<Json<PluginDetail>> {
    let detail = cx
        .read(async |tx| {
            let plugin = tx.load::<Plugin>(id).await?.into_inner();
            let users = catalog::users(tx, std::slice::from_ref(&plugin.name)).await?.remove(&plugin.name);
            Ok(PluginDetail::new(plugin, users.unwrap_or_default()))
        })
        .await?;
    Ok(Json(detail))
}

async fn delete(cx: Authorized<PluginDelete>, Path(id): Path<PluginId>) -> Result<NoContent> {
    cx.write(async |tx| {
        let plugin = tx.load::<Plugin>(id).await?;
        let users = catalog::users(tx, std::slice::from_ref(&plugin.name)).await?.remove(&plugin.name);
        if let Some(users) = users {
            return Err(in_use(&users).into());
        }
        let deleted = store::delete(tx, plugin).await?.audited(PluginEvent::DELETED);
        let freed = store::delete_versions(tx, id).await?;
        quotas::give_back(tx, Quota::StorageBytes, freed).await?;
        Ok(deleted.map(drop))
    })
    .await
    .on_constraint("execution_plugins_tenant_id_plugin_id_version_fkey", || {
        Problem::conflict("an execution that uses this plugin began at the same time; try again")
    })?;
    Ok(NoContent)
}

fn in_use(users: &Users) -> Problem {
    let count = users.visible.len() + users.hidden;
    let detail = format!("{count} workflows use this plugin; change or delete them first");
    Problem::conflict(detail).with("used_by", json!(users.visible)).with("used_by_hidden", users.hidden)
}

async fn versions(
    cx: Authorized<PluginRead>,
    Path(id): Path<PluginId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<PluginVersion>>> {
    let page = cx
        .read(async |tx| {
            let plugin = tx.load::<Plugin>(id).await?;
            store::versions(tx, &plugin, &page).await
        })
        .await?;
    Ok(Json(page))
}

/// Which of a plugin's versions.
enum Which {
    /// This one.
    Number(PluginVersionNumber),
    /// The highest active one, or the highest.
    Current,
    /// The highest.
    Latest,
}

impl Which {
    async fn load<M: Mode>(self, tx: &mut TenantTx<M>, id: PluginId) -> Result<StoredVersion> {
        let plugin = tx.load::<Plugin>(id).await?;
        let number = match self {
            Self::Number(number) => number,
            Self::Current => store::current(tx, &plugin).await?,
            Self::Latest => store::latest(&plugin)?,
        };
        store::version(tx, &plugin, &number).await
    }
}

async fn manifest_schema(_cx: Authorized<PluginRead>) -> Result<Json<Value>> {
    Ok(Json(super::schema::json_schema()))
}

async fn version(
    cx: Authorized<PluginRead>,
    Path((id, number)): Path<(PluginId, PluginVersionNumber)>,
) -> Result<Json<PluginVersionDetail>> {
    let stored = cx.read(async |tx| Which::Number(number).load(tx, id).await).await?;
    let manifest = manifest_of(&stored)?;
    Ok(Json(PluginVersionDetail {
        version: stored.version,
        capabilities: manifest.capabilities,
        config_schema: manifest.config_schema,
        inputs: manifest.inputs,
        outputs: manifest.outputs,
        author_name: manifest.author,
        license: manifest.license,
        homepage: manifest.homepage,
        icon: manifest.icon,
        dependencies: manifest.dependencies,
        min_tenure: manifest.min_tenure.map(|least| least.0.to_string()),
        stages: stored.stages,
    }))
}

async fn code(
    cx: Authorized<PluginRead>,
    Path((id, number)): Path<(PluginId, PluginVersionNumber)>,
) -> Result<Json<PluginCode>> {
    show_code(cx, id, Which::Number(number)).await
}

async fn current_code(cx: Authorized<PluginRead>, Path(id): Path<PluginId>) -> Result<Json<PluginCode>> {
    show_code(cx, id, Which::Current).await
}

async fn show_code(cx: Authorized<PluginRead>, id: PluginId, which: Which) -> Result<Json<PluginCode>> {
    let stored = cx.read(async |tx| which.load(tx, id).await).await?;
    let StoredVersion { version, manifest, source, .. } = stored;
    Ok(Json(PluginCode { version: version.version, language: "python", manifest, source }))
}

async fn set_status(
    cx: Authorized<PluginUpdate>,
    State(app): State<App>,
    Path((id, number)): Path<(PluginId, PluginVersionNumber)>,
    Json(change): Json<StatusChange>,
) -> Result<Json<PluginVersion>> {
    change_status(cx, app, id, Which::Number(number), change.status).await
}

async fn set_current_status(
    cx: Authorized<PluginUpdate>,
    State(app): State<App>,
    Path(id): Path<PluginId>,
    Json(change): Json<StatusChange>,
) -> Result<Json<PluginVersion>> {
    let which = if change.status == PluginStatus::Active { Which::Latest } else { Which::Current };
    change_status(cx, app, id, which, change.status).await
}

async fn change_status(
    cx: Authorized<PluginUpdate>,
    app: App,
    id: PluginId,
    which: Which,
    status: PluginStatus,
) -> Result<Json<PluginVersion>> {
    let version = cx
        .write(async |tx| {
            let stored = which.load(tx, id).await?;
            stored.version.status.step_to(status)?;
            if status == PluginStatus::Active {
                app.sandbox.admits(stored.version.signed)?;
                let team = tx.load::<Plugin>(id).await?.team_id;
                catalog::require(tx, &manifest_of(&stored)?.dependencies, team).await?;
            }
            let version = stored.version;
            if version.status == status {
                return Ok(Audited::none("the version has this status already", version));
            }
            Ok(store::set_status(tx, version, status).await?.audited(PluginVersionEvent::STATUS_CHANGED))
        })
        .await?;
    Ok(Json(version))
}

async fn test(
    cx: Authorized<PluginUpdate>,
    State(app): State<App>,
    Path((id, number)): Path<(PluginId, PluginVersionNumber)>,
    Json(test): Json<PluginTest>,
) -> Result<Json<TestResult>> {
    run_test(cx, app, id, Which::Number(number), test).await
}

async fn test_current(
    cx: Authorized<PluginUpdate>,
    State(app): State<App>,
    Path(id): Path<PluginId>,
    Json(test): Json<PluginTest>,
) -> Result<Json<TestResult>> {
    run_test(cx, app, id, Which::Current, test).await
}

async fn run_test(
    cx: Authorized<PluginUpdate>,
    app: App,
    id: PluginId,
    which: Which,
    test: PluginTest,
) -> Result<Json<TestResult>> {
    let stored = cx.read(async |tx| which.load(tx, id).await).await?;
    let manifest = manifest_of(&stored)?;
    let config = test.config.unwrap_or_else(|| json!({}));
    check_config(&manifest, &config)?;
    let python = app.sandbox.python()?;
    let result = run::call(python, &stored.source, &test.state, &config, manifest.limits.python()).await;
    let event = NewEvent::new(PluginVersionEvent::TESTED, stored.version.resource_id())
        .detail("outcome", &result.outcome)
        .detail("digest", &stored.version.digest);
    let result = cx.write(async |_| Ok(Audited::of(result, event))).await?;
    Ok(Json(result))
}

fn check_config(manifest: &Manifest, config: &Value) -> Result<()> {
    let Some(schema) = &manifest.config_schema else { return Ok(()) };
    let schema = InputSchema::compile(schema).map_err(Error::internal)?;
    let faults = schema.check(config);
    if faults.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(Code::Invalid, "the configuration does not fit the plugin's config_schema; see errors");
    let add = |problem: Problem, fault: tenure_workflow::definition::InputFault| {
        problem.field(format!("/config{}", fault.pointer), fault.message)
    };
    Err(faults.into_iter().fold(problem, add).into())
}

fn manifest_of(stored: &StoredVersion) -> Result<Manifest> {
    Manifest::parse(&stored.manifest).map_err(|fault| {
        let version = stored.version.resource_id();
        Error::internal(format!("the manifest of {version} was stored and cannot be read: {}", fault.detail))
    })
}
