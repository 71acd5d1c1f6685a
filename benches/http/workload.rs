//! What is stored, and the requests for it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::Result;
use crate::load::Load;
use crate::server::{Server, Store};

/// Forty bytes.
const VALUE: &str = "sk_live_0123456789abcdefghijklmnopqrstuv";

/// Encrypted definitions of the scope `workflow`, and a value of each for each of the workflows.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) definitions: usize,
    pub(crate) subjects: u64,
}

impl Layout {
    fn values(self) -> u64 {
        self.definitions as u64 * self.subjects
    }
}

/// Requests that differ in a workflow's number only, which always has as many digits.
pub(crate) struct Requests {
    templates: Vec<Template>,
    subjects: u64,
}

struct Template {
    bytes: Vec<u8>,
    /// Where the number stands.
    digits: Option<usize>,
}

const DIGITS: usize = 6;
const PLACE: &str = "######";

impl Requests {
    fn new(texts: impl IntoIterator<Item = String>, subjects: u64) -> Arc<Requests> {
        let template = |text: String| Template { digits: text.find(PLACE), bytes: text.into_bytes() };
        Arc::new(Requests { templates: texts.into_iter().map(template).collect(), subjects })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.templates.len() as u64 * self.subjects
    }

    /// Writes one of them.
    pub(crate) fn write(&self, number: u64, into: &mut Vec<u8>) {
        let templates = self.templates.len() as u64;
        let template = &self.templates[(number % templates) as usize];
        into.clear();
        into.extend_from_slice(&template.bytes);
        if let Some(at) = template.digits {
            let mut rest = number / templates;
            for digit in into[at..at + DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }
}

/// Numbers that are random enough to choose a key by (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}

/// A running server with its values.
pub(crate) struct Loaded {
    pub(crate) server: Server,
    layout: Layout,
    definitions: Vec<String>,
    filling: Duration,
}

impl Loaded {
    /// Sets every value of `layout`, over HTTP.
    pub(crate) fn new(store: Store, layout: Layout) -> Result<Loaded> {
        let server = store.serve()?;
        let definitions =
            (0..layout.definitions).map(|number| define(&server, number)).collect::<Result<_>>()?;
        let mut loaded = Loaded { server, layout, definitions, filling: Duration::ZERO };
        let fill = loaded.load(64, loaded.sets());
        loaded.filling = fill.run_once()?.elapsed;
        Ok(loaded)
    }

    /// What it took.
    pub(crate) fn told(&self) -> String {
        let (values, seconds) = (self.layout.values(), self.filling.as_secs_f64());
        format!(
            "{values} new values set in {seconds:.1} s over 64 connections, each synced when acknowledged"
        )
    }

    /// The id of one of the definitions.
    pub(crate) fn definition(&self) -> &str {
        self.definitions.first().map_or("", String::as_str)
    }

    pub(crate) fn load(&self, connections: usize, requests: Arc<Requests>) -> Load {
        Load { address: self.server.address, server: self.server.pid(), connections, requests }
    }

    /// Reads that need neither key nor store.
    pub(crate) fn healthz(&self) -> Arc<Requests> {
        Requests::new([get("/healthz", "")], 1)
    }

    /// Every value, resolved.
    pub(crate) fn resolves(&self) -> Arc<Requests> {
        let key = self.server.key_header();
        let of = |definition: &String| {
            get(&format!("/api/v2/public/env/value/{definition}?workflow_id=w-{PLACE}"), &key)
        };
        Requests::new(self.definitions.iter().map(of), self.layout.subjects)
    }

    /// Every value, set.
    pub(crate) fn sets(&self) -> Arc<Requests> {
        let key = self.server.key_header();
        let of = |definition: &String| {
            let body = format!(
                r#"{{"variable_definition_id":"{definition}","workflow_id":"w-{PLACE}","value":"{VALUE}"}}"#
            );
            post("/api/v2/public/env/values", &key, &body)
        };
        Requests::new(self.definitions.iter().map(of), self.layout.subjects)
    }

    /// The first page of ten of each workflow.
    pub(crate) fn lists(&self) -> Arc<Requests> {
        let target = format!("/api/v2/public/env/values/workflow?workflow_id=w-{PLACE}&limit=10");
        Requests::new([get(&target, &self.server.key_header())], self.layout.subjects)
    }
}

fn define(server: &Server, number: usize) -> Result<String> {
    let body = format!(r#"{{"name":"BENCH_{number}","scope":"workflow","encrypted":true}}"#);
    let answer = server.ask(&post("/api/v2/public/env/definitions", &server.key_header(), &body))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let made: serde_json::Value = serde_json::from_str(body)?;
    let id = made["definition"]["_id"].as_str();
    Ok(id.ok_or_else(|| format!("no definition was made: {answer}"))?.to_owned())
}

pub(crate) fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

pub(crate) fn post(target: &str, headers: &str, body: &str) -> String {
    let mut text = format!("POST {target} HTTP/1.1\r\nhost: localhost\r\n{headers}");
    let _ = write!(text, "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    text
}
