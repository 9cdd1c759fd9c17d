//! Looks that do not go as they should: reads that fail, buckets that change meanwhile, writes that are
//! refused, and what people are told of it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use compliance::item::VOLUME;
use compliance::notice::{Ladder, LadderStep, NoticeKind};
use guard::arrive;
use guard::clock::Clock;
use guard::enforcement;
use guard::error::CallError;
use guard::journal::{Event, Part, Record, State as Progress, remediations};
use guard::operation::Operation;
use guard::record::Recorder;
use guard::repository::Repository;
use guard::state::{Coverage, EnforcementStop, JobKind};
use guard::watch::Settings;
use jiff::SignedDuration;
use policy::bucket::{Grant, Permission};
use support::power::Power;
use support::watching::{ACCOUNT, Looks, claimed, ended, enforcing};
use support::{State, owner_grant, private_acl, public_acl, public_policy};

fn closed() -> State {
    State {
        block: None,
        policy: None,
        acl: private_acl(),
        ..State::default()
    }
}

/// Enough failures for so many looks, each of which repeats the call itself.
fn slow_down(operation: Operation, looks: usize) -> Vec<CallError> {
    let attempts = guard::pace::PaceSettings::default().attempts as usize;
    vec![CallError::Throttled { operation }; looks * attempts]
}

