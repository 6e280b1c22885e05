//! Removes the values of executions that never came about, or are gone: a process that ends between putting an input away and
//! queueing its execution, or between deleting an execution and its files, leaves files that nothing names.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tenure_kernel::{Audited, Error, Result, SystemReason, Timestamp};
use uuid::Uuid;

use super::Engine;

/// Executions that are asked for at once.
const BATCH: usize = 1_000;

/// What is kept for one execution.
struct Kept {
    tenant: Uuid,
    execution: Uuid,
    directory: PathBuf,
}

impl Engine {
    /// Removes what is kept for executions that do not exist, where nothing was added for `age`. For how many.
    ///
    /// Only tenants that the database knows are looked at: beside another database, all would seem to be left over.
    ///
    /// # Errors
    /// When the directory cannot be read, or PostgreSQL is gone; what was removed before stays removed.
    pub async fn sweep_objects(&self, age: Duration) -> Result<u64> {
        let root = self.0.config.objects.clone();
        let before = self.0.kernel.clock().now().before(age);
        let old = blocking(move || kept(&root, before)).await?;
        let mut removed = 0;
        for batch in old.chunks(BATCH) {
            let orphans = self.without_execution(batch).await?;
            let directories: Vec<PathBuf> = batch
                .iter()
                .filter(|kept| orphans.contains(&(kept.tenant, kept.execution)))
                .map(|kept| kept.directory.clone())
                .collect();
            removed += blocking(move || remove(&directories)).await?;
        }
        Ok(removed)
    }

    async fn without_execution(&self, batch: &[Kept]) -> Result<Vec<(Uuid, Uuid)>> {
        let (tenants, executions): (Vec<Uuid>, Vec<Uuid>) =
            batch.iter().map(|kept| (kept.tenant, kept.execution)).unzip();
        self.0
            .kernel
            .system(SystemReason::EngineBatch)
            .run(async |tx| {
                let rows = sqlx::query!(
                    r#"select k.tenant_id as "tenant!", k.id as "execution!"
                       from unnest($1::uuid[], $2::uuid[]) as k (tenant_id, id) join tenants t on t.tenant_id = k.tenant_id
                       where not exists (select from executions e where e.tenant_id = k.tenant_id and e.id = k.id)"#,
                    &tenants,
                    &executions
                )
                .fetch_all(&mut *tx)
                .await?;
                let orphans = rows.into_iter().map(|row| (row.tenant, row.execution)).collect();
                Ok(Audited::none("looks for what a crash left; no row changes", orphans))
            })
            .await
    }
}

/// The directories of executions that nothing was added to since: `<tenant>/<execution>`. What has other names is none of
/// ours.
fn kept(root: &Path, before: Timestamp) -> std::io::Result<Vec<Kept>> {
    let mut old = Vec::new();
    for (tenant, directory) in named(root)? {
        for (execution, directory) in named(&directory)? {
            let changed = directory.metadata().and_then(|about| about.modified());
            if changed.is_ok_and(|changed| micros(changed) <= before.as_micros()) {
                old.push(Kept { tenant, execution, directory });
            }
        }
    }
    Ok(old)
}

/// As a [`Timestamp`] counts; what is older than its epoch is as old as that.
fn micros(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The directories in this one that are named by an identifier; none where it is gone, or was never made.
fn named(directory: &Path) -> std::io::Result<Vec<(Uuid, PathBuf)>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(id) = entry.file_name().to_str().and_then(|name| Uuid::try_parse(name).ok())
            && entry.file_type()?.is_dir()
        {
            found.push((id, entry.path()));
        }
    }
    Ok(found)
}

/// How many went; one that another node removes at this moment is its.
fn remove(directories: &[PathBuf]) -> std::io::Result<u64> {
    let mut removed = 0;
    for directory in directories {
        match std::fs::remove_dir_all(directory) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

/// Directories are read on a thread where nobody waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?.map_err(Error::internal)
}
