//! Deliveries of history and snapshots: everything once, on time, bounded, announced, and the same
//! files again after a loss of power at any single call; and the stream of changes.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use compliance::delivery_channel::{FileBounds, KeyPrefix};
use compliance::item::{BUCKET, ConfigurationItem, ResourceKey};
use compliance::notice::{Ladder, LadderStep};
use compliance::pattern::EventPattern;
use guard::arrive;
use guard::clock::{Clock, ManualClock};
use guard::error::CallError;
use guard::event_rules::{EventRule, EventRules, RuleTarget};
use guard::history::{self, Delivered, DeliveryChannel, DeliveryStatus};
use guard::operation::Operation;
use guard::repository::Repository;
use guard::state::{Commit, Finish, JobKind, NewJob};
use guard::watch::Settings;
use guard::work::Did;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use support::files::MemoryFiles;
use support::power::Power;
use support::repository::Disk;
use support::watching::{ACCOUNT, Watching, claimed, ended, quiet, watching};
use support::{Memory, State, private_acl, public_acl};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn channel() -> DeliveryChannel {
    DeliveryChannel {
        prefix: KeyPrefix::parse("config").unwrap(),
        announce: vec!["audit".to_owned()],
        ..DeliveryChannel::to(ACCOUNT, "archive")
    }
}

fn settings(channel: DeliveryChannel) -> Settings {
    Settings {
        delivery_channel: Some(channel),
        ..quiet()
    }
}

struct World {
    memory: Arc<Memory>,
    clock: Arc<ManualClock>,
    files: MemoryFiles,
}

impl World {
    fn at(now: &str) -> World {
        World {
            memory: Arc::new(Memory::with([(
                "b",
                State {
                    acl: private_acl(),
                    ..State::default()
                },
            )])),
            clock: Arc::new(ManualClock::at(at(now))),
            files: MemoryFiles::default(),
        }
    }

    fn guard(&self, disk: Disk, settings: Settings) -> Watching {
        watching(&self.memory, &self.clock, disk, &Power::endless(), settings)
    }

    /// Does the delivery that is due, if one is.
    async fn deliver(&self, guard: &Watching, asked: Option<NewJob>) -> Option<Finish> {
        let job = claimed(guard, JobKind::Snapshot, asked).await?;
        let did = guard.deliver_files(&self.files, &job).await;
        ended(guard, &job, did).await
    }

    /// The ids of the resources in each file.
    fn held(&self) -> BTreeMap<String, Vec<String>> {
        let files = self.files.files.lock().unwrap();
        let held = files.iter().map(|(key, body)| {
            let mut text = String::new();
            flate2::read::GzDecoder::new(body.as_slice())
                .read_to_string(&mut text)
                .unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            let items = document["configurationItems"].as_array().unwrap();
            let ids = items
                .iter()
                .map(|item| item["resourceId"].as_str().unwrap());
            (key.clone(), ids.map(str::to_owned).collect())
        });
        held.collect()
    }
}

fn job(what: fn(&DeliveryChannel, Timestamp) -> Vec<NewJob>, now: Timestamp) -> NewJob {
    what(&channel(), now).remove(0)
}

/// Records that a bucket was seen like this, at that time.
async fn record(guard: &Watching, region: &str, name: &str, seen: &str, deleted: bool) {
    let known = guard
        .repository
        .resource(ACCOUNT, BUCKET, name)
        .await
        .unwrap();
    let version = known.as_ref().map(|known| known.version);
    let key = ResourceKey::bucket(ACCOUNT, region, name);
    let document = serde_json::json!({
        "awsAccountId": ACCOUNT, "awsRegion": region, "resourceType": BUCKET, "resourceId": name,
        "configurationItemCaptureTime": seen, "tags": {"seen": seen},
    });
    let mut item = ConfigurationItem::from_json(&document).unwrap();
    if deleted {
        item = ConfigurationItem::deleted(&item, at(seen));
    }
    let hash = item.content_hash();
    let commit = Commit {
        expected_version: version,
        item: Some((item, hash)),
        ..Commit::of(key, at(seen))
    };
    guard
        .repository
        .commit(&commit, None, at(seen))
        .await
        .unwrap();
}

