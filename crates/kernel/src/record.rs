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

/// Columns of the `events` table, one array each: one statement inserts any number.
#[derive(Default)]
struct Columns {
    tenant: Vec<Uuid>,
    id: Vec<Uuid>,
    at: Vec<crate::Timestamp>,
    principal: Vec<String>,
    session: Vec<Option<Uuid>>,
    key: Vec<Option<Uuid>>,
    on_behalf_of: Vec<Option<String>>,
    action: Vec<&'static str>,
    resource_type: Vec<&'static str>,
    resource_id: Vec<Option<String>>,
    outcome: Vec<&'static str>,
    reason: Vec<Option<String>>,
    request: Vec<Option<Uuid>>,
    trace: Vec<Option<String>>,
    policy_version: Vec<Option<String>>,
    diff: Vec<Option<Value>>,
    address_digest: Vec<Option<Vec<u8>>>,
    user_agent_digest: Vec<Option<Vec<u8>>>,
    personal: Vec<Option<Vec<u8>>>,
    personal_key: Vec<Option<Uuid>>,
    hmac: Vec<Vec<u8>>,
    hmac_key: Vec<Uuid>,
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
    let mut columns = Columns::default();
    for event in events {
        let setting = Setting { kernel: &kernel, tenant: cx.tenant(), actor: cx.actor(), origin: &cx.origin };
        columns.push(&setting, &keys, event)?;
    }
    insert(&mut tx.transaction, &kernel, columns).await
}

pub(crate) async fn system(tx: &mut SystemTx, events: Vec<NewEvent>) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let kernel = tx.kernel.clone();
    let mut columns = Columns::default();
    for event in events {
        let tenant = event.tenant.or(tx.tenant).unwrap_or(PLATFORM_TENANT);
        let keys = kernel.keys().of(&mut tx.transaction, tenant).await?;
        let setting = Setting { kernel: &kernel, tenant, actor: &tx.actor, origin: &tx.origin };
        columns.push(&setting, &keys, event)?;
    }
    insert(&mut tx.transaction, &kernel, columns).await
}

impl Columns {
    fn push(&mut self, setting: &Setting<'_>, keys: &TenantKeys, event: NewEvent) -> Result<()> {
        let now = setting.kernel.clock().now();
        let id = EventId::new(now);
        let actor = event.actor.as_ref().unwrap_or(setting.actor);
        let mut personal = PersonalValues::default();
        let diff = salted_diff(event.diff?, &mut personal)?;
        let (address, salted_address) = salted_text(setting.origin.address.map(|address| address.to_string()))?;
        let (user_agent, salted_agent) = salted_text(setting.origin.user_agent.as_deref().map(str::to_owned))?;
        personal.address = salted_address;
        personal.user_agent = salted_agent;

        let principal = actor.principal.to_string();
        let session = actor.session.map(|id| id.to_string());
        let key = actor.key.map(|id| id.to_string());
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
        self.hmac.push(keys.audit.event(&bytes).to_vec());
        self.hmac_key.push(keys.audit_id.uuid());

        let has_personal = personal.address.is_some() || personal.user_agent.is_some() || !personal.diff.is_empty();
        self.personal.push(if has_personal { Some(keys.seal_personal(id, &personal)?) } else { None });
        self.personal_key.push(has_personal.then(|| keys.data_id().uuid()));
        self.tenant.push(setting.tenant.uuid());
        self.id.push(id.uuid());
        self.at.push(now);
        self.principal.push(principal);
        self.session.push(actor.session.map(crate::SessionId::uuid));
        self.key.push(actor.key.map(KeyId::uuid));
        self.on_behalf_of.push(on_behalf_of);
        self.action.push(event.action.name);
        self.resource_type.push(event.action.resource);
        self.resource_id.push(event.resource_id);
        self.outcome.push(outcome(event.outcome));
        self.reason.push(event.reason.map(std::borrow::Cow::into_owned));
        self.request.push(setting.origin.request);
        self.trace.push(setting.origin.trace.as_deref().map(str::to_owned));
        self.policy_version.push(event.policy_version);
        self.diff.push(diff);
        self.address_digest.push(address.map(|digest| digest.0.to_vec()));
        self.user_agent_digest.push(user_agent.map(|digest| digest.0.to_vec()));
        Ok(())
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

/// One statement for all, which also puts them before the sealer.
const INSERT: &str = "
    with written as (
        insert into events (
            tenant_id, id, at, schema_version, principal, session_id, key_id, on_behalf_of, action, resource_type,
            resource_id, outcome, reason, request_id, trace_id, region, policy_version, diff, address_digest, user_agent_digest,
            personal, personal_key_id, hmac, hmac_key_id)
        select e.tenant_id, e.id, e.at, 1, e.principal, e.session_id, e.key_id, e.on_behalf_of, e.action,
            e.resource_type, e.resource_id, e.outcome, e.reason, e.request_id, e.trace_id, $22, e.policy_version, e.diff,
            e.address_digest, e.user_agent_digest, e.personal, e.personal_key_id, e.hmac, e.hmac_key_id
        from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::uuid[], $6::uuid[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::uuid[], $14::text[], $15::jsonb[],
            $16::bytea[], $17::bytea[], $18::bytea[], $19::uuid[], $20::bytea[], $21::uuid[], $23::text[])
            as e (tenant_id, id, at, principal, session_id, key_id, on_behalf_of, action, resource_type, resource_id,
                outcome, reason, request_id, trace_id, diff, address_digest, user_agent_digest, personal,
                personal_key_id, hmac, hmac_key_id, policy_version)
        -- no RETURNING: the narrow roles may insert events and not read them
    )
    insert into unsealed_events (tenant_id, at, id)
    select tenant_id, at, id from unnest($1::uuid[], $3::timestamptz[], $2::uuid[]) as e (tenant_id, at, id)";
async fn insert(connection: &mut crate::database::Connection, kernel: &Kernel, columns: Columns) -> Result<()> {
    sqlx::query(INSERT)
        .bind(columns.tenant)
        .bind(columns.id)
        .bind(columns.at)
        .bind(columns.principal)
        .bind(columns.session)
        .bind(columns.key)
        .bind(columns.on_behalf_of)
        .bind(columns.action)
        .bind(columns.resource_type)
        .bind(columns.resource_id)
        .bind(columns.outcome)
        .bind(columns.reason)
        .bind(columns.request)
        .bind(columns.trace)
        .bind(columns.diff)
        .bind(columns.address_digest)
        .bind(columns.user_agent_digest)
        .bind(columns.personal)
        .bind(columns.personal_key)
        .bind(columns.hmac)
        .bind(columns.hmac_key)
        .bind(kernel.region())
        .bind(columns.policy_version)
        .execute(connection)
        .await?;
    Ok(())
}
