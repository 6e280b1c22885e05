//! The server that takes messages, and what is handed to it (RFC 5321, RFC 5322), by `lettre`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tenure_kernel::{Error, MailId, Result, Timestamp};
use zeroize::Zeroizing;

use super::letters::one_line;
use super::model::{MailConfig, Sealable};

/// The longest that the server may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest that a message may take altogether.
pub(super) const WITHIN: Duration = Duration::from_secs(60);
const CONNECTIONS: u32 = 4;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// Not at all.
    None,
    /// By `STARTTLS`, or there is none.
    StartTls,
    /// From its first byte.
    Tls,
}

/// `smtps://`, `starttls://` or `smtp://`, then perhaps `user:password@`, a host, perhaps a port.
#[derive(Clone)]
pub struct SmtpUrl {
    /// As `lettre` reads it.
    url: Zeroizing<String>,
    protection: Protection,
    host: String,
    shown: String,
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl SmtpUrl {
    /// # Errors
    /// What is wrong and what to do, in words that follow the setting's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        const LIKE: &str =
            "must look like smtps://user:password@mail.example.com, starttls://…:587 or smtp://localhost:25";
        let (scheme, rest) = text.split_once("://").ok_or(LIKE)?;
        let protection = match scheme {
            "smtp" => Protection::None,
            "starttls" => Protection::StartTls,
            "smtps" => Protection::Tls,
            _ => return Err(LIKE.to_owned()),
        };
        if rest.contains(['/', '?', '#']) || rest.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(format!("{LIKE}; write / ? and # in a password as %2F, %3F and %23"));
        }
        let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        let host = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((address, _)) => address,
            None => place.split(':').next().unwrap_or_default(),
        };
        if host.is_empty() {
            return Err(LIKE.to_owned());
        }
        if login.is_some_and(|login| !login.contains(':')) {
            return Err("names a user without a password; write user:password@host".to_owned());
        }
        if protection == Protection::None && login.is_some() && !is_loopback(host) {
            return Err(format!("would send the password in the clear to {host}; use starttls:// or smtps://"));
        }
        let url = match protection {
            Protection::None => format!("smtp://{rest}"),
            Protection::StartTls => format!("smtp://{rest}?tls=required"),
            Protection::Tls => format!("smtps://{rest}"),
        };
        let user = login.and_then(|login| login.split(':').next()).map(|user| format!("{user}:…@"));
        let shown = format!("{scheme}://{}{place}", user.unwrap_or_default());
        let this = Self { url: Zeroizing::new(url), protection, host: host.to_owned(), shown };
        // Only the shape: certificates are read at the start.
        AsyncSmtpTransport::<Tokio1Executor>::from_url(&this.url).map(|_| this).map_err(|_| LIKE.to_owned())
    }

    /// Without the password.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whom messages are from: an address, perhaps with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    /// From `Tenure <tenure@example.com>` or `tenure@example.com`.
    ///
    /// # Errors
    /// In words that follow the setting's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let clean = !text.chars().any(char::is_control);
        let parsed = text.parse().ok().filter(|_| clean);
        parsed.map(Self).ok_or_else(|| "must look like Tenure <tenure@example.com> or tenure@example.com".to_owned())
    }

    fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self(Mailbox::new(Some("Tenure".to_owned()), Address::new_dangerous("tenure", "localhost")))
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The certificates of an authority, as PEM.
#[derive(Clone)]
pub struct Authority(Arc<[u8]>);

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({} bytes)", self.0.len())
    }
}

impl Authority {
    /// # Errors
    /// Where the text holds no certificate.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        let holds_some = pem.windows(b"BEGIN CERTIFICATE".len()).any(|part| part == b"BEGIN CERTIFICATE");
        match Certificate::from_pem(pem) {
            Ok(_) if holds_some => Ok(Self(pem.into())),
            _ => Err("holds no certificate in PEM".to_owned()),
        }
    }
}

/// Why a message was not taken; no words of the server's, which may quote the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: String,
    /// Whether trying again can help.
    pub(super) for_good: bool,
}

impl Refused {
    fn for_good(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), for_good: true }
    }

    fn for_now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), for_good: false }
    }
}

/// Connections to the server.
#[derive(Clone)]
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
}

