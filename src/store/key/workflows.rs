//! Keys that go through the workflows which have values, one after another.

use super::{Key, value_prefix};
use crate::model::{Environment, Id, Subject, WorkflowId};

/// What the keys of the values of all workflows in `values` begin with.
#[must_use]
pub fn workflows_prefix(org: Id, environment: &Environment) -> Vec<u8> {
    let subject = Key::of(org).text(environment.as_str()).text("workflow:");
    // Without the separator: the workflow's id follows.
    subject.end()
}

/// A key beyond those of all values of one workflow, and before those of the next.
#[must_use]
pub fn beyond_workflow(org: Id, environment: &Environment, workflow: &WorkflowId) -> Vec<u8> {
    let mut key = value_prefix(org, environment, &Subject::Workflow(workflow.clone()));
    // Definitions are hex digits, all of which come before this.
    key.push(b'~');
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;
    use crate::store::key::value;

    #[test]
    fn the_next_workflow_comes_after_all_values_of_the_one_before() {
        let (org, environment) = (Id::from_bytes([7; 12]), Environment::test());
        let of = |subject: &str, definition| {
            let subject = subject.parse().unwrap();
            value(&Address { org, environment: environment.clone(), subject, definition })
        };
        let prefix = workflows_prefix(org, &environment);
        for id in ["a", "a/b", "~", "workflow:"] {
            let beyond = beyond_workflow(org, &environment, &id.parse().unwrap());
            let last = of(&format!("workflow:{id}"), Id::from_bytes([0xff; 12]));
            assert!(last.starts_with(&prefix) && beyond.starts_with(&prefix) && last < beyond, "{id}");
            let next = of(&format!("workflow:{id}0"), Id::from_bytes([0; 12]));
            assert!(beyond < next, "{id}");
        }
        assert!(!of("linked_account:a", org).starts_with(&prefix));
    }
}
