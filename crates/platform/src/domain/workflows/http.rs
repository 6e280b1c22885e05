//! `/api/v1/workflows`

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tenure_kernel::permission::{Permission, WorkflowCreate, WorkflowDelete, WorkflowRead, WorkflowUpdate};
use tenure_kernel::{
    Audited, Authorized, Code, Created, Error, Json, NoContent, OnConstraint as _, Page, PageQuery, Path, Problem,
    Query, Result, TeamId, TenantTx, WorkflowId, Write,
};
use tenure_workflow::plan::Canvas;
use tenure_workflow::validate::Draft;
use utoipa::{IntoParams, ToSchema};

use super::body::DefinitionText;
use super::event::WorkflowEvent;
use super::fault::{self, Fault, Validation};
use super::inspect::{Inspected, inspect, judge, plugin_references, require};
use super::model::{Format, Message, StoredVersion, Workflow, WorkflowSummary, WorkflowVersion};
use super::store::{self, Filter};
use crate::app::{App, Routes};
use crate::domain::quotas::{self, Quota};
use crate::domain::teams::TeamChoice;
use crate::domain::{plugins, secrets};

const CREATE: &str = "Create a workflow from a definition.\n\nThe body is the definition itself, as YAML or JSON. One with errors is refused with 422: `errors` names them, `faults` adds line, column, severity and suggestion.";
const SAVE: &str = "Save a new version of a workflow.\n\nVersions never change. With `If-Match: \"3\"` or `?version=3` the version is saved only if 3 is still the newest, otherwise 409.";
const VALIDATE: &str =
    "Find every fault of a definition, without saving it.\n\nAnswers 200 also for what cannot be read at all.";

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Workflows")
        .get("/workflows", list, "List workflows, by name.")
        .post("/workflows", create, CREATE)
        .post("/workflows/validate", validate, VALIDATE)
        .get("/workflows/schema", schema, "The JSON Schema of definitions, for editors.")
        .get("/workflows/{id}", get, "See a workflow with its newest version.")
        .put("/workflows/{id}", save, SAVE)
        .delete("/workflows/{id}", delete, "Delete a workflow.\n\nIts versions stay for the executions that ran them.")
        .put("/workflows/{id}/team", set_team, "Make a workflow private to one of your teams, or everybody's.\n\nWhat is private to a team, its executions and approvals included, does not exist for those outside it. Refused with 409 while it uses a secret or plugin that is private to the team it leaves.")
        .get("/workflows/{id}/versions", versions, "List a workflow's versions, newest first.")
        .post("/workflows/{id}/versions", save_version, SAVE)
        .get("/workflows/{id}/versions/{version}", version, "See one version of a workflow.")
}

/// A version's text and what can be read off it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Content {
    /// As it was sent, comments and all.
    source: String,
    /// The language of `source`.
    format: Format,
    /// In canonical form; the order of `nodes` has a meaning.
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
    /// JSON Schema 2020-12 of the input, if the definition has one.
    #[schema(value_type = Option<Object>)]
    input_schema: Option<serde_json::Value>,
    /// Nodes and edges to draw: `{nodes: [{id, type, name, …}], edges: [{from, to, label, back, pointer}]}`.
    #[schema(value_type = Object)]
    canvas: Canvas,
}

impl Content {
    fn of(draft: &Draft, source: String, format: Format) -> Result<Self> {
        let definition = RawValue::from_string(draft.canonical_json())?;
        let input_schema = draft.definition().input.clone();
        Ok(Self { source, format, definition, input_schema, canvas: draft.canvas() })
    }

    fn stored(stored: &StoredVersion) -> Result<Self> {
        let draft = Draft::parse(stored.definition.as_bytes())
            .map_err(|report| Error::internal(format!("a saved definition cannot be read: {report}")))?;
        Self::of(&draft, stored.source.clone(), stored.format)
    }
}

/// A workflow with its newest version.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkflowDetail {
    /// The workflow.
    #[serde(flatten)]
    summary: WorkflowSummary,
    /// What it does.
    #[serde(flatten)]
    content: Content,
}

