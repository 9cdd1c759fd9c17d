//! The least-privilege policies hold what the calls need, and nothing else: every call is really made
//! and recorded, and its permission is read off the request by a table of this test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use aws::connect::connect_with;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use guard::gather::{AccountFacts, Depth, Gatherer};
use guard::operation::{Operation, Role, Scope};
use guard::ports::record::{BucketPart, RecordBuckets};
use guard::ports::{ReadBuckets, WriteBuckets};
use guard::sweep::{SweepOptions, sweep};
use policy::bucket::{Acl, Enforcement, PublicAccessBlock};
use policy::observed::{Observed, Unread};
use support::*;

/// The IAM action of a request (service authorization reference, "Actions, resources, and condition
/// keys for Amazon S3").
fn action(asked: &Asked) -> Option<&'static str> {
    let has = |name: &str| {
        asked
            .query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    let control = asked.host.contains(".s3-control.");
    let object = asked.path.len() > 1 && !control;
    Some(match asked.method.as_str() {
        "POST" if asked.host.starts_with("sts.") => return None,
        "GET" if control && asked.path.ends_with("/configuration/publicAccessBlock") => {
            "s3:GetAccountPublicAccessBlock"
        }
        "GET" if control && asked.path.ends_with("/policy") => "s3:GetAccessPointPolicy",
        "GET" if control && asked.path.ends_with("/accesspoint") => "s3:ListAccessPoints",
        "GET" if control => "s3:GetAccessPoint",
        "GET" if object && has("acl") => "s3:GetObjectAcl",
        "GET" if has("acl") => "s3:GetBucketAcl",
        "GET" if has("policy") => "s3:GetBucketPolicy",
        "GET" if has("policyStatus") => "s3:GetBucketPolicyStatus",
        "GET" if has("publicAccessBlock") => "s3:GetBucketPublicAccessBlock",
        "GET" if has("ownershipControls") => "s3:GetBucketOwnershipControls",
        "GET" if has("location") => "s3:GetBucketLocation",
        "GET" if has("list-type") => "s3:ListBucket",
        "GET" if has("tagging") => "s3:GetBucketTagging",
        "GET" if has("versioning") => "s3:GetBucketVersioning",
        "GET" if has("logging") => "s3:GetBucketLogging",
        "GET" if has("website") => "s3:GetBucketWebsite",
        "GET" if has("encryption") => "s3:GetEncryptionConfiguration",
        "GET" if has("notification") => "s3:GetBucketNotification",
        "GET" if has("lifecycle") => "s3:GetLifecycleConfiguration",
        "GET" if has("replication") => "s3:GetReplicationConfiguration",
        "GET" if has("cors") => "s3:GetBucketCORS",
        "GET" if has("accelerate") => "s3:GetAccelerateConfiguration",
        "GET" if has("requestPayment") => "s3:GetBucketRequestPayment",
        "GET" if has("object-lock") => "s3:GetBucketObjectLockConfiguration",
        "GET" if asked.host.starts_with("s3.") => "s3:ListAllMyBuckets",
        "PUT" if has("acl") => "s3:PutBucketAcl",
        "PUT" if has("policy") => "s3:PutBucketPolicy",
        "PUT" if has("publicAccessBlock") => "s3:PutBucketPublicAccessBlock",
        // AWS: "To use this operation you must have the s3:PutBucketPublicAccessBlock permission".
        "DELETE" if has("publicAccessBlock") => "s3:PutBucketPublicAccessBlock",
        "DELETE" if has("policy") => "s3:DeleteBucketPolicy",
        _ => panic!("a call that nobody declared: {asked:?}"),
    })
}

