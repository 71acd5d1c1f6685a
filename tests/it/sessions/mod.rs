//! `/session-token`: issued, reused, refreshed, revoked; and what a token opens.

mod others;
mod own;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{Client, Config, Response, Server, check_fields, check_page};

const ACCOUNT: &str = "mark@acme.com";

/// Asks for a pair of tokens, without insisting on a new login.
fn issue(api: &Client) -> Value {
    api.post("/session-token", &json!({ "linked_account_id": ACCOUNT })).send().ok()
}

fn text(pair: &Value, field: &str) -> String {
    pair[field].as_str().unwrap_or_else(|| panic!("no {field}: {pair}")).to_owned()
}

fn refresh(server: &Server, pair: &Value) -> Response {
    let body = json!({ "refresh_token": pair["refresh_token"] });
    server.anonymous().post("/session-token/refresh", &body).send()
}

fn holder(server: &Server, pair: &Value) -> Client {
    server.anonymous().bearer(&text(pair, "token"))
}

/// Whether the access token of `pair` opens its account.
#[track_caller]
fn opens(server: &Server, pair: &Value) -> bool {
    let response = holder(server, pair).get("/session/active-linked-account").send();
    if response.status == 200 {
        assert_eq!(response.ok()["account_id"], ACCOUNT);
        return true;
    }
    response.error_saying(401, "INVALID_TOKEN", "Invalid token");
    false
}

#[track_caller]
fn is_over(server: &Server, pair: &Value) {
    assert!(!opens(server, pair), "the token still opens its account");
    refresh(server, pair).error_saying(401, "INVALID_TOKEN", "Invalid token");
}

fn started() -> Server {
    let server = Server::start();
    server.test().register(ACCOUNT);
    server
}

