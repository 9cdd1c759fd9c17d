//! The fast reading of event patterns against the plain one, and against hostile events.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "common/patterns.rs"]
mod patterns;

use compliance::pattern::{EventPattern, RuleSet};
use patterns::{event, made_for, pattern};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// What each pattern by itself says.
fn plainly(rules: &[(usize, EventPattern)], event: &Value) -> Vec<usize> {
    let matching = rules.iter().filter(|(_, pattern)| pattern.matches(event));
    matching.map(|(id, _)| *id).collect()
}

/// Both readings, from each spelling of the event.
fn compare(rules: &[(usize, EventPattern)], event: &Value) -> Result<(), String> {
    let set = RuleSet::new(rules.iter().cloned());
    let expected = plainly(rules, event);
    let check = |found: Vec<&usize>, how: &str| {
        let found: Vec<usize> = found.into_iter().copied().collect();
        if found == expected {
            Ok(())
        } else {
            Err(format!("{how}: {found:?}, plainly {expected:?}"))
        }
    };
    check(set.matching_value(event), "as a value")?;
    for text in [
        event.to_string(),
        spelled_differently(event),
        serde_json::to_string_pretty(event).unwrap(),
    ] {
        check(
            set.matching(&text)
                .map_err(|error| format!("{error}: {text}"))?,
            &text,
        )?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_readings_agree(patterns in prop::collection::vec(pattern(), 1..12), events in prop::collection::vec(event(), 1..6)) {
        let rules: Vec<(usize, EventPattern)> = patterns
            .iter()
            .enumerate()
            .filter_map(|(id, pattern)| Some((id, EventPattern::from_value(pattern).ok()?)))
            .collect();
        for event in &events {
            if let Err(difference) = compare(&rules, event) {
                let patterns: Vec<String> = rules.iter().map(|(id, _)| format!("{id}: {}", patterns[*id])).collect();
                return Err(TestCaseError::fail(format!("{difference}\non {event}\n{}", patterns.join("\n"))));
            }
        }
    }

    /// An event that has what a pattern asks for, so that matches are common.
    #[test]
    fn the_readings_agree_on_events_made_for_a_pattern(pattern in pattern(), others in prop::collection::vec(pattern(), 0..6), elsewhere in event(), seed in any::<u64>()) {
        let made = made_for(&pattern, &elsewhere);
        let mut random = fastrand::Rng::with_seed(seed);
        let scattered: Vec<Value> = (0..6).map(|_| scattered(&made, &mut random)).collect();
        let rules: Vec<(usize, EventPattern)> = std::iter::once(&pattern)
            .chain(&others)
            .enumerate()
            .filter_map(|(id, pattern)| Some((id, EventPattern::from_value(pattern).ok()?)))
            .collect();
        for event in scattered.iter().chain([&made]) {
            compare(&rules, event).map_err(|difference| TestCaseError::fail(format!("{difference}\non {event}\nfor {pattern}\n{others:?}")))?;
        }
    }

    #[test]
    fn damaged_events_are_refused_or_read(event in event(), pattern in pattern(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        if let Ok(pattern) = EventPattern::from_value(&pattern) {
            let set = RuleSet::new([((), pattern)]);
            let text = event.to_string();
            let mut bytes = text.clone().into_bytes();
            let at = cut.index(bytes.len());
            bytes[at] = byte;
            if let Ok(damaged) = std::str::from_utf8(&bytes) {
                let _ = set.matching(damaged);
            }
            if let Some(start) = text.get(..at) {
                let _ = set.matching(start);
            }
        }
    }
}

/// A text that means the same, with other spaces and each string written with escapes.
fn spelled_differently(value: &Value) -> String {
    match value {
        Value::String(text) => spelled_text(text),
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(spelled_differently).collect();
            format!("[\n{} ]", elements.join("\t,\r\n"))
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                format!("{} : {}", spelled_text(name), spelled_differently(value))
            });
            format!(" {{ {}\n}} ", members.collect::<Vec<_>>().join(" , "))
        }
        Value::Number(number) if number.is_i64() => format!("{number}.0"),
        other => other.to_string(),
    }
}

fn spelled_text(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    format!("\"{}\"", units.collect::<String>())
}

