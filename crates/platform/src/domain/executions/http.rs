//! `/api/v1/executions`, and the executions of a workflow

use std::sync::Arc;
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
use tenure_kernel::permission::{ExecutionCancel, ExecutionDelete, ExecutionRead, ExecutionRetry, WorkflowExecute};
use tenure_kernel::{
    Audited, Authorized, Error, ExecutionId, Json, NewEvent, NoContent, Page, PageQuery, Path, Query, Result, Sample,
    WorkflowId,
};
use tenure_workflow::machine::StepKey;
use utoipa::{IntoParams, ToSchema};

use super::control::{self, Wish};
use super::event::ExecutionEvent;
use super::filter::Listed;
use super::follow::Follower;
use super::gate::{self, Admission, Input, Wanted};
use super::inputs::Given;
use super::model::{Execution, ExecutionSummary, Step, StepSummary};
use super::values::{self, Opener};
use super::{inputs, removal, retention, steps, store, wait};
use crate::app::{App, Routes};

const START: &str = "Execute a workflow.\n\nAnswers 202 with `Location` as soon as the execution is queued. With `?wait=30s` (at most a minute) it answers 200 with the finished execution, or 202 if that takes longer.";
const EVENTS: &str = "Follow an execution, as server-sent events.\n\n`execution` carries an ExecutionSummary, `step` a StepSummary, `log` a line of a step's log with the step's name, each with an `id`. Without `Last-Event-ID` the stream begins with the present state of the execution and of each step; with it, with what came after. `end` is last: do not reconnect. A stream that stops without it is to be asked for again.";
const CANCEL: &str =
    "Cancel an execution.\n\nAnswers 202: what runs is stopped within a second; 409 if it is over already.";

const PAUSE: &str = "Pause an execution.\n\nAnswers 202: steps in flight may end, nothing more begins; the state is `paused` once nothing runs. 409 if it is over.";
const RESUME: &str =
    "Resume a paused execution.\n\nAnswers 202: it is queued again and goes on where it was. 409 if it is not paused.";
const RETRY: &str = "Retry an execution that failed, was cancelled or ran out of time.\n\nAnswers 202: it is queued again and goes on after its finished steps, of which none runs again; what failed or was stopped is done again. 409 if it is not over, succeeded, or would only end the same way.";

const DELETE: &str = "Delete an execution that is over.\n\nIts journal, its approvals and its values go with it, and what they held of the organisation's storage is free at once; the audit log keeps its events. 409 while it is not over: cancel it first.";

const SAVE_INPUT: &str = "Save an execution's input.\n\nThe JSON value itself, however large, as a file, with `[sensitive]` for what schemas mark so.";
const SAVE_OUTPUT: &str = "Save an execution's output.\n\nThe JSON value itself, however large, as a file, with `[sensitive]` for what schemas mark so. 404 until the execution has succeeded.";
const SAVE_STEP_INPUT: &str = "Save what a step was given.\n\nAs `input` of the step shows it, with nothing left out for its size, as a file. 404 for a step that was skipped or has not begun, and where it is made of more than 64 MiB.";
const SAVE_STEP_OUTPUT: &str = "Save a step's output.\n\nThe JSON value itself, however large, as a file, with `[sensitive]` for what schemas mark so. 404 until the step has succeeded.";

