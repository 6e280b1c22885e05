//! GCRA in a Redis or Valkey that all nodes share: alone, under Sentinels, or a Cluster.
//!
//! A request asks once, whatever the number of its limits: one script counts all of them by that server's clock. In a
//! Cluster keys of one script must lie in one slot: those of a tenant share a hash tag, an address has its own, so a
//! request asks twice there, at the same time. While there is no connection, or an answer takes too long, nodes count for
//! themselves ([`super::Limiter`]), and this looks for the connection in the background.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{Client, Cmd, RedisError, RedisResult, Script};
use tokio::sync::Notify;

use super::Wanted;
use super::local::Count;

const SCRIPT: &str = include_str!("count.lua");
/// A request waits no longer for an answer.
const PATIENCE: Duration = Duration::from_millis(500);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// So long after it was lost, or not found, a connection is looked for again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// Where the shared limits are: `redis://host:6379/0`, `redis+sentinel://host:26379,host:26379/mymaster` or
/// `redis+cluster://host:7000,host:7001`, each with a user and a password before the hosts if need be; `rediss` instead of
/// `redis` for TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    kind: Kind,
    nodes: Vec<String>,
    shown: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Single,
    Cluster,
    Sentinel {
        /// What the Sentinels call the group.
        name: String,
    },
}

impl RedisUrl {
    /// # Errors
    /// What is wrong, in words that follow the setting's name; nothing of a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            "must look like redis://host:6379/0, redis+sentinel://host:26379,host:26379/name or redis+cluster://host:7000,host:7001"
                .to_owned()
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (plain, way) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(plain, "redis" | "rediss") {
            return Err(wrong());
        }
        let (login, place) = rest.rsplit_once('@').map_or(("", rest), |(login, place)| (login, place));
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        let login = if login.is_empty() { String::new() } else { format!("{login}@") };
        let (kind, path) = match way {
            "" => (Kind::Single, format!("/{path}")),
            "cluster" if path.is_empty() => (Kind::Cluster, String::new()),
            "sentinel" if !path.is_empty() && !path.contains('/') => {
                (Kind::Sentinel { name: path.to_owned() }, String::new())
            }
            _ => return Err(wrong()),
        };
        let nodes: Vec<String> = hosts.split(',').map(|host| format!("{plain}://{login}{host}{path}")).collect();
        if hosts.is_empty() || kind == Kind::Single && nodes.len() > 1 {
            return Err(wrong());
        }
        if nodes.iter().any(|node| Client::open(node.as_str()).is_err()) {
            return Err(wrong());
        }
        let hidden = if login.is_empty() { "" } else { "…@" };
        Ok(Self { kind, nodes, shown: format!("{scheme}://{hidden}{place}") })
    }
}

/// Without user and password.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// See the module.
pub(super) struct Shared {
    url: RedisUrl,
    digest: String,
    connection: RwLock<Option<Connection>>,
    lost: Notify,
    /// Whether somebody was told that there is none.
    told: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("url", &self.url)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(url: RedisUrl) -> Self {
        let digest = Script::new(SCRIPT).get_hash().to_owned();
        Self { url, digest, connection: RwLock::default(), lost: Notify::new(), told: AtomicBool::new(false) }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Counts one request against all of these, in their order, up to the first that is over its limit; nothing where
    /// nobody answers.
    pub(super) async fn count(&self, wanted: &[Wanted]) -> Option<Vec<Count>> {
        let connection = self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let counted = match tokio::time::timeout(PATIENCE, self.ask(connection, wanted, None)).await {
            Ok(Ok(counted)) => Ok(counted),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
        };
        counted.map_err(|reason| self.lose(&reason)).ok()
    }

    fn lose(&self, reason: &str) {
        *self.connection.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.tell(reason);
        self.lost.notify_one();
    }

    fn tell(&self, reason: &str) {
        if !self.told.swap(true, Ordering::AcqRel) {
            tracing::warn!(redis = %self.url, reason, "shared rate limits are out of reach; each node counts its part");
        }
    }

    async fn ask(&self, connection: Connection, wanted: &[Wanted], now: Option<u64>) -> RedisResult<Vec<Count>> {
        match connection {
            Connection::One(mut one) => self.run(&mut one, wanted, now).await,
            Connection::Cluster(cluster) => {
                let (of_tenant, others): (Vec<Wanted>, Vec<Wanted>) =
                    wanted.iter().partition(|wanted| wanted.subject.tenant().is_some());
                let (mut here, mut there) = (cluster.clone(), cluster);
                let (of_tenant, others) =
                    tokio::join!(self.run(&mut here, &of_tenant, now), self.run(&mut there, &others, now));
                let (of_tenant, others) = (of_tenant?, others?);
                Ok(in_order(wanted, of_tenant, others))
            }
        }
    }

    async fn run<C: ConnectionLike>(
        &self,
        connection: &mut C,
        wanted: &[Wanted],
        now: Option<u64>,
    ) -> RedisResult<Vec<Count>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = match self.call("EVALSHA", &self.digest, wanted, now).query_async(connection).await {
            // A server that was started again has forgotten the script; it learns it with its first use.
            Err(error) if is_unknown_script(&error) => {
                self.call("EVAL", SCRIPT, wanted, now).query_async::<Vec<i64>>(connection).await?
            }
            answer => answer?,
        };
        let count = |pair: &[i64]| {
            let (ahead, wait) = (pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(-1));
            Count { ahead: u64::try_from(ahead).unwrap_or(0), wait: u64::try_from(wait).ok() }
        };
        Ok(numbers.chunks(2).map(count).collect())
    }

