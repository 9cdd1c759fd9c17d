//! What the endpoint answers to those who configure it, and how Block Public Access and Object Ownership
//! change what others get.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::{Caller, OTHER, OTHER_ID, OWNER, OWNER_ID, World, block, config, outcome, start};
use policy::bucket::ALL_USERS;
use sandbox::{Config, NewBuckets, Sandbox};

const OK: &str = "200";
const DENIED: &str = "403 AccessDenied";
const ACCOUNT_BLOCK: &str = "/v20180820/configuration/publicAccessBlock";

fn read_by(bucket: &str, principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    )
}

async fn put(world: &World, target: &str, headers: &[(&str, &str)], body: &str) -> String {
    outcome(&world.send(Caller::Ann, "PUT", target, headers, body).await)
}

#[tokio::test]
async fn blocks_of_writes_leave_existing_access_alone() {
    let world = start().await;
    world.bucket("before").await;
    world.acl("before", "public-read").await;
    world.policy("before", &read_by("before", r#""*""#)).await;
    world
        .bucket_block("before", &["BlockPublicAcls", "BlockPublicPolicy"])
        .await;
    assert_eq!(world.outcome(Caller::Anonymous, "GET", "/before").await, OK);
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/before/hello")
            .await,
        OK
    );
}

#[tokio::test]
async fn ignored_acls_are_out_of_force_and_come_back() {
    let world = start().await;
    world.bucket("ignored").await;
    let group = format!("uri={ALL_USERS}");
    let other = format!("id={OTHER_ID}");
    let headers = [
        ("x-amz-grant-read", group.as_str()),
        ("x-amz-grant-write", other.as_str()),
    ];
    world
        .done(Caller::Ann, "PUT", "/ignored?acl", &headers, "")
        .await;
    assert_eq!(
        world.outcome(Caller::Anonymous, "GET", "/ignored").await,
        OK
    );
    for account_level in [false, true] {
        let on: &[&str] = &["IgnorePublicAcls"];
        if account_level {
            world.account_block(on).await;
        } else {
            world.bucket_block("ignored", on).await;
        }
        assert_eq!(
            world.outcome(Caller::Anonymous, "GET", "/ignored").await,
            DENIED
        );
        // The answer tells what is in force; other grants stay.
        let shown = world
            .done(Caller::Ann, "GET", "/ignored?acl", &[], "")
            .await
            .text();
        assert!(
            !shown.contains(ALL_USERS) && shown.contains(OTHER_ID),
            "{shown}"
        );
        assert_eq!(
            world.outcome(Caller::Alice, "PUT", "/ignored/hers").await,
            OK
        );
        world.bucket_block("ignored", &[]).await;
        world.account_block(&[]).await;
        assert_eq!(
            world.outcome(Caller::Anonymous, "GET", "/ignored").await,
            OK
        );
    }
}

#[tokio::test]
async fn policies_are_kept_as_written_and_refused_if_not_understood() {
    let world = start().await;
    world.bucket("written").await;
    assert_eq!(
        world.outcome(Caller::Ann, "GET", "/written?policy").await,
        "404 NoSuchBucketPolicy"
    );
    let policy = format!("  {}\n", read_by("written", r#""*""#));
    world.policy("written", &policy).await;
    let kept = world
        .done(Caller::Ann, "GET", "/written?policy", &[], "")
        .await
        .text();
    assert_eq!(kept, policy);
    let too_large = format!("{policy}{}", " ".repeat(20_500));
    for bad in [
        "not JSON",
        "{}",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::another/*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::written/*","Condition":{"StringSounds":{"aws:Referer":"x"}}}]}"#,
        too_large.as_str(),
    ] {
        assert_eq!(
            put(&world, "/written?policy", &[], bad).await,
            "400 MalformedPolicy",
            "{bad}"
        );
    }
    let kept = world
        .done(Caller::Ann, "GET", "/written?policy", &[], "")
        .await
        .text();
    assert_eq!(kept, policy);
    assert_eq!(
        world
            .outcome(Caller::Ann, "DELETE", "/written?policy")
            .await,
        "204"
    );
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/written/hello")
            .await,
        DENIED
    );
}

#[tokio::test]
async fn enforced_ownership_switches_acls_off() {
    let world = start().await;
    world.bucket("owned").await;
    assert_eq!(
        world
            .outcome(Caller::Ann, "GET", "/owned?ownershipControls")
            .await,
        "404 OwnershipControlsNotFoundError"
    );
    let enforced = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
    world.acl("owned", "public-read").await;
    assert_eq!(
        put(&world, "/owned?ownershipControls", &[], enforced).await,
        "400 InvalidBucketAclWithObjectOwnership"
    );
    world.acl("owned", "private").await;
    world
        .done(
            Caller::Ann,
            "PUT",
            "/owned/hello?acl",
            &[("x-amz-acl", "public-read")],
            "",
        )
        .await;
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/owned/hello")
            .await,
        OK
    );
    assert_eq!(
        put(&world, "/owned?ownershipControls", &[], enforced).await,
        OK
    );
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/owned/hello")
            .await,
        DENIED
    );
    for target in ["/owned?acl", "/owned/hello?acl", "/owned/new"] {
        assert_eq!(
            put(&world, target, &[("x-amz-acl", "public-read")], "").await,
            "400 AccessControlListNotSupported",
            "{target}"
        );
    }
    let full = [("x-amz-acl", "bucket-owner-full-control")];
    assert_eq!(put(&world, "/owned/new", &full, "x").await, OK);
    let shown = world
        .done(Caller::Ann, "GET", "/owned?ownershipControls", &[], "")
        .await
        .text();
    assert!(
        shown.contains("<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>"),
        "{shown}"
    );
    assert_eq!(
        world
            .outcome(Caller::Ann, "DELETE", "/owned?ownershipControls")
            .await,
        "204"
    );
    assert_eq!(
        world
            .outcome(Caller::Anonymous, "GET", "/owned/hello")
            .await,
        OK
    );
}

#[tokio::test]
async fn new_buckets_are_closed_as_awss_are() {
    let sandbox = Sandbox::start(Config {
        new_buckets: NewBuckets::Closed,
        ..config()
    });
    let world = World {
        sandbox: sandbox.await.unwrap(),
    };
    world.bucket("fresh").await;
    let shown = world
        .done(Caller::Ann, "GET", "/fresh?publicAccessBlock", &[], "")
        .await
        .text();
    assert_eq!(shown.matches("true").count(), 4, "{shown}");
    let shown = world
        .done(Caller::Ann, "GET", "/fresh?ownershipControls", &[], "")
        .await
        .text();
    assert!(shown.contains("BucketOwnerEnforced"), "{shown}");
    assert_eq!(
        put(&world, "/loud", &[("x-amz-acl", "public-read")], "").await,
        "400 InvalidBucketAclWithObjectOwnership"
    );
    let headers = [("x-amz-object-ownership", "ObjectWriter")];
    assert_eq!(put(&world, "/old-style", &headers, "").await, OK);
}

#[tokio::test]
async fn blocks_read_back_and_are_missing_when_never_set() {
    let world = start().await;
    world.bucket("block").await;
    let target = "/block?publicAccessBlock";
    let missing = "404 NoSuchPublicAccessBlockConfiguration";
    assert_eq!(world.outcome(Caller::Ann, "GET", target).await, missing);
    world.bucket_block("block", &["IgnorePublicAcls"]).await;
    let shown = world.done(Caller::Ann, "GET", target, &[], "").await.text();
    assert!(
        shown.contains("<IgnorePublicAcls>true</IgnorePublicAcls>"),
        "{shown}"
    );
    assert!(
        shown.contains("<RestrictPublicBuckets>false</RestrictPublicBuckets>"),
        "{shown}"
    );
    assert_eq!(world.outcome(Caller::Ann, "DELETE", target).await, "204");
    assert_eq!(world.outcome(Caller::Ann, "GET", target).await, missing);
}

#[tokio::test]
async fn the_accounts_block_is_its_own() {
    let world = start().await;
    let ours = [("x-amz-account-id", OWNER)];
    let get = |caller| world.send(caller, "GET", ACCOUNT_BLOCK, &ours, "");
    let answer = get(Caller::Ann).await;
    assert_eq!(outcome(&answer), "404 NoSuchPublicAccessBlockConfiguration");
    assert!(
        answer.text().starts_with("<ErrorResponse "),
        "{}",
        answer.text()
    );
    world.account_block(&["RestrictPublicBuckets"]).await;
    let shown = get(Caller::Ann).await.text();
    assert!(
        shown.contains("<RestrictPublicBuckets>true</RestrictPublicBuckets>"),
        "{shown}"
    );
    assert!(shown.contains("awss3control.amazonaws.com"), "{shown}");
    for caller in [Caller::Anonymous, Caller::Alice] {
        assert_eq!(outcome(&get(caller).await), DENIED, "{caller:?}");
        let answer = world
            .send(caller, "PUT", ACCOUNT_BLOCK, &ours, &block(&[]))
            .await;
        assert_eq!(outcome(&answer), DENIED, "{caller:?}");
    }
    let answer = world
        .send(Caller::Ann, "PUT", ACCOUNT_BLOCK, &ours, "<html>")
        .await;
    assert_eq!(outcome(&answer), "400 MalformedXML");
    let answer = world
        .send(Caller::Ann, "DELETE", ACCOUNT_BLOCK, &ours, "")
        .await;
    assert_eq!(outcome(&answer), "204");
    assert_eq!(
        outcome(&get(Caller::Ann).await),
        "404 NoSuchPublicAccessBlockConfiguration"
    );
}

#[tokio::test]
async fn sts_tells_who_signed() {
    let world = start().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let ask = |caller, body| world.send_to_service("sts", caller, "POST", "/", &form, body);
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let text = ask(Caller::Alice, who).await.text();
    assert!(
        text.contains(&format!("<Account>{OTHER}</Account>")),
        "{text}"
    );
    assert!(
        text.contains(&format!("<Arn>arn:aws:iam::{OTHER}:user/alice</Arn>")),
        "{text}"
    );
    assert_eq!(outcome(&ask(Caller::Anonymous, who).await), DENIED);
    let answer = ask(Caller::Forger, who).await;
    assert_eq!(outcome(&answer), "403 SignatureDoesNotMatch");
    let answer = ask(Caller::Ann, "Action=AssumeRole").await;
    assert_eq!(outcome(&answer), "501 NotImplemented");
}

#[tokio::test]
async fn buckets_are_listed_by_page_prefix_and_region() {
    let world = start().await;
    for name in ["a-1", "a-2", "a-3", "b-1"] {
        world
            .done(Caller::Ann, "PUT", &format!("/{name}"), &[], "")
            .await;
    }
    let elsewhere = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    world.done(Caller::Ann, "PUT", "/c-1", &[], elsewhere).await;
    world.done(Caller::Alice, "PUT", "/hers", &[], "").await;

    let names = |text: &str| -> Vec<String> {
        text.split("<Name>")
            .skip(1)
            .map(|part| part.split('<').next().unwrap().to_owned())
            .collect()
    };
    let list = async |query: &str| {
        world
            .done(Caller::Ann, "GET", &format!("/{query}"), &[], "")
            .await
            .text()
    };
    let all = list("").await;
    assert_eq!(names(&all), ["a-1", "a-2", "a-3", "b-1", "c-1"]);
    assert!(!all.contains("BucketRegion"), "{all}");
    assert!(all.contains(OWNER_ID), "{all}");
    let page = list("?max-buckets=2&prefix=a-").await;
    assert_eq!(names(&page), ["a-1", "a-2"]);
    assert!(
        page.contains("<BucketRegion>us-east-1</BucketRegion>"),
        "{page}"
    );
    let token = page
        .split("<ContinuationToken>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap();
    let rest = list(&format!(
        "?max-buckets=2&prefix=a-&continuation-token={token}"
    ))
    .await;
    assert_eq!(names(&rest), ["a-3"]);
    assert!(!rest.contains("<ContinuationToken>"), "{rest}");
    assert_eq!(names(&list("?bucket-region=eu-west-1").await), ["c-1"]);

    assert_eq!(
        world.outcome(Caller::Ann, "GET", "/?max-buckets=0").await,
        "400 InvalidArgument"
    );
    assert_eq!(
        world
            .outcome(Caller::Ann, "GET", "/?continuation-token=x")
            .await,
        "400 InvalidArgument"
    );
    assert_eq!(world.outcome(Caller::Anonymous, "GET", "/").await, DENIED);
    let place = world
        .done(Caller::Ann, "GET", "/c-1?location", &[], "")
        .await
        .text();
    assert!(place.contains(">eu-west-1</LocationConstraint>"), "{place}");
    let head = world.done(Caller::Ann, "HEAD", "/c-1", &[], "").await;
    assert_eq!(head.headers["x-amz-bucket-region"], "eu-west-1");
}

#[tokio::test]
async fn buckets_are_made_once_and_removed_empty() {
    let world = start().await;
    world.bucket("once").await;
    assert_eq!(
        world.outcome(Caller::Ann, "PUT", "/once").await,
        "409 BucketAlreadyOwnedByYou"
    );
    assert_eq!(
        world.outcome(Caller::Alice, "PUT", "/once").await,
        "409 BucketAlreadyExists"
    );
    assert_eq!(
        world.outcome(Caller::Anonymous, "PUT", "/twice").await,
        DENIED
    );
    assert_eq!(
        world.outcome(Caller::Ann, "PUT", "/No").await,
        "400 InvalidBucketName"
    );
    assert_eq!(
        world.outcome(Caller::Ann, "DELETE", "/once").await,
        "409 BucketNotEmpty"
    );
    assert_eq!(
        world.outcome(Caller::Ann, "DELETE", "/once/hello").await,
        "204"
    );
    // Nothing that is not understood deletes a bucket.
    for sub_resource in ["ownership", "foo", "object-lock", "acl"] {
        let target = format!("/once?{sub_resource}");
        let got = world.outcome(Caller::Ann, "DELETE", &target).await;
        assert_eq!(got, "501 NotImplemented", "{target}");
    }
    assert_eq!(world.outcome(Caller::Ann, "DELETE", "/once").await, "204");
    assert_eq!(world.outcome(Caller::Ann, "HEAD", "/once").await, "404");
}

#[tokio::test]
async fn tags_objects_and_ranges_read_back() {
    let world = start().await;
    world.bucket("kept").await;
    assert_eq!(
        world.outcome(Caller::Ann, "GET", "/kept?tagging").await,
        "404 NoSuchTagSet"
    );
    let tags = "<Tagging><TagSet><Tag><Key>team</Key><Value>web &amp; shop</Value></Tag></TagSet></Tagging>";
    world
        .done(Caller::Ann, "PUT", "/kept?tagging", &[], tags)
        .await;
    let shown = world
        .done(Caller::Ann, "GET", "/kept?tagging", &[], "")
        .await
        .text();
    assert!(
        shown.contains("<Key>team</Key><Value>web &amp; shop</Value>"),
        "{shown}"
    );

    let headers = [("content-type", "text/plain"), ("x-amz-meta-colour", "red")];
    world
        .done(Caller::Ann, "PUT", "/kept/a%20b/c", &headers, "0123456789")
        .await;
    let got = world
        .done(
            Caller::Ann,
            "GET",
            "/kept/a%20b/c",
            &[("range", "bytes=2-4")],
            "",
        )
        .await;
    assert_eq!((got.status.as_u16(), got.text()), (206, "234".to_owned()));
    assert_eq!(got.headers["content-range"], "bytes 2-4/10");
    assert_eq!(got.headers["content-type"], "text/plain");
    assert_eq!(got.headers["x-amz-meta-colour"], "red");
    // The MD5 of the body, as S3 has it for a plain upload.
    assert_eq!(got.headers["etag"], "\"781e5e245d69b566979b86e28d23f2c7\"");
    let far = world
        .send(
            Caller::Ann,
            "GET",
            "/kept/hello",
            &[("range", "bytes=99-")],
            "",
        )
        .await;
    assert_eq!(outcome(&far), "416 InvalidRange");
    let listed = world
        .done(
            Caller::Ann,
            "GET",
            "/kept?list-type=2&encoding-type=url&delimiter=/",
            &[],
            "",
        )
        .await
        .text();
    assert!(listed.contains("<Prefix>a+b/</Prefix>"), "{listed}");
    let wrong = [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")];
    assert_eq!(
        put(&world, "/kept/broken", &wrong, "x").await,
        "400 BadDigest"
    );
}

#[tokio::test]
async fn what_is_not_there_answers_501() {
    let world = start().await;
    world.bucket("bare").await;
    for (method, target) in [
        ("GET", "/bare?versions"),
        ("GET", "/bare?lifecycle"),
        ("GET", "/bare?cors"),
        ("PUT", "/bare?versioning"),
        ("POST", "/bare/key?uploads"),
        ("GET", "/bare/hello?versionId=abc"),
    ] {
        for caller in [Caller::Ann, Caller::Anonymous] {
            let got = world.outcome(caller, method, target).await;
            assert_eq!(got, "501 NotImplemented", "{caller:?} {method} {target}");
        }
    }
    let expected = [("x-amz-expected-bucket-owner", OTHER)];
    let answer = world
        .send(Caller::Ann, "GET", "/bare?acl", &expected, "")
        .await;
    assert_eq!(outcome(&answer), DENIED);
}

#[tokio::test]
async fn what_is_too_large_or_deep_is_refused() {
    let world = start().await;
    world.bucket("hostile").await;
    let long = format!(
        "<AccessControlPolicy>{}</AccessControlPolicy>",
        " ".repeat(300_000)
    );
    let deep = "<a>".repeat(50_000);
    let nested = "[".repeat(15_000);
    for (target, body) in [
        ("/hostile?acl", long.as_str()),
        ("/hostile?acl", deep.as_str()),
        ("/hostile?policy", long.as_str()),
        ("/hostile?policy", nested.as_str()),
        ("/hostile?publicAccessBlock", deep.as_str()),
        ("/hostile?tagging", "<Tagging><TagSet>"),
    ] {
        let answer = world.send(Caller::Ann, "PUT", target, &[], body).await;
        assert!(
            answer.status.is_client_error(),
            "{target}: {}",
            answer.status
        );
    }
    let headers = [("x-amz-account-id", OWNER)];
    let answer = world
        .send(Caller::Ann, "PUT", ACCOUNT_BLOCK, &headers, &long)
        .await;
    assert_eq!(outcome(&answer), "400 EntityTooLarge");
    let small = Sandbox::start(Config {
        max_object_bytes: 10,
        ..config()
    });
    let world = World {
        sandbox: small.await.unwrap(),
    };
    world.bucket("small").await;
    assert_eq!(put(&world, "/small/ten", &[], "0123456789").await, OK);
    assert_eq!(
        put(&world, "/small/eleven", &[], "0123456789x").await,
        "400 EntityTooLarge"
    );
}

#[tokio::test]
async fn changes_are_told_after_they_are_made() {
    let world = start().await;
    let mut changes = world.sandbox.changes();
    world.bucket("told").await;
    world.acl("told", "public-read").await;
    world.account_block(&[]).await;
    // A refused change is none.
    world.outcome(Caller::Alice, "DELETE", "/told?policy").await;
    world
        .done(Caller::Root, "DELETE", "/told?policy", &[], "")
        .await;
    let mut told = Vec::new();
    for _ in 0..4 {
        let change = changes.recv().await.unwrap();
        told.push((
            change.operation,
            change.bucket,
            change.account,
            change.caller,
        ));
    }
    let ann = format!("arn:aws:iam::{OWNER}:user/ann");
    let root = format!("arn:aws:iam::{OWNER}:root");
    let of = |operation, bucket: Option<&str>, caller: &str| {
        (
            operation,
            bucket.map(str::to_owned),
            OWNER.to_owned(),
            caller.to_owned(),
        )
    };
    assert_eq!(
        told,
        [
            of("CreateBucket", Some("told"), &ann),
            of("PutBucketAcl", Some("told"), &ann),
            of("PutAccountPublicAccessBlock", None, &ann),
            of("DeleteBucketPolicy", Some("told"), &root),
        ]
    );
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn stopping_frees_the_port() {
    let world = start().await;
    world.bucket("gone").await;
    let endpoint = world.sandbox.endpoint();
    let port = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    world.sandbox.stop().await;
    assert!(
        sandbox::client::Client::anonymous(&endpoint)
            .send("GET", "/gone", &[], "")
            .await
            .is_err()
    );
    let again = Sandbox::start(Config { port, ..config() }).await.unwrap();
    assert_eq!(again.endpoint(), endpoint);
}
