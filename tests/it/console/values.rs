//! Values: found, set, seen side by side, revealed, deleted.

use serde_json::json;

use super::visitor::{Visitor, unescaped};
use crate::support::Server;

fn with_every_environment(server: &Server, permissions: &str) -> (String, Visitor) {
    let key = server.store().create_key(&["--environment", "all", "--permissions", permissions]);
    let visitor = Visitor::signed_in(server, &key);
    (key, visitor)
}

#[test]
fn a_value_is_set_and_replaced() {
    let server = Server::start();
    let definition = server.test().define_string("GREETING", "org");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    let page = visitor.submit_and_follow(&path, &path, &[("value", "hello")]);
    assert!(page.contains("The value is set.") && page.contains("<pre><bdi>hello</bdi></pre>"), "{page}");
    let page = visitor.submit_and_follow(&path, &path, &[("value", "hello again")]);
    assert!(page.contains("Version 2"), "{page}");
    let resolved = server.test().resolve(&definition).send().ok();
    assert_eq!((&resolved["value"], &resolved["version"]), (&json!("hello again"), &json!(2)));
    server.production().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn text_comes_back_as_it_was() {
    let server = Server::start();
    let definition = server.test().define_string("TEXT", "org");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    let field = |page: &str| {
        let (_, rest) = page.split_once("<textarea id=\"value\"").unwrap();
        let (_, rest) = rest.split_once('>').unwrap();
        // A browser drops the first line break.
        unescaped(rest.split_once("</textarea>").unwrap().0).strip_prefix('\n').unwrap().to_owned()
    };
    let long = "é\"<&>'\u{202e}".repeat(6_100);
    for text in ["", " blanks ", "\n\nfirst lines", "two\nlines\n", "שלום עולם", "\u{202e}reversed", &long]
    {
        // As browsers send it.
        visitor.submit_and_follow(&path, &path, &[("value", &text.replace('\n', "\r\n"))]);
        assert_eq!(server.test().resolve(&definition).send().ok()["value"], text);
        assert_eq!(field(&visitor.page(&path)), text);
    }
    assert!(long.len() > 60_000);
}

#[test]
fn line_breaks_that_came_with_a_carriage_return_stay_so() {
    let server = Server::start();
    let definition = server.test().define_string("TEXT", "org");
    server.test().set(&definition, "a\r\nb");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    assert!(visitor.page(&path).contains("<option value=\"crlf\">"));
    visitor.submit_and_follow(&path, &path, &[("value", "a\r\nc"), ("line_breaks", "crlf")]);
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "a\r\nc");
    visitor.submit_and_follow(&path, &path, &[("value", "a\r\nd"), ("line_breaks", "lf")]);
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "a\nd");
    assert!(!visitor.page(&path).contains("<option value=\"crlf\">"));
}

#[test]
fn what_does_not_fit_is_said_at_the_field_and_stays_typed() {
    let server = Server::start();
    let number = server.test().define(&json!({ "name": "N", "scope": "org", "var_format": "number" }));
    let url =
        server.test().define(&json!({ "name": "U", "scope": "org", "var_format": "url", "encrypted": true }));
    let text = server.test().define_string("T", "org");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let too_long = "x".repeat(65_537);
    for (definition, typed, status, says) in [
        (&number, "1,000", 400, "This is not a number"),
        (&url, "javascript:alert(1)", 400, "This is not an address"),
        (&text, "nul \0", 400, "NUL"),
        (&text, &too_long, 413, "This is too long"),
    ] {
        let path = format!("/console/values/{definition}");
        let answer = visitor.submit(&path, &path, &[("value", typed)]);
        assert_eq!(answer.status, status, "{typed}");
        let page = answer.text();
        assert!(page.contains(says), "{page}");
        assert!(
            page.contains("aria-describedby=\"value-problem value-hint\" aria-invalid=\"true\""),
            "{page}"
        );
        assert!(unescaped(&page).contains(&format!(">\n{typed}</textarea>")), "{page}");
        server.test().resolve(definition).send().error(404, "RESOURCE_NOT_FOUND");
    }
}

