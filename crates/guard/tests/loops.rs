//! The loops together, over a store in memory: from an event to a bucket that is closed and people who
//! know, and that a loss of power at any single call takes nothing of that away.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use compliance::exceptions::Exceptions;
use compliance::item::BUCKET;
use compliance::notice::{
    Endpoint, Filter, Ladder, LadderStep, Notice, NoticeKind, Protocol, RetrySchedule, Subscription,
};
use compliance::pattern::EventPattern;
use compliance::rules::ComplianceType;
use compliance::rules::configured::{LambdaTarget, RuleConfig, RuleSet};
use guard::account::{Account, AccountSettings, Reach};
use guard::arrive;
use guard::clock::{Clock, ManualClock};
use guard::deliver::{Courier, Message, SendError, Sending};
use guard::escalate::acknowledge;
use guard::event_rules::{EventRule, EventRules, RuleTarget};
use guard::journal::{Event, State as Progress, remediations};
use guard::meter::Unmeasured;
use guard::pace::{Pace, PaceSettings};
use guard::record::Recorder;
use guard::repository::Repository;
use guard::responder::{EnforcementScope, ResponderSettings};
use guard::run::{RunSettings, run};
use guard::state::{EventRecord, FindingState, JobKind};
use guard::watch::{Guard, Reminders, Settings};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::files::MemoryFiles;
use support::power::Power;
use support::repository::{Disk, MemoryRepository};
use support::{Memory, NoServices, State, facts, private_acl, public_acl, public_policy};
use tokio::sync::watch;

const ACCOUNT: &str = "111122223333";

/// An account whose bucket side is a store in memory; it has no other services.
struct InMemory;

impl Reach for InMemory {
    type Store = Memory;
    type Services = NoServices;
}

/// A mailbox that notes what it took, and refuses what it is told to.
#[derive(Default)]
struct Mailbox {
    taken: watch::Sender<Vec<Sending>>,
    refusals: Mutex<Vec<SendError>>,
    power: Mutex<Option<Arc<Power>>>,
    function: Mutex<Option<Function>>,
}

impl Courier for Mailbox {
    async fn send(&self, sending: &Sending) -> Result<(), SendError> {
        if let Some(refusal) = self.refusals.lock().unwrap().pop() {
            return Err(refusal);
        }
        let power = self.power.lock().unwrap().clone();
        let take = || self.taken.send_modify(|taken| taken.push(sending.clone()));
        match power {
            Some(power) => power.call(take).await,
            None => take(),
        }
        Ok(())
    }

    async fn ask(&self, _function: &LambdaTarget, event: &Value) -> Result<Value, SendError> {
        let answer = self.function.lock().unwrap();
        let answer = answer.as_ref().expect("a function is asked");
        Ok(answer(event))
    }
}

type Function = Box<dyn Fn(&Value) -> Value + Send>;

impl Mailbox {
    fn notices(&self) -> Vec<(String, String, Notice)> {
        self.taken
            .borrow()
            .iter()
            .filter_map(|sending| match &sending.message {
                Message::Notice {
                    subscription,
                    notice,
                } => Some((
                    sending.id.clone(),
                    subscription.id.clone(),
                    (**notice).clone(),
                )),
                Message::Event { .. } => None,
            })
            .collect()
    }

    fn kinds(&self) -> Vec<NoticeKind> {
        self.notices()
            .into_iter()
            .map(|(_, _, notice)| notice.kind)
            .collect()
    }
}

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn event_rules() -> EventRules {
    let pattern = |text: &str| EventPattern::parse(text).unwrap();
    EventRules::new(vec![EventRule {
        name: "open".to_owned(),
        pattern: pattern(
            r#"{"detail-type": ["Config Rules Compliance Change"], "detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT", "INSUFFICIENT_DATA"]}}}"#,
        ),
        targets: vec![
            RuleTarget::Responder,
            RuleTarget::Topic("default".to_owned()),
        ],
    }])
}

