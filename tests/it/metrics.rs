//! `/metrics`: what it counts, that it names nobody, and that documents, dashboard and alerts know its names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

use crate::support::{Server, Store};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn scrape(server: &Server) -> String {
    let response = server.anonymous().at("GET", "/metrics").send();
    assert_eq!(response.status, 200);
    response.text()
}

/// The samples: name with labels, and number.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let sample = |line: &str| {
        let (name, number) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), number.parse().unwrap())
    };
    lines.map(sample).collect()
}

/// A server at which every metric has a sample.
fn server() -> Server {
    let server = Server::start();
    let definition = server.test().define_string("PLAIN", "org");
    let sealed = server.test().define_encrypted("SEALED", "linked_account");
    server.test().set(&definition, "v");
    server.test().set(&definition, "w");
    for account in ["one", "two"] {
        server.test().set_for(&sealed, "linked_account_id", account, "s");
    }
    let file = server.store().root().join("file.backup");
    server.store().coffer(["backup", "create", file.to_str().unwrap()]).ok();
    for _ in 0..40 {
        server.anonymous().key("wrong").get("/env/definitions").send();
    }
    server
}

#[test]
fn what_is_stored_and_done_is_counted() {
    let server = server();
    let samples = samples(&scrape(&server));
    let is = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("no {name}: {samples:#?}"));
    assert_eq!(is("coffer_organizations"), 1.0);
    assert_eq!(is("coffer_definitions"), 2.0);
    assert_eq!(is("coffer_values"), 3.0);
    assert_eq!(is("coffer_linked_accounts"), 2.0);
    assert_eq!(is("coffer_store_writable"), 1.0);
    assert_eq!(is("coffer_store_queue_depth"), 0.0);
    assert!(is("coffer_audit_store_head") >= 2.0 && is("coffer_audit_organization_heads") >= 6.0);
    assert!(is("coffer_key_derivation_seconds") > 0.0);
    assert!(is("coffer_store_size_bytes") > 10_000.0);
    assert!(is("coffer_store_disk_free_bytes") > 0.0);
    let syncs = is("coffer_store_sync_duration_seconds_count");
    assert!(syncs >= 6.0 && is("coffer_store_sync_duration_seconds_sum") > 0.0);
    assert_eq!(is("coffer_store_commit_batch_size_count"), syncs);
    assert_eq!(is("coffer_store_commit_batch_size_sum"), is("coffer_store_commits_total"));
    assert_eq!(is("coffer_store_commit_batch_size_bucket{le=\"+Inf\"}"), syncs);
    assert!(is("process_resident_memory_bytes") > 1e6 && is("process_open_fds") > 3.0);
    let set = "method=\"POST\",route=\"/api/v2/public/env/values\"";
    assert_eq!(is(&format!("coffer_http_requests_total{{{set},status=\"200\"}}")), 4.0);
    assert_eq!(is(&format!("coffer_http_request_duration_seconds_count{{{set}}}")), 4.0);
    let refused = is("coffer_http_refused_total{by=\"wrong_credential\"}");
    assert!((1.0..=20.0).contains(&refused), "{refused}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let backed_up = is("coffer_last_backup_timestamp_seconds");
    assert!(now - 60.0 < backed_up && backed_up <= now, "{backed_up}");
    assert!(now - 60.0 < is("process_start_time_seconds"));

    let again = server.stop().serve();
    let text = scrape(&again);
    assert!(
        samples_of(&text, "coffer_last_backup_timestamp_seconds").eq(&[backed_up]),
        "it survives a restart: {text}"
    );
}

fn samples_of(text: &str, name: &str) -> Vec<f64> {
    samples(text).into_iter().filter(|(key, _)| key == name).map(|(_, number)| number).collect()
}

#[test]
fn a_store_that_was_never_backed_up_has_no_such_time() {
    let text = scrape(&Store::new().serve());
    assert!(!text.contains("coffer_last_backup_timestamp_seconds"), "{text}");
}

