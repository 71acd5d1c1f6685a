//! Linked accounts, as pages.

use serde_json::json;

use super::visitor::Visitor;
use crate::support::Server;

#[test]
fn accounts_are_registered_found_and_deleted() {
    let server = Server::start();
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    assert!(visitor.page("/console/accounts").contains("No linked account in test yet"));
    let fields = [("id", "mark@acme.com"), ("name", "Mark")];
    let page = visitor.submit_and_follow("/console/accounts", "/console/accounts", &fields);
    assert!(
        page.contains("is registered") && page.contains("mark@acme.com") && page.contains("Mark"),
        "{page}"
    );
    for (id, name, status, says) in [
        ("mark@acme.com", "again", 409, "There is an account of this id here."),
        ("", "nobody", 400, "Write the id by which your systems know it."),
        ("a\tb", "typed", 400, "control characters"),
    ] {
        let answer = visitor.submit("/console/accounts", "/console/accounts", &[("id", id), ("name", name)]);
        assert_eq!(answer.status, status, "{}", answer.text());
        let page = answer.text();
        assert!(page.contains(says) && page.contains("aria-describedby=\"id-problem id-hint\""), "{page}");
        assert!(page.contains(&format!("value=\"{name}\"")), "what was typed stays: {page}");
    }
    server.test().register("other");
    let page = visitor.page("/console/accounts?q=MARK");
    assert!(page.contains(">mark@acme.com<") && !page.contains(">other<"), "{page}");
    assert!(visitor.page("/console/accounts?q=nobody").contains("No account like that"));

    let path = "/console/account/delete?account=mark%40acme.com";
    assert!(visitor.page(path).contains("All its values go"));
    let page = visitor.submit_and_follow(path, path, &[]);
    assert!(page.contains("is deleted") && !page.contains("mark@acme.com"), "{page}");
    assert_eq!(visitor.get("/console/account?account=mark%40acme.com").status, 404);
}

#[test]
fn an_account_gets_another_name() {
    let server = Server::start();
    let value = server.test().define_string("REGION", "linked_account");
    server.test().set_for(&value, "linked_account_id", "mark@acme.com", "eu");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = "/console/account?account=mark%40acme.com";
    let page = visitor.submit_and_follow(path, path, &[("name", " Mark <b> ")]);
    assert!(page.contains("has its new name") && page.contains("<bdi>Mark &#60;b&#62;</bdi>"), "{page}");
    assert!(page.contains(">eu<"), "its values stay: {page}");
    let long = "x".repeat(2_000);
    let answer = visitor.submit(path, path, &[("name", &long)]);
    assert_eq!(answer.status, 400);
    let page = answer.text();
    assert!(page.contains("aria-describedby=\"name-problem name-hint\"") && page.contains(&long), "{page}");
    let page = visitor.submit_and_follow(path, path, &[("name", "")]);
    assert!(!page.contains("Mark"), "{page}");

    let key = server.store().create_key(&["--environment", "test", "--permissions", "read,write"]);
    let unable = Visitor::signed_in(&server, &key);
    let page = unable.page(path);
    assert!(!page.contains("Save the name"), "{page}");
    let page = visitor.page(path);
    let token = page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap();
    visitor.submit_and_follow(
        "/console/account/delete?account=mark%40acme.com",
        "/console/account/delete?account=mark%40acme.com",
        &[],
    );
    assert_eq!(visitor.send(path, &[("csrf", token), ("name", "back")]).status, 404, "not registered anew");
    assert!(!visitor.page("/console/accounts").contains("mark@acme.com"));
}

#[test]
fn accounts_are_found_by_what_they_have() {
    let server = Server::start();
    let region = server.test().define_string("REGION", "linked_account");
    let token = server.test().define_encrypted("TOKEN", "linked_account");
    for (account, value) in [("one", "eu"), ("two", "us")] {
        server.test().set_for(&region, "linked_account_id", account, value);
    }
    server.test().set_for(&token, "linked_account_id", "one", "secret");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let found = |query: &str| {
        let page = visitor.page(&format!("/console/accounts?{query}"));
        ["one", "two"].map(|id| page.contains(&format!("<bdi>{id}</bdi>")))
    };
    assert_eq!(found(""), [true, true]);
    assert_eq!(found("variable=REGION&value=eu"), [true, false]);
    assert_eq!(found("variable=TOKEN"), [true, false]);
    assert_eq!(found("variable=NOTHING"), [false, false]);
    for (query, says) in
        [("variable=TOKEN&value=secret", "cannot be searched"), ("value=eu", "Name the variable")]
    {
        let answer = visitor.get(&format!("/console/accounts?{query}"));
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(says), "{}", answer.text());
    }
}

#[test]
fn an_account_shows_what_it_has_and_lacks() {
    let server = Server::start();
    let test = server.test();
    let region = test.define_string("REGION", "linked_account");
    test.define_string("LACKING", "linked_account");
    let body = json!({ "account_id": "a/b?c&d", "name": "A", "udf": { "plan": "pro<" } });
    test.post("/linked-account", &body).send().ok();
    test.set_for(&region, "linked_account_id", "a/b?c&d", "eu");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let page = visitor.page("/console/account?account=a%2Fb%3Fc%26d");
    for text in ["REGION", "eu", "LACKING", "missing", "plan", "pro&#60;", "values/"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(page.contains("?account=a%2Fb%3Fc%26d"), "{page}");
}
