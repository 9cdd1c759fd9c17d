//! Whatever goes wrong between the guard and the store that it watches, at whatever moment: nothing is
//! claimed that was not seen, people are told once, and when it is over every bucket is closed and
//! verified, by the same process.
//!
//! Each test is one trouble. It comes while the estate is gone through, while a bucket is looked at, at
//! the write that closes it (before the store has heard of it, and after the store has done it), and when
//! the write is read back; each moment has a bucket of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use faults::{Answer, DeadPort, Fault, FaultProxy, Mailbox, Message, Moment, Request};
use guard::journal::{Remediation, State, remediations};
use guard::repository::Repository;
use hyper::StatusCode;
use sandbox::client::Client;
use sandbox::{Account, Config, NewBuckets, Sandbox};
use serde_json::Value;
use store::Store;
use support::{
    ACCOUNT, Folder, Serve, Setup, UNBOUNDED_ENFORCEMENT, anonymous, cloudtrail_event, fetch,
    free_port,
};

const READ: &str = "s3-bucket-public-read-prohibited";
const KEY: (&str, &str) = ("AKIDFAULTSFAULTSFAUL", "a-secret-of-the-test-and-no-other");
/// The one that comes after it.
const RENEWED: (&str, &str) = ("AKIDRENEWEDRENEWEDRE", "another-secret-of-the-test");
const API_KEY: &str = "an-api-key-of-the-test-and-nothing-else-5678";
const RECIPIENTS: [&str; 2] = ["owner@example.com", "security@example.com"];

const SWEPT: &str = "at-the-sweep";
const LOOKED_AT: &str = "while-it-is-looked-at";
const WRITTEN: &str = "before-the-write";
const ANSWERED: &str = "after-the-write";
const READ_BACK: &str = "at-the-reading-back";

/// One trouble.
#[derive(Clone)]
struct Trouble {
    /// What happens before the store hears of a request.
    before: Fault,
    /// What happens after the store has done what was asked, if this trouble can come then.
    after: Option<Fault>,
    /// What is said of it when reading …
    reading: &'static str,
    /// … and when writing.
    writing: &'static str,
    /// Whether asking again cannot help: it is said at once.
    lasting: bool,
    /// Whether it comes before the store has heard of a write.
    before_writes: bool,
}

/// What each recipient is told, by how the subject begins.
const CLOSED: &str = "Closed and verified";
const NOT_CLOSED: &str = "NOT closed, remediation failed";
const RESOLVED: &str = "Resolved";
const UNDECIDED: &str = "May be public";

/// What is said of throttling.
const THROTTLED: &str = "asks to slow down";

impl Trouble {
    fn of(before: Fault, says: &'static str) -> Trouble {
        Trouble {
            before,
            after: None,
            reading: says,
            writing: says,
            lasting: false,
            before_writes: true,
        }
    }
}

/// A store that enforces, with a proxy before it, and a guard over the proxy.
struct World {
    sandbox: Sandbox,
    owner: Client,
    proxy: FaultProxy,
    mailbox: Mailbox,
    setup: Setup,
    store: String,
    intake: u16,
    private: String,
    folder: Folder,
}

impl World {
    async fn new(undecided_after: &str) -> World {
        World::at("127.0.0.1", undecided_after).await
    }

