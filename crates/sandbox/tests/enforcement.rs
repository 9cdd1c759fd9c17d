//! What an outsider really gets, for a table of configurations and requests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::{Caller, OTHER, OTHER_ID, OWNER_ID, SOURCE, World, outcome, start};
use policy::bucket::{ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY};

const OK: &str = "200";
const DENIED: &str = "403 AccessDenied";

/// What each kind of caller gets from each kind of request to a bucket with the object `hello`:
/// listing, reading the object, writing another, reading the ACL.
async fn access(world: &World, bucket: &str, caller: Caller) -> [String; 4] {
    let get = |target: String| async move { world.outcome(caller, "GET", &target).await };
    let put = world
        .send(caller, "PUT", &format!("/{bucket}/by-{caller:?}"), &[], "x")
        .await;
    [
        get(format!("/{bucket}?list-type=2")).await,
        get(format!("/{bucket}/hello")).await,
        outcome(&put),
        get(format!("/{bucket}?acl")).await,
    ]
}

async fn expect(world: &World, bucket: &str, caller: Caller, expected: [&str; 4]) {
    assert_eq!(
        access(world, bucket, caller).await,
        expected,
        "{bucket}, {caller:?}: list, get, put, get-acl"
    );
}

fn allow(bucket: &str, action: &str, more: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":{action},
            "Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]{more}}}]}}"#
    )
}

#[tokio::test]
async fn a_new_bucket_is_its_accounts_alone() {
    let world = start().await;
    world.bucket("plain").await;
    for caller in [Caller::Anonymous, Caller::Alice] {
        expect(&world, "plain", caller, [DENIED; 4]).await;
    }
    for caller in [Caller::Root, Caller::Ann] {
        expect(&world, "plain", caller, [OK; 4]).await;
    }
}

#[tokio::test]
async fn canned_acls_open_what_they_say() {
    let world = start().await;
    for (canned, anonymous, stranger) in [
        (
            "public-read",
            [OK, DENIED, DENIED, DENIED],
            [OK, DENIED, DENIED, DENIED],
        ),
        (
            "public-read-write",
            [OK, DENIED, OK, DENIED],
            [OK, DENIED, OK, DENIED],
        ),
        (
            "authenticated-read",
            [DENIED; 4],
            [OK, DENIED, DENIED, DENIED],
        ),
        ("log-delivery-write", [DENIED; 4], [DENIED; 4]),
        ("private", [DENIED; 4], [DENIED; 4]),
    ] {
        world.bucket(canned).await;
        world.acl(canned, canned).await;
        expect(&world, canned, Caller::Anonymous, anonymous).await;
        expect(&world, canned, Caller::Alice, stranger).await;
    }
}

