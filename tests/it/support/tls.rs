//! Certificates of a test's own, and clients that trust them.

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::{Config, Connection, Store};

/// A certificate for `localhost`, signed by itself, and its key.
pub(crate) struct Identity(CertifiedKey<KeyPair>);

impl Identity {
    /// A new one.
    pub(crate) fn new() -> Identity {
        Identity(generate_simple_self_signed(["localhost".to_owned()]).expect("made"))
    }

    /// The certificate as PEM.
    pub(crate) fn certificate(&self) -> String {
        self.0.cert.pem()
    }

    /// The key as PEM.
    pub(crate) fn key(&self) -> String {
        self.0.signing_key.serialize_pem()
    }

    /// Writes both to `cert.pem` and `key.pem` in a directory.
    pub(crate) fn write(&self, directory: &Path) {
        std::fs::write(directory.join("cert.pem"), self.certificate()).expect("written");
        let key = directory.join("key.pem");
        std::fs::write(&key, self.key()).expect("written");
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("its mode is set");
    }
}

impl Config {
    /// The same with the files of an [`Identity`] beside it.
    pub(crate) fn with_tls(self) -> Config {
        self.text("server", "tls_cert", "cert.pem").text("server", "tls_key", "key.pem")
    }
}

impl Store {
    /// An initialized store that is served under TLS, and what it shows.
    #[track_caller]
    pub(crate) fn under_tls() -> (Arc<Store>, Identity) {
        let (store, identity) = (Store::with(&Config::new().with_tls()), Identity::new());
        identity.write(store.root());
        (store, identity)
    }
}

/// A client that trusts this certificate and no other, and speaks these versions.
pub(crate) fn trusting(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.0.cert.der().clone()).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_protocol_versions(versions).expect("versions that there are");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

impl Connection {
    /// Connects under TLS and finishes the handshake.
    pub(crate) fn secure(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Connection> {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        let mut stream = Connection::dial(address)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(Connection::over(address, StreamOwned::new(session, stream)))
    }
}
