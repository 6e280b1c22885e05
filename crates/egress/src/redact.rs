//! Finds secrets in what comes back, so that a receiver that echoes its request cannot put them into the journal.
//!
//! A secret is looked for as it is (in any letter case, as hosts and header names lose theirs), in hexadecimal, and in
//! standard and URL-safe base64 at each of the three alignments it can have inside a longer encoded text. Each of these
//! is looked for in the text itself and behind up to three layers of percent-encoding, JSON string escapes and HTML's
//! character references: a request's JSON body, quoted as text in a document that travels as text in another, is three,
//! and an error page quotes what it did not like as HTML.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE};
use memchr::memmem;
use url::Url;
use zeroize::Zeroizing;

use crate::placeholders::{Encoding, MIN_SECRET_BYTES, Placeholders};

/// The most that one body may cost to search: its bytes times what is looked for in how many views. Some seconds.
const MOST_WORK: usize = 64 << 30;

/// How many layers of escapes are looked behind.
const LAYERS: usize = 3;

/// More than the longest reference to a character in HTML that is understood: `&#x0010ffff;`.
const LONGEST_REFERENCE: usize = 16;

/// Views of a text: itself, and on each layer three ways of decoding each view of the layer before.
const VIEWS: usize = 40;

/// Replaces the secrets of one request by `[redacted:name]`.
#[derive(Default)]
pub struct Redactor {
    needles: Vec<Needle>,
    masks: Vec<String>,
}

struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    case: Case,
    /// One more than the index of its mask.
    mark: u8,
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

    /// `bytes` without secrets. What touches another secret goes with it, under the name of the first.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(marks) = self.find(bytes) else { return Cow::Borrowed(bytes) };
        let mut out = Vec::with_capacity(bytes.len());
        let mut inside = false;
        for (&byte, &mark) in bytes.iter().zip(&marks) {
            match mark.checked_sub(1) {
                None => out.push(byte),
                Some(mask) if !inside => {
                    let mask = self.masks.get(usize::from(mask)).map_or("[redacted]", String::as_str);
                    out.extend_from_slice(mask.as_bytes());
                }
                Some(_) => {}
            }
            inside = mark != 0;
        }
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

    /// Whether it can be searched at a bearable cost.
    pub(crate) fn can_search(&self, bytes: &[u8]) -> bool {
        let views = if memchr::memchr3(b'%', b'\\', b'&', bytes).is_some() { VIEWS } else { 1 };
        self.needles.len().saturating_mul(views).saturating_mul(bytes.len()) <= MOST_WORK
    }

    /// Whether a secret is in `bytes`.
    #[must_use]
    pub fn occurs_in(&self, bytes: &[u8]) -> bool {
        self.find(bytes).is_some()
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
        self.push(lower.to_vec(), Case::Any, mask);
        // A receiver encodes what it saw: a secret that was sent encoded is encoded twice.
        for sent in Encoding::ALL {
            let sent = sent.write(secret);
            self.push(sent.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(), Case::Any, mask);
            for engine in [STANDARD, URL_SAFE] {
                self.add_base64(&sent, &engine, mask);
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
            let known = self.masks.iter().position(|known| known == mask);
            let index = known.unwrap_or_else(|| {
                self.masks.push(mask.to_owned());
                self.masks.len() - 1
            });
            // Beyond 255 secrets in one request the last name stands for all.
            let mark = u8::try_from(index + 1).unwrap_or(u8::MAX);
            self.needles.push(Needle { bytes, case, mark });
        }
    }

    /// Which bytes belong to secrets, a mark for each; nothing where none does.
    ///
    /// A byte of memory for each byte searched, however often a secret stands there: what comes back is the receiver's to
    /// choose.
    fn find(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut marks = None;
        if !self.needles.is_empty() {
            self.search(&View { bytes: Cow::Borrowed(bytes), behind: None }, LAYERS, bytes.len(), &mut marks);
        }
        marks
    }

    /// Searches the text and then, one after the other, what is behind up to `layers` of encoding.
    fn search(&self, view: &View<'_>, layers: usize, length: usize, marks: &mut Option<Vec<u8>>) {
        let mut look = |haystack: &[u8], case: Case| {
            for needle in self.needles.iter().filter(|needle| needle.case == case) {
                for at in memmem::find_iter(haystack, needle.bytes.as_slice()) {
                    let range: Range<usize> = view.origin(at)..view.origin(at + needle.bytes.len());
                    let marks = marks.get_or_insert_with(|| vec![0; length]);
                    for mark in marks.get_mut(range).unwrap_or_default().iter_mut().filter(|mark| **mark == 0) {
                        *mark = needle.mark;
                    }
                }
            }
        };
        look(&view.bytes, Case::Exact);
        look(Zeroizing::new(view.bytes.to_ascii_lowercase()).as_slice(), Case::Any);
        if layers > 0 {
            for decode in [View::percent_decoded, View::json_unescaped, View::html_unescaped] {
                if let Some(decoded) = decode(view) {
                    self.search(&decoded, layers - 1, length, marks);
                }
            }
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.masks).finish()
    }
}

