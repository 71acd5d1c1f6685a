//! A value's history: each version with what it changed, and the way back.

use std::collections::HashMap;

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, ResponseError};

use crate::http::console::difference::{Piece, difference};
use crate::http::console::frame::{page as draw, see, with_notice};
use crate::http::console::place::Place;
use crate::http::console::show::Moment;
use crate::http::console::value::{self, Current, load};
use crate::http::console::value_changes::unchanged_since;
use crate::http::console::visit::{Change, Visit};
use crate::http::error::ApiError;
use crate::model::{Actor, Definition, Id};
use crate::vault::{CallerIn, Error, Need, PageRequest, ShownContent, SubjectIds, ValueVersion, Vault, need};

/// How many versions a page shows.
const SHOWN: u32 = 20;

/// A version as its page shows it.
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) by: String,
    pub(super) set: Moment,
    pub(super) text: Option<String>,
    /// What it changed of the one before, where that can be seen.
    pub(super) changes: Option<Vec<Piece>>,
    pub(super) is_current: bool,
}

/// The versions of a value that are kept, newest first.
pub(super) async fn versions<N: Need>(
    visit: &Visit<N>,
    vault: &Vault,
    at: &CallerIn<need::Read>,
    ids: &SubjectIds,
    current: &Current,
) -> Result<Vec<Version>, ApiError> {
    let kept = vault.list_versions(at, Some(current.id), ids, PageRequest::first(SHOWN + 1)).await?.docs;
    let names = names(visit, vault).await?;
    let text = |version: &ValueVersion| match &version.shown {
        ShownContent::Plain(text) => Some(text.clone()),
        ShownContent::Redacted | ShownContent::Revealed(_) => None,
    };
    let mut shown = Vec::with_capacity(kept.len());
    for (index, version) in kept.iter().enumerate().take(SHOWN as usize) {
        let text_of = text(version);
        // Of the oldest that is kept, nobody knows what it changed.
        let before = kept.get(index + 1).and_then(text);
        shown.push(Version {
            number: version.version,
            by: actor(version.created_by, &names),
            set: version.created_at.into(),
            changes: before.zip(text_of.as_deref()).and_then(|(before, after)| difference(&before, after)),
            text: text_of,
            is_current: version.version == current.version,
        });
    }
    Ok(shown)
}

/// The names of keys, for whoever may know them.
async fn names<N: Need>(visit: &Visit<N>, vault: &Vault) -> Result<HashMap<Id, String>, ApiError> {
    let admin = visit.acting::<need::Admin>().await?;
    if admin.caller().permit().is_err() {
        return Ok(HashMap::new());
    }
    let keys = vault.list_api_keys(admin.caller(), PageRequest::first(PageRequest::MAX_LIMIT)).await?.docs;
    let named = keys.into_iter().map(|listed| listed.key).filter(|key| !key.name.is_empty());
    Ok(named.map(|key| (key.id, key.name)).collect())
}

fn actor(actor: Actor, names: &HashMap<Id, String>) -> String {
    match actor {
        Actor::Operator => "the operator".into(),
        Actor::ApiKey(id) => names.get(&id).cloned().unwrap_or_else(|| format!("key {id}")),
        Actor::LinkedAccount(_) => "the account itself".into(),
    }
}

/// `POST /console/values/{definition_id}/rollback`
pub(super) async fn roll_back(
    Change { visit, form }: Change<need::Write>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let reader = visit.acting::<need::Read>().await?;
    let definition: Definition = vault.get_definition(reader.caller(), id.parse().ok()).await?;
    let ids = Place::of(&visit.query)?.ids(visit.at.caller(), definition.scope)?;
    let value = form.trimmed("value_id")?.parse().ok();
    let version = form.trimmed("to")?.parse().map_err(|_| Error::NotFound("Variable value version"))?;
    let precondition = unchanged_since(form.trimmed("version")?)?;
    let outcome = vault.roll_back_value(&visit.at, value, version, &ids, &precondition).await;
    let mut page = load(visit, &vault, &id).await?;
    match outcome {
        Ok(_) => Ok(see(&with_notice(&page.path(""), "rolled-back"))),
        Err(Error::VersionConflict) => {
            page.history_problem =
                Some("Somebody changed this value since you opened the page. It now stands above.".into());
            draw(ApiError::from(Error::VersionConflict).status_code(), &page)
        }
        Err(error) => match value::problem(&error, definition.format) {
            Some(_) => {
                page.history_problem = Some(format!(
                    "Version {version} cannot be set again: it does not fit what the variable takes now."
                ));
                draw(ApiError::from(error).status_code(), &page)
            }
            None => Err(error.into()),
        },
    }
}