#[tokio::test]
async fn acl_documents_grant_to_accounts_and_groups() {
    let world = start().await;
    world.bucket("granted").await;
    let grant = |kind: &str, grantee: &str, permission: &str| {
        format!(
            r#"<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{kind}">{grantee}</Grantee><Permission>{permission}</Permission></Grant>"#
        )
    };
    let body = format!(
        "<AccessControlPolicy><Owner><ID>{OWNER_ID}</ID></Owner><AccessControlList>{}{}{}</AccessControlList></AccessControlPolicy>",
        grant(
            "CanonicalUser",
            &format!("<ID>{OTHER_ID}</ID>"),
            "FULL_CONTROL"
        ),
        grant("Group", &format!("<URI>{ALL_USERS}</URI>"), "READ_ACP"),
        grant("Group", &format!("<URI>{LOG_DELIVERY}</URI>"), "WRITE"),
    );
    world
        .done(Caller::Ann, "PUT", "/granted?acl", &[], &body)
        .await;
    expect(&world, "granted", Caller::Alice, [OK, DENIED, OK, OK]).await;
    expect(
        &world,
        "granted",
        Caller::Anonymous,
        [DENIED, DENIED, DENIED, OK],
    )
    .await;

    let shown = world
        .done(Caller::Ann, "GET", "/granted?acl", &[], "")
        .await
        .text();
    for part in [
        OTHER_ID,
        ALL_USERS,
        LOG_DELIVERY,
        "READ_ACP",
        r#"xsi:type="Group""#,
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    // The answer can be sent back as it is.
    world
        .done(Caller::Ann, "PUT", "/granted?acl", &[], &shown)
        .await;
    assert_eq!(
        world
            .done(Caller::Ann, "GET", "/granted?acl", &[], "")
            .await
            .text(),
        shown
    );

    let header = format!("uri=\"{AUTHENTICATED_USERS}\", id=\"{OTHER_ID}\"");
    let headers = [("x-amz-grant-write", header.as_str())];
    world
        .done(Caller::Ann, "PUT", "/granted?acl", &headers, "")
        .await;
    expect(&world, "granted", Caller::Anonymous, [DENIED; 4]).await;
}

#[tokio::test]
async fn object_acls_open_objects_under_a_closed_bucket() {
    let world = start().await;
    world.bucket("objects").await;
    let headers = [("x-amz-acl", "public-read")];
    world
        .done(Caller::Ann, "PUT", "/objects/hello?acl", &headers, "")
        .await;
    expect(
        &world,
        "objects",
        Caller::Anonymous,
        [DENIED, OK, DENIED, DENIED],
    )
    .await;
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/objects/hello?acl")
            .await,
        DENIED
    );

    world.bucket_block("objects", &["IgnorePublicAcls"]).await;
    expect(&world, "objects", Caller::Anonymous, [DENIED; 4]).await;
}

