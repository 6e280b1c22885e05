//! The tenants' keys, unwrapped once and kept in memory.
//!
//! Layers: the provider's key (a file, later a KMS) wraps each tenant's KEK; the KEK wraps the tenant's keys for data,
//! event authentication and checkpoints. PostgreSQL holds wrapped keys only, and they are read through the same
//! transaction that needs them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tenure_seal::{
    DataKey, Kek, KeyMaterial, KeyRing, LocalKeys, Place, Purpose, SecretBytes, WrapContext, WrappedKey,
};
use tenure_tlog::AuditKey;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::database::Connection;
use crate::error::{Error, Result};
use crate::id::{EventId, KeyId, TenantId};
use crate::record::PersonalValues;
use crate::sealed::Sealed;

/// One tenant's keys, ready for use.
#[derive(Debug)]
pub struct TenantKeys {
    tenant: TenantId,
    ring: KeyRing,
    pub(crate) audit: AuditKey,
    pub(crate) audit_id: KeyId,
    checkpoint: KeyMaterial,
}

impl TenantKeys {
    /// Seals a value for its place.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn seal(&self, table: &str, column: &str, row: Uuid, plaintext: &[u8]) -> Result<Sealed> {
        let sealed = self.ring.seal(&self.place(table, column, row.as_bytes()), plaintext);
        sealed.map(Sealed::new).map_err(Error::internal)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// When it was not, was changed, or its key is gone: never garbage.
    pub fn open(&self, table: &str, column: &str, row: Uuid, sealed: &[u8]) -> Result<SecretBytes> {
        self.ring.open(&self.place(table, column, row.as_bytes()), sealed).map_err(Error::internal)
    }

    /// The key that new values are sealed under.
    #[must_use]
    pub fn data_id(&self) -> KeyId {
        KeyId::from_uuid(self.ring.current().0)
    }

    /// The key that authenticates events.
    #[must_use]
    pub fn audit(&self) -> &AuditKey {
        &self.audit
    }

    /// What events call [`TenantKeys::audit`].
    #[must_use]
    pub fn audit_id(&self) -> KeyId {
        self.audit_id
    }

    /// The key that a sealed value says it is under; nothing where it is no sealed value.
    #[must_use]
    pub fn sealed_under(&self, sealed: &[u8]) -> Option<KeyId> {
        tenure_seal::key_id(sealed).ok().map(|id| KeyId::from_uuid(id.0))
    }

    /// The Ed25519 seed that signs the tenant's checkpoints.
    #[must_use]
    pub fn checkpoint_seed(&self) -> &[u8; 32] {
        self.checkpoint.expose()
    }

    pub(crate) fn seal_personal(&self, event: EventId, values: &PersonalValues) -> Result<Sealed> {
        self.seal("events", "personal", event.uuid(), &serde_json::to_vec(values)?)
    }

    /// The personal values of an event.
    ///
    /// # Errors
    /// When they do not open.
    pub fn open_personal(&self, event: EventId, sealed: &[u8]) -> Result<PersonalValues> {
        Ok(serde_json::from_slice(self.open("events", "personal", event.uuid(), sealed)?.expose())?)
    }

    fn place<'a>(&self, table: &'a str, column: &'a str, row: &'a [u8]) -> Place<'a> {
        Place { tenant: Some(self.tenant.uuid()), table, column, row }
    }
}

/// The keys of every tenant that was needed so far, and the provider that opens more.
#[derive(Debug)]
pub struct Keys {
    provider: LocalKeys,
    known: RwLock<HashMap<TenantId, Arc<TenantKeys>>>,
}

struct Stored {
    id: Uuid,
    purpose: String,
    wrapped: Vec<u8>,
    retired: bool,
}

impl Keys {
    /// No tenant's yet.
    #[must_use]
    pub fn new(provider: LocalKeys) -> Self {
        Self { provider, known: RwLock::default() }
    }

