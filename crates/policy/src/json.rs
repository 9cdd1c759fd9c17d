//! JSON with positions: a tree that remembers where each value stands and keeps duplicate keys.
//!
//! IAM refuses a policy with duplicate keys, other stores take the first or the last one. A reader
//! that drops them silently would judge another policy than the one in force, so this tree keeps
//! every member in the order of the text. The grammar is `serde_json`'s (RFC 8259); this module adds
//! the positions, and bounds on size and depth.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The longest text that is read. S3 stores policies of up to 20 KB.
pub const MAX_BYTES: usize = 1 << 20;
/// How deep arrays and objects may be nested. A policy needs six levels.
pub const MAX_DEPTH: usize = 64;

/// A value and its bytes in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'a> {
    /// The value.
    pub value: Json<'a>,
    /// Its bytes.
    pub span: Range<usize>,
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    /// A string, escapes resolved.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object: every member in the order of the text, duplicates included.
    Object(Vec<Member<'a>>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    /// Its key.
    pub key: Cow<'a, str>,
    /// The key's bytes.
    pub key_span: Range<usize>,
    /// Its value.
    pub value: Node<'a>,
}

/// Why a text could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// The byte at which it was seen.
    pub at: usize,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// Longer than [`MAX_BYTES`].
    TooLarge,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Not JSON, and what the grammar wanted.
    Syntax(String),
}

impl Json<'_> {
    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

/// Reads a text.
pub fn parse(text: &str) -> Result<Node<'_>, JsonError> {
    if text.len() > MAX_BYTES {
        return Err(JsonError {
            kind: JsonErrorKind::TooLarge,
            at: 0,
        });
    }
    // A byte order mark is no part of JSON, but editors put it into files.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let raw: &RawValue = serde_json::from_str(body).map_err(|error| syntax(&error, text, body))?;
    node(text, raw, 0)
}

/// Builds the tree below one value. `serde_json` finds the ends of the values of one level at a
/// time, which takes time in proportion to length times depth; both are bounded.
fn node<'a>(text: &'a str, raw: &'a RawValue, depth: usize) -> Result<Node<'a>, JsonError> {
    let raw = raw.get();
    let start = offset(text, raw);
    let failed = |error: serde_json::Error| syntax(&error, text, raw);
    let value = match raw.as_bytes().first() {
        Some(b'{' | b'[') if depth == MAX_DEPTH => {
            return Err(JsonError {
                kind: JsonErrorKind::TooDeep,
                at: start,
            });
        }
        Some(b'{') => {
            let members: Members<'a> = serde_json::from_str(raw).map_err(failed)?;
            let members = members.0.into_iter().map(|(key, value)| {
                let key = key.get();
                let key_start = offset(text, key);
                Ok(Member {
                    key: string(text, key)?,
                    key_span: key_start..key_start + key.len(),
                    value: node(text, value, depth + 1)?,
                })
            });
            Json::Object(members.collect::<Result<_, _>>()?)
        }
        Some(b'[') => {
            let items: Vec<&'a RawValue> = serde_json::from_str(raw).map_err(failed)?;
            let items = items.into_iter().map(|item| node(text, item, depth + 1));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Some(b'"') => Json::String(string(text, raw)?),
        Some(b't') => Json::Bool(true),
        Some(b'f') => Json::Bool(false),
        Some(b'n') => Json::Null,
        _ => Json::Number(raw),
    };
    Ok(Node {
        value,
        span: start..start + raw.len(),
    })
}

fn string<'a>(text: &str, raw: &'a str) -> Result<Cow<'a, str>, JsonError> {
    match raw.get(1..raw.len() - 1) {
        Some(inside) if !inside.contains('\\') => Ok(Cow::Borrowed(inside)),
        _ => serde_json::from_str(raw)
            .map(Cow::Owned)
            .map_err(|error| syntax(&error, text, raw)),
    }
}

/// Where a part of a text starts in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// An error of `serde_json` on `part`, a part of `text`.
fn syntax(error: &serde_json::Error, text: &str, part: &str) -> JsonError {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => part
            .match_indices('\n')
            .nth(line - 2)
            .map_or(part.len(), |(at, _)| at + 1),
    };
    let within = line_start + error.column().saturating_sub(1);
    let message = error.to_string();
    // Its own position would be that within `part`, and is counted in bytes.
    let message = message.split(" at line ").next().unwrap_or(&message);
    JsonError {
        kind: JsonErrorKind::Syntax(message.to_owned()),
        at: offset(text, part) + within.min(part.len()),
    }
}

/// The members of an object, unread.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Every;
        impl<'de> Visitor<'de> for Every {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Every)
    }
}

