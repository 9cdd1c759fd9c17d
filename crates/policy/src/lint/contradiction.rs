//! Conditions on one key that no request satisfies together.
//!
//! Each kind of contradiction is looked for on its own, and only where it is certain: conditions
//! with policy variables or with values that are not understood are taken as satisfied.

use std::collections::BTreeMap;

use super::covering::covers;
use super::keys::is_single_valued;
use crate::condition::{Condition, Operator, Value};
use crate::evaluate::{Matches, condition_holds};
use crate::json::Shown;
use crate::key::{self, KeyNetwork};
use crate::request::Context;

/// How many values on one key are compared with each other.
const MAX_VALUES: usize = 200;

/// The first contradiction: the path of a condition that takes part in it, and a sentence.
pub(super) fn contradiction(conditions: &[Condition]) -> Option<(&str, String)> {
    let mut by_key: BTreeMap<&str, Vec<&Condition>> = BTreeMap::new();
    for condition in conditions.iter().filter(|c| is_certain(c)) {
        by_key.entry(&condition.key).or_default().push(condition);
    }
    if let Some(found) = networks_contradict(&by_key) {
        return Some(found);
    }
    by_key.values().find_map(|conditions| {
        let [.., last] = conditions[..] else {
            return None;
        };
        let values: usize = conditions.iter().map(|c| c.values.len()).sum();
        if conditions.len() < 2 || values > MAX_VALUES {
            return None;
        }
        let key = Shown(&last.written_key);
        let sentence = if presence_contradicts(conditions) {
            format!("the conditions want `{key}` to be there and to be absent")
        } else if is_single_valued(&last.key)
            && needs_value(conditions)
            && values_contradict(conditions)
        {
            format!("no value of `{key}` satisfies all its conditions")
        } else {
            return None;
        };
        Some((last.path.as_str(), sentence))
    })
}

/// `aws:SourceIp` is absent through a VPC endpoint, and keys such as `aws:SourceVpc` are only there.
fn networks_contradict<'c>(
    by_key: &BTreeMap<&str, Vec<&'c Condition>>,
) -> Option<(&'c str, String)> {
    let needed = |network: KeyNetwork| {
        by_key
            .values()
            .filter(|conditions| needs_value(conditions))
            .filter_map(|conditions| conditions.first())
            .find(|c| key::lookup(&c.key).is_some_and(|key| key.network == network))
    };
    let (internet, vpc) = (needed(KeyNetwork::Internet)?, needed(KeyNetwork::Vpc)?);
    let sentence = format!(
        "no request has both `{}` and `{}`: one is absent through a VPC endpoint, the other is only there",
        Shown(&internet.written_key),
        Shown(&vpc.written_key)
    );
    Some((&vpc.path, sentence))
}

fn is_certain(condition: &Condition) -> bool {
    condition.values.iter().all(|value| match value {
        Value::Pattern(pattern) => !pattern.has_variables(),
        Value::NotUnderstood(_) => false,
        _ => true,
    })
}

/// Whether the conditions hold only for requests that have the key.
fn needs_value(conditions: &[&Condition]) -> bool {
    conditions
        .iter()
        .any(|c| condition_holds(c, &Context::new()) == Matches::No)
}

fn presence_contradicts(conditions: &[&Condition]) -> bool {
    let wants_absence = |c: &&Condition| {
        c.operator == Operator::Null && c.values.iter().all(|v| matches!(v, Value::Bool(true)))
    };
    conditions.iter().any(wants_absence) && needs_value(conditions)
}

/// Whether no single value satisfies all conditions.
fn values_contradict(conditions: &[&Condition]) -> bool {
    let plain: Vec<&Condition> = conditions
        .iter()
        .copied()
        .filter(|c| c.operator != Operator::Null)
        .collect();
    // Between operators of different families, one value can be written in several ways.
    let family = |c: &Condition| std::mem::discriminant(&c.values[0]);
    if plain.is_empty() || plain.iter().any(|c| family(c) != family(plain[0])) {
        return false;
    }
    no_candidate(&plain) || all_excluded(&plain) || empty_range(&plain)
}

