//! `config.toml`: what is refused, and which source wins.

use crate::support::{Config, PASSPHRASE, Server, Store, command, finish};

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let store = Store::new();
    let before = store.files();
    for (text, key, line) in [
        ("[server]\nlisten = \"127.0.0.1:0\"\nlissten = \"x\"\n", "lissten", 3),
        ("\n\n[serverr]\nlisten = \"127.0.0.1:0\"\n", "serverr", 3),
        ("top = 1\n", "top", 1),
    ] {
        store.write_config(text);
        for command in ["serve", "init"] {
            let finished = store.coffer([command]);
            assert_eq!(finished.code, Some(1), "{finished:?}");
            assert!(finished.stderr.contains(key), "{finished:?}");
            assert!(finished.stderr.contains(&line.to_string()), "{finished:?}");
        }
    }
    store.check_unchanged(&before, "refused");
}

#[test]
fn a_bad_configuration_is_one_line_whatever_the_command() {
    let store = Store::new();
    let before = store.files();
    for text in [
        "[server\n",
        "[server]\nlisten = 8080\n",
        "[server]\nlisten = \"nowhere\"\n",
        "[limits]\nmax_value_bytes = \"many\"\n",
        "[limits]\nmax_value_bytes = -1\n",
        "[limits]\nrequests_per_second = 1.5\n",
        "[accounts]\nstrict = \"yes\"\n",
        "[accounts]\nstrict = true\nstrict = false\n",
        "[sessions]\nttl = \"soon\"\n",
        "[sessions]\nrefresh_ttl = \"-1d\"\n",
        "\u{0}",
    ] {
        store.write_config(text);
        for command in
            [&["serve"][..], &["init"], &["keys", "list"], &["orgs", "list"], &["environments", "list"]]
        {
            store.coffer(command).failed();
        }
    }
    store.check_unchanged(&before, "refused");
    std::fs::remove_file(store.config_path()).unwrap();
    let line = store.coffer(["serve"]).failed();
    assert!(line.contains("config.toml"), "{line}");
}

#[test]
fn every_documented_key_is_known() {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[storage]\npath = \"data\"\n[encryption]\npassphrase = \"{PASSPHRASE}\"\n\
         argon2_memory_kib = 8192\nargon2_passes = 1\n[accounts]\nstrict = false\n[sessions]\nttl = \"24h\"\n\
         refresh_ttl = \"30d\"\n[console]\nidle = \"30m\"\nlifetime = \"12h\"\n[limits]\nmax_value_bytes = 65536\nrequests_per_second = 0\nburst = 1\n[history]\nkeep_versions = 10\n\
         [audit]\nkeep_days = 365\n"
    );
    let store = Store::new();
    store.write_config(&text);
    store.serve().test().get("/env/definitions").send().ok();
}

#[test]
fn a_passphrase_comes_from_one_place() {
    let store = Store::new();
    std::fs::write(store.root().join("secret"), format!("{PASSPHRASE}\n")).unwrap();
    let from_file =
        Config::new().without("encryption", "passphrase").text("encryption", "passphrase_file", "secret");
    store.configure(&from_file);
    store.coffer(["orgs", "list"]).ok();

    store.configure(&from_file.clone().text("encryption", "passphrase", PASSPHRASE));
    let line = store.coffer(["orgs", "list"]).failed();
    assert!(line.contains("passphrase_file"), "{line}");

    store.configure(&from_file.text("encryption", "passphrase_file", "missing"));
    let line = store.coffer(["orgs", "list"]).failed();
    assert!(line.contains("missing"), "{line}");
}

#[test]
fn of_two_sources_of_a_passphrase_the_stronger_decides() {
    let store = Store::new();
    let secret = store.root().join("secret");
    std::fs::write(&secret, PASSPHRASE).unwrap();
    let run = |config: &Config, variables: &[(&str, &str)]| {
        store.configure(config);
        let mut command = store.command(["orgs", "list"]);
        command.envs(variables.iter().copied());
        finish(&mut command)
    };
    let wrong = Config::new().text("encryption", "passphrase", "wrong but long enough");
    run(&wrong, &[]).failed();
    run(&wrong, &[("COFFER_ENCRYPTION__PASSPHRASE", PASSPHRASE)]).ok();
    run(&wrong, &[("COFFER_ENCRYPTION__PASSPHRASE_FILE", secret.to_str().unwrap())]).ok();
    run(&Config::new(), &[("COFFER_ENCRYPTION__PASSPHRASE", "wrong but long enough")]).failed();
    let file =
        Config::new().without("encryption", "passphrase").text("encryption", "passphrase_file", "nowhere");
    run(&file, &[("COFFER_ENCRYPTION__PASSPHRASE", PASSPHRASE)]).ok();
    run(
        &Config::new(),
        &[
            ("COFFER_ENCRYPTION__PASSPHRASE", PASSPHRASE),
            ("COFFER_ENCRYPTION__PASSPHRASE_FILE", secret.to_str().unwrap()),
        ],
    )
    .failed();
}

#[test]
fn a_flag_beats_the_environment_and_that_beats_the_file() {
    let store = Store::new();
    store.configure(&Config::new().text("server", "listen", "127.0.0.3:0"));
    let serve = |variable: Option<&str>, flag: Option<&str>| {
        let mut command = store.command(["serve"]);
        if let Some(address) = variable {
            command.env("COFFER_SERVER__LISTEN", address);
        }
        if let Some(address) = flag {
            command.args(["--listen", address]);
        }
        Server::spawn(&store, command).address().ip().to_string()
    };
    assert_eq!(serve(None, None), "127.0.0.3");
    assert_eq!(serve(Some("127.0.0.4:0"), None), "127.0.0.4");
    assert_eq!(serve(Some("127.0.0.4:0"), Some("127.0.0.5:0")), "127.0.0.5");
    assert_eq!(serve(None, Some("127.0.0.5:0")), "127.0.0.5");
}

#[test]
fn a_bad_value_in_the_environment_is_refused_too() {
    let store = Store::new();
    for (name, value) in [
        ("COFFER_LIMITS__MAX_VALUE_BYTES", "many"),
        ("COFFER_ACCOUNTS__STRICT", "maybe"),
        ("COFFER_SERVER__LISTEN", "nowhere"),
        ("COFFER_SERVER__LISSTEN", "127.0.0.1:0"),
    ] {
        let line = finish(store.command(["serve"]).env(name, value)).failed();
        assert!(
            line.to_uppercase().contains(name) || line.contains(value) || line.contains("lissten"),
            "{line}"
        );
    }
    let mut command = store.command(["serve"]);
    command.env("COFFER_LIMITS__MAX_VALUE_BYTES", "3");
    let server = Server::spawn(&store, command);
    let definition = server.test().define_string("V", "org");
    server.test().setting(&definition, "four").send().error(413, "PAYLOAD_TOO_LARGE");
}

#[test]
fn the_default_file_is_config_toml_in_the_working_directory() {
    let store = Store::new();
    let listed = finish(command().args(["orgs", "list", "--json"]).current_dir(store.root())).ok();
    assert!(listed.contains(&store.org));
    let nowhere = tempfile::tempdir().unwrap();
    let finished = finish(command().args(["orgs", "list"]).current_dir(nowhere.path()));
    assert_eq!(finished.code, Some(1), "{finished:?}");
}

#[test]
fn the_path_of_the_store_is_relative_to_the_file() {
    let store = Store::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = store.command(["orgs", "list", "--json"]);
    command.current_dir(elsewhere.path());
    assert!(finish(&mut command).ok().contains(&store.org));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
