//! A log in a file that anyone can verify: leaves without personal values, seals and signed checkpoints
//! (`tenure_tlog::export`).

use std::io::{BufRead, Write};

use tenure_kernel::{Audited, Error, Kernel, NewEvent, Result, SystemReason, TenantId};
use tenure_tlog::export::{self, ExportError, Header, Reader, Writer};
use tenure_tlog::note::NoteError;
use tenure_tlog::verify::Report;

use super::event::AuditEvent;
use super::model::{origin, signer};
use super::{seals, verify};

/// Stored checkpoints that go with an export.
const CHECKPOINTS: i64 = 1_000;

/// Writes the log to `out`, a JSON document a line, in one pass and constant memory; how many events it holds. That it
/// was exported is an event in it afterwards.
///
/// # Errors
/// When PostgreSQL is gone, the keys do not open, or `out` does not take it.
pub async fn export(kernel: &Kernel, tenant: TenantId, out: &mut (impl Write + Send)) -> Result<u64> {
    let system = kernel.system(SystemReason::Seal);
    let export = async |tx: &mut tenure_kernel::SystemTx| {
        seals::one_moment(tx).await?;
        let keys = tx.keys_of(tenant).await?;
        let notes = seals::checkpoints(tx, tenant, None, CHECKPOINTS).await?.into_iter().rev().map(|row| row.note);
        let key = signer(tenant, &keys)?.verifier().to_string();
        let header = Header::new(origin(tenant), vec![key], notes.collect());
        let mut writer = Writer::new(&mut *out, &header).map_err(Error::internal)?;
        let mut size = 0_u64;
        let mut batches = verify::Batches::from(0);
        while let Some(batch) = batches.next(tx, tenant).await? {
            for record in batch.records() {
                size += 1;
                writer.write(&record).map_err(Error::internal)?;
            }
        }
        writer.finish().map_err(Error::internal)?;
        let event = NewEvent::new(AuditEvent::EXPORTED, None).in_tenant(tenant).detail("size", size);
        Ok(Audited::of(size, event))
    };
    system.run(export).await
}

/// Why an export could not be verified; that it is bad is no such fault.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// The key is none.
    #[error("the key is not a C2SP verifier key: {0}")]
    Key(#[from] NoteError),
    /// The file is no export.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// Verifies an export against the log's public key and checkpoints that were kept elsewhere; needs no database.
///
/// # Errors
/// See [`ExportFault`].
pub fn verify_export(input: impl BufRead, key: &str, held: &[String]) -> Result<Report, ExportFault> {
    Ok(export::verify_export(Reader::new(input)?, vec![key.parse()?], held, Vec::new())?)
}
