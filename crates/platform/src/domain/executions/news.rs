//! News of one execution and of whoever watches it, from the bus.
//!
//! What was heard is kept until it is asked for: that the execution moved on never hides that the caller may no longer see
//! it, whichever came first and however many came at once.

use axum::http::HeaderMap;
use tenure_kernel::bus::Message;
use tenure_kernel::{Authorized, Context, ExecutionId, Permission, Result};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Duration, Instant, timeout_at};

/// How often the caller's standing is looked at although no news came: a token runs out in silence.
const LOOK: Duration = Duration::from_secs(5);

/// One watcher's ear.
pub(super) struct News {
    bus: Receiver<Message>,
    execution: ExecutionId,
    /// Only its end is news of it: a read for each of a thousand steps would slow down what is waited for.
    end_only: bool,
    /// The execution moved on.
    progress: bool,
    /// What the caller may do changed; after missed messages that is possible too.
    standing: bool,
    proven_at: Instant,
}

impl News {
    /// Of this execution. `bus` was subscribed to when the caller had been proven.
    pub(super) fn new(bus: Receiver<Message>, execution: ExecutionId) -> Self {
        Self { bus, execution, end_only: false, progress: false, standing: false, proven_at: Instant::now() }
    }

    /// Of nothing of this execution but its end.
    pub(super) fn of_the_end(bus: Receiver<Message>, execution: ExecutionId) -> Self {
        Self { end_only: true, ..Self::new(bus, execution) }
    }

    fn hear(&mut self, message: &Message, cx: &Context) {
        let actor = cx.actor();
        match message {
            Message::ExecutionProgress { execution, over, .. } => {
                self.progress |= *execution == self.execution && (*over || !self.end_only);
            }
            Message::SessionChanged { session } => self.standing |= actor.comes_from_session(*session),
            Message::UserChanged { user } => self.standing |= actor.person() == Some(*user),
            Message::ServiceAccountChanged { account } => {
                self.standing |= actor.service_account() == Some(*account);
            }
            Message::KeyChanged { key } => self.standing |= actor.comes_from_key(*key),
            Message::TokenRevoked { token } => self.standing |= actor.acts_by_token(*token),
            Message::TenantChanged { tenant } => self.standing |= *tenant == cx.tenant(),
            Message::NewsLost => self.standing = true,
            Message::WorkQueued | Message::ExecutionCancelled { .. } | Message::Heartbeat { .. } => {}
        }
    }

    /// Waits until something was heard of the execution or the caller, or until then.
    pub(super) async fn wait(&mut self, until: Instant, cx: &Context) {
        let until = until.min(self.proven_at + LOOK);
        while !self.progress && !self.standing {
            match timeout_at(until, self.bus.recv()).await {
                Ok(Ok(message)) => self.hear(&message, cx),
                Ok(Err(RecvError::Lagged(_))) => self.standing = true,
                // The bus lives as long as the process.
                Ok(Err(RecvError::Closed)) => return tokio::time::sleep_until(until).await,
                Err(_) => return,
            }
        }
    }

    /// Proves the caller anew if anything that was heard so far asks for it, or if the last proof is old. To be called
    /// right before anything is shown.
    ///
    /// # Errors
    /// When the caller may no longer see it: nothing may be shown.
    pub(super) async fn prove<P: Permission>(
        &mut self,
        cx: &Authorized<P>,
        headers: &HeaderMap,
    ) -> Result<Option<Authorized<P>>> {
        loop {
            match self.bus.try_recv() {
                Ok(message) => self.hear(&message, cx.cx()),
                Err(TryRecvError::Lagged(_)) => self.standing = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if !self.standing && self.proven_at.elapsed() < LOOK {
            return Ok(None);
        }
        let now = Instant::now();
        let renewed = cx.renewed(headers).await?;
        (self.standing, self.proven_at) = (false, now);
        Ok(Some(renewed))
    }

    /// Whether the execution moved on since this was asked last.
    pub(super) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }
}
