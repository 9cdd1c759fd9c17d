//! Exceptions by tag, and what people are told when exceptions end; what is not watched any more, and
//! that it is again.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use compliance::exceptions::{OWNER_TAG, TAG, tag_value};
use compliance::item::BUCKET;
use compliance::notice::{Notice, NoticeKind};
use compliance::pattern::EventPattern;
use guard::arrive;
use guard::clock::{Clock, ManualClock};
use guard::coverage::{self, lost};
use guard::error::{CallError, Hopeless};
use guard::event_rules::{EventRule, EventRules, RuleTarget};
use guard::expiry::{self, Ending, ending};
use guard::operation::Operation;
use guard::ports::record::BucketPart;
use guard::repository::Repository;
use guard::state::{Coverage, Finding, Finish, JobKind};
use guard::watch::{Reminders, Settings};
use guard::work::Did;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use support::power::Power;
use support::repository::Disk;
use support::watching::{ACCOUNT, Watching, claimed, ended, quiet, watching};
use support::{Memory, State, private_acl, public_acl, public_policy};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count * 24)
}

fn settings() -> Settings {
    let pattern = r#"{"detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT"]}}}"#;
    Settings {
        tags_except: true,
        record_every: days(365),
        event_rules: EventRules::new(vec![EventRule {
            name: "open".to_owned(),
            pattern: EventPattern::parse(pattern).unwrap(),
            targets: vec![RuleTarget::Topic("security".to_owned())],
        }]),
        ..quiet()
    }
}

struct World {
    memory: Arc<Memory>,
    clock: Arc<ManualClock>,
    guard: Watching,
}

impl World {
    fn new(settings: Settings) -> World {
        let state = State {
            acl: public_acl(),
            ..State::default()
        };
        let memory = Arc::new(Memory::with([("b", state)]));
        let clock = Arc::new(ManualClock::at(at("2026-01-01T00:00:00Z")));
        let guard = watching(
            &memory,
            &clock,
            Disk::default(),
            &Power::endless(),
            settings,
        );
        World {
            memory,
            clock,
            guard,
        }
    }

    fn tag(&self, tags: &[(&str, &str)]) {
        let tags: serde_json::Map<String, serde_json::Value> = tags
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let mut parts = self.memory.parts.lock().unwrap();
        let set = json!({"tagSets": [{"tags": tags}]});
        parts.insert(("b".to_owned(), BucketPart::Tags), set);
    }

    async fn look(&self) {
        let asked = arrive::look(ACCOUNT, BUCKET, "b", self.clock.now());
        let job = claimed(&self.guard, JobKind::Look, Some(asked))
            .await
            .unwrap();
        let did = self.guard.look(&job).await;
        assert!(matches!(did, Did::Finished), "{did:?}");
    }

    /// The finding about the ACL.
    async fn finding(&self) -> Finding {
        let known = self.guard.repository.resource(ACCOUNT, BUCKET, "b").await;
        let mut findings = known.unwrap().unwrap().findings.into_iter();
        findings.find(|finding| finding.cause == "acl").unwrap()
    }

    /// Looks after exceptions, and does the looks that this asks for. When to look again.
    async fn check(&self) -> Timestamp {
        let now = self.clock.now();
        let job = claimed(&self.guard, JobKind::Check, Some(expiry::exceptions(now))).await;
        let job = job.unwrap();
        let did = self.guard.check_exceptions(&job).await;
        let finish = ended(&self.guard, &job, did).await;
        let Some(Finish::Again {
            due_at,
            error: None,
        }) = finish
        else {
            unreachable!("{finish:?}")
        };
        while let Some(job) = claimed(&self.guard, JobKind::Look, None).await {
            let did = self.guard.look(&job).await;
            ended(&self.guard, &job, did).await;
        }
        due_at
    }

    async fn coverage(&self) {
        let now = self.clock.now();
        let job = claimed(&self.guard, JobKind::Check, Some(coverage::coverage(now))).await;
        let job = job.unwrap();
        let did = self.guard.check_coverage(&job).await;
        ended(&self.guard, &job, did).await;
    }

    async fn sweep(&self) -> Option<Finish> {
        let asked = arrive::sweep(ACCOUNT, self.clock.now());
        let job = claimed(&self.guard, JobKind::Sweep, Some(asked))
            .await
            .unwrap();
        let did = self.guard.reconcile(&job).await;
        ended(&self.guard, &job, did).await
    }

    /// The notices that were made, of these kinds.
    fn told(&self, kinds: &[NoticeKind]) -> Vec<Notice> {
        let disk = self.guard.repository.disk.borrow();
        let mut notices: Vec<Notice> = disk
            .notices
            .values()
            .map(|record| serde_json::from_value(record.document.clone()).unwrap())
            .filter(|notice: &Notice| kinds.contains(&notice.kind))
            .collect();
        notices.sort_by_key(|notice| notice.created_at);
        notices
    }
}

