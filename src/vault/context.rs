//! A context: everything that a program sees in one environment, for one account and one workflow.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::{
    AccountId, AuditEvent, Content, Definition, Entity, EntityKind, Environment, Id, Name, Permission, Scope,
    Subject, Value, WorkflowId,
};
use crate::store::{Tree, key, record};
use crate::vault::audit::Act;
use crate::vault::page::{each_record, give_way};
use crate::vault::{CallerIn, Error, FoundValue, ResolvedValue, SubjectIds, Vault, need};

/// The variables of a context, as they stand in the store. Nothing of an encrypted one can be seen yet.
#[derive(Debug)]
pub struct Context {
    /// The environment.
    pub environment: Environment,
    /// The linked account, where one is named.
    pub account: Option<AccountId>,
    /// The workflow, where one is named.
    pub workflow: Option<WorkflowId>,
    /// Every variable that has a value, by name.
    pub variables: BTreeMap<Name, Variable>,
    /// The definitions without a value whose name no other scope supplies; by name, then scope.
    pub missing: Vec<Definition>,
}

/// A variable of a context.
#[derive(Debug)]
pub struct Variable {
    /// Its value, of the most specific scope that has one.
    pub found: FoundValue,
    /// The values of the same name that this one hides, the most specific first.
    pub shadowed: Vec<Shadowed>,
}

/// A value that a more specific one hides.
#[derive(Debug, Clone, Copy)]
pub struct Shadowed {
    /// The scope that it is of.
    pub scope: Scope,
    /// Its definition.
    pub definition: Id,
    /// Its version.
    pub version: u64,
}

/// How many bytes the values of a context may have: no program takes more in its environment, and an answer
/// that nobody takes is held in memory.
const MAX_BYTES: usize = 16 << 20;

impl Context {
    /// Every variable as whoever may not reveal sees it.
    pub fn redacted(self) -> impl Iterator<Item = (ResolvedValue, Vec<Shadowed>)> {
        self.variables.into_values().map(|variable| (variable.found.redacted(), variable.shadowed))
    }

    /// Whether a value in it is encrypted.
    #[must_use]
    pub fn has_encrypted(&self) -> bool {
        self.variables.values().any(|variable| variable.found.is_encrypted())
    }

    /// The subjects whose values a program sees, the most specific first.
    fn subjects(&self, is_session: bool) -> Vec<Subject> {
        let account = self.account.clone().map(Subject::LinkedAccount);
        if is_session {
            return account.into_iter().collect();
        }
        let workflow = self.workflow.clone().map(Subject::Workflow);
        workflow.into_iter().chain(account).chain([Subject::Workspace, Subject::Org]).collect()
    }
}

impl Vault {
    /// The context that `ids` and the caller make, where `reveal` says whether it is to be revealed. With a
    /// session token it is its account's scope alone.
    ///
    /// It costs what the context's own values and definitions cost, however large the store is. The values of
    /// one subject are of one moment.
    ///
    /// # Errors
    /// [`Error::Forbidden`], also where something is encrypted that is to be revealed and may not be;
    /// [`Error::InvalidLinkedAccount`] or [`Error::InvalidRequest`] where an id is malformed; [`Error::TooLarge`] where the values are too many bytes for one answer.
    pub async fn context(
        &self,
        at: &CallerIn<need::Read>,
        ids: &SubjectIds,
        reveal: bool,
    ) -> Result<Context, Error> {
        at.caller().permit()?;
        let is_session = at.caller().own_account().is_some();
        let mut context = Context {
            environment: at.environment().clone(),
            account: ids.account()?,
            workflow: if is_session { None } else { ids.workflow()? },
            variables: BTreeMap::new(),
            missing: Vec::new(),
        };
        let (mut missing, mut bytes) = (BTreeMap::new(), 0);
        for subject in context.subjects(is_session) {
            let valued = self.add_values(at, &subject, &mut context.variables, &mut bytes).await?;
            self.add_missing(at, subject.scope(), &valued, &mut missing).await?;
        }
        let is_supplied = |definition: &Definition| context.variables.contains_key(&definition.name);
        if reveal && context.has_encrypted() {
            at.caller().require(Permission::Reveal)?;
        }
        context.missing = missing.into_values().filter(|definition| !is_supplied(definition)).collect();
        Ok(context)
    }

