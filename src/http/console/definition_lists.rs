//! Definitions of every scope, in a list.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;

use crate::http::console::frame::{Frame, page as draw};
use crate::http::console::place::{encoded, scope_name};
use crate::http::console::show::{self, Moment};
use crate::http::console::visit::Visit;
use crate::http::error::ApiError;
use crate::model::{Definition, Name, Scope};
use crate::vault::{self, Search, Vault, need};

/// How many definitions a page has.
const PER_PAGE: usize = 50;

struct Row {
    definition: Definition,
    link: String,
    scope: &'static str,
    values: String,
    changed: Moment,
}

#[derive(Template)]
#[template(path = "definitions.html")]
struct List {
    frame: Frame,
    scope: Option<Scope>,
    search: String,
    rows: Vec<Row>,
    next: Option<String>,
    has_any: bool,
}

impl List {
    fn scopes(&self) -> Vec<(Scope, &'static str)> {
        Scope::ALL.map(|scope| (scope, scope_name(scope))).to_vec()
    }

    fn is_of(&self, scope: &Scope) -> bool {
        self.scope.as_ref() == Some(scope)
    }
}

/// `GET /console/definitions`: by scope and name, from one to the next.
pub(super) async fn page(visit: Visit<need::ReadAll>, vault: Data<Vault>) -> Result<HttpResponse, ApiError> {
    let query = &visit.query;
    let scope = query.filter("scope")?.map(str::parse::<Scope>).transpose().map_err(vault::Error::from)?;
    let search = query.text("q")?.unwrap_or_default().trim().to_owned();
    let (from, mut after) = match query.filter("after")? {
        Some(after) => after_of(after)?,
        None => (Scope::Org, None),
    };
    let words = Search::of(&search);
    let mut found = Vec::new();
    let mut has_any = false;
    for one in Scope::ALL.into_iter().skip_while(|one| scope.is_none() && *one != from) {
        if scope.is_some_and(|wanted| wanted != one) || found.len() > PER_PAGE {
            continue;
        }
        let wanted = PER_PAGE + 1 - found.len();
        let caller = visit.at.caller();
        has_any = has_any || vault.count_definitions(caller, one).await? > 0;
        found.extend(vault.definitions_by_name(caller, one, &words, after.take().as_ref(), wanted).await?);
    }
    let has_more = found.len() > PER_PAGE;
    found.truncate(PER_PAGE);
    let next = found.last().filter(|_| has_more).map(|last| {
        let scope = scope.map_or("", Scope::as_str);
        let after = encoded(&format!("{}/{}", last.scope, last.name));
        visit.frame.to(&format!("definitions?scope={scope}&q={}&after={after}", encoded(&search)))
    });
    let mut rows = Vec::new();
    for definition in found {
        let values = vault.count_values(visit.at.caller(), definition.id).await?;
        rows.push(Row {
            link: visit.frame.to(&format!("definitions/{}", definition.id)),
            scope: scope_name(definition.scope),
            values: show::number(values),
            changed: definition.updated_at.into(),
            definition,
        });
    }
    let mut frame = visit.frame;
    frame.all_at_once = true;
    draw(StatusCode::OK, &List { frame, scope, search, rows, next, has_any })
}

fn after_of(text: &str) -> Result<(Scope, Option<Name>), ApiError> {
    let (scope, name) = text.split_once('/').unwrap_or((text, ""));
    let scope = scope.parse().map_err(vault::Error::from)?;
    Ok((scope, Some(name.parse().map_err(vault::Error::from)?)))
}
