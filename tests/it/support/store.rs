//! A store of a test's own, and commands on it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::command::{Finished, command, finish};
use super::{Config, Server};

/// A directory with a configuration file and, once initialized, a store.
pub(crate) struct Store {
    dir: TempDir,
    /// The organization's id.
    pub(crate) org: String,
    /// The key for `test` that `init` made.
    pub(crate) test_key: String,
    /// The key for `production` that `init` made.
    pub(crate) production_key: String,
}

impl Store {
    /// A configuration file and nothing else.
    pub(crate) fn uninitialized(config: &Config) -> Store {
        let dir = tempfile::Builder::new().prefix("coffer-").tempdir().expect("a temporary directory");
        let store = Store { dir, org: String::new(), test_key: String::new(), production_key: String::new() };
        store.configure(config);
        store
    }

    /// An initialized store under `config`.
    #[track_caller]
    pub(crate) fn with(config: &Config) -> Arc<Store> {
        let mut store = Store::uninitialized(config);
        let made = store.coffer(["init", "--json"]).json();
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        store.org = text(&made["org_id"]);
        store.test_key = text(&made["api_keys"]["test"]);
        store.production_key = text(&made["api_keys"]["production"]);
        Arc::new(store)
    }

    /// An initialized store.
    #[track_caller]
    pub(crate) fn new() -> Arc<Store> {
        Store::with(&Config::new())
    }

    /// Replaces the configuration file.
    pub(crate) fn configure(&self, config: &Config) {
        self.write_config(&config.render());
    }

    /// Replaces the configuration file by this text.
    pub(crate) fn write_config(&self, text: &str) {
        std::fs::write(self.config_path(), text).expect("the configuration is written");
    }

    /// The directory that holds the configuration file and the store.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The configuration file.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.root().join("config.toml")
    }

    /// The store's own directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// The binary, on this configuration.
    pub(crate) fn command<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Command {
        let mut command = command();
        command.arg("--config").arg(self.config_path()).args(args).current_dir(self.root());
        command
    }

    /// Runs a command on this configuration.
    #[track_caller]
    pub(crate) fn coffer<I: IntoIterator<Item: AsRef<OsStr>>>(&self, args: I) -> Finished {
        finish(&mut self.command(args))
    }

    /// Creates a key and returns it.
    #[track_caller]
    pub(crate) fn create_key(&self, args: &[&str]) -> String {
        let made = self.coffer([&["keys", "create", "--json"], args].concat()).json();
        made["key"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Creates an organization and returns its id.
    #[track_caller]
    pub(crate) fn create_org(&self, name: &str) -> String {
        super::check_id(&self.coffer(["orgs", "create", name, "--json"]).json()["_id"])
    }

    /// Serves this store.
    #[track_caller]
    pub(crate) fn serve(self: &Arc<Store>) -> Server {
        Server::spawn(self, self.command(["serve"]))
    }

    /// Serves this store, or says how that ended.
    #[track_caller]
    pub(crate) fn try_serve(self: &Arc<Store>) -> Result<Server, Finished> {
        Server::try_spawn(self, self.command(["serve"]))
    }

    /// The line that explains why this store is not served.
    #[track_caller]
    pub(crate) fn refuses_to_serve(&self) -> String {
        self.coffer(["serve"]).failed()
    }

    /// Every file under the store's directory with its contents, sorted.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.data(), &mut found);
        found.sort();
        found
    }

    /// Checks that no file came, went or changed since `before`. The lock names whoever held it last: it is
    /// about processes, not part of what is stored.
    #[track_caller]
    pub(crate) fn check_unchanged(&self, before: &[(PathBuf, Vec<u8>)], what: &str) {
        let after = self.files();
        let differing: Vec<&PathBuf> = after
            .iter()
            .filter(|file| !before.contains(file))
            .chain(before.iter().filter(|file| !after.iter().any(|(path, _)| *path == file.0)))
            .map(|(path, _)| path)
            .filter(|path| !path.ends_with("lock"))
            .collect();
        assert!(differing.is_empty(), "{what}: changed {differing:?}");
    }

    /// The files under one directory of the store, sorted by name.
    pub(crate) fn files_in(&self, directory: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.data().join(directory), &mut found);
        let mut paths: Vec<PathBuf> = found.into_iter().map(|(path, _)| path).collect();
        paths.sort();
        paths
    }
}

fn collect(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            collect(&entry.path(), found);
        } else if kind.is_file() {
            found.push((entry.path(), std::fs::read(entry.path()).expect("readable")));
        }
    }
}
