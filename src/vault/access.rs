//! Who is asking, and what they may.
//!
//! What an operation needs of its caller is a type, [`need`]: it stands in the signature of the operation
//! and of the handler that calls it, and the two do not fit together unless they say the same.

use std::marker::PhantomData;

use crate::model::{AccountId, Actor, Environment, Id, Org, Origin, Permission, Permissions, Reach, Scope};
use crate::store::{Tree, key};
use crate::vault::{Error, Vault};

/// What an operation needs.
pub trait Need: 'static {
    /// The permission that an API key must have; `None` where no API key will do.
    const OF_KEYS: Option<Permission>;
    /// Whether a session token will do, within its own account.
    const TOKENS: bool;
}

/// Everything that operations need.
pub mod need {
    use super::{Need, Permission};

    macro_rules! needs {
        ($($(#[$doc:meta])* $name:ident: $of_keys:expr, $tokens:literal;)*) => {
            $(
                $(#[$doc])*
                #[derive(Debug, Clone, Copy)]
                pub enum $name {}

                impl Need for $name {
                    const OF_KEYS: Option<Permission> = $of_keys;
                    const TOKENS: bool = $tokens;
                }
            )*
        };
    }

    needs! {
        /// Seeing definitions and values, or one account.
        Read: Some(Permission::Read), true;
        /// Seeing what belongs to no one account.
        ReadAll: Some(Permission::Read), false;
        /// Setting and deleting values.
        Write: Some(Permission::Write), true;
        /// Setting many values at once.
        Import: Some(Permission::Write), false;
        /// Changing definitions and accounts, issuing session tokens.
        Manage: Some(Permission::Manage), false;
        /// Changing an account, which its own token may as well.
        ManageOwn: Some(Permission::Manage), true;
        /// Making and revoking API keys.
        Admin: Some(Permission::Admin), false;
        /// Reading the audit trail.
        Audit: Some(Permission::Admin), true;
        /// Speaking of the session itself.
        Session: None, true;
    }
}

/// Whoever holds a valid credential, at an operation that needs `N`.
#[derive(Debug, Clone)]
pub struct Caller<N> {
    org: Id,
    actor: Actor,
    reach: Reach,
    credential: Credential,
    /// What its API key is called.
    name: String,
    origin: Origin,
    need: PhantomData<fn() -> N>,
}

/// What a caller has shown.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// An API key that may do this.
    ApiKey(Permissions),
    /// A token of this session of this account.
    Session(AccountId, Id),
}

/// A caller and the environment that the request is about.
#[derive(Debug, Clone)]
pub struct CallerIn<N> {
    caller: Caller<N>,
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

impl<N: Need> Caller<N> {
    /// Refuses a session token where the operation takes none.
    pub(super) fn new(org: Id, actor: Actor, reach: Reach, credential: Credential) -> Result<Self, Error> {
        match credential {
            Credential::Session(..) if !N::TOKENS => {
                Err(Error::Forbidden("a session token is not allowed to do this"))
            }
            _ => {
                let (name, origin) = (String::new(), Origin::default());
                Ok(Caller { org, actor, reach, credential, name, origin, need: PhantomData })
            }
        }
    }

    /// The same, whose API key is called so.
    pub(super) fn called(self, name: String) -> Self {
        Caller { name, ..self }
    }

    /// The same, whose request comes from there.
    #[must_use]
    pub fn coming_from(self, origin: Origin) -> Self {
        Caller { origin, ..self }
    }

    /// What the caller's API key is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the caller's request comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
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

    /// The only account that the caller may speak of, where it holds a session token.
    #[must_use]
    pub fn own_account(&self) -> Option<&AccountId> {
        match &self.credential {
            Credential::ApiKey(_) => None,
            Credential::Session(account, _) => Some(account),
        }
    }

    /// The session, where the caller holds a token of one.
    pub(super) fn session(&self) -> Option<Id> {
        match &self.credential {
            Credential::ApiKey(_) => None,
            Credential::Session(_, session) => Some(*session),
        }
    }

    /// What tells the caller's credential from others: the id of its API key or of its session.
    #[must_use]
    pub fn credential_id(&self) -> Option<Id> {
        match (&self.credential, self.actor) {
            (Credential::Session(_, session), _) => Some(*session),
            (Credential::ApiKey(_), Actor::ApiKey(id)) => Some(id),
            (Credential::ApiKey(_), _) => None,
        }
    }

    /// What the caller's API key may do; nothing where it has none.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        match self.credential {
            Credential::ApiKey(permissions) => permissions,
            Credential::Session(..) => Permissions::NONE,
        }
    }

    /// Refuses a caller that lacks what the operation needs.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn permit(&self) -> Result<(), Error> {
        match (&self.credential, N::OF_KEYS) {
            // That the operation takes tokens was seen when the caller was made.
            (Credential::Session(..), _) => Ok(()),
            (Credential::ApiKey(_), Some(permission)) => self.require(permission),
            (Credential::ApiKey(_), None) => Err(Error::InvalidToken),
        }
    }

    /// Refuses a caller whose API key lacks `permission`, which a session token never has.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn require(&self, permission: Permission) -> Result<(), Error> {
        if self.permissions().contains(permission) {
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

    /// Whether what the caller reaches may be shown to it, as far as it is not encrypted.
    #[must_use]
    pub fn may_read(&self) -> bool {
        match self.credential {
            Credential::Session(..) => true,
            Credential::ApiKey(permissions) => permissions.contains(Permission::Read),
        }
    }

    /// Refuses a session token at variables of any scope but its own.
    pub(super) fn admit_scope(&self, scope: Scope) -> Result<(), Error> {
        match (&self.credential, scope) {
            (Credential::ApiKey(_), _) | (_, Scope::LinkedAccount) => Ok(()),
            _ => Err(Error::Forbidden("a session token reaches only variables of scope linked_account")),
        }
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

impl<N: Need> CallerIn<N> {
    /// The caller.
    #[must_use]
    pub fn caller(&self) -> &Caller<N> {
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
    pub async fn enter<N: Need>(
        &self,
        caller: Caller<N>,
        named: NamedEnvironment<'_>,
    ) -> Result<CallerIn<N>, Error> {
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
    pub async fn named_environment<N: Need>(
        &self,
        caller: &Caller<N>,
        named: NamedEnvironment<'_>,
    ) -> Result<Option<Environment>, Error> {
        let Some(first) = named.names().next() else { return Ok(None) };
        let known = match caller.reach() {
            Reach::One(own) => {
                if named.names().any(|name| name != own.as_str().as_bytes()) {
                    return Err(Error::Forbidden("this credential does not open that environment"));
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
