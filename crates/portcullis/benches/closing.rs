//! How long after an event came its bucket is closed and verified, and how the guard does in a storm of
//! changes.
//!
//! `cargo bench -p portcullis --bench closing` prints the tables of `docs/benchmarks.md`, section
//! "Guard". The store that is guarded is this process; the guard is the real executable on an SQLite
//! file, started as a user would, and its times are those that it records itself, beside what is seen
//! from outside. Everything is on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use guard::repository::{EventFilter, Repository};
use guard::state::{EventRecord, JobKind};
use jiff::{SignedDuration, Timestamp};
use sandbox::client::Client;
use sandbox::{Account, Config, NewBuckets, Sandbox};
use support::{ACCOUNT, Folder, Serve, Setup, cloudtrail_event};
use tokio::task::JoinSet;

/// The buckets that are opened and closed.
const BUCKETS: usize = 500;
/// Those that are opened one after the other.
const CLOSINGS: usize = 300;
const STORM: usize = 10_000;
const STORM_TAKES: Duration = Duration::from_secs(60);
const SENDERS: usize = 16;
/// The guard does not take so long, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(180);
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

/// How a bucket is opened.
#[derive(Clone, Copy)]
enum By {
    Acl,
    Policy,
}

impl Scene {
    /// Opens a bucket to everyone, as its owner can.
    async fn open(&self, bucket: &str, by: By) {
        let put = match by {
            By::Acl => {
                let headers = [("x-amz-acl", "public-read")];
                let target = format!("/{bucket}?acl");
                self.client.send("PUT", &target, &headers, "").await
            }
            By::Policy => {
                let policy = format!(
                    r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Everyone","Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::{bucket}"}}]}}"#
                );
                let target = format!("/{bucket}?policy");
                self.client.send("PUT", &target, &[], policy).await
            }
        };
        let status = put.unwrap().status;
        assert!(status.is_success(), "{status}");
    }

    /// Tells the guard of it, until the event is stored.
    async fn tell(&self, bucket: &str, by: By) {
        let name = match by {
            By::Acl => "PutBucketAcl",
            By::Policy => "PutBucketPolicy",
        };
        let headers = [("x-api-key", API_KEY), ("content-type", "application/json")];
        let answer = self
            .intake
            .send("POST", "/events", &headers, cloudtrail_event(name, bucket))
            .await
            .unwrap();
        assert!(answer.status.is_success(), "{}", answer.status);
    }

    /// The buckets that strangers get into.
    async fn open_buckets(&self) -> Vec<String> {
        let anonymous = Client::anonymous(&self.sandbox.endpoint());
        let mut open = Vec::new();
        for index in 0..BUCKETS {
            let name = name(index);
            let answer = anonymous.send("GET", &format!("/{name}"), &[], "").await;
            if answer.unwrap().status.is_success() {
                open.push(name);
            }
        }
        open
    }
}

fn name(index: usize) -> String {
    format!("bench-{index:03}")
}

/// Enforcement everywhere, also of policies, without the bounds that so many openings run into.
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

[recorder]
# Everything is recorded once: the next round, spread over half a year, is out of the way.
record-interval = "8760h"

[intake]
listen = "127.0.0.1:{intake}"
api-keys = ["env:BENCH_API_KEY"]

[enforcement.breaker]
buckets-per-hour = 1000000
share = 1.0

[enforcement.loop-guard]
times = 1000000
within = "1h"

[[enforcement.scope]]
name = "everything"
enabled = true
policy = "remove-statement"

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
    for index in 0..BUCKETS {
        let target = format!("/{}", name(index));
        let made = client.send("PUT", &target, &[], "").await.unwrap();
        assert!(made.status.is_success());
    }
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
    let scene = Arc::new(Scene {
        intake: Client::anonymous(&format!("http://127.0.0.1:{port}")),
        client,
        sandbox,
    });
    let kept = store::Store::open(&store).await.unwrap();
    at_rest(&kept).await;
    eprintln!("{BUCKETS} buckets are recorded; opening {CLOSINGS} of them, one after the other");
    closings(&scene, &kept).await;
    storm(&scene, &kept, &serve).await;
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
}

