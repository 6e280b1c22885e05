//! Opaque stand-ins for secrets, replaced as the last thing before a request is sent.
//!
//! Guests and the journal only ever see a placeholder. It is random and lives for one request, so that data from outside
//! cannot name a secret, and it is made of letters that survive JSON, URL and form encoding unchanged: the encoded
//! request is searched for placeholders, and each is replaced by the secret *in the encoding of its place*.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::rand;
use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

use crate::error::EgressError;

/// Secrets shorter than this cannot be told from ordinary text in a response, so they cannot be kept out of it.
pub const MIN_SECRET_BYTES: usize = 4;

const PREFIX: &str = "tnrsecret";
const RANDOM_BYTES: usize = 16;
const TOKEN_BYTES: usize = PREFIX.len() + 2 * RANDOM_BYTES;

/// RFC 3986 `pchar` without percent: what may stand in a path segment as it is.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The secrets one request may use, each behind a placeholder. Values are wiped when this is dropped.
#[derive(Default)]
pub struct Placeholders {
    secrets: Vec<Secret>,
}

pub(crate) struct Secret {
    token: String,
    pub(crate) name: String,
    pub(crate) value: Zeroizing<Vec<u8>>,
}

impl Placeholders {
    /// A request without secrets.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Takes a secret and returns the placeholder that stands for it in the URL, header values, query values, JSON,
    /// form and body of a request. `name` is what appears in `[redacted:name]` and in errors.
    ///
    /// # Errors
    /// [`EgressError::InvalidRequest`] if the value is shorter than [`MIN_SECRET_BYTES`]; [`EgressError::Setup`] if the
    /// system gives no randomness.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Result<String, EgressError> {
        let (name, value) = (name.into(), Zeroizing::new(value.into()));
        if value.len() < MIN_SECRET_BYTES {
            return Err(EgressError::invalid(format!(
                "secret {name} is shorter than {MIN_SECRET_BYTES} bytes and could not be kept out of responses: \
                 use a longer secret, or an input if it is none"
            )));
        }
        let mut random = [0; RANDOM_BYTES];
        rand::fill(&mut random).map_err(|_| EgressError::Setup("the system gives no randomness".to_owned()))?;
        let token = format!("{PREFIX}{:032x}", u128::from_be_bytes(random));
        self.secrets.push(Secret { token: token.clone(), name, value });
        Ok(token)
    }

    /// Whether there is no secret.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Cuts `template` at its placeholders, in one pass over it.
    pub(crate) fn pieces<'a>(&'a self, template: &'a [u8]) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut literal_from = 0;
        if !self.is_empty() {
            for at in memmem::find_iter(template, PREFIX) {
                let candidate = template.get(at..at + TOKEN_BYTES);
                let secret = candidate.and_then(|token| self.secrets.iter().find(|s| s.token.as_bytes() == token));
                if let Some(secret) = secret {
                    pieces.push(Piece::Literal(template.get(literal_from..at).unwrap_or_default()));
                    pieces.push(Piece::Secret(secret));
                    literal_from = at + TOKEN_BYTES;
                }
            }
        }
        pieces.push(Piece::Literal(template.get(literal_from..).unwrap_or_default()));
        pieces
    }

    /// `template` with each placeholder replaced by its secret in `encoding`, wiped when dropped.
    ///
    /// # Errors
    /// [`EgressError::Limit`] if the result is longer than `limit` bytes (`what` names it), and
    /// [`EgressError::InvalidRequest`] if a secret cannot stand in this encoding.
    pub(crate) fn expand(
        &self,
        template: &[u8],
        encoding: Encoding,
        what: &'static str,
        limit: usize,
    ) -> Result<Zeroizing<Vec<u8>>, EgressError> {
        let parts = self
            .pieces(template)
            .into_iter()
            .map(|piece| match piece {
                Piece::Literal(text) => Ok((Cow::Borrowed(text), None)),
                Piece::Secret(secret) => encoding.encode(secret).map(|text| (Cow::Borrowed(&[][..]), Some(text))),
            })
            .collect::<Result<Vec<_>, EgressError>>()?;
        let length: usize =
            parts.iter().map(|(text, secret)| text.len() + secret.as_ref().map_or(0, |s| s.len())).sum();
        if length > limit {
            return Err(EgressError::limit(what, limit, "bytes"));
        }
        // Allocated once: a vector that grows leaves copies of the secret behind.
        let mut out = Zeroizing::new(Vec::with_capacity(length));
        for (text, secret) in parts {
            out.extend_from_slice(&text);
            out.extend_from_slice(secret.as_deref().map_or(&[], Vec::as_slice));
        }
        Ok(out)
    }

    /// `template` as it may be shown: each placeholder as `[redacted:name]`.
    pub(crate) fn mask(&self, template: &str) -> String {
        self.pieces(template.as_bytes())
            .into_iter()
            .map(|piece| match piece {
                Piece::Literal(text) => String::from_utf8_lossy(text),
                Piece::Secret(secret) => Cow::Owned(secret.mask()),
            })
            .collect()
    }

    /// Whether `template` holds a placeholder.
    pub(crate) fn occurs_in(&self, template: &[u8]) -> bool {
        self.pieces(template).len() > 1
    }
}

impl fmt::Debug for Placeholders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.secrets.iter().map(|secret| &secret.name)).finish()
    }
}

