//! Bad input for every route that takes any, generated from the route table and the API's own description: what a person who
//! adds a route cannot forget to refuse.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tenure_kernel::{RouteInfo, TenantId};
use tenure_platform::testkit::{Answer, TestApp, answer};

use crate::foreign::{Api, Tenant, path_of, value_of};

/// What is sent in the place of a good body.
struct Bad {
    what: &'static str,
    /// Where in the body; empty for the whole.
    at: String,
    body: Vec<u8>,
    media: &'static str,
    /// Whether every route must refuse it. The rest some fields take, and the snapshot says which.
    always: bool,
}

impl Bad {
    fn whole(what: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { what, at: String::new(), body: body.into(), media: "application/json", always: true }
    }

    fn member(what: &'static str, at: &str, sample: &Value, value: Value, always: bool) -> Self {
        let mut body = sample.clone();
        put(&mut body, at, value);
        Self { what, at: at.to_owned(), body: body.to_string().into_bytes(), media: "application/json", always }
    }
}

/// Puts the value at the pointer; the objects on the way there are in the sample, or made.
fn put(body: &mut Value, pointer: &str, value: Value) {
    let mut place = body;
    for name in pointer.split('/').skip(1) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    *place = value;
}

/// A member that the description knows.
struct Member {
    pointer: String,
    types: BTreeSet<String>,
}

/// Whether objects of this schema refuse what they do not know, and the types that a value of it may have. None for what
/// the description leaves open.
fn types(api: &Api, schema: &Value) -> BTreeSet<String> {
    let schema = api.resolved(schema);
    let named = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        several => several.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
    };
    let choices = ["oneOf", "anyOf", "allOf"].iter().filter_map(|way| schema[way].as_array()).flatten();
    named.into_iter().chain(choices.flat_map(|choice| types(api, choice))).collect()
}

