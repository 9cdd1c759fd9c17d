//! Conditions: operators, set operators, keys and values.
//!
//! The rules are those of the IAM user guide, "IAM JSON policy elements: Condition operators" and
//! "Single-valued vs. multivalued context keys".

use std::net::IpAddr;

use base64::prelude::{BASE64_STANDARD, Engine};
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::pattern::{Element, Pattern, Reading};

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
    /// A text that does not fit the operator; the statement lists it as not understood. Whether
    /// it matches is not known: stores differ in what they do with it.
    NotUnderstood(String),
}

impl Value {
    /// Reads one value of a condition as its operator wants it. `variables` says whether policy
    /// variables are recognised; they exist for the string and ARN operators only (IAM user guide,
    /// "IAM policy elements: Variables and tags").
    ///
    /// The error says what the operator wants instead.
    pub fn read(operator: Operator, text: &str, variables: bool) -> Result<Value, &'static str> {
        use Operator as O;
        let pattern = |reading| Pattern::new(text, reading, variables);
        Ok(match operator {
            O::StringEquals | O::StringNotEquals => Value::Pattern(pattern(Reading::Literal)),
            O::StringEqualsIgnoreCase | O::StringNotEqualsIgnoreCase => {
                Value::Pattern(pattern(Reading::Literal).to_lowercase())
            }
            O::StringLike | O::StringNotLike => Value::Pattern(pattern(Reading::Wildcards)),
            O::ArnEquals | O::ArnLike | O::ArnNotEquals | O::ArnNotLike if text == "*" => {
                // The one shorthand: any ARN, whatever its parts.
                Value::Pattern(pattern(Reading::Wildcards))
            }
            O::ArnEquals | O::ArnLike | O::ArnNotEquals | O::ArnNotLike => {
                let pattern = pattern(Reading::Arn);
                let colons = pattern
                    .elements()
                    .iter()
                    .filter(|e| **e == Element::Char(':'));
                if colons.count() < 5 {
                    return Err("an ARN of six parts separated by colons, or `*` alone");
                }
                Value::Pattern(pattern)
            }
            O::NumericEquals
            | O::NumericNotEquals
            | O::NumericLessThan
            | O::NumericLessThanEquals
            | O::NumericGreaterThan
            | O::NumericGreaterThanEquals => Value::Number(number(text).ok_or("a decimal number")?),
            O::DateEquals
            | O::DateNotEquals
            | O::DateLessThan
            | O::DateLessThanEquals
            | O::DateGreaterThan
            | O::DateGreaterThanEquals => {
                Value::Date(date(text).ok_or(
                    "an ISO 8601 date such as `2030-01-31T00:00:00Z`, or seconds since 1970",
                )?)
            }
            O::Bool | O::Null => Value::Bool(boolean(text).ok_or("`true` or `false`")?),
            O::BinaryEquals => Value::Binary(binary(text).ok_or("base64 text")?),
            O::IpAddress | O::NotIpAddress => {
                Value::Cidr(cidr(text).ok_or(
                    "an address or a CIDR block such as `203.0.113.0/24` or `2001:db8::/32`",
                )?)
            }
        })
    }
}

/// A decimal number as the numeric operators read it, in policies and in requests.
pub(crate) fn number(text: &str) -> Option<f64> {
    // Rust's own reading also takes `inf`, `NaN` and the like.
    let decimal = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E');
    text.bytes()
        .all(decimal)
        .then(|| text.parse().ok())?
        .filter(|number: &f64| number.is_finite())
}

/// A moment as the date operators read it: ISO 8601 (without a zone: UTC), or seconds since 1970.
///
/// Four digits alone could be either and are refused.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    if text.len() != 4
        && let Ok(seconds) = text.parse()
    {
        return Timestamp::from_second(seconds).ok();
    }
    // jiff also reads time zone annotations in brackets, which are not ISO 8601.
    if text.len() < 8 || text.contains('[') {
        return None;
    }
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let local: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(local).ok()
}

/// `true` or `false`, ignoring case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The bytes behind base64 text.
pub(crate) fn binary(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

fn cidr(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?)))
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
