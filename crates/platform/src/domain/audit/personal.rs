//! What of an event the tree does not hold: its personal values, which can be erased, and the keys that it names.
//!
//! The leaf holds a salted digest of each personal value. Where the values still open they must be the ones that the
//! digests were made of; where they are gone, they were erased, and the log verifies without them.

use std::sync::Arc;

use sqlx::PgExecutor;
use tenure_kernel::keys::TenantKeys;
use tenure_kernel::record::{PersonalValues, SaltedValue};
use tenure_kernel::{EventId, KeyId, Result, TenantId};
use tenure_tlog::leaf::{PatchOp, Salt, Salted};
use uuid::Uuid;

use super::seals::{self, PersonalRow};
use super::verify::{Fault, blocking};

/// Rows read at once.
const BATCH: i64 = 5_000;

/// What a look at the personal values found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Events whose personal values were erased.
    pub erased: u64,
    /// The first event whose values, or the names of whose keys, are not those that were written.
    pub fault: Option<Fault>,
}

/// Looks at the sealed events from `from` on.
pub(super) async fn check<T>(tx: &mut T, keys: &Arc<TenantKeys>, tenant: TenantId, from: u64) -> Result<Found>
where
    for<'c> &'c mut T: PgExecutor<'c>,
{
    let mut found = Found::default();
    let mut after = match from {
        0 => (i64::MIN, Uuid::nil()),
        from => (from.cast_signed() - 1, Uuid::max()),
    };
    loop {
        let batch = seals::personal_after(tx, tenant, after, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(found) };
        after = (last.seq, last.id);
        let keys = Arc::clone(keys);
        let looked = blocking(move || batch.iter().map(|row| look(row, &keys)).collect::<Vec<_>>()).await?;
        for state in looked {
            match state {
                Ok(State::Erased) => found.erased += 1,
                Ok(State::Intact) => {}
                Err(fault) => found.fault = found.fault.or(Some(fault)),
            }
        }
    }
}

fn look(row: &PersonalRow, keys: &TenantKeys) -> Result<State, Fault> {
    judge(row, keys).map_err(|what| {
        let event_id = EventId::from_uuid(row.id);
        let message = format!("event {event_id} was changed after it was written: {what}");
        Fault { kind: "edited", index: u64::try_from(row.seq).ok(), event_id: Some(event_id), message }
    })
}

enum State {
    Intact,
    Erased,
}

fn judge(row: &PersonalRow, keys: &TenantKeys) -> Result<State, &'static str> {
    if KeyId::from_uuid(row.hmac_key_id) != keys.audit_id() {
        return Err("it names another key than the one that authenticates it");
    }
    let digests = Digests::of(row);
    let Some(sealed) = &row.personal else {
        return match (digests.is_empty(), row.personal_key_id) {
            (true, None) => Ok(State::Intact),
            (true, Some(_)) => Err("it names a key for personal values that it never had"),
            (false, _) => Ok(State::Erased),
        };
    };
    let Ok(opened) = keys.open_personal(EventId::from_uuid(row.id), sealed) else {
        return Err("its personal values do not open: they are of another event, or were damaged");
    };
    // It opened, so it says truly under which key.
    if keys.sealed_under(sealed) != row.personal_key_id.map(KeyId::from_uuid) {
        return Err("it names another key than the one that its personal values are sealed under");
    }
    if digests.are_of(&opened) { Ok(State::Intact) } else { Err("its personal values are not those that were sealed") }
}

/// The digests that the leaf holds.
struct Digests {
    address: Option<Vec<u8>>,
    user_agent: Option<Vec<u8>>,
    diff: Vec<(usize, Salted)>,
}

impl Digests {
    fn of(row: &PersonalRow) -> Self {
        let operations = row.diff.clone().and_then(|diff| serde_json::from_value::<Vec<PatchOp>>(diff).ok());
        let operations = operations.into_iter().flatten().enumerate();
        Self {
            address: row.address_digest.clone(),
            user_agent: row.user_agent_digest.clone(),
            diff: operations.filter_map(|(index, operation)| Some((index, operation.value_sha256?))).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.address.is_none() && self.user_agent.is_none() && self.diff.is_empty()
    }

    /// Whether these are the digests of exactly these values.
    fn are_of(&self, values: &PersonalValues) -> bool {
        let text = |digest: &Option<Vec<u8>>, value: &Option<SaltedValue>| match (digest, value) {
            (None, None) => true,
            (Some(digest), Some(value)) => salted_text(value).is_some_and(|salted| salted.0.as_slice() == digest),
            _ => false,
        };
        text(&self.address, &values.address)
            && text(&self.user_agent, &values.user_agent)
            && self.diff.len() == values.diff.len()
            && self.diff.iter().zip(&values.diff).all(|((index, digest), (at, value))| {
                let salted = salt(value).and_then(|salt| Salted::json(&salt, &value.value).ok());
                index == at && salted == Some(*digest)
            })
    }
}

fn salted_text(value: &SaltedValue) -> Option<Salted> {
    Some(Salted::text(&salt(value)?, value.value.as_str()?))
}

fn salt(value: &SaltedValue) -> Option<Salt> {
    let digits = value.salt.as_bytes();
    if digits.len() != 2 * Salt::LEN {
        return None;
    }
    let mut salt = [0; Salt::LEN];
    for (byte, pair) in salt.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Salt(salt))
}
