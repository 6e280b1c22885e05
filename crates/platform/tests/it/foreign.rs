//! Another tenant's names in every place where a request can name something: generated over the route table and the
//! API's own description.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::RouteInfo;
use tenure_platform::testkit::{Actor, TestApp};

use crate::engine::{run, save};
use crate::guests;
use crate::policies::single;

/// The end of an identifier that exists nowhere.
pub const NOWHERE: &str = "01jd0000000000000000000000";

/// The OpenAPI document: which parameter and which member of a body is an identifier, and of what.
pub struct Api(Value);

/// A member of a body that takes an identifier.
#[derive(Debug)]
struct Field {
    pointer: String,
    kind: String,
    list: bool,
}

impl Api {
    pub fn new() -> Self {
        Self(serde_json::to_value(tenure_platform::app::openapi()).unwrap())
    }

    pub fn operation(&self, route: &RouteInfo) -> &Value {
        let of_path = &self.0["paths"][&route.path];
        let operation = &of_path[route.method.as_str().to_lowercase()];
        assert!(operation.is_object(), "{} {} is not described", route.method, route.path);
        operation
    }

    pub fn parameters(&self, route: &RouteInfo, place: &str) -> Vec<(String, Option<String>)> {
        let all = self.operation(route)["parameters"].as_array().cloned().unwrap_or_default();
        let here = all.into_iter().filter(|parameter| parameter["in"] == place);
        here.map(|parameter| (parameter["name"].as_str().unwrap().to_owned(), self.kind(&parameter["schema"])))
            .collect()
    }

    /// Of what the path's parameter is an identifier, if it is one.
    pub fn parameter(&self, route: &RouteInfo, name: &str) -> Option<String> {
        let found = self.parameters(route, "path").into_iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("{} does not describe {{{name}}}", route.path)).1
    }

    pub fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
            None => schema,
        }
    }

    /// The prefix of the identifiers that fit the schema.
    fn kind(&self, schema: &Value) -> Option<String> {
        let schema = self.resolved(schema);
        if let Some(pattern) = schema["pattern"].as_str() {
            let (prefix, rest) = pattern.strip_prefix('^')?.split_once('_')?;
            return rest.starts_with("[0-7]").then(|| prefix.to_owned());
        }
        let choices = ["oneOf", "anyOf", "allOf"].iter().filter_map(|way| schema[way].as_array()).flatten();
        choices.into_iter().find_map(|choice| self.kind(choice))
    }

    fn fields(&self, route: &RouteInfo) -> Vec<Field> {
        let mut fields = Vec::new();
        let schema = &self.operation(route)["requestBody"]["content"]["application/json"]["schema"];
        self.collect(schema, "", &mut fields);
        fields
    }

    fn collect(&self, schema: &Value, pointer: &str, fields: &mut Vec<Field>) {
        let schema = self.resolved(schema);
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let pointer = format!("{pointer}/{name}");
            let member = self.resolved(member);
            if let Some(kind) = self.kind(member) {
                fields.push(Field { pointer, kind, list: false });
            } else if let Some(kind) = self.kind(&member["items"]) {
                fields.push(Field { pointer, kind, list: true });
            } else {
                self.collect(member, &pointer, fields);
            }
        }
    }
}

