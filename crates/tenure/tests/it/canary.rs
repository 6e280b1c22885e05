//! A secret goes to the receiver and nowhere else: not into PostgreSQL's files and write-ahead log, the object store, the files
//! beside them, the log at its most talkative, an error, or any answer, however the receiver sends it back.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tenure_pgembed::{Binaries, Cluster, ClusterConfig};

use crate::harness::{Server, data_dir, guests_dir, tenure};

/// What is no secret and must be found: a search that finds nothing would prove nothing.
const CONTROL: &str = "control-7f3a-not-a-secret";

/// Short and long, plain and full of what needs escapes; none is part of another.
const SECRETS: [(&str, &str); 6] = [
    ("plain", "Zx81canaryplainqW9"),
    ("marks", "Zx82 canary/+&=%41\"\\'<q>?#W9"),
    ("spaced", "Zx83 canary with spaces qW9"),
    ("umlauts", "Zx84-canäry-ünïcode-✓-qW9"),
    ("long", "Zx85canarylong.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789.qW9"),
    ("jwt", "eyJhbGciOiJFZERTQSJ9.Zx86canaryjwtqW9.c2lnbmF0dXJl-_c2lnbmF0dXJl"),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(bytes: &[u8], unreserved: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || unreserved.as_bytes().contains(&byte);
    bytes.iter().map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A text as JSON with every character beyond ASCII escaped, as many serialisers write it.
fn ascii_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    let escape = |c: char| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>()
    };
    quoted.trim_matches('"').chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect()
}

/// Every spelling in which a value is looked for.
pub fn spellings(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let mut all = vec![
        value.to_owned(),
        value.to_lowercase(),
        value.chars().rev().collect(),
        serde_json::to_string(value).unwrap().trim_matches('"').to_owned(),
        ascii_json(value),
        hex(bytes),
        hex(bytes).to_uppercase(),
    ];
    for unreserved in ["-._~", "", "-._~!$&'()*+,;=:@/", "*-._"] {
        let once = percent(bytes, unreserved);
        all.extend([once.clone(), once.to_lowercase(), once.replace("%20", "+"), percent(once.as_bytes(), "-._~")]);
    }
    // Base64 of a text that holds the value at any of three offsets: the middle of each is the same.
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        for offset in 0..3 {
            let text = engine.encode([vec![b'x'; offset], bytes.to_vec()].concat());
            all.push(text[4..text.len() - 4].to_owned());
        }
    }
    all.sort();
    all.dedup();
    all
}