    /// The guard knows the store and the mail server by this name.
    async fn at(host: &str, undecided_after: &str) -> World {
        let account = Account::new(ACCOUNT, "0a".repeat(32))
            .with_root(KEY.0, KEY.1)
            .with_user("renewed", RENEWED.0, RENEWED.1);
        let sandbox = Sandbox::start(Config {
            new_buckets: NewBuckets::AclsInForce,
            ..Config::new(vec![account])
        })
        .await
        .unwrap();
        let owner = Client::signed(&sandbox.endpoint(), KEY.0, KEY.1);
        for bucket in [SWEPT, LOOKED_AT, WRITTEN, ANSWERED, READ_BACK] {
            let made = owner.send("PUT", &format!("/{bucket}"), &[], "").await;
            assert!(made.unwrap().status.is_success(), "{bucket}");
        }
        let proxy = FaultProxy::start(&sandbox.endpoint()).await.unwrap();
        let mailbox = Mailbox::start().await.unwrap();
        let folder = Folder::new("faults");
        let (intake, private) = (free_port(), free_port());
        let subscriptions = RECIPIENTS.map(|recipient| {
            format!(
                "[[subscription]]\nprotocol = \"email\"\nendpoint = \"{recipient}\"\nconfirmed = true\n"
            )
        });
        let config = format!(
            r#"
[store]
path = "guard.db"

[[account]]
id = "{ACCOUNT}"
endpoint-url = "http://{host}:{}"
region = "us-east-1"
access-key-id = "file:key-id"
secret-access-key = "file:secret"
call-timeout = "1s"
call-attempts = 2

[recorder]
parts = []
sweep-interval = "10s"
undecided-after = "{undecided_after}"

[intake]
listen = "127.0.0.1:{intake}"
api-keys = ["env:FAULTS_API_KEY"]

{UNBOUNDED_ENFORCEMENT}
{}
[mail]
server = "{host}"
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
            port(&proxy),
            subscriptions.concat(),
            mailbox.address().port(),
        );
        std::fs::write(folder.path().join("key-id"), KEY.0).unwrap();
        std::fs::write(folder.path().join("secret"), KEY.1).unwrap();
        let setup = Setup::new(&folder, &config, &[("FAULTS_API_KEY", API_KEY)]);
        World {
            sandbox,
            owner,
            proxy,
            mailbox,
            setup,
            store: folder.path().join("guard.db").display().to_string(),
            intake,
            private: format!("http://127.0.0.1:{private}"),
            folder,
        }
    }

    /// Lets everybody read a bucket. The guard does not see it done, and is not told yet.
    async fn open(&self, bucket: &str) {
        let acl = [("x-amz-acl", "public-read")];
        let put = self
            .owner
            .send("PUT", &format!("/{bucket}?acl"), &acl, "")
            .await;
        assert!(put.unwrap().status.is_success());
        assert_eq!(self.stranger(bucket), 200);
    }

    async fn tell(&self, bucket: &str) {
        let intake = Client::anonymous(&format!("http://127.0.0.1:{}", self.intake));
        let headers = [("x-api-key", API_KEY), ("content-type", "application/json")];
        let told = cloudtrail_event("PutBucketAcl", bucket);
        let taken = intake.send("POST", "/events", &headers, told).await;
        assert!(taken.unwrap().status.is_success());
    }

    /// What a stranger gets from the store itself.
    fn stranger(&self, bucket: &str) -> u16 {
        anonymous(&self.sandbox.endpoint(), &format!("/{bucket}"))
    }

    fn mails(&self, bucket: &str) -> Vec<Message> {
        let mut all = self.mailbox.messages().all();
        all.retain(|message| is_about(message, bucket));
        all
    }

    /// Waits until each recipient has so many mails about a bucket.
    async fn told(&self, bucket: &str, count: usize) {
        let all = count * RECIPIENTS.len();
        self.mailbox
            .messages()
            .wait_for(|mails| mails.iter().filter(|mail| is_about(mail, bucket)).count() >= all)
            .await
            .unwrap();
    }

    /// The kinds of the notices about a bucket that each recipient has, in their order.
    fn kinds(&self, bucket: &str) -> Vec<String> {
        let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mail in self.mails(bucket) {
            let subject = mail.subject().unwrap();
            let mut known = [CLOSED, NOT_CLOSED, RESOLVED, UNDECIDED].into_iter();
            let kind = known.find(|kind| subject.contains(kind));
            let kind = kind.unwrap_or_else(|| panic!("{subject}")).to_owned();
            of.entry(mail.to[0].clone()).or_default().push(kind);
        }
        let mut all: Vec<Vec<String>> = of.into_values().collect();
        all.iter_mut().for_each(|kinds| kinds.sort());
        all.dedup();
        assert!(all.len() <= 1, "every recipient is told the same: {all:?}");
        all.pop().unwrap_or_default()
    }

    fn findings(&self, bucket: &str) -> Vec<Value> {
        let found = self.setup.json(&[
            "findings",
            "list",
            "--resource",
            bucket,
            "--state",
            "open,resolved",
        ]);
        found["findings"].as_array().unwrap().clone()
    }

    fn open_finding(&self, bucket: &str, cause: &str) -> Value {
        let mut found = self.findings(bucket);
        found.retain(|finding| finding["cause"] == cause && finding["state"] == "open");
        found
            .pop()
            .unwrap_or_else(|| panic!("{bucket}: no finding {cause} is open"))
    }

