//! `If-Match` and `If-None-Match`.

use serde_json::Value;

use crate::support::{Request, Server};

struct Case {
    server: Server,
    definition: String,
}

impl Case {
    fn start(value: bool) -> Case {
        let server = Server::start();
        let definition = server.test().define_string("V", "org");
        if value {
            server.test().set(&definition, "one");
            server.test().set(&definition, "two");
        }
        Case { server, definition }
    }

    fn set(&self, headers: &[(&str, &str)]) -> Request {
        let request = self.server.test().setting(&self.definition, "new");
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    #[track_caller]
    fn holds(&self, headers: &[(&str, &str)]) -> Value {
        self.set(headers).send().ok()
    }

    #[track_caller]
    fn fails(&self, headers: &[(&str, &str)]) {
        let before = self.version();
        self.set(headers).send().error(412, "VERSION_CONFLICT");
        assert_eq!(self.version(), before, "{headers:?}");
    }

    fn version(&self) -> Option<u64> {
        let resolved = self.server.test().resolve(&self.definition).send();
        if resolved.status == 404 { None } else { resolved.ok()["version"].as_u64() }
    }
}

#[test]
fn if_match_writes_only_over_that_version() {
    let case = Case::start(true);
    for tag in ["\"1\"", "\"3\"", "\"\"", "\"x\"", "\"02\"", "W/\"2\"", "\"1\", \"3\"", "W/\"2\", \"1\""] {
        case.fails(&[("if-match", tag)]);
    }
    assert_eq!(case.holds(&[("if-match", "\"2\"")])["version"], 3);
    assert_eq!(case.holds(&[("if-match", "\"1\", \"3\" ,\"x\"")])["version"], 4);
    assert_eq!(case.holds(&[("if-match", "\"9\""), ("if-match", "\"4\"")])["version"], 5);
    assert_eq!(case.holds(&[("if-match", "*")])["version"], 6);
}

#[test]
fn if_match_needs_a_value_to_be_there() {
    let case = Case::start(false);
    for tag in ["*", "\"1\"", "\"0\""] {
        case.fails(&[("if-match", tag)]);
    }
    assert_eq!(case.version(), None);
}

#[test]
fn if_none_match_writes_only_where_there_is_none() {
    let case = Case::start(false);
    assert_eq!(case.holds(&[("if-none-match", "*")])["version"], 1);
    case.fails(&[("if-none-match", "*")]);
}

#[test]
fn if_none_match_with_tags_writes_where_none_of_them_is_current() {
    let case = Case::start(true);
    for tag in ["\"2\"", "W/\"2\"", "\"1\", \"2\""] {
        case.fails(&[("if-none-match", tag)]);
    }
    assert_eq!(case.holds(&[("if-none-match", "\"1\", \"9\"")])["version"], 3);
}

#[test]
fn both_headers_must_hold() {
    let case = Case::start(true);
    case.fails(&[("if-match", "\"2\""), ("if-none-match", "*")]);
    case.fails(&[("if-match", "\"1\""), ("if-none-match", "\"9\"")]);
    case.fails(&[("if-match", "\"2\""), ("if-none-match", "\"2\"")]);
    assert_eq!(case.holds(&[("if-match", "\"2\""), ("if-none-match", "\"1\"")])["version"], 3);
}

#[test]
fn a_malformed_tag_is_a_bad_request() {
    let case = Case::start(true);
    for header in ["if-match", "if-none-match"] {
        for tag in ["2", "\"2", "2\"", "w/\"2\"", "\"a b\"", "\"1\" \"2\"", "*, \"2\"", "'2'", "**"] {
            case.set(&[(header, tag)]).send().error(400, "INVALID_REQUEST");
        }
    }
    assert_eq!(case.version(), Some(2));
}

#[test]
fn a_deletion_honours_if_match() {
    let case = Case::start(true);
    let api = case.server.test();
    let id = api.get("/env/values/org").send().ok()["docs"][0]["_id"].as_str().unwrap().to_owned();
    let delete = |tag: &str| api.delete(&format!("/env/values/{id}")).header("if-match", tag).send();
    delete("\"1\"").error(412, "VERSION_CONFLICT");
    delete("W/\"2\"").error(412, "VERSION_CONFLICT");
    delete("2").error(400, "INVALID_REQUEST");
    assert_eq!(case.version(), Some(2));
    delete("\"2\"").ok();
    assert_eq!(case.version(), None);
}