    fn call(&self, verb: &str, script: &str, wanted: &[Wanted], now: Option<u64>) -> Cmd {
        let mut call = redis::cmd(verb);
        call.arg(script).arg(wanted.len());
        for wanted in wanted {
            call.arg(wanted.subject.key());
        }
        call.arg(now.map(|now| now.to_string()).unwrap_or_default());
        for wanted in wanted {
            call.arg(wanted.rate.window()).arg(wanted.rate.interval());
        }
        call
    }

    /// Keeps a connection until the future is dropped.
    pub(super) async fn run_connection(&self) {
        loop {
            if !self.is_connected() {
                match tokio::time::timeout(CONNECT_WITHIN, self.connect()).await {
                    Ok(Ok(connection)) => {
                        *self.connection.write().unwrap_or_else(PoisonError::into_inner) = Some(connection);
                        self.told.store(false, Ordering::Release);
                        tracing::info!(redis = %self.url, "rate limits are shared");
                    }
                    Ok(Err(error)) => self.tell(&error.to_string()),
                    Err(_) => self.tell("it does not answer"),
                }
            }
            let again = async {
                tokio::time::sleep(AGAIN_AFTER).await;
                if self.is_connected() {
                    self.lost.notified().await;
                }
            };
            again.await;
        }
    }

    async fn connect(&self) -> RedisResult<Connection> {
        let nodes = self.url.nodes.clone();
        match &self.url.kind {
            Kind::Single => {
                let node = nodes.into_iter().next().unwrap_or_default();
                let mut one = Client::open(node)?.get_multiplexed_async_connection().await?;
                // A server that loads its data accepts connections and answers nothing.
                redis::cmd("PING").query_async::<()>(&mut one).await?;
                Ok(Connection::One(one))
            }
            Kind::Sentinel { name } => {
                let mut client = SentinelClient::build(nodes, name, None, SentinelServerType::Master)?;
                Ok(Connection::One(client.get_async_connection().await?))
            }
            Kind::Cluster => {
                let builder = ClusterClient::builder(nodes).retries(1).connection_timeout(CONNECT_WITHIN);
                Ok(Connection::Cluster(builder.build()?.get_async_connection().await?))
            }
        }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.code() == Some("NOSCRIPT")
}

/// What two scripts counted, in the order in which it was wanted, up to the first that is over its limit.
fn in_order(wanted: &[Wanted], of_tenant: Vec<Count>, others: Vec<Count>) -> Vec<Count> {
    let (mut of_tenant, mut others) = (of_tenant.into_iter(), others.into_iter());
    let mut counted = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let count = if wanted.subject.tenant().is_some() { of_tenant.next() } else { others.next() };
        let Some(count) = count else { break };
        counted.push(count);
        if count.wait.is_some() {
            return counted;
        }
    }
    counted
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