    /// Whether an event about a bucket is recorded as closed.
    fn is_closed(&self, bucket: &str) -> bool {
        let events = self.setup.json(&["events", "list", "--resource", bucket]);
        let events = events["events"].as_array().unwrap();
        assert!(!events.is_empty());
        events.iter().all(|event| event["closed_at"].is_string())
    }

    async fn remediations(&self, bucket: &str) -> Vec<Remediation> {
        let store = Store::open(&self.store).await.unwrap();
        let records = store.journal(None, Some(bucket), None).await.unwrap();
        store.close().await;
        remediations(&records)
    }

    /// Everything as it is to be at the end; `kinds`: what each recipient was told.
    async fn is_settled(&self, bucket: &str, kinds: &[&str]) {
        assert_eq!(self.stranger(bucket), 403, "{bucket}");
        assert_eq!(self.kinds(bucket), kinds, "{bucket}");
        for finding in self.findings(bucket) {
            assert_eq!(finding["state"], "resolved", "{finding}");
            assert_eq!(finding["occurrences"], 1, "{finding}");
        }
        let remediations = self.remediations(bucket).await;
        let (last, failed) = remediations.split_last().unwrap();
        assert_eq!(last.state, State::Verified, "{bucket}");
        for one in failed {
            assert!(matches!(one.state, State::Failed(_)), "{bucket}: {one:?}");
        }
        let history = self.setup.json(&["history", bucket]);
        let findings = history["findings"].as_array().unwrap();
        let exposures: Vec<&Value> = findings
            .iter()
            .flat_map(|finding| finding["exposures"].as_array().unwrap())
            .collect();
        assert_eq!(exposures.len(), 1, "{bucket}: {history}");
        assert!(exposures[0]["to"].is_string(), "{bucket}: {history}");
        assert_eq!(
            exposures[0]["closed_by"],
            format!("remediation {}", last.id),
            "{bucket}: {history}"
        );
    }
}

fn port(proxy: &FaultProxy) -> u16 {
    let endpoint = proxy.endpoint();
    let (_, port) = endpoint.rsplit_once(':').unwrap();
    port.parse().unwrap()
}

fn is_about(message: &Message, bucket: &str) -> bool {
    message.text().is_some_and(|text| text.contains(bucket))
}

fn is_listing(request: &Request) -> bool {
    request.method() == "GET" && request.bucket().is_none()
}

fn of(bucket: &'static str, method: &'static str) -> impl Fn(&Request) -> bool {
    move |request| request.bucket() == Some(bucket) && request.is(method, "acl")
}

/// A reading of the ACL after it was written.
fn reading_back(bucket: &'static str) -> impl Fn(&Request) -> bool {
    let written = Arc::new(AtomicBool::new(false));
    move |request| {
        if of(bucket, "PUT")(request) {
            written.store(true, Ordering::SeqCst);
        }
        of(bucket, "GET")(request) && written.load(Ordering::SeqCst)
    }
}

/// The value of a metric.
fn metric(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0.0)
}

