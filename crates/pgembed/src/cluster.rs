use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Error, Result, State,
    error::IoContext as _,
    layout::{Layout, PORT, SUPERUSER},
    supervisor::{self, Command},
};

/// What a cluster is opened with.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Directory that belongs to this cluster alone; made if missing. As root it must be reachable by `postgres`.
    pub dir: PathBuf,
    /// Directory of PostgreSQL's programs (`TENURE_PG_BIN`); `None` looks for them.
    pub bin: Option<PathBuf>,
    /// Cache in which [`crate::Binaries::install_wheel`] may have put PostgreSQL.
    pub cache: Option<PathBuf>,
    /// `false` gives up every guarantee against power loss, for scratch clusters.
    pub durable: bool,
    /// PostgreSQL settings beyond this crate's own, for example `("max_connections", "200")`.
    pub settings: Vec<(String, String)>,
    /// How long a fast shutdown may take before an immediate one follows.
    pub stop_timeout: Duration,
}

impl ClusterConfig {
    /// A durable cluster in `dir`, with programs wherever they are found.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            bin: None,
            cache: None,
            durable: true,
            settings: Vec::new(),
            stop_timeout: Duration::from_secs(20),
        }
    }
}

/// Where a cluster listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    socket_dir: PathBuf,
}

impl Endpoint {
    /// The superuser's name. It connects without a password, from this process's user only.
    pub const SUPERUSER: &'static str = SUPERUSER;

    /// Directory of the unix socket, what libpq calls `host`.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// The port that is part of the socket's name.
    pub fn port(&self) -> u16 {
        PORT
    }

    /// A URL that libpq and sqlx understand.
    pub fn url(&self, database: &str, user: &str, password: Option<&str>) -> String {
        let host = self.socket_dir.as_os_str().as_encoded_bytes();
        let password =
            password.map(|password| format!("&password={}", percent(password.as_bytes()))).unwrap_or_default();
        format!(
            "postgresql:///{}?host={}&port={PORT}&user={}{password}",
            percent(database.as_bytes()),
            percent(host),
            percent(user.as_bytes()),
        )
    }

    /// The superuser's URL for `database`; `postgres` always exists.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(database, SUPERUSER, None)
    }
}

/// A running PostgreSQL that this process owns. Dropping it stops the server in the background.
#[derive(Debug)]
pub struct Cluster {
    endpoint: Endpoint,
    major: u32,
    state: watch::Receiver<State>,
    commands: mpsc::Sender<Command>,
}

impl Cluster {
    /// Starts the server on `config.dir`, making the data first if there is none, and waits until it takes connections.
    ///
    /// # Errors
    /// Every [`Error`]; nothing is left running then, and existing data is as it was.
    pub async fn open(config: ClusterConfig) -> Result<Self> {
        let (prepared, preparation) = oneshot::channel();
        let (state_sender, mut state) = watch::channel(State::Starting);
        let (commands, command_receiver) = mpsc::channel(4);
        let dir = config.dir.clone();

        let body = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let ready = runtime.at("start a thread for", &config.dir).and_then(|runtime| {
                let layout = Layout::prepare(&config)?;
                Ok((runtime, layout))
            });
            let (runtime, layout) = match ready {
                Ok(ready) => ready,
                Err(error) => return drop(prepared.send(Err(error))),
            };
            let facts = (Endpoint { socket_dir: layout.socket_dir.clone() }, layout.binaries.major());
            if prepared.send(Ok(facts)).is_ok() {
                runtime.block_on(supervisor::run(layout, config, state_sender, command_receiver));
            }
        };
        thread::Builder::new().name("postgres".to_owned()).spawn(body).at("start a thread for", &dir)?;

        let (endpoint, major) = preparation.await.map_err(|_| Error::Supervisor)??;
        let settled = state.wait_for(|state| *state != State::Starting).await.map_err(|_| Error::Supervisor)?.clone();
        let cluster = Self { endpoint, major, state, commands };
        match settled {
            State::Down(outage) => {
                cluster.stop().await;
                Err(Error::Start { dir, outage })
            }
            _ => Ok(cluster),
        }
    }

    /// Where it listens. Stays the same over restarts.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Major version of the running server.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// What the server is doing, now and from now on.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Locks the superuser out until the next [`Cluster::open`]: for the time after roles and migrations are done.
    /// Sessions that are open already stay.
    ///
    /// # Errors
    /// [`Error::Io`] if the access rules cannot be written.
    pub async fn forget_superuser(&self) -> Result<()> {
        let (done, answer) = oneshot::channel();
        self.commands.send(Command::ForgetSuperuser(done)).await.map_err(|_| Error::Supervisor)?;
        answer.await.map_err(|_| Error::Supervisor)?
    }

    /// Ends open transactions, stops the server and frees the directory. Takes at most `stop_timeout` and five seconds.
    pub async fn stop(mut self) {
        // A closed channel means that it has stopped already.
        let _ = self.commands.send(Command::Stop).await;
        let _ = self.state.wait_for(|state| *state == State::Stopped).await;
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn percent(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_encoded() {
        let endpoint = Endpoint { socket_dir: "/tmp/a b".into() };
        assert_eq!(
            endpoint.url("d&b", "app", Some("p/w")),
            "postgresql:///d%26b?host=%2Ftmp%2Fa%20b&port=5432&user=app&password=p%2Fw"
        );
    }
}
