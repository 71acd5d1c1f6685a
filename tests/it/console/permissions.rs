//! Each page shows and does what the key may, and no more.

use super::visitor::Visitor;
use crate::support::Server;

/// The pages, and the permission without which each is refused; the empty one: any key will do.
fn pages(definition: &str) -> Vec<(String, &'static str)> {
    let value = format!("/console/values/{definition}");
    let of = format!("/console/definitions/{definition}");
    vec![
        ("/console/variables".into(), "read"),
        (format!("/console/variables/{definition}"), "read"),
        (value.clone(), "read"),
        (format!("{value}/delete"), "write"),
        ("/console/definitions".into(), "read"),
        (of.clone(), "read"),
        ("/console/definitions/new".into(), "manage"),
        (format!("{of}/delete"), "manage"),
        ("/console/accounts".into(), "read"),
        ("/console/account?account=a".into(), "read"),
        ("/console/account/delete?account=a".into(), "manage"),
        ("/console/keys".into(), "admin"),
        ("/console/audit".into(), "admin"),
        ("/console/health".into(), ""),
    ]
}

#[test]
fn each_page_needs_what_the_table_says() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "the value");
    server.test().register("a");
    for permission in ["read", "write", "manage", "reveal", "admin"] {
        let key = server.store().create_key(&["--environment", "test", "--permissions", permission]);
        let visitor = Visitor::signed_in(&server, &key);
        // What a page is about has to be read as well.
        for (path, needed) in pages(&definition) {
            let answer = visitor.get(&path);
            let about = path.contains("/delete") || path.ends_with("account?account=a");
            let may = needed.is_empty() || (needed == permission && (permission == "read" || !about));
            assert_eq!(answer.status, if may { 200 } else { 403 }, "{permission}: {path}");
            assert!(may || !answer.text().contains("the value"), "{permission}: {path}");
        }
        let page = visitor.page("/console/health");
        for (section, needed) in [("variables", "read"), ("keys", "admin"), ("audit", "admin")] {
            let offered = page.contains(&format!("href=\"/console/{section}\""));
            assert_eq!(offered, needed == permission, "{permission}: {section}");
        }
    }
}

#[test]
fn a_change_without_its_permission_is_refused_whatever_the_page_offers() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let value = server.test().set(&definition, "before");
    server.test().register("a");
    let key = server.store().create_key(&["--environment", "test", "--permissions", "read,reveal"]);
    let visitor = Visitor::signed_in(&server, &key);
    let page = visitor.page(&format!("/console/values/{definition}"));
    assert!(!page.contains("<textarea") && !page.contains("/delete"), "{page}");
    let token = page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let value = value["_id"].as_str().unwrap().to_owned();
    let of = format!("/console/values/{definition}");
    for path in [
        of.clone(),
        format!("{of}/delete"),
        format!("{of}/rollback"),
        "/console/definitions/new".into(),
        format!("/console/definitions/{definition}"),
        format!("/console/definitions/{definition}/delete"),
        "/console/accounts".into(),
        "/console/account/delete?account=a".into(),
        "/console/keys".into(),
        format!("/console/keys/{definition}/revoke"),
    ] {
        let fields = [
            ("csrf", token.as_str()),
            ("value", "after"),
            ("value_id", &value),
            ("version", "1"),
            ("to", "1"),
            ("name", "N"),
            ("id", "new"),
            ("scope", "org"),
            ("format", "string"),
            ("force", "yes"),
            ("reach", "test"),
            ("permissions", "read"),
        ];
        let answer = visitor.send(&path, &fields);
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
    }
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "before");
    assert_eq!(server.test().get("/env/definitions").send().ok()["totalDocs"], 1);
    assert_eq!(server.test().get("/linked-account").send().ok()["totalDocs"], 1);
}

#[test]
fn another_organizations_things_are_not_found() {
    let server = Server::start();
    let definition = server.test().define_string("THEIRS", "org");
    server.test().set(&definition, "theirs");
    let org = server.store().create_org("other");
    let key = server.store().create_key(&[
        "--org",
        &org,
        "--environment",
        "all",
        "--permissions",
        "read,write,manage,reveal,admin",
    ]);
    let visitor = Visitor::signed_in(&server, &key);
    for path in [
        format!("/console/variables/{definition}"),
        format!("/console/values/{definition}"),
        format!("/console/values/{definition}/delete"),
        format!("/console/definitions/{definition}"),
        format!("/console/definitions/{definition}/delete"),
    ] {
        let answer = visitor.get(&path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("THEIRS") && !answer.text().contains("theirs"), "{path}");
    }
    for path in ["/console/variables", "/console/definitions", "/console/keys", "/console/audit"] {
        assert!(!visitor.page(path).contains("THEIRS"), "{path}");
    }
}
