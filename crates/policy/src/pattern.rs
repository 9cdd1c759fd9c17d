//! Texts with wildcards and policy variables, as policies write them.

use std::fmt;

use crate::request::Context;

/// One element of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// This very character.
    Char(char),
    /// `?`: exactly one character, whichever.
    AnyChar,
    /// `*`: any number of characters, none included.
    Star,
    /// Any number of characters other than `:` (a `*` within one part of an ARN).
    StarWithinArnPart,
    /// Exactly one character other than `:` (a `?` within one part of an ARN).
    AnyCharWithinArnPart,
    /// `${key}` or `${key, 'default'}`: the value that the request has for a condition key.
    Variable(Box<Variable>),
}

/// A policy variable. Boxed in [`Element`], so that the plain characters of a pattern stay small.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variable {
    /// The key, in lower case.
    pub key: String,
    /// The text that stands in when the request has no value.
    pub default: Option<String>,
}

/// How a text of a policy is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// `*` and `?` are wildcards (actions, resources, `StringLike`).
    Wildcards,
    /// `*` and `?` are themselves (`StringEquals`).
    Literal,
    /// An ARN pattern: six parts separated by colons, matched one by one; a wildcard in one of the
    /// first five never crosses a colon.
    Arn,
}

/// A text of a policy, ready to be matched: wildcards and policy variables recognised.
///
/// Policy variables exist only in version `2012-10-17` (IAM user guide, "IAM policy elements:
/// Variables and tags"); in older versions `${…}` is plain text. `${*}`, `${?}` and `${$}` are those
/// very characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
    elements: Box<[Element]>,
    shape: Shape,
}

/// What a pattern looks like, for matching without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// No wildcard, no variable: equal to `elements` as text.
    Exact,
    /// Exact text of so many bytes of `literal`, then one final `*`.
    Prefix,
    /// Anything else without variables.
    Wild,
    /// Has variables.
    Variables,
}

impl Pattern {
    /// Reads a text. `variables` says whether policy variables are recognised.
    pub fn new(text: &str, reading: Reading, variables: bool) -> Pattern {
        let chars: Vec<char> = text.chars().collect();
        let mut elements = Vec::with_capacity(chars.len());
        let mut colons = 0;
        let mut at = 0;
        while at < chars.len() {
            if variables
                && chars[at] == '$'
                && chars.get(at + 1) == Some(&'{')
                && let Some((element, next)) = variable(&chars, at)
            {
                elements.push(element);
                at = next;
                continue;
            }
            let c = chars[at];
            let within_part = reading == Reading::Arn && colons < 5;
            elements.push(match c {
                '*' if reading == Reading::Literal => Element::Char('*'),
                '?' if reading == Reading::Literal => Element::Char('?'),
                '*' if within_part => Element::StarWithinArnPart,
                '?' if within_part => Element::AnyCharWithinArnPart,
                '*' => Element::Star,
                '?' => Element::AnyChar,
                c => Element::Char(c),
            });
            if c == ':' {
                colons += 1;
            }
            at += 1;
        }
        Pattern::from_elements(text.to_owned(), elements)
    }

    /// A pattern from its elements; `text` is what people are shown.
    pub fn from_elements(text: String, elements: Vec<Element>) -> Pattern {
        let wild = |e: &Element| !matches!(e, Element::Char(_));
        let shape = if elements
            .iter()
            .any(|e| matches!(e, Element::Variable { .. }))
        {
            Shape::Variables
        } else if !elements.iter().any(wild) {
            Shape::Exact
        } else if elements.last() == Some(&Element::Star)
            && !elements[..elements.len() - 1].iter().any(wild)
        {
            Shape::Prefix
        } else {
            Shape::Wild
        };
        Pattern {
            text,
            elements: elements.into(),
            shape,
        }
    }

    /// The text as the policy has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The elements.
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// Whether it has policy variables.
    pub fn has_variables(&self) -> bool {
        self.shape == Shape::Variables
    }

    /// Whether it has neither wildcards nor variables: one fixed text.
    pub fn is_exact(&self) -> bool {
        self.shape == Shape::Exact
    }

    /// The one text that it matches, if it is exact.
    pub fn exact(&self) -> Option<String> {
        self.is_exact().then(|| {
            self.elements
                .iter()
                .filter_map(|e| {
                    if let Element::Char(c) = e {
                        Some(*c)
                    } else {
                        None
                    }
                })
                .collect()
        })
    }

