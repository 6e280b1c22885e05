//! Keeps a PostgreSQL cluster in a directory until SIGTERM: `keep DIR`. Prints `ready <url>` once it can be used.

use std::{env, error::Error, io::Write as _};

use tenure_pgembed::{Cluster, ClusterConfig};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::args_os().nth(1).ok_or("usage: keep DIR")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let cluster = Cluster::open(ClusterConfig::new(dir)).await?;
    writeln!(std::io::stdout(), "ready {}", cluster.endpoint().superuser_url("postgres"))?;
    terminate.recv().await;
    cluster.stop().await;
    Ok(())
}
