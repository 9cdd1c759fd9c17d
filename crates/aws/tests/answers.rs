//! What each kind of answer comes to: the store's dialect, refusals, and broken transports.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws::Store;
use aws::connect::{ConnectOptions, connect, connect_with};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use guard::error::{CallError, Hopeless};
use guard::operation::Operation;
use guard::pace::{Pace, PaceSettings};
use guard::ports::{ReadBuckets, WriteBuckets};
use policy::bucket::{Acl, Enforcement, Grantee, ObjectOwnership, PublicAccessBlock};
use support::stub::{Fault, serve};
use support::*;

/// A store that is not AWS's, which answers a listing and this.
async fn store(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Store, Fake) {
    let fake = Fake::new(move |asked| match asked.path.as_str() {
        "/" if asked.method == "GET" => Answer::new(200, LISTING),
        "/" => error(501, "NotImplemented"),
        _ => answer(asked),
    });
    let endpoint = Some("http://store.test:9000".to_owned());
    let client = SharedHttpClient::new(fake.clone());
    let store = connect_with(config(client), endpoint, &pace())
        .await
        .unwrap();
    (store, fake)
}

/// The store behind one answer for everything about a bucket.
async fn with(answer: Answer) -> Store {
    store(move |_| answer.clone()).await.0
}

