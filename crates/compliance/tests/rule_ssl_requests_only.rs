//! What the rule about TLS says, held against the plain reading of policies, request by request.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::collections::BTreeMap;

use compliance::item::ResourceKey;
use compliance::item::bucket::{Taken, item};
use compliance::rules::{
    ComplianceType, Parameters, Rule, S3BucketSslRequestsOnly, Subject, evaluate_one,
};
use oracle::generate::{AS_OF, BUCKET, bare_bucket};
use policy::action::{ActionTable, ResourceType};
use policy::document::Policy;
use policy::evaluate::{Decision, evaluate};
use policy::request::{Caller, Context, Request};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};

const ARN: &str = "arn:aws:s3:::example-bucket";

/// A statement, and whether it denies everybody alike.
fn statement() -> impl Strategy<Value = (Value, bool)> {
    let principal = prop_oneof![
        3 => select(vec![("Principal", json!("*"), true), ("Principal", json!({"AWS": ["*"]}), true)]),
        1 => select(vec![
            ("Principal", json!({"AWS": "111122223333"}), false),
            ("NotPrincipal", json!({"AWS": "arn:aws:iam::111122223333:root"}), false),
            ("NotPrincipal", json!("*"), false),
        ]),
    ];
    // Half of the statements are about everything: else hardly any document denies it all.
    let actions = prop_oneof![
        1 => Just(vec!["s3:*"]),
        1 => subsequence(
            vec![
                "s3:Get*", "s3:List*", "s3:Put*", "s3:*Object*", "s3:*Bucket*", "s3:GetObject", "s3:?e*",
            ],
            1..=4,
        ),
    ];
    let resources = prop_oneof![
        1 => Just(vec!["*"]),
        1 => subsequence(
            vec![
                "arn:aws:s3:::example-bucket",
                "arn:aws:s3:::example-bucket/*",
                "arn:aws:s3:::example-bucket/a*",
                "arn:aws:s3:::example-bucket/?",
                "arn:aws:s3:::example-bucket*",
            ],
            1..=3,
        ),
    ];
    let condition = prop_oneof![
        3 => select(vec![
            ("Bool", "aws:SecureTransport", "false", true),
            ("BoolIfExists", "aws:SecureTransport", "false", true),
            ("StringNotEquals", "aws:SecureTransport", "true", true),
        ]),
        1 => select(vec![
            ("Bool", "aws:SecureTransport", "true", true),
            ("StringLike", "aws:Referer", "*", false),
            ("StringNotLike", "aws:PrincipalAccount", "111122223333", false),
            ("IpAddress", "aws:SourceIp", "0.0.0.0/1", false),
        ]),
    ];
    (
        principal,
        prop::bool::weighted(0.2),
        actions,
        prop::bool::weighted(0.2),
        resources,
        prop::collection::vec(condition, 0..=2),
        prop::bool::weighted(0.85),
    )
        .prop_map(
            |(
                (who, names, everybody),
                not_action,
                actions,
                not_resource,
                resources,
                tests,
                deny,
            )| {
                let mut alike = everybody;
                let mut conditions = Map::new();
                for (operator, key, value, transport) in tests {
                    alike &= transport;
                    conditions.insert(operator.to_owned(), json!({key: value}));
                }
                let mut statement = json!({
                    "Effect": if deny { "Deny" } else { "Allow" },
                    who: names,
                    if not_action { "NotAction" } else { "Action" }: actions,
                    if not_resource { "NotResource" } else { "Resource" }: resources,
                });
                if !conditions.is_empty() {
                    statement["Condition"] = Value::Object(conditions);
                }
                (statement, alike || !deny)
            },
        )
}

fn context(more: &[(&str, &str)]) -> Context {
    [("aws:SecureTransport", "false")]
        .iter()
        .chain(more)
        .copied()
        .collect()
}

