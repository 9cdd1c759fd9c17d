//! One condition that must hold or must not: on concrete values, and as patterns on a text.

use std::net::IpAddr;

use base64::Engine as _;
use ipnet::IpNet;
use jiff::Timestamp;

use crate::condition::{Condition, Operator, SetOperator, Value};
use crate::key::LinkedPart;

use super::glob::{Glob, Set, Step};
use super::value::KeyValue;

/// A condition that must hold, or must not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Atom<'p> {
    pub(crate) condition: &'p Condition,
    pub(crate) part: Option<LinkedPart>,
    pub(crate) holds: bool,
    /// Narrow address blocks do not count among the condition's values.
    pub(crate) drops_narrow: bool,
}

impl Atom<'_> {
    pub(crate) fn is_satisfied(&self, value: &KeyValue) -> bool {
        if let KeyValue::Address(address) = value
            && matches!(
                self.condition.operator,
                Operator::IpAddress | Operator::NotIpAddress
            )
        {
            let holds = self.condition.values.iter().any(|value| match value {
                Value::Cidr(block) => {
                    !(self.drops_narrow && is_narrow(block)) && block.contains(address)
                }
                _ => false,
            });
            return (holds != self.condition.operator.is_negated()) == self.holds;
        }
        let values = value.values(self.part);
        condition_holds(self.condition, values.as_deref(), self.drops_narrow) == self.holds
    }
}

/// The widest IPv4 and IPv6 blocks that AWS still calls fixed (Amazon S3 user guide, "The meaning of
/// public"). The private ranges of RFC 1918 are no wider.
const NARROW_V4: u8 = 8;
const NARROW_V6: u8 = 32;

/// Whether an address block is narrow enough to count as a fixed value.
pub(crate) fn is_narrow(block: &IpNet) -> bool {
    match block {
        IpNet::V4(block) => block.prefix_len() >= NARROW_V4,
        IpNet::V6(block) => block.prefix_len() >= NARROW_V6,
    }
}

/// Whether a condition holds for a key's values; `None` is an absent key.
fn condition_holds(condition: &Condition, values: Option<&[String]>, drops_narrow: bool) -> bool {
    let negated = condition.operator.is_negated();
    let values = match values {
        None | Some([]) => {
            if condition.operator == Operator::Null {
                return condition
                    .values
                    .iter()
                    .any(|v| matches!(v, Value::Bool(true)));
            }
            return match condition.set {
                _ if condition.if_exists => true,
                Some(SetOperator::ForAllValues) => true,
                Some(SetOperator::ForAnyValue) => false,
                None => negated,
            };
        }
        Some(values) => values,
    };
    if condition.operator == Operator::Null {
        return condition
            .values
            .iter()
            .any(|v| matches!(v, Value::Bool(false)));
    }
    let satisfied = |text: &String| matches_any(condition, text, drops_narrow) != negated;
    match quantifier(condition) {
        SetOperator::ForAllValues => values.iter().all(satisfied),
        SetOperator::ForAnyValue => values.iter().any(satisfied),
    }
}

/// How several values of one request are taken together. Without a set operator one match is enough,
/// for a positive test as well as against a negated one.
pub(crate) fn quantifier(condition: &Condition) -> SetOperator {
    condition.set.unwrap_or(if condition.operator.is_negated() {
        SetOperator::ForAllValues
    } else {
        SetOperator::ForAnyValue
    })
}

fn matches_any(condition: &Condition, text: &str, drops_narrow: bool) -> bool {
    condition
        .values
        .iter()
        .any(|value| matches_value(condition.operator, value, text, drops_narrow))
}

fn matches_value(operator: Operator, value: &Value, text: &str, drops_narrow: bool) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let ordered = |ordering: Option<std::cmp::Ordering>| {
        use Operator as O;
        match (operator, ordering) {
            (_, None) => false,
            (O::NumericLessThan | O::DateLessThan, Some(o)) => o == Less,
            (O::NumericLessThanEquals | O::DateLessThanEquals, Some(o)) => o != Greater,
            (O::NumericGreaterThan | O::DateGreaterThan, Some(o)) => o == Greater,
            (O::NumericGreaterThanEquals | O::DateGreaterThanEquals, Some(o)) => o != Less,
            (_, Some(o)) => o == Equal,
        }
    };
    match value {
        Value::Pattern(pattern) if folds(operator) => pattern.matches(&text.to_lowercase()),
        Value::Pattern(pattern) => pattern.matches(text),
        Value::Number(number) => {
            ordered(text.parse::<f64>().ok().and_then(|n| n.partial_cmp(number)))
        }
        Value::Date(date) => ordered(moment(text).map(|m| m.cmp(date))),
        Value::Bool(wanted) => text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" }),
        Value::Binary(bytes) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .is_ok_and(|decoded| decoded == *bytes),
        Value::Cidr(block) => {
            !(drops_narrow && is_narrow(block))
                && text
                    .parse::<IpAddr>()
                    .is_ok_and(|address| block.contains(&address))
        }
        Value::NotUnderstood(_) => false,
    }
}

fn folds(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::StringEqualsIgnoreCase | Operator::StringNotEqualsIgnoreCase
    )
}

pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    Timestamp::from_second(text.parse().ok()?).ok()
}

/// The globs of a condition's values, seen from the key that holds the whole text.
pub(crate) fn globs(atom: &Atom<'_>) -> Vec<Glob> {
    let folds = folds(atom.condition.operator);
    let own = atom
        .condition
        .values
        .iter()
        .filter_map(|value| match value {
            Value::Pattern(pattern) => Glob::new(pattern, folds),
            _ => None,
        });
    match atom.part {
        None => own.collect(),
        Some(part) => own.flat_map(|glob| lift(&glob, part)).collect(),
    }
}

/// Patterns on a whole ARN that say what a pattern says on a part of it.
pub(crate) fn lift(glob: &Glob, part: LinkedPart) -> Vec<Glob> {
    let narrowed = |set: Set| {
        glob.steps.iter().map(move |step| match step.set {
            Set::Any => Step {
                set,
                repeats: step.repeats,
            },
            _ => *step,
        })
    };
    let mut arn = Glob::format(match part {
        LinkedPart::Account => "arn:;:;:;:",
        LinkedPart::UserName => "arn:;:iam::;:user/",
        LinkedPart::Epoch => return Vec::new(),
    });
    arn.folds = glob.folds;
    match part {
        LinkedPart::Account => {
            arn.steps.extend(narrowed(Set::NotColon));
            arn.push_text(":");
            arn.push_many(Set::Any);
            vec![arn]
        }
        LinkedPart::UserName | LinkedPart::Epoch => {
            let mut with_path = arn.clone();
            with_path.push_many(Set::Any);
            with_path.push_text("/");
            arn.steps.extend(narrowed(Set::NotSlash));
            with_path.steps.extend(narrowed(Set::NotSlash));
            vec![arn, with_path]
        }
    }
}

pub(crate) fn is_text_test(condition: &Condition) -> bool {
    use Operator as O;
    matches!(
        condition.operator,
        O::StringEquals
            | O::StringNotEquals
            | O::StringEqualsIgnoreCase
            | O::StringNotEqualsIgnoreCase
            | O::StringLike
            | O::StringNotLike
            | O::ArnEquals
            | O::ArnLike
            | O::ArnNotEquals
            | O::ArnNotLike
    )
}
