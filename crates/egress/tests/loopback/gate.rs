//! The caller's gate is asked before every hop, with the host that the connection is for.

use std::sync::Mutex;

use tenure_egress::{
    Destination, EgressClient, EgressError, EgressRequest, Gate, GateFuture, GateRefusal, Method, Placeholders,
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
    for spelling in ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"] {
        let gate = Without::new("127.0.0.1");
        let url = format!("http://{spelling}:{}/", server.port());
        let error = send(&client, &url, &Placeholders::none(), &gate).await.unwrap_err();
        assert_eq!(error.class().as_str(), "denied", "{spelling}");
    }
    assert!(server.seen().is_empty());
}
