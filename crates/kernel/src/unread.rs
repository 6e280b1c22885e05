//! What a handler leaves unread of a request's body.
//!
//! A connection of HTTP/1 that is closed with something unread is reset, and the answer that is on its way with it
//! (RFC 9112, section 9.6): who sends 50 MiB to a route that takes one would meet a closed connection instead of the 413.
//! So the rest is read, and thrown away, before the answer goes out. HTTP/2 ends the stream alone and needs none of this.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Version};
use futures::StreamExt as _;
use http_body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Whoever sends more than this, sends for longer, or pauses for longer meets the closed connection after all.
const DISCARDED: usize = 64 * 1024 * 1024;
const DISCARDED_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(5);

/// Where the rest of a body comes back to.
#[derive(Debug)]
pub(crate) struct Unread {
    rest: Option<oneshot::Receiver<Rest>>,
    /// The client sends nothing before it is asked to (RFC 9110, section 10.1.1).
    waits: bool,
}

#[derive(Debug)]
struct Rest {
    body: Body,
    begun: bool,
}

impl Unread {
    /// The body for the handler, and what becomes of the rest.
    pub(crate) fn watch(parts: &Parts, body: Body) -> (Self, Body) {
        let waits = expects(&parts.headers);
        if body.is_end_stream() || parts.version >= Version::HTTP_2 {
            return (Self { rest: None, waits }, body);
        }
        let (back, rest) = oneshot::channel();
        let watched = Watched { body: Some(body), begun: false, back: Some(back) };
        (Self { rest: Some(rest), waits }, Body::new(watched))
    }

    /// Reads the rest, if the handler has dropped the body before its end.
    pub(crate) async fn discard(self) {
        let Some(Ok(rest)) = self.rest.map(|mut rest| rest.try_recv()) else { return };
        if self.waits && !rest.begun {
            return;
        }
        let read = async {
            let (mut stream, mut left) = (rest.body.into_data_stream(), DISCARDED);
            while let Ok(Some(Ok(piece))) = timeout(PAUSE, stream.next()).await {
                let Some(rest) = left.checked_sub(piece.len()) else { return };
                left = rest;
            }
        };
        let _ = timeout(DISCARDED_WITHIN, read).await;
    }
}

fn expects(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// A body that goes back when it is dropped before its end.
struct Watched {
    /// None once it has ended or failed.
    body: Option<Body>,
    begun: bool,
    back: Option<oneshot::Sender<Rest>>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.begun = true;
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let body = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(back)) = (body, self.back.take()) {
            // Nobody waits for it once the request is over.
            let _ = back.send(Rest { body, begun: self.begun });
        }
    }
}
