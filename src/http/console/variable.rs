//! One variable: what it is, what it holds in each environment, and who may read it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use askama::Template;

use crate::http::console::frame::{Frame, page as draw};
use crate::http::console::place::{Place, encoded, scope_name};
use crate::http::console::show::{self, Moment, Preview};
use crate::http::console::variables::{Cell, cell};
use crate::http::console::visit::Visit;
use crate::http::error::ApiError;
use crate::model::{AccountId, ApiKey, Definition, Permission, Scope, Timestamp};
use crate::vault::{self, PageRequest, Search, Vault, need};

/// How many accounts a page has.
const ACCOUNTS: usize = 50;
/// How many keys are named at the most.
const KEYS: usize = 100;

struct Reader {
    name: String,
    reach: String,
    reveals: bool,
}

/// The keys that may read a variable: as many as a page names, and how many more there are.
struct Readers {
    named: Vec<Reader>,
    more: usize,
}

struct AccountRow {
    id: String,
    name: String,
    shown: Option<Preview>,
    link: String,
}

#[derive(Template)]
#[template(path = "variable.html")]
struct Page {
    frame: Frame,
    definition: Definition,
    place: Place,
    cells: Vec<Cell>,
    /// Those that lack it and those that have it, where it is of accounts and none is named.
    accounts: Vec<AccountRow>,
    next: Option<String>,
    readers: Option<Readers>,
    made: Moment,
    changed: Moment,
}

impl Page {
    fn scope_name(&self) -> &'static str {
        scope_name(self.definition.scope)
    }

    fn list(&self) -> String {
        let path = format!("variables?scope={}", self.definition.scope);
        self.frame.to(&self.place.add_to(&path, self.definition.scope))
    }

    fn edit(&self) -> String {
        self.frame.to(&format!("definitions/{}", self.definition.id))
    }

    fn id(&self) -> &str {
        self.place.id(self.definition.scope)
    }

    fn is_particular(&self) -> bool {
        self.place.is_particular(self.definition.scope)
    }

    fn is_of_accounts(&self) -> bool {
        self.definition.scope == Scope::LinkedAccount
    }
}

/// `GET /console/variables/{id}`
pub(super) async fn page(
    visit: Visit<need::ReadAll>,
    vault: Data<Vault>,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let reader = visit.acting::<need::Read>().await?;
    let definition = vault.get_definition(reader.caller(), id.parse().ok()).await?;
    let place = Place::of(&visit.query)?;
    let mut cells = Vec::new();
    if place.is_particular(definition.scope) {
        for environment in &visit.environments {
            let at = visit.acting_in::<need::Read>(environment).await?;
            cells.push(cell(&vault, &visit, &at, &definition, &place).await?);
        }
    }
    let (accounts, next) = if definition.scope == Scope::LinkedAccount && cells.is_empty() {
        accounts(&visit, &vault, &definition).await?
    } else {
        (Vec::new(), None)
    };
    let readers = readers(&visit, &vault).await?;
    let mut frame = visit.frame;
    frame.all_at_once = !cells.is_empty();
    let (made, changed) = (definition.created_at.into(), definition.updated_at.into());
    let page = Page { frame, place, cells, accounts, next, readers, made, changed, definition };
    draw(StatusCode::OK, &page)
}

async fn accounts(
    visit: &Visit<need::ReadAll>,
    vault: &Vault,
    definition: &Definition,
) -> Result<(Vec<AccountRow>, Option<String>), ApiError> {
    let after = visit.query.filter("after")?;
    let after = after.map(str::parse::<AccountId>).transpose().map_err(vault::Error::from)?;
    let reader = visit.acting::<need::Read>().await?;
    let mut found = vault.accounts_by_id(&visit.at, &Search::default(), after.as_ref(), ACCOUNTS + 1).await?;
    let has_more = found.len() > ACCOUNTS;
    found.truncate(ACCOUNTS);
    let last = found.last().map(|account| account.account_id.as_str().to_owned());
    let next = last
        .filter(|_| has_more)
        .map(|last| visit.frame.to(&format!("variables/{}?after={}", definition.id, encoded(&last))));
    let mut rows = Vec::new();
    for account in found {
        let id = account.account_id.as_str().to_owned();
        let place = Place { account: Some(id.clone()), workflow: None };
        let cell = cell(vault, visit, &reader, definition, &place).await?;
        rows.push(AccountRow { id, name: account.account.name, shown: cell.shown, link: cell.link });
    }
    Ok((rows, next))
}

/// The keys that may read it here, for whoever may know of them.
async fn readers(visit: &Visit<need::ReadAll>, vault: &Vault) -> Result<Option<Readers>, ApiError> {
    let admin = visit.acting::<need::Admin>().await?;
    if admin.caller().permit().is_err() {
        return Ok(None);
    }
    let page = PageRequest::first(PageRequest::MAX_LIMIT);
    let listed = vault.list_api_keys(admin.caller(), page).await?;
    let may = |key: &ApiKey, permission| key.permissions.contains(permission);
    let mut keys: Vec<ApiKey> = listed.docs.into_iter().map(|listed| listed.key).collect();
    let now = Timestamp::now();
    keys.retain(|key| may(key, Permission::Read) && !key.has_expired(now));
    let more = keys.len().saturating_sub(KEYS);
    let named = keys.into_iter().take(KEYS).map(|key| Reader {
        name: show::key_name(&key),
        reach: show::reach_name(&key.reach),
        reveals: may(&key, Permission::Reveal),
    });
    Ok(Some(Readers { named: named.collect(), more }))
}
