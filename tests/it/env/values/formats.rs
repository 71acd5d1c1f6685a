//! The format table: what each `var_format` accepts, kept as it was sent, and what it rejects.

use serde_json::json;

use crate::support::Server;

#[track_caller]
fn check(format: &str, accepted: &[&str], rejected: &[&str]) {
    let server = Server::start();
    for encrypted in [false, true] {
        let name = format!("V_{encrypted}");
        let definition = server
            .test()
            .define(&json!({ "name": name, "scope": "org", "var_format": format, "encrypted": encrypted }));
        for (before, value) in (0..).zip(accepted) {
            let answer = server.test().setting(&definition, value).send();
            assert_eq!(answer.status, 200, "{format} accepts {value:?}: {}", answer.text());
            assert_eq!(answer.ok()["version"], before + 1);
            let kept = server.test().resolve(&definition).query("reveal", "true").send().ok();
            assert_eq!(kept["value"], *value, "kept as it was sent");
        }
        let versions = accepted.len();
        for value in rejected {
            let answer = server.test().setting(&definition, value).send();
            assert_eq!(answer.status, 400, "{format} rejects {value:?}: {}", answer.text());
            answer.error_saying(400, "VALUE_FORMAT_MISMATCH", "value does not match the variable format");
        }
        let kept = server.test().resolve(&definition).send().ok();
        assert_eq!(kept["version"], versions, "what was rejected changed nothing");
    }
}

#[test]
fn a_string_is_any_text_without_nul() {
    check(
        "string",
        &[
            "",
            " ",
            "text",
            "\u{1}\u{7f}\n\r\t",
            "\u{FEFF}bom",
            "e\u{301}",
            "\u{10FFFF}",
            "\"quoted\" \\ $HOME # {{x}}",
            "null",
        ],
        &["\0", "in\0side", "end\0"],
    );
}

#[test]
fn a_number_is_a_json_number_kept_as_text() {
    check(
        "number",
        &[
            "0",
            "-0",
            "1",
            "-1",
            "10",
            "0.5",
            "1.0",
            "1.50",
            "-0.0e-0",
            "1e5",
            "1E5",
            "1e+5",
            "1e-5",
            "1.5E+10",
            "123456789012345678901234567890",
            "1e400",
            "0.1000000000000000055511151231257827",
        ],
        &[
            "",
            " ",
            " 1",
            "1 ",
            "\t1",
            "1\n",
            "+1",
            "01",
            "-01",
            "00",
            ".5",
            "-.5",
            "1.",
            "1.e5",
            "1e",
            "1e+",
            "1E-",
            "0x10",
            "0b1",
            "1_000",
            "1,000",
            "NaN",
            "Infinity",
            "-Infinity",
            "inf",
            "-",
            "--1",
            "1-",
            "1 2",
            "true",
            "\"1\"",
            "\u{FF11}",
            "\u{661}",
            "1\u{0}",
            "\u{2212}1",
            "1f",
            "e5",
        ],
    );
}

#[test]
fn a_url_is_absolute_with_a_scheme_and_a_host() {
    let longest = format!("https://example.com/{}", "a".repeat(8_192 - "https://example.com/".len()));
    let over = format!("{longest}a");
    check(
        "url",
        &[
            "https://example.com",
            "http://localhost",
            "https://example.com/a?b=c#d",
            "HTTPS://EXAMPLE.COM/Path",
            "postgres://user:p%40ss@db:5432/name",
            "redis://cache:6379/0",
            "amqp://mq",
            "https://[::1]:8080/",
            "https://10.0.0.1",
            "https://ex\u{e4}mple.com/\u{fc}",
            "s3://bucket/key",
            "mongodb+srv://cluster.example.net",
            &longest,
        ],
        &[
            "",
            "example.com",
            "/path",
            "//example.com",
            "https://",
            "https:///path",
            "http://?q",
            "postgres:///name",
            "redis://",
            "javascript:alert(1)",
            "mailto:a@example.com",
            "data:text/plain,x",
            "urn:isbn:1",
            "file:///etc/passwd",
            " https://example.com",
            "https://example.com ",
            "https://exa mple.com",
            "https://example.com/a b",
            "https://example.com/\u{a0}x",
            "https://example.com/\u{3000}",
            "https://example.com/\n",
            "https://example.com/\t",
            "https://example.com/\u{7f}",
            "https://example.com/\u{85}",
            "https://example.com/\0",
            "1http://x",
            "https//x",
            "https://example.com:99999/",
            &over,
        ],
    );
}
