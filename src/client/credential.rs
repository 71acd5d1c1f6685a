//! Who asks: an API key or a session token, from the environment and never from an argument, which every
//! process of the machine could read.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::client::ClientError;
use crate::crypto::CacheKey;

/// The variables that may have a credential.
const API_KEY: &str = "COFFER_API_KEY";
const API_KEY_FILE: &str = "COFFER_API_KEY_FILE";
const TOKEN: &str = "COFFER_TOKEN";

/// Variables that are a credential themselves: what a program is started with does not have them.
pub const SECRET_VARIABLES: [&str; 2] = [API_KEY, TOKEN];

/// More than any credential has.
const MAX_BYTES: u64 = 16 * 1024;

/// An API key or a session token.
pub enum Credential {
    /// An API key.
    ApiKey(Zeroizing<String>),
    /// A session token.
    Token(Zeroizing<String>),
}

impl Credential {
    /// The one that the environment names; an empty variable counts as none.
    ///
    /// # Errors
    /// Where there is none, where there are several, and where it can be none.
    pub fn find(variable: impl Fn(&str) -> Option<OsString>) -> Result<Credential, ClientError> {
        let named: Vec<(&str, OsString)> = [API_KEY, API_KEY_FILE, TOKEN]
            .into_iter()
            .filter_map(|name| Some((name, variable(name)?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        match <[_; 1]>::try_from(named) {
            Ok([(API_KEY, key)]) => Ok(Credential::ApiKey(checked(API_KEY, key.into_string().ok())?)),
            Ok([(TOKEN, token)]) => Ok(Credential::Token(checked(TOKEN, token.into_string().ok())?)),
            Ok([(_, path)]) => Ok(Credential::ApiKey(read(Path::new(&path))?)),
            Err(none) if none.is_empty() => Err(ClientError::setup(format!(
                "there is no credential: set {API_KEY}, {API_KEY_FILE} (a file with the key in it) or {TOKEN}"
            ))),
            Err(several) => {
                let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
                Err(ClientError::setup(format!("{} are set: unset all but one", names.join(" and "))))
            }
        }
    }

    /// The header that carries it, and what stands there.
    pub(super) fn header(&self) -> (&'static str, Zeroizing<String>) {
        match self {
            Credential::ApiKey(key) => ("x-api-key", key.clone()),
            Credential::Token(token) => ("authorization", Zeroizing::new(format!("Bearer {}", **token))),
        }
    }

    /// The keys of what is kept for this credential.
    pub(super) fn cache_key(&self) -> CacheKey {
        match self {
            Credential::ApiKey(text) | Credential::Token(text) => CacheKey::of_credential(text.as_bytes()),
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, ClientError> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text)).map_err(|error| {
        ClientError::setup(format!("{API_KEY_FILE}: cannot read {}: {error}", path.display()))
    })?;
    checked(API_KEY_FILE, Some(text.trim_ascii().to_owned()))
}

/// What can stand in a header; whether it opens anything is for the server to say.
fn checked(source: &str, text: Option<String>) -> Result<Zeroizing<String>, ClientError> {
    let text = text
        .map(Zeroizing::new)
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    text.ok_or_else(|| ClientError::setup(format!("what {source} gives is no credential: it is empty, or has blanks or other characters that none has")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Result<Credential, String> {
        let of =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        Credential::find(of).map_err(|error| error.to_string())
    }

    #[test]
    fn one_variable_gives_the_credential() {
        assert!(
            matches!(find(&[("COFFER_API_KEY", "tk_x"), ("COFFER_TOKEN", "")]), Ok(Credential::ApiKey(key)) if *key == "tk_x")
        );
        let token = find(&[("COFFER_TOKEN", "a.b.c")]).ok().unwrap();
        assert_eq!(*token.header().1, "Bearer a.b.c");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "tk_file\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(*find(&[("COFFER_API_KEY_FILE", path)]).ok().unwrap().header().1, "tk_file");
    }

    #[test]
    fn none_several_and_impossible_ones_are_refused_without_showing_them() {
        let refused = |variables| find(variables).err().unwrap();
        assert!(refused(&[]).starts_with("there is no credential"));
        let two = refused(&[("COFFER_API_KEY", "tk_secret"), ("COFFER_TOKEN", "secret")]);
        assert_eq!(two, "COFFER_API_KEY and COFFER_TOKEN are set: unset all but one");
        assert!(!refused(&[("COFFER_API_KEY", "tk secret")]).contains("secret"));
        assert!(refused(&[("COFFER_API_KEY_FILE", "/nowhere")]).contains("/nowhere"));
    }
}
