//! What the routes of every kind of import do.

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse as _;
use tenure_kernel::describe::{Description, Output, Raw};
use tenure_kernel::permission::{Read, Write};
use tenure_kernel::{
    Audited, Authorized, Created, Error, ImportId, Json, Mode, NewEvent, OnConstraint as _, Page, PageQuery,
    Permission, Permitted, Problem, Result, TenantTx,
};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat};
use zeroize::Zeroizing;

use super::file;
use super::http::LineFilter;
use super::model::{Import, ImportKind, ImportLine, ImportState};
use super::{report, store};
use crate::app::App;

impl ImportKind {
    /// Where the imports of a kind are listed.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Users => "/users/imports",
            Self::Roles => "/role-imports",
            Self::ApiKeys => "/api-key-imports",
        }
    }
}

/// An import of another kind is not there.
async fn of_kind<M: Mode>(tx: &mut TenantTx<M>, kind: ImportKind, id: ImportId) -> Result<Permitted<Import>> {
    let import = tx.load::<Import>(id).await?;
    if import.kind == kind { Ok(import) } else { Err(Problem::not_found().into()) }
}

pub(super) async fn import<P: Permission<Mode = Write>>(
    cx: Authorized<P>,
    app: &App,
    kind: ImportKind,
    csv: Zeroizing<String>,
    dry_run: bool,
) -> Result<Created<Import>> {
    // Ten thousand lines take a while to cut: not on a thread that serves others.
    let lines = tokio::task::spawn_blocking(move || file::read(kind, &csv)).await.map_err(Error::internal)??;
    let made = cx
        .write(async |tx| Ok(store::insert(tx, kind, dry_run, lines).await?.audited(kind.events().started)))
        .await
        .on_constraint("user_imports_one_at_a_time", busy)?;
    app.importer.wake();
    let location = format!("/api/v1{}/{}", kind.path(), made.id);
    Ok(Created(made, Some(location)))
}

fn busy() -> Problem {
    Problem::conflict("another import of this organisation is not over; wait for its end, or cancel it")
}

pub(super) async fn list<P: Permission<Mode = Read>>(
    cx: Authorized<P>,
    kind: ImportKind,
    page: PageQuery,
) -> Result<Json<Page<Import>>> {
    cx.read(async |tx| store::list(tx, kind, &page).await).await.map(Json)
}

pub(super) async fn get<P: Permission<Mode = Read>>(
    cx: Authorized<P>,
    kind: ImportKind,
    id: ImportId,
) -> Result<Json<Import>> {
    cx.read(async |tx| Ok(of_kind(tx, kind, id).await?.into_inner())).await.map(Json)
}

pub(super) async fn lines<P: Permission<Mode = Read>>(
    cx: Authorized<P>,
    kind: ImportKind,
    id: ImportId,
    filter: LineFilter,
) -> Result<Json<Page<ImportLine>>> {
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor };
    cx.read(async |tx| {
        let import = of_kind(tx, kind, id).await?;
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

pub(super) async fn saved<P: Permission<Mode = Read>>(
    cx: Authorized<P>,
    kind: ImportKind,
    id: ImportId,
) -> Result<Raw<Report>> {
    let lines = cx
        .read_audited(async |tx| {
            let import = of_kind(tx, kind, id).await?;
            let all = i64::try_from(file::MOST_LINES).unwrap_or(i64::MAX);
            let lines = store::lines(tx, &import, None, None, all).await?;
            Ok(Audited::of(lines, NewEvent::new(kind.events().reported, id.to_string())))
        })
        .await?;
    let mut response = report::csv(kind, &lines)?.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"import-report.csv\""));
    Ok(Raw::new(response))
}

pub(super) async fn cancel<P: Permission<Mode = Write>>(
    cx: Authorized<P>,
    app: &App,
    kind: ImportKind,
    id: ImportId,
) -> Result<Json<Import>> {
    let import = cx
        .write(async |tx| {
            let import = of_kind(tx, kind, id).await?;
            if !matches!(import.state, ImportState::Waiting | ImportState::Running | ImportState::Undoing) {
                return Err(Problem::conflict("this import is over; undo it to remove what it added").into());
            }
            store::cancel(tx, &import).await?;
            let asked = NewEvent::new(kind.events().cancelled, id.to_string());
            Ok(Audited::of(import.into_inner(), asked))
        })
        .await?;
    app.importer.wake();
    Ok(Json(import))
}

pub(super) async fn undo<P: Permission<Mode = Write>>(
    cx: Authorized<P>,
    app: &App,
    kind: ImportKind,
    id: ImportId,
) -> Result<Json<Import>> {
    let import = cx
        .write(async |tx| {
            let import = of_kind(tx, kind, id).await?;
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
            Ok(store::undo(tx, import).await?.audited(kind.events().undo_started))
        })
        .await
        .on_constraint("user_imports_one_at_a_time", busy)?;
    app.importer.wake();
    Ok(Json(import))
}
