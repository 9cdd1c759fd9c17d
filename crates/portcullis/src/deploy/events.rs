//! `portcullis deploy events`: the CloudFormation template that brings AWS's events to the guard.
//!
//! EventBridge rules for the calls that can change who has access, a queue that they fill, and a second
//! queue for what nobody could take. One stack in each region that is watched. EventBridge sees calls
//! only where a CloudTrail trail logs management events (Amazon EventBridge user guide, "AWS service
//! events delivered via AWS CloudTrail").

use serde_json::{Value, json};

/// What a rule matches, by its name in the template.
pub(super) struct Rule {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) description: &'static str,
    /// The event pattern.
    pub(super) pattern: Value,
    /// Whether its events exist in the first region of the partition only.
    pub(super) global: bool,
}

/// The rules. They are wider than what the guard looks at (it reads every event itself), but leave out
/// reads and the traffic of objects.
pub(super) fn rules() -> Vec<Rule> {
    let calls = |source: &str, names: Value| {
        json!({
            "source": [source],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {"eventName": names},
        })
    };
    vec![
        Rule {
            name: "BucketChanges",
            description: "Changes of buckets, access points and the account's Block Public Access",
            pattern: calls(
                "aws.s3",
                json!([
                    {"prefix": "CreateBucket"},
                    {"prefix": "PutBucket"},
                    {"prefix": "DeleteBucket"},
                    {"prefix": "PutPublicAccessBlock"},
                    {"prefix": "DeletePublicAccessBlock"},
                    {"prefix": "PutAccountPublicAccessBlock"},
                    {"prefix": "DeleteAccountPublicAccessBlock"},
                    {"prefix": "CreateAccessPoint"},
                    {"prefix": "DeleteAccessPoint"},
                    {"prefix": "PutAccessPoint"},
                    {"prefix": "PutAccelerateConfiguration"},
                    {"prefix": "PutObjectLockConfiguration"},
                    {"prefix": "PutObjectAcl"},
                    "TagResource",
                    "UntagResource",
                ]),
            ),
            global: false,
        },
        Rule {
            name: "ObjectAclChanges",
            description: "Changes of object ACLs, where a bucket sends its events to EventBridge",
            pattern: json!({"source": ["aws.s3"], "detail-type": ["Object ACL Updated"]}),
            global: false,
        },
        Rule {
            name: "ConfigFindings",
            description: "What AWS Config records and evaluates, where it is in use",
            pattern: json!({
                "source": ["aws.config"],
                "detail-type": [
                    "Config Rules Compliance Change",
                    "Config Configuration Item Change",
                ],
            }),
            global: false,
        },
        Rule {
            name: "ConfigEvaluations",
            description: "Evaluations that are put to AWS Config",
            pattern: calls("aws.config", json!(["PutEvaluations"])),
            global: false,
        },
        Rule {
            name: "VolumeChanges",
            description: "EBS volumes that are made, attached, changed or tagged",
            pattern: calls(
                "aws.ec2",
                json!([
                    "CreateVolume",
                    "AttachVolume",
                    "DetachVolume",
                    "ModifyVolume",
                    "DeleteVolume",
                    "RestoreVolumeFromRecycleBin",
                    "CreateTags",
                    "DeleteTags",
                ]),
            ),
            global: false,
        },
        Rule {
            name: "OrganizationChanges",
            description: "Policies of the organization, and accounts that move",
            pattern: calls(
                "aws.organizations",
                json!([
                    "CreatePolicy",
                    "UpdatePolicy",
                    "DeletePolicy",
                    "AttachPolicy",
                    "DetachPolicy",
                    "EnablePolicyType",
                    "DisablePolicyType",
                    "MoveAccount",
                    "RemoveAccountFromOrganization",
                    "LeaveOrganization",
                    "AcceptHandshake",
                ]),
            ),
            global: true,
        },
        Rule {
            name: "RootMfaChanges",
            description: "MFA devices of the root user",
            pattern: json!({
                "source": ["aws.iam"],
                "detail-type": ["AWS API Call via CloudTrail"],
                "detail": {
                    "userIdentity": {"type": ["Root"]},
                    "eventName": [
                        "EnableMFADevice",
                        "DeactivateMFADevice",
                        "ResyncMFADevice",
                        "CreateVirtualMFADevice",
                        "DeleteVirtualMFADevice",
                    ],
                },
            }),
            global: true,
        },
    ]
}

