//! Too little free disk: writes are refused, reads and deletions go on.

use serde_json::json;

use crate::support::interpose::{self, Interposed};
use crate::support::{Store, check_id, check_page};

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
    control.turn_on("low-space", "");
    crate::support::eventually(std::time::Duration::from_secs(5), "the disk is found full", || {
        (api.setting(&secret, "new").send().status == 507).then_some(())
    });
    api.delete(&format!("/admin/keys/{key}")).send().ok();
    api.get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
}