/// A condition that fixes the value: none of its values satisfies the others.
fn no_candidate(conditions: &[&Condition]) -> bool {
    let mut fixing = conditions.iter().filter_map(|c| candidates(c));
    fixing.next().is_some_and(|candidates| {
        !candidates.into_iter().any(|candidate| {
            let mut context = Context::new();
            context.set(&conditions[0].key, vec![candidate]);
            conditions
                .iter()
                .all(|c| condition_holds(c, &context) != Matches::No)
        })
    })
}

/// All values that satisfy a condition, if they can be listed.
fn candidates(condition: &Condition) -> Option<Vec<String>> {
    let lists = matches!(
        condition.operator,
        Operator::StringEquals
            | Operator::StringLike
            | Operator::ArnEquals
            | Operator::ArnLike
            | Operator::Bool
            | Operator::NumericEquals
            | Operator::DateEquals
    );
    if !lists {
        return None;
    }
    let text = |value: &Value| match value {
        Value::Pattern(pattern) => pattern.exact(),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Date(value) => Some(value.to_string()),
        _ => None,
    };
    condition.values.iter().map(text).collect()
}

/// Everything that one condition admits is excluded by a negated one.
fn all_excluded(conditions: &[&Condition]) -> bool {
    let admitting = conditions.iter().filter(|c| {
        matches!(
            c.operator,
            Operator::StringLike | Operator::ArnEquals | Operator::ArnLike | Operator::IpAddress
        )
    });
    let excluding = conditions.iter().filter(|c| {
        matches!(
            c.operator,
            Operator::StringNotLike
                | Operator::ArnNotEquals
                | Operator::ArnNotLike
                | Operator::NotIpAddress
        )
    });
    let excluded = |value: &Value| {
        let mut excluding = excluding.clone().flat_map(|c| &c.values);
        excluding.any(|wider| match (wider, value) {
            (Value::Pattern(wider), Value::Pattern(value)) => covers(wider, value),
            (Value::Cidr(wider), Value::Cidr(value)) => wider.contains(value),
            _ => false,
        })
    };
    let mut admitting = admitting;
    admitting.any(|c| c.values.iter().all(excluded))
}

/// Lower bounds above upper bounds.
fn empty_range(conditions: &[&Condition]) -> bool {
    range_is_empty(conditions, |value| match value {
        Value::Number(value) => Some(*value),
        _ => None,
    }) || range_is_empty(conditions, |value| match value {
        Value::Date(value) => Some(*value),
        _ => None,
    })
}

fn range_is_empty<T: PartialOrd + Copy>(
    conditions: &[&Condition],
    read: impl Fn(&Value) -> Option<T>,
) -> bool {
    use Operator as O;
    // Values of one condition are alternatives: the widest of them counts.
    let widest = |condition: &Condition, wider: fn(&T, &T) -> bool| {
        let mut values = condition.values.iter().filter_map(&read);
        let first = values.next()?;
        Some(values.fold(first, |a, b| if wider(&b, &a) { b } else { a }))
    };
    let mut lower: Vec<(T, bool)> = Vec::new();
    let mut upper: Vec<(T, bool)> = Vec::new();
    for condition in conditions {
        let strict = matches!(
            condition.operator,
            O::NumericGreaterThan | O::DateGreaterThan | O::NumericLessThan | O::DateLessThan
        );
        match condition.operator {
            O::NumericGreaterThan
            | O::NumericGreaterThanEquals
            | O::DateGreaterThan
            | O::DateGreaterThanEquals => {
                lower.extend(widest(condition, T::lt).map(|value| (value, strict)));
            }
            O::NumericLessThan
            | O::NumericLessThanEquals
            | O::DateLessThan
            | O::DateLessThanEquals => {
                upper.extend(widest(condition, T::gt).map(|value| (value, strict)));
            }
            _ => {}
        }
    }
    lower.iter().any(|(low, low_strict)| {
        upper
            .iter()
            .any(|(high, high_strict)| low > high || (low == high && (*low_strict || *high_strict)))
    })
}
