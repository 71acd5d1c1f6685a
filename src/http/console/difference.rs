//! What differs between two texts, so that people see it.

/// The longest texts that are compared, in bytes, and the most lines: finding what differs takes their product.
const MAX_BYTES: usize = 16 << 10;
const MAX_LINES: usize = 400;

/// A piece of two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// `same`, `added` or `removed`.
    pub(super) kind: &'static str,
    pub(super) text: String,
}

impl Piece {
    fn new(kind: &'static str, text: impl Into<String>) -> Piece {
        Piece { kind, text: text.into() }
    }

    pub(super) fn is_added(&self) -> bool {
        self.kind == "added"
    }

    pub(super) fn is_removed(&self) -> bool {
        self.kind == "removed"
    }
}

/// The pieces of `before` and `after`, in order; `None` where they are too long to compare.
pub(super) fn difference(before: &str, after: &str) -> Option<Vec<Piece>> {
    if before.len().max(after.len()) > MAX_BYTES {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    if old.len().max(new.len()) > MAX_LINES {
        return None;
    }
    Some(if old.len() <= 1 && new.len() <= 1 { within_line(before, after) } else { of_lines(&old, &new) })
}

/// One line: what is in the middle of what both begin and end with.
fn within_line(before: &str, after: &str) -> Vec<Piece> {
    let common = |one: &mut dyn Iterator<Item = char>, other: &mut dyn Iterator<Item = char>| -> usize {
        one.zip(other).take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum()
    };
    let start = common(&mut before.chars(), &mut after.chars());
    let (old, new) = (&before[start..], &after[start..]);
    let end = common(&mut old.chars().rev(), &mut new.chars().rev());
    let (removed, added) = (&old[..old.len() - end], &new[..new.len() - end]);
    let pieces = [
        ("same", &before[..start]),
        ("removed", removed),
        ("added", added),
        ("same", &old[old.len() - end..]),
    ];
    pieces
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(kind, text)| Piece::new(kind, text))
        .collect()
}

/// Several lines: the longest row of lines that both have is the same.
fn of_lines(old: &[&str], new: &[&str]) -> Vec<Piece> {
    // How many lines are in common from each place on.
    let mut common = vec![vec![0_u16; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut pieces) = (0, 0, Vec::<Piece>::new());
    let mut add = |kind, line: &str| match pieces.last_mut() {
        Some(last) if last.kind == kind => last.text.push_str(line),
        _ => pieces.push(Piece::new(kind, line)),
    };
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            add("same", old[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            add("removed", old[i]);
            i += 1;
        } else {
            add("added", new[j]);
            j += 1;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, expected: &[(&'static str, &str)]) {
        let found = difference(before, after).unwrap();
        let expected: Vec<Piece> = expected.iter().map(|(kind, text)| Piece::new(kind, *text)).collect();
        assert_eq!(found, expected, "{before:?} {after:?}");
        let of = |left_out: fn(&Piece) -> bool| -> String {
            found.iter().filter(|piece| !left_out(piece)).map(|piece| piece.text.as_str()).collect()
        };
        assert_eq!(of(Piece::is_added), before);
        assert_eq!(of(Piece::is_removed), after);
    }

    #[test]
    fn what_differs_within_a_line_stands_out() {
        check("", "", &[]);
        check("same", "same", &[("same", "same")]);
        check("", "new", &[("added", "new")]);
        check("smtp.a", "smtp2.a", &[("same", "smtp"), ("added", "2"), ("same", ".a")]);
        check("aé", "aè", &[("same", "a"), ("removed", "é"), ("added", "è")]);
        check("aa", "aaa", &[("same", "aa"), ("added", "a")]);
    }

    #[test]
    fn lines_that_both_have_are_the_same() {
        check(
            "a\nb\nc\n",
            "a\nx\nc\nd\n",
            &[("same", "a\n"), ("removed", "b\n"), ("added", "x\n"), ("same", "c\n"), ("added", "d\n")],
        );
        check("a", "a\nb", &[("removed", "a"), ("added", "a\nb")]);
    }

    #[test]
    fn what_is_too_long_is_not_compared() {
        assert!(difference(&"x".repeat(MAX_BYTES + 1), "").is_none());
        assert!(difference(&"\n".repeat(MAX_LINES + 1), "").is_none());
    }
}
