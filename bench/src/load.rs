//! Closed-loop load: each connection sends its next request when the last one is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;

use crate::client::Connection;
use crate::run::Measured;

/// Makes the bytes of the request of this number; numbers are not repeated within a process.
pub type MakeRequest = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// How load is put on a server.
#[derive(Clone)]
pub struct Load {
    /// Where.
    pub address: SocketAddr,
    /// Kept-alive connections, each with one request at a time.
    pub connections: u64,
    /// What is sent.
    pub request: MakeRequest,
    /// The only status that counts; any other ends the run.
    pub status: u16,
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Load {
    /// Puts the load on for `time`; `first` is the number of the first request.
    ///
    /// # Errors
    /// A broken connection, or an answer of another status: a run in which something failed is no figure.
    pub async fn run(&self, time: Duration, first: u64) -> Result<Measured> {
        let connections = try_join_all((0..self.connections).map(|_| Connection::open(self.address))).await?;
        let start = Instant::now();
        let workers = connections.into_iter().zip(first..).map(|(connection, number)| {
            let this = self.clone();
            let worker = async move { this.work(connection, number, start + time).await };
            async move { tokio::spawn(worker).await? }
        });
        let operations = try_join_all(workers).await?.into_iter().sum();
        Ok(Measured { operations, elapsed: start.elapsed() })
    }

    async fn work(self, mut connection: Connection, mut number: u64, end: Instant) -> Result<u64> {
        let mut done = 0;
        while Instant::now() < end {
            let answer = connection.send(&(self.request)(number)).await?;
            ensure!(
                answer.status == self.status,
                "the server answered {} instead of {}: {}",
                answer.status,
                self.status,
                String::from_utf8_lossy(&answer.body)
            );
            number += self.connections;
            done += 1;
        }
        Ok(done)
    }
}
