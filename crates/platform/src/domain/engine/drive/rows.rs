//! The rows of the journal: made here, written with those of other executions.

use tenure_kernel::{Error, Result, Timestamp};
use tenure_workflow::machine::{Entry, StepKey};

use super::super::writer::{End, Lost, Request, Row, Wish};
use super::Drive;

impl Drive {
    pub(super) fn row(&self, step: &StepKey, state: Option<&'static str>, started_at: Timestamp, attempts: u32) -> Row {
        let node_type =
            self.compiled.plan.find(&step.node).map(|index| self.body_of(index, step).kind.name().to_owned());
        Row {
            seq: 0,
            step: Some(step.to_string()),
            node_type,
            state,
            attempts: i32::try_from(attempts).unwrap_or(i32::MAX),
            started_at,
            finished_at: self.now(),
            entry: String::new(),
            logs: None,
            usage: None,
        }
    }

    fn bare_row(&self) -> Row {
        let now = self.now();
        Row {
            seq: 0,
            step: None,
            node_type: None,
            state: None,
            attempts: 1,
            started_at: now,
            finished_at: now,
            entry: String::new(),
            logs: None,
            usage: None,
        }
    }

    fn put(&mut self, entry: &Entry, row: Row) -> Result<()> {
        self.unwritten.push(Row { seq: self.next_seq, entry: serde_json::to_string(entry)?, ..row });
        self.next_seq += 1;
        Ok(())
    }

    /// That the execution goes on after it had ended; the machine was rebuilt with the entry already.
    pub(super) fn journal_retry(&mut self, entry: &Entry) -> Result<()> {
        let row = Row { state: Some("retried"), ..self.bare_row() };
        self.put(entry, row)
    }

    /// Applies an entry and puts its row, and those of the steps that it skips or fails, before the writer.
    pub(super) fn journal(&mut self, entry: Entry, row: Option<Row>) -> Result<()> {
        let row = row.unwrap_or_else(|| self.bare_row());
        self.put(&entry, row)?;
        let change = self.machine.apply(entry).map_err(Error::internal)?;
        for step in change.skipped {
            let row = self.row(&step, Some("skipped"), self.now(), 1);
            self.put(&Entry::Told { step, error: None }, row)?;
        }
        for (step, error) in change.failed {
            let row = self.row(&step, Some("failed"), self.now(), 1);
            self.put(&Entry::Told { step, error: Some(error) }, row)?;
        }
        for step in change.cancel {
            if let Some(abort) = self.aborts.remove(&step) {
                abort.abort();
            }
            self.parked.remove(&step);
            self.shared.live.finished(self.claim.execution, &step.to_string());
        }
        Ok(())
    }

    /// Commits what is unwritten; `false` if the execution is not this node's any more.
    pub(super) async fn write(&mut self, end: Option<End>) -> Result<bool> {
        if self.unwritten.is_empty() && end.is_none() {
            return Ok(true);
        }
        let rows = std::mem::take(&mut self.unwritten);
        let request = Request {
            tenant: self.claim.tenant,
            execution: self.claim.execution,
            attempt: self.claim.attempt,
            rows,
            end,
        };
        match self.shared.writer.write(request).await {
            Ok(wish) => {
                // A cancellation comes to whoever takes it up next, if this node does not hear of it before.
                self.winding |= wish == Wish::Halt;
                Ok(true)
            }
            Err(Lost) => {
                self.steps.abort_all();
                Ok(false)
            }
        }
    }
}
