//! `tenure login`, `logout` and `whoami`: a person's own login for the command line (RFC 8628).

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::board::text;
use super::credentials::{Credentials, Login};
use super::inside::{explain, success};
use super::remote::{Connection, Http, Remote};
use super::{Failure, Outcome, block_on};
use crate::output;

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Log in to a server, for the other commands that work on one
///
/// Shows a code and an address. Open the address in a browser where you are logged in, compare the code, and let this program
/// in. The login is kept in a file that you alone can read, ~/.config/tenure/credentials.json (TENURE_CREDENTIALS).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tenure login --server https://tenure.example.com\n  \
    tenure login --tenant acme --json")]
#[group(skip)]
pub(super) struct LoginArgs {
    #[command(flatten)]
    remote: Connection,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// End the login, here and on the server
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tenure logout\n  tenure logout --server https://tenure.example.com --tenant acme")]
#[group(skip)]
pub(super) struct LogoutArgs {
    #[command(flatten)]
    remote: Connection,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Show who is logged in, where, and what they may do
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tenure whoami\n  tenure whoami --tenant acme --json")]
#[group(skip)]
pub(super) struct WhoamiArgs {
    #[command(flatten)]
    remote: Connection,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn login(args: &LoginArgs) -> Outcome {
    let (http, credentials) = (args.remote.http()?, Credentials::locate()?);
    // Before anybody is asked for anything: what cannot be kept is not worth asking for.
    drop(credentials.lock()?);
    block_on(async {
        let given = approved(&http).await?;
        let token = text(&given, "access_token");
        let (status, me) = http.json(Method::GET, "/auth/me", Some(&token), None).await?;
        let me = success(status, me)?;
        let mut whole = given;
        if let Some(members) = whole.as_object_mut() {
            for name in ["user", "organization"] {
                members.insert(name.to_owned(), me.get(name).cloned().unwrap_or_default());
            }
        }
        let login = http.login(&whole)?;
        let mut held = credentials.lock()?;
        held.put(login.clone())?;
        let login = match args.remote.tenant().filter(|tenant| *tenant != login.organization) {
            Some(tenant) => http.switched(&mut held, &login, tenant).await?,
            None => login,
        };
        drop(held);
        if args.json {
            output::json(&shown(&login));
        } else {
            let Login { username, organization, server, .. } = &login;
            output::note(format_args!("logged in to {server} as {username} in {organization}"));
        }
        Ok(())
    })
}

fn shown(login: &Login) -> Value {
    json!({ "server": login.server, "organization": login.organization, "username": login.username })
}

/// Asks for a code, shows it, and waits until somebody has decided.
async fn approved(http: &Http) -> Result<Value, Failure> {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let client = host.map_or_else(|| "tenure".to_owned(), |host| format!("tenure on {host}"));
    let (status, codes) = http.form("/auth/device", &[("client_id", &client)]).await?;
    let codes = success(status, codes)?;
    let code = text(&codes, "user_code");
    // A server without a public address knows itself by the one that it listens on, which need not be how it is reached.
    let told = text(&codes, "verification_uri_complete");
    let address = if told.starts_with("https://") { told } else { format!("{}/device?code={code}", http.name()) };
    output::note(format_args!("Open {address}\nand let this program in if it shows the code {code}"));
    let mut interval = codes.get("interval").and_then(Value::as_u64).unwrap_or(5);
    let device = text(&codes, "device_code");
    loop {
        tokio::time::sleep(Duration::from_secs(interval)).await;
        let (status, answer) = http.form("/auth/token", &[("grant_type", DEVICE), ("device_code", &device)]).await?;
        match (status, text(&answer, "error").as_str()) {
            (StatusCode::OK, _) => return Ok(answer),
            (_, "authorization_pending") => {}
            (_, "slow_down") => interval += 5,
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => interval += 5,
            _ => return Err(Failure::Failed(explain(&answer))),
        }
    }
}

pub(super) fn logout(args: &LogoutArgs) -> Outcome {
    let (http, credentials) = (args.remote.http()?, Credentials::locate()?);
    block_on(async {
        let mut held = credentials.lock()?;
        let login = held.find(http.name(), args.remote.tenant()).cloned();
        let login = login.ok_or_else(|| Failure::Failed(format!("you are not logged in to {}", http.name())))?;
        // First here: what the server does not hear of ends there by itself.
        held.remove(&login)?;
        let body = json!({ "refresh_token": login.refresh_token });
        let (status, answer) = http.json(Method::POST, "/auth/logout", None, Some(&body)).await?;
        success(status, answer)?;
        if args.json {
            output::json(&shown(&login));
        } else {
            output::note(format_args!("logged out of {} in {}", login.server, login.organization));
        }
        Ok(())
    })
}

pub(super) fn whoami(args: WhoamiArgs) -> Outcome {
    let remote = Remote::new(args.remote)?;
    block_on(async {
        let me = remote.call(Method::GET, "/auth/me", None).await?;
        if args.json {
            output::json(&me);
            return Ok(());
        }
        let part = |of: &str, name: &str| me.get(of).map(|value| text(value, name)).unwrap_or_default();
        let list = |name: &str| {
            let words = me.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            words.collect::<Vec<_>>().join(" ")
        };
        output::line(format_args!("{} ({})", part("user", "username"), part("user", "email")));
        output::line(format_args!("{} ({})", part("organization", "name"), part("organization", "slug")));
        output::line(format_args!("roles: {}", list("roles")));
        Ok(())
    })
}
