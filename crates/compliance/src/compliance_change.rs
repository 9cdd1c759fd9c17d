//! Compliance changes, as they go on the event bus.
//!
//! Each change is told in two shapes, because existing event rules wait for either: Config's own
//! notification (AWS Config developer guide, "Monitoring AWS Config with Amazon EventBridge", detail
//! type `Config Rules Compliance Change`), and the call by which an evaluation is reported, as
//! CloudTrail hands it to EventBridge (`PutEvaluations`), whose evaluations responders in the field
//! read.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::item::{ResourceKey, millis};
use crate::rules::ComplianceType;

/// What a rule said at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationResult {
    /// The answer.
    pub compliance_type: ComplianceType,
    /// Why, where it says so.
    pub annotation: Option<String>,
    /// When the resource was read that this is about.
    pub ordering: Timestamp,
    /// When it was recorded.
    pub recorded: Timestamp,
}

/// A rule says something else of a resource than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplianceChange {
    /// The resource.
    pub key: ResourceKey,
    /// The partition, for ARNs.
    pub partition: String,
    /// The rule's configured name.
    pub rule_name: String,
    /// The managed rule's identifier; empty for a custom rule.
    pub identifier: String,
    /// What it said before; `None`: this is its first answer.
    pub old: Option<EvaluationResult>,
    /// What it says now.
    pub new: EvaluationResult,
}

/// The id of a rule. AWS makes it up; here it follows from the name, so that it stays the same.
pub fn rule_id(rule_name: &str) -> String {
    let digest = Sha256::digest(rule_name);
    let id: String = digest
        .iter()
        .take(3)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("config-rule-{id}")
}

/// The ARN of a rule, which ends in its [`rule_id`].
pub fn rule_arn(partition: &str, region: &str, account: &str, rule_name: &str) -> String {
    let id = rule_id(rule_name);
    format!("arn:{partition}:config:{region}:{account}:config-rule/{id}")
}

impl ComplianceChange {
    /// Whether the compliance type is another one, and not the annotation alone. Only this is a compliance
    /// change in AWS Config's sense, and notified as one (AWS Config developer guide, "Notifications that
    /// AWS Config sends to an Amazon SNS topic", message type `ComplianceChangeNotification`: the
    /// compliance type of a resource has changed); an evaluation is reported whatever it says.
    pub fn changes_type(&self) -> bool {
        let old = self.old.as_ref();
        old.is_none_or(|old| old.compliance_type != self.new.compliance_type)
    }

    /// The ARN of the rule: [`rule_arn`].
    pub fn rule_arn(&self) -> String {
        let key = &self.key;
        rule_arn(&self.partition, &key.region, &key.account, &self.rule_name)
    }

    /// The event of detail type `Config Rules Compliance Change`. `id` is the envelope's.
    pub fn notification(&self, id: &str) -> Value {
        let mut detail = json!({
            "recordVersion": "1.0",
            "messageType": "ComplianceChangeNotification",
            "awsAccountId": self.key.account,
            "awsRegion": self.key.region,
            "configRuleName": self.rule_name,
            "configRuleARN": self.rule_arn(),
            "resourceType": self.key.resource_type,
            "resourceId": self.key.resource_id,
            "newEvaluationResult": self.evaluation_result(&self.new),
            "notificationCreationTime": millis(self.new.recorded),
        });
        if let (Some(old), Some(members)) = (&self.old, detail.as_object_mut()) {
            members.insert(
                "oldEvaluationResult".to_owned(),
                self.evaluation_result(old),
            );
        }
        self.envelope(id, "Config Rules Compliance Change", detail)
    }

    /// The event of detail type `AWS API Call via CloudTrail` about the `PutEvaluations` that reports
    /// this. `id` is the envelope's.
    pub fn put_evaluations(&self, id: &str) -> Value {
        let mut evaluation = json!({
            "complianceResourceType": self.key.resource_type,
            "complianceResourceId": self.key.resource_id,
            "complianceType": self.new.compliance_type.as_str(),
            "orderingTimestamp": millis(self.new.ordering),
        });
        if let (Some(annotation), Some(members)) =
            (&self.new.annotation, evaluation.as_object_mut())
        {
            members.insert("annotation".to_owned(), Value::from(annotation.as_str()));
        }
        let detail = json!({
            "eventVersion": "1.08",
            "eventSource": "config.amazonaws.com",
            "eventName": "PutEvaluations",
            "eventTime": self.new.recorded.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "eventID": id,
            "eventType": "AwsServiceEvent",
            "awsRegion": self.key.region,
            "recipientAccountId": self.key.account,
            "requestParameters": {
                "evaluations": [evaluation],
                "resultToken": "",
                "testMode": false,
            },
            "additionalEventData": {
                "managedRuleIdentifier": self.identifier,
                "configRuleName": self.rule_name,
                "configRuleArn": self.rule_arn(),
            },
        });
        self.envelope(id, "AWS API Call via CloudTrail", detail)
    }

    fn envelope(&self, id: &str, detail_type: &str, detail: Value) -> Value {
        json!({
            "version": "0",
            "id": id,
            "detail-type": detail_type,
            "source": "aws.config",
            "account": self.key.account,
            "time": self.new.recorded.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": self.key.region,
            "resources": [],
            "detail": detail,
        })
    }

    fn evaluation_result(&self, result: &EvaluationResult) -> Value {
        json!({
            "evaluationResultIdentifier": {
                "evaluationResultQualifier": {
                    "configRuleName": self.rule_name,
                    "resourceType": self.key.resource_type,
                    "resourceId": self.key.resource_id,
                },
                "orderingTimestamp": millis(result.ordering),
            },
            "complianceType": result.compliance_type.as_str(),
            "resultRecordedTime": millis(result.recorded),
            "configRuleInvokedTime": millis(result.ordering),
            "annotation": result.annotation,
            "resultToken": null,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn change() -> ComplianceChange {
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let result = |compliance_type, annotation: Option<&str>| EvaluationResult {
            compliance_type,
            annotation: annotation.map(str::to_owned),
            ordering: at,
            recorded: at,
        };
        ComplianceChange {
            key: ResourceKey::bucket("111122223333", "eu-central-1", "backups"),
            partition: "aws".to_owned(),
            rule_name: "s3-bucket-public-read-prohibited".to_owned(),
            identifier: "S3_BUCKET_PUBLIC_READ_PROHIBITED".to_owned(),
            old: Some(result(ComplianceType::Compliant, None)),
            new: result(
                ComplianceType::NonCompliant,
                Some("The S3 bucket ACL allows public read access."),
            ),
        }
    }

    #[test]
    fn the_notification_has_configs_shape() {
        // The order of members depends on what else is in the binary.
        insta::with_settings!({sort_maps => true}, {
            insta::assert_json_snapshot!(change().notification("e-1"));
        });
        let mut first = change();
        first.old = None;
        assert!(
            first.notification("e-1")["detail"]
                .get("oldEvaluationResult")
                .is_none()
        );
    }

    #[test]
    fn the_reported_evaluation_has_what_responders_read() {
        insta::with_settings!({sort_maps => true}, {
            insta::assert_json_snapshot!(change().put_evaluations("e-2"));
        });
        let mut closed = change();
        closed.new.annotation = None;
        closed.new.compliance_type = ComplianceType::Compliant;
        let event = closed.put_evaluations("e-3");
        let evaluation = &event["detail"]["requestParameters"]["evaluations"][0];
        assert!(evaluation.get("annotation").is_none());
    }
}
