//! Variables as text: the names that an environment takes, and files of `NAME=value` lines, written so that
//! other readers agree with ours wherever they can (`docs/dotenv.md` says where they cannot).
//!
//! A value is bare where every reader and a shell take it so, in single quotes where all take it literally,
//! bare again where only its quotes and backslashes are in the way of that, and in double quotes with escapes
//! otherwise. Nothing is ever expanded: a `$` is a `$`.

mod read;

use std::collections::BTreeMap;
use std::collections::btree_map;

use zeroize::Zeroizing;

pub use read::{Malformed, read};

/// What a line of a dotenv file says about a variable.
#[derive(Clone, Copy)]
pub enum Entry<'a> {
    /// Its value.
    Value(&'a str),
    /// That it has one, which is not shown: a comment.
    Redacted,
}

/// Two names that an environment cannot tell apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{first}` and `{second}` would both be `{variable}` in an environment")]
pub struct Collision {
    /// The one that came first.
    pub first: String,
    /// The one that came later.
    pub second: String,
    /// What both of them become.
    pub variable: String,
}

/// What a variable is called in an environment, where names have no `-` and no `.`.
#[must_use]
pub fn variable_name(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

/// The names of variables in an environment, each with the name that it came from.
///
/// # Errors
/// When two names become one.
pub fn variable_names<'a>(
    names: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, &'a str>, Collision> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        match taken.entry(variable_name(name)) {
            btree_map::Entry::Vacant(free) => {
                free.insert(name);
            }
            btree_map::Entry::Occupied(by) => {
                let variable = by.key().clone();
                return Err(Collision { first: (*by.get()).into(), second: name.into(), variable });
            }
        }
    }
    Ok(taken)
}

/// A dotenv file with these variables, in their order.
///
/// # Errors
/// When two names become one.
pub fn write<'a>(
    entries: impl IntoIterator<Item = (&'a str, Entry<'a>)>,
) -> Result<Zeroizing<String>, Collision> {
    let entries: Vec<_> = entries.into_iter().collect();
    variable_names(entries.iter().map(|(name, _)| *name))?;
    // Enough for every escape: text that grows would leave a copy of what it held behind.
    let longest = entries.iter().map(|(name, entry)| match entry {
        Entry::Value(value) => name.len() + 2 * value.len() + BACKSLASH_LAST.len() + 4,
        Entry::Redacted => name.len() + REDACTED.len() + 3,
    });
    let mut text = Zeroizing::new(String::with_capacity(longest.sum()));
    for (name, entry) in entries {
        let name = variable_name(name);
        match entry {
            Entry::Value(value) => {
                text.push_str(&name);
                text.push('=');
                quote(&mut text, value);
            }
            Entry::Redacted => {
                text.push_str("# ");
                text.push_str(&name);
                text.push_str(REDACTED);
            }
        }
        text.push('\n');
    }
    Ok(text)
}

/// What a comment says of a variable that is not shown.
const REDACTED: &str = " is encrypted and not shown";

fn quote(text: &mut String, value: &str) {
    if value.chars().all(is_plain) {
        text.push_str(value);
    } else if is_literal(value) {
        text.push('\'');
        text.push_str(value);
        text.push('\'');
    } else if is_bare(value) {
        text.push_str(value);
    } else {
        text.push('"');
        for character in value.chars() {
            match character {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '"' | '\\' => text.extend(['\\', character]),
                _ => text.push(character),
            }
        }
        text.push('"');
        if value.ends_with('\\') {
            text.push_str(BACKSLASH_LAST);
        }
    }
}

/// python-dotenv takes `\\"` for an escaped quote, and would look for the closing one in what follows. It finds
/// it here, and gives up on this line only.
const BACKSLASH_LAST: &str = " #\" a backslash comes last";

/// Whether a character means itself without quotes, to every reader and to a shell.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-./:@%+,=".contains(character)
}

/// Whether every reader takes a value in single quotes as it is: some drop or change a bare carriage return,
/// and some read `\\` and `\'` as escapes even there.
fn is_literal(value: &str) -> bool {
    !value.contains(['\'', '\r']) && !value.ends_with('\\') && !value.contains("\\\\")
}

