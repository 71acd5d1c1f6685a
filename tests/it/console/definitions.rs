//! Definitions, as pages.

use super::visitor::{Visitor, unescaped};
use crate::support::Server;

const NEW: &str = "/console/definitions/new";

#[test]
fn a_variable_is_defined_changed_and_deleted() {
    let server = Server::start();
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    assert!(visitor.page("/console/definitions").contains("No variable is defined yet"));
    let fields = [
        ("name", "API_URL"),
        ("description", "Where it\r\nanswers"),
        ("scope", "org"),
        ("format", "url"),
        ("required", "yes"),
    ];
    let page = visitor.submit_and_follow(NEW, NEW, &fields);
    assert!(page.contains("The variable is defined."), "{page}");
    let listed = server.test().get("/env/definitions").send().ok()["docs"][0].clone();
    assert_eq!(listed["description"], "Where it\nanswers");
    assert_eq!(
        (&listed["var_format"], &listed["required"], &listed["encrypted"]),
        (&"url".into(), &true.into(), &false.into())
    );

    let path = format!("/console/definitions/{}", listed["_id"].as_str().unwrap());
    let fields = [("name", "API_BASE"), ("description", ""), ("format", "string"), ("encrypted", "yes")];
    let page = visitor.submit_and_follow(&path, &path, &fields);
    assert!(page.contains("The definition is changed.") && page.contains("API_BASE"), "{page}");
    let fields = [("name", "API_BASE"), ("description", ""), ("format", "string")];
    let page = visitor.submit_and_follow(&path, &path, &fields);
    assert!(page.contains("Nothing was changed."), "encrypted stays so: {page}");

    let deletion = format!("{path}/delete");
    let page = visitor.submit_and_follow(&deletion, &deletion, &[]);
    assert!(page.contains("The variable is deleted."), "{page}");
    assert_eq!(visitor.get(&path).status, 404);
}

#[test]
fn what_cannot_be_is_said_at_its_field_and_stays_typed() {
    let server = Server::start();
    let taken = server.test().define_string("TAKEN", "org");
    server.test().set(&taken, "no number");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let long = "x".repeat(1_025);
    for (name, description, scope, status, field) in [
        ("1ST", "typed", "org", 400, "name"),
        ("", "typed", "org", 400, "name"),
        ("TAKEN", "typed", "org", 409, "name"),
        ("FINE", &long, "org", 400, "description"),
        ("FINE", "typed", "planet", 400, "scope"),
    ] {
        let fields = [("name", name), ("description", description), ("scope", scope), ("format", "string")];
        let answer = visitor.submit(NEW, NEW, &fields);
        assert_eq!(answer.status, status, "{name}");
        let page = answer.text();
        assert!(page.contains(&format!("id=\"{field}-problem\"")), "{page}");
        assert!(page.contains(&format!("aria-describedby=\"{field}-problem")), "{page}");
        assert!(unescaped(&page).contains(&format!("\n{description}</textarea>")), "{page}");
        assert!(page.contains(&format!("class=\"mono\" value=\"{name}\"")), "{page}");
    }
    let path = format!("/console/definitions/{taken}");
    let answer = visitor.submit(&path, &path, &[("name", "TAKEN"), ("format", "number")]);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("1 value does not fit the format number"), "{}", answer.text());
}

#[test]
fn a_variable_with_values_goes_only_when_that_is_ticked() {
    let server = Server::start();
    let definition = server.test().define_string("USED", "org");
    server.test().set(&definition, "v");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/definitions/{definition}/delete");
    let page = visitor.page(&path);
    assert!(page.contains("It has 1 value, and programs may be using them."), "{page}");
    let answer = visitor.submit(&path, &path, &[]);
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("tick that they go too"), "{}", answer.text());
    server.production().set(&definition, "of production");
    let answer = visitor.submit(&path, &path, &[("force", "yes")]);
    assert!(answer.text().contains("an environment that this key does not open"), "{}", answer.text());
    server.test().resolve(&definition).send().ok();
    let every = server.store().create_key(&["--environment", "all", "--permissions", "read,manage"]);
    let visitor = Visitor::signed_in(&server, &every);
    let path = format!("{path}?environment=test");
    visitor.submit_and_follow(&path, &path, &[("force", "yes")]);
    server.test().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn the_list_goes_through_every_scope() {
    let server = Server::start();
    for scope in ["org", "workspace", "linked_account", "workflow"] {
        for number in 0..30 {
            server.test().define_string(&format!("V{number:02}"), scope);
        }
    }
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let next = regex::Regex::new(r#"href="([^"]*)" rel="next""#).unwrap();
    let count = |mut path: String| {
        let mut seen = 0;
        loop {
            let page = visitor.page(&path);
            seen += page.matches("class=\"name\"").count();
            let Some(found) = next.captures(&page) else { return seen };
            path = unescaped(&found[1]);
        }
    };
    assert_eq!(count("/console/definitions".into()), 120);
    assert_eq!(count("/console/definitions?scope=workspace".into()), 30);
    assert_eq!(count("/console/definitions?q=v07".into()), 4);
}
