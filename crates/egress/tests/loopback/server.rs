//! An HTTP server whose every byte a test decides.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Listens on a free port of 127.0.0.1 until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    hung_up: AtomicUsize,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What to write, and what to do then.
pub(crate) struct Reply {
    bytes: Vec<u8>,
    then: Then,
}

enum Then {
    Next,
    Close,
    Hang,
    /// One byte each 50 ms.
    Drip,
    /// This, followed by as many letters, for ever.
    Repeat(Vec<u8>, usize),
}

pub(crate) fn raw(text: &str) -> Reply {
    Reply { bytes: text.as_bytes().to_vec(), then: Then::Next }
}

pub(crate) fn close(text: &str) -> Reply {
    Reply { bytes: text.as_bytes().to_vec(), then: Then::Close }
}

pub(crate) fn hang(bytes: &[u8]) -> Reply {
    Reply { bytes: bytes.to_vec(), then: Then::Hang }
}

pub(crate) fn ok(content_type: &str, body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len());
    Reply { bytes: [head.as_bytes(), body].concat(), then: Then::Next }
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

impl Server {
    pub(crate) async fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(reply, None).await
    }

    pub(crate) async fn start_tls(
        reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        tls: tokio_rustls::TlsAcceptor,
    ) -> Self {
        Self::start_with(reply, Some(tls)).await
    }

    pub(crate) async fn drip(head: &'static [u8]) -> Self {
        Self::start(|_| Reply { bytes: head.to_vec(), then: Then::Drip }).await
    }

    pub(crate) async fn endless(head: &'static [u8], before: &'static [u8], letters: usize) -> Self {
        Self::start(move |_| Reply { bytes: head.to_vec(), then: Then::Repeat(before.to_vec(), letters) }).await
    }

    async fn start_with(
        reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, reply) = (Arc::new(Shared::default()), Arc::new(reply));
        let accepting = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (shared, reply, tls) = (shared.clone(), reply.clone(), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => serve(stream, &shared, reply.as_ref()).await,
                            Some(tls) => match tls.accept(stream).await {
                                Ok(stream) => serve(stream, &shared, reply.as_ref()).await,
                                Err(_) => None,
                            },
                        };
                        shared.hung_up.fetch_add(1, Ordering::SeqCst);
                    });
                }
            }
        });
        Self { address, shared, accepting }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.address, if path.starts_with('/') { "" } else { "/" })
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Connections that have ended.
    pub(crate) fn hung_up(&self) -> usize {
        self.shared.hung_up.load(Ordering::SeqCst)
    }

    pub(crate) async fn wait_until(&self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited 5 s in vain");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers requests until the peer is gone; `None` is how `?` ends a connection.
async fn serve<S>(mut stream: S, shared: &Shared, reply: &(impl Fn(&Seen) -> Reply + Sync)) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let seen = read(&mut stream).await?;
        let reply = reply(&seen);
        shared.seen.lock().unwrap().push(seen);
        stream.write_all(&reply.bytes).await.ok()?;
        stream.flush().await.ok()?;
        match reply.then {
            Then::Next => {}
            Then::Close => return Some(()),
            Then::Hang => {
                stream.read_u8().await.ok()?;
            }
            Then::Drip => loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.write_all(b"x").await.ok()?;
            },
            Then::Repeat(before, letters) => loop {
                let end: &[u8] = if before.is_empty() { b"" } else { b"\r\n" };
                stream.write_all(&[&before, &*vec![b'x'; letters], end].concat()).await.ok()?;
            },
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { line, headers, body })
}
