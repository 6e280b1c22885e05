//! The client's address behind proxies: `X-Forwarded-For` is believed as far back as proxies of ours wrote it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use tenure_kernel::request::ClientAddress;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The middleware. Without trusted proxies the connection's own address stands.
pub(super) async fn note(State(trusted): State<Arc<[IpNet]>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    if let Some(address) = peer.and_then(|peer| client(peer, request.headers(), &trusted)) {
        request.extensions_mut().insert(ClientAddress(address));
    }
    next.run(request).await
}

/// The nearest address that is no proxy of ours, from the right: what stands further left was written by strangers. None
/// where the connection does not come from a trusted proxy, or that tells nothing.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer.to_canonical()) {
        return None;
    }
    let mut nearest = None;
    let told: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().flat_map(|value| value.to_str().unwrap_or("?").split(',')).collect();
    for text in told.into_iter().rev() {
        // Nothing before what cannot be read can be trusted.
        let Some(address) = parse(text.trim()) else { break };
        nearest = Some(address);
        if !is_trusted(&address) {
            break;
        }
    }
    nearest
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`.
fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.ok().or_else(bare).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, told: &[&str]) -> Option<String> {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().unwrap()).collect();
        let headers = told.iter().map(|value| (FORWARDED_FOR.parse().unwrap(), value.parse().unwrap())).collect();
        client(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_saw() {
        assert_eq!(seen("192.0.2.9", &["203.0.113.5"]), None, "a stranger's word");
        assert_eq!(seen("10.0.0.1", &[]), None);
        assert_eq!(seen("10.0.0.1", &["203.0.113.5"]).as_deref(), Some("203.0.113.5"));
        assert_eq!(seen("::ffff:10.0.0.1", &["203.0.113.5"]).as_deref(), Some("203.0.113.5"));
        assert_eq!(seen("10.0.0.1", &["1.1.1.1, 203.0.113.5, 10.9.9.9"]).as_deref(), Some("203.0.113.5"));
        assert_eq!(seen("10.0.0.1", &["1.1.1.1", "203.0.113.5:4711"]).as_deref(), Some("203.0.113.5"));
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]:80, fd00::2"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(seen("10.0.0.1", &["203.0.113.5, unknown"]), None, "what is unreadable hides what is before it");
        assert_eq!(seen("10.0.0.1", &["10.0.0.7"]).as_deref(), Some("10.0.0.7"), "a call from within");
    }
}