/// A workflow that was just saved.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavedWorkflow {
    /// The workflow.
    #[serde(flatten)]
    workflow: WorkflowDetail,
    /// Warnings about what was saved.
    faults: Vec<Fault>,
}

/// One version with its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkflowVersionDetail {
    /// The version.
    #[serde(flatten)]
    version: WorkflowVersion,
    /// What it does.
    #[serde(flatten)]
    content: Content,
}

/// What a list of workflows shows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Part of the name or description, in any case.
    search: Option<String>,
    /// A tag, exactly.
    tag: Option<String>,
    /// How many items at most, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What else is known of a new workflow.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CreateQuery {
    /// One of your teams: only its members will see the workflow.
    #[param(value_type = Option<String>)]
    team: Option<TeamId>,
    /// What to remember about this version; at most 1,000 characters.
    message: Option<String>,
}

/// What else is known of a new version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SaveQuery {
    /// The version that was edited.
    #[param(minimum = 1)]
    version: Option<i32>,
    /// What to remember about this version; at most 1,000 characters.
    message: Option<String>,
}

/// For which workflow a definition is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ValidateQuery {
    /// The workflow that it is a new version of: its granted secrets are known then.
    #[param(value_type = Option<String>)]
    workflow: Option<WorkflowId>,
    /// One of your teams, if it is to be a new workflow that is private to it.
    #[param(value_type = Option<String>)]
    team: Option<TeamId>,
}

async fn list(cx: Authorized<WorkflowRead>, Query(query): Query<ListQuery>) -> Result<Json<Page<WorkflowSummary>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let filter = Filter { search: query.search.as_deref(), tag: query.tag.as_deref(), ..Filter::default() };
    cx.read(async |tx| store::list(tx, &filter, &page).await).await.map(Json)
}

async fn get(cx: Authorized<WorkflowRead>, Path(id): Path<WorkflowId>) -> Result<Json<WorkflowDetail>> {
    let (summary, stored) = cx
        .read(async |tx| {
            let workflow = tx.load::<Workflow>(id).await?;
            Ok((store::summary(tx, id).await?, store::version(tx, &workflow, workflow.version).await?))
        })
        .await?;
    Ok(Json(WorkflowDetail { summary, content: Content::stored(&stored)? }))
}

async fn create(
    cx: Authorized<WorkflowCreate>,
    State(app): State<App>,
    Query(query): Query<CreateQuery>,
    DefinitionText(text): DefinitionText,
) -> Result<Created<SavedWorkflow>> {
    let message = Message::parse(query.message)?;
    // Told before the sandbox works for it.
    if query.team.is_some_and(|team| !cx.cx().identity.teams.contains(&team)) {
        return Err(Problem::invalid("#query/team", "is no team that you are in").into());
    }
    let inspected = require(inspect(&app.sandbox, text).await?)?;
    let saved = cx
        .write(async |tx| {
            let faults = accept(tx, &inspected, &BTreeSet::new(), query.team).await?;
            quotas::take(tx, Quota::Workflows, 1).await?;
            let audited = store::insert(tx, &inspected, query.team, &message).await?.audited(WorkflowEvent::CREATED);
            let workflow = audited.value().clone();
            remember_plugins(tx, &workflow, &inspected).await?;
            let summary = store::summary(tx, workflow.id).await?;
            Ok(audited.map(|_| (summary, faults)))
        })
        .await;
    let (summary, faults) = saved.on_constraint("workflows_name_key", name_taken)?;
    let location = format!("/api/v1/workflows/{}", summary.workflow.id);
    Ok(Created(answer(inspected, summary, faults)?, Some(location)))
}

async fn save(
    cx: Authorized<WorkflowUpdate>,
    State(app): State<App>,
    Path(id): Path<WorkflowId>,
    Query(query): Query<SaveQuery>,
    headers: HeaderMap,
    DefinitionText(text): DefinitionText,
) -> Result<Json<SavedWorkflow>> {
    add_version(&cx, &app, id, query, &headers, text).await.map(Json)
}

