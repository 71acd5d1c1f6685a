//! `/healthz`, `/readyz`, `/metrics`, `/openapi.json`, `/docs`, and the log.

use serde_json::Value;

use crate::support::{Server, Store, finish, openapi};

#[test]
fn a_server_that_listens_is_alive_and_ready() {
    let server = Server::start();
    for target in ["/healthz", "/readyz"] {
        assert_eq!(server.anonymous().at("GET", target).send().status, 200, "{target}");
        assert_eq!(server.test().at("GET", target).send().status, 200, "{target}");
    }
}

#[test]
fn metrics_are_in_the_text_format_of_prometheus() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "v");
    let response = server.anonymous().at("GET", "/metrics").send();
    assert_eq!(response.status, 200);
    let kind = response.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = response.text();
    assert!(text.contains("# TYPE "), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let number = line.rsplit(' ').next().unwrap();
        assert!(number.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn the_description_lists_every_endpoint() {
    let server = Server::start();
    let document = server.anonymous().at("GET", "/openapi.json").send().ok();
    let version = document["openapi"].as_str().unwrap();
    assert!(version.starts_with("3.1"), "{version}");
    let base = "/api/v2/public";
    let has = |path: &str, method: &str| {
        let fits = |template: &str| {
            let parts: (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
            parts.0.len() == parts.1.len()
                && parts
                    .0
                    .iter()
                    .zip(&parts.1)
                    .all(|(t, p)| t == p || (t.starts_with('{') && p.starts_with('{')))
        };
        let paths = document["paths"].as_object().unwrap();
        assert!(
            paths.iter().any(|(template, item)| fits(template) && item.get(method).is_some()),
            "{method} {path}"
        );
    };
    for (path, methods) in [
        (format!("{base}/env/values"), &["post"][..]),
        (format!("{base}/env/values/{{scope}}"), &["get"]),
        (format!("{base}/env/values/{{id}}"), &["delete"]),
        (format!("{base}/env/value/{{id}}"), &["get"]),
        (format!("{base}/env/definitions"), &["get", "post"]),
        (format!("{base}/env/definitions/{{id}}"), &["get", "patch", "delete"]),
        (format!("{base}/admin/keys"), &["get", "post"]),
        (format!("{base}/admin/keys/{{id}}"), &["delete"]),
        ("/healthz".into(), &["get"]),
        ("/readyz".into(), &["get"]),
        ("/metrics".into(), &["get"]),
        ("/openapi.json".into(), &["get"]),
        ("/docs".into(), &["get"]),
    ] {
        for method in methods {
            has(&path, method);
        }
    }
}

#[test]
fn the_description_refers_to_nothing_that_it_lacks() {
    let server = Server::start();
    let document = server.anonymous().at("GET", "/openapi.json").send().ok();
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(array) => array.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn every_operation_has_an_id_of_its_own_and_describes_its_failures() {
    let server = Server::start();
    let document = server.anonymous().at("GET", "/openapi.json").send().ok();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !matches!(method.as_str(), "get" | "post" | "put" | "patch" | "delete") {
                continue;
            }
            if let Some(id) = operation.get("operationId") {
                assert!(ids.insert(id.to_string()), "{id} is there twice");
            }
            let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{method} {path}"));
            if path.starts_with("/api/") {
                let failures = ["401", "4XX", "default"];
                assert!(failures.iter().any(|one| responses.contains_key(*one)), "{method} {path}: no 401");
            }
            for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = parameter.trim_end_matches('}');
                let own = operation.get("parameters").into_iter().chain(item.get("parameters"));
                let declared = own.filter_map(Value::as_array).flatten().any(|one| {
                    let one = one
                        .get("$ref")
                        .and_then(Value::as_str)
                        .and_then(|r| document.pointer(&r[1..]))
                        .unwrap_or(one);
                    one["name"] == name && one["in"] == "path"
                });
                assert!(declared, "{method} {path}: {name}");
            }
        }
    }
}

#[test]
fn an_answer_that_the_description_lacks_is_noticed() {
    let server = Server::start();
    let document = server.anonymous().at("GET", "/openapi.json").send().ok();
    let mut response = server.test().get("/env/definitions").send();
    let path = "/api/v2/public/env/definitions";
    assert_eq!(openapi::conforms(&document, "GET", path, &response), Ok(()));
    response.body = b"{\"docs\":7}".to_vec();
    assert!(openapi::conforms(&document, "GET", path, &response).is_err());
    response.status = 299;
    assert!(openapi::conforms(&document, "GET", path, &response).is_err());
}

#[test]
fn the_documentation_page_loads_nothing_from_elsewhere() {
    let server = Server::start();
    let response = server.anonymous().at("GET", "/docs").send();
    assert_eq!(response.status, 200, "{}", response.text());
    assert!(response.header("content-type").unwrap().starts_with("text/html"));
    let page = response.text();
    assert!(page.contains("env/values"), "it shows the endpoints");
    let loads = regex::Regex::new(r#"(?i)(?:src|srcset|action|data|poster)\s*=\s*["']?\s*(?:https?:)?//|<link[^>]+href\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import|import\s*\(?\s*["'](?:https?:)?//|fetch\(\s*["'](?:https?:)?//"#).unwrap();
    if let Some(found) = loads.find(&page) {
        panic!("it loads {}", &page[found.start()..(found.end() + 60).min(page.len())]);
    }
    let own = regex::Regex::new(r#"(?:src|href)\s*=\s*["'](/[^"'#]*)["']"#).unwrap();
    for found in own.captures_iter(&page) {
        assert_eq!(server.anonymous().at("GET", &found[1]).send().status, 200, "{}", &found[1]);
    }
}

#[test]
fn a_request_is_one_line_of_the_log() {
    let store = Store::new();
    let server = Server::spawn(&store, store.command(["--log-format", "json", "serve"]));
    let definition = server.test().define_string("V", "org");
    server
        .test()
        .get(&format!("/env/value/{definition}"))
        .query("workflow_id", "not-in-the-log")
        .header("x-request-id", "the-one-asked-for")
        .send()
        .error(400, "SCOPE_MISMATCH");
    let line = crate::support::eventually(std::time::Duration::from_secs(5), "a line of the log", || {
        server.stderr().lines().find(|line| line.contains("the-one-asked-for")).map(str::to_owned)
    });
    let line_json: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(line_json.is_object());
    for part in ["GET", "400", "/env/value/{"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains(&definition), "the route's pattern, not its path: {line}");
    let finished = server.stop();
    assert!(finished.files().iter().all(|(path, _)| path.exists()));
}

#[test]
fn every_line_of_a_json_log_is_json_and_has_no_query() {
    let store = Store::new();
    let server = Server::spawn(&store, store.command(["--log-format", "json", "serve"]));
    for _ in 0..3 {
        server.test().get("/env/definitions").query("name", "not-in-the-log").send().ok();
        server.anonymous().at("GET", "/nowhere?not-in-the-log=1").send().error(404, "RESOURCE_NOT_FOUND");
    }
    server.signal("TERM");
    let finished = server.ended();
    assert_eq!(finished.code, Some(0));
    assert!(finished.stderr.lines().count() >= 6, "one line a request: {}", finished.stderr);
    for line in finished.stderr.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    assert!(!finished.stderr.contains("not-in-the-log"));
    assert_eq!(finished.stdout.lines().count(), 1, "stdout has what was asked for: {}", finished.stdout);
}

#[test]
fn the_binary_knows_its_version() {
    let version = finish(crate::support::command().arg("--version")).ok();
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
}

#[test]
fn no_answer_may_be_kept_by_a_cache() {
    let server = Server::start();
    let client = server.test();
    let definition = client.define_string("V", "org");
    client.set(&definition, "v");
    let answers = [
        client.setting(&definition, "w").send(),
        client.resolve(&definition).send(),
        client.get("/env/values/org").send(),
        client.get("/env/definitions").send(),
        client.get("/admin/keys").send(),
        client.get("/env/value/unknown").send(),
        server.anonymous().get("/env/definitions").send(),
        server.anonymous().at("GET", "/healthz").send(),
    ];
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.text());
    }
}
