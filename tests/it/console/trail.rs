//! The audit trail and the store's health, as pages.

use super::visitor::{Visitor, unescaped};
use crate::support::Server;

#[test]
fn what_is_done_in_the_console_is_in_the_trail() {
    let server = Server::start();
    let definition = server.test().define_encrypted("SECRET", "org");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    visitor.submit_and_follow(&path, &path, &[("value", "planted-secret")]);
    visitor.submit(&path, &format!("{path}/reveal"), &[]);
    Visitor::new(&server).sign_in("tk_wrong");
    let trail = server.test().get("/audit/audit-trails").query("limit", "100").send().ok();
    let events: Vec<&str> =
        trail["docs"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    for event in ["variable_value.set", "variable_value.revealed"] {
        assert!(events.contains(&event), "{events:?}");
    }
    let set = trail["docs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["event"] == "variable_value.set")
        .unwrap();
    assert_eq!(set["ip"], "127.0.0.1");
    assert!(set["request_id"].is_string());
    let page = visitor.page("/console/audit");
    for text in
        [">revealed</span>", ">set</span>", "SECRET", "127.0.0.1", "A value was set where there was none"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("planted-secret") && !page.contains("tk_wrong"), "{page}");
}

#[test]
fn the_trail_is_narrowed_and_goes_further_back() {
    let server = Server::start();
    let test = server.test();
    let definition = test.define_string("V", "org");
    for number in 0..120 {
        test.set(&definition, &number.to_string());
    }
    test.delete(&format!("/env/definitions/{definition}")).query("force", "true").send().ok();
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let next = regex::Regex::new(r#"href="([^"]*)" rel="next""#).unwrap();
    let count = |query: &str| {
        let (mut path, mut seen) = (format!("/console/audit?{query}"), 0);
        loop {
            let page = visitor.page(&path);
            seen += page.matches("<li><details>").count();
            let Some(found) = next.captures(&page) else { return seen };
            path = unescaped(&found[1]);
        }
    };
    assert_eq!(count("event=variable_value.updated"), 119);
    assert_eq!(count("event=variable_definition.deleted"), 1);
    assert_eq!(count("event=linked_account.deleted"), 0);
    let all = count("");
    assert!(all >= 122, "{all}");
    assert_eq!(count("actor=api_key"), 122);
    assert_eq!(count("from=1970-01-01&to=1970-01-02"), 0);
    assert_eq!(count("from=1970-01-01"), all);
    let page = visitor.page("/console/audit?event=linked_account.deleted");
    assert!(page.contains("Nothing like that happened"), "{page}");
    let answer = visitor.get("/console/audit?from=yesterday");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("Write it as year-month-day"), "{}", answer.text());
    assert!(answer.text().contains("value=\"yesterday\""), "what was typed stays");
}

#[test]
fn health_says_whether_it_writes_how_large_it_is_and_when_it_was_backed_up() {
    let server = Server::start();
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let page = visitor.page("/console/health");
    assert!(page.contains("takes writes") && page.contains("none known"), "{page}");
    assert!(page.contains(&format!("coffer {}", env!("CARGO_PKG_VERSION"))), "{page}");
    assert!(page.contains("coffer backup create FILE"), "{page}");
    assert!(regex::Regex::new(r"[0-9.]+ [KMG]iB free").unwrap().is_match(&page), "{page}");
    let file = server.store().root().join("backup");
    let made = server.store().coffer([std::ffi::OsStr::new("backup"), "create".as_ref(), file.as_ref()]);
    if made.code == Some(0) {
        let page = visitor.page("/console/health");
        assert!(!page.contains("none known") && page.contains("coffer backup verify FILE"), "{page}");
    }
}