/// Whether every reader takes a value without quotes as it is: it is in one line, no comment begins in it, and
/// there is nothing at its ends that is trimmed or taken for a quote.
fn is_bare(value: &str) -> bool {
    let visible = |at: Option<char>| at.is_some_and(|c| c.is_ascii_graphic());
    !value.contains(|c: char| c.is_control() || c == '#')
        && !value.starts_with(['\'', '"', '`'])
        && visible(value.chars().next())
        && visible(value.chars().next_back())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The one line that a value makes, without its name.
    fn written(value: &str) -> String {
        let text = write([("A", Entry::Value(value))]).unwrap();
        text.strip_prefix("A=").unwrap().strip_suffix('\n').unwrap().to_owned()
    }

    #[test]
    fn a_value_is_bare_or_quoted_as_it_needs() {
        for (value, text) in [
            ("", ""),
            ("postgres://db:5432/x", "postgres://db:5432/x"),
            ("two words", "'two words'"),
            ("a#b", "'a#b'"),
            ("$HOME", "'$HOME'"),
            ("grün", "'grün'"),
            ("one\ntwo", "'one\ntwo'"),
            (r#"say "hi""#, r#"'say "hi"'"#),
            (r"C:\dir", r"'C:\dir'"),
            (r"C:\dir\", r"C:\dir\"),
            (r"\\host", r"\\host"),
            (r#"it's "so""#, r#"it's "so""#),
            ("#\\\\", "\"#\\\\\\\\\" #\" a backslash comes last"),
            ("it's", "it's"),
            ("it's\n\"so\"", r#""it's\n\"so\"""#),
            ("'so'", r#""'so'""#),
            ("a\r\nb", r#""a\r\nb""#),
        ] {
            assert_eq!(written(value), text);
        }
    }

    #[test]
    fn names_lose_dots_and_dashes_and_keep_their_order() {
        let text = write([("db.host-name", Entry::Value("x")), ("API_KEY", Entry::Redacted)]).unwrap();
        assert_eq!(*text, "db_host_name=x\n# API_KEY is encrypted and not shown\n");
    }

    #[test]
    fn names_that_become_one_are_both_named() {
        let collision = write([("a-b", Entry::Value("1")), ("a.b", Entry::Redacted)]).unwrap_err();
        assert_eq!(collision.to_string(), "`a-b` and `a.b` would both be `a_b` in an environment");
        assert!(variable_names(["a", "b"]).is_ok());
    }

    /// Text of what is awkward to quote, and anything else that a string variable accepts.
    fn awkward() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            3 => prop::sample::select(vec![
                "'", "\"", "\\", "$", "${A}", "`", "#", " #", " ", "\t", "\n", "\r", "\r\n", "=", "\\n", "\\'",
                "\\\"", "export ", "B=1", "\u{feff}", "\u{2028}", "\u{85}", "\u{1}", "é", "🗝", "%", "!",
            ]).prop_map(str::to_owned),
            1 => "[^\0]{0,8}",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec(awkward(), 0..6)) {
            let names: Vec<String> = (0..values.len()).map(|index| format!("V{index}")).collect();
            let entries = names.iter().zip(&values).map(|(name, value)| (&**name, Entry::Value(value)));
            let text = write(entries).unwrap();
            let read = read(&text).unwrap();
            prop_assert_eq!(read.len(), values.len());
            for (index, (name, value)) in read.iter().enumerate() {
                prop_assert_eq!(name, &names[index]);
                prop_assert_eq!(&**value, &values[index]);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*|(?s:[ABC='\"\\\\#\n\r ]{0,40})") {
            let _ = read(&text);
        }
    }

    #[test]
    fn the_longest_value_is_read_back() {
        for piece in ["x", "'\"\\\r\n$", "é\n"] {
            let value = piece.repeat(60_000 / piece.len());
            let text = write([("A", Entry::Value(&value))]).unwrap();
            assert_eq!(*read(&text).unwrap()[0].1, value);
        }
    }
}
