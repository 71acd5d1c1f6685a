//! What the operator can ask for, and what it does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::audit::{self, AuditAnswer, AuditCommand};
use crate::control::checkup::{self, Finding};
use crate::control::parts::Parts;
use crate::control::secret_text::SecretText;
use crate::control::upkeep;
use crate::model::{Environment, Id, Operator, Org, OrgName, Permission, Permissions, Reach};
use crate::vault::{Error, ListedApiKey, NewApiKey, Opened, Vault};

/// A command, as it travels. Its texts were valid where it was written; they are parsed again where it runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Make an API key.
    KeysCreate {
        /// The organization, by id or name; the only one where absent.
        org: Option<String>,
        /// An environment, or `all`.
        environment: String,
        /// What the key may do.
        permissions: Vec<String>,
        /// What people call it.
        name: String,
        /// Seconds until it expires.
        expires_in: Option<u64>,
    },
    /// List API keys.
    KeysList {
        /// The organization; every one where absent.
        org: Option<String>,
    },
    /// End an API key.
    KeysRevoke {
        /// Its id.
        id: String,
    },
    /// Make an organization.
    OrgsCreate {
        /// Its name.
        name: String,
    },
    /// List organizations.
    OrgsList,
    /// Add an environment to an organization.
    EnvironmentsAdd {
        /// The organization; the only one where absent.
        org: Option<String>,
        /// The environment.
        name: String,
    },
    /// List environments.
    EnvironmentsList {
        /// The organization; every one where absent.
        org: Option<String>,
    },
    /// Make a backup; its bytes come as parts.
    BackupCreate,
    /// Have another passphrase open the store.
    PassphraseChange {
        /// The one that opens it now.
        old: SecretText,
        /// The one that is to.
        new: SecretText,
    },
    /// Write the store's files anew from what is live.
    Compact,
    /// Look for what is wrong with what the store holds.
    CheckUp {
        /// Whether nobody else uses the store meanwhile, so that the index can be compared too.
        alone: bool,
    },
    /// Give organizations new data keys, and seal everything anew with them.
    RotateData {
        /// The organization; every one where absent.
        org: Option<String>,
    },
    /// A question about the audit trail.
    Audit(AuditCommand),
}

impl Command {
    /// Whether it may take longer than a commit does. Such a command says now and then that it goes on, and is
    /// given up where the server stops.
    pub(super) fn is_long(&self) -> bool {
        matches!(
            self,
            Command::BackupCreate | Command::Compact | Command::RotateData { .. } | Command::CheckUp { .. }
        )
    }
}

/// What a command brought about.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A key was made.
    Key(NewKey),
    /// The keys that there are.
    Keys(Vec<KeyRow>),
    /// A key was revoked.
    KeyRevoked,
    /// An organization was made.
    Org(OrgRow),
    /// The organizations that there are.
    Orgs(Vec<OrgRow>),
    /// An environment was added.
    EnvironmentAdded(EnvironmentRow),
    /// The environments that there are.
    Environments(Vec<EnvironmentRow>),
    /// A backup was made, with so many records.
    BackedUp(u64),
    /// The passphrase was changed.
    PassphraseChanged,
    /// So many organizations have new data keys, with which so many values are sealed anew.
    Rotated(usize, u64),
    /// The store was compacted.
    Compacted(CompactedRow),
    /// The store was looked at.
    CheckedUp(Vec<Finding>),
    /// An answer about the audit trail.
    Audit(AuditAnswer),
}

/// An API key that was made, shown this once. It cannot be printed by accident.
#[derive(Serialize, Deserialize)]
pub struct NewKey {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// The key.
    pub key: SecretText,
}

/// An API key in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyRow {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its organization's id.
    pub org_id: String,
    /// Its environment, or `all`.
    pub environment: String,
    /// What it may do.
    pub permissions: Vec<String>,
    /// What people call it.
    pub name: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    #[serde(rename = "createdAt")]
    pub created_at: String,
    /// From when on it is refused.
    #[serde(rename = "expiresAt")]
    pub expires_at: Option<String>,
    /// The minute in which it was last used.
    pub last_used_at: Option<String>,
}

/// An organization in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct OrgRow {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its name.
    pub name: String,
}

/// An environment in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct EnvironmentRow {
    /// Its organization's id.
    pub org_id: String,
    /// Its organization's name.
    pub org_name: String,
    /// Its name.
    pub name: String,
}

/// What a compaction did.
#[derive(Debug, Serialize, Deserialize)]
pub struct CompactedRow {
    /// Records that the store has.
    pub records: u64,
    /// Bytes of its files before.
    pub bytes_before: u64,
    /// The same after.
    pub bytes_after: u64,
}

/// Why a command was not carried out.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Whether the command itself was wrong, rather than what it met.
    pub usage: bool,
    /// Why, in one line.
    pub message: String,
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        failed(error.into().to_string())
    }
}