#[test]
fn labels_are_of_the_fixed_few_and_name_nobody() {
    let server = server();
    let strange = server.test();
    for number in 0..50 {
        strange.at("GET", &format!("/somewhere/{number}")).send();
        strange.at(&format!("METHOD{number}"), "/healthz").send();
        strange.get(&format!("/env/definitions/{number:024x}")).send();
    }
    let text = scrape(&server);
    let label = Regex::new(r#"(\w+)="([^"]*)""#).unwrap();
    let allowed: BTreeSet<&str> = ["method", "route", "status", "by", "le", "version"].into();
    let inventions = Regex::new("[0-9a-f]{12}|somewhere|METHOD").unwrap();
    for found in label.captures_iter(&text) {
        let (name, value) = (&found[1], &found[2]);
        assert!(allowed.contains(name), "{name}");
        assert!(!inventions.is_match(value), "{name}={value}");
    }
    assert!(text.contains("method=\"other\"") && text.contains("route=\"unknown\""), "{text}");
    let lines = text.lines().count();
    assert!(lines < 800, "{lines} lines");
}

/// The metrics that a server serves, as documents name them: counters with `_total`.
fn served() -> BTreeMap<String, String> {
    let text = scrape(&server());
    let kind = Regex::new(r"(?m)^# TYPE (\w+) (\w+)$").unwrap();
    let full = |name: &str, kind: &str| match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    };
    kind.captures_iter(&text).map(|found| (full(&found[1], &found[2]), found[2].to_owned())).collect()
}

#[test]
fn each_metric_has_one_kind_and_one_sentence_of_help() {
    let text = scrape(&server());
    let of = |word: &str| -> Vec<&str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(|line| line.split(' ').next().unwrap()).collect()
    };
    let (help, kinds) = (of("# HELP "), of("# TYPE "));
    assert_eq!(help, kinds);
    assert_eq!(kinds.iter().collect::<BTreeSet<_>>().len(), kinds.len(), "{kinds:?}");
    for line in text.lines().filter(|line| line.starts_with("# HELP ")) {
        assert!(line.ends_with('.') && !line.ends_with(".."), "{line}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    // Of each histogram every bucket counts those below it too, and the last counts all.
    let bucket = Regex::new(r#"(?m)^(\w+)_bucket\{le="([^"]+)",?(.*)\} (\d+)$"#).unwrap();
    let samples = samples(&text);
    let mut last = None;
    for [name, bound, labels, count] in bucket.captures_iter(&text).map(|found| found.extract().1) {
        let count: f64 = count.parse().unwrap();
        let is_more = last.is_none_or(|(former, below)| former != (name, labels) || below <= count);
        assert!(is_more, "{name} {labels} {bound}");
        last = Some(((name, labels), count));
        if bound == "+Inf" {
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            assert_eq!(samples[&format!("{name}_count{labels}")], count);
        }
    }
    assert!(last.is_some());
}

#[test]
fn the_table_of_the_metrics_is_whole() {
    let row = Regex::new(r"(?m)^\| `(\w+)` \| (\w+) \|").unwrap();
    let document = read("docs/metrics.md");
    let documented: BTreeMap<String, String> =
        row.captures_iter(&document).map(|found| (found[1].to_owned(), found[2].to_owned())).collect();
    assert_eq!(documented, served());
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_served() {
    let served = served();
    let name = Regex::new(r"\b(?:coffer|process)_\w+").unwrap();
    let known = |asked: &str| {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| asked.strip_suffix(end));
        served.get(asked).is_some_and(|kind| kind != "histogram")
            || histogram.and_then(|name| served.get(name)).is_some_and(|kind| kind == "histogram")
    };
    let dashboard: serde_json::Value = serde_json::from_str(&read("contrib/grafana/coffer.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut asked: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    asked.push(read("contrib/prometheus/alerts.yml"));
    let mut names = BTreeSet::new();
    for expression in &asked {
        names.extend(name.find_iter(expression).map(|found| found.as_str().to_owned()));
    }
    assert!(names.len() > 20, "{names:?}");
    for asked in names {
        assert!(known(&asked), "{asked} is not served");
    }
}