async fn comes_and_goes(trouble: Trouble) {
    let world = World::new("1m").await;
    world.open(SWEPT).await;

    // At the sweep. The first listing is how the guard meets the store.
    world.proxy.on(is_listing).once(Fault::Pass);
    world.proxy.on(is_listing).always(trouble.before.clone());
    let serve = world.setup.serve();
    serve.wait_for_log(&["the sweep is repeated", trouble.reading], 1);
    let status = world.setup.run(&["status"]);
    assert_eq!(status.status.code(), Some(3), "{status:?}");
    let status = world.setup.json(&["status"]);
    let coverage = &status["coverage"][0];
    assert!(coverage["last_sweep_at"].is_null(), "{status}");
    let error = coverage["error"].as_str().unwrap();
    assert!(error.contains(trouble.reading), "{error}");
    assert_eq!(status["findings_open"], serde_json::json!([]));
    assert_eq!(world.mailbox.messages().all().len(), 0);
    assert_eq!(world.stranger(SWEPT), 200);
    world.proxy.clear();
    world.told(SWEPT, 1).await;

    // At everything that follows.
    let mut buckets = trouble.buckets();
    for bucket in &buckets {
        serve.wait_for_log(&["\"looked\"", bucket], 1);
        assert_eq!(world.setup.compliance(bucket, READ), ["COMPLIANT"]);
    }
    let fault = &trouble.before;
    if let Some(after) = &trouble.after {
        world.proxy.on(of(ANSWERED, "PUT")).always(after.clone());
    }
    world.proxy.on(of(LOOKED_AT, "GET")).always(fault.clone());
    world.proxy.on(of(WRITTEN, "PUT")).always(fault.clone());
    world
        .proxy
        .on(reading_back(READ_BACK))
        .always(fault.clone());
    for bucket in &buckets {
        world.open(bucket).await;
        world.tell(bucket).await;
    }
    meanwhile(&world, &serve, &trouble).await;
    world.proxy.clear();

    // It is over.
    let closed = |bucket| {
        let told: &[&str] = match bucket {
            SWEPT => &[CLOSED],
            LOOKED_AT if trouble.lasting => &[CLOSED, UNDECIDED],
            LOOKED_AT => &[CLOSED],
            READ_BACK if trouble.lasting => &[CLOSED, UNDECIDED, NOT_CLOSED, RESOLVED],
            _ => &[CLOSED, NOT_CLOSED],
        };
        told
    };
    buckets.push(SWEPT);
    for bucket in &buckets {
        world.told(bucket, closed(*bucket).len()).await;
    }
    let (status, metrics) = fetch(&world.private, "/metrics");
    assert_eq!(status, 200);
    let name = |name: &str, result: &str| format!("portcullis_{name}_total{{result=\"{result}\"}}");
    assert!(
        metric(&metrics, &name("remediations", "failed")) >= 1.0,
        "{metrics}"
    );
    let verified = metric(&metrics, &name("remediations", "verified"));
    assert!(verified >= 2.0, "{metrics}");
    let throttles = format!("portcullis_throttles_total{{account=\"{ACCOUNT}\"}}");
    let throttled = trouble.writing == THROTTLED;
    assert_eq!(metric(&metrics, &throttles) > 0.0, throttled, "{metrics}");
    if !trouble.lasting {
        assert!(
            metric(&metrics, &name("looks", "failed")) >= 2.0,
            "{metrics}"
        );
    }
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains(KEY.1), "no secret in the log");
    finally(&world, &buckets, &trouble, closed).await;
}

/// While the trouble lasts nothing is claimed.
async fn meanwhile(world: &World, serve: &Serve, trouble: &Trouble) {
    for bucket in [WRITTEN, READ_BACK] {
        if bucket == WRITTEN && !trouble.before_writes {
            continue;
        }
        serve.wait_for_log(&["a remediation failed", bucket, trouble.says(bucket)], 1);
        world.told(bucket, 1).await;
        assert_eq!(
            world.setup.compliance(bucket, READ)[..2],
            ["COMPLIANT", "NON_COMPLIANT"]
        );
        let finding = world.open_finding(bucket, "acl");
        let why = finding["response"].as_str().unwrap();
        assert!(why.contains(trouble.says(bucket)), "{why}");
        let journal = world.remediations(bucket).await;
        let first = journal.first().unwrap();
        assert!(matches!(first.state, State::Failed(_)), "{first:?}");
        // What was written is known, whatever could be read of it.
        assert_eq!(first.left[0], None);
        let stranger = if bucket == WRITTEN { 200 } else { 403 };
        assert_eq!(
            world.stranger(bucket),
            stranger,
            "the store did what it was asked to"
        );
    }
    if trouble.lasting {
        world.told(LOOKED_AT, 1).await;
        // What was open stays so while it cannot be read, and that is told too.
        world.told(READ_BACK, 2).await;
        let finding = world.open_finding(LOOKED_AT, "undecided");
        let why = finding["annotation"].as_str().unwrap();
        assert!(why.contains(trouble.reading), "{why}");
        let answers = world.setup.compliance(LOOKED_AT, READ);
        assert_eq!(answers, ["COMPLIANT", "INSUFFICIENT_DATA"]);
    } else {
        serve.wait_for_log(&["the look is repeated", LOOKED_AT, trouble.reading], 2);
        // What was known before the change is all that is known; the event waits for its verdict.
        assert_eq!(world.setup.compliance(LOOKED_AT, READ), ["COMPLIANT"]);
        assert_eq!(world.kinds(LOOKED_AT), [""; 0]);
    }
    assert_eq!(world.stranger(LOOKED_AT), 200);
    for bucket in trouble.buckets() {
        if bucket == ANSWERED {
            // The answer to the write is lost, and the next look sees what the write did.
            world.told(ANSWERED, 2).await;
            continue;
        }
        assert!(!world.is_closed(bucket), "{bucket}");
        let kinds = world.kinds(bucket);
        assert!(
            !kinds.iter().any(|kind| kind == CLOSED || kind == RESOLVED),
            "{kinds:?}"
        );
    }
}

