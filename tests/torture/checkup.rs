//! `coffer doctor`, asked about a store that met a fault: whether its records, indexes, counters, sealed values and
//! chains agree with each other.

use crate::support::{Finished, Store};

/// Checks what a store holds, that is being served or is not; then its index is compared too.
pub(crate) fn check(store: &Store) {
    let finished = store.coffer(["doctor", "--json"]);
    if let Err(lost) = judge(&finished) {
        panic!("LOST: {lost}: {finished:?}");
    }
}

/// What of it is about the store, rather than about this machine.
fn judge(finished: &Finished) -> Result<(), String> {
    let findings: serde_json::Value =
        serde_json::from_str(&finished.stdout).map_err(|error| error.to_string())?;
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
