//! What a program is given: variables of a context among those that it would have had anyway.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::client::credential::SECRET_VARIABLES;

/// Variables that decide what a program runs or loads: whoever may set a value could run code with them.
const DANGEROUS: [&str; 13] = [
    "PATH",
    "HOME",
    "SHELL",
    "USER",
    "IFS",
    "ENV",
    "BASH_ENV",
    "PYTHONPATH",
    "PERL5OPT",
    "NODE_OPTIONS",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "GIT_SSH_COMMAND",
];
/// The same by how a name begins: the dynamic loader's.
const DANGEROUS_PREFIXES: [&str; 2] = ["LD_", "DYLD_"];

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
    pub fn compose<'a>(
        self,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        injected: impl IntoIterator<Item = (String, &'a str)>,
    ) -> BTreeMap<OsString, OsString> {
        let mut composed: BTreeMap<OsString, OsString> =
            inherited.into_iter().filter(|(name, _)| self.keeps(name)).collect();
        for (name, value) in injected {
            let name = OsString::from(name);
            if !(self.preserve && composed.contains_key(&name)) {
                composed.insert(name, value.into());
            }
        }
        composed
    }

    fn keeps(self, name: &OsStr) -> bool {
        let name = name.to_string_lossy();
        let needed = || PRISTINE.contains(&&*name) || name.starts_with(PRISTINE_PREFIX);
        !SECRET_VARIABLES.contains(&&*name) && (!self.pristine || needed())
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
        let composed = Inheritance { preserve, pristine }.compose(inherited, injected);
        let composed: Vec<String> =
            composed.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        assert_eq!(composed, expected);
    }

    #[test]
    fn injected_variables_win_unless_told_otherwise_and_no_credential_is_passed_on() {
        check(false, false, &["A=new", "B=kept", "C=more", "LC_ALL=C", "PATH=/bin"]);
        check(true, false, &["A=old", "B=kept", "C=more", "LC_ALL=C", "PATH=/bin"]);
        check(false, true, &["A=new", "C=more", "LC_ALL=C", "PATH=/bin"]);
    }

    #[test]
    fn what_decides_what_is_loaded_is_dangerous() {
        for name in ["PATH", "LD_PRELOAD", "LD_", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "NODE_OPTIONS"] {
            assert!(is_dangerous(name), "{name}");
        }
        for name in ["path", "MY_PATH", "LDAP_URL", "USERNAME"] {
            assert!(!is_dangerous(name), "{name}");
        }
    }
}
