//! What a step was given. It is kept nowhere: the journal says what was over before the step, and the machine makes of that
//! the same document again. Sensitive parts are masked and large values left out, so no key is needed for it.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tenure_kernel::{Error, Mode, Permitted, Result, TenantTx};
use tenure_workflow::machine::{Document, Entry, Machine, ObjectRef, Outcome, StepKey, StoredValue};
use tenure_workflow::nodes::NodeKind;
use tenure_workflow::plan::Plan;

use super::model::{ExecutionSummary, SHOWN_INLINE, shown};
use crate::app::App;

/// Of longer journals the inputs of steps are not shown: making them means reading all of it.
const MAX_ROWS: i64 = 50_000;
/// Bytes of its entries, those of maps' items aside.
const MAX_BYTES: i64 = 8 * 1024 * 1024;
/// Where the whole is too large to be shown, parts above this are left out.
const SMALL: usize = 4 * 1024;

/// What a step was given, as the machine names it.
pub(super) struct Given {
    document: Document,
    plan: Arc<Plan>,
    step: StepKey,
}

/// How a value that is kept elsewhere is looked up.
type Fetch<'f> = &'f mut dyn FnMut(&ObjectRef) -> Result<Arc<Value>>;

impl Given {
    /// Nothing for a step that was skipped, and where the journal is too long to go through.
    pub(super) async fn find<M: Mode>(
        tx: &mut TenantTx<M>,
        app: &App,
        execution: &Permitted<ExecutionSummary>,
        step: &StepKey,
    ) -> Result<Option<Self>> {
        let Some(entries) = journal(tx, execution).await? else { return Ok(None) };
        let (tenant, workflow) = (tx.tenant(), execution.workflow.id);
        let plan = Arc::clone(&app.plans.get(&mut *tx, tenant, workflow, execution.version).await?.plan);
        let row = sqlx::query!(
            "select input, retries from executions where tenant_id = $1 and id = $2",
            tenant.uuid(),
            execution.id.uuid()
        )
        .fetch_one(&mut *tx)
        .await?;
        let list = step.item.and_then(|_| list_of(step, &entries)).cloned();
        let facts = json!({ "id": execution.id, "environment": "dev", "attempt": row.retries + 1 });
        let input = serde_json::from_str(&row.input)?;
        let machine = Machine::replay(Arc::clone(&plan), input, Arc::new(facts), entries).map_err(Error::internal)?;
        let document = machine.seen(step, list.as_ref());
        Ok(document.map(|document| Self { document, plan, step: step.clone() }))
    }

    /// What is kept elsewhere of it.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Arc<ObjectRef>> {
        self.document.objects()
    }

    /// As the step saw it: a plugin only what it asked for.
    pub(super) fn put_together(&self, fetch: Fetch<'_>) -> Result<Value> {
        let (value, locals) = (self.document.to_value(fetch)?, self.document.locals(fetch)?);
        let node = self.plan.find(&self.step.node).map(|index| self.plan.node(index));
        let kind = node.map(|node| match (&node.kind, self.step.item) {
            (NodeKind::Map(map), Some(_)) => &map.body.kind,
            (kind, _) => kind,
        });
        Ok(match kind {
            Some(NodeKind::Plugin(plugin)) => plugin.state(&value, locals.as_ref()),
            _ => with_locals(value, locals),
        })
    }
}

/// What the step was given, as far as it is shown; null where that is not known.
pub(super) async fn of<M: Mode>(
    tx: &mut TenantTx<M>,
    app: &App,
    execution: &Permitted<ExecutionSummary>,
    step: &StepKey,
) -> Result<Value> {
    let Some(mut given) = Given::find(tx, app, execution, step).await? else { return Ok(Value::Null) };
    if let Some(item) = &mut given.document.item {
        item.list = whole(tx, app, &item.list).await?;
    }
    given.put_together(&mut fetch_shown).map(cut)
}

