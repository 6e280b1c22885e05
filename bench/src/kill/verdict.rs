//! Compares what was asked for, what the database says, and what the receiver saw.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context as _, Result};
use sqlx::Connection as _;
use tenure_kernel::ExecutionId;
use tenure_pgembed::{Cluster, ClusterConfig};
use uuid::Uuid;

use super::asking::Asked;
use super::receiver::Hit;
use crate::scratch::Admin;

/// At most so many examples of one kind of fault are told.
const EXAMPLES: usize = 5;

/// What the steps of an execution are called; each must be journaled once.
const STEPS: [&str; 3] = ["between", "idempotent", "plain"];

struct Stored {
    states: HashMap<(Uuid, Uuid), String>,
    /// Execution and step, with the microsecond at which its row says it ended.
    steps: Vec<(Uuid, String, i64)>,
    jobs: i64,
    /// Of each tenant: what the quota counts, and how many executions there are.
    quotas: Vec<(Uuid, i64, i64)>,
}

/// Opens the data of the stopped server as superuser. Tells how many requests repeated one of the same step.
pub(super) async fn judge(data: &Path, asked: &[Asked], hits: &[Hit], faults: &mut Vec<String>) -> Result<usize> {
    let cluster = Cluster::open(ClusterConfig::new(data.join("postgres"))).await?;
    let read = read(&cluster.endpoint().superuser_url("tenure")).await;
    cluster.stop().await;
    let stored = read?;
    executions(&stored, asked, faults)?;
    leaks(&stored, faults);
    effects(&stored, hits, faults)
}

async fn read(url: &str) -> Result<Stored> {
    let mut admin = Admin::connect(url).await.context("cannot connect to the stopped server's database")?;
    let states: Vec<(Uuid, Uuid, String)> =
        sqlx::query_as("select tenant_id, id, state from executions").fetch_all(&mut admin).await?;
    let steps = sqlx::query_as(
        "select execution_id, step, (extract(epoch from finished_at) * 1000000)::bigint
         from execution_journal where step is not null",
    );
    let quotas = sqlx::query_as(
        "select t.tenant_id, coalesce(sum(u.used), 0)::bigint, (select count(*) from executions e where e.tenant_id = t.tenant_id)
         from tenants t left join quota_usage u on u.tenant_id = t.tenant_id and u.quota = 'executions_per_month'
         group by t.tenant_id",
    );
    Ok(Stored {
        states: states.into_iter().map(|(tenant, id, state)| ((tenant, id), state)).collect(),
        steps: steps.fetch_all(&mut admin).await?,
        jobs: sqlx::query_scalar("select count(*) from jobs").fetch_one(&mut admin).await?,
        quotas: quotas.fetch_all(&mut admin).await?,
    })
}

fn tell(faults: &mut Vec<String>, what: &str, examples: &[String]) {
    if !examples.is_empty() {
        let shown: Vec<&str> = examples.iter().take(EXAMPLES).map(String::as_str).collect();
        faults.push(format!("{} {what}: {}", examples.len(), shown.join(", ")));
    }
}

fn executions(stored: &Stored, asked: &[Asked], faults: &mut Vec<String>) -> Result<()> {
    let (mut known, mut lost, mut bad) = (BTreeSet::new(), Vec::new(), Vec::new());
    for Asked { tenant, execution } in asked {
        let id: ExecutionId = execution.parse().map_err(|_| anyhow::anyhow!("{execution} is no execution"))?;
        known.insert((tenant.uuid(), id.uuid()));
        match stored.states.get(&(tenant.uuid(), id.uuid())).map(String::as_str) {
            Some("succeeded") => {}
            Some(state) => bad.push(format!("{execution} {state}")),
            None => lost.push(execution.clone()),
        }
    }
    tell(faults, "accepted executions were lost", &lost);
    tell(faults, "executions did not succeed", &bad);
    let more: Vec<String> =
        stored.states.keys().filter(|key| !known.contains(*key)).map(|(_, id)| id.to_string()).collect();
    tell(faults, "executions were made twice, or by nobody", &more);

    let mut steps: BTreeMap<Uuid, Vec<&str>> = BTreeMap::new();
    for (execution, step, _) in &stored.steps {
        steps.entry(*execution).or_default().push(step);
    }
    let odd = known.iter().filter_map(|(_, id)| {
        let mut found = steps.get(id).cloned().unwrap_or_default();
        found.sort_unstable();
        (found != STEPS).then(|| format!("{id} {found:?}"))
    });
    tell(faults, "executions have not each step once", &odd.collect::<Vec<_>>());
    Ok(())
}

fn leaks(stored: &Stored, faults: &mut Vec<String>) {
    if stored.jobs > 0 {
        faults.push(format!("{} jobs are left, and with them slots", stored.jobs));
    }
    let leaked = stored.quotas.iter().filter(|(_, used, there)| used != there);
    let leaked: Vec<String> = leaked.map(|(tenant, used, there)| format!("{tenant} {used} for {there}")).collect();
    tell(faults, "tenants' quotas count other than there is", &leaked);
}

fn effects(stored: &Stored, hits: &[Hit], faults: &mut Vec<String>) -> Result<usize> {
    let ended: HashMap<(Uuid, &str), i64> =
        stored.steps.iter().map(|(execution, step, at)| ((*execution, step.as_str()), *at)).collect();
    let (mut again, mut strange) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<(Uuid, &str), (usize, BTreeSet<&str>)> = BTreeMap::new();
    for hit in hits {
        let Ok(execution) = hit.execution.parse::<ExecutionId>() else {
            strange.push(hit.execution.clone());
            continue;
        };
        let step = (execution.uuid(), hit.node.as_str());
        let (count, keys) = seen.entry(step).or_default();
        *count += 1;
        keys.extend(hit.key.as_deref());
        match ended.get(&step) {
            Some(at) if hit.arrived <= *at => {}
            Some(at) => again.push(format!("{} of {} by {} µs", hit.node, hit.execution, hit.arrived - at)),
            None => strange.push(format!("{} of {}", hit.node, hit.execution)),
        }
    }
    tell(faults, "finished steps ran again", &again);
    tell(faults, "requests came from steps that are not in the journal", &strange);
    let steps_with_effect = ended.keys().filter(|(_, step)| *step != "between");
    let without: Vec<String> = steps_with_effect
        .filter(|step| !seen.contains_key(*step))
        .map(|(id, step)| format!("{step} of {id}"))
        .collect();
    tell(faults, "steps succeeded without their effect", &without);
    let wrong_keys = seen.iter().filter(|((_, step), (_, keys))| keys.len() != usize::from(*step == "idempotent"));
    let wrong_keys: Vec<String> =
        wrong_keys.map(|((id, step), (_, keys))| format!("{step} of {id}: {keys:?}")).collect();
    tell(faults, "steps did not send one key, or sent one unasked", &wrong_keys);
    Ok(seen.values().map(|(count, _)| count - 1).sum())
}
