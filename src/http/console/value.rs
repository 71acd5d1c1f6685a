//! A value: what it holds, and the form that sets it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use askama::Template;
use zeroize::Zeroizing;

use crate::http::console::frame::{Frame, page as draw};
use crate::http::console::history::{self, Version};
use crate::http::console::place::{Place, scope_name};
use crate::http::console::show::Moment;
use crate::http::console::visit::Visit;
use crate::http::error::ApiError;
use crate::model::{Definition, Format, Id};
use crate::vault::{
    self, CallerIn, Need, PageRequest, ResolvedValue, ShownContent, ValueFilter, Vault, need,
};

/// After how many seconds a revealed value hides itself again.
pub(super) const SHOWN_FOR: u32 = 30;

/// What stands in the form where it was sent and not taken.
pub(super) struct Attempt {
    pub(super) typed: Zeroizing<String>,
    pub(super) problem: String,
    /// The version that it is to replace when it is sent again.
    pub(super) over: String,
}

/// The value that is there.
pub(super) struct Current {
    pub(super) id: Id,
    pub(super) text: String,
    pub(super) version: u64,
    pub(super) set: Moment,
    pub(super) made: Moment,
}

#[derive(Template)]
#[template(path = "value.html")]
pub(super) struct Page {
    pub(super) frame: Frame,
    pub(super) definition: Definition,
    pub(super) place: Place,
    pub(super) current: Option<Current>,
    pub(super) revealed: Option<ResolvedValue>,
    pub(super) attempt: Option<Attempt>,
    pub(super) can_write: bool,
    pub(super) versions: Vec<Version>,
    pub(super) history_problem: Option<String>,
}

impl Page {
    pub(super) fn scope_name(&self) -> &'static str {
        scope_name(self.definition.scope)
    }

    pub(super) fn id(&self) -> &str {
        self.place.id(self.definition.scope)
    }

    /// A path about this value.
    pub(super) fn path(&self, below: &str) -> String {
        let path = format!("values/{}{below}", self.definition.id);
        self.frame.to(&self.place.add_to(&path, self.definition.scope))
    }

    fn revealed_text(&self) -> Option<&str> {
        self.revealed.as_ref().map(|value| value.shown.text())
    }

    fn variable(&self) -> String {
        let path = format!("variables/{}", self.definition.id);
        self.frame.to(&self.place.add_to(&path, self.definition.scope))
    }

    fn list(&self) -> String {
        let path = format!("variables?scope={}", self.definition.scope);
        self.frame.to(&self.place.add_to(&path, self.definition.scope))
    }

    /// What the field holds at first: what was typed, or what is there and may be seen.
    fn in_field(&self) -> &str {
        match (&self.attempt, &self.current) {
            (Some(attempt), _) => &attempt.typed,
            (None, Some(current)) if !self.definition.encrypted => &current.text,
            _ => "",
        }
    }

    fn problem(&self) -> Option<&str> {
        self.attempt.as_ref().map(|attempt| attempt.problem.as_str())
    }

    fn has_crlf(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.text.contains("\r\n"))
    }

    fn history_problem(&self) -> Option<&str> {
        self.history_problem.as_deref()
    }

    fn value_id(&self) -> String {
        self.current.as_ref().map_or_else(String::new, |current| current.id.to_string())
    }

    pub(super) fn version(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.version)
    }

    /// The version that the form replaces: what was seen before something was typed, not what came meanwhile.
    fn over(&self) -> String {
        self.attempt.as_ref().map_or_else(|| self.version().to_string(), |attempt| attempt.over.clone())
    }

    fn hint(&self) -> &'static str {
        match self.definition.format {
            Format::String => "Any text, several lines too.",
            Format::Number => "A number as JSON has it: 8080, -1.5, 1e6.",
            Format::Url => "An address with a scheme and a host: https://api.example.com/v1",
        }
    }

    fn shown_for(&self) -> u32 {
        SHOWN_FOR
    }
}

/// `GET /console/values/{definition_id}`
pub(super) async fn page(
    visit: Visit<need::Read>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    draw(StatusCode::OK, &load(visit, &vault, &id).await?)
}

/// The page of the value that the request's address names.
pub(super) async fn load<N: Need>(
    visit: Visit<N>,
    vault: &Vault,
    definition: &str,
) -> Result<Page, ApiError> {
    let at = visit.acting::<need::Read>().await?;
    let definition = vault.get_definition(at.caller(), definition.parse().ok()).await?;
    let place = Place::of(&visit.query)?;
    let current = current(vault, &at, &definition, &place).await?;
    let ids = place.ids(at.caller(), definition.scope)?;
    let versions = match &current {
        Some(current) => history::versions(&visit, vault, &at, &ids, current).await?,
        None => Vec::new(),
    };
    Ok(Page {
        can_write: visit.frame.may("write"),
        frame: visit.frame,
        definition,
        place,
        current,
        revealed: None,
        attempt: None,
        versions,
        history_problem: None,
    })
}

async fn current(
    vault: &Vault,
    at: &CallerIn<need::Read>,
    definition: &Definition,
    place: &Place,
) -> Result<Option<Current>, ApiError> {
    let ids = place.ids(at.caller(), definition.scope)?;
    let filter = ValueFilter::Of(Some(definition.id));
    let found = vault.list_values(at, definition.scope, &ids, filter, PageRequest::first(1)).await?;
    Ok(found.docs.into_iter().next().map(Current::from))
}

impl From<ResolvedValue> for Current {
    fn from(value: ResolvedValue) -> Current {
        Current {
            id: value.id,
            version: value.version,
            set: value.updated_at.into(),
            made: value.created_at.into(),
            text: match value.shown {
                ShownContent::Plain(text) => text,
                ShownContent::Redacted | ShownContent::Revealed(_) => ShownContent::REDACTED.into(),
            },
        }
    }
}

/// What is wrong with what was typed, where that is what is wrong.
pub(super) fn problem(error: &vault::Error, format: Format) -> Option<String> {
    Some(match error {
        vault::Error::ValueFormatMismatch => match format {
            Format::String => "This has a character that no text may have: NUL.".into(),
            Format::Number => {
                "This is not a number. Write it as JSON does: 8080, -1.5 or 1e6, without blanks, \
                 thousands or a leading zero."
                    .into()
            }
            Format::Url => {
                "This is not an address with a scheme and a host, such as https://api.example.com/v1, \
                 without blanks."
                    .into()
            }
        },
        vault::Error::TooLarge(message) => format!("This is too long: {message}."),
        vault::Error::VersionConflict => {
            "Somebody changed this value since you opened the page. It now stands above; set yours again to \
             replace it."
                .into()
        }
        _ => return None,
    })
}
