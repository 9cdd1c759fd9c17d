//! `wildcard`: `*` is any text, also none; `\*` and `\\` are themselves.
//!
//! Refused, as Event Ruler (`WildcardParser`) does: two stars in a row, and a backslash before anything
//! else. AWS also refuses patterns that would be slow for it ("Rule is too complex"); here none is.

use super::problem::Problem;

/// A text with stars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wildcard {
    /// What stands between the stars: one more piece than stars; only the first and last can be empty.
    pub(super) pieces: Vec<String>,
}

impl Wildcard {
    pub(super) fn parse(text: &str) -> Result<Wildcard, Problem> {
        let mut pieces = vec![String::new()];
        let mut chars = text.chars().peekable();
        let mut piece = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '\\')) => piece.push(escaped),
                    _ => {
                        return Err(Problem::Wildcard {
                            why: r"a backslash stands before something else than `*` or `\`; write `\\` for a backslash",
                        });
                    }
                },
                '*' if chars.peek() == Some(&'*') => {
                    return Err(Problem::Wildcard {
                        why: r"two `*` in a row; one says the same, and `\*` is a star itself",
                    });
                }
                '*' => {
                    *last(&mut pieces) = std::mem::take(&mut piece);
                    pieces.push(String::new());
                }
                c => piece.push(c),
            }
        }
        *last(&mut pieces) = piece;
        Ok(Wildcard { pieces })
    }

    /// The plain reading: character by character, and back to the last star where it goes wrong.
    pub(super) fn matches(&self, text: &str) -> bool {
        // None is a star.
        let mut tokens: Vec<Option<char>> = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 {
                tokens.push(None);
            }
            tokens.extend(piece.chars().map(Some));
        }
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut token) = (0, 0);
        // Where the last star stands, and how far it reaches.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match tokens.get(token) {
                Some(None) => {
                    star = Some((token, at));
                    token += 1;
                }
                Some(Some(c)) if *c == text[at] => {
                    at += 1;
                    token += 1;
                }
                _ => match star {
                    Some((place, reach)) => {
                        star = Some((place, reach + 1));
                        at = reach + 1;
                        token = place + 1;
                    }
                    None => return false,
                },
            }
        }
        tokens[token..].iter().all(Option::is_none)
    }
}

/// The list of pieces is never empty: it starts with one and only grows.
fn last(pieces: &mut [String]) -> &mut String {
    let at = pieces.len() - 1;
    &mut pieces[at]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Wildcard;

    #[test]
    fn stars_are_any_text() {
        let matches = |pattern, text| Wildcard::parse(pattern).unwrap().matches(text);
        assert!(matches("dir/*.png", "dir/a/b.png"));
        assert!(matches("dir/*.png", "dir/.png"));
        assert!(!matches("dir/*.png", "dir/a.jpg"));
        assert!(matches("*", ""));
        assert!(!matches("", "x"));
        assert!(matches("", ""));
        assert!(matches("*a*b", "xaxbxb"));
        assert!(!matches("a*a", "a"));
        assert!(matches(r"\*\\*", r"*\x"));
        assert!(!matches(r"\*", "x"));
        assert!(matches("*ä*", "xäy"));
    }
}
