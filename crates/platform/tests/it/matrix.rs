//! Generated over the route table, never listed by hand.

use std::fmt::Write as _;

use reqwest::Method;
use tenure_kernel::describe::Guard;
use tenure_kernel::{Access, PermissionSet, RouteInfo};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, TestApp};

use crate::guests;

/// A path of this route with identifiers that exist nowhere.
fn path_of(route: &RouteInfo) -> String {
    path_with(route, |name| sample_segment(&route.path, name))
}

fn path_with(route: &RouteInfo, segment: impl Fn(&str) -> String) -> String {
    let segments = route.path.split('/').map(|part| match part.strip_prefix('{') {
        None => part.to_owned(),
        Some(name) => segment(name.trim_end_matches('}')),
    });
    segments.collect::<Vec<_>>().join("/")
}

fn sample_segment(path: &str, name: &str) -> String {
    let nowhere = "01jd0000000000000000000000";
    match name {
        "user" => format!("usr_{nowhere}"),
        "name" => "no_such_name".to_owned(),
        "version" => "1".to_owned(),
        _ => {
            let prefix = [
                ("/teams", "team"),
                ("/users", "usr"),
                ("/workflows", "wf"),
                ("/executions", "exe"),
                ("/approvals", "apr"),
                ("/plugins", "plg"),
                ("/secrets", "sec"),
                ("/audit", "evt"),
            ];
            let prefix = prefix.iter().find(|(part, _)| path.contains(part)).map_or("team", |(_, prefix)| prefix);
            format!("{prefix}_{nowhere}")
        }
    }
}

