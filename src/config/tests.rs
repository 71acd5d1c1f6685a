//! Every source and every key; the mistakes have a file of their own.

mod mistakes;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;

const SECRET: &str = "hunter2 hunter2 hunter2";

/// A directory with a configuration file in it.
struct Place(TempDir);

impl Place {
    fn new(content: impl AsRef<[u8]>) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write(DEFAULT_FILE, content);
        place
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, overrides: Overrides, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Config::load(Some(&self.path(DEFAULT_FILE)), overrides, env)
    }

    /// The one line that an error is, with this directory left out.
    fn error(&self, env: &[(&str, &str)]) -> String {
        let error = self.load(Overrides::default(), env).expect_err("a mistake");
        let text = error.to_string().replace(&format!("{}/", self.0.path().display()), "");
        assert_eq!(text.lines().count(), 1, "{text}");
        for shown in [text.clone(), format!("{error:?}")] {
            assert!(!shown.contains("hunter"), "{shown}");
        }
        text
    }
}

fn load(content: &str, env: &[(&str, &str)]) -> Config {
    Place::new(content).load(Overrides::default(), env).unwrap()
}

fn check_error(content: impl AsRef<[u8]>, expected: &str) {
    assert_eq!(Place::new(content).error(&[]), expected);
}

fn check_variable(name: &str, value: &str, expected: &str) {
    assert_eq!(Place::new("").error(&[(name, value)]), expected);
}

fn is_passphrase(config: &Config, text: &str) -> bool {
    config.encryption.passphrase.as_ref().is_some_and(|passphrase| passphrase.is(text))
}

#[test]
fn an_empty_file_is_all_defaults() {
    let place = Place::new("");
    let config = place.load(Overrides::default(), &[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.storage.path, place.path("data"));
    assert!(config.encryption.passphrase.is_none());
    assert_eq!(config.encryption.kdf, KdfParameters::DEFAULT);
    assert!(!config.accounts.strict);
    assert_eq!(config.limits.max_value_bytes, 65_536);
    assert_eq!((config.log.format, config.log.level), (LogFormat::Text, LogLevel::Info));
}

#[test]
fn a_burst_is_twice_the_rate_unless_it_is_set() {
    let burst = |limits: &str| load(&format!("[limits]\n{limits}"), &[]).limits.burst;
    assert_eq!(burst("requests_per_second = 5"), 10);
    assert_eq!(burst("requests_per_second = 5\nburst = 1"), 1);
    assert_eq!(burst("requests_per_second = 1000000"), 2_000_000);
    assert_eq!(burst(""), 1);
}

#[test]
fn every_key_is_read_from_the_file_and_from_the_environment() {
    let file = "[server]\nlisten = 'localhost:1'\ntls_cert = '/c'\ntls_key = '/k'\nallow_plaintext = true\n\
        trusted_proxies = ['10.0.0.0/8', '::1']\n[cors]\nallowed_origins = ['https://a.b', 'http://localhost:3000']\n[storage]\npath = '/s'\n[encryption]\npassphrase = 'p'\n\
        argon2_memory_kib = 8192\nargon2_passes = 2\n[accounts]\nstrict = true\n[sessions]\nttl = '1h'\n\
        refresh_ttl = '2d'\n[console]\nidle = '5m'\nlifetime = '8h'\n[limits]\nmax_value_bytes = 1\nrequests_per_second = 5\nburst = 7\n[history]\n\
        keep_versions = 1\n[audit]\nkeep_days = 7\n[log]\nformat = 'json'\nlevel = 'debug'\n";
    let env = [
        ("COFFER_SERVER__LISTEN", "localhost:1"),
        ("COFFER_SERVER__TLS_CERT", "/c"),
        ("COFFER_SERVER__TLS_KEY", "/k"),
        ("COFFER_SERVER__ALLOW_PLAINTEXT", "true"),
        ("COFFER_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("COFFER_CORS__ALLOWED_ORIGINS", "https://a.b,http://localhost:3000"),
        ("COFFER_STORAGE__PATH", "/s"),
        ("COFFER_ENCRYPTION__PASSPHRASE", "p"),
        ("COFFER_ENCRYPTION__ARGON2_MEMORY_KIB", "8192"),
        ("COFFER_ENCRYPTION__ARGON2_PASSES", "2"),
        ("COFFER_ACCOUNTS__STRICT", "true"),
        ("COFFER_SESSIONS__TTL", "1h"),
        ("COFFER_SESSIONS__REFRESH_TTL", "2d"),
        ("COFFER_CONSOLE__IDLE", "5m"),
        ("COFFER_CONSOLE__LIFETIME", "8h"),
        ("COFFER_LIMITS__MAX_VALUE_BYTES", "1"),
        ("COFFER_LIMITS__REQUESTS_PER_SECOND", "5"),
        ("COFFER_LIMITS__BURST", "7"),
        ("COFFER_HISTORY__KEEP_VERSIONS", "1"),
        ("COFFER_AUDIT__KEEP_DAYS", "7"),
        ("COFFER_LOG__FORMAT", "json"),
        ("COFFER_LOG__LEVEL", "debug"),
    ];
    for config in [load(file, &[]), load("", &env)] {
        assert_eq!(config.server.listen.to_string(), "localhost:1");
        assert!(config.server.allow_plaintext);
        assert_eq!(config.server.tls, Some(TlsFiles { certificate: "/c".into(), key: "/k".into() }));
        assert_eq!(
            config.server.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.0/8", "::1/128"]
        );
        assert_eq!(config.cors.allowed_origins, ["https://a.b", "http://localhost:3000"]);
        assert_eq!(config.storage.path, Path::new("/s"));
        assert!(is_passphrase(&config, "p"));
        assert_eq!(config.encryption.kdf, KdfParameters { memory_kib: 8192, passes: 2, lanes: 1 });
        assert!(config.accounts.strict);
        assert_eq!(config.sessions.ttl, Duration::from_secs(3600));
        assert_eq!(config.sessions.refresh_ttl, Duration::from_secs(172_800));
        let console = Console { idle: Duration::from_secs(300), lifetime: Duration::from_secs(28_800) };
        assert_eq!(config.console, console);
        assert_eq!(
            (config.limits.max_value_bytes, config.limits.requests_per_second, config.limits.burst),
            (1, 5, 7)
        );
        assert_eq!((config.history.keep_versions, config.audit.keep_days), (1, 7));
        assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Debug));
    }
}

