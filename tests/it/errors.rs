//! Every failure has the one shape, whichever layer finds it.

use serde_json::json;

use crate::support::{Connection, Server, check_page};

#[test]
fn an_unknown_route_is_not_found() {
    let server = Server::start();
    for target in [
        "/",
        "/nothing",
        "/api",
        "/api/v2/public",
        "/api/v2/public/",
        "/api/v1/public/env/definitions",
        "/api/v2/public/env",
        "/healthz/x",
        "/metricsx",
    ] {
        for api in [server.anonymous(), server.test()] {
            api.at("GET", target).send().error(404, "RESOURCE_NOT_FOUND");
        }
    }
    server.test().at("POST", "/api/v2/public/env/nothing").body("{").send().error(404, "RESOURCE_NOT_FOUND");
    server.test().get("/env/definitions/a/b").send().error(404, "RESOURCE_NOT_FOUND");
    server.test().get("/env/value/").send().error(404, "RESOURCE_NOT_FOUND");
}

#[test]
fn a_wrong_method_names_the_right_ones() {
    let server = Server::start();
    let base = "/api/v2/public";
    for (target, allowed) in [
        (format!("{base}/env/values"), vec!["POST"]),
        (format!("{base}/env/definitions"), vec!["GET", "POST"]),
        (format!("{base}/env/definitions/0123456789abcdef01234567"), vec!["DELETE", "GET", "PATCH"]),
        (format!("{base}/env/value/0123456789abcdef01234567"), vec!["GET"]),
        (format!("{base}/env/values/org"), vec!["DELETE", "GET"]),
        (format!("{base}/admin/keys"), vec!["GET", "POST"]),
        (format!("{base}/admin/keys/0123456789abcdef01234567"), vec!["DELETE"]),
        ("/healthz".into(), vec!["GET"]),
        ("/readyz".into(), vec!["GET"]),
        ("/metrics".into(), vec!["GET"]),
        ("/openapi.json".into(), vec!["GET"]),
        ("/docs".into(), vec!["GET"]),
    ] {
        for method in ["PUT", "GET", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
            if allowed.contains(&method) {
                continue;
            }
            let response = server.test().at(method, &target).send();
            response.error(405, "METHOD_NOT_ALLOWED");
            let header = response.header("allow").unwrap_or_else(|| panic!("no Allow for {target}"));
            let mut named: Vec<&str> =
                header.split(',').map(str::trim).filter(|one| *one != "HEAD").collect();
            named.sort_unstable();
            assert_eq!(named, allowed, "{method} {target}");
            assert_eq!(
                header.contains("HEAD"),
                allowed.contains(&"GET"),
                "HEAD answers as GET: {target}: {header}"
            );
        }
    }
}

#[test]
fn head_answers_as_get_without_a_body() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    server.test().set(&definition, "v");
    let base = "/api/v2/public";
    for target in [
        format!("{base}/env/definitions"),
        format!("{base}/env/definitions/{definition}"),
        format!("{base}/env/value/{definition}"),
        format!("{base}/env/values/org"),
        format!("{base}/env/value/nothing"),
        format!("{base}/nothing"),
        "/healthz".into(),
        "/readyz".into(),
        "/openapi.json".into(),
    ] {
        let get = server.test().at("GET", &target).send();
        let mut connection = Connection::open(server.address()).unwrap();
        let head = connection.exchange(&server.test().at("HEAD", &target)).unwrap();
        assert_eq!(head.status, get.status, "{target}");
        for header in ["content-type", "content-length", "etag"] {
            if header != "content-length" || !target.contains("nothing") {
                assert_eq!(head.header(header), get.header(header), "{header} of {target}");
            }
        }
        assert!(head.header("x-request-id").is_some());
        let again = connection.exchange(&server.test().at("GET", &target)).unwrap();
        assert_eq!(again.status, get.status, "no body was left on the connection");
    }
    let anonymous = server.anonymous().get("/env/definitions").method("HEAD").send();
    assert_eq!(anonymous.status, 401);
}

