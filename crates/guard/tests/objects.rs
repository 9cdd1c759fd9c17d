//! Objects that are public by ACLs of their own: read when an event tells of one, followed as long as they
//! are public, told, and closed where that is switched on.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use compliance::item::BUCKET;
use compliance::item::object_acls::ObjectAcls;
use compliance::notice::{Access, Mechanism, Notice, NoticeKind, WayIn};
use compliance::remediation::ObjectsRemedy;
use compliance::rules::ComplianceType;
use guard::arrive;
use guard::clock::Clock;
use guard::error::CallError;
use guard::operation::Operation;
use guard::record::Recorder;
use guard::repository::Repository;
use guard::state::{FindingState, JobKind, ResourceRecord};
use guard::watch::Settings;
use jiff::SignedDuration;
use policy::bucket::PublicAccessBlock;
use policy::bucket::{ALL_USERS, Acl, Grant, Grantee, ObjectOwnership, Permission};
use serde_json::json;
use support::watching::{ACCOUNT, Looks, claimed, ended, enforcing, quiet};
use support::{State, private_acl};

const RULE: &str = "s3-object-acl-public-access-prohibited";

const DENY: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}]}"#;

fn granting(permission: Permission) -> Acl {
    let mut acl = private_acl();
    acl.grants.push(Grant {
        grantee: Grantee::Group(ALL_USERS.to_owned()),
        permission,
    });
    acl
}

fn public() -> Acl {
    granting(Permission::Read)
}

fn closed() -> State {
    State {
        acl: private_acl(),
        ..State::default()
    }
}

async fn guarded(bucket: State, settings: Settings) -> Looks {
    let looks = Looks::new([("b", bucket)], settings);
    looks.ask("b").await;
    looks.look().await.unwrap();
    looks
}

/// Changes the bucket `b`.
fn change(looks: &Looks, change: impl FnOnce(&mut State)) {
    change(looks.memory.buckets.lock().unwrap().get_mut("b").unwrap());
}

/// Somebody sets the ACL of an object, an event tells of it, and what follows is done.
async fn set(looks: &Looks, id: &str, key: &str, acl: Acl) {
    change(looks, |bucket| {
        bucket.objects.insert(key.to_owned(), acl);
    });
    told(looks, id, key).await;
    looks.look().await.unwrap();
}

async fn told(looks: &Looks, id: &str, key: &str) {
    looks.clock.advance(SignedDuration::from_secs(1));
    let detail = json!({
        "eventID": id,
        "eventName": "PutObjectAcl",
        "eventSource": "s3.amazonaws.com",
        "eventTime": looks.clock.now().to_string(),
        "requestParameters": {"bucketName": "b", "key": key, "acl": ""},
    });
    looks.event_with(id, "PutObjectAcl", "b", detail).await;
}

/// A sweep, and the reviews that it asks for.
async fn sweep(looks: &Looks) {
    sweep_only(looks).await;
    while let Some(job) = claimed(&looks.guard, JobKind::Review, None).await {
        let did = looks.guard.look(&job).await;
        ended(&looks.guard, &job, did).await;
    }
}

async fn sweep_only(looks: &Looks) {
    looks.clock.advance(SignedDuration::from_mins(1));
    let asked = arrive::sweep(ACCOUNT, looks.clock.now());
    let job = claimed(&looks.guard, JobKind::Sweep, Some(asked)).await;
    let job = job.unwrap();
    let did = looks.guard.reconcile(&job).await;
    ended(&looks.guard, &job, did).await;
}

async fn known(looks: &Looks) -> ResourceRecord {
    let known = looks.guard.repository.resource(ACCOUNT, BUCKET, "b").await;
    known.unwrap().unwrap()
}

async fn says(looks: &Looks) -> ComplianceType {
    let known = known(looks).await;
    let mut said = known.evaluations.iter();
    said.find(|said| said.rule_name == RULE)
        .unwrap()
        .compliance_type
}

/// How often an object's ACL was read.
fn reads(looks: &Looks) -> usize {
    let asked = looks.memory.asked("b").into_iter();
    asked
        .filter(|operation| *operation == Operation::GetObjectAcl)
        .count()
}

