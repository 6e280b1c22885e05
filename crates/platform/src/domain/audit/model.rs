use std::path::PathBuf;

use serde::Serialize;
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::{Error, KeyId, Resource, Result, SessionId, TenantId, Timestamp};
use tenure_tlog::leaf::{self, LeafInput, LeafVersion, Outcome, Salted};
use tenure_tlog::note::SignerKey;
use tenure_tlog::{AuditKey, Mac};
use uuid::Uuid;

/// Where the log is kept beside the database.
#[derive(Debug, Clone, Default)]
pub struct AuditConfig {
    /// Directory for checkpoints and leaf hashes, out of PostgreSQL's reach. Without one, whoever can change the tables
    /// can roll them back unseen, unless somebody keeps a checkpoint.
    pub directory: Option<PathBuf>,
}

/// A tenant's log; the resource of the events that tell of it.
#[derive(Debug, Serialize)]
pub struct AuditLog {}

impl Resource for AuditLog {
    fn resource_id(&self) -> String {
        String::new()
    }
}

/// The log's name, in its checkpoints and as the name of the key that signs them. It never changes: checkpoints that
/// people hold would be of another log.
#[must_use]
pub fn origin(tenant: TenantId) -> String {
    format!("tenure/{tenant}")
}

/// The key that signs the tenant's checkpoints.
pub(super) fn signer(tenant: TenantId, keys: &TenantKeys) -> Result<SignerKey> {
    SignerKey::from_seed(&origin(tenant), keys.checkpoint_seed()).map_err(Error::internal)
}

/// An event's primary key within its tenant.
pub(super) type EventKey = (Timestamp, Uuid);

/// The columns of `events` that enter the leaf.
#[derive(Debug, Clone)]
pub(super) struct EventRow {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub at: Timestamp,
    pub schema_version: i16,
    pub principal: String,
    pub session_id: Option<Uuid>,
    pub key_id: Option<Uuid>,
    pub on_behalf_of: Option<String>,
    pub action: String,
    pub resource_type: String,
    pub resource_id: Option<String>,
    pub outcome: String,
    pub reason: Option<String>,
    pub request_id: Option<Uuid>,
    pub trace_id: Option<String>,
    pub region: String,
    pub policy_version: Option<String>,
    pub diff: Option<serde_json::Value>,
    pub address_digest: Option<Vec<u8>>,
    pub user_agent_digest: Option<Vec<u8>>,
    pub hmac: Vec<u8>,
}

impl EventRow {
    /// The leaf bytes, as the kernel made them when it wrote the row; none if nobody can have written such a row.
    pub fn leaf_bytes(&self) -> Option<Vec<u8>> {
        let session = self.session_id.map(|id| SessionId::from_uuid(id).to_string());
        let key = self.key_id.map(|id| KeyId::from_uuid(id).to_string());
        let request = self.request_id.map(|id| id.to_string());
        let leaf = LeafInput {
            schema_version: LeafVersion::try_from(self.schema_version).ok()?,
            id: self.id,
            tenant: Some(self.tenant_id),
            time_us: self.at.as_micros(),
            actor: leaf::Actor { key: key.as_deref(), principal: Some(&self.principal), session: session.as_deref() },
            on_behalf_of: self.on_behalf_of.as_deref(),
            action: &self.action,
            resource: leaf::Resource { id: self.resource_id.as_deref(), kind: &self.resource_type },
            outcome: outcome(&self.outcome)?,
            reason: self.reason.as_deref(),
            request_id: request.as_deref(),
            trace_id: self.trace_id.as_deref(),
            region: Some(&self.region),
            policy_version: self.policy_version.as_deref(),
            diff: self.diff.as_ref(),
            address: salted(self.address_digest.as_deref())?,
            user_agent: salted(self.user_agent_digest.as_deref())?,
        };
        leaf.leaf_bytes().ok()
    }

    /// The code that was written with the event.
    pub fn mac(&self) -> Option<Mac> {
        self.hmac.as_slice().try_into().ok()
    }

    /// The leaf bytes, if the application wrote this row and nobody has touched it.
    pub fn authentic(&self, key: &AuditKey) -> Option<Vec<u8>> {
        let (bytes, mac) = (self.leaf_bytes()?, self.mac()?);
        key.verify_event(&bytes, &mac).then_some(bytes)
    }
}

fn outcome(text: &str) -> Option<Outcome> {
    [Outcome::Success, Outcome::Failure, Outcome::Denied].into_iter().find(|outcome| outcome.as_str() == text)
}

/// The outer nothing stands for a digest of a wrong length.
#[expect(clippy::option_option, reason = "no digest is fine, half a digest is not")]
fn salted(digest: Option<&[u8]>) -> Option<Option<Salted>> {
    digest.map(|bytes| bytes.try_into().map(Salted)).transpose().ok()
}
