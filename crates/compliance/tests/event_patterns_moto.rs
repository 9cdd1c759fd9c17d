//! Event patterns against moto's matcher.
//!
//! moto has a subset of the language. Where it differs from EventBridge is listed in [`DIFFERENCES`], each
//! with an example that is checked, so that the list cannot outlive a difference; on generated
//! patterns and events that keep clear of them, both answer the same.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests; this one runs a program whose place the environment tells"
)]

#[path = "common/patterns.rs"]
mod patterns;

use std::io::Write;
use std::process::{Command, Stdio};

use compliance::pattern::{EventPattern, RuleSet};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// Where moto differs: pattern, event, what we say, and why. moto says the opposite.
const DIFFERENCES: [(&str, &str, bool, &str); 11] = [
    (
        r#"{"a": {"b": ["x"]}}"#,
        r#"{"a": [{"b": "x"}]}"#,
        true,
        "moto does not look into objects in arrays; Event Ruler does (README, JSON array matching)",
    ),
    (
        r#"{"a": ["x"]}"#,
        r#"{"a": [["x"]]}"#,
        true,
        "nor into arrays in arrays (Event Ruler, Event.traverseArray)",
    ),
    (
        r#"{"a": [{"exists": true}]}"#,
        r#"{"a": []}"#,
        false,
        "an empty array has no value: [{\"exists\": true}] does not match it in EventBridge (guide, null values and empty strings)",
    ),
    (
        r#"{"a": [{"exists": false}]}"#,
        r#"{"a": {}}"#,
        true,
        "exists is about leaf nodes (guide, exists matching), and an empty object has none",
    ),
    (
        r#"{"a": [1]}"#,
        r#"{"a": true}"#,
        false,
        "true is no number; it is in Python",
    ),
    (
        r#"{"a": [{"numeric": [">", 0]}]}"#,
        r#"{"a": true}"#,
        false,
        "numeric works with JSON numbers (guide, numeric matching)",
    ),
    (
        r#"{"a": [{"numeric": [">", 0]}]}"#,
        r#"{"a": 5000000001}"#,
        false,
        "numeric works between -5.0e9 and 5.0e9 (guide, numeric matching)",
    ),
    (
        r#"{"a": [{"wildcard": "a*b"}]}"#,
        r#"{"a": "a\nb"}"#,
        true,
        "a wildcard matches any characters (guide, wildcard matching), a line feed too",
    ),
    (
        r#"{"a": [{"cidr": "10.0.0.7/24"}]}"#,
        r#"{"a": "10.0.0.9"}"#,
        true,
        "Event Ruler takes blocks whose address has bits beyond the mask; moto's never match",
    ),
    (
        r#"{"a": [{"cidr": "0.0.0.0/8"}]}"#,
        r#"{"a": 5}"#,
        false,
        "cidr is about addresses in texts; for Python 5 is the address 0.0.0.5",
    ),
    (
        r#"{"a": {"b": [1]}}"#,
        r#"{"a": {"b": 1}, "a.b": 2}"#,
        true,
        "both spellings of one name in one object: ours by definition, the guide says nothing",
    ),
];

/// How many patterns are generated, each with some events.
const PATTERNS: usize = 3000;

