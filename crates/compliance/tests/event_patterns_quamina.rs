//! Event patterns against `quamina`, another hand's reading of the same language.
//!
//! It has a part of the language. Patterns that it refuses are left out; where it answers otherwise is
//! listed in [`DIFFERENCES`] with an example that is checked; on generated patterns and events that keep
//! clear of them, both answer the same, arrays of objects included.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "common/patterns.rs"]
mod patterns;

use compliance::pattern::{EventPattern, RuleSet};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use quamina::Quamina;
use serde_json::{Value, json};

/// Where it differs: pattern, event, what we say, and why. `quamina` says the opposite.
const DIFFERENCES: [(&str, &str, bool, &str); 8] = [
    (
        r#"{"a": {"b": [1]}}"#,
        r#"{"a.b": 1}"#,
        true,
        "names with dots are nested names (guide, considerations when creating event patterns)",
    ),
    (
        r#"{"": {"a": [1]}}"#,
        r#"{"": {"a": 1}}"#,
        true,
        "a name may be empty",
    ),
    (
        r#"{"a": ["x", {"exists": false}]}"#,
        r#"{"b": 1}"#,
        true,
        "each element of a list is an alternative, exists as well",
    ),
    (
        r#"{"a": [{"exists": false}], "b": [{"exists": false}]}"#,
        r#"{"c": 1}"#,
        true,
        "both are absent",
    ),
    (
        r#"{"a": [{"exists": true}], "b": [{"exists": false}]}"#,
        r#"{"a": "x"}"#,
        true,
        "one is there, one is not",
    ),
    (
        r#"{"a": [{"numeric": ["<", 3]}]}"#,
        r#"{"a": "x"}"#,
        false,
        "numeric works with JSON numbers (guide, numeric matching)",
    ),
    (
        r#"{"a": [{"cidr": "::/0"}]}"#,
        r#"{"a": "2001:db8::1"}"#,
        true,
        "every IPv6 address is in that block",
    ),
    (
        r#"{"c": ["x"]}"#,
        r#"{"c": [{"c": "x"}]}"#,
        false,
        "the name there is c.c; where a pattern ends at a name, quamina starts anew in objects of its array",
    ),
];

/// How many patterns are generated, each with some events.
const PATTERNS: usize = 200;

#[test]
fn we_and_quamina_agree_but_where_it_differs_from_the_guide() {
    for (pattern, event, ours, why) in DIFFERENCES {
        assert_eq!(matches(pattern, event), ours, "{pattern} on {event}: {why}");
        let theirs = quamina(pattern)
            .unwrap()
            .has_matches(event.as_bytes())
            .unwrap();
        assert_ne!(
            ours, theirs,
            "quamina no longer differs: {pattern} on {event}: {why}"
        );
    }
    let mut runner = TestRunner::deterministic();
    let mut answers = [0, 0];
    let mut compared = 0;
    while compared < PATTERNS {
        let pattern = plain(&patterns::pattern().new_tree(&mut runner).unwrap().current());
        let text = pattern.to_string();
        let (Ok(ours), Some(theirs)) = (EventPattern::parse(&text), quamina(&text)) else {
            continue;
        };
        compared += 1;
        let ours = RuleSet::new([((), ours)]);
        let mut events: Vec<Value> = (0..8)
            .map(|_| plain(&patterns::event().new_tree(&mut runner).unwrap().current()))
            .collect();
        events.push(plain(&patterns::made_for(&pattern, &json!({"b": "a"}))));
        for event in events.iter().filter(|event| !starts_anew(&pattern, event)) {
            let event = event.to_string();
            let ours = !ours.matching(&event).unwrap().is_empty();
            let theirs = theirs.has_matches(event.as_bytes()).unwrap();
            assert_eq!(ours, theirs, "ours, quamina's: {text} on {event}");
            answers[usize::from(ours)] += 1;
        }
    }
    let [others, matching] = answers;
    assert!(
        matching > PATTERNS / 4 && others > PATTERNS / 4,
        "{matching} match, {others} do not"
    );
}

fn matches(pattern: &str, event: &str) -> bool {
    let set = RuleSet::new([((), EventPattern::parse(pattern).unwrap())]);
    !set.matching(event).unwrap().is_empty()
}

/// None if it refuses the pattern.
fn quamina(pattern: &str) -> Option<Quamina<()>> {
    let mut set = Quamina::new();
    set.add_pattern((), pattern).ok()?;
    Some(set)
}

/// Whether a pattern ends at a name whose array has objects.
fn starts_anew(pattern: &Value, event: &Value) -> bool {
    match (pattern, event) {
        (Value::Object(names), Value::Object(members)) => names.iter().any(|(name, below)| {
            members
                .get(name)
                .is_some_and(|value| starts_anew(below, value))
        }),
        (Value::Object(_), Value::Array(elements)) => {
            elements.iter().any(|element| starts_anew(pattern, element))
        }
        (Value::Array(_), Value::Array(elements)) => elements.iter().any(Value::is_object),
        _ => false,
    }
}

/// The same without what `quamina` is known to take otherwise.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(elements) => match elements
            .iter()
            .find(|element| element.get("exists").is_some())
        {
            Some(_) => json!([{"exists": true}]),
            None => elements
                .iter()
                .filter(|element| !element.is_array())
                .map(plain)
                .collect(),
        },
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match (name.as_str(), value.as_str()) {
                ("", _) => ("e".to_owned(), plain(value)),
                ("numeric", _) if value[0] == "<" || value[0] == "<=" => {
                    (name.clone(), json!(["=", value[1]]))
                }
                ("cidr", Some("::/0" | "::1/128")) => (name.clone(), json!("10.0.0.0/8")),
                _ => (name.replace("a.b", "d"), plain(value)),
            })
            .collect(),
        other => other.clone(),
    }
}
