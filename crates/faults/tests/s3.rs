//! What the SDK makes of the faults, before a real store: the answers are understood as what they say,
//! and signatures hold through the proxy.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::BucketCannedAcl;
use aws_smithy_http_client::Builder;
use faults::{Fault, FaultProxy, Moment, Outcome};

fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: this test needs a server; run cargo xtask test")
    })
}

fn client(endpoint: &str, attempts: u32) -> Client {
    let owner = needed("PORTCULLIS_TEST_RGW_OWNER");
    let (access_key, secret_key) = owner.split_once(':').unwrap();
    let configuration = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Builder::new().build_http())
        .endpoint_url(endpoint)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(attempts)
                .with_initial_backoff(std::time::Duration::from_millis(1)),
        )
        .sleep_impl(aws_sdk_s3::config::SharedAsyncSleep::new(Tokio))
        .build();
    Client::from_conf(configuration)
}

/// The SDK waits between attempts; it is told how.
#[derive(Debug)]
struct Tokio;

impl aws_sdk_s3::config::AsyncSleep for Tokio {
    fn sleep(&self, duration: std::time::Duration) -> aws_sdk_s3::config::Sleep {
        aws_sdk_s3::config::Sleep::new(tokio::time::sleep(duration))
    }
}

#[tokio::test]
#[ignore = "needs a Ceph gateway: run cargo xtask test"]
async fn the_sdk_understands_the_faults_and_goes_through_them() {
    let proxy = FaultProxy::start(&needed("PORTCULLIS_TEST_RGW"))
        .await
        .unwrap();
    let once = client(&proxy.endpoint(), 1);
    let patient = client(&proxy.endpoint(), 4);
    let bucket = format!("faults-{}", std::process::id());
    once.create_bucket().bucket(&bucket).send().await.unwrap();

    for (fault, code) in [
        (Fault::slow_down(), "SlowDown"),
        (Fault::internal_error(), "InternalError"),
        (Fault::expired_token(), "ExpiredToken"),
        (Fault::request_time_too_skewed(), "RequestTimeTooSkewed"),
        (Fault::access_denied(), "AccessDenied"),
    ] {
        proxy.on(|r| r.is("GET", "acl")).once(fault);
        let error = once
            .get_bucket_acl()
            .bucket(&bucket)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(code));
    }

    proxy.on(|r| r.is("PUT", "acl")).sequence([
        Fault::slow_down(),
        Fault::Reset(Moment::AfterForwarding),
        Fault::internal_error(),
    ]);
    patient
        .put_bucket_acl()
        .bucket(&bucket)
        .acl(BucketCannedAcl::PublicRead)
        .send()
        .await
        .unwrap();
    let puts: Vec<Outcome> = proxy
        .requests()
        .all()
        .iter()
        .filter(|r| r.is("PUT", "acl"))
        .map(|r| r.outcome().clone())
        .collect();
    assert_eq!(
        puts,
        [
            Outcome::Answered(503),
            Outcome::NotAnswered,
            Outcome::Answered(500),
            Outcome::Answered(200)
        ]
    );

    proxy.on(|r| r.is("GET", "acl")).once(Fault::HalfAnswer);
    let half = once.get_bucket_acl().bucket(&bucket).send().await;
    assert!(half.is_err(), "{half:?}");
    let grants = patient
        .get_bucket_acl()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    assert_eq!(grants.grants().len(), 2, "{grants:?}");

    once.delete_bucket().bucket(&bucket).send().await.unwrap();
}
