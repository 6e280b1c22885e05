//! Accepts connections, with limits on what a slow, idle or greedy peer may hold, until told to stop.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

/// Request line and headers together; hyper reads no further.
const MAX_HEADER_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// After a failed accept (out of file descriptors) another would fail as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Connections that are told to come again, at once; what comes beside these is only closed.
const TURNED_AWAY: usize = 1024;
const TURN_AWAY_WITHIN: Duration = Duration::from_secs(2);
/// How often a beginning that may still be either protocol is looked at again.
const PREFACE_POLL: Duration = Duration::from_millis(20);

/// What peers may hold.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections of everybody.
    pub(crate) connections: usize,
    /// Connections of one address (of IPv6 its /64), so that one peer cannot take everybody's.
    pub(crate) per_address: usize,
    /// Whose connections are many people's: not counted by address.
    pub(crate) proxies: Arc<[IpNet]>,
    /// From a connection's begin to the bytes that tell the protocol, and from a request's first byte to its last header.
    pub(crate) headers_within: Duration,
    /// How long a connection may stand without a request.
    pub(crate) idle: Duration,
}

impl Limits {
    pub(crate) fn new(proxies: Arc<[IpNet]>) -> Self {
        Self {
            connections: 8192,
            per_address: 512,
            proxies,
            headers_within: Duration::from_secs(10),
            idle: Duration::from_secs(60),
        }
    }
}

/// Serves until `stop` resolves, then lets requests in flight end for as long as `grace`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let connections = GracefulShutdown::new();
    let all = Arc::new(Semaphore::new(limits.connections));
    let seats = Seats::default();
    let turning_away = Arc::new(Semaphore::new(TURNED_AWAY));
    let (stopping, stopped) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &all) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(seat) = seats.take(peer.ip(), &limits) else {
            tracing::debug!(%peer, "the address holds too many connections; this one is turned away");
            if let Ok(turn) = Arc::clone(&turning_away).try_acquire_owned() {
                tokio::spawn(async move {
                    turn_away(stream).await;
                    drop((turn, permit));
                });
            }
            continue;
        };
        let (router, limits, watcher) = (router.clone(), limits.clone(), connections.watcher());
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let http2 = tokio::select! {
                told = timeout(limits.headers_within, speaks_http2(&stream)) => told,
                _ = stopped.wait_for(|stopped| *stopped) => return,
            };
            if let Ok(Ok(http2)) = http2 {
                connection(stream, peer, http2, router, &limits, watcher).await;
            }
            drop((seat, permit));
        });
    }
    drop(listener);
    stopping.send_replace(true);
    if timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!(seconds = grace.as_secs(), "requests did not end in time and were cut off");
    }
}

/// Says when to come again, to whoever asks from an address that holds all its connections: what is only closed looks like a
/// server that has died. Read first, and to its end: a connection that is closed with something unread is reset, and the
/// answer with it.
async fn turn_away(mut stream: TcpStream) {
    const DETAIL: &str = "your address holds as many connections as one may; use those, or try again";
    let body = format!(
        r#"{{"type":"/docs/problems#unavailable","title":"The server cannot answer right now","status":503,"code":"unavailable","detail":"{DETAIL}"}}"#
    );
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut unread = [0; 4096];
    let told = async {
        // Who has already gone is told nothing.
        if stream.read(&mut unread).await? == 0 {
            return Ok(());
        }
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    // Whoever does not listen is not waited for.
    let _ = timeout(TURN_AWAY_WITHIN, told).await;
}

/// Serves one connection until it ends, or nothing was asked for too long.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    http2: bool,
    router: Router,
    limits: &Limits,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let (asked, mut asking) = watch::channel(0_usize);
    let asked = Arc::new(asked);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let (router, under_way) = (router.clone(), UnderWay::begin(&asked));
        async move {
            let response: Response = router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
            // An answer is under way until its last byte is: a stream of events is not idle.
            let response = response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _ = &under_way;
                    frame
                }))
            });
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder(http2, limits.headers_within);
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let mut serving = pin!(watcher.watch(serving));
    let idle = async {
        loop {
            if asking.wait_for(|asked| *asked == 0).await.is_err() {
                return std::future::pending().await;
            }
            let busy = timeout(limits.idle, asking.wait_for(|asked| *asked > 0)).await;
            if busy.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        ended = &mut serving => if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended early");
        },
        () = idle => tracing::debug!(%peer, "a connection without requests is closed"),
    }
}

/// A request that is being answered.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn begin(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Looks at the first bytes without taking them. hyper-util could tell by itself, but waits for ever.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut first).await?;
        let begun = first.get(..read).unwrap_or_default();
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(begun) {
            return Ok(false);
        }
        if read == PREFACE.len() {
            return Ok(true);
        }
        sleep(PREFACE_POLL).await;
    }
}

