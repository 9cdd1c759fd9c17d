//! Conditions: operators, set operators, keys and values.
//!
//! The rules are those of the IAM user guide, "IAM JSON policy elements: Condition operators" and
//! "Single-valued vs. multivalued context keys".

use ipnet::IpNet;
use jiff::Timestamp;

use crate::pattern::Pattern;

/// One condition of a statement: one operator on one key. Its values are alternatives.
#[derive(Clone, Debug)]
pub struct Condition {
    /// `ForAllValues:` or `ForAnyValue:`.
    pub set: Option<SetOperator>,
    /// The operator without prefix and suffix.
    pub operator: Operator,
    /// Whether `IfExists` follows the operator: an absent key satisfies it.
    pub if_exists: bool,
    /// The key in lower case.
    pub key: String,
    /// The key as written.
    pub written_key: String,
    /// The values, in the order of the document.
    pub values: Vec<Value>,
    /// Where it stands: `$.Statement[0].Condition.StringEquals['aws:SourceVpc']`.
    pub path: String,
}

/// How the values of a multivalued key are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    /// Every value of the request must satisfy it; an absent or empty key does.
    ForAllValues,
    /// Some value of the request must satisfy it; an absent or empty key does not.
    ForAnyValue,
}

/// A condition operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the names are IAM's own; each is documented there"
)]
pub enum Operator {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnLike,
    ArnNotEquals,
    ArnNotLike,
    Null,
}

/// One value of a condition, read as its operator wants it.
#[derive(Clone, Debug)]
pub enum Value {
    /// For the string and ARN operators. Under `…IgnoreCase` the pattern is in lower case.
    Pattern(Pattern),
    /// For the numeric operators.
    Number(f64),
    /// For the date operators: ISO 8601, or seconds since 1970.
    Date(Timestamp),
    /// For `Bool` and `Null`.
    Bool(bool),
    /// For `BinaryEquals`: the bytes behind the base64 text.
    Binary(Vec<u8>),
    /// For the address operators; a plain address is a /32 or /128.
    Cidr(IpNet),
    /// A text that does not fit the operator. It matches nothing, and the statement lists it as
    /// not understood.
    NotUnderstood(String),
}

impl Operator {
    /// The operator by IAM's name without prefix and suffix; `None` if there is no such operator.
    pub fn parse(name: &str) -> Option<Operator> {
        ALL.iter()
            .find(|(_, n)| n.eq_ignore_ascii_case(name))
            .map(|(operator, _)| *operator)
    }

    /// IAM's name.
    pub fn as_str(self) -> &'static str {
        ALL.iter()
            .find(|(operator, _)| *operator == self)
            .map_or("", |(_, name)| name)
    }

    /// Whether it is one of the negated operators: true when the key is absent, and true only if
    /// none of the values matches.
    pub fn is_negated(self) -> bool {
        matches!(
            self,
            Operator::StringNotEquals
                | Operator::StringNotEqualsIgnoreCase
                | Operator::StringNotLike
                | Operator::NumericNotEquals
                | Operator::DateNotEquals
                | Operator::NotIpAddress
                | Operator::ArnNotEquals
                | Operator::ArnNotLike
        )
    }
}

/// Every operator with its name.
pub const ALL: &[(Operator, &str)] = &[
    (Operator::StringEquals, "StringEquals"),
    (Operator::StringNotEquals, "StringNotEquals"),
    (Operator::StringEqualsIgnoreCase, "StringEqualsIgnoreCase"),
    (
        Operator::StringNotEqualsIgnoreCase,
        "StringNotEqualsIgnoreCase",
    ),
    (Operator::StringLike, "StringLike"),
    (Operator::StringNotLike, "StringNotLike"),
    (Operator::NumericEquals, "NumericEquals"),
    (Operator::NumericNotEquals, "NumericNotEquals"),
    (Operator::NumericLessThan, "NumericLessThan"),
    (Operator::NumericLessThanEquals, "NumericLessThanEquals"),
    (Operator::NumericGreaterThan, "NumericGreaterThan"),
    (
        Operator::NumericGreaterThanEquals,
        "NumericGreaterThanEquals",
    ),
    (Operator::DateEquals, "DateEquals"),
    (Operator::DateNotEquals, "DateNotEquals"),
    (Operator::DateLessThan, "DateLessThan"),
    (Operator::DateLessThanEquals, "DateLessThanEquals"),
    (Operator::DateGreaterThan, "DateGreaterThan"),
    (Operator::DateGreaterThanEquals, "DateGreaterThanEquals"),
    (Operator::Bool, "Bool"),
    (Operator::BinaryEquals, "BinaryEquals"),
    (Operator::IpAddress, "IpAddress"),
    (Operator::NotIpAddress, "NotIpAddress"),
    (Operator::ArnEquals, "ArnEquals"),
    (Operator::ArnLike, "ArnLike"),
    (Operator::ArnNotEquals, "ArnNotEquals"),
    (Operator::ArnNotLike, "ArnNotLike"),
    (Operator::Null, "Null"),
];