/// Line and column of a byte of a text, both from 1; columns count characters.
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// A place in a document, printed as a JSON path: `$.Statement[0].Condition.Bool['aws:SecureTransport']`.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The document.
    Root,
    /// A member of an object.
    Key(&'a Path<'a>, &'a str),
    /// An item of an array.
    Item(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    /// The member below.
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    /// The item below.
    pub fn item(&'a self, index: usize) -> Path<'a> {
        Path::Item(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => f.write_str("$"),
            Path::Item(parent, index) => write!(f, "{parent}[{index}]"),
            Path::Key(parent, key) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if !key.is_empty() && key.len() <= SHOWN && key.chars().all(plain) {
                    write!(f, "{parent}.{key}")
                } else {
                    let key = Shown(key).to_string().replace('\'', r"\'");
                    write!(f, "{parent}['{key}']")
                }
            }
        }
    }
}

/// Where in the text the value at a path stands, or the key if it is a member's; `path` as
/// [`Path`] prints it.
pub fn locate(root: &Node<'_>, path: &str) -> Option<usize> {
    below(root, root.span.start, Path::Root, path)
}

fn below(node: &Node<'_>, at: usize, here: Path<'_>, wanted: &str) -> Option<usize> {
    let printed = here.to_string();
    if printed == wanted {
        return Some(at);
    }
    let rest = wanted.strip_prefix(&printed)?;
    if !rest.starts_with(['.', '[']) {
        return None;
    }
    match &node.value {
        Json::Object(members) => members.iter().find_map(|member| {
            below(
                &member.value,
                member.key_span.start,
                here.key(&member.key),
                wanted,
            )
        }),
        Json::Array(items) => {
            // Straight to the item: lists can be long.
            let index = rest[1..].split(']').next()?.parse().ok()?;
            let item = items.get(index)?;
            below(item, item.span.start, here.item(index), wanted)
        }
        _ => None,
    }
}

/// How much of a text from outside a message shows.
const SHOWN: usize = 120;

/// A text from outside as messages show it: no control characters, not too long.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(SHOWN) {
            // Besides the control characters: those that reorder or hide text in a terminal.
            let hides = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
            if c.is_control() || hides {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        if self.0.chars().nth(SHOWN).is_some() {
            f.write_str("…")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, usize, usize) {
        let error = parse(text).unwrap_err();
        let (line, column) = position(text, error.at);
        (format!("{:?}", error.kind), line, column)
    }

    #[test]
    fn spans_point_at_the_values() {
        let text = "\u{feff}{\"ä\\u0041\": [1, \"x\\n\"],\n \"b\": {}}";
        let root = parse(text).unwrap();
        let Json::Object(members) = &root.value else {
            unreachable!("{root:?}");
        };
        assert_eq!(members[0].key, "äA");
        assert_eq!(&text[members[0].key_span.clone()], "\"ä\\u0041\"");
        let Json::Array(items) = &members[0].value.value else {
            unreachable!("{root:?}");
        };
        assert_eq!(items[0].value, Json::Number("1"));
        assert_eq!(&text[items[1].span.clone()], "\"x\\n\"");
        assert_eq!(items[1].value, Json::String("x\n".into()));
        assert_eq!(&text[members[1].value.span.clone()], "{}");
        assert_eq!(position(text, members[1].key_span.start), (2, 2));
    }

    #[test]
    fn duplicates_stay_visible() {
        let Json::Object(members) = parse(r#"{"a":1,"a":2}"#).unwrap().value else {
            unreachable!();
        };
        assert_eq!(members.len(), 2);
    }

    #[test]
    fn errors_name_the_place() {
        let cases = [
            ("", 1, 1),
            ("{\"a\": 1", 1, 7),
            ("{\"a\": 1,}", 1, 9),
            ("{\n  \"ä\": x}", 2, 8),
            ("[1 2]", 1, 4),
            ("// x\n{}", 1, 1),
            ("{} {}", 1, 4),
            ("[\n\"\\ud800\"]", 2, 8),
        ];
        for (text, line, column) in cases {
            let found = error(text);
            assert_eq!((found.1, found.2), (line, column), "{text:?}: {}", found.0);
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let fits = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
        assert!(parse(&fits).is_ok());
        let deeper = format!("[{fits}]");
        assert_eq!(error(&deeper), ("TooDeep".to_owned(), 1, MAX_DEPTH + 1));
        let open = "[".repeat(MAX_BYTES);
        assert!(parse(&open).is_err());
        let closed = "[".repeat(50_000) + &"]".repeat(50_000);
        assert_eq!(error(&closed).0, "TooDeep");
        assert_eq!(error(&" ".repeat(MAX_BYTES + 1)).0, "TooLarge");
    }

    #[test]
    fn paths_quote_what_is_not_a_plain_name() {
        let root = Path::Root;
        let statement = root.key("Statement");
        let item = statement.item(2);
        assert_eq!(item.key("Sid").to_string(), "$.Statement[2].Sid");
        assert_eq!(
            item.key("aws:Source'Ip\u{1b}[2J").to_string(),
            r"$.Statement[2]['aws:Source\'Ip\u{1b}[2J']"
        );
    }

    #[test]
    fn paths_lead_back_to_the_place() {
        let text = r#"{"a": [0, {"b:c": [true, null]}], "ab": 1}"#;
        let root = parse(text).unwrap();
        let cases = [
            ("$", Some("{\"a\"")),
            ("$.a", Some("\"a\"")),
            ("$.ab", Some("\"ab\": 1}")),
            ("$.a[1]", Some("{\"b:c")),
            ("$.a[1]['b:c']", Some("\"b:c\"")),
            ("$.a[1]['b:c'][1]", Some("null")),
            ("$.a[2]", None),
            ("$.a[x]", None),
            ("$.b", None),
        ];
        for (path, expected) in cases {
            let found = locate(&root, path).map(|at| &text[at..]);
            assert_eq!(found.is_some(), expected.is_some(), "{path}");
            assert!(
                found.unwrap_or("").starts_with(expected.unwrap_or("")),
                "{path}: {found:?}"
            );
        }
    }
}
