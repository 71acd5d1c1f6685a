//! Lists of definitions, in the order of creation.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use crate::model::{Definition, Format, Id, Name, Scope};
use crate::store::{Tree, key, record};
use crate::vault::page::SCAN_STEP;
use crate::vault::{Caller, Error, Page, PageRequest, SubjectIds, Vault, need};

/// Which definitions are wanted. No filter: all of them.
#[derive(Debug, Default)]
pub struct DefinitionFilter {
    scope: Option<Scope>,
    format: Option<Format>,
    pattern: Option<Regex>,
    names: Option<BTreeSet<Name>>,
    /// Whether the filters contradict each other.
    impossible: bool,
}

/// The longest pattern, and the most memory that a compiled one may take, in bytes.
const MAX_PATTERN_BYTES: usize = 256;
const MAX_COMPILED_PATTERN_BYTES: usize = 256 * 1024;

impl DefinitionFilter {
    /// Only definitions of this scope. Narrowing to two different scopes finds nothing.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> DefinitionFilter {
        self.impossible |= self.scope.is_some_and(|other| other != scope);
        self.scope = Some(scope);
        self
    }

    /// Only definitions of this format.
    #[must_use]
    pub fn format(mut self, format: Format) -> DefinitionFilter {
        self.format = Some(format);
        self
    }

    /// Only definitions whose name has a match of `pattern`.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where it is no regular expression, or too costly a one.
    pub fn pattern(mut self, pattern: &str) -> Result<DefinitionFilter, Error> {
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(Error::InvalidRequest("name must be a pattern of at most 256 bytes".into()));
        }
        let compiled = RegexBuilder::new(pattern)
            .size_limit(MAX_COMPILED_PATTERN_BYTES)
            .dfa_size_limit(MAX_COMPILED_PATTERN_BYTES)
            .build()
            .map_err(|_| {
                Error::InvalidRequest("name is no regular expression, or too costly a one".into())
            })?;
        self.pattern = Some(compiled);
        Ok(self)
    }

    /// Only definitions with one of these names, which are separated by commas. A text that can be no name
    /// finds nothing.
    #[must_use]
    pub fn names(mut self, names: &str) -> DefinitionFilter {
        self.names = Some(names.split(',').filter_map(|name| name.trim().parse().ok()).collect());
        self
    }

    /// Only what an account may have, where `ids` name one.
    ///
    /// # Errors
    /// [`Error::InvalidLinkedAccount`] where they name it wrongly.
    pub fn on_behalf_of(self, ids: &SubjectIds) -> Result<DefinitionFilter, Error> {
        Ok(if ids.account()?.is_some() { self.scope(Scope::LinkedAccount) } else { self })
    }

    fn admits(&self, definition: &Definition) -> bool {
        self.scope.is_none_or(|scope| definition.scope == scope)
            && self.format.is_none_or(|format| definition.format == format)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(definition.name.as_str()))
    }
}

impl Vault {
    /// A page of the definitions that `filter` admits.
    ///
    /// It costs what the page costs where the only filter is a scope, what the names cost where names are
    /// given, and a walk over the organization's definitions for a format or a pattern.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn list_definitions(
        &self,
        caller: &Caller<need::Read>,
        filter: &DefinitionFilter,
        page: PageRequest,
    ) -> Result<Page<Definition>, Error> {
        caller.permit()?;
        if filter.impossible {
            return Ok(page.cut(Vec::new()));
        }
        match (&filter.names, filter.format.is_some() || filter.pattern.is_some()) {
            (Some(names), _) => self.named_definitions(caller.org(), names, filter, page).await,
            (None, true) => self.matching_definitions(caller.org(), filter, page).await,
            (None, false) => self.counted_definitions(caller.org(), filter.scope, page).await,
        }
    }

    async fn counted_definitions(
        &self,
        org: Id,
        scope: Option<Scope>,
        page: PageRequest,
    ) -> Result<Page<Definition>, Error> {
        let (total, _) = self.counter(&key::definitions_counter(org, scope)).await?;
        let engine = self.0.engine.as_ref();
        let mut docs = Vec::new();
        match scope {
            None => {
                for found in page.read(engine, Tree::Definitions, &key::org_prefix(org), total).await? {
                    docs.push(record::decode(&found.value)?);
                }
            }
            Some(scope) => {
                let range = key::definition_scope_prefix(org, scope);
                for found in page.read(engine, Tree::DefinitionScopes, &range, total).await? {
                    let id = key::scope_of_definition(&found.key)?.2;
                    // One that was deleted since the scan is not listed.
                    docs.extend(self.find_definition(org, id).await?.map(|seen| seen.noun));
                }
            }
        }
        Ok(page.of(docs, total))
    }

    async fn named_definitions(
        &self,
        org: Id,
        names: &BTreeSet<Name>,
        filter: &DefinitionFilter,
        page: PageRequest,
    ) -> Result<Page<Definition>, Error> {
        let mut ids = BTreeSet::new();
        for name in names {
            for scope in Scope::ALL {
                let found =
                    self.get::<Id>(Tree::DefinitionNames, &key::definition_name(org, scope, name)).await?;
                ids.extend(found.map(|seen| seen.noun));
            }
            tokio::task::yield_now().await;
        }
        let mut all = Vec::new();
        for id in ids {
            all.extend(self.find_definition(org, id).await?.map(|seen| seen.noun));
        }
        all.retain(|definition| filter.admits(definition));
        Ok(page.cut(all))
    }

    async fn matching_definitions(
        &self,
        org: Id,
        filter: &DefinitionFilter,
        page: PageRequest,
    ) -> Result<Page<Definition>, Error> {
        let prefix = key::org_prefix(org);
        let wanted = page.skip()..page.skip().saturating_add(page.limit() as u64);
        let (mut docs, mut total) = (Vec::new(), 0);
        let mut after: Option<Vec<u8>> = None;
        loop {
            let step = self.0.engine.scan(Tree::Definitions, &prefix, after.as_deref(), SCAN_STEP).await?;
            let Some(last) = step.last() else { return Ok(page.of(docs, total)) };
            after = Some(last.key.clone());
            for found in &step {
                let definition = record::decode(&found.value)?;
                if filter.admits(&definition) {
                    if wanted.contains(&total) {
                        docs.push(definition);
                    }
                    total += 1;
                }
            }
            tokio::task::yield_now().await;
        }
    }
}
