//! Truth values that are known or open, and texts as regular expressions.

use std::str::FromStr;

use z3::ast::{Bool, Regexp, String as Z3String};

/// A truth value that is known now, or a formula.
#[derive(Clone, Debug)]
pub(super) enum Truth {
    Known(bool),
    Open(Bool),
}

impl Truth {
    pub(super) fn not(self) -> Truth {
        match self {
            Truth::Known(value) => Truth::Known(!value),
            Truth::Open(formula) => Truth::Open(formula.not()),
        }
    }

    pub(super) fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::Known(false), _) | (_, Truth::Known(false)) => Truth::Known(false),
            (Truth::Known(true), rest) | (rest, Truth::Known(true)) => rest,
            (Truth::Open(a), Truth::Open(b)) => Truth::Open(Bool::and(&[&a, &b])),
        }
    }

    pub(super) fn or(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::Known(true), _) | (_, Truth::Known(true)) => Truth::Known(true),
            (Truth::Known(false), rest) | (rest, Truth::Known(false)) => rest,
            (Truth::Open(a), Truth::Open(b)) => Truth::Open(Bool::or(&[&a, &b])),
        }
    }

    pub(super) fn any(truths: impl IntoIterator<Item = Truth>) -> Truth {
        truths.into_iter().fold(Truth::Known(false), Truth::or)
    }

    pub(super) fn all(truths: impl IntoIterator<Item = Truth>) -> Truth {
        truths.into_iter().fold(Truth::Known(true), Truth::and)
    }
}

/// A text of a request: known, or any that the constraints leave.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Known(String),
    Open(Z3String),
}

impl Text {
    pub(super) fn term(&self) -> Z3String {
        match self {
            Text::Known(text) => constant(text),
            Text::Open(term) => term.clone(),
        }
    }
}

pub(super) fn constant(text: &str) -> Z3String {
    Z3String::from_str(text).unwrap_or_else(|_| unreachable!("generated texts hold no NUL"))
}

/// How a text of a policy is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
}

/// A part of a text of a policy after variables are put in.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// As written; wildcards count where the mode has them.
    Written(String),
    /// Characters that stand for themselves.
    Plain(Text),
}

pub(super) fn any_char() -> Regexp {
    Regexp::range(&' ', &'~')
}

/// Any character but a colon.
fn within_arn_part() -> Regexp {
    Regexp::union(&[&Regexp::range(&' ', &'9'), &Regexp::range(&';', &'~')])
}

pub(super) fn chars(ranges: &[(char, char)]) -> Regexp {
    let ranges: Vec<Regexp> = ranges.iter().map(|(a, b)| Regexp::range(a, b)).collect();
    match &ranges[..] {
        [one] => one.clone(),
        many => Regexp::union(&many.iter().collect::<Vec<_>>()),
    }
}

pub(super) fn sequence(parts: &[Regexp]) -> Regexp {
    match parts {
        [] => Regexp::literal(""),
        [one] => one.clone(),
        many => Regexp::concat(&many.iter().collect::<Vec<_>>()),
    }
}

/// Whether a text matches the pieces; `None` if the encoding cannot say.
pub(super) fn matches(text: &Text, pieces: &[Piece], mode: Mode) -> Option<Truth> {
    let fixed: Option<Vec<(char, bool)>> = flatten(pieces, mode);
    if let Some(fixed) = fixed {
        return Some(match text {
            Text::Known(known) => Truth::Known(glob_elements(&fixed, known, mode)),
            Text::Open(_) if mode == Mode::Like && fixed == [('*', true)] => Truth::Known(true),
            Text::Open(term)
                if !fixed.iter().any(|(_, wild)| *wild) && mode != Mode::EqualsIgnoreCase =>
            {
                let text: String = fixed.iter().map(|(c, _)| *c).collect();
                Truth::Open(term.eq(constant(&text)))
            }
            Text::Open(term) => Truth::Open(term.regex_matches(&regex(&fixed, mode))),
        });
    }
    // A variable whose value is open: equality, or one wildcard at one end.
    if matches!(mode, Mode::EqualsIgnoreCase | Mode::Arn) {
        return None;
    }
    let mut pieces = pieces.to_vec();
    let (mut open_start, mut open_end) = (false, false);
    if mode == Mode::Like {
        if let Some(Piece::Written(first)) = pieces.first_mut()
            && let Some(rest) = first.strip_prefix('*')
        {
            open_start = true;
            *first = rest.to_owned();
        }
        if let Some(Piece::Written(last)) = pieces.last_mut()
            && let Some(rest) = last.strip_suffix('*')
        {
            open_end = true;
            *last = rest.to_owned();
        }
        let wild = |p: &Piece| matches!(p, Piece::Written(w) if w.contains(['*', '?']));
        if open_start && open_end || pieces.iter().any(wild) {
            return None;
        }
    }
    let parts: Vec<Z3String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Written(written) => constant(written),
            Piece::Plain(text) => text.term(),
        })
        .collect();
    let whole = Z3String::concat(&parts.iter().collect::<Vec<_>>());
    let term = text.term();
    Some(Truth::Open(if open_end {
        whole.prefix(&term)
    } else if open_start {
        whole.suffix(&term)
    } else {
        term.eq(&whole)
    }))
}