/// The same event with its objects made arrays of objects, the members spread over the elements: sometimes
/// all are in one of them, sometimes not.
fn scattered(value: &Value, random: &mut fastrand::Rng) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let below = scattered(value, random);
                let below = match &below {
                    Value::Object(members) if random.u8(..3) > 0 => {
                        let elements = (0..random.usize(1..4)).map(|_| {
                            let some = members.iter().filter(|_| random.u8(..4) > 0);
                            let element: Value =
                                some.map(|(n, v)| (n.clone(), v.clone())).collect();
                            if random.u8(..8) == 0 {
                                json!([element])
                            } else {
                                element
                            }
                        });
                        elements.collect()
                    }
                    _ => below,
                };
                (name.clone(), below)
            })
            .collect(),
        other => other.clone(),
    }
}

/// That they agree says something only if events often match, and often do not.
#[test]
fn generated_events_meet_generated_patterns() {
    let mut runner = TestRunner::deterministic();
    let (mut matching, mut others) = (0, 0);
    for _ in 0..500 {
        let value = pattern().new_tree(&mut runner).unwrap().current();
        let elsewhere = event().new_tree(&mut runner).unwrap().current();
        let Ok(pattern) = EventPattern::from_value(&value) else {
            continue;
        };
        for event in [&made_for(&value, &elsewhere), &elsewhere] {
            if pattern.matches(event) {
                matching += 1
            } else {
                others += 1
            }
        }
    }
    assert!(
        matching > 150 && others > 150,
        "{matching} match, {others} do not"
    );
}

fn set(patterns: &[&str]) -> RuleSet<usize> {
    RuleSet::new(
        patterns
            .iter()
            .map(|text| EventPattern::parse(text).unwrap())
            .enumerate(),
    )
}

