//! The concerns that have several settings each.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tenure_kernel::limits::{Rate, Rates, RedisUrl};
use tenure_platform::domain::identity::{LONGEST_TOKEN, TokenConfig};
use tenure_platform::domain::mail::{Authority, Sender, SmtpUrl};

use super::layers::Layers;
use super::values::{DatabaseUrl, Raw, Secret, Span, Value, one_of};

/// What an instance is for; decides defaults, and what is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    Development,
    Production,
}

impl Environment {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

impl Value for Environment {
    fn parse(raw: Raw) -> Result<Self, String> {
        one_of(raw, &[Self::Development, Self::Production].map(|word| (word.as_str(), word)))
    }

    fn show(&self) -> serde_json::Value {
        self.as_str().into()
    }
}

/// Whether logins are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    On,
    /// Every request that brings no token is the local administrator's.
    Off,
}

impl Value for Auth {
    fn parse(raw: Raw) -> Result<Self, String> {
        one_of(raw, &[("on", Self::On), ("off", Self::Off)])
    }

    fn show(&self) -> serde_json::Value {
        match self {
            Self::On => "on".into(),
            Self::Off => "off".into(),
        }
    }
}

/// How the server is reached.
#[derive(Debug, Clone)]
pub(crate) struct ServerConfig {
    /// Address and port; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// What users type, without a final slash; it is the issuer of tokens. The address listened on if absent.
    pub(crate) public_url: Option<String>,
    /// A built console (`console/dist`) to serve instead of the one in the binary.
    pub(crate) assets: Option<PathBuf>,
    /// Proxies in front, whose `X-Forwarded-For` is believed; nobody else's is.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

impl ServerConfig {
    pub(super) fn read(layers: &mut Layers<'_>) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let listen = layers.get("server.listen", "TENURE_LISTEN", default);
        let public_url = layers.optional::<String>("server.public_url", "TENURE_PUBLIC_URL");
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        if public_url.as_deref().is_some_and(|url| !is_origin(url)) {
            layers.refuse("server.public_url", "must be like https://tenure.example.com: scheme, host, perhaps a port");
        }
        Self {
            listen,
            public_url,
            assets: layers.optional("server.assets", "TENURE_ASSETS"),
            trusted_proxies: layers.get("server.trusted_proxies", "TENURE_TRUSTED_PROXIES", Vec::new()),
        }
    }
}

/// Whether the text is `http(s)://host[:port]` and nothing more.
fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    authority.is_some_and(|authority| !authority.is_empty() && authority.chars().all(plain))
}

/// Where PostgreSQL is.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseConfig {
    /// Login `tenure_app` of a server of your own; without it PostgreSQL runs embedded.
    pub(crate) url: Option<DatabaseUrl>,
    /// Login `tenure_system` of the same database.
    pub(crate) system_url: Option<DatabaseUrl>,
    /// A login that may become `tenure_owner`; only `tenure migrate` uses it.
    pub(crate) owner_url: Option<DatabaseUrl>,
    /// Directory of PostgreSQL's programs, for the embedded one.
    pub(crate) bin: Option<PathBuf>,
    /// How many connections serve tenants' requests.
    pub(crate) app_connections: u32,
    /// How many connections serve work across tenants.
    pub(crate) system_connections: u32,
}

impl DatabaseConfig {
    pub(super) fn read(layers: &mut Layers<'_>) -> Self {
        Self {
            url: layers.optional("database.url", "DATABASE_URL"),
            system_url: layers.optional("database.system_url", "TENURE_SYSTEM_DATABASE_URL"),
            owner_url: layers.optional("database.owner_url", "TENURE_OWNER_DATABASE_URL"),
            bin: layers.optional("database.bin", "TENURE_PG_BIN"),
            app_connections: layers.get("database.app_connections", "TENURE_DATABASE_APP_CONNECTIONS", 24),
            system_connections: layers.get("database.system_connections", "TENURE_DATABASE_SYSTEM_CONNECTIONS", 12),
        }
    }
}

/// The key that wraps the tenants' keys.
#[derive(Debug, Clone)]
pub(crate) struct KeysConfig {
    /// 32 bytes in base64 or hex; without it a key is generated beside the data, in development only.
    pub(crate) master: Option<Secret>,
}

impl KeysConfig {
    pub(super) fn read(layers: &mut Layers<'_>) -> Self {
        Self { master: layers.optional("keys.master", "TENURE_MASTER_KEY") }
    }
}