#[test]
fn a_token_is_a_jwt_of_these_claims() {
    let config = Config::new().text("sessions", "ttl", "1h").text("sessions", "refresh_ttl", "2d");
    let server = Server::start_with(&config);
    let api = server.test();
    let before = jiff::Timestamp::now().as_second();
    let mut ids = Vec::new();
    for account in [ACCOUNT, "用户/\u{1F511} \"quoted\" \\", &"\u{7ff}".repeat(128)] {
        api.register(account);
        let pair = api.log_in(account);
        check_fields(&pair, "token refresh_token expires_in refresh_expires_in");
        assert_eq!((&pair["expires_in"], &pair["refresh_expires_in"]), (&json!(3_600), &json!(172_800)));
        let token = text(&pair, "token");
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url")).collect();
        assert_eq!((parts.len(), parts[2].len()), (3, 32), "HS256 signs with 32 bytes");
        let header: Value = serde_json::from_slice(&parts[0]).unwrap();
        assert_eq!(header, json!({ "alg": "HS256", "typ": "JWT" }));
        let claims: Value = serde_json::from_slice(&parts[1]).unwrap();
        check_fields(&claims, "org_id linked_account_id environment iat exp jti");
        assert_eq!(claims["org_id"], server.store().org);
        assert_eq!(claims["linked_account_id"], account);
        assert_eq!(claims["environment"], "test");
        let number = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!(number("exp") - number("iat"), 3_600);
        assert!((before..=before + 60).contains(&number("iat")));
        ids.push(claims["jti"].as_str().unwrap().to_owned());
        assert!(!text(&pair, "refresh_token").contains('.'), "what is in it is nobody's to read");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each is one of its own");
}

#[test]
fn a_token_that_is_valid_is_given_again_unless_a_new_one_is_forced() {
    let server = started();
    let api = server.test();
    let first = issue(&api);
    assert_eq!((&first["expires_in"], &first["refresh_expires_in"]), (&json!(86_400), &json!(2_592_000)));
    let same = |one: &Value, other: &Value| {
        assert_eq!(one["token"], other["token"]);
        assert_eq!(one["refresh_token"], other["refresh_token"]);
    };
    let body = json!({ "linked_account_id": ACCOUNT });
    let asking = || api.post("/session-token", &body);
    for value in ["", "false"] {
        same(&asking().query("force_refresh", value).send().ok(), &first);
    }
    for value in ["yes", "1", "TRUE"] {
        asking().query("force_refresh", value).send().error(400, "INVALID_REQUEST");
    }
    let forced = api.log_in(ACCOUNT);
    assert_ne!(forced["token"], first["token"]);
    assert_ne!(forced["refresh_token"], first["refresh_token"]);
    assert!(opens(&server, &first) && opens(&server, &forced), "the earlier one lives on");
    same(&issue(&api), &forced);
    let refreshed = refresh(&server, &forced).ok();
    same(&issue(&api), &refreshed);

    let server = server.kill().serve();
    same(&issue(&server.test()), &refreshed);
    assert!(opens(&server, &first) && opens(&server, &forced) && opens(&server, &refreshed));
    holder(&server, &refreshed).post("/session-token/revoke", &json!({})).send().ok();
    same(&issue(&server.test()), &first);
    let server = server.stop().serve();
    assert!(opens(&server, &first), "also after a clean stop");
}

#[test]
fn a_token_needs_an_account_that_exists() {
    let server = started();
    let (api, ask) = (server.test(), |api: &Client, body: Value| api.post("/session-token", &body));
    for (api, environment) in [(&api, "test"), (&server.production(), "production")] {
        let message = format!("No linked account found for account id : ghost in environment {environment}");
        let response = ask(api, json!({ "linked_account_id": "ghost" })).send();
        response.error_saying(400, "INVALID_LINKED_ACCOUNT_ID", &message);
    }
    for body in [json!({}), json!({ "linked_account_id": null }), json!({ "account_id": ACCOUNT })] {
        ask(&api, body).send().error(400, "INVALID_LINKED_ACCOUNT_ID");
    }
    for wrong in [json!(1), json!([ACCOUNT]), json!({})] {
        ask(&api, json!({ "linked_account_id": wrong })).send().error(400, "INVALID_REQUEST");
    }
    ask(&api, json!({})).header("linked_account_id", ACCOUNT).send().ok();
    ask(&api, json!({})).query("linked_account_id", ACCOUNT).send().ok();
    let differing = ask(&api, json!({ "linked_account_id": ACCOUNT })).header("linked-account-id", "ghost");
    differing.send().error(400, "INVALID_LINKED_ACCOUNT_ID");
    check_page(&api.get("/linked-account").send().ok(), 1, 10, 1);
}

#[test]
fn a_token_is_of_the_environment_that_a_key_for_all_names() {
    let server = Server::start();
    server.store().coffer(["environments", "add", "staging"]).ok();
    let everything = ["--environment", "all", "--permissions", "read,write,manage"];
    let all = server.anonymous().key(&server.store().create_key(&everything));
    for environment in ["test", "production", "staging"] {
        let put = all.put("/linked-account", &json!({ "account_id": ACCOUNT, "name": environment }));
        put.query("environment", environment).send().ok();
        let body = json!({ "linked_account_id": ACCOUNT });
        let response = all.post("/session-token", &body).header("environment", environment).send();
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let active = holder(&server, &response.ok()).get("/session/active-linked-account");
        let active = active.query("environment", environment).send().ok();
        assert_eq!((&active["environment"], &active["name"]), (&json!(environment), &json!(environment)));
    }
    let body = json!({ "linked_account_id": ACCOUNT });
    all.post("/session-token", &body).send().error(400, "INVALID_REQUEST");
    all.post("/session-token", &body).query("environment", "nowhere").send().error(400, "INVALID_REQUEST");
}

#[test]
fn a_refresh_token_buys_one_pair_and_a_second_use_ends_the_login() {
    let server = started();
    let bystander = server.test().log_in(ACCOUNT);
    let first = server.test().log_in(ACCOUNT);
    let second = refresh(&server, &first).ok();
    check_fields(&second, "token refresh_token expires_in refresh_expires_in");
    let third = refresh(&server, &second).ok();
    let pairs = [&first, &second, &third];
    for field in ["token", "refresh_token"] {
        let mut different: Vec<String> = pairs.iter().map(|pair| text(pair, field)).collect();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 3);
    }
    assert!(pairs.iter().all(|pair| opens(&server, pair)), "earlier access tokens live until they expire");

    // That one was spent is not forgotten.
    let server = server.kill().serve();
    assert!(pairs.iter().all(|pair| opens(&server, pair)));
    refresh(&server, &second).error_saying(401, "INVALID_TOKEN", "Invalid token");
    for pair in pairs {
        is_over(&server, pair);
    }
    assert!(opens(&server, &bystander), "another login is not touched");
    let server = server.kill().serve();
    for pair in pairs {
        is_over(&server, pair);
    }
    refresh(&server, &bystander).ok();
}

#[test]
fn of_many_who_refresh_at_once_one_succeeds_and_the_login_ends() {
    let server = started();
    // Few enough wrong credentials that none is slowed down.
    for _ in 0..3 {
        let pair = server.test().log_in(ACCOUNT);
        let answers: Vec<Response> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| refresh(&server, &pair))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let good: Vec<Value> =
            answers.iter().filter(|answer| answer.status == 200).map(Response::json).collect();
        assert_eq!(good.len(), 1, "one refresh token is one pair");
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
        assert!(!opens(&server, &good[0]), "of the others, one may be the thief");
    }
}

