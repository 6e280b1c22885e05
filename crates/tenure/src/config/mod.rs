//! Settings: small typed structs, one per concern, read once and passed down.
//!
//! A flag beats an environment variable, which beats the TOML file, which beats the default. [`Layers`] remembers where
//! each value came from; `tenure config show` prints it.

mod concerns;
mod file;
mod layers;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use concerns::{
    Auth, DatabaseConfig, Environment, KeysConfig, LogConfig, LogFormat, MailSettings, ServerConfig, SessionSettings,
};
use file::File;
pub(crate) use layers::{Fault, Flags, Layers, Origin, Shown};
use tenure_kernel::limits::{Rates, RedisUrl};
use tenure_platform::domain::identity::Registration;
use tenure_platform::domain::tenancy::Plan;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What this instance is for.
    pub(crate) environment: Environment,
    /// Where everything that is kept lies: PostgreSQL's data, the master key, objects.
    pub(crate) data_dir: PathBuf,
    /// How it is reached.
    pub(crate) server: ServerConfig,
    /// Where PostgreSQL is.
    pub(crate) database: DatabaseConfig,
    /// The key above all keys.
    pub(crate) keys: KeysConfig,
    /// Who may register.
    pub(crate) registration: Registration,
    /// Plan of a new organisation.
    pub(crate) default_plan: Plan,
    /// Whether logins are asked for.
    pub(crate) auth: Auth,
    /// How long logins last.
    pub(crate) sessions: SessionSettings,
    /// How messages are delivered.
    pub(crate) mail: MailSettings,
    /// How long executions that are over are kept; forever if absent.
    pub(crate) keep_executions: Option<Duration>,
    /// Rate limits.
    pub(crate) rates: Rates,
    /// Where all nodes count requests together; each counts for itself if absent.
    pub(crate) shared_limits: Option<RedisUrl>,
    /// What is logged.
    pub(crate) log: LogConfig,
    /// Hosts that outbound calls may reach although their addresses are private.
    pub(crate) egress_allow: Vec<String>,
    /// Whether a plugin needs a signature before it can be activated.
    pub(crate) require_signed_plugins: bool,
    /// Where the guests are that run expressions and plugins; none looks where they usually are.
    pub(crate) guests: Option<PathBuf>,
    /// The file's `[policy]` table, as JSON; the policy domain reads it.
    pub(crate) policy: serde_json::Value,
}

/// What was read, and where each value came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// In the order in which the concerns are read.
    pub(crate) shown: Vec<Shown>,
    /// The file, if there is one.
    pub(crate) file: Option<PathBuf>,
}

/// Settings that do not hold together; all faults at once.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0))]
pub(crate) struct ConfigError(pub(crate) Vec<Fault>);

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Loaded {
    /// Reads the flags, this process's environment, and the file: `flags.config`, else `TENURE_CONFIG`, else the usual
    /// place if there is one there.
    ///
    /// # Errors
    /// Every fault that was found.
    pub(crate) fn read(flags: &Flags) -> Result<Self, ConfigError> {
        Self::read_from(flags, &|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn read_from(flags: &Flags, env: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, ConfigError> {
        let named = flags.config.clone().or_else(|| env("TENURE_CONFIG").map(PathBuf::from));
        let path = named.or_else(|| usual_file(env).filter(|path| path.is_file()));
        let file = path.as_deref().map(File::read).transpose().map_err(|fault| ConfigError(vec![fault]))?;
        let mut layers = Layers::new(flags, env, file);
        let config = Config::read(&mut layers, env);
        let shown = layers.finish().map_err(ConfigError)?;
        Ok(Self { config, shown, file: path })
    }
}

impl Config {
    fn read(layers: &mut Layers<'_>, env: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let environment = layers.get("environment", "TENURE_ENVIRONMENT", Environment::Development);
        let production = environment == Environment::Production;
        let data_dir = layers.get("data_dir", "TENURE_DATA_DIR", usual_data_dir(env));
        let config = Self {
            environment,
            server: ServerConfig::read(layers),
            database: DatabaseConfig::read(layers),
            keys: KeysConfig::read(layers),
            registration: layers.get(
                "registration",
                "TENURE_REGISTRATION",
                if production { Registration::Closed } else { Registration::Open },
            ),
            default_plan: layers.get(
                "plan.default",
                "TENURE_PLAN_DEFAULT",
                if production { Plan::Free } else { Plan::Enterprise },
            ),
            auth: layers.get("auth", "TENURE_AUTH", Auth::On),
            sessions: SessionSettings::read(layers),
            mail: MailSettings::read(layers),
            keep_executions: concerns::keep_executions(layers),
            rates: concerns::rates(layers),
            shared_limits: concerns::shared_limits(layers),
            log: LogConfig::read(layers),
            egress_allow: layers.get("egress.allow", "TENURE_EGRESS_ALLOW", Vec::new()),
            require_signed_plugins: layers.get("plugins.require_signed", "TENURE_PLUGINS_REQUIRE_SIGNED", production),
            guests: layers.optional("guests.dir", "TENURE_GUESTS_DIR"),
            policy: layers.table("policy"),
            data_dir,
        };
        config.check(layers);
        config
    }

    /// What only shows when several values are seen together.
    fn check(&self, layers: &mut Layers<'_>) {
        let production = self.environment == Environment::Production;
        if self.auth == Auth::Off {
            if production {
                layers.refuse("auth", "off is for development; in production everybody logs in: remove it");
            }
            if !self.server.listen.ip().is_loopback() {
                let address = self.server.listen;
                layers.refuse(
                    "auth",
                    format!(
                        "off makes everybody who reaches {address} an administrator; listen on 127.0.0.1, or remove it"
                    ),
                );
            }
        }
        if production && self.keys.master.is_none() {
            layers.refuse(
                "keys.master",
                "is missing: in production the master key does not lie beside the data it protects; make one with \
                 `openssl rand -base64 32`, keep it safe, and pass it in TENURE_MASTER_KEY",
            );
        }
        if self.mail.smtp_url.is_some() && self.mail.from.is_none() {
            layers.refuse(
                "mail.from",
                "is missing: mail has to be from somebody; write an address that the server lets you use",
            );
        }
        if production && self.mail.smtp_url.is_some() && self.server.public_url.is_none() {
            layers.refuse(
                "server.public_url",
                "is missing: the links in messages must lead here from the reader's machine",
            );
        }
        if self.database.url.is_some() != self.database.system_url.is_some() {
            layers.refuse(
                if self.database.url.is_some() { "database.system_url" } else { "database.url" },
                "is missing: a database of your own needs both logins; `tenure migrate --create-roles` makes and prints them",
            );
        }
    }
}

/// As root `/var/lib/tenure`, because PostgreSQL's user cannot enter root's home; else the user's data directory.
fn usual_data_dir(env: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/tenure");
    }
    let below_home = |rest: &str| env("HOME").map(|home| Path::new(&home).join(rest));
    env("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| below_home(".local/share"))
        .unwrap_or_else(|| PathBuf::from("."))
        .join("tenure")
}

fn usual_file(env: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        return Some(PathBuf::from("/etc/tenure/tenure.toml"));
    }
    let configs = env("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(configs.join("tenure/tenure.toml"))
}

#[cfg(test)]
mod tests;
