//! Writes events: salts what is personal, authenticates the leaf, inserts the rows in the caller's transaction.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenure_tlog::leaf::{self, LeafInput, LeafVersion, PatchOp, Salt, Salted, Shown};
use uuid::Uuid;

use crate::context::{Actor, Origin};
use crate::error::{Error, Result};
use crate::event::{NewEvent, Operation};
use crate::id::{EventId, KeyId, TenantId};
use crate::kernel::Kernel;
use crate::keys::TenantKeys;
use crate::permission::Mode;
use crate::system_tx::SystemTx;
use crate::tenant_tx::TenantTx;

/// The tenant that events without one belong to.
pub const PLATFORM_TENANT: TenantId = TenantId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000));

/// The personal values of an event, with the salts that their digests were made with. Stored sealed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PersonalValues {
    /// The peer's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SaltedValue>,
    /// What the peer called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<SaltedValue>,
    /// By index of the operation in the diff.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<(usize, SaltedValue)>,
}

/// A value and the salt (hex) that went into its digest.
#[derive(Debug, Serialize, Deserialize)]
pub struct SaltedValue {
    /// 128 bits in hex.
    pub salt: String,
    /// The value.
    pub value: Value,
}

/// A row of the `events` table, but for what is the same in all.
struct Row {
    tenant: Uuid,
    id: Uuid,
    at: crate::Timestamp,
    principal: String,
    session: Option<Uuid>,
    key: Option<Uuid>,
    on_behalf_of: Option<String>,
    action: &'static str,
    resource_type: &'static str,
    resource_id: Option<String>,
    outcome: &'static str,
    reason: Option<String>,
    request: Option<Uuid>,
    trace: Option<String>,
    policy_version: Option<String>,
    diff: Option<Value>,
    address_digest: Option<Vec<u8>>,
    user_agent_digest: Option<Vec<u8>>,
    personal: Option<crate::Sealed>,
    personal_key: Option<Uuid>,
    hmac: Vec<u8>,
    hmac_key: Uuid,
}

/// What an event takes from its transaction.
struct Setting<'a> {
    kernel: &'a Kernel,
    tenant: TenantId,
    actor: &'a Actor,
    origin: &'a Origin,
}

pub(crate) async fn tenant<M: Mode>(tx: &mut TenantTx<M>, events: Vec<NewEvent>) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let (kernel, cx) = (tx.kernel.clone(), std::sync::Arc::clone(&tx.cx));
    let keys = kernel.keys().of(&mut tx.transaction, cx.tenant()).await?;
    let setting = Setting { kernel: &kernel, tenant: cx.tenant(), actor: cx.actor(), origin: &cx.origin };
    let rows = events.into_iter().map(|event| Row::new(&setting, &keys, event)).collect::<Result<_>>()?;
    insert(&mut tx.transaction, &kernel, rows).await
}

pub(crate) async fn system(tx: &mut SystemTx, events: Vec<NewEvent>) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let kernel = tx.kernel.clone();
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let tenant = event.tenant.or(tx.tenant).unwrap_or(PLATFORM_TENANT);
        let keys = kernel.keys().of(&mut tx.transaction, tenant).await?;
        let setting = Setting { kernel: &kernel, tenant, actor: &tx.actor, origin: &tx.origin };
        rows.push(Row::new(&setting, &keys, event)?);
    }
    insert(&mut tx.transaction, &kernel, rows).await
}

