//! An execution as server-sent events: `execution`, `step`, `log`, and `end`, after which nothing comes.
//!
//! The journal is the stream: an event's id is the number of the newest row of the journal that was told by then, so that
//! `Last-Event-ID` leads on from there. What is in flight has no row; it is told again after a reconnection.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::sse::Event;
use futures::Stream;
use serde::Serialize;
use tenure_kernel::permission::ExecutionRead;
use tenure_kernel::{Authorized, ExecutionId, Result};
use tokio::time::Instant;

use super::live::LiveSteps;
use super::model::{ExecutionSummary, LogLine, StepState, StepSummary};
use super::news::News;
use super::steps::{self, Written};
use crate::domain::quotas::Connection;

/// How often the journal is looked at although no news came.
const LOOK: Duration = Duration::from_secs(5);
/// News within this time are told together.
const FOLD: Duration = Duration::from_millis(20);
/// Rows of the journal that are read at once.
const ROWS: usize = 256;

/// A line of a step's log.
#[derive(Serialize)]
struct StepLog<'a> {
    step: &'a str,
    #[serde(flatten)]
    line: &'a LogLine,
}

/// One follower.
pub(super) struct Follower {
    cx: Authorized<ExecutionRead>,
    headers: HeaderMap,
    news: News,
    live: Arc<LiveSteps>,
    execution: ExecutionId,
    /// Newest row told.
    seq: i32,
    summary: Option<ExecutionSummary>,
    /// What was told to be in flight.
    flying: HashMap<String, StepSummary>,
    pending: VecDeque<Event>,
    begun: bool,
    ended: bool,
    /// Counted as long as it is followed.
    _open: Connection,
}

/// What one look found.
struct Look {
    summary: ExecutionSummary,
    written: Vec<Written>,
    flying: Vec<StepSummary>,
}

impl Follower {
    pub(super) fn new(
        cx: Authorized<ExecutionRead>,
        headers: HeaderMap,
        live: Arc<LiveSteps>,
        execution: ExecutionId,
        open: Connection,
    ) -> Self {
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
        let news = News::new(cx.kernel().bus().subscribe(), execution);
        Self {
            cx,
            headers,
            news,
            live,
            execution,
            seq: last.unwrap_or(0),
            summary: None,
            flying: HashMap::new(),
            pending: VecDeque::new(),
            begun: false,
            ended: false,
            _open: open,
        }
    }

    /// All events from now to the execution's end. Where the caller may no longer see it, or the database is gone, the
    /// stream just stops: whoever comes again is told why.
    pub(super) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        futures::stream::unfold(self, async |mut follower| match follower.next().await {
            Ok(event) => event.map(|event| (Ok(event), follower)),
            Err(error) => {
                tracing::debug!(%error, "a stream of events ends early");
                None
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            self.prove().await?;
            if let Some(event) = self.pending.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            if self.begun {
                self.news.wait(Instant::now() + LOOK, self.cx.cx()).await;
                if self.news.take_progress() {
                    tokio::time::sleep(FOLD).await;
                }
                self.prove().await?;
            }
            self.begun = true;
            while self.look().await? {}
        }
    }

    /// Before each look and before each event that is sent: what was read for a caller who has lost their standing since
    /// is not shown.
    async fn prove(&mut self) -> Result<()> {
        if let Some(renewed) = self.news.prove(&self.cx, &self.headers).await? {
            self.cx = renewed;
        }
        Ok(())
    }

    /// Reads what is new; whether there is more to read at once.
    async fn look(&mut self) -> Result<bool> {
        let (execution, seq, live) = (self.execution, self.seq, &self.live);
        let found = self
            .cx
            .read(async |tx| {
                // The state before the rows: once it says that all is over, the rows that follow are all there are.
                let summary = tx.load::<ExecutionSummary>(execution).await?.into_inner();
                let written = steps::written_after(tx, execution, seq, i64::try_from(ROWS).unwrap_or(i64::MAX)).await?;
                let flying = if summary.state.is_over() {
                    Vec::new()
                } else {
                    steps::unwritten(tx, execution, live.of(execution)).await?
                };
                Ok(Look { summary, written, flying })
            })
            .await?;
        self.tell(found)
    }

    fn tell(&mut self, found: Look) -> Result<bool> {
        let more = found.written.len() == ROWS;
        for Written { seq, step, logs } in found.written {
            for line in &logs {
                self.push("log", &StepLog { step: &step.name, line })?;
            }
            self.seq = seq;
            // A map goes on after it was expanded, all else is over.
            if step.state != StepState::Running {
                self.flying.remove(&step.name);
            }
            self.push("step", &step)?;
        }
        if more {
            return Ok(true);
        }
        for step in found.flying {
            if self.flying.get(&step.name) != Some(&step) {
                self.push("step", &step)?;
                self.flying.insert(step.name.clone(), step);
            }
        }
        if self.summary.as_ref() != Some(&found.summary) {
            self.push("execution", &found.summary)?;
        }
        if found.summary.state.is_over() {
            self.push("end", &serde_json::json!({}))?;
            self.ended = true;
        }
        self.summary = Some(found.summary);
        Ok(false)
    }

    fn push(&mut self, kind: &str, data: &impl Serialize) -> Result<()> {
        let data = serde_json::to_string(data)?;
        self.pending.push_back(Event::default().event(kind).id(self.seq.to_string()).data(data));
        Ok(())
    }
}