const ENDS: &[NoticeKind] = &[
    NoticeKind::ExceptionExpiring,
    NoticeKind::ExceptionExpired,
    NoticeKind::ExceptionVoid,
];

/// An open bucket with a tag that excepts just that, until the end of January.
async fn excepted() -> World {
    let world = World::new(settings());
    world.look().await;
    let fingerprint = world.finding().await.fingerprint.unwrap();
    let value = tag_value("2026-01-31", &fingerprint);
    world.tag(&[(TAG, &value), (OWNER_TAG, "web team")]);
    world.clock.advance(SignedDuration::from_mins(1));
    world.look().await;
    assert_eq!(world.finding().await.state.name(), "excepted");
    world
}

#[tokio::test]
async fn a_tag_counts_only_for_the_very_grant_and_only_if_tags_may() {
    let world = excepted().await;
    let value = tag_value("2026-01-31", &format!("sha256:{}", "0".repeat(64)));
    for wrong in ["2026-01-31", "soon", value.as_str(), "2025-12-31"] {
        world.tag(&[(TAG, wrong)]);
        world.clock.advance(SignedDuration::from_mins(1));
        world.look().await;
        assert_eq!(world.finding().await.state.name(), "open", "{wrong}");
    }
    let right = world.finding().await.fingerprint.unwrap();
    let world = World::new(Settings {
        tags_except: false,
        ..settings()
    });
    world.tag(&[(TAG, &tag_value("2026-01-31", &right))]);
    world.look().await;
    let finding = world.finding().await;
    assert_eq!(finding.fingerprint, Some(right));
    assert_eq!(finding.state.name(), "open");
}

#[tokio::test]
async fn a_sweep_leaves_alone_what_a_tag_excepts() {
    let world = excepted().await;
    let looks = |world: &World| {
        let disk = world.guard.repository.disk.borrow();
        let jobs = disk.jobs.values();
        jobs.filter(|row| row.job.kind == JobKind::Look).count()
    };
    // The first sweep has everything recorded, the next only looks.
    world.sweep().await;
    world.check().await;
    world.sweep().await;
    assert_eq!(looks(&world), 0);
    world.clock.advance(days(31));
    world.sweep().await;
    assert_eq!(looks(&world), 1, "it has ended");
}

#[tokio::test]
async fn people_are_told_before_it_ends_once_each_and_when_it_has() {
    let world = excepted().await;
    // Ends with the 31st; nothing before two weeks before.
    assert_eq!(world.check().await, at("2026-01-02T00:01:00Z"));
    world.clock.advance(days(17));
    let expected = [
        (14, "2026-01-18T00:01:00Z"),
        (3, "2026-01-29T00:01:00Z"),
        (1, "2026-01-31T00:01:00Z"),
    ];
    for (index, (before, now)) in expected.into_iter().enumerate() {
        let wait = world.clock.now().until(at(now)).unwrap();
        world.clock.advance(SignedDuration::try_from(wait).unwrap());
        // However often it is looked.
        world.check().await;
        world.check().await;
        let told = world.told(ENDS);
        assert_eq!(told.len(), index + 1, "{before} days before");
        let notice = &told[index];
        assert_eq!(notice.kind, NoticeKind::ExceptionExpiring);
        assert_eq!(notice.topics, ["security"]);
        let exception = notice.exception.as_ref().unwrap();
        assert_eq!(exception.owner, "web team");
        assert_eq!(exception.expires, at("2026-02-01T00:00:00Z"));
    }
    assert_eq!(world.check().await, at("2026-02-01T00:00:00Z"));
    world.clock.advance(days(1));
    world.check().await;
    let finding = world.finding().await;
    assert_eq!(finding.state.name(), "open");
    let told = world.told(ENDS);
    let last = told.last().unwrap();
    assert_eq!((told.len(), last.kind), (4, NoticeKind::ExceptionExpired));
    assert_eq!(last.exception.as_ref().unwrap().id, TAG);
    world.check().await;
    assert_eq!(world.told(ENDS).len(), 4);
}

#[tokio::test]
async fn wider_than_the_exception_is_said_to_be() {
    let world = excepted().await;
    world.clock.advance(SignedDuration::from_mins(1));
    world.memory.change("b", |state| {
        state.policy = Some(public_policy("b", "s3:PutObject"))
    });
    world.look().await;
    assert_eq!(world.finding().await.state.name(), "open");
    let told = world.told(ENDS);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, NoticeKind::ExceptionVoid);
    assert_eq!(told[0].exception.as_ref().unwrap().owner, "web team");
    // Closed, there is nothing left to except.
    world.clock.advance(SignedDuration::from_mins(1));
    world.memory.change("b", |state| {
        state.policy = None;
        state.acl = private_acl();
    });
    world.look().await;
    assert_eq!(world.finding().await.state.name(), "resolved");
}

