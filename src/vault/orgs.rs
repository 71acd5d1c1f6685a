//! Organizations and their environments: the operator's to make, over no HTTP endpoint.

use crate::model::{AuditEvent, Entity, EntityKind, Environment, Id, Operator, Org, OrgName, Timestamp};
use crate::store::{Batch, Tree, key, record};
use crate::vault::audit::{Act, Author};
use crate::vault::data_keys::DataKeys;
use crate::vault::{Error, Vault};

impl Vault {
    /// Makes an organization with the environments `test` and `production` and a data key of its own.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where the name is taken.
    pub async fn create_org(&self, operator: Operator, name: OrgName) -> Result<Org, Error> {
        let id = self.0.ids.next();
        let data_key_id = self.0.ids.next();
        let (data_key, wrapped) = DataKeys::generate(&self.0.keyring, id, data_key_id);
        let org = Org {
            id,
            name,
            environments: vec![Environment::test(), Environment::production()],
            data_key: data_key_id,
            created_at: Timestamp::now(),
        };
        let name_key = key::org_name(org.name.as_str());
        let batch = Batch::new()
            .require_absent(Tree::OrgNames, name_key.as_slice())
            .put(Tree::OrgNames, name_key, record::encode(&id)?)
            .put(Tree::Orgs, key::org(id), record::encode(&org)?)
            .put(Tree::DataKeys, key::data_key(id, data_key_id), wrapped);
        let entity = Entity::of(EntityKind::Organization, id).named(org.name.as_str());
        let act = Act::new(AuditEvent::OrganizationCreated, entity);
        let batch = self.record(batch, Author::operator(None, operator), act).await?;
        if !self.commit(batch).await? {
            return Err(Error::InvalidRequest("an organization of this name exists".into()));
        }
        self.0.data_keys.adopt(id, data_key);
        Ok(org)
    }

    /// Every organization, in the order of creation.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn orgs(&self) -> Result<Vec<Org>, Error> {
        let found = self.0.engine.scan(Tree::Orgs, b"", None, usize::MAX).await?;
        found.iter().map(|found| Ok(record::decode(&found.value)?)).collect()
    }

    /// The organization with this id or name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn find_org(&self, id_or_name: &str) -> Result<Org, Error> {
        let id = match id_or_name.parse::<Id>() {
            Ok(id) => Some(id),
            Err(_) => self.get::<Id>(Tree::OrgNames, &key::org_name(id_or_name)).await?.map(|seen| seen.noun),
        };
        let id = id.ok_or(Error::NotFound("Organization"))?;
        Ok(self.get::<Org>(Tree::Orgs, &key::org(id)).await?.ok_or(Error::NotFound("Organization"))?.noun)
    }

    /// Adds an environment to an organization.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where the organization has it; [`Error::NotFound`] for an unknown
    /// organization.
    pub async fn add_environment(
        &self,
        operator: Operator,
        org: Id,
        environment: &Environment,
    ) -> Result<Org, Error> {
        let org_key = key::org(org);
        loop {
            let mut seen =
                self.get::<Org>(Tree::Orgs, &org_key).await?.ok_or(Error::NotFound("Organization"))?;
            if seen.noun.environments.contains(environment) {
                return Err(Error::InvalidRequest(format!(
                    "the organization has an environment {environment}"
                )));
            }
            seen.noun.environments.push(environment.clone());
            let batch = Batch::new().require_version(Tree::Orgs, org_key.as_slice(), seen.revision).put(
                Tree::Orgs,
                org_key.as_slice(),
                record::encode(&seen.noun)?,
            );
            let entity = Entity::text(EntityKind::Environment, environment.as_str());
            let act = Act::new(AuditEvent::EnvironmentCreated, entity).within(environment);
            let batch = self.record(batch, Author::operator(Some(org), operator), act).await?;
            if self.commit(batch).await? {
                return Ok(seen.noun);
            }
        }
    }
}