/// A bucket that was seen closed, and then opened by its ACL, of which an event tells.
async fn opened(bucket: State) -> Looks {
    let looks = Looks::new([("b", bucket)], enforcing());
    looks.ask("b").await;
    looks.look().await.unwrap();
    looks.clock.advance(SignedDuration::from_mins(1));
    looks.memory.change("b", |state| state.acl = public_acl());
    looks.event("e-1", "PutBucketAcl", "b").await;
    looks
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_in_passing_is_read_again_soon() {
    let looks = opened(closed()).await;
    let operation = Operation::GetBucketAcl;
    looks.memory.fail(operation, "b", slow_down(operation, 1));
    looks.look().await.unwrap();
    assert_eq!(looks.disk().events["e-1"].verdict_at, None, "not seen yet");
    assert!(looks.findings().is_empty() && looks.told_kinds().is_empty());
    let waited = looks.next_look().await.unwrap();
    assert!(waited >= SignedDuration::from_millis(100), "{waited:?}");
    assert!(waited <= SignedDuration::from_secs(10), "{waited:?}");
    assert_eq!(looks.memory.state("b").acl, private_acl());
    assert_eq!(looks.told_kinds(), [NoticeKind::Closed]);
    assert!(looks.disk().events["e-1"].verdict_at.is_some());
    assert_eq!(looks.until_next_look(), None);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_for_long_is_told_and_still_read_again() {
    let looks = opened(closed()).await;
    let operation = Operation::GetBucketAcl;
    looks.memory.fail(operation, "b", slow_down(operation, 12));
    let mut waits = Vec::new();
    while looks.told_kinds().is_empty() {
        waits.push(looks.next_look().await.unwrap());
        assert!(waits.len() < 10, "never told");
    }
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    assert_eq!(looks.findings()["undecided"], "open");
    assert!(waits.len() > 2, "told at once: {waits:?}");
    assert!(waits.windows(2).all(|two| two[0] <= two[1]), "{waits:?}");
    while looks.memory.state("b").acl != private_acl() {
        assert_eq!(looks.disk().events["e-1"].verdict_at, None, "not seen yet");
        let waited = looks.next_look().await.unwrap();
        assert!(waited > SignedDuration::ZERO);
        assert!(waited <= SignedDuration::from_mins(1), "{waited:?}");
    }
    assert!(looks.disk().events["e-1"].verdict_at.is_some());
    assert_eq!(looks.findings()["acl"], "resolved");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_told_at_once() {
    let looks = opened(closed()).await;
    let operation = Operation::GetBucketAcl;
    let denied = CallError::AccessDenied { operation };
    looks.memory.fail(operation, "b", vec![denied; 2]);
    looks.look().await.unwrap();
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    assert_eq!(looks.findings()["undecided"], "open");
    assert!(looks.disk().events["e-1"].verdict_at.is_some());
    assert_eq!(looks.until_next_look(), None);
}

/// What lets somebody in does so whatever could not be read beside it.
#[tokio::test(start_paused = true)]
async fn what_is_open_is_closed_though_something_else_could_not_be_read() {
    let looks = opened(closed()).await;
    let operation = Operation::ListAccessPoints;
    looks.memory.change("b", |state| {
        state.policy = Some(public_policy("b", "s3:GetObject"));
    });
    // Throughout the look, which lists them again each time that it reads.
    looks.memory.fail(operation, "*", slow_down(operation, 20));
    looks.look().await.unwrap();
    looks.memory.failures.lock().unwrap().clear();
    assert_eq!(looks.memory.state("b").acl, private_acl(), "closed");
    let findings = looks.findings();
    assert_eq!((findings["acl"], findings["policy"]), ("resolved", "open"));
    assert!(!findings.contains_key("undecided"), "not yet: {findings:?}");
    assert_eq!(looks.disk().events["e-1"].verdict_at, None, "not seen yet");
    looks.next_look().await.unwrap();
    assert!(looks.disk().events["e-1"].verdict_at.is_some());
    assert_eq!(looks.until_next_look(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_resolved_by_what_could_not_be_read_in_passing() {
    let open = State {
        policy: Some(public_policy("b", "s3:GetObject")),
        ..closed()
    };
    let looks = Looks::new([("b", open)], enforcing());
    looks.ask("b").await;
    looks.look().await.unwrap();
    assert_eq!(looks.findings()["policy"], "open");
    let operation = Operation::GetBucketPolicy;
    looks.memory.fail(operation, "b", slow_down(operation, 3));
    looks.ask("b").await;
    for _ in 0..3 {
        looks.next_look().await.unwrap();
        assert_eq!(looks.findings()["policy"], "open");
    }
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    looks.next_look().await.unwrap();
    assert_eq!(looks.until_next_look(), None);
}

/// The account's block is kept for a while, but not that it could not be read.
#[tokio::test(start_paused = true)]
async fn the_accounts_block_is_asked_for_again_when_it_could_not_be_read() {
    let looks = Looks::new([("b", closed())], enforcing());
    let operation = Operation::GetAccountPublicAccessBlock;
    looks.memory.fail(operation, "", slow_down(operation, 1));
    looks.memory.change("b", |state| state.acl = public_acl());
    looks.event("e-1", "PutBucketAcl", "b").await;
    looks.look().await.unwrap();
    let waited = looks.next_look().await.unwrap();
    assert!(waited <= SignedDuration::from_secs(10), "{waited:?}");
    assert_eq!(looks.memory.state("b").acl, private_acl());
}

fn meddle(looks: &Looks, meddler: impl FnMut(Operation, &mut State) + Send + 'static) {
    *looks.memory.meddler.lock().unwrap() = Some(Box::new(meddler));
}

/// An ACL is closed whatever the policy says by the time of the write: the same write is asked for.
#[tokio::test]
async fn a_policy_that_changes_all_the_time_does_not_keep_an_acl_open() {
    let looks = opened(closed()).await;
    let mut times = 0;
    meddle(&looks, move |operation, state| {
        if operation == Operation::GetBucketPolicy {
            times += 1;
            let policy = public_policy("b", "s3:GetObject").replace("World", &format!("W{times}"));
            state.policy = Some(policy);
        }
    });
    looks.look().await.unwrap();
    assert_eq!(looks.memory.state("b").acl, private_acl());
    assert_eq!(looks.findings()["acl"], "resolved");
    assert!(looks.told_kinds().contains(&NoticeKind::Closed));
}

/// What is to be written is not written over something else; and that is told.
#[tokio::test]
async fn an_acl_that_changes_all_the_time_is_told_and_tried_again_with_pauses() {
    let looks = opened(closed()).await;
    let mut times = 0;
    meddle(&looks, move |operation, state| {
        if operation == Operation::GetBucketAcl {
            times += 1;
            state.acl = public_acl();
            if times % 2 == 1 {
                state.acl.grants.push(Grant {
                    permission: Permission::ReadAcp,
                    ..owner_grant()
                });
            }
        }
    });
    looks.look().await.unwrap();
    assert!(looks.told_kinds().is_empty(), "it may be a coincidence");
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.push(looks.next_look().await.unwrap());
        assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    }
    assert_eq!(looks.memory.writes(), 0);
    assert!(waits[0] > SignedDuration::ZERO, "{waits:?}");
    assert!(waits[9] >= SignedDuration::from_secs(30), "{waits:?}");
    let disk = looks.disk();
    let notice = &disk.notices.values().next().unwrap().document;
    let reason = notice["reason"].as_str().unwrap();
    assert!(reason.contains("changes each time"), "{reason}");
    *looks.memory.meddler.lock().unwrap() = None;
    looks.next_look().await.unwrap();
    assert_eq!(looks.memory.state("b").acl, private_acl());
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened, NoticeKind::Closed]);
    assert_eq!(looks.until_next_look(), None);
}

fn intents(looks: &Looks) -> usize {
    let journal = looks.disk().journal;
    let is_intent = |record: &&Record| matches!(record.event, Event::Intent { .. });
    journal.iter().filter(is_intent).count()
}

fn denied(operation: Operation) -> Vec<CallError> {
    vec![CallError::AccessDenied { operation }; 1000]
}

#[tokio::test]
async fn a_write_that_always_fails_is_tried_less_and_less_under_one_intent() {
    let looks = opened(closed()).await;
    let operation = Operation::PutBucketAcl;
    looks.memory.fail(operation, "b", denied(operation));
    looks.look().await.unwrap();
    assert_eq!(looks.told_kinds(), [NoticeKind::RemediationFailed]);
    let mut waits = Vec::new();
    while looks.told_kinds().len() < 2 {
        waits.push(looks.next_look().await.unwrap());
        // Whoever asks in between, as sweeps do, makes it no more often.
        let (writes, told) = (looks.memory.writes(), looks.told_kinds());
        looks.ask("b").await;
        looks.look().await.unwrap();
        assert_eq!(looks.memory.writes(), writes);
        if told.len() > 1 || waits.len() > 30 {
            break;
        }
    }
    assert_eq!(
        looks.told_kinds(),
        [NoticeKind::RemediationFailed, NoticeKind::RemediationHeld]
    );
    assert!(waits.windows(2).all(|two| two[0] <= two[1]), "{waits:?}");
    assert!(waits[0] <= SignedDuration::from_secs(2), "{waits:?}");
    assert!(waits.contains(&SignedDuration::from_hours(1)), "{waits:?}");
    assert_eq!(
        looks.until_next_look(),
        Some(SignedDuration::from_hours(24))
    );
    assert_eq!(intents(&looks), 1, "one intent for all of them");

    // What opens it has changed: that is another thing to try.
    looks.memory.fail(operation, "b", Vec::new());
    looks.memory.change("b", |state| {
        state.acl.grants.push(Grant {
            permission: Permission::Write,
            ..state.acl.grants[1].clone()
        });
    });
    looks.event("e-2", "PutBucketAcl", "b").await;
    looks.look().await.unwrap();
    assert_eq!(looks.memory.state("b").acl, private_acl());
    let all = remediations(&looks.disk().journal);
    assert_eq!(all.last().unwrap().state, Progress::Verified);
    assert_eq!(all.len(), 2);
}

/// When it works again, the journal has the way back under the first intent.
#[tokio::test]
async fn a_write_that_works_again_is_verified_under_its_intent() {
    let looks = opened(closed()).await;
    let operation = Operation::PutBucketAcl;
    looks
        .memory
        .fail(operation, "b", denied(operation)[..3].to_vec());
    looks.look().await.unwrap();
    while looks.next_look().await.is_some() {}
    assert_eq!(looks.memory.state("b").acl, private_acl());
    let all = remediations(&looks.disk().journal);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].failures, &all[0].state), (3, &Progress::Verified));
    assert_eq!(all[0].left, [Some(Part::Acl(private_acl()))]);
    assert_eq!(
        looks.told_kinds(),
        [NoticeKind::RemediationFailed, NoticeKind::Closed]
    );
}