/// Waits until no look is due or under way.
async fn at_rest(kept: &store::Store) {
    let begun = Instant::now();
    loop {
        let next = kept
            .next_due(&[JobKind::Look, JobKind::Review])
            .await
            .unwrap();
        // A look that somebody is at is due when its lease ends, in seconds.
        let soon = Timestamp::now() + SignedDuration::from_secs(15);
        if next.is_none_or(|due| due > soon) {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "looks are still due at {next:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn closings(scene: &Scene, kept: &store::Store) {
    let since = Timestamp::now();
    let (mut outside, mut own) = (Vec::new(), Vec::new());
    for index in 0..CLOSINGS {
        let name = name(index);
        let mut changes = scene.sandbox.changes();
        scene.open(&name, By::Acl).await;
        let opened = changes.recv().await.unwrap();
        assert_eq!(opened.operation, "PutBucketAcl");
        let told = Instant::now();
        scene.tell(&name, By::Acl).await;
        // The guard's own.
        while changes.recv().await.unwrap().operation != "PutBucketAcl" {}
        outside.push(told.elapsed());
        at_rest(kept).await;
        let asked = Instant::now();
        let target = format!("/{name}?acl");
        let answer = scene.client.send("GET", &target, &[], "").await.unwrap();
        own.push(asked.elapsed());
        assert!(!answer.text().contains("AllUsers"));
    }
    let events = recorded(kept, since, CLOSINGS).await;
    println!("\n{CLOSINGS} buckets opened one after the other, each told by the HTTPS intake\n");
    header();
    row(
        "event received → verdict",
        after(&events, |e| e.verdict_at.unwrap()),
    );
    row(
        "event received → closed and verified",
        after(&events, |e| e.closed_at.unwrap()),
    );
    row("event sent → closed, as seen from outside", outside);
    row("one request to the guarded store", own);
}

/// The events that came since then; all of them are done with.
async fn recorded(kept: &store::Store, since: Timestamp, count: usize) -> Vec<EventRecord> {
    let filter = EventFilter {
        since: Some(since),
        limit: u32::MAX,
        ..EventFilter::default()
    };
    let events = kept.events(&filter).await.unwrap();
    assert_eq!(events.len(), count, "events were lost");
    let undone = |event: &&EventRecord| event.verdict_at.is_none() || event.closed_at.is_none();
    let left = events.iter().filter(undone).count();
    assert_eq!(left, 0, "events whose end nobody saw");
    events
}

fn after(events: &[EventRecord], end: fn(&EventRecord) -> Timestamp) -> Vec<Duration> {
    let took = |event: &EventRecord| end(event).duration_since(event.arrived_at);
    let took = events.iter().map(took);
    took.map(|took| Duration::try_from(took).unwrap_or_default())
        .collect()
}

fn header() {
    println!("| what | p50 | p99 | worst |");
    println!("|---|---|---|---|");
}

fn row(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    let shown = |took: Duration| match took.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    };
    println!(
        "| {what} | {} | {} | {} |",
        shown(at(50)),
        shown(at(99)),
        shown(at(100))
    );
}

/// The same buckets, opened again and again by many at once, whatever the guard is just doing.
async fn storm(scene: &Arc<Scene>, kept: &store::Store, serve: &Serve) {
    let quiet = serve.memory().resident_kib;
    eprintln!("a storm of {STORM} changes begins");
    let since = Timestamp::now();
    let begun = tokio::time::Instant::now();
    let sent = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let (scene, sent) = (Arc::clone(scene), Arc::clone(&sent));
        senders.spawn(async move {
            for index in (sender..STORM).step_by(SENDERS) {
                let due = STORM_TAKES.mul_f64(index as f64 / STORM as f64);
                tokio::time::sleep_until(begun + due).await;
                // 7 and 500 have no common factor: each round meets every bucket, in another order.
                let (round, at) = (index / BUCKETS, index % BUCKETS);
                let name = name(at * 7 % BUCKETS);
                let by = if (round + at).is_multiple_of(2) {
                    By::Acl
                } else {
                    By::Policy
                };
                scene.open(&name, by).await;
                scene.tell(&name, by).await;
                let sent = sent.fetch_add(1, Ordering::Relaxed) + 1;
                if sent.is_multiple_of(2000) {
                    eprintln!("{sent} sent after {:.1} s", begun.elapsed().as_secs_f64());
                }
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    let taken = begun.elapsed().as_secs_f64();
    at_rest(kept).await;
    let ended = begun.elapsed().as_secs_f64();
    let events = recorded(kept, since, STORM).await;
    let open = scene.open_buckets().await;
    assert!(open.is_empty(), "still open: {open:?}");
    let memory = serve.memory();
    println!(
        "\nA storm: {STORM} changes of {BUCKETS} buckets, by ACL and by policy, each told, all stored after {taken:.1} s"
    );
    println!(
        "and all closed after {ended:.1} s; 0 buckets open, 0 events lost. Peak memory of the guard {:.1} MiB",
        memory.peak_kib as f64 / 1024.0
    );
    println!("({:.1} MiB before the storm).\n", quiet as f64 / 1024.0);
    header();
    row(
        "event received → verdict",
        after(&events, |e| e.verdict_at.unwrap()),
    );
    row(
        "event received → closed and verified",
        after(&events, |e| e.closed_at.unwrap()),
    );
}
