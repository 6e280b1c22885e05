//! What must not compile: the rules that the types keep. Documentation tests, each beside its twin that does compile and
//! differs in one place, so that none fails for another reason. A nightly rustdoc checks the codes too.

/// A slice of the smallest size.
macro_rules! slice {
    () => {
        r#"
# use tenure_kernel::permission::{TeamRead, TeamWrite};
# use tenure_kernel::*;
# #[derive(Clone)]
# struct App(Kernel);
# impl axum::extract::FromRef<App> for Kernel {
#     fn from_ref(app: &App) -> Self { app.0.clone() }
# }
# #[derive(serde::Serialize, serde::Deserialize)]
# struct Team { name: String }
# impl Resource for Team {
#     fn resource_id(&self) -> String { self.name.clone() }
# }
# #[derive(serde::Serialize)]
# struct Plugin;
# impl Resource for Plugin {
#     fn resource_id(&self) -> String { String::new() }
# }
# actions! {
#     /// What happens to teams.
#     TeamEvent on Team = "team" { CREATED = "created", "A team was created."; }
# }
# actions! {
#     /// What happens to plugins.
#     PluginEvent on Plugin = "plugin" { CREATED = "created", "A plugin was created."; }
# }
# async fn insert(_: &mut TenantTx<Write>) -> Result<Change<Team>> {
#     Ok(Change::Created(Team { name: String::new() }))
# }
# fn main() {}
"#
    };
}

macro_rules! refused {
    ($(#[$doc:meta])* $name:ident, $code:literal: $right:literal, not $wrong:literal) => {
        $(#[$doc])*
        #[doc = concat!("```no_run\n", slice!(), $right, "\n```")]
        #[doc = concat!("```compile_fail,", $code, "\n", slice!(), $wrong, "\n```")]
        pub mod $name {}
    };
}

refused! {
    /// A route whose handler does not ask who is there.
    a_handler_without_a_guard, "E0277":
    r#"async fn list(_: Authorized<TeamRead>) -> Result<NoContent> { Ok(NoContent) }
fn routes() -> Routes<App> { Routes::new("Teams").get("/teams", list, "List teams.") }"#,
    not r#"async fn list() -> Result<NoContent> { Ok(NoContent) }
fn routes() -> Routes<App> { Routes::new("Teams").get("/teams", list, "List teams.") }"#
}

refused! {
    /// A guard that is not the first argument.
    a_guard_that_comes_too_late, "E0277":
    r#"async fn list(_: Authorized<TeamRead>, _: axum::extract::State<App>) -> Result<NoContent> { Ok(NoContent) }
fn routes() -> Routes<App> { Routes::new("Teams").get("/teams", list, "List teams.") }"#,
    not r#"async fn list(_: axum::extract::State<App>, _: Authorized<TeamRead>) -> Result<NoContent> { Ok(NoContent) }
fn routes() -> Routes<App> { Routes::new("Teams").get("/teams", list, "List teams.") }"#
}

refused! {
    /// A route that anybody may call, for no written reason.
    a_public_route_without_a_reason, "E0277":
    r#"async fn list(_: Anonymous) -> Result<NoContent> { Ok(NoContent) }
fn routes() -> Routes<App> {
    Routes::new("Teams").public(axum::http::Method::GET, "/teams", "because", list, "List teams.")
}"#,
    not r#"async fn list(_: Anonymous) -> Result<NoContent> { Ok(NoContent) }
fn routes() -> Routes<App> { Routes::new("Teams").get("/teams", list, "List teams.") }"#
}

refused! {
    /// A read that calls a store function which changes rows.
    a_write_in_a_read, "E0308":
    r#"async fn create(cx: Authorized<TeamWrite>) -> Result<Team> {
    cx.write(async |tx| Ok(insert(tx).await?.audited(TeamEvent::CREATED))).await
}"#,
    not r#"async fn create(cx: Authorized<TeamWrite>) -> Result<()> {
    cx.read(async |tx| Ok(drop(insert(tx).await?))).await
}"#
}

refused! {
    /// A write under a permission to read.
    a_write_under_a_permission_to_read, "E0271":
    r#"async fn create(cx: Authorized<TeamWrite>) -> Result<Team> {
    cx.write(async |tx| Ok(insert(tx).await?.audited(TeamEvent::CREATED))).await
}"#,
    not r#"async fn create(cx: Authorized<TeamRead>) -> Result<Team> {
    cx.write(async |tx| Ok(insert(tx).await?.audited(TeamEvent::CREATED))).await
}"#
}

refused! {
    /// A write that tells nobody.
    a_write_without_an_event, "E0308":
    r#"async fn create(cx: Authorized<TeamWrite>) -> Result<Team> {
    cx.write(async |tx| Ok(insert(tx).await?.audited(TeamEvent::CREATED))).await
}"#,
    not r#"async fn create(cx: Authorized<TeamWrite>) -> Result<Team> {
    cx.write(async |tx| Ok(insert(tx).await?)).await
}"#
}

refused! {
    /// A write that tells of another kind of thing.
    an_event_of_another_resource, "E0308":
    r#"async fn create(cx: Authorized<TeamWrite>) -> Result<Team> {
    cx.write(async |tx| Ok(insert(tx).await?.audited(TeamEvent::CREATED))).await
}"#,
    not r#"async fn create(cx: Authorized<TeamWrite>) -> Result<Team> {
    cx.write(async |tx| Ok(insert(tx).await?.audited(PluginEvent::CREATED))).await
}"#
}
