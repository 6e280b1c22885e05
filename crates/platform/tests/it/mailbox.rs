//! Mail as its readers find it: in the outbox of a development instance, or at a real SMTP server on loopback.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tenure_platform::testkit::{Answer, TestApp};

/// The longest that anything here may take on a machine that does many things at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What stands in the outbox, newest first.
pub async fn outbox(app: &TestApp) -> Vec<Value> {
    let page = app.send(Method::GET, "/dev/outbox?limit=200", None, None).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

/// The newest message of this kind to this address.
pub async fn latest(app: &TestApp, kind: &str, to: &str) -> Value {
    let all = outbox(app).await;
    let found = all.iter().find(|message| message["kind"] == kind && message["to"] == to);
    found.unwrap_or_else(|| panic!("no {kind} to {to} in {all:#?}")).clone()
}

/// What the message's link carries.
pub fn token(message: &Value) -> String {
    let text = message["text"].as_str().unwrap();
    let (_, rest) = text.split_once("#token=").unwrap_or_else(|| panic!("no link in {text}"));
    rest.split_whitespace().next().unwrap().to_owned()
}

/// Posts as nobody.
pub async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    app.send(Method::POST, path, None, Some(&body)).await
}

/// An SMTP server; ends with the test, however that ends.
pub struct MailServer {
    child: Child,
    pub port: u16,
    messages: Arc<Mutex<Vec<Value>>>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn python() -> PathBuf {
    let cache = std::env::var_os("TENURE_CACHE").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tenure"));
    let cache = cache.or_else(home).expect("TENURE_CACHE or HOME is set");
    let python = cache.join("python/aiosmtpd-1.4.6/bin/python");
    assert!(python.is_file(), "no mail server in {}; run `cargo xtask setup`", python.display());
    python
}

impl MailServer {
    /// Starts on a free port, or on that of `--port`.
    pub fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mail/server.py");
        let mut child = Command::new(python())
            .arg(script)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let port = first["port"].as_u64().unwrap().try_into().unwrap();
        let messages = Arc::<Mutex<Vec<Value>>>::default();
        let heard = Arc::clone(&messages);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, messages }
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub fn messages(&self) -> Vec<Value> {
        self.messages.lock().unwrap().clone()
    }

    /// The messages, once there are so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let messages = self.messages();
            if messages.len() >= count {
                return messages;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {count} messages came: {messages:#?}", messages.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The header of this name; it stands once.
pub fn header<'a>(message: &'a Value, name: &str) -> &'a str {
    let all = message["headers"].as_array().unwrap();
    let found: Vec<&str> = all.iter().filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect();
    assert_eq!(found.len(), 1, "{name} in {all:?}");
    found[0]
}
