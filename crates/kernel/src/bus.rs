//! News between the nodes of one installation, over PostgreSQL's notifications.
//!
//! Two ways to send: `announce` inside a transaction, for what must not be lost (a revocation); and [`Bus::wake`],
//! which reaches this process at once and the other nodes a few milliseconds later, folded, from a transaction of its
//! own: a `NOTIFY` in a transaction takes a database-wide lock until the commit and would undo group commit.
//!
//! The listener hears its own heartbeat. While it does not, [`Bus::hears`] is false and caches that depend on
//! revocations are bypassed.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, broadcast, mpsc};
use uuid::Uuid;

use crate::database::Connection;
use crate::error::Result;
use crate::id::{ExecutionId, SessionId, TenantId, UserId};
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
    },
    /// A node's sign of life to itself.
    Heartbeat {
        /// The node.
        node: Uuid,
    },
}

const CHANNEL: &str = "tenure";
const HEARTBEAT_EVERY: Duration = Duration::from_millis(300);
const DEAF_AFTER: Duration = Duration::from_millis(900);
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
    hears: AtomicBool,
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
            hears: AtomicBool::new(false),
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

    /// Whether this node would hear of a revocation right now.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.hears.load(Ordering::Acquire)
    }

    /// Tells this process at once and the other nodes soon. May be lost when the process dies: whoever waits for it
    /// also polls.
    pub fn wake(&self, message: Message) {
        self.tell_here(message.clone());
        let _ = self.outbox.send(message);
    }

    fn deliver(&self, payload: &str) -> bool {
        match serde_json::from_str(payload) {
            Ok(Message::Heartbeat { node }) => node == self.node,
            Ok(message) => {
                self.tell_here(message);
                false
            }
            // A newer node's message that this one does not know.
            Err(_) => false,
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
        tokio::join!(self.listen(), self.send_outbox());
    }

    async fn listen(&self) {
        loop {
            if let Err(error) = self.listen_once().await {
                tracing::warn!(%error, "the notification connection was lost; caches are bypassed until it is back");
            }
            self.bus().hears.store(false, Ordering::Release);
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }

    async fn listen_once(&self) -> Result<()> {
        #[expect(clippy::disallowed_types, reason = "the one listener")]
        let mut listener = sqlx::postgres::PgListener::connect_with(self.system_pool()).await?;
        // A lost connection must be seen here, not papered over: what was said meanwhile is gone.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        let mut last_heard: Option<tokio::time::Instant> = None;
        let mut beat = tokio::time::interval(HEARTBEAT_EVERY);
        loop {
            tokio::select! {
                notification = listener.try_recv() => match notification? {
                    Some(notification) => {
                        if self.bus().deliver(notification.payload()) {
                            last_heard = Some(tokio::time::Instant::now());
                        }
                    }
                    None => return Ok(()),
                },
                _ = beat.tick() => {
                    let payload = serde_json::to_string(&Message::Heartbeat { node: self.bus().node })?;
                    sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(payload).execute(self.system_pool()).await?;
                }
            }
            let hears = last_heard.is_some_and(|at| at.elapsed() < DEAF_AFTER);
            let heard = self.bus().hears.swap(hears, Ordering::AcqRel);
            if hears && !heard {
                // Whatever was said while this node was deaf is unknown: everybody starts afresh.
                self.bus().tell_here(Message::NewsLost);
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
