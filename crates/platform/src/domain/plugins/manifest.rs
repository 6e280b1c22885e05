//! `plugin.yaml`

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use semver::{Version, VersionReq};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tenure_kernel::error::FieldError;
use tenure_sandbox::PythonLimits;
use tenure_workflow::document::{self, Limits as DocumentLimits, SyntaxFault};
use tenure_workflow::{ByteSize, Timespan};
use utoipa::ToSchema;

use super::model::PluginVersionNumber;

/// The most bytes of a manifest.
const MAX_MANIFEST: usize = 256 * 1024;
const MAX_EXAMPLES: usize = 20;
const MAX_HOSTS: usize = 20;
const MAX_DEPENDENCIES: usize = 50;
/// The most characters of an icon; a picture of its own takes some thousand.
pub(super) const MAX_ICON: usize = 64 * 1024;
const ICONS: [&str; 4] =
    ["https://", "data:image/png;base64,", "data:image/svg+xml;base64,", "data:image/webp;base64,"];
/// Tenure itself, among dependencies.
pub(super) const TENURE: &str = "tenure";

/// What a plugin may do beyond computing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Capability {
    /// Write to the step's log.
    Log,
    /// Call these hosts, through the platform's guarded client.
    Http(HttpCapability),
}

/// Which hosts a plugin may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpCapability {
    /// Host names, exactly.
    pub hosts: Vec<String>,
}

/// A manifest that can be read and holds together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// `publisher/name`.
    pub(super) name: String,
    #[serde(deserialize_with = "from_text")]
    pub(super) version: PluginVersionNumber,
    pub(super) kind: String,
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) author: Option<String>,
    pub(super) license: Option<String>,
    pub(super) homepage: Option<String>,
    /// An `https` address, or the image itself as a `data:` URL.
    pub(super) icon: Option<String>,
    /// Ranges of versions, by the names of plugins and of [`TENURE`].
    #[serde(default)]
    pub(super) dependencies: BTreeMap<String, String>,
    /// The oldest release that it runs on.
    #[serde(default, deserialize_with = "from_optional_text")]
    pub(super) min_tenure: Option<PluginVersionNumber>,
    pub(super) entry: Option<String>,
    #[serde(default)]
    pub(super) capabilities: Vec<Capability>,
    #[serde(default)]
    pub(super) limits: Limits,
    pub(super) config_schema: Option<Value>,
    pub(super) inputs: Option<Value>,
    pub(super) outputs: Option<Value>,
    #[serde(default)]
    pub(super) examples: Vec<Example>,
}

/// Limits below the platform's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    cpu: Option<Timespan>,
    timeout: Option<Timespan>,
    #[serde(default, deserialize_with = "from_optional_text")]
    memory: Option<ByteSize>,
    #[serde(default, deserialize_with = "from_optional_text")]
    output: Option<ByteSize>,
    #[serde(default, deserialize_with = "from_optional_text")]
    log: Option<ByteSize>,
    host_calls: Option<u32>,
}

impl Limits {
    /// These, and the platform's where nothing is said. Of the output a node asks for its share below that.
    pub(super) fn python(&self) -> PythonLimits {
        let most = PythonLimits::most();
        let time = |asked: Option<Timespan>, most: Duration| asked.map_or(most, Timespan::as_duration).min(most);
        let bytes = |asked: Option<ByteSize>, most: usize| {
            asked.map_or(most, |asked| usize::try_from(asked.0).unwrap_or(usize::MAX)).min(most)
        };
        PythonLimits {
            cpu: time(self.cpu, most.cpu),
            wall: time(self.timeout, most.wall),
            memory: bytes(self.memory, most.memory),
            output: bytes(self.output, most.output),
            log: bytes(self.log, most.log),
            host_calls: self.host_calls.unwrap_or(most.host_calls).min(most.host_calls),
        }
    }
}

/// A call with what must come out: a test at upload, documentation afterwards.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    pub(super) name: Option<String>,
    /// The execution's input: short for `state: {input: …}`.
    pub(super) input: Option<Value>,
    /// First argument of `execute`.
    pub(super) state: Option<Value>,
    #[serde(default = "empty")]
    pub(super) config: Value,
    pub(super) output: Value,
}

impl Example {
    pub(super) fn state(&self) -> Value {
        match (&self.state, &self.input) {
            (Some(state), _) => state.clone(),
            (None, input) => serde_json::json!({"input": input, "state": {}, "execution": {}}),
        }
    }
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

fn from_optional_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    from_text(deserializer).map(Some)
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ManifestFault {
    pub(super) pointer: String,
    pub(super) detail: String,
    pub(super) line: Option<u32>,
}

impl From<SyntaxFault> for ManifestFault {
    fn from(fault: SyntaxFault) -> Self {
        Self { pointer: String::new(), detail: fault.message, line: Some(fault.at.line) }
    }
}

impl ManifestFault {
    fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), line: None }
    }

    pub(super) fn field(&self) -> FieldError {
        FieldError {
            pointer: "/manifest".to_owned(),
            detail: format!("{}{}{}", self.pointer, if self.pointer.is_empty() { "" } else { ": " }, self.detail),
            code: None,
        }
    }
}

