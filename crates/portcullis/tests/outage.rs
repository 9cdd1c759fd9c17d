//! Receivers of notices that are away for hours, hang, fail or refuse: nothing is lost, nothing is sent
//! twice, and what cannot be delivered is shown where people look. The guard runs in this process with
//! its own store and courier, and only the clock is the test's.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::{Credentials, connect_with_key};
use compliance::exceptions::Exceptions;
use compliance::notice::{Endpoint, Filter, Ladder, Protocol, RetrySchedule, Subscription};
use compliance::pattern::EventPattern;
use compliance::rules::configured::{LambdaTarget, RuleSet};
use courier::{Courier, Dispatch, HttpSettings, Mailer, Poster, Security, SmtpSettings, Trust};
use faults::{Answer, Fault, FaultProxy, Mailbox, Moment, TcpProxy};
use guard::account::{Account, AccountSettings, Reach};
use guard::clock::{Clock, ManualClock};
use guard::deliver::{SendError, Sending};
use guard::event_rules::{EventRule, EventRules, RuleTarget};
use guard::gather::AccountFacts;
use guard::meter::Meter;
use guard::pace::{Pace, PaceSettings};
use guard::record::Recorder;
use guard::repository::{Repository, RepositoryError};
use guard::responder::ResponderSettings;
use guard::run::{RunSettings, run};
use guard::state::JobKind;
use guard::watch::{Guard, Reminders, Settings};
use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use policy::bucket::Enforcement;
use policy::observed::{Observed, Unread};
use sandbox::client::Client;
use sandbox::{Config, NewBuckets, Sandbox};
use serde_json::Value;
use store::Store;
use support::{ACCOUNT, Folder, Setup};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const KEY: (&str, &str) = ("AKIDOUTAGEOUTAGEOUTA", "a-secret-of-the-test-and-no-other");
const BUCKET: &str = "open-on-a-friday";
const OWNER: &str = "owner@example.com";

/// The sides of the account that the guard reaches.
struct OverSdk;

impl Reach for OverSdk {
    type Store = aws::Store;
    type Services = aws::Services;
}

/// Nothing goes to AWS here.
struct Nowhere;

impl guard::deliver::Courier for Nowhere {
    async fn send(&self, _: &Sending) -> Result<(), SendError> {
        panic!("nothing is sent there")
    }

    async fn ask(&self, _: &LambdaTarget, _: &Value) -> Result<Value, SendError> {
        panic!("nobody is asked there")
    }
}

/// How attempts ended, by protocol and result.
#[derive(Debug)]
struct Attempts(watch::Sender<BTreeMap<(&'static str, &'static str), usize>>);

impl Meter for Attempts {
    fn delivered(&self, protocol: &'static str, result: &'static str) {
        self.0
            .send_modify(|counts| *counts.entry((protocol, result)).or_default() += 1);
    }
}

impl Attempts {
    fn count(&self, protocol: &'static str, result: &'static str) -> usize {
        let counts = self.0.borrow();
        counts.get(&(protocol, result)).copied().unwrap_or_default()
    }

    async fn reach(&self, protocol: &'static str, result: &'static str, count: usize) {
        let mut counts = self.0.subscribe();
        let enough = counts.wait_for(|counts| {
            counts.get(&(protocol, result)).copied().unwrap_or_default() >= count
        });
        let seen = tokio::time::timeout(Duration::from_secs(60), enough).await;
        assert!(seen.is_ok(), "no {count} {protocol} {result}: {self:?}");
    }
}

/// Mail by a proxy, a web address behind another, and a guard that tells both of an open bucket.
struct World {
    sandbox: Sandbox,
    mailbox: Mailbox,
    smtp: TcpProxy,
    web: FaultProxy,
    attempts: Arc<Attempts>,
    clock: Arc<ManualClock>,
    store: Arc<Store>,
    stop: watch::Sender<bool>,
    running: Option<JoinHandle<Result<(), RepositoryError>>>,
    setup: Setup,
    _folder: Folder,
}

fn subscription(protocol: Protocol, endpoint: &str) -> Subscription {
    Subscription {
        id: format!("{}-of-the-test", protocol.as_str()),
        topic: "default".to_owned(),
        protocol,
        endpoint: Endpoint::new(endpoint),
        confirmed: true,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    }
}

