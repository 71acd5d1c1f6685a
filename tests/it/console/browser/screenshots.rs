//! Pictures of each page for `docs/console`, taken anew by
//! `UPDATE_SCREENSHOTS=1 cargo test --test it screenshots`.

use std::path::Path;

use super::{Browser, sign_in, url};
use crate::console::sample::Sample;

/// The pages: what their picture is called, and where they are.
pub(super) fn pages(sample: &Sample) -> Vec<(&'static str, String)> {
    vec![
        ("variables", "/console/variables?scope=org".into()),
        ("variable", format!("/console/variables/{}", sample.base_url)),
        ("value", format!("/console/values/{}?environment=production", sample.base_url)),
        ("encrypted-value", format!("/console/values/{}?environment=test", sample.database_url)),
        ("history", format!("/console/values/{}?environment=production", sample.smtp_host)),
        ("accounts", "/console/accounts?environment=test".into()),
        ("account", "/console/account?account=user_12345&environment=test".into()),
        ("delete-an-account", "/console/account/delete?account=user_12345&environment=test".into()),
        ("audit", "/console/audit".into()),
        ("audit-narrowed", "/console/audit?event=linked_account.deleted".into()),
        ("health", "/console/health".into()),
        ("revoke-a-key", format!("/console/keys/{}/revoke", sample.key_id)),
        ("delete-a-value", format!("/console/values/{}/delete?environment=production", sample.base_url)),
        ("missing-value", format!("/console/values/{}?environment=staging", sample.database_url)),
        ("linked-account-variables", "/console/variables?scope=linked_account&account=user_12345".into()),
        ("workflow-variables", "/console/variables?scope=workflow".into()),
        ("nothing-found", "/console/variables?q=nothing".into()),
        ("definitions", "/console/definitions".into()),
        ("new-definition", "/console/definitions/new?scope=org".into()),
        ("definition", format!("/console/definitions/{}", sample.database_url)),
        ("delete-a-definition", format!("/console/definitions/{}/delete", sample.base_url)),
        ("keys", "/console/keys".into()),
        ("not-found", "/console/nowhere".into()),
        ("accounts-of-a-variable", format!("/console/variables/{}?environment=test", sample.customer_token)),
    ]
}

/// Those of which there are pictures: one of each kind of page.
const PICTURED: [&str; 13] = [
    "variables",
    "variable",
    "accounts-of-a-variable",
    "history",
    "encrypted-value",
    "definitions",
    "definition",
    "accounts",
    "account",
    "keys",
    "audit",
    "health",
    "nothing-found",
];

const SIZES: [(&str, u32, u32); 2] = [("wide", 1280, 800), ("narrow", 360, 740)];

#[test]
fn screenshots_of_each_page_are_taken() {
    if std::env::var_os("UPDATE_SCREENSHOTS").is_none() {
        return eprintln!("SKIPPED: UPDATE_SCREENSHOTS is not set");
    }
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    let into = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/console");
    std::fs::create_dir_all(&into).unwrap();
    let shoot = |name: &str, path: &str| {
        for (size, width, height) in SIZES {
            browser.resize(width, height);
            for scheme in ["light", "dark"] {
                browser.prefer(scheme);
                browser.go(&url(&sample.server, path));
                let picture = browser.screenshot(width, 1600);
                browser.resize(width, height);
                std::fs::write(into.join(format!("{name}-{size}-{scheme}.webp")), picture).unwrap();
            }
        }
    };
    shoot("sign-in", "/console/sign-in");
    sign_in(&browser, &sample.server, &sample.key);
    for (name, path) in pages(&sample).into_iter().filter(|(name, _)| PICTURED.contains(name)) {
        shoot(name, &path);
    }
}