fn settings() -> Settings {
    let subscription = |id: &str, topic: &str| Subscription {
        id: id.to_owned(),
        topic: topic.to_owned(),
        protocol: Protocol::Webhook,
        endpoint: Endpoint::new(format!("https://{id}.example.com/")),
        confirmed: true,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    };
    Settings {
        rules: RuleSet::default_set(),
        exceptions: Exceptions::default(),
        tags_except: false,
        responder: ResponderSettings {
            scopes: vec![EnforcementScope {
                name: "all".to_owned(),
                accounts: Vec::new(),
                regions: Vec::new(),
                buckets: Vec::new(),
                tag: None,
                enabled: true,
                options: compliance::remediation::RemediationOptions::default(),
                grace: SignedDuration::ZERO,
            }],
            ..ResponderSettings::default()
        },
        event_rules: event_rules(),
        subscriptions: vec![
            subscription("team", "default"),
            subscription("boss", "escalated"),
        ],
        ladder: Ladder {
            steps: vec![LadderStep {
                after: SignedDuration::from_mins(30),
                topics: vec!["escalated".to_owned()],
            }],
            repeat_last: None,
        },
        retries: RetrySchedule::default(),
        base_url: None,
        recorder: Recorder::everything(),
        delivery_channel: None,
        change_stream: Vec::new(),
        reminders: Reminders::default(),
        sweep_every: SignedDuration::from_hours(1),
        record_every: SignedDuration::from_hours(24),
        intervals: BTreeMap::new(),
        sweep_concurrency: 8,
        undecided_after: SignedDuration::from_mins(1),
    }
}

/// Everything that outlives a process.
struct World {
    memory: Arc<Memory>,
    clock: Arc<ManualClock>,
    mailbox: Arc<Mailbox>,
    disk: Disk,
}

/// One process.
struct Process {
    guard: Arc<Guard<MemoryRepository, InMemory, ManualClock>>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

impl World {
    fn new(state: State) -> World {
        World {
            memory: Arc::new(Memory::with([("b", state)])),
            clock: Arc::new(ManualClock::at(start())),
            mailbox: Arc::new(Mailbox::default()),
            disk: Disk::default(),
        }
    }

    fn boot(&self, power: &Arc<Power>, settings: Settings) -> Process {
        *self.memory.power.lock().unwrap() = Some(Arc::clone(power));
        *self.mailbox.power.lock().unwrap() = Some(Arc::clone(power));
        let repository = Arc::new(MemoryRepository::new(self.disk.clone(), Arc::clone(power)));
        let account = Account::new(
            AccountSettings {
                id: ACCOUNT.to_owned(),
                label: "production".to_owned(),
                default_region: "eu-central-1".to_owned(),
                endpoint: None,
                volume_regions: Vec::new(),
                facts: facts(None),
                fresh_for: SignedDuration::from_secs(30),
            },
            Arc::clone(&self.memory),
            None,
            Arc::new(Pace::new(PaceSettings::default(), 1)),
        );
        let guard = Arc::new(Guard {
            repository,
            accounts: BTreeMap::from([(ACCOUNT.to_owned(), account)]),
            clock: Arc::clone(&self.clock),
            settings,
            meter: Arc::new(Unmeasured),
        });
        let (stop, stopped) = watch::channel(false);
        let running = {
            let (guard, mailbox) = (Arc::clone(&guard), Arc::clone(&self.mailbox));
            tokio::spawn(async move {
                let settings = RunSettings {
                    worker: "w".to_owned(),
                    lease: Duration::from_secs(10),
                    poll: Duration::from_secs(1),
                    looks: 4,
                    deliveries: 4,
                    sweeps: 1,
                    keep_for: SignedDuration::from_hours(24),
                };
                run(guard, mailbox, None::<Arc<MemoryFiles>>, &settings, stopped)
                    .await
                    .unwrap();
            })
        };
        Process {
            guard,
            stop,
            running,
        }
    }

    /// Ends the process as a loss of power does, and keeps the disk.
    fn kill(&mut self, process: Process) {
        process.running.abort();
        self.disk = process.guard.repository.disk.borrow().clone();
    }

    async fn stop(&mut self, process: Process) {
        process.stop.send(true).unwrap();
        process.running.await.unwrap();
        self.disk = process.guard.repository.disk.borrow().clone();
    }
}

impl Process {
    /// Ready when all work is done that is due, and the account was swept.
    async fn idle(&self) {
        self.guard
            .repository
            .until(|disk| disk.is_idle() && !disk.coverage.is_empty())
            .await;
    }

    async fn changed(&self, id: &str, name: &str, clock: &ManualClock) {
        self.told(&[(id.to_owned(), name)], clock).await;
    }

