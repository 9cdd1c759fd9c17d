//! Against servers that somebody else wrote: events through a bus into a queue, topics, an account, its
//! volumes, and the parts of buckets as three stores answer them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws::{Credentials, Queue, ServiceEndpoints, Services, Store, connect_with_key};
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::types as s3;
use aws_smithy_http_client::Builder;
use compliance::event::{Concerns, read};
use guard::error::CallError;
use guard::pace::{Pace, PaceSettings};
use guard::ports::publish::{BusEntry, PublishTopic, PutEvents, TopicMessage};
use guard::ports::queue::{EventQueue, QueuedMessage};
use guard::ports::record::{BucketPart, RecordBuckets};
use guard::record::account::{root_sources, volume, volumes};
use serde_json::{Value, json};
use support::{bucket, config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REGION: &str = "eu-central-1";

fn needed(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: this test needs its server; run cargo xtask test")
    })
}

/// A name that nobody used before.
fn fresh(prefix: &str) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{prefix}-{:x}", since.as_nanos())
}

fn pace() -> Pace {
    Pace::new(PaceSettings::default(), 7)
}

/// The services at one endpoint, as the environment of a user would say.
fn services(endpoint: &str) -> (Arc<Services>, SdkConfig) {
    let config = config(Builder::new().build_http())
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(example_key()))
        .endpoint_url(endpoint)
        .build();
    let services = Services::new(config.clone(), ServiceEndpoints::default()).unwrap();
    (Arc::new(services), config)
}

/// A queue, its URL and its ARN.
async fn queue(services: &Arc<Services>, config: &SdkConfig) -> (Queue, String) {
    let client = aws_sdk_sqs::Client::new(config);
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*",
        "Principal": {"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}
    }]});
    let created = client
        .create_queue()
        .queue_name(fresh("events"))
        .attributes(
            aws_sdk_sqs::types::QueueAttributeName::Policy,
            policy.to_string(),
        )
        .send()
        .await
        .unwrap();
    let url = created.queue_url().unwrap().to_owned();
    let attributes = client
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(aws_sdk_sqs::types::QueueAttributeName::QueueArn)
        .send()
        .await
        .unwrap();
    let arn =
        attributes.attributes().unwrap()[&aws_sdk_sqs::types::QueueAttributeName::QueueArn].clone();
    (Queue::at(Arc::clone(services), &url).unwrap(), arn)
}

/// The next message; the queue itself waits for it.
async fn next(queue: &Queue) -> QueuedMessage {
    let mut received = queue.receive(10, Duration::from_secs(20)).await.unwrap();
    assert_eq!(received.len(), 1, "{received:?}");
    received.remove(0)
}

async fn events_through_a_bus(endpoint: &str) {
    let (services, config) = services(endpoint);
    let (queue, arn) = queue(&services, &config).await;
    let bus = aws_sdk_eventbridge::Client::new(&config);
    let rule = fresh("to-the-guard");
    // `aws.s3` is AWS's own source; an emulator takes it from anybody.
    let pattern = json!({"detail-type": ["AWS API Call via CloudTrail"], "source": ["test.s3"]});
    bus.put_rule()
        .name(&rule)
        .event_pattern(pattern.to_string())
        .send()
        .await
        .unwrap();
    let target = aws_sdk_eventbridge::types::Target::builder()
        .id("queue")
        .arn(arn)
        .build()
        .unwrap();
    bus.put_targets()
        .rule(&rule)
        .targets(target)
        .send()
        .await
        .unwrap();
    let detail = json!({
        "eventVersion": "1.09", "eventSource": "s3.amazonaws.com", "eventName": "PutBucketAcl",
        "eventTime": "2026-01-01T00:00:00Z", "eventID": "0f1c4c7c-0001", "awsRegion": REGION,
        "requestParameters": {"bucketName": "backups"}
    });
    let entry = BusEntry {
        bus: None,
        source: "test.s3".to_owned(),
        detail_type: "AWS API Call via CloudTrail".to_owned(),
        detail: detail.to_string(),
        resources: Vec::new(),
        time: None,
    };
    let ids = services.put_events(REGION, &[entry]).await.unwrap();
    assert_eq!(ids.len(), 1);

    let message = next(&queue).await;
    assert!(message.sent_at.is_some());
    let arrived = read(&message.body);
    assert_eq!(arrived.rejected, []);
    assert_eq!(arrived.events[0].id, "0f1c4c7c-0001");
    assert_eq!(
        arrived.events[0].concerns,
        Concerns::Bucket("backups".to_owned())
    );
    // Shown again at once, it comes again; deleted, it does not.
    queue
        .extend(&message.receipt, Duration::ZERO)
        .await
        .unwrap();
    let again = next(&queue).await;
    assert_eq!(again.message_id, message.message_id);
    assert_eq!(again.receive_count, 2);
    queue.delete(&again.receipt).await.unwrap();
    queue.extend(&again.receipt, Duration::ZERO).await.ok();
    assert_eq!(
        queue.receive(10, Duration::from_secs(1)).await,
        Ok(Vec::new())
    );
}

