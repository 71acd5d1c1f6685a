//! The variables of a scope: what each holds, side by side in every environment that the key opens.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;

use crate::http::console::frame::{Frame, page as draw};
use crate::http::console::place::{Place, encoded, scope_name};
use crate::http::console::show::{self, Preview};
use crate::http::console::visit::Visit;
use crate::http::error::ApiError;
use crate::model::{Definition, Name, Scope};
use crate::vault::{self, CallerIn, PageRequest, Search, ValueFilter, Vault, need};

/// How many variables a page has, and how many are looked at for one where only some are wanted.
const PER_PAGE: usize = 50;
const LOOKED_AT: usize = 500;
/// How many workflows are offered.
const WORKFLOWS: usize = 100;

/// What one environment has of a variable.
pub(super) struct Cell {
    pub(super) environment: String,
    pub(super) shown: Option<Preview>,
    pub(super) link: String,
}

struct Row {
    definition: Definition,
    link: String,
    cells: Vec<Cell>,
}

struct Tab {
    scope: Scope,
    name: &'static str,
    total: String,
    link: String,
}

#[derive(Template)]
#[template(path = "variables.html")]
struct Page {
    frame: Frame,
    scope: Scope,
    place: Place,
    tabs: Vec<Tab>,
    columns: Vec<String>,
    rows: Vec<Row>,
    search: String,
    only_missing: bool,
    workflows: Vec<(String, String)>,
    /// Where the next variables are, and whether there may be any between.
    next: Option<String>,
    is_beginning: bool,
    has_definitions: bool,
}

impl Page {
    fn id(&self) -> &str {
        self.place.id(self.scope)
    }

    fn is_particular(&self) -> bool {
        self.place.is_particular(self.scope)
    }

    fn making(&self) -> String {
        self.frame.to(&format!("definitions/new?scope={}", self.scope))
    }

    fn beginning(&self) -> String {
        self.frame.to(&self.place.add_to(&format!("variables?scope={}", self.scope), self.scope))
    }

    fn without_place(&self) -> String {
        self.frame.to(&format!("variables?scope={}", self.scope))
    }

    fn scope_name(&self) -> &'static str {
        scope_name(self.scope)
    }
}

/// `GET /console/variables`
pub(super) async fn page(visit: Visit<need::ReadAll>, vault: Data<Vault>) -> Result<HttpResponse, ApiError> {
    let query = &visit.query;
    let scope: Scope = query.filter("scope")?.unwrap_or("org").parse().map_err(vault::Error::from)?;
    let place = Place::of(query)?;
    let search = query.text("q")?.unwrap_or_default().trim().to_owned();
    let only_missing = query.filter("show")? == Some("missing") && place.is_particular(scope);
    let after = query.filter("after")?.map(str::parse::<Name>).transpose().map_err(vault::Error::from)?;
    let is_beginning = after.is_none();

    let mut readers = Vec::new();
    for environment in &visit.environments {
        readers.push(visit.acting_in::<need::Read>(environment).await?);
    }
    let table = Table { vault: &vault, visit: &visit, scope, place: &place, readers: &readers };
    let (rows, next) = table.rows(&Search::of(&search), only_missing, after).await?;
    let workflows = match scope {
        Scope::Workflow if place.workflow.is_none() => table.workflows().await?,
        _ => Vec::new(),
    };
    let tabs = table.tabs().await?;
    let has_definitions = tabs.iter().any(|tab| tab.scope == scope && tab.total != "0");
    let next = next.map(|name| {
        let path = place.add_to(&format!("variables?scope={scope}"), scope);
        let show = if only_missing { "&show=missing" } else { "" };
        visit.frame.to(&format!("{path}&q={}{show}&after={}", encoded(&search), encoded(name.as_str())))
    });
    let columns = readers.iter().map(|at| at.environment().to_string()).collect();
    let mut frame = visit.frame;
    frame.all_at_once = true;
    draw(
        StatusCode::OK,
        &Page {
            frame,
            scope,
            place,
            tabs,
            columns,
            rows,
            search,
            only_missing,
            workflows,
            next,
            is_beginning,
            has_definitions,
        },
    )
}