fn notices(looks: &Looks) -> Vec<Notice> {
    let disk = looks.disk();
    let mut notices: Vec<Notice> = disk
        .notices
        .values()
        .map(|notice| serde_json::from_value(notice.document.clone()).unwrap())
        .collect();
    notices.sort_by_key(|notice| notice.created_at);
    notices
}

#[tokio::test]
async fn an_object_that_is_made_public_is_told_until_it_is_private() {
    let looks = guarded(closed(), enforcing()).await;
    assert_eq!(says(&looks).await, ComplianceType::NotApplicable);
    set(&looks, "e-1", "report.pdf", public()).await;
    assert_eq!(says(&looks).await, ComplianceType::NonCompliant);
    assert_eq!(looks.findings()["object-acl"], "open");
    let exposure = known(&looks).await.exposures.remove(0);
    assert_eq!(exposure.classes, ["read"]);
    assert_eq!(exposure.event_id.as_deref(), Some("e-1"));
    assert_eq!(exposure.from, looks.clock.now());
    let notice = notices(&looks).remove(0);
    assert_eq!(notice.kind, NoticeKind::Opened);
    assert_eq!(
        notice.mechanisms,
        [WayIn {
            via: Mechanism::ObjectAcl,
            access: Access::Read
        }]
    );
    assert_eq!(notice.grants, ["report.pdf: READ to AllUsers"]);
    assert_eq!(notice.event.unwrap().actor.as_deref(), Some("mallory"));
    assert_eq!(
        notice.witness.unwrap()["resource"],
        "arn:aws:s3:::b/report.pdf"
    );
    let attempt = notice.attempt.unwrap();
    assert!(attempt.contains("/report.pdf"), "{attempt}");
    // One that is private is not known, and changes nothing.
    set(&looks, "e-2", "other", private_acl()).await;
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    set(&looks, "e-3", "report.pdf", private_acl()).await;
    assert_eq!(says(&looks).await, ComplianceType::NotApplicable);
    assert_eq!(looks.findings()["object-acl"], "resolved");
    assert_eq!(
        looks.told_kinds(),
        [NoticeKind::Opened, NoticeKind::Resolved]
    );
    // Each event had its own object read, and no other.
    assert_eq!(reads(&looks), 3);
}

#[tokio::test]
async fn what_an_acl_grants_decides_what_it_lets_in_to() {
    for (permission, classes) in [
        (Permission::Read, vec!["read"]),
        (Permission::ReadAcp, vec!["read"]),
        (Permission::WriteAcp, vec!["write"]),
        (Permission::FullControl, vec!["read", "write"]),
        // Objects have no such permission (Amazon S3 user guide, "Access control list overview").
        (Permission::Write, vec![]),
    ] {
        let looks = guarded(closed(), enforcing()).await;
        set(&looks, "e-1", "k", granting(permission)).await;
        let exposures = known(&looks).await.exposures;
        let open: Vec<String> = exposures.into_iter().flat_map(|one| one.classes).collect();
        assert_eq!(open, classes, "{permission:?}");
    }
}

#[tokio::test]
async fn what_takes_the_effect_of_acls_away_closes_objects() {
    type Change = fn(&mut State);
    let ways: [(&str, Change, Change); 3] = [
        (
            "IgnorePublicAcls",
            |bucket| {
                bucket.block = Some(PublicAccessBlock {
                    ignore_public_acls: true,
                    ..PublicAccessBlock::default()
                });
            },
            |bucket| bucket.block = None,
        ),
        (
            "BucketOwnerEnforced",
            |bucket| bucket.ownership = Some(ObjectOwnership::BucketOwnerEnforced),
            |bucket| bucket.ownership = None,
        ),
        (
            "a Deny",
            |bucket| bucket.policy = Some(DENY.to_owned()),
            |bucket| bucket.policy = None,
        ),
    ];
    for (name, close, open) in ways {
        let looks = guarded(closed(), enforcing()).await;
        set(&looks, "e-1", "k", public()).await;
        assert_eq!(says(&looks).await, ComplianceType::NonCompliant, "{name}");
        change(&looks, close);
        // No event tells: a sweep follows what is known to be public.
        sweep(&looks).await;
        assert_ne!(says(&looks).await, ComplianceType::NonCompliant, "{name}");
        assert_eq!(looks.findings()["object-acl"], "resolved", "{name}");
        // The ACL is still there: once it has an effect again, so has it here.
        change(&looks, open);
        sweep(&looks).await;
        assert_eq!(looks.findings()["object-acl"], "open", "{name}");
        assert_eq!(looks.told_kinds().last(), Some(&NoticeKind::Recurred));
    }
}