const NAMES: [&str; 12] = [
    "b00", "b01", "b02", "b03", "b04", "b05", "b06", "b07", "b08", "b09", "b10", "b11",
];

/// Twelve buckets that are open by their ACLs.
fn twelve_open() -> Looks {
    let open = State {
        acl: public_acl(),
        ..closed()
    };
    Looks::new(NAMES.map(|name| (name, open.clone())), enforcing())
}

#[tokio::test]
async fn failures_that_wrote_nothing_do_not_trip_the_breaker() {
    let looks = twelve_open();
    count(&looks, 40).await;
    let operation = Operation::PutBucketAcl;
    looks.memory.fail(operation, "*", denied(operation));
    look_at_all(&looks).await;
    let told: Vec<NoticeKind> = looks.told().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(told, [NoticeKind::RemediationFailed; 12]);
    assert_eq!(looks.disk().stop, None);
}

async fn count(looks: &Looks, buckets: u64) {
    let swept = Coverage {
        last_sweep_at: Some(looks.clock.now()),
        swept: buckets,
        ..Coverage::of(ACCOUNT, "*")
    };
    looks.guard.repository.cover(&swept).await.unwrap();
}

async fn look_at_all(looks: &Looks) {
    for name in NAMES {
        looks.ask(name).await;
        looks.look().await.unwrap();
    }
}