#[test]
fn a_body_must_be_json_or_say_nothing() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let body = json!({ "variable_definition_id": definition, "value": "v" }).to_string();
    let send = |kind: Option<&str>| {
        let request = server.test().at("POST", "/api/v2/public/env/values").body(&body);
        kind.map_or(request.clone(), |kind| request.header("content-type", kind)).send()
    };
    for kind in [
        None,
        Some("application/json"),
        Some("application/json; charset=utf-8"),
        Some("Application/JSON"),
        Some("application/json;charset=UTF-8"),
    ] {
        send(kind).ok();
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json",
        "application/jsonx",
        "text/json",
    ] {
        send(Some(kind)).error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    assert_eq!(server.test().resolve(&definition).send().ok()["version"], 5);
    server
        .test()
        .at("POST", "/api/v2/public/env/definitions")
        .header("content-type", "text/plain")
        .body("{\"name\":\"W\",\"scope\":\"org\"}")
        .send()
        .error(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[test]
fn malformed_json_is_a_bad_request_and_changes_nothing() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let with = |rest: &str| {
        format!("{{\"variable_definition_id\":\"{definition}\",\"value\":\"v\"{rest}}}").into_bytes()
    };
    let mut bom = b"\xef\xbb\xbf".to_vec();
    bom.extend(with(""));
    let mut invalid = with("");
    let place = invalid.len() - 3;
    invalid[place] = 0xff;
    let mut overlong = with(",\"x\":\"@@\"");
    let place = overlong.iter().position(|byte| *byte == b'@').unwrap();
    overlong[place..place + 2].copy_from_slice(b"\xc0\xaf");
    let utf16: Vec<u8> =
        String::from_utf8(with("")).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = with(&format!(",\"x\":{}{}", "[".repeat(200), "]".repeat(200)));
    for body in [
        b"".to_vec(),
        b" ".to_vec(),
        b"{".to_vec(),
        b"}".to_vec(),
        b"nul".to_vec(),
        b"{'value':'v'}".to_vec(),
        bom,
        invalid,
        overlong,
        utf16,
        deep,
        with(","),
        with(",\"x\":01"),
        with(",\"x\":NaN"),
        with(",\"x\":\"\\ud800\""),
        with(",\"x\":\"\\udc00\\ud800\""),
        with(",\"x\":\"\\x41\""),
        with(",\"x\":\"a\nb\""),
        with(",\"x\":tru"),
        with(",\"value\":\"w\""),
        with(",\"value\":\"v\""),
        with(",\"value\":null"),
        with(",\"v\\u0061lue\":\"w\""),
        with(",\"x\":1,\"x\":1"),
        with(",\"x\":{\"y\":1,\"y\":2}"),
        with(",\"x\":[{\"y\":{\"z\":1,\"z\":1}}]"),
        [with(""), b"x".to_vec()].concat(),
        [with(""), b"{}".to_vec()].concat(),
        [with(""), b"\0".to_vec()].concat(),
        [with(""), b" /* comment */".to_vec()].concat(),
    ] {
        let text = String::from_utf8_lossy(&body).into_owned();
        let response = server.test().setting(&definition, "").body(&body).send();
        assert_eq!(response.status, 400, "{text:.200}: {}", response.text());
        response.error(400, "INVALID_REQUEST");
    }
    server.test().resolve(&definition).send().error(404, "RESOURCE_NOT_FOUND");
    let padded = [b"\r\n\t ".to_vec(), with(""), b" \n".to_vec()].concat();
    server.test().setting(&definition, "").body(padded).send().ok();
    let paired = String::from_utf8(with("")).unwrap().replace("\"v\"", "\"\\ud83d\\udd11\\u0041\\/\"");
    assert_eq!(server.test().setting(&definition, "").body(paired).send().ok()["value"], "\u{1F511}A/");
}

#[test]
fn a_lone_surrogate_in_the_value_is_a_bad_request() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    for value in ["\\ud800", "\\udfff", "a\\ud83dz", "\\udd11\\ud83d"] {
        let body = format!("{{\"variable_definition_id\":\"{definition}\",\"value\":\"{value}\"}}");
        server.test().setting(&definition, "").body(body).send().error(400, "INVALID_REQUEST");
    }
}