impl Row {
    fn new(setting: &Setting<'_>, keys: &TenantKeys, event: NewEvent) -> Result<Self> {
        let now = setting.kernel.clock().now();
        let id = EventId::new(now);
        let actor = event.actor.as_ref().unwrap_or(setting.actor);
        let mut personal = PersonalValues::default();
        let mut operations = event.diff?;
        if let Some(delegation) = &actor.delegation {
            operations.push(Operation::added("delegation", delegation.told()));
        }
        let diff = salted_diff(operations, &mut personal)?;
        let (address, salted_address) = salted_text(setting.origin.address.map(|address| address.to_string()))?;
        let (user_agent, salted_agent) = salted_text(setting.origin.user_agent.as_deref().map(str::to_owned))?;
        personal.address = salted_address;
        personal.user_agent = salted_agent;

        let principal = actor.principal.to_string();
        // What was handed on is found under the login or key that it comes from.
        let session_id = actor.session.or_else(|| actor.delegation.and_then(|by| by.session));
        let key_id = actor.counted_key();
        let session = session_id.map(|id| id.to_string());
        let key = key_id.map(|id| id.to_string());
        let on_behalf_of = actor.on_behalf_of.map(|id| id.to_string());
        let request = setting.origin.request.map(|id| id.to_string());
        let leaf = LeafInput {
            schema_version: LeafVersion::V1,
            id: id.uuid(),
            tenant: Some(setting.tenant.uuid()),
            time_us: now.as_micros(),
            actor: leaf::Actor { key: key.as_deref(), principal: Some(&principal), session: session.as_deref() },
            on_behalf_of: on_behalf_of.as_deref(),
            action: event.action.name,
            resource: leaf::Resource { id: event.resource_id.as_deref(), kind: event.action.resource },
            outcome: event.outcome,
            reason: event.reason.as_deref(),
            request_id: request.as_deref(),
            trace_id: setting.origin.trace.as_deref(),
            region: Some(setting.kernel.region()),
            policy_version: event.policy_version.as_deref(),
            diff: diff.as_ref(),
            address,
            user_agent,
        };
        let bytes = leaf.leaf_bytes().map_err(Error::internal)?;
        let has_personal = personal.address.is_some() || personal.user_agent.is_some() || !personal.diff.is_empty();
        Ok(Self {
            tenant: setting.tenant.uuid(),
            id: id.uuid(),
            at: now,
            session: session_id.map(crate::SessionId::uuid),
            key: key_id.map(KeyId::uuid),
            action: event.action.name,
            resource_type: event.action.resource,
            outcome: outcome(event.outcome),
            request: setting.origin.request,
            trace: setting.origin.trace.as_deref().map(str::to_owned),
            policy_version: event.policy_version,
            address_digest: address.map(|digest| digest.0.to_vec()),
            user_agent_digest: user_agent.map(|digest| digest.0.to_vec()),
            personal: if has_personal { Some(keys.seal_personal(id, &personal)?) } else { None },
            personal_key: has_personal.then(|| keys.data_id().uuid()),
            hmac: keys.audit.event(&bytes).to_vec(),
            hmac_key: keys.audit_id.uuid(),
            principal,
            on_behalf_of,
            resource_id: event.resource_id,
            reason: event.reason.map(std::borrow::Cow::into_owned),
            diff,
        })
    }
}

