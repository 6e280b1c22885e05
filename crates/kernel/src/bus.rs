//! News between the nodes of one installation, over PostgreSQL's notifications.
//!
//! Two ways to send: `announce` inside a transaction, for what must not be lost (a revocation); and [`Bus::wake`],
//! which reaches this process at once and the other nodes a few milliseconds later, folded, from a transaction of its
//! own: a `NOTIFY` in a transaction takes a database-wide lock until the commit and would undo group commit.
//!
//! The listener hears its own heartbeat. While it does not, [`Bus::hears`] is false and caches that depend on
//! revocations are bypassed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex as StdMutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, broadcast, mpsc};
use uuid::Uuid;

use crate::database::Connection;
use crate::error::Result;
use crate::id::{ExecutionId, KeyId, ServiceAccountId, SessionId, TenantId, TokenId, UserId};
use crate::kernel::Kernel;

/// What a node tells the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Message {
    /// Everything known of this login is out of date.
    SessionChanged {
        /// The login.
        session: SessionId,
    },
    /// Everything known of what this person may do is out of date.
    UserChanged {
        /// The person.
        user: UserId,
    },
    /// Everything known of this API key is out of date.
    KeyChanged {
        /// The key.
        key: KeyId,
    },
    /// This delegated token is good no more.
    TokenRevoked {
        /// The token.
        token: TokenId,
    },
    /// Everything known of what this service account may do is out of date.
    ServiceAccountChanged {
        /// The service account.
        account: ServiceAccountId,
    },
    /// The tenant's status or plan changed.
    TenantChanged {
        /// The tenant.
        tenant: TenantId,
    },
    /// This node was deaf for a while: everything it knows may be out of date. Never sent, only heard.
    NewsLost,
    /// There may be work in the queue.
    WorkQueued,
    /// Somebody wants this execution to stop.
    ExecutionCancelled {
        /// The execution.
        execution: ExecutionId,
    },
    /// An execution moved on; whoever watches it reads its journal again.
    ExecutionProgress {
        /// The tenant it belongs to.
        tenant: TenantId,
        /// The execution.
        execution: ExecutionId,
        /// Whether that was its end.
        #[serde(default)]
        over: bool,
    },
    /// A node's sign of life to itself.
    Heartbeat {
        /// The node.
        node: Uuid,
        /// When it was sent, in milliseconds since the node's start: what was sent before has been heard.
        #[serde(default)]
        at: u64,
    },
}

const CHANNEL: &str = "tenure";
const HEARTBEAT_EVERY: Duration = Duration::from_millis(300);
const DEAF_AFTER: Duration = Duration::from_millis(900);
/// A node that was not heard of for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(3);
/// Wake-ups of other nodes are gathered this long.
const FOLD: Duration = Duration::from_millis(5);
const RECONNECT_AFTER: Duration = Duration::from_millis(200);

type Hook = Box<dyn Fn(&Message) + Send + Sync>;

/// This node's end of the line.
pub struct Bus {
    node: Uuid,
    hooks: RwLock<Vec<Hook>>,
    news: broadcast::Sender<Message>,
    outbox: mpsc::UnboundedSender<Message>,
    unsent: Mutex<mpsc::UnboundedReceiver<Message>>,
    started: Instant,
    /// When each other node was last heard of.
    nodes: StdMutex<HashMap<Uuid, Instant>>,
    /// When the last heartbeat that came back was sent, in milliseconds since `started`; zero while the line is down.
    heard: AtomicU64,
}

impl Default for Bus {
    fn default() -> Self {
        let (outbox, unsent) = mpsc::unbounded_channel();
        Self {
            node: Uuid::new_v4(),
            hooks: RwLock::default(),
            news: broadcast::channel(4096).0,
            outbox,
            unsent: Mutex::new(unsent),
            started: Instant::now(),
            nodes: StdMutex::default(),
            heard: AtomicU64::new(0),
        }
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("node", &self.node).field("hears", &self.hears()).finish_non_exhaustive()
    }
}

impl Bus {
    /// Calls `hook` with each message before anybody else hears of it: for caches, so that a change made on this node
    /// is in force when its request is answered. It must not block.
    pub fn on_news(&self, hook: impl Fn(&Message) + Send + Sync + 'static) {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// Tells this process alone.
    pub fn tell_here(&self, message: Message) {
        for hook in self.hooks.read().unwrap_or_else(PoisonError::into_inner).iter() {
            hook(&message);
        }
        // Nobody listening is fine.
        let _ = self.news.send(message);
    }

    /// All news from now on. A receiver that lags must assume that anything changed.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.news.subscribe()
    }

    /// Whether this node would hear of a revocation right now. Told by the clock, not by a flag that somebody has to take
    /// down in time.
    #[must_use]
    pub fn hears(&self) -> bool {
        let heard = self.heard.load(Ordering::Acquire);
        heard > 0 && self.now().saturating_sub(heard) < DEAF_AFTER.as_millis() as u64
    }

    /// Milliseconds since the start; never zero.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// A heartbeat of this node came back: whatever was said before it was sent has been heard.
    fn heartbeat(&self, sent: u64) {
        if !self.hears() {
            // What was said while this node was deaf is unknown: everybody starts afresh, and only then believes.
            self.tell_here(Message::NewsLost);
        }
        self.heard.store(sent, Ordering::Release);
    }

