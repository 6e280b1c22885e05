//! `/api/v1/executions`, and the executions of a workflow

use std::time::Duration;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::response::sse::{KeepAlive, Sse};
use serde::Deserialize;
use serde_json::Value;
use tenure_kernel::bus::Message;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::permission::{ExecutionCancel, ExecutionRead, WorkflowExecute};
use tenure_kernel::{
    Audited, Authorized, ExecutionId, Json, NewEvent, Page, PageQuery, Path, Problem, Query, Result, Sample, WorkflowId,
};
use tenure_workflow::machine::StepKey;
use utoipa::{IntoParams, ToSchema};

use super::event::ExecutionEvent;
use super::filter::Listed;
use super::follow::Follower;
use super::gate::{self, Wanted};
use super::model::{Execution, ExecutionSummary, Step, StepSummary};
use super::store::{self, Cancelled};
use super::{steps, wait};
use crate::app::{App, Routes};

const START: &str = "Execute a workflow.\n\nAnswers 202 with `Location` as soon as the execution is queued. With `?wait=30s` (at most a minute) it answers 200 with the finished execution, or 202 if that takes longer.";
const EVENTS: &str = "Follow an execution, as server-sent events.\n\n`execution` carries an ExecutionSummary, `step` a StepSummary, `log` a line of a step's log with the step's name, each with an `id`. Without `Last-Event-ID` the stream begins with the present state of the execution and of each step; with it, with what came after. `end` is last: do not reconnect. A stream that stops without it is to be asked for again.";
const CANCEL: &str =
    "Cancel an execution.\n\nAnswers 202: what runs is stopped within a second; 409 if it is over already.";

/// The slice's routes.
pub fn routes() -> Routes {
    Routes::new("Executions")
        .post("/workflows/{id}/executions", start, START)
        .get("/executions", list, "List executions, newest first.")
        .get("/executions/{id}", get, "See an execution, with its definition, input and output.")
        .get("/executions/{id}/steps", list_steps, "List an execution's steps, in the order of the journal.")
        .get("/executions/{id}/steps/{step}", get_step, "See a step, with its output and log.")
        .get("/executions/{id}/events", events, EVENTS)
        .post("/executions/{id}/cancel", cancel, CANCEL)
        .body_limit(MAX_INPUT)
}

/// An execution's input may be larger than other bodies.
const MAX_INPUT: usize = 16 * 1024 * 1024;

/// What to execute a workflow with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExecution {
    /// Checked against the workflow's input schema; null unless given.
    #[serde(default)]
    input: Value,
    /// The newest unless given.
    #[schema(minimum = 1)]
    version: Option<i32>,
}

impl Sample for NewExecution {
    fn sample() -> Value {
        serde_json::json!({"input": {"ticket": "The lift is stuck"}})
    }
}

/// How long to wait for the end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StartQuery {
    /// At most this long, up to a minute: `30s`, `500ms`.
    wait: Option<String>,
}

/// 202 with the execution as it stands, or what else its documentation says.
#[derive(Debug)]
pub enum Accepted {}

impl Output for Accepted {
    fn describe(description: &mut Description) {
        description.answers::<ExecutionSummary>(202, "Accepted.");
    }
}

/// A stream of events.
#[derive(Debug)]
pub enum Events {}

impl Output for Events {
    fn describe(description: &mut Description) {
        let schema = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String).build();
        description.answers_with(200, "A stream.", "text/event-stream", utoipa::openapi::Schema::Object(schema));
    }
}

fn accepted(execution: ExecutionSummary) -> Raw<Accepted> {
    let location = format!("/api/v1/executions/{}", execution.id);
    Raw::new((StatusCode::ACCEPTED, [(LOCATION, location)], axum::Json(execution)))
}

