//! TLS: the certificate and the key that the server shows, and how they are read anew while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret_file;

/// More than any chain of certificates, and less than what a device file would give.
const MAX_FILE: u64 = 1024 * 1024;

/// What a file of the pair has against being used.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{}: {what}", path.display())]
pub struct TlsError {
    path: PathBuf,
    what: String,
}

/// A certificate and its key, as they are in two files. Clones are the same.
#[derive(Debug, Clone)]
pub struct Tls {
    files: Arc<RwLock<Files>>,
    shown: Arc<Shown>,
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its private key: both PEM.
    ///
    /// # Errors
    /// Where a file cannot be read, has not what it is for, or does not fit the other.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let shown = Arc::new(Shown(RwLock::new(read_pair(certificate, key)?)));
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        Ok(Tls { files: Arc::new(RwLock::new(files)), shown })
    }

    /// Reads both files anew, or these instead: certificate and key. New connections are shown what is in them now.
    ///
    /// # Errors
    /// As [`Tls::load`]; what was shown before still is.
    pub fn reload(&self, instead: Option<(&Path, &Path)>) -> Result<(), TlsError> {
        let files = match instead {
            Some((certificate, key)) => Files { certificate: certificate.to_owned(), key: key.to_owned() },
            None => self.files.read().clone(),
        };
        let pair = read_pair(&files.certificate, &files.key)?;
        *self.shown.0.write() = pair;
        *self.files.write() = files;
        Ok(())
    }

    /// The key's file, where others than its owner and its group may read or change it.
    #[must_use]
    pub fn exposed_key(&self) -> Option<PathBuf> {
        let key = self.files.read().key.clone();
        secret_file::is_exposed(&key).then_some(key)
    }

    /// TLS 1.2 and 1.3, which are what the library has, with its own choice of ciphers.
    pub(super) fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
        Ok(config.with_cert_resolver(self.shown.clone()))
    }
}

/// What is shown to whoever connects now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

fn read_pair(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let at_certificate = |what: String| TlsError { path: certificate.to_owned(), what };
    let at_key = |what: String| TlsError { path: key.to_owned(), what };

    let chain = read(certificate)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().map_err(not_pem(certificate))?;
    if chain.is_empty() {
        return Err(at_certificate("holds no certificate in PEM".to_owned()));
    }
    let text = read(key)?;
    let private = match PrivateKeyDer::from_pem_slice(&text) {
        Ok(private) => Zeroizing::new(private),
        Err(pem::Error::NoItemsFound) => {
            let what = "holds no private key in PEM; one under a passphrase cannot be used";
            return Err(at_key(what.to_owned()));
        }
        Err(error) => return Err(not_pem(key)(error)),
    };
    let signer = ring::sign::any_supported_type(&private).map_err(|_| {
        at_key("is no private key that TLS can use: RSA, ECDSA P-256 or P-384, Ed25519".to_owned())
    })?;
    let pair = CertifiedKey::new(chain, signer);
    match pair.keys_match() {
        Ok(()) => Ok(Arc::new(pair)),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(at_key(format!("is not the key of the certificate in {}", certificate.display())))
        }
        Err(error) => Err(at_certificate(format!("cannot be used: {error}"))),
    }
}

/// What is wrong with the text of `path`: without the library's words, which may quote it.
fn not_pem(path: &Path) -> impl FnOnce(pem::Error) -> TlsError + '_ {
    |_| TlsError { path: path.to_owned(), what: "is not valid PEM".to_owned() }
}

/// The file's content, wiped when dropped.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    secret_file::read(path, MAX_FILE).map_err(|what| TlsError { path: path.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        /// A directory with a pair in it.
        fn new() -> Place {
            let place = Place(tempfile::tempdir().unwrap());
            let (certificate, key) = pair();
            place.write("cert.pem", &certificate);
            place.write("key.pem", &key);
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn load(&self) -> Result<Tls, TlsError> {
            Tls::load(&self.path("cert.pem"), &self.path("key.pem"))
        }

        /// The one line that loading fails with, with this directory left out.
        fn error(&self) -> String {
            let text = self.load().unwrap_err().to_string();
            assert_eq!(text.lines().count(), 1, "{text}");
            text.replace(&format!("{}/", self.0.path().display()), "")
        }
    }

    fn pair() -> (String, String) {
        let Made { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_pair_is_shown_and_may_be_replaced() {
        let place = Place::new();
        let tls = place.load().unwrap();
        tls.server_config().unwrap();
        let first = tls.shown.0.read().cert.clone();
        let (certificate, key) = pair();
        place.write("cert.pem", &certificate);
        assert!(tls.reload(None).unwrap_err().to_string().contains("is not the key of the certificate in "));
        assert_eq!(tls.shown.0.read().cert, first);
        place.write("key.pem", &key);
        tls.reload(None).unwrap();
        assert_ne!(tls.shown.0.read().cert, first);
    }

    #[test]
    fn what_is_wrong_is_one_line_that_names_the_file() {
        let check = |file: &str, content: Option<&str>, expected: &str| {
            let place = Place::new();
            match content {
                Some(content) => place.write(file, content),
                None => fs::remove_file(place.path(file)).unwrap(),
            }
            let error = place.error();
            assert!(error.starts_with(&format!("{file}: {expected}")), "{error}");
            assert!(!error.contains("hunter"), "{error}");
        };
        let (certificate, key) = pair();
        for file in ["cert.pem", "key.pem"] {
            check(file, None, "cannot be read: ");
            check(file, Some("-----BEGIN hunter2\n"), "is not valid PEM");
            check(file, Some(&"x".repeat(MAX_FILE as usize + 1)), "is longer than 1024 KiB");
        }
        for none in ["", "hunter2", &key] {
            check("cert.pem", Some(none), "holds no certificate in PEM");
        }
        check("cert.pem", Some(&certificate.replacen("MI", "AA", 1)), "cannot be used: ");
        for none in ["", "hunter2", &certificate, &key.replace("PRIVATE", "ENCRYPTED PRIVATE")] {
            check("key.pem", Some(none), "holds no private key in PEM");
        }
        check("key.pem", Some(&key.replacen("MI", "AA", 1)), "is no private key that TLS can use");
        check("key.pem", Some(&key[..key.len() / 2]), "is not valid PEM");
        check("key.pem", Some(&pair().1), "is not the key of the certificate in ");
    }

    #[test]
    fn a_key_that_others_may_read_or_change_is_noticed() {
        let place = Place::new();
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
            fs::set_permissions(place.path("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
            let tls = place.load().unwrap();
            assert_eq!(tls.exposed_key().is_some(), exposed, "{mode:o}");
        }
    }
}