const fn outcome(outcome: leaf::Outcome) -> &'static str {
    match outcome {
        leaf::Outcome::Success => "success",
        leaf::Outcome::Failure => "failure",
        leaf::Outcome::Denied => "denied",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn salted_text(text: Option<String>) -> Result<(Option<Salted>, Option<SaltedValue>)> {
    let Some(text) = text else { return Ok((None, None)) };
    let salt = Salt::random().map_err(Error::internal)?;
    let digest = Salted::text(&salt, &text);
    Ok((Some(digest), Some(SaltedValue { salt: hex(&salt.0), value: Value::String(text) })))
}

fn salted_diff(operations: Vec<Operation>, personal: &mut PersonalValues) -> Result<Option<Value>> {
    if operations.is_empty() {
        return Ok(None);
    }
    let mut patch = Vec::with_capacity(operations.len());
    for (index, step) in operations.into_iter().enumerate() {
        patch.push(match step.value {
            None => PatchOp::remove(step.path),
            Some(value) if step.personal => {
                let salt = Salt::random().map_err(Error::internal)?;
                let digest = Salted::json(&salt, &value).map_err(Error::internal)?;
                personal.diff.push((index, SaltedValue { salt: hex(&salt.0), value }));
                PatchOp::new(step.verb, step.path, Shown::Personal(digest))
            }
            Some(value) => PatchOp::new(step.verb, step.path, Shown::Clear(value)),
        });
    }
    Ok(Some(serde_json::to_value(patch)?))
}

/// One event, as nearly every write has: its parameters are the row. An `unnest` of arrays costs a function scan twice and a
/// tenth of what such a write can do in a second.
///
/// No `returning`, here and below: the narrow roles may insert events and not read them.
const INSERT_ONE: &str = "
    with written as (
        insert into events (
            tenant_id, id, at, schema_version, principal, session_id, key_id, on_behalf_of, action, resource_type,
            resource_id, outcome, reason, request_id, trace_id, policy_version, diff, address_digest,
            user_agent_digest, personal, personal_key_id, hmac, hmac_key_id, region)
        values ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
            $22, $23)
    )
    insert into unsealed_events (tenant_id, at, id) values ($1, $3, $2)";

/// One statement for several, which also puts them before the sealer.
const INSERT_MANY: &str = "
    with written as (
        insert into events (
            tenant_id, id, at, schema_version, principal, session_id, key_id, on_behalf_of, action, resource_type,
            resource_id, outcome, reason, request_id, trace_id, policy_version, diff, address_digest,
            user_agent_digest, personal, personal_key_id, hmac, hmac_key_id, region)
        select e.tenant_id, e.id, e.at, 1, e.principal, e.session_id, e.key_id, e.on_behalf_of, e.action,
            e.resource_type, e.resource_id, e.outcome, e.reason, e.request_id, e.trace_id, e.policy_version, e.diff,
            e.address_digest, e.user_agent_digest, e.personal, e.personal_key_id, e.hmac, e.hmac_key_id, $23
        from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::uuid[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::uuid[], $14::text[], $15::text[],
            $16::jsonb[], $17::bytea[], $18::bytea[], $19::bytea[], $20::uuid[], $21::bytea[], $22::uuid[])
            as e (tenant_id, id, at, principal, session_id, key_id, on_behalf_of, action, resource_type, resource_id,
                outcome, reason, request_id, trace_id, policy_version, diff, address_digest, user_agent_digest, personal,
                personal_key_id, hmac, hmac_key_id)
    )
    insert into unsealed_events (tenant_id, at, id)
    select tenant_id, at, id from unnest($1::uuid[], $3::timestamptz[], $2::uuid[]) as e (tenant_id, at, id)";

/// Binds what `$of` makes of each column, in the order in which both statements number them.
macro_rules! bind_row {
    ($query:expr, $of:ident) => {
        bind_row!($query, $of, tenant id at principal session key on_behalf_of action resource_type resource_id outcome
            reason request trace policy_version diff address_digest user_agent_digest personal personal_key hmac hmac_key)
    };
    ($query:expr, $of:ident, $($column:ident)+) => {
        $query$(.bind($of!($column)))+
    };
}

async fn insert(connection: &mut crate::database::Connection, kernel: &Kernel, mut rows: Vec<Row>) -> Result<()> {
    let one = if rows.len() == 1 { rows.pop() } else { None };
    let query = if let Some(row) = one {
        macro_rules! value {
            ($column:ident) => {
                row.$column
            };
        }
        bind_row!(sqlx::query(INSERT_ONE), value)
    } else {
        macro_rules! values {
            ($column:ident) => {
                rows.iter().map(|row| row.$column.clone()).collect::<Vec<_>>()
            };
        }
        bind_row!(sqlx::query(INSERT_MANY), values)
    };
    query.bind(kernel.region()).execute(connection).await?;
    Ok(())
}