/// Requests without TLS of all sorts of callers.
fn requests() -> Vec<Request> {
    let callers = [
        Caller::Anonymous,
        Caller::Principal("arn:aws:iam::111122223333:root".to_owned()),
        Caller::Principal("arn:aws:iam::111122223333:user/admin".to_owned()),
        Caller::Principal("arn:aws:iam::999988887777:user/mallory".to_owned()),
    ];
    let contexts = [
        context(&[("aws:SourceIp", "203.0.113.7")]),
        context(&[("aws:SourceIp", "52.1.2.3"), ("aws:Referer", "x")]),
    ];
    let mut requests = Vec::new();
    for (_, action) in ActionTable::get().iter() {
        let resources: &[&str] = match action.resource {
            ResourceType::Bucket => &[""],
            ResourceType::Object => &["/a", "/b", "/ab/c", "/zz", "/"],
        };
        for resource in resources {
            for caller in &callers {
                for context in &contexts {
                    let mut context = context.clone();
                    if let Caller::Principal(arn) = caller {
                        let account = arn.split(':').nth(4).unwrap();
                        context.set("aws:PrincipalAccount", vec![account.to_owned()]);
                    }
                    requests.push(Request {
                        caller: caller.clone(),
                        action: action.name.clone(),
                        resource: format!("{ARN}{resource}"),
                        context,
                    });
                }
            }
        }
    }
    requests
}

fn is_denied(policy: &Policy, request: &Request) -> bool {
    matches!(evaluate(&[policy], request), Decision::Denied { .. })
}

#[test]
fn what_complies_denies_every_request_and_what_does_not_shows_one() {
    let requests = requests();
    let [complies, fails, shown] = [const { Cell::new(0) }; 3];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 1200,
        rng_seed: RngSeed::Fixed(0x551),
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let statements = prop::collection::vec(statement(), 1..=4);
    runner
        .run(&(statements, any::<bool>()), |(statements, current)| {
            let alike = statements.iter().all(|(_, alike)| *alike);
            let statements: Vec<Value> = statements.into_iter().map(|(s, _)| s).collect();
            let version = if current { "2012-10-17" } else { "2008-10-17" };
            let text = json!({"Version": version, "Statement": statements}).to_string();
            let policy = Policy::parse(&text).unwrap();
            let recorded = item(
                &bare_bucket(policy.clone()),
                ResourceKey::bucket("111122223333", "us-east-1", BUCKET),
                Taken {
                    capture_time: AS_OF.parse().unwrap(),
                    creation_time: None,
                    owner: None,
                    tags: BTreeMap::new(),
                    parts: BTreeMap::new(),
                    object_acls: compliance::item::object_acls::ObjectAcls::default(),
                    related_events: Vec::new(),
                },
            );
            let rule = S3BucketSslRequestsOnly;
            let evaluation = evaluate_one(
                &rule,
                &Subject::of(&recorded, recorded.capture_time),
                &Parameters::defaults(rule.about()),
            );
            match evaluation.compliance_type {
                ComplianceType::Compliant => {
                    complies.set(complies.get() + 1);
                    for request in &requests {
                        prop_assert!(is_denied(&policy, request), "{text}\n{request:?}");
                    }
                }
                ComplianceType::NonCompliant => {
                    fails.set(fails.get() + 1);
                    let annotation = evaluation.annotation.unwrap().to_string();
                    let words: Vec<&str> = annotation.split(' ').collect();
                    let action = words.iter().find(|word| word.starts_with("s3:")).unwrap();
                    let resource = words.last().unwrap().strip_suffix('.').unwrap();
                    // What is shown is really not denied, where every Deny is about everybody alike.
                    if alike {
                        shown.set(shown.get() + 1);
                        let request = Request {
                            caller: Caller::Anonymous,
                            action: (*action).to_owned(),
                            resource: resource.to_owned(),
                            context: context(&[]),
                        };
                        prop_assert!(!is_denied(&policy, &request), "{text}\n{annotation}");
                    }
                }
                other => prop_assert!(false, "{other:?}: {text}"),
            }
            Ok(())
        })
        .unwrap();
    let (complies, fails, shown) = (complies.get(), fails.get(), shown.get());
    assert!(
        complies > 50 && fails > 50 && shown > 50,
        "the generator reaches both answers: {complies} comply, {fails} fail, {shown} shown"
    );
}
