//! Damaged and random inputs: nothing panics, nothing is forgotten, every format can be made.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::options;
use compliance::input::{self, InputBucket};
use compliance::report::{Format, Report, Style, explain};
use proptest::prelude::*;

const DOCUMENTS: &[&str] = &[
    r#"[{"bucket": "b", "owner_account": "111122223333", "as_of": "2026-01-01T00:00:00Z", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}, "acl": [{"grantee": {"type": "Group", "uri": "http://acs.amazonaws.com/groups/global/AllUsers"}, "permission": "READ"}], "bpa": {"bucket": {"IgnorePublicAcls": false}, "account": null}, "ownership": "ObjectWriter"}, {"bucket": "c", "policy": "unknown"}]"#,
    r#"{"fileVersion": "1.0", "configurationItems": [{"resourceType": "AWS::S3::Bucket", "resourceId": "a", "awsAccountId": "111122223333", "configurationItemStatus": "OK", "supplementaryConfiguration": {"AccessControlList": "{\"grantList\":[{\"grantee\":\"AllUsers\",\"permission\":\"Read\"}]}", "BucketPolicy": {"policyText": null}}}]}"#,
    r#"{"format_version": "1.2", "planned_values": {"root_module": {"resources": [{"address": "aws_s3_bucket.a", "mode": "managed", "type": "aws_s3_bucket", "name": "a", "values": {"bucket": "a"}}, {"address": "aws_s3_bucket_acl.a", "mode": "managed", "type": "aws_s3_bucket_acl", "name": "a", "values": {"acl": "public-read"}}]}}, "resource_changes": [{"address": "aws_s3_bucket.a", "change": {"actions": ["create"], "after_unknown": {"id": true}}}], "configuration": {"root_module": {"resources": [{"type": "aws_s3_bucket_acl", "name": "a", "expressions": {"bucket": {"references": ["aws_s3_bucket.a.id", "aws_s3_bucket.a"]}}}]}}}"#,
    "Parameters:\n  P: {Type: String, Default: x}\nConditions:\n  C: !Equals [!Ref P, x]\nResources:\n  B:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketName: !Sub '${P}-b'\n      AccessControl: !If [C, PublicRead, !Ref AWS::NoValue]\n  Q:\n    Type: AWS::S3::BucketPolicy\n    Properties:\n      Bucket: !Ref B\n      PolicyDocument:\n        Statement: &s\n          - {Effect: Allow, Principal: '*', Action: 's3:*', Resource: !Join ['', [!GetAtt B.Arn, '/*']]}\n",
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "NotAction": "s3:Put*", "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::a/*"]}}"#,
];

/// Reads, judges, and renders everything there is to render.
fn everything(bytes: &[u8]) {
    let mut options = options();
    options.max_size = 1 << 20;
    let (buckets, problems) = match input::read(bytes, "f", &options) {
        Ok(reading) => (reading.buckets, reading.problems),
        Err(problem) => {
            assert!(!problem.message.is_empty());
            (Vec::new(), vec![problem])
        }
    };
    let assessments: Vec<_> = buckets.into_iter().map(InputBucket::assess).collect();
    let report = Report {
        assessments: &assessments,
        problems: &problems,
        baseline: None,
        command: "check",
        version: "0",
        at: options.now,
        full: true,
    };
    for (format, _) in Format::ALL {
        let text = report.render(*format, Style::default());
        assert!(
            !text
                .chars()
                .any(|c| c.is_control() && c != '\n' && c != '\r')
        );
    }
    let json: serde_json::Value =
        serde_json::from_str(&report.render(Format::Json, Style::default())).unwrap();
    assert_eq!(json["summary"]["buckets"], assessments.len());
    for assessment in &assessments {
        explain::render(assessment, explain::Setting::default());
    }
}

/// One change of a document.
#[derive(Clone, Debug)]
enum Damage {
    Cut(usize),
    Replace(usize, u8),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let piece = prop_oneof![
        Just(b"null".to_vec()),
        Just(b"\"*\"".to_vec()),
        Just(b"{}".to_vec()),
        Just(b"[[[[".to_vec()),
        Just(b"\\u0000".to_vec()),
        Just(b"!Ref ".to_vec()),
        Just(b"*s".to_vec()),
        Just("\u{202e}é".as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    prop_oneof![
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<usize>(), piece).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        (any::<usize>(), any::<usize>()).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

fn damaged(text: &str, all: &[Damage]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for one in all {
        let length = bytes.len().max(1);
        match one {
            Damage::Cut(at) => bytes.truncate(at % length),
            Damage::Replace(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = *byte;
                }
            }
            Damage::Insert(at, piece) => {
                let at = (at % length).min(bytes.len());
                bytes.splice(at..at, piece.iter().copied());
            }
            Damage::Repeat(at, part) => {
                let at = (at % length).min(bytes.len());
                let end = (at + part % 64).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_documents_are_read_as_far_as_they_can_be(
        which in 0..DOCUMENTS.len(),
        damage in proptest::collection::vec(damage(), 0..5),
    ) {
        everything(&damaged(DOCUMENTS[which], &damage));
    }

    #[test]
    fn random_bytes_are_refused_with_a_sentence(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        everything(&bytes);
    }
}

#[test]
fn the_whole_documents_are_read() {
    for document in DOCUMENTS {
        let reading = input::read(document.as_bytes(), "f", &options()).unwrap();
        assert!(
            !reading.buckets.is_empty() && reading.problems.is_empty(),
            "{reading:?}"
        );
        everything(document.as_bytes());
    }
}
