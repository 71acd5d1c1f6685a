//! A real browser, driven over WebDriver (W3C): as much of a client as these tests need.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Connection, eventually};

/// How long a page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with a profile of its own; ended when dropped.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _profile: tempfile::TempDir,
}

/// An element of a page.
pub(crate) struct Element<'a> {
    browser: &'a Browser,
    selector: String,
}

impl Browser {
    /// A browser, or nothing where none is installed: then says so, and the test ends.
    pub(crate) fn start() -> Option<Browser> {
        let spawned = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn();
        let Ok(mut driver) = spawned else {
            assert!(
                std::env::var_os("COFFER_REQUIRE_BROWSER").is_none(),
                "COFFER_REQUIRE_BROWSER is set, and there is no chromedriver"
            );
            // Not by `eprintln!`, which nobody sees of a test that passes.
            let why = "SKIPPED: no chromedriver here; `apt-get install chromium chromium-driver` brings it\n";
            let _ = std::io::stderr().write_all(why.as_bytes());
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let port = port.expect("chromedriver says where it listens");
        let profile = tempfile::Builder::new().prefix("coffer-browser-").tempdir().expect("a directory");
        let mut browser = Browser {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            _profile: profile,
        };
        let arguments = [
            "--headless=new",
            // Tests run as root in a container, where the browser's own sandbox cannot be made.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--force-device-scale-factor=1",
            &format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        let options = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments },
        } } });
        let made = browser.ask("POST", "/session", &options).expect("a session of the browser");
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        Some(browser)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut connection = Connection::open(self.address).expect("chromedriver answers");
        connection.write(request.as_bytes()).expect("chromedriver listens");
        let answer = connection.read(method).expect("chromedriver answers");
        let value = serde_json::from_slice::<Value>(&answer.body).expect("JSON")["value"].take();
        if answer.status == 200 { Ok(value) } else { Err(value) }
    }

    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}{path}", self.session), body)
            .unwrap_or_else(|error| panic!("{method} {path}: {} {}", error["error"], error["message"]))
    }

    /// A command of the browser's own protocol.
    #[track_caller]
    fn devtools(&self, name: &str, parameters: &Value) -> Value {
        self.command("POST", "/goog/cdp/execute", &json!({ "cmd": name, "params": parameters }))
    }

    /// Loads a page.
    #[track_caller]
    pub(crate) fn go(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// Where the browser is.
    #[track_caller]
    pub(crate) fn url(&self) -> String {
        self.command("GET", "/url", &Value::Null).as_str().expect("a URL").to_owned()
    }

    /// Goes on with what the page's script may not do, such as looking at what it has.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The same where the outcome comes later: the script hands it to its last argument.
    #[track_caller]
    pub(crate) fn run_later(&self, script: &str) -> Value {
        self.command("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The first element that `selector` matches, as soon as there is one.
    #[track_caller]
    pub(crate) fn find(&self, selector: &str) -> Element<'_> {
        let query = json!({ "using": "css selector", "value": selector });
        let path = format!("/session/{}/element", self.session);
        eventually(PATIENCE, selector, || self.ask("POST", &path, &query).ok());
        Element { browser: self, selector: selector.to_owned() }
    }

    /// Waits until the page's text has `text` in it.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        eventually(PATIENCE, text, || self.text().contains(text).then_some(()));
    }

    /// The page's text, as one sees it.
    pub(crate) fn text(&self) -> String {
        self.run("return document.body ? document.body.innerText : ''")
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Types keys where the focus is. `\u{e004}` is Tab, `\u{e007}` Enter, `\u{e00c}` Escape.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        self.command(
            "POST",
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }),
        );
    }

    /// Another tab, which is then the current one; the name of the one before.
    #[track_caller]
    pub(crate) fn open_tab(&self) -> String {
        let before = self.command("GET", "/window", &Value::Null).as_str().expect("a window").to_owned();
        let made = self.command("POST", "/window/new", &json!({ "type": "tab" }));
        self.switch_to(made["handle"].as_str().expect("a window"));
        before
    }

    /// Makes a tab the current one.
    #[track_caller]
    pub(crate) fn switch_to(&self, tab: &str) {
        self.command("POST", "/window", &json!({ "handle": tab }));
    }

    /// Light or dark, as the browser's owner would have it.
    #[track_caller]
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// The size of the window that pages see.
    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Whether pages may run scripts.
    #[track_caller]
    pub(crate) fn allow_scripts(&self, allowed: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": !allowed }));
    }

    /// The page as WebP: the whole of it, up to `most` pixels high, for which the window is made as high.
    #[track_caller]
    pub(crate) fn screenshot(&self, width: u32, most: u32) -> Vec<u8> {
        use base64::Engine as _;
        let height = self.run("return document.documentElement.scrollHeight").as_u64().unwrap_or(0);
        let height = u32::try_from(height).unwrap_or(most).min(most);
        self.resize(width, height);
        let shot = self.devtools("Page.captureScreenshot", &json!({ "format": "webp", "quality": 80 }));
        let data = shot["data"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(data).expect("base64")
    }
}

impl Element<'_> {
    /// A command to the element that is there now. A page that is just being replaced takes its elements along:
    /// then nothing was done, and the next page's is asked.
    #[track_caller]
    fn command(&self, method: &str, of: &str, body: &Value) -> Value {
        let query = json!({ "using": "css selector", "value": self.selector });
        let session = format!("/session/{}", self.browser.session);
        let done = eventually(PATIENCE, &self.selector, || {
            let found = self.browser.ask("POST", &format!("{session}/element"), &query).ok()?;
            let id = found[ELEMENT].as_str().expect("an element");
            match self.browser.ask(method, &format!("{session}/element/{id}/{of}"), body) {
                Err(error) if error["error"] == "stale element reference" => None,
                done => Some(done),
            }
        });
        done.unwrap_or_else(|error| panic!("{method} {of}: {} {}", error["error"], error["message"]))
    }

    /// Clicks it.
    #[track_caller]
    pub(crate) fn click(&self) {
        self.command("POST", "click", &json!({}));
    }

    /// Types into it, after what is there.
    #[track_caller]
    pub(crate) fn type_in(&self, text: &str) {
        self.command("POST", "value", &json!({ "text": text }));
    }

    /// Empties it.
    #[track_caller]
    pub(crate) fn clear(&self) {
        self.command("POST", "clear", &json!({}));
    }

    /// Its text, as one sees it.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let text = self.command("GET", "text", &Value::Null);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// What a field holds.
    #[track_caller]
    pub(crate) fn value(&self) -> String {
        let value = self.command("GET", "property/value", &Value::Null);
        value.as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
