//! The caller's gate is asked before every hop, with the host that the connection is for.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tenure_egress::{
    Anywhere, Destination, EgressClient, EgressError, EgressRequest, Gate, GateFuture, GateRefusal, Lookup, Method,
    Placeholders,
};

use super::policy;
use super::server::{Server, ok, raw};

/// Refuses one host, and remembers what it was asked.
struct Without(&'static str, Mutex<Vec<(String, bool)>>);

impl Without {
    fn new(host: &'static str) -> Self {
        Self(host, Mutex::default())
    }

    fn asked(&self) -> Vec<(String, bool)> {
        self.1.lock().unwrap().clone()
    }
}

impl Gate for Without {
    fn admit<'a>(&'a self, to: Destination<'a>) -> GateFuture<'a> {
        self.1.lock().unwrap().push((to.host.to_owned(), to.is_secret));
        Box::pin(async move {
            if to.host == self.0 { Err(GateRefusal::Denied(format!("not to {}", self.0))) } else { Ok(()) }
        })
    }
}

async fn send(client: &EgressClient, url: &str, secrets: &Placeholders, gate: &Without) -> Result<String, EgressError> {
    let response = client.send(EgressRequest::new(Method::GET, url), secrets, gate).await?;
    Ok(response.text())
}

fn asked(hosts: &[(&str, bool)]) -> Vec<(String, bool)> {
    hosts.iter().map(|(host, is_secret)| ((*host).to_owned(), *is_secret)).collect()
}

#[tokio::test]
async fn a_refused_host_is_not_reached_directly_nor_by_redirect() {
    let target = Server::start(|_| ok("text/plain", "target")).await;
    let to = format!("http://localhost:{}/landing", target.port());
    let first =
        Server::start(move |_| raw(&format!("HTTP/1.1 307 x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"))).await;
    let client = EgressClient::new(policy(&[first.authority(), format!("localhost:{}", target.port())])).unwrap();
    let gate = Without::new("localhost");
    let error = send(&client, &first.url("/"), &Placeholders::none(), &gate).await.unwrap_err();
    assert_eq!((error.class().as_str(), error.to_string().as_str()), ("denied", "not to localhost"));
    assert_eq!(gate.asked(), asked(&[("127.0.0.1", false), ("localhost", false)]));
    assert!(target.seen().is_empty(), "the redirect was followed");
    let error = send(&client, &format!("http://LOCALHOST.:{}/", target.port()), &Placeholders::none(), &gate).await;
    assert_eq!(error.unwrap_err().class().as_str(), "denied");
    assert!(target.seen().is_empty());
    let other = Without::new("example.com");
    assert_eq!(send(&client, &first.url("/"), &Placeholders::none(), &other).await.unwrap(), "target");
}

#[tokio::test]
async fn of_a_secret_url_the_gate_learns_the_host_and_of_a_secret_host_that_it_is_one() {
    let server = Server::start(|_| ok("text/plain", "there")).await;
    let client = EgressClient::new(policy(&[server.authority()])).unwrap();
    let mut secrets = Placeholders::none();
    let url = secrets.insert("hook", server.url("/services/T0/B0").into_bytes()).unwrap();
    let gate = Without::new("127.0.0.1");
    let error = send(&client, &url, &secrets, &gate).await.unwrap_err();
    assert_eq!((error.class().as_str(), gate.asked()), ("denied", asked(&[("127.0.0.1", false)])));
    let host = secrets.insert("host", "127.0.0.1").unwrap();
    let gate = Without::new("nowhere");
    let at = format!("http://{host}:{}/", server.port());
    assert_eq!(send(&client, &at, &secrets, &gate).await.unwrap(), "there");
    assert_eq!(gate.asked(), asked(&[("127.0.0.1", true)]));
}

/// What stands for an address in the URL is one spelling to the gate.
#[tokio::test]
async fn every_spelling_of_an_address_is_one_host() {
    let server = Server::start(|_| ok("text/plain", "there")).await;
    let client = EgressClient::new(policy(&[server.authority()])).unwrap();
    for spelling in
        ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "%31%32%37.0.0.1", "１２７.0.0.1"]
    {
        let gate = Without::new("127.0.0.1");
        let url = format!("http://{spelling}:{}/", server.port());
        let error = send(&client, &url, &Placeholders::none(), &gate).await.unwrap_err();
        assert_eq!(error.class().as_str(), "denied", "{spelling}");
    }
    assert!(server.seen().is_empty());
}

/// Names below `slow.example` never resolve; all others are this machine.
#[derive(Default)]
struct Stuck(Arc<AtomicUsize>);

impl Lookup for Stuck {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        if host.ends_with("slow.example") {
            self.0.fetch_add(1, Ordering::SeqCst);
            return std::future::pending().boxed();
        }
        std::future::ready(Ok(vec![IpAddr::from([127, 0, 0, 1])])).boxed()
    }
}

#[tokio::test]
async fn one_callers_stuck_lookups_are_not_anothers() {
    let server = Server::start(|_| ok("text/plain", "there")).await;
    let named = format!("quick.example:{}", server.port());
    let stuck = Stuck::default();
    let under_way = Arc::clone(&stuck.0);
    let client = EgressClient::with_lookup(policy(&[&named]), Arc::new(stuck)).unwrap();
    let of = |caller: u128, url: String| EgressRequest { caller: Some(caller), ..EgressRequest::new(Method::GET, url) };
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let (client, request) = (client.clone(), of(1, format!("http://n{n}.slow.example/")));
            tokio::spawn(async move { client.send(request, &Placeholders::none(), &Anywhere).await })
        })
        .collect();
    let answer = client.send(of(2, format!("http://{named}/")), &Placeholders::none(), &Anywhere).await;
    assert_eq!(answer.unwrap().text(), "there");
    for call in calls {
        // Given up, and the lookup goes on: its place is not free for the next.
        assert!(call.await.unwrap().is_err());
    }
    assert_eq!(under_way.load(Ordering::SeqCst), 16);
    // A name that was never connected to: found and refused for others, not even looked up for this one.
    for (caller, class) in [(3, "refused-address"), (1, "timeout")] {
        let request = of(caller, "http://else.example/".to_owned());
        let error = client.send(request, &Placeholders::none(), &Anywhere).await.unwrap_err();
        assert_eq!(error.class().as_str(), class, "caller {caller}: {error}");
    }
}
