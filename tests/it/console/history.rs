//! What a value was, and back to it.

use super::visitor::Visitor;
use crate::support::Server;

#[test]
fn each_version_shows_what_it_changed_and_can_be_set_again() {
    let server = Server::start();
    let definition = server.test().define_string("HOST", "org");
    for value in ["mail.acme.example", "smtp.acme.example", "smtp2.acme.example"] {
        server.test().set(&definition, value);
    }
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    let page = visitor.page(&path);
    assert!(page.contains("<bdi>smtp<ins>2</ins>.acme.example</bdi>"), "{page}");
    assert!(page.contains("<bdi><del>mail</del><ins>smtp</ins>.acme.example</bdi>"), "{page}");
    let rollback = format!("{path}/rollback");
    assert_eq!(visitor.get(&rollback).status, 405, "a link changes nothing");
    let page = visitor.submit_and_follow(&path, &rollback, &[("to", "1")]);
    assert!(page.contains("as a new version") && page.contains("Version 4"), "{page}");
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "mail.acme.example");
}

#[test]
fn what_is_stale_or_does_not_fit_is_not_set_again() {
    let server = Server::start();
    let definition = server.test().define_string("PORT", "org");
    server.test().set(&definition, "many");
    server.test().set(&definition, "80");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    let rollback = format!("{path}/rollback");
    let page = visitor.page(&path);
    let field = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (csrf, value) = (field("csrf"), field("value_id"));
    let send = |version: &str, to: &str| {
        let fields = [("csrf", csrf.as_str()), ("value_id", &value), ("version", version), ("to", to)];
        visitor.send(&rollback, &fields)
    };
    server.test().set(&definition, "81");
    let answer = send("2", "1");
    assert_eq!(answer.status, 412);
    assert!(answer.text().contains("Somebody changed this value"), "{}", answer.text());
    let number = serde_json::json!({ "var_format": "number" });
    server.test().patch(&format!("/env/definitions/{definition}"), &number).send().ok();
    let answer = send("3", "1");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("Version 1 cannot be set again"), "{}", answer.text());
    for wrong in ["9", "0", "x", ""] {
        assert_eq!(send("3", wrong).status, 404, "{wrong}");
    }
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "81");
}

#[test]
fn versions_of_an_encrypted_value_are_not_shown() {
    let server = Server::start();
    let definition = server.test().define_encrypted("SECRET", "org");
    server.test().set(&definition, "first-secret");
    server.test().set(&definition, "second-secret");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let page = visitor.page(&format!("/console/values/{definition}"));
    assert!(page.contains("Version 1") && page.contains("Version 2"), "{page}");
    assert!(!page.contains("-secret"), "{page}");
}