#[test]
fn flag_beats_environment_beats_file() {
    let place = Place::new("[server]\nlisten = 'file:1'\n[storage]\npath = 'file'\n");
    let env = [("COFFER_SERVER__LISTEN", "env:2"), ("COFFER_STORAGE__PATH", "env")];
    let flags = Overrides { listen: "flag:3".parse().ok(), data: Some("flag".into()) };
    let check = |overrides: Overrides, env: &[(&str, &str)], listen: &str, path: PathBuf| {
        let config = place.load(overrides, env).unwrap();
        assert_eq!((config.server.listen.to_string().as_str(), config.storage.path), (listen, path));
    };
    // A path of the file lies beside it; any other is relative to where one stands.
    check(Overrides::default(), &[], "file:1", place.path("file"));
    check(Overrides::default(), &env, "env:2", "env".into());
    check(flags.clone(), &env, "flag:3", "flag".into());
}

#[test]
fn the_files_for_tls_come_together_and_lie_beside_the_configuration() {
    let place = Place::new("[server]\ntls_cert = 'c'\ntls_key = 'k'");
    let tls = place.load(Overrides::default(), &[]).unwrap().server.tls.unwrap();
    assert_eq!((tls.certificate, tls.key), (place.path("c"), place.path("k")));
    let tls =
        place.load(Overrides::default(), &[("COFFER_SERVER__TLS_KEY", "k")]).unwrap().server.tls.unwrap();
    assert_eq!((tls.certificate, tls.key), (place.path("c"), "k".into()));
    check_error(
        "[server]\ntls_cert = 'c'",
        "config.toml:2: `server.tls_cert` is of no use without `server.tls_key`",
    );
    check_variable(
        "COFFER_SERVER__TLS_KEY",
        "k",
        "COFFER_SERVER__TLS_KEY: `server.tls_key` is of no use without `server.tls_cert`",
    );
}

#[test]
fn only_the_default_file_may_be_missing() {
    let place = Place::new("");
    let missing = place.path("missing.toml");
    let gather = |file, default| {
        Sources::gather(file, default, Overrides::default(), std::iter::empty()).and_then(read::config)
    };
    assert!(gather(None, &missing).is_ok());
    let error = gather(Some(&missing), &missing).expect_err("named, and not there").to_string();
    assert!(error.contains("missing.toml: cannot read the configuration: "), "{error}");
    assert!(gather(None, place.0.path()).is_err(), "a directory");
}

#[test]
fn debug_shows_no_passphrase() {
    let config = load(&format!("[encryption]\npassphrase = '{SECRET}'"), &[]);
    assert!(is_passphrase(&config, SECRET));
    let debug = format!("{config:?}");
    assert!(debug.contains("[REDACTED]") && !debug.contains("hunter"), "{debug}");
}

#[test]
fn a_passphrase_file_lies_beside_the_configuration() {
    let check = |content: &str, expected: &str| {
        let place = Place::new("[encryption]\npassphrase_file = 'pass'");
        place.write("pass", content);
        let config = place.load(Overrides::default(), &[]).unwrap();
        assert!(is_passphrase(&config, expected), "{content:?}");
    };
    check("a passphrase", "a passphrase");
    check("a passphrase\n", "a passphrase");
    check("a passphrase\r\n", "a passphrase");
    check("a passphrase\n\n", "a passphrase\n");
    check(" a passphrase \n", " a passphrase ");
    check("a passphrase\r", "a passphrase\r");
}

