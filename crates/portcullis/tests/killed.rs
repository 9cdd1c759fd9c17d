//! The guard is killed again and again, at random moments, while buckets are opened: no bucket stays
//! open, no notice is lost, no store is broken, and a mail is repeated only under its own Message-ID.
//!
//! `PORTCULLIS_TEST_KILLS` says how often it is killed; the numbers of a long run are in
//! docs/benchmarks.md.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use faults::Mailbox;
use guard::repository::{FindingFilter, Repository};
use guard::state::JobKind;
use sandbox::client::Client;
use sandbox::{Account, Config, NewBuckets, Sandbox};
use serde_json::json;
use support::{
    ACCOUNT, Folder, Serve, Setup, UNBOUNDED_ENFORCEMENT, cloudtrail_event, database, needed,
};
use tokio::sync::Mutex;

const BUCKETS: usize = 12;
const KEY: (&str, &str) = (
    "AKIDKILLEDKILLEDKILL",
    "a-secret-of-the-test-and-nothing-else",
);
const API_KEY: &str = "an-api-key-of-the-test-and-nothing-else-1234";

fn kills() -> usize {
    match std::env::var("PORTCULLIS_TEST_KILLS") {
        Ok(text) => text.parse().expect("PORTCULLIS_TEST_KILLS is a number"),
        Err(_) => 25,
    }
}