/// How long logins and their tokens last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionSettings {
    /// An access token.
    pub(crate) access_token: Duration,
    /// A login that is not used.
    pub(crate) unused: Duration,
    /// A login, however much it is used.
    pub(crate) longest: Duration,
}

impl SessionSettings {
    pub(super) fn read(layers: &mut Layers<'_>) -> Self {
        let default = TokenConfig::default();
        let mut get = |key, variable, default| layers.get(key, variable, Span(default)).0;
        let this = Self {
            access_token: get("sessions.access_token", "TENURE_SESSIONS_ACCESS_TOKEN", default.access_ttl),
            unused: get("sessions.unused", "TENURE_SESSIONS_UNUSED", default.refresh_ttl),
            longest: get("sessions.longest", "TENURE_SESSIONS_LONGEST", default.login_ttl),
        };
        if this.access_token > LONGEST_TOKEN {
            layers.refuse("sessions.access_token", "is more than 24h; no token is taken that lasts longer");
        }
        if this.unused > this.longest {
            layers.refuse("sessions.unused", "is more than sessions.longest: such a login would end before");
        }
        this
    }
}

/// How messages are delivered.
#[derive(Debug, Clone)]
pub(crate) struct MailSettings {
    /// The server that takes them.
    pub(crate) smtp_url: Option<SmtpUrl>,
    /// Whom they are from.
    pub(crate) from: Option<Sender>,
    /// Certificates of the authority that the server's is from, beside the machine's own.
    pub(crate) authority: Option<Authority>,
}

impl MailSettings {
    pub(super) fn read(layers: &mut Layers<'_>) -> Self {
        let smtp_url = layers.optional("mail.smtp_url", "TENURE_MAIL_SMTP_URL");
        let from = layers.optional("mail.from", "TENURE_MAIL_FROM");
        let file: Option<PathBuf> = layers.optional("mail.ca_file", "TENURE_MAIL_CA_FILE");
        let read = |path: &PathBuf| {
            let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Authority::parse(&pem).map_err(|wrong| format!("{} {wrong}", path.display()))
        };
        let authority = match file.as_ref().map(read).transpose() {
            Ok(authority) => authority,
            Err(wrong) => {
                layers.refuse("mail.ca_file", wrong);
                None
            }
        };
        Self { smtp_url, from, authority }
    }
}

/// How long executions that are over are kept; forever where nothing says otherwise.
pub(super) fn keep_executions(layers: &mut Layers<'_>) -> Option<Duration> {
    const DAY: u64 = 24 * 60 * 60;
    let keep = layers.optional::<Span>("executions.keep", "TENURE_EXECUTIONS_KEEP")?.0;
    if !keep.as_secs().is_multiple_of(DAY) || keep.as_secs() > 36_500 * DAY {
        layers.refuse("executions.keep", "must be whole days, at most 36500d; write it like 90d");
    }
    Some(keep)
}

/// Rate limits of this node.
pub(super) fn rates(layers: &mut Layers<'_>) -> Rates {
    let default = Rates::default();
    let mut get = |key, variable, default: Rate| layers.get(key, variable, default);
    Rates {
        address: get("limits.address", "TENURE_LIMITS_ADDRESS", default.address),
        user: get("limits.user", "TENURE_LIMITS_USER", default.user),
        tenant: get("limits.tenant", "TENURE_LIMITS_TENANT", default.tenant),
        key: get("limits.key", "TENURE_LIMITS_KEY", default.key),
        key_long: get("limits.key_long", "TENURE_LIMITS_KEY_LONG", default.key_long),
    }
}

/// Where all nodes count requests together.
pub(super) fn shared_limits(layers: &mut Layers<'_>) -> Option<RedisUrl> {
    layers.optional("limits.redis_url", "TENURE_LIMITS_REDIS_URL")
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

impl Value for LogFormat {
    fn parse(raw: Raw) -> Result<Self, String> {
        one_of(raw, &[("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json)])
    }

    fn show(&self) -> serde_json::Value {
        match self {
            Self::Auto => "auto".into(),
            Self::Text => "text".into(),
            Self::Json => "json".into(),
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    /// A level, or directives such as `info,tenure_kernel=debug`.
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

impl LogConfig {
    pub(super) fn read(layers: &mut Layers<'_>) -> Self {
        let filter: String =
            layers.get("log.level", "TENURE_LOG", if layers.quiet() { "warn" } else { "info" }.to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            layers
                .refuse("log.level", format!("{error}; write a level (error, warn, info, debug, trace) or directives"));
        }
        Self { filter, format: layers.get("log.format", "TENURE_LOG_FORMAT", LogFormat::Auto) }
    }
}
