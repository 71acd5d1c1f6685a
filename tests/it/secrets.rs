//! A planted secret is found nowhere: not in the store's files, logs, error bodies or metrics.

use base64::Engine as _;
use serde_json::json;

use crate::support::{Config, PASSPHRASE, Response, Server, Store};

/// Where a secret may hide, and the forms it may hide in.
struct Search {
    needles: Vec<(String, Vec<u8>)>,
    /// All of them at once: a store is many megabytes.
    any: regex::bytes::Regex,
}

impl Search {
    fn new(secrets: &[&str]) -> Search {
        let mut needles = Vec::new();
        for secret in secrets {
            let bytes = secret.as_bytes();
            needles.push(((*secret).to_owned(), bytes.to_vec()));
            for (alphabet, engine) in [
                ("base64", &base64::engine::general_purpose::STANDARD_NO_PAD),
                ("base64url", &base64::engine::general_purpose::URL_SAFE_NO_PAD),
            ] {
                // Base64 of the secret inside a longer text looks different at each of three offsets.
                for offset in 0..3 {
                    let text = engine.encode([&vec![b'x'; offset], bytes].concat());
                    let inner = &text[(offset * 8).div_ceil(6)..text.len() - 2];
                    needles.push((format!("{alphabet} of {secret}"), inner.as_bytes().to_vec()));
                }
            }
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            needles.push((format!("hex of {secret}"), hex.into_bytes()));
            let json_escaped = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
            needles.push((format!("the bytes of {secret}"), json_escaped.into_bytes()));
        }
        let alternatives: Vec<String> = needles.iter().map(|(_, needle)| escaped(needle)).collect();
        let any = regex::bytes::RegexBuilder::new(&alternatives.join("|")).unicode(false).build().unwrap();
        Search { needles, any }
    }

    #[track_caller]
    fn finds_nothing(&self, place: &str, haystack: &[u8]) {
        if let Some(found) = self.any.find(haystack) {
            let what = self.needles.iter().find(|(_, needle)| needle == found.as_bytes());
            panic!("{} is in {place}", what.map_or("a secret", |(what, _)| what));
        }
    }

    #[track_caller]
    fn finds_nothing_in_files(&self, store: &Store) {
        let files = store.files();
        assert!(files.len() > 2, "there is a store to search");
        for (path, bytes) in &files {
            self.finds_nothing(&path.display().to_string(), bytes);
            self.finds_nothing("a file's name", path.as_os_str().as_encoded_bytes());
        }
    }
}

/// A pattern that matches just these bytes.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[test]
fn the_search_finds_what_is_there() {
    let secret = "planted-secret";
    let search = Search::new(&[secret]);
    for offset in 0..3 {
        let text = format!("{}{secret} and more", "y".repeat(offset));
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        assert!(search.any.is_match(encoded.as_bytes()), "at offset {offset}");
    }
    assert!(!search.any.is_match(b"planted-secre") && search.any.is_match(b"pplanted-secret"));
}

const VALUE: &str = "Vq7-the-planted-value-9x";
const MISTAKEN: &str = "Zw3-the-mistaken-value-5k";

