//! Events as they arrive: each documented shape, each wrapping, and what is wrong with the rest.
#![expect(clippy::unwrap_used, reason = "tests")]

use compliance::event::{
    Arrived, Concerns, Event, EventError, LARGEST_MESSAGE, Source, read, read_ops_log,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";

/// A CloudTrail record of S3's, with these parameters.
fn record(name: &str, parameters: Value) -> Value {
    json!({
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:alice",
            "arn": "arn:aws:sts::111122223333:assumed-role/deploy/alice",
            "accountId": ACCOUNT,
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": "arn:aws:iam::111122223333:role/deploy"}}
        },
        "eventTime": "2026-01-01T00:00:05Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "[aws-cli/2.30]",
        "requestParameters": parameters,
        "responseElements": null,
        "requestID": "79A59DF9",
        "eventID": "0f1c4c7c-9d3c-4f4e-8a53-2d3b0f6a0001",
        "readOnly": false,
        "resources": [{"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::backups"}],
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management"
    })
}

/// The same without the resource, as calls on the account have none.
fn bare(name: &str, parameters: Value) -> Value {
    let mut record = record(name, parameters);
    record.as_object_mut().unwrap().remove("resources");
    record
}

fn of_service(service: &str, name: &str, parameters: Value) -> Value {
    let mut record = bare(name, parameters);
    record["eventSource"] = json!(service);
    record
}

/// EventBridge's envelope.
fn envelope(source: &str, kind: &str, detail: Value) -> Value {
    json!({
        "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": kind,
        "source": source, "account": ACCOUNT, "time": "2026-01-01T00:00:06Z",
        "region": "eu-central-1", "resources": [], "detail": detail
    })
}

fn called(record: Value) -> Value {
    envelope("aws.s3", "AWS API Call via CloudTrail", record)
}

fn notification(message: &Value) -> Value {
    json!({
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-central-1:111122223333:changes", "Message": message.to_string(),
        "Timestamp": "2026-01-01T00:00:07.000Z", "SignatureVersion": "1", "Signature": "EXAMPLE",
        "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0.pem"
    })
}

fn one(value: &Value) -> Event {
    let Arrived { events, rejected } = read(&value.to_string());
    assert_eq!(rejected, [], "{value}");
    let [event] = events.try_into().unwrap();
    event
}

fn rejected(value: &Value) -> EventError {
    let Arrived { events, rejected } = read(&value.to_string());
    assert_eq!(events, [], "{value}");
    let [error] = rejected.try_into().unwrap();
    error
}

fn bucket(name: &str) -> Concerns {
    Concerns::Bucket(name.to_owned())
}

fn account() -> Concerns {
    Concerns::Account(ACCOUNT.to_owned())
}