#[test]
#[ignore = "needs moto: run cargo xtask test"]
fn we_and_moto_agree_but_where_moto_differs_from_the_guide() {
    let python = std::env::var("PORTCULLIS_TEST_PYTHON")
        .expect("PORTCULLIS_TEST_PYTHON is not set: run this test through `cargo xtask test`");
    let mut cases: Vec<(String, Vec<Value>)> = DIFFERENCES
        .iter()
        .map(|(pattern, event, ..)| {
            (
                (*pattern).to_owned(),
                vec![serde_json::from_str(event).unwrap()],
            )
        })
        .collect();
    let mut runner = TestRunner::deterministic();
    while cases.len() < DIFFERENCES.len() + PATTERNS {
        let pattern = plain(&patterns::pattern().new_tree(&mut runner).unwrap().current());
        if EventPattern::from_value(&pattern).is_err() {
            continue;
        }
        let event = || patterns::event().prop_map(|event| plain(&event));
        let mut events: Vec<Value> = (0..4)
            .map(|_| event().new_tree(&mut runner).unwrap().current())
            .collect();
        events.push(plain(&patterns::made_for(&pattern, &json!("x"))));
        cases.push((pattern.to_string(), events));
    }

    let theirs = ask_moto(&python, &cases);
    assert_eq!(theirs.len(), cases.len());
    let mut answers = [0, 0];
    for (at, ((text, events), theirs)) in cases.iter().zip(&theirs).enumerate() {
        let pattern = EventPattern::parse(text).unwrap();
        let set = RuleSet::new([((), pattern.clone())]);
        for (event, theirs) in events.iter().zip(theirs) {
            let ours = pattern.matches(event);
            assert_eq!(
                set.matching_value(event).len(),
                usize::from(ours),
                "{text} on {event}"
            );
            match DIFFERENCES.get(at) {
                Some((_, _, expected, why)) => {
                    assert_eq!(ours, *expected, "{text} on {event}: {why}");
                    assert_ne!(
                        ours, *theirs,
                        "moto no longer differs: {text} on {event}: {why}"
                    );
                }
                None => {
                    assert_eq!(ours, *theirs, "ours, moto's: {text} on {event}");
                    answers[usize::from(ours)] += 1;
                }
            }
        }
    }
    let [others, matching] = answers;
    assert!(
        matching > PATTERNS / 2 && others > PATTERNS / 2,
        "{matching} match, {others} do not"
    );
}

fn ask_moto(python: &str, cases: &[(String, Vec<Value>)]) -> Vec<Vec<bool>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/moto_patterns.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<String> = cases
        .iter()
        .map(|(pattern, events)| json!({"pattern": pattern, "events": events}).to_string() + "\n")
        .collect();
    // Beside reading the answers: both pipes are bounded.
    let writer = std::thread::spawn(move || input.write_all(lines.concat().as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let answers = String::from_utf8(output.stdout).unwrap();
    answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The same without what moto is known to take otherwise.
fn plain(value: &Value) -> Value {
    match value {
        Value::Bool(_) => Value::Null,
        Value::Number(number)
            if number
                .as_f64()
                .is_some_and(|n| n.abs() > 4e9 || n.abs() == 0.000_000_1) =>
        {
            json!(7)
        }
        Value::String(text) => match text.as_str() {
            "0.0.0.0/0" => json!("10.0.0.0/24"),
            text => json!(text.replace('\n', " ")),
        },
        Value::Array(elements) => elements
            .iter()
            .map(|element| match element {
                // An operator stays one, and other objects and arrays become values.
                Value::Object(members) if members.keys().any(|name| is_operator(name)) => {
                    operator(members)
                }
                Value::Object(_) | Value::Array(_) => json!("x"),
                scalar => plain(scalar),
            })
            .chain(elements.is_empty().then(|| json!("x")))
            .collect(),
        Value::Object(members) if members.is_empty() => json!("x"),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != "a" || !members.contains_key("a.b"))
            .map(|(name, value)| match name.as_str() {
                "$or" => (
                    name.clone(),
                    value.as_array().unwrap().iter().map(plain).collect(),
                ),
                "" => ("e".to_owned(), plain(value)),
                name => (name.to_owned(), plain(value)),
            })
            .collect(),
        other => other.clone(),
    }
}

fn is_operator(name: &str) -> bool {
    [
        "prefix",
        "suffix",
        "equals-ignore-case",
        "wildcard",
        "numeric",
        "cidr",
        "exists",
        "anything-but",
    ]
    .contains(&name)
}

fn operator(members: &serde_json::Map<String, Value>) -> Value {
    let members = members.iter().map(|(name, value)| match value {
        Value::String(text) => (name.clone(), plain(&json!(text))),
        value => (name.clone(), value.clone()),
    });
    Value::Object(members.collect())
}