/// A path of this route.
pub fn path_of(route: &RouteInfo, segment: impl Fn(&str) -> String) -> String {
    let segments = route.path.split('/').map(|part| match part.strip_prefix('{') {
        None => part.to_owned(),
        Some(name) => segment(name.trim_end_matches('}')),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// What stands in a path beside identifiers: names that a tenant of [`Tenant::fill`] has.
pub fn value_of(route: &RouteInfo, name: &str) -> String {
    match name {
        "version" if route.path.contains("/plugins/") => "1.0.0",
        "version" => "1",
        "name" => "hook",
        "step" => "only",
        other => panic!("{} {} has a parameter {other}: give it a value here", route.method, route.path),
    }
    .to_owned()
}

/// What takes a browser to make, put past it. The passkey comes with its login's proof: else the login would end.
const DEVICE: &str = "insert into trusted_devices (id, user_id, digest, created_at, last_used_at, expires_at)
    values ($1, $2, sha256($1::text::bytea), now(), now(), now() + interval '1 day')";
const PASSKEY: &str = "with s as (update sessions set mfa_at = now() where user_id = $2)
    insert into passkeys (id, user_id, credential_id, credential, name, created_at)
    values ($1, $2, $1::text::bytea, '{}', 'theirs', now())";

async fn of_person(app: &TestApp, user: tenure_kernel::UserId, statement: &'static str) -> uuid::Uuid {
    let id = uuid::Uuid::new_v4();
    sqlx::query(statement).bind(id).bind(user.uuid()).execute(&mut app.admin().await).await.unwrap();
    id
}

/// A tenant with one thing of each kind, by the prefix of its identifier.
pub struct Tenant {
    pub admin: Actor,
    ids: BTreeMap<&'static str, String>,
}

impl Tenant {
    pub async fn fill(app: &TestApp, name: &str) -> Self {
        let admin = app.register(&name.to_lowercase(), name).await;
        let first = async |path: &str| {
            let list = app.get(&admin, path).await.expect(200);
            list["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{path} is empty")).to_owned()
        };
        let mut ids = BTreeMap::from([("usr", admin.user_id().to_owned()), ("ten", admin.tenant().to_string())]);
        ids.insert("team", first("/teams").await);
        ids.insert("evt", first("/audit/events").await);
        ids.insert("ses", first("/auth/sessions").await);
        let _ = crate::delegation::cut(app, &admin.token, &[("scope", "team:read")]).await;
        ids.insert("tok", first("/auth/tokens").await);
        let _ = app.put(&admin, "/secrets/hook", json!({"value": "a secret of theirs"})).await.expect(200);
        let _ = app.post(&admin, "/roles", json!({"name": "hook", "permissions": ["team:read"]})).await.expect(201);
        let key = json!({"name": "theirs", "scopes": ["team:read"]});
        let key = app.post(&admin, "/api-keys", key).await.expect(201);
        ids.insert("key", key["api_key"]["id"].as_str().unwrap().to_owned());
        let account = app.post(&admin, "/service-accounts", json!({"name": "theirs"})).await.expect(201);
        ids.insert("svc", account["id"].as_str().unwrap().to_owned());
        let invite = json!({"email": format!("guest-{}@example.com", name.to_lowercase())});
        let invitation = app.post(&admin, "/invitations", invite).await.expect(201);
        ids.insert("inv", invitation["id"].as_str().unwrap().to_owned());
        let csv = format!(
            "email,username,full_name,password\n{name}@import.example,{name}-imported,X,a loud yellow morning\n"
        );
        let import = app.post(&admin, "/users/import", json!({"csv": csv})).await.expect(201);
        let import = crate::imports::over(app, &admin, &import).await;
        ids.insert("imp", import["id"].as_str().unwrap().to_owned());
        let files = [
            ("/role-imports", "name,permissions\nimported,team:read\n".to_owned()),
            (
                "/api-key-imports",
                format!("name,owner,key,scopes\nx,{name},sk_51HG7abzYq0Wn3Rd8KfTcVx2{name},team:read\n"),
            ),
        ];
        for (path, csv) in files {
            let import = app.post(&admin, path, json!({"csv": csv, "dry_run": true})).await.expect(201);
            let import = crate::imports::over_at(app, &admin, path, &import).await;
            ids.insert(path, import["id"].as_str().unwrap().to_owned());
        }
        let manifest = "name: acme/one\nversion: 1.0.0\nkind: node\n";
        let upload = json!({"manifest": manifest, "source": "def execute(state, config):\n    return 1\n"});
        let stored = app.post(&admin, "/plugins", upload).await.expect(201);
        ids.insert("plg", stored["version"]["plugin_id"].as_str().unwrap().to_owned());
        let asks =
            save(app, &admin, single("asks", json!({"type": "approval", "approvers": {"roles": ["admin"]}}))).await;
        let asked = app.post(&admin, &format!("/workflows/{asks}/executions"), json!({"input": {}})).await.expect(202);
        let begun = Instant::now();
        while app.get(&admin, "/approvals").await.expect(200)["items"].as_array().unwrap().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(40), "no approval is asked for: {asked:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ids.insert("apr", first("/approvals").await);
        let user: tenure_kernel::UserId = admin.user_id().parse().unwrap();
        ids.insert("dev", tenure_kernel::DeviceId::from_uuid(of_person(app, user, DEVICE).await).to_string());
        ids.insert("psk", tenure_kernel::PasskeyId::from_uuid(of_person(app, user, PASSKEY).await).to_string());
        let workflow = save(app, &admin, single("theirs", json!({"type": "transform", "jq": "1"}))).await;
        ids.insert("exe", run(app, &admin, &workflow, json!({})).await["id"].as_str().unwrap().to_owned());
        ids.insert("wf", workflow);
        Self { admin, ids }
    }

    /// What a route names of this kind: an import is found below the path of its own kind alone.
    pub fn id_at(&self, route: &RouteInfo, kind: &str) -> String {
        let below = ["/role-imports", "/api-key-imports"].into_iter().find(|path| route.path.contains(path));
        self.id(below.filter(|_| kind == "imp").unwrap_or(kind))
    }

    pub fn id(&self, kind: &str) -> String {
        self.ids
            .get(kind)
            .unwrap_or_else(|| panic!("a tenant of this test has nothing of the kind {kind}: make one"))
            .clone()
    }
}

struct Both {
    app: TestApp,
    api: Api,
    own: Tenant,
    theirs: Tenant,
}

impl Both {
    async fn start() -> Self {
        let app = guests::app().await;
        let (own, theirs) = (Tenant::fill(&app, "Acme").await, Tenant::fill(&app, "Globex").await);
        Self { app, api: Api::new(), own, theirs }
    }

    /// The identifiers in the route's path, by the name of their parameter.
    fn named(&self, route: &RouteInfo) -> Vec<(String, String)> {
        let parameters = self.api.parameters(route, "path").into_iter();
        parameters.filter_map(|(name, kind)| Some((name, kind?))).collect()
    }

    /// The route's path, with what is ours except where `foreign` says.
    fn path(&self, route: &RouteInfo, foreign: impl Fn(&str) -> bool) -> String {
        path_of(route, |name| match self.api.parameter(route, name) {
            Some(kind) if foreign(name) => self.theirs.id_at(route, &kind),
            Some(kind) => self.own.id_at(route, &kind),
            None => value_of(route, name),
        })
    }

    async fn send(&self, route: &RouteInfo, path: &str, body: Option<&Value>) -> tenure_platform::testkit::Answer {
        self.app.send(route.method.clone(), path, Some(&self.own.admin.token), body).await
    }
}

/// In a path: answered like what does not exist, be it the only name or one of several.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_identifiers_are_answered_like_unknown_ones() {
    let both = Both::start().await;
    let mut tried = 0;
    for route in both.app.routes.iter().filter(|route| route.path.contains('{')) {
        let ids = both.named(route);
        // A name is each tenant's own: what is put under one is ours, and touches nothing of theirs.
        if ids.is_empty() {
            assert!(route.path.contains("{name}"), "{} names something that is no identifier", route.path);
            continue;
        }
        let mut paths = vec![both.path(route, |_| true)];
        if ids.len() > 1 {
            paths.extend(ids.iter().map(|(foreign, _)| both.path(route, |name| name == foreign)));
        }
        for path in paths {
            tried += 1;
            let answer = both.send(route, &path, route.sample.as_ref()).await;
            assert_eq!(answer.status, 404, "{} {path}: {:#}", route.method, answer.body);
        }
    }
    assert!(tried > 20, "the route table was not understood");
}

/// A name of ours where they have one of the same: theirs stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_each_tenants_own() {
    let both = Both::start().await;
    let theirs = async |path: &str| both.app.get(&both.theirs.admin, path).await.expect(200)["items"].clone();
    let before = [theirs("/secrets").await, theirs("/roles").await];
    for route in both.app.routes.iter().filter(|route| route.path.contains("{name}") && both.named(route).is_empty()) {
        let answer = both.send(route, &both.path(route, |_| true), route.sample.as_ref()).await;
        assert!(answer.status.as_u16() < 500, "{} {}: {:#}", route.method, route.path, answer.body);
    }
    assert_eq!([theirs("/secrets").await, theirs("/roles").await], before);
}

