//! Writes the seeds of the fuzz targets from the test data: `corpus/<target>/<case>`.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

const CASES: [&str; 2] = [
    include_str!("../../crates/policy/tests/data/bucket-cases.json"),
    include_str!("../../crates/policy/tests/data/derived-cases.json"),
];

const OPS_LOG: &str = include_str!("../../crates/compliance/tests/data/rgw-ops-log.jsonl");

const EXCEPTION: &str = r#"[[exception]]
id = "site"
bucket = "www-*"
account = "111122223333"
owner = "web team <web@example.com>"
reason = "The public website."
expires = 2026-12-31
fingerprint = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
"#;

/// Event patterns with an event that matches each.
const PATTERNS: [(&str, &str, &str); 8] = [
    (
        "exact",
        r#"{"source": ["aws.config"], "n": [300], "b": [true, null]}"#,
        r#"{"source": "aws.config", "n": 3e2, "b": null}"#,
    ),
    (
        "affixes",
        r#"{"a": [{"prefix": "us-"}, {"suffix": {"equals-ignore-case": ".PNG"}}]}"#,
        r#"{"a": ["x", "a.png"]}"#,
    ),
    (
        "anything-but",
        r#"{"a": [{"anything-but": {"wildcard": ["*/lib/*", "a*b*c"]}}]}"#,
        r#"{"a": 5}"#,
    ),
    (
        "numeric",
        r#"{"a": [{"numeric": [">", -0.5, "<=", 5.0e9]}]}"#,
        r#"{"a": 4999999999.999999}"#,
    ),
    (
        "cidr",
        r#"{"a": [{"cidr": "10.0.0.0/24"}, {"cidr": "2001:db8::/32"}]}"#,
        r#"{"a": "2001:db8::1"}"#,
    ),
    (
        "wildcard",
        r#"{"a": [{"wildcard": "*a\\*b*\\\\c"}]}"#,
        r#"{"a": "xa*byy\\c"}"#,
    ),
    (
        "arrays",
        r#"{"a": {"b": [1], "c": [{"exists": false}, 2], "d.e": [3]}}"#,
        r#"{"a": [{"b": 1, "c": 1}, [{"b": [1], "d": {"e": 3}}], 7]}"#,
    ),
    (
        "or",
        r#"{"$or": [{"a": [1]}, {"b": [{"exists": false}], "$or": [{"c": [2]}, {"d": [3]}]}]}"#,
        r#"{"d": 3}"#,
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let write = |target: &str, name: &str, text: &str| {
        let directory = corpus.join(target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), text)
    };
    for cases in CASES {
        let cases: Vec<Value> = serde_json::from_str(cases)?;
        for case in &cases {
            let id = case["id"].as_str().unwrap_or("case");
            let policy = &case["policy"];
            if !policy.is_null() {
                write("policy", id, &policy.to_string())?;
                write("verdict", id, &policy.to_string())?;
                let text = policy.to_string();
                let item = item(&text);
                write("input", &format!("{id}-item"), &item.to_string())?;
                let item = &item["configurationItems"][0];
                write("item", id, &item.to_string())?;
                write(
                    "input",
                    &format!("{id}-template"),
                    &template(policy).to_string(),
                )?;
                write("input", &format!("{id}-plan"), &plan(&text).to_string())?;
            }
            write("input", id, &case.to_string())?;
        }
    }
    write("exceptions", "one", EXCEPTION)?;
    for (name, pattern, event) in PATTERNS {
        write("pattern", name, &format!("{pattern}\n{event}"))?;
    }
    let called = json!({
        "version": "0", "id": "7bf73129", "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3",
        "account": "111122223333", "time": "2026-01-01T00:00:00Z", "region": "eu-central-1", "detail": {
            "eventSource": "s3.amazonaws.com", "eventName": "PutBucketAcl", "eventID": "0f1c4c7c",
            "eventTime": "2026-01-01T00:00:00Z", "requestParameters": {"bucketName": "backups", "key": "k"}}
    });
    write("event", "called", &called.to_string())?;
    let notified = json!({"Type": "Notification", "MessageId": "1", "Message": called.to_string()});
    write("event", "notified", &notified.to_string())?;
    let logged = json!({
        "bucket": "backups", "time": "2026-01-01T00:00:00Z", "operation": "put_acls",
        "uri": "PUT /backups/k%20?acl HTTP/1.1", "http_status": "200", "trans_id": "tx1"
    });
    write("event", "logged", &logged.to_string())?;
    write(
        "ops_log_stream",
        "recorded",
        &format!("\u{7f}[{}", OPS_LOG.replace('\n', ",\n")),
    )?;
    Ok(())
}

fn item(policy: &str) -> Value {
    json!({"configurationItems": [{
        "configurationItemCaptureTime": "2026-01-01T00:00:00.000Z", "awsRegion": "us-east-1",
        "resourceType": "AWS::S3::Bucket", "resourceName": "example-bucket", "resourceId": "example-bucket",
        "awsAccountId": "111122223333", "configurationItemStatus": "OK",
        "supplementaryConfiguration": {
            "BucketPolicy": {"policyText": policy},
            "AccessControlList": "{\"grantList\":[{\"grantee\":\"AllUsers\",\"permission\":\"Read\"}]}",
        },
        "portcullis": {
            "partition": "aws", "ownerAccount": "111122223333", "enforcement": "aws",
            "accountPublicAccessBlock": null, "organizationPublicAccessBlock": {"ignorePublicAcls": true},
            "accessPoints": [{"arn": "arn:aws:s3:us-east-1:111122223333:accesspoint/ap", "vpcOrigin": false,
                "policy": {"policyText": policy}, "unread": {"publicAccessBlock": {"reason": "notNeeded"}}}],
            "unread": {"resourceControlPolicies": {"reason": "accessDenied", "action": "organizations:DescribePolicy"}},
        },
    }]})
}

fn template(policy: &Value) -> Value {
    json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "example-bucket"}},
        "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy}},
    }})
}

fn plan(policy: &str) -> Value {
    let resource = |kind: &str, values: Value| json!({"address": format!("{kind}.b"), "type": kind, "name": "b", "mode": "managed", "values": values});
    json!({"format_version": "1.2", "terraform_version": "1.9.0", "planned_values": {"root_module": {"resources": [
        resource("aws_s3_bucket", json!({"bucket": "example-bucket"})),
        resource("aws_s3_bucket_policy", json!({"bucket": "example-bucket", "policy": policy})),
    ]}}})
}
