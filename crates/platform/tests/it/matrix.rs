//! Generated over the route table, never listed by hand.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tenure_kernel::context::Owed;
use tenure_kernel::describe::Guard;
use tenure_kernel::{Access, PermissionSet, RouteInfo};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::testkit::{Actor, TestApp};

use crate::foreign::{Api, NOWHERE, path_of, value_of};
use crate::guests;

async fn call(app: &TestApp, route: &RouteInfo, actor: Option<&Actor>) -> u16 {
    let api = Api::new();
    let path = path_of(route, |name| {
        api.parameter(route, name).map_or_else(|| value_of(route, name), |kind| format!("{kind}_{NOWHERE}"))
    });
    let token = actor.map(|actor| actor.token.as_str());
    app.send(route.method.clone(), &path, token, route.sample.as_ref()).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_who_is_there_and_what_they_may() {
    let app = guests::app().await;
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
            assert!(status < 500, "{} {} as {role:?} answered {status}", route.method, route.path);
            write!(table, " {}", if allowed { role.as_str() } else { "-" }).unwrap();
        }
        table.push('\n');
    }
    insta::assert_snapshot!("route_by_role", table);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_their_guards() {
    let app = TestApp::start().await;
    let lines = app.routes.iter().map(|route| {
        let guard = match route.guard {
            Guard::Permission(needs, access) => format!("{needs} ({access:?})"),
            Guard::Platform(permission) => permission.as_str().to_owned(),
            Guard::Authenticated => "a login".to_owned(),
            Guard::Public => format!("public: {}", route.public_reason.unwrap_or("?")),
        };
        let proof = match (route.step_up, route.keys_pass) {
            (false, _) => "",
            (true, false) => ", proven just now",
            (true, true) => ", a login proven just now",
        };
        let owing = route.owing.iter().map(|owed| match owed {
            Owed::NewPassword => ", also with a password of somebody else's",
            Owed::SecondFactor => ", also without the second factor that is asked for",
        });
        format!("{:6} {:45} {guard}{proof}{}", route.method, route.path, owing.collect::<String>())
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
    let source = source_of(std::path::Path::new("src"));
    let silent = source.matches("Audited::none(").count() + source.matches(".statements(").count();
    let reasons = tenure_kernel::SystemReason::ALL.len();
    insta::assert_snapshot!(
        "escape_hatches",
        format!(
            "public routes {public}\nroutes of any login {authenticated}\nwrites without an event {silent}\nsystem reasons {reasons}"
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
    let root = std::path::Path::new("src/domain");
    let listed = std::fs::read_to_string(root.join("mod.rs")).unwrap();
    let order: Vec<&str> = listed.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(order.len() > 3, "the list of domains was not understood");
    let document = std::fs::read_to_string("../../ARCHITECTURE.md").unwrap();
    let told = document.split("is the list: ").nth(1).unwrap().split('.').next().unwrap();
    let told: Vec<&str> = told.split(',').map(str::trim).collect();
    assert_eq!(told, order, "ARCHITECTURE.md tells another order");
    for (place, domain) in order.iter().enumerate() {
        let imported = domains_in(&source_of(&root.join(domain)));
        for below in order.iter().skip(place + 1) {
            assert!(!imported.contains(*below), "{domain} imports {below}, which stands below it in domain/mod.rs");
        }
    }
}

/// Every domain that is named behind `domain::`, alone or anywhere in braces, also over several lines.
fn domains_in(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in source.split("domain::").skip(1) {
        let name = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(name(rest));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for c in list.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => found.extend([name(std::mem::take(&mut item).trim())]),
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 0 => item.push(c),
                _ => {}
            }
        }
        found.insert(name(item.trim()));
    }
    // Behind the last comma of a list there is nothing.
    found.remove("");
    found
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let source = "use crate::domain::{\n    access::{self, role},\n    plugins, engine as e,\n};\nfn f() { crate::domain::quotas::take() }";
    let found = domains_in(source);
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["access", "engine", "plugins", "quotas"]);
}

/// `docs/permissions.md` is written from the catalogue and the route table: with `INSTA_UPDATE=always` anew, otherwise it is
/// compared.
#[test]
fn the_page_of_permissions_is_that_of_the_catalogue() {
    let (_, table) = tenure_platform::app::routes().finish();
    let mut page = String::from(
        "# Permissions\n\nWritten from the catalogue of permissions and the routes that ask for them. Which role has what is \
         the same everywhere for the six system roles; an organisation makes [roles of its own](administration.md) beside them.\n\n\
         | permission | what it lets do |",
    );
    for role in SystemRole::ALL {
        write!(page, " {} |", role.as_str()).unwrap();
    }
    write!(page, "\n| --- | --- |{}\n", " --- |".repeat(SystemRole::ALL.len())).unwrap();
    for id in tenure_kernel::PermissionId::ALL {
        write!(page, "| `{}` | {} |", id.as_str(), id.description()).unwrap();
        for role in SystemRole::ALL {
            let has = role.permissions().contains(PermissionSet::of(&[*id]));
            write!(page, " {} |", if has { "yes" } else { "" }).unwrap();
        }
        page.push('\n');
    }
    page.push_str("\n## Routes\n\nA route that names several needs all of them.\n\n| route | needs |\n| --- | --- |\n");
    for route in table.iter() {
        let Guard::Permission(needs, _) = route.guard else { continue };
        let needs: Vec<String> = needs.iter().map(|id| format!("`{}`", id.as_str())).collect();
        let proof = if route.step_up { ", and a factor [proven just now](mfa.md#step-up)" } else { "" };
        writeln!(page, "| `{} {}` | {}{proof} |", route.method, route.path, needs.join(" ")).unwrap();
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/permissions.md");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "docs/permissions.md is not of this catalogue: run this test with INSTA_UPDATE=always");
}
