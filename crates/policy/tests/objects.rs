//! What the ACL of one object lets strangers do with it: each case is an ACL, what stands around it, and
//! the answer; and a comparison with the concrete evaluator over every combination of small Deny
//! statements.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use policy::action::AccessClass;
use policy::bucket::{
    ALL_USERS, AUTHENTICATED_USERS, Acl, BlockLevels, Bucket, Enforcement, Grant, Grantee,
    LOG_DELIVERY, ObjectOwnership, Permission, PublicAccessBlock,
};
use policy::document::Policy;
use policy::evaluate::{Decision, evaluate};
use policy::observed::{Observed, Unread};
use policy::public::{Answer, judge_object};
use policy::request::{Caller, Context, Request};

const KEY: &str = "reports/q1.pdf";

fn bucket() -> Bucket {
    Bucket {
        name: "b".to_owned(),
        partition: "aws".to_owned(),
        owner_account: Some("111122223333".to_owned()),
        as_of: "2026-01-01T00:00:00Z".parse().unwrap(),
        policy: Observed::Absent,
        acl: Observed::Absent,
        public_access_block: BlockLevels {
            bucket: Observed::Absent,
            account: Observed::Absent,
            organization: Observed::Absent,
        },
        ownership: Observed::Absent,
        access_points: Observed::Absent,
        resource_control_policies: Observed::Absent,
        enforcement: Enforcement::Aws,
    }
}

fn acl(group: &str, permission: Permission) -> Observed<Acl> {
    Observed::Present(Acl {
        owner: None,
        grants: vec![Grant {
            grantee: Grantee::Group(group.to_owned()),
            permission,
        }],
    })
}