#[tokio::test]
#[ignore = "needs moto: run cargo xtask test"]
async fn moto_takes_events_through_a_bus_into_a_queue() {
    events_through_a_bus(&needed("PORTCULLIS_TEST_MOTO")).await;
}

#[tokio::test]
#[ignore = "needs MiniStack: run cargo xtask test"]
async fn ministack_takes_events_through_a_bus_into_a_queue() {
    events_through_a_bus(&needed("PORTCULLIS_TEST_MINISTACK")).await;
}

async fn a_topic_into_a_queue(endpoint: &str) {
    let (services, config) = services(endpoint);
    let (queue, arn) = queue(&services, &config).await;
    let client = aws_sdk_sns::Client::new(&config);
    let created = client
        .create_topic()
        .name(fresh("alerts"))
        .send()
        .await
        .unwrap();
    let topic = created.topic_arn().unwrap().to_owned();
    client
        .subscribe()
        .topic_arn(&topic)
        .protocol("sqs")
        .endpoint(arn)
        .send()
        .await
        .unwrap();
    let message = TopicMessage {
        topic: topic.clone(),
        subject: Some("open".to_owned()),
        message: "the bucket ü is open".to_owned(),
        attributes: BTreeMap::from([("bucket".to_owned(), "backups".to_owned())]),
        ..TopicMessage::default()
    };
    let id = services.publish(&message).await.unwrap();
    let notified: Value = serde_json::from_str(&next(&queue).await.body).unwrap();
    assert_eq!(notified["Message"], "the bucket ü is open");
    assert_eq!(notified["Subject"], "open");
    assert_eq!(notified["MessageId"], id);

    let nowhere = TopicMessage {
        topic: format!("{topic}-that-is-not-there"),
        ..message
    };
    let refused = services.publish(&nowhere).await;
    assert!(
        matches!(refused, Err(CallError::Failed { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
#[ignore = "needs moto: run cargo xtask test"]
async fn moto_takes_a_topic_into_a_queue() {
    a_topic_into_a_queue(&needed("PORTCULLIS_TEST_MOTO")).await;
}

#[tokio::test]
#[ignore = "needs MiniStack: run cargo xtask test"]
async fn ministack_takes_a_topic_into_a_queue() {
    a_topic_into_a_queue(&needed("PORTCULLIS_TEST_MINISTACK")).await;
}

#[tokio::test]
#[ignore = "needs moto: run cargo xtask test"]
async fn moto_tells_of_an_account() {
    let endpoint = needed("PORTCULLIS_TEST_MOTO");
    // An account of this test's own, with a root user whose sources contradict each other.
    let account = "777788889999";
    let root = json!({
        "summary": {"AccountMFAEnabled": 1},
        "report": {"mfa_active": "false", "access_key_1_active": "true"},
        "virtual_mfa": true
    });
    put(
        &endpoint,
        &format!("/portcullis-tests/root-user/{account}"),
        &root,
    )
    .await;
    let config = services(&endpoint)
        .1
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials_of(
            &endpoint, account,
        )))
        .build();
    let services = Services::new(config, ServiceEndpoints::default()).unwrap();
    let sources = root_sources(&services, &pace()).await.unwrap();
    let summary = sources.summary.present().unwrap();
    assert_eq!(summary["AccountMFAEnabled"], 1);
    let report = sources.report.present().unwrap();
    assert!(report.generated.is_some());
    let line = |start: &str| {
        let found = report.text.lines().find(|line| line.starts_with(start));
        found.unwrap().split(',').collect::<Vec<_>>()
    };
    let (columns, row) = (line("user,"), line("<root_account>,"));
    let told = |name: &str| row[columns.iter().position(|column| *column == name).unwrap()];
    assert_eq!(told("mfa_active"), "false");
    assert_eq!(told("password_enabled"), "true");
    assert_eq!(told("access_key_1_active"), "true");
    let devices = sources.virtual_devices.present().unwrap();
    let of_root = devices.iter().filter(|device| {
        device.user_arn.as_deref() == Some(&format!("arn:aws:iam::{account}:root"))
    });
    assert_eq!(of_root.count(), 1, "{devices:?}");
}

/// Credentials of another account: moto gives whoever assumes a role there a key of that account.
fn credentials_of(endpoint: &str, account: &str) -> Credentials {
    let role = format!("arn:aws:iam::{account}:role/reader");
    let assumed = cli(
        endpoint,
        &[
            "sts",
            "assume-role",
            "--role-arn",
            &role,
            "--role-session-name",
            "test",
        ],
    );
    let member = |name: &str| assumed["Credentials"][name].as_str().unwrap().to_owned();
    Credentials::new(
        member("AccessKeyId"),
        member("SecretAccessKey"),
        Some(member("SessionToken")),
        None,
        "tests",
    )
}

/// One `PUT` of a JSON document over plain HTTP.
async fn put(endpoint: &str, path: &str, document: &Value) {
    let host = endpoint.strip_prefix("http://").unwrap();
    let body = document.to_string();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "PUT {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

/// One call of the AWS CLI.
fn cli(endpoint: &str, arguments: &[&str]) -> Value {
    let output = Command::new(needed("PORTCULLIS_TEST_AWS_CLI"))
        .args([
            "--endpoint-url",
            endpoint,
            "--region",
            REGION,
            "--output",
            "json",
        ])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs moto: run cargo xtask test"]
async fn moto_tells_of_volumes() {
    let endpoint = needed("PORTCULLIS_TEST_MOTO");
    let made = |encryption: &str| {
        let created = cli(
            &endpoint,
            &[
                "ec2",
                "create-volume",
                "--availability-zone",
                "eu-central-1a",
                "--size",
                "8",
                encryption,
                "--tag-specifications",
                "ResourceType=volume,Tags=[{Key=team,Value=web}]",
            ],
        );
        created["VolumeId"].as_str().unwrap().to_owned()
    };
    let (plain, encrypted) = (made("--no-encrypted"), made("--encrypted"));
    let (services, _) = services(&endpoint);
    let listed = volumes(&*services, &pace(), REGION).await.unwrap();
    let of = |id: &str| listed.iter().find(|volume| volume.id == id).unwrap();
    assert!(!of(&plain).encrypted && of(&encrypted).encrypted);
    assert_eq!(of(&plain).size, Some(8));
    assert_eq!(of(&plain).state, "available");
    assert_eq!(of(&plain).tags["team"], "web");
    let one = volume(&*services, &pace(), REGION, &encrypted)
        .await
        .unwrap();
    assert_eq!(one.as_ref(), Some(of(&encrypted)));
    let none = volume(&*services, &pace(), REGION, "vol-00000000").await;
    assert_eq!(none, Ok(None));
}

/// A bucket at this endpoint, with whatever of its parts the store lets be set.
async fn a_configured_bucket(endpoint: &str, key: &Credentials) -> (Store, String) {
    let config = config(Builder::new().build_http())
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(key.clone()))
        .build();
    let client = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&config)
            .endpoint_url(endpoint)
            .force_path_style(true)
            .build(),
    );
    let name = fresh("parts");
    client
        .create_bucket()
        .bucket(&name)
        .create_bucket_configuration(
            s3::CreateBucketConfiguration::builder()
                .location_constraint(s3::BucketLocationConstraint::from(REGION))
                .build(),
        )
        .send()
        .await
        .ok();
    // Ceph knows its own placements only.
    client.create_bucket().bucket(&name).send().await.ok();
    client.head_bucket().bucket(&name).send().await.unwrap();
    client
        .put_bucket_versioning()
        .bucket(&name)
        .versioning_configuration(
            s3::VersioningConfiguration::builder()
                .status(s3::BucketVersioningStatus::Enabled)
                .build(),
        )
        .send()
        .await
        .unwrap();
    let tag = s3::Tag::builder()
        .key("team")
        .value("web & co")
        .build()
        .unwrap();
    client
        .put_bucket_tagging()
        .bucket(&name)
        .tagging(s3::Tagging::builder().tag_set(tag).build().unwrap())
        .send()
        .await
        .unwrap();
    let rule = s3::LifecycleRule::builder()
        .id("old")
        .filter(s3::LifecycleRuleFilter::builder().prefix("logs/").build())
        .status(s3::ExpirationStatus::Enabled)
        .expiration(s3::LifecycleExpiration::builder().days(90).build())
        .build()
        .unwrap();
    client
        .put_bucket_lifecycle_configuration()
        .bucket(&name)
        .lifecycle_configuration(
            s3::BucketLifecycleConfiguration::builder()
                .rules(rule)
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    let rule = s3::CorsRule::builder()
        .allowed_methods("GET")
        .allowed_origins("https://example.org")
        .build()
        .unwrap();
    client
        .put_bucket_cors()
        .bucket(&name)
        .cors_configuration(
            s3::CorsConfiguration::builder()
                .cors_rules(rule)
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    let store = connect_with_key(endpoint, REGION, key.clone(), None, &pace())
        .await
        .unwrap();
    (store, name)
}

/// Every part, and what became of it.
async fn parts_at(
    endpoint: &str,
    key: &Credentials,
) -> BTreeMap<BucketPart, Result<Option<Value>, CallError>> {
    let (store, name) = a_configured_bucket(endpoint, key).await;
    let at = bucket(&name);
    let mut parts = BTreeMap::new();
    for part in BucketPart::ALL {
        parts.insert(part, store.part(&at, part).await);
    }
    let present = |part| parts[&part].clone().unwrap().unwrap();
    assert_eq!(
        present(BucketPart::Tags),
        json!({"tagSets": [{"tags": {"team": "web & co"}}]})
    );
    assert_eq!(present(BucketPart::Versioning)["status"], "Enabled");
    let lifecycle = &present(BucketPart::Lifecycle)["rules"][0];
    assert_eq!(lifecycle["id"], "old");
    assert_eq!(lifecycle["expirationInDays"], 90);
    assert_eq!(
        lifecycle["filter"]["predicate"],
        json!({"type": "LifecyclePrefixPredicate", "prefix": "logs/"})
    );
    assert_eq!(
        present(BucketPart::Cors)["rules"][0]["allowedOrigins"],
        json!(["https://example.org"])
    );
    parts
}

/// Which parts the store says that it does not have; every other one was read.
fn not_offered(
    parts: &BTreeMap<BucketPart, Result<Option<Value>, CallError>>,
) -> BTreeSet<BucketPart> {
    parts
        .iter()
        .filter_map(|(part, read)| match read {
            Ok(_) => None,
            Err(CallError::Unsupported { .. }) => Some(*part),
            Err(error) => unreachable!("{part:?}: {error}"),
        })
        .collect()
}

fn example_key() -> Credentials {
    Credentials::new("123456789012", "not-a-secret", None, None, "tests")
}

#[tokio::test]
#[ignore = "needs moto: run cargo xtask test"]
async fn motos_buckets_part_by_part() {
    let parts = parts_at(&needed("PORTCULLIS_TEST_MOTO"), &example_key()).await;
    // It answers that with the listing of the bucket.
    assert_eq!(
        not_offered(&parts),
        BTreeSet::from([BucketPart::RequestPayment])
    );
}

#[tokio::test]
#[ignore = "needs MiniStack: run cargo xtask test"]
async fn ministacks_buckets_part_by_part() {
    let parts = parts_at(&needed("PORTCULLIS_TEST_MINISTACK"), &example_key()).await;
    assert_eq!(
        not_offered(&parts),
        BTreeSet::from([BucketPart::RequestPayment])
    );
}

#[tokio::test]
#[ignore = "needs Ceph's gateway: run cargo xtask test"]
async fn cephs_buckets_part_by_part() {
    let owner = needed("PORTCULLIS_TEST_RGW_OWNER");
    let (id, secret) = owner
        .split_once(':')
        .expect("an access key, a colon and a secret");
    let key = Credentials::new(id, secret, None, None, "tests");
    let parts = parts_at(&needed("PORTCULLIS_TEST_RGW"), &key).await;
    // Release 16.2 answers these with the listing of the bucket, and websites with 405.
    assert_eq!(
        not_offered(&parts),
        BTreeSet::from([
            BucketPart::Website,
            BucketPart::Encryption,
            BucketPart::Notification,
            BucketPart::Acceleration
        ])
    );
    assert_eq!(parts[&BucketPart::Replication], Ok(None));
}
