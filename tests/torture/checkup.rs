//! `coffer doctor`, asked about a store that met a fault: whether its records, indexes, counters, sealed values and
//! chains agree with each other.

use serde_json::Value;

use crate::support::{Finished, Store};

/// Checks what a store holds, that is being served or is not; then its index is compared too.
pub(crate) fn check(store: &Store) {
    let finished = store.coffer(["doctor", "--json"]);
    if let Err(lost) = judge(&finished) {
        panic!("LOST: {lost}: {finished:?}");
    }
}

/// What it finds of one thing.
pub(crate) fn finding(store: &Store, wanted: &str) -> Value {
    let finished = store.coffer(["doctor", "--json"]);
    let findings: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    let found = findings.as_array().into_iter().flatten().find(|finding| finding["check"] == wanted);
    found.cloned().unwrap_or_default()
}

/// What of it is about the store, rather than about this machine.
pub(crate) fn judge(finished: &Finished) -> Result<(), String> {
    let findings: Value = serde_json::from_str(&finished.stdout).map_err(|error| error.to_string())?;
    for wanted in ["keyring", "store", "index", "audit", "data_keys"] {
        let all = findings.as_array().into_iter().flatten();
        let of_it: Vec<_> = all.filter(|finding| finding["check"] == wanted).collect();
        match of_it.as_slice() {
            [finding] if finding["status"] == "ok" => {}
            // A rotation that was interrupted goes on while the store is served.
            [finding] if wanted == "data_keys" && finding["status"] == "warn" => {}
            _ => return Err(format!("{wanted}: {of_it:?}")),
        }
    }
    Ok(())
}