/// How many connections each address holds.
#[derive(Debug, Clone, Default)]
struct Seats(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection that is counted, or one of a proxy.
struct Seat(Option<(Seats, IpAddr)>);

impl Seats {
    fn take(&self, peer: IpAddr, limits: &Limits) -> Option<Seat> {
        let peer = peer.to_canonical();
        if limits.proxies.iter().any(|net| net.contains(&peer)) {
            return Some(Seat(None));
        }
        let key = match peer {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            IpAddr::V4(_) => peer,
        };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(key).or_default();
        if *count >= limits.per_address {
            return None;
        }
        *count += 1;
        Some(Seat(Some((self.clone(), key))))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((seats, key)) = &self.0 else { return };
        let mut held = seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get(key).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            held.remove(key);
        } else {
            held.insert(*key, left);
        }
    }
}

async fn accept(
    listener: &TcpListener,
    all: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(all).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Small answers go out at once (Nagle's algorithm would wait for more).
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

fn builder(http2: bool, headers_within: Duration) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(headers_within)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_BYTES as u32)
        .max_concurrent_streams(200)
        .keep_alive_interval(Duration::from_secs(30));
    builder
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::sync::oneshot;

    use super::*;

    /// Longer than anything here may take.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn server(change: impl FnOnce(&mut Limits)) -> (SocketAddr, oneshot::Sender<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = || async {
            let pieces = futures::stream::unfold(0, |sent| async move {
                sleep(Duration::from_millis(50)).await;
                (sent < 20).then_some((Ok::<_, Infallible>("piece;"), sent + 1))
            });
            Body::from_stream(pieces)
        };
        let router = Router::new().route("/", get(|| async { "hello" })).route("/stream", get(stream));
        let mut limits = Limits::new(Arc::new([]));
        change(&mut limits);
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        tokio::spawn(serve(listener, router, limits, stopped, Duration::from_secs(5)));
        (address, stop)
    }

    async fn say(address: SocketAddr, words: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(words).await.unwrap();
        stream
    }

    /// What comes until the server closes.
    async fn rest(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        // A reset is an end, too.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the server closes the connection");
        String::from_utf8_lossy(&text).into_owned()
    }

    #[tokio::test]
    async fn connections_that_say_nothing_or_half_a_word_are_closed() {
        let (address, _stop) = server(|limits| limits.headers_within = Duration::from_millis(100)).await;
        for words in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n"] {
            let answer = rest(say(address, words).await).await;
            assert!(!answer.contains("hello"), "{answer}");
        }
        let whole = rest(say(address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await).await;
        assert!(whole.ends_with("hello"), "{whole}");
    }

    #[tokio::test]
    async fn idle_connections_are_closed_and_answers_under_way_are_not() {
        let (address, _stop) = server(|limits| limits.idle = Duration::from_millis(200)).await;
        // HTTP/2 that has begun and asks for nothing.
        let quiet = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
        rest(say(address, &quiet).await).await;
        let kept = rest(say(address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await).await;
        assert!(kept.ends_with("hello"), "{kept}");
        let stream = rest(say(address, b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await).await;
        assert_eq!(stream.matches("piece;").count(), 20, "a stream longer than the limit is sent to its end");
    }

    #[tokio::test]
    async fn an_address_has_no_more_than_its_share_but_proxies_have() {
        let hello = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let (address, _stop) = server(|limits| limits.per_address = 3).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(say(address, b"GET ").await);
        }
        assert_eq!(rest(TcpStream::connect(address).await.unwrap()).await, "");
        let told = rest(say(address, hello).await).await;
        assert!(told.starts_with("HTTP/1.1 503") && told.contains("retry-after: 1\r\n"), "{told}");
        let (_, problem) = told.split_once("\r\n\r\n").unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(problem).unwrap()["code"], "unavailable");
        // One of them ends, and there is room again.
        drop(held.pop());
        let begun = std::time::Instant::now();
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(hello).await;
            if rest(stream).await.ends_with("hello") {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "the place is never free again");
        }
        let (address, _stop) = server(|limits| {
            limits.per_address = 1;
            limits.proxies = Arc::new(["127.0.0.0/8".parse().unwrap()]);
        })
        .await;
        let _held = say(address, b"GET ").await;
        assert!(rest(say(address, hello).await).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn it_stops_at_once_whatever_silent_peers_hold() {
        let (address, stop) = server(|_| {}).await;
        let silent = TcpStream::connect(address).await.unwrap();
        // Accepted before the signal, as an answer behind it shows.
        assert!(
            rest(say(address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await)
                .await
                .ends_with("hello")
        );
        stop.send(()).unwrap();
        assert_eq!(rest(silent).await, "");
    }
}
