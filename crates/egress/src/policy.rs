//! What the platform's configuration says about outbound calls.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use url::{Host, Url};

use crate::address::{RefusedRange, refused_range};
use crate::error::EgressError;

/// The rules of one [`EgressClient`](crate::EgressClient). The default allows every public host and nothing else.
#[derive(Debug, Clone)]
pub struct EgressPolicy {
    /// Hosts that may be called although their address is in a refused range.
    pub allowed: AllowList,
    /// Ranges refused in addition to the built-in ones, such as the operator's own public addresses.
    pub refused_ranges: Vec<IpNet>,
    /// Ports refused unless an [`AllowList`] entry names host *and* port; by default the ports that the Fetch standard
    /// blocks because they speak other protocols.
    pub refused_ports: BTreeSet<u16>,
    /// Bounds in time and size.
    pub limits: EgressLimits,
    /// Certificate authorities trusted in addition to the system's.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Sent as `User-Agent` when the request names none.
    pub user_agent: String,
}

impl Default for EgressPolicy {
    fn default() -> Self {
        Self {
            allowed: AllowList::default(),
            refused_ranges: Vec::new(),
            refused_ports: BTreeSet::from(BLOCKED_PORTS),
            limits: EgressLimits::default(),
            extra_roots: Vec::new(),
            user_agent: concat!("tenure/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl EgressPolicy {
    /// The range that refuses `address`, the configured ranges included. An IPv4-mapped address is the IPv4 one.
    pub(crate) fn refuses(&self, address: IpAddr) -> Option<RefusedRange> {
        let canonical = address.to_canonical();
        refused_range(address).or_else(|| {
            self.refused_ranges.iter().any(|net| net.contains(&canonical)).then_some(RefusedRange::Configured)
        })
    }
}

/// Bounds of one call; a request may ask for less, never for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressLimits {
    /// Name lookup, TCP and TLS together.
    pub connect: Duration,
    /// The whole call: redirects and the last byte of the body included.
    pub total: Duration,
    /// Bytes of a URL after its placeholders are replaced.
    pub url_bytes: usize,
    /// Bytes of the request's headers together, and of its body.
    pub request_header_bytes: usize,
    /// Bytes of the request's body.
    pub request_bytes: usize,
    /// Number of response headers.
    pub response_headers: usize,
    /// Bytes of the response's headers together.
    pub response_header_bytes: usize,
    /// Bytes of the response's body, before and after decompression.
    pub response_bytes: usize,
    /// Redirects followed before the call fails.
    pub redirects: u8,
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(60),
            url_bytes: 8 << 10,
            request_header_bytes: 32 << 10,
            request_bytes: 16 << 20,
            response_headers: 100,
            response_header_bytes: 64 << 10,
            response_bytes: 16 << 20,
            redirects: 5,
        }
    }
}

/// Hosts that the operator names as reachable although they are internal: `host` or `host:port`, no patterns.
///
/// A *name* opens loopback, private and carrier-grade NAT addresses; a metadata or link-local address is reachable only
/// if it is itself in the list. A name that merely resolves to a listed address stays refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct AllowList(Vec<AllowedHost>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct AllowedHost {
    host: Host<String>,
    port: Option<u16>,
}

