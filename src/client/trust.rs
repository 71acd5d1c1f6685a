//! Whom to believe under TLS: the certificates of a file that was named, else those of the system. None are built
//! in, since where there is no internet nobody is there to have signed by them.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsConfigBuilder, parse_pem};

use crate::client::ClientError;

/// Names the file of the certificates to trust, instead of the system's.
const CA_FILE: &str = "COFFER_CA_FILE";

/// Where systems keep the certificates that they trust, in one file; the first that there is counts.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The settings of TLS, with the certificates to trust.
///
/// # Errors
/// Where the file that was named cannot be read or has no certificate, or the system has none.
pub(super) fn config(variable: impl Fn(&str) -> Option<OsString>) -> Result<TlsConfig, ClientError> {
    let named = variable(CA_FILE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let system = || SYSTEM.into_iter().map(PathBuf::from).find(|path| path.exists());
    let path = named.or_else(system).ok_or_else(|| {
        ClientError::setup(format!(
            "the system has no list of certificates to trust: name a file in {CA_FILE}"
        ))
    })?;
    let roots = certificates(&path)?;
    Ok(with_ciphers().root_certs(RootCerts::Specific(Arc::new(roots))).build())
}

/// The settings of TLS where whoever answers is believed: for what is no secret, on this very machine.
pub(super) fn anybody() -> TlsConfig {
    with_ciphers().disable_verification(true).build()
}

fn with_ciphers() -> TlsConfigBuilder {
    TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
}

/// Whether whoever answered spoke no TLS.
pub(super) fn is_no_tls(error: &io::Error) -> bool {
    let told = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(told, Some(rustls::Error::InvalidMessage(_)))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ClientError> {
    let wrong = |what: String| ClientError::setup(format!("cannot trust {}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(error.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(wrong("there is no certificate in it (PEM)".into()));
    }
    Ok(found)
}