#[test]
fn each_call_concerns_what_it_changes() {
    let on_bucket = || json!({"bucketName": "backups", "Host": "backups.s3.amazonaws.com"});
    let on_object = |more: Value| {
        let mut parameters = json!({"bucketName": "backups", "key": "a/b c.txt"});
        for (name, value) in more.as_object().unwrap() {
            parameters[name] = value.clone();
        }
        parameters
    };
    let object = || Concerns::Object {
        bucket: "backups".to_owned(),
        key: "a/b c.txt".to_owned(),
    };
    let point = |bucket: Option<&str>| Concerns::AccessPoint {
        name: "door".to_owned(),
        bucket: bucket.map(str::to_owned),
    };
    let mut cases: Vec<(Value, Concerns)> = [
        "PutBucketAcl",
        "PutBucketPolicy",
        "DeleteBucketPolicy",
        "PutBucketPublicAccessBlock",
        "DeleteBucketPublicAccessBlock",
        "PutPublicAccessBlock",
        "DeletePublicAccessBlock",
        "PutBucketOwnershipControls",
        "DeleteBucketOwnershipControls",
        "CreateBucket",
        "DeleteBucket",
        "PutBucketTagging",
        "PutBucketVersioning",
        "PutBucketLogging",
        "PutBucketWebsite",
        "PutBucketEncryption",
        "PutACallOfTomorrow",
    ]
    .map(|name| (record(name, on_bucket()), bucket("backups")))
    .into();
    cases.extend([
        // The account's block, as CloudTrail, permissions and the API spell it.
        (
            bare(
                "PutAccountPublicAccessBlock",
                json!({"accountId": "444455556666"}),
            ),
            Concerns::Account("444455556666".to_owned()),
        ),
        (
            bare("DeleteAccountPublicAccessBlock", json!({})),
            account(),
        ),
        (
            bare(
                "PutPublicAccessBlock",
                json!({"Host": "111122223333.s3-control.eu-central-1.amazonaws.com", "publicAccessBlock": ""}),
            ),
            account(),
        ),
        (bare("DeletePublicAccessBlock", Value::Null), account()),
        // Access points: the parameters at the top, in a document, or as an ARN.
        (
            bare("PutAccessPointPolicy", json!({"name": "door"})),
            point(None),
        ),
        (
            bare(
                "CreateAccessPoint",
                json!({"name": "door", "CreateAccessPointRequest": {"Bucket": "backups"}}),
            ),
            point(Some("backups")),
        ),
        (
            bare(
                "DeleteAccessPointPolicy",
                json!({"name": "arn:aws:s3:eu-central-1:111122223333:accesspoint/door"}),
            ),
            point(None),
        ),
        (
            bare("DeleteAccessPoint", json!({"accountId": ACCOUNT})),
            Concerns::AllBuckets,
        ),
        // Data events: an ACL matters, data does not.
        (record("PutObjectAcl", on_object(json!({"acl": ""}))), object()),
        (
            record("PutObject", on_object(json!({"x-amz-acl": "public-read"}))),
            object(),
        ),
        (
            record(
                "CopyObject",
                on_object(json!({"x-amz-grant-read": "uri=http://acs.amazonaws.com/groups/global/AllUsers"})),
            ),
            object(),
        ),
        (record("PutObject", on_object(json!({}))), Concerns::Nothing),
        (record("DeleteObject", on_object(json!({}))), Concerns::Nothing),
        // Tags by the newer call, and a request through an access point.
        (
            bare("TagResource", json!({"resourceArn": "arn:aws:s3:::backups"})),
            bucket("backups"),
        ),
        (
            record(
                "PutObjectAcl",
                json!({"bucketName": "arn:aws:s3:eu-central-1:111122223333:accesspoint/door", "key": "a/b c.txt"}),
            ),
            object(),
        ),
        // Other services.
        (
            of_service("organizations.amazonaws.com", "AttachPolicy", json!({"policyId": "p-1", "targetId": "r-1"})),
            Concerns::AllBuckets,
        ),
        (
            of_service("organizations.amazonaws.com", "CreatePolicy", json!({"type": "S3_POLICY"})),
            Concerns::AllBuckets,
        ),
        (
            of_service("organizations.amazonaws.com", "CreatePolicy", json!({"type": "TAG_POLICY"})),
            Concerns::Nothing,
        ),
        (
            of_service("organizations.amazonaws.com", "MoveAccount", json!({"accountId": "444455556666"})),
            Concerns::Account("444455556666".to_owned()),
        ),
        (
            of_service("ec2.amazonaws.com", "AttachVolume", json!({"volumeId": "vol-049df61146c4d7901"})),
            Concerns::Volume("vol-049df61146c4d7901".to_owned()),
        ),
        (
            of_service("kms.amazonaws.com", "DisableKey", json!({"keyId": "k"})),
            Concerns::Nothing,
        ),
    ]);
    for (record, concerns) in cases {
        assert_eq!(one(&called(record.clone())).concerns, concerns, "{record}");
    }
}

