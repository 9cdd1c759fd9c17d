//! The fingerprint of what opens a bucket: it knows a grant again, and notices what is wider.

mod common;

use common::estate::Estate;
use serde_json::{Value, json};

/// The fingerprint of a bucket with these statements.
fn of_policy(statements: Value) -> Option<String> {
    of(
        json!({"bucket": "b", "owner_account": "111122223333", "acl": [], "ownership": "ObjectWriter",
              "policy": {"Version": "2012-10-17", "Statement": statements}}),
    )
}

fn of(document: Value) -> Option<String> {
    let estate = Estate::of(&document.to_string(), "f");
    let one = &estate.assessments[0];
    compliance::fingerprint::of(&one.bucket, &one.verdict)
}

fn allow(action: Value) -> Value {
    json!({"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "arn:aws:s3:::b/*"})
}

fn deny(condition: Value) -> Value {
    json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*", "Condition": condition})
}

#[test]
fn layout_names_order_and_trusted_grants_do_not_matter() {
    let trusted = json!({"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"});
    let first = of_policy(json!([allow(json!("s3:GetObject"))]));
    assert!(
        first
            .as_deref()
            .is_some_and(|f| f.starts_with("sha256:") && f.len() == 71)
    );
    for same in [
        json!(allow(json!(["S3:getobject", "s3:GetObject"]))),
        json!([trusted, allow(json!("s3:GetObject"))]),
        json!([{"Resource": ["arn:aws:s3:::b/*"], "Sid": "Anything", "Principal": "*", "Action": "s3:GetObject", "Effect": "Allow"}]),
    ] {
        assert_eq!(of_policy(same.clone()), first, "{same}");
    }
    let two = of_policy(json!([
        allow(json!("s3:GetObject")),
        allow(json!("s3:PutObject"))
    ]));
    let turned = of_policy(json!([
        allow(json!("s3:PutObject")),
        allow(json!("s3:GetObject"))
    ]));
    assert_eq!(two, turned);
}

#[test]
fn whatever_widens_changes_it() {
    let tls = json!({"Bool": {"aws:SecureTransport": "false"}});
    let first = of_policy(json!([allow(json!("s3:GetObject")), deny(tls.clone())]));
    for wider in [
        // Another action, another statement, a Deny less, a Deny that refuses less.
        json!([
            allow(json!(["s3:GetObject", "s3:GetObjectAcl"])),
            deny(tls.clone())
        ]),
        json!([
            allow(json!("s3:GetObject")),
            allow(json!("s3:DeleteObject")),
            deny(tls.clone())
        ]),
        json!([allow(json!("s3:GetObject"))]),
        json!([
            allow(json!("s3:GetObject")),
            deny(
                json!({"Bool": {"aws:SecureTransport": "false"}, "Null": {"aws:Referer": "true"}})
            )
        ]),
    ] {
        let other = of_policy(wider.clone());
        assert!(other.is_some() && other != first, "{wider}");
    }
    let acl = |grants: Value| {
        of(json!({"bucket": "b", "policy": null, "ownership": "ObjectWriter", "acl": grants}))
    };
    let read = acl(json!([{"grantee": "AllUsers", "permission": "READ"}]));
    let owner = acl(
        json!([{"grantee": {"id": "o"}, "permission": "FULL_CONTROL"}, {"grantee": "AllUsers", "permission": "READ"}]),
    );
    let more = acl(
        json!([{"grantee": "AllUsers", "permission": "READ"}, {"grantee": "AllUsers", "permission": "WRITE"}]),
    );
    assert!(read.is_some() && read == owner && read != more);
}

#[test]
fn what_an_access_point_lets_in_has_one_too() {
    let point = |action: &str, delegated: &str| {
        of(
            json!({"bucket": "b", "owner_account": "111122223333", "acl": [], "ownership": "BucketOwnerEnforced",
            "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": delegated,
                "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
                "Condition": {"StringEquals": {"s3:DataAccessPointAccount": "111122223333"}}}]},
            "access_points": [{"arn": "arn:aws:s3:us-east-1:111122223333:accesspoint/p", "policy": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "arn:aws:s3:us-east-1:111122223333:accesspoint/p/object/*"}]}}]}),
        )
    };
    let first = point("s3:GetObject", "s3:Get*");
    assert!(first.is_some());
    assert_ne!(point("s3:*", "s3:Get*"), first);
    assert_ne!(point("s3:GetObject", "s3:*"), first);
}

#[test]
fn what_is_closed_or_not_known_has_none() {
    assert_eq!(of_policy(json!([])), None);
    assert_eq!(
        of(json!({"bucket": "b", "policy": "unknown", "acl": []})),
        None
    );
    let blocked = json!({"bucket": "b", "acl": [], "bpa": {"bucket": {"RestrictPublicBuckets": true}},
        "policy": {"Version": "2012-10-17", "Statement": [allow(json!("s3:GetObject"))]}});
    assert_eq!(of(blocked), None);
    // Open through the policy, and the ACL may open more: not known in full.
    let partly = json!({"bucket": "b", "acl": "unknown", "ownership": "ObjectWriter",
        "policy": {"Version": "2012-10-17", "Statement": [allow(json!("s3:GetObject"))]}});
    assert_eq!(of(partly), None);
}
