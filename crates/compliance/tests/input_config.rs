//! AWS Config items, snapshots and history.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Write;

use common::{options, read, render};
use compliance::input;

/// A bucket's item as a snapshot has it; `supplementary` is the text of its members.
fn item(name: &str, captured: &str, status: &str, supplementary: &str) -> String {
    format!(
        r#"{{"configurationItemVersion": "1.3", "configurationItemStatus": "{status}",
            "configurationItemCaptureTime": "{captured}", "awsAccountId": "111122223333",
            "resourceType": "AWS::S3::Bucket", "resourceId": "{name}", "resourceName": "{name}",
            "ARN": "arn:aws:s3:::{name}", "awsRegion": "eu-west-1",
            "configuration": {{"name": "{name}"}}, "supplementaryConfiguration": {{{supplementary}}}}}"#
    )
}

const ACL: &str = r#"{"grantSet":null,"grantList":[{"grantee":{"id":"o1","displayName":null},"permission":"FullControl"},{"grantee":"AllUsers","permission":"Read"}],"owner":{"displayName":null,"id":"o1"},"isRequesterCharged":false}"#;
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::a/*"}]}"#;

fn text(json: &str) -> String {
    serde_json::to_string(json).unwrap()
}

#[test]
fn values_are_read_however_often_they_are_wrapped() {
    let policy_member = format!(r#"{{"policyText": {}}}"#, text(POLICY));
    let block = r#"{"blockPublicAcls": false, "ignorePublicAcls": true, "blockPublicPolicy": false, "restrictPublicBuckets": true}"#;
    let expected = "a 111122223333: policy=[1 statements] acl=[o1:FULL_CONTROL,AllUsers:READ] \
         bucket=[-I-R] account=? organization=? \
         ownership=unread(the configuration item does not show Object Ownership)\n";
    for wraps in 0..3 {
        let wrapped = |json: &str| (0..wraps).fold(json.to_owned(), |json, _| text(&json));
        let supplementary = format!(
            r#""AccessControlList": {}, "BucketPolicy": {}, "PublicAccessBlockConfiguration": {}"#,
            wrapped(ACL),
            wrapped(&policy_member),
            wrapped(block),
        );
        let item = item("a", "2026-01-01T00:00:00.000Z", "OK", &supplementary);
        assert_eq!(read(&item), expected, "wrapped {wraps} times");
        let snapshot = format!(
            r#"{{"fileVersion": "1.0", "configSnapshotId": "1", "configurationItems": [{item}]}}"#
        );
        assert_eq!(read(&snapshot), expected);
        let message = format!(
            r#"{{"messageType": "ConfigurationItemChangeNotification", "configurationItem": {item}}}"#
        );
        assert_eq!(read(&message), expected);
        let event = format!(
            r#"{{"invokingEvent": {}, "resultToken": "x"}}"#,
            text(&message)
        );
        assert_eq!(read(&event), expected);
    }
}

#[test]
fn what_an_item_does_not_show_is_absent_or_unknown() {
    let supplementary = format!(
        r#""AccessControlList": {ACL}, "BucketPolicy": {{"policyText": null}},
           "BucketOwnershipControls": {{"rules": [{{"objectOwnership": "BucketOwnerEnforced"}}]}}"#
    );
    assert_eq!(
        read(&item("a", "2026-01-01T00:00:00Z", "OK", &supplementary)),
        "a 111122223333: policy=none acl=[o1:FULL_CONTROL,AllUsers:READ] bucket=none account=? \
         organization=? ownership=[BucketOwnerEnforced]\n"
    );
    let bare =
        r#"{"resourceType": "AWS::S3::Bucket", "resourceId": "a", "accountId": "111122223333"}"#;
    let out = read(bare);
    assert!(
        out.contains("policy=unread(the item has no supplementaryConfiguration)"),
        "{out}"
    );
    assert!(
        out.contains("problem: f:1: bucket a: the item has no supplementary"),
        "{out}"
    );
}

#[test]
fn the_last_item_of_a_bucket_counts_and_deleted_buckets_are_gone() {
    let acl = |grant: &str| format!(r#""AccessControlList": {{"grantList": [{grant}]}}"#);
    let open = acl(r#"{"grantee": "AllUsers", "permission": "Write"}"#);
    let closed = acl("");
    let items = [
        item("a", "2026-01-02T00:00:00Z", "OK", &closed),
        item("a", "2026-01-01T00:00:00Z", "OK", &open),
        item("b", "2026-01-01T00:00:00Z", "OK", &closed),
        item("b", "2026-01-02T00:00:00Z", "OK", &open),
        item("c", "2026-01-01T00:00:00Z", "OK", &open),
        item("c", "2026-01-02T00:00:00Z", "ResourceDeleted", ""),
        r#"{"resourceType": "AWS::EC2::Instance", "resourceId": "i-1"}"#.to_owned(),
        r#"{"no": "item"}"#.to_owned(),
    ];
    let history = format!(
        r#"{{"fileVersion": "1.0", "configurationItems": [{}]}}"#,
        items.join(",\n")
    );
    let out = read(&history);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(
        lines[0].starts_with("a 111122223333: policy=none acl=[]"),
        "{out}"
    );
    assert!(
        lines[1].starts_with("b 111122223333: policy=none acl=[AllUsers:WRITE]"),
        "{out}"
    );
    assert!(lines[2].contains("not a configuration item"), "{out}");
    let list = format!("[{}]", items[..2].join(","));
    assert!(read(&list).starts_with("a 111122223333: policy=none acl=[]"));
}

#[test]
fn the_accounts_block_in_the_same_file_applies() {
    let account = |account: &str, captured: &str, on: bool| {
        let block = format!(
            r#"{{"blockPublicAcls": {on}, "ignorePublicAcls": {on}, "blockPublicPolicy": {on}, "restrictPublicBuckets": {on}}}"#
        );
        format!(
            r#"{{"resourceType": "AWS::S3::AccountPublicAccessBlock", "resourceId": "{account}", "accountId": "{account}",
                "configurationItemCaptureTime": "{captured}", "configurationItemStatus": "OK", "configuration": {}}}"#,
            text(&block)
        )
    };
    let bucket = item("a", "2026-01-01T00:00:00Z", "OK", "");
    let file = |items: &[String]| format!(r#"{{"configurationItems": [{}]}}"#, items.join(","));
    let on = account("111122223333", "2026-01-02T00:00:00Z", true);
    let off = account("111122223333", "2026-01-01T00:00:00Z", false);
    let other = account("444455556666", "2026-01-02T00:00:00Z", true);
    assert!(read(&file(&[bucket.clone(), on.clone(), off])).contains("account=[AIPR]"));
    assert!(read(&file(&[other.clone(), bucket.clone()])).contains("account=?"));
    assert!(read(&file(&[on, bucket])).contains("account=[AIPR]"));
}

#[test]
fn a_message_without_its_item_says_so() {
    let text = r#"{"messageType": "OversizedConfigurationItemChangeNotification",
        "configurationItemSummary": {"resourceType": "AWS::S3::Bucket", "resourceId": "a"}}"#;
    assert!(read(text).contains("too large"), "{}", read(text));
}

#[test]
fn gzip_files_are_read() {
    let history = format!(
        r#"{{"fileVersion": "1.0", "configurationItems": [{}]}}"#,
        item("a", "2026-01-01T00:00:00Z", "OK", "")
    );
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(history.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let reading = input::read(&gzip, "f", &options()).unwrap();
    assert_eq!(render(&reading), read(&history));

    let mut tight = options();
    tight.max_size = 100;
    let problem = input::read(&gzip, "f", &tight).unwrap_err();
    assert!(
        problem.message.contains("grows beyond 100 bytes"),
        "{problem}"
    );
}
