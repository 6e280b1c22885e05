use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

fn redactor(secrets: &[(&str, &[u8])]) -> Redactor {
    let mut placeholders = Placeholders::none();
    for (name, value) in secrets {
        placeholders.insert(*name, *value).unwrap();
    }
    Redactor::new(&placeholders)
}

#[test]
fn each_form_of_a_secret_is_replaced() {
    let secret = "s3cr/t \"ü+Key";
    let redactor = redactor(&[("key", secret.as_bytes())]);
    let json = serde_json::to_string(secret).unwrap();
    let forms = [
        secret.to_owned(),
        secret.to_ascii_uppercase(),
        STANDARD.encode(secret),
        URL_SAFE.encode(secret),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string().to_ascii_lowercase(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        json.trim_matches('"').to_owned(),
        r#"s3cr\/t \"\u00fc+Key"#.to_owned(),
        r#"\u0073\u0033cr\/t\u0020\u0022\u00FC+Key"#.to_owned(),
        secret.bytes().map(|b| format!("{b:02X}")).collect(),
        json.trim_matches('"').bytes().map(|b| format!("{b:02x}")).collect(),
        utf8_percent_encode(&STANDARD.encode(secret), NON_ALPHANUMERIC).to_string(),
        "s3cr/t &quot;ü+Key".to_owned(),
        "s3cr&#x2F;t &#34;&#252;+Key".to_owned(),
        "s3cr&#X2f;t&nbsp;&#0034;&#x00FC;&#43;Key".to_owned(),
        secret.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
    ];
    for form in forms {
        assert_eq!(redactor.text(&format!("<{form}>")), "<[redacted:key]>", "{form}");
    }
    assert_eq!(redactor.text("nothing here, 100% \\ sure"), "nothing here, 100% \\ sure");
}

#[test]
fn a_secret_inside_longer_base64_is_found_at_each_alignment() {
    let redactor = redactor(&[("password", b"correct horse battery")]);
    for user in ["", "a", "ab", "abc", "abcd"] {
        let sent = STANDARD.encode(format!("{user}:correct horse battery:{user}"));
        let shown = redactor.text(&sent);
        assert!(shown.contains("[redacted:password]"), "{user}: {shown}");
        // At most the letters that share bits with a neighbour are left.
        let rest = shown.replace("[redacted:password]", "");
        assert!(rest.len() <= 2 * (user.len() + 1) * 4 / 3 + 6, "{user}: {rest}");
    }
}

#[test]
fn overlapping_secrets_leave_nothing_of_either() {
    let redactor = redactor(&[("a", b"abcdef"), ("b", b"defghi"), ("c", b"abcd")]);
    assert_eq!(redactor.text("-abcdefghi-"), "-[redacted:a]-");
}

#[test]
fn a_url_is_found_by_the_path_a_receiver_sees() {
    let mut redactor = Redactor::default();
    redactor.add_url(b"https://Hooks.Example:443/a/../services/T0/xyz?k=v%20w", "[redacted:hook]");
    assert_eq!(redactor.text(r#"{"path":"/services/T0/xyz"}"#), r#"{"path":"[redacted:hook]"}"#);
    assert_eq!(redactor.text("https://hooks.example/services/T0/xyz?k=v%20w"), "[redacted:hook]");
    let mut plain = Redactor::default();
    plain.add_url(b"https://hooks.example/", "[redacted:hook]");
    assert_eq!(plain.text("GET / HTTP/1.1"), "GET / HTTP/1.1");
}

/// What a receiver can make of 16 MiB and a short secret: as many matches, and as many escapes, as fit.
#[test]
fn a_body_full_of_secrets_or_escapes_takes_memory_in_proportion() {
    let redactor = self::redactor(&[("s", b"aaaa")]);
    for (pattern, kept) in
        [("aaaa-", "-"), ("%61a", ""), ("\\u0061aaa%", "%"), ("%5Cu0061aaa-", "-"), ("&#97;aaa-", "-")]
    {
        let body = pattern.repeat((2 << 20) / pattern.len());
        let shown = redactor.bytes(body.as_bytes());
        let rest = String::from_utf8_lossy(&shown).replace("[redacted:s]", "");
        assert!(rest.bytes().all(|byte| kept.as_bytes().contains(&byte)), "{pattern}");
        let marks = redactor.find(body.as_bytes()).unwrap();
        assert_eq!(marks.len(), body.len(), "one byte each, whatever is found");
    }
    let most = vec![b'%'; 16 << 20];
    assert!(redactor.can_search(&most));
    let secrets: Vec<String> = (0..40).map(|n| format!("secret number {n}")).collect();
    let named: Vec<(&str, &[u8])> = secrets.iter().map(|secret| ("s", secret.as_bytes())).collect();
    assert!(!self::redactor(&named).can_search(&most), "forty secrets in as many escapes as fit");
    assert!(self::redactor(&named).can_search(&most[..1 << 20]));
}

#[test]
fn what_touches_is_one() {
    let redactor = redactor(&[("a", b"abcdef"), ("b", b"ghijkl")]);
    assert_eq!(redactor.text("abcdefghijkl abcdefabcdef ghijkl"), "[redacted:a] [redacted:a] [redacted:b]");
}

fn embed(secret: &[u8], how: u8, before: &str) -> Vec<u8> {
    let around = |text: String| format!("{before}|{text}|{before}").into_bytes();
    match how % 6 {
        0 => [before.as_bytes(), b"|", secret, b"|", before.as_bytes()].concat(),
        1 => around(STANDARD.encode(secret)),
        2 => around(URL_SAFE.encode([before.as_bytes(), secret, before.as_bytes()].concat())),
        3 => around(secret.iter().map(|b| format!("%{b:02x}")).collect()),
        4 => around(
            secret
                .iter()
                .enumerate()
                .map(|(i, b)| if i % 2 == 0 { format!("%{b:02X}") } else { format!("%{b:02x}") })
                .collect(),
        ),
        _ => around(secret.iter().map(|b| format!("{b:02x}")).collect()),
    }
}

proptest! {
    #[test]
    fn no_form_survives(
        secret in proptest::collection::vec(any::<u8>(), MIN_SECRET_BYTES..40),
        how in any::<u8>(),
        before in "[g-z ]{0,9}",
    ) {
        let redactor = redactor(&[("s", &secret)]);
        let body = embed(&secret, how, &before);
        prop_assert!(redactor.occurs_in(&body));
        let shown = redactor.bytes(&body).into_owned();
        prop_assert!(!redactor.occurs_in(&shown) || String::from_utf8_lossy(&secret).contains("redact"));
    }

    #[test]
    fn any_bytes_are_scanned_without_harm(body in proptest::collection::vec(any::<u8>(), 0..200), text in "[%\\\\u&#;x0-9a-f]{0,60}") {
        let redactor = redactor(&[("s", b"hunter22")]);
        prop_assert_eq!(redactor.bytes(&body).into_owned(), body);
        prop_assert_eq!(redactor.text(&text).into_owned(), text);
    }
}

#[test]
fn a_secret_is_found_behind_three_layers_of_escapes_in_any_order() {
    let secret = "a \"quoted\" & 100% s3cret";
    let redactor = redactor(&[("key", secret.as_bytes())]);
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let percent = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let html = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;");
    for order in 0..27_u32 {
        let encode = |text: String, layer: u32| match order / 3_u32.pow(layer) % 3 {
            0 => json(&text),
            1 => percent(&text),
            _ => html(&text),
        };
        let text = (0..3).fold(secret.to_owned(), encode);
        let shown = redactor.text(&text);
        assert!(shown.contains("[redacted:key]") && !shown.contains("s3cret"), "{text}: {shown}");
    }
}