    /// Tells this process at once and the other nodes soon. May be lost when the process dies: whoever waits for it
    /// also polls.
    pub fn wake(&self, message: Message) {
        self.tell_here(message.clone());
        let _ = self.outbox.send(message);
    }

    /// How many nodes there are, this one included, by the heartbeats of the last seconds.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|_, heard| heard.elapsed() < GONE_AFTER);
        u32::try_from(nodes.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn deliver(&self, payload: &str) {
        match serde_json::from_str(payload) {
            Ok(Message::Heartbeat { node, at }) if node == self.node => self.heartbeat(at),
            Ok(Message::Heartbeat { node, .. }) => {
                self.nodes.lock().unwrap_or_else(PoisonError::into_inner).insert(node, Instant::now());
            }
            Ok(message) => self.tell_here(message),
            Err(_) => tracing::debug!("a newer node said what this one does not know"),
        }
    }
}

/// Sends inside `connection`'s transaction: delivered on commit, and only then.
pub(crate) async fn announce(connection: &mut Connection, message: &Message) -> Result<()> {
    let payload = serde_json::to_string(message)?;
    sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(payload).execute(connection).await?;
    Ok(())
}

impl Kernel {
    /// Listens, and sends what [`Bus::wake`] left, until the future is dropped. Reconnects by itself.
    pub async fn run_bus(&self) {
        tokio::join!(self.listen(), self.beat(), self.send_outbox());
    }

    async fn listen(&self) {
        loop {
            if let Err(error) = self.listen_once().await {
                tracing::warn!(%error, "the notification connection was lost; caches are bypassed until it is back");
            }
            self.bus().heard.store(0, Ordering::Release);
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }

    async fn listen_once(&self) -> Result<()> {
        #[expect(clippy::disallowed_types, reason = "the one listener")]
        let mut listener = sqlx::postgres::PgListener::connect_with(self.system_pool()).await?;
        // A lost connection must be seen here, not papered over: what was said meanwhile is gone.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        while let Some(notification) = listener.try_recv().await? {
            self.bus().deliver(notification.payload());
        }
        Ok(())
    }

    /// Beside the listener: a beat that waits for a connection must not keep it from listening.
    async fn beat(&self) {
        let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let message = Message::Heartbeat { node: self.bus().node, at: self.bus().now() };
            let Ok(payload) = serde_json::to_string(&message) else { continue };
            let sent = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(payload);
            if let Err(error) = sent.execute(self.system_pool()).await {
                tracing::debug!(%error, "a heartbeat was not sent");
            }
        }
    }

    async fn send_outbox(&self) {
        let mut unsent = self.bus().unsent.lock().await;
        let mut batch = Vec::new();
        while unsent.recv_many(&mut batch, 1024).await > 0 {
            tokio::time::sleep(FOLD).await;
            while let Ok(more) = unsent.try_recv() {
                batch.push(more);
            }
            let distinct: HashSet<Message> = batch.drain(..).collect();
            let payloads: Vec<String> =
                distinct.iter().filter_map(|message| serde_json::to_string(message).ok()).collect();
            let sent = sqlx::query("select pg_notify($1, payload) from unnest($2::text[]) as payload")
                .bind(CHANNEL)
                .bind(payloads)
                .execute(self.system_pool())
                .await;
            if let Err(error) = sent {
                tracing::debug!(%error, "wake-ups of other nodes were dropped; they poll");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn heartbeat(bus: &Bus, at: u64) -> String {
        serde_json::to_string(&Message::Heartbeat { node: bus.node, at }).unwrap()
    }

    #[test]
    fn whether_news_is_heard_goes_by_when_the_heartbeat_was_sent() {
        let bus = Bus { started: Instant::now().checked_sub(Duration::from_secs(60)).unwrap(), ..Bus::default() };
        assert!(!bus.hears());
        bus.deliver(&heartbeat(&bus, bus.now()));
        assert!(bus.hears());
        // It comes now, behind all that was said since, and was sent two seconds ago.
        bus.deliver(&heartbeat(&bus, bus.now() - 2_000));
        assert!(!bus.hears());
        let other = Bus::default();
        bus.deliver(&heartbeat(&other, bus.now()));
        assert!(!bus.hears(), "another node's heartbeat says nothing of this one's hearing");
        bus.deliver(&heartbeat(&other, other.now()));
        assert_eq!(bus.nodes(), 2, "but that there are two");
    }

    #[test]
    fn who_was_deaf_forgets_before_it_believes_again() {
        let bus = Arc::new(Bus::default());
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (seen, asked) = (Arc::clone(&heard), Arc::downgrade(&bus));
        bus.on_news(move |message| {
            let believes = asked.upgrade().is_some_and(|bus| bus.hears());
            seen.lock().unwrap().push((message.clone(), believes));
        });
        bus.deliver(&heartbeat(&bus, bus.now()));
        bus.deliver(&heartbeat(&bus, bus.now()));
        assert_eq!(*heard.lock().unwrap(), [(Message::NewsLost, false)]);
    }
}
