//! Variables as text that is not dotenv: for a shell, and as YAML.

use std::collections::BTreeMap;
use std::fmt::Write;

use zeroize::Zeroizing;

use crate::dotenv::{Collision, variable_names};

/// One `export` a line, for `eval` and `.` in a POSIX shell. Exact for every value.
pub(super) fn shell(variables: &[(&str, &str)]) -> Result<Zeroizing<String>, Collision> {
    let names = variable_names(variables.iter().map(|(name, _)| *name))?;
    let values: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let mut text = room_for(variables);
    for (variable, name) in names {
        let _ = write!(text, "export {variable}='");
        for character in values[name].chars() {
            match character {
                '\'' => text.push_str(r"'\''"),
                _ => text.push(character),
            }
        }
        text.push_str("'\n");
    }
    Ok(text)
}

/// A mapping of quoted names to quoted values.
pub(super) fn yaml(variables: &[(&str, &str)]) -> Zeroizing<String> {
    let mut text = room_for(variables);
    if variables.is_empty() {
        text.push_str("{}\n");
    }
    for (name, value) in variables {
        let _ = write!(text, "\"{name}\": \"");
        for character in value.chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                '\n' => text.push_str("\\n"),
                // What YAML does not take as it is, or folds: controls, line separators, a BOM, no characters.
                '\0'..' '
                | '\u{7f}'..='\u{9f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{feff}'
                | '\u{fffe}'
                | '\u{ffff}' => {
                    let _ = write!(text, "\\u{:04X}", u32::from(character));
                }
                _ => text.push(character),
            }
        }
        text.push_str("\"\n");
    }
    text
}

/// Text with room for every escape, so that it does not grow and leave a copy of what it held behind.
fn room_for(variables: &[(&str, &str)]) -> Zeroizing<String> {
    let longest = variables.iter().map(|(name, value)| name.len() + 6 * value.len() + 16);
    Zeroizing::new(String::with_capacity(longest.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_given_single_quotes() {
        let text = shell(&[("a.b", "it's $x\n")]).unwrap();
        assert_eq!(*text, "export a_b='it'\\''s $x\n'\n");
        assert!(shell(&[("a.b", ""), ("a-b", "")]).is_err());
    }

    #[test]
    fn yaml_is_quoted_and_in_lines() {
        assert_eq!(
            *yaml(&[("no", "\"\\\n\r\u{85}\u{2028}é🗝")]),
            "\"no\": \"\\\"\\\\\\n\\u000D\\u0085\\u2028é🗝\"\n"
        );
        assert_eq!(*yaml(&[]), "{}\n");
    }
}