async fn start(
    cx: Authorized<WorkflowExecute>,
    State(app): State<App>,
    Path(workflow): Path<WorkflowId>,
    Query(query): Query<StartQuery>,
    headers: HeaderMap,
    Json(new): Json<NewExecution>,
) -> Result<Raw<Accepted>> {
    let patience = query.wait.as_deref().map(wait::parse).transpose()?;
    let wanted = Wanted { workflow, version: new.version, input: new.input };
    let bus = cx.kernel().bus().subscribe();
    let execution = match cx.write(async |tx| gate::admit(tx, &app, wanted).await).await?.into_result() {
        Ok(execution) => execution,
        Err(error) => {
            return Err(cx.kernel().refused(Some(cx.tenant()), cx.cx().actor(), &cx.cx().origin, error).await);
        }
    };
    cx.kernel().bus().wake(Message::WorkQueued);
    if let Some(patience) = patience
        && wait::is_over(&cx, &headers, bus, execution.id, patience).await?
    {
        let whole = cx
            .read(async |tx| {
                let execution = tx.load::<ExecutionSummary>(execution.id).await?;
                store::whole(tx, execution).await
            })
            .await?;
        return Ok(Raw::new(axum::Json(whole)));
    }
    Ok(accepted(execution))
}

async fn list(cx: Authorized<ExecutionRead>, listed: Listed) -> Result<Json<Page<ExecutionSummary>>> {
    cx.read(async |tx| store::list(tx, &listed.filter, &listed.page).await).await.map(Json)
}

async fn get(cx: Authorized<ExecutionRead>, Path(id): Path<ExecutionId>) -> Result<Json<Execution>> {
    let execution = cx
        .read(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            store::whole(tx, execution).await
        })
        .await?;
    Ok(Json(execution))
}

async fn list_steps(
    cx: Authorized<ExecutionRead>,
    State(app): State<App>,
    Path(id): Path<ExecutionId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<StepSummary>>> {
    let page = cx
        .read(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            steps::list(tx, &execution, app.live.of(id), &page).await
        })
        .await?;
    Ok(Json(page))
}

async fn get_step(
    cx: Authorized<ExecutionRead>,
    State(app): State<App>,
    Path((id, StepName(name))): Path<(ExecutionId, StepName)>,
) -> Result<Json<Step>> {
    let step = cx
        .read(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            steps::one(tx, &execution, app.live.of(id), &name).await
        })
        .await?;
    Ok(Json(step))
}

async fn events(
    cx: Authorized<ExecutionRead>,
    State(app): State<App>,
    Path(id): Path<ExecutionId>,
    headers: HeaderMap,
) -> Result<Raw<Events>> {
    cx.read(async |tx| tx.load::<ExecutionSummary>(id).await.map(drop)).await?;
    let stream = Follower::new(cx, headers, app.live, id).events();
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    // A proxy that gathers an answer before it passes it on would hold everything back.
    Ok(Raw::new(([("x-accel-buffering", "no")], Sse::new(stream).keep_alive(alive).into_response())))
}

async fn cancel(cx: Authorized<ExecutionCancel>, Path(id): Path<ExecutionId>) -> Result<Raw<Accepted>> {
    let execution = cx
        .write(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            let event = NewEvent::new(ExecutionEvent::CANCEL_REQUESTED, id.to_string());
            match store::cancel(tx, &execution).await? {
                Cancelled::Asked => Ok(Audited::of(execution.into_inner(), event)),
                Cancelled::AskedBefore => Ok(Audited::none("it was asked for before", execution.into_inner())),
                Cancelled::TooLate => {
                    Err(Problem::conflict("the execution is over; there is nothing to cancel").into())
                }
            }
        })
        .await?;
    cx.kernel().bus().wake(Message::ExecutionCancelled { execution: id });
    // One that nobody works on is taken up to be ended.
    cx.kernel().bus().wake(Message::WorkQueued);
    Ok(accepted(execution))
}

/// The name of a step in a path: `node`, `node%232`, `node%5B17%5D`.
pub struct StepName(StepKey);

impl tenure_kernel::extract::PathParams for StepName {
    fn parse(values: &[&str]) -> Option<Self> {
        let [value] = values else { return None };
        value.parse().ok().map(Self)
    }

    fn schemas() -> Vec<utoipa::openapi::RefOr<utoipa::openapi::Schema>> {
        vec![<String as utoipa::PartialSchema>::schema()]
    }
}
