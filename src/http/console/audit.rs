//! The audit trail: who did what, day by day, newest first.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;

use crate::http::console::frame::{Frame, page as draw};
use crate::http::console::place::encoded;
use crate::http::console::show::{Moment, key_name};
use crate::http::console::visit::Visit;
use crate::http::error::ApiError;
use crate::model::{AuditActor, AuditEvent, Environment, Timestamp, UserAgent};
use crate::vault::{AuditFilter, AuditRecord, Vault, need};

/// How many entries a page has, and how many are looked at for one.
const PER_PAGE: usize = 50;
const LOOKED_AT: u64 = 2_000;

struct Day {
    name: String,
    entries: Vec<Line>,
}

struct Line {
    moment: Moment,
    time: String,
    actor: String,
    kind: String,
    act: String,
    colour: &'static str,
    sentence: String,
    subject: String,
    account: Option<String>,
    environment: Option<String>,
    address: Option<String>,
    agent: Option<String>,
    request: Option<String>,
    number: u64,
    hash: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    days: Vec<Day>,
    event: String,
    actor: String,
    entity: String,
    from: String,
    to: String,
    /// Which of the dates cannot be read.
    problem: Option<&'static str>,
    next: Option<String>,
    is_beginning: bool,
    actors: Vec<(String, String)>,
}

impl Page {
    fn events(&self) -> &'static [AuditEvent] {
        AuditEvent::ALL
    }

    fn is_event(&self, event: &AuditEvent) -> bool {
        self.event == event.as_str()
    }

    fn is_actor(&self, id: &str) -> bool {
        self.actor == id
    }

    fn is_filtered(&self) -> bool {
        [&self.event, &self.actor, &self.entity, &self.from, &self.to].iter().any(|text| !text.is_empty())
    }

    fn problem_of(&self, field: &str) -> Option<&'static str> {
        (self.problem == Some(field)).then_some("Write it as year-month-day, such as 2026-06-16.")
    }
}

/// `GET /console/audit`
pub(super) async fn page(visit: Visit<need::Audit>, vault: Data<Vault>) -> Result<HttpResponse, ApiError> {
    let query = &visit.query;
    let text =
        |name| -> Result<String, ApiError> { Ok(query.text(name)?.unwrap_or_default().trim().to_owned()) };
    let (event, actor, entity) = (text("event")?, text("actor")?, text("entity")?);
    let (from, to) = (text("from")?, text("to")?);
    let first = day(&from, "T00:00:00Z");
    let last = day(&to, "T23:59:59.999Z");
    let problem = match (&first, &last) {
        (Err(()), _) => Some("from"),
        (_, Err(())) => Some("to"),
        _ => None,
    };
    let filter = AuditFilter {
        event: if event.is_empty() { None } else { event.parse().ok() },
        actor: Some(actor.clone()).filter(|actor| !actor.is_empty()),
        entity_id: Some(entity.clone()).filter(|entity| !entity.is_empty()),
        // A key for all environments sees them together here, with those acts that are in none.
        environment: None::<Environment>,
        from: first.unwrap_or(None),
        to: last.unwrap_or(None),
    };
    let before = query.filter("before")?.and_then(|before| before.parse().ok());
    let (records, next) = vault.walk_audit(visit.at.caller(), &filter, before, PER_PAGE, LOOKED_AT).await?;
    let next = next.map(|place| {
        let fields =
            [("event", &event), ("actor", &actor), ("entity", &entity), ("from", &from), ("to", &to)];
        let fields = fields.iter().filter(|(_, text)| !text.is_empty());
        let fields: String = fields.map(|(name, text)| format!("&{name}={}", encoded(text))).collect();
        visit.frame.to(&format!("audit?before={place}{fields}"))
    });
    let mut actors: Vec<(String, String)> = vec![
        ("api_key".into(), "Every API key".into()),
        ("linked_account".into(), "Every linked account".into()),
        ("operator".into(), "The operator".into()),
        ("unknown".into(), "Refused credentials".into()),
    ];
    let admin = visit.acting::<need::Admin>().await?;
    let keys = vault.list_api_keys(admin.caller(), crate::vault::PageRequest::first(100)).await?.docs;
    actors.extend(keys.into_iter().map(|listed| (listed.key.id.to_string(), key_name(&listed.key))));
    if !actor.is_empty() && actors.iter().all(|(id, _)| *id != actor) {
        actors.push((actor.clone(), format!("id {actor}")));
    }
    let mut frame = visit.frame;
    frame.all_at_once = true;
    let is_beginning = before.is_none();
    let days = days(records);
    let page = Page { frame, days, event, actor, entity, from, to, problem, next, is_beginning, actors };
    draw(if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK }, &page)
}