    /// Adds the values of `subject` where no more specific one stands, and says of which definitions they
    /// are.
    async fn add_values(
        &self,
        at: &CallerIn<need::Read>,
        subject: &Subject,
        variables: &mut BTreeMap<Name, Variable>,
        bytes: &mut usize,
    ) -> Result<BTreeSet<Id>, Error> {
        let org = at.caller().org();
        let prefix = key::value_prefix(org, at.environment(), subject);
        // At once, so that nobody sees half of an import.
        let values = self.0.engine.scan(Tree::Values, &prefix, None, usize::MAX).await?;
        let mut valued = BTreeSet::new();
        for (number, found) in values.into_iter().enumerate() {
            give_way(number).await;
            let (address, value) = (key::parse_value(&found.key)?, record::decode::<Value>(&found.value)?);
            *bytes += match &value.content {
                Content::Plain(text) => text.len(),
                Content::Sealed(sealed) => sealed.len(),
            };
            if *bytes > MAX_BYTES {
                return Err(Error::TooLarge(format!("the context has values of over {MAX_BYTES} bytes")));
            }
            // One whose definition was deleted since the scan went with it.
            let Some(definition) = self.find_definition(org, address.definition).await? else { continue };
            let definition = definition.noun;
            valued.insert(definition.id);
            let hidden =
                Shadowed { scope: definition.scope, definition: definition.id, version: value.version };
            variables
                .entry(definition.name.clone())
                .and_modify(|variable| variable.shadowed.push(hidden))
                .or_insert_with(|| Variable {
                    found: FoundValue { address, definition, value },
                    shadowed: Vec::new(),
                });
        }
        Ok(valued)
    }

    async fn add_missing(
        &self,
        at: &CallerIn<need::Read>,
        scope: Scope,
        valued: &BTreeSet<Id>,
        missing: &mut BTreeMap<(Name, &'static str), Definition>,
    ) -> Result<(), Error> {
        let org = at.caller().org();
        let mut ids = Vec::new();
        let prefix = key::definition_scope_prefix(org, scope);
        each_record(self.0.engine.as_ref(), Tree::DefinitionScopes, &prefix, |found| {
            let id = key::scope_of_definition(&found.key)?.2;
            if !valued.contains(&id) {
                ids.push(id);
            }
            Ok(())
        })
        .await?;
        for (number, id) in ids.into_iter().enumerate() {
            give_way(number).await;
            if let Some(definition) = self.find_definition(org, id).await? {
                let definition = definition.noun;
                missing.insert((definition.name.clone(), scope.as_str()), definition);
            }
        }
        Ok(())
    }

    /// Every variable of a context with its plaintext, to a caller with `reveal`. One audit entry, durable
    /// before the plaintext is handed out, where anything is encrypted.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where something is encrypted and the caller may not reveal it; [`Error::Store`]
    /// where the audit entry cannot be written.
    pub async fn reveal_context(
        &self,
        at: &CallerIn<need::Read>,
        context: Context,
    ) -> Result<Vec<(ResolvedValue, Vec<Shadowed>)>, Error> {
        let encrypted = context.variables.values().filter(|variable| variable.found.is_encrypted()).count();
        if encrypted > 0 {
            at.caller().require(Permission::Reveal)?;
        }
        let mut shown = Vec::with_capacity(context.variables.len());
        for variable in context.variables.into_values() {
            shown.push((self.revealed(variable.found)?, variable.shadowed));
        }
        if encrypted > 0 {
            let (account, workflow) = (context.account.as_ref(), context.workflow.as_ref());
            self.record_reveal(at, context_act(at.environment(), account, workflow, encrypted)).await?;
        }
        Ok(shown)
    }

    /// A tag for what `context` shows, in the form that `form` names; without its quotes. It changes whenever
    /// the answer would, and tells nothing about values to whoever sees only the tag.
    #[must_use]
    pub fn context_tag(&self, context: &Context, form: &str) -> String {
        let mut seen = Vec::with_capacity(4096);
        let mut add = |bytes: &[u8]| {
            seen.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            seen.extend_from_slice(bytes);
        };
        add(form.as_bytes());
        add(context.environment.as_str().as_bytes());
        add(context.account.as_ref().map_or("", AccountId::as_str).as_bytes());
        add(context.workflow.as_ref().map_or("", WorkflowId::as_str).as_bytes());
        for (name, Variable { found, shadowed }) in &context.variables {
            add(name.as_str().as_bytes());
            // The id too: a value that was deleted and set again begins with version 1 anew.
            add(found.value.id.as_bytes());
            add(found.definition.id.as_bytes());
            add(&found.value.version.to_be_bytes());
            add(&[u8::from(found.is_encrypted())]);
            for hidden in shadowed {
                add(hidden.definition.as_bytes());
                add(&hidden.version.to_be_bytes());
            }
        }
        for definition in &context.missing {
            add(definition.name.as_str().as_bytes());
            add(definition.id.as_bytes());
            add(&[u8::from(definition.required)]);
        }
        URL_SAFE_NO_PAD.encode(&self.0.keyring.entity_tags().tag(&seen)[..16])
    }
}

/// The act of revealing so many encrypted values of a context at once. What it was done to is the most
/// particular thing that the context names besides its account.
pub(super) fn context_act<'a>(
    environment: &Environment,
    account: Option<&'a AccountId>,
    workflow: Option<&WorkflowId>,
    values: usize,
) -> Act<'a> {
    let entity = match workflow {
        Some(workflow) => Entity::text(EntityKind::Workflow, workflow.as_str()),
        None => Entity::text(EntityKind::Environment, environment.as_str()),
    };
    Act::new(AuditEvent::ValueRevealed, entity).concerning(account).counting(values as u64)
}