fn settings(web: &str) -> Settings {
    let tell = EventRule {
        name: "tell".to_owned(),
        pattern: EventPattern::parse(
            r#"{"source": ["aws.config"], "detail-type": ["Config Rules Compliance Change"], "detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT", "INSUFFICIENT_DATA"]}}}"#,
        )
        .unwrap(),
        targets: vec![RuleTarget::Topic("default".to_owned())],
    };
    Settings {
        rules: RuleSet::default_set(),
        exceptions: Exceptions::default(),
        tags_except: false,
        responder: ResponderSettings::default(),
        event_rules: EventRules::new(vec![tell]),
        subscriptions: vec![
            subscription(Protocol::Email, OWNER),
            subscription(Protocol::Webhook, &format!("{web}/hook")),
        ],
        ladder: Ladder {
            steps: Vec::new(),
            repeat_last: None,
        },
        retries: RetrySchedule::default(),
        base_url: None,
        recorder: Recorder::everything().with_parts([]),
        delivery_channel: None,
        change_stream: Vec::new(),
        // The test walks through days in which no account is gone through.
        reminders: Reminders {
            sweeps_missed: u32::MAX,
            ..Reminders::default()
        },
        sweep_every: SignedDuration::from_hours(24 * 30),
        record_every: SignedDuration::from_hours(24 * 30),
        intervals: BTreeMap::new(),
        sweep_concurrency: 8,
        undecided_after: SignedDuration::from_mins(1),
    }
}

async fn account(endpoint: &str) -> Account<OverSdk> {
    let pace = Arc::new(Pace::new(PaceSettings::default(), 7));
    let key = Credentials::new(KEY.0, KEY.1, None, None, "tests");
    let store = connect_with_key(endpoint, "us-east-1", key, None, &pace)
        .await
        .unwrap();
    Account::new(
        AccountSettings {
            id: ACCOUNT.to_owned(),
            label: "outage".to_owned(),
            default_region: "us-east-1".to_owned(),
            endpoint: Some(endpoint.to_owned()),
            volume_regions: Vec::new(),
            facts: AccountFacts {
                partition: "aws".to_owned(),
                owner_account: Some(ACCOUNT.to_owned()),
                account_block: Observed::Unknown(Unread::NotNeeded),
                enforcement: Enforcement::Aws,
                compatible_store: true,
                as_of: Timestamp::now(),
            },
            fresh_for: SignedDuration::from_mins(1),
        },
        Arc::new(store),
        None,
        pace,
    )
}

fn courier(smtp: u16) -> Dispatch<Nowhere> {
    let timeout = Duration::from_secs(1);
    let mailer = Mailer::new(SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: smtp,
        security: Security::None,
        credentials: None,
        hello: None,
        trust: Trust::default(),
        timeout,
        keep: 1,
    });
    let poster = Poster::new(&HttpSettings {
        timeout,
        ..HttpSettings::default()
    });
    Dispatch {
        courier: Courier {
            poster: poster.unwrap(),
            mailer: Some(mailer.unwrap()),
            sender: "guard@example.com".to_owned(),
            reply_to: None,
            domain: "example.com".to_owned(),
            links: None,
            receivers: BTreeMap::new(),
        },
        elsewhere: Nowhere,
    }
}

impl World {
    /// Everything is up, and nobody runs the guard yet. The web address answers that all is well.
    async fn new() -> World {
        let owner = sandbox::Account::new(ACCOUNT, "0a".repeat(32)).with_root(KEY.0, KEY.1);
        let sandbox = Sandbox::start(Config {
            new_buckets: NewBuckets::AclsInForce,
            ..Config::new(vec![owner])
        })
        .await
        .unwrap();
        let client = Client::signed(&sandbox.endpoint(), KEY.0, KEY.1);
        let acl = [("x-amz-acl", "public-read")];
        let made = client.send("PUT", &format!("/{BUCKET}"), &acl, "").await;
        assert!(made.unwrap().status.is_success());
        let mailbox = Mailbox::start().await.unwrap();
        let smtp = TcpProxy::start(mailbox.address()).await.unwrap();
        // Nothing stands behind it: what is asked is answered by the plan.
        let web = FaultProxy::start("http://127.0.0.1:9").await.unwrap();
        let folder = Folder::new("outage");
        let path = folder.path().join("guard.db");
        let store = Arc::new(Store::open(path.to_str().unwrap()).await.unwrap());
        let config = format!(
            "[store]\npath = \"guard.db\"\n[[account]]\nid = \"{ACCOUNT}\"\nendpoint-url = \"{}\"\n",
            sandbox.endpoint()
        );
        let setup = Setup::new(&folder, &config, &[]);
        // As exact as the store keeps it.
        let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
        World {
            sandbox,
            mailbox,
            smtp,
            web,
            attempts: Arc::new(Attempts(watch::Sender::default())),
            clock: Arc::new(ManualClock::at(now)),
            store,
            stop: watch::Sender::new(false),
            running: None,
            setup,
            _folder: folder,
        }
    }

