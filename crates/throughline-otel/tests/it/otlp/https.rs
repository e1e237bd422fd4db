//! Whom the exporter trusts.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use throughline_core::Resource;
use throughline_export::{Batch, Exporter};
use throughline_otel::OtlpConfig;

use super::collector::{Received, serve};
use crate::support;

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// Certificate and key of one name.
    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let issuer: &Issuer<'_, KeyPair> = &self.issuer;
        (CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, issuer).unwrap(), key)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

fn file(name: &str, text: &str) -> String {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(std::process::id().to_string());
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Serves one request over TLS to whoever has a certificate of the authority; nothing if the handshake fails.
fn collector(authority: &Authority) -> (String, thread::JoinHandle<Option<Received>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), Arc::clone(&provider));
    let (certificate, key) = authority.sign("localhost");
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let served = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut session = ServerConnection::new(Arc::new(config)).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).ok()?;
        }
        Some(serve(StreamOwned::new(session, socket), "200 OK", b""))
    });
    (url, served)
}

fn export(variables: &[(&str, String)]) -> Result<(), Box<dyn std::error::Error>> {
    let lookup = |name: &str| variables.iter().find_map(|(known, value)| (*known == name).then(|| value.clone()));
    let mut exporter = OtlpConfig::from_lookup(lookup)?.exporter()?;
    Ok(exporter.export(&Batch::new(&support::named(&["one"]), &Resource::new("orders")))?)
}

#[test]
fn a_named_authority_is_trusted_and_the_client_shows_its_certificate() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("orders");
    let (url, served) = collector(&authority);
    export(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", file("ca.pem", &authority.issuer.pem())),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file("client.pem", &certificate.pem())),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", file("client.key", &key.serialize_pem())),
    ])
    .unwrap();
    let received = served.join().unwrap().unwrap();
    assert_eq!(received.decode().resource_spans[0].scope_spans[0].spans[0].name, "one");
}

#[test]
fn a_stranger_is_not_trusted() {
    let (url, served) = collector(&Authority::new());
    let stranger = file("stranger.pem", &Authority::new().issuer.pem());
    export(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", stranger),
        // Not long enough to be tried again: the collector takes one connection.
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "100".to_owned()),
    ])
    .unwrap_err();
    assert!(served.join().unwrap().is_none());
}

#[test]
fn files_that_cannot_be_read_are_named_at_the_start() {
    let empty = file("empty.pem", "");
    for (path, why) in [("/nowhere/ca.pem", "there is none"), (&*empty, "no certificate in it")] {
        let error = export(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:1".to_owned()),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", path.to_owned()),
        ]);
        let error = error.unwrap_err().source().unwrap().to_string();
        let expected = format!("invalid OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: {path} cannot be read as PEM: ");
        assert!(error.starts_with(&expected), "{why}: {error}");
    }
}
