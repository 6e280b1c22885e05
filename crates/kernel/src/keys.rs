//! The tenants' keys, unwrapped once and kept in memory.

use std::sync::Arc;
use tenure_tlog::AuditKey;
use crate::error::Result;
use crate::id::{EventId, KeyId, TenantId};
use crate::record::PersonalValues;

/// s
#[derive(Debug)]
pub struct TenantKeys { pub(crate) audit: AuditKey, pub(crate) audit_id: KeyId }
impl TenantKeys {
    pub(crate) fn data_id(&self) -> KeyId { self.audit_id }
    pub(crate) fn seal_personal(&self, _t: TenantId, _e: EventId, _p: &PersonalValues) -> Result<Vec<u8>> { Ok(vec![]) }
}
/// s
#[derive(Debug)]
pub struct Keys;
impl Keys {
    #[expect(clippy::disallowed_types, reason = "x")]
    pub(crate) async fn of(&self, _c: &mut sqlx::PgConnection, _t: TenantId) -> Result<Arc<TenantKeys>> { Err(crate::Problem::not_found().into()) }
}
