//! Tokens that this installation's own key signed, and that are wrong all the same; and those of Wycheproof.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Row as _;
use tenure_kernel::KeyId;
use tenure_platform::testkit::{Actor, TestApp};

/// Signs anything with the installation's key.
struct Signer {
    pair: Ed25519KeyPair,
    header: Value,
    claims: Value,
}

impl Signer {
    async fn of(app: &TestApp, actor: &Actor) -> Self {
        let mut admin = app.admin().await;
        let row = sqlx::query("select id, wrapped from signing_keys").fetch_one(&mut admin).await.unwrap();
        let (id, wrapped): (KeyId, Vec<u8>) = (row.get("id"), row.get("wrapped"));
        let seed = app.app.kernel.keys().unwrap_token_seed(id, &wrapped).unwrap();
        let part = |at: usize| {
            let text = actor.token.split('.').nth(at).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
        };
        Self { pair: Ed25519KeyPair::from_seed_unchecked(seed.expose()).unwrap(), header: part(0), claims: part(1) }
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()).as_ref()))
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header.clone();
        header[name] = value;
        self.sign(&header.to_string(), &self.claims.to_string())
    }

    fn with_claims(&self, changes: &[(&str, Value)]) -> String {
        let mut claims = self.claims.clone();
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        self.sign(&self.header.to_string(), &claims.to_string())
    }
}

