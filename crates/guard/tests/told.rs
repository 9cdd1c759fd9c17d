//! Who is told of what: also those who begin to listen when something is open already, and those who
//! want one digest, however much there is in it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use compliance::item::BUCKET;
use compliance::notice::{
    Endpoint, Filter, Notice, NoticeKind, Protocol, Severity, Subscription, mail_subject,
};
use compliance::pattern::EventPattern;
use compliance::rules::configured::LambdaTarget;
use guard::arrive;
use guard::clock::{Clock, ManualClock};
use guard::deliver::{Courier, Message, SendError, Sending};
use guard::event_rules::{EventRule, EventRules, RuleTarget};
use guard::outbox;
use guard::repository::Repository;
use guard::state::JobKind;
use guard::subscribe::{confirm, tell_new_ones};
use guard::watch::Settings;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use support::power::Power;
use support::repository::Disk;
use support::watching::{ACCOUNT, Watching, claimed, ended, quiet, watching};
use support::{Memory, State, public_acl};

/// Takes whatever comes.
#[derive(Default)]
struct Mailbox(Mutex<Vec<Notice>>);

impl Courier for Mailbox {
    async fn send(&self, sending: &Sending) -> Result<(), SendError> {
        if let Message::Notice { notice, .. } = &sending.message {
            self.0.lock().unwrap().push((**notice).clone());
        }
        Ok(())
    }

    async fn ask(&self, _function: &LambdaTarget, _event: &Value) -> Result<Value, SendError> {
        Err(SendError::Gone {
            detail: "there are no functions here".to_owned(),
        })
    }
}

struct World {
    clock: Arc<ManualClock>,
    guard: Watching,
    mailbox: Mailbox,
}

fn start() -> Timestamp {
    "2026-01-01T10:00:00Z".parse().unwrap()
}

fn owner(confirmed: bool) -> Subscription {
    Subscription {
        id: "owner".to_owned(),
        topic: "security".to_owned(),
        protocol: Protocol::Email,
        endpoint: Endpoint::new("owner@example.com"),
        confirmed,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    }
}