/// Every member that a body of this schema may have, and the pointers of the objects that hold them.
fn members(api: &Api, schema: &Value, pointer: &str, found: &mut Vec<Member>, objects: &mut Vec<String>) {
    let schema = api.resolved(schema);
    if schema["properties"].is_object() {
        objects.push(pointer.to_owned());
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let pointer = format!("{pointer}/{name}");
        found.push(Member { pointer: pointer.clone(), types: types(api, member) });
        members(api, member, &pointer, found, objects);
    }
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

fn bodies(api: &Api, route: &RouteInfo, sample: &Value) -> Vec<Bad> {
    let text = sample.to_string();
    let mut bad = vec![
        Bad::whole("half of it", text.as_bytes()[..text.len() - 1].to_vec()),
        Bad::whole("a list around it", format!("[{text}]")),
        Bad::whole("a string", "\"text\""),
        Bad::whole("a number", "7"),
        Bad::whole("two of it", format!("{text}{text}")),
        Bad::whole("invalid UTF-8", [b"{\"\xff\xfe\":1,".as_slice(), &text.as_bytes()[1..]].concat()),
        Bad::whole("100,000 lists deep", "[".repeat(100_000)),
        Bad::whole("10,000 deep in a member", format!("{{\"deep\":{}", "[".repeat(10_000))),
        Bad::whole("larger than it may be", {
            let mut large = b"{\"large\": \"".to_vec();
            large.resize(route.body_limit + 2, b'x');
            large
        }),
        Bad { media: "application/xml", ..Bad::whole("another media type", text.clone()) },
    ];
    let schema = &api.operation(route)["requestBody"]["content"]["application/json"]["schema"];
    let (mut found, mut objects) = (Vec::new(), Vec::new());
    members(api, schema, "", &mut found, &mut objects);
    for object in objects {
        let at = format!("{object}/surplus_member");
        bad.push(Bad::member("a member that nobody knows", &at, sample, json!(1), true));
    }
    for member in found {
        let at = &member.pointer;
        let takes = |name: &str| member.types.contains(name);
        if !member.types.is_empty() {
            let wrong = if takes("object") || takes("array") { json!(7.5) } else { json!({"an": ["object"]}) };
            bad.push(Bad::member("another type", at, sample, wrong, true));
        }
        if takes("object") {
            let rows: Vec<Value> =
                sample.pointer(at).and_then(Value::as_object).into_iter().flat_map(|o| o.values().cloned()).collect();
            bad.push(Bad::member("an object as a list", at, sample, json!(rows), !takes("array")));
        }
        if takes("string") {
            bad.push(Bad::member("NUL", at, sample, json!("a\0b"), true));
            bad.push(Bad::member("a control character", at, sample, json!("a\u{7}b"), false));
            bad.push(Bad::member("an override of direction", at, sample, json!("a\u{202e}b"), false));
            bad.push(Bad::member("900,000 characters", at, sample, json!("x".repeat(900_000)), false));
        }
        if takes("integer") || takes("number") {
            for number in [json!(-1), json!(i64::MAX), json!(u64::MAX), json!(1.5)] {
                bad.push(Bad::member("a number out of range", at, sample, number, false));
            }
        }
        if takes("array") {
            bad.push(Bad::member("50,000 entries", at, sample, json!(vec!["x"; 50_000]), true));
        }
        if !takes("object") {
            bad.push(Bad::member("100 lists deep", at, sample, nested(100), !member.types.is_empty()));
        }
    }
    bad
}

/// What is wrong with what this route is sent is its answer, not its refusal.
const JUDGES: &str = "/workflows/validate";

/// What is wrong with the answer to bad input: it is to be a complete problem document without anything from inside.
fn complaint(what: &str, answer: &Answer) -> Option<String> {
    let (status, body) = (answer.status, &answer.body);
    let shown: String = body.to_string().chars().take(400).collect();
    let lower = body.to_string().to_lowercase();
    let inside = ["panicked", ".rs:", "sqlx", "postgres", "select ", "insert into", "pg_", "duplicate key"];
    let fault = if !status.is_client_error() {
        format!("answered {status}")
    } else if answer.headers["content-type"] != "application/problem+json" || body["status"] != status.as_u16() {
        "is no problem document".to_owned()
    } else if let Some(missing) =
        ["type", "title", "code", "detail"].iter().find(|name| body[**name].as_str().is_none_or(str::is_empty))
    {
        format!("has no {missing}")
    } else if let Some(word) = inside.iter().find(|word| lower.contains(**word)) {
        format!("tells of {word:?}")
    } else if lower.len() > 20_000 {
        format!("is {} bytes long", lower.len())
    } else {
        return None;
    };
    Some(format!("{what} {fault}: {shown}"))
}

/// All of the tenant's rows, as one sum for each table, but for what tells of refusals and of use.
async fn contents(app: &TestApp, tenant: TenantId) -> Vec<(String, String)> {
    let mut admin = app.admin().await;
    let mut sums = Vec::new();
    for (table, _) in super::rows(app, tenant).await {
        let sum = format!(
            "select coalesce(md5(string_agg(t::text, ',' order by t::text)), '') from {table} t where tenant_id = $1"
        );
        let sum = sqlx::query_scalar(AssertSqlSafe(sum)).bind(tenant.uuid()).fetch_one(&mut admin).await.unwrap();
        sums.push((table, sum));
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_is_read_strictly() {
    let app = crate::guests::app().await;
    let (api, own) = (Api::new(), Tenant::fill(&app, "Acme").await);
    // Who does not administer the platform gets no further than that.
    tenure_platform::domain::platform::add_admin(&app.app.kernel, "acme").await.unwrap();
    let (mut sent, mut taken, mut complaints) = (0, String::new(), Vec::new());
    for route in app.routes.iter() {
        let Some(sample) = route.sample.as_ref().filter(|_| !route.path.ends_with(JUDGES)) else { continue };
        let path = path_of(route, |name| {
            api.parameter(route, name).map_or_else(|| value_of(route, name), |kind| own.id(&kind))
        });
        let before = contents(&app, own.admin.tenant()).await;
        let mut unchanged = true;
        for bad in bodies(&api, route, sample) {
            let what = format!("{} {} with {} at {:?}", route.method, route.path, bad.what, bad.at);
            let request = app.request(route.method.clone(), &path, Some(&own.admin.token));
            let answer = answer(request.header(CONTENT_TYPE, bad.media).body(bad.body)).await;
            sent += 1;
            if answer.status.is_success() && !bad.always {
                unchanged = false;
                writeln!(taken, "{:6} {:45} {:20} {}", route.method, route.path, bad.at, bad.what).unwrap();
            } else {
                complaints.extend(complaint(&what, &answer));
            }
        }
        if unchanged {
            let after = contents(&app, own.admin.tenant()).await;
            if after != before {
                complaints.push(format!("{} {} wrote something of what it refused", route.method, route.path));
            }
        }
    }
    assert!(sent > 500, "the API's description was not understood: {sent}");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    // Each line is a decision: this field is text of any kind, that number may be so large.
    insta::assert_snapshot!("bad_input_taken", taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_is_read_strictly() {
    let app = crate::guests::app().await;
    let (api, own) = (Api::new(), Tenant::fill(&app, "Acme").await);
    let (mut sent, mut complaints) = (0, Vec::new());
    for route in app.routes.iter().filter(|route| route.method == Method::GET) {
        let path = path_of(route, |name| {
            api.parameter(route, name).map_or_else(|| value_of(route, name), |kind| own.id(&kind))
        });
        let names: Vec<String> = api.parameters(route, "query").into_iter().map(|(name, _)| name).collect();
        let mut queries = Vec::new();
        if !names.is_empty() {
            queries.push(("surplus=1".to_owned(), true));
        }
        for name in names {
            queries.push((format!("{name}=a%00b"), true));
            queries.push((format!("{name}=1&{name}=1"), true));
            for value in ["%ff%fe", "a%07b", "-1", "99999999999999999999", "%27%20or%201%3D1--", &"x".repeat(5_000)] {
                queries.push((format!("{name}={value}"), false));
            }
        }
        for (query, always) in queries {
            let what = format!("GET {}?{}", route.path, query.chars().take(60).collect::<String>());
            let answer = app.send(Method::GET, &format!("{path}?{query}"), Some(&own.admin.token), None).await;
            sent += 1;
            if answer.status == StatusCode::OK && !always {
                continue;
            }
            complaints.extend(complaint(&what, &answer));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(sent > 300, "the API's description was not understood: {sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_identifier_in_a_path_is_read_strictly() {
    let app = crate::guests::app().await;
    let own = Tenant::fill(&app, "Acme").await;
    let long = "x".repeat(5_000);
    let bad = ["%00", "%ff%fe", "..%2f..%2fetc", "'%3B--", "-1", "%20", "%E2%80%AE", &long];
    let (mut sent, mut complaints) = (0, Vec::new());
    for route in app.routes.iter().filter(|route| route.path.contains('{')) {
        for value in bad {
            let path = path_of(route, |_| value.to_owned());
            let answer = app.send(route.method.clone(), &path, Some(&own.admin.token), route.sample.as_ref()).await;
            let what = format!("{} {path}", route.method);
            complaints.extend(complaint(&what.chars().take(200).collect::<String>(), &answer));
            sent += 1;
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(sent > 200, "the route table was not understood: {sent}");
}
