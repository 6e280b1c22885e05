//! The client: each hop is checked, connected to a checked address, bounded and redacted.

use std::collections::{BTreeMap, HashSet};
use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Host;

use crate::decode::BodySink;
use crate::error::EgressError;
use crate::gate::{Destination, Gate};
use crate::placeholders::Placeholders;
use crate::policy::{Allowance, EgressLimits, EgressPolicy};
use crate::prepare::Hop;
use crate::redact::Redactor;
use crate::redirect::{is_redirect, next_hop};
use crate::request::{EgressRequest, EgressResponse, Timing};
use crate::resolve::{GuardedResolver, Lanes, Lookup, Reach, ResolveFailure, SystemLookup};

/// Bodies from here on are redacted on a thread of their own.
const LARGE_BODY: usize = 64 << 10;
/// Large bodies that are redacted at one time.
const LARGE_AT_ONCE: usize = 4;

/// The one way out. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct EgressClient {
    policy: Arc<EgressPolicy>,
    /// For everybody's hosts.
    public: reqwest::Client,
    /// Places among the name lookups, by caller.
    lanes: Arc<Lanes>,
    /// Turns for redacting large bodies: each takes several times its body in memory.
    redactions: Arc<Semaphore>,
    /// For hosts of the allow-list, so that a connection made under an allowance is never used without one.
    named: reqwest::Client,
}

impl EgressClient {
    /// A client that resolves names as the operating system does.
    ///
    /// # Errors
    /// [`EgressError::Setup`] if TLS cannot be set up.
    pub fn new(policy: EgressPolicy) -> Result<Self, EgressError> {
        Self::with_lookup(policy, Arc::new(SystemLookup::default()))
    }

    /// A client that resolves names with `lookup`, whose answers are checked all the same.
    ///
    /// # Errors
    /// [`EgressError::Setup`] if TLS cannot be set up.
    pub fn with_lookup(policy: EgressPolicy, lookup: Arc<dyn Lookup>) -> Result<Self, EgressError> {
        let policy = Arc::new(policy);
        let tls = tls(&policy)?;
        let build = |reach| {
            let resolver = GuardedResolver { lookup: lookup.clone(), policy: policy.clone(), reach };
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .http1_only()
                .http1_max_headers(policy.limits.response_headers)
                .user_agent(policy.user_agent.as_str())
                .connect_timeout(policy.limits.connect)
                .pool_idle_timeout(Duration::from_secs(30))
                .pool_max_idle_per_host(16)
                .dns_resolver(Arc::new(resolver))
                .build()
                .map_err(|error| EgressError::Setup(format!("{:?}", error.without_url())))
        };
        let redactions = Arc::new(Semaphore::new(LARGE_AT_ONCE));
        Ok(Self {
            public: build(Reach::Public)?,
            named: build(Reach::Named)?,
            redactions,
            lanes: Arc::default(),
            policy,
        })
    }

    /// Sends `request` with its placeholders replaced, follows redirects, and returns the whole response, whatever its
    /// status. Before each hop `gate` is asked whether the call may go there. Dropping the future closes the connection.
    ///
    /// # Errors
    /// See [`EgressError`]; none of its texts holds a secret or an address that the request did not name.
    pub async fn send(
        &self,
        request: EgressRequest,
        secrets: &Placeholders,
        gate: &dyn Gate,
    ) -> Result<EgressResponse, EgressError> {
        let limits = self.policy.limits;
        let total = request.timeout.map_or(limits.total, |timeout| timeout.min(limits.total));
        let mut redactor = Redactor::new(secrets);
        let hop = Hop::prepare(&request, secrets, &limits, &mut redactor)?;
        let mut call = Call {
            client: self,
            gate,
            started: Instant::now(),
            label: hop.label.clone(),
            redactor: Arc::new(redactor),
            response_bytes: request.max_response_bytes.map_or(limits.response_bytes, |n| n.min(limits.response_bytes)),
            max_redirects: request.max_redirects.map_or(limits.redirects, |n| n.min(limits.redirects)),
        };
        let run = self.lanes.run(request.caller, call.run(hop));
        match tokio::time::timeout(total, run).await {
            Ok(result) => result,
            Err(_) => Err(EgressError::Timeout { host: call.label, after: total }),
        }
    }