/// Every way to hand in a secret where it does not belong.
fn mistakes(server: &Server, number: &str, encrypted: &str) -> Vec<Response> {
    let api = server.test();
    let anonymous = server.anonymous();
    let body = |value: serde_json::Value| json!({ "variable_definition_id": number, "value": value });
    vec![
        api.post("/env/values", &body(MISTAKEN.into())).send(),
        api.post("/env/values", &body(json!({ MISTAKEN: MISTAKEN }))).send(),
        api.post("/env/values", &body(json!([MISTAKEN]))).send(),
        api.post("/env/values", &json!({ "variable_definition_id": MISTAKEN, "value": MISTAKEN })).send(),
        api.post("/env/values", &json!({ "variable_definition_id": [MISTAKEN], "value": MISTAKEN })).send(),
        api.post(
            "/env/values",
            &json!({ "variable_definition_id": encrypted, "value": MISTAKEN, "workflow_id": 1 }),
        )
        .send(),
        api.post(
            "/env/values",
            &json!({ "variable_definition_id": encrypted, "value": MISTAKEN, "workflow_id": "w" }),
        )
        .send(),
        api.setting(encrypted, &format!("{MISTAKEN}\0")).send(),
        api.setting(encrypted, &MISTAKEN.repeat(3_000)).send(),
        api.setting(encrypted, MISTAKEN).header("if-match", "\"77\"").send(),
        api.setting(encrypted, MISTAKEN).header("if-match", MISTAKEN).send(),
        api.at("POST", "/api/v2/public/env/values")
            .header("content-type", "text/plain")
            .body(MISTAKEN)
            .send(),
        api.setting("", "").body(format!("{{\"value\":\"{MISTAKEN}\"")).send(),
        api.setting("", "").body(format!("{{\"value\":\"{MISTAKEN}\",\"value\":\"{MISTAKEN}\"}}")).send(),
        api.setting("", "").body(format!("{{\"{MISTAKEN}\":1,\"{MISTAKEN}\":1}}")).send(),
        api.setting("", "").body(MISTAKEN).send(),
        api.setting("", "").body(MISTAKEN.repeat(30_000)).send(),
        api.post("/env/definitions", &json!({ "name": format!("{MISTAKEN} "), "scope": "org" })).send(),
        api.post("/env/definitions", &json!({ "name": "V", "scope": MISTAKEN })).send(),
        api.post("/env/definitions", &json!({ "name": "V", "scope": "org", "var_format": MISTAKEN })).send(),
        api.post("/env/definitions", &json!({ "name": "V", "scope": "org", "encrypted": MISTAKEN })).send(),
        api.patch(&format!("/env/definitions/{number}"), &json!({ "encrypted": MISTAKEN })).send(),
        anonymous.key(MISTAKEN).get("/env/definitions").send(),
        anonymous.key(&format!("tk_{MISTAKEN}")).get("/env/definitions").send(),
        anonymous.get("/env/definitions").header("authorization", format!("Bearer {MISTAKEN}")).send(),
        anonymous.get("/env/definitions").query("x-api-key", MISTAKEN).send(),
        api.get("/env/definitions").query("page", MISTAKEN).send(),
        api.get("/env/definitions").query("name", &format!("({MISTAKEN}")).send(),
        api.get("/env/definitions").query("scope", MISTAKEN).send(),
        api.get("/env/values/org").query("environment", MISTAKEN).send(),
        api.resolve(encrypted).query("reveal", MISTAKEN).send(),
        api.resolve(MISTAKEN).send(),
        api.get(&format!("/env/values/{MISTAKEN}")).send(),
        api.delete(&format!("/env/values/{MISTAKEN}")).send(),
        api.at("GET", &format!("/{MISTAKEN}?{MISTAKEN}")).send(),
        api.at("POST", &format!("/healthz?{MISTAKEN}")).body(MISTAKEN).send(),
        api.post("/admin/keys", &json!({ "environment": MISTAKEN, "permissions": [MISTAKEN] })).send(),
        api.delete(&format!("/admin/keys/{MISTAKEN}")).send(),
    ]
}

/// Session and refresh tokens that were used for all there is, the last of them to no avail.
fn tokens(server: &Server) -> [String; 4] {
    let (api, anonymous) = (server.test(), server.anonymous());
    api.register("user of tokens");
    let first = api.log_in("user of tokens");
    let refresh = |pair: &serde_json::Value| {
        let body = json!({ "refresh_token": pair["refresh_token"] });
        anonymous.post("/session-token/refresh", &body).send()
    };
    let text = |pair: &serde_json::Value, field: &str| pair[field].as_str().unwrap().to_owned();
    let second = refresh(&first).ok();
    for pair in [&first, &second] {
        let token = anonymous.bearer(&text(pair, "token"));
        token.get("/session/active-linked-account").send().ok();
        token.get("/linked-account").send().error(403, "FORBIDDEN");
        let mistaken = text(pair, "token");
        token.get(&format!("/linked-account/{mistaken}")).send().error(403, "FORBIDDEN");
        api.get(&format!("/linked-account/{mistaken}")).send().error(404, "RESOURCE_NOT_FOUND");
    }
    refresh(&first).error(401, "INVALID_TOKEN");
    let revoked = anonymous.bearer(&text(&second, "token"));
    revoked.get("/session/active-linked-account").send().error(401, "INVALID_TOKEN");
    ["token", "refresh_token"]
        .map(|field| [&first, &second].map(|pair| text(pair, field)))
        .concat()
        .try_into()
        .unwrap()
}