/// In a body: never taken, whatever else is right.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_identifiers_in_a_body_are_refused() {
    let both = Both::start().await;
    let mut tried = Vec::new();
    for route in both.app.routes.iter() {
        for field in both.api.fields(route) {
            let mut body = route.sample.clone().unwrap();
            let theirs = json!(both.theirs.id(&field.kind));
            let (parent, name) = field.pointer.rsplit_once('/').unwrap();
            let Some(parent) = body.pointer_mut(parent) else { panic!("no {parent} in the sample of {}", route.path) };
            parent[name] = if field.list { json!([theirs]) } else { theirs };
            let answer = both.send(route, &both.path(route, |_| false), Some(&body)).await;
            let status = answer.status.as_u16();
            assert!((400..500).contains(&status), "{} {} {field:?}: {:#}", route.method, route.path, answer.body);
            tried.push((route.path.clone(), field.pointer));
        }
    }
    assert!(!tried.is_empty(), "the API's description was not understood");
}

/// In a query: finds nothing, and tells nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_identifiers_in_a_query_find_nothing() {
    let both = Both::start().await;
    // What the description leaves open: text that may be an identifier.
    let by_name = |name: &str| match name {
        "actor_id" | "requested_by" => Some("usr"),
        "workflow_id" => Some("wf"),
        "resource_id" | "team_id" => Some("team"),
        "execution_id" => Some("exe"),
        _ => None,
    };
    let mut tried = 0;
    for route in both.app.routes.iter().filter(|route| route.method == Method::GET) {
        for (name, kind) in both.api.parameters(route, "query") {
            let Some(kind) = kind.or_else(|| by_name(&name).map(str::to_owned)) else {
                assert!(!name.ends_with("_id") || name == "request_id", "{} has a query {name}: of what?", route.path);
                continue;
            };
            let path = format!("{}?{name}={}", both.path(route, |_| false), both.theirs.id(&kind));
            let answer = both.send(route, &path, None).await;
            // What is asked of one thing alone answers as for one that is nowhere.
            if answer.status != 404 {
                assert_eq!(answer.expect(200)["items"], json!([]), "{path}");
            }
            tried += 1;
        }
    }
    assert!(tried > 3, "the API's description was not understood");
}

