use crate::harness::{Answer, Server, data_dir, tenure};

const INDEX: &str =
    "<!doctype html><meta property=\"csp-nonce\" nonce=\"__CSP_NONCE__\"><style nonce=\"__CSP_NONCE__\"></style>";

fn secure(path: &str, answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{path}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src"), "{path}: {policy}");
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert!(answer.header("cache-control").is_some(), "{path}");
}

#[test]
fn every_page_has_its_headers_and_limits_hold() {
    let data = data_dir();
    let dist = data_dir();
    std::fs::create_dir(dist.path().join("assets")).unwrap();
    std::fs::write(dist.path().join("index.html"), INDEX).unwrap();
    std::fs::create_dir(dist.path().join("docs")).unwrap();
    std::fs::write(dist.path().join("docs/try.html"), INDEX).unwrap();
    std::fs::write(dist.path().join("theme.js"), "let a = 1;\n".repeat(1000)).unwrap();
    std::fs::write(dist.path().join("assets/app-1a2b.js"), "let b = 2;\n").unwrap();
    std::fs::write(dist.path().join(".secret"), "hidden").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dist.path().join("passwd.txt")).unwrap();
    let mut command = tenure(data.path());
    command.env("TENURE_ASSETS", dist.path()).env("TENURE_PUBLIC_URL", "https://tenure.example.com");
    let server = Server::start_with(command.args(["--log-format", "text"]));

    let paths = [
        "/",
        "/workflows/wf_1",
        "/theme.js",
        "/assets/app-1a2b.js",
        "/assets/none.js",
        "/livez",
        "/readyz",
        "/docs",
        "/docs/problems",
        "/docs/style.css",
        "/docs/try",
        "/docs/try.html",
        "/docs/nothing",
        "/api/openapi.json",
        "/api/v1/auth/me",
        "/api/v1/nothing",
        "/api/nothing",
        "/.well-known/jwks.json",
    ];
    for path in paths {
        let answer = server.get(path);
        secure(path, &answer);
        assert!(answer.header("strict-transport-security").is_some(), "the public address is https");
    }
    console(&server);
    documentation(&server);
    limits(&server);
}

fn console(server: &Server) {
    let nonce = |answer: &Answer| answer.text().split('"').nth(3).unwrap().to_owned();
    let (first, second) = (server.get("/"), server.get("/workflows/wf_1"));
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(first.text().matches(&nonce(&first)).count(), 2, "every placeholder is replaced");
    assert_ne!(nonce(&first), nonce(&second));
    assert!(first.header("content-security-policy").unwrap().contains(&format!("'nonce-{}'", nonce(&first))));
    assert_eq!(first.header("cache-control"), Some("no-store"));

    let script = server.get("/theme.js");
    assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    let tag = script.header("etag").unwrap();
    assert_eq!(server.ask("GET", "/theme.js", &[("if-none-match", tag)], "").status, 304);
    let packed = server.ask("GET", "/theme.js", &[("accept-encoding", "br")], "");
    assert_eq!(packed.header("content-encoding"), Some("br"));
    assert!(packed.body.len() < script.body.len() / 10);
    assert_eq!(server.get("/assets/app-1a2b.js").header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(server.get("/assets/none.js").status, 404);
    for hidden in ["/.secret", "/passwd.txt", "/..%2f..%2fetc/passwd", "/../../etc/passwd"] {
        let answer = server.get(hidden);
        assert!(!answer.text().contains("hidden") && !answer.text().contains("root:"), "{hidden}");
    }
    assert_eq!(server.ask("POST", "/workflows", &[], "").status, 405);
}

fn documentation(server: &Server) {
    let page = server.get("/docs");
    assert_eq!(page.status, 200);
    for words in ["/api/v1/auth/login", "team:write", "a quiet green meadow", "/docs/problems"] {
        assert!(page.text().contains(words), "{words}");
    }
    assert!(!page.text().contains("<script"), "nothing runs there");
    let problems = server.get("/docs/problems").text();
    for code in ["not-found", "permission-denied", "rate-limited"] {
        assert!(problems.contains(&format!("id=\"{code}\"")), "{code}");
    }
    // What runs has a page of its own, under the console's policy, and each route a link to its place there.
    let (try_it, again) = (server.get("/docs/try"), server.get("/docs/try"));
    assert_eq!((try_it.status, try_it.header("cache-control")), (200, Some("no-store")));
    let policy = |answer: &Answer| answer.header("content-security-policy").unwrap().to_owned();
    assert!(policy(&try_it).contains("script-src 'self';"), "{}", policy(&try_it));
    assert_ne!(policy(&try_it), policy(&again), "a nonce of its own");
    assert!(page.text().contains("href=\"/docs/try#/Authentication/login.login\""));
    assert!(page.text().contains("href=\"/docs/try#/Service%20accounts/"));
    assert_eq!(server.ask("POST", "/docs/try", &[], "").status, 405);
    for missing in ["/docs/nothing", "/docs/try.html", "/docs/try/out"] {
        assert_eq!(server.get(missing).status, 404, "{missing}");
    }
    assert_eq!(server.get("/api/openapi.json").json()["info"]["title"], "Tenure");
}

fn limits(server: &Server) {
    let host = format!("host: {}\r\n", server.address);
    let long = server.send(&format!("GET / HTTP/1.1\r\n{host}x: {}\r\n\r\n", "a".repeat(200_000)));
    assert_eq!(long.status, 431);
    let many: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    assert_eq!(server.send(&format!("GET / HTTP/1.1\r\n{host}{many}\r\n")).status, 431);
    let body = format!("{{\"username\": \"{}\"}}", "a".repeat(2 * 1024 * 1024));
    let large = server.ask("POST", "/api/v1/auth/login", &[("content-type", "application/json")], &body);
    assert_eq!((large.status, &large.json()["code"]), (413, &"too-large".into()));
}

#[test]
fn without_the_console_there_is_nothing_to_try_and_no_link_to_it() {
    let data = data_dir();
    let server = Server::start(data.path());
    let page = server.get("/docs");
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("/docs/try"));
    assert_eq!(server.get("/docs/try").status, 404);
}
