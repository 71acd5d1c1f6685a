//! Templates: text with references to variables, `{{env.<scope>.<name>}}`.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::{Address, Content, Id, Name, Permission, Scope, Value};
use crate::store::{Batch, Tree, key};
use crate::vault::context::context_act;
use crate::vault::page::give_way;
use crate::vault::{CallerIn, Error, FoundValue, ShownContent, SubjectIds, Vault, need};

/// The largest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 256 << 10;
/// The largest text that a template may become, in bytes.
const MAX_RENDERED_BYTES: usize = 1 << 20;
/// How many variables a template refers to at most.
const MAX_REFERENCES: usize = 1_000;
/// What sealing may add to a text, in bytes.
const MAX_SEALING: usize = 128;
/// How much of a reference an error repeats, in characters.
const MAX_TOLD: usize = 160;

/// A rendered template.
pub struct Rendered {
    /// The text. It may hold plaintext of encrypted values.
    pub text: zeroize::Zeroizing<String>,
    /// What was referred to, each once, in the order of first appearance.
    pub references: Vec<Reference>,
}

/// A variable that a template refers to.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its scope.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// Its definition.
    pub definition: Id,
    /// The version of its value.
    pub version: u64,
}

/// A reference as it stands in a template.
#[derive(Debug, PartialEq, Eq)]
struct Placeholder<'t> {
    /// Where it stands, braces included.
    at: Range<usize>,
    /// What stands in it, without blanks around it: `env.org.NAME`.
    text: &'t str,
}

/// The references in a template.
fn placeholders(template: &str) -> Result<Vec<Placeholder<'_>>, Error> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = template[from..].find("{{").map(|at| from + at) {
        let inside = &template[open + 2..];
        if !inside.trim_start().starts_with("env.") {
            // One brace on: in `{{{env.…` the reference begins with the second.
            from = open + 1;
            continue;
        }
        let Some(close) = inside.find("}}") else {
            return Err(Error::InvalidRequest(format!(
                "template has a reference at byte {open} without `}}}}`"
            )));
        };
        let end = open + 2 + close + 2;
        found.push(Placeholder { at: open..end, text: inside[..close].trim() });
        from = end;
    }
    Ok(found)
}

fn parse(reference: &str) -> Option<(Scope, Name)> {
    let (scope, name) = reference.strip_prefix("env.")?.split_once('.')?;
    Some((scope.parse().ok()?, name.parse().ok()?))
}