#[test]
fn calls_that_read_concern_nothing() {
    let mut quiet = record("GetBucketPolicy", json!({"bucketName": "backups"}));
    quiet["readOnly"] = json!(true);
    assert_eq!(one(&called(quiet.clone())).concerns, Concerns::Nothing);
    // Older records do not say so.
    quiet.as_object_mut().unwrap().remove("readOnly");
    assert_eq!(one(&called(quiet)).concerns, Concerns::Nothing);
}

#[test]
fn the_root_users_mfa_concerns_the_account() {
    let mut root = of_service("iam.amazonaws.com", "DeactivateMFADevice", json!({}));
    assert_eq!(one(&called(root.clone())).concerns, Concerns::Nothing);
    root["userIdentity"] =
        json!({"type": "Root", "accountId": ACCOUNT, "arn": "arn:aws:iam::111122223333:root"});
    assert_eq!(one(&called(root)).concerns, account());
}

#[test]
fn an_event_says_who_when_and_from_where() {
    let event = one(&called(record(
        "PutBucketAcl",
        json!({"bucketName": "backups"}),
    )));
    assert_eq!(event.id, "0f1c4c7c-9d3c-4f4e-8a53-2d3b0f6a0001");
    assert_eq!(event.source, Source::CloudTrail);
    assert_eq!(event.name, "PutBucketAcl");
    assert_eq!(event.time, "2026-01-01T00:00:05Z".parse().unwrap());
    assert_eq!(event.account.as_deref(), Some(ACCOUNT));
    assert_eq!(event.region.as_deref(), Some("eu-central-1"));
    assert_eq!(
        event.actor.as_deref(),
        Some("arn:aws:sts::111122223333:assumed-role/deploy/alice")
    );
    assert_eq!(event.source_ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(event.user_agent.as_deref(), Some("[aws-cli/2.30]"));
    assert_eq!(event.error_code, None);
    assert!(event.may_have_changed());
    assert_eq!(event.detail["requestParameters"]["bucketName"], "backups");
}

#[test]
fn the_account_is_the_buckets_owner() {
    let mut foreign = record("PutBucketAcl", json!({"bucketName": "backups"}));
    foreign["userIdentity"]["accountId"] = json!("999999999999");
    foreign["recipientAccountId"] = json!("999999999999");
    assert_eq!(one(&called(foreign)).account.as_deref(), Some(ACCOUNT));
}

#[test]
fn a_refused_call_changed_nothing_and_a_failed_one_may_have() {
    for (code, changed) in [
        ("AccessDenied", false),
        ("Client.UnauthorizedOperation", false),
        ("MalformedPolicy", false),
        ("NoSuchBucket", false),
        ("InternalError", true),
        ("RequestTimeout", true),
        ("SomethingNew", true),
    ] {
        let mut refused = record("PutBucketAcl", json!({"bucketName": "backups"}));
        refused["errorCode"] = json!(code);
        let event = one(&called(refused));
        assert_eq!(event.error_code.as_deref(), Some(code));
        assert_eq!(event.may_have_changed(), changed, "{code}");
        assert_eq!(event.concerns, bucket("backups"), "what was tried is told");
    }
}

#[test]
fn the_same_event_has_the_same_id_in_every_wrapping() {
    let record = record("PutBucketPolicy", json!({"bucketName": "backups"}));
    let event = called(record.clone());
    let by_lambda = json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:eu-central-1:111122223333:changes:1",
        "Sns": notification(&event)}]});
    let by_queue = json!({"Records": [{"messageId": "19dd0b57", "receiptHandle": "MessageReceiptHandle",
        "body": notification(&event).to_string(), "eventSource": "aws:sqs", "awsRegion": "eu-central-1"}]});
    for wrapped in [
        record.clone(),
        event.clone(),
        json!(event.to_string()),
        notification(&event),
        notification(&notification(&event)),
        json!({"Records": [record]}),
        by_lambda,
        by_queue,
        envelope("portcullis.forwarded", "Forwarded", event.clone()),
    ] {
        let found = one(&wrapped);
        assert_eq!(
            found.id, "0f1c4c7c-9d3c-4f4e-8a53-2d3b0f6a0001",
            "{wrapped}"
        );
        assert_eq!(found.concerns, bucket("backups"));
    }
}