/// The template.
pub(super) fn template() -> Value {
    let mut resources = serde_json::Map::new();
    resources.insert(
        "DeadLetters".to_owned(),
        json!({
            "Type": "AWS::SQS::Queue",
            "Properties": {
                // The longest that there is: fourteen days.
                "MessageRetentionPeriod": 1_209_600,
                "SqsManagedSseEnabled": true,
            },
        }),
    );
    resources.insert(
        "Events".to_owned(),
        json!({
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "MessageRetentionPeriod": 1_209_600,
                "ReceiveMessageWaitTimeSeconds": 20,
                // The guard deletes a message when its event is stored, which takes milliseconds.
                "VisibilityTimeout": 60,
                "SqsManagedSseEnabled": true,
                "RedrivePolicy": {
                    "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
                    "maxReceiveCount": 20,
                },
            },
        }),
    );
    resources.insert("EventsPolicy".to_owned(), queue_policy());
    for rule in rules() {
        let mut resource = json!({
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Description": rule.description,
                "EventPattern": rule.pattern,
                "State": "ENABLED",
                "Targets": [{"Id": "guard", "Arn": {"Fn::GetAtt": ["Events", "Arn"]}}],
            },
        });
        if rule.global {
            resource["Condition"] = "HasGlobalEvents".into();
        }
        resources.insert(rule.name.to_owned(), resource);
    }
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Portcullis: events about public access, from EventBridge into a queue. Deploy it in each region that is watched; a CloudTrail trail must log management events there.",
        "Conditions": {
            // Organizations and IAM log their calls in the first region of each partition.
            "HasGlobalEvents": {"Fn::Or": [
                {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
                {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-gov-west-1"]},
                {"Fn::Equals": [{"Ref": "AWS::Region"}, "cn-north-1"]},
                {"Fn::Equals": [{"Ref": "AWS::Region"}, "cn-northwest-1"]},
            ]},
        },
        "Resources": resources,
        "Outputs": {
            "QueueUrl": {
                "Description": "For the configuration of `portcullis serve`",
                "Value": {"Ref": "Events"},
            },
            "QueueArn": {
                "Description": "For `portcullis deploy policy --recorder --queue`",
                "Value": {"Fn::GetAtt": ["Events", "Arn"]},
            },
            "DeadLetterQueueUrl": {"Value": {"Ref": "DeadLetters"}},
        },
    })
}