fn announced(guard: &Watching) -> Vec<(String, Value)> {
    let disk = guard.repository.disk.borrow();
    disk.jobs
        .values()
        .filter(|row| row.job.kind == JobKind::Forward)
        .map(|row| {
            let payload = &row.job.payload;
            (
                payload["target"].as_str().unwrap().to_owned(),
                payload["event"].clone(),
            )
        })
        .collect()
}

#[tokio::test]
async fn history_goes_out_every_so_often_and_each_item_once() {
    let world = World::at("2026-01-01T12:00:00.5Z");
    let guard = world.guard(Disk::default(), settings(channel()));
    record(&guard, "eu-central-1", "old", "2025-12-30T00:00:00Z", false).await;
    record(&guard, "eu-west-1", "b", "2026-01-01T11:49:59Z", false).await;
    // Captured a moment ago: others that were captured then may not be committed yet.
    record(&guard, "eu-west-1", "b", "2026-01-01T11:55:00Z", false).await;
    let asked = job(history::scheduled, world.clock.now());
    let finish = world.deliver(&guard, Some(asked.clone())).await;
    let again = |text: &str| {
        Some(Finish::Again {
            due_at: at(text),
            error: None,
        })
    };
    assert_eq!(finish, again("2026-01-01T18:00:00Z"));
    let key = |region: &str, day: &str, span: &str| {
        format!(
            "config/AWSLogs/{ACCOUNT}/Config/{region}/{day}/ConfigHistory/{ACCOUNT}_Config_{region}_ConfigHistory_AWS::S3::Bucket_{span}_1.json.gz"
        )
    };
    let first = [
        (
            key(
                "eu-central-1",
                "2026/1/1",
                "19700101T000000Z_20260101T115000Z",
            ),
            vec!["old".to_owned()],
        ),
        (
            key("eu-west-1", "2026/1/1", "19700101T000000Z_20260101T115000Z"),
            vec!["b".to_owned()],
        ),
    ];
    assert_eq!(world.held(), BTreeMap::from(first.clone()));
    let told: Vec<_> = announced(&guard)
        .into_iter()
        .map(|(to, event)| {
            (
                to,
                event["detail"]["s3ObjectKey"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        told,
        first.clone().map(|(key, _)| ("audit".to_owned(), key))
    );

    // Started again in between: it is not due, and nothing is delivered.
    let asked_again = world.deliver(&guard, Some(asked)).await;
    assert_eq!(asked_again, again("2026-01-01T18:00:00Z"));
    assert_eq!(world.files.puts.lock().unwrap().len(), 2);

    world.clock.advance(SignedDuration::from_hours(12));
    record(&guard, "eu-west-1", "b", "2026-01-01T23:00:00Z", true).await;
    let finish = world.deliver(&guard, None).await;
    assert_eq!(finish, again("2026-01-02T06:00:00Z"));
    let second = key("eu-west-1", "2026/1/1", "20260101T115000Z_20260101T235000Z");
    let mut both = BTreeMap::from(first);
    both.insert(second, vec!["b".to_owned(), "b".to_owned()]);
    assert_eq!(world.held(), both);

    // Nothing changed: no file.
    world.clock.advance(SignedDuration::from_hours(6));
    assert!(world.deliver(&guard, None).await.is_some());
    assert_eq!(world.held(), both);
}

#[tokio::test]
async fn a_snapshot_holds_what_is_there() {
    let world = World::at("2026-01-01T12:00:00Z");
    let scheduled = DeliveryChannel {
        history_every: None,
        snapshot_every: Some(SignedDuration::from_hours(24)),
        ..channel()
    };
    let guard = world.guard(Disk::default(), settings(scheduled.clone()));
    for index in 0..450 {
        let name = format!("b-{index:03}");
        record(&guard, "eu-west-1", &name, "2026-01-01T11:00:00Z", false).await;
    }
    record(&guard, "eu-west-1", "b-007", "2026-01-01T11:59:00Z", false).await;
    record(&guard, "eu-west-1", "b-008", "2026-01-01T11:59:00Z", true).await;
    let jobs = history::scheduled(&scheduled, world.clock.now());
    assert_eq!(jobs.len(), 1);
    let finish = world.deliver(&guard, jobs.into_iter().next()).await;
    let tomorrow = Finish::Again {
        due_at: at("2026-01-02T12:00:00Z"),
        error: None,
    };
    assert_eq!(finish, Some(tomorrow));
    let held = world.held();
    let (key, names) = held.first_key_value().unwrap();
    assert!(key.contains("/ConfigSnapshot/"), "{key}");
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (449, 449));
    assert!(!names.contains(&"b-008".to_owned()));

    world.clock.advance(SignedDuration::from_hours(1));
    let asked = history::snapshot(world.clock.now());
    let finish = world.deliver(&guard, Some(asked)).await;
    assert_eq!(finish, Some(Finish::Done));
    assert_eq!(world.held().len(), 2);
    let told = announced(&guard);
    assert_eq!(told.len(), 2);
    for (_, event) in told {
        assert_eq!(
            event["detail"]["messageType"],
            "ConfigurationSnapshotDeliveryCompleted"
        );
    }
}

/// Whatever single call the power fails at, before its effect or after it: the files in the end are
/// those of an undisturbed delivery, and each is announced.
#[tokio::test]
async fn a_loss_of_power_at_any_call_loses_nothing() {
    let small = || DeliveryChannel {
        bounds: FileBounds {
            file: 1_500,
            open: 2_500,
        },
        ..channel()
    };
    let filled = World::at("2026-01-01T12:00:00Z");
    let guard = filled.guard(Disk::default(), settings(small()));
    for index in 0..20 {
        let region = ["eu-west-1", "eu-central-1"][index % 2];
        let name = format!("b-{index:03}");
        record(&guard, region, &name, "2026-01-01T11:00:00Z", false).await;
    }
    let disk = guard.repository.disk.borrow().clone();
    let asked = || Some(job(history::scheduled, filled.clock.now()));
    filled.deliver(&guard, asked()).await;
    let whole = filled.files.files.lock().unwrap().clone();
    assert!(whole.len() > 4, "{}", whole.len());
    let ids = |guard: &Watching| -> BTreeSet<String> {
        let events = announced(guard).into_iter();
        events.map(|(_, event)| event["id"].to_string()).collect()
    };
    let told = ids(&guard);
    assert_eq!(told.len(), whole.len());

    let mut calls = 0;
    for after in [false, true] {
        for call in 1.. {
            let world = World::at("2026-01-01T12:00:00Z");
            let power = Power::fails_at(call, after);
            let guard = watching(
                &world.memory,
                &world.clock,
                disk.clone(),
                &power,
                settings(small()),
            );
            *world.files.power.lock().unwrap() = Some(Arc::clone(&power));
            let failed = tokio::select! {
                () = power.failed() => true,
                _ = world.deliver(&guard, asked()) => false,
            };
            // Leases run out, and time has gone on: the span that was begun is the one that is ended.
            world.clock.advance(SignedDuration::from_secs(90));
            *world.files.power.lock().unwrap() = None;
            let disk = guard.repository.disk.borrow().clone();
            let guard = world.guard(disk, settings(small()));
            if failed {
                // If the power failed before it was asked for, it is asked for at the next start, with
                // another end.
                let was_begun = guard
                    .repository
                    .remembered("delivered history")
                    .await
                    .unwrap();
                if was_begun.is_none() {
                    continue;
                }
                world.deliver(&guard, asked()).await;
            }
            assert_eq!(*world.files.files.lock().unwrap(), whole, "call {call}");
            assert_eq!(ids(&guard), told, "call {call}");
            calls += 1;
            if !failed {
                break;
            }
        }
    }
    assert!(calls > 20, "there are more calls than that: {calls}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_put_is_tried_again_and_said() {
    let world = World::at("2026-01-01T12:00:00Z");
    let guard = world.guard(Disk::default(), settings(channel()));
    record(&guard, "eu-west-1", "b", "2026-01-01T11:00:00Z", false).await;
    let operation = Operation::PutObject;
    let slow = CallError::Throttled { operation };
    // In passing: repeated within the delivery.
    world.files.failures.lock().unwrap().push_back(slow);
    let denied = CallError::AccessDenied { operation };
    world.files.failures.lock().unwrap().push_back(denied);
    let asked = job(history::scheduled, world.clock.now());
    let finish = world.deliver(&guard, Some(asked)).await;
    let Some(Finish::Again {
        due_at,
        error: Some(error),
    }) = finish
    else {
        unreachable!("{finish:?}")
    };
    assert!(due_at > world.clock.now());
    assert!(
        error.contains("bucket archive") && error.contains("s3:PutObject"),
        "{error}"
    );
    assert_eq!(announced(&guard), vec![]);
    world.clock.advance(SignedDuration::from_mins(1));
    world.deliver(&guard, None).await;
    assert_eq!(world.held().len(), 1);
    assert_eq!(announced(&guard).len(), 1);
}

/// Kinds, topics and reasons of the notices, the first first.
fn told(guard: &Watching) -> Vec<Value> {
    let disk = guard.repository.disk.borrow();
    let mut notices: Vec<_> = disk.notices.values().collect();
    notices.sort_by_key(|notice| notice.created_at);
    notices
        .into_iter()
        .map(|notice| notice.document.clone())
        .collect()
}

async fn status(guard: &Watching) -> DeliveryStatus {
    DeliveryStatus::of(&*guard.repository, Delivered::History)
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_fails_is_told_then_the_next_contact_and_when_it_is_over() {
    let world = World::at("2026-01-01T12:00:00Z");
    let step = LadderStep {
        after: SignedDuration::from_mins(30),
        topics: vec!["oncall".to_owned()],
    };
    let guard = world.guard(
        Disk::default(),
        Settings {
            ladder: Ladder {
                steps: vec![step],
                repeat_last: None,
            },
            ..settings(channel())
        },
    );
    record(&guard, "eu-west-1", "b", "2026-01-01T11:00:00Z", false).await;
    let operation = Operation::PutObject;
    let fail = || {
        let denied = CallError::AccessDenied { operation };
        world.files.failures.lock().unwrap().push_back(denied);
    };
    let asked = job(history::scheduled, world.clock.now());
    fail();
    world.deliver(&guard, Some(asked)).await;
    let first = told(&guard);
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0]["kind"], "delivery_failed");
    assert_eq!(first[0]["topics"], serde_json::json!(["default"]));
    assert_eq!(first[0]["key"]["resource_id"], "archive");
    let reason = first[0]["reason"].as_str().unwrap();
    assert!(reason.contains("s3:PutObject"), "{reason}");
    assert_eq!(status(&guard).await.attempts, 1);
    assert_eq!(
        status(&guard).await.failing_since,
        Some(at("2026-01-01T12:00:00Z"))
    );

    // Again the same, which nobody needs to hear twice.
    world.clock.advance(SignedDuration::from_mins(29));
    fail();
    let finish = world.deliver(&guard, None).await;
    assert_eq!(told(&guard).len(), 1);
    let Some(Finish::Again { due_at, .. }) = finish else {
        unreachable!("{finish:?}")
    };
    assert!(due_at <= at("2026-01-01T12:30:00Z"), "{due_at}");

    world.clock.advance(SignedDuration::from_mins(1));
    fail();
    world.deliver(&guard, None).await;
    let second = told(&guard);
    assert_eq!(second.len(), 2, "{second:?}");
    assert_eq!(second[1]["kind"], "delivery_failed");
    assert_eq!(second[1]["topics"], serde_json::json!(["oncall"]));
    assert_eq!(second[1]["escalation"]["step"], 1);

    world.clock.advance(SignedDuration::from_hours(2));
    world.deliver(&guard, None).await;
    let last = told(&guard);
    assert_eq!(last.len(), 3, "{last:?}");
    assert_eq!(last[2]["kind"], "resolved");
    assert_eq!(last[2]["topics"], serde_json::json!(["default"]));
    let over = status(&guard).await;
    assert_eq!(
        (over.failing_since, over.attempts, over.error),
        (None, 0, None)
    );
    assert_eq!((over.files, over.items), (1, 1));
    assert_eq!(over.delivered_up_to, Some(at("2026-01-01T11:50:00Z")));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_is_told_when_it_does_not() {
    let world = World::at("2026-01-01T12:00:00Z");
    let guard = world.guard(Disk::default(), settings(channel()));
    record(&guard, "eu-west-1", "b", "2026-01-01T11:00:00Z", false).await;
    let operation = Operation::PutObject;
    let down = CallError::Passing {
        operation,
        detail: "no connection".to_owned(),
    };
    world
        .files
        .failures
        .lock()
        .unwrap()
        .extend(std::iter::repeat_n(down, 1_000));
    let mut asked = Some(job(history::scheduled, world.clock.now()));
    for attempt in 1..=6 {
        world.deliver(&guard, asked.take()).await;
        assert_eq!(status(&guard).await.attempts, attempt);
        assert_eq!(told(&guard).len(), usize::from(attempt >= 5), "{attempt}");
        world.clock.advance(SignedDuration::from_hours(1));
    }
    world.files.failures.lock().unwrap().clear();
    world.deliver(&guard, None).await;
    assert_eq!(told(&guard)[1]["kind"], "resolved");
}

#[tokio::test]
async fn without_a_channel_there_is_nothing_to_do() {
    let world = World::at("2026-01-01T12:00:00Z");
    let guard = world.guard(Disk::default(), quiet());
    let asked = history::snapshot(world.clock.now());
    let finish = world.deliver(&guard, Some(asked)).await;
    assert_eq!(finish, Some(Finish::Done));
    assert_eq!(world.files.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn every_new_item_goes_to_the_change_stream() {
    let world = World::at("2026-01-01T12:00:00Z");
    let pattern = r#"{"detail-type": ["Config Configuration Item Change"], "detail": {"configurationItemDiff": {"changeType": ["UPDATE"]}}}"#;
    let guard = world.guard(
        Disk::default(),
        Settings {
            change_stream: vec!["stream".to_owned()],
            event_rules: EventRules::new(vec![EventRule {
                name: "updates".to_owned(),
                pattern: EventPattern::parse(pattern).unwrap(),
                targets: vec![
                    RuleTarget::Responder,
                    RuleTarget::Target("updates".to_owned()),
                    RuleTarget::Target("stream".to_owned()),
                ],
            }]),
            ..quiet()
        },
    );
    let look = async || {
        let asked = arrive::look(ACCOUNT, BUCKET, "b", world.clock.now());
        let job = claimed(&guard, JobKind::Look, Some(asked)).await.unwrap();
        let did = guard.look(&job).await;
        assert!(matches!(did, Did::Finished), "{did:?}");
    };
    look().await;
    // The same again is no change.
    look().await;
    let told = announced(&guard);
    assert_eq!(told.len(), 1);
    let (target, event) = &told[0];
    assert_eq!(target, "stream");
    assert_eq!(
        event["detail"]["configurationItemDiff"]["changeType"],
        "CREATE"
    );
    assert_eq!(event["detail"]["configurationItem"]["resourceId"], "b");

    world.memory.change("b", |state| state.acl = public_acl());
    look().await;
    let told = announced(&guard);
    let targets: Vec<&String> = told.iter().map(|(target, _)| target).collect();
    assert_eq!(targets, ["stream", "stream", "updates"]);
    let changed = &told[1].1["detail"]["configurationItemDiff"]["changedProperties"];
    assert_eq!(
        changed["SupplementaryConfiguration.AccessControlList"]["changeType"],
        "UPDATE"
    );
    assert_ne!(told[0].1["id"], told[1].1["id"]);
    let known = guard
        .repository
        .resource(ACCOUNT, BUCKET, "b")
        .await
        .unwrap();
    let findings = known.unwrap().findings;
    assert!(!findings.is_empty());
    // A change of configuration is about no finding: the responder has nothing to do with it.
    assert!(findings.iter().all(|finding| !finding.respond));
}
