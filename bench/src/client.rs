//! A small HTTP/1.1 client. The load generator shares the machine with what it measures, so it does as little as it can:
//! prebuilt requests, kept-alive connections, answers read by their `Content-Length`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than the longest wait that a bench asks a server for.
const PATIENCE: Duration = Duration::from_secs(75);

/// The bytes of a request.
#[must_use]
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nuser-agent: tenure-bench\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON if the status is `status`.
    ///
    /// # Errors
    /// Another status, with the body; a body that is no JSON.
    pub fn json(&self, status: u16) -> Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        ensure!(self.status == status, "the server answered {} instead of {status}: {text}", self.status);
        serde_json::from_slice(&self.body).with_context(|| format!("the server's answer is no JSON: {text}"))
    }
}

/// A connection that is kept alive.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// If the connection breaks, the answer takes more than 75 seconds, or it has no `Content-Length`.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer> {
        tokio::time::timeout(PATIENCE, self.exchange(request)).await.context("the server did not answer in time")?
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await.context("the connection broke while a request was sent")?;
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.context("the connection broke")?;
            ensure!(read > 0, "the server closed the connection before it answered");
            if let Some((status, head, length)) = parse_head(&self.buffer)? {
                while self.buffer.len() < head + length {
                    let read = self.stream.read_buf(&mut self.buffer).await.context("the connection broke")?;
                    ensure!(read > 0, "the server closed the connection within an answer");
                }
                let body = self.buffer.get(head..head + length).unwrap_or_default().to_vec();
                return Ok(Answer { status, body });
            }
        }
    }
}

/// Status, length of the head, length of the body; `None` while the head is not whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes).context("the server's answer is no HTTP")? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(head) => head,
    };
    let status = response.code.unwrap_or_default();
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = match length {
        Some(header) => std::str::from_utf8(header.value)?.trim().parse().context("Content-Length is no number")?,
        None if status == 204 || status == 304 => 0,
        None => bail!("the answer {status} has no Content-Length"),
    };
    Ok(Some((status, head, length)))
}

/// Somebody's access to a server's API, over one connection at a time that is opened anew when it breaks.
#[derive(Debug)]
pub struct Api {
    address: SocketAddr,
    token: Option<String>,
    connection: Option<Connection>,
}

impl Api {
    /// Without a login.
    #[must_use]
    pub fn anonymous(address: SocketAddr) -> Self {
        Self { address, token: None, connection: None }
    }

    /// With an access token.
    #[must_use]
    pub fn with_token(address: SocketAddr, token: &str) -> Self {
        Self { address, token: Some(token.to_owned()), connection: None }
    }

    /// One request below `/api/v1`; its answer's body if the status is `status`.
    ///
    /// # Errors
    /// Another status; a broken connection.
    pub async fn call(&mut self, method: &str, path: &str, body: Option<&Value>, status: u16) -> Result<Value> {
        let answer = self.ask(method, path, &[], body).await?;
        answer.json(status).with_context(|| format!("{method} {path}"))
    }

    /// One request with more headers, and whatever is answered.
    ///
    /// # Errors
    /// A broken connection.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut all = headers.to_vec();
        all.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let bytes = request(method, &format!("/api/v1{path}"), &all, body);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let answer = connection.send(&bytes).await.with_context(|| format!("{method} {path}"))?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_parsed() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parse_head(answer).unwrap(), Some((201, answer.len() - 2, 2)));
        assert_eq!(parse_head(&answer[..30]).unwrap(), None);
        assert_eq!(parse_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().2, 0);
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
