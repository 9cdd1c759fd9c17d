//! The guard's own store is away for a while: full, gone, or there without an answer. Meanwhile nothing
//! is written to a bucket that could not be recorded, and it is said that nothing can be; afterwards the
//! same process goes on, and what changed meanwhile is found, closed and told of once.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use faults::{ConnectionFault, Fault, FaultProxy, Gate, Mailbox, Moment, Request, TcpProxy};
use sandbox::client::Client;
use sandbox::{Account, Config, NewBuckets, Sandbox};
use support::{
    ACCOUNT, Folder, Serve, Setup, UNBOUNDED_ENFORCEMENT, anonymous, cloudtrail_event, database,
    fetch, free_port,
};

const READ: &str = "s3-bucket-public-read-prohibited";
const KEY: (&str, &str) = ("AKIDDATABASEDATABASE", "a-secret-of-the-test-and-no-other");
const API_KEY: &str = "an-api-key-of-the-test-and-nothing-else-9012";
/// Opened while the store is away.
const MEANWHILE: &str = "opened-meanwhile";
/// Being looked at when it goes away.
const UNDER_WAY: &str = "a-look-under-way";

struct World {
    sandbox: Sandbox,
    owner: Client,
    proxy: FaultProxy,
    mailbox: Mailbox,
    setup: Setup,
    intake: u16,
    private: String,
    _folder: Folder,
}

impl World {
    /// `store`: the section of the configuration; `url`: what it reads from the environment.
    async fn new(store: &str, url: &str) -> World {
        let account = Account::new(ACCOUNT, "0a".repeat(32)).with_root(KEY.0, KEY.1);
        let sandbox = Sandbox::start(Config {
            new_buckets: NewBuckets::AclsInForce,
            ..Config::new(vec![account])
        })
        .await
        .unwrap();
        let owner = Client::signed(&sandbox.endpoint(), KEY.0, KEY.1);
        for bucket in [MEANWHILE, UNDER_WAY] {
            let made = owner.send("PUT", &format!("/{bucket}"), &[], "").await;
            assert!(made.unwrap().status.is_success());
        }
        let proxy = FaultProxy::start(&sandbox.endpoint()).await.unwrap();
        let mailbox = Mailbox::start().await.unwrap();
        let (intake, private) = (free_port(), free_port());
        let folder = Folder::new("database");
        let config = format!(
            r#"
[store]
{store}

[[account]]
id = "{ACCOUNT}"
endpoint-url = "{}"
region = "us-east-1"
access-key-id = "{}"
secret-access-key = "env:DATABASE_SECRET"

[recorder]
parts = []
sweep-interval = "10s"

[intake]
listen = "127.0.0.1:{intake}"
api-keys = ["env:DATABASE_API_KEY"]

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

[server]
listen = "127.0.0.1:{private}"

[work]
lease = "2s"

[log]
format = "json"
"#,
            proxy.endpoint(),
            KEY.0,
            mailbox.address().port(),
        );
        let environment = [
            ("DATABASE_SECRET", KEY.1),
            ("DATABASE_API_KEY", API_KEY),
            ("DATABASE_URL", url),
        ];
        let setup = Setup::new(&folder, &config, &environment);
        World {
            sandbox,
            owner,
            proxy,
            mailbox,
            setup,
            intake,
            private: format!("http://127.0.0.1:{private}"),
            _folder: folder,
        }
    }

    /// Both buckets are known, and one of them is looked at when the store goes away.
    async fn under_way(&self, serve: &Serve) -> Gate {
        for bucket in [MEANWHILE, UNDER_WAY] {
            serve.wait_for_log(&["\"looked\"", bucket], 1);
        }
        assert_eq!(fetch(&self.private, "/readyz").0, 200);
        let gate = Gate::shut();
        self.proxy
            .on(|request: &Request| request.bucket() == Some(UNDER_WAY) && request.is("GET", "acl"))
            .once(Fault::Hold(Moment::BeforeForwarding, gate.clone()));
        self.open(UNDER_WAY).await;
        assert!(self.tell(UNDER_WAY).await);
        gate.arrived(1).await;
        gate
    }

    /// The store is away: what comes is not taken, what is found is not acted on, and it is said.
    async fn meanwhile(&self, serve: &Serve, gate: &Gate) {
        self.open(MEANWHILE).await;
        assert!(!self.tell(MEANWHILE).await, "its source has to keep it");
        gate.open();
        // It is repeated, or given up because its lease could not be renewed.
        serve.wait_for_log(&["\"WARN\"", UNDER_WAY], 1);
        serve.wait_for_log(&["no work can be taken up"], 1);
        assert_eq!(
            fetch(&self.private, "/healthz").0,
            200,
            "the process is well"
        );
        let (status, said) = fetch(&self.private, "/readyz");
        assert_eq!(status, 503);
        assert!(said.contains("\"what\":\"store\""), "{said}");
        let (status, metrics) = fetch(&self.private, "/metrics");
        assert_eq!(status, 200);
        assert!(metrics.contains("portcullis_store_up"), "{metrics}");
        // Nothing is written that could not be recorded.
        let puts = |request: &Request| request.method() == "PUT";
        assert_eq!(self.proxy.requests().count(puts), 0);
        for bucket in [MEANWHILE, UNDER_WAY] {
            assert_eq!(self.stranger(bucket), 200, "{bucket}");
        }
        assert_eq!(self.mailbox.messages().all().len(), 0);
    }

