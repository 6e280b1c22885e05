//! Verifications under way at the request of somebody over HTTP: one of a log, few in the whole process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tenure_kernel::{Error, Problem, Result, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many at one time; more wait for their turn.
const AT_ONCE: usize = 2;

/// Who verifies at this moment. Clones share it.
#[derive(Debug, Clone)]
pub struct Verifications {
    logs: Arc<Mutex<HashSet<TenantId>>>,
    turns: Arc<Semaphore>,
}

impl Default for Verifications {
    fn default() -> Self {
        Self { logs: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// One verification; it is over when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    logs: Arc<Mutex<HashSet<TenantId>>>,
    tenant: TenantId,
    permit: Option<OwnedSemaphorePermit>,
}

impl Verifications {
    /// Waits for a turn.
    ///
    /// # Errors
    /// 409 where this log is being verified already: the answer would be the same.
    pub(super) async fn begin(&self, tenant: TenantId) -> Result<Turn> {
        if !self.logs.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant) {
            let detail =
                "this log is being verified at this moment; wait for the answer of that request, then ask again";
            return Err(Problem::conflict(detail).into());
        }
        // From here on it is let go of, also where the request ends while it waits.
        let mut turn = Turn { logs: Arc::clone(&self.logs), tenant, permit: None };
        turn.permit = Some(Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?);
        Ok(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tenant);
        drop(self.permit.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_of_a_log_and_few_at_once() {
        let verifications = Verifications::default();
        let tenant = |n| TenantId::new(tenure_kernel::Timestamp::from_micros(n));
        let (one, two, three) = (tenant(1), tenant(1_000_000), tenant(2_000_000));
        let first = verifications.begin(one).await.unwrap();
        assert!(verifications.begin(one).await.is_err());
        let second = verifications.begin(two).await.unwrap();
        let third = verifications.begin(three);
        tokio::pin!(third);
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        let third = third.await.unwrap();
        drop((second, third));
        drop(verifications.begin(one).await.unwrap());
    }
}
