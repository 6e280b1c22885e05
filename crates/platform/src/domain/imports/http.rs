//! `/api/v1/users/import` and `/api/v1/users/imports`

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::permission::{RoleAssign, UserRead, UserWrite};
use tenure_kernel::{
    All, Audited, Authorized, Created, Error, ImportId, Json, NewEvent, OnConstraint as _, Page, PageQuery, Path,
    Problem, Query, Result, Sample,
};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::event::ImportEvent;
use super::file;
use super::model::{Import, ImportLine, ImportState, LineState};
use super::report;
use super::store;
use crate::app::{App, Routes};

/// Ten thousand lines of some 800 bytes.
const MOST_BYTES: usize = 8 << 20;

/// The slice's routes.
pub fn routes() -> Routes {
    let import = Routes::new("Members")
        .post("/users/import", import, "Add up to 10,000 people from CSV, or only say what would happen.\n\nThe first line names the columns: `email`, `username`, `full_name`, `password` or `password_hash` (bcrypt, scrypt, PBKDF2, Argon2), and where wanted `roles`, `teams` (names, with `;` between them) and `attributes.<name>`, with `:number`, `:flag` or `:list` behind it where it is no text. Each line is judged like a single `POST /api/v1/users`, one after another beside the requests: follow the import that the answer names. What is added can be undone until its person agrees to be a member. One import at a time.")
        .body_limit(MOST_BYTES);
    import
        .get("/users/imports", list, "List imports of people of the last 90 days, newest first.")
        .get("/users/imports/{id}", get, "See how far an import is.")
        .get("/users/imports/{id}/lines", lines, "List the lines of an import and what came of each.")
        .get("/users/imports/{id}/report", saved, "Save what came of each line as CSV.\n\nNo cell of it is a formula to a spreadsheet. Saving it is an event.")
        .post("/users/imports/{id}/cancel", cancel, "Stop an import at the line that it is at.\n\nWho was added stays; undo it to remove them.")
        .post("/users/imports/{id}/undo", undo, "Remove again whom an import added, but for those who have agreed to be members since.\n\nIts lines say who stayed, and why.")
}

/// People to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUserImport)]
pub struct NewImport {
    /// The file's text.
    #[schema(value_type = String)]
    csv: Zeroizing<String>,
    /// Only say what would happen.
    #[serde(default)]
    dry_run: bool,
}

impl Sample for NewImport {
    fn sample() -> serde_json::Value {
        let csv = "email,username,full_name,password,roles\ngrace@example.com,grace,Grace Hopper,a loud yellow morning,viewer\n";
        serde_json::json!({"csv": csv, "dry_run": true})
    }
}

async fn import(
    cx: Authorized<All<(UserWrite, RoleAssign)>>,
    State(app): State<App>,
    Json(new): Json<NewImport>,
) -> Result<Created<Import>> {
    let NewImport { csv, dry_run } = new;
    // Ten thousand lines take a while to cut: not on a thread that serves others.
    let lines = tokio::task::spawn_blocking(move || file::read(&csv)).await.map_err(Error::internal)??;
    let made = cx
        .write(async |tx| Ok(store::insert(tx, dry_run, lines).await?.audited(ImportEvent::STARTED)))
        .await
        .on_constraint("user_imports_one_at_a_time", busy)?;
    app.importer.wake();
    let location = format!("/api/v1/users/imports/{}", made.id);
    Ok(Created(made, Some(location)))
}

fn busy() -> Problem {
    Problem::conflict("another import of this organisation is not over; wait for its end, or cancel it")
}

async fn list(cx: Authorized<UserRead>, Query(page): Query<PageQuery>) -> Result<Json<Page<Import>>> {
    cx.read(async |tx| store::list(tx, &page).await).await.map(Json)
}

async fn get(cx: Authorized<UserRead>, Path(id): Path<ImportId>) -> Result<Json<Import>> {
    cx.read(async |tx| Ok(tx.load::<Import>(id).await?.into_inner())).await.map(Json)
}

/// Which lines to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LineFilter {
    /// Only those of which this came.
    #[param(inline)]
    state: Option<LineState>,
    /// How many at most, 1 to 200.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

async fn lines(
    cx: Authorized<UserRead>,
    Path(id): Path<ImportId>,
    Query(filter): Query<LineFilter>,
) -> Result<Json<Page<ImportLine>>> {
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor };
    cx.read(async |tx| {
        let import = tx.load::<Import>(id).await?;
        let lines = store::lines(tx, &import, filter.state, page.after()?, page.rows()?).await?;
        page.page(lines, |last| last.line)
    })
    .await
    .map(Json)
}

/// Described as a CSV file.
#[derive(Debug)]
pub struct Report;

impl Output for Report {
    fn describe(description: &mut Description) {
        let file = ObjectBuilder::new().format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        description.answers_with(200, "A line for each line of the file.", "text/csv", file);
    }
}

async fn saved(cx: Authorized<UserRead>, Path(id): Path<ImportId>) -> Result<Raw<Report>> {
    let lines = cx
        .read_audited(async |tx| {
            let import = tx.load::<Import>(id).await?;
            let all = i64::try_from(file::MOST_LINES).unwrap_or(i64::MAX);
            let lines = store::lines(tx, &import, None, None, all).await?;
            Ok(Audited::of(lines, NewEvent::new(ImportEvent::REPORTED, id.to_string())))
        })
        .await?;
    let mut response = report::csv(&lines)?.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"import-report.csv\""));
    Ok(Raw::new(response))
}

async fn cancel(
    cx: Authorized<All<(UserWrite, RoleAssign)>>,
    State(app): State<App>,
    Path(id): Path<ImportId>,
) -> Result<Json<Import>> {
    let import = cx
        .write(async |tx| {
            let import = tx.load::<Import>(id).await?;
            if !matches!(import.state, ImportState::Waiting | ImportState::Running | ImportState::Undoing) {
                return Err(Problem::conflict("this import is over; undo it to remove whom it added").into());
            }
            store::cancel(tx, &import).await?;
            let asked = NewEvent::new(ImportEvent::CANCELLED, id.to_string());
            Ok(Audited::of(import.into_inner(), asked))
        })
        .await?;
    app.importer.wake();
    Ok(Json(import))
}

async fn undo(
    cx: Authorized<All<(UserWrite, RoleAssign)>>,
    State(app): State<App>,
    Path(id): Path<ImportId>,
) -> Result<Json<Import>> {
    let import = cx
        .write(async |tx| {
            let import = tx.load::<Import>(id).await?;
            if import.dry_run {
                return Err(Problem::conflict("this was a dry run: there is nothing to undo").into());
            }
            match import.state {
                ImportState::Finished | ImportState::Stopped => {}
                ImportState::Undoing | ImportState::Undone => {
                    return Err(Problem::conflict("this import was undone already, or is about to be").into());
                }
                ImportState::Waiting | ImportState::Running => {
                    return Err(Problem::conflict("this import is not over; cancel it first").into());
                }
            }
            Ok(store::undo(tx, import).await?.audited(ImportEvent::UNDO_STARTED))
        })
        .await
        .on_constraint("user_imports_one_at_a_time", busy)?;
    app.importer.wake();
    Ok(Json(import))
}
