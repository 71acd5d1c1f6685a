//! Who is asking, and what they may.

use crate::model::{Actor, Environment, Id, Org, Permission, Permissions, Reach};
use crate::store::{Tree, key};
use crate::vault::{Error, Vault};

/// Whoever holds a valid credential.
#[derive(Debug, Clone)]
pub struct Caller {
    org: Id,
    actor: Actor,
    reach: Reach,
    permissions: Permissions,
}

/// A caller and the environment that the request is about.
#[derive(Debug, Clone)]
pub struct CallerIn {
    caller: Caller,
    environment: Environment,
}

/// The environment as a request names it: in the query, in a header, in both or not at all. As sent, since
/// a name that cannot be one is refused like one that is not there.
#[derive(Debug, Clone, Copy, Default)]
pub struct NamedEnvironment<'a> {
    /// The query parameter.
    pub query: Option<&'a str>,
    /// The header; bytes that are not text can name nothing.
    pub header: Option<&'a [u8]>,
}

impl Caller {
    pub(super) fn new(org: Id, actor: Actor, reach: Reach, permissions: Permissions) -> Caller {
        Caller { org, actor, reach, permissions }
    }

    /// The caller's organization: everything it sees is of this one.
    #[must_use]
    pub fn org(&self) -> Id {
        self.org
    }

    /// Who the caller is, for the record.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// The environments that the caller's credential opens.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What the caller may do.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// Refuses a caller without `permission`.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require(&self, permission: Permission) -> Result<(), Error> {
        if self.permissions.contains(permission) {
            return Ok(());
        }
        Err(Error::Forbidden(match permission {
            Permission::Read => "this needs the permission `read`",
            Permission::Write => "this needs the permission `write`",
            Permission::Manage => "this needs the permission `manage`",
            Permission::Reveal => "this needs the permission `reveal`",
            Permission::Admin => "this needs the permission `admin`",
        }))
    }

    /// Whether the caller's credential opens `environment`.
    #[must_use]
    pub fn reaches(&self, environment: &Environment) -> bool {
        match &self.reach {
            Reach::One(own) => own == environment,
            Reach::All => true,
        }
    }
}

impl CallerIn {
    /// The caller.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The environment.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

impl NamedEnvironment<'_> {
    fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.query.map(str::as_bytes).into_iter().chain(self.header).filter(|name| !name.is_empty())
    }
}

impl Vault {
    /// The caller in the environment that the request is about, for what lives in an environment.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for an environment that the credential does not open;
    /// [`Error::InvalidRequest`] where a key for all names none, an unknown one, or two.
    pub async fn enter(&self, caller: Caller, named: NamedEnvironment<'_>) -> Result<CallerIn, Error> {
        let environment = match self.named_environment(&caller, named).await? {
            Some(environment) => environment,
            None => match caller.reach() {
                Reach::One(own) => own.clone(),
                Reach::All => {
                    return Err(Error::InvalidRequest(
                        "environment is required: this key opens all of them".into(),
                    ));
                }
            },
        };
        Ok(CallerIn { caller, environment })
    }

    /// The environment that the request names, if it names one, by the same rules as [`Vault::enter`].
    ///
    /// # Errors
    /// As [`Vault::enter`].
    pub async fn named_environment(
        &self,
        caller: &Caller,
        named: NamedEnvironment<'_>,
    ) -> Result<Option<Environment>, Error> {
        let Some(first) = named.names().next() else { return Ok(None) };
        let known = match caller.reach() {
            Reach::One(own) => {
                if named.names().any(|name| name != own.as_str().as_bytes()) {
                    return Err(Error::Forbidden("this key does not open that environment"));
                }
                return Ok(Some(own.clone()));
            }
            Reach::All => {
                let org = self.get::<Org>(Tree::Orgs, &key::org(caller.org())).await?;
                org.map(|org| org.noun.environments).unwrap_or_default()
            }
        };
        let of = |name: &[u8]| known.iter().find(|known| known.as_str().as_bytes() == name);
        if named.names().any(|name| of(name).is_none()) {
            return Err(Error::InvalidRequest("environment names none of the organization's".into()));
        }
        if named.names().any(|name| name != first) {
            return Err(Error::InvalidRequest("environment differs between query and header".into()));
        }
        Ok(of(first).cloned())
    }
}
