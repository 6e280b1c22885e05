//! Delivery to a real SMTP server: once, in time, under TLS, and what happens where it fails.

use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::Method;
use serde_json::{Value, json};
use tenure_kernel::{Clock, Timestamp};
use tenure_platform::config::PlatformConfig;
use tenure_platform::domain::access::SystemRole;
use tenure_platform::domain::mail::{Authority, MailConfig, Sender, SmtpUrl};
use tenure_platform::testkit::{PASSWORD, Setup, TestApp};

use crate::mailbox::{MailServer, PATIENCE, header, post, token};

fn by_smtp(url: &str) -> Setup {
    Setup { platform: PlatformConfig { mail: to(url), ..PlatformConfig::default() }, ..Setup::default() }
}

fn to(url: &str) -> MailConfig {
    MailConfig {
        smtp: Some(SmtpUrl::parse(url).unwrap()),
        from: Sender::parse("Tenure <tenure@sender.example>").unwrap(),
        public_url: "https://tenure.example".to_owned(),
        first_wait: Duration::from_millis(100),
        ..MailConfig::default()
    }
}

/// Status, number of tries and whether the content is still there, of each message of this kind.
async fn rows(app: &TestApp, kind: &str) -> Vec<(String, i32, bool)> {
    sqlx::query_as("select status, attempts, sealed is not null from mail_messages where kind = $1 order by created_at")
        .bind(kind)
        .fetch_all(&mut app.admin().await)
        .await
        .unwrap()
}