/// The journal, the outputs of maps' items left out: what a step is given holds them only as their map's output.
async fn journal<M: Mode>(tx: &mut TenantTx<M>, execution: &Permitted<ExecutionSummary>) -> Result<Option<Vec<Entry>>> {
    let (tenant, id) = (tx.tenant().uuid(), execution.id.uuid());
    let size = sqlx::query!(
        r#"select count(*) as "rows!", coalesce(sum(octet_length(entry)) filter (where not (state = 'succeeded' and step like '%]')), 0) as "bytes!"
           from execution_journal where tenant_id = $1 and execution_id = $2"#,
        tenant,
        id
    )
    .fetch_one(&mut *tx)
    .await?;
    if size.rows > MAX_ROWS || size.bytes > MAX_BYTES {
        return Ok(None);
    }
    let rows = sqlx::query!(
        r#"select step, case when state = 'succeeded' and step like '%]' then null else entry end as entry
           from execution_journal where tenant_id = $1 and execution_id = $2 order by seq"#,
        tenant,
        id
    )
    .fetch_all(&mut *tx)
    .await?;
    let entry = |step: Option<String>, entry: Option<String>| match (entry, step) {
        (Some(entry), _) => Ok(serde_json::from_str(&entry)?),
        (None, step) => {
            let step = step.unwrap_or_default().parse().map_err(Error::internal)?;
            let outcome = Outcome::Succeeded { output: StoredValue::null(), writes: Vec::new(), taken: Vec::new() };
            Ok(Entry::Finished { step, outcome })
        }
    };
    rows.into_iter().map(|row| entry(row.step, row.entry)).collect::<Result<_>>().map(Some)
}

/// The list of the item's map.
fn list_of<'e>(item: &StepKey, entries: &'e [Entry]) -> Option<&'e StoredValue> {
    entries.iter().rev().find_map(|entry| match entry {
        Entry::Expanded { step, items, .. } if step.node == item.node && step.round == item.round => Some(items),
        _ => None,
    })
}

/// A list that is kept elsewhere is fetched, unless it is sensitive: without it an item could not be told.
async fn whole<M: Mode>(tx: &mut TenantTx<M>, app: &App, list: &StoredValue) -> Result<StoredValue> {
    match list.object().filter(|object| object.sensitive.is_none()) {
        None => Ok(list.clone()),
        Some(object) => {
            let (keys, tenant) = (tx.keys().await?, tx.tenant());
            Ok(app.engine.objects().load(&keys, tenant, object).await?.into())
        }
    }
}

/// What may be shown of a value that is kept elsewhere.
fn fetch_shown(object: &ObjectRef) -> Result<Arc<Value>> {
    let (value, size) = shown(&StoredValue::Object(Arc::new(object.clone())))?;
    let is_shown = object.sensitive.as_ref().is_some_and(|sensitive| sensitive.shown.is_some());
    Ok(Arc::new(if is_shown { value } else { not_shown(size) }))
}

fn with_locals(mut value: Value, locals: Option<Map<String, Value>>) -> Value {
    if let (Value::Object(map), Some(locals)) = (&mut value, locals) {
        map.extend(locals);
    }
    value
}

fn not_shown(size: u64) -> Value {
    json!({ "not_shown": { "size": size } })
}

fn size(value: &Value) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |text| text.len())
}

/// Within the bound of what is shown: large parts are left out, then the whole.
fn cut(mut value: Value) -> Value {
    let most = usize::try_from(SHOWN_INLINE).unwrap_or(usize::MAX);
    if size(&value) <= most {
        return value;
    }
    let leave_out = |part: &mut Value| {
        let size = size(part);
        if size > SMALL {
            *part = not_shown(size as u64);
        }
    };
    if let Value::Object(map) = &mut value {
        for (name, part) in map {
            match part {
                Value::Object(state) if name == "state" => state.values_mut().for_each(leave_out),
                part => leave_out(part),
            }
        }
    }
    let size = size(&value);
    if size > most { not_shown(size as u64) } else { value }
}
