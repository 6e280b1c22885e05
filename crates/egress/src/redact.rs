//! Finds secrets in what comes back, so that a receiver that echoes its request cannot put them into the journal.
//!
//! A secret is looked for as it is (in any letter case, as hosts and header names lose theirs), in hexadecimal, and in
//! standard and URL-safe base64 at each of the three alignments it can have inside a longer encoded text. Each of these
//! is looked for in the text itself and behind up to three layers of percent-encoding and JSON string escapes: a request's
//! JSON body, quoted as text in a document that travels as text in another, is three.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE};
use memchr::memmem;
use url::Url;
use zeroize::Zeroizing;

use crate::placeholders::{Encoding, MIN_SECRET_BYTES, Placeholders};

/// Replaces the secrets of one request by `[redacted:name]`.
#[derive(Default)]
pub struct Redactor {
    needles: Vec<Needle>,
}

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    case: Case,
    mask: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    /// The needle is in lower case and matches in any.
    Any,
    Exact,
}

impl Redactor {
    /// Looks for every secret of `placeholders`.
    #[must_use]
    pub fn new(placeholders: &Placeholders) -> Self {
        let mut redactor = Self::default();
        for secret in placeholders.secrets() {
            redactor.add(&secret.value, &secret.mask());
        }
        redactor
    }

    /// `text` without secrets.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // A match may begin or end inside a letter's bytes.
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// `bytes` without secrets.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let found = self.find(bytes);
        if found.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let mut out = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for (range, mask) in found {
            out.extend_from_slice(bytes.get(from..range.start).unwrap_or_default());
            out.extend_from_slice(mask.as_bytes());
            from = range.end;
        }
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
        Cow::Owned(out)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// `bytes` without secrets, not copied if there are none.
    pub(crate) fn redacted(&self, bytes: Vec<u8>) -> Vec<u8> {
        match self.bytes(&bytes) {
            Cow::Owned(redacted) => redacted,
            Cow::Borrowed(_) => bytes,
        }
    }

    /// Whether a secret is in `bytes`.
    #[must_use]
    pub fn occurs_in(&self, bytes: &[u8]) -> bool {
        !self.find(bytes).is_empty()
    }

    /// Adds the forms a URL takes when it is parsed, for a secret that was used as a URL or as the beginning of one:
    /// a receiver echoes its path, not the whole.
    pub(crate) fn add_url(&mut self, secret: &[u8], mask: &str) {
        let Some(url) = std::str::from_utf8(secret).ok().and_then(|text| Url::parse(text).ok()) else { return };
        self.add(url.as_str().trim_end_matches('/').as_bytes(), mask);
        self.add(url.path().as_bytes(), mask);
        self.add(url.query().unwrap_or_default().as_bytes(), mask);
    }

    fn add(&mut self, secret: &[u8], mask: &str) {
        if secret.len() < MIN_SECRET_BYTES {
            return;
        }
        let lower = Zeroizing::new(secret.to_ascii_lowercase());
        let spaces_as_plus = lower.iter().map(|&b| if b == b' ' { b'+' } else { b }).collect(); // form encoding
        self.push(spaces_as_plus, Case::Any, mask);
        self.push(secret.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(), Case::Any, mask);
        self.push(lower.to_vec(), Case::Any, mask);
        // A receiver encodes what it saw: a secret that was sent encoded is encoded twice.
        for sent in Encoding::ALL {
            for engine in [STANDARD, URL_SAFE] {
                self.add_base64(&sent.write(secret), &engine, mask);
            }
        }
    }

    fn add_base64(&mut self, sent: &[u8], engine: &GeneralPurpose, mask: &str) {
        let whole = Zeroizing::new(engine.encode(sent));
        self.push(whole.as_bytes().to_vec(), Case::Exact, mask);
        self.push(whole.trim_end_matches('=').as_bytes().to_vec(), Case::Exact, mask);
        for offset in 0..3 {
            let shifted = Zeroizing::new([&vec![0; offset], sent].concat());
            let encoded = Zeroizing::new(engine.encode(shifted.as_slice()));
            // Only letters whose six bits all come from the secret are the same in every context.
            let (first, end) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
            self.push(encoded.as_bytes().get(first..end).unwrap_or_default().to_vec(), Case::Exact, mask);
        }
    }

    fn push(&mut self, bytes: Vec<u8>, case: Case, mask: &str) {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() >= MIN_SECRET_BYTES && !self.needles.iter().any(|n| n.case == case && n.bytes == bytes) {
            self.needles.push(Needle { bytes, case, mask: mask.to_owned() });
        }
    }