impl Smtp {
    /// Connects to nothing yet.
    pub(super) fn new(config: &MailConfig, url: &SmtpUrl) -> Result<Self> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url.url).map_err(Error::internal)?;
        if let (Some(authority), false) = (&config.authority, url.protection == Protection::None) {
            let certificate = Certificate::from_pem(&authority.0).map_err(Error::internal)?;
            let parameters = TlsParameters::builder(url.host.clone()).add_root_certificate(certificate);
            let parameters = parameters.build_rustls().map_err(Error::internal)?;
            builder = builder.tls(match url.protection {
                Protection::Tls => Tls::Wrapper(parameters),
                Protection::StartTls | Protection::None => Tls::Required(parameters),
            });
        }
        let pool = PoolConfig::new().max_size(CONNECTIONS);
        let transport = builder.timeout(Some(TIMEOUT)).pool_config(pool).build();
        Ok(Self { transport, from: config.from.clone() })
    }

    /// Hands the message over. The same message has the same `Message-ID` each time, so that one which was taken, and of which
    /// the answer was lost, can be told from another.
    pub(super) async fn send(&self, id: MailId, at: Timestamp, sealed: &Sealable) -> Result<(), Refused> {
        let (message, ascii) = self.message(id, at, sealed)?;
        match tokio::time::timeout(WITHIN, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refused(&error, ascii)),
            Err(_) => Err(Refused::for_now("the server took too long")),
        }
    }

    fn message(&self, id: MailId, at: Timestamp, sealed: &Sealable) -> Result<(Message, bool), Refused> {
        let unusable = || Refused::for_good("the address cannot be written to");
        if sealed.to.chars().any(char::is_control) {
            return Err(unusable());
        }
        let address: Address = sealed.to.parse().map_err(|_| unusable())?;
        let date = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0));
        // RFC 3834: whoever is on holiday does not answer.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let message = Message::builder()
            .from(self.from.0.clone())
            .to(Mailbox::new(None, address))
            .subject(one_line(&sealed.subject))
            .date(std::time::UNIX_EPOCH + date)
            .message_id(Some(format!("<{id}@{}>", self.from.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(sealed.text.to_string());
        message.map(|message| (message, sealed.to.is_ascii())).map_err(|_| unusable())
    }
}

/// Replies about the connection or the login say nothing about the message: the operator may mend them.
const OF_THE_OPERATOR: [u16; 6] = [421, 530, 534, 535, 538, 554];

fn refused(error: &smtp::Error, ascii: bool) -> Refused {
    if let Some(status) = error.status() {
        let status = u16::from(status);
        let for_good = error.is_permanent() && !OF_THE_OPERATOR.contains(&status);
        return Refused { reason: format!("the server refused it with {status}"), for_good };
    }
    if error.is_client() && !ascii {
        return Refused::for_good("the server takes no address with letters beyond ASCII (SMTPUTF8)");
    }
    Refused::for_now(if error.is_tls() {
        "the server's certificate was not accepted, or TLS failed"
    } else if error.is_timeout() {
        "the server took too long"
    } else if error.is_client() {
        "the server offers no TLS, or no way to log in that is known here"
    } else {
        "the server could not be reached"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_never_shown_with_their_password() {
        for good in [
            "smtp://localhost:25",
            "smtp://relay.internal",
            "smtps://user:pass@mail.example.com",
            "starttls://user:p%40ss@mail.example.com:587",
            "smtp://user:pass@127.0.0.1:2525",
            "smtp://[::1]:2525",
        ] {
            assert!(SmtpUrl::parse(good).is_ok(), "{good}");
        }
        let url = SmtpUrl::parse("starttls://me%40x:s3cret@mail.example.com:587").unwrap();
        assert_eq!(format!("{url:?}"), "starttls://me%40x:…@mail.example.com:587");
        let clear = SmtpUrl::parse("smtp://user:pass@mail.example.com").unwrap_err();
        assert!(clear.contains("in the clear"), "{clear}");
        for bad in ["", "mail.example.com", "http://a", "smtp://", "smtps://user@a", "smtps://a/b", "smtp://a?tls=x"] {
            assert!(SmtpUrl::parse(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_is_refused_or_shown_without_its_password(
            scheme in "(smtp|smtps|starttls|http)", rest in "\\PC{0,40}", password in "[a-z0-9]{12,20}",
        ) {
            let text = format!("{scheme}://user:{password}@{rest}");
            if let Ok(url) = SmtpUrl::parse(&text) {
                let shown = format!("{url:?} {}", url.shown());
                proptest::prop_assert!(!shown.contains(&password));
            }
            let _ = SmtpUrl::parse(&rest);
            if let Ok(sender) = Sender::parse(&rest) {
                proptest::prop_assert!(!sender.to_string().contains(['\r', '\n']));
            }
        }

        #[test]
        fn no_message_gets_a_second_header(to in "\\PC{0,20}@\\PC{1,20}", subject in ".{0,60}") {
            let config = MailConfig { smtp: SmtpUrl::parse("smtp://localhost").ok(), ..MailConfig::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _inside = runtime.enter();
            let smtp = Smtp::new(&config, config.smtp.as_ref().unwrap()).unwrap();
            let at = Timestamp::from_micros(1_800_000_000_000_000);
            let sealed = Sealable { to, subject, text: Zeroizing::new("text".to_owned()) };
            let Ok((message, _)) = smtp.message(MailId::new(at), at, &sealed) else { return Ok(()) };
            let written = String::from_utf8_lossy(&message.formatted()).into_owned();
            let (headers, _) = written.split_once("\r\n\r\n").unwrap();
            let begun: Vec<&str> = headers
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap_or_default())
                .collect();
            let known = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
                         "MIME-Version", "Content-Transfer-Encoding"];
            proptest::prop_assert!(begun.iter().all(|name| known.contains(name)), "{begun:?}");
            let mut once = begun.clone();
            once.sort_unstable();
            once.dedup();
            proptest::prop_assert_eq!(once.len(), begun.len());
        }
    }

    #[test]
    fn senders() {
        assert_eq!(Sender::parse("Tenure <a@b.example>").unwrap().domain(), "b.example");
        assert!(Sender::parse("a@b.example").is_ok());
        for bad in ["", "Tenure", "a@b.example\r\nBcc: c@d.example", "a b@c"] {
            assert!(Sender::parse(bad).is_err(), "{bad}");
        }
        assert!(Authority::parse(b"nothing").is_err());
    }
}
