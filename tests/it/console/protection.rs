//! What other sites' pages, and whatever is stored, cannot do.

use serde_json::json;

use super::visitor::{Visitor, urlencoded};
use crate::support::{Request, Server};

/// A form of a signed-in visitor's, and what it would change.
fn forged(server: &Server, visitor: &Visitor, path: &str, fields: &[(&str, &str)]) -> Request {
    server
        .anonymous()
        .at("POST", path)
        .header("cookie", visitor.cookie())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(urlencoded(fields))
}

#[test]
fn a_change_needs_the_token_of_its_own_session() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let key = server.store().test_key.clone();
    let (visitor, other) = (Visitor::signed_in(&server, &key), Visitor::signed_in(&server, &key));
    let path = format!("/console/values/{definition}");
    let token = |visitor: &Visitor| {
        let page = visitor.page(&path);
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (own, foreign) = (token(&visitor), token(&other));
    assert_ne!(own, foreign);
    assert_eq!(own.len(), 43, "256 random bits");
    for token in ["", "x", &foreign, &own[1..], &own.to_uppercase()] {
        let fields = [("csrf", token), ("value", "forged"), ("version", "0")];
        let answer = forged(&server, &visitor, &path, &fields).send();
        assert_eq!(answer.status, 403, "{token}: {}", answer.text());
        for path in ["/console/sign-out", "/console/sign-out-everywhere"] {
            assert_eq!(forged(&server, &visitor, path, &[("csrf", token)]).send().status, 403);
        }
    }
    server.test().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
    let fields = [("csrf", own.as_str()), ("value", "meant"), ("version", "0")];
    assert_eq!(
        forged(&server, &visitor, &path, &fields).send().status,
        303,
        "neither header: an old browser"
    );
    assert_eq!(server.test().resolve(&definition).send().ok()["value"], "meant");
}

#[test]
fn a_form_of_another_site_is_refused_whatever_it_knows() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    let page = visitor.page(&path);
    let token = page.split_once("name=\"csrf\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let fields = [("csrf", token.as_str()), ("value", "forged"), ("version", "0")];
    for (header, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ] {
        let answer = forged(&server, &visitor, &path, &fields).header(header, value).send();
        assert_eq!(answer.status, 403, "{header}: {value}");
        let login = [("key", server.store().test_key.as_str())];
        let answer = forged(&server, &visitor, "/console/sign-in", &login).header(header, value).send();
        assert_eq!(
            (answer.status, answer.header("set-cookie")),
            (403, None),
            "nobody is signed in by others"
        );
        let answer =
            forged(&server, &visitor, "/console/look", &[("look", "dark")]).header(header, value).send();
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None));
    }
    server.test().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn every_page_forbids_what_is_not_its_own() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let sign_in = Visitor::new(&server).get("/console/sign-in");
    let pages = [
        sign_in,
        visitor.get("/console/variables"),
        visitor.get(&format!("/console/variables/{definition}")),
        visitor.get(&format!("/console/values/{definition}")),
        visitor.get("/console/definitions"),
        visitor.get("/console/keys"),
        visitor.get("/console/nowhere"),
    ];
    let inline = regex::Regex::new(r"\son[a-z]+=|javascript:").unwrap();
    let loaded = regex::Regex::new(r#"(?:src|href)="([^"]*)""#).unwrap();
    for answer in pages {
        let policy = answer.header("content-security-policy").unwrap();
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        let page = answer.text();
        assert!(!page.contains(" style=") && !page.contains("<style"), "{page}");
        assert!(!inline.is_match(&page), "{page}");
        let scripts: Vec<_> = page.matches("<script").collect();
        assert_eq!(scripts.len(), page.matches("<script src=\"/console/assets/console.").count());
        for link in loaded.captures_iter(&page) {
            assert!(link[1].starts_with("/console/") || link[1].starts_with('#'), "{}", &link[1]);
        }
    }
}

#[test]
fn what_pages_load_is_named_by_its_content_and_kept_for_good() {
    let server = Server::start();
    let page = Visitor::new(&server).page("/console/sign-in");
    let asset = regex::Regex::new(r#""(/console/assets/[a-z]+\.[0-9a-f]{16}\.(css|js|svg))""#).unwrap();
    let mut kinds = Vec::new();
    for found in asset.captures_iter(&page) {
        let answer = server.anonymous().at("GET", &found[1]).send();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(!answer.body.is_empty());
        kinds.push(answer.header("content-type").unwrap().to_owned());
        let other = found[1].replacen('.', ".0", 1);
        assert_eq!(server.anonymous().at("GET", &other).send().status, 404, "no other content has this name");
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds, ["image/svg+xml", "text/css; charset=utf-8", "text/javascript; charset=utf-8"]);
}

#[test]
fn whatever_is_stored_is_shown_as_text() {
    let server = Server::start();
    let test = server.test();
    let evil = "</textarea></pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;";
    let written = "&#60;/textarea&#62;&#60;/pre&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#60;img src=x \
                   onerror=alert(1)&#62;&#34;&#39;&#38;amp;";
    let plain = test.define(&json!({ "name": "V", "scope": "org", "description": evil }));
    let of_account = test.define_string("A", "linked_account");
    test.set(&plain, evil);
    test.post("/linked-account", &json!({ "account_id": evil, "name": evil })).send().ok();
    test.set_for(&of_account, "linked_account_id", evil, evil);
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let encoded = crate::support::percent(evil);
    for path in [
        format!("/console/variables?q={encoded}"),
        "/console/variables".into(),
        format!("/console/variables/{plain}"),
        format!("/console/values/{plain}"),
        format!("/console/variables/{of_account}"),
        format!("/console/variables?scope=linked_account&account={encoded}"),
        format!("/console/values/{of_account}?account={encoded}"),
        "/console/definitions".into(),
        format!("/console/definitions/{plain}"),
        format!("/console/definitions/new?name={encoded}"),
        format!("/console/nowhere?{encoded}"),
    ] {
        let page = visitor.get(&path).text();
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{path}: {page}");
    }
    let page = visitor.page(&format!("/console/values/{plain}"));
    assert!(page.contains(&format!("<pre><bdi>{written}</bdi></pre>")), "{page}");
}

#[test]
fn no_template_writes_anything_unescaped() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/console/templates");
    let unquoted = regex::Regex::new(r"=\{\{|<script>|<style|\son[a-z]+=").unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        seen += 1;
        assert!(!text.contains("|safe") && !text.contains("| safe") && !text.contains("escape"), "{path:?}");
        assert!(!unquoted.is_match(&text), "{path:?}");
    }
    assert!(seen > 5);
}