    /// Checks what the URL itself says, and picks the client that may reach it.
    fn admit(&self, hop: &Hop) -> Result<(&reqwest::Client, Reach), EgressError> {
        let invalid = || EgressError::invalid("the url has no host");
        let host = hop.url.host().ok_or_else(invalid)?;
        let port = hop.url.port_or_known_default().ok_or_else(invalid)?;
        let allowance = self.policy.allowed.entry(&host, port);
        if allowance != Some(Allowance::HostAndPort) && self.policy.refused_ports.contains(&port) {
            return Err(EgressError::RefusedPort { port });
        }
        if allowance.is_some() {
            return Ok((&self.named, Reach::Named));
        }
        // The connector takes literals as they are, past its resolver; whatever it could read as one is checked here.
        let literal = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(name) if is_localhost(name) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Host::Domain(name) => name.parse().ok(),
        };
        match literal.and_then(|address| self.policy.refuses(address)) {
            Some(range) => Err(EgressError::RefusedLiteral { host: hop.label.clone(), range }),
            None => Ok((&self.public, Reach::Public)),
        }
    }
}

/// One call under way.
struct Call<'a> {
    client: &'a EgressClient,
    gate: &'a dyn Gate,
    started: Instant,
    /// The host now talked to.
    label: String,
    redactor: Arc<Redactor>,
    response_bytes: usize,
    max_redirects: u8,
}

impl Call<'_> {
    async fn run(&mut self, mut hop: Hop) -> Result<EgressResponse, EgressError> {
        let mut redirects = 0;
        let mut seen = HashSet::new();
        loop {
            self.label.clone_from(&hop.label);
            let response = self.exchange(&hop).await?;
            let location = response.headers().get(header::LOCATION).filter(|_| is_redirect(response.status()));
            let Some(location) = location.filter(|_| self.max_redirects > 0) else {
                return self.receive(response, hop.shown_url, redirects).await;
            };
            if redirects == self.max_redirects {
                return Err(EgressError::limit("number of redirects", self.max_redirects.into(), "redirects"));
            }
            seen.insert((hop.method.clone(), hop.url.clone()));
            hop = next_hop(hop, response.status(), location.as_bytes(), &self.redactor)?;
            if seen.contains(&(hop.method.clone(), hop.url.clone())) {
                return Err(EgressError::RefusedRedirect {
                    host: hop.label,
                    reason: "it leads back to where it came from".to_owned(),
                });
            }
            redirects += 1;
        }
    }

    /// Sends one request and reads the response's head.
    async fn exchange(&self, hop: &Hop) -> Result<reqwest::Response, EgressError> {
        let (client, reach) = self.client.admit(hop)?;
        // Here and nowhere else: every hop passes, with the URL as it goes to the wire.
        let host = plain_host(&hop.url).ok_or_else(|| EgressError::invalid("the url has no host"))?;
        let is_secret = self.redactor.occurs_in(host.as_bytes());
        self.gate.admit(Destination { host: &host, is_secret }).await?;
        let mut request = client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        if !hop.body.is_empty() {
            request = request.body(hop.body.clone());
        }
        let response = request.send().await.map_err(|error| self.explain(&error))?;
        // Only a flaw of this client or of its libraries gets here; the response must not.
        if let Some(peer) = response.remote_addr().filter(|_| reach == Reach::Public)
            && let Some(range) = self.client.policy.refuses(peer.ip())
        {
            return Err(EgressError::RefusedName { host: hop.label.clone(), range });
        }
        let size: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let limit = self.limits().response_header_bytes;
        if size > limit { Err(EgressError::limit("response headers", limit, "bytes")) } else { Ok(response) }
    }

    /// Reads the response's body and takes the secrets out of all of it.
    async fn receive(
        &self,
        mut response: reqwest::Response,
        final_url: String,
        redirects: u8,
    ) -> Result<EgressResponse, EgressError> {
        let head = self.started.elapsed();
        let declared = response.content_length().and_then(|length| usize::try_from(length).ok());
        if declared.is_some_and(|length| length > self.response_bytes) {
            return Err(EgressError::limit("response body", self.response_bytes, "bytes"));
        }
        let mut headers = self.shown_headers(response.headers());
        let encoding = headers.remove(header::CONTENT_ENCODING.as_str());
        let mut sink = BodySink::new(encoding.as_deref(), self.response_bytes)
            .map_err(|reason| EgressError::network(&self.label, reason))?;
        while let Some(chunk) = response.chunk().await.map_err(|error| self.explain(&error))? {
            sink.push(&chunk, &self.label)?;
        }
        let (body, received_bytes) = sink.finish(&self.label)?;
        let redacted = self.redacted(body).await?;
        Ok(EgressResponse {
            status: response.status(),
            headers,
            body: Bytes::from(redacted),
            final_url,
            redirects,
            timing: Timing { head, total: self.started.elapsed() },
            received_bytes,
        })
    }

    /// Searching megabytes takes tens of milliseconds, which are not the runtime's to spend.
    async fn redacted(&self, body: Vec<u8>) -> Result<Vec<u8>, EgressError> {
        if body.len() < LARGE_BODY || self.redactor.is_empty() {
            return Ok(self.redactor.redacted(body));
        }
        if !self.redactor.can_search(&body) {
            return Err(EgressError::limit("response body, searched for so many secrets,", LARGE_BODY, "bytes"));
        }
        let turn = self.client.redactions.clone().acquire_owned().await;
        let turn = turn.map_err(|_| EgressError::Setup("the response could not be redacted".to_owned()))?;
        let redactor = self.redactor.clone();
        let task = tokio::task::spawn_blocking(move || {
            // Held until it is done, whatever became of the caller.
            let _turn = turn;
            redactor.redacted(body)
        });
        task.await.map_err(|_| EgressError::Setup("the response could not be redacted".to_owned()))
    }

    fn shown_headers(&self, headers: &HeaderMap) -> BTreeMap<String, String> {
        headers
            .keys()
            .map(|name| {
                let separator = if name == header::SET_COOKIE { "\n" } else { ", " };
                let values: Vec<_> =
                    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
                let value = self.redactor.text(&values.join(separator)).into_owned();
                (self.redactor.text(name.as_str()).into_owned(), value)
            })
            .collect()
    }

    /// An error of the libraries in our own words: theirs may hold the URL, addresses and what the server sent.
    fn explain(&self, error: &reqwest::Error) -> EgressError {
        let host = self.label.clone();
        if let Some(failure) = source::<ResolveFailure>(error) {
            return match *failure {
                ResolveFailure::Refused(range) => EgressError::RefusedName { host, range },
                ResolveFailure::Unknown => EgressError::network(&host, "its name does not resolve: check its spelling"),
            };
        }
        if error.is_timeout() {
            return EgressError::ConnectTimeout { host, after: self.limits().connect };
        }
        if source::<hyper::Error>(error).is_some_and(hyper::Error::is_parse_too_large) {
            let limit = self.limits().response_headers;
            return EgressError::limit("number or size of response headers", limit, "headers");
        }
        if let Some(tls) = source::<rustls::Error>(error) {
            return EgressError::network(&host, tls_reason(tls));
        }
        let reason = match source::<std::io::Error>(error).map(std::io::Error::kind) {
            Some(std::io::ErrorKind::ConnectionRefused) => "the connection was refused: check that it is up",
            Some(std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe) => "the connection was reset",
            Some(std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable) => {
                "there is no route to it"
            }
            _ if error.is_connect() => "the connection failed",
            _ => "the connection ended or the response was not valid http",
        };
        EgressError::network(&host, reason)
    }

    fn limits(&self) -> &EgressLimits {
        &self.client.policy.limits
    }
}