/// Carries out a command of the operator's, which may say something to `parts` meanwhile.
///
/// # Errors
/// Where the command is wrong, or the vault refuses.
pub async fn execute(
    opened: &Opened,
    operator: Operator,
    command: Command,
    parts: &Parts,
) -> Result<Outcome, Refusal> {
    let vault = &opened.vault;
    match command {
        Command::BackupCreate => upkeep::back_up(opened, operator, parts).await,
        Command::PassphraseChange { old, new } => upkeep::change_passphrase(opened, operator, old, new).await,
        Command::RotateData { org } => {
            let orgs = some_orgs(vault, org.as_deref()).await?;
            upkeep::rotate(vault, operator, &orgs, parts).await
        }
        Command::Compact => upkeep::compact(opened, operator).await,
        Command::CheckUp { alone } => checkup::check_up(opened, alone, parts).await,
        Command::KeysCreate { org, environment, permissions, name, expires_in } => {
            let org = one_org(vault, org.as_deref()).await?;
            let permissions = permissions.iter().map(|name| name.parse::<Permission>());
            let new = NewApiKey {
                reach: environment.parse::<Reach>()?,
                permissions: permissions.collect::<Result<Permissions, _>>()?,
                name,
                lifetime: expires_in.map(Duration::from_secs),
            };
            let (key, secret) = vault.create_api_key(operator, &org, new).await?;
            Ok(Outcome::Key(NewKey { id: key.id.to_string(), key: SecretText::from(secret.expose()) }))
        }
        Command::KeysList { org } => {
            let mut rows = Vec::new();
            for org in some_orgs(vault, org.as_deref()).await? {
                rows.extend(vault.api_keys(org.id).await?.into_iter().map(KeyRow::from));
            }
            Ok(Outcome::Keys(rows))
        }
        Command::KeysRevoke { id } => revoke(vault, operator, &id).await,
        Command::OrgsCreate { name } => {
            Ok(Outcome::Org(OrgRow::from(&vault.create_org(operator, name.parse::<OrgName>()?).await?)))
        }
        Command::OrgsList => Ok(Outcome::Orgs(vault.orgs().await?.iter().map(OrgRow::from).collect())),
        Command::EnvironmentsAdd { org, name } => {
            let org = one_org(vault, org.as_deref()).await?;
            let environment = name.parse::<Environment>()?;
            let org = vault.add_environment(operator, org.id, &environment).await?;
            Ok(Outcome::EnvironmentAdded(EnvironmentRow::new(&org, &environment)))
        }
        Command::EnvironmentsList { org } => {
            let mut rows = Vec::new();
            for org in some_orgs(vault, org.as_deref()).await? {
                rows.extend(org.environments.iter().map(|name| EnvironmentRow::new(&org, name)));
            }
            Ok(Outcome::Environments(rows))
        }
        Command::Audit(command) => audit::execute(vault, command).await,
    }
}

/// A key's id is enough to name it, whichever organization's it is.
async fn revoke(vault: &Vault, operator: Operator, id: &str) -> Result<Outcome, Refusal> {
    let Ok(id) = id.parse::<Id>() else {
        // Not repeated: it may be the key itself.
        return Err(failed("a key is named by its id, 24 hex digits: `coffer keys list` shows it".into()));
    };
    for org in vault.orgs().await? {
        match vault.revoke_api_key(operator, org.id, id).await {
            Ok(()) => return Ok(Outcome::KeyRevoked),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(failed(format!("no API key has the id {id}")))
}

async fn find_org(vault: &Vault, named: &str) -> Result<Org, Refusal> {
    vault.find_org(named).await.map_err(|error| match error {
        Error::NotFound(_) => failed(format!("no organization `{}`", named.escape_debug())),
        error => error.into(),
    })
}

pub(super) fn failed(message: String) -> Refusal {
    Refusal { usage: false, message }
}

/// The organization that is named, or the only one there is.
async fn one_org(vault: &Vault, named: Option<&str>) -> Result<Org, Refusal> {
    if let Some(named) = named {
        return find_org(vault, named).await;
    }
    let mut orgs = vault.orgs().await?;
    if orgs.len() == 1 {
        return orgs.pop().ok_or_else(|| Error::NotFound("Organization").into());
    }
    let names: Vec<_> = orgs.iter().map(|org| format!("{} ({})", org.name, org.id)).collect();
    Err(Refusal { usage: true, message: format!("--org is needed, one of: {}", names.join(", ")) })
}

async fn some_orgs(vault: &Vault, named: Option<&str>) -> Result<Vec<Org>, Refusal> {
    match named {
        Some(named) => Ok(vec![find_org(vault, named).await?]),
        None => Ok(vault.orgs().await?),
    }
}

impl From<ListedApiKey> for KeyRow {
    fn from(ListedApiKey { key, last_used_at }: ListedApiKey) -> KeyRow {
        KeyRow {
            id: key.id.to_string(),
            org_id: key.org.to_string(),
            environment: key.reach.to_string(),
            permissions: key.permissions.iter().map(|permission| permission.as_str().into()).collect(),
            name: key.name,
            created_by: key.created_by.to_string(),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|time| time.to_string()),
            last_used_at: last_used_at.map(|time| time.to_string()),
        }
    }
}

impl From<&Org> for OrgRow {
    fn from(org: &Org) -> OrgRow {
        OrgRow { id: org.id.to_string(), name: org.name.to_string() }
    }
}

impl EnvironmentRow {
    fn new(org: &Org, name: &Environment) -> EnvironmentRow {
        EnvironmentRow { org_id: org.id.to_string(), org_name: org.name.to_string(), name: name.to_string() }
    }
}
