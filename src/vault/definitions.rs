//! Definitions: made and read.

use crate::model::{
    Actor, AuditEvent, Definition, Description, Entity, EntityKind, Format, Id, Name, Scope, Timestamp,
};
use crate::store::{Batch, Tree, key, record};
use crate::vault::audit::Act;
use crate::vault::{Caller, Error, Seen, Vault, need};

/// What a new definition is to be.
#[derive(Debug)]
pub struct NewDefinition {
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: Description,
    /// What kind of thing owns its values.
    pub scope: Scope,
    /// Which texts it takes.
    pub format: Format,
    /// Whether its values are sealed.
    pub encrypted: bool,
    /// Whether a program cannot do without a value of it.
    pub required: bool,
}

pub(super) const DEFINITION_NOT_FOUND: Error = Error::NotFound("Variable definition");

impl Vault {
    /// Makes a definition.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::DuplicateDefinition`].
    pub async fn create_definition(
        &self,
        caller: &Caller<need::Manage>,
        new: NewDefinition,
    ) -> Result<Definition, Error> {
        caller.permit()?;
        let (scope, definition) = (new.scope, self.defined_by(caller.actor(), new));
        let batch = index_new_definition(Batch::new(), caller.org(), &definition)?;
        let act = definition_act(AuditEvent::DefinitionCreated, &definition);
        let batch = self.record(batch, caller, act).await?;
        if self.commit(batch).await? { Ok(definition) } else { Err(Error::DuplicateDefinition(scope)) }
    }

    /// What `new` becomes where `actor` makes it now.
    pub(super) fn defined_by(&self, actor: Actor, new: NewDefinition) -> Definition {
        let now = Timestamp::now();
        Definition {
            id: self.0.ids.next(),
            name: new.name,
            description: new.description,
            scope: new.scope,
            format: new.format,
            encrypted: new.encrypted,
            required: new.required,
            created_by: actor,
            updated_by: actor,
            created_at: now,
            updated_at: now,
        }
    }

    /// The definition with this id (`None`: a text that is no id).
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`].
    pub async fn get_definition(
        &self,
        caller: &Caller<need::Read>,
        id: Option<Id>,
    ) -> Result<Definition, Error> {
        let definition = self.definition(caller.org(), id).await?.noun;
        caller.permit()?;
        caller.admit_scope(definition.scope)?;
        Ok(definition)
    }

    /// The definition with this id, for whatever the caller wants of it.
    pub(super) async fn definition(&self, org: Id, id: Option<Id>) -> Result<Seen<Definition>, Error> {
        let id = id.ok_or(DEFINITION_NOT_FOUND)?;
        self.find_definition(org, id).await?.ok_or(DEFINITION_NOT_FOUND)
    }

    /// The definition with this id, if it is still there.
    pub(super) async fn find_definition(&self, org: Id, id: Id) -> Result<Option<Seen<Definition>>, Error> {
        self.get(Tree::Definitions, &key::definition(org, id)).await
    }
}

/// The act of something done to a definition.
pub(super) fn definition_act(event: AuditEvent, definition: &Definition) -> Act<'static> {
    Act::new(event, Entity::of(EntityKind::Definition, definition.id).named(definition.name.as_str()))
}

/// Adds to `batch` all that a new definition consists of, and that none of its name is there.
pub(super) fn index_new_definition(batch: Batch, org: Id, definition: &Definition) -> Result<Batch, Error> {
    let (id, scope) = (definition.id, definition.scope);
    let name_key = key::definition_name(org, scope, &definition.name);
    Ok(batch
        .require_absent(Tree::DefinitionNames, name_key.as_slice())
        .put(Tree::DefinitionNames, name_key, record::encode(&id)?)
        .put(Tree::Definitions, key::definition(org, id), record::encode(definition)?)
        .put(Tree::DefinitionScopes, key::definition_scope(org, scope, id), [])
        .add(Tree::Counters, key::definitions_counter(org, None), 1)
        .add(Tree::Counters, key::definitions_counter(org, Some(scope)), 1))
}
