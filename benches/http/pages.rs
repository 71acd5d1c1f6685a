//! How long a page of the console takes where 200,000 values are stored, each with its entry in the audit trail.

use std::fmt::Write as _;
use std::time::Instant;

use crate::Result;
use crate::report::Report;
use crate::server::Server;
use crate::workload::{Loaded, get, post};

/// So many requests of each page, of which the median counts.
const ROUNDS: usize = 25;
const BOUND_MS: f64 = 20.0;
/// So many more variables of the organization, so that a list of names is long too.
const VARIABLES: usize = 5_000;

pub(crate) fn pages(large: &Loaded, report: &mut Report) -> Result<()> {
    let server = &large.server;
    let mut variables = String::new();
    for number in 0..VARIABLES {
        let separator = if number == 0 { "" } else { "," };
        let _ = write!(variables, r#"{separator}{{"name":"CONSOLE_{number}","value":"of {number}"}}"#);
    }
    let body = format!(r#"{{"scope":"org","create":true,"variables":[{variables}]}}"#);
    let answer = server.ask(&post("/api/v2/public/env/import", &server.key_header(), &body))?;
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(format!("the import failed: {answer}").into());
    }
    let cookie = sign_in(server)?;
    let definition = large.definition();
    for (name, path) in [
        ("variables", "variables?scope=org".to_owned()),
        ("a search for a name that is near the end", "variables?scope=org&q=console_4999".to_owned()),
        ("what is missing", "variables?scope=org&show=missing".to_owned()),
        ("the workflows", "variables?scope=workflow".to_owned()),
        ("variables of a workflow", "variables?scope=workflow&workflow=w-009999".to_owned()),
        ("a variable", format!("variables/{definition}?workflow=w-005000")),
        ("a value", format!("values/{definition}?workflow=w-005000")),
        ("definitions", "definitions".to_owned()),
        ("linked accounts", "accounts".to_owned()),
        ("API keys", "keys".to_owned()),
        ("the audit trail", "audit".to_owned()),
        ("of the audit trail, what never happened", "audit?event=linked_account.deleted".to_owned()),
        ("health", "health".to_owned()),
    ] {
        let request = get(&format!("/console/{path}"), &format!("cookie: {cookie}\r\n"));
        let mut times = Vec::with_capacity(ROUNDS);
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let answer = server.ask(&request)?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            if !answer.starts_with("HTTP/1.1 200") {
                return Err(format!("{name}: {}", answer.lines().next().unwrap_or_default()).into());
            }
            bytes = answer.len();
        }
        times.sort_by(f64::total_cmp);
        let detail = format!("slowest {:.1} ms, {} KB", times[ROUNDS - 1], bytes / 1_000);
        report.at_most(&format!("console: {name}"), times[ROUNDS / 2], BOUND_MS, " ms", &detail);
    }
    Ok(())
}

fn sign_in(server: &Server) -> Result<String> {
    let body = format!("key={}", server.key());
    let answer = server.ask(&format!(
        "POST /console/sign-in HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))?;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next());
    Ok(cookie.ok_or_else(|| format!("nobody was signed in: {answer}"))?.to_owned())
}
