//! `coffer init`: a store, an organization, and an API key for each of its environments, unless told otherwise.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::operator::this_user;
use crate::cli::output;
use crate::cli::starting::Start;
use crate::control::SecretText;
use crate::http;
use crate::model::{OrgName, Permissions, Reach};
use crate::vault::{self, Contents, NewApiKey, Opened, OpeningError, Vault};

/// Arguments of `init`.
#[derive(Args)]
pub(super) struct Arguments {
    /// What the organization is called
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ORG)]
    org: OrgName,

    /// Make no API keys: nothing secret is printed, and `coffer keys create` makes them later
    #[arg(long)]
    no_keys: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the organization of a store is called that `serve` makes by itself.
const DEFAULT_ORG: &str = "default";

/// A new organization and its first keys, shown this once.
#[derive(Serialize)]
pub(super) struct Made {
    org_id: String,
    api_keys: BTreeMap<String, SecretText>,
}

/// The keys that a store begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstKeys {
    EachEnvironment,
    None,
}

pub(super) fn run(start: &Start, arguments: &Arguments) -> Result<(), Failure> {
    http::block_on(async {
        if vault::contents(start.dir())? == Contents::Store {
            return Err(Failure::Failed(format!("there is a store in {} already", start.dir().display())));
        }
        let keys = if arguments.no_keys { FirstKeys::None } else { FirstKeys::EachEnvironment };
        let (opened, made) = create(start, arguments.org.clone(), keys).await?;
        opened.engine.close().map_err(OpeningError::from)?;
        if arguments.json { output::show_once(&output::json_line(&made)?, LOST) } else { made.say() }
    })
}

/// Makes the store with the organization `name` in it.
async fn create(start: &Start, name: OrgName, keys: FirstKeys) -> Result<(Opened, Made), OpeningError> {
    let kdf = start.config.encryption.kdf;
    vault::create(start.dir(), start.passphrase()?, kdf, start.policy(), async |vault| {
        Made::make(vault, name, keys).await
    })
    .await
}

/// Makes the store as `serve` does where there is none.
pub(super) async fn create_default(start: &Start) -> Result<(Opened, Made), Failure> {
    let name = DEFAULT_ORG.parse::<OrgName>().map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(create(start, name, FirstKeys::EachEnvironment).await?)
}

impl Made {
    async fn make(vault: &Vault, name: OrgName, keys: FirstKeys) -> Result<Made, vault::Error> {
        let org = vault.create_org(this_user(), name).await?;
        let mut api_keys = BTreeMap::new();
        let environments = org.environments.iter().filter(|_| keys == FirstKeys::EachEnvironment);
        for environment in environments {
            let new = NewApiKey {
                reach: Reach::One(environment.clone()),
                permissions: Permissions::ALL,
                name: "made with the store".into(),
                lifetime: None,
            };
            let (_, secret) = vault.create_api_key(this_user(), &org, new).await?;
            api_keys.insert(environment.to_string(), SecretText::from(secret.expose()));
        }
        Ok(Made { org_id: org.id.to_string(), api_keys })
    }

    /// The key of the environment `test`.
    pub(super) fn test_key(&self) -> &str {
        self.api_keys.get("test").map_or("", SecretText::expose)
    }

    /// Writes the organization and its keys for people.
    pub(super) fn say(&self) -> Result<(), Failure> {
        let mut text = Zeroizing::new(format!("organization        {}\n", self.org_id));
        for (environment, key) in &self.api_keys {
            text.push_str(&Zeroizing::new(format!("API key, {environment:10} {}\n", key.expose())));
        }
        text.push_str(match self.api_keys.is_empty() {
            true => "There are no keys yet: `coffer keys create` makes them.",
            false => "The keys are shown only now. Keep them where you keep passwords.",
        });
        output::show_once(&text, LOST)
    }
}

/// What to do about keys that were made and not seen.
const LOST: &str = "the store is made, but its keys were not shown: end them with `coffer keys revoke ID` \
    (`coffer keys list` shows the ids), and make others with `coffer keys create`";
