//! An authenticator in software (`WebAuthn` Level 3, sections 6.1 and 6.5.4): what a telephone does, without the telephone.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Where the tests' installations say that they are.
pub const ORIGIN: &str = "http://localhost:8080";

/// One passkey.
pub struct SoftPasskey {
    id: [u8; 16],
    pair: EcdsaKeyPair,
    user_handle: String,
    rp: String,
    pub origin: String,
    /// Raised at each use.
    pub counter: u32,
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl SoftPasskey {
    /// Makes one as the options ask; itself and the browser's answer.
    pub fn make(options: &Value) -> (Self, Value) {
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required", "{options:#}");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let passkey = Self {
            id: *uuid::Uuid::new_v4().as_bytes(),
            pair,
            user_handle: options["user"]["id"].as_str().unwrap().to_owned(),
            rp: options["rp"]["id"].as_str().unwrap().to_owned(),
            origin: ORIGIN.to_owned(),
            counter: 0,
        };
        let client = passkey.client_data("webauthn.create", options);
        let mut data = passkey.authenticator_data(0x45);
        data.extend([0; 16]);
        data.extend(16_u16.to_be_bytes());
        data.extend(passkey.id);
        data.extend(passkey.cose_key());
        // {"fmt": "none", "attStmt": {}, "authData": …} in CBOR.
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt\x64none\x67attStmt\xa0\x68authData");
        object.push(0x58);
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(&data);
        let response = json!({"clientDataJSON": text(client.as_bytes()), "attestationObject": text(&object)});
        let answer = passkey.answer(response);
        (passkey, answer)
    }

    /// Answers a challenge.
    pub fn sign(&mut self, options: &Value) -> Value {
        self.counter += 1;
        let client = self.client_data("webauthn.get", options);
        let data = self.authenticator_data(0x05);
        let mut signed = data.clone();
        signed.extend(Sha256::digest(client.as_bytes()));
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        self.answer(json!({
            "clientDataJSON": text(client.as_bytes()), "authenticatorData": text(&data), "signature": text(signature.as_ref()),
            "userHandle": self.user_handle,
        }))
    }

    fn answer(&self, response: Value) -> Value {
        let id = text(&self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {}})
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        let (challenge, origin) = (&options["challenge"], &self.origin);
        json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false}).to_string()
    }

    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.rp.as_bytes()).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// `{1: 2, 3: -7, -1: 1, -2: x, -3: y}` in CBOR: a point on P-256 for ES256 (RFC 9053).
    fn cose_key(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 32];
        key.extend(&point[1..33]);
        key.extend([0x22, 0x58, 32]);
        key.extend(&point[33..65]);
        key
    }
}
