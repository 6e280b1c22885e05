//! Delivers what waits, on one node at a time for each message, and again until the server took it or it is of no use.
//!
//! Taking a message puts it off until after the longest that a delivery can last: a node that dies in between leaves it to
//! whoever comes then. So a message arrives at least once; twice only where the server took it and its answer was lost.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tenure_kernel::event::Outcome;
use tenure_kernel::{Audited, Code, Kernel, NewEvent, Problem, Result, SystemReason, Timestamp};
use tokio::sync::{Notify, watch};

use super::event::MailEvent;
use super::model::{MailConfig, Way};
use super::smtp::{Refused, Smtp, WITHIN};
use super::store::{self, Taken};

/// Messages that are delivered at once; no more than there are connections.
const AT_ONCE: i64 = 4;
/// What another node wrote down, or this one before it died, is found within this.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Why a message is given up that nobody refused for good.
const LATE: &str = "it could not be delivered in time";
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Sends messages, or says that there is no way to.
#[derive(Clone)]
pub struct Mailer {
    kernel: Kernel,
    config: Arc<MailConfig>,
    production: bool,
    smtp: Option<Smtp>,
    written: Arc<Notify>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("way", &self.way()).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Connects to nothing until there is something to deliver.
    ///
    /// # Errors
    /// When the authority's certificates cannot be used.
    pub fn new(kernel: Kernel, config: MailConfig, production: bool) -> Result<Self> {
        let smtp = config.smtp.as_ref().map(|url| Smtp::new(&config, url)).transpose()?;
        Ok(Self { kernel, config: Arc::new(config), production, smtp, written: Arc::default() })
    }

    /// How messages leave.
    #[must_use]
    pub fn way(&self) -> Way {
        match (&self.smtp, self.production) {
            (Some(_), _) => Way::Smtp,
            (None, false) => Way::Outbox,
            (None, true) => Way::None,
        }
    }

    /// For what cannot be done without mail.
    ///
    /// # Errors
    /// 503 where there is none, which says so.
    pub fn required(&self) -> Result<()> {
        if self.way() == Way::None {
            let detail = "this needs mail, and no mail server is configured here; ask whoever runs this installation to set mail.smtp_url";
            return Err(Problem::new(Code::MailMissing, detail).into());
        }
        Ok(())
    }

    /// Whether a note that is only good to have can be sent.
    #[must_use]
    pub fn possible(&self) -> bool {
        self.way() != Way::None
    }

    /// Where a page of the console is found.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.config.public_url
    }

    /// A page of the console with a token. It stands in the fragment, which no browser sends and so no log holds.
    #[must_use]
    pub fn link(&self, page: &str, token: &str) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(format!("{}/{page}#token={token}", self.config.public_url))
    }

    /// Something was written down and committed: delivers it now. Were this forgotten, it would be found a little later.
    pub fn wake(&self) {
        self.written.notify_one();
    }

    /// Delivers what is written down, until it is to stop: what is being handed over then is handed over. Without a server it
    /// does nothing.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let Some(smtp) = &self.smtp else { return };
        let pause = LOOK_EVERY.min(self.config.first_wait);
        while !*stop.borrow() {
            match self.deliver(smtp).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(%error, "mail was not delivered; the next round tries again"),
            }
            tokio::select! {
                () = self.written.notified() => {}
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// One round. How many messages it took.
    async fn deliver(&self, smtp: &Smtp) -> Result<usize> {
        let until = self.kernel.clock().now().after(WITHIN * 2);
        let taken = self.system().run(async |tx| {
            let taken = store::take(tx, until, AT_ONCE).await?;
            Ok(Audited::none("what comes of the delivery is written down after it", taken))
        });
        let taken = taken.await?;
        for done in join_all(taken.iter().map(|message| self.attempt(smtp, message))).await {
            done?;
        }
        Ok(taken.len())
    }

    async fn attempt(&self, smtp: &Smtp, message: &Taken) -> Result<()> {
        match self.hand_over(smtp, message).await? {
            Ok(()) => {
                let done = async |tx: &mut tenure_kernel::SystemTx| {
                    store::delivered(tx, message.id).await?;
                    Ok(Audited::none("what the message tells of has its event", ()))
                };
                self.system().run(done).await
            }
            Err(refused) => self.failed(message, &refused).await,
        }
    }

    async fn hand_over(&self, smtp: &Smtp, message: &Taken) -> Result<Result<(), Refused>> {
        let now = self.kernel.clock().now();
        if message.expires_at <= now {
            return Ok(Err(Refused { reason: LATE.to_owned(), for_good: true }));
        }
        let Some(sealed) = &message.sealed else {
            return Ok(Err(Refused { reason: "it is empty".to_owned(), for_good: true }));
        };
        let opened = self.system().run(async |tx| {
            Ok(Audited::none("the message is about to be sent", store::open(tx, message.id, sealed).await?))
        });
        Ok(smtp.send(message.id, message.created_at, &opened.await?).await)
    }

    async fn failed(&self, message: &Taken, refused: &Refused) -> Result<()> {
        let next = self.kernel.clock().now().after(wait(self.config.first_wait, message.attempts));
        let (id, mut reason) = (message.id, refused.reason.clone());
        if !refused.for_good && next < message.expires_at {
            tracing::info!(%id, kind = message.kind, reason, "a message was not delivered, and is tried again");
            return self.put_off(message, next).await;
        }
        if !refused.for_good {
            reason = format!("{LATE}; at the last try {reason}");
        }
        let reason = reason.as_str();
        tracing::warn!(%id, kind = message.kind, reason, "a message could not be delivered and is given up");
        self.system()
            .run(async |tx| {
                if !store::give_up(tx, message, reason).await? {
                    return Ok(Audited::none("another node has written down what came of it", ()));
                }
                let event = || {
                    NewEvent::new(MailEvent::FAILED, id.to_string())
                        .outcome(Outcome::Failure, reason.to_owned())
                        .detail("kind", &message.kind)
                        .detail("about", &message.about)
                };
                let mut events: Vec<NewEvent> =
                    message.tenants.iter().map(|tenant| event().in_tenant(*tenant)).collect();
                if events.is_empty() {
                    events.push(event());
                }
                Ok(Audited::many((), events))
            })
            .await
    }

    async fn put_off(&self, message: &Taken, next: Timestamp) -> Result<()> {
        self.system()
            .run(async |tx| {
                store::put_off(tx, message.id, next).await?;
                Ok(Audited::none("nothing came of it yet", ()))
            })
            .await
    }

    fn system(&self) -> tenure_kernel::System<'_> {
        self.kernel.system(SystemReason::DeliverMail)
    }
}

/// How long after the attempt of this number the next one comes.
fn wait(first: Duration, attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0);
    first.saturating_mul(3_u32.saturating_pow(doublings)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_an_hour() {
        let seconds: Vec<u64> = (1..=9).map(|attempts| wait(Duration::from_secs(5), attempts).as_secs()).collect();
        assert_eq!(seconds, [5, 15, 45, 135, 405, 1215, 3600, 3600, 3600]);
        assert_eq!(wait(Duration::from_secs(5), i32::MAX), LONGEST_WAIT);
    }
}
