//! What changes on a server, as it happens: server-sent events (HTML, section 9.2), of which this reads as much
//! as the server writes.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use serde::Deserialize;

use crate::client::{Api, ClientError, Context};

/// The server says something every 15 seconds: after this long without a word nobody is there any more.
const SILENCE: Duration = Duration::from_secs(45);
/// More than any line has.
const MAX_LINE: u64 = 64 * 1024;

/// Follows what changes.
pub struct Watch {
    lines: BufReader<ureq::BodyReader<'static>>,
    url: String,
}

/// Something that changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Where a later watch goes on, as far as this says so.
    pub id: Option<String>,
    /// What kind of change.
    pub event: String,
    /// Whose it is.
    pub subject: ChangedSubject,
}

/// Whose variable changed, as far as an event says so.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ChangedSubject {
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    linked_account_id: Option<String>,
    #[serde(default)]
    workflow_id: Option<String>,
}

impl Api {
    /// Follows what changes in a context, after the event `last` where one is named.
    ///
    /// # Errors
    /// Where no answer comes, or a refusal does.
    pub fn watch(&self, context: &Context, last: Option<&str>) -> Result<Watch, ClientError> {
        let body = self.stream("/env/watch", context, last, SILENCE)?;
        Ok(Watch { lines: BufReader::new(body), url: self.url().to_owned() })
    }
}

impl Watch {
    /// Waits for the next change; `None` where the server has ended it.
    ///
    /// # Errors
    /// Where the connection is lost, or something else than events comes.
    pub fn next_change(&mut self) -> Result<Option<Change>, ClientError> {
        let lost = |why: &str| ClientError::Unreachable { url: self.url.clone(), why: why.into() };
        next(&mut self.lines).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => {
                ClientError::NotUnderstood { url: self.url.clone(), why: "no event".into() }
            }
            _ => lost(&error.to_string()),
        })
    }
}

fn next(lines: &mut impl BufRead) -> std::io::Result<Option<Change>> {
    let mut change = Change::default();
    let mut line = String::new();
    loop {
        line.clear();
        lines.by_ref().take(MAX_LINE).read_line(&mut line)?;
        let Some(text) = line.strip_suffix('\n') else {
            // What was cut off in the middle counts for nothing.
            return if line.len() as u64 == MAX_LINE { Err(odd("a line without an end")) } else { Ok(None) };
        };
        let text = text.strip_suffix('\r').unwrap_or(text);
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => change.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut change.event),
            "data" => change.subject = serde_json::from_str(value).map_err(|_| odd("no JSON"))?,
            "" if text.is_empty() && !change.event.is_empty() => return Ok(Some(change)),
            _ => {}
        }
    }
}

fn odd(what: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

impl Change {
    /// Whether it may have changed what is found in a context. What is not said may be anything: a session
    /// token is told only of its own account, which the context need not name.
    #[must_use]
    pub fn may_concern(&self, context: &Context, is_token: bool) -> bool {
        let ChangedSubject { scope, linked_account_id, workflow_id } = &self.subject;
        let is_ours = |told: &Option<String>, ours: &Option<String>| told.is_none() || told == ours;
        let needs = |of: &str, ours: &Option<String>| scope.as_deref() != Some(of) || ours.is_some();
        is_token
            || is_ours(linked_account_id, &context.linked_account)
                && is_ours(workflow_id, &context.workflow)
                && needs("linked_account", &context.linked_account)
                && needs("workflow", &context.workflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Change> {
        let mut lines = text.as_bytes();
        std::iter::from_fn(|| next(&mut lines).unwrap()).collect()
    }

    #[test]
    fn events_are_read_as_they_are_written() {
        let text = ":\n\nevent: value.set\ndata: {\"scope\":\"org\",\"name\":\"A\"}\n\n:\n\n\
            id: 7\r\nevent: account.deleted\r\ndata: {\"linked_account_id\":\"mark\"}\r\n\r\nid: 8\nevent: cut";
        let found = read(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].id.as_deref(), &*found[0].event), (None, "value.set"));
        assert_eq!((found[1].id.as_deref(), &*found[1].event), (Some("7"), "account.deleted"));
        assert_eq!(found[1].subject.linked_account_id.as_deref(), Some("mark"));
        assert_eq!(read(""), []);
        for odd in ["event: x\ndata: {\n\n", &format!("event: {}", "x".repeat(70_000))] {
            assert!(next(&mut odd.as_bytes()).is_err());
        }
    }

    #[test]
    fn only_what_a_context_is_made_of_concerns_it() {
        let of = |data: &str| Change { subject: serde_json::from_str(data).unwrap(), ..Change::default() };
        let bare = Context::default();
        let mark = Context { linked_account: Some("mark".into()), ..Context::default() };
        for (data, for_bare, for_mark) in [
            (r#"{"scope":"org"}"#, true, true),
            (r#"{}"#, true, true),
            (r#"{"scope":"linked_account"}"#, false, true),
            (r#"{"scope":"linked_account","linked_account_id":"mark"}"#, false, true),
            (r#"{"scope":"linked_account","linked_account_id":"eve"}"#, false, false),
            (r#"{"linked_account_id":"eve"}"#, false, false),
            (r#"{"scope":"workflow","workflow_id":"w"}"#, false, false),
        ] {
            assert_eq!(of(data).may_concern(&bare, false), for_bare, "{data}");
            assert_eq!(of(data).may_concern(&mark, false), for_mark, "{data}");
            assert!(of(data).may_concern(&bare, true));
        }
    }
}
