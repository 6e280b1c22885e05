//! Bad input over HTTP: each a problem document that says what is wrong, where, and what to do; nothing of it half-written; the
//! server's other requests undisturbed.

mod bodies;
mod definitions;
mod generated;
mod running;
mod signed;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tenure_kernel::TenantId;
use tenure_platform::testkit::{Actor, Answer, TestApp, answer};
use tokio::task::JoinHandle;

/// What a refusal must look like.
#[derive(Clone, Copy)]
struct Wanted {
    status: u16,
    code: &'static str,
    /// Part of the detail, or of an error's or fault's message.
    says: &'static str,
    /// A pointer of `errors` or `faults`, if the place is a field.
    pointer: Option<&'static str>,
}

const fn wanted(status: u16, code: &'static str, says: &'static str) -> Wanted {
    Wanted { status, code, says, pointer: None }
}

impl Wanted {
    const fn at(self, pointer: &'static str) -> Self {
        Self { pointer: Some(pointer), ..self }
    }

    /// A complete problem document: type, title, status, a detail for a person, and the place.
    #[track_caller]
    fn check(self, what: &str, answer: &Answer) {
        let body = &answer.body;
        let shown: String = format!("{body:#}").chars().take(1500).collect();
        assert_eq!(answer.status.as_u16(), self.status, "{what}: {shown}");
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
        assert_eq!(body["type"], format!("/docs/problems#{}", self.code), "{what}: {shown}");
        assert_eq!((&body["code"], &body["status"]), (&json!(self.code), &json!(self.status)), "{what}: {shown}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let detail = text(&body["detail"]);
        assert!(detail.len() > 10 && !text(&body["title"]).is_empty(), "{what}: {shown}");
        assert!(!detail.ends_with('.') && !detail.contains("panicked") && !detail.contains("src/"), "{what}: {shown}");
        let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
        let (errors, faults) = (list("errors"), list("faults"));
        let messages =
            errors.iter().map(|error| text(&error["detail"])).chain(faults.iter().map(|fault| text(&fault["message"])));
        let said: Vec<String> = std::iter::once(detail).chain(messages).collect();
        assert!(said.iter().any(|message| message.contains(self.says)), "{what} does not say {:?}: {shown}", self.says);
        if let Some(pointer) = self.pointer {
            let mut pointers = errors.iter().chain(&faults).map(|place| text(&place["pointer"]));
            assert!(pointers.any(|found| found == pointer), "{what} does not point at {pointer}: {shown}");
        }
        for fault in &faults {
            assert!(fault["line"].as_u64() >= Some(1) && fault["column"].as_u64() >= Some(1), "{what}: {fault:#}");
        }
        assert!(
            shown.len() < 1500 || faults.len() > 1 || errors.len() > 1,
            "{what}: the answer is as long as an essay: {shown}"
        );
    }
}

async fn send(
    app: &TestApp,
    token: Option<&str>,
    method: Method,
    path: &str,
    media: &str,
    body: impl Into<Body>,
) -> Answer {
    answer(app.request(method, path, token).header(CONTENT_TYPE, media).body(body)).await
}

/// How many rows of the tenant each table holds, but for what tells of refusals.
async fn rows(app: &TestApp, tenant: TenantId) -> Vec<(String, i64)> {
    let mut admin = app.admin().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
           and c.relname not in ('events', 'unsealed_events', 'event_seals', 'checkpoints', 'tree_states', 'sessions') order by 1",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert!(tables.len() > 8, "the catalogue was not understood");
    let mut counts = Vec::new();
    for table in tables {
        let count = format!("select count(*) from {table} where tenant_id = $1");
        let count = sqlx::query_scalar(AssertSqlSafe(count)).bind(tenant.uuid()).fetch_one(&mut admin).await.unwrap();
        counts.push((table, count));
    }
    counts
}

/// Somebody of another tenant who works all the while and must not notice anything.
struct Bystander {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    task: JoinHandle<Duration>,
}

impl Bystander {
    async fn start(app: &Arc<TestApp>) -> Self {
        let actor = app.register("bystander", "Bystanders").await;
        let _ = app.post(&actor, "/teams", json!({ "name": "Calm" })).await.expect(201);
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (app, stopped, counted) = (Arc::clone(app), Arc::clone(&stop), Arc::clone(&answered));
        let task = tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let begun = std::time::Instant::now();
                let teams = app.get(&actor, "/teams").await.expect(200);
                slowest = slowest.max(begun.elapsed());
                assert_eq!(teams["items"][0]["name"], "Calm");
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            slowest
        });
        Self { stop, answered, task }
    }

    /// Every request was answered, and none hung.
    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let slowest = self.task.await.expect("each of the bystander's requests was answered with 200");
        assert!(self.answered.load(Ordering::Relaxed) > 0, "the bystander hardly got a turn");
        assert!(slowest < Duration::from_secs(10), "a request beside bad ones took {slowest:?}");
    }
}

/// An installation with guests, somebody who sends bad input, and a bystander.
async fn stage() -> (Arc<TestApp>, Actor, Bystander) {
    let app = Arc::new(crate::guests::app().await);
    let ada = app.register("ada", "Engines").await;
    let bystander = Bystander::start(&app).await;
    (app, ada, bystander)
}

/// An answer of a server that still works: the same actor's next request.
async fn still_serves(app: &TestApp, actor: &Actor) {
    let _ = app.get(actor, "/workflows").await.expect(200);
}