fn evaluations(evaluations: Value) -> Value {
    let mut call = of_service(
        "config.amazonaws.com",
        "PutEvaluations",
        json!({"evaluations": evaluations, "resultToken": "HIDDEN_DUE_TO_SECURITY_REASONS", "testMode": false}),
    );
    call["additionalEventData"] = json!({
        "managedRuleIdentifier": "S3_BUCKET_PUBLIC_READ_PROHIBITED",
        "configRuleName": "s3-bucket-public-read-prohibited"
    });
    envelope("aws.config", "AWS API Call via CloudTrail", call)
}

fn evaluation(resource: &str, id: &str) -> Value {
    json!({"complianceResourceType": resource, "complianceResourceId": id, "complianceType": "NON_COMPLIANT",
        "annotation": "The S3 bucket policy allows public read access.", "orderingTimestamp": "Jan 1, 2026 12:00:00 AM"})
}

#[test]
fn each_evaluation_is_an_event_of_its_own() {
    // With source `aws.config`, but recorded by CloudTrail.
    let several = evaluations(json!([
        evaluation("AWS::S3::Bucket", "backups"),
        evaluation("AWS::S3::Bucket", "logs"),
        evaluation("AWS::IAM::User", "AIDAEXAMPLE"),
        {"complianceType": "COMPLIANT"},
    ]));
    let arrived = read(&several.to_string());
    let told: Vec<_> = arrived
        .events
        .iter()
        .map(|event| (event.id.as_str(), event.concerns.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("0f1c4c7c-9d3c-4f4e-8a53-2d3b0f6a0001", bucket("backups")),
            ("0f1c4c7c-9d3c-4f4e-8a53-2d3b0f6a0001/1", bucket("logs")),
            ("0f1c4c7c-9d3c-4f4e-8a53-2d3b0f6a0001/2", Concerns::Nothing),
        ]
    );
    assert_eq!(
        arrived.rejected[0].to_string(),
        "the evaluation has no usable `complianceResourceType`"
    );
    let second = &arrived.events[1].detail;
    assert_eq!(
        second["requestParameters"]["evaluations"],
        json!([evaluation("AWS::S3::Bucket", "logs")])
    );
    assert_eq!(
        second["additionalEventData"]["managedRuleIdentifier"],
        "S3_BUCKET_PUBLIC_READ_PROHIBITED"
    );
    // As the published pattern has it: one, not a list.
    let single = evaluations(evaluation("AWS::S3::Bucket", "backups"));
    assert_eq!(one(&single).concerns, bucket("backups"));
}

fn compliance_change(resource: &str, id: &str) -> Value {
    json!({"recordVersion": "1.0", "messageType": "ComplianceChangeNotification", "awsAccountId": ACCOUNT,
        "awsRegion": "eu-central-1", "configRuleName": "s3-bucket-public-read-prohibited",
        "configRuleARN": "arn:aws:config:eu-central-1:111122223333:config-rule/config-rule-abc123",
        "resourceType": resource, "resourceId": id,
        "newEvaluationResult": {"evaluationResultIdentifier": {"evaluationResultQualifier": {
            "configRuleName": "s3-bucket-public-read-prohibited", "resourceType": resource, "resourceId": id},
            "orderingTimestamp": "2026-01-01T00:00:00.000Z"}, "complianceType": "NON_COMPLIANT",
            "resultRecordedTime": "2026-01-01T00:00:01.000Z", "annotation": null, "resultToken": null},
        "notificationCreationTime": "2026-01-01T00:00:02.000Z"})
}

