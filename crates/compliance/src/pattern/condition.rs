//! What a pattern asks of one value.

use serde_json::Value;

use super::address::Block;
use super::fold;
use super::number::{Number, Range};
use super::wildcard::Wildcard;

/// One element of a field's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Condition {
    /// `"text"`, and `{"exactly": "text"}`.
    Text(String),
    /// `5`
    Number(Number),
    /// `true` and `false`
    Bool(bool),
    /// `null`: a field that is there, with the value null.
    Null,
    /// `{"prefix": …}`
    Prefix(String),
    /// `{"suffix": …}`
    Suffix(String),
    /// `{"equals-ignore-case": …}`, folded.
    Folded(String),
    /// `{"prefix": {"equals-ignore-case": …}}`, folded.
    FoldedPrefix(String),
    /// `{"suffix": {"equals-ignore-case": …}}`, folded.
    FoldedSuffix(String),
    /// `{"wildcard": …}`
    Wildcard(Wildcard),
    /// `{"numeric": […]}`
    Numeric(Range),
    /// `{"cidr": …}`
    Cidr(Block),
    /// `{"anything-but": …}`: none of these.
    AnythingBut(Vec<Condition>),
    /// `{"exists": true}`
    Present,
    /// `{"exists": false}`
    Absent,
}

impl Condition {
    /// Whether a scalar value meets it. [`Condition::Absent`] is met by no value.
    pub(super) fn holds(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Condition::Text(wanted) => text == Some(wanted),
            Condition::Number(wanted) => number(value).as_ref() == Some(wanted),
            Condition::Bool(wanted) => value.as_bool() == Some(*wanted),
            Condition::Null => value.is_null(),
            Condition::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Condition::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Condition::Folded(folded) => text.is_some_and(|text| fold::text(text) == *folded),
            Condition::FoldedPrefix(prefix) => {
                text.is_some_and(|text| fold::text(text).starts_with(prefix))
            }
            Condition::FoldedSuffix(suffix) => {
                text.is_some_and(|text| fold::text(text).ends_with(suffix))
            }
            Condition::Wildcard(wildcard) => text.is_some_and(|text| wildcard.matches(text)),
            Condition::Numeric(range) => match number(value) {
                Some(Number::Comparable(millionths)) => range.contains(millionths),
                _ => false,
            },
            Condition::Cidr(block) => text.is_some_and(|text| block.contains(text)),
            Condition::AnythingBut(excluded) => !excluded.iter().any(|c| c.holds(value)),
            Condition::Present => true,
            Condition::Absent => false,
        }
    }
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(Number::of(number)),
        _ => None,
    }
}
