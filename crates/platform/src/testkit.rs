//! The platform as its users meet it: HTTP on a real PostgreSQL, two tenants, an actor per role.
//!
//! One cluster per test process, one migrated template, one database per test.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "a test wants the first thing that goes wrong to stop it"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tenure_kernel::database::{self, Logins, PoolSizes};
use tenure_kernel::keys::Keys;
use tenure_kernel::limits::{Rate, Rates, RedisUrl};
use tenure_kernel::{Clock, Kernel, KernelConfig, RouteInfo, TenantId};
use tenure_pgembed::testing::TestCluster;
use tenure_seal::LocalKeys;
use tokio::sync::OnceCell;

use crate::app::App;
use crate::config::PlatformConfig;
use crate::domain::access::SystemRole;

#[expect(clippy::disallowed_types, reason = "a superuser's look at the tables, for tests alone")]
pub type Admin = sqlx::PgConnection;

pub const PASSWORD: &str = "a quiet green meadow";
const MASTER_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const TEMPLATE: &str = "tenure_template";

static LOGINS: OnceCell<Logins> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Roles and the migrated template, once per process.
async fn logins() -> &'static Logins {
    LOGINS
        .get_or_init(|| async {
            let cluster = tokio::task::spawn_blocking(TestCluster::shared).await.unwrap();
            let mut admin = Admin::connect(&cluster.superuser_url("postgres")).await.unwrap();
            admin.execute(AssertSqlSafe(format!("create database {TEMPLATE}"))).await.unwrap();
            let logins = Logins::random();
            let template = cluster.superuser_url(TEMPLATE);
            database::ensure_roles(&template, &logins).await.unwrap();
            database::migrate(&template).await.unwrap();
            logins
        })
        .await
}

/// How a test's installation differs from the usual one.
pub struct Setup {
    pub clock: Clock,
    pub platform: PlatformConfig,
    pub rates: Rates,
    pub shared_limits: Option<RedisUrl>,
    pub pools: PoolSizes,
}

impl Default for Setup {
    fn default() -> Self {
        // Tests of other things do not want to meet the limits.
        let plenty = Rate { requests: 1_000_000, seconds: 60 };
        Self {
            clock: Clock::system(),
            platform: PlatformConfig { failed_login_takes: Duration::ZERO, ..PlatformConfig::default() },
            rates: Rates { address: plenty, user: plenty, tenant: plenty, key: plenty, key_long: plenty },
            shared_limits: None,
            pools: PoolSizes { app: 8, system: 6 },
        }
    }
}

/// A running installation.
pub struct TestApp {
    pub app: App,
    pub routes: Arc<[RouteInfo]>,
    pub address: SocketAddr,
    pub client: reqwest::Client,
    pub database: String,
    server: tokio::task::JoinHandle<()>,
    background: tokio::task::JoinHandle<()>,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
        self.background.abort();
    }
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Actor {
    pub token: String,
    pub refresh_token: String,
    pub username: String,
    pub user: Value,
    pub organization: Value,
}

impl Actor {
    pub fn tenant(&self) -> TenantId {
        self.organization["id"].as_str().unwrap().parse().unwrap()
    }

    pub fn user_id(&self) -> &str {
        self.user["id"].as_str().unwrap()
    }
}