/// More than ten, and more than a fifth of forty.
#[tokio::test]
async fn the_breaker_stops_its_account_and_a_command_lets_it_go_on() {
    let looks = twelve_open();
    count(&looks, 40).await;
    look_at_all(&looks).await;
    assert_eq!(looks.memory.writes(), 10);
    let repository = &*looks.guard.repository;
    let stop = enforcement::account_stop(repository, ACCOUNT)
        .await
        .unwrap();
    assert_eq!(stop.unwrap().by, "circuit breaker");
    assert_eq!(looks.disk().stop, None, "not everywhere");
    let others = enforcement::account_stop(repository, "999988887777").await;
    assert_eq!(others.unwrap(), None);
    let listed = enforcement::stopped_accounts(repository).await.unwrap();
    assert_eq!(listed.len(), 1);
    let held = looks
        .told()
        .into_iter()
        .filter(|(kind, _)| *kind == NoticeKind::Opened);
    assert_eq!(held.count(), 2);
    looks.ask("b11").await;
    looks.look().await.unwrap();
    assert_eq!(looks.memory.writes(), 10, "it stays stopped");

    looks.clock.advance(SignedDuration::from_hours(2));
    enforcement::stop_account(repository, ACCOUNT, None)
        .await
        .unwrap();
    look_at_all(&looks).await;
    assert_eq!(looks.memory.writes(), 12);
}

/// Before the first sweep there is no share of the estate, and the first day's work is done.
#[tokio::test]
async fn on_the_first_day_the_breaker_goes_by_the_number_alone() {
    let looks = twelve_open();
    look_at_all(&looks).await;
    assert_eq!(looks.memory.writes(), 12);
}

/// A person may stop one account, too.
#[tokio::test]
async fn a_stop_of_the_account_holds_what_is_open_there() {
    let looks = opened(closed()).await;
    let stop = EnforcementStop {
        by: "alice".to_owned(),
        at: looks.clock.now(),
        reason: "incident 4711".to_owned(),
    };
    let repository = &*looks.guard.repository;
    enforcement::stop_account(repository, ACCOUNT, Some(&stop))
        .await
        .unwrap();
    looks.look().await.unwrap();
    assert_eq!(looks.memory.writes(), 0);
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    let disk = looks.disk();
    let notice = &disk.notices.values().next().unwrap().document;
    let reason = notice["reason"].as_str().unwrap();
    assert!(reason.contains("incident 4711"), "{reason}");
    assert!(
        reason.contains(&format!("start --account {ACCOUNT}")),
        "{reason}"
    );
}

#[tokio::test]
async fn a_robot_that_opens_again_at_once_is_held_by_the_loop_guard() {
    let looks = opened(closed()).await;
    meddle(&looks, |operation, state| {
        if operation == Operation::PutBucketAcl {
            state.acl = public_acl();
        }
    });
    looks.look().await.unwrap();
    let started = looks.clock.now();
    while looks.next_look().await.unwrap() < SignedDuration::from_mins(30) {
        assert!(looks.memory.writes() <= 3);
        if looks.until_next_look() > Some(SignedDuration::from_mins(30)) {
            break;
        }
    }
    assert_eq!(looks.memory.writes(), 3);
    assert!(looks.clock.now().duration_since(started) < SignedDuration::from_mins(5));
    assert_eq!(
        looks.told_kinds(),
        [NoticeKind::RemediationFailed, NoticeKind::RemediationHeld]
    );
}

/// A bucket may have the name of a volume that was never recorded.
#[tokio::test]
async fn another_resource_of_a_buckets_name_is_not_that_bucket() {
    let looks = Looks::new([("vol-0abc", closed())], enforcing());
    looks.ask("vol-0abc").await;
    looks.look().await.unwrap();
    let now = looks.clock.now();
    let volume = [arrive::look(ACCOUNT, VOLUME, "vol-0abc", now)];
    looks.guard.repository.request(&volume, now).await.unwrap();
    looks.look().await.unwrap();
    assert_eq!(looks.until_next_look(), None, "it is done with");
}