/// Whether `start` followed by a text matches the pieces, wildcards counting; `None` if the encoding
/// cannot say. What is left of the pattern behind the start is matched with the text alone, which
/// keeps long common starts away from the solver.
pub(super) fn matches_after(start: &str, text: &Text, pieces: &[Piece]) -> Option<Truth> {
    let Some(elements) = flatten(pieces, Mode::Like) else {
        let [Piece::Written(first), rest @ ..] = pieces else {
            return None;
        };
        let first = first.strip_prefix(start)?;
        let mut left = vec![Piece::Written(first.to_owned())];
        left.extend_from_slice(rest);
        return matches(text, &left, Mode::Like);
    };
    let close = |at: usize, reached: &mut Vec<usize>| {
        let mut at = at;
        loop {
            if !reached.contains(&at) {
                reached.push(at);
            }
            if elements.get(at) != Some(&('*', true)) {
                break;
            }
            at += 1;
        }
    };
    let mut reached = Vec::new();
    close(0, &mut reached);
    for c in start.chars() {
        let mut next = Vec::new();
        for at in reached {
            match elements.get(at) {
                Some(('*', true)) => close(at, &mut next),
                Some((_, true)) => close(at + 1, &mut next),
                Some((e, false)) if *e == c => close(at + 1, &mut next),
                _ => {}
            }
        }
        reached = next;
    }
    Some(Truth::any(reached.into_iter().map(|at| {
        let rest = &elements[at..];
        match text {
            Text::Known(known) => Truth::Known(glob_elements(rest, known, Mode::Like)),
            Text::Open(_) if rest == [('*', true)] => Truth::Known(true),
            Text::Open(term) => Truth::Open(term.regex_matches(&regex(rest, Mode::Like))),
        }
    })))
}

/// Characters with a mark whether each is a wildcard; `None` if a value is open.
fn flatten(pieces: &[Piece], mode: Mode) -> Option<Vec<(char, bool)>> {
    let wildcards = matches!(mode, Mode::Like | Mode::Arn);
    let mut flat = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Written(text) => {
                flat.extend(
                    text.chars()
                        .map(|c| (c, wildcards && matches!(c, '*' | '?'))),
                );
            }
            Piece::Plain(Text::Known(text)) => flat.extend(text.chars().map(|c| (c, false))),
            Piece::Plain(Text::Open(_)) => return None,
        }
    }
    Some(flat)
}

fn regex(elements: &[(char, bool)], mode: Mode) -> Regexp {
    let mut colons = 0;
    let mut parts = Vec::new();
    for &(c, wild) in elements {
        let any = if mode == Mode::Arn && colons < 5 {
            within_arn_part()
        } else {
            any_char()
        };
        parts.push(match (c, wild) {
            ('*', true) => any.star(),
            (_, true) => any,
            (c, false) if mode == Mode::EqualsIgnoreCase && c.is_ascii_alphabetic() => {
                Regexp::union(&[
                    &Regexp::literal(&c.to_ascii_lowercase().to_string()),
                    &Regexp::literal(&c.to_ascii_uppercase().to_string()),
                ])
            }
            (c, false) => Regexp::literal(&c.to_string()),
        });
        if c == ':' {
            colons += 1;
        }
    }
    sequence(&parts)
}

/// Whether a pattern with `*` and `?` matches a text.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let elements: Vec<(char, bool)> = pattern
        .chars()
        .map(|c| (c, matches!(c, '*' | '?')))
        .collect();
    glob_elements(&elements, text, Mode::Like)
}

/// By the definition: a star takes nothing, or one character and goes on.
fn glob_elements(elements: &[(char, bool)], text: &str, mode: Mode) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut colons = vec![0; elements.len() + 1];
    for (at, (c, _)) in elements.iter().enumerate() {
        colons[at + 1] = colons[at] + usize::from(*c == ':');
    }
    // matched[i][j]: the elements from i on match the text from j on.
    let mut matched = vec![vec![false; text.len() + 1]; elements.len() + 1];
    matched[elements.len()][text.len()] = true;
    for i in (0..elements.len()).rev() {
        let within_part = mode == Mode::Arn && colons[i] < 5;
        for j in (0..=text.len()).rev() {
            let takes = text.get(j).is_some_and(|&c| match elements[i] {
                (_, true) => !(within_part && c == ':'),
                (e, false) if mode == Mode::EqualsIgnoreCase => e.eq_ignore_ascii_case(&c),
                (e, false) => e == c,
            });
            matched[i][j] = if elements[i] == ('*', true) {
                matched[i + 1][j] || takes && matched[i][j + 1]
            } else {
                takes && matched[i + 1][j + 1]
            };
        }
    }
    matched[0][0]
}
