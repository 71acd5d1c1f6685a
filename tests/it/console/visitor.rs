//! A browser's manners without a browser: cookies are kept, forms are sent from where they stand.

use crate::support::{Client, Response, Server, percent};

/// Somebody with a window of the console open.
#[derive(Clone)]
pub(super) struct Visitor {
    client: Client,
    origin: String,
    cookie: Option<String>,
}

impl Visitor {
    /// Somebody who is not signed in.
    pub(super) fn new(server: &Server) -> Visitor {
        Visitor { client: server.anonymous(), origin: format!("http://{}", server.address()), cookie: None }
    }

    /// Somebody who has signed in with this key.
    #[track_caller]
    pub(super) fn signed_in(server: &Server, key: &str) -> Visitor {
        let mut visitor = Visitor::new(server);
        let answer = visitor.sign_in(key);
        assert_eq!(answer.status, 303, "{}", answer.text());
        visitor
    }

    /// Sends the form of the page where one signs in.
    #[track_caller]
    pub(super) fn sign_in(&mut self, key: &str) -> Response {
        let answer = self.send("/console/sign-in", &[("key", key)]);
        if let Some(set) = answer.header("set-cookie") {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        answer
    }

    /// The cookie that is kept.
    pub(super) fn cookie(&self) -> &str {
        self.cookie.as_deref().unwrap_or_default()
    }

    /// Asks for a page.
    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Response {
        self.dressed(self.client.at("GET", path)).send()
    }

    /// A page that is there.
    #[track_caller]
    pub(super) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// Sends a form without a token, from a page of the console.
    #[track_caller]
    pub(super) fn send(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.client.at("POST", path).header("origin", &self.origin);
        self.dressed(request)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(urlencoded(fields))
            .send()
    }

    /// Sends a form as `page` has it: with the hidden fields that stand there.
    #[track_caller]
    pub(super) fn submit(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let page = self.page(page);
        let hidden = hidden_fields(&page, path);
        assert!(hidden.iter().any(|(name, _)| name == "csrf"), "no form for {path}");
        let mut all: Vec<(&str, &str)> =
            hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.retain(|(name, _)| fields.iter().all(|(given, _)| given != name));
        all.extend(fields);
        self.send(path, &all)
    }

    /// The same, and the page to which it leads.
    #[track_caller]
    pub(super) fn submit_and_follow(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.submit(page, path, fields);
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        self.page(answer.header("location").expect("a way on"))
    }

    fn dressed(&self, request: crate::support::Request) -> crate::support::Request {
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }
}

/// Fields as a form sends them.
pub(super) fn urlencoded(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    pairs.join("&")
}

/// What `page` has hidden in the form that is sent to `path`.
fn hidden_fields(page: &str, path: &str) -> Vec<(String, String)> {
    let form =
        regex::Regex::new(r#"(?s)<form[^>]*method="post" action="([^"]*)"[^>]*>(.*?)</form>"#).unwrap();
    let field = regex::Regex::new(r#"<input type="hidden" name="([^"]*)" value="([^"]*)">"#).unwrap();
    let forms = form.captures_iter(page).filter(|form| unescaped(&form[1]) == path);
    // Where several forms go to one path, they differ only in what the test says itself.
    let body = forms.map(|form| form[2].to_owned()).next().unwrap_or_default();
    field.captures_iter(&body).map(|field| (unescaped(&field[1]), unescaped(&field[2]))).collect()
}

/// The text that HTML writes so.
pub(super) fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}