impl Trouble {
    /// The buckets that it comes to once everything is known, each at its own moment.
    fn buckets(&self) -> Vec<&'static str> {
        let mut buckets = vec![LOOKED_AT, READ_BACK];
        if self.before_writes {
            buckets.push(WRITTEN);
        }
        if self.after.is_some() {
            buckets.push(ANSWERED);
        }
        buckets
    }

    fn says(&self, bucket: &str) -> &'static str {
        if bucket == READ_BACK {
            self.reading
        } else {
            self.writing
        }
    }
}

async fn finally(
    world: &World,
    buckets: &[&'static str],
    trouble: &Trouble,
    closed: impl Fn(&'static str) -> &'static [&'static str],
) {
    for bucket in buckets {
        world.is_settled(bucket, closed(bucket)).await;
        let answers = world.setup.compliance(bucket, READ);
        let expected: &[&str] = match *bucket {
            SWEPT => &["NON_COMPLIANT", "COMPLIANT"],
            LOOKED_AT if trouble.lasting => &[
                "COMPLIANT",
                "INSUFFICIENT_DATA",
                "NON_COMPLIANT",
                "COMPLIANT",
            ],
            READ_BACK if trouble.lasting => &[
                "COMPLIANT",
                "NON_COMPLIANT",
                "INSUFFICIENT_DATA",
                "COMPLIANT",
            ],
            _ => &["COMPLIANT", "NON_COMPLIANT", "COMPLIANT"],
        };
        assert_eq!(answers, expected, "{bucket}");
        assert!(*bucket == SWEPT || world.is_closed(bucket), "{bucket}");
    }
    let dead = world.setup.run(&["events", "dead"]);
    assert_eq!(dead.status.code(), Some(0), "{dead:?}");
    let replayed = world.setup.json(&["replay", "--verify"]);
    assert_eq!(replayed["differences"], serde_json::json!([]));
    // The way back leads to the bucket as it was.
    for bucket in buckets {
        let last = world.remediations(bucket).await.pop().unwrap();
        let config = world.setup.config.to_str().unwrap();
        let back = world.setup.run(&["undo", &last.id, "--config", config]);
        assert_eq!(back.status.code(), Some(0), "{back:?}");
        assert_eq!(world.stranger(bucket), 200, "{bucket}");
    }
}

macro_rules! troubles {
    ($($name:ident: $trouble:expr;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "needs aiosmtpd: run cargo xtask test"]
        async fn $name() {
            comes_and_goes($trouble).await;
        }
    )+};
}

troubles! {
    throttling: Trouble::of(Fault::slow_down(), THROTTLED);
    errors_of_the_store: Trouble::of(Fault::internal_error(), "InternalError");
    no_answer: Trouble {
        after: Some(Fault::NeverAnswer(Moment::AfterForwarding)),
        ..Trouble::of(Fault::NeverAnswer(Moment::BeforeForwarding), "no answer within 1s")
    };
    connections_that_are_reset: Trouble {
        after: Some(Fault::Reset(Moment::AfterForwarding)),
        ..Trouble::of(Fault::Reset(Moment::BeforeForwarding), "failed: ")
    };
    half_an_answer: Trouble {
        after: Some(Fault::HalfAnswer),
        before_writes: false,
        ..Trouble::of(Fault::HalfAnswer, "failed: ")
    };
    credentials_that_have_expired: Trouble::of(Fault::expired_token(), "the credentials have expired");
    // With the right time in its header: by a wrong one the SDK would set its clock for other requests.
    a_clock_that_is_wrong: Trouble::of(
        Fault::Answer(Answer::s3_error(
            StatusCode::FORBIDDEN,
            "RequestTimeTooSkewed",
            "the clocks differ by too much",
        )),
        "the clock of this machine differs too much",
    );
    permissions_that_are_missing: Trouble {
        lasting: true,
        ..Trouble::of(Fault::access_denied(), "denied")
    };
}

impl World {
    /// Puts something where the guard keeps its key.
    fn keep(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }

    /// The store does not know the first key any more.
    fn forget_the_key(&self) {
        let by_it = |request: &Request| {
            let signed = request.header("authorization");
            signed.is_some_and(|signed| signed.contains(KEY.0))
        };
        let unknown = Answer::s3_error(
            StatusCode::FORBIDDEN,
            "InvalidAccessKeyId",
            "there is no such key",
        );
        self.proxy.on(by_it).always(Fault::Answer(unknown));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn a_key_that_is_renewed() {
    let world = World::new("1m").await;
    let serve = world.setup.serve();
    serve.wait_for_log(&["\"looked\"", LOOKED_AT], 1);
    world.forget_the_key();
    world.open(LOOKED_AT).await;
    world.tell(LOOKED_AT).await;
    let unknown = ["the look is repeated", LOOKED_AT, "InvalidAccessKeyId"];
    serve.wait_for_log(&unknown, 1);
    assert_eq!(world.stranger(LOOKED_AT), 200);
    // One file is written before the other, and both are read in between.
    world.keep("key-id", RENEWED.0);
    let halfway = ["the look is repeated", LOOKED_AT, "SignatureDoesNotMatch"];
    serve.wait_for_log(&halfway, 1);
    world.keep("secret", RENEWED.1);
    world.told(LOOKED_AT, 1).await;
    // Whatever is changed from now on is closed.
    world.open(WRITTEN).await;
    world.tell(WRITTEN).await;
    world.told(WRITTEN, 1).await;
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    assert!(
        !log.contains(KEY.1) && !log.contains(RENEWED.1),
        "no secret in the log"
    );
    world.is_settled(LOOKED_AT, &[CLOSED]).await;
    world.is_settled(WRITTEN, &[CLOSED]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn a_key_that_cannot_be_read_any_more() {
    let world = World::new("1m").await;
    let serve = world.setup.serve();
    serve.wait_for_log(&["\"looked\"", LOOKED_AT], 1);
    // It is wanted again because the store refuses it once; it is good still.
    std::fs::remove_file(world.folder.path().join("secret")).unwrap();
    world
        .proxy
        .on(of(LOOKED_AT, "GET"))
        .once(Fault::expired_token());
    world.open(LOOKED_AT).await;
    world.tell(LOOKED_AT).await;
    serve.wait_for_log(&["cannot be renewed", "no such file", "stay in use"], 1);
    world.told(LOOKED_AT, 1).await;
    // Those who ask how the watch goes are told.
    let seen = serve.count_log(&["\"swept\""]);
    serve.wait_for_log(&["\"swept\""], seen + 1);
    let status = world.setup.json(&["status"]);
    let gaps = status["coverage"][0]["gaps"].to_string();
    assert!(gaps.contains("cannot be renewed"), "{status}");
    assert!(gaps.contains("no such file"), "{status}");
    // And once it is there again, that it is over.
    world.keep("secret", KEY.1);
    world.proxy.on(is_listing).once(Fault::expired_token());
    serve.wait_for_log(&["can be renewed again"], 1);
    let seen = serve.count_log(&["\"swept\""]);
    serve.wait_for_log(&["\"swept\""], seen + 1);
    let status = world.setup.json(&["status"]);
    let gaps = status["coverage"][0]["gaps"].to_string();
    assert!(!gaps.contains("cannot be renewed"), "{status}");
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains(KEY.1), "no secret in the log");
    world.is_settled(LOOKED_AT, &[CLOSED]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn an_ipv6_address_that_is_announced_and_dead() {
    let world = World::at("localhost", "1m").await;
    let store = SocketAddr::from((Ipv4Addr::LOCALHOST, port(&world.proxy)));
    let mut dead = Vec::new();
    for living in [store, world.mailbox.address()] {
        match DeadPort::beside(living).await.unwrap() {
            Some(port) => dead.push(port),
            None => {
                eprintln!("no IPv6 on this machine, nothing tested");
                return;
            }
        }
    }
    world.open(SWEPT).await;
    let serve = world.setup.serve_where_localhost_has_both_families();
    // The store is read, the bucket closed, and the mail sent, by the other family.
    world.told(SWEPT, 1).await;
    serve.wait_for_log(&["\"looked\"", LOOKED_AT], 1);
    world.open(LOOKED_AT).await;
    world.tell(LOOKED_AT).await;
    world.told(LOOKED_AT, 1).await;
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    world.is_settled(SWEPT, &[CLOSED]).await;
    world.is_settled(LOOKED_AT, &[CLOSED]).await;
    let by_name = format!("localhost:{}", port(&world.proxy));
    let requests = world.proxy.requests().all();
    assert!(
        requests
            .iter()
            .all(|request| request.header("host") == Some(by_name.as_str()))
    );
    for port in &mut dead {
        assert!(port.is_dead().await, "{port:?} was dead all the time");
    }
}