#[test]
fn of_two_tabs_the_second_sees_what_the_first_has_set() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "before");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    let csrf = |page: &str| {
        page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned()
    };
    let token = csrf(&visitor.page(&path));
    let send = |value: &str, version: &str| {
        visitor.send(&path, &[("csrf", &token), ("value", value), ("version", version)])
    };
    assert_eq!(send("of the first", "1").status, 303);
    let answer = send("of the second", "1");
    assert_eq!(answer.status, 412);
    let page = answer.text();
    assert!(page.contains("Somebody changed this value since"), "{page}");
    assert!(
        page.contains("<pre><bdi>of the first</bdi></pre>") && page.contains("\nof the second</textarea>")
    );
    assert!(page.contains("name=\"version\" value=\"2\""), "sent again, it replaces what is seen now");
    assert_eq!(send("of the second", "2").status, 303);
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "of the second");
    for wrong in ["0", "", "x", "4", "\"3\""] {
        assert!(matches!(send("wrong", wrong).status, 400 | 412), "{wrong}");
    }
}

#[test]
fn whoever_mistypes_does_not_replace_what_somebody_set_meanwhile() {
    let server = Server::start();
    let number = server.test().define(&json!({ "name": "N", "scope": "org", "var_format": "number" }));
    server.test().set(&number, "1");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{number}");
    // As the page was when it was opened, and as it is with what was wrong with the first attempt.
    let send = |page: &str, value: &str| {
        let field = |name: &str| {
            let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let (csrf, version) = (field("csrf"), field("version"));
        visitor.send(&path, &[("csrf", &csrf), ("value", value), ("version", &version)])
    };
    let opened = visitor.page(&path);
    server.test().set(&number, "2");
    let mistyped = send(&opened, "three");
    assert_eq!(mistyped.status, 400);
    let overtaken = send(&mistyped.text(), "3");
    assert_eq!(overtaken.status, 412, "the form said nothing of the change");
    assert_eq!(server.test().resolve(&number).send().ok()["value"], "2");
    assert_eq!(send(&overtaken.text(), "3").status, 303, "now it was said");
}

#[test]
fn environments_stand_side_by_side_with_what_is_missing() {
    let server = Server::start();
    server.store().coffer(["environments", "add", "staging"]).ok();
    let (key, visitor) = with_every_environment(&server, "read,write,manage,reveal");
    let client = server.anonymous().key(&key);
    let here = client.define_string("HERE", "org");
    client.define_string("NOWHERE", "org");
    for (environment, value) in
        [("test", "in-test"), ("production", "in-production"), ("staging", "in-staging")]
    {
        client.with("environment", environment).set(&here, value);
    }
    let page = visitor.page("/console/variables");
    for text in ["in-test", "in-production", "in-staging", ">test</th>", ">production</th>", ">staging</th>"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert_eq!(page.matches(">missing</a>").count(), 3);
    let page = visitor.page("/console/variables?show=missing");
    assert!(page.contains("NOWHERE") && !page.contains("in-test"), "{page}");
    let page = visitor.page(&format!("/console/variables/{here}"));
    assert!(page.contains("in-test") && page.contains("in-production"), "{page}");
    let path = format!("/console/values/{here}?environment=staging");
    visitor.submit_and_follow(&path, &path, &[("value", "new-in-staging")]);
    assert_eq!(client.with("environment", "staging").resolve(&here).send().ok()["value"], "new-in-staging");
    assert_eq!(client.with("environment", "test").resolve(&here).send().ok()["value"], "in-test");
    assert_eq!(visitor.get(&format!("/console/values/{here}?environment=nowhere")).status, 400);
    let own = Visitor::signed_in(&server, &server.store().test_key);
    assert_eq!(own.get(&format!("/console/values/{here}?environment=production")).status, 403);
    let page = own.page("/console/variables");
    assert!(page.contains("in-test") && !page.contains("in-production"), "{page}");
}

#[test]
fn names_are_searched_in_any_case_and_by_several_words() {
    let server = Server::start();
    for name in ["DATABASE_URL", "database_pool", "CACHE_URL"] {
        server.test().define_string(name, "org");
    }
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let found = |query: &str| {
        let page = visitor.page(&format!("/console/variables?scope=org&q={query}"));
        ["DATABASE_URL", "database_pool", "CACHE_URL"].map(|name| page.contains(&format!(">{name}</a>")))
    };
    assert_eq!(found(""), [true, true, true]);
    assert_eq!(found("DataBase"), [true, true, false]);
    assert_eq!(found("url+data"), [true, false, false]);
    assert_eq!(found("none"), [false, false, false]);
    assert!(visitor.page("/console/variables?q=none").contains("No name has"));
    assert_eq!(visitor.get("/console/variables?scope=nothing").status, 400);
}

#[test]
fn a_long_list_goes_on_where_it_ended() {
    let server = Server::start();
    let variables: Vec<_> = (0..120).map(|n| json!({ "name": format!("V{n:03}"), "value": "v" })).collect();
    server
        .test()
        .post("/env/import", &json!({ "scope": "org", "create": true, "variables": variables }))
        .send()
        .ok();
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let (mut path, mut seen) = ("/console/variables".to_owned(), 0);
    let next = regex::Regex::new(r#"href="([^"]*)" rel="next""#).unwrap();
    let name = regex::Regex::new(r">V(\d{3})</a>").unwrap();
    loop {
        let page = visitor.page(&path);
        for found in name.captures_iter(&page) {
            assert_eq!(found[1].parse::<u32>().unwrap(), seen, "in the order of names");
            seen += 1;
        }
        let Some(found) = next.captures(&page) else { break };
        path = unescaped(&found[1]);
    }
    assert_eq!(seen, 120);
}

#[test]
fn values_of_accounts_and_workflows_are_found_and_set() {
    let server = Server::start();
    let of_account = server.test().define_string("A", "linked_account");
    let of_workflow = server.test().define_string("W", "workflow");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    assert!(visitor.page(&format!("/console/variables/{of_account}")).contains("No linked account here yet"));
    let path = format!("/console/values/{of_account}?account=mark%40acme.com");
    visitor.submit_and_follow(&path, &path, &[("value", "of mark")]);
    let page = visitor.page("/console/variables?scope=linked_account&account=mark@acme.com");
    assert!(page.contains("of mark"), "{page}");
    let page = visitor.page(&format!("/console/variables/{of_account}"));
    assert!(page.contains("mark@acme.com") && page.contains("of mark"), "{page}");
    let path = format!("/console/values/{of_workflow}?workflow=nightly");
    visitor.submit_and_follow(&path, &path, &[("value", "each night")]);
    let page = visitor.page("/console/variables?scope=workflow");
    assert!(page.contains("workflow=nightly"), "{page}");
    assert!(visitor.page("/console/variables?scope=workflow&workflow=nightly").contains("each night"));
    for path in [format!("/console/values/{of_account}"), format!("/console/values/{of_workflow}")] {
        assert_eq!(visitor.get(&path).status, 400, "whose?");
    }
    assert_eq!(visitor.get("/console/variables/nonsense").status, 404);
    assert_eq!(visitor.get(&format!("/console/values/{}", crate::support::UNKNOWN_ID)).status, 404);
}

#[test]
fn an_encrypted_value_is_shown_by_a_deliberate_act_alone() {
    let server = Server::start();
    let definition = server.test().define_encrypted("SECRET", "org");
    server.test().set(&definition, "the plaintext");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    for page in ["/console/variables", &format!("/console/variables/{definition}"), &path] {
        let page = visitor.page(page);
        assert!(page.contains("[REDACTED]") && !page.contains("the plaintext"), "{page}");
    }
    let reveal = format!("{path}/reveal");
    assert_eq!(visitor.get(&reveal).status, 405, "a link reveals nothing");
    assert_eq!(visitor.send(&reveal, &[("csrf", "x")]).status, 403);
    let answer = visitor.submit(&path, &reveal, &[]);
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("<pre><bdi>the plaintext</bdi></pre>"), "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("refresh"), Some(format!("30; url={path}").as_str()), "it hides itself");
    assert!(!answer.text().contains("<textarea"), "what was typed would go when it hides itself");

    let key = server.store().create_key(&["--environment", "test", "--permissions", "read,write"]);
    let unable = Visitor::signed_in(&server, &key);
    let page = unable.page(&path);
    assert!(!page.contains(&reveal), "{page}");
    let token = page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap();
    assert_eq!(unable.send(&reveal, &[("csrf", token)]).status, 403);
    unable.submit_and_follow(&path, &path, &[("value", "written, not read")]);
    assert_eq!(
        server.test().resolve(&definition).query("reveal", "true").send().ok()["value"],
        "written, not read"
    );
}

#[test]
fn a_value_is_deleted_after_a_question_and_only_as_it_was_seen() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "one");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}/delete");
    let page = visitor.page(&path);
    assert!(page.contains("Delete this value?"), "{page}");
    server.test().set(&definition, "two");
    let field = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let stale = [("csrf", field("csrf")), ("value_id", field("value_id")), ("version", field("version"))];
    let stale: Vec<(&str, &str)> = stale.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = visitor.send(&path, &stale);
    assert_eq!(answer.status, 412);
    assert!(answer.text().contains("Look at it again"), "{}", answer.text());
    let page = visitor.submit_and_follow(&path, &path, &[]);
    assert!(page.contains("The value is deleted.") && page.contains("missing"), "{page}");
    server.test().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
    assert_eq!(visitor.get(&path).status, 404);
}
