//! An import: many values of one subject, all of them set or none.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::Plaintext;
use crate::model::{
    Address, AuditEvent, Content, Definition, Description, Format, Id, Name, Permission, Scope, Subject,
    Value,
};
use crate::store::{self, Batch, Tree, key};
use crate::vault::definitions::definition_act;
use crate::vault::definitions::index_new_definition;
use crate::vault::page::give_way;
use crate::vault::values::value_act;
use crate::vault::{CallerIn, Error, MAX_ATTEMPTS, NewDefinition, Seen, SubjectIds, Vault, gate_of, need};

/// What to import.
pub struct Import {
    /// The scope of every variable.
    pub scope: Scope,
    /// The ids that make the scope particular.
    pub ids: SubjectIds,
    /// Whether names that are not defined yet become definitions.
    pub create: bool,
    /// Whether every variable is to be encrypted: those that are made, and those that are there.
    pub encrypted: bool,
    /// Whether nothing is to be changed, only told.
    pub dry_run: bool,
    /// The variables.
    pub variables: BTreeMap<Name, Plaintext>,
}

/// How many variables an import has at most: it is one change, which nobody else's may come into.
const MAX_VARIABLES: usize = 5_000;

/// What an import did, or would do: every name stands in one of the first three.
#[derive(Debug, Default)]
pub struct Imported {
    /// Had no value before.
    pub added: Vec<Name>,
    /// Had another value before, or one that the caller may not see.
    pub changed: Vec<Name>,
    /// Had this value already, and was left alone.
    pub left: Vec<Name>,
    /// Was defined by the import.
    pub created: Vec<Name>,
}

impl Vault {
    /// Sets every variable of an import in one durable change.
    ///
    /// # Errors
    /// [`Error::Forbidden`], also where something is to be defined without `manage`; [`Error::ScopeMismatch`]
    /// and malformed ids; [`Error::UnknownVariables`]; [`Error::InvalidRequest`] where a plain definition is
    /// to be encrypted; [`Error::InvalidCredentials`] for a key that was revoked meanwhile; [`Error::TooLarge`]; [`Error::MisfitVariables`] for values of the wrong format.
    pub async fn import(&self, at: &CallerIn<need::Import>, import: &Import) -> Result<Imported, Error> {
        at.caller().permit()?;
        if import.variables.len() > MAX_VARIABLES {
            return Err(Error::TooLarge(format!("an import has at most {MAX_VARIABLES} variables")));
        }
        let subject = import.ids.exact_subject(import.scope)?;
        for _ in 0..MAX_ATTEMPTS {
            let definitions = self.definitions_of(at, import).await?;
            // Each gate once and in order: two imports, or an import and a change of a definition, would
            // otherwise wait for each other.
            let gates: BTreeSet<usize> =
                definitions.iter().filter_map(|seen| Some(gate_of(seen.as_ref()?.noun.id))).collect();
            let mut shared = Vec::with_capacity(gates.len());
            for gate in gates {
                shared.push(self.0.definition_gates[gate].read().await);
            }
            let (batch, imported) = self.plan_import(at, import, &subject, definitions).await?;
            if import.dry_run || (imported.added.is_empty() && imported.changed.is_empty()) {
                return Ok(imported);
            }
            if self.commit(batch).await? {
                return Ok(imported);
            }
        }
        Err(store::Error::Busy.into())
    }

    /// The definition of each variable, in the order of their names; `None` where it is to be made.
    async fn definitions_of(
        &self,
        at: &CallerIn<need::Import>,
        import: &Import,
    ) -> Result<Vec<Option<Seen<Definition>>>, Error> {
        let org = at.caller().org();
        let mut definitions = Vec::with_capacity(import.variables.len());
        let mut unknown = Vec::new();
        for (number, name) in import.variables.keys().enumerate() {
            give_way(number).await;
            let name_key = key::definition_name(org, import.scope, name);
            let found = match self.get::<Id>(Tree::DefinitionNames, &name_key).await? {
                Some(found) => self.find_definition(org, found.noun).await?,
                None => None,
            };
            if found.is_none() {
                unknown.push(name.clone());
            }
            definitions.push(found);
        }
        match unknown.is_empty() {
            false if !import.create => Err(Error::UnknownVariables(unknown)),
            false => at.caller().require(Permission::Manage).map(|()| definitions),
            true => Ok(definitions),
        }
    }

