//! Linked accounts: found, registered, seen with what they have, named, deleted.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;

use crate::http::console::form::Problem;
use crate::http::console::frame::{Frame, page as draw, see, with_notice};
use crate::http::console::place::{Place, encoded};
use crate::http::console::show::{self, Moment};
use crate::http::console::variables::{Cell, cell};
use crate::http::console::visit::{Change, Visit};
use crate::http::error::ApiError;
use crate::model::{AccountId, Definition, Name, Scope};
use crate::vault::{
    self, AccountChange, AccountFilter, Error, NamedAccount, PageRequest, Search, SubjectIds, Vault, need,
};

/// How many accounts, and how many variables of one, a page has.
const PER_PAGE: usize = 50;

struct Row {
    id: String,
    name: String,
    made: Moment,
    link: String,
}

/// What the form holds, and what is wrong with it.
#[derive(Default)]
struct Attempt {
    id: String,
    name: String,
    problem: Option<Problem>,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    total: u64,
    search: String,
    variable: String,
    value: String,
    filter_problem: Option<String>,
    next: Option<String>,
    attempt: Attempt,
}

impl List {
    fn is_filtered(&self) -> bool {
        !(self.search.is_empty() && self.variable.is_empty() && self.value.is_empty())
    }

    fn total_text(&self) -> String {
        show::count(self.total, "account", "accounts")
    }

    fn action(&self) -> String {
        self.frame.to("accounts")
    }

    fn filter_problem(&self) -> Option<&str> {
        self.filter_problem.as_deref()
    }

    fn problem_of(&self, field: &str) -> Option<&str> {
        Problem::at(&self.attempt.problem, field)
    }
}

/// `GET /console/accounts`
pub(super) async fn list(visit: Visit<need::ReadAll>, vault: Data<Vault>) -> Result<HttpResponse, ApiError> {
    shown(&visit, &vault, Attempt::default(), StatusCode::OK).await
}