/// A text, or what is behind an encoding of one.
struct View<'a> {
    bytes: Cow<'a, [u8]>,
    /// The text it was decoded from, and where the two part: an index here with the index there. In between they run
    /// side by side.
    behind: Option<(&'a View<'a>, Vec<(u32, u32)>)>,
}

impl View<'_> {
    /// The index in the undecoded text.
    fn origin(&self, at: usize) -> usize {
        let Some((text, breaks)) = &self.behind else { return at };
        let before = breaks.partition_point(|(here, _)| usize::try_from(*here).is_ok_and(|here| here <= at));
        let nearest = before.checked_sub(1).and_then(|index| breaks.get(index));
        let mapped = nearest.and_then(|(here, there)| {
            Some(usize::try_from(*there).ok()? + at.checked_sub(usize::try_from(*here).ok()?)?)
        });
        text.origin(mapped.unwrap_or(at))
    }

    /// Behind `%41`; `None` if there is none.
    fn percent_decoded(&self) -> Option<View<'_>> {
        self.decoded(b'%', |rest| {
            let &[_, high, low, ..] = rest else { return None };
            Some(Escape::of_byte(hex(high)? << 4 | hex(low)?, 3))
        })
    }

    /// Behind `\n`, `\/`, `\u0041`; `None` if there is none.
    fn json_unescaped(&self) -> Option<View<'_>> {
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

    /// Behind `&lt;`, `&#60;`, `&#x3c;`; `None` if there is none.
    fn html_unescaped(&self) -> Option<View<'_>> {
        self.decoded(b'&', |rest| {
            let end = memchr::memchr(b';', rest.get(..LONGEST_REFERENCE).unwrap_or(rest))?;
            let letter = match rest.get(1..end)? {
                b"amp" => '&',
                b"lt" => '<',
                b"gt" => '>',
                b"quot" => '"',
                b"apos" => '\'',
                b"nbsp" => ' ',
                [b'#', b'x' | b'X', digits @ ..] => code_point(digits, 16)?,
                [b'#', digits @ ..] => code_point(digits, 10)?,
                _ => return None,
            };
            let mut bytes = [0; 4];
            let length = letter.encode_utf8(&mut bytes).len();
            Some(Escape { bytes, length, read: end + 1 })
        })
    }

    /// Replaces each escape that starts with `mark` and that `unescape` understands.
    fn decoded(&self, mark: u8, unescape: impl Fn(&[u8]) -> Option<Escape>) -> Option<View<'_>> {
        let mut next = memchr::memchr(mark, &self.bytes)?;
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut breaks = Vec::new();
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut at = 0;
        while let Some(rest) = self.bytes.get(next..).filter(|rest| !rest.is_empty()) {
            bytes.extend_from_slice(self.bytes.get(at..next).unwrap_or_default());
            at = next;
            if let Some(escape) = unescape(rest) {
                // Where one escape follows another, the end of the first is the beginning of the second.
                breaks.pop_if(|(here, _)| *here == index(bytes.len()));
                for byte in escape.bytes.iter().take(escape.length) {
                    breaks.push((index(bytes.len()), index(at)));
                    bytes.push(*byte);
                }
                at += escape.read;
                breaks.push((index(bytes.len()), index(at)));
            }
            // Behind the mark itself where it was no escape.
            let from = at.max(next + 1);
            next = match memchr::memchr(mark, self.bytes.get(from..).unwrap_or_default()) {
                Some(found) => from + found,
                None => break,
            };
        }
        bytes.extend_from_slice(self.bytes.get(at..).unwrap_or_default());
        (!breaks.is_empty()).then_some(View { bytes: Cow::Owned(bytes), behind: Some((self, breaks)) })
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

/// The letter that a number of these digits stands for.
fn code_point(digits: &[u8], radix: u32) -> Option<char> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok().and_then(char::from_u32)
}

/// The unit of a `\uXXXX` at the beginning of `text`.
fn utf16_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0u16, |unit, &digit| Some(unit << 4 | u16::from(hex(digit)?)))
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
