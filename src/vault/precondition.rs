//! `If-Match` and `If-None-Match`: RFC 9110, section 13.

use crate::vault::Error;

/// What must hold of a value's version before it is changed.
#[derive(Debug, Clone, Default)]
pub struct Precondition {
    /// `If-Match`.
    pub if_match: Option<Tags>,
    /// `If-None-Match`.
    pub if_none_match: Option<Tags>,
}

/// The entity tags of one header field.
#[derive(Debug, Clone)]
pub enum Tags {
    /// `*`: any version, if there is one.
    Any,
    /// These.
    List(Vec<Tag>),
}

/// One entity tag. A value's is its version in quotes, strong.
#[derive(Debug, Clone)]
pub struct Tag {
    weak: bool,
    opaque: String,
}

impl Precondition {
    /// Refuses where the conditions do not hold of the value that stands there (or of none).
    ///
    /// # Errors
    /// [`Error::VersionConflict`].
    pub fn check(&self, version: Option<u64>) -> Result<(), Error> {
        let version = version.map(|version| version.to_string());
        let version = version.as_deref();
        let matches = self.if_match.as_ref().is_none_or(|tags| tags.match_strongly(version));
        let none_matches = self.if_none_match.as_ref().is_none_or(|tags| !tags.match_weakly(version));
        if matches && none_matches { Ok(()) } else { Err(Error::VersionConflict) }
    }
}

impl Tags {
    /// Reads the value of a header field.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`], naming `field`, where it is malformed.
    pub fn parse(field: &str, text: &str) -> Result<Tags, Error> {
        if text.trim_matches([' ', '\t']) == "*" {
            return Ok(Tags::Any);
        }
        read_list(text).filter(|tags| !tags.is_empty()).map(Tags::List).ok_or_else(|| {
            Error::InvalidRequest(format!("{field} must be `*` or a list of quoted entity tags"))
        })
    }

    /// Weak comparison with the tag that stands there, without its quotes, as `If-None-Match` wants it.
    #[must_use]
    pub fn match_weakly(&self, current: Option<&str>) -> bool {
        self.any(current, |_| true)
    }

    /// Strong comparison, as `If-Match` wants it: a weak tag matches nothing.
    fn match_strongly(&self, current: Option<&str>) -> bool {
        self.any(current, |tag| !tag.weak)
    }

    fn any(&self, current: Option<&str>, counts: impl Fn(&Tag) -> bool) -> bool {
        match (self, current) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::List(tags), Some(current)) => tags.iter().any(|tag| counts(tag) && tag.opaque == current),
        }
    }
}

/// `#entity-tag`: comma-separated, with empty elements allowed (RFC 9110, section 5.6.1).
fn read_list(mut text: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return Some(tags);
        }
        let (weak, quoted) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        // etagc: no blank, no control character.
        if opaque.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return None;
        }
        tags.push(Tag { weak, opaque: opaque.into() });
        text = rest.trim_start_matches([' ', '\t']);
        if !text.is_empty() && !text.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(if_match: Option<&str>, if_none_match: Option<&str>, version: Option<u64>, holds: bool) {
        let parse = |text: Option<&str>| text.map(|text| Tags::parse("header", text).unwrap());
        let precondition = Precondition { if_match: parse(if_match), if_none_match: parse(if_none_match) };
        assert_eq!(precondition.check(version).is_ok(), holds, "{if_match:?} {if_none_match:?} {version:?}");
    }

    #[test]
    fn conditions_hold_as_the_rfc_says() {
        check(None, None, None, true);
        check(Some("\"3\""), None, Some(3), true);
        check(Some("\"3\""), None, Some(4), false);
        check(Some("\"3\""), None, None, false);
        check(Some("*"), None, Some(1), true);
        check(Some("*"), None, None, false);
        check(Some("W/\"3\""), None, Some(3), false);
        check(Some("\"1\", \"3\""), None, Some(3), true);
        check(Some(" , \"1\" ,, \"3\","), None, Some(3), true);
        check(Some("\"03\""), None, Some(3), false);
        check(None, Some("*"), None, true);
        check(None, Some("*"), Some(1), false);
        check(None, Some("\"3\""), Some(3), false);
        check(None, Some("W/\"3\""), Some(3), false);
        check(None, Some("\"2\""), Some(3), true);
        check(Some("\"3\""), Some("\"2\""), Some(3), true);
        check(Some("*"), Some("*"), Some(3), false);
    }

    #[test]
    fn malformed_tags_are_refused() {
        for text in ["", "3", "\"3", "3\"", "w/\"3\"", "\"3\" \"4\"", "*, \"3\"", "\"a b\"", ",", "\"3\"x"] {
            assert!(Tags::parse("If-Match", text).is_err(), "{text}");
        }
    }
}