#[test]
fn one_source_gives_one_passphrase_and_the_stronger_decides() {
    let both = "[encryption]\npassphrase_file = 'pass'\npassphrase = 'hunter2'";
    let expected = "`encryption.passphrase` and `encryption.passphrase_file` exclude each other";
    check_error(both, &format!("config.toml:3: {expected}"));
    let variables =
        [("COFFER_ENCRYPTION__PASSPHRASE", "hunter2"), ("COFFER_ENCRYPTION__PASSPHRASE_FILE", "pass")];
    assert_eq!(Place::new("").error(&variables), format!("COFFER_ENCRYPTION__PASSPHRASE_FILE: {expected}"));

    let file = load("[encryption]\npassphrase_file = 'missing'", &variables[..1]);
    assert!(is_passphrase(&file, "hunter2"));
    let place = Place::new("[encryption]\npassphrase = 'hunter2'");
    place.write("pass", "from the file");
    let path = place.path("pass");
    let env = [("COFFER_ENCRYPTION__PASSPHRASE_FILE", path.to_str().unwrap())];
    assert!(is_passphrase(&place.load(Overrides::default(), &env).unwrap(), "from the file"));

    let empty = "`encryption.passphrase` must be a passphrase: it is empty";
    check_error("[encryption]\npassphrase = ''", &format!("config.toml:2: {empty}"));
    check_variable("COFFER_ENCRYPTION__PASSPHRASE", "", &format!("COFFER_ENCRYPTION__PASSPHRASE: {empty}"));
}

#[test]
fn text_that_is_not_unicode_is_a_path_or_a_mistake() {
    use std::os::unix::ffi::OsStringExt;
    let place = Place::new("");
    let bytes = || OsString::from_vec(b"hunter2\xff".to_vec());
    let load = |name: &str| {
        let env = std::iter::once((OsString::from(name), bytes()));
        Config::load(Some(&place.path(DEFAULT_FILE)), Overrides::default(), env)
    };
    assert_eq!(load("COFFER_STORAGE__PATH").unwrap().storage.path, PathBuf::from(bytes()));
    let error = load("COFFER_ENCRYPTION__PASSPHRASE").expect_err("not UTF-8").to_string();
    assert_eq!(error, "COFFER_ENCRYPTION__PASSPHRASE: `encryption.passphrase` must be UTF-8");
}

/// Whether a server that is configured so may listen on what `name:1` was looked up to be.
fn check_listening(server: &str, addresses: &[&str]) -> Result<(), String> {
    let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let config = load(&format!("[server]\nlisten = 'name:1'\n{server}"), &[]);
    config.check_listening(&config.server.listen, &addresses).map_err(|error| error.to_string())
}

#[test]
fn plain_http_beyond_this_machine_needs_consent() {
    for loopback in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(check_listening("", &[loopback]), Ok(()));
    }
    for beyond in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "10.0.0.1:1"] {
        let addresses = ["127.0.0.1:1", beyond];
        let error = check_listening("allow_plaintext = false", &addresses).unwrap_err();
        assert!(error.starts_with("refusing to listen on name:1 in plain HTTP: "), "{error}");
        assert_eq!(check_listening("allow_plaintext = true", &addresses), Ok(()));
        assert_eq!(check_listening("tls_cert = 'c'\ntls_key = 'k'", &addresses), Ok(()));
    }
}

#[test]
fn the_sample_passphrase_stays_on_this_machine() {
    // Whatever the name says, what counts is what it was looked up to be.
    let check = |addresses: &[&str], passphrase: &str| {
        let server = "allow_plaintext = true";
        check_listening(&format!("{server}\n[encryption]\npassphrase = '{passphrase}'"), addresses)
    };
    for loopback in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(check(&[loopback], Passphrase::SAMPLE), Ok(()));
    }
    assert_eq!(check(&["0.0.0.0:1"], "a passphrase of our own"), Ok(()));
    for beyond in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"] {
        let error = check(&["127.0.0.1:1", beyond], Passphrase::SAMPLE).unwrap_err();
        assert!(error.starts_with("refusing to listen on name:1 with the sample passphrase"), "{error}");
        assert!(!error.contains(Passphrase::SAMPLE));
    }
}

#[test]
fn the_sample_configuration_is_the_defaults_with_the_sample_passphrase() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEFAULT_FILE);
    let config = Config::load(Some(&file), Overrides::default(), std::iter::empty()).unwrap();
    assert!(config.has_sample_passphrase());
    let defaults = Config::default();
    assert_eq!(config.server.listen, defaults.server.listen);
    assert_eq!(config.storage.path, Path::new(env!("CARGO_MANIFEST_DIR")).join("data"));
    assert_eq!(config.accounts.strict, defaults.accounts.strict);
    assert_eq!(config.limits.max_value_bytes, defaults.limits.max_value_bytes);
}

#[test]
fn the_documentation_names_every_key() {
    let table = include_str!("../../docs/configuration.md");
    for key in KEYS {
        let row = format!("| `{key}` | `COFFER_{}` |", source::variable(key));
        assert!(table.contains(&row), "docs/configuration.md lacks {row}");
    }
    assert_eq!(table.matches("| `COFFER_").count(), KEYS.len());
}
