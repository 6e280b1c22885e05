//! Makes the JSON that expressions see out of the machine's documents, fetching large values first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::{Error, Result, TenantId};
use tenure_workflow::machine::{Document, ObjectRef, Part, StoredValue, join};

use super::objects::ObjectStore;

/// Large values of one execution, each loaded once.
#[derive(Debug)]
pub(super) struct Values {
    store: ObjectStore,
    keys: Arc<TenantKeys>,
    tenant: TenantId,
    loaded: HashMap<Arc<ObjectRef>, Arc<Value>>,
}

/// More large values than these, and what is not needed at the moment is dropped: a long execution would otherwise hold all it ever saw.
const KEPT: usize = 8;

impl Values {
    pub(super) fn new(store: ObjectStore, keys: Arc<TenantKeys>, tenant: TenantId) -> Self {
        Self { store, keys, tenant, loaded: HashMap::new() }
    }

    pub(super) fn keys(&self) -> &TenantKeys {
        &self.keys
    }

    async fn fetch<'a>(&mut self, objects: impl Iterator<Item = &'a Arc<ObjectRef>>) -> Result<()> {
        let needed: HashSet<Arc<ObjectRef>> = objects.cloned().collect();
        if self.loaded.len() + needed.len() > KEPT {
            self.loaded.retain(|object, _| needed.contains(object));
        }
        for object in needed {
            if !self.loaded.contains_key(&object) {
                let value = self.store.load(&self.keys, self.tenant, &object).await?;
                self.loaded.insert(object, Arc::new(value));
            }
        }
        Ok(())
    }

    fn get(&self, object: &ObjectRef) -> Result<Arc<Value>> {
        self.loaded.get(object).cloned().ok_or_else(|| Error::internal("a value was asked for and not fetched"))
    }

    /// `{input, state, execution}`, and `item` and `index` in a map.
    pub(super) async fn document(&mut self, document: &Document) -> Result<(Value, Option<Map<String, Value>>)> {
        self.fetch(document.objects()).await?;
        let value = document.to_value(&mut |object| self.get(object))?;
        let locals = document.locals(&mut |object| self.get(object))?;
        Ok((value, locals))
    }

    /// `item` and `index` alone.
    pub(super) async fn locals(&mut self, document: &Document) -> Result<Option<Map<String, Value>>> {
        self.fetch(document.item.iter().filter_map(|item| item.list.object())).await?;
        document.locals(&mut |object| self.get(object))
    }

    /// A map's list from its parts.
    pub(super) async fn join(&mut self, parts: &[Part], batched: bool) -> Result<Value> {
        self.fetch(parts.iter().filter_map(|part| match part {
            Part::Output(StoredValue::Object(object)) => Some(object),
            _ => None,
        }))
        .await?;
        join(parts, batched, &mut |object: &ObjectRef| self.get(object))
    }

    /// The value itself.
    pub(super) async fn value(&mut self, stored: &StoredValue) -> Result<Arc<Value>> {
        self.fetch(stored.object().into_iter()).await?;
        stored.load(&mut |object| self.get(object))
    }
}
