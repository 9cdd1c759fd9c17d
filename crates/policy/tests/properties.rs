//! What holds for every document: its layout does not matter, no text makes the parser fail in a
//! way of its own, and the order of statements does not change a decision.

use policy::document::{Policy, Statement};
use policy::evaluate::{Decision, evaluate};
use policy::json;
use policy::pattern::{Pattern, Reading};
use policy::request::{Caller, Context, Request};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};

fn one_or_many(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        select(words).prop_map(Value::from),
        subsequence(words, 1..=words.len()).prop_map(Value::from),
    ]
}

fn principal() -> impl Strategy<Value = Value> {
    let aws = one_or_many(&[
        "*",
        "111122223333",
        "arn:aws:iam::111122223333:role/app",
        "arn:aws:iam::*:root",
    ]);
    let service = one_or_many(&["cloudtrail.amazonaws.com", "config.amazonaws.com"]);
    prop_oneof![
        Just(json!("*")),
        aws.prop_map(|aws| json!({"AWS": aws})),
        service.prop_map(|service| json!({"Service": service, "AWS": "444455556666"})),
        Just(json!({"Aws": "*"})),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let operators = select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringLikeIfExists",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringNotLike",
        "Null",
        "Bool",
        "StringMatches",
    ]);
    let keys = select(vec!["k", "aws:username", "aws:SecureTransport"]);
    let values = one_or_many(&["a", "true", "false", "a*", "${aws:username}"]);
    let tests = prop::collection::btree_map(keys, values, 1..3)
        .prop_map(|m| Value::from_iter(m.into_iter().map(|(k, v)| (k.to_owned(), v))));
    prop::collection::btree_map(operators, tests, 0..3)
        .prop_map(|m| Value::from_iter(m.into_iter().map(|(k, v)| (k.to_owned(), v))))
}