#[test]
fn a_body_too_large_is_refused_whoever_counts() {
    let server = Server::start();
    let key = &server.store().test_key;
    server.test().setting("x", "").body(vec![b' '; 524_289]).send().error(413, "PAYLOAD_TOO_LARGE");
    server
        .test()
        .post("/env/definitions", &json!({}))
        .body(vec![b' '; 600_000])
        .send()
        .error(413, "PAYLOAD_TOO_LARGE");

    // One that only announces its length, and one that never does.
    let announced = format!(
        "POST /api/v2/public/env/values HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-length: 99999999999\r\n\r\n"
    );
    server.raw(announced.as_bytes()).error(413, "PAYLOAD_TOO_LARGE");
    let mut chunked = format!(
        "POST /api/v2/public/env/values HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for _ in 0..70 {
        chunked.extend_from_slice(b"2000\r\n");
        chunked.extend_from_slice(&[b' '; 0x2000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    server.raw(&chunked).error(413, "PAYLOAD_TOO_LARGE");
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn a_chunked_body_is_read() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let body = json!({ "variable_definition_id": definition, "value": "v" }).to_string();
    let (first, second) = body.split_at(20);
    let request = format!(
        "POST /api/v2/public/env/values HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        server.store().test_key,
        first.len(),
        second.len(),
    );
    assert_eq!(server.raw(request.as_bytes()).ok()["version"], 1);
}

#[test]
fn a_request_id_is_taken_over_or_made() {
    let server = Server::start();
    let longest = "x".repeat(128);
    for id in ["a", "A-b_c.9", "0", longest.as_str()] {
        let response = server.test().get("/env/definitions").header("x-request-id", id).send();
        assert_eq!(response.header("x-request-id"), Some(id));
        let failure = server.anonymous().at("GET", "/nothing").header("x-request-id", id).send();
        failure.error(404, "RESOURCE_NOT_FOUND");
        assert_eq!(failure.header("x-request-id"), Some(id));
    }
    let over = "x".repeat(129);
    let mut made = std::collections::BTreeSet::new();
    for id in ["", "a b", "a/b", "\u{e9}", "a\"b", "<x>", over.as_str()] {
        let response = server.test().get("/env/definitions").header("x-request-id", id).send();
        let given = response.header("x-request-id").expect("one is made").to_owned();
        assert_ne!(given, id);
        assert!(!given.is_empty() && given.len() <= 128);
        assert!(given.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{given}");
        assert!(made.insert(given), "fresh each time");
    }
    for target in
        ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/api/v2/public/env/definitions"]
    {
        let ids: Vec<_> = (0..2)
            .map(|_| {
                server.anonymous().at("GET", target).send().header("x-request-id").expect("an id").to_owned()
            })
            .collect();
        assert_ne!(ids[0], ids[1], "{target}");
    }
}

#[test]
fn a_query_that_cannot_be_read_is_a_bad_request() {
    let server = Server::start();
    for query in ["scope=%ff", "name=%C0%AF", "page=%00"] {
        server
            .test()
            .at("GET", &format!("/api/v2/public/env/definitions?{query}"))
            .send()
            .error(400, "INVALID_REQUEST");
    }
}

#[test]
fn what_is_not_http_ends_and_the_server_goes_on() {
    let server = Server::start();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let mut connection = Connection::open(server.address()).unwrap();
        let _ = connection.write(bytes);
        if let Ok(response) = connection.read("GET") {
            assert!(matches!(response.status, 400 | 404 | 405 | 501 | 505), "{}", response.status);
        }
    }
    server.test().get("/env/definitions").send().ok();
}

#[test]
fn requests_on_one_connection_are_answered_in_turn() {
    let server = Server::start();
    let definition = server.test().define_string("V", "org");
    let mut connection = Connection::open(server.address()).unwrap();
    for index in 1..=20 {
        let answer = connection.exchange(&server.test().setting(&definition, "v")).unwrap();
        assert_eq!(answer.ok()["version"], index);
        connection
            .exchange(&server.anonymous().at("GET", "/nothing"))
            .unwrap()
            .error(404, "RESOURCE_NOT_FOUND");
    }
    let one = format!(
        "GET /api/v2/public/env/value/{definition} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n\r\n",
        server.store().test_key
    );
    connection.write(one.repeat(5).as_bytes()).unwrap();
    for _ in 0..5 {
        assert_eq!(connection.read("GET").unwrap().ok()["version"], 20, "pipelined");
    }
}

#[test]
fn what_is_refused_leaves_no_trace_in_any_list() {
    let server = Server::start();
    let api = server.test();
    let number = api.define(&json!({ "name": "N", "scope": "linked_account", "var_format": "number" }));
    for body in [
        json!({ "variable_definition_id": number, "value": "x", "linked_account_id": "user" }),
        json!({ "variable_definition_id": number, "value": "1" }),
        json!({ "variable_definition_id": number, "value": "1", "linked_account_id": "user", "workflow_id": "w" }),
        json!({ "variable_definition_id": number, "value": "1".repeat(65_537), "linked_account_id": "user" }),
    ] {
        assert!(api.post("/env/values", &body).send().status >= 400);
    }
    let list = api.get("/env/values/linked_account").query("linked_account_id", "user").send().ok();
    check_page(&list, 1, 10, 0);
}
