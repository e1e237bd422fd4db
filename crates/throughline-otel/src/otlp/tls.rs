//! Whom to trust over HTTPS, and how to be trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{InvalidVariable, OtlpConfig};

pub(super) fn config(otlp: &OtlpConfig) -> Result<ClientConfig, InvalidVariable> {
    // Named, because a process in which two providers are compiled has no default one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| InvalidVariable::new("endpoint", format!("TLS is not available: {error}")))?
        .with_root_certificates(roots(otlp)?);
    let Some(((certificate, chain), (key, private))) = &otlp.client else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate, chain)?;
    let private = PrivateKeyDer::from_pem_file(private).map_err(|error| unreadable(key, private, &error))?;
    builder
        .with_client_auth_cert(chain, private)
        .map_err(|error| InvalidVariable::new(certificate, format!("it does not fit the key: {error}")))
}

fn roots(otlp: &OtlpConfig) -> Result<RootCertStore, InvalidVariable> {
    let mut roots = RootCertStore::empty();
    let Some((name, path)) = &otlp.certificate else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let problem = "this machine has no certificates to trust; install them (ca-certificates) or name a file";
            return Err(InvalidVariable::new("OTEL_EXPORTER_OTLP_CERTIFICATE", problem));
        }
        return Ok(roots);
    };
    for certificate in certificates(name, path)? {
        roots.add(certificate).map_err(|error| unreadable(name, path, &error))?;
    }
    Ok(roots)
}

fn certificates(name: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, InvalidVariable> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unreadable(name, path, &error))?;
    if certificates.is_empty() {
        return Err(unreadable(name, path, &"there is no certificate in it"));
    }
    Ok(certificates)
}

fn unreadable(name: &'static str, path: &Path, error: &dyn std::fmt::Display) -> InvalidVariable {
    InvalidVariable::new(name, format!("{} cannot be read as PEM: {error}", path.display()))
}
