//! `tenure serve`.

use std::time::Duration;

use tenure_platform::domain::identity::LocalLogin;
use tenure_platform::domain::platform::setup_link;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, Outcome, block_on, settings};
use crate::config::{Auth, Config, Environment, Flags};
use crate::http::{Assets, DatabaseWatch, Site, router};
use crate::platform::Platform;
use crate::{http, logging, output};

/// How long requests in flight may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Run the server
///
/// Without DATABASE_URL a PostgreSQL of its own runs below the data directory. SIGTERM and Ctrl-C end it after the requests
/// in flight, ten seconds at most; a second one ends it at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tenure serve\n  \
    tenure serve --listen 127.0.0.1:0 --data-dir ./data\n  \
    TENURE_ENVIRONMENT=production TENURE_MASTER_KEY=… TENURE_PUBLIC_URL=https://tenure.example.com tenure serve\n\n\
    Settings: `tenure config show` lists all of them.")]
#[group(skip)]
pub(super) struct Args {
    /// Address and port; port 0 takes a free one [env: TENURE_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// What users type into the browser [env: TENURE_PUBLIC_URL]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Directory of a built console [env: TENURE_ASSETS]
    #[arg(long, value_name = "DIR")]
    assets: Option<String>,
}

pub(super) fn run(args: &Args, mut flags: Flags) -> Outcome {
    args.set(&mut flags);
    let config = settings(&flags)?;
    block_on(serve(config, async |_, _| Ok(Vec::new())))
}

impl Args {
    /// Puts what was given among the flags.
    pub(super) fn set(&self, flags: &mut Flags) {
        flags.set("server.listen", self.listen.as_deref());
        flags.set("server.public_url", self.public_url.as_deref());
        flags.set("server.assets", self.assets.as_deref());
    }
}

/// Serves until a signal comes. `first` is done before the first request; what it returns is said at last.
pub(super) async fn serve(
    mut config: Config,
    first: impl AsyncFnOnce(&Platform, &str) -> Result<Vec<String>, Failure>,
) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    // From here on a signal is heard, also while PostgreSQL starts.
    let mut stop = Stop::listen().map_err(|error| failed(&error))?;
    let assets = Assets::load(config.server.assets.as_deref()).map_err(|error| Failure::Usage(error.to_string()))?;
    // Before the database: a port that is taken must not cost a start and a stop of PostgreSQL.
    let listener = TcpListener::bind(config.server.listen).await.map_err(|error| {
        let address = config.server.listen;
        failed(&format!("cannot listen on {address}: {error}; choose another address with --listen or TENURE_LISTEN"))
    })?;
    config.server.listen = listener.local_addr().map_err(|error| failed(&error))?;

    let platform = Platform::open(&config).await?;
    let watch = DatabaseWatch::start(&platform.app.kernel, platform.cluster.as_ref());
    let https = config.server.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let login = match config.auth {
        Auth::On => None,
        Auth::Off => match LocalLogin::begin(&platform.app).await {
            Ok(login) => Some(login),
            Err(error) => {
                platform.close().await;
                return Err(error.into());
            }
        },
    };
    let router = router(
        &platform,
        watch,
        Site { assets, login, https, trusted_proxies: config.server.trusted_proxies.clone().into() },
    );
    let url = config.server.public_url.clone().unwrap_or_else(|| format!("http://{}", config.server.listen));
    let words = tokio::select! {
        words = first(&platform, &url) => words,
        () = stop.signalled() => Err(Failure::Failed("ended before it was set up".to_owned())),
    };
    let words = match words {
        Ok(words) => words,
        Err(failure) => {
            platform.close().await;
            return Err(failure);
        }
    };
    greet(&config, &platform, &url);
    offer_setup(&config, &platform, &url).await;
    words.iter().for_each(output::note);

    let limits = http::Limits::new(config.server.trusted_proxies.clone().into());
    http::serve(listener, router, limits, stop.signalled(), GRACE).await;
    tracing::info!("shutting down");
    tokio::select! {
        () = platform.close() => Ok(()),
        () = stop.signalled() => Err(Failure::Failed("ended at the second signal, before everything was put away".to_owned())),
    }
}

/// What the operator wants to see first.
fn greet(config: &Config, platform: &Platform, url: &str) {
    let address = config.server.listen;
    let database = match &platform.cluster {
        Some(cluster) => format!("embedded PostgreSQL {} in {}", cluster.major(), config.data_dir.display()),
        None => "a PostgreSQL of your own".to_owned(),
    };
    let environment = config.environment.as_str();
    let exposed = config.environment == Environment::Development && !address.ip().is_loopback();
    if logging::is_json(&config.log) {
        tracing::info!(version = env!("CARGO_PKG_VERSION"), environment, url, %address, database, "listening");
    } else {
        let version = env!("CARGO_PKG_VERSION");
        output::note(format_args!("Tenure {version}, {environment}, on {database}"));
        output::note(format_args!("  console  {url}/\n  API      {url}/docs"));
        output::note(format_args!("listening on http://{address}"));
    }
    if let Some(why) = platform.app.sandbox.missing()
        && !logging::is_json(&config.log)
    {
        output::note(format_args!("workflows with expressions or plugins fail on this server: {why}"));
    }
    if config.auth == Auth::Off {
        tracing::warn!("logins are switched off: whoever uses this machine is an administrator");
    }
    if exposed {
        tracing::warn!("a development instance can be reached from other machines, and anybody may register");
    }
}

/// Where nobody administers a production instance, a link for whoever reads this. Straight to standard error and never through the
/// log, which others keep and read.
async fn offer_setup(config: &Config, platform: &Platform, url: &str) {
    if config.environment != Environment::Production {
        return;
    }
    match setup_link(&platform.app.kernel).await {
        Ok(Some((token, link))) => output::note(format_args!(
            "Nobody administers this platform yet. Whoever opens this link first does:\n  {url}/setup#token={}\nIt works \
             once, until {}, and only until a server of this installation starts again and prints another.\nWho has a login \
             here already is made one by `tenure platform-admin create`.",
            *token.text, link.expires_at
        )),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "no set-up link was made; the next start tries again"),
    }
}

/// SIGTERM and SIGINT.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn signalled(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
