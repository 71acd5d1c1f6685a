//! SIGHUP: what changes at once, what does not, and that it is said.

use super::logged;
use crate::support::{Config, Server, Store};

fn lines_of(server: &Server, text: &str) -> usize {
    server.stderr().lines().filter(|line| line.contains(text)).count()
}

#[test]
fn limits_rules_and_the_log_change_at_once() {
    let store = Store::new();
    let server = store.serve();
    let definition = server.test().define_string("PLAIN", "org");
    server.test().set(&definition, "12345678901");
    assert!(server.test().get("/env/definitions").send().header("ratelimit-limit").is_none());

    store.configure(
        &Config::new()
            .set("limits", "max_value_bytes", "10")
            .set("limits", "requests_per_second", "1000")
            .text("log", "level", "debug")
            // A server that runs has no use for it.
            .without("encryption", "passphrase"),
    );
    server.signal("HUP");
    logged(&server, "`limits.max_value_bytes` is 10 now, and was 65536");
    logged(&server, "`limits.requests_per_second` is 1000 now, and was 0");
    logged(&server, "`limits.burst` is 2000 now, and was 1");
    logged(&server, "`log.level` is debug now, and was info");
    let answer = server.test().get("/env/definitions").send();
    assert_eq!(answer.header("ratelimit-limit"), Some("2000"), "{answer:?}");
    server.test().setting(&definition, "12345678901").send().error(413, "PAYLOAD_TOO_LARGE");

    store.configure(&Config::new().text("log", "level", "error"));
    server.signal("HUP");
    logged(&server, "`log.level` is error now, and was debug");
    logged(&server, "`limits.requests_per_second` is 0 now, and was 1000");
    assert!(server.test().get("/env/definitions").send().header("ratelimit-limit").is_none());
    let lines = server.stderr().lines().count();
    server.signal("HUP");
    server.test().set(&definition, "12345678901");
    let log = server.stderr();
    assert_eq!(log.lines().count(), lines, "no more than errors: {log}");
    server.stop();
}

#[test]
fn what_needs_a_start_is_named_each_time_and_stays() {
    let store = Store::new();
    let server = store.serve();
    store.configure(
        &Config::new()
            .text("server", "listen", "127.0.0.1:1")
            .text("storage", "path", "elsewhere")
            .text("log", "format", "json")
            .set("audit", "keep_days", "30"),
    );
    server.signal("HUP");
    let line = logged(&server, "`server.listen` stays 127.0.0.1:0 until the server is started anew");
    assert!(line.contains("WARN") && line.ends_with("and is 127.0.0.1:1 then"), "{line}");
    logged(&server, "`storage.path` stays");
    logged(&server, "`log.format` stays text");
    logged(&server, "`audit.keep_days` is 30 now, and was 365");
    server.signal("HUP");
    crate::support::eventually(std::time::Duration::from_secs(30), "said again", || {
        (lines_of(&server, "`server.listen` stays") == 2).then_some(())
    });
    assert_eq!(lines_of(&server, "`audit.keep_days`"), 1);
    server.test().get("/env/definitions").send().ok();
    server.stop();
}

#[test]
fn a_configuration_that_cannot_be_used_changes_nothing() {
    let store = Store::new();
    let server = store.serve();
    store.write_config("[limits]\nmax_value_bytes = 10\nrequests_per_second = \"many\"\n");
    server.signal("HUP");
    let line = logged(&server, "the configuration cannot be used, and stays as it was");
    assert!(line.contains("config.toml:3: `limits.requests_per_second` must be"), "{line}");
    let definition = server.test().define_string("PLAIN", "org");
    server.test().set(&definition, "12345678901");
    std::fs::remove_file(store.config_path()).unwrap();
    server.signal("HUP");
    logged(&server, "cannot read the configuration");
    store.configure(&Config::new());
    server.signal("HUP");
    logged(&server, "no setting has changed");
    server.stop();
}