#[tokio::test]
async fn an_object_that_is_deleted_is_public_no_more() {
    let looks = guarded(closed(), enforcing()).await;
    set(&looks, "e-1", "k", public()).await;
    change(&looks, |bucket| drop(bucket.objects.remove("k")));
    sweep(&looks).await;
    assert_eq!(looks.findings()["object-acl"], "resolved");
    // Nothing is left to follow.
    let before = reads(&looks);
    sweep(&looks).await;
    assert_eq!(reads(&looks), before);
}

#[tokio::test]
async fn where_acls_have_no_effect_no_object_is_read() {
    let mut bucket = closed();
    bucket.ownership = Some(ObjectOwnership::BucketOwnerEnforced);
    let looks = guarded(bucket, enforcing()).await;
    set(&looks, "e-1", "k", public()).await;
    assert_eq!(says(&looks).await, ComplianceType::Compliant);
    assert_eq!(reads(&looks), 0);
}

#[tokio::test]
async fn switched_on_public_acls_of_objects_are_ignored_by_the_bucket() {
    let mut settings = enforcing();
    settings.responder.scopes[0].options.objects = ObjectsRemedy::IgnorePublicAcls;
    let looks = guarded(closed(), settings).await;
    set(&looks, "e-1", "k", public()).await;
    let block = looks.memory.buckets.lock().unwrap()["b"].block;
    assert!(block.unwrap().ignore_public_acls);
    assert_eq!(looks.told_kinds(), [NoticeKind::Closed]);
    let notice = notices(&looks).remove(0);
    assert_eq!(notice.grants, ["k: READ to AllUsers"]);
    assert!(notice.remediation.unwrap().undo_command.is_some());
    assert_eq!(looks.findings()["object-acl"], "resolved");
    assert_eq!(says(&looks).await, ComplianceType::Compliant);
}

fn sampling() -> Settings {
    Settings {
        recorder: Recorder::everything().with_sampled_objects(2),
        ..enforcing()
    }
}

#[tokio::test]
async fn a_sample_finds_what_no_event_told() {
    let mut bucket = closed();
    for key in ["a", "b", "c"] {
        bucket.objects.insert(key.to_owned(), public());
    }
    let looks = guarded(bucket.clone(), sampling()).await;
    assert_eq!(says(&looks).await, ComplianceType::NonCompliant);
    assert_eq!(reads(&looks), 2);
    // An event is answered without one.
    told(&looks, "e-1", "a").await;
    looks.look().await.unwrap();
    assert_eq!(reads(&looks), 3);

    // That none may be taken is no verdict; where people look how well everything is watched, it is said.
    let looks = Looks::new([("b", bucket)], sampling());
    let denied = CallError::AccessDenied {
        operation: Operation::ListObjects,
    };
    looks.memory.fail(Operation::ListObjects, "b", vec![denied]);
    looks.ask("b").await;
    looks.look().await.unwrap();
    assert_eq!(says(&looks).await, ComplianceType::NotApplicable);
    sweep_only(&looks).await;
    let coverage = looks.guard.repository.coverage().await.unwrap();
    assert_eq!(
        coverage[0].gaps,
        [
            "object ACLs: sampled, and read when an event tells of an object",
            "s3:ListBucket is denied"
        ]
    );
}

#[tokio::test]
async fn by_default_public_objects_are_told_and_left() {
    let looks = guarded(closed(), enforcing()).await;
    set(&looks, "e-1", "k", public()).await;
    assert_eq!(looks.memory.buckets.lock().unwrap()["b"].block, None);
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
}