struct Table<'a> {
    vault: &'a Vault,
    visit: &'a Visit<need::ReadAll>,
    scope: Scope,
    place: &'a Place,
    readers: &'a [CallerIn<need::Read>],
}

impl Table<'_> {
    /// The rows of a page, and the name after which there may be more.
    async fn rows(
        &self,
        search: &Search,
        only_missing: bool,
        mut after: Option<Name>,
    ) -> Result<(Vec<Row>, Option<Name>), ApiError> {
        let (mut rows, mut looked_at) = (Vec::new(), 0);
        let caller = self.visit.at.caller();
        loop {
            // One more than is shown tells whether there is a next page.
            let found = self
                .vault
                .definitions_by_name(caller, self.scope, search, after.as_ref(), PER_PAGE + 1)
                .await?;
            let is_last = found.len() <= PER_PAGE;
            for definition in found.into_iter().take(PER_PAGE) {
                if rows.len() == PER_PAGE || looked_at == LOOKED_AT {
                    return Ok((rows, after));
                }
                looked_at += 1;
                after = Some(definition.name.clone());
                let row = self.row(definition).await?;
                if !only_missing || row.cells.iter().any(|cell| cell.shown.is_none()) {
                    rows.push(row);
                }
            }
            if is_last {
                return Ok((rows, None));
            }
            if !only_missing {
                return Ok((rows, after));
            }
        }
    }

    async fn row(&self, definition: Definition) -> Result<Row, ApiError> {
        let mut cells = Vec::new();
        if self.place.is_particular(self.scope) {
            for at in self.readers {
                cells.push(cell(self.vault, self.visit, at, &definition, self.place).await?);
            }
        }
        let path = self.place.add_to(&format!("variables/{}", definition.id), self.scope);
        Ok(Row { link: self.visit.frame.to(&path), definition, cells })
    }

    async fn workflows(&self) -> Result<Vec<(String, String)>, ApiError> {
        let mut found = Vec::new();
        for environment in &self.visit.environments {
            let at = self.visit.acting_in::<need::ReadAll>(environment).await?;
            found.extend(self.vault.workflows(&at, None, WORKFLOWS).await?);
        }
        found.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        found.dedup();
        found.truncate(WORKFLOWS);
        let link =
            |id: &str| self.visit.frame.to(&format!("variables?scope=workflow&workflow={}", encoded(id)));
        Ok(found.iter().map(|id| (id.as_str().to_owned(), link(id.as_str()))).collect())
    }

    async fn tabs(&self) -> Result<Vec<Tab>, ApiError> {
        let mut tabs = Vec::new();
        for scope in Scope::ALL {
            let total = self.vault.count_definitions(self.visit.at.caller(), scope).await?;
            let link = self.visit.frame.to(&format!("variables?scope={scope}"));
            tabs.push(Tab { scope, name: scope_name(scope), total: show::number(total), link });
        }
        Ok(tabs)
    }
}

/// What one environment has of a variable for a particular place.
pub(super) async fn cell<N: vault::Need>(
    vault: &Vault,
    visit: &Visit<N>,
    at: &CallerIn<need::Read>,
    definition: &Definition,
    place: &Place,
) -> Result<Cell, ApiError> {
    let ids = place.ids(at.caller(), definition.scope)?;
    let filter = ValueFilter::Of(Some(definition.id));
    let found = vault.list_values(at, definition.scope, &ids, filter, PageRequest::first(1)).await?;
    let path = place.add_to(&format!("values/{}", definition.id), definition.scope);
    Ok(Cell {
        environment: at.environment().to_string(),
        shown: found.docs.first().map(Preview::of),
        link: visit.frame.to_in(&path, at.environment().as_str()),
    })
}