    /// Where secrets stand, in order, without overlaps.
    fn find(&self, bytes: &[u8]) -> Vec<(Range<usize>, &str)> {
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        if self.needles.is_empty() {
            return found;
        }
        self.find_behind(&View { bytes: Cow::Borrowed(bytes), origin: None }, LAYERS, &mut found);
        found.sort_by_key(|(range, _)| (range.start, usize::MAX - range.end));
        found.dedup_by(|later, earlier| {
            let overlaps = later.0.start < earlier.0.end;
            if overlaps {
                earlier.0.end = earlier.0.end.max(later.0.end);
            }
            overlaps
        });
        found
    }

    /// What stands in `view`, and behind so many more layers of escapes. Depth first, so that no more views than layers are held.
    fn find_behind<'a>(&'a self, view: &View<'_>, layers: usize, found: &mut Vec<(Range<usize>, &'a str)>) {
        let lower = Zeroizing::new(view.bytes.to_ascii_lowercase());
        for needle in &self.needles {
            let haystack = if needle.case == Case::Any { lower.as_slice() } else { &view.bytes };
            for at in memmem::find_iter(haystack, needle.bytes.as_slice()) {
                found.push((view.origin(at)..view.origin(at + needle.bytes.len()), &needle.mask));
            }
        }
        drop(lower);
        if let Some(layers) = layers.checked_sub(1) {
            for decode in [View::percent_decoded, View::json_unescaped] {
                if let Some(decoded) = decode(view) {
                    self.find_behind(&decoded, layers, found);
                }
            }
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.needles.iter().map(|needle| &needle.mask)).finish()
    }
}

/// How many layers of escapes are looked behind.
const LAYERS: usize = 3;

/// A text behind an encoding, with the place each byte came from.
struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// The index in the response of each byte, and one more for the end; `None` where they are the same.
    origin: Option<Vec<u32>>,
}

impl View<'_> {
    fn origin(&self, at: usize) -> usize {
        let mapped = self.origin.as_ref().and_then(|origin| origin.get(at));
        mapped.and_then(|&index| usize::try_from(index).ok()).unwrap_or(at)
    }

    /// Behind `%41`; `None` if there is none.
    fn percent_decoded(&self) -> Option<View<'static>> {
        self.decoded(b'%', |rest| {
            let &[_, high, low, ..] = rest else { return None };
            Some(Escape::of_byte(hex(high)? << 4 | hex(low)?, 3))
        })
    }

    /// Behind `\n`, `\/`, `\u0041`; `None` if there is none.
    fn json_unescaped(&self) -> Option<View<'static>> {
        self.decoded(b'\\', |rest| {
            let byte = match rest.get(1)? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'f' => 12,
                b'u' => {
                    let units = utf16_unit(rest).into_iter().chain(rest.get(6..).and_then(utf16_unit));
                    let letter = char::decode_utf16(units).next()?.ok()?;
                    let mut bytes = [0; 4];
                    let length = letter.encode_utf8(&mut bytes).len();
                    return Some(Escape { bytes, length, read: 6 * letter.len_utf16() });
                }
                &other => other,
            };
            Some(Escape::of_byte(byte, 2))
        })
    }

    /// Replaces each escape that starts with `mark` and that `unescape` understands.
    fn decoded(&self, mark: u8, unescape: impl Fn(&[u8]) -> Option<Escape>) -> Option<View<'static>> {
        memchr::memchr(mark, &self.bytes)?;
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut origin = Vec::with_capacity(self.bytes.len() + 1);
        let index = |at| u32::try_from(self.origin(at)).unwrap_or(u32::MAX);
        let mut at = 0;
        while let Some(rest @ [first, ..]) = self.bytes.get(at..) {
            let plain = Escape::of_byte(*first, 1);
            let escape = if *first == mark { unescape(rest).unwrap_or(plain) } else { plain };
            let decoded = escape.bytes.get(..escape.length).unwrap_or_default();
            bytes.extend_from_slice(decoded);
            origin.resize(bytes.len(), index(at));
            at += escape.read;
        }
        if bytes.len() == self.bytes.len() {
            return None;
        }
        origin.push(index(at));
        Some(View { bytes: Cow::Owned(bytes), origin: Some(origin) })
    }
}

/// The `length` bytes that the next `read` bytes of a text stand for.
struct Escape {
    bytes: [u8; 4],
    length: usize,
    read: usize,
}

impl Escape {
    fn of_byte(byte: u8, read: usize) -> Self {
        Self { bytes: [byte, 0, 0, 0], length: 1, read }
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The unit of a `\uXXXX` at the beginning of `text`.
fn utf16_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0u16, |unit, &digit| Some(unit << 4 | u16::from(hex(digit)?)))
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
