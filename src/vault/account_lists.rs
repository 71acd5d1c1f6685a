//! Lists of linked accounts, in the order of creation.

use crate::model::{Account, AccountId, Content, Definition, Id, Name, Scope, Value};
use crate::store::{Tree, key, record};
use crate::vault::accounts::named;
use crate::vault::page::each_record;
use crate::vault::{CallerIn, Error, NamedAccount, Page, PageRequest, Vault, need};

/// Which accounts are wanted. No filter: all of them.
#[derive(Debug, Default)]
pub struct AccountFilter {
    variable: Option<(Option<Name>, Option<String>)>,
}

impl AccountFilter {
    /// Only accounts that have a value of the variable `name`: any value, or exactly `value`. A text that can
    /// be no name finds nothing.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for a value without a name.
    pub fn parse(name: Option<&str>, value: Option<&str>) -> Result<AccountFilter, Error> {
        match (name, value) {
            (None, None) => Ok(AccountFilter::default()),
            (None, Some(_)) => {
                Err(Error::InvalidRequest("env_variable_value needs env_variable_name with it".into()))
            }
            (Some(name), value) => {
                Ok(AccountFilter { variable: Some((name.parse().ok(), value.map(Into::into))) })
            }
        }
    }
}

impl Vault {
    /// A page of the accounts of the caller's environment that `filter` admits.
    ///
    /// It costs what the page costs where there is no filter, else a walk over the variable's values.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::InvalidRequest`] for a value of an encrypted variable, which nobody may
    /// try out.
    pub async fn list_accounts(
        &self,
        at: &CallerIn<need::ReadAll>,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Result<Page<NamedAccount>, Error> {
        at.caller().permit()?;
        let (name, value) = match &filter.variable {
            None => return self.all_accounts(at, page).await,
            Some((None, _)) => return Ok(page.cut(Vec::new())),
            Some((Some(name), value)) => (name, value.as_deref()),
        };
        let org = at.caller().org();
        let name_key = key::definition_name(org, Scope::LinkedAccount, name);
        let found = self.get::<Id>(Tree::DefinitionNames, &name_key).await?;
        let definition = match found {
            Some(found) => self.find_definition(org, found.noun).await?,
            None => None,
        };
        let Some(definition) = definition else { return Ok(page.cut(Vec::new())) };
        if value.is_some() && definition.noun.encrypted {
            return Err(Error::InvalidRequest(
                "env_variable_value cannot be compared with an encrypted variable".into(),
            ));
        }
        let mut found = Vec::new();
        for account_id in self.accounts_with(at, &definition.noun, value).await? {
            // One that was deleted since the walk is not listed.
            let seen = self.account(at, &account_id).await?;
            found.extend(seen.map(|seen| (seen.noun.id, account_id)));
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        let page = page.cut(found);
        // Read again, for an account may be large, and there may be many that are on no page that is asked for.
        let mut docs = Vec::with_capacity(page.docs.len());
        for (_, account_id) in page.docs {
            let seen = self.account(at, &account_id).await?;
            docs.extend(seen.map(|seen| named(at, account_id, seen.noun)));
        }
        Ok(Page { docs, total: page.total, page: page.page, limit: page.limit })
    }

    async fn all_accounts(
        &self,
        at: &CallerIn<need::ReadAll>,
        page: PageRequest,
    ) -> Result<Page<NamedAccount>, Error> {
        let (org, environment) = (at.caller().org(), at.environment());
        let (total, _) = self.counter(&key::accounts_counter(org, environment)).await?;
        let engine = self.0.engine.as_ref();
        let prefix = key::accounts_prefix(org, environment);
        let mut docs = Vec::new();
        for found in page.read(engine, Tree::AccountIds, &prefix, total).await? {
            let account_id = key::parse_account(&found.value)?;
            let seen = self.get::<Account>(Tree::Accounts, &found.value).await?;
            docs.extend(seen.map(|seen| named(at, account_id, seen.noun)));
        }
        Ok(page.of(docs, total))
    }

    /// The accounts that have a value of `definition`: any, or exactly `text`.
    async fn accounts_with(
        &self,
        at: &CallerIn<need::ReadAll>,
        definition: &Definition,
        text: Option<&str>,
    ) -> Result<Vec<AccountId>, Error> {
        let engine = self.0.engine.as_ref();
        let prefix = key::definition_values_in(at.caller().org(), definition.id, at.environment());
        let mut addresses = Vec::new();
        each_record(engine, Tree::DefinitionValues, &prefix, |found| {
            addresses.push(key::parse_definition_value(&found.key)?);
            Ok(())
        })
        .await?;
        let mut accounts = Vec::new();
        for address in addresses {
            if let Some(text) = text {
                let found = engine.get(Tree::Values, &key::value(&address)).await?;
                let value = found.map(|found| record::decode::<Value>(&found.value)).transpose()?;
                // Sealed since the definition was read: then it is no longer for comparing.
                if !value
                    .is_some_and(|value| matches!(&value.content, Content::Plain(plain) if plain == text))
                {
                    continue;
                }
            }
            accounts.extend(address.subject.linked_account().cloned());
        }
        Ok(accounts)
    }
}
