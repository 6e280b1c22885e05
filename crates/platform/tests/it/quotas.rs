use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tenure_kernel::database::PoolSizes;
use tenure_kernel::permission::WorkflowCreate;
use tenure_kernel::{
    Actor as KernelActor, Audited, Authorized, Clock, Code, Error, Identity, Origin, Principal, Result, SystemReason,
    SystemTx, TenantId, Timestamp,
};
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::quotas::{self, Limit, Quota, Share};
use tenure_platform::testkit::{Actor, Setup, TestApp};

use crate::engine::{save, start, until};
use crate::guests;

const MONTHLY: Quota = Quota::ExecutionsPerMonth;
const HOURLY: Quota = Quota::ExecutionsPerHour;

/// What a handler holds: the proof of a permission in the actor's tenant.
pub fn acting(app: &TestApp, actor: &Actor) -> Authorized<WorkflowCreate> {
    let principal = Principal::User(actor.user_id().parse().unwrap());
    let identity = Identity {
        tenant: actor.tenant(),
        actor: KernelActor { principal, session: None, key: None, on_behalf_of: None, delegation: None },
        permissions: SystemRole::Developer.permissions(),
        teams: Arc::new([]),
        rates: tenure_kernel::limits::OwnRates::default(),
        assurance: tenure_kernel::Assurance::default(),
        workflow: None,
    };
    app.app.kernel.act_as::<WorkflowCreate>(Arc::new(identity), Origin::default()).unwrap()
}

async fn take(cx: &Authorized<WorkflowCreate>, quota: Quota, n: u64) -> Result<()> {
    cx.write(async |tx| {
        quotas::take(tx, quota, n).await?;
        Ok(Audited::none("a test of counting alone", ()))
    })
    .await
}

async fn engine<T>(app: &TestApp, f: impl AsyncFnOnce(&mut SystemTx) -> Result<T>) -> T {
    let system = app.app.kernel.system(SystemReason::EngineBatch);
    system.run(async |tx| Ok(Audited::none("a test of counting alone", f(tx).await?))).await.unwrap()
}

pub async fn limit(app: &TestApp, tenant: TenantId, quota: Quota, limit: Limit) {
    let system = app.app.kernel.system(SystemReason::Administer);
    system.run(async |tx| quotas::set_override(tx, tenant, quota, limit).await).await.unwrap();
}

pub async fn plan(app: &TestApp, tenant: TenantId, plan: &str) {
    let update = sqlx::query("update tenants set plan = $2 where tenant_id = $1").bind(tenant.uuid()).bind(plan);
    assert_eq!(update.execute(&mut app.admin().await).await.unwrap().rows_affected(), 1);
}

/// The entry of `GET /quotas`.
pub async fn shown(app: &TestApp, actor: &Actor, quota: Quota) -> Value {
    let answer = app.get(actor, "/quotas").await.expect(200);
    let items = answer["items"].as_array().unwrap();
    items.iter().find(|item| item["name"] == quota.as_str()).unwrap().clone()
}

