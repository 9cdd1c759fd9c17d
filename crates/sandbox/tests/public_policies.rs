//! What follows from a policy that is public in AWS's sense: BlockPublicPolicy, RestrictPublicBuckets and
//! the policy status.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::{Caller, OTHER, World, outcome, start};
use policy::bucket::ALL_USERS;

const OK: &str = "200";
const DENIED: &str = "403 AccessDenied";

fn read_by(bucket: &str, principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    )
}

fn public_and_other(bucket: &str) -> String {
    let public = read_by(bucket, r#""*""#);
    let other = read_by(bucket, &format!(r#"{{"AWS":"{OTHER}"}}"#));
    let (_, statement) = other.split_once("[").unwrap();
    public.replace("}]}", &format!("}},{statement}"))
}

async fn put(world: &World, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    outcome(&world.send(Caller::Ann, "PUT", target, headers, body).await)
}

#[tokio::test]
async fn blocks_refuse_public_writes_on_either_level() {
    let world = start().await;
    world.bucket("guarded").await;
    world.bucket("free").await;
    let public = [("x-amz-acl", "public-read")];
    let private = [("x-amz-acl", "private")];
    let group = format!("uri={ALL_USERS}");
    let header = [("x-amz-grant-read", group.as_str())];
    for account_level in [false, true] {
        if account_level {
            world.bucket_block("guarded", &[]).await;
            world
                .account_block(&["BlockPublicAcls", "BlockPublicPolicy"])
                .await;
        } else {
            world
                .bucket_block("guarded", &["BlockPublicAcls", "BlockPublicPolicy"])
                .await;
        }
        for (target, headers, body, expected) in [
            ("/guarded?acl", &public, "", DENIED),
            ("/guarded?acl", &header, "", DENIED),
            ("/guarded?acl", &private, "", OK),
            ("/guarded/hello?acl", &public, "", DENIED),
            ("/guarded/new", &public, "x", DENIED),
            ("/guarded/new", &private, "x", OK),
        ] {
            let got = put(&world, target, headers, body).await;
            assert_eq!(
                got, expected,
                "{target} {headers:?} account level: {account_level}"
            );
        }
        let policy = read_by("guarded", r#""*""#);
        assert_eq!(put(&world, "/guarded?policy", &[], &policy).await, DENIED);
        let policy = read_by("guarded", &format!(r#"{{"AWS":"{OTHER}"}}"#));
        assert_eq!(put(&world, "/guarded?policy", &[], &policy).await, "204");
        // Another bucket is touched by the account's level only; so is making one.
        let expected = if account_level { DENIED } else { OK };
        assert_eq!(put(&world, "/free?acl", &public, "").await, expected);
        let target = format!("/made-{account_level}");
        assert_eq!(put(&world, &target, &public, "").await, expected);
    }
}

#[tokio::test]
async fn restricting_public_buckets_cuts_every_outsider_and_only_under_a_public_policy() {
    let world = start().await;
    world.bucket("both").await;
    world.policy("both", &public_and_other("both")).await;
    world.bucket("named").await;
    world
        .policy(
            "named",
            &read_by("named", &format!(r#"{{"AWS":"{OTHER}"}}"#)),
        )
        .await;
    world.acl("both", "public-read").await;
    assert_eq!(
        world.outcome(Caller::Anonymous, "GET", "/both/hello").await,
        OK
    );
    assert_eq!(world.outcome(Caller::Alice, "GET", "/both/hello").await, OK);
    for bucket in ["both", "named"] {
        world.bucket_block(bucket, &["RestrictPublicBuckets"]).await;
    }
    assert_eq!(
        world.outcome(Caller::Anonymous, "GET", "/both/hello").await,
        DENIED
    );
    assert_eq!(
        world.outcome(Caller::Alice, "GET", "/both/hello").await,
        DENIED
    );
    assert_eq!(world.outcome(Caller::Ann, "GET", "/both/hello").await, OK);
    // It is about policies: the ACL still lets everybody list.
    assert_eq!(world.outcome(Caller::Anonymous, "GET", "/both").await, OK);
    // A policy that is not public is not cut.
    assert_eq!(
        world.outcome(Caller::Alice, "GET", "/named/hello").await,
        OK
    );
}

#[tokio::test]
async fn policy_status_is_awss() {
    let world = start().await;
    world.bucket("status").await;
    assert_eq!(
        world
            .outcome(Caller::Ann, "GET", "/status?policyStatus")
            .await,
        "404 NoSuchBucketPolicy"
    );
    let named = read_by("status", &format!(r#"{{"AWS":"{OTHER}"}}"#));
    for (policy, expected) in [(public_and_other("status"), "true"), (named, "false")] {
        world.policy("status", &policy).await;
        let text = world
            .done(Caller::Ann, "GET", "/status?policyStatus", &[], "")
            .await
            .text();
        assert!(
            text.contains(&format!("<IsPublic>{expected}</IsPublic>")),
            "{text}"
        );
    }
}