impl Vault {
    /// Puts values in place of a template's references; encrypted ones only with `reveal`, else they are
    /// redacted. Values are inserted as they are: what looks like a reference in one is none.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::TooLarge`]; [`Error::UnresolvedReferences`], naming all that do not
    /// resolve; [`Error::Store`] where the audit entry of a reveal cannot be written.
    pub async fn render(
        &self,
        at: &CallerIn<need::Read>,
        template: &str,
        ids: &SubjectIds,
        reveal: bool,
    ) -> Result<Rendered, Error> {
        at.caller().permit()?;
        if template.len() > MAX_TEMPLATE_BYTES {
            return Err(Error::TooLarge(format!("template must be at most {MAX_TEMPLATE_BYTES} bytes")));
        }
        // The body may have arrived long after the credential was looked at.
        self.require_session(at, self.require_api_key(at.caller(), Batch::new()).await?).await?;
        // Also where no reference needs them.
        ids.account()?;
        ids.workflow()?;
        let placeholders = placeholders(template)?;
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        let mut told = Vec::new();
        for placeholder in &placeholders {
            let times = times.entry(placeholder.text).or_default();
            *times += 1;
            if *times == 1 {
                told.push(placeholder.text);
            }
        }
        if told.len() > MAX_REFERENCES {
            let why = format!("template must refer to at most {MAX_REFERENCES} variables");
            return Err(Error::InvalidRequest(why));
        }
        let mut known: BTreeMap<&str, FoundValue> = BTreeMap::new();
        let (mut order, mut unresolved, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (number, told) in told.into_iter().enumerate() {
            give_way(number).await;
            match self.referred_to(at, told, ids).await? {
                Some(found) => {
                    // Before they are all in memory.
                    bytes += times[told] * least_shown(&found, reveal);
                    check_rendered(bytes)?;
                    order.push(reference(&found));
                    known.insert(told, found);
                }
                None => unresolved.push(told),
            }
        }
        if !unresolved.is_empty() {
            let told = unresolved.iter().map(|text| text.chars().take(MAX_TOLD).collect()).collect();
            return Err(Error::UnresolvedReferences(told));
        }
        let encrypted = known.values().filter(|found| found.is_encrypted()).count();
        if reveal && encrypted > 0 {
            at.caller().require(Permission::Reveal)?;
        }
        let mut shown = BTreeMap::new();
        for (told, found) in known {
            let resolved = if reveal { self.revealed(found)? } else { found.redacted() };
            shown.insert(told, resolved.shown);
        }
        let text = fill(template, &placeholders, &shown)?;
        if reveal && encrypted > 0 {
            let (account, workflow) = (ids.account()?, ids.workflow()?);
            let act = context_act(at.environment(), account.as_ref(), workflow.as_ref(), encrypted);
            self.record_reveal(at, act).await?;
        }
        Ok(Rendered { text, references: order })
    }

    async fn referred_to(
        &self,
        at: &CallerIn<need::Read>,
        reference: &str,
        ids: &SubjectIds,
    ) -> Result<Option<FoundValue>, Error> {
        let org = at.caller().org();
        let Some((scope, name)) = parse(reference) else { return Ok(None) };
        if at.caller().admit_scope(scope).is_err() {
            return Ok(None);
        }
        let subject = match ids.subject(scope) {
            Ok(subject) => subject,
            // The context has no such thing, so neither has it a variable of it.
            Err(Error::ScopeMismatch(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let name_key = key::definition_name(org, scope, &name);
        let Some(id) = self.get::<Id>(Tree::DefinitionNames, &name_key).await? else { return Ok(None) };
        let Some(definition) = self.find_definition(org, id.noun).await? else { return Ok(None) };
        let address =
            Address { org, environment: at.environment().clone(), subject, definition: definition.noun.id };
        let seen = self.get::<Value>(Tree::Values, &key::value(&address)).await?;
        Ok(seen.map(|seen| FoundValue { address, definition: definition.noun, value: seen.noun }))
    }
}

fn reference(found: &FoundValue) -> Reference {
    Reference {
        scope: found.definition.scope,
        name: found.definition.name.clone(),
        definition: found.definition.id,
        version: found.value.version,
    }
}

/// How many bytes a value adds to the text, if not more.
fn least_shown(found: &FoundValue, reveal: bool) -> usize {
    match &found.value.content {
        Content::Plain(text) if reveal || !found.is_encrypted() => text.len(),
        Content::Sealed(sealed) if reveal => sealed.len().saturating_sub(MAX_SEALING),
        _ => ShownContent::REDACTED.len(),
    }
}

fn check_rendered(bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_RENDERED_BYTES {
        return Ok(());
    }
    Err(Error::TooLarge(format!("the rendered text would be over {MAX_RENDERED_BYTES} bytes")))
}

fn fill(
    template: &str,
    placeholders: &[Placeholder<'_>],
    shown: &BTreeMap<&str, ShownContent>,
) -> Result<zeroize::Zeroizing<String>, Error> {
    let text_of = |told: &str| shown.get(told).map_or("", ShownContent::text);
    let inserted: usize = placeholders.iter().map(|placeholder| text_of(placeholder.text).len()).sum();
    let replaced: usize = placeholders.iter().map(|placeholder| placeholder.at.len()).sum();
    let len = template.len() - replaced + inserted;
    check_rendered(len)?;
    // At once as large as it becomes: a string that grows leaves copies behind.
    let mut text = zeroize::Zeroizing::new(String::with_capacity(len));
    let mut from = 0;
    for placeholder in placeholders {
        text.push_str(&template[from..placeholder.at.start]);
        text.push_str(text_of(placeholder.text));
        from = placeholder.at.end;
    }
    text.push_str(&template[from..]);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: &[&str]) {
        let found: Vec<&str> = placeholders(template).unwrap().iter().map(|found| found.text).collect();
        assert_eq!(found, expected, "{template}");
    }

    #[test]
    fn only_what_begins_as_a_reference_is_one() {
        check("", &[]);
        check("plain { { env.org.A }} }}", &[]);
        check("{{ other.org.A }} {{}} {{ENV.org.A}}", &[]);
        check("{{env.org.A}}", &["env.org.A"]);
        check("a {{  env.org.A\t}} b {{env.workflow.B}}", &["env.org.A", "env.workflow.B"]);
        check("{{{env.org.A}}}", &["env.org.A"]);
        check("{{ {{env.org.A}} }}", &["env.org.A"]);
        check("{{env.org.A {{env.org.B}}", &["env.org.A {{env.org.B"]);
        check("é{{env.org.A}}é", &["env.org.A"]);
        assert!(placeholders("{{env.org.A").is_err());
        assert!(placeholders("{{env.org.A}").is_err());
    }

    #[test]
    fn a_reference_is_a_scope_and_a_name() {
        assert!(parse("env.org.A").is_some());
        assert!(parse("env.linked_account.db.host-1").is_some());
        for bad in ["env.org.", "env.org", "env..A", "env.team.A", "env.org.A B", "env.org.é", "env. org.A"]
        {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn values_are_inserted_as_they_are() {
        let template = "x={{env.org.A}};{{env.org.A}}";
        let shown = BTreeMap::from([("env.org.A", ShownContent::Plain("{{env.org.B}}$1\\".into()))]);
        let text = fill(template, &placeholders(template).unwrap(), &shown).unwrap();
        assert_eq!(text.as_str(), "x={{env.org.B}}$1\\;{{env.org.B}}$1\\");
        let large = BTreeMap::from([("env.org.A", ShownContent::Plain("v".repeat(MAX_RENDERED_BYTES / 2)))]);
        assert!(matches!(fill(template, &placeholders(template).unwrap(), &large), Err(Error::TooLarge(_))));
    }
}