#[test]
fn a_refresh_needs_nothing_but_the_refresh_token() {
    let server = started();
    let ask = |body: Value| server.anonymous().post("/session-token/refresh", &body).send();
    for body in [json!({}), json!({ "refresh_token": null }), json!({ "refresh_token": 1 })] {
        ask(body).error(400, "INVALID_REQUEST");
    }
    let pair = issue(&server.test());
    let body = json!({ "refresh_token": pair["refresh_token"] });
    let elsewhere = started();
    elsewhere.anonymous().post("/session-token/refresh", &body).send().error(401, "INVALID_TOKEN");
    let query = server.anonymous().post("/session-token/refresh", &json!({}));
    query.query("refresh_token", &text(&pair, "refresh_token")).send().error(400, "INVALID_REQUEST");
    let odd = server.anonymous().key("wrong").bearer("wrong").post("/session-token/refresh", &body);
    let next = odd.header("environment", "nowhere").send().ok();
    assert!(opens(&server, &next));
}

#[test]
fn revoking_ends_the_whole_login_at_once_and_for_good() {
    let server = started();
    let bystander = server.test().log_in(ACCOUNT);
    let first = server.test().log_in(ACCOUNT);
    let second = refresh(&server, &first).ok();
    // With the older of two tokens: they are of one login.
    let revoke =
        |pair: &Value| holder(&server, pair).at("POST", "/api/v2/public/session-token/revoke").send();
    assert_eq!(revoke(&first).ok(), json!({ "success": true, "revoked_count": 1 }));
    revoke(&first).error_saying(401, "INVALID_TOKEN", "Invalid token");
    is_over(&server, &first);
    is_over(&server, &second);
    assert!(opens(&server, &bystander));
    let server = server.kill().serve();
    is_over(&server, &first);
    is_over(&server, &second);
    assert!(opens(&server, &bystander));
    let server = server.stop().serve();
    is_over(&server, &second);
}

#[test]
fn a_token_ends_when_it_said_it_would_and_is_renewed() {
    let server = Server::start_with(&Config::new().text("sessions", "ttl", "3s"));
    server.test().register(ACCOUNT);
    let first = issue(&server.test());
    assert_eq!(first["expires_in"], 3);
    assert!(opens(&server, &first));
    std::thread::sleep(std::time::Duration::from_millis(3_100));
    assert!(!opens(&server, &first));
    let second = refresh(&server, &first).ok();
    assert!(opens(&server, &second), "its refresh token outlives it");
    std::thread::sleep(std::time::Duration::from_millis(3_100));
    assert!(!opens(&server, &second));
    let third = issue(&server.test());
    assert_ne!(third["token"], second["token"], "only a valid one is given again");
    assert!(opens(&server, &third));

    let config = Config::new().text("sessions", "ttl", "1s").text("sessions", "refresh_ttl", "1s");
    let server = Server::start_with(&config);
    server.test().register(ACCOUNT);
    let pair = issue(&server.test());
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    is_over(&server, &pair);
}

#[test]
fn the_key_decides_but_where_only_a_token_can() {
    let server = started();
    let api = server.test();
    api.register("other");
    let pair = api.log_in(ACCOUNT);
    let bearer = format!("Bearer {}", text(&pair, "token"));
    let both = |key: &Client| key.with("authorization", &bearer);
    let wrong = server.anonymous().key("tk_wrong");

    both(&api).get("/linked-account").send().ok();
    both(&api).get("/linked-account/other").send().ok();
    let reader = server.permitted("read");
    let body = json!({ "account_id": ACCOUNT, "name": "x" });
    both(&reader).put("/linked-account", &body).send().error(403, "FORBIDDEN");
    both(&wrong).get("/linked-account/other").send().error(401, "INVALID_CREDENTIALS");
    both(&server.anonymous().key("")).get("/env/definitions").send().error(401, "INVALID_CREDENTIALS");
    api.with("authorization", "Bearer forged").get("/linked-account").send().ok();

    let active = |client: &Client| client.get("/session/active-linked-account").send();
    for key in [&api, &wrong, &server.production(), &reader] {
        assert_eq!(active(&both(key)).ok()["account_id"], ACCOUNT);
        active(key).error_saying(401, "INVALID_TOKEN", "Invalid token");
    }
    active(&api.with("authorization", "Bearer forged")).error(401, "INVALID_TOKEN");
    // Nor does the key widen what the token may speak of.
    let other = both(&api).get("/session/active-linked-account").header("linked_account_id", "other");
    other.send().error(403, "FORBIDDEN");
    let elsewhere = both(&server.production()).get("/session/active-linked-account");
    elsewhere.query("environment", "production").send().error(403, "FORBIDDEN");
    let revoke = |client: &Client| client.post("/session-token/revoke", &json!({})).send();
    revoke(&api).error(401, "INVALID_TOKEN");
    assert_eq!(revoke(&both(&api)).ok()["revoked_count"], 1);
    assert!(!opens(&server, &pair));
}