#[test]
fn ids_come_in_the_order_of_the_patterns_and_once() {
    let rules = set(&[
        r#"{"$or": [{"a": [1]}, {"b": [1]}]}"#,
        r#"{"c": [1]}"#,
        r#"{"a": [1]}"#,
        r#"{"a": [{"exists": true}]}"#,
    ]);
    assert_eq!(
        rules.matching(r#"{"b": 1, "a": [1, 1]}"#).unwrap(),
        [&0, &2, &3]
    );
    assert_eq!(rules.len(), 4);
    assert!(set(&[]).matching("{}").unwrap().is_empty());
}

#[test]
fn reading_ends_where_nothing_is_left_to_be_met() {
    let rules = set(&[r#"{"source": ["s"], "detail": {"name": ["n"]}}"#]);
    // What follows is not even JSON: it is never looked at.
    assert_eq!(
        rules
            .matching(r#"{"source": "s", "detail": {"name": "n", !"#)
            .unwrap(),
        [&0]
    );
    assert!(rules.matching(r#"{"detail": {"name": "n", !"#).is_err());
}

/// Readers of JSON differ on such objects, so nothing is promised but an answer.
#[test]
fn a_name_that_stands_twice_is_no_trouble() {
    let rules = set(&[r#"{"a": [1], "b": {"c": [1], "d": [1]}}"#]);
    assert_eq!(
        rules
            .matching(r#"{"a": 1, "a": 2, "a": {}, "b": {"c": 1, "c": 2, "d": 1}}"#)
            .unwrap(),
        [&0]
    );
    assert!(
        rules
            .matching(r#"{"a": 2, "a": 1, "b": {"c": 1, "d": 1}}"#)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_is_no_event_is_refused_with_its_place() {
    let rules = set(&[r#"{"a": {"b": [1]}}"#]);
    for (text, expected) in [
        (
            "",
            "the event is no JSON object: it does not start with a brace at byte 0; send the event as one object",
        ),
        (
            "[1]",
            "the event is no JSON object: it does not start with a brace at byte 0; send the event as one object",
        ),
        (
            r#"{"a": {"b": 1e999}}"#,
            "the event is no JSON object: a number is malformed at byte 12; send the event as one object",
        ),
        (
            r#"{"x": "#,
            "the event is no JSON object: a value is missing at byte 6; send the event as one object",
        ),
        (
            r#"{"x": [1, "y}"#,
            "the event is no JSON object: a string does not end at byte 10; send the event as one object",
        ),
        (
            r#"{"x" 1}"#,
            "the event is no JSON object: a colon is missing at byte 5; send the event as one object",
        ),
        (
            r#"{"x": 1 "y": 2}"#,
            "the event is no JSON object: a comma or a closing brace is missing at byte 8; send the event as one object",
        ),
    ] {
        assert_eq!(rules.matching(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn deep_events_are_refused_where_they_are_read_and_passed_elsewhere() {
    let rules = set(&[r#"{"a": [1]}"#]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(rules.matching(&format!(r#"{{"a": {deep}}}"#)).is_err());
    assert_eq!(
        rules
            .matching(&format!(r#"{{"x": {deep}, "a": 1}}"#))
            .unwrap(),
        [&0]
    );
}

/// Fields that match in every element but never in the same one, in arrays within arrays.
#[test]
fn many_elements_are_no_trouble() {
    let fields: Vec<String> = (0..20).map(|at| format!(r#""f{at}": [{at}]"#)).collect();
    let rules = set(&[&format!(r#"{{"a": {{{}}}}}"#, fields.join(","))]);
    let nearly: Vec<String> = (0..2000)
        .map(|missing| {
            let fields = (0..20)
                .filter(|at| at != &(missing % 20))
                .map(|at| format!(r#""f{at}": [{at}, {at}]"#));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        })
        .collect();
    let event = format!(r#"{{"a": [[{0}], [{0}]]}}"#, nearly.join(","));
    assert!(rules.matching(&event).unwrap().is_empty());
    let all: Vec<String> = (0..20).map(|at| format!(r#""f{at}": {at}"#)).collect();
    let event = format!(
        r#"{{"a": [[{0}], [{0}, {{{1}}}]]}}"#,
        nearly.join(","),
        all.join(",")
    );
    assert_eq!(rules.matching(&event).unwrap(), [&0]);
}

#[test]
fn tempting_texts_are_no_trouble() {
    let stars = "*a".repeat(1000) + "*b";
    let wildcard = format!(r#"{{"a": [{{"wildcard": "{stars}"}}]}}"#);
    let nested: Vec<String> = (1..70)
        .map(|length| format!(r#"{{"wildcard": "*{}*c"}}"#, "a".repeat(length)))
        .collect();
    let nested = format!(r#"{{"a": [{}]}}"#, nested.join(","));
    let prefixes: Vec<String> = (1..70)
        .map(|length| format!(r#"{{"prefix": "{}b"}}"#, "a".repeat(length)))
        .collect();
    let prefixes = format!(r#"{{"a": [{}]}}"#, prefixes.join(","));
    let rules = set(&[&wildcard, &nested, &prefixes]);
    let a = "a".repeat(200_000);
    assert!(
        rules
            .matching(&format!(r#"{{"a": "{a}"}}"#))
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        rules.matching(&format!(r#"{{"a": "{a}b"}}"#)).unwrap(),
        [&0]
    );
    assert_eq!(
        rules.matching(&format!(r#"{{"a": "{a}c"}}"#)).unwrap(),
        [&1]
    );
}

/// The cost of exact rules does not depend on how many there are: the same event walks the same way
/// whether 10 or 10,000 rules stand beside the one that matches.
#[test]
fn ten_thousand_rules_find_the_one() {
    let patterns = (0..10_000).map(|at| {
        let text = format!(
            r#"{{"source": ["aws.config"], "detail": {{"resourceId": ["bucket-{at}"], "complianceType": ["NON_COMPLIANT"]}}}}"#
        );
        (at, EventPattern::parse(&text).unwrap())
    });
    let rules = RuleSet::new(patterns);
    let event = |bucket: &str, compliance: &str| {
        json!({"source": "aws.config", "detail": {"complianceType": compliance, "resourceId": bucket}}).to_string()
    };
    assert_eq!(
        rules
            .matching(&event("bucket-4711", "NON_COMPLIANT"))
            .unwrap(),
        [&4711]
    );
    assert!(
        rules
            .matching(&event("bucket-4711", "COMPLIANT"))
            .unwrap()
            .is_empty()
    );
    assert!(
        rules
            .matching(&event("bucket-10000", "NON_COMPLIANT"))
            .unwrap()
            .is_empty()
    );
}