/// A tenant with an actor of each system role.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub admin: Actor,
    pub roles: BTreeMap<SystemRole, Actor>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Panics with the body unless the status is this.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }

    /// A problem document of this status and code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["code"], code, "{:#}", self.body);
        self.body
    }
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let logins = logins().await;
        let cluster = TestCluster::shared();
        let database = format!("test_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
        let mut admin = Admin::connect(&cluster.superuser_url("postgres")).await.unwrap();
        admin.execute(AssertSqlSafe(format!("create database {database} template {TEMPLATE}"))).await.unwrap();
        // Rights on a database are not its template's.
        let rights = format!(
            "revoke all on database {database} from public; grant connect on database {database} to tenure_app, tenure_system"
        );
        sqlx::raw_sql(AssertSqlSafe(rights)).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        // A clock that was set finds its months open, as a running installation does: the first requests would race their opening.
        let mut owner = Admin::connect(&cluster.superuser_url(&database)).await.unwrap();
        sqlx::query("select ensure_event_partition($1::date), ensure_event_partition(($1 + interval '1 month')::date)")
            .bind(setup.clock.now())
            .execute(&mut owner)
            .await
            .unwrap();
        owner.close().await.unwrap();
        Self::on(setup, database, logins).await
    }

    /// A second node on the same database.
    pub async fn another(&self, setup: Setup) -> Self {
        Self::on(setup, self.database.clone(), logins().await).await
    }

    async fn on(setup: Setup, database: String, logins: &Logins) -> Self {
        let endpoint = TestCluster::shared().endpoint();
        let url = |user, password: &str| endpoint.url(&database, user, Some(password));
        let (app_url, system_url) = (url("tenure_app", &logins.app), url("tenure_system", &logins.system));
        let pools = database::connect(&app_url, &system_url, setup.pools).await.unwrap();
        let keys = Keys::new(LocalKeys::from_value(MASTER_KEY).unwrap());
        let config = KernelConfig { rates: setup.rates, shared_limits: setup.shared_limits, ..KernelConfig::default() };
        let kernel = Kernel::new(pools, setup.clock, keys, config);
        let mut platform = setup.platform;
        // Nodes of one installation share it, as they would share a volume.
        let beside = std::env::temp_dir().join(format!("tenure-test-{}", std::process::id())).join(&database);
        platform.audit.directory.get_or_insert(beside);
        let app = App::start(kernel, platform).await.unwrap();
        let (router, routes) = app.router();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let running = app.clone();
        let background = tokio::spawn(async move { running.run().await });
        // Plain HTTP, but the client is built with TLS, whose backend another crate of the workspace leaves open.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { app, routes, address, client, database, server, background }
    }

    /// Ends what runs beside the requests, as if the process were about to die: nothing is sealed from here on.
    pub fn halt(&self) {
        self.background.abort();
    }

    /// The node dies: its tasks vanish between two awaits, nothing is given back.
    pub fn kill(&self) {
        self.server.abort();
        self.background.abort();
    }

    /// A superuser's connection to this installation's database.
    pub async fn admin(&self) -> Admin {
        Admin::connect(&TestCluster::shared().superuser_url(&self.database)).await.unwrap()
    }

    /// A connection as one of the roles that log in, past everything that the kernel does.
    pub async fn login(&self, role: &str) -> Admin {
        let logins = logins().await;
        let password = if role == "tenure_app" { &logins.app } else { &logins.system };
        Admin::connect(&TestCluster::shared().endpoint().url(&self.database, role, Some(password))).await.unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        if path.starts_with("/api/") || path.starts_with("/.well-known/") {
            format!("http://{}{path}", self.address)
        } else {
            format!("http://{}/api/v1{path}", self.address)
        }
    }

    pub fn request(&self, method: Method, path: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.client.request(method, self.url(path));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let request = self.request(method, path, token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        answer(request).await
    }

    pub async fn get(&self, actor: &Actor, path: &str) -> Answer {
        self.send(Method::GET, path, Some(&actor.token), None).await
    }

    pub async fn post(&self, actor: &Actor, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(&actor.token), Some(&body)).await
    }

    pub async fn put(&self, actor: &Actor, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(&actor.token), Some(&body)).await
    }

    pub async fn patch(&self, actor: &Actor, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(&actor.token), Some(&body)).await
    }

    pub async fn delete(&self, actor: &Actor, path: &str) -> Answer {
        self.send(Method::DELETE, path, Some(&actor.token), None).await
    }

    /// Registers a person with an organisation of their own.
    pub async fn register(&self, username: &str, organization: &str) -> Actor {
        let body = json!({
            "email": format!("{username}@example.com"), "username": username, "password": PASSWORD, "full_name": format!("{username} of {organization}"),
            "organization_name": organization,
        });
        actor(username, self.send(Method::POST, "/auth/register", None, Some(&body)).await.expect(201))
    }

    pub async fn log_in(&self, username: &str) -> Actor {
        let body = json!({"username": username, "password": PASSWORD});
        actor(username, self.send(Method::POST, "/auth/login", None, Some(&body)).await.expect(200))
    }

    /// A member of the admin's organisation with this role, logged in.
    pub async fn member(&self, admin: &Actor, role: SystemRole) -> Actor {
        let slug = admin.organization["slug"].as_str().unwrap();
        let username = format!("{}-{slug}", role.as_str());
        let body = json!({
            "email": format!("{username}@example.com"), "username": username, "password": PASSWORD, "full_name": username,
            "roles": [role.as_str()],
        });
        let _ = self.post(admin, "/users", body).await.expect(201);
        self.chose_own_password(&username).await;
        self.log_in(&username).await
    }

    /// As if they had logged in once and chosen a password, the same: tests of other things want to do other things with
    /// whom an administrator made.
    pub async fn chose_own_password(&self, username: &str) {
        let of = "user_id = (select id from users where username = $1)";
        sqlx::query(AssertSqlSafe(format!("update credentials set must_change = false where {of}")))
            .bind(username)
            .execute(&mut self.admin().await)
            .await
            .unwrap();
    }

    /// As if they had opened the link that was sent to their address.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub async fn confirmed(&self, username: &str) {
        sqlx::query("update users set email_verified_at = now() where username = $1")
            .bind(username)
            .execute(&mut self.admin().await)
            .await
            .unwrap();
    }

    /// An organisation with an actor of each system role.
    pub async fn tenant(&self, name: &str) -> Tenant {
        let admin = self.register(&format!("admin-{}", name.to_lowercase()), name).await;
        let mut roles = BTreeMap::from([(SystemRole::Admin, admin.clone())]);
        for role in SystemRole::ALL.into_iter().filter(|role| *role != SystemRole::Admin) {
            roles.insert(role, self.member(&admin, role).await);
        }
        Tenant { admin, roles }
    }

    /// The actions of the tenant's events, oldest first.
    pub async fn actions(&self, tenant: TenantId) -> Vec<String> {
        sqlx::query_scalar("select action from events where tenant_id = $1 order by at, id")
            .bind(tenant.uuid())
            .fetch_all(&mut self.admin().await)
            .await
            .unwrap()
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("the server answers");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

fn actor(username: &str, body: Value) -> Actor {
    Actor {
        token: body["access_token"].as_str().unwrap().to_owned(),
        refresh_token: body["refresh_token"].as_str().unwrap().to_owned(),
        username: username.to_owned(),
        user: body["user"].clone(),
        organization: body["organization"].clone(),
    }
}
