//! Servers that a bench starts in processes of their own: the bare reference, and the kernel's write path with and without
//! its event.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tenure_kernel::database::{self, PoolSizes};
use tenure_kernel::keys::Keys;
use tenure_kernel::limits::{Rate, Rates};
use tenure_kernel::permission::{TeamRead, TeamWrite};
use tenure_kernel::{
    Audited, Authorized, Change, Clock, Json, Kernel, KernelConfig, Resource, Result as KernelResult, Routes, Sample,
    TeamId, TenantTx, Timestamp, Write,
};
use tenure_platform::app::{self, App};
use tenure_platform::config::PlatformConfig;
use tenure_seal::LocalKeys;
use tokio::net::TcpListener;

use crate::scratch::BarePool;

/// What a bench's own server says once it listens, and then its address.
pub const MARKER: &str = "bench server on ";
/// As many connections as the product's server has by default.
const CONNECTIONS: u32 = 24;

async fn listen(router: Router) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
    let address = listener.local_addr()?;
    writeln!(std::io::stderr(), "{MARKER}{address}").context("nobody reads standard error")?;
    // Nagle's algorithm would hold small answers back; the product's server switches it off, too.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.context("the server ended")
}

/// A bare handler: one row by its key, as JSON, through sqlx's pool with its defaults but for its size. No login, no
/// tenant, no limits; until killed.
///
/// # Errors
/// If PostgreSQL is gone.
pub async fn bare(url: &str) -> Result<()> {
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
    let pool: BarePool = options.connect(url).await.context("cannot connect to the scratch database")?;
    let router = Router::new()
        .route("/teams/{tenant}/{id}", get(bare_team))
        .route("/hello", get(async || "hello"))
        .with_state(Bare(pool));
    listen(router).await
}

#[derive(Clone)]
struct Bare(BarePool);

/// What the product's route answers with.
#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    name: String,
    description: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

async fn bare_team(
    State(Bare(pool)): State<Bare>,
    Path((tenant, id)): Path<(uuid::Uuid, uuid::Uuid)>,
) -> Result<axum::Json<Row>, StatusCode> {
    let sql = "select id, name, description, created_at, updated_at from teams where tenant_id = $1 and id = $2";
    let row = sqlx::query_as::<_, Row>(sql).bind(tenant).bind(id).fetch_optional(&pool).await;
    row.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.map(axum::Json).ok_or(StatusCode::NOT_FOUND)
}

/// The platform with two more routes that make a team, one with its event and one without; until killed.
///
/// # Errors
/// If PostgreSQL is gone.
pub async fn writes(app_url: &str, system_url: &str, master_key: &str) -> Result<()> {
    let app = open(app_url, system_url, master_key, PlatformConfig::default()).await?;
    let background = app.clone();
    tokio::spawn(async move { background.run().await });
    let bench = Routes::new("Bench").post("/bench/with", with_event, "Make a team, with its event.").post(
        "/bench/without",
        without_event,
        "Make a team, without its event.",
    );
    let bench = bench.get("/bench/hello", hello, "Say hello to whoever may read teams.");
    let (router, _) = app::routes().merge(bench).finish();
    listen(router.with_state(app)).await
}

/// A platform in this process, without limits. Nothing runs in the background.
///
/// # Errors
/// If PostgreSQL is gone.
pub async fn open(app_url: &str, system_url: &str, master_key: &str, config: PlatformConfig) -> Result<App> {
    let plenty = Rate { requests: 1_000_000, seconds: 1 };
    let rates = Rates { address: plenty, user: plenty, tenant: plenty, ..Rates::default() };
    let pools = database::connect(app_url, system_url, PoolSizes::default()).await?;
    let keys = Keys::new(LocalKeys::from_value(master_key)?);
    let kernel = Kernel::new(pools, Clock::system(), keys, KernelConfig { rates, ..KernelConfig::default() });
    Ok(App::start(kernel, config).await?)
}

/// A team, as the teams' slice has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BenchTeam {
    id: TeamId,
    name: String,
    description: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl BenchTeam {
    pub(crate) fn new(id: TeamId, name: String, now: Timestamp) -> Self {
        let description = "runs what must run".to_owned();
        Self { id, name, description, created_at: now, updated_at: now }
    }
}

impl Resource for BenchTeam {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

tenure_kernel::actions! {
    /// What the bench does.
    pub BenchEvent on BenchTeam = "team" {
        CREATED = "created", "A team was created.";
    }
}

/// A team to be.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewTeam {
    name: String,
}

impl Sample for NewTeam {
    fn sample() -> serde_json::Value {
        serde_json::json!({ "name": "Field operations" })
    }
}

/// What is answered without a look at the database.
async fn hello(_cx: Authorized<TeamRead>) -> KernelResult<Json<String>> {
    Ok(Json("hello".to_owned()))
}

async fn insert(tx: &mut TenantTx<Write>, name: String) -> KernelResult<Change<BenchTeam>> {
    let team = BenchTeam::new(tx.new_id(), name, tx.now());
    let sql =
        "insert into teams (tenant_id, id, name, description, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)";
    let query = sqlx::query(sql).bind(tx.tenant().uuid()).bind(team.id.uuid()).bind(&team.name);
    query.bind(&team.description).bind(team.created_at).execute(&mut *tx).await?;
    Ok(Change::Created(team))
}

async fn with_event(cx: Authorized<TeamWrite>, Json(new): Json<NewTeam>) -> KernelResult<Json<serde_json::Value>> {
    let team = cx.write(async |tx| Ok(insert(tx, new.name).await?.audited(BenchEvent::CREATED))).await?;
    Ok(Json(serde_json::to_value(team)?))
}

async fn without_event(cx: Authorized<TeamWrite>, Json(new): Json<NewTeam>) -> KernelResult<Json<serde_json::Value>> {
    let write = async |tx: &mut TenantTx<Write>| {
        let (Change::Created(team) | Change::Deleted(team) | Change::Updated { after: team, .. }) =
            insert(tx, new.name).await?;
        Ok(Audited::none("what a write costs without its event is to be measured", team))
    };
    let team = cx.write(write).await?;
    Ok(Json(serde_json::to_value(team)?))
}
