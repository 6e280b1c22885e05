//! The body's content coding, undone under a limit.
//!
//! The client asks for none (`Accept-Encoding: identity`), since a secret in a compressed echo could not be found; some
//! servers compress all the same. gzip is undone as it arrives, so that a bomb ends at the limit; others are refused.

use std::io::{self, Write};

use flate2::write::{GzDecoder, ZlibDecoder};

use crate::error::EgressError;

/// Takes a body chunk by chunk and keeps its decoded form, `limit` bytes at most.
pub(crate) struct BodySink {
    decoder: Decoder,
    received: usize,
    limit: usize,
}

enum Decoder {
    Identity(Bounded),
    Gzip(GzDecoder<Bounded>),
    Deflate(ZlibDecoder<Bounded>),
}

/// A buffer that refuses to grow past its limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl BodySink {
    /// For a body with this `Content-Encoding`; an error names a coding that cannot be undone.
    pub(crate) fn new(content_encoding: Option<&str>, limit: usize) -> Result<Self, String> {
        let bounded = Bounded { bytes: Vec::new(), limit };
        let decoder = match content_encoding.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Decoder::Identity(bounded),
            "gzip" | "x-gzip" => Decoder::Gzip(GzDecoder::new(bounded)),
            "deflate" => Decoder::Deflate(ZlibDecoder::new(bounded)),
            _ => return Err("its content-encoding is neither identity, gzip nor deflate".to_owned()),
        };
        Ok(Self { decoder, received: 0, limit })
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`EgressError::Limit`] past the limit, before or after decoding; [`EgressError::Network`] with `host` if the
    /// body is not what its coding says.
    pub(crate) fn push(&mut self, chunk: &[u8], host: &str) -> Result<(), EgressError> {
        self.received += chunk.len();
        if self.received > self.limit {
            return Err(self.over());
        }
        let written = match &mut self.decoder {
            Decoder::Identity(bounded) => bounded.write_all(chunk),
            Decoder::Gzip(decoder) => decoder.write_all(chunk),
            Decoder::Deflate(decoder) => decoder.write_all(chunk),
        };
        written.map_err(|error| self.explain(&error, host))
    }

    /// The decoded body and the number of bytes received.
    ///
    /// # Errors
    /// As [`push`](Self::push), also if a compressed body ends early.
    pub(crate) fn finish(mut self, host: &str) -> Result<(Vec<u8>, usize), EgressError> {
        let flushed = match &mut self.decoder {
            Decoder::Identity(_) => Ok(()),
            Decoder::Gzip(_) | Decoder::Deflate(_) if self.received == 0 => Ok(()), // HEAD, 204, 304
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Deflate(decoder) => decoder.try_finish(),
        };
        flushed.map_err(|error| self.explain(&error, host))?;
        let bounded = match &mut self.decoder {
            Decoder::Identity(bounded) => bounded,
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Deflate(decoder) => decoder.get_mut(),
        };
        Ok((std::mem::take(&mut bounded.bytes), self.received))
    }

    fn explain(&self, error: &io::Error, host: &str) -> EgressError {
        if error.kind() == io::ErrorKind::FileTooLarge {
            self.over()
        } else {
            EgressError::network(host, "the response's body is not valid gzip or deflate")
        }
    }

    fn over(&self) -> EgressError {
        EgressError::limit("response body", self.limit, "bytes")
    }
}

impl Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + chunk.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(encoding: &str, body: &[u8], limit: usize) -> Result<(Vec<u8>, usize), EgressError> {
        let mut sink = BodySink::new(Some(encoding), limit).unwrap();
        for chunk in body.chunks(7) {
            sink.push(chunk, "h")?;
        }
        sink.finish("h")
    }

    #[test]
    fn gzip_is_undone_up_to_the_limit() {
        let body = b"hello hello hello".repeat(20);
        let packed = gzip(&body);
        assert_eq!(decode("GZIP", &packed, body.len()).unwrap(), (body.clone(), packed.len()));
        assert!(matches!(decode("gzip", &packed, body.len() - 1), Err(EgressError::Limit { .. })));
        assert!(matches!(decode("identity", &body, body.len() - 1), Err(EgressError::Limit { .. })));
        assert_eq!(decode("identity", &body, body.len()).unwrap().0, body);
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 128 << 10);
        assert!(matches!(decode("gzip", &bomb, 1 << 20), Err(EgressError::Limit { .. })));
    }

    #[test]
    fn what_is_no_gzip_or_ends_early_is_an_error() {
        let packed = gzip(b"hello");
        assert!(matches!(decode("gzip", b"not gzip at all", 100), Err(EgressError::Network { .. })));
        assert!(matches!(decode("gzip", &packed[..packed.len() - 9], 100), Err(EgressError::Network { .. })));
        assert_eq!(decode("gzip", b"", 100).unwrap().0, b"");
        assert!(BodySink::new(Some("br"), 1).is_err());
        assert!(BodySink::new(Some("gzip, gzip"), 1).is_err());
    }
}