fn shares(list: &[(TenantId, u32)]) -> Vec<Share> {
    list.iter().map(|(tenant, n)| Share { tenant: *tenant, n: *n }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_get_exactly_what_there_is() {
    let app = TestApp::with(Setup { pools: PoolSizes { app: 24, system: 6 }, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    limit(&app, ada.tenant(), MONTHLY, Some(100)).await;
    let attempts = futures::stream::iter(0..1000).map(|_| {
        let cx = acting(&app, &ada);
        tokio::spawn(async move { take(&cx, MONTHLY, 1).await })
    });
    let outcomes: Vec<Result<()>> = attempts.buffer_unordered(200).map(|joined| joined.unwrap()).collect().await;
    let (admitted, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((admitted.len(), refused.len()), (100, 900));
    for error in refused {
        assert_eq!(error.unwrap_err().problem().code, Code::QuotaExceeded);
    }
    assert_eq!(shown(&app, &ada, MONTHLY).await["used"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_takes_nothing_and_what_is_given_back_can_be_taken_again() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    plan(&app, ada.tenant(), "free").await;
    let cx = acting(&app, &ada);
    for _ in 0..20 {
        let failed: Result<()> = cx
            .write(async |tx| {
                quotas::take(tx, Quota::Workflows, 3).await?;
                Err(Error::internal("what was counted did not come to be"))
            })
            .await;
        assert!(failed.is_err());
    }
    assert_eq!(shown(&app, &ada, Quota::Workflows).await["used"], 0);
    take(&cx, Quota::Workflows, 6).await.unwrap_err();
    take(&cx, Quota::Workflows, 4).await.unwrap();
    let refusal = take(&cx, Quota::Workflows, 2).await.unwrap_err().problem();
    let told = ["quota", "limit", "used", "resets_at"].map(|member| refusal.extensions[member].clone());
    assert_eq!(told, [json!("workflows"), json!(5), json!(4), Value::Null]);
    take(&cx, Quota::Workflows, 1).await.unwrap();
    take(&cx, Quota::Workflows, 1).await.unwrap_err();
    cx.write(async |tx| {
        quotas::give_back(tx, Quota::Workflows, 1).await?;
        Ok(Audited::none("a test of counting alone", ()))
    })
    .await
    .unwrap();
    take(&cx, Quota::Workflows, 1).await.unwrap();
    assert!(app.actions(ada.tenant()).await.iter().any(|action| action == "request.refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_ends_at_midnight_utc() {
    let end: Timestamp = "2026-12-31T23:59:59.5Z".parse().unwrap();
    let clock = Clock::manual(end);
    let app = TestApp::with(Setup { clock: clock.clone(), ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    plan(&app, ada.tenant(), "free").await;
    let cx = acting(&app, &ada);
    take(&cx, MONTHLY, 100).await.unwrap();
    take(&cx, Quota::Workflows, 5).await.unwrap();
    let refusal = take(&cx, MONTHLY, 1).await.unwrap_err().problem();
    assert_eq!(refusal.extensions["resets_at"], "2027-01-01T00:00:00Z");
    clock.advance(Duration::from_micros(499_999));
    take(&cx, MONTHLY, 1).await.unwrap_err();
    clock.advance(Duration::from_micros(1));
    take(&cx, MONTHLY, 1).await.unwrap();
    take(&cx, Quota::Workflows, 1).await.unwrap_err();
    let january = shown(&app, &ada, MONTHLY).await;
    assert_eq!((&january["used"], &january["remaining"]), (&json!(1), &json!(99)));
    assert_eq!(january["period"], json!({"from": "2027-01-01T00:00:00Z", "to": "2027-02-01T00:00:00Z"}));

    // What was counted in December is given back to December.
    let tenant = ada.tenant();
    engine(&app, async |tx| quotas::release_executions(tx, &[(tenant, end), (tenant, end)]).await).await;
    assert_eq!(shown(&app, &ada, MONTHLY).await["used"], 1);
    let now = clock.now();
    engine(&app, async |tx| quotas::release_executions(tx, &[(tenant, now)]).await).await;
    assert_eq!(shown(&app, &ada, MONTHLY).await["used"], 0);
    let december: i64 = sqlx::query_scalar("select used from quota_usage where period_start = '2026-12-01T00:00:00Z'")
        .fetch_one(&mut app.admin().await)
        .await
        .unwrap();
    assert_eq!(december, 98);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_may_see_the_organisation_sees_its_quotas() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    let auditor = app.member(&ada, SystemRole::Auditor).await;
    let answer = app.get(&auditor, "/quotas").await.expect(200);
    assert_eq!(answer["plan"], "enterprise");
    let names: Vec<&str> =
        answer["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "workflows",
            "teams",
            "executions_per_hour",
            "executions_per_month",
            "concurrent_executions",
            "queued_executions",
            "concurrent_connections",
            "storage_bytes",
            "provider_calls_per_month"
        ]
    );
    let workflows = &answer["items"][0];
    assert_eq!((&workflows["limit"], &workflows["remaining"]), (&Value::Null, &Value::Null));
    assert_eq!((&workflows["period"], &workflows["resets_at"]), (&Value::Null, &Value::Null));
    assert_eq!(answer["items"][4]["limit"], 50);

    plan(&app, ada.tenant(), "pro").await;
    assert_eq!(shown(&app, &ada, Quota::Workflows).await["limit"], 50);
    limit(&app, ada.tenant(), Quota::Workflows, Some(1)).await;
    take(&acting(&app, &ada), Quota::Workflows, 1).await.unwrap();
    take(&acting(&app, &ada), Quota::Workflows, 1).await.unwrap_err();
    limit(&app, ada.tenant(), Quota::Workflows, Some(0)).await;
    assert_eq!(shown(&app, &ada, Quota::Workflows).await["remaining"], 0);
    limit(&app, ada.tenant(), Quota::Workflows, None).await;
    assert_eq!(shown(&app, &ada, Quota::Workflows).await["limit"], Value::Null);
    take(&acting(&app, &ada), Quota::Workflows, 1000).await.unwrap();
    assert_eq!(shown(&app, &grace, Quota::Workflows).await["used"], 0, "another tenant's use is its own");
    let (system, tenant) = (app.app.kernel.system(SystemReason::Administer), ada.tenant());
    system.run(async |tx| quotas::clear_override(tx, tenant, Quota::Workflows).await).await.unwrap();
    assert_eq!(shown(&app, &ada, Quota::Workflows).await["limit"], 50);
    let actions = app.actions(ada.tenant()).await;
    let of_quotas: Vec<&str> = actions.iter().map(String::as_str).filter(|name| name.starts_with("quota.")).collect();
    assert_eq!(of_quotas, ["quota.limited", "quota.limited", "quota.unlimited", "quota.restored"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_reserves_for_many_tenants_at_once() {
    let app = TestApp::start().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    plan(&app, ada.tenant(), "free").await;
    limit(&app, ada.tenant(), HOURLY, None).await;
    let (engines, compilers, nobody) = (ada.tenant(), grace.tenant(), TenantId::new(Timestamp::from_micros(1)));
    for (wanted, expected) in [
        ([(engines, 60), (compilers, 1_000_000), (nobody, 1)], [60, 1_000_000, 0]),
        ([(compilers, 5), (engines, 60), (nobody, 1)], [5, 40, 0]),
        ([(engines, 1), (nobody, 1), (compilers, 0)], [0, 0, 0]),
    ] {
        let granted = engine(&app, async |tx| quotas::reserve_executions(tx, &shares(&wanted)).await).await;
        let expected: Vec<Share> =
            wanted.iter().zip(expected).map(|((tenant, _), n)| Share { tenant: *tenant, n }).collect();
        assert_eq!(granted, expected);
    }
    assert_eq!(shown(&app, &grace, MONTHLY).await["used"], 1_000_005);
    take(&acting(&app, &ada), MONTHLY, 1).await.unwrap_err();
    // What the month did not leave is not counted in the hour; and the hour bounds what the month would leave.
    assert_eq!(shown(&app, &ada, HOURLY).await["used"], 100);
    limit(&app, compilers, HOURLY, Some(1_000_010)).await;
    let wanted = shares(&[(compilers, 60)]);
    let granted = engine(&app, async |tx| quotas::reserve_executions(tx, &wanted).await).await;
    assert_eq!(granted, shares(&[(compilers, 5)]));
    let now = app.app.kernel.clock().now();
    engine(&app, async |tx| quotas::release_executions(tx, &[(compilers, now), (compilers, now)]).await).await;
    for quota in [HOURLY, MONTHLY] {
        assert_eq!(shown(&app, &grace, quota).await["used"], 1_000_008, "{quota:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_now_is_shown_and_no_more_than_the_limit_does() {
    let app = guests::app().await;
    let (ada, grace) = (app.register("ada", "Engines").await, app.register("grace", "Compilers").await);
    plan(&app, ada.tenant(), "free").await;
    let spin = json!({
        "name": "spins",
        "nodes": {"spin": {"type": "plugin", "language": "python", "source": "def execute(state, config):\n    while True:\n        pass\n"}},
        "edges": [{"from": "start", "to": "spin"}, {"from": "spin", "to": "end"}],
    });
    let workflow = save(&app, &ada, spin).await;
    let mut executions = Vec::new();
    for _ in 0..3 {
        executions.push(start(&app, &ada, &workflow, json!({})).await);
    }
    until(&app, &ada, &executions[1], &["running"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let used = shown(&app, &ada, Quota::ConcurrentExecutions).await;
    assert_eq!((&used["used"], &used["limit"], &used["remaining"]), (&json!(2), &json!(2), &json!(0)), "{used:#}");
    let waits = app.get(&ada, &format!("/executions/{}", executions[2])).await.expect(200);
    assert_eq!(waits["state"], "queued", "it waits for its turn");
    assert_eq!(shown(&app, &grace, Quota::ConcurrentExecutions).await["used"], 0);
    for execution in &executions {
        let _ = app.post(&ada, &format!("/executions/{execution}/cancel"), json!({})).await.expect(202);
        until(&app, &ada, execution, &["cancelled"]).await;
    }
    assert_eq!(shown(&app, &ada, Quota::ConcurrentExecutions).await["used"], 0);
}