/// The beginning or the end of a day; nothing where none is named.
fn day(text: &str, time: &str) -> Result<Option<Timestamp>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if !is_date {
        return Err(());
    }
    format!("{text}{time}").parse().map(Some).map_err(|_| ())
}

fn days(records: Vec<AuditRecord>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for record in records {
        let moment = Moment::from(record.entry.created_at);
        let name = moment.iso.get(..10).unwrap_or_default().to_owned();
        let line = line(record, moment);
        match days.last_mut() {
            Some(day) if day.name == name => day.entries.push(line),
            _ => days.push(Day { name, entries: vec![line] }),
        }
    }
    days
}

fn line(AuditRecord { entry, number, hash }: AuditRecord, moment: Moment) -> Line {
    let (kind, act) = entry.event.as_str().split_once('.').unwrap_or(("", entry.event.as_str()));
    let subject = match (&entry.entity.name, &entry.entity.id) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => id.to_string(),
        (None, None) => String::new(),
    };
    Line {
        time: moment.iso.get(11..16).unwrap_or_default().to_owned(),
        actor: match &entry.actor {
            AuditActor::Operator(operator) => format!("operator (uid {})", operator.uid),
            AuditActor::Unknown => "nobody known".into(),
            AuditActor::Store => "the store itself".into(),
            other => other.name().map(str::to_owned).or(other.id()).unwrap_or_default(),
        },
        kind: kind.replace('_', " "),
        act: act.replace('_', " "),
        colour: colour(act),
        sentence: sentence(entry.event, entry.count),
        subject,
        account: entry.linked_account.map(|account| account.as_str().to_owned()),
        environment: entry.environment.map(|environment| environment.to_string()),
        address: entry.origin.ip.map(|ip| ip.to_string()),
        agent: entry.origin.user_agent.as_ref().map(UserAgent::as_str).map(Into::into),
        request: entry.origin.request_id,
        number,
        hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        moment,
    }
}

fn colour(act: &str) -> &'static str {
    match act {
        "created" | "set" => "good",
        "updated" | "rolled_back" | "refreshed" | "rotated" | "changed" => "info",
        "deleted" | "revoked" | "reused" | "failed" => "danger",
        "revealed" => "violet",
        _ => "warn",
    }
}

/// What happened, for people.
fn sentence(event: AuditEvent, count: Option<u64>) -> String {
    use AuditEvent as E;
    let several = |what: &str| {
        count.filter(|count| *count > 0).map_or(String::new(), |count| format!(", {what}: {count}"))
    };
    match event {
        E::DefinitionCreated => "A variable was defined".into(),
        E::DefinitionUpdated => "A variable's definition was changed".into(),
        E::DefinitionDeleted => format!("A variable was deleted{}", several("values that went with it")),
        E::ValueSet => "A value was set where there was none".into(),
        E::ValueUpdated => "A value was replaced".into(),
        E::ValueDeleted => "A value was deleted".into(),
        E::ValueRevealed => format!("Encrypted values were shown in plain text{}", several("how many")),
        E::ValueRolledBack => "A value was set to what it was before".into(),
        E::AccountCreated => "A linked account was registered".into(),
        E::AccountUpdated => "A linked account was changed".into(),
        E::AccountDeleted => format!("A linked account was deleted{}", several("values that went with it")),
        E::SessionCreated => "A session of a linked account began".into(),
        E::SessionRefreshed => "A session's tokens were renewed".into(),
        E::SessionRevoked => "A session was ended by its holder".into(),
        E::SessionReused => "A spent refresh token came back, which ended its session".into(),
        E::ApiKeyCreated => "An API key was made".into(),
        E::ApiKeyRevoked => "An API key was revoked".into(),
        E::AuthFailed => format!("A credential was refused{}", several("how many in that minute")),
        E::BackupCreated => "A backup was made".into(),
        E::PassphraseChanged => "The passphrase was changed".into(),
        E::DataKeyRotated => "The organization got a new data key".into(),
        E::OrganizationCreated => "The organization was made".into(),
        E::EnvironmentCreated => "An environment was added".into(),
        #[allow(unreachable_patterns)]
        other => other.as_str().replace(['.', '_'], " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_strictly() {
        assert_eq!(day("", "T00:00:00Z"), Ok(None));
        assert_eq!(day("1970-01-01", "T00:00:00Z"), Ok(Some(Timestamp::from_millis(0))));
        for wrong in ["1970", "1970-1-1", "1970-13-01", "01.01.1970", "1970-01-01T", "yesterday-"] {
            assert!(day(wrong, "T00:00:00Z").is_err(), "{wrong}");
        }
    }
}