async fn until(what: &str, done: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_once_and_leaves_nothing_behind() {
    let server = MailServer::start(&[]);
    let app = TestApp::with(by_smtp(&server.url())).await;
    let ada = app.register("ada", "Engines").await;
    let messages = server.wait_for(1).await;
    let message = &messages[0];
    assert_eq!(message["from"], "tenure@sender.example");
    assert_eq!(message["to"], json!(["ada@example.com"]));
    assert_eq!(header(message, "From"), "Tenure <tenure@sender.example>");
    assert_eq!(header(message, "To"), "ada@example.com");
    assert_eq!(header(message, "Subject"), "Confirm your e-mail address");
    assert_eq!(header(message, "Auto-Submitted"), "auto-generated");
    let id = header(message, "Message-ID");
    assert!(id.starts_with("<mail_") && id.ends_with("@sender.example>"), "{id}");
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("https://tenure.example/verify-email#token=tnr_ml_"), "{text}");
    assert!(text.contains("Hello ada of Engines,"), "{text}");

    until("erasing", async || rows(&app, "verify-email").await == [("delivered".to_owned(), 1, false)]).await;
    let _ = post(&app, "/auth/verify-email/confirm", json!({"token": token(message)})).await.expect(204);
    assert_eq!(app.get(&ada, "/auth/me").await.expect(200)["email_verified"], true);
    // Neither the link nor anything of it lies in the database.
    let stored: bool =
        sqlx::query_scalar("select exists (select from mail_tokens)").fetch_one(&mut app.admin().await).await.unwrap();
    assert!(!stored);
    let outbox = app.send(Method::GET, "/dev/outbox", None, None).await;
    outbox.problem(404, "not-found");
    assert_eq!(app.send(Method::GET, "/instance", None, None).await.expect(200)["mail"], "smtp");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(server.messages().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_delivered_is_tried_again_until_it_is() {
    let port = {
        let gone = MailServer::start(&[]);
        gone.port
    };
    let app = TestApp::with(by_smtp(&format!("smtp://127.0.0.1:{port}"))).await;
    let _ = app.register("ada", "Engines").await;
    until("a second try", async || rows(&app, "verify-email").await[0].1 >= 2).await;
    assert!(rows(&app, "verify-email").await[0].2, "it is kept until it is delivered");
    let server = MailServer::start(&["--port", &port.to_string()]);
    let message = &server.wait_for(1).await[0];
    let _ = post(&app, "/auth/verify-email/confirm", json!({"token": token(message)})).await.expect(204);

    // Refused for the moment by the server itself.
    let body = json!({
        "email": "later@example.com", "username": "grace", "password": PASSWORD, "full_name": "Grace", "organization_name": "Cobol"
    });
    let _ = post(&app, "/auth/register", body).await.expect(201);
    let messages = server.wait_for(2).await;
    assert_eq!((&messages[1]["to"], &messages[1]["tries"]), (&json!(["later@example.com"]), &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_is_told_without_its_content() {
    let server = MailServer::start(&[]);
    let app = TestApp::with(by_smtp(&server.url())).await;
    let ada = app.register("ada", "Engines").await;
    let viewer = app.member(&ada, SystemRole::Viewer).await;
    let other = app.register("hank", "Globex").await;
    let invitation = app.post(&ada, "/invitations", json!({"email": "nobody@example.com"})).await.expect(201);
    let failures = async || app.get(&ada, "/mail/failures").await.expect(200)["items"].clone();
    until("giving up", async || !failures().await.as_array().unwrap().is_empty()).await;
    let told = failures().await;
    assert_eq!(told[0]["kind"], "invitation");
    assert_eq!(told[0]["about"], invitation["id"]);
    assert_eq!(told[0]["reason"], "the server refused it with 550");
    assert!(!told.to_string().contains("nobody"), "{told}");
    assert_eq!(rows(&app, "invitation").await, [("failed".to_owned(), 1, false)]);
    let events = app.get(&ada, "/audit/events?action=mail.failed").await.expect(200)["items"].clone();
    assert_eq!(events.as_array().unwrap().len(), 1);
    assert_eq!((&events[0]["outcome"], &events[0]["resource"]["id"]), (&json!("failure"), &told[0]["id"]));
    app.get(&viewer, "/mail/failures").await.problem(403, "permission-denied");
    assert_eq!(app.get(&other, "/mail/failures").await.expect(200)["items"], json!([]));
}

/// A link that has run out is of no use to anybody.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_no_use_any_more_is_given_up() {
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    let port = {
        let gone = MailServer::start(&[]);
        gone.port
    };
    let app = TestApp::with(Setup { clock: clock.clone(), ..by_smtp(&format!("smtp://127.0.0.1:{port}")) }).await;
    let ada = app.register("ada", "Engines").await;
    until("a try", async || rows(&app, "verify-email").await[0].1 >= 1).await;
    clock.advance(Duration::from_secs(4 * 24 * 3600));
    until("giving up", async || rows(&app, "verify-email").await[0].0 == "failed").await;
    let told: Vec<(String, String)> =
        sqlx::query_as("select about, reason from mail_failures").fetch_all(&mut app.admin().await).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, ada.user_id());
    assert!(told[0].1.starts_with("it could not be delivered in time"), "{told:?}");
    clock.advance(Duration::from_secs(60 * 24 * 3600));
    // The node's own upkeep may have been first.
    app.app.sweep().await.unwrap();
    assert!(rows(&app, "verify-email").await.is_empty(), "the upkeep removes it in the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_deliver_each_message_once_and_take_over_from_one_that_dies() {
    let server = MailServer::start(&[]);
    let port = {
        let gone = MailServer::start(&[]);
        gone.port
    };
    let clock = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000));
    // The first node writes everything down and reaches no server; then it dies.
    let first = TestApp::with(Setup { clock: clock.clone(), ..by_smtp(&format!("smtp://127.0.0.1:{port}")) }).await;
    let ada = first.register("ada", "Engines").await;
    for number in 0..30 {
        let body = json!({"email": format!("guest-{number}@example.com")});
        let _ = first.post(&ada, "/invitations", body).await.expect(201);
    }
    until("a try", async || rows(&first, "invitation").await.iter().any(|row| row.1 > 0)).await;
    first.kill();
    let second = first.another(Setup { clock: clock.clone(), ..by_smtp(&server.url()) }).await;
    let third = first.another(Setup { clock: clock.clone(), ..by_smtp(&server.url()) }).await;
    // What the dead node had taken is free once its time is over.
    clock.advance(Duration::from_secs(5 * 60));
    let messages = server.wait_for(31).await;
    until("erasing", async || rows(&second, "invitation").await.iter().all(|row| row.0 == "delivered")).await;
    let mut to: Vec<String> = messages.iter().map(|message| message["to"][0].as_str().unwrap().to_owned()).collect();
    to.sort_unstable();
    to.dedup();
    assert_eq!((to.len(), server.messages().len()), (31, 31), "each once");
    drop(third);
}

struct Files {
    directory: tempfile::TempDir,
    root: String,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "ours");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.path().join("key.pem"), key.serialize_pem()).unwrap();
        Self { directory, root: authority.pem() }
    }

    fn server(&self, tls: &str) -> MailServer {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let (cert, key) = (path("cert.pem"), path("key.pem"));
        MailServer::start(&["--tls", tls, "--cert", &cert, "--key", &key, "--login", "tenure:s3cret"])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_tls_the_server_is_known_before_anything_is_said() {
    let files = Files::new();
    for (tls, scheme) in [("starttls", "starttls"), ("wrapped", "smtps")] {
        let server = files.server(tls);
        let url = format!("{scheme}://tenure:s3cret@localhost:{}", server.port);
        // A certificate of nobody we know.
        let app = TestApp::with(by_smtp(&url)).await;
        let _ = app.register("ada", "Engines").await;
        until("two tries", async || rows(&app, "verify-email").await[0].1 >= 2).await;
        assert!(server.messages().is_empty(), "{tls}");
        app.kill();
        let authority = Some(Authority::parse(files.root.as_bytes()).unwrap());
        let platform = PlatformConfig { mail: MailConfig { authority, ..to(&url) }, ..PlatformConfig::default() };
        let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
        let _ = app.register("ada", "Engines").await;
        let message = &server.wait_for(1).await[0];
        assert_eq!((&message["tls"], &message["authenticated"]), (&json!(true), &json!(true)), "{tls}");
    }
    // A server that offers no TLS gets nothing, and least of all the password.
    let plain = MailServer::start(&["--login", "tenure:s3cret"]);
    let app = TestApp::with(by_smtp(&format!("starttls://tenure:s3cret@localhost:{}", plain.port))).await;
    let _ = app.register("ada", "Engines").await;
    until("two tries", async || rows(&app, "verify-email").await[0].1 >= 2).await;
    assert!(plain.messages().is_empty());
}

/// A wrong password of the relay is the operator's to mend: nothing is given up for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_refuses_the_login_keeps_messages_waiting() {
    let server = MailServer::start(&["--login", "tenure:s3cret"]);
    let app = TestApp::with(by_smtp(&format!("smtp://tenure:wrong@127.0.0.1:{}", server.port))).await;
    let _ = app.register("ada", "Engines").await;
    until("two tries", async || rows(&app, "verify-email").await[0].1 >= 2).await;
    assert_eq!(rows(&app, "verify-email").await[0].0, "waiting");
    assert!(server.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_addresses_of_the_world_arrive_and_begin_no_header() {
    let server = MailServer::start(&[]);
    let app = TestApp::with(by_smtp(&server.url())).await;
    let organization = "Größe & Söhne 日本 Bcc: eve@example.com";
    let ada = app.register("ada", organization).await;
    let _ = app.post(&ada, "/invitations", json!({"email": "jürgen@exämple.de"})).await.expect(201);
    let messages = server.wait_for(2).await;
    let invitation = messages.iter().find(|message| message["to"][0] != "ada@example.com").unwrap();
    assert_eq!(invitation["to"], json!(["jürgen@exämple.de"]));
    assert_eq!(header(invitation, "Subject"), "Invitation to Größe & Söhne 日本 Bcc: eve@example.com");
    let names: Vec<&str> =
        invitation["headers"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert!(!names.contains(&"Bcc") && !names.contains(&"Cc"), "{names:?}");
    assert!(invitation["text"].as_str().unwrap().contains("日本"));
    // Line breaks do not even get into a name.
    for name in ["Ada\r\nBcc: eve@example.com", "Ada\nX", "Ada\rX", "Ada\u{2028}X"] {
        let body = json!({
            "email": "b@example.com", "username": "eve", "password": PASSWORD, "full_name": name, "organization_name": "E"
        });
        post(&app, "/auth/register", body).await.problem(422, "invalid");
    }
    for email in
        ["a@example.com\r\nBcc: eve@example.com", "a\n@example.com", "a@example.com,eve@example.com", "<a@b.example>"]
    {
        app.post(&ada, "/invitations", json!({"email": email})).await.problem(422, "invalid");
    }

    // A server that knows no such addresses: given up, and said why.
    let ascii = MailServer::start(&["--ascii"]);
    let app = TestApp::with(by_smtp(&ascii.url())).await;
    let ada = app.register("ada", "Engines").await;
    let _ = app.post(&ada, "/invitations", json!({"email": "jürgen@example.de"})).await.expect(201);
    let failures = async || app.get(&ada, "/mail/failures").await.expect(200)["items"].clone();
    until("giving up", async || !failures().await.as_array().unwrap().is_empty()).await;
    assert!(failures().await[0]["reason"].as_str().unwrap().contains("SMTPUTF8"));
    assert_eq!(ascii.wait_for(1).await.len(), 1, "nobody else's message waits for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mail_a_production_instance_says_so_and_goes_on() {
    let platform = PlatformConfig { production: true, ..PlatformConfig::default() };
    let app = TestApp::with(Setup { platform, ..Setup::default() }).await;
    let ada = app.register("ada", "Engines").await;
    assert_eq!(app.send(Method::GET, "/instance", None, None).await.expect(200)["mail"], "none");
    let refused = |answer: tenure_platform::testkit::Answer| {
        let problem = answer.problem(503, "mail-missing");
        assert!(problem["detail"].as_str().unwrap().contains("mail.smtp_url"), "{problem}");
    };
    refused(post(&app, "/auth/password/reset", json!({"email": "ada@example.com"})).await);
    refused(post(&app, "/auth/unlock", json!({"email": "nobody@example.com"})).await);
    refused(app.post(&ada, "/auth/verify-email", json!({})).await);
    refused(app.post(&ada, "/invitations", json!({"email": "grace@example.com"})).await);
    refused(app.post(&ada, "/auth/email", json!({"email": "new@example.com", "current_password": PASSWORD})).await);
    let change = json!({"current_password": PASSWORD, "new_password": "a loud yellow morning"});
    let _ = app.post(&ada, "/auth/password", change).await.expect(204);
    app.send(Method::GET, "/dev/outbox", None, None).await.problem(404, "not-found");
    let written: i64 =
        sqlx::query_scalar("select count(*) from mail_messages").fetch_one(&mut app.admin().await).await.unwrap();
    assert_eq!(written, 0, "nothing is written that nobody will ever send");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_for_this_machine_alone() {
    let app = TestApp::start().await;
    let _ = app.register("ada", "Engines").await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = app.request(Method::GET, "/dev/outbox", None);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        tenure_platform::testkit::answer(request).await
    };
    let mine = ask(&[]).await.expect(200);
    assert_eq!(mine["items"][0]["to"], "ada@example.com");
    ask(&[("host", "rebound.example")]).await.problem(404, "not-found");
    ask(&[("x-forwarded-for", "127.0.0.1")]).await.problem(404, "not-found");
    let mail = MailConfig { public_url: "https://dev.example.com".to_owned(), ..MailConfig::default() };
    let platform = PlatformConfig { mail, ..PlatformConfig::default() };
    let public = TestApp::with(Setup { platform, ..Setup::default() }).await;
    public.send(Method::GET, "/dev/outbox", None, None).await.problem(404, "not-found");
    let sealed: Value =
        sqlx::query_scalar("select to_jsonb(m) from mail_messages m").fetch_one(&mut app.admin().await).await.unwrap();
    assert!(!sealed.to_string().contains("ada@example.com"), "address and text lie sealed: {sealed}");
}
