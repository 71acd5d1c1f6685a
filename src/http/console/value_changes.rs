//! A value: set, revealed, deleted.

use actix_web::HttpResponse;
use actix_web::ResponseError;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{Data, Path};
use askama::Template;

use crate::http::console::frame::{page as draw, see, with_notice};
use crate::http::console::place::Place;
use crate::http::console::value::{self, Attempt, Page, SHOWN_FOR, load};
use crate::http::console::visit::{Change, Visit};
use crate::http::error::ApiError;
use crate::vault::{Error, Need, Precondition, SetValue, ShownContent, Tags, Vault, need};

/// `POST /console/values/{definition_id}`
pub(super) async fn set(
    Change { visit, form }: Change<need::Write>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let typed = form.lines("value")?;
    let place = Place::of(&visit.query)?;
    let definition = id.parse().ok();
    // A key that may write and not read has no page to come back to, and no version to compare.
    let reader = visit.acting::<need::Read>().await?;
    let scope = vault.get_definition(reader.caller(), definition).await?;
    let seen = form.trimmed("version")?;
    let request = SetValue {
        definition,
        ids: place.ids(visit.at.caller(), scope.scope)?,
        value: typed.as_str().to_owned().into(),
        precondition: unchanged_since(seen)?,
    };
    let outcome = vault.set_value(&visit.at, &request).await;
    let mut page = load(visit, &vault, &id).await?;
    match outcome {
        Ok(_) => Ok(see(&with_notice(&page.path(""), "set"))),
        Err(error) => match value::problem(&error, scope.format) {
            Some(problem) => {
                let over = match error {
                    // Now that it was said, what is there now has been seen.
                    Error::VersionConflict => page.version().to_string(),
                    _ => seen.to_owned(),
                };
                page.attempt = Some(Attempt { typed, problem, over });
                draw(ApiError::from(error).status_code(), &page)
            }
            None => Err(error.into()),
        },
    }
}

/// That the value is still what the page showed: this version of it, or none where it showed none.
pub(super) fn unchanged_since(version: &str) -> Result<Precondition, ApiError> {
    Ok(match version {
        "" | "0" => Precondition { if_match: None, if_none_match: Some(Tags::parse("version", "*")?) },
        seen => {
            let tag = format!("\"{seen}\"");
            Precondition { if_match: Some(Tags::parse("version", &tag)?), if_none_match: None }
        }
    })
}

/// `POST /console/values/{definition_id}/reveal`
pub(super) async fn reveal(
    Change { visit, .. }: Change<need::Read>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let place = Place::of(&visit.query)?;
    let definition = vault.get_definition(visit.at.caller(), id.parse().ok()).await?;
    let ids = place.ids(visit.at.caller(), definition.scope)?;
    let resolved = vault.reveal_value(&visit.at, Some(definition.id), &ids).await?;
    let mut page = load(visit, &vault, &id).await?;
    if let ShownContent::Revealed(_) = &resolved.shown {
        page.revealed = Some(resolved);
    }
    let mut response = draw(StatusCode::OK, &page)?;
    // Also without a script, it hides itself again.
    if let Ok(refresh) = HeaderValue::from_str(&format!("{SHOWN_FOR}; url={}", page.path(""))) {
        response.headers_mut().insert(HeaderName::from_static("refresh"), refresh);
    }
    Ok(response)
}

#[derive(Template)]
#[template(path = "delete_value.html")]
struct Deletion {
    page: Page,
    problem: Option<String>,
}

impl std::ops::Deref for Deletion {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}

/// `GET /console/values/{definition_id}/delete`
pub(super) async fn confirm_deletion(
    visit: Visit<need::Write>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    confirm(visit, &vault, &id, StatusCode::OK, None).await
}

async fn confirm<N: Need>(
    visit: Visit<N>,
    vault: &Vault,
    id: &str,
    status: StatusCode,
    problem: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let page = load(visit, vault, id).await?;
    if page.current.is_none() {
        return Err(Error::NotFound("Variable value").into());
    }
    draw(status, &Deletion { page, problem })
}

/// `POST /console/values/{definition_id}/delete`
pub(super) async fn delete(
    Change { visit, form }: Change<need::Write>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let place = Place::of(&visit.query)?;
    let reader = visit.acting::<need::Read>().await?;
    let definition = vault.get_definition(reader.caller(), id.parse().ok()).await?;
    let ids = place.ids(visit.at.caller(), definition.scope)?;
    let value = form.trimmed("value_id")?.parse().ok();
    let precondition = unchanged_since(form.trimmed("version")?)?;
    match vault.delete_value(&visit.at, value, &ids, &precondition).await {
        Ok(_) => {
            let path = place.add_to(&format!("variables/{}", definition.id), definition.scope);
            Ok(see(&with_notice(&visit.frame.to(&path), "value-deleted")))
        }
        Err(Error::VersionConflict) => {
            let why = "Somebody changed this value since you opened the page. Look at it again before you delete it.";
            confirm(visit, &vault, &id, StatusCode::PRECONDITION_FAILED, Some(why.into())).await
        }
        Err(error) => Err(error.into()),
    }
}
