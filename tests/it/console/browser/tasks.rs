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

#[test]
fn a_value_is_rolled_back_and_who_did_it_is_in_the_trail() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    sign_in(&browser, &sample.server, &sample.key);
    let page = format!("/console/values/{}?environment=production", sample.smtp_host);
    browser.go(&url(&sample.server, &page));
    assert_eq!(browser.find(".versions ins").text(), "2");
    browser.find("button[aria-label='Set it again as it was in version 1']").click();
    browser.wait_for("as a new version");
    assert_eq!(browser.find(".shown").text(), "mail.acme.example");
    browser.go(&url(&sample.server, "/console/audit?event=variable_value.rolled_back"));
    browser.find(".trail summary").click();
    browser.wait_for("A value was set to what it was before");
    let text = browser.text();
    assert!(
        text.contains("Maya Lindqvist") && text.contains("127.0.0.1") && text.contains("HeadlessChrome"),
        "{text}"
    );
}

#[test]
fn a_variable_is_defined_and_set_for_an_account_that_lacks_it() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    sign_in(&browser, &sample.server, &sample.key);
    browser.go(&url(&sample.server, "/console/definitions/new?scope=linked_account&environment=test"));
    browser.find("#name").type_in("1ST_INVOICE");
    browser.find("main form .primary").click();
    assert!(browser.find("#name-problem").text().contains("letter"));
    let field = browser.find("#name");
    assert_eq!(field.value(), "1ST_INVOICE", "what was typed stays");
    field.clear();
    field.type_in("INVOICE_PREFIX");
    browser.find("main form .primary").click();
    browser.find(".notice");

    browser.go(&url(&sample.server, "/console/accounts?environment=test"));
    browser.find("a.name[href*='account=user_12345']").click();
    browser.wait_for("Northwind Traders");
    assert!(browser.text().contains("eu-central"), "what it has: {}", browser.text());
    browser.find("a[aria-label='Set INVOICE_PREFIX']").click();
    browser.find("#value").type_in("NW-");
    browser.find("form button.primary").click();
    browser.wait_for("The value is set.");

    browser.go(&url(&sample.server, &format!("/console/variables/{}", sample.database_url)));
    browser.wait_for("Who may read it");
    assert!(browser.text().contains("billing service"), "{}", browser.text());
    browser.go(&url(&sample.server, "/console/audit"));
    browser.find("#event option[value='variable_definition.created']").click();
    browser.find("form[role=search] button").click();
    eventually(std::time::Duration::from_secs(20), "narrowed", || {
        browser.url().contains("event=variable_definition.created").then_some(())
    });
    browser.wait_for("INVOICE_PREFIX");
    assert!(!browser.find(".trail").text().contains("user_12345"), "only what was asked for");
}

#[test]
fn the_store_is_looked_at_before_and_after_a_backup() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    sign_in(&browser, &sample.server, &sample.key);
    browser.go(&url(&sample.server, "/console/health"));
    browser.wait_for("takes writes");
    assert_eq!(browser.find("[aria-labelledby=backup] .big").text(), "none known");
    let file = sample.server.store().root().join("file.backup");
    sample.server.store().coffer(["backup", "create", file.to_str().unwrap()]).ok();
    browser.go(&url(&sample.server, "/console/health"));
    let at = browser.run("return document.querySelector('[aria-labelledby=backup] time').dateTime");
    assert!(at.as_str().unwrap().starts_with("20"), "{at}");
}

#[test]
fn a_key_is_made_copied_and_revoked() {
    let Some(browser) = Browser::start() else { return };
    let sample = Sample::start();
    sign_in(&browser, &sample.server, &sample.key);
    browser.go(&url(&sample.server, "/console/keys"));
    browser.find("#name").type_in("night job");
    browser.find("#days").type_in("soon");
    browser.find("main form .primary").click();
    assert!(browser.find("#days-problem").text().contains("number of days"));
    assert_eq!(browser.find("#name").value(), "night job", "what was typed stays");
    let focused = browser.run("return document.activeElement.id");
    assert_eq!(focused, "days", "one goes on where the problem is");
    browser.find("#days").clear();
    browser.find("main form .primary").click();
    let key = browser.find("#secret").text();
    sample.server.anonymous().key(&key).with("environment", "test").get("/env/definitions").send().ok();
    browser.find(".once a.button").click();
    browser.find("a[aria-label='Revoke night job…']").click();
    browser.find("main form .danger").click();
    browser.wait_for("The key is revoked");
    let refused = sample.server.anonymous().key(&key).get("/env/definitions").send();
    refused.error(401, "INVALID_CREDENTIALS");
}

#[test]
fn what_is_stored_runs_nowhere_and_turns_nothing_round() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::start();
    let definition = server.test().define_string("TEXT", "org");
    sign_in(&browser, &server, &server.store().test_key);
    let page = url(&server, &format!("/console/values/{definition}"));
    let long = format!("begin {} end", "x".repeat(60_000));
    for text in [
        "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">",
        "\u{202e}right to left \u{5d0}",
        &long,
    ] {
        server.test().set(&definition, text);
        browser.go(&page);
        assert_eq!(browser.find(".shown").text(), text);
        assert_eq!(browser.find("#value").value(), text);
        assert_ne!(browser.run("return document.title"), "run");
        let isolated =
            browser.run("return getComputedStyle(document.querySelector('.shown bdi')).unicodeBidi");
        assert_eq!(isolated, "isolate");
        browser.go(&url(&server, "/console/variables"));
        browser.find(".name");
        let overflow = browser.run("return document.documentElement.scrollWidth - innerWidth");
        assert!(overflow.as_i64().unwrap() <= 0, "{overflow}");
    }
}