/// The slice's routes.
pub fn routes() -> Routes {
    retention::routes(Routes::new("Executions"))
        .post("/workflows/{id}/executions", start, START)
        .get("/executions", list, "List executions, newest first.")
        .get("/executions/{id}", get, "See an execution, with its definition, input and output.")
        .delete("/executions/{id}", delete, DELETE)
        .get("/executions/{id}/input", save_input, SAVE_INPUT)
        .get("/executions/{id}/output", save_output, SAVE_OUTPUT)
        .get("/executions/{id}/steps", list_steps, "List an execution's steps, in the order of the journal.")
        .get("/executions/{id}/steps/{step}", get_step, "See a step, with its output and log.")
        .get("/executions/{id}/steps/{step}/input", save_step_input, SAVE_STEP_INPUT)
        .get("/executions/{id}/steps/{step}/output", save_step_output, SAVE_STEP_OUTPUT)
        .get("/executions/{id}/events", events, EVENTS)
        .post("/executions/{id}/cancel", cancel, CANCEL)
        .post("/executions/{id}/pause", pause, PAUSE)
        .post("/executions/{id}/resume", resume, RESUME)
        .post("/executions/{id}/retry", retry, RETRY)
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

/// Described as 200 with [`Execution`] that ended while it was waited for, else as [`Accepted`].
#[derive(Debug)]
pub enum Started {}

impl Output for Started {
    fn describe(description: &mut Description) {
        description.answers::<Execution>(200, "It ended within the time of `wait`.");
        Accepted::describe(description);
    }
}

/// A stream of events.
#[derive(Debug)]
pub enum Events {}

impl Output for Events {
    fn describe(description: &mut Description) {
        // What one event is made of (HTML Living Standard, 9.2), as those who check a stream read it.
        let text = || {
            let schema = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
            utoipa::openapi::Schema::Object(schema.build())
        };
        let event = utoipa::openapi::ObjectBuilder::new()
            .property("event", text())
            .property("id", text())
            .property("data", text());
        let schema = utoipa::openapi::Schema::Object(event.build());
        description.answers_with(200, "A stream.", "text/event-stream", schema);
    }
}

/// A JSON value to be saved as a file.
#[derive(Debug)]
pub enum Saved {}

impl Output for Saved {
    fn describe(description: &mut Description) {
        description.answers_with(200, "The value.", "application/json", <Value as utoipa::PartialSchema>::schema());
    }
}

fn accepted<T>(execution: ExecutionSummary) -> Raw<T> {
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
) -> Result<Raw<Started>> {
    let patience = query.wait.as_deref().map(wait::parse).transpose()?;
    let id = ExecutionId::new(cx.kernel().clock().now());
    let wanted = Wanted { id, workflow, version: new.version, input: Input::Held(new.input) };
    // Before anything is queued: who may not wait starts nothing.
    let _waits = match patience {
        Some(_) => Some(app.connections.open(&cx).await?),
        None => None,
    };
    let bus = cx.kernel().bus().subscribe();
    let execution = queue(&cx, &app, wanted).await?;
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

/// Through the gate. What was put aside for an execution that does not come about is thrown away, but for a fault that
/// leaves open whether it did.
async fn queue(cx: &Authorized<WorkflowExecute>, app: &App, wanted: Wanted) -> Result<ExecutionSummary> {
    let wanted = gate::prepare(cx, app, wanted).await?;
    let admitted = cx.write(async |tx| gate::admit(tx, app, &wanted).await).await;
    let comes_about = match &admitted {
        Ok(Admission::Queued(execution)) => execution.id == wanted.id,
        Ok(Admission::Denied(_)) | Err(Error::Problem(_)) => false,
        Err(_) => true,
    };
    if let Input::Put(stored) = &wanted.input
        && !comes_about
    {
        app.engine.objects().remove(cx.tenant(), stored).await;
    }
    match admitted?.into_result() {
        Ok(execution) => Ok(execution),
        Err(error) => Err(cx.kernel().refused(Some(cx.tenant()), cx.cx().actor(), &cx.cx().origin, error).await),
    }
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

async fn delete(
    cx: Authorized<ExecutionDelete>,
    State(app): State<App>,
    Path(id): Path<ExecutionId>,
) -> Result<NoContent> {
    cx.write(async |tx| removal::delete(tx, id).await).await?;
    app.engine.objects().remove_all(cx.tenant(), &[id]).await;
    Ok(NoContent)
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
            let step = steps::one(tx, &execution, app.live.of(id), &name).await?;
            Ok(Step { input: inputs::of(tx, &app, &execution, &name).await?, ..step })
        })
        .await?;
    Ok(Json(step))
}

async fn save_input(
    cx: Authorized<ExecutionRead>,
    State(app): State<App>,
    Path(id): Path<ExecutionId>,
) -> Result<Raw<Saved>> {
    let (input, opener) = cx
        .read(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            let (input, _) = store::ends(tx, &execution).await?;
            let opener = Opener::of(tx, id, input.object().into_iter()).await?;
            Ok((input, opener))
        })
        .await?;
    let json = opener.json(&app, cx.tenant(), &input).await?;
    Ok(Raw::new(values::attachment(&format!("{id}-input"), json)))
}

async fn save_output(
    cx: Authorized<ExecutionRead>,
    State(app): State<App>,
    Path(id): Path<ExecutionId>,
) -> Result<Raw<Saved>> {
    let (output, opener) = cx
        .read(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            let (_, output) = store::ends(tx, &execution).await?;
            let output = output.ok_or_else(|| values::none("there is no output until the execution has succeeded"))?;
            let opener = Opener::of(tx, id, output.object().into_iter()).await?;
            Ok((output, opener))
        })
        .await?;
    let json = opener.json(&app, cx.tenant(), &output).await?;
    Ok(Raw::new(values::attachment(&format!("{id}-output"), json)))
}

