//! Who asks: an API key or a session token, from the environment and never from an argument, which every
//! process of the machine could read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::client::ClientError;
use crate::crypto::CacheKey;
use crate::secret_file;

/// The variables that may have a credential, and those that may name a file with one.
const API_KEY: &str = "COFFER_API_KEY";
const API_KEY_FILE: &str = "COFFER_API_KEY_FILE";
const TOKEN: &str = "COFFER_TOKEN";
const TOKEN_FILE: &str = "COFFER_TOKEN_FILE";

/// Variables that are a credential themselves: what a program is started with does not have them.
pub const SECRET_VARIABLES: [&str; 2] = [API_KEY, TOKEN];

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
        let named: Vec<(&str, OsString)> = [API_KEY, API_KEY_FILE, TOKEN, TOKEN_FILE]
            .into_iter()
            .filter_map(|name| Some((name, variable(name)?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let (name, value) = match <[_; 1]>::try_from(named) {
            Ok([one]) => one,
            Err(none) if none.is_empty() => {
                return Err(ClientError::setup(format!(
                    "there is no credential: set {API_KEY} or {TOKEN}, or {API_KEY_FILE} or {TOKEN_FILE} to the name of a file with it"
                )));
            }
            Err(several) => {
                let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
                return Err(ClientError::setup(format!(
                    "{} are set: unset all but one",
                    names.join(" and ")
                )));
            }
        };
        let text = match name {
            API_KEY_FILE | TOKEN_FILE => Some(read(name, Path::new(&value))?),
            _ => value.into_string().ok().map(Zeroizing::new),
        };
        let text = checked(name, text)?;
        Ok(if matches!(name, TOKEN | TOKEN_FILE) {
            Credential::Token(text)
        } else {
            Credential::ApiKey(text)
        })
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

/// The variable that names a file with a credential which others than its owner may read, and the file.
pub fn exposed_file(variable: impl Fn(&str) -> Option<OsString>) -> Option<(&'static str, PathBuf)> {
    [API_KEY_FILE, TOKEN_FILE]
        .into_iter()
        .filter_map(|name| Some((name, PathBuf::from(variable(name)?))))
        .find(|(_, path)| secret_file::is_exposed(path))
}

fn read(source: &str, path: &Path) -> Result<Zeroizing<String>, ClientError> {
    secret_file::read_text(path)
        .map_err(|why| ClientError::setup(format!("{source}: the file {} {why}", path.display())))
}

/// What can stand in a header; whether it opens anything is for the server to say.
fn checked(source: &str, text: Option<Zeroizing<String>>) -> Result<Zeroizing<String>, ClientError> {
    let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
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
        assert_eq!(*find(&[("COFFER_TOKEN_FILE", path)]).ok().unwrap().header().1, "Bearer tk_file");
    }

    #[test]
    fn none_several_and_impossible_ones_are_refused_without_showing_them() {
        let refused = |variables| find(variables).err().unwrap();
        assert!(refused(&[]).starts_with("there is no credential"));
        let two = refused(&[("COFFER_API_KEY", "tk_secret"), ("COFFER_TOKEN", "secret")]);
        assert_eq!(two, "COFFER_API_KEY and COFFER_TOKEN are set: unset all but one");
        assert!(!refused(&[("COFFER_API_KEY", "tk secret")]).contains("secret"));
        let files = refused(&[("COFFER_TOKEN", "secret"), ("COFFER_TOKEN_FILE", "/nowhere")]);
        assert_eq!(files, "COFFER_TOKEN and COFFER_TOKEN_FILE are set: unset all but one");
        let missing = refused(&[("COFFER_API_KEY_FILE", "/nowhere")]);
        assert!(missing.starts_with("COFFER_API_KEY_FILE: the file /nowhere cannot be read: "), "{missing}");
    }
}
