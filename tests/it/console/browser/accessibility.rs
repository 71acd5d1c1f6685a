//! Each page is looked at for what keeps people out: by axe-core, in light and dark, on narrow screens and wide ones.

use super::screenshots::pages;
use super::{Browser, sign_in, url};
use crate::console::sample::Sample;

const AXE: &str = include_str!("../../../assets/axe.min.js");

/// Every rule of axe-core, not only those of a standard.
const LOOK: &str = "const done = arguments[0]; axe.run(document).then(
    (found) => done(found.violations.map((rule) => rule.id + ': ' + rule.help + '\\n  ' +
        rule.nodes.map((node) => node.html + ' ' + node.failureSummary).join('\\n  '))),
    (error) => done(['axe: ' + error]));";

#[test]
fn no_page_keeps_anybody_out() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    let mut found = Vec::new();
    let mut look_at = |name: &str, path: &str| {
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            for (width, height) in [(360, 740), (1280, 800), (1920, 1080)] {
                browser.resize(width, height);
                browser.go(&url(&sample.server, path));
                browser.run(AXE);
                let violations = browser.run_later(LOOK);
                for violation in violations.as_array().expect("a list") {
                    found.push(format!(
                        "{name}, {scheme}, {width}: {}",
                        violation.as_str().unwrap_or_default()
                    ));
                }
                let overflow = browser.run(
                    "return document.documentElement.scrollWidth - document.documentElement.clientWidth",
                );
                if overflow != 0 {
                    found.push(format!("{name}, {scheme}, {width}: {overflow} px beyond the screen"));
                }
            }
        }
    };
    look_at("sign-in", "/console/sign-in");
    sign_in(&browser, &sample.server, &sample.key);
    for (name, path) in pages(&sample) {
        look_at(name, &path);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