#[test]
fn the_shortest_warning_that_is_due_is_given_once() {
    let expires = at("2026-02-01T00:00:00Z");
    let warnings = [days(1), days(14), days(3)];
    let until = |text: &str| Ending::Nothing { until: at(text) };
    for (told, now, expected) in [
        (None, "2026-01-01T00:00:00Z", until("2026-01-18T00:00:00Z")),
        (None, "2026-01-18T00:00:00Z", Ending::Within(days(14))),
        (
            Some(14),
            "2026-01-18T00:00:00Z",
            until("2026-01-29T00:00:00Z"),
        ),
        // Nobody looked for two weeks.
        (None, "2026-01-30T00:00:00Z", Ending::Within(days(3))),
        (Some(14), "2026-01-31T12:00:00Z", Ending::Within(days(1))),
        (
            Some(1),
            "2026-01-31T12:00:00Z",
            until("2026-02-01T00:00:00Z"),
        ),
        (Some(1), "2026-02-01T00:00:00Z", Ending::Ended),
    ] {
        assert_eq!(
            ending(expires, &warnings, told.map(days), at(now)),
            expected,
            "{told:?} {now}"
        );
    }
    assert_eq!(
        ending(expires, &[], None, at("2026-01-01T00:00:00Z")),
        until("2026-02-01T00:00:00Z")
    );
}

const LOST: &[NoticeKind] = &[NoticeKind::CoverageLost, NoticeKind::Resolved];

#[tokio::test]
async fn an_account_that_cannot_be_swept_is_told_once_and_that_it_is_back() {
    let world = World::new(quiet());
    world.sweep().await;
    world.coverage().await;
    let expired = || CallError::Hopeless(Hopeless::ExpiredCredentials);
    world
        .memory
        .fail(Operation::ListBuckets, "", vec![expired(); 10]);
    for _ in 0..3 {
        world.clock.advance(SignedDuration::from_hours(1));
        world.sweep().await;
        world.coverage().await;
        assert_eq!(world.told(LOST), vec![]);
    }
    for _ in 0..3 {
        world.clock.advance(SignedDuration::from_hours(1));
        world.sweep().await;
        world.coverage().await;
    }
    let told = world.told(LOST);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, NoticeKind::CoverageLost);
    assert_eq!(told[0].topics, ["default"]);
    let reason = told[0].reason.clone().unwrap();
    assert!(reason.contains("the credentials have expired"), "{reason}");
    let rows = world.guard.repository.coverage().await.unwrap();
    assert!(
        rows[0]
            .error
            .as_ref()
            .unwrap()
            .contains("last gone through")
    );

    world.memory.failures.lock().unwrap().clear();
    world.clock.advance(SignedDuration::from_hours(1));
    world.sweep().await;
    world.coverage().await;
    world.coverage().await;
    let told = world.told(LOST);
    let kinds: Vec<NoticeKind> = told.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [NoticeKind::CoverageLost, NoticeKind::Resolved]);
    let rows = world.guard.repository.coverage().await.unwrap();
    assert_eq!(rows[0].error, None);
    // And the next time is another time.
    world
        .memory
        .fail(Operation::ListBuckets, "", vec![expired(); 10]);
    world.clock.advance(SignedDuration::from_hours(9));
    world.sweep().await;
    world.coverage().await;
    assert_eq!(world.told(LOST).len(), 3);
}

#[test]
fn silence_is_a_loss_only_where_events_came_before() {
    let reminders = Reminders {
        silent_after: Some(SignedDuration::from_hours(2)),
        ..Reminders::default()
    };
    let now = at("2026-01-02T00:00:00Z");
    let row = |region: &str, heard: Option<&str>| Coverage {
        last_event_at: heard.map(at),
        last_sweep_at: Some(now),
        ..Coverage::of(ACCOUNT, region)
    };
    let hour = SignedDuration::from_hours(1);
    let what = |rows: &[Coverage], reminders: &Reminders| -> Vec<&'static str> {
        let lost = lost(ACCOUNT, rows, now, hour, reminders, now);
        lost.into_iter().map(|lost| lost.what).collect()
    };
    let silent = [row("a", Some("2026-01-01T20:00:00Z")), row("b", None)];
    assert_eq!(what(&silent, &reminders), ["events"]);
    assert_eq!(what(&silent, &Reminders::default()), Vec::<&str>::new());
    let one_speaks = [silent[0].clone(), row("b", Some("2026-01-01T23:00:00Z"))];
    assert_eq!(what(&one_speaks, &reminders), Vec::<&str>::new());
    assert_eq!(what(&[row("a", None)], &reminders), Vec::<&str>::new());
    let other = Coverage {
        last_event_at: Some(at("2025-01-01T00:00:00Z")),
        ..Coverage::of("444455556666", "*")
    };
    assert_eq!(what(&[other], &reminders), Vec::<&str>::new());
}