    async fn serve(&mut self) {
        let account = account(&self.sandbox.endpoint()).await;
        let guard = Guard {
            repository: Arc::clone(&self.store),
            accounts: BTreeMap::from([(ACCOUNT.to_owned(), account)]),
            clock: Arc::clone(&self.clock),
            settings: settings(&self.web.endpoint()),
            meter: Arc::clone(&self.attempts) as Arc<dyn Meter>,
        };
        let courier = Arc::new(courier(self.smtp.address().port()));
        let stopping = self.stop.subscribe();
        self.running = Some(tokio::spawn(async move {
            let settings = RunSettings {
                worker: "outage".to_owned(),
                lease: Duration::from_secs(60),
                poll: Duration::from_secs(2),
                looks: 4,
                // A receiver has a quarter of them, and what has to wait waits for the clock to be moved.
                deliveries: 16,
                sweeps: 2,
                keep_for: SignedDuration::from_hours(24 * 400),
            };
            let files: Option<Arc<aws::store::DeliveryBucket<NoFiles>>> = None;
            run(Arc::new(guard), courier, files, &settings, stopping).await
        }));
    }

    fn web_answers(&self, status: StatusCode) {
        self.web.clear();
        let answer = Answer::new(status, "text/plain", "as planned");
        self.web.on(|_| true).always(Fault::Answer(answer));
    }

    /// Waits until no delivery is due, and says when the next one is.
    async fn next_delivery(&self) -> Option<Timestamp> {
        let deliver = [JobKind::Deliver];
        loop {
            let next = self.store.next_due(&deliver).await.unwrap();
            let now = self.clock.now();
            // One that is being made holds a lease of a minute.
            let claimed = now + SignedDuration::from_secs(60);
            match next {
                Some(at) if at <= now || at == claimed => tokio::task::yield_now().await,
                next => return next,
            }
        }
    }

    async fn stop(mut self) {
        self.stop.send(true).unwrap();
        self.running.take().unwrap().await.unwrap().unwrap();
        self.store.close().await;
        self.sandbox.stop().await;
    }
}

/// No files are delivered here.
struct NoFiles(aws::Store);