async fn call(app: &TestApp, route: &RouteInfo, actor: Option<&Actor>) -> u16 {
    let method: Method = route.method.as_str().parse().unwrap();
    let answer =
        app.send(method, &path_of(route), actor.map(|actor| actor.token.as_str()), route.sample.as_ref()).await;
    answer.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_who_is_there_and_what_they_may() {
    let app = guests::app_if_built().await;
    let tenant = app.tenant("Acme").await;
    let mut table = String::new();
    for route in app.routes.iter() {
        let Guard::Permission(needs, _) = route.guard else { continue };
        let anonymous = call(&app, route, None).await;
        assert_eq!(anonymous, 401, "{} {} without a login", route.method, route.path);
        write!(table, "{:6} {:45}", route.method, route.path).unwrap();
        for (role, actor) in &tenant.roles {
            let allowed = role.permissions().contains(needs);
            let status = call(&app, route, Some(actor)).await;
            assert_eq!(status == 403, !allowed, "{} {} as {role:?} answered {status}", route.method, route.path);
            let excused = status == 503 && !guests::are_built();
            assert!(status < 500 || excused, "{} {} as {role:?} answered {status}", route.method, route.path);
            write!(table, " {}", if allowed { role.as_str() } else { "-" }).unwrap();
        }
        table.push('\n');
    }
    insta::assert_snapshot!("route_by_role", table);
}

/// Every route that names something, with names that exist in another tenant: answered like what does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_identifiers_are_answered_like_unknown_ones() {
    let app = guests::app_if_built().await;
    let (acme, globex) = (app.register("ada", "Acme").await, app.register("hank", "Globex").await);
    let theirs = |list: serde_json::Value| list["items"][0]["id"].as_str().unwrap_or_default().to_owned();
    let team = theirs(app.get(&globex, "/teams").await.expect(200));
    let event = theirs(app.get(&globex, "/audit/events").await.expect(200));
    let _ = app.put(&globex, "/secrets/hook", serde_json::json!({"value": "a secret of theirs"})).await.expect(200);
    let (mut workflow, mut execution) = (sample_segment("/workflows", "id"), sample_segment("/executions", "id"));
    if guests::are_built() {
        let definition = serde_json::json!({
            "name": "theirs", "nodes": {"a": {"type": "transform", "jq": "1"}},
            "edges": [{"from": "start", "to": "a"}, {"from": "a", "to": "end"}],
        });
        workflow = app.post(&globex, "/workflows", definition).await.expect(201)["id"].as_str().unwrap().to_owned();
        let path = format!("/workflows/{workflow}/executions?wait=30s");
        let done = app.post(&globex, &path, serde_json::json!({"input": null})).await.expect(200);
        execution = done["id"].as_str().unwrap().to_owned();
    }
    let mut named = 0;
    for route in app.routes.iter().filter(|route| route.path.contains('{')) {
        let path = path_with(route, |name| match name {
            "user" => globex.user_id().to_owned(),
            "name" => "hook".to_owned(),
            "step" => "a".to_owned(),
            "id" if route.path.contains("/teams") => team.clone(),
            "id" if route.path.contains("/users") => globex.user_id().to_owned(),
            "id" if route.path.contains("/audit") => event.clone(),
            "id" if route.path.contains("/workflows") => workflow.clone(),
            "id" if route.path.contains("/executions") => execution.clone(),
            other => sample_segment(&route.path, other),
        });
        // A name is each tenant's own: putting one makes ours, and touches nothing of theirs.
        if route.method == "PUT" && route.path.ends_with("/secrets/{name}") {
            continue;
        }
        named += 1;
        let method: Method = route.method.as_str().parse().unwrap();
        let status = app.send(method, &path, Some(&acme.token), route.sample.as_ref()).await.status.as_u16();
        let excused = status == 503 && !guests::are_built();
        assert!(status == 404 || excused, "{} {path} answered {status}", route.method);
    }
    assert!(named > 20, "the route table was not understood");
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_their_guards() {
    let app = TestApp::start().await;
    let lines = app.routes.iter().map(|route| {
        let guard = match route.guard {
            Guard::Permission(needs, access) => format!("{needs} ({access:?})"),
            Guard::Authenticated => "a login".to_owned(),
            Guard::Public => format!("public: {}", route.public_reason.unwrap_or("?")),
        };
        format!("{:6} {:45} {guard}", route.method, route.path)
    });
    insta::assert_snapshot!("routes", lines.collect::<Vec<_>>().join("\n"));
}

/// POST routes that only read, each with its reason.
const READING_POSTS: &[(&str, &str)] = &[
    ("/api/v1/workflows/validate", "checks a definition and stores nothing"),
    ("/api/v1/audit/verify", "recomputes the log and leaves it as it is"),
];

#[test]
fn what_changes_something_writes_and_every_route_is_described() {
    let (_, table) = tenure_platform::app::routes().finish();
    for route in table.iter() {
        assert!(!route.doc.trim().is_empty(), "{} has no description", route.path);
        let changes = route.method != "GET";
        if let (Guard::Permission(_, access), true) = (route.guard, changes) {
            let exempt = READING_POSTS.iter().any(|(path, _)| *path == route.path);
            assert_eq!(access == Access::Write, !exempt, "{} {}", route.method, route.path);
        }
        assert_eq!(route.guard == Guard::Public, route.public_reason.is_some(), "{}", route.path);
    }
}

/// Escape hatches in the source, counted: a higher number needs a reviewer's eye.
#[test]
fn escape_hatches_are_counted() {
    let (_, table) = tenure_platform::app::routes().finish();
    let public = table.iter().filter(|route| route.guard == Guard::Public).count();
    let authenticated = table.iter().filter(|route| route.guard == Guard::Authenticated).count();
    let source = source_of(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let silent = source.matches("Audited::none(").count();
    let reasons = tenure_kernel::SystemReason::ALL.len();
    insta::assert_snapshot!(
        "escape_hatches",
        format!(
            "public routes {public}\nroutes of any login {authenticated}\nAudited::none {silent}\nsystem reasons {reasons}"
        )
    );
}

fn source_of(directory: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            text.push_str(&source_of(&entry.path()));
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(entry.path()).unwrap());
        }
    }
    text
}

#[test]
fn roles_and_their_permissions() {
    let mut table = String::new();
    for id in tenure_kernel::PermissionId::ALL {
        let held = SystemRole::ALL
            .map(|role| if role.permissions().contains(PermissionSet::of(&[*id])) { role.as_str() } else { "-" });
        writeln!(table, "{:20} {}", id.as_str(), held.join(" ")).unwrap();
    }
    insta::assert_snapshot!("roles", table);
}

#[test]
fn domains_import_only_what_stands_above_them() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let listed = std::fs::read_to_string(root.join("mod.rs")).unwrap();
    let order: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(order.len() > 3, "the list of domains was not understood");
    for (place, domain) in order.iter().enumerate() {
        let source = source_of(&root.join(domain));
        for below in order.iter().skip(place + 1) {
            let imports =
                source.contains(&format!("domain::{below}::")) || source.contains(&format!("domain::{{{below}"));
            assert!(!imports, "{domain} imports {below}, which stands below it in domain/mod.rs");
        }
    }
}
