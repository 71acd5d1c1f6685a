//! Every mistake is one line that names its place, and none repeats a passphrase.

use super::*;

#[test]
fn unknown_keys_are_named_with_their_line() {
    check_error("[server]\n\n[storage]\npth = 'x'\n", "config.toml:4: unknown key `storage.pth`");
    check_error("[server]\r\nx = 1\r\n", "config.toml:2: unknown key `server.x`");
    check_error("# é\n[server]\nport = 1\n[storage]\na = 1", "config.toml:3: unknown key `server.port`");
    check_error("\nlisten = 'x'", "config.toml:2: unknown key `listen`");
    check_error("server = 3", "config.toml:1: unknown key `server`");
    check_error("[server]\n[storge]\npath = 'x'", "config.toml:2: unknown section `storge`");
    check_error("server.lsten = 'x'", "config.toml:1: unknown key `server.lsten`");
    check_error(
        "[server.listen]\nport = 1",
        "config.toml:1: `server.listen` must be host:port, such as 127.0.0.1:8080",
    );
    check_error("[server]\n\"a\\nb\" = 1", "config.toml:2: unknown key `server.a\\nb`");
    check_variable("COFFER_STORAGE__PTH", "x", "COFFER_STORAGE__PTH: unknown key `storage.pth`");
    check_variable("COFFER_STORGE__PATH", "x", "COFFER_STORGE__PATH: unknown key `storge.path`");
    check_variable("COFFER_SERVER__listen", "x", "COFFER_SERVER__listen: unknown key `server.listen`");
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    load("", &[("COFFER_URL", "x"), ("COFFER_API_KEY_FILE", "x"), ("PATH", "x"), ("OTHER__KEY", "x")]);
}

#[test]
fn wrong_types_and_ranges_say_what_is_expected() {
    let check = |section: &str, line: &str, expected: &str| {
        let key = line.split(' ').next().unwrap();
        let expected = format!("config.toml:2: `{section}.{key}` must be {expected}");
        check_error(format!("[{section}]\n{line}\n"), &expected);
    };
    check("server", "listen = 8080", "host:port, such as 127.0.0.1:8080");
    let networks = "a list of addresses and networks, such as [\"127.0.0.1\", \"10.0.0.0/8\"]";
    for wrong in ["'127.0.0.1'", "[1]", "['localhost']", "['10.0.0.0/33']", "['127.0.0.1', '']", "['[::1]']"]
    {
        check("server", &format!("trusted_proxies = {wrong}"), networks);
    }
    let origins =
        "a list of origins as browsers write them, such as [\"https://app.example.com\"]: no * and no path";
    for wrong in [
        "*",
        "null",
        "https://*.example.com",
        "https://a.b/",
        "https://a.b/c",
        "https://a.b:443",
        "https://A.b",
        "a.b",
        "https://u@a.b",
        "https://a.b ",
        "https://a.b,https://c.d",
        "ftp://a.b",
        "file:///",
        "https://é.b",
        "",
    ] {
        check("cors", &format!("allowed_origins = ['{wrong}']"), origins);
    }
    check("cors", "allowed_origins = '*'", origins);
    check("storage", "path = 1", "a path in quotes");
    check("storage", "path = ''", "a path in quotes");
    check("accounts", "strict = 'true'", "true or false");
    check("accounts", "strict = 1", "true or false");
    let duration = "a number and s, m, h or d in quotes, such as \"24h\": from 1s to 36500d";
    for wrong in ["24", "'24'", "'0s'", "1979-05-27", "'-1h'"] {
        check("sessions", &format!("ttl = {wrong}"), duration);
    }
    for wrong in ["30", "'0s'", "'31m'", "'1d'", "true"] {
        check("console", &format!("idle = {wrong}"), "a number and s, m, h or d in quotes, from 1s to 30m");
    }
    check("console", "lifetime = '13h'", "a number and s, m, h or d in quotes, from 1s to 12h");
    for wrong in ["0", "256001", "-1", "1.5", "'1'", "99999999999999999999", "true", "[]"] {
        let expected = "a whole number from 1 to 256000";
        check("limits", &format!("max_value_bytes = {wrong}"), expected);
    }
    check("limits", "requests_per_second = -1", "a whole number from 0 to 1000000");
    check("limits", "burst = 0", "a whole number from 1 to 2000000");
    check("history", "keep_versions = 0", "a whole number from 1 to 10000");
    check("audit", "keep_days = 0", "a whole number from 1 to 36500");
    check("encryption", "argon2_memory_kib = 8191", "a whole number from 8192 to 1048576");
    check("encryption", "argon2_passes = 17", "a whole number from 1 to 16");
    check("log", "format = 'xml'", "text or json");
    check("log", "level = 'loud'", "error, warn, info, debug or trace");

    let number = "COFFER_AUDIT__KEEP_DAYS: `audit.keep_days` must be a whole number from 1 to 36500";
    for wrong in ["", "+1", " 1", "1.0", "0"] {
        check_variable("COFFER_AUDIT__KEEP_DAYS", wrong, number);
    }
    check_variable(
        "COFFER_ACCOUNTS__STRICT",
        "yes",
        "COFFER_ACCOUNTS__STRICT: `accounts.strict` must be true or false",
    );
    check_variable("COFFER_STORAGE__PATH", "", "COFFER_STORAGE__PATH: `storage.path` must be a path");
    let idle = "COFFER_CONSOLE__IDLE: `console.idle` must be a number and s, m, h or d, from 1s to 30m";
    check_variable("COFFER_CONSOLE__IDLE", "2h", idle);
}