    async fn plan_import(
        &self,
        at: &CallerIn<need::Import>,
        import: &Import,
        subject: &Subject,
        definitions: Vec<Option<Seen<Definition>>>,
    ) -> Result<(Batch, Imported), Error> {
        let org = at.caller().org();
        let mut batch = self.require_api_key(at.caller(), Batch::new()).await?;
        if let Some(account) = subject.linked_account() {
            batch = self.require_account(at, account, batch).await?;
        }
        let (mut imported, mut misfits) = (Imported::default(), Vec::new());
        for (number, ((name, text), seen)) in import.variables.iter().zip(definitions).enumerate() {
            give_way(number).await;
            let definition = match seen {
                Some(Seen { noun, .. }) if import.encrypted && !noun.encrypted => {
                    return Err(Error::InvalidRequest(format!(
                        "{} is defined without encryption",
                        noun.name
                    )));
                }
                Some(Seen { noun, revision }) => {
                    let definition_key = key::definition(org, noun.id);
                    batch = batch.require_version(Tree::Definitions, definition_key, revision);
                    noun
                }
                None => {
                    let made = self.defined_by(at.caller().actor(), made_by(import, name));
                    batch = index_new_definition(batch, org, &made)?;
                    let act = definition_act(AuditEvent::DefinitionCreated, &made);
                    batch = self.record(batch, at.caller(), act).await?;
                    imported.created.push(name.clone());
                    made
                }
            };
            match self.check_text(&definition, text) {
                Err(Error::ValueFormatMismatch) => {
                    misfits.push(name.clone());
                    continue;
                }
                Err(Error::TooLarge(why)) => return Err(Error::TooLarge(format!("{name}: {why}"))),
                checked => checked?,
            }
            let address = Address {
                org,
                environment: at.environment().clone(),
                subject: subject.clone(),
                definition: definition.id,
            };
            let seen = self.get::<Value>(Tree::Values, &key::value(&address)).await?;
            let outcome = match seen {
                Some(seen) if self.is_known_to_hold(at, &definition, &seen.noun, text) => {
                    // What is said of it holds when the import does.
                    batch = batch.require_version(Tree::Values, key::value(&address), seen.revision);
                    &mut imported.left
                }
                seen => {
                    let is_new = seen.is_none();
                    let event = if is_new { AuditEvent::ValueSet } else { AuditEvent::ValueUpdated };
                    let value;
                    (batch, value) = self.plan_value(at, &definition, &address, seen, text, batch)?;
                    let act = value_act(event, &address, value.id, &definition);
                    batch = self.record(batch, at.caller(), act).await?;
                    if is_new { &mut imported.added } else { &mut imported.changed }
                }
            };
            outcome.push(name.clone());
        }
        if misfits.is_empty() { Ok((batch, imported)) } else { Err(Error::MisfitVariables(misfits)) }
    }

    /// Whether a value holds `text`, as far as the caller may know. Of an encrypted value, and to who may
    /// not read, nothing is told: otherwise guesses could be tried out.
    fn is_known_to_hold(
        &self,
        at: &CallerIn<need::Import>,
        definition: &Definition,
        value: &Value,
        text: &Plaintext,
    ) -> bool {
        let may_read = at.caller().require(Permission::Read).is_ok();
        match &value.content {
            Content::Plain(plain) => may_read && !definition.encrypted && plain.as_bytes() == text.expose(),
            Content::Sealed(_) => false,
        }
    }
}

fn made_by(import: &Import, name: &Name) -> NewDefinition {
    NewDefinition {
        name: name.clone(),
        description: Description::default(),
        scope: import.scope,
        format: Format::String,
        encrypted: import.encrypted,
        required: false,
    }
}