/// The host as rules write it.
fn plain_host(url: &url::Url) -> Option<String> {
    Some(match url.host()? {
        Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => IpAddr::V6(address).to_canonical().to_string(),
    })
}

/// RFC 6761 section 6.3: these names are loopback, whatever a resolver makes of them.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// The first error of type `E` behind `error`. An `io::Error` hides what it wraps from `source`, so it is opened.
fn source<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn tls_reason(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Certificate;
    match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => {
            "its certificate comes from an authority that is not trusted here"
        }
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "its certificate is for another name",
        rustls::Error::InvalidCertificate(_) => "its certificate is not valid",
        _ => "tls failed",
    }
}

/// TLS 1.2 and 1.3 by aws-lc-rs, trusting the system's authorities and the policy's.
fn tls(policy: &EgressPolicy) -> Result<ClientConfig, EgressError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in &policy.extra_roots {
        roots
            .add(certificate.clone())
            .map_err(|error| EgressError::Setup(format!("an extra root certificate is not valid: {error}")))?;
    }
    if roots.is_empty() {
        tracing::warn!("no certificate authorities found: every https call will fail; install ca-certificates");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| EgressError::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

impl std::fmt::Debug for EgressClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EgressClient").field("policy", &self.policy).finish_non_exhaustive()
    }
}
