//! What a program is given: variables of a context among those that it would have had anyway.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use zeroize::Zeroizing;

use crate::client::ClientError;
use crate::client::credential::SECRET_VARIABLES;

/// Variables that decide what a program runs or loads: whoever may set a value could run code with them.
const DANGEROUS: [&str; 25] = [
    "PATH",
    "HOME",
    "SHELL",
    "USER",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "PS4",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PERL5OPT",
    "PERL5LIB",
    "PERL5DB",
    "NODE_OPTIONS",
    "NODE_PATH",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "GIT_SSH_COMMAND",
    "GIT_SSH",
    "GCONV_PATH",
];
/// The same by how a name begins: the dynamic loader's; and ours, by which a program that runs coffer itself would
/// show its key to another server.
const DANGEROUS_PREFIXES: [&str; 3] = ["LD_", "DYLD_", "COFFER_"];

/// What is left of the inherited variables in a pristine environment, and names that begin so.
const PRISTINE: [&str; 8] = ["PATH", "HOME", "USER", "SHELL", "TERM", "LANG", "TZ", "TMPDIR"];
const PRISTINE_PREFIX: &str = "LC_";

/// Whether a variable decides what a program runs or loads.
#[must_use]
pub fn is_dangerous(variable: &str) -> bool {
    DANGEROUS.contains(&variable) || DANGEROUS_PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
}

/// What becomes of inherited variables.
#[derive(Debug, Clone, Copy)]
pub struct Inheritance {
    /// They win over injected ones.
    pub preserve: bool,
    /// Only those that nearly every program needs are left.
    pub pristine: bool,
}

impl Inheritance {
    /// The environment of a program: what was inherited, and what is injected. A credential of ours is
    /// not passed on.
    ///
    /// # Errors
    /// Where a value has a NUL, which none of a server's has: it would end the variable and begin another.
    pub fn compose<'a>(
        self,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        injected: impl IntoIterator<Item = (String, &'a str)>,
    ) -> Result<Environment, ClientError> {
        let mut composed: BTreeMap<OsString, Cow<'a, [u8]>> = BTreeMap::new();
        for (name, value) in inherited.into_iter().filter(|(name, _)| self.keeps(name)) {
            composed.insert(name, Cow::Owned(value.into_vec()));
        }
        for (name, value) in injected {
            if value.contains('\0') {
                return Err(ClientError::setup(format!(
                    "the value of {name} has a NUL, which no program can be given"
                )));
            }
            let name = OsString::from(name);
            if !(self.preserve && composed.contains_key(&name)) {
                composed.insert(name, Cow::Borrowed(value.as_bytes()));
            }
        }
        let length = composed.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        // Room for all of it: bytes that grow would leave a copy of what they held behind.
        let mut block = Zeroizing::new(Vec::with_capacity(length));
        for (name, value) in &composed {
            block.extend_from_slice(name.as_bytes());
            block.push(b'=');
            block.extend_from_slice(value);
            block.push(0);
        }
        Ok(Environment(block))
    }

    fn keeps(self, name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        let needed = || PRISTINE.contains(&&*name) || name.starts_with(PRISTINE_PREFIX);
        !SECRET_VARIABLES.contains(&&*name) && (!self.pristine || needed())
    }
}

/// The variables of a program, as the kernel takes them: `NAME=value` and a NUL for each, in order of the
/// names; wiped when dropped.
pub struct Environment(Zeroizing<Vec<u8>>);

impl Environment {
    /// All of it.
    #[must_use]
    pub fn block(&self) -> &[u8] {
        &self.0
    }

    /// `NAME=value` of each.
    pub fn strings(&self) -> impl Iterator<Item = &CStr> {
        self.0
            .split_inclusive(|byte| *byte == 0)
            .map(|string| CStr::from_bytes_with_nul(string).expect("one NUL, at its end: it was split there"))
    }

    /// Name and value of each.
    pub fn pairs(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.strings().filter_map(|string| {
            let bytes = string.to_bytes();
            // A name may begin with `=`, as inherited ones sometimes do.
            let equals = bytes.iter().skip(1).position(|byte| *byte == b'=')? + 1;
            Some((OsStr::from_bytes(&bytes[..equals]), OsStr::from_bytes(&bytes[equals + 1..])))
        })
    }

    /// The value of one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.pairs().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(preserve: bool, pristine: bool, expected: &[&str]) {
        let inherited = ["PATH=/bin", "LC_ALL=C", "A=old", "B=kept", "COFFER_API_KEY=tk_x", "COFFER_TOKEN=x"]
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let injected = [("A".to_owned(), "new"), ("C".to_owned(), "more")];
        let composed = Inheritance { preserve, pristine }.compose(inherited, injected).ok().unwrap();
        let pairs = composed.pairs().map(|(name, value)| format!("{}={}", name.display(), value.display()));
        let composed: Vec<String> = pairs.collect();
        assert_eq!(composed, expected);
    }

    #[test]
    fn injected_variables_win_unless_told_otherwise_and_no_credential_is_passed_on() {
        check(false, false, &["A=new", "B=kept", "C=more", "LC_ALL=C", "PATH=/bin"]);
        check(true, false, &["A=old", "B=kept", "C=more", "LC_ALL=C", "PATH=/bin"]);
        check(false, true, &["A=new", "C=more", "LC_ALL=C", "PATH=/bin"]);
    }

    #[test]
    fn no_value_begins_another_variable() {
        let bare = Inheritance { preserve: false, pristine: true };
        let refused = bare.compose([], [("A".to_owned(), "x\0LD_PRELOAD=evil")]);
        assert!(refused.err().unwrap().to_string().contains("value of A has a NUL"));
        let composed = bare.compose([], [("A".to_owned(), "x=y\n"), ("B".to_owned(), "")]).ok().unwrap();
        assert_eq!(composed.block(), b"A=x=y\n\0B=\0");
        assert_eq!((composed.get("A"), composed.get("B")), (Some("x=y\n".as_ref()), Some("".as_ref())));
        assert_eq!(composed.get("x"), None);
    }

    #[test]
    fn what_decides_what_is_loaded_is_dangerous() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "LD_",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "NODE_OPTIONS",
            "PERL5LIB",
            "COFFER_URL",
        ] {
            assert!(is_dangerous(name), "{name}");
        }
        for name in ["path", "MY_PATH", "LDAP_URL", "USERNAME"] {
            assert!(!is_dangerous(name), "{name}");
        }
    }
}
