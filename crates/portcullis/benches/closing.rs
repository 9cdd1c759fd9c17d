//! How long after an event came its bucket is closed and verified, and how the guard does in a storm of
//! events.
//!
//! `cargo bench -p portcullis --bench closing` prints the tables of `docs/benchmarks.md`, section
//! "Guard". The store that is guarded is this process; the guard is the real executable on an SQLite
//! file, started as a user would, and its times are those that it records itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use guard::repository::{EventFilter, Repository};
use guard::state::{EventRecord, JobKind};
use sandbox::client::Client;
use sandbox::{Account, Config, NewBuckets, Sandbox};
use support::{ACCOUNT, Folder, Setup, UNBOUNDED_ENFORCEMENT, cloudtrail_event};
use tokio::task::JoinSet;

const CLOSINGS: usize = 300;
const STORM: usize = 10_000;
const KEY: (&str, &str) = (
    "AKIDBENCHBENCHBENCHB",
    "a-secret-of-the-benchmark-and-nothing-else",
);
const API_KEY: &str = "an-api-key-of-the-benchmark-and-nothing-else";

struct Scene {
    sandbox: Sandbox,
    client: Client,
    intake: Client,
}

impl Scene {
    async fn told(&self, event: &str, bucket: &str) {
        let headers = [("x-api-key", API_KEY), ("content-type", "application/json")];
        let answer = self
            .intake
            .send("POST", "/events", &headers, cloudtrail_event(event, bucket))
            .await
            .unwrap();
        assert!(answer.status.is_success(), "{}", answer.status);
    }

    async fn open(&self, bucket: &str) {
        let headers = [("x-amz-acl", "public-read")];
        let put = self
            .client
            .send("PUT", &format!("/{bucket}?acl"), &headers, "")
            .await;
        assert!(put.unwrap().status.is_success());
        self.told("PutBucketAcl", bucket).await;
    }
}

fn config(endpoint: &str, store: &str, intake: u16) -> String {
    format!(
        r#"
[store]
path = "{store}"

[[account]]
id = "{ACCOUNT}"
endpoint-url = "{endpoint}"
region = "us-east-1"
access-key-id = "{}"
secret-access-key = "env:BENCH_SECRET"

[intake]
listen = "127.0.0.1:{intake}"
api-keys = ["env:BENCH_API_KEY"]

{UNBOUNDED_ENFORCEMENT}
[server]
listen = ""

[log]
format = "json"
"#,
        KEY.0
    )
}

fn main() {
    tokio::runtime::Runtime::new().unwrap().block_on(run());
}

async fn run() {
    let account = Account::new(ACCOUNT, "0a".repeat(32)).with_root(KEY.0, KEY.1);
    let sandbox = Sandbox::start(Config {
        new_buckets: NewBuckets::AclsInForce,
        ..Config::new(vec![account])
    })
    .await
    .unwrap();
    let client = Client::signed(&sandbox.endpoint(), KEY.0, KEY.1);
    let made = client.send("PUT", "/bench-0", &[], "").await.unwrap();
    assert!(made.status.is_success());
    let folder = Folder::new("closing");
    let store = folder.path().join("guard.db").display().to_string();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let setup = Setup::new(
        &folder,
        &config(&sandbox.endpoint(), &store, port),
        &[("BENCH_SECRET", KEY.1), ("BENCH_API_KEY", API_KEY)],
    );
    let serve = setup.serve();
    serve.wait_for_log(&["swept"], 1);
    let scene = Scene {
        intake: Client::anonymous(&format!("http://127.0.0.1:{port}")),
        client,
        sandbox,
    };
    let kept = store::Store::open(&store).await.unwrap();
    closings(&scene, &kept).await;
    storm(scene, &kept).await;
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
}

async fn closings(scene: &Scene, kept: &store::Store) {
    let mut own = Vec::new();
    for _ in 0..CLOSINGS {
        let mut changes = scene.sandbox.changes();
        scene.open("bench-0").await;
        // Ours, and then the guard's.
        let mut seen = 0;
        while seen < 2 {
            let change = changes.recv().await.unwrap();
            seen += usize::from(change.operation == "PutBucketAcl");
        }
        let asked = Instant::now();
        let answer = scene.client.send("GET", "/bench-0?acl", &[], "").await;
        own.push(asked.elapsed());
        assert!(!answer.unwrap().text().contains("AllUsers"));
    }
    let events = recorded(kept, CLOSINGS).await;
    let after = |end: fn(&EventRecord) -> Option<jiff::Timestamp>| {
        events
            .iter()
            .map(|event| {
                let took = end(event).unwrap().duration_since(event.arrived_at);
                Duration::try_from(took).unwrap_or_default()
            })
            .collect::<Vec<_>>()
    };
    println!("{CLOSINGS} buckets opened one after the other, event by HTTPS intake, SQLite");
    println!("{:<44} {:>9} {:>9}", "", "p50", "p99");
    row(
        "event stored -> verdict committed",
        after(|event| event.verdict_at),
    );
    row(
        "event stored -> closed, verified, committed",
        after(|event| event.closed_at),
    );
    row("one request to the guarded store", own);
}

/// The events, when the guard has seen the end of each.
async fn recorded(kept: &store::Store, count: usize) -> Vec<EventRecord> {
    let filter = EventFilter {
        limit: u32::try_from(count).unwrap(),
        ..EventFilter::default()
    };
    loop {
        let events = kept.events(&filter).await.unwrap();
        if events.len() == count && events.iter().all(|event| event.closed_at.is_some()) {
            return events;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn row(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    let shown = |took: Duration| format!("{:.1} ms", took.as_secs_f64() * 1e3);
    println!("{what:<44} {:>9} {:>9}", shown(at(50)), shown(at(99)));
}

async fn storm(scene: Scene, kept: &store::Store) {
    let scene = std::sync::Arc::new(scene);
    let begun = Instant::now();
    let mut senders = JoinSet::new();
    for sender in 0..16 {
        let scene = std::sync::Arc::clone(&scene);
        senders.spawn(async move {
            for index in (sender..STORM).step_by(16) {
                // About buckets that are not there: as forged or late events are.
                let bucket = format!("storm-{}", index % 500);
                scene.told("PutBucketAcl", &bucket).await;
            }
        });
    }
    while senders.join_next().await.is_some() {}
    let taken = begun.elapsed();
    loop {
        let next = kept.next_due(&[JobKind::Look]).await.unwrap();
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(1);
        if next.is_none_or(|due| due > soon) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "\n{STORM} events about 500 buckets: all stored after {:.1} s, nothing left to do after {:.1} s",
        taken.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
}