#[test]
fn compliance_changes_of_aws_config() {
    for (resource, id, concerns) in [
        ("AWS::S3::Bucket", "backups", bucket("backups")),
        ("AWS::S3::AccountPublicAccessBlock", ACCOUNT, account()),
        ("AWS::::Account", ACCOUNT, account()),
        (
            "AWS::EC2::Volume",
            "vol-1",
            Concerns::Volume("vol-1".to_owned()),
        ),
        ("AWS::IAM::User", "AIDAEXAMPLE", Concerns::Nothing),
    ] {
        let change = compliance_change(resource, id);
        let event = one(&envelope(
            "aws.config",
            "Config Rules Compliance Change",
            change.clone(),
        ));
        assert_eq!(event.concerns, concerns);
        assert_eq!(event.id, "7bf73129-1428-4cd3-a780-95db273d1602");
        assert_eq!(event.time, "2026-01-01T00:00:01Z".parse().unwrap());
        assert_eq!(
            one(&notification(&change)).id,
            "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"
        );
        // Without any wrapping there is no id: the same text is the same event.
        assert_eq!(one(&change).id, one(&change).id);
        assert!(one(&change).id.starts_with("sha256:"));
    }
    // A rule that was deleted has no new result.
    let mut gone = compliance_change("AWS::S3::Bucket", "backups");
    gone["newEvaluationResult"] = Value::Null;
    assert_eq!(one(&gone).time, "2026-01-01T00:00:02Z".parse().unwrap());
}

#[test]
fn configuration_items_of_aws_config() {
    let item = json!({"messageType": "ConfigurationItemChangeNotification",
        "configurationItemDiff": null, "notificationCreationTime": "2026-01-01T00:00:09.000Z", "recordVersion": "1.3",
        "configurationItem": {"configurationItemCaptureTime": "2026-01-01T00:00:03.000Z", "resourceType": "AWS::S3::Bucket",
            "resourceId": "backups", "awsAccountId": ACCOUNT, "awsRegion": "eu-central-1"}});
    let event = one(&envelope(
        "aws.config",
        "Config Configuration Item Change",
        item,
    ));
    assert_eq!(event.concerns, bucket("backups"));
    assert_eq!(event.time, "2026-01-01T00:00:03Z".parse().unwrap());
    let oversized = json!({"messageType": "OversizedConfigurationItemChangeNotification",
        "configurationItemSummary": {"configurationItemCaptureTime": "2026-01-01T00:00:03.000Z",
            "resourceType": "AWS::S3::Bucket", "resourceId": "logs", "awsAccountId": ACCOUNT}});
    assert_eq!(one(&notification(&oversized)).concerns, bucket("logs"));
}

#[test]
fn object_acls_as_s3_tells_them() {
    let object = Concerns::Object {
        bucket: "backups".to_owned(),
        key: "a b/ü+.txt".to_owned(),
    };
    let event = one(&envelope(
        "aws.s3",
        "Object ACL Updated",
        json!({"version": "0", "bucket": {"name": "backups"}, "object": {"key": "a b/ü+.txt", "etag": "e"},
            "request-id": "N4N7GDK58NMKJ12R", "requester": ACCOUNT, "source-ip-address": "192.0.2.7"}),
    ));
    assert_eq!(event.concerns, object);
    assert_eq!(event.source, Source::Storage);
    let record = |name: &str| {
        json!({"Records": [{"eventVersion": "2.3", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
            "eventTime": "2026-01-01T00:00:00.000Z", "eventName": name,
            "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"}, "requestParameters": {"sourceIPAddress": "192.0.2.7"},
            "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "x"},
            "s3": {"s3SchemaVersion": "1.0", "configurationId": "acls", "bucket": {"name": "backups",
                "ownerIdentity": {"principalId": "A3NL"}, "arn": "arn:aws:s3:::backups"},
                "object": {"key": "a+b/%C3%BC%2B.txt"}}}]})
    };
    let told = one(&record("ObjectAcl:Put"));
    assert_eq!(
        (told.id.as_str(), &told.concerns),
        ("C3D13FE58DE4C810", &object)
    );
    assert_eq!(
        one(&record("ObjectCreated:Put")).concerns,
        Concerns::Nothing
    );
}

