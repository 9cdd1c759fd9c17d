//! What the tests of the rules have in common: small items, and one way to look at an answer.

#![expect(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use policy::bucket::Bucket;
use policy::document::Policy;
use policy::observed::Unread;
use serde_json::{Map, Value, json};

use super::{Parameters, Rule, Subject, evaluate_one};
use crate::item::bucket::{self, Taken};
use crate::item::object_acls::ObjectAcls;
use crate::item::{ConfigurationItem, ItemStatus, ResourceKey, unread};

/// A resource of a type, with nothing in it.
pub(super) fn item(resource_type: &str) -> ConfigurationItem {
    ConfigurationItem {
        key: ResourceKey {
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            resource_type: resource_type.to_owned(),
            resource_id: "r".to_owned(),
        },
        status: ItemStatus::Ok,
        capture_time: Timestamp::UNIX_EPOCH,
        resource_name: None,
        arn: String::new(),
        creation_time: None,
        tags: BTreeMap::new(),
        related_events: Vec::new(),
        relationships: Vec::new(),
        configuration: json!({}),
        supplementary_configuration: Map::new(),
        portcullis: Value::Null,
    }
}

/// The item of a bucket with one part.
pub(super) fn bucket_with(part: &str, value: Value) -> ConfigurationItem {
    let mut bucket = item(crate::item::BUCKET);
    bucket
        .supplementary_configuration
        .insert(part.to_owned(), value);
    bucket
}

/// The item of a bucket with a policy; `None`: without one.
pub(super) fn bucket_with_policy(policy: Option<&str>) -> ConfigurationItem {
    bucket_with("BucketPolicy", json!({"policyText": policy}))
}

/// The item of a whole bucket, as the recorder would make it.
pub(super) fn recorded(bucket: &Bucket) -> ConfigurationItem {
    recorded_with(bucket, ObjectAcls::default())
}

/// The same, with what is known of the ACLs of its objects.
pub(super) fn recorded_with(bucket: &Bucket, object_acls: ObjectAcls) -> ConfigurationItem {
    bucket::item(
        bucket,
        ResourceKey::bucket("111122223333", "us-east-1", &bucket.name),
        Taken {
            capture_time: bucket.as_of,
            creation_time: None,
            owner: None,
            tags: BTreeMap::new(),
            parts: BTreeMap::new(),
            object_acls,
            related_events: Vec::new(),
        },
    )
}

/// A bucket with this policy and nothing else.
pub(super) fn open_bucket(policy: &str) -> Bucket {
    oracle::generate::bare_bucket(Policy::parse(policy).expect("a policy"))
}

/// The same resource, with a part that nobody was allowed to read.
pub(super) fn denied(item: ConfigurationItem, part: &str, action: &str) -> ConfigurationItem {
    not_read(
        item,
        part,
        &Unread::AccessDenied {
            action: action.to_owned(),
        },
    )
}

/// The same resource, with a part that was not read.
pub(super) fn not_read(mut item: ConfigurationItem, part: &str, why: &Unread) -> ConfigurationItem {
    item.supplementary_configuration.remove(part);
    if let Value::Object(members) = &mut item.configuration {
        members.remove(part);
    }
    if item.portcullis.is_null() {
        item.portcullis = json!({});
    }
    item.portcullis["unread"][part] = unread::to_json(why);
    item
}

/// A rule's parameters, its defaults where none is given.
pub(super) fn parameters(rule: &dyn Rule, given: &[(&str, &str)]) -> Parameters {
    given
        .iter()
        .fold(Parameters::defaults(rule.about()), |all, (name, value)| {
            all.with(name, value)
        })
}

/// Checks an answer, written `COMPLIANCE_TYPE annotation`.
#[track_caller]
pub(super) fn check(
    rule: &dyn Rule,
    item: &ConfigurationItem,
    parameters: &Parameters,
    expected: &str,
) {
    let evaluation = evaluate_one(rule, &Subject::of(item, item.capture_time), parameters);
    let text = match &evaluation.annotation {
        Some(annotation) => format!("{} {annotation}", evaluation.compliance_type.as_str()),
        None => evaluation.compliance_type.as_str().to_owned(),
    };
    assert_eq!(text, expected);
    assert_eq!(evaluation.identifier, rule.identifier());
}

/// Checks that a rule does not decide without a part, and names the action that reads it, for every
/// reason why the part is not there.
#[track_caller]
pub(super) fn undecided_without(
    rule: &dyn Rule,
    item: &ConfigurationItem,
    parameters: &Parameters,
    part: &str,
    action: &str,
) {
    for why in unread::tests::reasons() {
        let why = match why {
            Unread::AccessDenied { .. } => Unread::AccessDenied {
                action: action.to_owned(),
            },
            other => other,
        };
        let item = not_read(item.clone(), part, &why);
        let evaluation = evaluate_one(rule, &Subject::of(&item, item.capture_time), parameters);
        assert_eq!(
            evaluation.compliance_type,
            super::ComplianceType::InsufficientData,
            "{part} {why:?}: {evaluation:?}"
        );
        let text = evaluation.annotation.expect("why").to_string();
        assert!(text.contains(action), "{part} {why:?}: {text}");
    }
    let mut silent = item.clone();
    silent.supplementary_configuration.remove(part);
    if let Value::Object(members) = &mut silent.configuration {
        members.remove(part);
    }
    let silent_answer = evaluate_one(rule, &Subject::of(&silent, silent.capture_time), parameters);
    assert_ne!(
        silent_answer.compliance_type,
        super::ComplianceType::Compliant,
        "an item that does not show {part} proves nothing"
    );
}