fn statement() -> impl Strategy<Value = Value> {
    (
        select(vec!["Allow", "Deny"]),
        select(vec!["Principal", "NotPrincipal"]),
        principal(),
        select(vec!["Action", "NotAction"]),
        one_or_many(&["s3:GetObject", "s3:*", "s3:Put*", "ec2:*"]),
        select(vec!["Resource", "NotResource"]),
        one_or_many(&[
            "arn:aws:s3:::b/*",
            "arn:aws:s3:::b",
            "arn:aws:s3:::b/${aws:username}/?",
        ]),
        prop::option::of(condition()),
    )
        .prop_map(
            |(effect, p, principal, a, action, r, resource, condition)| {
                let mut statement = json!({"Effect": effect, p: principal, a: action, r: resource});
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
}

fn document() -> impl Strategy<Value = Value> {
    (prop::collection::vec(statement(), 0..5), any::<bool>()).prop_map(|(statements, current)| {
        let version = if current { "2012-10-17" } else { "2008-10-17" };
        json!({"Version": version, "Id": "x", "Statement": statements})
    })
}

fn request() -> impl Strategy<Value = Request> {
    let caller = select(vec![
        Caller::Anonymous,
        Caller::Principal("arn:aws:iam::111122223333:user/alice".to_owned()),
        Caller::Principal("arn:aws:sts::111122223333:assumed-role/app/i-1".to_owned()),
        Caller::Service("config.amazonaws.com".to_owned()),
    ]);
    let values = prop::collection::btree_map(
        select(vec!["k", "aws:username", "aws:securetransport"]),
        prop::collection::vec(select(vec!["a", "ab", "true", "false"]), 0..3),
        0..4,
    );
    (
        caller,
        select(vec!["s3:GetObject", "s3:PutObject", "s3:ListBucket"]),
        select(vec![
            "arn:aws:s3:::b",
            "arn:aws:s3:::b/x",
            "arn:aws:s3:::b/a/y",
        ]),
        values,
    )
        .prop_map(|(caller, action, resource, values)| {
            let mut context = Context::new();
            for (key, values) in values {
                context.set(key, values.into_iter().map(str::to_owned).collect());
            }
            Request {
                caller,
                action: action.to_owned(),
                resource: resource.to_owned(),
                context,
            }
        })
}

/// Prints a document with members in an order, and white space between tokens, as `choices` say.
fn print(value: &Value, choices: &mut impl Iterator<Item = usize>, out: &mut String) {
    let mut space = |out: &mut String| {
        out.push_str(["", " ", "\n\t", "\r\n  "][choices.next().unwrap_or(0) % 4]);
    };
    space(out);
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            let turn = choices.next().unwrap_or(0) % members.len().max(1);
            members.rotate_left(turn);
            out.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                print(value, choices, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                print(item, choices, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// All that a policy means, without where in the text it stands.
fn meaning(policy: &Policy) -> String {
    let statement = |s: &Statement| {
        let mut entries = s.principal.entries.clone();
        entries.sort_by_key(|e| format!("{e:?}"));
        let mut conditions: Vec<String> = s.conditions.iter().map(|c| format!("{c:?}")).collect();
        conditions.sort();
        let mut doubts = s.not_understood.clone();
        doubts.sort();
        format!(
            "{:?} {:?} {} {entries:?} {:?} {:?} {conditions:?} {doubts:?} {}",
            s.sid, s.effect, s.principal.negated, s.action, s.resource, s.path
        )
    };
    let statements: Vec<String> = policy.statements.iter().map(statement).collect();
    format!("{:?} {:?} {statements:#?}", policy.version, policy.id)
}

fn parse(text: &str) -> Policy {
    Policy::parse(text).unwrap_or_else(|error| unreachable!("{error}\n{text}"))
}

/// `*` and `?`, by their definition.
fn glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        (['?', pattern @ ..], [_, text @ ..]) => glob(pattern, text),
        ([p, pattern @ ..], [t, text @ ..]) => p == t && glob(pattern, text),
        _ => false,
    }
}

proptest! {
    #[test]
    fn layout_does_not_matter(
        document in document(),
        choices in prop::collection::vec(0usize..12, 0..64),
    ) {
        let mut text = String::new();
        print(&document, &mut choices.into_iter(), &mut text);
        prop_assert_eq!(meaning(&parse(&text)), meaning(&parse(&document.to_string())));
    }

    #[test]
    fn the_order_of_statements_does_not_matter(
        document in document(),
        request in request(),
        turn in any::<Index>(),
    ) {
        let policy = parse(&document.to_string());
        let mut turned = policy.clone();
        let count = policy.statements.len();
        let turn = if count == 0 { 0 } else { turn.index(count) };
        turned.statements.rotate_left(turn);
        let normal = |decision: Decision, turn: usize| match decision {
            Decision::Allowed { by } | Decision::Denied { by } => {
                let mut by: Vec<usize> = by.iter().map(|r| (r.statement + turn) % count).collect();
                by.sort_unstable();
                format!("{by:?}")
            }
            Decision::Undecided { mut reasons } => {
                reasons.sort();
                format!("{reasons:?}")
            }
            Decision::ImplicitlyDenied => String::new(),
        };
        let (before, after) = (evaluate(&[&policy], &request), evaluate(&[&turned], &request));
        prop_assert_eq!(std::mem::discriminant(&before), std::mem::discriminant(&after));
        prop_assert_eq!(normal(before, 0), normal(after, turn));
    }

    #[test]
    fn statements_split_over_policies_decide_the_same(
        document in document(),
        request in request(),
        at in any::<Index>(),
    ) {
        let policy = parse(&document.to_string());
        let (mut first, mut second) = (policy.clone(), policy.clone());
        second.statements = first.statements.split_off(at.index(policy.statements.len() + 1));
        prop_assert_eq!(
            std::mem::discriminant(&evaluate(&[&first, &second], &request)),
            std::mem::discriminant(&evaluate(&[&policy], &request))
        );
    }

    #[test]
    fn arn_patterns_match_part_by_part(
        pattern in "[ab:*?]{0,6}(:[ab*?]{0,4}){5}[ab:*?]{0,4}",
        text in "[ab:]{0,4}(:[ab]{0,4}){5}[ab:]{0,4}",
    ) {
        let parts = |text: &str| text.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
        let expected = parts(&pattern).iter().zip(parts(&text)).all(|(pattern, text)| {
            let pattern: Vec<char> = pattern.chars().collect();
            glob(&pattern, &text.chars().collect::<Vec<_>>())
        });
        let read = Pattern::new(&pattern, Reading::Arn, false);
        prop_assert_eq!(read.matches(&text), expected);
    }

    #[test]
    fn wildcards_match_as_the_definition_says(
        pattern in "[ab:*?]{0,8}",
        text in "[ab:]{0,8}",
    ) {
        let expected = glob(
            &pattern.chars().collect::<Vec<_>>(),
            &text.chars().collect::<Vec<_>>(),
        );
        let read = Pattern::new(&pattern, Reading::Wildcards, false);
        prop_assert_eq!(read.matches(&text), expected);
    }

    #[test]
    fn no_text_breaks_the_parser(text in any::<String>()) {
        let _ = Policy::parse(&text);
    }

    #[test]
    fn damaged_policies_are_read_or_refused_with_a_place(
        document in document(),
        at in any::<Index>(),
        length in 0usize..8,
        put in "[\\[\\]{}\",:0-9a-z*${}\\\\ ä\u{feff}\n]{0,4}",
    ) {
        let mut text = document.to_string();
        let start = text.floor_char_boundary(at.index(text.len()));
        let end = text.floor_char_boundary((start + length).min(text.len()));
        text.replace_range(start..end, &put);
        let body = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let expected = serde_json::from_str::<Value>(body);
        prop_assert_eq!(json::parse(&text).is_ok(), expected.is_ok(), "{:?}", expected);
        if let Err(error) = Policy::parse(&text) {
            let first = &error.diagnostics[0];
            prop_assert!(first.line <= text.lines().count().max(1) + 1);
            prop_assert!(first.path.starts_with('$'));
        }
    }

    #[test]
    fn truncated_policies_are_refused(document in document(), at in any::<Index>()) {
        let text = document.to_string();
        let text = &text[..text.floor_char_boundary(at.index(text.len()))];
        let error = Policy::parse(text).err();
        prop_assert!(error.is_some_and(|e| e.diagnostics[0].code == "not-json"), "{text}");
    }

    #[test]
    fn json_is_what_serde_json_takes_for_json(text in "[\\[\\]{}\",:0-9tfn.eE+\\-\\\\u ]{0,12}") {
        let expected = serde_json::from_str::<Value>(&text);
        // Numbers beyond f64 are numbers to us.
        prop_assume!(!expected.as_ref().is_err_and(|e| e.to_string().contains("out of range")));
        prop_assert_eq!(json::parse(&text).is_ok(), expected.is_ok(), "{:?}", expected);
    }
}
