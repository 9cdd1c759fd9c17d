//! Patterns and events as they could be, small enough to meet each other.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Names of fields; some have dots, and some are the start of others.
const NAMES: [&str; 7] = ["a", "b", "c", "a.b", "ab", "", "ü"];
/// Texts that operators meet.
const TEXTS: [&str; 18] = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "ba",
    "aab",
    "abab",
    "ü",
    "Ü",
    "*",
    r"a\b",
    "10.0.0.1",
    "10.0.1.1",
    "::1",
    "5",
    "\"quoted\"\n",
];
const WILDCARDS: [&str; 12] = [
    "*", "a*", "*b", "a*b", "*a*", "*a*b*", "a*b*a*b", r"\**", r"a\\*", "10.*.1", "", "*ü",
];
const BLOCKS: [&str; 5] = ["10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "::/0", "::1/128"];

fn name() -> impl Strategy<Value = String> {
    select(&NAMES[..]).prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = &'static str> {
    select(&TEXTS[..])
}

/// Numbers around those of the patterns, and beyond what compares.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3_i64..=3).prop_map(Value::from),
        (-30_i32..=30).prop_map(|tenths| Value::from(f64::from(tenths) / 10.0)),
        select(vec![
            json!(5e9),
            json!(-5e9),
            json!(5.1e9),
            json!(0.000_000_1),
            json!(111_122_223_333_u64),
            json!(2.0),
            json!(1e300)
        ]),
    ]
}

/// Numbers that operators take.
fn comparable() -> impl Strategy<Value = f64> {
    (-30_i32..=30).prop_map(|tenths| f64::from(tenths) / 10.0)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        2 => number(),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
    ]
}

fn numeric() -> impl Strategy<Value = Value> {
    let single = (select(vec!["=", "<", "<=", ">", ">="]), comparable())
        .prop_map(|(operator, value)| json!([operator, value]));
    let range = (
        select(vec![">", ">="]),
        comparable(),
        select(vec!["<", "<="]),
        1..20_i32,
    )
        .prop_map(|(bottom, from, top, by)| json!([bottom, from, top, from + f64::from(by)]));
    prop_oneof![single, range]
}

fn one_or_list(of: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    let of = of.boxed();
    let list = prop::collection::vec(of.clone(), 1..4).prop_map(Value::from);
    prop_oneof![of, list]
}

fn anything_but() -> impl Strategy<Value = Value> {
    let texts = || text().prop_map(Value::from);
    let affixes = select(&TEXTS[1..]).prop_map(Value::from);
    prop_oneof![
        one_or_list(texts()),
        one_or_list(comparable().prop_map(Value::from)),
        (select(vec!["prefix", "suffix"]), one_or_list(affixes))
            .prop_map(|(operator, values)| json!({operator: values})),
        one_or_list(texts()).prop_map(|values| json!({"equals-ignore-case": values})),
        one_or_list(select(&WILDCARDS[..]).prop_map(Value::from))
            .prop_map(|values| json!({"wildcard": values})),
    ]
}

/// One element of a field's list.
fn condition() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => scalar(),
        1 => (select(vec!["prefix", "suffix", "equals-ignore-case"]), text()).prop_map(|(operator, text)| json!({operator: text})),
        1 => (select(vec!["prefix", "suffix"]), text()).prop_map(|(operator, text)| json!({operator: {"equals-ignore-case": text}})),
        1 => select(&WILDCARDS[..]).prop_map(|wildcard| json!({"wildcard": wildcard})),
        1 => numeric().prop_map(|range| json!({"numeric": range})),
        1 => select(&BLOCKS[..]).prop_map(|block| json!({"cidr": block})),
        2 => any::<bool>().prop_map(|exists| json!({"exists": exists})),
        2 => anything_but().prop_map(|values| json!({"anything-but": values})),
    ]
}

fn conditions() -> impl Strategy<Value = Value> {
    prop::collection::vec(condition(), 1..4).prop_map(Value::from)
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(name(), value, 1..4)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

/// A pattern as JSON; some are refused, because they give a field twice.
pub(crate) fn pattern() -> impl Strategy<Value = Value> {
    let leaf = conditions();
    let fields = object(leaf).prop_recursive(3, 12, 3, |inner| {
        let nested = object(prop_oneof![conditions(), inner.clone()]);
        let alternatives = (object(conditions()), prop::collection::vec(inner, 2..4)).prop_map(
            |(mut fields, alternatives)| {
                fields["$or"] = Value::from(alternatives);
                fields
            },
        );
        prop_oneof![3 => nested, 1 => alternatives]
    });
    fields.boxed()
}

/// An event.
pub(crate) fn event() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    });
    object(value)
}

/// The pattern's own shape, with a value of each list where there is a plain one.
pub(crate) fn made_for(pattern: &Value, elsewhere: &Value) -> Value {
    match pattern {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match (name.as_str(), value) {
                ("$or", Value::Array(alternatives)) => {
                    match made_for(&alternatives[0], elsewhere) {
                        Value::Object(made) => made.into_iter().collect::<Vec<_>>(),
                        _ => Vec::new(),
                    }
                }
                (_, Value::Array(conditions)) => {
                    vec![(name.clone(), satisfied(conditions, elsewhere))]
                }
                _ => vec![(name.clone(), made_for(value, elsewhere))],
            })
            .collect(),
        other => other.clone(),
    }
}

fn satisfied(conditions: &[Value], elsewhere: &Value) -> Value {
    let values = conditions.iter().map(|condition| match condition {
        Value::Object(operator) => match operator.iter().next() {
            Some((name, Value::String(text))) if name != "anything-but" => {
                Value::from(text.as_str())
            }
            _ => json!({"other": elsewhere}),
        },
        plain => plain.clone(),
    });
    let values: Vec<Value> = values.collect();
    if values.len() == 1 {
        values[0].clone()
    } else {
        Value::from(values)
    }
}