async fn save_version(
    cx: Authorized<WorkflowUpdate>,
    State(app): State<App>,
    Path(id): Path<WorkflowId>,
    Query(query): Query<SaveQuery>,
    headers: HeaderMap,
    DefinitionText(text): DefinitionText,
) -> Result<Created<SavedWorkflow>> {
    let saved = add_version(&cx, &app, id, query, &headers, text).await?;
    let location = format!("/api/v1/workflows/{id}/versions/{}", saved.workflow.summary.workflow.version);
    Ok(Created(saved, Some(location)))
}

async fn add_version<P: Permission<Mode = Write>>(
    cx: &Authorized<P>,
    app: &App,
    id: WorkflowId,
    query: SaveQuery,
    headers: &HeaderMap,
    text: axum::body::Bytes,
) -> Result<SavedWorkflow> {
    let message = Message::parse(query.message)?;
    let edited = edited_version(query.version, headers)?;
    // Nobody has the sandbox work for a workflow that they may not see.
    cx.read(async |tx| tx.load::<Workflow>(id).await.map(drop)).await?;
    let inspected = require(inspect(&app.sandbox, text).await?)?;
    let saved = cx
        .write(async |tx| {
            let workflow = tx.load::<Workflow>(id).await?;
            if edited.is_some_and(|edited| edited != workflow.version) {
                return Err(version_changed(workflow.version).into());
            }
            let granted = secrets::granted_names(tx, workflow.id).await?;
            let faults = accept(tx, &inspected, &granted, workflow.team_id).await?;
            let audited =
                store::add_version(tx, workflow, &inspected, &message).await?.audited(WorkflowEvent::VERSION_SAVED);
            let workflow = audited.value().clone();
            remember_plugins(tx, &workflow, &inspected).await?;
            let summary = store::summary(tx, workflow.id).await?;
            Ok(audited.map(|_| (summary, faults)))
        })
        .await;
    let (summary, faults) = saved.on_constraint("workflows_name_key", name_taken)?;
    answer(inspected, summary, faults)
}

async fn delete(cx: Authorized<WorkflowDelete>, Path(id): Path<WorkflowId>) -> Result<NoContent> {
    cx.write(async |tx| {
        let workflow = tx.load::<Workflow>(id).await?;
        quotas::give_back(tx, Quota::Workflows, 1).await?;
        Ok(store::delete(tx, workflow).await?.audited(WorkflowEvent::DELETED).map(drop))
    })
    .await?;
    Ok(NoContent)
}

async fn set_team(
    cx: Authorized<WorkflowUpdate>,
    Path(id): Path<WorkflowId>,
    Json(change): Json<TeamChoice>,
) -> Result<Json<WorkflowSummary>> {
    let moved = cx.write(async |tx| {
        let workflow = tx.load::<Workflow>(id).await?;
        tx.own_team(change.team_id, "/team_id")?;
        let summary = store::summary(tx, id).await?;
        if workflow.team_id == change.team_id {
            return Ok(Audited::none("it was so before", summary));
        }
        leaves_behind(tx, &workflow, change.team_id).await?;
        let moved = store::set_team(tx, workflow, change.team_id).await?.audited(WorkflowEvent::MOVED);
        Ok(moved.map(|workflow| WorkflowSummary { workflow, ..summary }))
    });
    moved.await.map(Json)
}

/// 409 while what its newest version uses is private to the team that it leaves. Whoever moves it is in that team.
async fn leaves_behind(tx: &mut TenantTx<Write>, workflow: &Workflow, team: Option<TeamId>) -> Result<()> {
    let secrets = secrets::not_usable_by(tx, workflow.id, team).await?;
    let plugins = plugins::not_usable_by(tx, workflow.id, workflow.version, team).await?;
    let kinds = [("the secrets", secrets), ("the plugins", plugins)].into_iter().filter(|(_, names)| !names.is_empty());
    let left: Vec<String> = kinds.map(|(kind, names)| format!("{kind} {}", names.join(", "))).collect();
    if left.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "the workflow uses what is private to its team: {}; move those first, or have the workflow use others",
        left.join(" and ")
    );
    Err(Problem::conflict(detail).into())
}

