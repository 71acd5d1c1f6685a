//! Nobody sees what is another's: organizations, environments, accounts, workflows with awkward ids.

use serde_json::json;

use crate::support::{Client, Server, check_id, check_page};

/// Ids that differ in ways that a careless key encoding would lose.
fn awkward_ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "a",
        "A",
        "a/",
        "/a",
        "a/b",
        "a%2Fb",
        "a%2fb",
        "%",
        "%25",
        "%2F",
        "a:b",
        ":",
        "linked_account:a",
        "workflow:a",
        "org",
        "..",
        ".",
        "../a",
        "a..b",
        "~",
        "+",
        " ",
        "a b",
        "a+b",
        "a%20b",
        "\"",
        "'",
        "\\",
        "<x>",
        "{}",
        "$(x)",
        "a,b",
        "a;b",
        "a&b=c",
        "#",
        "?",
        "e\u{301}",
        "\u{e9}",
        "\u{fb01}",
        "fi",
        "\u{1F511}",
        "\u{202e}rtl",
        "\u{feff}",
        "mark@acme.com",
        "user_12345",
        "undefined",
        "null",
        "0",
        "-1",
        "a\u{ff0f}b",
    ]
    .map(str::to_owned)
    .to_vec();
    ids.push("x".repeat(256));
    ids.push(format!("{}y", "x".repeat(255)));
    ids.push("x".repeat(255));
    ids.push("%".repeat(256));
    ids.push("\u{1F511}".repeat(64));
    ids.push("/".repeat(256));
    ids
}

#[test]
fn subjects_with_awkward_ids_are_kept_apart() {
    let server = Server::start();
    let api = server.test();
    for (scope, field) in [("linked_account", "linked_account_id"), ("workflow", "workflow_id")] {
        let definition = api.define_string("V", scope);
        let ids = awkward_ids();
        for id in &ids {
            let answer = api.set_for(&definition, field, id, &format!("value of {id}"));
            assert_eq!(answer["version"], 1, "{id:?} is nobody else's");
            assert_eq!(answer[field], *id);
        }
        for id in &ids {
            let resolved = api.resolve(&definition).query(field, id).send().ok();
            assert_eq!(resolved["value"], format!("value of {id}"));
            let list = api.get(&format!("/env/values/{scope}")).query(field, id).send().ok();
            let docs = check_page(&list, 1, 10, 1);
            assert_eq!(docs[0][field], *id);
            assert_eq!(docs[0]["value"], format!("value of {id}"));
        }
        for id in ids.iter().step_by(2) {
            let list = api.get(&format!("/env/values/{scope}")).query(field, id).send().ok();
            let value = check_id(&list["docs"][0]["_id"]);
            api.delete(&format!("/env/values/{value}")).send().ok();
        }
        for (index, id) in ids.iter().enumerate() {
            let status = api.resolve(&definition).query(field, id).send().status;
            assert_eq!(status, if index % 2 == 0 { 404 } else { 200 }, "{id:?}");
        }
    }
}

#[test]
fn an_id_in_one_scope_is_not_the_same_id_in_another() {
    let server = Server::start();
    let api = server.test();
    let account = api.define_string("V", "linked_account");
    let workflow = api.define_string("V", "workflow");
    api.set_for(&account, "linked_account_id", "same", "of the account");
    api.resolve(&workflow).query("workflow_id", "same").send().error(404, "RESOURCE_NOT_FOUND");
    api.set_for(&workflow, "workflow_id", "same", "of the workflow");
    assert_eq!(
        api.resolve(&account).query("linked_account_id", "same").send().ok()["value"],
        "of the account"
    );
    assert_eq!(api.resolve(&workflow).query("workflow_id", "same").send().ok()["value"], "of the workflow");
}

/// A client of a second organization that has every permission.
fn stranger(server: &Server) -> Client {
    let store = server.store();
    let org = store.create_org("another");
    let key = store.create_key(&[
        "--environment",
        "test",
        "--org",
        &org,
        "--permissions",
        "read,write,manage,reveal,admin",
    ]);
    server.anonymous().key(&key)
}

#[test]
fn another_organizations_resources_are_not_found() {
    let server = Server::start();
    let owner = server.test();
    let other = stranger(&server);
    let definition = owner.define_string("V", "org");
    let secret = owner.define_encrypted("S", "org");
    let value = check_id(&owner.set(&definition, "mine")["_id"]);
    owner.set(&secret, "mine");

    for response in [
        other.get(&format!("/env/definitions/{definition}")).send(),
        other.patch(&format!("/env/definitions/{definition}"), &json!({ "name": "X" })).send(),
        other.delete(&format!("/env/definitions/{definition}")).query("force", "true").send(),
        other.setting(&definition, "theirs").send(),
        other.resolve(&definition).send(),
        other.resolve(&secret).query("reveal", "true").send(),
    ] {
        response.error_saying(404, "RESOURCE_NOT_FOUND", "Variable definition not found");
    }
    other.delete(&format!("/env/values/{value}")).send().error_saying(
        404,
        "RESOURCE_NOT_FOUND",
        "Variable value not found",
    );
    check_page(&other.get("/env/definitions").send().ok(), 1, 10, 0);
    check_page(&other.get("/env/values/org").send().ok(), 1, 10, 0);
    let list = other.get("/env/values/org").query("variable_definition_id", &definition).send().ok();
    check_page(&list, 1, 10, 0);

    let resolved = owner.resolve(&definition).send().ok();
    assert_eq!(
        (&resolved["value"], &resolved["version"], &resolved["name"]),
        (&json!("mine"), &json!(1), &json!("V"))
    );
}

#[test]
fn what_is_anothers_and_what_is_not_there_look_the_same() {
    let server = Server::start();
    let definition = server.test().define_string("V", "linked_account");
    server.test().set_for(&definition, "linked_account_id", "user", "v");
    let other = stranger(&server);
    let unknown = crate::support::UNKNOWN_ID;
    let same = |path: &dyn Fn(&str) -> crate::support::Request| {
        let (theirs, nobodys) = (path(&definition).send(), path(unknown).send());
        assert_eq!(theirs.status, nobodys.status);
        let mask = |response: &crate::support::Response| {
            let mut body = response.json();
            body["request_id"] = "".into();
            body
        };
        assert_eq!(mask(&theirs), mask(&nobodys));
    };
    same(&|id| other.get(&format!("/env/definitions/{id}")));
    same(&|id| other.resolve(id));
    same(&|id| other.setting(id, "x"));
    same(&|id| other.delete(&format!("/env/definitions/{id}")));
    // Without the permission, too: the definition is looked for first.
    let store = server.store();
    let powerless =
        store.create_key(&["--environment", "test", "--org", "another", "--permissions", "reveal"]);
    let powerless = server.anonymous().key(&powerless);
    same(&|id| powerless.setting(id, "x"));
}

#[test]
fn organizations_share_names_and_ids_without_meeting() {
    let server = Server::start();
    let (one, two) = (server.test(), stranger(&server));
    for (api, value) in [(&one, "first"), (&two, "second")] {
        let definition = api.define_string("SAME", "linked_account");
        api.set_for(&definition, "linked_account_id", "user", value);
    }
    for (api, value) in [(&one, "first"), (&two, "second")] {
        let list = api.get("/env/values/linked_account").query("linked_account_id", "user").send().ok();
        assert_eq!(check_page(&list, 1, 10, 1)[0]["value"], value);
    }
}
