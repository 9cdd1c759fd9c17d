//! A store that enforces, whose changes are told to whichever worker listens, until one has stored them;
//! a mailbox; and workers, each process of which sends under an address of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use faults::{Mailbox, Message};
use sandbox::client::Client;
use sandbox::{Account, Config, NewBuckets, Sandbox};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::{ACCOUNT, Folder, Serve, Setup, UNBOUNDED_ENFORCEMENT, cloudtrail_event};

pub(crate) const BUCKETS: usize = 24;
/// Messages that one process sends at the same time.
pub(crate) const DELIVERIES: usize = 4;
const KEY: (&str, &str) = (
    "AKIDKILLEDKILLEDKILL",
    "a-secret-of-the-test-and-nothing-else",
);
const API_KEY: &str = "an-api-key-of-the-test-and-nothing-else-1234";

/// What happens around the guard.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    client: Client,
    pub(crate) mailbox: Mailbox,
    intakes: Vec<u16>,
    /// How many changes somebody has stored.
    pub(crate) told: watch::Sender<u64>,
}

pub(crate) struct World {
    pub(crate) stage: Arc<Stage>,
    /// Where the guard's store is.
    pub(crate) store: String,
    workers: Vec<Worker>,
    /// Every process that was killed.
    fallen: Vec<Process>,
    folder: Folder,
}

struct Worker {
    process: usize,
    setup: Setup,
    running: Serve,
}

/// One process of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) worker: usize,
    pub(crate) number: usize,
}

impl Process {
    /// Who sent this mail.
    pub(crate) fn of(message: &Message) -> Process {
        let own = message
            .from
            .strip_prefix("guard+")
            .and_then(|rest| rest.strip_suffix("@example.com"));
        let (worker, number) = own.unwrap().split_once('.').unwrap();
        Process {
            worker: worker.parse().unwrap(),
            number: number.parse().unwrap(),
        }
    }

    fn address(self) -> String {
        format!("guard+{}.{}@example.com", self.worker, self.number)
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl World {
    pub(crate) async fn new(store: Option<String>, workers: usize) -> World {
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
        let folder = Folder::new("killed");
        let file = folder.path().join("guard.db").display().to_string();
        let stage = Stage {
            sandbox,
            client,
            mailbox: Mailbox::start().await.unwrap(),
            intakes: (0..workers).map(|_| free_port()).collect(),
            told: watch::Sender::new(0),
        };
        let mut world = World {
            stage: Arc::new(stage),
            store: store.unwrap_or(file),
            workers: Vec::new(),
            fallen: Vec::new(),
            folder,
        };
        for worker in 0..workers {
            let first = world.start(Process { worker, number: 0 });
            world.workers.push(first);
        }
        world
    }

    fn start(&self, process: Process) -> Worker {
        let place = if self.store.starts_with("postgres") {
            "url = \"env:KILLED_DATABASE\"".to_owned()
        } else {
            format!("path = \"{}\"", self.store)
        };
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
listen = "127.0.0.1:{}"
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
from = "{}"

[retries]
first = "1s"
longest = "2s"

[server]
listen = ""

[work]
name = "worker-{}-{}"
lease = "3s"
deliveries = {DELIVERIES}

[log]
format = "json"
"#,
            self.stage.sandbox.endpoint(),
            KEY.0,
            self.stage.intakes[process.worker],
            self.stage.mailbox.address().port(),
            process.address(),
            process.worker,
            process.number,
        );
        let mut setup = Setup::new(
            &self.folder,
            &config,
            &[
                ("KILLED_SECRET", KEY.1),
                ("KILLED_API_KEY", API_KEY),
                ("KILLED_DATABASE", &self.store),
            ],
        );
        // The next one writes its own.
        let own = format!("{}-{}.toml", process.worker, process.number);
        let own = self.folder.path().join(own);
        std::fs::rename(&setup.config, &own).unwrap();
        setup.config = own;
        Worker {
            process: process.number,
            running: setup.serve(),
            setup,
        }
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Whether this process runs.
    pub(crate) fn runs(&self, process: Process) -> bool {
        self.workers[process.worker].process == process.number
    }

    /// `kill -9`, and another process in its place.
    pub(crate) fn kill(&mut self, worker: usize) {
        let old = Process {
            worker,
            number: self.workers[worker].process,
        };
        let own = self.workers.remove(worker);
        own.running.kill();
        self.fallen.push(old);
        let next = self.start(Process {
            worker,
            number: old.number + 1,
        });
        self.workers.insert(worker, next);
    }

    /// Asks all that run to stop; returns all that were killed before.
    pub(crate) fn stop(&mut self) -> Vec<Process> {
        for worker in self.workers.drain(..) {
            let (status, log) = worker.running.stop();
            assert!(status.success(), "{log}");
        }
        std::mem::take(&mut self.fallen)
    }

    /// A configuration, for other commands.
    pub(crate) fn setup(&self) -> Setup {
        match self.workers.first() {
            Some(worker) => worker.setup.clone(),
            None => Setup {
                config: self.folder.path().join("0-0.toml"),
                environment: vec![
                    ("KILLED_SECRET".to_owned(), KEY.1.to_owned()),
                    ("KILLED_API_KEY".to_owned(), API_KEY.to_owned()),
                    ("KILLED_DATABASE".to_owned(), self.store.clone()),
                ],
            },
        }
    }
}

impl Stage {
    /// Opens or closes a bucket in one of four ways, and tells of it until somebody has stored it.
    async fn change(&self, bucket: usize, how: usize) {
        let name = format!("kill-{bucket}");
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": format!("arn:aws:s3:::{name}/*"),
        }]});
        let acl = [("x-amz-acl", "public-read")];
        let (event, method, path, headers, body): (_, _, _, &[_], _) = match how {
            0 | 1 => ("PutBucketAcl", "PUT", "acl", &acl, String::new()),
            2 => ("PutBucketPolicy", "PUT", "policy", &[], policy.to_string()),
            _ => ("DeleteBucketPolicy", "DELETE", "policy", &[], String::new()),
        };
        let path = format!("/{name}?{path}");
        let sent = self.client.send(method, &path, headers, body).await;
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
                Ok(answer) if answer.status.is_success() => break,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
            attempt += 1;
            assert!(attempt < 20_000, "nobody takes events");
        }
        self.told.send_modify(|told| *told += 1);
    }

    pub(crate) async fn acl_is_public(&self, bucket: usize) -> bool {
        let path = format!("/kill-{bucket}?acl");
        let acl = self.client.send("GET", &path, &[], "").await;
        acl.unwrap().text().contains("AllUsers")
    }

    pub(crate) async fn has_policy(&self, bucket: usize) -> bool {
        let path = format!("/kill-{bucket}?policy");
        let policy = self.client.send("GET", &path, &[], "").await;
        policy.unwrap().status.is_success()
    }
}

/// Somebody who changes buckets, sometimes one after the other, sometimes with pauses.
pub(crate) struct Changing {
    over: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

pub(crate) fn change_buckets(stage: Arc<Stage>, seed: u64) -> Changing {
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    let task = tokio::spawn(async move {
        let mut random = fastrand::Rng::with_seed(seed);
        while !told.load(Ordering::Relaxed) {
            stage
                .change(random.usize(..BUCKETS), random.usize(..4))
                .await;
            if random.usize(..3) > 0 {
                // Not waiting for anything: the moment is to be any.
                tokio::time::sleep(Duration::from_millis(random.u64(..120))).await;
            }
        }
        *stage.told.borrow()
    });
    Changing { over, task }
}

impl Changing {
    /// Ends it, and says how many changes there were.
    pub(crate) async fn stop(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}