fn answer(asked: &Asked) -> Answer {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"s3:DataAccessPointAccount":"111122223333"}}}]}"#;
    if asked.method != "GET" && !asked.host.starts_with("sts.") {
        return Answer::new(200, "");
    }
    match action(asked) {
        None => Answer::new(
            200,
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        ),
        Some("s3:ListAllMyBuckets") => Answer::new(200, LISTING),
        Some("s3:GetBucketPolicy") => Answer::new(200, policy),
        Some("s3:GetBucketAcl" | "s3:GetObjectAcl") => Answer::new(200, ACL),
        Some("s3:GetBucketPolicyStatus") => Answer::new(
            200,
            "<PolicyStatus><IsPublic>false</IsPublic></PolicyStatus>",
        ),
        Some("s3:GetBucketLocation") => {
            Answer::new(200, "<LocationConstraint>eu-west-1</LocationConstraint>")
        }
        Some("s3:ListBucket") => Answer::new(
            200,
            "<ListBucketResult><Name>logs</Name><Contents><Key>a</Key></Contents></ListBucketResult>",
        ),
        Some("s3:ListAccessPoints") => Answer::new(
            200,
            "<ListAccessPointsResult><AccessPointList><AccessPoint><Name>door</Name><NetworkOrigin>Internet</NetworkOrigin><Bucket>logs</Bucket><AccessPointArn>arn:aws:s3:eu-west-1:111122223333:accesspoint/door</AccessPointArn></AccessPoint></AccessPointList></ListAccessPointsResult>",
        ),
        Some("s3:GetAccessPointPolicy") => Answer::new(
            200,
            format!(
                "<GetAccessPointPolicyResult><Policy>{}</Policy></GetAccessPointPolicyResult>",
                policy.replace('"', "&quot;")
            ),
        ),
        Some("s3:GetAccessPoint") => Answer::new(
            200,
            "<GetAccessPointResult><Name>door</Name></GetAccessPointResult>",
        ),
        Some("s3:GetBucketOwnershipControls") => error(404, "OwnershipControlsNotFoundError"),
        Some(_) => error(404, "NoSuchPublicAccessBlockConfiguration"),
    }
}

fn declared(of: impl Fn(Operation) -> bool) -> BTreeSet<&'static str> {
    Operation::ALL
        .into_iter()
        .filter(|operation| of(*operation))
        .filter_map(Operation::iam_action)
        .collect()
}

#[tokio::test]
async fn what_scan_and_fix_call_is_what_the_policies_allow() {
    let fake = Fake::new(answer);
    let client = SharedHttpClient::new(fake.clone());
    let pace = Arc::new(pace());
    let store = connect_with(config(client), None, &pace).await.unwrap();
    let facts = AccountFacts {
        partition: "aws".to_owned(),
        owner_account: store.identity().account.clone(),
        account_block: Observed::Unknown(Unread::NotNeeded),
        enforcement: Enforcement::Aws,
        compatible_store: false,
        as_of: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let facts = facts.read(&store, &pace).await.unwrap();
    let gatherer = Arc::new(Gatherer::new(Arc::new(store), pace, facts));
    for (depth, ask_store) in [(Depth::Full, false), (Depth::CrossCheck, true)] {
        let options = SweepOptions {
            depth,
            ask_store,
            concurrency: 2,
            prefix: None,
        };
        let swept = sweep(
            Arc::clone(&gatherer),
            &options,
            |_| true,
            std::future::pending(),
            |_| std::future::ready(()),
        )
        .await;
        assert_eq!((swept.judged, swept.ended_by), (2, None));
    }
    let made = || -> BTreeSet<&'static str> {
        fake.asked
            .lock()
            .unwrap()
            .iter()
            .filter_map(action)
            .collect()
    };
    assert_eq!(made(), declared(Operation::is_of_reader));

    let (store, at) = (gatherer.reader(), bucket("logs"));
    store.sample_keys(&at, 5).await.unwrap();
    store.object_acl(&at, "a").await.unwrap();
    store.put_acl(&at, &Acl::default()).await.unwrap();
    store.put_block(&at, &PublicAccessBlock::ALL).await.unwrap();
    store.delete_block(&at).await.unwrap();
    store.put_policy(&at, "{}").await.unwrap();
    store.delete_policy(&at).await.unwrap();
    assert_eq!(made(), declared(Operation::is_of_responder));
}

#[tokio::test]
async fn what_a_recorder_calls_about_buckets_is_what_its_policy_allows() {
    let fake = Fake::new(answer);
    let client = SharedHttpClient::new(fake.clone());
    let pace = pace();
    let store = connect_with(config(client), None, &pace).await.unwrap();
    fake.asked.lock().unwrap().clear();
    for part in BucketPart::ALL {
        // Whether it is there does not matter here.
        let _ = store.part(&bucket("logs"), part).await;
        let made: BTreeSet<_> = fake
            .asked
            .lock()
            .unwrap()
            .drain(..)
            .filter_map(|asked| action(&asked))
            .collect();
        let declared: BTreeSet<_> = part.operation().iam_action().into_iter().collect();
        assert_eq!(made, declared, "{part:?}");
    }
    let of_parts: BTreeSet<_> = BucketPart::ALL.map(BucketPart::operation).into();
    let of_buckets: BTreeSet<_> = Operation::ALL
        .into_iter()
        .filter(|operation| {
            operation.role() == Role::Recorder && operation.scope() == Scope::Bucket
        })
        .collect();
    assert_eq!(of_parts, of_buckets);
}
