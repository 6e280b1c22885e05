//! The API of a server that runs, over HTTP: for verbs that work on it from outside.

use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::Failure;
use super::board::{self, text};
use super::credentials::{self, Credentials, Locked, Login};
use super::inside::success;
use super::proof;

const TOKEN: &str = "TENURE_TOKEN";
const SERVER: &str = "TENURE_SERVER";
const USUAL_SERVER: &str = "http://127.0.0.1:8080";
/// An access token that ends sooner is refreshed first, in seconds.
const SPARE: i64 = 30;

/// Which server, and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct Connection {
    /// The server's address; that of the last `tenure login`, or <http://127.0.0.1:8080>, if absent [env: TENURE_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// An access token or API key instead of a login; other users of this machine see arguments, so rather set the variable [env: TENURE_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Which of your organisations, by its short name; that of the last `tenure login` if absent
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<String>,
}

/// Somebody's access to it.
pub(super) struct Remote {
    http: Http,
    who: Who,
}

enum Who {
    /// Whoever holds this.
    Token(String),
    /// Whoever logged in here.
    Kept { credentials: Credentials, tenant: Option<String> },
}

/// A server without anybody's access.
pub(super) struct Http {
    client: reqwest::Client,
    pub(super) server: Url,
}

impl Connection {
    /// The server that is named, or the last one that was logged in to.
    pub(super) fn http(&self) -> Result<Http, Failure> {
        let named = self.server.clone().or_else(|| std::env::var(SERVER).ok()).filter(|server| !server.is_empty());
        let server = match named {
            Some(server) => server,
            // Whoever names a token does not mean a login.
            None if self.token().is_some() => USUAL_SERVER.to_owned(),
            None => {
                let last = Credentials::locate()?.look()?.into_iter().next();
                last.map_or_else(|| USUAL_SERVER.to_owned(), |login| login.server)
            }
        };
        Http::new(&server)
    }

    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    fn token(&self) -> Option<String> {
        self.token.clone().or_else(|| std::env::var(TOKEN).ok()).filter(|token| !token.is_empty())
    }
}