    /// Several events about the bucket, at once.
    async fn told(&self, events: &[(String, &str)], clock: &ManualClock) {
        let record = |(id, name): &(String, &str)| EventRecord {
            id: id.clone(),
            source: "cloudtrail".to_owned(),
            name: (*name).to_owned(),
            event_time: clock.now(),
            arrived_at: clock.now(),
            account: ACCOUNT.to_owned(),
            region: None,
            resource_type: BUCKET.to_owned(),
            resource_id: "b".to_owned(),
            actor: Some("mallory".to_owned()),
            source_ip: None,
            detail: serde_json::Value::Null,
            verdict_at: None,
            closed_at: None,
        };
        let look = arrive::look(ACCOUNT, BUCKET, "b", clock.now());
        let events: Vec<_> = events
            .iter()
            .map(|event| (record(event), vec![look.clone()]))
            .collect();
        self.guard.repository.accept(&events).await.unwrap();
    }
}

fn closed() -> State {
    State {
        acl: private_acl(),
        ..State::default()
    }
}

fn history(disk: &Disk) -> Vec<ComplianceType> {
    disk.evaluations
        .iter()
        .filter(|(_, record)| record.rule_name.contains("read"))
        .map(|(_, record)| record.compliance_type)
        .collect()
}

#[tokio::test]
async fn a_bucket_that_is_opened_is_closed_and_people_know() {
    let mut world = World::new(closed());
    let process = world.boot(&Power::endless(), settings());
    process.idle().await;
    world.clock.advance(SignedDuration::from_mins(1));
    world.memory.change("b", |state| state.acl = public_acl());
    process.changed("e-1", "PutBucketAcl", &world.clock).await;
    process.idle().await;
    assert_eq!(world.memory.state("b").acl, private_acl());
    assert_eq!(world.mailbox.kinds(), [NoticeKind::Closed]);
    world.clock.advance(SignedDuration::from_mins(1));
    world.memory.change("b", |state| {
        state.policy = Some(public_policy("b", "s3:GetObject"))
    });
    process
        .changed("e-2", "PutBucketPolicy", &world.clock)
        .await;
    process.idle().await;
    assert!(world.memory.state("b").policy.is_some(), "a policy is left");
    assert_eq!(
        world.mailbox.kinds(),
        [NoticeKind::Closed, NoticeKind::Opened]
    );
    world.clock.advance(SignedDuration::from_mins(1));
    world.memory.change("b", |state| state.policy = None);
    process
        .changed("e-3", "DeleteBucketPolicy", &world.clock)
        .await;
    process.idle().await;
    world.stop(process).await;
    use ComplianceType::{Compliant, NonCompliant};
    assert_eq!(
        history(&world.disk),
        [Compliant, NonCompliant, Compliant, NonCompliant, Compliant]
    );
    let event = &world.disk.events["e-1"];
    assert_eq!(
        event.verdict_at,
        Some(start() + SignedDuration::from_mins(1))
    );
    assert_eq!(event.closed_at, event.verdict_at);
    assert!(
        world
            .disk
            .exposures
            .values()
            .all(|exposure| exposure.to.is_some())
    );
}

/// Two events, one by ACL that is closed and one by policy that is told of; what must be so in the end.
async fn opened_and_told(world: &mut World, process: Process) -> Vec<(String, NoticeKind)> {
    process.idle().await;
    let taken: Vec<(String, NoticeKind)> = world
        .mailbox
        .notices()
        .into_iter()
        .map(|(id, _, notice)| (id, notice.kind))
        .collect();
    world.stop(process).await;
    assert_eq!(world.memory.state("b").acl, private_acl(), "closed");
    assert!(
        world.memory.state("b").policy.is_some(),
        "and no more than that"
    );
    let findings = world
        .disk
        .resources
        .values()
        .flat_map(|record| &record.findings);
    let states: BTreeSet<(&str, &str)> = findings
        .map(|finding| (finding.cause.as_str(), finding.state.name()))
        .collect();
    assert_eq!(
        states,
        BTreeSet::from([("acl", "resolved"), ("policy", "open")])
    );
    let all = remediations(&world.disk.journal);
    let last = all.last().unwrap();
    let cut_off =
        |state: &Progress| matches!(state, Progress::Failed(why) if why.contains("cut off"));
    assert!(
        last.state == Progress::Verified || cut_off(&last.state),
        "{last:?}"
    );
    taken
}

/// Whatever single call the power fails at, before its effect or after it.
#[tokio::test]
async fn a_loss_of_power_at_any_call_loses_nothing() {
    let mut repeated = BTreeSet::new();
    let mut calls = 0;
    for after in [false, true] {
        for call in 1.. {
            let mut world = World::new(closed());
            let process = world.boot(&Power::endless(), settings());
            process.idle().await;
            world.stop(process).await;
            world.memory.change("b", |state| {
                state.acl = public_acl();
                state.policy = Some(public_policy("b", "s3:GetObject"));
            });
            // The event was stored: its source has forgotten it.
            let process = world.boot(&Power::endless(), settings());
            process.running.abort();
            process.changed("e-1", "PutBucketAcl", &world.clock).await;
            world.kill(process);

            let power = Power::fails_at(call, after);
            let process = world.boot(&power, settings());
            let failed = tokio::select! {
                () = power.failed() => true,
                () = process.idle() => false,
            };
            world.kill(process);
            let mut records = world.disk.journal.iter();
            let written = records.any(|record| matches!(record.event, Event::Written { .. }));
            // Leases run out.
            world.clock.advance(SignedDuration::from_secs(11));
            let process = world.boot(&Power::endless(), settings());
            let taken = opened_and_told(&mut world, process).await;
            let ids: BTreeSet<&String> = taken.iter().map(|(id, _)| id).collect();
            let kinds: BTreeSet<NoticeKind> = taken.iter().map(|(_, kind)| *kind).collect();
            assert!(
                kinds.contains(&NoticeKind::Opened),
                "call {call}: {taken:?}"
            );
            // Killed between the write and its record, it cannot show that the write was its own.
            let ended = [NoticeKind::Closed, NoticeKind::Resolved];
            assert!(
                ended.iter().any(|kind| kinds.contains(kind)),
                "call {call}: {taken:?}"
            );
            assert!(
                !written || kinds.contains(&NoticeKind::Closed),
                "call {call}: what it has on record is its own: {taken:?}"
            );
            assert_eq!(ids.len(), 2, "call {call}: {taken:?}");
            if taken.len() > ids.len() {
                // Only where it was taken on and that was not written down.
                repeated.insert((after, call));
                assert_eq!(taken.len(), ids.len() + 1);
            }
            calls += 1;
            if !failed {
                break;
            }
        }
    }
    assert!(calls > 40, "there are more calls than that: {calls}");
    assert!(repeated.len() <= 8, "{repeated:?}");
}

#[tokio::test]
async fn nobody_answers_and_the_next_contact_is_asked_once() {
    let mut world = World::new(State {
        policy: Some(public_policy("b", "s3:GetObject")),
        ..closed()
    });
    let process = world.boot(&Power::endless(), settings());
    process.idle().await;
    let told = |mailbox: &Mailbox| -> Vec<(String, NoticeKind)> {
        let notices = mailbox.notices().into_iter();
        notices.map(|(_, to, notice)| (to, notice.kind)).collect()
    };
    assert_eq!(
        told(&world.mailbox),
        [("team".to_owned(), NoticeKind::Opened)]
    );
    world.clock.advance(SignedDuration::from_mins(30));
    let mut taken = world.mailbox.taken.subscribe();
    taken.wait_for(|taken| taken.len() == 2).await.unwrap();
    assert_eq!(
        told(&world.mailbox)[1],
        ("boss".to_owned(), NoticeKind::Escalated)
    );
    let repository = &process.guard.repository;
    repository
        .until(|disk| {
            !disk
                .jobs
                .values()
                .any(|row| row.job.kind == JobKind::Escalate)
        })
        .await;
    world.stop(process).await;
}

#[tokio::test]
async fn who_acknowledges_is_not_escalated_past() {
    let mut world = World::new(State {
        policy: Some(public_policy("b", "s3:GetObject")),
        ..closed()
    });
    let process = world.boot(&Power::endless(), settings());
    process.idle().await;
    let repository = Arc::clone(&process.guard.repository);
    let id = world.mailbox.notices()[0].2.finding_id.clone().unwrap();
    let until = world.clock.now() + SignedDuration::from_hours(2);
    acknowledge(
        &*repository,
        &id,
        "bob",
        Some(until),
        None,
        world.clock.now(),
    )
    .await
    .unwrap();
    world.clock.advance(SignedDuration::from_hours(1));
    repository
        .until(|disk| {
            let mut escalations = disk
                .jobs
                .values()
                .filter(|row| row.job.kind == JobKind::Escalate);
            escalations.all(|row| row.held_until.is_none() && row.job.due_at >= until)
        })
        .await;
    assert_eq!(world.mailbox.notices().len(), 1);
    let finding = repository.finding(&id).await.unwrap().unwrap();
    assert!(matches!(finding.state, FindingState::Acknowledged { .. }));
    // The acknowledgement ends, and nobody has closed it.
    world.clock.advance(SignedDuration::from_hours(1));
    let mut taken = world.mailbox.taken.subscribe();
    taken.wait_for(|taken| taken.len() == 2).await.unwrap();
    world.stop(process).await;
}

#[tokio::test]
async fn who_acknowledges_while_a_step_is_taken_is_not_undone() {
    let mut world = World::new(State {
        policy: Some(public_policy("b", "s3:GetObject")),
        ..closed()
    });
    let process = world.boot(&Power::endless(), settings());
    process.idle().await;
    let repository = Arc::clone(&process.guard.repository);
    let id = world.mailbox.notices()[0].2.finding_id.clone().unwrap();
    let acknowledged = FindingState::Acknowledged {
        by: "bob".to_owned(),
        at: world.clock.now(),
        until: None,
        note: None,
    };
    let by_bob = acknowledged.clone();
    *repository.meddler.lock().unwrap() = Some(Box::new(move |disk: &mut Disk| {
        for record in disk.resources.values_mut() {
            record.version += 1;
            for finding in &mut record.findings {
                finding.state = by_bob.clone();
            }
        }
    }));
    world.clock.advance(SignedDuration::from_mins(30));
    repository
        .until(|disk| {
            let mut jobs = disk.jobs.values();
            !jobs.any(|row| row.job.kind == JobKind::Escalate)
        })
        .await;
    assert!(repository.meddler.lock().unwrap().is_none(), "a step began");
    process.idle().await;
    assert_eq!(world.mailbox.kinds(), [NoticeKind::Opened]);
    let finding = repository.finding(&id).await.unwrap().unwrap();
    assert_eq!((finding.state, finding.escalation_step), (acknowledged, 0));
    world.stop(process).await;
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_and_in_the_end_given_up_visibly() {
    let mut world = World::new(State {
        policy: Some(public_policy("b", "s3:GetObject")),
        ..closed()
    });
    let passing = || SendError::Passing {
        detail: "connection refused".to_owned(),
        retry_after: None,
    };
    *world.mailbox.refusals.lock().unwrap() = vec![passing(), passing()];
    let process = world.boot(&Power::endless(), settings());
    let repository = Arc::clone(&process.guard.repository);
    let waiting = |attempts: u32| {
        move |disk: &Disk| {
            disk.jobs.values().any(|row| {
                row.job.kind == JobKind::Deliver
                    && row.held_until.is_none()
                    && row.job.attempts == attempts
            })
        }
    };
    repository.until(waiting(1)).await;
    world.clock.advance(SignedDuration::from_secs(20));
    repository.until(waiting(2)).await;
    world.clock.advance(SignedDuration::from_secs(40));
    process.idle().await;
    assert_eq!(world.mailbox.kinds(), [NoticeKind::Opened]);

    let refused = SendError::Refused {
        detail: "550 no such user".to_owned(),
    };
    *world.mailbox.refusals.lock().unwrap() = vec![refused];
    world.memory.change("b", |state| state.policy = None);
    process
        .changed("e-2", "DeleteBucketPolicy", &world.clock)
        .await;
    repository
        .until(|disk| disk.jobs.values().any(|row| row.dead))
        .await;
    let dead = repository.dead_letters(10).await.unwrap();
    assert_eq!(dead[0].last_error.as_deref(), Some("550 no such user"));
    assert!(
        repository
            .redrive(dead[0].id, world.clock.now())
            .await
            .unwrap()
    );
    process.idle().await;
    assert_eq!(
        world.mailbox.kinds(),
        [NoticeKind::Opened, NoticeKind::Resolved]
    );
    world.stop(process).await;
}

/// A custom rule's function is asked when an item is new, and its answer stands until the next.
#[tokio::test]
async fn a_function_judges_too() {
    let mut world = World::new(closed());
    *world.mailbox.function.lock().unwrap() = Some(Box::new(|event| {
        let invoking: Value =
            serde_json::from_str(event["invokingEvent"].as_str().unwrap()).unwrap();
        let policy = &invoking["configurationItem"]["supplementaryConfiguration"]["BucketPolicy"];
        let fails = policy["policyText"].is_string();
        json!({"Evaluations": [{
            "ComplianceResourceType": "AWS::S3::Bucket",
            "ComplianceResourceId": "b",
            "ComplianceType": if fails { "NON_COMPLIANT" } else { "COMPLIANT" },
            "Annotation": "no policies here",
            "OrderingTimestamp": "2026-01-01T00:00:00Z",
        }]})
    }));
    let with_function = || {
        let rule: RuleConfig = serde_json::from_value(json!({
            "name": "no-policies",
            "source": "lambda",
            "lambda": "arn:aws:lambda:eu-central-1:111122223333:function:judge",
            "resource-types": ["AWS::S3::Bucket"],
        }))
        .unwrap();
        Settings {
            rules: RuleSet::new(vec![rule]).unwrap(),
            ..settings()
        }
    };
    let asked = |disk: &Disk| {
        disk.is_idle()
            && !disk
                .jobs
                .values()
                .any(|row| row.job.kind == JobKind::Evaluate)
    };
    let process = world.boot(&Power::endless(), with_function());
    process.idle().await;
    process.guard.repository.until(asked).await;
    world.memory.change("b", |state| {
        state.policy = Some(public_policy("b", "s3:GetObject"))
    });
    process
        .changed("e-1", "PutBucketPolicy", &world.clock)
        .await;
    process.idle().await;
    process.guard.repository.until(asked).await;
    // A look that changes nothing asks nobody, and what was said stands.
    process
        .changed("e-2", "PutBucketPolicy", &world.clock)
        .await;
    process.idle().await;
    world.stop(process).await;
    let record = world.disk.resources.values().next().unwrap();
    let answer = record
        .evaluations
        .iter()
        .find(|record| record.rule_name == "no-policies")
        .unwrap();
    assert_eq!(answer.compliance_type, ComplianceType::NonCompliant);
    let finding = record
        .findings
        .iter()
        .find(|finding| finding.cause == "no-policies")
        .unwrap();
    assert_eq!(finding.state, FindingState::Open);
    assert_eq!(finding.annotation, "no policies here");
    let told = world.mailbox.notices();
    let told: Vec<_> = told
        .iter()
        .filter(|(_, _, notice)| notice.rule_names == ["no-policies"])
        .collect();
    assert_eq!(told.len(), 1);
}

/// An event can tell of any bucket; one that is not recorded is neither read nor changed.
#[tokio::test]
async fn what_is_not_recorded_is_left_alone() {
    let mut world = World::new(State {
        acl: public_acl(),
        ..closed()
    });
    let narrow = Settings {
        recorder: Recorder::everything().with_buckets(["other-*"]),
        ..settings()
    };
    let process = world.boot(&Power::endless(), narrow);
    process.idle().await;
    process.changed("e-1", "PutBucketAcl", &world.clock).await;
    process.idle().await;
    world.stop(process).await;
    assert_eq!(world.memory.state("b").acl, public_acl());
    assert_eq!(world.memory.asked("b"), []);
    assert!(world.disk.resources.is_empty() && world.mailbox.notices().is_empty());
    assert!(world.disk.events["e-1"].verdict_at.is_some(), "done with");
}

/// Whoever sends events decides how many there are; a look takes some, and asks for another.
#[tokio::test]
async fn any_number_of_events_about_one_bucket_is_looked_after() {
    let mut world = World::new(closed());
    let process = world.boot(&Power::endless(), settings());
    process.idle().await;
    world.clock.advance(SignedDuration::from_mins(1));
    world.memory.change("b", |state| state.acl = public_acl());
    let many: Vec<_> = (0..1_000)
        .map(|n| (format!("e-{n}"), "PutBucketAcl"))
        .collect();
    process.told(&many, &world.clock).await;
    process.idle().await;
    world.stop(process).await;
    assert_eq!(world.memory.state("b").acl, private_acl());
    assert_eq!(world.mailbox.kinds(), [NoticeKind::Closed]);
    let mut events = world.disk.events.values();
    assert!(events.all(|event| event.verdict_at.is_some() && event.closed_at.is_some()));
    // And of a bucket that is not there.
    let mut world = World::new(closed());
    world.memory.buckets.lock().unwrap().clear();
    let process = world.boot(&Power::endless(), settings());
    process.told(&many, &world.clock).await;
    process.idle().await;
    world.stop(process).await;
    let mut events = world.disk.events.values();
    assert!(events.all(|event| event.verdict_at.is_some()));
}