async fn status(app: &TestApp, token: &str) -> u16 {
    app.send(Method::GET, "/auth/me", Some(token), None).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_signature_makes_no_wrong_token_good() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let signer = Signer::of(&app, &ada).await;
    let (header, claims) = (signer.header.to_string(), signer.claims.to_string());
    assert_eq!(status(&app, &signer.sign(&header, &claims)).await, 200, "the signer signs as the installation does");
    let now = signer.claims["iat"].as_i64().unwrap();
    let far = 253_402_300_799_i64;
    let mut wrong = vec![
        ("critical extension", signer.with_header("crit", json!(["exp"]))),
        ("critical b64", signer.with_header("crit", json!(["b64"]))),
        ("unencoded payload", signer.with_header("b64", json!(false))),
        ("a key that it brings along", signer.with_header("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}))),
        ("a key from elsewhere", signer.with_header("jku", json!("https://example.com/jwks"))),
        ("a certificate from elsewhere", signer.with_header("x5u", json!("https://example.com/x"))),
        ("a certificate chain", signer.with_header("x5c", json!(["AA"]))),
        ("compressed", signer.with_header("zip", json!("DEF"))),
        ("a header that nobody knows", signer.with_header("tenant", json!("x"))),
        ("another type", signer.with_header("typ", json!("refresh+jwt"))),
        ("another type of ours", signer.with_header("typ", json!("delegated+jwt"))),
        ("no type", signer.with_header("typ", Value::Null)),
        ("another content", signer.with_header("cty", json!("JWT"))),
        ("the algorithm twice", signer.sign(&header.replacen('{', "{\"alg\":\"none\",", 1), &claims)),
        (
            "the person twice",
            signer.sign(&header, &claims.replacen('{', &format!("{{\"sub\":{},", signer.claims["sub"]), 1)),
        ),
        ("the end twice", signer.sign(&header, &claims.replacen('{', "{\"exp\":1,", 1))),
        ("a far end", signer.with_claims(&[("exp", json!(far))])),
        ("a far beginning and end", signer.with_claims(&[("iat", json!(far - 60)), ("exp", json!(far))])),
        ("a beginning before time", signer.with_claims(&[("iat", json!(-1))])),
        ("an end before time", signer.with_claims(&[("exp", json!(-1))])),
        ("the least of numbers", signer.with_claims(&[("iat", json!(i64::MIN)), ("exp", json!(i64::MAX))])),
        ("an end that is no whole number", signer.with_claims(&[("exp", json!(now as f64 + 60.5))])),
        ("an end before its beginning", signer.with_claims(&[("iat", json!(now + 20)), ("exp", json!(now + 10))])),
        ("another issuer", signer.with_claims(&[("iss", json!("https://example.com"))])),
        ("another audience", signer.with_claims(&[("aud", json!("tenure:delegated"))])),
        ("several audiences, none ours", signer.with_claims(&[("aud", json!(["a", "b"]))])),
        ("a person of another kind", signer.with_claims(&[("sub", signer.claims["tid"].clone())])),
        ("claims that are a list", signer.sign(&header, "[]")),
        ("claims that are nothing", signer.sign(&header, "")),
        ("claims before a second document", signer.sign(&header, &format!("{claims}{claims}"))),
    ];
    for name in ["iss", "aud", "sub", "tid", "sid", "scope", "jti", "iat", "exp"] {
        let mut claims = signer.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        wrong.push((name, signer.sign(&header, &claims.to_string())));
    }
    let mut taken = Vec::new();
    for (what, token) in &wrong {
        if status(&app, token).await != 401 {
            taken.push(*what);
        }
    }
    assert_eq!(taken, Vec::<&str>::new());
}

/// All 401: what is valid there is so under a key that is not ours, and each trick is tried with our own names and claims, too.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_of_wycheproofs_is_taken() {
    let app = TestApp::start().await;
    let ada = app.register("ada", "Engines").await;
    let ours: Vec<&str> = ada.token.split('.').collect();
    let kid = Signer::of(&app, &ada).await.header["kid"].clone();
    let vectors: Vec<(String, bool, String)> =
        serde_json::from_str(include_str!("../../vectors/wycheproof_json_web_signature.json")).unwrap();
    let (mut tried, mut invalid) = (0, 0);
    for (what, valid, jws) in vectors {
        invalid += usize::from(!valid);
        let mut tokens = vec![jws.clone()];
        let parts: Vec<&str> = jws.split('.').collect();
        if let [header, _, signature] = parts[..] {
            tokens
                .extend([format!("{header}.{}.{}", ours[1], ours[2]), format!("{}.{}.{signature}", ours[0], ours[1])]);
            let header =
                URL_SAFE_NO_PAD.decode(header).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
            if let Some(mut header) = header.filter(Value::is_object) {
                header["kid"] = kid.clone();
                let header = URL_SAFE_NO_PAD.encode(header.to_string());
                tokens.extend([ours[2], signature].map(|signature| format!("{header}.{}.{signature}", ours[1])));
            }
        }
        for token in tokens {
            // A header of HTTP cannot carry the rest.
            if reqwest::header::HeaderValue::from_str(&token).is_err() {
                continue;
            }
            tried += 1;
            assert_eq!(status(&app, &token).await, 401, "{what}: {token}");
        }
    }
    assert!(invalid > 300 && tried > 1_500, "{invalid} {tried}");
    assert_eq!(status(&app, &ada.token).await, 200);
}

/// The verification that tokens go through takes what Wycheproof calls valid, and nothing else.
#[test]
fn signatures_are_verified_as_wycheproof_wants_it() {
    let vectors: Vec<(String, bool, String, String, String)> =
        serde_json::from_str(include_str!("../../vectors/wycheproof_ed25519.json")).unwrap();
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let mut refused = 0;
    for (what, valid, public, message, signature) in vectors {
        let (public, message, signature) = (bytes(&public), bytes(&message), bytes(&signature));
        let key = DecodingKey::from_ed_der(&public);
        let taken = jsonwebtoken::crypto::verify(&URL_SAFE_NO_PAD.encode(&signature), &message, &key, Algorithm::EdDSA);
        assert_eq!(taken.unwrap_or(false), valid, "{what}");
        // And the library beneath it agrees.
        assert_eq!(UnparsedPublicKey::new(&ED25519, &public).verify(&message, &signature).is_ok(), valid, "{what}");
        refused += usize::from(!valid);
    }
    assert_eq!(refused, 63);
}
