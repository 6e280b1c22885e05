//! `/api/v1/users/import` and `/api/v1/users/imports`, `/api/v1/role-imports`, `/api/v1/api-key-imports`

use axum::extract::State;
use serde::Deserialize;
use tenure_kernel::describe::Raw;
use tenure_kernel::permission::{
    ApiKeyRead, ApiKeyWrite, RoleAssign, RoleRead, RoleWrite, ServiceAccountRead, ServiceAccountWrite, UserRead,
    UserWrite,
};
use tenure_kernel::{All, Authorized, Created, ImportId, Json, Page, PageQuery, Path, Query, Recent, Result, Sample};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::model::{Import, ImportKind, ImportLine, LineState};
use super::shared::{self, Report};
use crate::app::{App, Routes};

/// Ten thousand lines of some 800 bytes.
const MOST_BYTES: usize = 8 << 20;

/// The slice's routes.
pub fn routes() -> Routes {
    users().merge(role_imports::routes()).merge(api_key_imports::routes())
}

fn users() -> Routes {
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

macro_rules! new_import {
    ($(#[$doc:meta])* $name:ident as $schema:ident, $csv:literal) => {
        $(#[$doc])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(as = $schema)]
        pub struct $name {
            /// The file's text.
            #[schema(value_type = String)]
            csv: Zeroizing<String>,
            /// Only say what would happen.
            #[serde(default)]
            dry_run: bool,
        }

        impl Sample for $name {
            fn sample() -> serde_json::Value {
                serde_json::json!({"csv": $csv, "dry_run": true})
            }
        }
    };
}

new_import! {
    /// People to add.
    NewImport as NewUserImport,
    "email,username,full_name,password,roles\ngrace@example.com,grace,Grace Hopper,a loud yellow morning,viewer\n"
}
new_import! {
    /// Roles to make.
    NewRoleImport as NewRoleImport,
    "name,description,permissions\nnight-shift,Keeps things running,execution:* workflow:read\n"
}
new_import! {
    /// API keys to take over.
    NewKeyImport as NewApiKeyImport,
    "name,owner,key_sha256,scopes\nNightly,mover,9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08,workflow:read workflow:execute\n"
}

/// Which lines to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LineFilter {
    /// Only those of which this came.
    #[param(inline)]
    pub(super) state: Option<LineState>,
    /// How many at most, 1 to 200.
    pub(super) limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
}

/// The handlers of a kind: what each asks for, and a word to the others.
macro_rules! handlers {
    ($kind:expr, $new:ty, reads $reads:ty, starts $starts:ty, changes $changes:ty) => {
        async fn import(
            cx: Authorized<$starts>,
            State(app): State<App>,
            Json(new): Json<$new>,
        ) -> Result<Created<Import>> {
            shared::import(cx, &app, $kind, new.csv, new.dry_run).await
        }

        async fn list(cx: Authorized<$reads>, Query(page): Query<PageQuery>) -> Result<Json<Page<Import>>> {
            shared::list(cx, $kind, page).await
        }

        async fn get(cx: Authorized<$reads>, Path(id): Path<ImportId>) -> Result<Json<Import>> {
            shared::get(cx, $kind, id).await
        }

        async fn lines(
            cx: Authorized<$reads>,
            Path(id): Path<ImportId>,
            Query(filter): Query<LineFilter>,
        ) -> Result<Json<Page<ImportLine>>> {
            shared::lines(cx, $kind, id, filter).await
        }

        async fn saved(cx: Authorized<$reads>, Path(id): Path<ImportId>) -> Result<Raw<Report>> {
            shared::saved(cx, $kind, id).await
        }

        async fn cancel(
            cx: Authorized<$changes>,
            State(app): State<App>,
            Path(id): Path<ImportId>,
        ) -> Result<Json<Import>> {
            shared::cancel(cx, &app, $kind, id).await
        }

        async fn undo(
            cx: Authorized<$changes>,
            State(app): State<App>,
            Path(id): Path<ImportId>,
        ) -> Result<Json<Import>> {
            shared::undo(cx, &app, $kind, id).await
        }
    };
}

handlers!(
    ImportKind::Users,
    NewImport,
    reads UserRead,
    starts All<(UserWrite, RoleAssign)>,
    changes All<(UserWrite, RoleAssign)>
);

/// `/api/v1/role-imports`
mod role_imports {
    use super::*;

    pub(super) fn routes() -> Routes {
        let import = Routes::new("Roles")
            .post("/role-imports", import, "Make up to 10,000 roles from CSV, or only say what would happen.\n\nThe first line names the columns: `name`, `permissions` (permissions and wildcards, with spaces between them) and where wanted `description`. Each line is judged like a single `POST /api/v1/roles`, one after another beside the requests: follow the import that the answer names. What is made can be undone as long as nobody has it. One import at a time.")
            .body_limit(MOST_BYTES);
        import
            .get("/role-imports", list, "List imports of roles of the last 90 days, newest first.")
            .get("/role-imports/{id}", get, "See how far an import of roles is.")
            .get("/role-imports/{id}/lines", lines, "List the lines of an import of roles and what came of each.")
            .get("/role-imports/{id}/report", saved, "Save what came of each line of an import of roles as CSV.\n\nNo cell of it is a formula to a spreadsheet. Saving it is an event.")
            .post("/role-imports/{id}/cancel", cancel, "Stop an import of roles at the line that it is at.\n\nWhat was made stays; undo it to remove it.")
            .post("/role-imports/{id}/undo", undo, "Delete again the roles that an import made, but for those that somebody has.\n\nIts lines say which stayed, and why.")
    }

    handlers!(ImportKind::Roles, NewRoleImport, reads RoleRead, starts RoleWrite, changes RoleWrite);
}

/// `/api/v1/api-key-imports`
mod api_key_imports {
    use super::*;

    type Changes = All<(ApiKeyWrite, ServiceAccountWrite)>;

    pub(super) fn routes() -> Routes {
        let import = Routes::new("API keys")
            .post("/api-key-imports", import, "Take over up to 10,000 API keys of another system from CSV, or only say what would happen.\n\nThe first line names the columns: `name`, `owner` (the name of a service account, or your own user name), `scopes` (with spaces between them), `key` or `key_sha256` (64 hexadecimal digits), and where wanted `environment`, `expires_at` and `allowed_cidrs`. Of a key only its SHA-256 is kept, from the first moment on; one that cannot hold 128 random bits is refused. A key stays its organisation's when it is given up, and whoever brings five of others is stopped. Each line is judged like a single `POST /api/v1/api-keys`, one after another beside the requests: follow the import that the answer names. One import at a time. It needs a login, as every key does.")
            .body_limit(MOST_BYTES);
        import
            .get("/api-key-imports", list, "List imports of API keys of the last 90 days, newest first.")
            .get("/api-key-imports/{id}", get, "See how far an import of API keys is.")
            .get("/api-key-imports/{id}/lines", lines, "List the lines of an import of API keys and what came of each.\n\nNames and identifiers stand in those of service accounts' keys, and in all where you handed it in or hold `user:write`.")
            .get("/api-key-imports/{id}/report", saved, "Save what came of each line of an import of API keys as CSV.\n\nNo cell of it is a formula to a spreadsheet. Saving it is an event.")
            .post("/api-key-imports/{id}/cancel", cancel, "Stop an import of API keys at the line that it is at.\n\nKeys that were taken over stay; undo it to remove them. It needs a login that has just proven who it is, as the import does.")
            .post("/api-key-imports/{id}/undo", undo, "Remove again the keys that an import took over, but for those that were rotated or revoked since.\n\nThey work within a second on no node any more. Its lines say which stayed. It needs a login that has just proven who it is, as the import does.")
    }

    handlers!(
        ImportKind::ApiKeys,
        NewKeyImport,
        reads All<(ApiKeyRead, ServiceAccountRead)>,
        starts Recent<Changes>,
        changes Recent<Changes>
    );
}