impl World {
    /// Open buckets, and one subscription.
    fn new(buckets: &[&'static str], subscription: Subscription) -> World {
        let pattern =
            r#"{"detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT"]}}}"#;
        let settings = Settings {
            event_rules: EventRules::new(vec![EventRule {
                name: "open".to_owned(),
                pattern: EventPattern::parse(pattern).unwrap(),
                targets: vec![RuleTarget::Topic("security".to_owned())],
            }]),
            subscriptions: vec![subscription],
            ..quiet()
        };
        let state = State {
            acl: public_acl(),
            ..State::default()
        };
        let memory = Memory::with(buckets.iter().map(|name| (*name, state.clone())));
        let clock = Arc::new(ManualClock::at(start()));
        let guard = watching(
            &Arc::new(memory),
            &clock,
            Disk::default(),
            &Power::endless(),
            settings,
        );
        World {
            clock,
            guard,
            mailbox: Mailbox::default(),
        }
    }

    async fn look(&self, bucket: &str) {
        let asked = arrive::look(ACCOUNT, BUCKET, bucket, self.clock.now());
        let job = claimed(&self.guard, JobKind::Look, Some(asked)).await;
        let job = job.unwrap();
        let did = self.guard.look(&job).await;
        ended(&self.guard, &job, did).await;
    }

    /// Sends what is due.
    async fn deliver(&self) -> Vec<Notice> {
        while let Some(job) = claimed(&self.guard, JobKind::Deliver, None).await {
            let did = self.guard.deliver(&self.mailbox, &job).await;
            ended(&self.guard, &job, did).await;
        }
        std::mem::take(&mut *self.mailbox.0.lock().unwrap())
    }

    fn subscription(&self) -> &Subscription {
        self.guard.settings.subscriptions.first().unwrap()
    }

    /// What happens when the guard starts, and what is sent for it.
    async fn begin(&self, configured: &[Subscription]) -> Vec<Notice> {
        let now = self.clock.now();
        tell_new_ones(&*self.guard.repository, configured, now)
            .await
            .unwrap();
        self.pass(60);
        self.deliver().await
    }

    /// Stores notices with their deliveries.
    async fn commit(&self, notices: &[Notice], now: Timestamp) {
        let jobs = outbox::deliveries(notices, &self.guard.settings.subscriptions, now);
        let records = outbox::notices(notices);
        let repository = &self.guard.repository;
        repository
            .update_findings(&[], &records, &jobs, None, now)
            .await
            .unwrap();
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

#[tokio::test]
async fn who_confirms_late_is_told_what_is_open_already() {
    let world = World::new(&["open-0", "open-1", "open-2"], owner(false));
    for bucket in ["open-0", "open-1", "open-2"] {
        world.look(bucket).await;
    }
    assert_eq!(world.deliver().await, [], "nobody has confirmed");
    world.pass(120);
    let repository = &world.guard.repository;
    let now = world.clock.now();
    confirm(&**repository, world.subscription(), now)
        .await
        .unwrap();
    world.pass(60);
    let told = world.deliver().await;
    let [list] = told.as_slice() else {
        unreachable!("{told:?}")
    };
    assert_eq!(list.kind, NoticeKind::Digest);
    assert_eq!(list.severity, Severity::High);
    let subjects: Vec<&str> = list.digest.iter().map(|it| it.subject.as_str()).collect();
    for (subject, bucket) in subjects.iter().zip(["open-0", "open-1", "open-2"]) {
        let whole = format!("Public read by ACL: {bucket} in production");
        assert!(subjects.contains(&whole.as_str()), "{subject}");
    }
    let reason = list.reason.as_deref().unwrap();
    assert!(reason.contains("3 findings are open already"), "{reason}");
    // From now on it is told as it happens, and once.
    world.look("open-0").await;
    assert_eq!(world.deliver().await, []);
}

#[tokio::test]
async fn a_subscription_that_comes_later_is_told_what_is_open_once() {
    let world = World::new(&["open-0"], owner(true));
    let configured = world.guard.settings.subscriptions.clone();
    // The first start: nothing is known to be open.
    assert_eq!(world.begin(&configured).await, []);
    world.look("open-0").await;
    let told = world.deliver().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, NoticeKind::Opened);
    // The next start tells nobody anew …
    assert_eq!(world.begin(&configured).await, []);
    // … but a new address.
    let moved = Subscription {
        endpoint: Endpoint::new("new-owner@example.com"),
        ..owner(true)
    };
    let told = world.begin(&[moved]).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].digest.len(), 1);
}

#[tokio::test]
async fn a_digest_tells_of_everything_also_of_what_comes_late() {
    let hourly = Subscription {
        digest: Some(SignedDuration::from_hours(1)),
        ..owner(true)
    };
    let world = World::new(&[], hourly);
    let notice = |index: usize, at: Timestamp| Notice {
        topics: vec!["security".to_owned()],
        finding_id: Some(format!("f-{index}")),
        ..Notice::new(format!("n-{index:05}"), NoticeKind::Opened, at)
    };
    // More than are read at a time, many of them in one moment.
    let many = 2_500;
    let storm = (0..many).map(|index| {
        notice(
            index,
            start() + SignedDuration::from_secs(index as i64 / 900),
        )
    });
    world.commit(&storm.collect::<Vec<_>>(), start()).await;
    // Made before the hour is full, and stored after its digest was sent.
    let late = start() + SignedDuration::from_secs(3_599);
    world.pass(3_600);
    let told = world.deliver().await;
    let [first] = told.as_slice() else {
        unreachable!("{} notices", told.len())
    };
    assert_eq!(first.digest.len(), 500);
    let reason = first.reason.as_deref().unwrap();
    assert!(reason.contains("2500 notices"), "{reason}");
    world.commit(&[notice(many, late)], late).await;
    let told = world.deliver().await;
    let [second] = told.as_slice() else {
        unreachable!("{told:?}")
    };
    let ids: BTreeSet<&str> = second
        .digest
        .iter()
        .map(|line| line.notice_id.as_str())
        .collect();
    assert_eq!(ids, BTreeSet::from(["n-02500"]));
    assert!(mail_subject(second).contains("1 notice"));
}