impl AsRef<aws::Store> for NoFiles {
    fn as_ref(&self) -> &aws::Store {
        &self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn a_mail_server_that_is_down_for_an_hour() {
    let mut world = World::new().await;
    world.web_answers(StatusCode::OK);
    world.smtp.refuse().await.unwrap();
    world.serve().await;
    world.attempts.reach("email", "passing", 1).await;
    world.attempts.reach("webhook", "accepted", 1).await;

    // An hour, from one attempt to the next, each as late as is configured: between half and the whole of
    // 15 seconds, doubled each time, up to an hour.
    let first = world.clock.now();
    let hour = SignedDuration::from_hours(1);
    let mut whole = SignedDuration::from_secs(15);
    let mut made = 1;
    loop {
        let due = world.next_delivery().await.unwrap();
        let wait = due.duration_since(world.clock.now());
        assert!(wait >= whole / 2 && wait <= whole, "attempt {made}: {wait}");
        if due.duration_since(first) > hour {
            break;
        }
        world.clock.advance(wait);
        made += 1;
        whole = (whole * 2).min(hour);
        world.attempts.reach("email", "passing", made).await;
    }
    assert!(made >= 8, "{made} attempts in an hour");
    assert_eq!(world.mailbox.messages().all().len(), 0);
    let status = world.setup.json(&["status"]);
    assert_eq!(status["totals"]["jobs_waiting"]["deliver"], 1, "{status}");
    assert_eq!(status["totals"]["jobs_dead"], serde_json::json!({}));

    // It is back.
    world.smtp.come_back().await.unwrap();
    let due = world.next_delivery().await.unwrap();
    world.clock.advance(due.duration_since(world.clock.now()));
    let mails = world.mailbox.wait_for(1).await.unwrap();
    assert_eq!(mails[0].to, [OWNER]);
    assert!(mails[0].text().unwrap().contains(BUCKET));
    assert_eq!(world.next_delivery().await, None, "nothing is left to send");

    // Nobody is told again.
    world.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(world.next_delivery().await, None);
    assert_eq!(world.mailbox.messages().all().len(), 1);
    assert_eq!(world.attempts.count("email", "passing"), made);
    assert_eq!(world.attempts.count("email", "accepted"), 1);
    assert_eq!(world.attempts.count("webhook", "accepted"), 1);
    let dead = world.setup.run(&["events", "dead"]);
    assert_eq!(dead.status.code(), Some(0), "{dead:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn a_web_address_that_fails_and_hangs() {
    let mut world = World::new().await;
    let failing = Answer::new(StatusCode::BAD_GATEWAY, "text/plain", "deploying");
    let busy = Answer::new(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "busy")
        .header("retry-after", "1800");
    let well = Answer::new(StatusCode::OK, "text/plain", "thanks");
    world.web.on(|_| true).sequence([
        Fault::Answer(failing),
        Fault::NeverAnswer(Moment::BeforeForwarding),
        Fault::Reset(Moment::BeforeForwarding),
        Fault::Answer(busy),
        Fault::Answer(well),
    ]);
    world.serve().await;
    for attempt in 1..=4 {
        world.attempts.reach("webhook", "passing", attempt).await;
        let due = world.next_delivery().await.unwrap();
        let wait = due.duration_since(world.clock.now());
        if attempt == 4 {
            let asked = SignedDuration::from_mins(30);
            assert!(
                wait >= asked,
                "what the receiver asked for is heeded: {wait}"
            );
        }
        world.clock.advance(wait);
    }
    world.attempts.reach("webhook", "accepted", 1).await;
    assert_eq!(world.next_delivery().await, None);
    // Every attempt had the same id, by which a receiver knows a repetition.
    let requests = world.web.requests().all();
    assert_eq!(requests.len(), 5, "{requests:?}");
    let ids: Vec<_> = requests
        .iter()
        .map(|own| own.header("webhook-id"))
        .collect();
    assert!(
        ids[0].is_some() && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    assert_eq!(world.mailbox.wait_for(1).await.unwrap().len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn a_publish_that_fails_for_good_is_never_silent() {
    let mut world = World::new().await;
    world.web_answers(StatusCode::BAD_REQUEST);
    world.serve().await;
    world.attempts.reach("webhook", "refused", 1).await;

    // Those who can be reached are told that others were not.
    let letter = world
        .mailbox
        .wait_for_one(|mail| mail.subject().is_some_and(|s| s.contains("NOT delivered")))
        .await
        .unwrap();
    let text = letter.text().unwrap();
    assert!(text.contains("400") && text.contains("given up"), "{text}");
    world.attempts.reach("email", "accepted", 2).await;
    assert_eq!(world.next_delivery().await, None);
    let dead = world.setup.run(&["events", "dead"]);
    assert_eq!(dead.status.code(), Some(1), "{dead:?}");
    let dead = world.setup.json(&["events", "dead"]);
    let letters = dead["dead_letters"].as_array().unwrap();
    assert_eq!(letters.len(), 1, "{dead}");
    assert!(
        letters[0]["error"].as_str().unwrap().contains("400"),
        "{dead}"
    );
    let status = world.setup.run(&["status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("Dead letters: 1 deliver"), "{status}");

    // Its reason is gone, and somebody has it tried again.
    world.web_answers(StatusCode::OK);
    let redriven = world.setup.run(&["events", "redrive", "--all"]);
    assert!(redriven.status.success(), "{redriven:?}");
    // Another process asked for it, by its own clock: it is found at the next look into the store.
    world.clock.advance(SignedDuration::from_hours(1));
    world.attempts.reach("webhook", "accepted", 1).await;
    assert_eq!(world.next_delivery().await, None);
    let dead = world.setup.run(&["events", "dead"]);
    assert_eq!(dead.status.code(), Some(0), "{dead:?}");
    assert_eq!(world.mailbox.messages().all().len(), 2);
    world.stop().await;
}
