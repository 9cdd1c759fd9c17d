//! The ops log's reader against Ceph's gateway: what an operator does to a bucket arrives.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use compliance::event::read_ops_log;
use guard::clock::Clock;
use guard::intake::{EventSource, Form};
use intake::metrics::Metrics;
use intake::ops_log::{Nudge, OpsLogSettings, read};
use intake::sources::Sources;
use jiff::Timestamp;
use support::Sink;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

fn variable(name: &str) -> String {
    let value = std::env::var(name);
    assert!(value.is_ok(), "{name} is not set: run cargo xtask test");
    value.unwrap()
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let wait = at.duration_since(Timestamp::now());
        tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
    }
}

/// Asks for a bucket without a signature; a refusal is logged too.
struct Unsigned {
    address: String,
    bucket: String,
}

impl Nudge for Unsigned {
    async fn nudge(&self) -> bool {
        let Ok(mut socket) = TcpStream::connect(&self.address).await else {
            return false;
        };
        let request = format!(
            "HEAD /{} HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n",
            self.bucket, self.address
        );
        let mut answer = Vec::new();
        socket.write_all(request.as_bytes()).await.is_ok()
            && socket.read_to_end(&mut answer).await.is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Ceph RGW: run cargo xtask test"]
async fn what_is_done_to_a_bucket_arrives() {
    let endpoint = variable("PORTCULLIS_TEST_RGW");
    let path = variable("PORTCULLIS_TEST_RGW_OPS_LOG");
    let owner = variable("PORTCULLIS_TEST_RGW_OWNER");
    let client = variable("PORTCULLIS_TEST_AWS_CLI");
    let (access_key, secret_key) = owner.split_once(':').unwrap();
    let unique = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    let bucket = format!("ops-log-{unique}");
    let call = |arguments: &[&str]| {
        let done = Command::new(&client)
            .args([
                "--endpoint-url",
                &endpoint,
                "--region",
                "us-east-1",
                "s3api",
            ])
            .args(arguments)
            .args(["--bucket", &bucket])
            .env("AWS_ACCESS_KEY_ID", access_key)
            .env("AWS_SECRET_ACCESS_KEY", secret_key)
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    call(&["create-bucket"]);

    let sink = Arc::new(Sink::default());
    let sources = Sources::new(Metrics::new("0"));
    let source = EventSource {
        name: "gateway".to_owned(),
        form: Form::OpsLog,
        account: None,
    };
    let address = endpoint.trim_start_matches("http://").to_owned();
    let nudge = Unsigned {
        address,
        bucket: bucket.clone(),
    };
    let (stop, stopped) = watch::channel(false);
    let reading = tokio::spawn(read(
        OpsLogSettings::new(path),
        Arc::clone(&sink),
        sources.add(source, Timestamp::now()),
        Arc::new(SystemClock),
        Arc::new(nudge),
        stopped,
    ));
    // What is provoked arrives, so that what follows does.
    let ours = || -> Vec<String> {
        let log = sink.log();
        let events = log.iter().filter_map(|record| read_ops_log(record).ok());
        events
            .filter(|event| event.detail["bucket"] == bucket.as_str())
            .map(|event| event.name)
            .collect()
    };
    until("the first record", || !ours().is_empty()).await;
    assert!(sources.states()["gateway"].why.is_none());
    call(&["put-bucket-acl", "--acl", "public-read"]);
    call(&["delete-bucket"]);
    until("both changes", || {
        let ours = ours();
        ["put_acls", "delete_bucket"]
            .iter()
            .all(|name| ours.iter().any(|found| found == name))
    })
    .await;
    assert_eq!(sink.gaps.lock().unwrap().len(), 1);
    stop.send(true).unwrap();
    reading.await.unwrap();
}

/// Waits for the world outside of this process, which cannot be listened to.
async fn until(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), wait).await;
    assert!(in_time.is_ok(), "waited in vain for {what}");
}
