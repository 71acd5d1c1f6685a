//! The console in a real browser.

mod accessibility;
mod driver;
mod screenshots;
mod tasks;

pub(super) use driver::Browser;

use crate::support::Server;

/// Signs in with a key, and waits for the first page.
#[track_caller]
fn sign_in(browser: &Browser, server: &Server, key: &str) {
    browser.go(&url(server, "/console/"));
    browser.find("#key").type_in(key);
    browser.find("button.primary").click();
    browser.find("nav[aria-label=Console]");
}

/// A page of the server.
fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address())
}
