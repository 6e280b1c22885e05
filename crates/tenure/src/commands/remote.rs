//! The API of a server that runs, over HTTP: for verbs that work on it from outside.

use reqwest::{Method, Url};
use serde_json::Value;

use super::Failure;
use super::inside::success;

const TOKEN: &str = "TENURE_TOKEN";
const SERVER: &str = "TENURE_SERVER";

/// Which server, and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct Connection {
    /// The server's address; <http://127.0.0.1:8080> if absent [env: TENURE_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// An access token or API key; other users of this machine see arguments, so rather set the variable [env: TENURE_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<String>,
}

/// Somebody's access to it.
pub(super) struct Remote {
    client: reqwest::Client,
    server: Url,
    token: String,
}

impl Remote {
    /// Connects to nothing yet.
    pub(super) fn new(args: Connection) -> Result<Self, Failure> {
        let server = args.server.or_else(|| std::env::var(SERVER).ok());
        let server = server.unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let server = Url::parse(&server).map_err(|error| Failure::Usage(format!("--server: {server:?}: {error}")))?;
        let here = matches!(server.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if server.scheme() != "https" && !(server.scheme() == "http" && here) {
            let detail =
                "--server: only https:// leads to another machine; the token would cross the network in the clear";
            return Err(Failure::Usage(detail.to_owned()));
        }
        let token = args.token.or_else(|| std::env::var(TOKEN).ok()).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Failure::Usage(format!("set {TOKEN} to an access token or an API key")))?;
        // Whoever set one before set the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        Ok(Self { client: client.map_err(|error| unreachable(&error))?, server, token })
    }

    /// Sends JSON; whatever is no success is a failure in the problem's own words.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let url = self.server.join(&format!("/api/v1{path}")).map_err(|error| Failure::Usage(error.to_string()))?;
        let request = self.client.request(method, url).bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| unreachable(&error))?;
        success(status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

fn unreachable(error: &reqwest::Error) -> Failure {
    Failure::Failed(format!("the server does not answer: {error}"))
}
