//! Too little free disk: writes are refused, reads and deletions go on.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::support::interpose::{self, Interposed};
use crate::support::{Connection, Server, Store, check_id, check_page, eventually};

#[test]
fn a_full_disk_refuses_writes_and_lets_reads_and_deletions_through() {
    let store = Store::new();
    let Interposed { server, control } = interpose::serve(&store);
    let api = server.test();
    let definition = api.define_string("V", "org");
    let secret = api.define_encrypted("S", "org");
    let value = check_id(&api.set(&definition, "v")["_id"]);
    api.set(&secret, "hidden");
    control.turn_on("low-space", "");
    // A measurement may be remembered for a moment.
    crate::support::eventually(std::time::Duration::from_secs(5), "the disk is found full", || {
        (api.setting(&definition, "new").send().status == 507).then_some(())
    });
    let before = api.resolve(&definition).send().ok();
    for response in [
        api.setting(&definition, "new").send(),
        api.post("/env/definitions", &json!({ "name": "W", "scope": "org" })).send(),
        api.patch(&format!("/env/definitions/{definition}"), &json!({ "name": "W" })).send(),
        api.post("/admin/keys", &json!({ "environment": "test", "permissions": ["read"] })).send(),
    ] {
        response.error(507, "STORE_FULL");
    }
    assert_eq!(api.resolve(&definition).send().ok(), before, "nothing was written");
    eventually(Duration::from_secs(5), "the log says so", || {
        let log = server.stderr();
        let warnings = log.matches("only changes that free space are taken").count();
        assert!(warnings <= 1, "once, however many were refused: {log}");
        (warnings == 1).then_some(())
    });
    check_page(&api.get("/env/values/org").send().ok(), 1, 10, 2);
    check_page(&api.get("/env/definitions").send().ok(), 1, 10, 2);
    assert_eq!(api.resolve(&secret).send().ok()["value"], "[REDACTED]");

    api.delete(&format!("/env/values/{value}")).send().ok();
    api.resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
    api.delete(&format!("/env/definitions/{definition}")).send().ok();
    let key = api.get("/admin/keys").send().ok()["docs"][0]["_id"].as_str().unwrap().to_owned();

    control.turn_off("low-space");
    crate::support::eventually(std::time::Duration::from_secs(5), "the disk has room again", || {
        (api.setting(&secret, "again").send().status == 200).then_some(())
    });
    eventually(Duration::from_secs(5), "the log says that too", || {
        server.stderr().contains("all changes are taken").then_some(())
    });
    control.turn_on("low-space", "");
    crate::support::eventually(std::time::Duration::from_secs(5), "the disk is found full", || {
        (api.setting(&secret, "new").send().status == 507).then_some(())
    });
    api.delete(&format!("/admin/keys/{key}")).send().ok();
    api.get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
}

#[test]
fn clients_that_hold_every_file_end_no_writing() {
    let store = Store::new();
    let serve = store.command(["serve"]);
    // The shell's limit goes on to what it runs in its place.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(serve.get_program()).args(serve.get_args());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let server = Server::spawn(&store, command);
    let client = server.test();
    let definitions: Vec<_> =
        (0..8).map(|number| client.define_string(&format!("V{number}"), "org")).collect();
    let mut writer = Connection::open(server.address()).unwrap();
    let request = |number: usize| client.setting(&definitions[number % 8], &"v".repeat(65_000));
    assert_eq!(writer.exchange(&request(0)).unwrap().status, 200);
    let idle: Vec<_> = (0..100).filter_map(|_| Connection::open(server.address()).ok()).collect();
    // More than a segment of the journal, so that the next one has to be placed meanwhile.
    for number in 0..300 {
        let status = writer.exchange(&request(number)).unwrap().status;
        assert!([200, 507].contains(&status), "{status}");
    }
    drop(idle);
    eventually(Duration::from_secs(20), "writing goes on", || {
        (writer.exchange(&request(1)).unwrap().status == 200).then_some(())
    });
    assert_eq!(server.anonymous().at("GET", "/readyz").send().status, 200);
}
