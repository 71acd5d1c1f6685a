//! `GET /env/resolve`: a whole context in one call.

use serde_json::{Value, json};

use crate::support::{Client, Server, check_fields};

fn named<'a>(context: &'a Value, name: &str) -> &'a Value {
    let variables = context["variables"].as_array().unwrap();
    variables.iter().find(|variable| variable["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

/// `V` in every scope, with the scope's name as its value.
fn in_every_scope(api: &Client) {
    for scope in ["org", "workspace"] {
        api.set(&api.define_string("V", scope), scope);
    }
    api.set_for(&api.define_string("V", "linked_account"), "linked_account_id", "mark", "linked_account");
    api.set_for(&api.define_string("V", "workflow"), "workflow_id", "flow", "workflow");
}

#[test]
fn the_most_specific_scope_that_has_a_value_wins_and_says_what_it_hides() {
    let server = Server::start();
    let api = server.test();
    in_every_scope(&api);
    type Case<'c> = (&'c [(&'c str, &'c str)], &'c str, &'c [&'c str]);
    let cases: [Case<'_>; 4] = [
        (&[], "workspace", &["org"]),
        (&[("linked_account_id", "mark")], "linked_account", &["workspace", "org"]),
        (&[("workflow_id", "flow")], "workflow", &["workspace", "org"]),
        (
            &[("linked_account_id", "mark"), ("workflow_id", "flow")],
            "workflow",
            &["linked_account", "workspace", "org"],
        ),
    ];
    for (ids, winner, hidden) in cases {
        let mut request = api.get("/env/resolve").query("explain", "true");
        for (name, id) in ids {
            request = request.query(name, id);
        }
        let context = request.send().ok();
        let variable = named(&context, "V");
        check_fields(variable, "name value scope encrypted variable_definition_id version shadowed");
        assert_eq!((&variable["value"], &variable["scope"]), (&json!(winner), &json!(winner)));
        let shadowed = variable["shadowed"].as_array().unwrap();
        let scopes: Vec<&str> = shadowed.iter().map(|one| one["scope"].as_str().unwrap()).collect();
        assert_eq!(scopes, hidden);
        assert_eq!(context["missing"], json!([]), "another scope supplies it");
    }
    let context = api.get("/env/resolve").query("linked_account_id", "mark").send().ok();
    check_fields(&context, "environment linked_account_id variables missing");
    check_fields(named(&context, "V"), "name value scope encrypted variable_definition_id version");
}

#[test]
fn variables_and_missing_ones_are_sorted_by_name() {
    let server = Server::start();
    let api = server.test();
    for name in ["b", "C", "a"] {
        api.set(&api.define_string(name, "org"), name);
        api.define(&json!({ "name": format!("{name}.missing"), "scope": "org", "required": name == "a" }));
    }
    api.define_string("of_an_account", "linked_account");
    let context = api.get("/env/resolve").send().ok();
    assert_eq!(names(&context["variables"]), ["C", "a", "b"]);
    assert_eq!(names(&context["missing"]), ["C.missing", "a.missing", "b.missing"]);
    let required: Vec<bool> =
        context["missing"].as_array().unwrap().iter().map(|one| one["required"].as_bool().unwrap()).collect();
    assert_eq!(required, [false, true, false]);
    let context = api.get("/env/resolve").query("linked_account_id", "nobody").send().ok();
    assert!(names(&context["missing"]).contains(&"of_an_account"));
}

#[test]
fn encrypted_values_are_redacted_or_revealed_to_those_who_may() {
    let server = Server::start();
    let api = server.test();
    api.set(&api.define_string("PLAIN", "org"), "seen");
    let reader = server.permitted("read");
    reader.get("/env/resolve").query("reveal", "true").send().ok();
    api.set(&api.define_encrypted("SECRET", "org"), "hidden");
    let context = reader.get("/env/resolve").send().ok();
    assert_eq!(named(&context, "SECRET")["value"], "[REDACTED]");
    assert_eq!(named(&context, "SECRET")["encrypted"], true);
    let refused = reader.get("/env/resolve").query("reveal", "true").send();
    refused.error(403, "FORBIDDEN");
    assert!(!refused.text().contains("hidden"));
    let revealed = server.permitted("read,reveal").get("/env/resolve").query("reveal", "true").send();
    assert_eq!(named(&revealed.ok(), "SECRET")["value"], "hidden");
    assert_eq!(revealed.header("cache-control"), Some("no-store"));
    server.permitted("reveal").get("/env/resolve").query("reveal", "true").send().error(403, "FORBIDDEN");
}

#[test]
fn a_tag_changes_whenever_the_answer_does_and_saves_it_otherwise() {
    let server = Server::start();
    let api = server.test();
    let tag = |query: &[(&str, &str)]| {
        let request = query.iter().fold(api.get("/env/resolve"), |request, (k, v)| request.query(k, v));
        request.send().header("etag").unwrap().to_owned()
    };
    let mut seen = vec![tag(&[])];
    let mut changed = |what: &str| {
        let now = tag(&[]);
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    let definition = api.define_string("V", "org");
    changed("a missing variable more");
    let value = api.set(&definition, "1");
    changed("a value");
    api.set(&definition, "1");
    changed("a version");
    api.delete(&format!("/env/values/{}", value["_id"].as_str().unwrap())).send().ok();
    api.set(&definition, "1");
    changed("deleted and set again");
    api.patch(&format!("/env/definitions/{definition}"), &json!({ "name": "W" })).send().ok();
    changed("a name");
    api.patch(&format!("/env/definitions/{definition}"), &json!({ "encrypted": true })).send().ok();
    changed("redacted from now on");

    let current = tag(&[]);
    assert_eq!(current, tag(&[]), "nothing changed");
    for other in [[("reveal", "true")], [("explain", "true")], [("linked_account_id", "a")]] {
        assert_ne!(current, tag(&other), "each representation has its own");
    }
    for sent in [current.clone(), format!("W/{current}"), format!("\"x\", {current}"), "*".into()] {
        let response = api.get("/env/resolve").header("if-none-match", &sent).send();
        assert_eq!((response.status, response.body.len()), (304, 0), "{sent}");
        assert_eq!(response.header("etag"), Some(current.as_str()));
    }
    api.get("/env/resolve").header("if-none-match", "\"x\"").send().ok();
    api.get("/env/resolve").header("if-none-match", "x").send().error(400, "INVALID_REQUEST");
}

#[test]
fn a_session_token_sees_its_account_alone() {
    let server = Server::start();
    let api = server.test();
    in_every_scope(&api);
    let definition = api.define_string("OTHER", "linked_account");
    api.set_for(&definition, "linked_account_id", "eve", "eve's");
    let token = api.post("/session-token", &json!({ "linked_account_id": "mark" })).send().ok();
    let holder =
        server.anonymous().with("authorization", format!("Bearer {}", token["token"].as_str().unwrap()));
    let context =
        holder.get("/env/resolve").query("explain", "true").query("workflow_id", "flow").send().ok();
    assert_eq!(names(&context["variables"]), ["V"]);
    assert_eq!(named(&context, "V")["value"], "linked_account");
    assert_eq!(named(&context, "V")["shadowed"], json!([]));
    assert_eq!(names(&context["missing"]), ["OTHER"]);
    assert_eq!(context["linked_account_id"], "mark");
    holder.get("/env/resolve").query("linked_account_id", "eve").send().error(403, "FORBIDDEN");
    holder.get("/env/resolve").query("environment", "production").send().error(403, "FORBIDDEN");
}

#[test]
fn environments_do_not_see_each_other() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "in test");
    let context = server.production().get("/env/resolve").send().ok();
    assert_eq!((names(&context["variables"]), names(&context["missing"])), (vec![], vec!["V"]));
    assert_eq!(context["environment"], "production");
}

#[test]
fn a_context_is_written_as_dotenv_too() {
    let server = Server::start();
    let api = server.test();
    api.set(&api.define_string("db.host-1", "org"), "it's \"here\" # $HOME\nand there");
    api.set(&api.define_encrypted("SECRET", "org"), "hidden");
    let ask = |reveal: &str| api.get("/env/resolve").query("format", "dotenv").query("reveal", reveal).send();
    let text = |reveal: &str| {
        let response = ask(reveal);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
        response.text()
    };
    let redacted = text("false");
    assert!(redacted.contains("# SECRET") && !redacted.contains("SECRET=") && !redacted.contains("hidden"));
    let revealed = text("true");
    assert!(revealed.contains("SECRET=hidden\n") && revealed.contains("db_host_1="), "{revealed}");
    assert_ne!(ask("false").header("etag"), api.get("/env/resolve").send().header("etag"));
    api.set(&api.define_string("db_host.1", "org"), "x");
    let message = ask("false").error(400, "INVALID_REQUEST");
    assert!(message.contains("db.host-1") && message.contains("db_host.1"), "{message}");
    api.get("/env/resolve").send().ok();
    api.get("/env/resolve").query("format", "yaml").send().error(400, "INVALID_REQUEST");
}
