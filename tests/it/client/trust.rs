//! Whom client commands believe under TLS.

use super::Machine;
use crate::support::{Identity, Store, finish};

#[test]
fn a_server_under_tls_is_believed_by_the_file_that_is_named() {
    let (store, _) = Store::under_tls();
    let server = store.serve();
    let mut machine = Machine::of(&server);
    machine.url = format!("https://localhost:{}", server.address().port());
    let certificate = store.root().join("cert.pem");
    finish(machine.command(["run", "--", "true"]).env("COFFER_CA_FILE", &certificate)).ok();

    let other = machine.file("other.pem", &Identity::new().certificate());
    let refused = finish(machine.command(["run", "--", "true"]).env("COFFER_CA_FILE", &other)).failed();
    assert!(refused.contains("is not trusted") && refused.contains("COFFER_CA_FILE"), "{refused}");
    let empty = machine.file("empty.pem", "");
    let refused = finish(machine.command(["ls"]).env("COFFER_CA_FILE", &empty)).failed();
    assert!(refused.contains("no certificate"), "{refused}");
    // Another name than the certificate's, though the certificate is trusted.
    machine.url = format!("https://127.0.0.1:{}", server.address().port());
    finish(machine.command(["ls"]).env("COFFER_CA_FILE", &certificate)).failed();
}
