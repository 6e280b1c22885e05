//! HTTPS: trusted roots alone, names checked, still guarded.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tenure_egress::{AllowList, EgressClient, EgressPolicy};
use tokio_rustls::TlsAcceptor;

use super::server::{Server, ok, raw};
use super::{Script, get, limits};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn client(roots: Vec<CertificateDer<'static>>) -> EgressClient {
    let policy = EgressPolicy {
        allowed: AllowList::new(["hub.internal", "other.internal"]).unwrap(),
        limits: limits(),
        extra_roots: roots,
        ..EgressPolicy::default()
    };
    EgressClient::with_lookup(policy, Script::new(&[&["127.0.0.1"]])).unwrap()
}

#[tokio::test]
async fn a_trusted_certificate_for_the_name_is_needed() {
    let authority = Authority::new("ours");
    let server = Server::start_tls(|_| ok("text/plain", "sealed"), authority.acceptor("hub.internal")).await;
    let url = |host: &str| format!("https://{host}:{}/", server.port());
    let trusting = client(vec![authority.root()]);
    assert_eq!(get(&trusting, url("hub.internal")).await.unwrap().text(), "sealed");

    let error = get(&trusting, url("other.internal")).await.unwrap_err();
    assert!(error.to_string().ends_with("its certificate is for another name"), "{error}");
    assert!(!format!("{error:?}").contains("hub.internal"), "what a certificate says is not passed on: {error:?}");
    let error = get(&client(vec![Authority::new("theirs").root()]), url("hub.internal")).await.unwrap_err();
    assert!(error.to_string().contains("not trusted here"), "{error}");
    assert_eq!(error.class().as_str(), "network");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let plain = Server::start(|_| ok("text/plain", "plain")).await;
    let authority = Authority::new("ours");
    let client = client(vec![authority.root()]);
    let location = format!("http://hub.internal:{}/", plain.port());
    let sealed = Server::start_tls(
        move |_| raw(&format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")),
        authority.acceptor("hub.internal"),
    )
    .await;
    let error = get(&client, format!("https://hub.internal:{}/", sealed.port())).await.unwrap_err();
    assert!(error.to_string().contains("from https to http"), "{error}");
    assert!(plain.seen().is_empty());
}
