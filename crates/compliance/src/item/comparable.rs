//! What counts as a change between two items of a resource.
//!
//! Items keep texts as they were read: a policy is shown as somebody wrote it. Whether something
//! changed is decided on what the texts mean as JSON: space between tokens, how a character is
//! escaped and the order of an object's members are no change; the order of a list is (a statement
//! has an index), except for the grants of an ACL, which some stores list in any order. Repeated
//! members stay, in their order: readers differ in which one counts.
//!
//! Of a part that was not read, the wording of what failed is no change: it often names a request.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::input::node::{Kind, Node};
use crate::input::parse_json;

/// Further parts as they are compared.
pub(super) fn parts(parts: &Map<String, Value>) -> Value {
    Value::Object(
        parts
            .iter()
            .map(|(name, value)| (name.clone(), part(name, value)))
            .collect(),
    )
}

/// One further part as it is compared.
pub(super) fn part(name: &str, value: &Value) -> Value {
    let grants_in_any_order = name == "AccessControlList";
    match value {
        Value::String(text) => Value::from(meaning(text, grants_in_any_order).into_owned()),
        other => documents(other),
    }
}

/// The main description as it is compared.
pub(super) fn configuration(configuration: &Value) -> Value {
    match configuration {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), configuration_part(name, value)))
            .collect(),
        other => other.clone(),
    }
}

/// One member of the main description as it is compared: when a credential report was made is no
/// change.
pub(super) fn configuration_part(name: &str, value: &Value) -> Value {
    let mut value = value.clone();
    if name == super::account::REPORT
        && let Some(report) = value.as_object_mut()
    {
        report.remove("generatedTime");
    }
    value
}

/// Our member as it is compared.
pub(super) fn portcullis(member: &Value) -> Value {
    let mut member = documents(member);
    forget_wording(&mut member);
    member
}

/// The value with the text of each policy in it replaced by what it means.
fn documents(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    Value::String(text) if name == "policyText" => {
                        Value::from(meaning(text, false).into_owned())
                    }
                    other => documents(other),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(elements) => elements.iter().map(documents).collect(),
        other => other.clone(),
    }
}

fn forget_wording(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let reason = members.get("reason").and_then(Value::as_str);
            if matches!(reason, Some("passing" | "failed")) {
                members.remove("message");
            }
            members.values_mut().for_each(forget_wording);
        }
        Value::Array(elements) => elements.iter_mut().for_each(forget_wording),
        _ => {}
    }
}

/// A text that holds JSON, written in one way; any other text as it is.
fn meaning(text: &str, grants_in_any_order: bool) -> Cow<'_, str> {
    if !text.trim_start().starts_with(['{', '[']) {
        return Cow::Borrowed(text);
    }
    match parse_json(text) {
        Some(node) => {
            let mut out = String::with_capacity(text.len());
            write(&node, grants_in_any_order, &mut out);
            Cow::Owned(out)
        }
        None => Cow::Borrowed(text),
    }
}

fn write(node: &Node, grants_in_any_order: bool, out: &mut String) {
    match &node.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Kind::Number(text) => out.push_str(text),
        Kind::String(text) => out.push_str(&Value::from(text.as_str()).to_string()),
        Kind::Sequence(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(element, false, out);
            }
            out.push(']');
        }
        Kind::Mapping(members) => {
            let mut members: Vec<&(String, Node)> = members.iter().collect();
            // Stable: repeated members keep their order.
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                if grants_in_any_order && name == "grantList" {
                    write_sorted(value, out);
                } else {
                    write(value, false, out);
                }
            }
            out.push('}');
        }
    }
}

fn write_sorted(node: &Node, out: &mut String) {
    if !matches!(node.kind, Kind::Sequence(_)) {
        return write(node, false, out);
    }
    let mut grants: Vec<String> = node
        .elements()
        .iter()
        .map(|grant| {
            let mut text = String::new();
            write(grant, false, &mut text);
            text
        })
        .collect();
    grants.sort();
    out.push('[');
    out.push_str(&grants.join(","));
    out.push(']');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn same(name: &str, one: &str, other: &str) -> bool {
        part(name, &json!({"policyText": one})) == part(name, &json!({"policyText": other}))
    }

    #[test]
    fn a_policy_is_compared_by_what_it_means() {
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Sid":"a"},{"Sid":"b"}]}"#;
        for other in [
            "{ \"Version\": \"2012-10-17\",\n  \"Statement\": [ {\"Sid\":\"a\"}, {\"Sid\":\"b\"} ] }\n",
            r#"{"Statement":[{"Sid":"\u0061"},{"Sid":"b"}],"Version":"2012-10-17"}"#,
        ] {
            assert!(same("BucketPolicy", policy, other), "{other}");
        }
        for other in [
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"b"},{"Sid":"a"}]}"#,
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"a"},{"Sid":"b "}]}"#,
            r#"{"Version":"2012-10-17","Version":"x","Statement":[{"Sid":"a"},{"Sid":"b"}]}"#,
            "{broken",
        ] {
            assert!(!same("BucketPolicy", policy, other), "{other}");
        }
        // Repeated members: which one counts is the reader's choice, so their order is a change.
        assert!(!same(
            "BucketPolicy",
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#
        ));
        assert!(!same("BucketPolicy", "{broken", "{broken "));
        assert!(!same("BucketPolicy", r#"{"a":1}"#, r#"{"a":1.0}"#));
    }

    #[test]
    fn grants_are_compared_in_any_order() {
        let one = r#"{"grantList":[{"grantee":"AllUsers","permission":"Read"},{"grantee":{"id":"o"},"permission":"FullControl"}],"owner":{"id":"o"}}"#;
        let other = r#"{"owner":{"id":"o"},"grantList":[{"permission":"FullControl","grantee":{"id":"o"}},{"grantee":"AllUsers","permission":"Read"}]}"#;
        let compared = |text: &str| part("AccessControlList", &json!(text));
        assert_eq!(compared(one), compared(other));
        let doubled = one.replace("\"AllUsers\"", "\"AuthenticatedUsers\"");
        assert_ne!(compared(one), compared(&doubled));
        // In any other part the order of a list is kept.
        assert_ne!(part("X", &json!(one)), part("X", &json!(other)));
    }

    #[test]
    fn how_a_failure_is_worded_is_no_change() {
        let failed = |message: &str| {
            portcullis(
                &json!({"unread": {"BucketPolicy": {"reason": "failed", "message": message}}}),
            )
        };
        assert_eq!(failed("request 1"), failed("request 2"));
        let denied = |action: &str| {
            portcullis(
                &json!({"unread": {"BucketPolicy": {"reason": "accessDenied", "action": action}}}),
            )
        };
        assert_ne!(denied("a"), denied("b"));
        assert_ne!(denied("a"), failed("a"));
    }
}
