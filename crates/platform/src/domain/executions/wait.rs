//! Waits for an execution's end on behalf of a caller.

use std::time::Duration;

use axum::http::HeaderMap;
use tenure_kernel::bus::Message;
use tenure_kernel::{Authorized, ExecutionId, Permission, Problem, Result};
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use super::news::News;
use super::store;

const LONGEST: Duration = Duration::from_secs(60);
/// How often the row is looked at although no news came.
const POLL: Duration = Duration::from_secs(1);

/// `30s`, `500ms`, or a number of seconds.
///
/// # Errors
/// 422 for anything else, and above a minute.
pub(super) fn parse(text: &str) -> Result<Duration> {
    let (number, milliseconds) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(text), 1000),
    };
    let wait = number.parse().ok().map(|number: u32| Duration::from_millis(u64::from(number) * milliseconds));
    wait.filter(|wait| *wait <= LONGEST).ok_or_else(|| {
        Problem::invalid("#query/wait", "must be a time of at most a minute, such as 30s or 500ms").into()
    })
}

/// Whether it is over by then. `bus` was subscribed to before the execution was queued.
///
/// # Errors
/// 401 or 403 as soon as the caller's login or permission is withdrawn: what they asked for goes on without them.
pub(super) async fn is_over<P: Permission>(
    cx: &Authorized<P>,
    headers: &HeaderMap,
    bus: Receiver<Message>,
    execution: ExecutionId,
    wait: Duration,
) -> Result<bool> {
    let deadline = Instant::now() + wait;
    let mut news = News::of_the_end(bus, execution);
    loop {
        news.prove(cx, headers).await?;
        if cx.read(async |tx| store::state(tx, execution).await).await?.is_over() {
            news.prove(cx, headers).await?;
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        news.wait(deadline.min(Instant::now() + POLL), cx.cx()).await;
        news.take_progress();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_short() {
        assert_eq!(parse("30s").unwrap(), Duration::from_secs(30));
        assert_eq!(parse("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse("60").unwrap(), LONGEST);
        for bad in ["", "61s", "60001ms", "-1", "1m", "1.5s", "s", "4294967296"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