#[tokio::test]
async fn an_acl_that_may_not_be_read_counts_as_open() {
    let looks = guarded(closed(), enforcing()).await;
    let denied = CallError::AccessDenied {
        operation: Operation::GetObjectAcl,
    };
    looks
        .memory
        .fail(Operation::GetObjectAcl, "b", vec![denied]);
    set(&looks, "e-1", "k", public()).await;
    assert_eq!(says(&looks).await, ComplianceType::InsufficientData);
    let finding = known(&looks).await.findings.remove(0);
    assert_eq!(finding.cause, "object-acl");
    assert!(
        finding.annotation.contains("s3:GetObjectAcl is missing"),
        "{}",
        finding.annotation
    );
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    // Once it may be, a sweep's look says how it stands.
    sweep(&looks).await;
    assert_eq!(says(&looks).await, ComplianceType::NonCompliant);
    assert_eq!(known(&looks).await.exposures.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_acl_that_is_not_answered_in_passing_is_read_again_soon() {
    let looks = guarded(closed(), enforcing()).await;
    let slow_down = || CallError::Throttled {
        operation: Operation::GetObjectAcl,
    };
    let many = std::iter::repeat_with(slow_down).take(5).collect();
    looks.memory.fail(Operation::GetObjectAcl, "b", many);
    set(&looks, "e-1", "k", public()).await;
    assert_eq!(looks.told_kinds(), []);
    looks.next_look().await.unwrap();
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    assert_eq!(looks.findings()["object-acl"], "open");
}

#[tokio::test]
async fn one_more_public_object_is_told_to_who_takes_care_of_the_others() {
    let looks = guarded(closed(), enforcing()).await;
    set(&looks, "e-1", "a", public()).await;
    set(&looks, "e-2", "b", public()).await;
    // Whoever was told a moment ago is not told of each.
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    let finding = known(&looks).await.findings.remove(0);
    assert!(
        finding.annotation.contains("2 objects"),
        "{}",
        finding.annotation
    );
    let acknowledged = FindingState::Acknowledged {
        by: "alice".to_owned(),
        at: looks.clock.now(),
        note: None,
        until: None,
    };
    // Whoever takes care of it was told of the first only.
    acknowledge(&looks, acknowledged.clone());
    set(&looks, "e-3", "private", private_acl()).await;
    assert_eq!(looks.findings()["object-acl"], "open");
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened; 2]);
    acknowledge(&looks, acknowledged);
    set(&looks, "e-4", "b", granting(Permission::ReadAcp)).await;
    assert_eq!(looks.findings()["object-acl"], "acknowledged");
    set(&looks, "e-5", "c", public()).await;
    assert_eq!(looks.findings()["object-acl"], "open");
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened; 3]);
}

#[tokio::test]
async fn what_came_after_people_were_told_is_told_when_an_hour_has_passed() {
    let looks = guarded(closed(), enforcing()).await;
    set(&looks, "e-1", "harmless", public()).await;
    set(&looks, "e-2", "valuable", public()).await;
    sweep(&looks).await;
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
    looks.clock.advance(SignedDuration::from_hours(1));
    sweep(&looks).await;
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened; 2]);
    let notice = notices(&looks).remove(1);
    assert_eq!(notice.grants.len(), 2, "{notice:?}");
    looks.clock.advance(SignedDuration::from_hours(2));
    sweep(&looks).await;
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened; 2], "nothing new");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_not_answered_does_not_stand_before_the_others() {
    let looks = guarded(closed(), enforcing()).await;
    let slow_down = || CallError::Throttled {
        operation: Operation::GetObjectAcl,
    };
    // Until patience ends, "a" is not answered, and counts as undecided.
    let many = std::iter::repeat_with(slow_down).take(200).collect();
    looks.memory.fail(Operation::GetObjectAcl, "b", many);
    set(&looks, "e-1", "a", private_acl()).await;
    while looks.told_kinds().is_empty() {
        looks.next_look().await.unwrap();
    }
    looks.memory.failures.lock().unwrap().clear();
    // An event about another one has both read, and is done with.
    set(&looks, "e-2", "c", public()).await;
    assert!(looks.disk().events["e-1"].verdict_at.is_some());
    assert!(looks.disk().events["e-2"].verdict_at.is_some());
    let objects = ObjectAcls::of_item(&known(&looks).await.item);
    assert_eq!(objects.keys().collect::<Vec<_>>(), ["c"]);
    assert_eq!(looks.until_next_look(), None);
}