#[test]
fn broken_toml_names_the_line_and_nothing_in_it() {
    check_error("[server\n", "config.toml:1: not valid TOML");
    check_error(
        "[server]\nlisten = 'a'\nlisten = 'b'\n",
        "config.toml:3: a key or section stands here a second time",
    );
    check_error("[server]\n[server]\n", "config.toml:2: a key or section stands here a second time");
    check_error(b"[server]\n# \xff\n", "config.toml:2: not UTF-8");
}

#[test]
fn no_mistake_repeats_the_passphrase() {
    let broken = [
        "'hunter2 hunter2",
        "\"hunter2\" hunter2",
        "hunter2",
        "hunter2 = hunter2",
        "\"hunter2\\qhunter2\"",
        "'hunter2'\n= hunter2",
        "\"hunter2\nhunter2\"",
        "'''hunter2",
    ];
    for value in broken {
        let error = Place::new(format!("[encryption]\npassphrase = {value}\n")).error(&[]);
        assert!(error.contains(": not valid TOML"), "{error}");
    }
    let unquoted = "config.toml:2: not valid TOML: text needs quotes";
    check_error("[encryption]\npassphrase = hunter2\n", unquoted);
    for value in ["123456789012", "true", "['hunter2']", "{ a = 'hunter2' }", "1e5", "1979-05-27"] {
        let error = Place::new(format!("[encryption]\npassphrase = {value}\n")).error(&[]);
        assert_eq!(error, "config.toml:2: `encryption.passphrase` must be a string in quotes");
    }
    let twice = "[encryption]\npassphrase = 'hunter2'\npassphrase = 'hunter3'";
    check_error(twice, "config.toml:3: a key or section stands here a second time");
}

#[test]
fn a_passphrase_file_that_gives_none_is_named() {
    let check = |content: Option<&[u8]>, expected: &str| {
        let place = Place::new("[encryption]\npassphrase_file = 'pass'");
        content.into_iter().for_each(|content| place.write("pass", content));
        let error = place.error(&[]);
        let expected = format!("config.toml:2: the passphrase file pass {expected}");
        assert!(error.starts_with(&expected), "{error}");
    };
    check(None, "cannot be read: ");
    check(Some(b""), "is empty");
    check(Some(b"\r\n"), "is empty");
    check(Some(b"hunter2\xff"), "is not UTF-8");
    check(Some(&[b'x'; 65_537]), "is longer than 64 KiB");
}