impl AllowList {
    /// Parses entries such as `receiver.internal`, `127.0.0.1:9000`, `[::1]:9000`.
    ///
    /// # Errors
    /// [`EgressError::Setup`] names the first entry that is not a host with an optional port.
    pub fn new<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, EgressError> {
        entries.into_iter().map(|entry| entry.as_ref().parse()).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `host` at `port` is named, and if so whether the port was named with it.
    pub(crate) fn entry(&self, host: &Host<&str>, port: u16) -> Option<Allowance> {
        let host = canonical(host.to_owned());
        let matching = || self.0.iter().filter(|entry| entry.host == host);
        if matching().any(|entry| entry.port == Some(port)) {
            Some(Allowance::HostAndPort)
        } else {
            matching().any(|entry| entry.port.is_none()).then_some(Allowance::Host)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowance {
    Host,
    HostAndPort,
}

impl TryFrom<Vec<String>> for AllowList {
    type Error = EgressError;

    fn try_from(entries: Vec<String>) -> Result<Self, EgressError> {
        Self::new(entries)
    }
}

impl FromStr for AllowedHost {
    type Err = EgressError;

    fn from_str(entry: &str) -> Result<Self, EgressError> {
        let refuse = || EgressError::Setup(format!("`{entry}` in the allow list is not a host or host:port"));
        // A URL drops its scheme's default port, so `:80` shows only in the https reading and `:443` only in the http one.
        let parse = |scheme: &str| {
            let url = Url::parse(&format!("{scheme}://{entry}/")).ok()?;
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            (bare && url.username().is_empty() && url.password().is_none()).then_some(url)
        };
        if entry.contains(|c: char| c.is_whitespace() || "@/\\?#*%".contains(c)) {
            return Err(refuse());
        }
        let (http, https) = parse("http").zip(parse("https")).ok_or_else(refuse)?;
        let host = http.host().ok_or_else(refuse)?.to_owned();
        Ok(Self { host: canonical(host), port: http.port().or(https.port()) })
    }
}

/// `name.` and `name` are one host here; IPv4-mapped IPv6 is its IPv4 address.
fn canonical(host: Host<String>) -> Host<String> {
    match host {
        Host::Domain(mut name) => {
            if name.ends_with('.') {
                name.pop();
            }
            Host::Domain(name)
        }
        Host::Ipv6(address) => address.to_ipv4_mapped().map_or(Host::Ipv6(address), Host::Ipv4),
        Host::Ipv4(address) => Host::Ipv4(address),
    }
}

/// "Bad ports" of the Fetch standard, <https://fetch.spec.whatwg.org/#port-blocking>.
const BLOCKED_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(list: &AllowList, host: &str, port: u16) -> Option<Allowance> {
        list.entry(&Host::parse(host).unwrap().map_ref(), port)
    }

    trait MapRef {
        fn map_ref(&self) -> Host<&str>;
    }
    impl MapRef for Host<String> {
        fn map_ref(&self) -> Host<&str> {
            match self {
                Self::Domain(name) => Host::Domain(name),
                Self::Ipv4(ip) => Host::Ipv4(*ip),
                Self::Ipv6(ip) => Host::Ipv6(*ip),
            }
        }
    }

    #[test]
    fn an_entry_names_a_host_or_a_host_and_port() {
        let list = AllowList::new(["Hub.Internal.", "127.0.0.1:9000", "[::1]:80", "a.example:443"]).unwrap();
        assert_eq!(entry(&list, "hub.internal", 1234), Some(Allowance::Host));
        assert_eq!(entry(&list, "hub.internal.", 80), Some(Allowance::Host));
        assert_eq!(entry(&list, "127.0.0.1", 9000), Some(Allowance::HostAndPort));
        assert_eq!(entry(&list, "2130706433", 9000), Some(Allowance::HostAndPort));
        assert_eq!(entry(&list, "[::ffff:127.0.0.1]", 9000), Some(Allowance::HostAndPort));
        assert_eq!(entry(&list, "127.0.0.1", 9001), None);
        assert_eq!(entry(&list, "127.0.0.2", 9000), None);
        assert_eq!(entry(&list, "[::1]", 80), Some(Allowance::HostAndPort));
        assert_eq!(entry(&list, "[::1]", 81), None);
        assert_eq!(entry(&list, "a.example", 443), Some(Allowance::HostAndPort));
        assert_eq!(entry(&list, "a.example", 80), None);
        assert_eq!(entry(&list, "b.hub.internal", 80), None);
        assert_eq!(entry(&list, "hub.internal.evil.example", 80), None);
    }

    #[test]
    fn an_entry_that_is_no_host_is_named() {
        for bad in ["", "*.internal", "http://x", "a/b", "u@h", "h:99999", "10.0.0.0/8", "a b", "h?q"] {
            let error = AllowList::new([bad]).unwrap_err();
            assert!(error.to_string().contains(&format!("`{bad}`")), "{bad}: {error}");
        }
    }

    #[test]
    fn blocked_ports_are_distinct() {
        assert_eq!(BTreeSet::from(BLOCKED_PORTS).len(), BLOCKED_PORTS.len());
    }
}