#[tokio::test]
async fn while_acls_are_ignored_what_events_tell_is_kept_for_later() {
    let mut bucket = closed();
    bucket.block = Some(PublicAccessBlock {
        ignore_public_acls: true,
        ..PublicAccessBlock::default()
    });
    let looks = guarded(bucket, enforcing()).await;
    set(&looks, "e-1", "k", public()).await;
    assert_eq!(says(&looks).await, ComplianceType::Compliant);
    assert_eq!(looks.told_kinds(), []);
    change(&looks, |bucket| bucket.block = None);
    sweep(&looks).await;
    assert_eq!(says(&looks).await, ComplianceType::NonCompliant);
    assert_eq!(looks.told_kinds(), [NoticeKind::Opened]);
}

#[tokio::test]
async fn a_bucket_that_is_said_to_be_made_again_has_its_objects_looked_for() {
    let looks = guarded(closed(), enforcing()).await;
    set(&looks, "e-1", "k", public()).await;
    for (made_again, state) in [(false, "open"), (true, "resolved")] {
        if made_again {
            change(&looks, |bucket| bucket.objects.clear());
        }
        looks.clock.advance(SignedDuration::from_secs(1));
        let mut look = arrive::look(ACCOUNT, BUCKET, "b", looks.clock.now());
        look.payload["anew"] = json!(true);
        let job = claimed(&looks.guard, JobKind::Look, Some(look)).await;
        let job = job.unwrap();
        let did = looks.guard.look(&job).await;
        ended(&looks.guard, &job, did).await;
        assert_eq!(looks.findings()["object-acl"], state);
    }
}

fn acknowledge(looks: &Looks, state: FindingState) {
    looks.guard.repository.disk.send_modify(|disk| {
        let records = disk.resources.values_mut();
        for finding in records.flat_map(|record| &mut record.findings) {
            finding.state = state.clone();
        }
    });
}

#[tokio::test]
async fn there_may_be_more_than_are_followed() {
    let looks = guarded(closed(), enforcing()).await;
    for number in 0..=ObjectAcls::MOST {
        set(
            &looks,
            &format!("e-{number}"),
            &format!("k-{number}"),
            public(),
        )
        .await;
    }
    let objects = ObjectAcls::of_item(&known(&looks).await.item);
    assert_eq!(objects.keys().count(), ObjectAcls::MOST);
    assert!(objects.has_more());
    let finding = known(&looks).await.findings.remove(0);
    assert!(
        finding.annotation.starts_with("100 objects and more"),
        "{}",
        finding.annotation
    );
    // All that are followed are gone; how the others stand is not known.
    change(&looks, |bucket| bucket.objects.clear());
    sweep(&looks).await;
    assert_eq!(says(&looks).await, ComplianceType::InsufficientData);
    assert_eq!(looks.findings()["object-acl"], "open");
    change(&looks, |bucket| {
        bucket.ownership = Some(ObjectOwnership::BucketOwnerEnforced);
    });
    sweep(&looks).await;
    assert_eq!(looks.findings()["object-acl"], "resolved");
}

#[tokio::test]
async fn a_key_cannot_forge_a_line_of_a_notice() {
    let looks = guarded(closed(), enforcing()).await;
    set(&looks, "e-1", "a\nb: WRITE to nobody", public()).await;
    let notice = notices(&looks).remove(0);
    assert_eq!(notice.grants.len(), 1);
    assert!(!notice.grants[0].contains('\n'), "{:?}", notice.grants);
    let text = compliance::notice::text(&notice);
    assert!(
        !text
            .lines()
            .any(|line| line.trim_start().starts_with("b: WRITE")),
        "{text}"
    );
}

#[tokio::test]
async fn without_an_event_rule_nothing_is_told() {
    let looks = guarded(closed(), quiet()).await;
    set(&looks, "e-1", "k", public()).await;
    assert_eq!(looks.told_kinds(), []);
    assert_eq!(looks.findings()["object-acl"], "open");
}