    /// It is back: nobody has to do anything, nor to tell again.
    async fn afterwards(&self, serve: Serve) {
        serve.wait_for_log(&["the store answers again"], 1);
        let mails = self.mailbox.wait_for(2).await.unwrap();
        for bucket in [MEANWHILE, UNDER_WAY] {
            let about = mails.iter().filter(|mail| {
                let subject = mail.subject().unwrap();
                subject.contains("Closed and verified") && subject.contains(bucket)
            });
            assert_eq!(about.count(), 1, "{bucket}");
            assert_eq!(self.stranger(bucket), 403, "{bucket}");
            assert_eq!(
                self.setup.compliance(bucket, READ),
                ["COMPLIANT", "NON_COMPLIANT", "COMPLIANT"],
                "{bucket}"
            );
        }
        assert_eq!(fetch(&self.private, "/readyz").0, 200);
        let dead = self.setup.run(&["events", "dead"]);
        assert_eq!(dead.status.code(), Some(0), "{dead:?}");
        let status = self.setup.json(&["status"]);
        assert_eq!(status["findings_open"], serde_json::json!([]));
        let (status, log) = serve.stop();
        assert!(status.success(), "{log}");
        assert_eq!(
            self.mailbox.messages().all().len(),
            2,
            "nobody is told twice"
        );
    }

    async fn open(&self, bucket: &str) {
        let acl = [("x-amz-acl", "public-read")];
        let path = format!("/{bucket}?acl");
        let put = self.owner.send("PUT", &path, &acl, "").await;
        assert!(put.unwrap().status.is_success());
    }

    /// Whether the event was taken.
    async fn tell(&self, bucket: &str) -> bool {
        let intake = Client::anonymous(&format!("http://127.0.0.1:{}", self.intake));
        let headers = [("x-api-key", API_KEY), ("content-type", "application/json")];
        let told = cloudtrail_event("PutBucketAcl", bucket);
        let taken = intake.send("POST", "/events", &headers, told).await;
        taken.unwrap().status.is_success()
    }

    fn stranger(&self, bucket: &str) -> u16 {
        anonymous(&self.sandbox.endpoint(), &format!("/{bucket}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn a_disk_that_is_full() {
    let world = World::new("path = \"guard.db\"", "").await;
    let serve = world.setup.serve_to_be_limited();
    let gate = world.under_way(&serve).await;
    serve.limit_files(Some(0));
    world.meanwhile(&serve, &gate).await;
    serve.limit_files(None);
    world.afterwards(serve).await;
}

/// A guard on PostgreSQL through a proxy.
async fn through_a_proxy() -> (World, TcpProxy) {
    let url = database().await;
    let (before, name) = url.rsplit_once('/').unwrap();
    let (credentials, server) = before.rsplit_once('@').unwrap();
    let proxy = TcpProxy::start(server.parse().unwrap()).await.unwrap();
    let through = format!("{credentials}@{}/{name}", proxy.address());
    let world = World::new("url = \"env:DATABASE_URL\"\ntimeout = \"3s\"", &through).await;
    (world, proxy)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL and aiosmtpd: run cargo xtask test"]
async fn a_database_that_is_gone_and_back() {
    let (world, proxy) = through_a_proxy().await;
    let serve = world.setup.serve();
    let gate = world.under_way(&serve).await;
    proxy.refuse().await.unwrap();
    world.meanwhile(&serve, &gate).await;
    proxy.come_back().await.unwrap();
    world.afterwards(serve).await;
}

/// It accepts and never answers, and the connections that there are stay silent for ever.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL and aiosmtpd: run cargo xtask test"]
async fn a_database_that_never_answers() {
    let (world, proxy) = through_a_proxy().await;
    let serve = world.setup.serve();
    let gate = world.under_way(&serve).await;
    proxy.always(ConnectionFault::Silence);
    proxy.silence();
    world.meanwhile(&serve, &gate).await;
    proxy.always(ConnectionFault::Pass);
    world.afterwards(serve).await;
}

/// At the start it is said, and not waited for.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL and aiosmtpd: run cargo xtask test"]
async fn a_guard_that_finds_no_database_says_so_and_ends() {
    let (world, proxy) = through_a_proxy().await;
    proxy.always(ConnectionFault::Silence);
    let ended = world.setup.run(&["serve"]);
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("no connection in time"), "{said}");
}