/// The rules of this account and region may send, over TLS, and nobody else from outside it.
fn queue_policy() -> Value {
    json!({
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": "Events"}],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "EventRulesSend",
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": {"Fn::GetAtt": ["Events", "Arn"]},
                        "Condition": {"ArnLike": {"aws:SourceArn": {
                            "Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${AWS::StackName}-*",
                        }}},
                    },
                    {
                        "Sid": "OverTlsOnly",
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "sqs:*",
                        "Resource": {"Fn::GetAtt": ["Events", "Arn"]},
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    },
                ],
            },
        },
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use compliance::event::{Concerns, read};
    use compliance::pattern::EventPattern;

    use super::*;

    fn called(source: &str, service: &str, name: &str, parameters: Value) -> Value {
        json!({
            "version": "0", "id": "7bf73129", "detail-type": "AWS API Call via CloudTrail",
            "source": source, "account": "111122223333", "time": "2026-01-01T00:00:00Z",
            "region": "us-east-1", "resources": [],
            "detail": {
                "eventSource": format!("{service}.amazonaws.com"), "eventName": name,
                "eventTime": "2026-01-01T00:00:00Z", "eventID": "0f1c4c7c", "readOnly": false,
                "userIdentity": {"type": "Root", "accountId": "111122223333"},
                "requestParameters": parameters
            }
        })
    }

    fn matched(event: &Value) -> Vec<&'static str> {
        rules()
            .into_iter()
            .filter(|rule| {
                EventPattern::from_value(&rule.pattern)
                    .unwrap()
                    .matches(event)
            })
            .map(|rule| rule.name)
            .collect()
    }

    /// What an event is about, as the guard reads it.
    fn concerned(event: &Value) -> Concerns {
        let arrived = read(&event.to_string());
        assert_eq!(arrived.rejected, [], "{event}");
        arrived.events[0].concerns.clone()
    }

    #[test]
    fn what_the_guard_looks_at_is_what_the_rules_bring() {
        let bucket = || json!({"bucketName": "backups"});
        let object = || json!({"bucketName": "backups", "key": "a"});
        let mut events = Vec::new();
        for name in [
            "CreateBucket",
            "DeleteBucket",
            "PutBucketAcl",
            "PutBucketPolicy",
            "DeleteBucketPolicy",
            "PutBucketPublicAccessBlock",
            "DeleteBucketPublicAccessBlock",
            "PutPublicAccessBlock",
            "DeletePublicAccessBlock",
            "PutBucketOwnershipControls",
            "DeleteBucketOwnershipControls",
            "PutBucketTagging",
            "DeleteBucketTagging",
            "PutBucketVersioning",
            "PutBucketLogging",
            "PutBucketWebsite",
            "DeleteBucketWebsite",
            "PutBucketEncryption",
            "DeleteBucketEncryption",
            "PutBucketNotification",
            "PutBucketLifecycle",
            "DeleteBucketLifecycle",
            "PutBucketReplication",
            "DeleteBucketReplication",
            "PutBucketCors",
            "DeleteBucketCors",
            "PutBucketRequestPayment",
            "PutAccelerateConfiguration",
            "PutObjectLockConfiguration",
        ] {
            events.push(called("aws.s3", "s3", name, bucket()));
        }
        events.push(called("aws.s3", "s3", "PutObjectAcl", object()));
        for name in [
            "PutAccountPublicAccessBlock",
            "DeleteAccountPublicAccessBlock",
            "PutPublicAccessBlock",
            "DeletePublicAccessBlock",
        ] {
            events.push(called("aws.s3", "s3", name, json!({})));
        }
        for name in [
            "CreateAccessPoint",
            "DeleteAccessPoint",
            "PutAccessPointPolicy",
            "DeleteAccessPointPolicy",
        ] {
            events.push(called("aws.s3", "s3", name, json!({"name": "door"})));
        }
        events.push(called(
            "aws.s3",
            "s3",
            "TagResource",
            json!({"resourceArn": "arn:aws:s3:::backups"}),
        ));
        for name in [
            "AttachPolicy",
            "UpdatePolicy",
            "MoveAccount",
            "EnablePolicyType",
        ] {
            events.push(called(
                "aws.organizations",
                "organizations",
                name,
                json!({}),
            ));
        }
        for name in [
            "EnableMFADevice",
            "DeactivateMFADevice",
            "DeleteVirtualMFADevice",
        ] {
            events.push(called("aws.iam", "iam", name, json!({})));
        }
        for name in ["AttachVolume", "DeleteVolume", "ModifyVolume"] {
            events.push(called("aws.ec2", "ec2", name, json!({"volumeId": "vol-1"})));
        }
        events.push(called(
            "aws.config", "config", "PutEvaluations",
            json!({"evaluations": [{"complianceResourceType": "AWS::S3::Bucket", "complianceResourceId": "backups"}]}),
        ));
        for event in &events {
            assert_ne!(concerned(event), Concerns::Nothing, "{event}");
            assert_eq!(matched(event).len(), 1, "{event}");
        }
    }

    #[test]
    fn reads_and_the_traffic_of_objects_stay_away() {
        for name in ["GetBucketAcl", "ListObjects", "HeadBucket"] {
            let event = called("aws.s3", "s3", name, json!({"bucketName": "backups"}));
            assert_eq!(matched(&event), [""; 0], "{name}");
        }
        for name in ["PutObject", "DeleteObject", "CopyObject"] {
            let event = called(
                "aws.s3",
                "s3",
                name,
                json!({"bucketName": "backups", "key": "a"}),
            );
            assert_eq!(matched(&event), [""; 0], "{name}");
        }
    }

    #[test]
    fn everything_that_the_template_refers_to_is_in_it() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    for (name, value) in members {
                        match (name.as_str(), value) {
                            ("Ref", Value::String(to)) => found.push(to.clone()),
                            ("Fn::GetAtt", Value::Array(path)) => {
                                found.push(path[0].as_str().unwrap().to_owned());
                            }
                            _ => references(value, found),
                        }
                    }
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let template = template();
        let mut found = Vec::new();
        references(&template, &mut found);
        assert!(found.contains(&"Events".to_owned()));
        for name in found {
            let known = name.starts_with("AWS::") || !template["Resources"][&name].is_null();
            assert!(known, "{name}");
        }
    }
}