async fn shown(
    visit: &Visit<impl vault::Need>,
    vault: &Vault,
    attempt: Attempt,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let at = visit.acting::<need::ReadAll>().await?;
    let query = &visit.query;
    let text =
        |name| -> Result<String, ApiError> { Ok(query.text(name)?.unwrap_or_default().trim().to_owned()) };
    let (search, variable, value) = (text("q")?, text("variable")?, text("value")?);
    let (mut filter_problem, mut next) = (None, None);
    let found: Vec<NamedAccount> = if variable.is_empty() && value.is_empty() {
        let after =
            query.filter("after")?.map(str::parse::<AccountId>).transpose().map_err(vault::Error::from)?;
        let words = Search::of(&search);
        let mut found = vault.accounts_by_id(&at, &words, after.as_ref(), PER_PAGE + 1).await?;
        if found.len() > PER_PAGE {
            found.truncate(PER_PAGE);
            let last = found.last().map_or("", |last| last.account_id.as_str());
            next = Some(visit.frame.to(&format!("accounts?q={}&after={}", encoded(&search), encoded(last))));
        }
        found
    } else {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let filter = AccountFilter::parse(some(&variable).as_deref(), some(&value).as_deref());
        let limit = PER_PAGE.to_string();
        let page = PageRequest::parse(query.filter("page")?, Some(&limit))?;
        let listed = match filter {
            Ok(filter) => vault.list_accounts(&at, &filter, page).await,
            Err(error) => Err(error),
        };
        match listed {
            Ok(listed) => {
                if listed.page * listed.limit < listed.total {
                    let (variable, value) = (encoded(&variable), encoded(&value));
                    let page = listed.page + 1;
                    let path = format!("accounts?variable={variable}&value={value}&page={page}");
                    next = Some(visit.frame.to(&path));
                }
                listed.docs
            }
            Err(Error::InvalidRequest(_)) if variable.is_empty() => {
                filter_problem = Some("Name the variable that has this value.".into());
                Vec::new()
            }
            Err(Error::InvalidRequest(_)) => {
                filter_problem = Some(
                    "This variable is encrypted: its values cannot be searched. Leave the value empty to find who has one."
                        .into(),
                );
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        }
    };
    let rows = found.into_iter().map(|account| row(&visit.frame, account)).collect();
    let total = vault.count_accounts(&at).await?;
    let frame = visit.frame.clone();
    let status = if filter_problem.is_some() { StatusCode::BAD_REQUEST } else { status };
    draw(status, &List { frame, rows, total, search, variable, value, filter_problem, next, attempt })
}

fn row(frame: &Frame, account: NamedAccount) -> Row {
    let id = account.account_id.as_str().to_owned();
    Row {
        link: frame.to(&format!("account?account={}", encoded(&id))),
        id,
        name: account.account.name,
        made: account.account.created_at.into(),
    }
}

/// `POST /console/accounts`
pub(super) async fn register(
    Change { visit, form }: Change<need::Manage>,
    vault: Data<Vault>,
) -> Result<HttpResponse, ApiError> {
    // Its id is compared byte by byte, so not even blanks around it are taken away.
    let (id, name) = (form.text("id")?.to_owned(), form.trimmed("name")?.to_owned());
    let mut ids = SubjectIds::of(visit.at.caller());
    if !id.is_empty() {
        ids.name_account(id.as_bytes())?;
    }
    let change = AccountChange { name: Some(name.clone()), udf: BTreeMap::new() };
    let error = match vault.create_account(&visit.at, &ids, &change).await {
        Ok(_) => {
            let path = visit.frame.to(&format!("account?account={}", encoded(&id)));
            return Ok(see(&with_notice(&path, "account-registered")));
        }
        Err(error) => error,
    };
    let problem = match &error {
        Error::InvalidLinkedAccount(_) if id.is_empty() => {
            Problem::new("id", "Write the id by which your systems know it.")
        }
        Error::InvalidLinkedAccount(message) => Problem::new("id", format!("{message}.")),
        Error::DuplicateLinkedAccount(_) => Problem::new("id", "There is an account of this id here."),
        Error::InvalidRequest(message) => Problem::new("name", format!("{message}.")),
        _ => return Err(error.into()),
    };
    let status = ApiError::from(error).status_code();
    shown(&visit, &vault, Attempt { id, name, problem: Some(problem) }, status).await
}

struct Variable {
    definition: Definition,
    cell: Cell,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    frame: Frame,
    account: NamedAccount,
    made: Moment,
    changed: Moment,
    variables: Vec<Variable>,
    next: Option<String>,
    is_beginning: bool,
    /// A name that was typed and not taken, and why.
    refused: Option<(String, String)>,
}

impl Page {
    fn id(&self) -> &str {
        self.account.account_id.as_str()
    }

    fn path(&self) -> String {
        self.frame.to(&format!("account?account={}", encoded(self.id())))
    }

    fn name_in_field(&self) -> &str {
        self.refused.as_ref().map_or(&self.account.account.name, |(typed, _)| typed)
    }

    fn problem(&self) -> Option<&str> {
        self.refused.as_ref().map(|(_, problem)| problem.as_str())
    }

    fn deletion(&self) -> String {
        self.frame.to(&format!("account/delete?account={}", encoded(self.id())))
    }

    fn making(&self) -> String {
        self.frame.to("definitions/new?scope=linked_account")
    }
}

fn named(visit: &Visit<impl vault::Need>) -> Result<Option<AccountId>, ApiError> {
    Ok(visit.query.text("account")?.and_then(|id| id.parse().ok()))
}

/// `GET /console/account`
pub(super) async fn page(visit: Visit<need::ReadAll>, vault: Data<Vault>) -> Result<HttpResponse, ApiError> {
    one(visit, &vault, None, StatusCode::OK).await
}

/// `POST /console/account`: under another name.
pub(super) async fn rename(
    Change { visit, form }: Change<need::Manage>,
    vault: Data<Vault>,
) -> Result<HttpResponse, ApiError> {
    let name = form.trimmed("name")?.to_owned();
    // One that is gone is not registered anew.
    let reader = visit.acting::<need::Read>().await?;
    let id = vault.get_account(&reader, named(&visit)?).await?.account_id;
    let mut ids = SubjectIds::of(visit.at.caller());
    ids.name_account(id.as_str().as_bytes())?;
    let change = AccountChange { name: Some(name.clone()), udf: BTreeMap::new() };
    match vault.upsert_account(&visit.acting().await?, &ids, &change).await {
        Ok(_) => {
            let path = visit.frame.to(&format!("account?account={}", encoded(id.as_str())));
            Ok(see(&with_notice(&path, "account-changed")))
        }
        Err(error @ Error::InvalidRequest(_)) => {
            let problem = format!("{error}.");
            one(visit, &vault, Some((name, problem)), ApiError::from(error).status_code()).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn one<N: vault::Need>(
    visit: Visit<N>,
    vault: &Vault,
    refused: Option<(String, String)>,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let reader = visit.acting::<need::Read>().await?;
    let lister = visit.acting::<need::ReadAll>().await?;
    let account = vault.get_account(&reader, named(&visit)?).await?;
    let id = account.account_id.as_str().to_owned();
    let place = Place { account: Some(id.clone()), workflow: None };
    let after =
        visit.query.filter("after")?.map(str::parse::<Name>).transpose().map_err(vault::Error::from)?;
    let mut found = vault
        .definitions_by_name(
            lister.caller(),
            Scope::LinkedAccount,
            &Search::default(),
            after.as_ref(),
            PER_PAGE + 1,
        )
        .await?;
    let has_more = found.len() > PER_PAGE;
    found.truncate(PER_PAGE);
    let last = found.last().filter(|_| has_more).map(|last| last.name.to_string());
    let next = last
        .map(|last| visit.frame.to(&format!("account?account={}&after={}", encoded(&id), encoded(&last))));
    let mut variables = Vec::new();
    for definition in found {
        let cell = cell(vault, &visit, &reader, &definition, &place).await?;
        variables.push(Variable { definition, cell });
    }
    let (made, changed) = (account.account.created_at.into(), account.account.updated_at.into());
    let is_beginning = after.is_none();
    let frame = visit.frame;
    draw(status, &Page { frame, account, made, changed, variables, next, is_beginning, refused })
}

#[derive(Template)]
#[template(path = "delete_account.html")]
struct Deletion {
    frame: Frame,
    id: String,
}

impl Deletion {
    fn path(&self, of: &str) -> String {
        self.frame.to(&format!("{of}?account={}", encoded(&self.id)))
    }
}

/// `GET /console/account/delete`
pub(super) async fn confirm_deletion(
    visit: Visit<need::Manage>,
    vault: Data<Vault>,
) -> Result<HttpResponse, ApiError> {
    let reader = visit.acting::<need::Read>().await?;
    let account = vault.get_account(&reader, named(&visit)?).await?;
    draw(StatusCode::OK, &Deletion { frame: visit.frame, id: account.account_id.as_str().into() })
}

/// `POST /console/account/delete`
pub(super) async fn delete(
    Change { visit, .. }: Change<need::Manage>,
    vault: Data<Vault>,
) -> Result<HttpResponse, ApiError> {
    vault.delete_account(&visit.at, named(&visit)?).await?;
    Ok(see(&with_notice(&visit.frame.to("accounts"), "account-deleted")))
}