impl Secret {
    pub(crate) fn mask(&self) -> String {
        format!("[redacted:{}]", self.name)
    }
}

/// A stretch of a template.
pub(crate) enum Piece<'a> {
    Literal(&'a [u8]),
    Secret(&'a Secret),
}

/// How a secret is written in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is: headers, plain bodies, a URL's scheme and host.
    Raw,
    /// Inside a JSON string (RFC 8259 section 7).
    Json,
    /// A segment of a URL's path (RFC 3986 section 3.3).
    PathSegment,
    /// A value of a query or form (`application/x-www-form-urlencoded`).
    Form,
}

impl Encoding {
    pub(crate) const ALL: [Self; 4] = [Self::Raw, Self::Json, Self::PathSegment, Self::Form];

    /// `secret` in this encoding; an error if it cannot be written in it.
    pub(crate) fn encode(self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, EgressError> {
        if self == Self::Json && std::str::from_utf8(&secret.value).is_err() {
            return Err(EgressError::invalid(format!("secret {} is not text and cannot stand in json", secret.name)));
        }
        Ok(self.write(&secret.value))
    }

    /// `value` in this encoding; bytes that JSON cannot hold are left as they are.
    pub(crate) fn write(self, value: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Raw => value.to_vec(),
            Self::PathSegment => percent_encode(value, PATH_SEGMENT).to_string().into_bytes(),
            Self::Form => url::form_urlencoded::byte_serialize(value).collect::<String>().into_bytes(),
            Self::Json => {
                let quoted = std::str::from_utf8(value).ok().and_then(|text| serde_json::to_vec(text).ok());
                let quoted = Zeroizing::new(quoted.unwrap_or_default());
                quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or(value).to_vec()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expand(placeholders: &Placeholders, template: &str, encoding: Encoding) -> Vec<u8> {
        placeholders.expand(template.as_bytes(), encoding, "body", 1 << 20).unwrap().to_vec()
    }

    #[test]
    fn each_place_gets_its_encoding() {
        let mut placeholders = Placeholders::none();
        let token = placeholders.insert("key", "a b/\"ü&").unwrap();
        assert_eq!(expand(&placeholders, &format!("<{token}>"), Encoding::Raw), "<a b/\"ü&>".as_bytes());
        assert_eq!(expand(&placeholders, &token, Encoding::Json), "a b/\\\"ü&".as_bytes());
        assert_eq!(expand(&placeholders, &token, Encoding::PathSegment), b"a%20b%2F%22%C3%BC&");
        assert_eq!(expand(&placeholders, &token, Encoding::Form), b"a+b%2F%22%C3%BC%26");
        assert_eq!(placeholders.mask(&format!("x={token}")), "x=[redacted:key]");
    }

    #[test]
    fn a_foreign_or_broken_placeholder_stays_as_it_is() {
        let mut placeholders = Placeholders::none();
        let token = placeholders.insert("key", "hunter22").unwrap();
        let other = Placeholders::none().insert("key", "other secret").unwrap();
        let template = format!("{other} {PREFIX} {} {token}", &token[..TOKEN_BYTES - 1]);
        let expected = template.replace(&token, "hunter22");
        assert_eq!(expand(&placeholders, &template, Encoding::Raw), expected.as_bytes());
    }

    #[test]
    fn growth_is_bounded_before_anything_is_copied() {
        let mut placeholders = Placeholders::none();
        let token = placeholders.insert("big", vec![b'x'; 64 << 10]).unwrap();
        let error = placeholders.expand(token.repeat(1000).as_bytes(), Encoding::Raw, "request body", 1 << 20);
        assert_eq!(error.unwrap_err().to_string(), "request body is over its limit of 1048576 bytes");
    }

    #[test]
    fn short_secrets_are_refused_and_debug_shows_names_alone() {
        let mut placeholders = Placeholders::none();
        assert!(placeholders.insert("pin", "123").is_err());
        placeholders.insert("key", "hunter22").unwrap();
        assert_eq!(format!("{placeholders:?}"), r#"["key"]"#);
    }

    proptest! {
        #[test]
        fn a_json_document_stays_one(value in "\\PC{4,40}", around in "\\PC{0,20}") {
            let mut placeholders = Placeholders::none();
            let token = placeholders.insert("s", value.as_str()).unwrap();
            let template = serde_json::json!({ "a": [format!("{around}{token}{around}")] }).to_string();
            let sent: serde_json::Value = serde_json::from_slice(&expand(&placeholders, &template, Encoding::Json)).unwrap();
            prop_assert_eq!(sent, serde_json::json!({ "a": [format!("{around}{value}{around}")] }));
        }

        #[test]
        fn a_form_value_comes_back(value in proptest::collection::vec(any::<u8>(), 4..40)) {
            let mut placeholders = Placeholders::none();
            let token = placeholders.insert("s", value.clone()).unwrap();
            let sent = expand(&placeholders, &format!("k={token}&z=1"), Encoding::Form);
            let pairs: Vec<_> = sent.split(|&b| b == b'&').collect();
            prop_assert_eq!(pairs.len(), 2);
            let back: Vec<u8> = percent_encoding::percent_decode(&pairs[0].strip_prefix(b"k=").unwrap()
                .iter().map(|&b| if b == b'+' { b' ' } else { b }).collect::<Vec<_>>()).collect();
            prop_assert_eq!(back, value);
        }
    }
}