/// A store that enforces, whose changes are told to whichever worker listens, until one has stored them.
struct World {
    sandbox: Sandbox,
    client: Client,
    mailbox: Mailbox,
    intakes: Vec<u16>,
    setups: Vec<Setup>,
    store: String,
    _folder: Folder,
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl World {
    async fn new(store: Option<String>, workers: usize) -> World {
        let account = Account::new(ACCOUNT, "0a".repeat(32)).with_root(KEY.0, KEY.1);
        let sandbox = Sandbox::start(Config {
            new_buckets: NewBuckets::AclsInForce,
            ..Config::new(vec![account])
        })
        .await
        .unwrap();
        let client = Client::signed(&sandbox.endpoint(), KEY.0, KEY.1);
        for bucket in 0..BUCKETS {
            let made = client
                .send("PUT", &format!("/kill-{bucket}"), &[], "")
                .await;
            assert!(made.unwrap().status.is_success());
        }
        let mailbox = Mailbox::start().await.unwrap();
        let folder = Folder::new("killed");
        let file = folder.path().join("guard.db").display().to_string();
        let store = store.unwrap_or(file);
        let place = if store.starts_with("postgres") {
            "url = \"env:KILLED_DATABASE\"".to_owned()
        } else {
            format!("path = \"{store}\"")
        };
        let intakes: Vec<u16> = (0..workers).map(|_| free_port()).collect();
        let setups = intakes
            .iter()
            .enumerate()
            .map(|(index, port)| {
                let config = format!(
                    r#"
[store]
{place}

[[account]]
id = "{ACCOUNT}"
endpoint-url = "{}"
region = "us-east-1"
access-key-id = "{}"
secret-access-key = "env:KILLED_SECRET"

[intake]
listen = "127.0.0.1:{port}"
api-keys = ["env:KILLED_API_KEY"]

{UNBOUNDED_ENFORCEMENT}
[[subscription]]
protocol = "email"
endpoint = "owner@example.com"
confirmed = true

[mail]
server = "127.0.0.1"
port = {}
security = "none"
from = "guard@example.com"

[retries]
first = "1s"
longest = "2s"

[server]
listen = ""

[work]
name = "worker-{index}"
lease = "2s"

[log]
format = "json"
"#,
                    sandbox.endpoint(),
                    KEY.0,
                    mailbox.address().port(),
                );
                let one = Folder::new("killed-worker");
                let setup = Setup::new(
                    &one,
                    &config,
                    &[
                        ("KILLED_SECRET", KEY.1),
                        ("KILLED_API_KEY", API_KEY),
                        ("KILLED_DATABASE", &store),
                    ],
                );
                // The folder stays as long as the world's: it is beside it, and goes with the system's.
                std::mem::forget(one);
                setup
            })
            .collect();
        World {
            sandbox,
            client,
            mailbox,
            intakes,
            setups,
            store,
            _folder: folder,
        }
    }

    /// Opens or closes a bucket in one of four ways, and tells of it until somebody has stored it.
    async fn change(&self, bucket: usize, how: usize) {
        let name = format!("kill-{bucket}");
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": format!("arn:aws:s3:::{name}/*"),
        }]});
        let (event, sent) = match how {
            0 | 1 => (
                "PutBucketAcl",
                self.client
                    .send(
                        "PUT",
                        &format!("/{name}?acl"),
                        &[("x-amz-acl", "public-read")],
                        "",
                    )
                    .await,
            ),
            2 => (
                "PutBucketPolicy",
                self.client
                    .send("PUT", &format!("/{name}?policy"), &[], policy.to_string())
                    .await,
            ),
            _ => (
                "DeleteBucketPolicy",
                self.client
                    .send("DELETE", &format!("/{name}?policy"), &[], "")
                    .await,
            ),
        };
        let status = sent.unwrap().status;
        assert!(status.is_success(), "{event}: {status}");
        let told = cloudtrail_event(event, &name);
        // As EventBridge does: again and again until it is taken, here by whoever is up.
        let mut attempt = 0;
        loop {
            let port = self.intakes[attempt % self.intakes.len()];
            let intake = Client::anonymous(&format!("http://127.0.0.1:{port}"));
            let headers = [("x-api-key", API_KEY), ("content-type", "application/json")];
            match intake.send("POST", "/events", &headers, told.clone()).await {
                Ok(answer) if answer.status.is_success() => return,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
            attempt += 1;
            assert!(attempt < 20_000, "nobody takes events");
        }
    }

    async fn acl_is_public(&self, bucket: usize) -> bool {
        let acl = self
            .client
            .send("GET", &format!("/kill-{bucket}?acl"), &[], "")
            .await;
        acl.unwrap().text().contains("AllUsers")
    }

    async fn has_policy(&self, bucket: usize) -> bool {
        let policy = self
            .client
            .send("GET", &format!("/kill-{bucket}?policy"), &[], "")
            .await;
        policy.unwrap().status.is_success()
    }
}

async fn killed_and_killed(store: Option<String>, workers: usize) {
    let kills = kills();
    let world = Arc::new(World::new(store, workers).await);
    let mut running: Vec<Serve> = world.setups.iter().map(Setup::serve).collect();
    let over = Arc::new(AtomicBool::new(false));
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(7)));
    let changing = {
        let (world, over, random) = (Arc::clone(&world), Arc::clone(&over), Arc::clone(&random));
        tokio::spawn(async move {
            let mut changes = 0;
            while !over.load(Ordering::Relaxed) {
                let (bucket, how) = {
                    let mut random = random.lock().await;
                    (random.usize(..BUCKETS), random.usize(..4))
                };
                world.change(bucket, how).await;
                changes += 1;
            }
            changes
        })
    };
    for _ in 0..kills {
        // Not waiting for anything: the moment is to be any.
        let (wait, victim) = {
            let mut random = random.lock().await;
            (random.u64(30..400), random.usize(..workers))
        };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let new = world.setups[victim].serve();
        std::mem::replace(&mut running[victim], new).kill();
    }
    over.store(true, Ordering::Relaxed);
    let changes = changing.await.unwrap();
    // The store can be opened beside those who work on it.
    let store = store::Store::open(&world.store).await.unwrap();
    settled(&store).await;
    let mut stopped = Vec::new();
    for serve in running {
        stopped.push(serve.stop());
    }
    for (status, log) in &stopped {
        assert!(status.success(), "{log}");
    }
    check(&world, &store, kills, changes).await;
}

/// Waits until no bucket is to be looked at and no message to be sent, also by nobody who was killed:
/// another process tells of its work only through the store.
async fn settled(store: &store::Store) {
    for _ in 0..6_000 {
        let next = store
            .next_due(&[JobKind::Look, JobKind::Review, JobKind::Deliver])
            .await;
        // Full records of the buckets are spread over the hours to come.
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(1);
        if next.unwrap().is_none_or(|due| due > soon) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", store.totals().await.unwrap());
}

async fn check(world: &World, store: &store::Store, kills: usize, changes: usize) {
    let open = FindingFilter {
        states: vec!["open".to_owned()],
        limit: 1000,
        ..FindingFilter::default()
    };
    let open: BTreeSet<(String, String)> = store
        .findings(&open)
        .await
        .unwrap()
        .into_iter()
        .map(|finding| (finding.key.resource_id, finding.cause))
        .collect();
    let mut expected = BTreeSet::new();
    for bucket in 0..BUCKETS {
        assert!(
            !world.acl_is_public(bucket).await,
            "kill-{bucket} stays open"
        );
        if world.has_policy(bucket).await {
            expected.insert((format!("kill-{bucket}"), "policy".to_owned()));
        }
    }
    assert_eq!(open, expected, "what is open is what is recorded as open");
    assert_eq!(store.dead_letters(10).await.unwrap(), []);

    // Every notice reached the mailbox, each under one Message-ID.
    let first = jiff::Timestamp::MIN;
    let notices = store
        .notices(first, jiff::Timestamp::MAX, 1_000_000)
        .await
        .unwrap();
    let mut mails: BTreeMap<String, usize> = BTreeMap::new();
    for message in world.mailbox.messages().all() {
        *mails.entry(message.message_id().unwrap()).or_default() += 1;
    }
    let repeated: usize = mails.values().map(|count| count - 1).sum();
    assert_eq!(
        mails.len(),
        notices.len(),
        "one Message-ID a notice: none lost, none sent under two"
    );
    println!(
        "{kills} kills, {changes} changes, {} notices, {repeated} mails repeated",
        notices.len()
    );
    assert!(
        repeated <= kills,
        "{repeated} of {} mails repeated",
        mails.len()
    );
    let endpoint = world.sandbox.endpoint();
    assert_eq!(support::anonymous(&endpoint, "/kill-0"), 403);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn on_sqlite() {
    killed_and_killed(None, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL and aiosmtpd: run cargo xtask test"]
async fn three_workers_on_postgresql() {
    needed("PORTCULLIS_TEST_POSTGRES");
    let database = database().await;
    killed_and_killed(Some(database), 3).await;
}