/// In a header: whatever is there to name a tenant or a person says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_identifiers_in_a_header_change_nothing() {
    let both = Both::start().await;
    let their_user = both.theirs.admin.user_id();
    let their_tenant = both.theirs.admin.tenant().to_string();
    let slug = both.theirs.admin.organization["slug"].as_str().unwrap();
    // What other products take, and what proxies set that are believed elsewhere.
    let mut headers: Vec<(String, &str)> = Vec::new();
    for name in ["x-tenant", "x-tenant-id", "x-tenure-tenant", "tenure-organization", "x-organization-id", "x-org-id"] {
        headers.extend([(name.to_owned(), slug), (name.to_owned(), &their_tenant)]);
    }
    for name in
        ["x-user", "x-user-id", "x-forwarded-user", "x-remote-user", "x-auth-request-user", "x-impersonate-user"]
    {
        headers.push((name.to_owned(), their_user));
    }
    let known = ["idempotency-key", "last-event-id", "x-api-key", "x-tenure-console"];
    let mut tried = 0;
    for route in both.app.routes.iter() {
        for (name, kind) in both.api.parameters(route, "header") {
            let name = name.to_lowercase();
            assert!(kind.is_none() && known.contains(&&*name), "{} takes a header {name}: try it here", route.path);
        }
        if route.method != Method::GET {
            continue;
        }
        let path = both.path(route, |_| false);
        let ask = async |with: bool| {
            let mut request = both.app.request(Method::GET, &path, Some(&both.own.admin.token));
            if with {
                request = headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
            }
            // A stream's beginning is as much as its whole.
            let answer = request.send().await.unwrap();
            let streams = answer.headers().get("content-type").is_some_and(|media| media == "text/event-stream");
            let status = answer.status();
            (status, if streams { String::new() } else { answer.text().await.unwrap() })
        };
        let ((bare, _), (named, text)) = (ask(false).await, ask(true).await);
        assert_eq!(named, bare, "{path}");
        for theirs in both.theirs.ids.values().chain([&their_tenant]) {
            assert!(!text.contains(&**theirs), "{path} tells of {theirs}: {text}");
        }
        tried += 1;
    }
    assert!(tried > 40, "the route table was not understood");
}
