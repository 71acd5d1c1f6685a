//! Signing in and out, and what ends a session.

use std::time::Duration;

use super::visitor::Visitor;
use crate::support::{Config, Connection, Server, Store, trusting};

#[test]
fn whoever_has_a_key_signs_in_and_is_where_it_wanted_to_be() {
    let server = Server::start();
    let mut visitor = Visitor::new(&server);
    assert_eq!(visitor.get("/console").header("location"), Some("/console/sign-in"));
    assert_eq!(visitor.get("/console/").header("location"), Some("/console/sign-in"));
    let away = visitor.get("/console/variables?scope=workspace");
    assert_eq!(away.status, 303);
    assert_eq!(
        away.header("location"),
        Some("/console/sign-in?next=%2Fconsole%2Fvariables%3Fscope%3Dworkspace")
    );
    let page = visitor.page(away.header("location").unwrap());
    assert!(page.contains(r#"name="next" value="/console/variables?scope=workspace""#), "{page}");

    let answer = visitor.sign_in(&format!("  {}\n", server.store().test_key));
    assert_eq!((answer.status, answer.header("location")), (303, Some("/console/")));
    assert_eq!(visitor.get("/console/").header("location"), Some("/console/variables"));
    assert!(visitor.page("/console/variables").contains("Variables"));
}

#[test]
fn the_cookie_is_for_the_console_alone_and_for_no_script() {
    let server = Server::start();
    let mut visitor = Visitor::new(&server);
    let answer = visitor.sign_in(&server.store().test_key);
    let cookie = answer.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/console; HttpOnly; SameSite=Strict");
    let (name, token) = pair.split_once('=').unwrap();
    assert_eq!(name, "coffer-console");
    assert_eq!(token.len(), 43, "256 random bits");
    assert!(!server.store().test_key.contains(token));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // The cookie is no credential of the API.
    server.anonymous().with("cookie", pair).get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
}

#[test]
fn under_tls_the_cookie_is_secure_by_its_name_too() {
    let (store, identity) = Store::under_tls();
    let server = store.serve();
    let key = server.store().test_key.clone();
    let body = format!("key={key}");
    let head = format!(
        "POST /console/sign-in HTTP/1.1\r\nhost: localhost\r\norigin: https://localhost\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let client = trusting(&identity, rustls::ALL_VERSIONS);
    let mut connection = Connection::secure(server.address(), &client).unwrap();
    connection.write(head.as_bytes()).unwrap();
    let answer = connection.read("POST").unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Secure-coffer-console="), "{cookie}");
    assert!(cookie.ends_with("; Path=/console; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
}

#[test]
fn behind_a_proxy_that_says_so_the_cookie_is_secure_too() {
    let sign_in = |server: &Server, scheme: &str| {
        let request = server.anonymous().at("POST", "/console/sign-in").header("x-forwarded-proto", scheme);
        let request = request.header("origin", format!("https://{}", server.address()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(format!("key={}", server.store().test_key)).send();
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("set-cookie").unwrap().to_owned()
    };
    let trusting = Server::start_with(&Config::new().set("server", "trusted_proxies", "['127.0.0.1']"));
    let cookie = sign_in(&trusting, "https");
    assert!(cookie.starts_with("__Secure-coffer-console="), "{cookie}");
    assert!(cookie.ends_with("; Path=/console; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let page = |cookie: &str| {
        let request = trusting.anonymous().with("cookie", cookie.split(';').next().unwrap());
        request.at("GET", "/console/variables").header("x-forwarded-proto", "https").send().status
    };
    assert_eq!((page(&cookie), page(&cookie.replace("__Secure-", ""))), (200, 303));
    assert!(sign_in(&trusting, "http").starts_with("coffer-console="));
    let cautious = Server::start();
    assert!(sign_in(&cautious, "https").starts_with("coffer-console="), "anyone can say so");
}

#[test]
fn a_wrong_key_says_so_and_is_not_repeated() {
    let server = Server::start();
    let mut visitor = Visitor::new(&server);
    for (key, says) in [("", "Paste an API key"), ("tk_wrong\"<script>", "This key opens nothing")] {
        let answer = visitor.sign_in(key);
        assert_eq!(answer.status, 401);
        let page = answer.text();
        assert!(page.contains(says), "{page}");
        assert!(page.contains("aria-describedby=\"key-problem key-hint\""), "tied to the field");
        assert!(!page.contains("tk_wrong") && !page.contains("<script>"), "{page}");
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[test]
fn wrong_keys_are_slowed_down_as_at_the_api() {
    let server = Server::start();
    let mut visitor = Visitor::new(&server);
    let statuses: Vec<u16> = (0..30).map(|number| visitor.sign_in(&format!("tk_{number}")).status).collect();
    assert_eq!(statuses[..20], [401; 20]);
    assert!(statuses[20..].contains(&429), "{statuses:?}");
    assert_eq!(
        visitor.sign_in(&server.store().test_key).status,
        303,
        "a right key is never refused for them"
    );
}

#[test]
fn whoever_signs_out_is_out() {
    let server = Server::start();
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let elsewhere = Visitor::signed_in(&server, &server.store().test_key);
    let answer = visitor.submit("/console/variables", "/console/sign-out", &[]);
    assert_eq!(answer.header("location"), Some("/console/sign-in?left=true"));
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(visitor.get("/console/variables").status, 303, "also where the cookie is kept");
    elsewhere.page("/console/variables");
    assert_eq!(visitor.send("/console/sign-out", &[]).status, 303, "a second time changes nothing");
}

#[test]
fn signing_out_everywhere_ends_every_session_of_the_key_and_no_other() {
    let server = Server::start();
    let key = server.store().test_key.clone();
    let sessions: Vec<Visitor> = (0..3).map(|_| Visitor::signed_in(&server, &key)).collect();
    let other = Visitor::signed_in(&server, &server.store().production_key);
    sessions[0].submit("/console/variables", "/console/sign-out-everywhere", &[]);
    for session in &sessions {
        assert_eq!(session.get("/console/variables").status, 303);
    }
    other.page("/console/variables");
}

#[test]
fn a_key_that_is_revoked_or_expires_ends_what_was_signed_in_with_it() {
    let server = Server::start();
    let store = server.store();
    let made = store.coffer(["keys", "create", "--environment", "test", "--json"]).json();
    let visitor = Visitor::signed_in(&server, made["key"].as_str().unwrap());
    visitor.page("/console/variables");
    store.coffer(["keys", "revoke", made["_id"].as_str().unwrap()]).ok();
    assert_eq!(visitor.get("/console/variables").status, 303);
    assert_eq!(visitor.get("/console/").header("location"), Some("/console/sign-in"));

    let brief = store.create_key(&["--environment", "test", "--expires", "2s"]);
    let visitor = Visitor::signed_in(&server, &brief);
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(visitor.get("/console/variables").status, 303);
}

#[test]
fn a_session_ends_when_it_rests_and_after_its_lifetime() {
    let server =
        Server::start_with(&Config::new().text("console", "idle", "2s").text("console", "lifetime", "4s"));
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let rests = Visitor::signed_in(&server, &server.store().test_key);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1_000));
        visitor.page("/console/variables");
    }
    assert_eq!(rests.get("/console/variables").status, 303, "it rested for three seconds");
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(visitor.get("/console/variables").status, 303, "it never rested, and is over");
}

#[test]
fn a_restart_signs_everyone_out() {
    let server = Server::start();
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let cookie = visitor.cookie().to_owned();
    let server = server.stop().serve();
    let answer = server.anonymous().with("cookie", cookie).at("GET", "/console/variables").send();
    assert_eq!(answer.status, 303);
}

#[test]
fn what_was_typed_survives_the_end_of_a_session() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let visitor = Visitor::signed_in(&server, &server.store().test_key);
    let path = format!("/console/values/{definition}");
    let page = visitor.page(&path);
    assert!(page.contains("No value here"));
    visitor.submit("/console/variables", "/console/sign-out-everywhere", &[]);
    let answer = visitor.send(&path, &[("value", "typed <for> an hour"), ("version", "0"), ("csrf", "x")]);
    assert_eq!(answer.status, 401);
    let page = answer.text();
    assert!(page.contains("typed &#60;for&#62; an hour</textarea>"), "{page}");
    assert!(page.contains("nothing was changed"));
    assert!(page.contains(&format!("/console/sign-in?next=%2Fconsole%2Fvalues%2F{definition}")), "{page}");
    server.test().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
}