async fn versions(
    cx: Authorized<WorkflowRead>,
    Path(id): Path<WorkflowId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<WorkflowVersion>>> {
    let page = cx
        .read(async |tx| {
            let workflow = tx.load::<Workflow>(id).await?;
            store::versions(tx, &workflow, &page).await
        })
        .await?;
    Ok(Json(page))
}

async fn version(
    cx: Authorized<WorkflowRead>,
    Path((id, number)): Path<(WorkflowId, u32)>,
) -> Result<Json<WorkflowVersionDetail>> {
    let number = i32::try_from(number).map_err(|_| Problem::not_found())?;
    let stored = cx
        .read(async |tx| {
            let workflow = tx.load::<Workflow>(id).await?;
            store::version(tx, &workflow, number).await
        })
        .await?;
    Ok(Json(WorkflowVersionDetail { content: Content::stored(&stored)?, version: stored.version }))
}

async fn validate(
    cx: Authorized<WorkflowRead>,
    State(app): State<App>,
    Query(query): Query<ValidateQuery>,
    DefinitionText(text): DefinitionText,
) -> Result<Json<Validation>> {
    let inspected = match inspect(&app.sandbox, text).await? {
        Ok(inspected) => inspected,
        Err(report) => return Ok(Json(report.into())),
    };
    let report = cx
        .read(async |tx| {
            let (granted, team) = match query.workflow {
                None => (BTreeSet::new(), query.team),
                Some(id) => {
                    let workflow = tx.load::<Workflow>(id).await?;
                    (secrets::granted_names(tx, workflow.id).await?, workflow.team_id)
                }
            };
            tx.own_team(team, "#query/team")?;
            judge(tx, &inspected, &granted, team).await
        })
        .await?;
    Ok(Json(report.into()))
}

async fn schema(_cx: Authorized<WorkflowRead>) -> Result<Json<serde_json::Value>> {
    Ok(Json(tenure_workflow::definition::json_schema()))
}

/// The warnings of a definition that can be saved.
async fn accept(
    tx: &mut TenantTx<Write>,
    inspected: &Inspected,
    granted: &BTreeSet<String>,
    team: Option<TeamId>,
) -> Result<Vec<Fault>> {
    let report = judge(tx, inspected, granted, team).await?;
    if report.is_valid() { Ok(fault::list(report)) } else { Err(fault::refusal(report).into()) }
}

async fn remember_plugins(tx: &mut TenantTx<Write>, workflow: &Workflow, inspected: &Inspected) -> Result<()> {
    let references = plugin_references(inspected.draft.definition());
    plugins::remember_uses(tx, workflow.id, workflow.version, workflow.team_id, &references).await
}

fn answer(inspected: Inspected, summary: WorkflowSummary, faults: Vec<Fault>) -> Result<SavedWorkflow> {
    let content = Content::of(&inspected.draft, inspected.source, inspected.format)?;
    Ok(SavedWorkflow { workflow: WorkflowDetail { summary, content }, faults })
}

/// The version that the caller edited, as the query or `If-Match` names it.
fn edited_version(query: Option<i32>, headers: &HeaderMap) -> Result<Option<i32>> {
    let Some(header) = headers.get(IF_MATCH) else { return Ok(query) };
    let text = header.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(query);
    }
    let version = text
        .trim_matches('"')
        .parse()
        .map_err(|_| Problem::new(Code::BadRequest, "If-Match must be the version that was edited, such as \"3\""))?;
    Ok(Some(version))
}

fn version_changed(newest: i32) -> Problem {
    let detail = format!("version {newest} was saved since; look at it, then save on top of it");
    Problem::conflict(detail).with("version", newest)
}

fn name_taken() -> Problem {
    Problem::conflict("a workflow of this name exists already; choose another").field("/name", "is taken")
}