#[tokio::test]
async fn reads_what_s3_documents() {
    let (store, fake) = store(|asked| match asked.query.as_str() {
        "publicAccessBlock" => Answer::new(200, FALSE_BLOCK.replacen("false", "true", 1)),
        "policy" => Answer::new(200, r#"{"Version":"2012-10-17","Statement":[]}"#),
        "acl" => Answer::new(200, ACL),
        "ownershipControls" => Answer::new(
            200,
            "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        ),
        "policyStatus" => {
            Answer::new(200, "<PolicyStatus><IsPublic>true</IsPublic></PolicyStatus>")
        }
        _ => error(500, "Unexpected"),
    })
    .await;
    let at = bucket("logs");
    let block = store.block(&at).await.unwrap().unwrap();
    assert!(block.block_public_acls && !block.restrict_public_buckets);
    assert!(
        store
            .policy(&at)
            .await
            .unwrap()
            .unwrap()
            .contains("Statement")
    );
    let acl = store.acl(&at).await.unwrap();
    assert_eq!(acl.owner.as_deref(), Some("own"));
    assert_eq!(acl.grants.len(), 2);
    assert!(acl.grants[1].grantee.is_public_group());
    assert_eq!(
        store.ownership(&at).await,
        Ok(Some(ObjectOwnership::BucketOwnerEnforced))
    );
    assert_eq!(store.policy_status(&at).await, Ok(Some(true)));
    let asked = fake.asked.lock().unwrap();
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert!(
        paths.contains(&"/logs/"),
        "path style at a custom endpoint: {paths:?}"
    );
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    for (code, operation) in [
        ("NoSuchPublicAccessBlockConfiguration", "block"),
        ("NoSuchBucketPolicy", "policy"),
        ("OwnershipControlsNotFoundError", "ownership"),
    ] {
        let store = with(error(404, code)).await;
        let at = bucket("logs");
        let none = match operation {
            "block" => store.block(&at).await.unwrap().is_none(),
            "policy" => store.policy(&at).await.unwrap().is_none(),
            _ => store.ownership(&at).await.unwrap().is_none(),
        };
        assert!(none, "{code}");
    }
}

#[tokio::test]
async fn a_block_of_four_times_off_is_none_at_another_store() {
    let store = with(Answer::new(200, FALSE_BLOCK)).await;
    assert_eq!(store.block(&bucket("logs")).await, Ok(None));
}

#[tokio::test]
async fn ceph_names_the_root_of_a_block_otherwise() {
    let ceph = |text: &str| {
        text.replace(
            "PublicAccessBlockConfiguration",
            "BlockPublicAccessBlockConfiguration",
        )
    };
    let on = ceph(&FALSE_BLOCK.replace("IgnorePublicAcls>false", "IgnorePublicAcls>true"));
    let store = with(Answer::new(200, on)).await;
    let block = store.block(&bucket("logs")).await.unwrap().unwrap();
    assert!(block.ignore_public_acls && !block.restrict_public_buckets);
    let store = with(Answer::new(200, ceph(FALSE_BLOCK))).await;
    assert_eq!(store.block(&bucket("logs")).await, Ok(None));
    let store = with(Answer::new(
        200,
        ceph(FALSE_BLOCK).replace("RestrictPublicBuckets", "X"),
    ))
    .await;
    assert!(matches!(
        store.block(&bucket("logs")).await,
        Err(CallError::Failed { .. })
    ));
}

#[tokio::test]
async fn another_document_is_not_an_empty_one() {
    // As Ceph's gateway answers sub-resources that it does not know.
    let listing = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>logs</Name></ListBucketResult>";
    for body in [listing, "<html><body>hello</body></html>", "", "{}"] {
        let store = with(Answer::new(200, body)).await;
        let at = bucket("logs");
        for (operation, error) in [
            (
                Operation::GetBucketPublicAccessBlock,
                store.block(&at).await.err(),
            ),
            (Operation::GetBucketAcl, store.acl(&at).await.err()),
            (
                Operation::GetBucketOwnershipControls,
                store.ownership(&at).await.err(),
            ),
        ] {
            assert!(
                matches!(&error, Some(CallError::Unsupported { operation: o, .. }) if *o == operation),
                "{operation} with {body:?}: {error:?}"
            );
        }
    }
    let store = with(Answer::new(200, listing)).await;
    let error = store.policy(&bucket("logs")).await.unwrap_err().to_string();
    assert!(
        error.contains("<ListBucketResult> instead of JSON"),
        "{error}"
    );
}

#[tokio::test]
async fn grants_that_cannot_be_understood_are_an_error() {
    for (from, to) in [
        ("READ</Permission>", "EVERYTHING</Permission>"),
        (
            "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>",
            "",
        ),
    ] {
        let store = with(Answer::new(200, ACL.replace(from, to))).await;
        let error = store.acl(&bucket("logs")).await.unwrap_err();
        assert!(matches!(error, CallError::Failed { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn each_refusal_means_what_it_means() {
    use CallError as C;
    type Meaning = fn(&CallError) -> bool;
    let cases: &[(u16, &str, Meaning)] = &[
        (403, "AccessDenied", |e| matches!(e, C::AccessDenied { .. })),
        (403, "", |e| matches!(e, C::AccessDenied { .. })),
        (503, "SlowDown", |e| matches!(e, C::Throttled { .. })),
        (400, "ThrottlingException", |e| {
            matches!(e, C::Throttled { .. })
        }),
        (503, "", |e| matches!(e, C::Throttled { .. })),
        (429, "", |e| matches!(e, C::Throttled { .. })),
        (500, "InternalError", |e| matches!(e, C::Passing { .. })),
        (502, "", |e| matches!(e, C::Passing { .. })),
        (501, "NotImplemented", |e| {
            matches!(e, C::Unsupported { .. })
        }),
        (405, "MethodNotAllowed", |e| {
            matches!(e, C::Unsupported { .. })
        }),
        (400, "MalformedXML", |e| matches!(e, C::Unsupported { .. })),
        (404, "NoSuchBucket", |e| matches!(e, C::NoSuchBucket)),
        (400, "ExpiredToken", |e| {
            matches!(e, C::Hopeless(Hopeless::ExpiredCredentials))
        }),
        (403, "RequestTimeTooSkewed", |e| {
            matches!(e, C::Hopeless(Hopeless::ClockSkew))
        }),
        (403, "InvalidAccessKeyId", |e| {
            matches!(e, C::Hopeless(Hopeless::WrongCredentials { .. }))
        }),
        (403, "SignatureDoesNotMatch", |e| {
            matches!(e, C::Hopeless(Hopeless::WrongCredentials { .. }))
        }),
        (400, "SomethingNew", |e| matches!(e, C::Failed { .. })),
    ];
    for (status, code, meaning) in cases {
        let answer = if code.is_empty() {
            Answer::new(*status, "")
        } else {
            error(*status, code)
        };
        let failed = with(answer).await.acl(&bucket("logs")).await.unwrap_err();
        assert!(meaning(&failed), "{status} {code}: {failed:?}");
        assert!(!failed.to_string().contains("not-a-secret"));
    }
}

#[tokio::test]
async fn ceph_is_recognised_and_its_users_bound_is_known() {
    let fake = Fake::new(|asked| {
        let answer = match (asked.path.as_str(), asked.query.as_str()) {
            ("/admin/bucket", _) => error(403, "AccessDenied"),
            _ => Answer::new(200, LISTING),
        };
        answer.header(
            "x-amz-request-id",
            "tx0000065f1c3d4a2b3c4d5-0065f1c3d4-1015-default",
        )
    });
    let endpoint = Some("http://ceph.test".to_owned());
    let client = SharedHttpClient::new(fake);
    let store = connect_with(config(client), endpoint, &pace())
        .await
        .unwrap();
    assert_eq!(store.identity().enforcement, Enforcement::CephRgw);
    assert_eq!(store.listing_gap(), None);
    let page = store.buckets(None, None).await.unwrap();
    assert_eq!(page.entries.len(), 2);
    assert!(store.listing_gap().unwrap().contains("buckets=read"));
}

#[tokio::test]
async fn at_aws_regions_are_followed_and_account_settings_read() {
    let fake = Fake::new(|asked| {
        if asked.host.starts_with("sts.") {
            return Answer::new(
                200,
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
            );
        }
        if asked.host.starts_with("111122223333.s3-control.") {
            return Answer::new(200, FALSE_BLOCK.replace("false", "true"));
        }
        if asked.host == "s3.eu-central-1.amazonaws.com" {
            return Answer::new(200, LISTING);
        }
        if asked.host == "data.s3.eu-central-1.amazonaws.com" {
            return error(301, "PermanentRedirect").header("x-amz-bucket-region", "us-west-2");
        }
        if asked.host == "data.s3.us-west-2.amazonaws.com" {
            return Answer::new(200, ACL);
        }
        error(500, "Unexpected")
    });
    let client = SharedHttpClient::new(fake.clone());
    let store = connect_with(config(client), None, &pace()).await.unwrap();
    assert_eq!(store.identity().account.as_deref(), Some("111122223333"));
    assert_eq!(
        store.account_block().await,
        Ok(Some(PublicAccessBlock::ALL))
    );
    let page = store.buckets(None, None).await.unwrap();
    assert_eq!(page.entries[0].region.as_deref(), Some("eu-west-1"));
    for _ in 0..2 {
        assert_eq!(store.acl(&bucket("data")).await.unwrap().grants.len(), 2);
    }
    let asked = fake.asked.lock().unwrap();
    let first_region = asked
        .iter()
        .filter(|asked| asked.host == "data.s3.eu-central-1.amazonaws.com")
        .count();
    assert_eq!(first_region, 1, "the move is remembered");
}

#[tokio::test]
async fn while_sts_alone_is_away_the_expected_account_is_asked_for() {
    static BACK: AtomicUsize = AtomicUsize::new(0);
    let fake = Fake::new(|asked| {
        if asked.host.starts_with("sts.") {
            return match BACK.load(Ordering::Relaxed) {
                0 => error(500, "InternalFailure"),
                _ => Answer::new(
                    200,
                    "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Account>444455556666</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
                ),
            };
        }
        if asked.host.contains("s3-control.") {
            return Answer::new(200, FALSE_BLOCK.replace("false", "true"));
        }
        Answer::new(200, LISTING)
    });
    let client = SharedHttpClient::new(fake.clone());
    let pace = pace();
    let store = connect_with(config(client), None, &pace).await.unwrap();
    assert_eq!(store.told_account(), None);
    let unknown = store.account_block().await.unwrap_err();
    assert!(unknown.to_string().contains("is not known"), "{unknown}");
    let store = store.expecting("111122223333");
    assert_eq!(
        store.account_block().await,
        Ok(Some(PublicAccessBlock::ALL))
    );
    let host = |fake: &Fake| fake.asked.lock().unwrap().pop().unwrap().host;
    assert!(host(&fake).starts_with("111122223333.s3-control."));
    let still = store.ask_account(&pace).await.unwrap_err();
    assert!(still.is_passing(), "{still}");
    // What it tells in the end counts, whatever was expected.
    BACK.store(1, Ordering::Relaxed);
    let told = store.ask_account(&pace).await.unwrap();
    assert_eq!(told.as_deref(), Some("444455556666"));
    assert_eq!(store.told_account(), Some("444455556666"));
    store.account_block().await.unwrap();
    assert!(host(&fake).starts_with("444455556666.s3-control."));
}

#[tokio::test]
async fn where_nobody_answers_no_account_is_met() {
    let client = SharedHttpClient::new(Fake::new(|_| error(500, "InternalError")));
    let failed = connect_with(config(client), None, &pace()).await;
    let failed = failed.err().unwrap();
    assert!(matches!(failed, Hopeless::Unreachable { .. }), "{failed:?}");
}

#[tokio::test]
async fn writes_the_documents_that_s3_expects_and_no_other_delete() {
    let (store, fake) = store(|_| Answer::new(200, "")).await;
    let at = bucket("logs");
    store.put_acl(&at, &Acl::default()).await.unwrap();
    store.put_block(&at, &PublicAccessBlock::ALL).await.unwrap();
    store.put_policy(&at, "{}").await.unwrap();
    store.delete_policy(&at).await.unwrap();
    store.delete_block(&at).await.unwrap();
    let asked = fake.asked.lock().unwrap();
    let writes: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path == "/logs/")
        .map(|asked| format!("{} {}", asked.method, asked.query))
        .collect();
    // At a store that is not AWS's a block is never deleted: an unknown sub-resource of a DELETE can
    // fall through to the bucket.
    assert_eq!(
        writes,
        [
            "PUT acl",
            "PUT publicAccessBlock",
            "PUT policy",
            "DELETE policy",
            "PUT publicAccessBlock"
        ]
    );
}

#[tokio::test]
async fn an_acl_with_every_kind_of_grantee_keeps_them() {
    let store = with(Answer::new(
        200,
        ACL.replace(
            "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>",
            "<EmailAddress>a@example.com</EmailAddress>",
        ),
    ))
    .await;
    let acl = store.acl(&bucket("logs")).await.unwrap();
    assert_eq!(
        acl.grants[1].grantee,
        Grantee::Email("a@example.com".to_owned())
    );
}

/// A store behind a real socket whose answers about buckets can break.
async fn served(answer: impl Fn() -> Answer + Send + Sync + 'static, pace: &Pace) -> Store {
    let address = serve(Duration::ZERO, move |method, target| match target {
        "/" | "/?x-id=ListBuckets" if method == "GET" => Answer::new(200, LISTING),
        "/" => error(501, "NotImplemented"),
        _ => answer(),
    })
    .await
    .unwrap();
    let endpoint = Some(format!("http://{address}"));
    let client = aws_smithy_http_client::Builder::new().build_http();
    connect_with(config(client), endpoint, pace).await.unwrap()
}

#[tokio::test]
async fn broken_transports_are_repeated_and_then_said() {
    for fault in [Fault::Reset, Fault::Half, Fault::Silence] {
        let settings = PaceSettings {
            attempts: 2,
            timeout: Duration::from_millis(200),
            first_pause: Duration::from_millis(1),
            ..PaceSettings::default()
        };
        let pace = Pace::new(settings, 1);
        let store = served(move || Answer::broken(fault, ACL), &pace).await;
        let at = bucket("logs");
        let operation = Operation::GetBucketAcl;
        let failed = pace.call(operation, || store.acl(&at)).await.unwrap_err();
        assert!(
            matches!(failed, CallError::Passing { .. }),
            "{fault:?}: {failed:?}"
        );
        assert_eq!(pace.spent().repeated, 1);
    }
}

#[tokio::test]
async fn throttling_passes() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let pace = pace();
    let store = served(
        || match ASKED.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => error(503, "SlowDown"),
            _ => Answer::new(200, ACL),
        },
        &pace,
    )
    .await;
    let at = bucket("logs");
    let acl = pace.call(Operation::GetBucketAcl, || store.acl(&at)).await;
    assert_eq!(acl.unwrap().grants.len(), 2);
    assert_eq!(pace.spent().throttled, 2);
}

#[tokio::test]
async fn an_answer_without_end_is_bounded() {
    let pace = pace();
    let huge = format!("<AccessControlPolicy>{}", " ".repeat(17 << 20));
    let store = served(move || Answer::new(200, huge.clone()), &pace).await;
    let failed = store.acl(&bucket("logs")).await.unwrap_err();
    assert!(matches!(failed, CallError::Passing { .. }), "{failed:?}");
}

#[tokio::test]
async fn wrong_endpoints_are_named() {
    for (body, words) in [
        ("<!DOCTYPE html><html>Login</html>", "a web page"),
        ("<Other/>", "<Other>"),
    ] {
        let fake = Fake::new(move |_| Answer::new(200, body));
        let endpoint = Some("http://wrong.test".to_owned());
        let client = SharedHttpClient::new(fake);
        let failed = connect_with(config(client), endpoint, &pace())
            .await
            .err()
            .unwrap();
        let said = failed.to_string();
        assert!(matches!(failed, Hopeless::NotS3 { .. }), "{failed:?}");
        assert!(
            said.contains("http://wrong.test") && said.contains(words),
            "{said}"
        );
        assert!(failed.is_configuration());
    }
    let fake = Fake::new(|_| Answer::new(404, "<html>not found</html>"));
    let client = SharedHttpClient::new(fake);
    let endpoint = Some("http://wrong.test".to_owned());
    let failed = connect_with(config(client), endpoint, &pace())
        .await
        .err()
        .unwrap();
    assert!(matches!(failed, Hopeless::NotS3 { .. }), "{failed:?}");
    // Port 1 of loopback: nobody listens there.
    let client = aws_smithy_http_client::Builder::new().build_http();
    let endpoint = Some("http://127.0.0.1:1".to_owned());
    let failed = connect_with(config(client), endpoint, &pace())
        .await
        .err()
        .unwrap();
    assert!(matches!(failed, Hopeless::Unreachable { .. }), "{failed:?}");
}

#[tokio::test]
async fn what_cannot_be_an_endpoint_or_a_region_is_said_before_any_call() {
    for (endpoint, region) in [
        (Some("localhost:9000"), None),
        (Some("http://key:not-a-secret@host"), None),
        (None, Some("Frankfurt (Main)")),
    ] {
        let options = ConnectOptions {
            endpoint_url: endpoint.map(str::to_owned),
            role: None,
            region: region.map(str::to_owned),
            profile: None,
        };
        let failed = connect(&options, &pace()).await.err().unwrap();
        assert!(
            matches!(failed, Hopeless::Configuration { .. }),
            "{failed:?}"
        );
        assert!(!failed.to_string().contains("not-a-secret"));
    }
}

#[tokio::test]
async fn regions_that_nobody_has_heard_of_cost_no_memory_for_ever() {
    let fake = Fake::new(|asked| match asked.path.as_str() {
        "/" if asked.host.starts_with("sts.") => error(403, "AccessDenied"),
        _ => Answer::new(200, FALSE_BLOCK),
    });
    let client = SharedHttpClient::new(fake.clone());
    let store = connect_with(config(client), None, &pace()).await.unwrap();
    for number in 0..300 {
        let mut at = bucket("logs");
        at.region = Some(format!("eu-nowhere-{number}"));
        assert!(store.block(&at).await.is_ok());
        let asked = fake.asked.lock().unwrap().pop().unwrap();
        assert_eq!(
            asked.host,
            format!("logs.s3.eu-nowhere-{number}.amazonaws.com")
        );
    }
    assert!(store.regions_kept() <= 100);
}