impl Http {
    fn new(server: &str) -> Result<Self, Failure> {
        let server = Url::parse(server).map_err(|error| Failure::Usage(format!("--server: {server:?}: {error}")))?;
        let here = matches!(server.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if server.scheme() != "https" && !(server.scheme() == "http" && here) {
            let detail =
                "--server: only https:// leads to another machine; the token would cross the network in the clear";
            return Err(Failure::Usage(detail.to_owned()));
        }
        // Whoever set one before set the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("tenure/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Ok(Self { client: client.map_err(|error| unreachable(&error))?, server })
    }

    /// As logins name it.
    pub(super) fn name(&self) -> &str {
        self.server.as_str().trim_end_matches('/')
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<(&str, String)>,
    ) -> Result<(StatusCode, Value), Failure> {
        let url = self.server.join(&format!("/api/v1{path}")).map_err(|error| Failure::Usage(error.to_string()))?;
        let request = self.client.request(method, url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let request = match body {
            Some((media, body)) => request.header("content-type", media).body(body),
            None => request,
        };
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| unreachable(&error))?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// Sends JSON; the answer's status and body.
    pub(super) async fn json(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failure> {
        self.send(method, path, token, body.map(|body| ("application/json", body.to_string()))).await
    }

    /// Sends a form, as OAuth wants it.
    pub(super) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Result<(StatusCode, Value), Failure> {
        let mut encoder = self.server.clone();
        encoder.query_pairs_mut().clear().extend_pairs(fields);
        let body = encoder.query().unwrap_or_default().to_owned();
        self.send(Method::POST, path, None, Some(("application/x-www-form-urlencoded", body))).await
    }

    /// A login as the server gave it.
    pub(super) fn login(&self, given: &Value) -> Result<Login, Failure> {
        let part = |of: &str, name: &str| given.get(of).map(|value| text(value, name)).unwrap_or_default();
        let login = Login {
            server: self.name().to_owned(),
            organization: part("organization", "slug"),
            username: part("user", "username"),
            access_token: text(given, "access_token"),
            expires_at: now() + given.get("expires_in").and_then(Value::as_i64).unwrap_or_default(),
            refresh_token: text(given, "refresh_token"),
        };
        if login.access_token.is_empty() || login.refresh_token.is_empty() || login.organization.is_empty() {
            return Err(Failure::Failed("the server gave no login; is its version another one?".to_owned()));
        }
        Ok(login)
    }

    /// The login with an access token that lasts; refreshed, and written down, if it must be.
    pub(super) async fn fresh(&self, held: &mut Locked<'_>, login: Login) -> Result<Login, Failure> {
        if login.expires_at > now() + SPARE {
            return Ok(login);
        }
        let body = json!({ "refresh_token": login.refresh_token });
        let (status, given) = self.json(Method::POST, "/auth/refresh", None, Some(&body)).await?;
        if status == StatusCode::UNAUTHORIZED {
            held.remove(&login)?;
            return Err(Failure::Failed("the login has ended; `tenure login` begins another".to_owned()));
        }
        let login = self.login(&success(status, given)?)?;
        held.put(login.clone())?;
        Ok(login)
    }

    /// A login in another organisation of the same person, written down.
    pub(super) async fn switched(&self, held: &mut Locked<'_>, from: &Login, to: &str) -> Result<Login, Failure> {
        let body = json!({ "organization": to });
        let (status, given) = self.json(Method::POST, "/auth/switch", Some(&from.access_token), Some(&body)).await?;
        if status == StatusCode::NOT_FOUND {
            return Err(Failure::Failed(format!("you are no member of an organisation `{to}`")));
        }
        let login = self.login(&success(status, given)?)?;
        held.put(login.clone())?;
        Ok(login)
    }
}

impl Remote {
    /// Connects to nothing yet.
    pub(super) fn new(args: Connection) -> Result<Self, Failure> {
        let http = args.http()?;
        let who = match args.token() {
            Some(_) if args.tenant.is_some() => {
                let detail = "--tenant picks one of your logins; a token is for one organisation, whatever you pick";
                return Err(Failure::Usage(detail.to_owned()));
            }
            Some(token) => Who::Token(token),
            None => {
                let credentials = Credentials::locate()?;
                if credentials::find(&credentials.look()?, Some(http.name()), None).is_none() {
                    let name = http.name();
                    let detail = format!(
                        "you are not logged in to {name}: run `tenure login`, or set {TOKEN} to an access token or an API key"
                    );
                    return Err(Failure::Usage(detail));
                }
                Who::Kept { credentials, tenant: args.tenant }
            }
        };
        Ok(Self { http, who })
    }

    async fn token(&self) -> Result<String, Failure> {
        let (credentials, tenant) = match &self.who {
            Who::Token(token) => return Ok(token.clone()),
            Who::Kept { credentials, tenant } => (credentials, tenant.as_deref()),
        };
        let mut held = credentials.lock()?;
        let known = held.find(self.http.name(), tenant).cloned();
        if let Some(login) = known {
            return Ok(self.http.fresh(&mut held, login).await?.access_token);
        }
        let ended = || Failure::Usage("the login has ended; `tenure login` begins another".to_owned());
        let other = held.find(self.http.name(), None).cloned().ok_or_else(ended)?;
        let other = self.http.fresh(&mut held, other).await?;
        Ok(self.http.switched(&mut held, &other, tenant.unwrap_or_default()).await?.access_token)
    }

    /// Sends JSON; whatever is no success is a failure in the problem's own words. What needs a fresh proof of the person asks them
    /// for it, and is repeated.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let token = self.token().await?;
        let (status, answer) = self.http.json(method.clone(), path, Some(&token), body).await?;
        let Some(factors) = proof::asked_for(status, &answer) else { return success(status, answer) };
        proof::prove(&self.http, &token, &factors).await?;
        let (status, answer) = self.http.json(method, path, Some(&token), body).await?;
        success(status, answer)
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    board::now().as_second()
}

fn unreachable(error: &reqwest::Error) -> Failure {
    Failure::Failed(format!("the server does not answer: {error}"))
}
