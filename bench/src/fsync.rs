//! What one durable write costs on this disk now: the floor of every durable step.

use std::fs::OpenOptions;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Writes of 8 KiB, each followed by fdatasync, per second, measured for `time` in a new file of `directory`.
///
/// # Errors
/// If the file cannot be written.
pub fn probe(directory: &Path, time: Duration) -> Result<f64> {
    let path = directory.join(".tenure-bench-fsync");
    let run = || -> std::io::Result<f64> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
        let block = [7; 8192];
        file.write_all(&block)?;
        file.sync_all()?;
        let (start, mut count) = (Instant::now(), 0_u32);
        while start.elapsed() < time {
            file.rewind()?;
            file.write_all(&block)?;
            file.sync_data()?;
            count += 1;
        }
        Ok(f64::from(count) / start.elapsed().as_secs_f64())
    };
    let result = run().with_context(|| format!("cannot probe fsync in {}", directory.display()));
    // The probe's result counts; a file left behind is harmless.
    let _ = std::fs::remove_file(&path);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_counts_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert!(probe(directory.path(), Duration::from_millis(20)).unwrap() > 0.0);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        assert!(probe(Path::new("/nonexistent"), Duration::ZERO).is_err());
    }
}
