//! How each kind of value is read from text, and shown.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use tenure_kernel::limits::Rate;
use tenure_platform::domain::identity::Registration;
use tenure_platform::domain::mail::{Sender, SmtpUrl};
use tenure_platform::domain::tenancy::Plan;
use zeroize::Zeroizing;

/// A value as a layer has it. Numbers and booleans are their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Raw {
    Text(String),
    /// Only a file has lists; elsewhere commas separate.
    List(Vec<String>),
}

/// Something that can be set.
pub(crate) trait Value: Sized {
    /// # Errors
    /// What is wrong and what to do, in words that follow the setting's name.
    fn parse(raw: Raw) -> Result<Self, String>;

    /// For `config show`; of a secret only that it is there.
    fn show(&self) -> serde_json::Value;
}

/// One plain value; a list is refused.
fn text(raw: Raw) -> Result<String, String> {
    match raw {
        Raw::Text(text) => Ok(text),
        Raw::List(_) => Err("takes one value, not a list".to_owned()),
    }
}

/// A value that is one of a few words.
pub(crate) fn one_of<T: Copy>(raw: Raw, words: &[(&str, T)]) -> Result<T, String> {
    let given = text(raw)?;
    words.iter().find(|(word, _)| *word == given).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{given:?} is none of {}", known.join(", "))
    })
}

impl<T: Value> Value for Option<T> {
    fn parse(raw: Raw) -> Result<Self, String> {
        T::parse(raw).map(Some)
    }

    fn show(&self) -> serde_json::Value {
        self.as_ref().map_or(serde_json::Value::Null, Value::show)
    }
}

impl Value for String {
    fn parse(raw: Raw) -> Result<Self, String> {
        text(raw)
    }

    fn show(&self) -> serde_json::Value {
        self.as_str().into()
    }
}

impl Value for Vec<String> {
    fn parse(raw: Raw) -> Result<Self, String> {
        Ok(match raw {
            Raw::List(items) => items,
            Raw::Text(text) => {
                text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            }
        })
    }

    fn show(&self) -> serde_json::Value {
        self.clone().into()
    }
}

impl Value for Vec<IpNet> {
    fn parse(raw: Raw) -> Result<Self, String> {
        let net = |text: &String| {
            let address = text.parse::<IpAddr>().map(IpNet::from);
            address.ok().or_else(|| text.parse().ok()).ok_or_else(|| {
                format!("{text:?} is no address or range; write addresses like 10.0.0.5, 10.0.0.0/8 or fd00::/8")
            })
        };
        Vec::<String>::parse(raw)?.iter().map(net).collect()
    }

    fn show(&self) -> serde_json::Value {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().into()
    }
}

impl Value for bool {
    fn parse(raw: Raw) -> Result<Self, String> {
        one_of(raw, &[("true", true), ("false", false)])
    }

    fn show(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl Value for u32 {
    fn parse(raw: Raw) -> Result<Self, String> {
        let given = text(raw)?;
        given.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{given:?} is no whole number above 0"))
    }

    fn show(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl Value for PathBuf {
    fn parse(raw: Raw) -> Result<Self, String> {
        let path = Self::from(text(raw)?);
        // A path that depends on where the process was started would find other data the next time.
        std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn show(&self) -> serde_json::Value {
        self.display().to_string().into()
    }
}

impl Value for SocketAddr {
    fn parse(raw: Raw) -> Result<Self, String> {
        let given = text(raw)?;
        let named = given.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        named.as_deref().unwrap_or(&given).parse().map_err(|_| {
            format!("{given:?} is no address with a port; write it like 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080")
        })
    }

    fn show(&self) -> serde_json::Value {
        self.to_string().into()
    }
}

impl Value for Rate {
    fn parse(raw: Raw) -> Result<Self, String> {
        let given = text(raw)?;
        let parsed = given.split_once('/').and_then(|(requests, seconds)| {
            let seconds = seconds.trim().trim_end_matches('s').trim_end();
            Some(Self { requests: requests.trim().parse().ok()?, seconds: seconds.parse().ok()? })
        });
        parsed
            .filter(|rate| rate.requests > 0 && rate.seconds > 0)
            .ok_or_else(|| format!("{given:?} is no rate; write requests and seconds like 600/60s"))
    }

    fn show(&self) -> serde_json::Value {
        format!("{}/{}s", self.requests, self.seconds).into()
    }
}

impl Value for Registration {
    fn parse(raw: Raw) -> Result<Self, String> {
        one_of(raw, &[("open", Self::Open), ("invite", Self::Invite), ("closed", Self::Closed)])
    }

    fn show(&self) -> serde_json::Value {
        match self {
            Self::Open => "open".into(),
            Self::Invite => "invite".into(),
            Self::Closed => "closed".into(),
        }
    }
}

impl Value for Plan {
    fn parse(raw: Raw) -> Result<Self, String> {
        one_of(raw, &[Self::Free, Self::Pro, Self::Enterprise].map(|plan| (plan.as_str(), plan)))
    }

    fn show(&self) -> serde_json::Value {
        self.as_str().into()
    }
}

impl Value for SmtpUrl {
    fn parse(raw: Raw) -> Result<Self, String> {
        Self::parse(&Zeroizing::new(text(raw)?))
    }

    fn show(&self) -> serde_json::Value {
        self.shown().into()
    }
}

impl Value for Sender {
    fn parse(raw: Raw) -> Result<Self, String> {
        Self::parse(&text(raw)?)
    }

    fn show(&self) -> serde_json::Value {
        self.to_string().into()
    }
}

/// Text that is never shown and is wiped when dropped.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Value for Secret {
    fn parse(raw: Raw) -> Result<Self, String> {
        text(raw).map(|text| Self(Zeroizing::new(text)))
    }

    fn show(&self) -> serde_json::Value {
        "(set)".into()
    }
}

/// A PostgreSQL URL; its password is never shown.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    /// The URL with its password.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Without whatever could be a password: the part before `@` and the query.
    fn redacted(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return "…".to_owned() };
        let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
        let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let user = user.split(':').next().filter(|user| !user.is_empty()).map(|user| format!("{user}:…@"));
        format!("{scheme}://{}{place}", user.unwrap_or_default())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Value for DatabaseUrl {
    fn parse(raw: Raw) -> Result<Self, String> {
        let url = Zeroizing::new(text(raw)?);
        let known = ["postgresql://", "postgres://"].iter().any(|scheme| url.starts_with(scheme));
        if known { Ok(Self(url)) } else { Err("must look like postgresql://user:password@host/database".to_owned()) }
    }

    fn show(&self) -> serde_json::Value {
        self.redacted().into()
    }
}