#[test]
fn messages_that_tell_of_no_change_are_quiet() {
    for quiet in [
        json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-01T00:00:00Z", "Bucket": "backups"}),
        json!({"Type": "SubscriptionConfirmation", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-central-1:1:t",
            "Message": "You have chosen to subscribe", "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/"}),
        notification(
            &json!({"messageType": "ConfigurationSnapshotDeliveryCompleted", "recordVersion": "1.0"}),
        ),
    ] {
        assert_eq!(read(&quiet.to_string()), Arrived::default(), "{quiet}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let mut no_name = record("PutBucketAcl", json!({"bucketName": "backups"}));
    no_name.as_object_mut().unwrap().remove("eventName");
    for (value, said) in [
        (
            json!(7),
            "the message is none of the known kinds of event: a number",
        ),
        (
            json!({"hello": 1}),
            "the message is none of the known kinds of event: an object with hello",
        ),
        (
            envelope(
                "aws.ec2",
                "EC2 Instance State-change Notification",
                json!({}),
            ),
            "the message is none of the known kinds of event: detail-type \"EC2 Instance State-change Notification\" of \"aws.ec2\"",
        ),
        (
            called(no_name),
            "the CloudTrail record has no usable `eventName`",
        ),
        (
            called(record("PutBucketAcl", json!({"bucketName": "../etc\n"}))),
            "the CloudTrail record has \"../etc\\n\" as `the bucket's name`, which cannot be",
        ),
        (
            notification(
                &json!({"messageType": "ComplianceChangeNotification", "resourceType": "AWS::S3::Bucket"}),
            ),
            "the compliance change has no usable `resourceId`",
        ),
    ] {
        assert_eq!(rejected(&value).to_string(), said);
    }
    let mut late = record("PutBucketAcl", json!({"bucketName": "backups"}));
    late["eventTime"] = json!("yesterday");
    assert!(matches!(
        rejected(&called(late)),
        EventError::Value {
            member: "eventTime",
            ..
        }
    ));
}

#[test]
fn hostile_messages_are_bounded() {
    let cut = &called(record("PutBucketAcl", json!({"bucketName": "backups"}))).to_string()[..400];
    assert!(matches!(
        read(cut).rejected[..],
        [EventError::NotJson { .. }]
    ));
    let large = format!("\"{}\"", "x".repeat(LARGEST_MESSAGE));
    assert!(matches!(
        read(&large).rejected[..],
        [EventError::TooLarge { .. }]
    ));
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(matches!(
        read(&deep).rejected[..],
        [EventError::NotJson { .. }]
    ));
    let mut wrapped = called(record("PutBucketAcl", json!({"bucketName": "backups"})));
    for _ in 0..9 {
        wrapped = json!({"Type": "Notification", "MessageId": "1", "Message": wrapped});
    }
    assert!(matches!(rejected(&wrapped), EventError::TooDeep { .. }));
    let many = json!({"Records": vec![json!(1); 10_001]});
    let arrived = read(&many.to_string());
    assert_eq!(arrived.rejected.len(), 10_001);
    assert!(matches!(
        arrived.rejected.last(),
        Some(EventError::TooMany { limit: 10_000 })
    ));
    // One bad record does not take the good one along.
    let mixed = json!({"Records": [1, record("PutBucketAcl", json!({"bucketName": "backups"}))]});
    let arrived = read(&mixed.to_string());
    assert_eq!((arrived.events.len(), arrived.rejected.len()), (1, 1));
    // A message does not become a hundred times as large.
    let mut call = evaluations(json!(vec![evaluation("AWS::S3::Bucket", "backups"); 101]));
    call["detail"]["additionalEventData"]["configRuleName"] = json!("n".repeat(500_000));
    call["detail"]["additionalEventData"]["more"] = json!("m".repeat(400_000));
    let arrived = read(&call.to_string());
    assert_eq!((arrived.events.len(), arrived.rejected.len()), (100, 1));
    let kept: usize = arrived
        .events
        .iter()
        .map(|event| event.detail.to_string().len())
        .sum();
    assert!(kept < LARGEST_MESSAGE, "{kept}");
    // Ids and descriptions are bounded too.
    let mut wide = record("PutBucketAcl", json!({"bucketName": "backups"}));
    wide["eventID"] = json!("é".repeat(5_000));
    wide["userAgent"] = json!("u".repeat(50_000));
    let event = one(&called(wide));
    assert_eq!(event.id.len(), "sha256:".len() + 64);
    assert_eq!(event.user_agent.unwrap().len(), 1024);
}

/// One record of Ceph's ops log.
fn logged(operation: &str, bucket: &str, uri: &str) -> Value {
    json!({"bucket": bucket, "time": "2026-01-01T00:00:00.123456Z", "time_local": "2026-01-01T00:00:00.123456+0000",
        "remote_addr": "192.0.2.7", "user": "ops", "operation": operation, "uri": uri, "http_status": "200",
        "error_code": "", "bytes_sent": 0, "bytes_received": 0, "object_size": 0, "total_time": 4,
        "user_agent": "aws-cli/2.30", "referrer": "", "trans_id": "tx000000000000000000001-0065f1c3d4-1015-default"})
}

#[test]
fn cephs_ops_log() {
    let object = |bucket: &str, key: &str| Concerns::Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
    };
    for (operation, name, uri, concerns) in [
        (
            "put_acls",
            "backups",
            "PUT /backups?acl HTTP/1.1",
            bucket("backups"),
        ),
        (
            "put_acls",
            "backups",
            "PUT /backups/?acl= HTTP/1.1",
            bucket("backups"),
        ),
        // The bucket in the host's name.
        (
            "put_acls",
            "backups",
            "PUT /?acl HTTP/1.1",
            bucket("backups"),
        ),
        (
            "put_acls",
            "backups",
            "PUT /a%20b?acl HTTP/1.1",
            object("backups", "a b"),
        ),
        (
            "put_acls",
            "backups",
            "PUT /backups/a%20b/c?acl HTTP/1.1",
            object("backups", "a b/c"),
        ),
        (
            "put_acls",
            "acme/backups",
            "PUT /acme:backups?acl HTTP/1.1",
            bucket("acme:backups"),
        ),
        (
            "put_acls",
            "acme/backups",
            "PUT /acme%3Abackups/k?acl HTTP/1.1",
            object("acme:backups", "k"),
        ),
        (
            "put_bucket_policy",
            "backups",
            "PUT /backups?policy HTTP/1.1",
            bucket("backups"),
        ),
        (
            "delete_bucket_policy",
            "backups",
            "DELETE /backups?policy HTTP/1.1",
            bucket("backups"),
        ),
        (
            "put_bucket_public_access_block",
            "backups",
            "PUT /backups?publicAccessBlock HTTP/1.1",
            bucket("backups"),
        ),
        (
            "delete_bucket_public_access_block",
            "backups",
            "DELETE /backups HTTP/1.1",
            bucket("backups"),
        ),
        (
            "create_bucket",
            "backups",
            "PUT /backups HTTP/1.1",
            bucket("backups"),
        ),
        (
            "delete_bucket",
            "backups",
            "DELETE /backups HTTP/1.1",
            bucket("backups"),
        ),
        (
            "get_bucket_policy",
            "backups",
            "GET /backups?policy HTTP/1.1",
            Concerns::Nothing,
        ),
        (
            "list_bucket",
            "backups",
            "GET /backups HTTP/1.1",
            Concerns::Nothing,
        ),
        (
            "put_obj",
            "backups",
            "PUT /backups/k HTTP/1.1",
            Concerns::Nothing,
        ),
        ("list_buckets", "-", "GET / HTTP/1.1", Concerns::Nothing),
    ] {
        let event = read_ops_log(&logged(operation, name, uri).to_string()).unwrap();
        assert_eq!(event.concerns, concerns, "{operation} {uri}");
        assert_eq!(event.source, Source::OpsLog);
        assert_eq!(event.id, "tx000000000000000000001-0065f1c3d4-1015-default");
        assert_eq!(event.actor.as_deref(), Some("ops"));
    }
    let mut refused = logged("put_acls", "backups", "PUT /backups?acl HTTP/1.1");
    refused["http_status"] = json!("204");
    refused["error_code"] = json!("NoContent");
    let done = read_ops_log(&refused.to_string()).unwrap();
    assert_eq!(done.error_code, None, "204 is success");
    refused["error_code"] = json!("");
    refused["http_status"] = json!("403");
    let event = read_ops_log(&refused.to_string()).unwrap();
    assert!(!event.may_have_changed());
    refused["http_status"] = json!(500);
    assert!(
        read_ops_log(&refused.to_string())
            .unwrap()
            .may_have_changed()
    );
    assert!(matches!(
        read_ops_log("{\"bucket\""),
        Err(EventError::NotJson { .. })
    ));
}

#[test]
fn sources_have_names() {
    for source in [
        Source::CloudTrail,
        Source::Config,
        Source::Storage,
        Source::OpsLog,
    ] {
        assert_eq!(Source::parse(source.as_str()), Some(source));
    }
    assert_eq!(Source::parse("rumour"), None);
}

/// JSON with the names that the readers look for.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "aws:s3",
            "aws:sqs",
            "aws.config",
            "aws.s3",
            "s3.amazonaws.com",
            "config.amazonaws.com",
            "PutEvaluations",
            "PutBucketAcl",
            "PutObjectAcl",
            "CreateAccessPoint",
            "arn:aws:s3:::b/k",
            "ComplianceChangeNotification",
            "AWS API Call via CloudTrail",
            "2026-01-01T00:00:00Z",
            "AWS::S3::Bucket",
            "ObjectAcl:Put",
            "%E",
            "111122223333",
        ])
        .prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "Records",
        "detail-type",
        "source",
        "detail",
        "Type",
        "MessageId",
        "Message",
        "Sns",
        "eventSource",
        "eventName",
        "eventTime",
        "time",
        "requestParameters",
        "evaluations",
        "bucketName",
        "key",
        "name",
        "messageType",
        "body",
        "s3",
        "bucket",
        "object",
        "resources",
        "resourceType",
        "resourceId",
        "userIdentity",
        "configurationItem",
        "x-amz-acl",
        "ARN",
        "complianceResourceType",
        "complianceResourceId",
        "operation",
        "uri",
        "http_status",
    ]);
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..8).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let arrived = read(&text);
        prop_assert!(arrived.events.len() + arrived.rejected.len() <= 1);
        let _ = read_ops_log(&text);
    }

    /// Whatever comes is an event, is quiet, or is rejected with a reason; names that are asked for
    /// later are names.
    #[test]
    fn no_document_panics(value in document()) {
        let arrived = read(&value.to_string());
        for error in &arrived.rejected {
            prop_assert!(!error.to_string().is_empty());
        }
        let logged = read_ops_log(&value.to_string()).ok();
        for event in arrived.events.iter().chain(&logged) {
            if let Some(bucket) = event.concerns.bucket() {
                prop_assert!(bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte)));
            }
        }
    }

    #[test]
    fn reading_again_tells_the_same(value in document()) {
        prop_assert_eq!(read(&value.to_string()), read(&value.to_string()));
    }
}
