//! Asks for executions all the time, also while nobody answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tenure_kernel::TenantId;
use tokio::task::JoinSet;

use crate::client::Api;
use crate::engine::text;

/// Between two requests of one who asks.
const PAUSE: Duration = Duration::from_millis(40);
/// While the server is down.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// One request is repeated at most this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose executions are asked for.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) id: TenantId,
    pub(super) token: String,
    pub(super) workflow: String,
}

/// An execution that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) tenant: TenantId,
    /// As the API writes it.
    pub(super) execution: String,
}

/// One task for each tenant.
pub(super) struct Asking {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<Vec<Asked>>>,
}

impl Asking {
    pub(super) fn start(address: SocketAddr, tenants: &[Tenant]) -> Self {
        let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for tenant in tenants.iter().cloned() {
            let stop = Arc::clone(&stop);
            tasks.spawn(async move {
                let (mut api, mut asked) = (Api::with_token(address, &tenant.token), Vec::new());
                while !stop.load(Ordering::Acquire) {
                    let execution = ask(&mut api, &tenant).await?;
                    asked.push(Asked { tenant: tenant.id, execution });
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(asked)
            });
        }
        Self { stop, tasks }
    }

    /// Ends, and tells what was accepted.
    pub(super) async fn finish(mut self) -> Result<Vec<Asked>> {
        self.stop.store(true, Ordering::Release);
        let mut all = Vec::new();
        while let Some(asked) = self.tasks.join_next().await {
            all.extend(asked??);
        }
        Ok(all)
    }
}

/// Until it is accepted. A request that broke off may have been: the same key finds out.
async fn ask(api: &mut Api, tenant: &Tenant) -> Result<String> {
    let key = uuid::Uuid::new_v4().to_string();
    let path = format!("/workflows/{}/executions", tenant.workflow);
    let (body, begun) = (json!({ "input": { "n": 1 } }), Instant::now());
    loop {
        let answer = api.ask("POST", &path, &[("idempotency-key", &key)], Some(&body)).await;
        match answer {
            Ok(answer) if answer.status == 202 => return text(&answer.json(202)?, "id"),
            // Down, or on its way down or up.
            Ok(answer) if answer.status != 503 => {
                bail!("an execution was refused with {}: {}", answer.status, String::from_utf8_lossy(&answer.body))
            }
            Err(error) if begun.elapsed() > PATIENCE => return Err(error).context("the server does not come back"),
            _ => tokio::time::sleep(AGAIN_AFTER).await,
        }
    }
}