#[tokio::test]
async fn policies_allow_and_deny() {
    let world = start().await;
    let all = r#""s3:*""#;
    let named = format!(r#"{{"AWS":"{OTHER}"}}"#);
    for (name, policy, anonymous, stranger) in [
        (
            "everyone",
            allow("everyone", r#"["s3:GetObject","s3:ListBucket"]"#, ""),
            [OK, OK, DENIED, DENIED],
            [OK, OK, DENIED, DENIED],
        ),
        (
            "account",
            allow("account", all, "").replace(r#""Principal":"*""#, &format!(r#""Principal":{named}"#)),
            [DENIED; 4],
            [OK; 4],
        ),
        (
            "canonical",
            allow("canonical", all, "").replace(
                r#""Principal":"*""#,
                &format!(r#""Principal":{{"CanonicalUser":"{OTHER_ID}"}}"#),
            ),
            [DENIED; 4],
            [OK; 4],
        ),
        (
            "not-other",
            allow("not-other", all, "").replace(r#""Principal":"#, r#""NotPrincipal":"#).replace(r#":"*","Action""#, &format!(r#":{{"AWS":["arn:aws:iam::{OTHER}:root","arn:aws:iam::{OTHER}:user/alice"]}},"Action""#)),
            [OK; 4],
            [DENIED; 4],
        ),
        (
            "referer",
            allow("referer", all, r#","Condition":{"StringLike":{"aws:Referer":"https://example.com/*"}}"#),
            [DENIED; 4],
            [DENIED; 4],
        ),
        (
            "tls",
            allow("tls", all, r#","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#),
            [OK; 4],
            [OK; 4],
        ),
        (
            "anonymous-type",
            allow("anonymous-type", all, r#","Condition":{"StringEquals":{"aws:PrincipalType":"User","aws:username":"alice"}}"#),
            [DENIED; 4],
            [OK; 4],
        ),
        (
            "expired",
            allow("expired", all, r#","Condition":{"DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}"#),
            [DENIED; 4],
            [DENIED; 4],
        ),
    ] {
        world.bucket(name).await;
        world.policy(name, &policy).await;
        expect(&world, name, Caller::Anonymous, anonymous).await;
        expect(&world, name, Caller::Alice, stranger).await;
        expect(&world, name, Caller::Ann, [OK; 4]).await;
    }
    // A client sends whatever Referer it likes.
    let forged = [("referer", "https://example.com/page")];
    let answer = world
        .send(Caller::Anonymous, "GET", "/referer/hello", &forged, "")
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.text()),
        (200, "hello".to_owned())
    );
}

#[tokio::test]
async fn a_deny_refuses_whoever_asks() {
    let world = start().await;
    world.bucket("denied").await;
    world.acl("denied", "public-read").await;
    let policy = allow("denied", r#""s3:*""#, "").replace("Allow", "Deny");
    world.policy("denied", &policy).await;
    for caller in [Caller::Anonymous, Caller::Alice, Caller::Ann, Caller::Root] {
        expect(&world, "denied", caller, [DENIED; 4]).await;
    }
    // Only the root user keeps a way out.
    assert_eq!(
        world.outcome(Caller::Ann, "DELETE", "/denied?policy").await,
        DENIED
    );
    assert_eq!(
        world.outcome(Caller::Root, "GET", "/denied?policy").await,
        OK
    );
    assert_eq!(
        world
            .outcome(Caller::Root, "DELETE", "/denied?policy")
            .await,
        "204"
    );
    expect(
        &world,
        "denied",
        Caller::Anonymous,
        [OK, DENIED, DENIED, DENIED],
    )
    .await;
}

#[tokio::test]
async fn source_addresses_are_the_peers_or_a_trusted_headers() {
    let world = start().await;
    world.bucket("cidr").await;
    let inside = r#","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#;
    world
        .policy("cidr", &allow("cidr", r#""s3:GetObject""#, inside))
        .await;
    for (source, expected) in [
        (None, DENIED),
        (Some("203.0.113.9"), OK),
        (Some("203.0.114.9"), DENIED),
        (Some("2001:db8::1"), DENIED),
        (Some("nowhere"), "400 InvalidArgument"),
    ] {
        let headers: Vec<(&str, &str)> = source.map(|s| (SOURCE, s)).into_iter().collect();
        let answer = world
            .send(Caller::Anonymous, "GET", "/cidr/hello", &headers, "")
            .await;
        assert_eq!(outcome(&answer), expected, "{source:?}");
    }
}

#[tokio::test]
async fn listing_conditions_see_the_prefix() {
    let world = start().await;
    world.bucket("prefix").await;
    let only = r#","Condition":{"StringEquals":{"s3:prefix":"he"}}"#;
    world
        .policy("prefix", &allow("prefix", r#""s3:ListBucket""#, only))
        .await;
    for (target, expected) in [
        ("/prefix?list-type=2", DENIED),
        ("/prefix?list-type=2&prefix=he", OK),
        ("/prefix?prefix=h%65", OK),
        ("/prefix?list-type=2&prefix=her", DENIED),
    ] {
        assert_eq!(
            world.outcome(Caller::Anonymous, "GET", target).await,
            expected,
            "{target}"
        );
    }
}

#[tokio::test]
async fn the_policy_itself_is_the_owners() {
    let world = start().await;
    world.bucket("own").await;
    world.policy("own", &allow("own", r#""s3:*""#, "")).await;
    for caller in [Caller::Anonymous, Caller::Alice] {
        for method in ["GET", "DELETE"] {
            assert_eq!(
                world.outcome(caller, method, "/own?policy").await,
                "405 MethodNotAllowed",
                "{caller:?} {method}"
            );
        }
    }
    assert_eq!(world.outcome(Caller::Ann, "GET", "/own?policy").await, OK);
    world.bucket("other").await;
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/other?policy")
            .await,
        DENIED
    );
}

#[tokio::test]
async fn whoever_uploads_owns_unless_the_bucket_enforces() {
    let world = start().await;
    world.bucket("mixed").await;
    world.acl("mixed", "public-read-write").await;
    world
        .done(Caller::Alice, "PUT", "/mixed/alices", &[], "hers")
        .await;
    // The bucket's owner may delete it, and not read it; a bucket policy does not reach it.
    world
        .policy("mixed", &allow("mixed", r#""s3:GetObject""#, ""))
        .await;
    assert_eq!(
        world.outcome(Caller::Ann, "GET", "/mixed/alices").await,
        DENIED
    );
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/mixed/alices")
            .await,
        DENIED
    );
    assert_eq!(
        world.outcome(Caller::Alice, "GET", "/mixed/alices").await,
        OK
    );
    // WRITE does not replace or delete what somebody else owns.
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "PUT", "/mixed/alices")
            .await,
        DENIED
    );
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "DELETE", "/mixed/hello")
            .await,
        DENIED
    );
    let full = [("x-amz-acl", "bucket-owner-full-control")];
    world
        .done(Caller::Alice, "PUT", "/mixed/handed-over", &full, "x")
        .await;
    assert_eq!(
        world
            .outcome(Caller::Ann, "GET", "/mixed/handed-over")
            .await,
        OK
    );

    // Under BucketOwnerEnforced everything is the bucket owner's.
    world.acl("mixed", "private").await;
    let enforced = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
    world
        .done(
            Caller::Ann,
            "PUT",
            "/mixed?ownershipControls",
            &[],
            enforced,
        )
        .await;
    assert_eq!(world.outcome(Caller::Ann, "GET", "/mixed/alices").await, OK);
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/mixed/alices")
            .await,
        OK
    );
}

#[tokio::test]
async fn a_policy_for_uploads_does_not_let_their_acl_be_chosen() {
    let world = start().await;
    world.bucket("uploads").await;
    world
        .policy("uploads", &allow("uploads", r#""s3:PutObject""#, ""))
        .await;
    for (acl, expected) in [
        ("bucket-owner-full-control", OK),
        ("private", DENIED),
        ("public-read", DENIED),
    ] {
        let headers = [("x-amz-acl", acl)];
        let answer = world
            .send(Caller::Alice, "PUT", "/uploads/new", &headers, "x")
            .await;
        assert_eq!(outcome(&answer), expected, "{acl}");
    }
    let both = r#"["s3:PutObject","s3:PutObjectAcl"]"#;
    world.policy("uploads", &allow("uploads", both, "")).await;
    let headers = [("x-amz-acl", "public-read")];
    let answer = world
        .send(Caller::Alice, "PUT", "/uploads/open", &headers, "x")
        .await;
    assert_eq!(outcome(&answer), OK);
}

#[tokio::test]
async fn whether_an_object_exists_is_told_to_those_who_may_list() {
    let world = start().await;
    world.bucket("listed").await;
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/listed/nothing")
            .await,
        DENIED
    );
    world.acl("listed", "public-read").await;
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/listed/nothing")
            .await,
        "404 NoSuchKey"
    );
    assert_eq!(
        world.outcome(Caller::Anonymous, "GET", "/nowhere").await,
        "404 NoSuchBucket"
    );
}

#[tokio::test]
async fn signatures_are_checked() {
    let world = start().await;
    world.bucket("signed").await;
    world.acl("signed", "public-read").await;
    // A wrong signature is refused even where none is needed.
    for (caller, expected) in [
        (Caller::Anonymous, OK),
        (Caller::Forger, "403 SignatureDoesNotMatch"),
        (Caller::Unknown, "403 InvalidAccessKeyId"),
    ] {
        assert_eq!(
            world.outcome(caller, "GET", "/signed").await,
            expected,
            "{caller:?}"
        );
    }
    let endpoint = world.sandbox.endpoint();
    let forged = [
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=ANNKEY/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000",
        ),
        ("x-amz-date", "20260101T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    let answer = sandbox::client::Client::anonymous(&endpoint)
        .send("GET", "/signed/hello", &forged, "")
        .await
        .unwrap();
    assert_eq!(outcome(&answer), "403 RequestTimeTooSkewed");
}
