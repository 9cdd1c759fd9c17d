//! Files into a bucket: as asked, and into a bucket that is made, closed and only then filled.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use aws::connect::connect_with;
use aws::store::{DeliveryBucket, DeliveryEncryption, DeliveryOptions};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use guard::error::CallError;
use guard::ports::files::PutFile;
use support::*;

async fn delivery(fake: &Fake, options: DeliveryOptions) -> DeliveryBucket<aws::Store> {
    let client = SharedHttpClient::new(fake.clone());
    let store = connect_with(config(client), None, &pace()).await.unwrap();
    fake.asked.lock().unwrap().clear();
    DeliveryBucket::new(Arc::new(store), options)
}

fn identity(asked: &Asked) -> Option<Answer> {
    asked.host.starts_with("sts.").then(|| {
        Answer::new(
            200,
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        )
    })
}

const KEY: &str = "AWSLogs/1/Config/x/2026/1/1/ConfigHistory/1_AWS::S3::Bucket_1.json.gz";

#[tokio::test]
async fn a_file_is_put_as_asked() {
    let fake = Fake::new(|asked| {
        let listing = asked.method == "GET";
        identity(asked).unwrap_or_else(|| Answer::new(200, if listing { LISTING } else { "" }))
    });
    let options = DeliveryOptions {
        expected_owner: Some("111122223333".to_owned()),
        encryption: Some(DeliveryEncryption::Kms("alias/history".to_owned())),
        ..DeliveryOptions::default()
    };
    let delivery = delivery(&fake, options).await;
    let put = delivery.put_file("archive", KEY, b"gz".to_vec(), "application/gzip");
    put.await.unwrap();
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    let put = &asked[0];
    assert_eq!(put.method, "PUT");
    assert!(
        put.path
            .ends_with("ConfigHistory/1_AWS%3A%3AS3%3A%3ABucket_1.json.gz"),
        "{}",
        put.path
    );
    assert_eq!(put.header("content-type"), Some("application/gzip"));
    assert_eq!(
        put.header("x-amz-expected-bucket-owner"),
        Some("111122223333")
    );
    assert_eq!(put.header("x-amz-server-side-encryption"), Some("aws:kms"));
    assert_eq!(
        put.header("x-amz-server-side-encryption-aws-kms-key-id"),
        Some("alias/history")
    );
}

#[tokio::test]
async fn a_bucket_is_made_only_if_that_is_wanted_and_closed_before_it_is_filled() {
    for create in [false, true] {
        let made = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = Arc::clone(&made);
        let fake = Fake::new(move |asked| {
            use std::sync::atomic::Ordering::SeqCst;
            if let Some(answer) = identity(asked) {
                return answer;
            }
            let creates = asked.method == "PUT" && asked.path == "/" && asked.query.is_empty();
            let puts = asked.path.len() > 1;
            if creates {
                seen.store(true, SeqCst);
            }
            match asked.method.as_str() {
                "GET" => Answer::new(200, LISTING),
                _ if puts && !seen.load(SeqCst) => error(404, "NoSuchBucket"),
                _ => Answer::new(200, ""),
            }
        });
        let options = DeliveryOptions {
            create,
            ..DeliveryOptions::default()
        };
        let delivery = delivery(&fake, options).await;
        let put = delivery.put_file("archive", KEY, b"gz".to_vec(), "application/gzip");
        let answer = put.await;
        let asked = fake.asked.lock().unwrap().clone();
        if !create {
            assert_eq!(answer, Err(CallError::NoSuchBucket));
            assert_eq!(asked.len(), 1);
            continue;
        }
        answer.unwrap();
        let steps: Vec<&str> = asked
            .iter()
            .map(|asked| match asked.query.as_str() {
                query if query.contains("publicAccessBlock") => "block",
                query if query.contains("ownershipControls") => "ownership",
                _ if asked.path == "/" => "create",
                _ => "put",
            })
            .collect();
        assert_eq!(steps, ["put", "create", "block", "ownership", "put"]);
        assert!(asked[1].body.contains("eu-central-1"), "{}", asked[1].body);
        assert_eq!(asked[2].body.matches(">true<").count(), 4);
        assert!(asked[3].body.contains("BucketOwnerEnforced"));
    }
}