    /// The keys of its policy variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.elements.iter().filter_map(|e| match e {
            Element::Variable(variable) => Some(variable.key.as_str()),
            _ => None,
        })
    }

    /// Whether it matches a text, case-sensitively. A pattern with variables matches nothing here:
    /// [`Pattern::resolve`] it first.
    pub fn matches(&self, text: &str) -> bool {
        match self.shape {
            Shape::Variables => false,
            Shape::Exact => same_chars(&self.elements, text.chars()),
            Shape::Prefix => {
                let literal = &self.elements[..self.elements.len() - 1];
                let mut chars = text.chars();
                literal
                    .iter()
                    .all(|e| matches!(e, Element::Char(c) if chars.next() == Some(*c)))
            }
            Shape::Wild => matches_wild(&self.elements, text),
        }
    }

    /// The pattern with each variable replaced by the request's value; wildcards inside a value are
    /// plain characters. `None` if a variable has neither value nor default, or more than one value.
    pub fn resolve(&self, context: &Context) -> Option<Pattern> {
        let mut elements = Vec::with_capacity(self.elements.len());
        for element in &self.elements {
            match element {
                Element::Variable(variable) => {
                    let value = match context.get(&variable.key) {
                        Some([value]) => value.as_str(),
                        Some(_) => return None,
                        None => variable.default.as_deref()?,
                    };
                    elements.extend(value.chars().map(Element::Char));
                }
                other => elements.push(other.clone()),
            }
        }
        Some(Pattern::from_elements(self.text.clone(), elements))
    }

    /// The same pattern over lower-case text, for matching that ignores case.
    pub fn to_lowercase(&self) -> Pattern {
        let elements = self
            .elements
            .iter()
            .flat_map(|e| match e {
                Element::Char(c) => c.to_lowercase().map(Element::Char).collect(),
                other => vec![other.clone()],
            })
            .collect();
        Pattern::from_elements(self.text.clone(), elements)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads `${…}` that starts at `at`; the element and the index behind it. `None` if it never closes.
fn variable(chars: &[char], at: usize) -> Option<(Element, usize)> {
    let close = at + 2 + chars[at + 2..].iter().position(|c| *c == '}')?;
    let inside: String = chars[at + 2..close].iter().collect();
    let element = match inside.as_str() {
        "*" => Element::Char('*'),
        "?" => Element::Char('?'),
        "$" => Element::Char('$'),
        _ => {
            let (key, default) = match inside.split_once(',') {
                Some((key, default)) => {
                    let default = default.trim();
                    let quoted = default
                        .strip_prefix('\'')
                        .and_then(|d| d.strip_suffix('\''));
                    (key, Some(quoted.unwrap_or(default).to_owned()))
                }
                None => (inside.as_str(), None),
            };
            Element::Variable(Box::new(Variable {
                key: key.trim().to_ascii_lowercase(),
                default,
            }))
        }
    };
    Some((element, close + 1))
}

fn same_chars(elements: &[Element], text: impl Iterator<Item = char>) -> bool {
    let mut rest = elements.iter();
    for c in text {
        if !matches!(rest.next(), Some(Element::Char(e)) if *e == c) {
            return false;
        }
    }
    rest.next().is_none()
}

/// Whether one element takes one character.
pub(crate) fn takes(element: &Element, c: char) -> bool {
    match element {
        Element::Char(e) => *e == c,
        Element::AnyChar | Element::Star => true,
        Element::AnyCharWithinArnPart | Element::StarWithinArnPart => c != ':',
        Element::Variable { .. } => false,
    }
}

/// Whether an element may take nothing, and any number of characters.
pub(crate) fn repeats(element: &Element) -> bool {
    matches!(element, Element::Star | Element::StarWithinArnPart)
}

/// Matching by the set of positions that can be reached: linear in the text for every pattern, so
/// that no pattern of an attacker's can make it slow.
fn matches_wild(elements: &[Element], text: &str) -> bool {
    // One star to fall back to is enough where no later one is more particular: the stars within
    // the parts of an ARN come before the others, and each part has to fit by itself.
    let mut crossing = elements
        .iter()
        .skip_while(|e| !matches!(e, Element::Star | Element::AnyChar));
    if !crossing.any(|e| matches!(e, Element::StarWithinArnPart)) {
        return matches_with_fallback(elements, text);
    }
    let mut reached = vec![false; elements.len() + 1];
    reached[0] = true;
    close(elements, &mut reached);
    for c in text.chars() {
        let mut next = vec![false; elements.len() + 1];
        for (at, element) in elements.iter().enumerate() {
            if reached[at] && takes(element, c) {
                next[if repeats(element) { at } else { at + 1 }] = true;
            }
        }
        close(elements, &mut next);
        reached = next;
    }
    reached[elements.len()]
}

fn close(elements: &[Element], reached: &mut [bool]) {
    for (at, element) in elements.iter().enumerate() {
        if reached[at] && repeats(element) {
            reached[at + 1] = true;
        }
    }
}

fn matches_with_fallback(elements: &[Element], text: &str) -> bool {
    let mut at = 0;
    let mut rest = text.chars();
    let mut fallback: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        if let Some(element) = elements.get(at) {
            if repeats(element) {
                fallback = Some((at + 1, rest.clone()));
                at += 1;
                continue;
            }
            let mut ahead = rest.clone();
            if ahead.next().is_some_and(|c| takes(element, c)) {
                rest = ahead;
                at += 1;
                continue;
            }
        } else if rest.as_str().is_empty() {
            return true;
        }
        match &mut fallback {
            Some((after_star, from)) => {
                let star = &elements[*after_star - 1];
                if !from.next().is_some_and(|c| takes(star, c)) {
                    return false;
                }
                at = *after_star;
                rest = from.clone();
            }
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_documented() {
        let cases = [
            ("*", "", true),
            ("a*b", "ab", true),
            ("a*b", "a/x:b", true),
            ("a*b", "abc", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("", "", true),
            ("x*", "xé", true),
        ];
        for (pattern, text, expected) in cases {
            let read = Pattern::new(pattern, Reading::Wildcards, false);
            assert_eq!(read.matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn arn_parts_match_one_by_one() {
        let pattern = Pattern::new("arn:aws:iam::*:role/*", Reading::Arn, false);
        assert!(pattern.matches("arn:aws:iam::111122223333:role/a:b"));
        assert!(!pattern.matches("arn:aws:iam::1:x:role/a"));
    }

    #[test]
    fn variables_are_read_in_the_current_version_only() {
        let new = Pattern::new(
            "home/${aws:UserName, 'nobody'}/${*}",
            Reading::Wildcards,
            true,
        );
        assert_eq!(new.variables().collect::<Vec<_>>(), ["aws:username"]);
        let resolved = new
            .resolve(&Context::new())
            .map(|p| p.matches("home/nobody/*"));
        assert_eq!(resolved, Some(true));
        let old = Pattern::new("${aws:username}", Reading::Literal, false);
        assert!(old.matches("${aws:username}"));
    }
}
