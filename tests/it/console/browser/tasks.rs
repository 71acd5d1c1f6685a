//! Daily tasks, done as people do them.

use super::{Browser, sign_in, url};
use crate::console::sample::Sample;
use crate::support::{Config, Server, eventually};

#[test]
fn signing_in_finding_a_variable_and_setting_it() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    browser.go(&url(&sample.server, "/console/"));
    browser.find("#key").type_in("tk_wrong");
    browser.find("button.primary").click();
    browser.wait_for("This key opens nothing");
    assert_eq!(browser.find("#key").value(), "", "a key is not written into a page");
    sign_in(&browser, &sample.server, &sample.key);
    browser.wait_for("STATUS_BANNER");

    // The table follows what is typed, and so does the address.
    browser.find("#q").type_in("smtp");
    eventually(std::time::Duration::from_secs(20), "only what is searched", || {
        let text = browser.text();
        (text.contains("SMTP_HOST") && !text.contains("STATUS_BANNER")).then_some(())
    });
    assert!(browser.url().contains("q=smtp"), "{}", browser.url());
    browser.find("a[aria-label='Set SMTP_HOST in staging, where it is missing']").click();
    browser.wait_for("No value here");
    browser.find("#value").type_in("mail.staging.acme.example");
    browser.find("form button.primary").click();
    browser.wait_for("The value is set.");
    assert_eq!(browser.find(".shown").text(), "mail.staging.acme.example");
}

#[test]
fn everything_works_without_a_script() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    browser.go("about:blank");
    browser.allow_scripts(false);
    sign_in(&browser, &sample.server, &sample.key);
    browser.find("#q").type_in("pool\u{e007}");
    browser.find("a[aria-label='Open DB_POOL_SIZE']").click();
    browser.find("a[aria-label='Open the value in staging']").click();
    let field = browser.find("#value");
    field.clear();
    field.type_in("many");
    browser.find("form button.primary").click();
    assert!(browser.find("#value-problem").text().contains("This is not a number"));
    let field = browser.find("#value");
    assert_eq!(field.value(), "many", "what was typed stays");
    field.clear();
    field.type_in("12");
    browser.find("form button.primary").click();
    browser.find(".notice");
    assert_eq!(browser.find(".shown").text(), "12");
}

#[test]
fn a_revealed_value_hides_itself_again() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    sign_in(&browser, &sample.server, &sample.key);
    let page = url(&sample.server, &format!("/console/values/{}?environment=test", sample.database_url));
    browser.go(&page);
    assert_eq!(browser.find(".shown").text(), "[REDACTED]");
    browser.find("form[action*='/reveal'] button").click();
    browser.wait_for("not-a-secret@db.test");
    // The page's own clock: thirty seconds pass at once.
    browser.run("const now = Date.now; Date.now = () => now() + 31000;");
    eventually(std::time::Duration::from_secs(20), "hidden again", || {
        (!browser.text().contains("not-a-secret") && browser.url() == page).then_some(())
    });
    assert_eq!(browser.find(".shown").text(), "[REDACTED]");
}

#[test]
fn an_encrypted_value_that_nobody_looks_at_hides_without_a_script_too() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    browser.go("about:blank");
    browser.allow_scripts(false);
    sign_in(&browser, &sample.server, &sample.key);
    let page = url(&sample.server, &format!("/console/values/{}?environment=test", sample.database_url));
    browser.go(&page);
    browser.find("form[action*='/reveal'] button").click();
    assert!(browser.find(".revealed").text().contains("not-a-secret@db.test"));
    eventually(std::time::Duration::from_secs(40), "hidden again", || (browser.url() == page).then_some(()));
    assert_eq!(browser.find(".shown").text(), "[REDACTED]");
}

#[test]
fn a_session_that_ends_while_one_types_loses_nothing() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::start_with(&Config::new().text("console", "idle", "3s"));
    let definition = server.test().define_string("TEXT", "org");
    sign_in(&browser, &server, &server.store().test_key);
    browser.go(&url(&server, &format!("/console/values/{definition}")));
    browser.find("#value").type_in("typed for long");
    std::thread::sleep(std::time::Duration::from_millis(3_200));
    browser.find("form button.primary").click();
    browser.wait_for("Your session has ended");
    assert_eq!(browser.find("#typed").value(), "typed for long");
    browser.find("a.primary").click();
    browser.find("#key").type_in(&server.store().test_key);
    browser.find("button.primary").click();
    browser.wait_for("No value here");
}

#[test]
fn of_two_tabs_the_second_is_told_what_the_first_has_done() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    sign_in(&browser, &sample.server, &sample.key);
    let page = url(&sample.server, &format!("/console/values/{}?environment=test", sample.base_url));
    browser.go(&page);
    let first = browser.open_tab();
    browser.go(&page);
    let set = |value: &str| {
        let field = browser.find("#value");
        field.clear();
        field.type_in(value);
        browser.find("form button.primary").click();
    };
    set("https://second.example");
    browser.wait_for("The value is set.");
    browser.switch_to(&first);
    set("https://first.example");
    browser.wait_for("Somebody changed this value since");
    assert_eq!(browser.find(".shown").text(), "https://second.example");
    assert_eq!(browser.find("#value").value(), "https://first.example");
    browser.find("form button.primary").click();
    browser.wait_for("The value is set.");

    // Signed out in one, it is over in the other.
    browser.find(".self summary").click();
    browser.find("form[action='/console/sign-out'] button").click();
    browser.wait_for("You are signed out.");
    let second = browser.open_tab();
    browser.go(&page);
    browser.find("#key");
    browser.switch_to(&second);
}

#[test]
fn the_look_is_chosen_at_once_and_for_later() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    browser.prefer("light");
    sign_in(&browser, &sample.server, &sample.key);
    let ground = || browser.run("return getComputedStyle(document.body).backgroundColor");
    let light = ground();
    browser.find("button[value=dark]").click();
    let dark =
        eventually(std::time::Duration::from_secs(20), "dark", || Some(ground()).filter(|now| *now != light));
    eventually(std::time::Duration::from_secs(20), "kept", || {
        browser.go(&url(&sample.server, "/console/definitions"));
        (ground() == dark).then_some(())
    });
    browser.prefer("dark");
    browser.find("button[value=system]").click();
    assert_eq!(ground(), dark, "as the system has it");
}

#[test]
fn a_page_is_used_by_keyboard_alone() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    let (tab, enter) = ("\u{e004}", "\u{e007}");
    browser.go(&url(&sample.server, "/console/"));
    browser.find("#key");
    // The field has the focus from the beginning.
    browser.press(&format!("{}{enter}", sample.key));
    browser.find("nav[aria-label=Console]");
    let focused = || browser.run("return document.activeElement.innerText || document.activeElement.id");
    browser.press(tab);
    assert_eq!(focused(), "Skip to the content");
    browser.press(enter);
    browser.press(tab);
    assert_eq!(focused(), "New variable", "the first thing in the content");
    for _ in 0..5 {
        browser.press(tab);
    }
    assert_eq!(focused(), "q", "past the four scopes");
    let ring = browser.run("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(ring, "solid", "where one is can be seen");
}