/// What is told is as of the end of the reading, however long that took.
#[tokio::test]
async fn a_bucket_that_takes_long_to_read_is_recorded() {
    let looks = Looks::new([("b", closed())], enforcing());
    let clock = Arc::clone(&looks.clock);
    meddle(&looks, move |operation, _| {
        if operation == Operation::GetBucketPolicy {
            clock.advance(SignedDuration::from_mins(6));
        }
    });
    looks.ask("b").await;
    looks.look().await.unwrap();
    assert_eq!(looks.disk().items.len(), 1);
    assert_eq!(looks.until_next_look(), None);
}

/// Cut off before its write, and closed by somebody else: that is not told as closed by us.
#[tokio::test(start_paused = true)]
async fn what_somebody_else_closed_is_not_told_as_closed_by_us() {
    let looks = opened(closed()).await;
    *looks.memory.power.lock().unwrap() = Some(Power::fails_at(1, false));
    let cut_off = tokio::time::timeout(Duration::from_secs(60), looks.look());
    assert!(cut_off.await.is_err(), "it hangs in its write");
    *looks.memory.power.lock().unwrap() = None;
    assert_eq!(looks.memory.state("b").acl, public_acl());
    looks.memory.change("b", |state| state.acl = private_acl());
    looks.clock.advance(SignedDuration::from_mins(2));
    looks.event("e-2", "PutBucketAcl", "b").await;
    looks.look().await.unwrap();
    assert_eq!(looks.findings()["acl"], "resolved");
    assert_eq!(looks.told_kinds(), [NoticeKind::Resolved]);
    let all = remediations(&looks.disk().journal);
    assert!(matches!(&all[0].state, Progress::Failed(why) if why.contains("cut off")));
    let disk = looks.disk();
    let record = disk.resources.values().next().unwrap();
    assert_eq!(record.findings[0].resolved_by.as_deref(), Some("mallory"));
}

async fn note(looks: &Looks, id: &str, event: Event) {
    let at = looks.clock.now();
    let id = id.to_owned();
    let record = Record { id, at, event };
    looks
        .guard
        .repository
        .append_journal(&record)
        .await
        .unwrap();
}

/// Who takes a remediation back means what was open then, and not whatever may be open later.
#[tokio::test]
async fn what_was_taken_back_holds_for_the_same_opening_only() {
    let looks = opened(closed()).await;
    looks.look().await.unwrap();
    let id = remediations(&looks.disk().journal)[0].id.clone();
    looks.memory.change("b", |state| state.acl = public_acl());
    note(&looks, &id, Event::UndoIntent).await;
    note(&looks, &id, Event::Undone).await;
    looks.event("e-2", "PutBucketAcl", "b").await;
    looks.look().await.unwrap();
    assert_eq!(
        looks.memory.state("b").acl,
        public_acl(),
        "as somebody wants it"
    );
    looks.clock.advance(SignedDuration::from_hours(24 * 365));
    looks.memory.change("b", |state| {
        state.acl.grants[1].permission = Permission::FullControl;
    });
    looks.event("e-3", "PutBucketAcl", "b").await;
    looks.look().await.unwrap();
    assert_eq!(
        looks.memory.state("b").acl,
        private_acl(),
        "nobody wanted that"
    );
}

/// What the configuration leaves out later is not looked after any more, and nobody is asked about it.
#[tokio::test]
async fn what_is_not_recorded_any_more_has_no_open_findings() {
    let open = State {
        policy: Some(public_policy("b", "s3:GetObject")),
        ..closed()
    };
    let ladder = || Ladder {
        steps: vec![LadderStep {
            after: SignedDuration::from_mins(30),
            topics: vec!["boss".to_owned()],
        }],
        repeat_last: Some(SignedDuration::from_mins(30)),
    };
    let settings = || Settings {
        ladder: ladder(),
        ..enforcing()
    };
    let looks = Looks::new([("b", open)], settings());
    looks.ask("b").await;
    looks.look().await.unwrap();
    assert_eq!(looks.findings()["policy"], "open");
    let looks = looks.restart(Settings {
        recorder: Recorder::everything().without_buckets(["b"]),
        ..settings()
    });
    looks.clock.advance(SignedDuration::from_mins(31));
    let job = claimed(&looks.guard, JobKind::Escalate, None)
        .await
        .unwrap();
    let did = looks.guard.escalate(&job).await;
    ended(&looks.guard, &job, did).await;
    looks.look().await.unwrap();
    assert_eq!(looks.findings()["policy"], "resolved");
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    assert!(
        looks
            .disk()
            .exposures
            .values()
            .all(|exposure| exposure.to.is_some())
    );
    assert!(
        looks
            .disk()
            .jobs
            .values()
            .all(|row| row.job.kind != JobKind::Escalate)
    );
}