impl Manifest {
    pub(super) fn parse(text: &str) -> Result<Self, ManifestFault> {
        if text.contains('\0') {
            return Err(ManifestFault::at("", "must not hold NUL characters"));
        }
        let tree =
            document::read(text.as_bytes(), &DocumentLimits { bytes: MAX_MANIFEST, ..DocumentLimits::default() })?;
        let manifest: Self = serde_path_to_error::deserialize(tree.to_value()).map_err(|error| {
            let path = error.path().to_string();
            let pointer = if path == "." {
                String::new()
            } else {
                format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
            };
            ManifestFault::at(pointer, error.into_inner().to_string())
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestFault> {
        if !is_plugin_name(&self.name) {
            let detail = "must be publisher/name, each of lower-case letters, digits and inner hyphens, at most 64";
            return Err(ManifestFault::at("/name", detail));
        }
        if self.kind != "node" {
            return Err(ManifestFault::at("/kind", "must be `node`; other kinds come in later releases"));
        }
        if self.entry.as_deref().is_some_and(|entry| entry != "main.py") {
            return Err(ManifestFault::at("/entry", "must be `main.py`: plugins are Python source in this release"));
        }
        let texts = [
            ("/display_name", &self.display_name, 100),
            ("/description", &self.description, 2_000),
            ("/author", &self.author, 200),
            ("/license", &self.license, 100),
            ("/homepage", &self.homepage, 500),
        ];
        for (pointer, text, most) in texts {
            if text.as_ref().is_some_and(|text| text.chars().count() > most) {
                return Err(ManifestFault::at(pointer, format!("must be at most {most} characters")));
            }
        }
        let icon = |icon: &String| {
            icon.len() <= MAX_ICON
                && ICONS.iter().any(|start| icon.starts_with(start))
                && !icon.contains(char::is_whitespace)
        };
        if !self.icon.as_ref().is_none_or(icon) {
            let detail = format!(
                "must be an https address or a data: URL of a PNG, SVG or WebP image in base64, at most {MAX_ICON} characters"
            );
            return Err(ManifestFault::at("/icon", detail));
        }
        self.check_needs()?;
        if self.examples.len() > MAX_EXAMPLES {
            return Err(ManifestFault::at("/examples", format!("must be at most {MAX_EXAMPLES}")));
        }
        Ok(())
    }

    /// Whether this release will do, and whether the rest of what it needs can be found.
    fn check_needs(&self) -> Result<(), ManifestFault> {
        let Ok(this) = Version::parse(env!("CARGO_PKG_VERSION")) else {
            return Err(ManifestFault::at("", "this build does not know its own version"));
        };
        if let Some(least) = self.min_tenure.as_ref().filter(|least| least.0 > this) {
            let detail = format!("asks for Tenure {}, and this is {this}; upgrade, or use an earlier version", least.0);
            return Err(ManifestFault::at("/min_tenure", detail));
        }
        if self.dependencies.len() > MAX_DEPENDENCIES {
            return Err(ManifestFault::at("/dependencies", format!("must be at most {MAX_DEPENDENCIES}")));
        }
        for (name, range) in &self.dependencies {
            let at = |detail: String| ManifestFault::at(format!("/dependencies/{}", name.replace('/', "~1")), detail);
            let range = VersionReq::parse(range)
                .map_err(|error| at(format!("must be a range of versions such as ^1.2: {error}")))?;
            match name.as_str() {
                TENURE if range.matches(&this) => {}
                TENURE => return Err(at(format!("asks for Tenure {range}, and this is {this}"))),
                own if own == self.name => return Err(at("a plugin cannot need itself".to_owned())),
                other if is_plugin_name(other) => {}
                _ => return Err(at("must be `tenure` or the name of a plugin, publisher/name".to_owned())),
            }
        }
        Ok(())
    }

    /// What is wrong with the capabilities that it asks for.
    pub(super) fn check_capabilities(&self) -> Result<(), String> {
        for capability in &self.capabilities {
            let Capability::Http(HttpCapability { hosts }) = capability else { continue };
            if hosts.is_empty() || hosts.len() > MAX_HOSTS {
                return Err(format!("http must name 1 to {MAX_HOSTS} hosts"));
            }
            if let Some(host) = hosts.iter().find(|host| !is_host(host)) {
                return Err(format!(
                    "`{host}` is no host name; write it out in lower case, without scheme, port or `*`"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn display_name(&self) -> String {
        self.display_name.clone().unwrap_or_else(|| self.name.clone())
    }
}

/// `publisher/name`
fn is_plugin_name(name: &str) -> bool {
    let slug = |part: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=64).contains(&part.len()) && part.bytes().all(plain) && !part.starts_with('-')
    };
    name.split_once('/').is_some_and(|(publisher, name)| slug(publisher) && slug(name))
}

/// Letters, digits, hyphens and dots, with labels of 1 to 63 (RFC 1123, 2.1), and no number alone: that is an address.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    let named = host.rsplit('.').next().is_some_and(|last| last.bytes().any(|b| b.is_ascii_lowercase()));
    host.len() <= 253 && named && !host.starts_with("0x") && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name: acme/classify\nversion: 1.2.0\nkind: node\n";

    fn fault(text: &str) -> ManifestFault {
        Manifest::parse(text).unwrap_err()
    }

    #[test]
    fn a_manifest_says_who_what_and_how_much() {
        let text = format!(
            "{GOOD}display_name: Classify\ncapabilities: [log, {{http: {{hosts: [api.example.com]}}}}]\nlimits: {{cpu: 1s, memory: 64MiB}}\n\
             examples:\n  - input: {{text: hi}}\n    output: {{label: ok}}\n"
        );
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest.capabilities.len(), 2);
        assert_eq!(manifest.limits.python().cpu, Duration::from_secs(1));
        assert_eq!(manifest.limits.python().memory, 64 << 20);
        assert_eq!(manifest.limits.python().wall, PythonLimits::default().wall);
        assert_eq!(manifest.examples[0].state()["input"]["text"], "hi");
        assert!(manifest.check_capabilities().is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert_eq!(fault("kind: node\nname: }").line, Some(2));
        assert_eq!(fault(&format!("{GOOD}nme: x")).pointer, "/nme");
        assert_eq!(fault(&GOOD.replace("1.2.0", "one")).pointer, "/version");
        assert_eq!(fault(&GOOD.replace("acme/classify", "Acme/classify")).pointer, "/name");
        assert_eq!(fault(&GOOD.replace("acme/classify", "classify")).pointer, "/name");
        assert_eq!(fault(&GOOD.replace("node", "connector")).pointer, "/kind");
        assert_eq!(fault(&format!("{GOOD}capabilities: [secret]")).pointer, "/capabilities/0");
        assert_eq!(fault(&format!("{GOOD}limits: {{memory: lots}}")).pointer, "/limits/memory");
        assert!(Manifest::parse(&"[".repeat(10_000)).is_err());
    }

    #[test]
    fn what_a_plugin_needs_must_be_had() {
        let this = env!("CARGO_PKG_VERSION");
        let good = format!(
            "{GOOD}icon: https://example.com/a.png\nmin_tenure: {this}\ndependencies: {{acme/tokens: ^1, tenure: '{this}'}}\n"
        );
        let manifest = Manifest::parse(&good).unwrap();
        assert_eq!(manifest.dependencies["acme/tokens"], "^1");
        for (bad, pointer) in [
            ("min_tenure: 99.0.0", "/min_tenure"),
            ("min_tenure: soon", "/min_tenure"),
            ("dependencies: {tenure: ^99}", "/dependencies/tenure"),
            ("dependencies: {acme/tokens: newest}", "/dependencies/acme~1tokens"),
            ("dependencies: {tokens: ^1}", "/dependencies/tokens"),
            ("dependencies: {acme/classify: ^1}", "/dependencies/acme~1classify"),
            ("icon: http://example.com/a.png", "/icon"),
            ("icon: javascript:alert(1)", "/icon"),
            ("icon: 'data:text/html;base64,AAAA'", "/icon"),
        ] {
            assert_eq!(fault(&format!("{GOOD}{bad}")).pointer, pointer, "{bad}");
        }
    }

    #[test]
    fn limits_are_only_lowered() {
        let text = format!(
            "{GOOD}limits: {{cpu: 1h, timeout: 1h, memory: 65536MiB, output: 1024MiB, host_calls: 4000000000}}"
        );
        assert_eq!(Manifest::parse(&text).unwrap().limits.python(), PythonLimits::most());
    }

    #[test]
    fn hosts_are_names() {
        for good in ["api.example.com", "localhost", "a-b.c1.io", "xn--bcher-kva.example"] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "*.example.com",
            "https://a.b",
            "a.b:80",
            "A.b",
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "[::1]",
            "a..b",
            "-a.b",
            "a.b.",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