    pub(crate) fn cached(&self, tenant: TenantId) -> Option<Arc<TenantKeys>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }

    fn keep(&self, tenant: TenantId, keys: &Arc<TenantKeys>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(tenant, Arc::clone(keys));
    }

    pub(crate) async fn of(&self, connection: &mut Connection, tenant: TenantId) -> Result<Arc<TenantKeys>> {
        if let Some(keys) = self.cached(tenant) {
            return Ok(keys);
        }
        let rows: Vec<(Uuid, String, Vec<u8>, bool)> =
            sqlx::query_as("select key_id, purpose, wrapped, retired_at is not null from tenant_keys where tenant_id = $1 order by created_at")
                .bind(tenant.uuid())
                .fetch_all(connection)
                .await?;
        let stored: Vec<Stored> =
            rows.into_iter().map(|(id, purpose, wrapped, retired)| Stored { id, purpose, wrapped, retired }).collect();
        let keys = Arc::new(self.open(tenant, &stored)?);
        self.keep(tenant, &keys);
        Ok(keys)
    }

    fn open(&self, tenant: TenantId, stored: &[Stored]) -> Result<TenantKeys> {
        let missing = |what: &str| Error::internal(format!("{tenant} has no {what} key"));
        let of = |purpose: Purpose| stored.iter().filter(move |key| key.purpose == column(purpose));
        let kek = of(Purpose::TenantKek).rfind(|key| !key.retired).ok_or_else(|| missing("wrapping"))?;
        let kek = self
            .provider
            .unwrap_now(&wrapped(&kek.wrapped)?, &context(Some(tenant), Purpose::TenantKek, kek.id))
            .map_err(Error::internal)?;
        let kek = Kek::new(&kek).map_err(Error::internal)?;
        let material = |key: &Stored, purpose| -> Result<KeyMaterial> {
            kek.unwrap(&wrapped(&key.wrapped)?, &context(Some(tenant), purpose, key.id)).map_err(Error::internal)
        };
        let data = |key: &Stored| -> Result<DataKey> {
            DataKey::new(tenure_seal::KeyId(key.id), &material(key, Purpose::Data)?).map_err(Error::internal)
        };
        let current = of(Purpose::Data).rfind(|key| !key.retired).ok_or_else(|| missing("data"))?;
        let mut ring = KeyRing::new(data(current)?);
        for earlier in of(Purpose::Data).filter(|key| key.retired) {
            ring.add(data(earlier)?);
        }
        let audit = of(Purpose::Audit).rfind(|key| !key.retired).ok_or_else(|| missing("audit"))?;
        let checkpoint =
            of(Purpose::CheckpointSigning).rfind(|key| !key.retired).ok_or_else(|| missing("checkpoint"))?;
        Ok(TenantKeys {
            tenant,
            ring,
            audit: AuditKey::new(material(audit, Purpose::Audit)?.expose()),
            audit_id: KeyId::from_uuid(audit.id),
            checkpoint: material(checkpoint, Purpose::CheckpointSigning)?,
        })
    }

    /// Makes a tenant's first keys.
    pub(crate) async fn create(&self, connection: &mut Connection, tenant: TenantId, now: Timestamp) -> Result<()> {
        let kek_id = KeyId::new(now).uuid();
        let kek_material = KeyMaterial::generate().map_err(Error::internal)?;
        let wrapped_kek = self
            .provider
            .wrap_now(&kek_material, &context(Some(tenant), Purpose::TenantKek, kek_id))
            .map_err(Error::internal)?;
        let kek = Kek::new(&kek_material).map_err(Error::internal)?;
        let mut stored = vec![Stored {
            id: kek_id,
            purpose: column(Purpose::TenantKek).to_owned(),
            wrapped: wrapped_kek.to_bytes(),
            retired: false,
        }];
        for purpose in [Purpose::Data, Purpose::Audit, Purpose::CheckpointSigning] {
            let id = KeyId::new(now).uuid();
            let material = KeyMaterial::generate().map_err(Error::internal)?;
            let wrapped = kek.wrap(&material, &context(Some(tenant), purpose, id)).map_err(Error::internal)?;
            stored.push(Stored {
                id,
                purpose: column(purpose).to_owned(),
                wrapped: wrapped.to_bytes(),
                retired: false,
            });
        }
        let (ids, rest): (Vec<Uuid>, Vec<(String, Vec<u8>)>) =
            stored.iter().map(|key| (key.id, (key.purpose.clone(), key.wrapped.clone()))).unzip();
        let (purposes, wrapped): (Vec<String>, Vec<Vec<u8>>) = rest.into_iter().unzip();
        sqlx::query(
            "insert into tenant_keys (tenant_id, key_id, purpose, wrapped, created_at)
             select $1, k.id, k.purpose, k.wrapped, $5 from unnest($2::uuid[], $3::text[], $4::bytea[]) as k (id, purpose, wrapped)",
        )
        .bind(tenant.uuid())
        .bind(ids)
        .bind(purposes)
        .bind(wrapped)
        .bind(now)
        .execute(connection)
        .await?;
        // Were the transaction rolled back, there would be no tenant to use them.
        self.keep(tenant, &Arc::new(self.open(tenant, &stored)?));
        Ok(())
    }

    /// Wraps a seed that signs access tokens.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn wrap_token_seed(&self, key: KeyId, seed: &KeyMaterial) -> Result<Vec<u8>> {
        let wrapped =
            self.provider.wrap_now(seed, &context(None, Purpose::TokenSigning, key.uuid())).map_err(Error::internal)?;
        Ok(wrapped.to_bytes())
    }

    /// Unwraps a seed that signs access tokens.
    ///
    /// # Errors
    /// When it was wrapped under another master key.
    pub fn unwrap_token_seed(&self, key: KeyId, stored: &[u8]) -> Result<KeyMaterial> {
        self.provider.unwrap_now(&wrapped(stored)?, &context(None, Purpose::TokenSigning, key.uuid())).map_err(|_| {
            Error::internal(
                "the stored signing key does not open: is this the master key that the installation was made with?",
            )
        })
    }
}

/// As `tenant_keys.purpose` stores it.
const fn column(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::TenantKek => "kek",
        Purpose::Data => "data",
        Purpose::Audit => "audit",
        Purpose::CheckpointSigning => "checkpoint",
        Purpose::TokenSigning => "token",
    }
}

fn context(tenant: Option<TenantId>, purpose: Purpose, key: Uuid) -> WrapContext {
    WrapContext { tenant: tenant.map(TenantId::uuid), purpose, key_id: tenure_seal::KeyId(key) }
}

fn wrapped(bytes: &[u8]) -> Result<WrappedKey> {
    WrappedKey::try_from(bytes).map_err(Error::internal)
}
