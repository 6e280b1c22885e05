//! An event as its readers see it: personal values opened, old and new value of a member side by side.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::record::PersonalValues;
use tenure_kernel::{EventId, Mode, Result, TenantTx, Timestamp, UserId};
use tenure_tlog::leaf::{PatchOp, PatchVerb};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, Row};

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub struct AuditedEvent {
    /// Identifier.
    id: EventId,
    /// Its place in the log; null until it is sealed, within a second.
    index: Option<u64>,
    /// When.
    time: Timestamp,
    /// Who.
    actor: EventActor,
    /// For whom, where the actor acted for another.
    on_behalf_of: Option<String>,
    /// What they are called now.
    on_behalf_of_name: Option<String>,
    /// What, as `resource.verb`.
    action: String,
    /// On what.
    resource: Option<EventResource>,
    /// `success`, `failure` or `denied`.
    outcome: String,
    /// Why it failed or was refused.
    reason: Option<String>,
    /// What changed.
    diff: Option<Vec<EventChange>>,
    /// The caller's network address; null if there was none, or it was erased.
    address: Option<String>,
    /// What the caller's program calls itself; null if there was none, or it was erased.
    user_agent: Option<String>,
    /// The request.
    request_id: Option<Uuid>,
    /// The W3C trace.
    trace_id: Option<String>,
    /// The region that wrote it.
    region: String,
    /// How many alike were folded into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl AuditedEvent {
    /// The people that it names: who acted, for whom, and on whom.
    pub fn people(&self) -> impl Iterator<Item = UserId> {
        let resource = self.resource.as_ref().map(|resource| resource.id.as_str());
        let named = [Some(self.actor.id.as_str()), self.on_behalf_of.as_deref(), resource];
        named.into_iter().flatten().filter_map(|id| id.parse().ok())
    }

    /// Calls people by these names, by their identifiers, where the log's own tenant has no members who would give them theirs.
    pub fn call_people(&mut self, names: &HashMap<UserId, String>) {
        let called = |id: &str| id.parse().ok().and_then(|id: UserId| names.get(&id)).cloned();
        if let Some(name) = called(&self.actor.id) {
            self.actor.name = name;
        }
        if let Some(name) = self.on_behalf_of.as_deref().and_then(called) {
            self.on_behalf_of_name = Some(name);
        }
        if let Some(resource) = &mut self.resource
            && let Some(name) = called(&resource.id)
        {
            resource.name = name;
        }
    }
}

/// Who acted.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventActor {
    /// A person's id, `system:engine`, `anonymous` …
    id: String,
    /// `user`, `service_account`, `system` or `anonymous`.
    r#type: &'static str,
    /// What they are called now.
    name: String,
}

/// What was acted on.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventResource {
    /// Its type.
    r#type: String,
    /// Its identifier.
    id: String,
    /// Its name, as far as the event tells it; otherwise its identifier.
    name: String,
}

/// A member that changed: an operation of a JSON Patch (RFC 6902), with the value before.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventChange {
    /// `add`, `remove` or `replace`.
    op: &'static str,
    /// JSON pointer of the member.
    path: String,
    /// The value now.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// The value before.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// The value is personal, and its owner was erased: only its digest is left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    /// The value is secret: only that it changed is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    redacted: bool,
}

/// Opens the rows for a reader.
pub(super) async fn show<M: Mode>(tx: &mut TenantTx<M>, rows: Vec<Row>) -> Result<Vec<AuditedEvent>> {
    let keys = tx.keys().await?;
    let principals = rows.iter().map(|row| row.principal.as_str());
    let mut principals: Vec<&str> =
        principals.chain(rows.iter().filter_map(|row| row.on_behalf_of.as_deref())).collect();
    principals.sort_unstable();
    principals.dedup();
    let names = store::names(tx, &principals).await?;
    Ok(rows.into_iter().map(|row| event(row, &keys, &names)).collect())
}

fn event(row: Row, keys: &TenantKeys, names: &HashMap<String, String>) -> AuditedEvent {
    // What does not open was erased with its key, or is not what was written: it is not shown.
    let opened = row.personal.as_deref().and_then(|sealed| keys.open_personal(row.id, sealed).ok()).unwrap_or_default();
    let diff = row.diff.and_then(|diff| serde_json::from_value::<Vec<PatchOp>>(diff).ok());
    let diff = diff.map(|operations| changes(operations, &opened));
    let text = |value: Option<tenure_kernel::record::SaltedValue>| match value?.value {
        Value::String(text) => Some(text),
        _ => None,
    };
    let known = |path: &str| {
        let change = diff.iter().flatten().find(|change| change.path == path)?;
        change.value.as_ref().or(change.before.as_ref())
    };
    let name = known("/name").or_else(|| known("/username")).and_then(Value::as_str).map(str::to_owned);
    let count = known("/repeats").and_then(Value::as_u64);
    let resource_type = row.resource_type;
    AuditedEvent {
        id: row.id,
        index: row.seq.map(i64::cast_unsigned),
        time: row.at,
        actor: actor(row.principal, names),
        on_behalf_of_name: row.on_behalf_of.as_ref().map(|id| names.get(id).unwrap_or(id).clone()),
        on_behalf_of: row.on_behalf_of,
        action: row.action,
        resource: row.resource_id.map(|id| EventResource {
            r#type: resource_type,
            name: name.unwrap_or_else(|| id.clone()),
            id,
        }),
        outcome: row.outcome,
        reason: row.reason,
        diff,
        address: text(opened.address),
        user_agent: text(opened.user_agent),
        request_id: row.request_id,
        trace_id: row.trace_id,
        region: row.region,
        count,
    }
}

fn actor(principal: String, names: &HashMap<String, String>) -> EventActor {
    let r#type = match principal.split_once(':') {
        Some(("system", _)) => "system",
        _ if principal == "anonymous" => "anonymous",
        _ if principal.starts_with("svc_") => "service_account",
        _ => "user",
    };
    let name = names.get(&principal).cloned().unwrap_or_else(|| principal.clone());
    EventActor { id: principal, r#type, name }
}

/// A `test` tells the value before of the operation that follows it.
fn changes(operations: Vec<PatchOp>, opened: &PersonalValues) -> Vec<EventChange> {
    let mut changes: Vec<EventChange> = Vec::new();
    let mut before: Option<(String, Option<Value>)> = None;
    for (index, operation) in operations.into_iter().enumerate() {
        let personal = operation.value_sha256.is_some();
        let found = opened.diff.iter().find(|(at, _)| *at == index).map(|(_, salted)| salted.value.clone());
        let erased = personal && found.is_none();
        let value = if personal { found } else { operation.value };
        let op = match operation.op {
            PatchVerb::Test => {
                before = Some((operation.path, value));
                continue;
            }
            PatchVerb::Add => "add",
            PatchVerb::Remove => "remove",
            PatchVerb::Replace => "replace",
        };
        let before = before.take().filter(|(path, _)| *path == operation.path).and_then(|(_, value)| value);
        changes.push(EventChange { op, path: operation.path, value, before, erased, redacted: operation.redacted });
    }
    changes
}