fn deny(statement: &str) -> Observed<Policy> {
    let text =
        format!(r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", {statement}}}]}}"#);
    Observed::Present(Policy::parse(&text).unwrap())
}

fn denied<T>() -> Observed<T> {
    Observed::Unknown(Unread::AccessDenied {
        action: "s3:GetSomething".to_owned(),
    })
}

/// `open ACTION by CALLER`, `closed`, or `undecided`.
fn says(bucket: &Bucket, acl: &Observed<Acl>) -> [String; 2] {
    let access = judge_object(bucket, KEY, acl);
    [AccessClass::Read, AccessClass::Write].map(|class| match access.access(class) {
        Answer::Open(witness) => {
            let request = &witness.request;
            assert_eq!(request.resource, format!("arn:aws:s3:::b/{KEY}"));
            assert_eq!(witness.admitted_by, [0]);
            let caller = match request.caller {
                Caller::Anonymous => "anybody",
                _ => "anybody who signs",
            };
            format!("open {} by {caller}", request.action)
        }
        Answer::Closed(_) => "closed".to_owned(),
        Answer::Undecided(_) => "undecided".to_owned(),
    })
}

#[test]
fn a_permission_on_an_object_lets_in_as_documented() {
    let (read, closed) = ("open s3:GetObject by anybody", "closed");
    let write = "open s3:PutObjectAcl by anybody";
    for (group, permission, expected) in [
        (ALL_USERS, Permission::Read, [read, closed]),
        (ALL_USERS, Permission::FullControl, [read, write]),
        (ALL_USERS, Permission::WriteAcp, [closed, write]),
        (
            ALL_USERS,
            Permission::ReadAcp,
            ["open s3:GetObjectAcl by anybody", closed],
        ),
        (
            AUTHENTICATED_USERS,
            Permission::Read,
            ["open s3:GetObject by anybody who signs", closed],
        ),
        // There is no such permission on an object.
        (ALL_USERS, Permission::Write, [closed, closed]),
        (LOG_DELIVERY, Permission::FullControl, [closed, closed]),
    ] {
        let acl = acl(group, permission);
        assert_eq!(says(&bucket(), &acl), expected, "{group} {permission:?}");
    }
    assert_eq!(says(&bucket(), &Observed::Absent), [closed, closed]);
}

#[test]
fn what_stands_around_an_object_decides_whether_its_acl_counts() {
    type Change = fn(&mut Bucket);
    let ignore = PublicAccessBlock {
        ignore_public_acls: true,
        ..PublicAccessBlock::default()
    };
    let cases: [(&str, Change, &str); 11] = [
        ("nothing", |_| (), "open s3:GetObject by anybody"),
        (
            "ownership",
            |b| b.ownership = Observed::Present(ObjectOwnership::BucketOwnerEnforced),
            "closed",
        ),
        (
            "another ownership",
            |b| b.ownership = Observed::Present(ObjectOwnership::ObjectWriter),
            "open s3:GetObject by anybody",
        ),
        ("unread ownership", |b| b.ownership = denied(), "undecided"),
        (
            "unread block",
            |b| b.public_access_block.account = denied(),
            "undecided",
        ),
        ("unread policy", |b| b.policy = denied(), "undecided"),
        (
            "a Deny",
            |b| b.policy = deny(r#""Principal": "*", "Action": "s3:*", "Resource": "*""#),
            "closed",
        ),
        (
            "a Deny for others",
            |b| {
                b.policy = deny(
                    r#""Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/private/*""#,
                );
            },
            "open s3:GetObject by anybody",
        ),
        (
            "a Deny of reading the object alone",
            |b| {
                b.policy = deny(
                    r#""Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*""#,
                );
            },
            // Its versions can still be read.
            "open s3:GetObjectVersion by anybody",
        ),
        (
            "RestrictPublicBuckets",
            |b| {
                b.public_access_block.bucket = Observed::Present(PublicAccessBlock {
                    restrict_public_buckets: true,
                    ..PublicAccessBlock::default()
                });
            },
            "open s3:GetObject by anybody",
        ),
        (
            "a bucket ACL",
            |b| b.acl = acl(ALL_USERS, Permission::FullControl),
            "open s3:GetObject by anybody",
        ),
    ];
    for (name, change, expected) in cases {
        let mut bucket = bucket();
        change(&mut bucket);
        let [read, _] = says(&bucket, &acl(ALL_USERS, Permission::Read));
        assert_eq!(read, expected, "{name}");
    }
    for level in 0..3 {
        let mut bucket = bucket();
        let levels = &mut bucket.public_access_block;
        let levels = [
            &mut levels.bucket,
            &mut levels.account,
            &mut levels.organization,
        ];
        *levels.into_iter().nth(level).unwrap() = Observed::Present(ignore);
        let public = acl(ALL_USERS, Permission::FullControl);
        assert_eq!(says(&bucket, &public), ["closed", "closed"], "{level}");
        // What takes the effect away does so whatever the ACL is.
        assert_eq!(says(&bucket, &denied()), ["closed", "closed"], "{level}");
    }
    assert_eq!(says(&bucket(), &denied()), ["undecided", "undecided"]);
}

/// Requests that an ACL of full control would let in, if no statement refused them.
fn requests() -> Vec<Request> {
    let actions = [
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectAcl",
        "s3:GetObjectVersionAcl",
        "s3:PutObjectAcl",
        "s3:PutObjectVersionAcl",
    ];
    let mut requests = Vec::new();
    for action in actions {
        for tls in ["true", "false"] {
            for address in ["198.51.100.7", "203.0.113.9"] {
                requests.push(Request {
                    caller: Caller::Anonymous,
                    action: action.to_owned(),
                    resource: format!("arn:aws:s3:::b/{KEY}"),
                    context: Context::from_iter([
                        ("aws:SecureTransport", tls),
                        ("aws:SourceIp", address),
                    ]),
                });
            }
        }
    }
    requests
}

#[test]
fn the_concrete_evaluator_agrees_on_every_small_deny() {
    let actions = [
        r#""s3:*""#,
        r#""s3:Get*""#,
        r#""s3:GetObject""#,
        r#"["s3:PutObjectAcl", "s3:PutObjectVersionAcl"]"#,
    ];
    let resources = [
        "arn:aws:s3:::b",
        "arn:aws:s3:::b/*",
        "arn:aws:s3:::b/reports/*",
        "arn:aws:s3:::b/reports/q1.pdf",
        "arn:aws:s3:::b/reports/q2.pdf",
        "arn:aws:s3:::b/?eports/*.pdf",
    ];
    let conditions = [
        "{}",
        r#"{"Bool": {"aws:SecureTransport": "false"}}"#,
        r#"{"Bool": {"aws:SecureTransport": ["true", "false"]}}"#,
        r#"{"IpAddress": {"aws:SourceIp": "198.51.0.0/16"}}"#,
        r#"{"NotIpAddress": {"aws:SourceIp": "0.0.0.0/1"}}"#,
    ];
    let full = acl(ALL_USERS, Permission::FullControl);
    let (mut open, mut closed) = (0, 0);
    for action in actions {
        for resource in resources {
            for condition in conditions {
                let statement = format!(
                    r#""Principal": "*", "Action": {action}, "Resource": "{resource}", "Condition": {condition}"#
                );
                let mut bucket = bucket();
                bucket.policy = deny(&statement);
                let access = judge_object(&bucket, KEY, &full);
                let policy = bucket.policy.present().unwrap();
                let refused = |request: &Request| {
                    matches!(evaluate(&[policy], request), Decision::Denied { .. })
                };
                for class in [AccessClass::Read, AccessClass::Write] {
                    match access.access(class) {
                        Answer::Open(witness) => {
                            open += 1;
                            assert!(!refused(&witness.request), "{statement}");
                        }
                        Answer::Closed(_) => {
                            closed += 1;
                            let is_of_class = |request: &&Request| {
                                (class == AccessClass::Read) == request.action.contains("Get")
                            };
                            let passing = requests()
                                .into_iter()
                                .find(|request| is_of_class(&request) && !refused(request));
                            assert_eq!(passing, None, "{statement}");
                        }
                        Answer::Undecided(reasons) => panic!("{statement}: {reasons:?}"),
                    }
                }
            }
        }
    }
    assert!(open > 100 && closed > 20, "{open} open, {closed} closed");
}
