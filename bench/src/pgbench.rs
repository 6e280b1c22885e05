//! PostgreSQL by itself, measured by its own `pgbench`: what a durable step cannot be faster than.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::process::Command;

use crate::run::{Contender, Measured};

/// One row as the journal has them: keys of 16 and 8 bytes and a document of about 500, tenant first in the only index.
const SCHEMA: &str = "drop table if exists journal_floor;
create table journal_floor (
    tenant_id uuid not null,
    seq bigint generated always as identity,
    execution_id uuid not null,
    node text not null,
    output jsonb not null,
    at timestamptz not null default now(),
    primary key (tenant_id, seq)
);";

/// `:tenant` is one of 50, as in the engine's bench.
const SCRIPT: &str = r#"\set tenant random(1, 50)
insert into journal_floor (tenant_id, execution_id, node, output) values (lpad(to_hex(cast(:tenant as bigint)), 32, '0')::uuid, gen_random_uuid(), 'classify', '{"label": "strike", "score": 0.97, "text": "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod tempor invidunt ut labore et dolore magna aliquyam erat, sed diam voluptua. At vero eos et accusam et justo duo dolores et ea rebum. Stet clita kasd gubergren, no sea takimata sanctus est Lorem ipsum dolor sit amet. Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod tempor invidunt."}');
"#;

/// `pgbench` with one journal-sized insert per transaction. It makes its own table, which it drops at the next start.
pub struct JournalInserts {
    name: String,
    bin: PathBuf,
    url: String,
    clients: u16,
    script: tempfile::NamedTempFile,
}

impl JournalInserts {
    /// Uses the programs of `bin` on the database at `url`, whose password, if any, comes from `PGPASSWORD`.
    ///
    /// # Errors
    /// If the table cannot be made, or if the server runs without fsync: its figures would mean nothing.
    pub async fn new(bin: &Path, url: &str, clients: u16) -> Result<Self> {
        let script = tempfile::NamedTempFile::new().context("cannot create pgbench's script")?;
        std::fs::write(script.path(), SCRIPT).context("cannot write pgbench's script")?;
        let name = format!("pgbench, {clients} clients, one insert per transaction");
        let floor = Self { name, bin: bin.to_owned(), url: url.to_owned(), clients, script };
        let durable = floor.psql("select current_setting('fsync') || current_setting('synchronous_commit')").await?;
        ensure!(durable == "onon", "the server does not write durably (fsync and synchronous_commit: {durable})");
        floor.psql(SCHEMA).await?;
        Ok(floor)
    }

    async fn psql(&self, sql: &str) -> Result<String> {
        let psql = self.bin.join("psql");
        output(Command::new(&psql).args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url])).await
    }

    async fn rows(&self) -> Result<u64> {
        self.psql("select count(*) from journal_floor").await?.parse().context("psql printed no count")
    }

    async fn pgbench(&self, time: Duration) -> Result<Measured> {
        self.psql("truncate journal_floor").await?;
        let seconds = time.as_secs().max(1).to_string();
        let clients = self.clients.to_string();
        let threads = self.clients.min(2).to_string();
        let mut command = Command::new(self.bin.join("pgbench"));
        command.args(["-n", "-M", "prepared", "-c", &clients, "-j", &threads, "-T", &seconds, "-f"]);
        let printed = output(command.arg(self.script.path()).arg(&self.url)).await?;
        let (operations, per_second) = parse(&printed).with_context(|| format!("pgbench printed {printed}"))?;
        let rows = self.rows().await?;
        ensure!(rows == operations, "pgbench reports {operations} transactions, but the table has {rows} rows");
        Ok(Measured { operations, elapsed: Duration::from_secs_f64(operations as f64 / per_second) })
    }
}

impl Contender for JournalInserts {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, time: Duration) -> BoxFuture<'_, Result<Measured>> {
        async move { self.pgbench(time).await }.boxed()
    }
}

async fn output(command: &mut Command) -> Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        // Each of pgbench's clients reports the same failure; the first says it.
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed: {}", errors.lines().take(3).collect::<Vec<_>>().join("; "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The transactions done and their rate without the time to connect.
fn parse(printed: &str) -> Option<(u64, f64)> {
    let after = |label: &str| printed.lines().find_map(|line| line.strip_prefix(label));
    let done = after("number of transactions actually processed: ")?.split('/').next()?.parse().ok()?;
    let failed = after("number of failed transactions: ").is_none_or(|rest| rest.starts_with("0 "));
    let rate = after("tps = ")?.split(' ').next()?.parse().ok()?;
    (failed && done > 0).then_some((done, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "pgbench (15.14)\ntransaction type: a\nnumber of clients: 32\n\
        number of transactions actually processed: 112233\nnumber of failed transactions: 0 (0.000%)\n\
        latency average = 1.4 ms\ninitial connection time = 40.1 ms\n\
        tps = 22450.123456 (without initial connection time)\n";

    #[test]
    fn pgbench_is_read() {
        assert_eq!(parse(PRINTED), Some((112_233, 22450.123456)));
        assert_eq!(parse(&PRINTED.replace("transactions: 0 ", "transactions: 3 ")), None);
        assert_eq!(parse("pgbench: error"), None);
    }
}
