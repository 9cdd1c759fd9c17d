//! Resources, events and findings to test with.

use std::collections::BTreeMap;

use compliance::item::{ConfigurationItem, ItemStatus, ResourceKey};
use compliance::rules::ComplianceType;
use guard::state::{
    Commit, EvaluationRecord, EventRecord, Exposure, Finding, FindingState, JobKind, NewJob,
    finding_id,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const RULE: &str = "s3-bucket-public-read-prohibited";

/// The moment that tests begin at, exact to the microsecond, and so many seconds later.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_767_225_600, 123_456_000).unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) fn key(name: &str) -> ResourceKey {
    ResourceKey::bucket(ACCOUNT, "eu-central-1", name)
}

pub(crate) fn item(name: &str, content: &str, seconds: i64) -> ConfigurationItem {
    ConfigurationItem {
        key: key(name),
        status: ItemStatus::Ok,
        capture_time: at(seconds),
        resource_name: Some(name.to_owned()),
        arn: format!("arn:aws:s3:::{name}"),
        creation_time: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        tags: BTreeMap::from([("content".to_owned(), content.to_owned())]),
        related_events: vec![],
        relationships: vec![],
        configuration: json!({"name": name}),
        supplementary_configuration: Map::new(),
        portcullis: json!({"enforcement": "aws"}),
    }
}

pub(crate) fn evaluation(compliance_type: ComplianceType, seconds: i64) -> EvaluationRecord {
    EvaluationRecord {
        rule_name: RULE.to_owned(),
        identifier: "S3_BUCKET_PUBLIC_READ_PROHIBITED".to_owned(),
        compliance_type,
        annotation: (compliance_type == ComplianceType::NonCompliant)
            .then(|| "The S3 bucket ACL allows public read access.".to_owned()),
        evaluated_at: at(seconds),
        since: at(seconds),
    }
}

/// A commit that sees this content on this version.
pub(crate) fn commit(name: &str, content: &str, version: Option<i64>, seconds: i64) -> Commit {
    let item = item(name, content, seconds);
    let hash = item.content_hash();
    Commit {
        expected_version: version,
        item: Some((item, hash)),
        ..Commit::of(key(name), at(seconds))
    }
}

pub(crate) fn finding(name: &str, cause: &str, seconds: i64) -> Finding {
    let key = key(name);
    Finding {
        id: finding_id(&key, cause),
        key,
        cause: cause.to_owned(),
        rule_names: vec![RULE.to_owned()],
        annotation: "The S3 bucket ACL allows public read access.".to_owned(),
        state: FindingState::Open,
        occurrences: 1,
        first_opened_at: at(seconds),
        opened_at: at(seconds),
        resolved_at: None,
        resolved_by: None,
        fingerprint: Some("f00d".to_owned()),
        witness: Some(json!({"action": "s3:ListBucket", "principal": "anonymous"})),
        respond: true,
        topics: vec!["security".to_owned()],
        response: None,
        told_at: Some(at(seconds)),
        escalation_step: 0,
        escalated_at: None,
    }
}

pub(crate) fn exposure(finding: &Finding, seconds: i64) -> Exposure {
    Exposure {
        id: format!("{}-{}", finding.id, finding.occurrences),
        finding_id: finding.id.clone(),
        key: finding.key.clone(),
        cause: finding.cause.clone(),
        classes: vec!["read".to_owned()],
        from: at(seconds),
        detected_at: at(seconds + 1),
        to: None,
        closed_by: None,
        event_id: Some("e-1".to_owned()),
        actor: Some("arn:aws:iam::111122223333:user/mallory".to_owned()),
        witness: finding.witness.clone(),
    }
}

pub(crate) fn event(id: &str, name: &str, seconds: i64) -> EventRecord {
    EventRecord {
        id: id.to_owned(),
        source: "cloudtrail".to_owned(),
        name: "PutBucketAcl".to_owned(),
        event_time: at(seconds),
        arrived_at: at(seconds + 1),
        account: ACCOUNT.to_owned(),
        region: Some("eu-central-1".to_owned()),
        resource_type: "AWS::S3::Bucket".to_owned(),
        resource_id: name.to_owned(),
        actor: Some("arn:aws:iam::111122223333:user/mallory".to_owned()),
        source_ip: Some("192.0.2.7".to_owned()),
        detail: json!({"eventName": "PutBucketAcl", "requestParameters": {"bucketName": name}}),
        verdict_at: None,
        closed_at: None,
    }
}

pub(crate) fn look(name: &str, seconds: i64) -> NewJob {
    NewJob {
        kind: JobKind::Look,
        key: format!("look {ACCOUNT} AWS::S3::Bucket {name}"),
        payload: json!({"resourceId": name}),
        due_at: at(seconds),
    }
}