async fn save_step_input(
    cx: Authorized<ExecutionRead>,
    State(app): State<App>,
    Path((id, StepName(name))): Path<(ExecutionId, StepName)>,
) -> Result<Raw<Saved>> {
    let (given, opener) = cx
        .read(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            let given = Given::find(tx, &app, &execution, &name).await?;
            let given =
                given.ok_or_else(|| values::none("this step was given nothing, or not yet, or it is not kept"))?;
            let opener = Opener::of(tx, id, given.objects()).await?;
            Ok((given, opener))
        })
        .await?;
    let json = opener.given(&app, cx.tenant(), given).await?;
    Ok(Raw::new(values::attachment(&format!("{id}-{name}-input"), json)))
}

async fn save_step_output(
    cx: Authorized<ExecutionRead>,
    State(app): State<App>,
    Path((id, StepName(name))): Path<(ExecutionId, StepName)>,
) -> Result<Raw<Saved>> {
    let (output, opener) = cx
        .read(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            let output = steps::output(tx, &execution, &name).await?;
            let output = output.ok_or_else(|| values::none("there is no output until the step has succeeded"))?;
            let opener = Opener::of(tx, id, output.object().into_iter()).await?;
            Ok((output, opener))
        })
        .await?;
    let json = opener.json(&app, cx.tenant(), &output).await?;
    Ok(Raw::new(values::attachment(&format!("{id}-{name}-output"), json)))
}

async fn events(
    cx: Authorized<ExecutionRead>,
    State(app): State<App>,
    Path(id): Path<ExecutionId>,
    headers: HeaderMap,
) -> Result<Raw<Events>> {
    cx.read(async |tx| tx.load::<ExecutionSummary>(id).await.map(drop)).await?;
    let open = app.connections.open(&cx).await?;
    let stream = Follower::new(cx, headers, Arc::clone(&app.live), id, open).events();
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    // A proxy that gathers an answer before it passes it on would hold everything back.
    Ok(Raw::new(([("x-accel-buffering", "no")], Sse::new(stream).keep_alive(alive).into_response())))
}

async fn cancel(cx: Authorized<ExecutionCancel>, Path(id): Path<ExecutionId>) -> Result<Raw<Accepted>> {
    let execution = cx
        .write(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            let event = NewEvent::new(ExecutionEvent::CANCEL_REQUESTED, id.to_string());
            Ok(match control::cancel(tx, &execution).await? {
                Wish::Taken => Audited::of(execution.into_inner(), event),
                Wish::TakenBefore => Audited::none("it was asked for before", execution.into_inner()),
            })
        })
        .await?;
    cx.kernel().bus().wake(Message::ExecutionCancelled { execution: id });
    // One that nobody works on is taken up to be ended.
    cx.kernel().bus().wake(Message::WorkQueued);
    Ok(accepted(execution))
}

async fn pause(cx: Authorized<ExecutionCancel>, Path(id): Path<ExecutionId>) -> Result<Raw<Accepted>> {
    let execution = cx
        .write(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            let event = NewEvent::new(ExecutionEvent::PAUSED, id.to_string());
            let wish = control::pause(tx, &execution).await?;
            let execution = tx.load::<ExecutionSummary>(id).await?.into_inner();
            Ok(match wish {
                Wish::Taken => Audited::of(execution, event),
                Wish::TakenBefore => Audited::none("it was asked for before", execution),
            })
        })
        .await?;
    Ok(moved(&cx, execution))
}

async fn resume(cx: Authorized<ExecutionRetry>, Path(id): Path<ExecutionId>) -> Result<Raw<Accepted>> {
    let execution = cx
        .write(async |tx| {
            let execution = tx.load::<ExecutionSummary>(id).await?;
            control::resume(tx, &execution).await?;
            let event = NewEvent::new(ExecutionEvent::RESUMED, id.to_string());
            Ok(Audited::of(tx.load::<ExecutionSummary>(id).await?.into_inner(), event))
        })
        .await?;
    Ok(moved(&cx, execution))
}

async fn retry(
    cx: Authorized<ExecutionRetry>,
    State(app): State<App>,
    Path(id): Path<ExecutionId>,
) -> Result<Raw<Accepted>> {
    match cx.write(async |tx| gate::admit_again(tx, &app, id).await).await?.into_result() {
        Ok(execution) => Ok(moved(&cx, execution)),
        Err(error) => Err(cx.kernel().refused(Some(cx.tenant()), cx.cx().actor(), &cx.cx().origin, error).await),
    }
}

/// The answer, once the engine and whoever watches were told.
fn moved<P>(cx: &Authorized<P>, execution: ExecutionSummary) -> Raw<Accepted> {
    let bus = cx.kernel().bus();
    bus.wake(Message::WorkQueued);
    bus.wake(Message::ExecutionProgress { tenant: cx.tenant(), execution: execution.id, over: false });
    accepted(execution)
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
