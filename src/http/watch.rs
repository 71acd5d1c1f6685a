//! `GET /env/watch`: what changes, as server-sent events (HTML, section 9.2).

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::http::auth::{InEnvironment, ShownCredential, subject_ids};
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::quiet::{Asking, Connection};
use crate::http::shape::Text;
use crate::http::traffic::Traffic;
use crate::model::{AccountId, Address, Environment, Id, Name, Scope, WorkflowId};
use crate::store::Revision;
use crate::vault::{self, Event, Step, Vault, Watch, need};

/// How often a line is sent though nothing happens, and the credential looked at again.
const INTERVAL: Duration = Duration::from_secs(15);

/// A line that says nothing.
const COMMENT: &[u8] = b":\n\n";

/// `GET /env/watch`
pub(super) async fn watch(
    InEnvironment(at): InEnvironment<need::Read>,
    vault: Data<Vault>,
    traffic: Data<Traffic>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let ids = subject_ids(at.caller(), request.headers(), &query)?;
    let watch = vault.watch(at, &ids)?;
    let watch = match last_event_id(request.headers())? {
        Some(seen) => watch.resume(seen),
        None => watch,
    };
    let credential = ShownCredential::of(request.headers()).ok_or(vault::Error::InvalidCredentials)?;
    let (lines, body) = mpsc::channel(1);
    let follower = Follower {
        watch,
        vault,
        traffic,
        credential,
        lines,
        _asking: request.conn_data::<Rc<Connection>>().map(Connection::ask),
    };
    actix_web::rt::spawn(follower.run());
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // Proxies that gather answers would keep events back.
        .insert_header(("x-accel-buffering", "no"))
        .body(Lines(body)))
}

/// The commit in `Last-Event-ID`, which a client sends that was cut off.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Revision>, ApiError> {
    let Some(sent) = headers.get("last-event-id").filter(|sent| !sent.is_empty()) else { return Ok(None) };
    let revision = sent.to_str().ok().and_then(|text| text.parse().ok()).map(Revision);
    revision.map(Some).ok_or_else(|| ApiError::invalid_request("Last-Event-ID is no id of an event"))
}

/// Sends the events of one watch for as long as its client takes them and its credential counts.
struct Follower {
    watch: Watch,
    vault: Data<Vault>,
    traffic: Data<Traffic>,
    credential: ShownCredential,
    lines: mpsc::Sender<Bytes>,
    /// The connection is in use although its request was answered.
    _asking: Option<Asking>,
}

impl Follower {
    async fn run(mut self) {
        // At once: the client learns that it is connected.
        if self.lines.send(Bytes::from_static(COMMENT)).await.is_err() {
            return;
        }
        let mut ticks = tokio::time::interval_at(Instant::now() + INTERVAL, INTERVAL);
        loop {
            let stopped = self.traffic.stopped();
            let line = tokio::select! {
                () = stopped => return,
                () = self.lines.closed() => return,
                _ = ticks.tick() => {
                    if !self.credential.counts(&self.vault).await {
                        return;
                    }
                    Bytes::from_static(COMMENT)
                }
                step = self.watch.next() => match step {
                    Ok(step) => write(&step),
                    Err(error) => {
                        tracing::error!(%error, "a watch ends");
                        return;
                    }
                },
            };
            // A client that takes nothing comes back when it does, with the id of what it saw last.
            let sent = tokio::time::timeout(INTERVAL, self.lines.send(line)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// The lines of a response, as they come.
struct Lines(mpsc::Receiver<Bytes>);

impl MessageBody for Lines {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.0.poll_recv(context).map(|line| line.map(Ok))
    }
}

fn write(step: &Step) -> Bytes {
    let mut text = String::new();
    match step {
        Step::Reset(revision) => add(&mut text, Some(*revision), "reset", &EventData::default()),
        Step::Events(revision, events) => {
            for (number, event) in events.iter().enumerate() {
                // The last event of a commit has its id: who is cut off in between sees the commit again.
                let id = (number + 1 == events.len()).then_some(*revision);
                let (name, data) = describe(event);
                add(&mut text, id, name, &data);
            }
        }
    }
    Bytes::from(text)
}

fn add(text: &mut String, id: Option<Revision>, event: &str, data: &EventData<'_>) {
    if let Some(Revision(id)) = id {
        text.push_str(&format!("id: {id}\n"));
    }
    let data = serde_json::to_string(data).unwrap_or_default();
    text.push_str(&format!("event: {event}\ndata: {data}\n\n"));
}

/// What an event says.
#[derive(Default, Serialize)]
struct EventData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    variable_definition_id: Option<Text<Id>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Text<&'a Name>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Text<Scope>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Text<&'a Environment>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_account_id: Option<Text<&'a AccountId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<Text<&'a WorkflowId>>,
}

fn describe(event: &Event) -> (&'static str, EventData<'_>) {
    let of_value = |address: &'_ Address| (Text(address.definition), Text(address.subject.scope()));
    match event {
        Event::ValueSet(address, name) | Event::ValueDeleted(address, name) => {
            let (definition, scope) = of_value(address);
            let data = EventData {
                variable_definition_id: Some(definition),
                name: name.as_ref().map(Text),
                scope: Some(scope),
                environment: Some(Text(&address.environment)),
                linked_account_id: address.subject.linked_account().map(Text),
                workflow_id: address.subject.workflow().map(Text),
            };
            (if matches!(event, Event::ValueSet(..)) { "value.set" } else { "value.deleted" }, data)
        }
        Event::DefinitionCreated(id, scope, name) => ("definition.created", of_definition(*id, *scope, name)),
        Event::DefinitionChanged(id, scope, name) => ("definition.changed", of_definition(*id, *scope, name)),
        Event::DefinitionDeleted(id, scope, name) => ("definition.deleted", of_definition(*id, *scope, name)),
        Event::AccountDeleted(environment, account) => (
            "account.deleted",
            EventData {
                environment: Some(Text(environment)),
                linked_account_id: Some(Text(account)),
                ..EventData::default()
            },
        ),
    }
}

fn of_definition(id: Id, scope: Scope, name: &Option<Name>) -> EventData<'_> {
    EventData {
        variable_definition_id: Some(Text(id)),
        name: name.as_ref().map(Text),
        scope: Some(Text(scope)),
        ..EventData::default()
    }
}
