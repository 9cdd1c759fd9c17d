//! Damaged and hostile input files: every reader comes back, whatever the bytes.
//!
//! The same checks as the fuzz targets `input`, `item` and `exceptions`, on seeds of each kind that are cut,
//! spliced and overwritten. The damage is the same on every run.

#![expect(clippy::unwrap_used, reason = "tests")]

use compliance::exceptions::Exceptions;
use compliance::input::{Options, read};
use compliance::item::{ConfigurationItem, bucket, diff};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::example-bucket/*","Condition":{"IpAddress":{"aws:SourceIp":["203.0.113.0/24"]}}}]}"#;

const BUCKETS: &str = r#"[{"bucket":"example-bucket","owner_account":"111122223333","as_of":"2026-01-01T00:00:00Z","policy":{"Version":"2012-10-17","Statement":[]},"acl":[{"grantee":{"type":"Group","uri":"http://acs.amazonaws.com/groups/global/AllUsers"},"permission":"READ"}],"bpa":{"bucket":{"BlockPublicAcls":true,"IgnorePublicAcls":false,"BlockPublicPolicy":false,"RestrictPublicBuckets":false},"account":"unknown"},"ownership":"ObjectWriter"}]"#;

const ITEMS: &str = r#"{"fileVersion":"1.0","configSnapshotId":"0","configurationItems":[{"resourceType":"AWS::S3::Bucket","resourceId":"example-bucket","resourceName":"example-bucket","awsAccountId":"111122223333","awsRegion":"us-east-1","configurationItemStatus":"OK","configurationItemCaptureTime":"2026-01-01T00:00:00.000Z","configuration":{"name":"example-bucket"},"supplementaryConfiguration":{"AccessControlList":"{\"grantList\":[{\"grantee\":\"AllUsers\",\"permission\":\"Read\"}]}","BucketPolicy":{"policyText":"{\"Statement\":[]}"},"PublicAccessBlockConfiguration":{"blockPublicAcls":false,"ignorePublicAcls":false,"blockPublicPolicy":false,"restrictPublicBuckets":false}}}]}"#;

const ITEM: &str = r#"{"resourceType":"AWS::S3::Bucket","resourceId":"example-bucket","resourceName":"example-bucket","awsAccountId":"111122223333","awsRegion":"us-east-1","configurationItemStatus":"OK","configurationItemCaptureTime":"2026-01-01T00:00:00.000Z","resourceCreationTime":"2020-01-01T00:00:00.000Z","tags":{"team":"web"},"relatedEvents":["e"],"relationships":[],"configuration":{"name":"example-bucket"},"supplementaryConfiguration":{"AccessControlList":"{\"grantList\":[{\"grantee\":\"AllUsers\",\"permission\":\"Read\"}]}","BucketPolicy":{"policyText":"{\"Statement\":[]}"},"BucketOwnershipControls":{"rules":[{"objectOwnership":"ObjectWriter"}]},"PublicAccessBlockConfiguration":{"blockPublicAcls":false}},"portcullis":{"partition":"aws","ownerAccount":"111122223333","enforcement":"cephRgw","accountPublicAccessBlock":{"ignorePublicAcls":true},"organizationPublicAccessBlock":null,"accessPoints":[{"arn":"arn:aws:s3:us-east-1:111122223333:accesspoint/ap","vpcOrigin":false,"policy":{"policyText":"{\"Statement\":[]}"},"unread":{"publicAccessBlock":{"reason":"notNeeded"}}}],"resourceControlPolicies":[{"policyText":"{\"Statement\":[]}"}],"unread":{"BucketLoggingConfiguration":{"reason":"accessDenied","action":"s3:GetBucketLogging"}}}}"#;

const TEMPLATE: &str = r"AWSTemplateFormatVersion: '2010-09-09'
Parameters:
  Name: {Type: String, Default: example-bucket}
Conditions:
  Open: !Equals [!Ref Name, example-bucket]
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Ref Name
      PublicAccessBlockConfiguration: &block
        BlockPublicAcls: true
        IgnorePublicAcls: false
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: '*'
            Action: s3:GetObject
            Resource: !Sub '${Bucket.Arn}/*'
";

const PLAN: &str = r#"{"format_version":"1.2","terraform_version":"1.9.0","planned_values":{"root_module":{"resources":[{"address":"aws_s3_bucket.b","mode":"managed","type":"aws_s3_bucket","name":"b","values":{"bucket":"example-bucket"}},{"address":"aws_s3_bucket_policy.b","mode":"managed","type":"aws_s3_bucket_policy","name":"b","values":{"policy":"{\"Statement\":[]}"}}]}},"resource_changes":[{"address":"aws_s3_bucket_policy.b","type":"aws_s3_bucket_policy","change":{"actions":["create"],"after_unknown":{"bucket":true}}}],"configuration":{"root_module":{"resources":[{"address":"aws_s3_bucket_policy.b","type":"aws_s3_bucket_policy","name":"b","expressions":{"bucket":{"references":["aws_s3_bucket.b.id"]}}}]}}}"#;

const EXCEPTIONS: &str = r#"[[exception]]
id = "site"
bucket = "www-*"
account = "111122223333"
owner = "web team <web@example.com>"
reason = "The public website."
expires = 2026-12-31
fingerprint = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
"#;

/// Bytes that readers trip over.
const TRAPS: &[&[u8]] = &[
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x1f\x8b\x08\x00",
    b"*block",
    b"&a [*a]",
    b"!Ref ",
    b"!Sub ",
    b"<<: ",
    b"\n---\n",
    b"\t",
    b"null",
    b"~",
    b"1e999",
    b"9999-99-99",
    b"[[",
    b"'''",
    b"\"\"\"",
];

#[derive(Clone, Debug)]
enum Damage {
    Cut(Index, Index),
    Insert(Index, &'static [u8]),
    Repeat(Index, Index, u8),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let at = any::<Index>;
    let damage = prop_oneof![
        (at(), at()).prop_map(|(a, b)| Damage::Cut(a, b)),
        (at(), select(TRAPS)).prop_map(|(a, trap)| Damage::Insert(a, trap)),
        (at(), at(), 2..6_u8).prop_map(|(a, b, n)| Damage::Repeat(a, b, n)),
    ];
    prop::collection::vec(damage, 0..4)
}

fn apply(damages: &[Damage], seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for damage in damages {
        let place = |at: &Index| at.index(bytes.len() + 1);
        let span = |a: &Index, b: &Index, most: usize| {
            let start = place(a).min(place(b));
            start..place(a).max(place(b)).min(start + most)
        };
        match damage {
            Damage::Cut(a, b) => drop(bytes.drain(span(a, b, 12))),
            Damage::Insert(a, trap) => {
                let at = place(a);
                bytes.splice(at..at, trap.iter().copied());
            }
            Damage::Repeat(a, b, times) => {
                let span = span(a, b, 200);
                let again = bytes[span.clone()].repeat(usize::from(*times));
                bytes.splice(span, again);
            }
        }
    }
    bytes
}

fn options() -> Options {
    Options {
        max_size: 1 << 20,
        ..Options::at(Timestamp::UNIX_EPOCH)
    }
}

fn config(seed: u64) -> ProptestConfig {
    ProptestConfig {
        cases: 600,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn damaged_files_are_read_or_refused_with_their_name(
        seed in select(vec![POLICY, BUCKETS, ITEMS, TEMPLATE, PLAN]),
        damages in damages(),
    ) {
        match read(&apply(&damages, seed.as_bytes()), "the-file", &options()) {
            Ok(reading) => {
                for problem in &reading.problems {
                    prop_assert!(problem.to_string().starts_with("the-file"), "{}", problem);
                }
                for bucket in reading.buckets {
                    let _ = bucket.assess();
                }
            }
            Err(problem) => {
                let text = problem.to_string();
                prop_assert!(text.starts_with("the-file"), "{}", text);
            }
        }
    }

    #[test]
    fn damaged_items_are_read_hashed_compared_and_judged(
        damages in damages(),
        replaced in prop::collection::vec((any::<Index>(), select(odd_values())), 0..4),
    ) {
        let bytes = apply(&damages, ITEM.as_bytes());
        for mut value in [serde_json::from_slice(&bytes).ok(), serde_json::from_str(ITEM).ok()]
            .into_iter()
            .flatten()
        {
            for (at, odd) in &replaced {
                let places = places(&value, String::new());
                if let Some(place) = value.pointer_mut(at.get(&places).as_str()) {
                    *place = odd.clone();
                }
            }
            let Ok(item) = ConfigurationItem::from_json(&value) else {
                continue;
            };
            // Texts that hold JSON are taken apart when an item is read: after that they stay.
            let item = ConfigurationItem::from_json(&item.to_json()).unwrap();
            let again = ConfigurationItem::from_json(&item.to_json()).unwrap();
            prop_assert_eq!(again.content_hash(), item.content_hash());
            prop_assert_eq!(diff(&item, &again), vec![]);
            if let Ok(bucket) = bucket::bucket(&item) {
                let _ = policy::public::judge(&bucket);
            }
        }
    }

    #[test]
    fn damaged_exceptions_are_read_or_refused(damages in damages()) {
        let bytes = apply(&damages, EXCEPTIONS.as_bytes());
        if let Err(error) = Exceptions::parse(&String::from_utf8_lossy(&bytes)) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1e300),
        json!(""),
        json!("null"),
        json!("{\"a\":["),
        json!("unknown"),
        json!("\"{\\\"grantList\\\":5}\""),
        json!([]),
        json!([[null], 5]),
        json!({}),
        json!({"reason": "failed"}),
        json!({"": {"policyText": "{}"}}),
    ]
}

/// Every place of a document as a JSON pointer.
fn places(value: &Value, here: String) -> Vec<String> {
    let inner: Vec<String> = match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, format!("{here}/{name}"))
            })
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .flat_map(|(at, value)| places(value, format!("{here}/{at}")))
            .collect(),
        _ => Vec::new(),
    };
    [vec![here], inner].concat()
}

#[test]
fn the_seeds_themselves_are_read() {
    for seed in [POLICY, BUCKETS, ITEMS, TEMPLATE, PLAN] {
        let reading = read(seed.as_bytes(), "the-file", &options()).unwrap();
        assert_eq!(reading.buckets.len(), 1, "{seed}");
    }
    Exceptions::parse(EXCEPTIONS).unwrap();
    let item = ConfigurationItem::from_json(&serde_json::from_str(ITEM).unwrap()).unwrap();
    assert!(
        bucket::bucket(&item)
            .unwrap()
            .access_points
            .present()
            .is_some()
    );
}

#[test]
fn deep_and_long_files_are_read_or_refused() {
    let texts = [
        "[".repeat(200_000),
        "{\"a\":".repeat(100_000),
        format!("a: {}", "[".repeat(100_000)),
        "- ".repeat(100_000),
        format!("x{}", " ".repeat(5_000_000)),
        format!("Resources: {{{}}}", "a: &a [*a], ".repeat(1_000)),
    ];
    for text in texts {
        if let Ok(reading) = read(text.as_bytes(), "the-file", &options()) {
            for bucket in reading.buckets {
                let _ = bucket.assess();
            }
        }
    }
}
