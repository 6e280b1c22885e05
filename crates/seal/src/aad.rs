//! Additional authenticated data: parts behind their lengths, so that no two lists of parts give the same bytes.

/// Builds additional authenticated data.
pub(crate) struct Aad(Vec<u8>);

impl Aad {
    /// Begins with a label that keeps one use of a key apart from another.
    pub(crate) fn new(label: &[u8]) -> Self {
        Self(Vec::with_capacity(160)).part(label)
    }

    pub(crate) fn part(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
        self
    }

    /// A part that may be absent, which is not the same as empty.
    pub(crate) fn optional(mut self, part: Option<&[u8]>) -> Self {
        self.0.push(u8::from(part.is_some()));
        self.part(part.unwrap_or_default())
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}
