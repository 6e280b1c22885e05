//! Values whole, for who saves them: however large, with what is sensitive in them masked.
//!
//! What is small and sensitive was masked when it was sealed. Of what is large nothing that may be shown is kept, so it is
//! opened and masked here, against all that the execution's input and outputs hold that schemas declare to be sensitive.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::{Code, Error, ExecutionId, Mode, Problem, Result, TenantId, TenantTx};
use tenure_workflow::machine::{ObjectRef, Sensitive, StoredValue};
use tenure_workflow::sensitive::SensitiveValues;
use tokio::sync::Semaphore;

use super::inputs::Given;
use super::store;
use crate::app::App;

/// So many are made ready at the same time: while it is parsed, a large one takes many times its size.
static READY: Semaphore = Semaphore::const_new(4);
/// Bytes of what must be held at once for one answer.
const MAX_HELD: u64 = 64 * 1024 * 1024;
/// Values of one execution that are looked through for what is sensitive.
pub(super) const MAX_SENSITIVE: i64 = 1_000;

/// Opens the values of one execution.
pub(super) struct Opener {
    keys: Arc<TenantKeys>,
    /// What to mask is in these.
    sensitive: Vec<StoredValue>,
}

/// 404: the value is not there, or not yet.
pub(super) fn none(detail: &'static str) -> Error {
    Problem::new(Code::NotFound, detail).into()
}

/// Large, and made of something sensitive: nothing is kept of it that may be shown.
fn is_hidden(object: &ObjectRef) -> bool {
    object.sensitive.as_ref().is_some_and(|sensitive| sensitive.shown.is_none())
}

impl Opener {
    /// For these values of the execution, which the actor may see.
    ///
    /// # Errors
    /// 404 where they are too large to be held at once.
    pub(super) async fn of<'v, M: Mode>(
        tx: &mut TenantTx<M>,
        execution: ExecutionId,
        objects: impl Iterator<Item = &'v Arc<ObjectRef>>,
    ) -> Result<Self> {
        let (mut held, mut hidden) = (0_u64, false);
        for object in objects {
            held = held.saturating_add(object.size);
            hidden |= is_hidden(object);
        }
        if held > MAX_HELD {
            return Err(none(
                "it is made of values of more than 64 MiB together; save the outputs of the steps before it",
            ));
        }
        let sensitive = if hidden { store::sensitive(tx, execution).await? } else { Some(Vec::new()) };
        let fits = |values: &Vec<StoredValue>| {
            values.iter().filter_map(StoredValue::object).map(|object| object.size).sum::<u64>() <= MAX_HELD
        };
        let too_many = "the execution holds so much that is sensitive that this value cannot be masked";
        let sensitive = sensitive.filter(fits).ok_or_else(|| none(too_many))?;
        Ok(Self { keys: tx.keys().await?, sensitive })
    }

    /// The value as JSON.
    pub(super) async fn json(&self, app: &App, tenant: TenantId, stored: &StoredValue) -> Result<Vec<u8>> {
        let _turn = READY.acquire().await.map_err(Error::internal)?;
        match stored {
            StoredValue::Inline(value) => Ok(serde_json::to_vec(value)?),
            StoredValue::Object(object) => match &object.sensitive {
                // Nothing is to be masked: it goes out as it lies there.
                None => Ok(app.engine.objects().load_json(&self.keys, tenant, object).await?.expose().to_vec()),
                Some(Sensitive { shown: Some(shown), .. }) => Ok(shown.clone().into_bytes()),
                Some(_) => {
                    let masks = self.masks(app, tenant).await?;
                    let value = self.masked(app, tenant, object, &masks).await?;
                    blocking(move || Ok(serde_json::to_vec(&value)?)).await
                }
            },
        }
    }

    /// What a step was given, as JSON.
    pub(super) async fn given(&self, app: &App, tenant: TenantId, given: Given) -> Result<Vec<u8>> {
        let _turn = READY.acquire().await.map_err(Error::internal)?;
        let masks = self.masks(app, tenant).await?;
        let mut values: HashMap<Arc<ObjectRef>, Arc<Value>> = HashMap::new();
        for object in given.objects() {
            if !values.contains_key(object) {
                let value = self.masked(app, tenant, object, &masks).await?;
                values.insert(Arc::clone(object), Arc::new(value));
            }
        }
        blocking(move || {
            let mut fetch = |object: &ObjectRef| {
                values.get(object).cloned().ok_or_else(|| Error::internal("a value was asked for and not fetched"))
            };
            Ok(serde_json::to_vec(&given.put_together(&mut fetch)?)?)
        })
        .await
    }

    async fn masked(
        &self,
        app: &App,
        tenant: TenantId,
        object: &ObjectRef,
        masks: &Arc<SensitiveValues>,
    ) -> Result<Value> {
        match &object.sensitive {
            Some(Sensitive { shown: Some(shown), .. }) => Ok(serde_json::from_str(shown)?),
            Some(Sensitive { shown: None, parts, .. }) => {
                let value = app.engine.objects().load(&self.keys, tenant, object).await?;
                let (masks, parts) = (Arc::clone(masks), parts.clone());
                blocking(move || Ok(masks.masked(&value, &parts))).await
            }
            None => app.engine.objects().load(&self.keys, tenant, object).await,
        }
    }

    /// What is sensitive in the execution, wherever it stands.
    async fn masks(&self, app: &App, tenant: TenantId) -> Result<Arc<SensitiveValues>> {
        let (mut values, mut all) = (Vec::new(), Vec::new());
        for object in self.sensitive.iter().filter_map(StoredValue::object) {
            let parts = object.sensitive.iter().flat_map(|sensitive| &sensitive.parts);
            all.extend(parts.map(|part| format!("/{}{part}", values.len())));
            values.push(app.engine.objects().load(&self.keys, tenant, object).await?);
        }
        blocking(move || {
            let mut masks = SensitiveValues::default();
            masks.add(&Value::Array(values), &all);
            Ok(Arc::new(masks))
        })
        .await
    }
}

/// On a thread where nobody waits for it: a large value takes a processor for a while.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

/// An answer that a browser saves under this name.
pub(super) fn attachment(name: &str, json: Vec<u8>) -> Response {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    let disposition = format!("attachment; filename=\"{name}.json\"");
    ([(CONTENT_TYPE, "application/json".to_owned()), (CONTENT_DISPOSITION, disposition)], json).into_response()
}
