//! `/audit/audit-trails` and `coffer audit`: who did what, and proof that nobody changed it since.

mod acts;
mod chain;
mod export;
mod list;
mod refusals;

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Client, Store};

/// The newest entries that a client sees, newest first.
fn trail(api: &Client) -> Vec<Value> {
    let page = api.get("/audit/audit-trails").query("limit", "1000").send().ok();
    page["docs"].as_array().unwrap().clone()
}

/// The events of entries.
fn events(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

/// The lines of a new export.
pub(crate) fn export(store: &Store, name: &str) -> (PathBuf, Vec<String>) {
    let path = store.root().join(name);
    store.coffer(["audit", "export", path.to_str().unwrap()]).ok();
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text.lines().map(str::to_owned).collect())
}
