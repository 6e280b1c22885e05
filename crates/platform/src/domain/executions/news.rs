//! News of one execution, from the bus.

use tenure_kernel::bus::Message;
use tenure_kernel::{Context, ExecutionId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// What may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The execution moved on.
    Progress,
    /// What the caller may do; after missed messages that is possible too.
    Standing,
}

/// Waits for the next news of this execution, or of the caller.
pub(super) async fn next(bus: &mut Receiver<Message>, execution: ExecutionId, cx: &Context) -> News {
    let actor = cx.actor();
    loop {
        match bus.recv().await {
            Ok(Message::ExecutionProgress { execution: other, .. }) if other == execution => return News::Progress,
            Ok(Message::SessionChanged { session }) if actor.session == Some(session) => return News::Standing,
            Ok(Message::UserChanged { user }) if actor.user() == Some(user) => return News::Standing,
            Ok(Message::TenantChanged { tenant }) if tenant == cx.tenant() => return News::Standing,
            Ok(Message::NewsLost) | Err(RecvError::Lagged(_)) => return News::Standing,
            // The bus lives as long as the process; without it the caller's own clock goes on.
            Err(RecvError::Closed) => std::future::pending().await,
            Ok(_) => {}
        }
    }
}
