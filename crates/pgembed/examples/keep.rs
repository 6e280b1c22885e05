//! Keeps a PostgreSQL cluster in a directory until SIGTERM: `keep DIR`. Prints `ready <url>` once it can be used;
//! `RUST_LOG=debug` shows PostgreSQL's log on standard error.

use std::{env, error::Error, io::Write as _};

use tenure_pgembed::{Cluster, ClusterConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_writer(std::io::stderr).init();
    let dir = env::args_os().nth(1).ok_or("usage: keep DIR")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let config = ClusterConfig { bin: env::var_os("TENURE_PG_BIN").map(Into::into), ..ClusterConfig::new(dir) };
    let cluster = Cluster::open(config).await?;
    writeln!(std::io::stdout(), "ready {}", cluster.endpoint().superuser_url("postgres"))?;
    terminate.recv().await;
    cluster.stop().await;
    Ok(())
}