#[track_caller]
fn check(log_format: &str) {
    let store = Store::new();
    let server = Server::spawn(&store, store.command(["--log-format", log_format, "serve"]));
    let api = server.test();
    let encrypted = api.define_encrypted("SECRET", "org");
    let number = api.define(&json!({ "name": "NUMBER", "scope": "org", "var_format": "number" }));
    let account = api.define_encrypted("ACCOUNT_SECRET", "linked_account");
    let made = store.create_key(&["--environment", "test"]);
    server.anonymous().key(&made).get("/env/definitions").send().ok();

    let tokens = tokens(&server);
    let search = Search::new(&[
        VALUE,
        // Of a token, the part that nobody else could make.
        tokens[0].rsplit('.').next().unwrap(),
        tokens[1].rsplit('.').next().unwrap(),
        tokens[2].strip_prefix("rt_").unwrap(),
        tokens[3].strip_prefix("rt_").unwrap(),
        MISTAKEN,
        PASSPHRASE,
        &store.test_key,
        &store.production_key,
        &made,
        &store.test_key[3..],
        &made[3..],
    ]);
    for round in 0..3 {
        let text = format!("{round}{VALUE}{}", "-".repeat(round * 20_000));
        search.finds_nothing("the answer to a set", &api.setting(&encrypted, &text).send().body);
        api.set_for(&account, "linked_account_id", "user", &text);
    }
    assert_eq!(api.resolve(&encrypted).send().ok()["value"], "[REDACTED]");
    search.finds_nothing("a list", &api.get("/env/values/org").send().body);
    assert!(api.resolve(&encrypted).query("reveal", "true").send().text().contains(VALUE));
    for (index, response) in mistakes(&server, &number, &encrypted).into_iter().enumerate() {
        assert!((400..500).contains(&response.status), "mistake {index}: {}", response.text());
        let code = response.json()["error_code"].as_str().unwrap().to_owned();
        response.error(response.status, &code);
        search.finds_nothing(&format!("the answer to mistake {index}"), &response.body);
        for (name, value) in &response.headers {
            search.finds_nothing(name, value.as_bytes());
        }
    }
    search.finds_nothing("the metrics", &server.anonymous().at("GET", "/metrics").send().body);
    search.finds_nothing("the list of keys", &api.get("/admin/keys").send().body);
    for command in
        [&["keys", "list", "--json"][..], &["keys", "list"], &["orgs", "list"], &["environments", "list"]]
    {
        let listed = store.coffer(command);
        search.finds_nothing(command[0], listed.ok().as_bytes());
        search.finds_nothing(command[0], listed.stderr.as_bytes());
    }
    search.finds_nothing_in_files(&store);
    server.signal("TERM");
    let finished = server.ended();
    assert_eq!(finished.code, Some(0));
    assert!(finished.stderr.lines().count() > 40, "the log was written: {}", finished.stderr);
    search.finds_nothing("the log", finished.stderr.as_bytes());
    search.finds_nothing("standard output", finished.stdout.as_bytes());
    search.finds_nothing_in_files(&store);

    let server = store.serve();
    assert!(server.test().resolve(&encrypted).query("reveal", "true").send().text().contains(VALUE));
    let store = server.kill();
    search.finds_nothing_in_files(&store);
}

#[test]
fn a_planted_secret_is_nowhere_with_a_log_in_text() {
    check("text");
}

#[test]
fn a_planted_secret_is_nowhere_with_a_log_in_json() {
    check("json");
}

#[test]
fn the_passphrase_is_in_no_refusal() {
    let store = Store::new();
    let wrong = "Qp8-not-the-passphrase-2m";
    store.configure(&Config::new().text("encryption", "passphrase", wrong));
    let search = Search::new(&[wrong, PASSPHRASE]);
    for command in [&["serve"][..], &["keys", "list"], &["orgs", "create", "x"], &["init"]] {
        let finished = store.coffer(command);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        search.finds_nothing(command[0], finished.stderr.as_bytes());
        search.finds_nothing(command[0], finished.stdout.as_bytes());
    }
    store.write_config(&format!("[encryption]\npassphrase = \"{wrong}\"\npassphrases = \"{wrong}\"\n"));
    search.finds_nothing("a complaint about the configuration", store.coffer(["serve"]).stderr.as_bytes());
    store.write_config(&format!("[encryption]\npassphrase = \"{wrong}\n"));
    search.finds_nothing("a complaint about its syntax", store.coffer(["serve"]).stderr.as_bytes());
    store.write_config(&format!("[encryption]\npassphrase = [\"{wrong}\"]\n"));
    search.finds_nothing("a complaint about a type", store.coffer(["serve"]).stderr.as_bytes());
    store.write_config(&format!("[limits]\nmax_value_bytes = \"{wrong}\"\n"));
    assert_eq!(store.coffer(["serve"]).code, Some(1));
}