struct Search {
    needles: Vec<(&'static str, String)>,
    automaton: AhoCorasick,
}

impl Search {
    fn new() -> Self {
        let of = |(name, value): (&'static str, &str)| spellings(value).into_iter().map(move |text| (name, text));
        let mut needles: Vec<_> = SECRETS.into_iter().flat_map(of).collect();
        // A part of a value that was left is as bad as the whole.
        needles
            .extend(SECRETS.iter().map(|(name, value)| (*name, value[value.find("Zx8").unwrap()..][..8].to_owned())));
        let automaton = AhoCorasick::new(needles.iter().map(|(_, text)| text)).unwrap();
        Self { needles, automaton }
    }

    fn find(&self, bytes: &[u8]) -> Option<String> {
        let found = self.automaton.find(bytes)?;
        let (name, text) = &self.needles[found.pattern().as_usize()];
        let around = &bytes[found.start().saturating_sub(80)..(found.end() + 40).min(bytes.len())];
        Some(format!("the secret `{name}` as {text}, in: {}", String::from_utf8_lossy(around)))
    }

    #[track_caller]
    fn clean(&self, place: &str, bytes: &[u8]) {
        if let Some(found) = self.find(bytes) {
            panic!("{place} holds {found}");
        }
    }
}

/// A server of somebody else's, which sends back what it got in every way it can think of.
struct Receiver {
    address: String,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || drop(answer(stream, &kept)));
            }
        });
        Self { address, seen }
    }

    fn got(&self, value: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        spellings(value).iter().any(|text| seen.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

fn answer(mut stream: TcpStream, kept: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((_, value)) = line.to_ascii_lowercase().split_once("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let all = [head.as_bytes(), &body].concat();
    kept.lock().unwrap().extend_from_slice(&all);
    let target = head.split(' ').nth(1).unwrap_or("/").to_owned();
    let path = target.split('?').next().unwrap_or("/");
    let text = String::from_utf8_lossy(&all).into_owned();
    let padded = |offset: usize| STANDARD.encode([vec![b'x'; offset], all.clone()].concat());
    let echo = json!({
        "control": CONTROL, "raw": text, "lines": text.lines().collect::<Vec<_>>(), "hex": hex(&all), "HEX": hex(&all).to_uppercase(),
        "base64": [padded(0), padded(1), padded(2)], "url64": URL_SAFE_NO_PAD.encode(&all),
        "percent": percent(&all, "-._~"), "percents": percent(percent(&all, "").as_bytes(), ""), "json": serde_json::to_string(&text)?,
        "ascii": ascii_json(&text),
    });
    let header = STANDARD.encode(&all);
    let reply = |status: &str, headers: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
    };
    let bytes = if path.starts_with("/error") {
        reply("500 Sorry", "content-type: application/json\r\n", &echo.to_string())
    } else if path.starts_with("/redirect") {
        let to = target.replacen("/redirect", "/landed", 1);
        reply("307 Over there", &format!("location: {to}\r\n"), "")
    } else if path.starts_with("/away") {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        reply("302 Away", &format!("location: http://{}.invalid/{query}\r\n", "nowhere"), "")
    } else if path.starts_with("/garbage") {
        format!("{text}\r\n\r\n")
    } else if path.starts_with("/headers") {
        let safe = percent(&all, "-._~ ");
        reply(
            "200 OK",
            &format!("x-echo: {safe}\r\nx-64: {header}\r\nset-cookie: a={header}\r\ncontent-type: text/plain\r\n"),
            &text,
        )
    } else if path.starts_with("/large") {
        let many = vec![echo; 40];
        reply("200 OK", "content-type: application/json\r\n", &json!(many).to_string())
    } else if path.starts_with("/pieces") {
        // Chunks of seven bytes: every value is cut in several places.
        let text = echo.to_string();
        let mut out =
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
                .to_vec();
        for piece in text.as_bytes().chunks(7) {
            out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            out.extend_from_slice(piece);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
        return stream.write_all(&out);
    } else {
        reply("200 OK", "content-type: application/json\r\n", &echo.to_string())
    };
    stream.write_all(bytes.as_bytes())
}

/// A workflow whose request carries `name` in every place that takes it, and whose answer goes through every kind of node.
fn definition(address: &str, kind: &str, name: &str) -> Value {
    let secret = format!("{{{{ secrets.{name} }}}}");
    let ascii = SECRETS.iter().any(|(known, value)| *known == name && value.is_ascii());
    let mut request = json!({
        "method": "POST",
        "url": format!("http://{address}/{kind}/{secret}"),
        "query": { "q": secret, "mixed": format!("a {secret} b") },
    });
    // A header holds no text beyond ASCII.
    if ascii {
        request["headers"] = json!({ "authorization": format!("Bearer {secret}"), "x-key": secret });
    }
    match kind {
        "form" => request["form"] = json!({ "f": secret, "g": format!("x{secret}y") }),
        "text" => request["body"] = json!(format!("before {secret} after, and <{secret}>")),
        _ => request["json"] = json!({ "j": secret, "nested": [{ "k": format!("é{secret}") }], "number": 7 }),
    }
    let python = "def execute(state, config):\n    print(state['state']['call'])\n    return {'again': state['state']['call'], 'length': len(str(state))}\n";
    json!({
        "name": format!("{kind} {name}"),
        "nodes": {
            "call": { "type": "http", "request": request, "continue_on_error": true, "limits": { "output": "8MiB" } },
            "use": { "type": "plugin", "language": "python", "source": python, "continue_on_error": true, "limits": { "output": "8MiB" } },
            "sum": { "type": "transform", "jq": "{keys: (.state.call | keys), all: (.state.call | tostring | length)}", "continue_on_error": true },
        },
        "edges": [{ "from": "start", "to": "call" }, { "from": "call", "to": "use" }, { "from": "use", "to": "sum" }, { "from": "sum", "to": "end" }],
    })
}

/// Workflows whose requests cannot be sent: what they say about it must not quote the secret.
fn hopeless(name: &str) -> Vec<Value> {
    let secret = format!("{{{{ secrets.{name} }}}}");
    let url = [
        format!("http://{secret}.invalid/"),
        format!("http://{secret}/"),
        format!("http://127.0.0.1:{secret}/"),
        format!("{secret}://example.com/"),
        secret.clone(),
        format!("http://user:{secret}@127.0.0.1:1/"),
        format!("http://169.254.169.254/{secret}"),
        format!("http://nowhere.invalid/{secret}?q={secret}"),
    ];
    let of = |(index, url): (usize, String)| {
        json!({
            "name": format!("hopeless {name} {index}"),
            "nodes": { "call": { "type": "http", "request": { "url": url, "headers": { "x-bad": format!("a\n{secret}") } } } },
            "edges": [{ "from": "start", "to": "call" }, { "from": "call", "to": "end" }],
        })
    };
    url.into_iter().enumerate().map(of).collect()
}

struct Caller<'a> {
    server: &'a Server,
    token: String,
    /// Every answer, with its headers.
    answers: Vec<(String, Vec<u8>)>,
}

impl Caller<'_> {
    fn call(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let bearer = format!("Bearer {}", self.token);
        let (mut headers, mut text) = (vec![("authorization", bearer.as_str())], String::new());
        if method != "GET" {
            headers.push(("content-type", "application/json"));
            text = body.to_string();
        }
        let answer = self.server.ask(method, path, &headers, &text);
        let head = format!("{method} {path} {} {:?}", answer.status, answer.headers);
        let value = serde_json::from_slice(&answer.body).unwrap_or_default();
        self.answers.push((head, answer.body));
        value
    }

    fn get(&mut self, path: &str) -> Value {
        self.call("GET", path, &Value::Null)
    }

    /// Saves a workflow, grants it the secret, runs it.
    fn run(&mut self, definition: &Value, secret: &str, workflows: &mut Vec<String>) -> Value {
        let saved = self.call("POST", "/api/v1/workflows", definition);
        let id = saved["id"].as_str().unwrap_or_else(|| panic!("{saved:#}")).to_owned();
        workflows.push(id.clone());
        let path = format!("/api/v1/secrets/{secret}/grants");
        let _ = self.call("PUT", &path, &json!({ "workflow_ids": [id] }));
        let path = format!("/api/v1/workflows/{id}/executions?wait=60s");
        let done = self.call("POST", &path, &json!({ "input": { "control": CONTROL } }));
        assert!(["succeeded", "failed"].contains(&done["state"].as_str().unwrap_or("none")), "{done:#}");
        let path = format!("/api/v1/executions/{}", done["id"].as_str().unwrap());
        for part in ["", "/steps", "/steps/call", "/steps/use", "/steps/sum", "/events"] {
            let _ = self.get(&format!("{path}{part}"));
        }
        done
    }

    /// Everything that lists something, page by page.
    fn read_everything(&mut self, workflows: &[String]) {
        for path in [
            "workflows",
            "executions",
            "approvals",
            "plugins",
            "secrets",
            "quotas",
            "teams",
            "users",
            "audit/events",
            "audit/checkpoints",
        ] {
            let mut next = format!("/api/v1/{path}?limit=200");
            if path == "quotas" {
                next = format!("/api/v1/{path}");
            }
            for _ in 0..50 {
                let page = self.get(&next);
                let Some(cursor) = page["next_cursor"].as_str() else { break };
                next = format!("/api/v1/{path}?limit=200&cursor={cursor}");
            }
        }
        for id in workflows {
            let _ = self.get(&format!("/api/v1/workflows/{id}"));
        }
        let events = self.get("/api/v1/audit/events?limit=200");
        for event in events["items"].as_array().into_iter().flatten() {
            let _ = self.get(&format!("/api/v1/audit/events/{}", event["id"].as_str().unwrap()));
        }
        for path in ["/api/v1/auth/me", "/api/openapi.json", "/readyz"] {
            let _ = self.get(path);
        }
    }
}

pub fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_below(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// All tables as text: what PostgreSQL has compressed in its files does not stand there as it is.
fn dump(data: &Path) -> Vec<u8> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let setting = |name| std::env::var_os(name).map(PathBuf::from);
    let mut config = ClusterConfig::new(data.join("postgres"));
    (config.bin, config.cache) = (setting("TENURE_PG_BIN"), setting("TENURE_CACHE"));
    let programs = Binaries::find(config.bin.as_deref(), config.cache.as_deref()).unwrap();
    let cluster = runtime.block_on(Cluster::open(config)).unwrap();
    let url = cluster.endpoint().superuser_url("tenure");
    let output = Command::new(programs.program("pg_dump")).arg(url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    runtime.block_on(cluster.stop());
    output.stdout
}

#[test]
fn a_secret_goes_to_its_receiver_and_nowhere_else() {
    let (data, receiver, search) = (data_dir(), Receiver::start(), Search::new());
    let mut command = tenure(data.path());
    command
        .env("TENURE_LOG", "trace")
        .env("TENURE_EGRESS_ALLOW", &receiver.address)
        .env("TENURE_GUESTS_DIR", guests_dir());
    for limit in ["USER", "TENANT", "ADDRESS"] {
        command.env(format!("TENURE_LIMITS_{limit}"), "100000/60s");
    }
    let mut server = Server::start_with(&mut command);
    let token = server.register("ada");
    let mut caller = Caller { server: &server, token, answers: Vec::new() };
    for (name, value) in SECRETS {
        let body = json!({ "value": value, "description": "a canary" });
        let path = format!("/api/v1/secrets/{name}");
        assert_eq!(caller.call("PUT", &path, &body)["name"], name);
        // Wrong in other ways: what is refused must not be quoted.
        let _ = caller.call("PUT", &path, &json!({ "value": [value] }));
        let _ = caller.call("PUT", &path, &json!({ "value": value, "unknown": value }));
        let _ = caller.call("PUT", "/api/v1/secrets/NOT%20A%20NAME", &body);
        let _ = caller.call("POST", "/api/v1/secrets", &body);
    }

    let mut workflows = Vec::new();
    for (index, (name, value)) in SECRETS.into_iter().enumerate() {
        for kind in ["echo", "error", "redirect", "away", "garbage", "headers", "large", "pieces", "form", "text"] {
            let done = caller.run(&definition(&receiver.address, kind, name), name, &mut workflows);
            assert_eq!(done["state"], "succeeded", "{kind} {name}: {done:#}");
        }
        assert!(receiver.got(value), "{name} never reached its receiver");
        // The more hopeless ones once: they wait for names that do not exist.
        for definition in hopeless(name).into_iter().skip(index).step_by(if index == 0 { 1 } else { 3 }) {
            let done = caller.run(&definition, name, &mut workflows);
            assert_eq!(done["state"], "failed", "{done:#}");
        }
    }
    caller.read_everything(&workflows);
    let answers = caller.answers;
    assert!(answers.len() > 500, "{} answers", answers.len());
    let mut controls = 0;
    for (head, body) in &answers {
        search.clean(head, head.as_bytes());
        search.clean(head, body);
        controls += usize::from(String::from_utf8_lossy(body).contains(CONTROL));
    }
    assert!(controls > 50, "{controls} answers told of the input");
    let redacted = answers.iter().filter(|(_, body)| String::from_utf8_lossy(body).contains("[redacted:")).count();
    assert!(redacted > 50, "{redacted} answers told that something was left out");

    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0), "{}", server.errors());
    let log = server.errors();
    assert!(log.contains("listening") && log.contains("shutting down"), "{log}");
    search.clean("the log", log.as_bytes());

    let (mut files, mut bytes, mut control) = (Vec::new(), 0, false);
    files_below(data.path(), &mut files);
    for file in &files {
        let content = std::fs::read(file).unwrap();
        search.clean(&file.display().to_string(), &content);
        bytes += content.len();
        control |= content.windows(CONTROL.len()).any(|window| window == CONTROL.as_bytes());
    }
    assert!(control && bytes > 16 << 20, "{} files of {bytes} bytes were searched", files.len());
    assert!(
        files.iter().any(|file| file.starts_with(data.path().join("objects"))),
        "large values went to the object store"
    );
    assert!(files.iter().any(|file| file.components().any(|part| part.as_os_str() == "pg_wal")));

    let dump = dump(data.path());
    search.clean("the database", &dump);
    assert!(String::from_utf8_lossy(&dump).contains(CONTROL));
}

/// Each spelling is found where it stands.
#[test]
fn the_search_finds_what_is_planted() {
    let search = Search::new();
    for (name, value) in SECRETS {
        for text in spellings(value) {
            assert!(search.find(format!("before {text} after").as_bytes()).is_some(), "{name} as {text}");
        }
        for offset in 0..3 {
            let text = STANDARD.encode(format!("{}{value} and more", "x".repeat(offset)));
            assert!(search.find(text.as_bytes()).is_some(), "{name} in base64 at {offset}");
        }
    }
    assert_eq!(search.find(CONTROL.as_bytes()), None);
}
