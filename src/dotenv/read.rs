//! Reading a dotenv file: ours, and those of others as far as they say what they mean.

use zeroize::Zeroizing;

/// Text that is no dotenv file. It names a line, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    /// Where it was noticed, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// The variables of a dotenv file, in their order.
///
/// A line is empty, a comment, or `NAME=value` with an optional `export` before it. In single quotes and in
/// backquotes a value is literal; in double quotes `\n`, `\r`, `\t`, `\\`, `\"`, `\'`, `\$` and a backslash
/// before a backquote are escapes, and any other backslash is itself. Both kinds may go over several lines. A
/// bare value ends with its line or before a blank and `#`. Nothing is expanded.
///
/// # Errors
/// When a line is none of these, a quote stays open, or a name stands twice.
pub fn read(text: &str) -> Result<Vec<(String, Zeroizing<String>)>, Malformed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text, line: 1 };
    let mut found: Vec<(String, Zeroizing<String>)> = Vec::new();
    let mut lines = std::collections::HashMap::new();
    while reader.skip_to_content() {
        let line = reader.line;
        let name = reader.name()?;
        if let Some(before) = lines.insert(name.clone(), line) {
            return Err(Malformed { line, what: format!("its name stands in line {before} already") });
        }
        let value = reader.value()?;
        found.push((name, value));
    }
    Ok(found)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn malformed(&self, what: impl Into<String>) -> Malformed {
        Malformed { line: self.line, what: what.into() }
    }

    /// Takes `length` bytes, counting the lines in them.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.bytes().filter(|&byte| byte == b'\n').count();
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// Whether there is a line that is neither empty nor a comment; goes to its start.
    fn skip_to_content(&mut self) -> bool {
        loop {
            let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            self.take(blanks);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            self.take_line();
        }
    }

    /// Takes what is left of the line, without its end.
    fn take_line(&mut self) -> &'a str {
        let line = self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        line.strip_suffix('\r').unwrap_or(line)
    }

    fn name(&mut self) -> Result<String, Malformed> {
        if let Some(rest) = self.rest.strip_prefix("export")
            && rest.starts_with([' ', '\t'])
        {
            self.rest = rest;
            self.skip_blanks();
        }
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name = self.take(self.rest.find(|c| !inner(c)).unwrap_or(self.rest.len()));
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(self.malformed("neither a comment nor NAME=value"));
        }
        self.skip_blanks();
        let Some(rest) = self.rest.strip_prefix('=') else {
            return Err(self.malformed("there is no `=` after the name"));
        };
        self.rest = rest;
        self.skip_blanks();
        Ok(name.to_owned())
    }

    fn value(&mut self) -> Result<Zeroizing<String>, Malformed> {
        let value = match self.rest.as_bytes().first() {
            Some(b'"') => self.escaped()?,
            Some(&quote @ (b'\'' | b'`')) => self.literal(quote.into())?,
            _ => return Ok(self.bare()),
        };
        // What follows a closing quote would otherwise be lost without a word.
        let line = self.line;
        let after = self.take_line().trim_matches([' ', '\t']);
        if after.is_empty() || after.starts_with('#') {
            return Ok(value);
        }
        Err(Malformed { line, what: "there is something after the closing quote".into() })
    }

    fn bare(&mut self) -> Zeroizing<String> {
        let line = self.take_line();
        let comment =
            line.char_indices().find(|&(at, c)| c == '#' && (at == 0 || line[..at].ends_with([' ', '\t'])));
        let value = comment.map_or(line, |(at, _)| &line[..at]);
        Zeroizing::new(value.trim_end_matches([' ', '\t']).to_owned())
    }

    fn literal(&mut self, quote: char) -> Result<Zeroizing<String>, Malformed> {
        let Some(end) = self.rest[1..].find(quote) else {
            return Err(self.malformed(format!("the quote {quote} is never closed")));
        };
        let quoted = self.take(end + 2);
        Ok(Zeroizing::new(quoted[1..=end].to_owned()))
    }

    fn escaped(&mut self) -> Result<Zeroizing<String>, Malformed> {
        let mut end = None;
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = Some(at);
                    break;
                }
                '\\' => {
                    characters.next();
                }
                _ => {}
            }
        }
        let Some(end) = end else {
            return Err(self.malformed("the quote \" is never closed"));
        };
        let quoted = &self.take(end + 1)[1..end];
        let mut value = Zeroizing::new(String::with_capacity(quoted.len()));
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            if character != '\\' {
                value.push(character);
                continue;
            }
            match characters.next() {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(itself @ ('\\' | '"' | '\'' | '$' | '`')) => value.push(itself),
                other => {
                    value.push('\\');
                    value.extend(other);
                }
            }
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &***value)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    fn check_refused(text: &str, message: &str) {
        assert_eq!(read(text).map(|_| ()).unwrap_err().to_string(), message, "{text:?}");
    }

    #[test]
    fn lines_of_other_writers_are_read() {
        check("", &[]);
        check(
            "\u{feff}# a comment\n\n  A=1 # why\r\nexport B = two words \nC=#\nD=a#b\n",
            &[("A", "1"), ("B", "two words"), ("C", ""), ("D", "a#b")],
        );
        check(
            "A='x # y' # z\nB=\"l1\nl2\\n\\x\\$\"\r\nC=`it's`",
            &[("A", "x # y"), ("B", "l1\nl2\n\\x$"), ("C", "it's")],
        );
        check("export=1\ndb.host-name=x", &[("export", "1"), ("db.host-name", "x")]);
        check("A=$HOME ${B}", &[("A", "$HOME ${B}")]);
        check("A=\nB=''\nC=\"\"", &[("A", ""), ("B", ""), ("C", "")]);
    }

    #[test]
    fn what_means_nothing_is_refused_by_its_line() {
        check_refused("A=1\nB", "line 2: there is no `=` after the name");
        check_refused("A='1\n2'\n1A=x", "line 3: neither a comment nor NAME=value");
        check_refused("\nA='secret", "line 2: the quote ' is never closed");
        check_refused("A=\"secret\\\"", "line 1: the quote \" is never closed");
        check_refused("A='1' 2", "line 1: there is something after the closing quote");
        check_refused("A=1\n\nA=2", "line 3: its name stands in line 1 already");
    }
}
