//! From an event as it arrives to what is known after it: the look that an event asks for reads what
//! the event is about.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use compliance::item::{ACCOUNT_PUBLIC_ACCESS_BLOCK, BUCKET, VOLUME};
use compliance::rules::ComplianceType;
use compliance::rules::configured::{RuleConfig, RuleSet};
use guard::arrive::Watched;
use guard::clock::{Clock, ManualClock};
use guard::intake::{EventSink, EventSource, Form, StoreSink};
use guard::operation::Operation;
use guard::ports::record::{BucketPart, Volume, VolumeAttachment};
use guard::repository::Repository;
use guard::state::{FindingState, JobKind, ResourceRecord};
use guard::watch::Settings;
use jiff::{SignedDuration, Timestamp};
use policy::bucket::PublicAccessBlock;
use serde_json::{Value, json};
use support::power::Power;
use support::repository::{Disk, MemoryRepository};
use support::services::Services;
use support::watching::{ACCOUNT, Watching, claimed, ended, quiet, worker};
use support::{Memory, State, now, private_acl, public_policy};

const MALLORY: &str = "arn:aws:iam::111122223333:user/mallory";

struct World {
    memory: Arc<Memory>,
    services: Arc<Services>,
    clock: Arc<ManualClock>,
    guard: Watching,
    sink: StoreSink<MemoryRepository, ManualClock>,
    told: u32,
}

fn rules(configured: Value) -> Settings {
    let configured: Vec<RuleConfig> = serde_json::from_value(configured).unwrap();
    Settings {
        rules: RuleSet::new(configured).unwrap(),
        ..quiet()
    }
}

fn closed() -> State {
    State {
        acl: private_acl(),
        ..State::default()
    }
}

impl World {
    fn new(settings: Settings) -> World {
        let memory = Arc::new(Memory::with([("b", closed())]));
        let clock = Arc::new(ManualClock::at(now()));
        let services = Arc::new(Services::default());
        let repository = Arc::new(MemoryRepository::new(Disk::default(), Power::endless()));
        let guard = worker(&memory, Some(&services), &clock, &repository, settings);
        let watched = Watched {
            accounts: vec![ACCOUNT.to_owned()],
        };
        let sink = StoreSink::new(Arc::clone(&guard.repository), Arc::clone(&clock), watched);
        World {
            memory,
            services,
            clock,
            guard,
            sink,
            told: 0,
        }
    }

    fn part(&self, part: BucketPart, value: Value) {
        let mut parts = self.memory.parts.lock().unwrap();
        parts.insert(("b".to_owned(), part), value);
    }

    /// CloudTrail's record of a call arrives.
    async fn told(&mut self, service: &str, name: &str, parameters: Value) {
        self.told_in("eu-central-1", service, name, parameters)
            .await;
    }

    async fn told_in(&mut self, region: &str, service: &str, name: &str, parameters: Value) {
        self.told += 1;
        let record = json!({
            "eventVersion": "1.09",
            "eventID": format!("e-{}", self.told),
            "eventName": name,
            "eventSource": format!("{service}.amazonaws.com"),
            "eventTime": self.clock.now().to_string(),
            "awsRegion": region,
            "recipientAccountId": ACCOUNT,
            "userIdentity": {
                "type": if service == "iam" { "Root" } else { "IAMUser" },
                "arn": MALLORY,
                "accountId": ACCOUNT,
            },
            "requestParameters": parameters,
        });
        let source = EventSource {
            name: "trail".to_owned(),
            form: Form::Message,
            account: None,
        };
        let arrival = self.sink.arrive(&record.to_string(), &source).await;
        assert_eq!(arrival.unwrap().new, 1, "{name}");
    }

    async fn told_of_bucket(&mut self, name: &str) {
        self.told("s3", name, json!({"bucketName": "b"})).await;
    }

    /// Does what is due.
    async fn work(&self) {
        for kind in [JobKind::Look, JobKind::Review] {
            while let Some(job) = claimed(&self.guard, kind, None).await {
                let did = self.guard.look(&job).await;
                ended(&self.guard, &job, did).await;
            }
        }
    }

    async fn sweep(&self) {
        while let Some(job) = claimed(&self.guard, JobKind::Sweep, None).await {
            let did = self.guard.reconcile(&job).await;
            ended(&self.guard, &job, did).await;
        }
    }

    /// How often the account's block was read.
    fn block_reads(&self) -> usize {
        let asked = self.memory.asked("").into_iter();
        asked
            .filter(|operation| *operation == Operation::GetAccountPublicAccessBlock)
            .count()
    }

    async fn known(&self) -> ResourceRecord {
        self.resource(BUCKET, "b").await
    }

    async fn resource(&self, resource_type: &str, id: &str) -> ResourceRecord {
        let known = self
            .guard
            .repository
            .resource(ACCOUNT, resource_type, id)
            .await;
        known.unwrap().unwrap()
    }

    async fn says(&self, rule: &str) -> ComplianceType {
        said(&self.known().await, rule)
    }

    fn is_seen(&self, event: &str) -> bool {
        self.guard.repository.disk.borrow().events[event]
            .verdict_at
            .is_some()
    }

    fn untold(&self) -> u64 {
        let disk = self.guard.repository.disk.borrow();
        disk.coverage
            .values()
            .map(|coverage| coverage.untold_changes)
            .sum()
    }
}

fn said(of: &ResourceRecord, rule: &str) -> ComplianceType {
    let mut said = of.evaluations.iter();
    said.find(|said| said.rule_name == rule)
        .unwrap()
        .compliance_type
}

fn versioning() -> Settings {
    rules(json!([{"name": "versioned", "identifier": "S3_BUCKET_VERSIONING_ENABLED"}]))
}

fn versioning_is(status: &str) -> Value {
    json!({"status": status, "isMfaDeleteEnabled": null})
}

#[tokio::test]
async fn a_change_of_anything_else_than_access_is_read_at_once() {
    let mut world = World::new(versioning());
    world.part(BucketPart::Versioning, versioning_is("Enabled"));
    world.told_of_bucket("CreateBucket").await;
    world.work().await;
    assert_eq!(world.says("versioned").await, ComplianceType::Compliant);
    world.clock.advance(SignedDuration::from_mins(1));
    world.part(BucketPart::Versioning, versioning_is("Suspended"));
    world.told_of_bucket("PutBucketVersioning").await;
    world.work().await;
    assert_eq!(world.says("versioned").await, ComplianceType::NonCompliant);
    // What only decides who gets in has nothing else read.
    let before = world.memory.asked("b").len();
    world.clock.advance(SignedDuration::from_mins(1));
    world.told_of_bucket("PutBucketAcl").await;
    world.work().await;
    let asked = world.memory.asked("b").split_off(before);
    assert!(
        !asked.contains(&BucketPart::Versioning.operation()),
        "{asked:?}"
    );
    assert_eq!(world.says("versioned").await, ComplianceType::NonCompliant);
}

#[tokio::test]
async fn a_bucket_that_is_made_again_is_another() {
    let mut world = World::new(versioning());
    world.part(BucketPart::Versioning, versioning_is("Enabled"));
    world.told_of_bucket("CreateBucket").await;
    world.work().await;
    world.memory.buckets.lock().unwrap().clear();
    world.clock.advance(SignedDuration::from_mins(1));
    world.told_of_bucket("DeleteBucket").await;
    world.work().await;
    assert!(world.known().await.item.status.is_deleted());
    // Whatever tells of the new one first: it is read in full.
    world
        .memory
        .buckets
        .lock()
        .unwrap()
        .insert("b".to_owned(), closed());
    world.part(BucketPart::Versioning, versioning_is("Suspended"));
    world.clock.advance(SignedDuration::from_mins(1));
    world.told_of_bucket("PutBucketAcl").await;
    world.work().await;
    assert!(!world.known().await.item.status.is_deleted());
    assert_eq!(world.says("versioned").await, ComplianceType::NonCompliant);
    // Also if it was never seen to be gone, and wherever the new one is.
    world.part(BucketPart::Versioning, versioning_is("Enabled"));
    world.clock.advance(SignedDuration::from_mins(1));
    world.told_of_bucket("CreateBucket").await;
    world.work().await;
    assert_eq!(world.says("versioned").await, ComplianceType::Compliant);
    assert_eq!(world.known().await.item.key.region, "eu-west-1");
}

fn all_on() -> PublicAccessBlock {
    PublicAccessBlock {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    }
}

fn of_the_account() -> Settings {
    rules(json!([
        {"name": "block", "identifier": "S3_ACCOUNT_LEVEL_PUBLIC_ACCESS_BLOCKS_PERIODIC"},
        {"name": "mfa", "identifier": "ROOT_ACCOUNT_MFA_ENABLED"},
        {"name": "read", "identifier": "S3_BUCKET_PUBLIC_READ_PROHIBITED"},
    ]))
}

#[tokio::test]
async fn what_changes_for_the_whole_account_is_read_at_once_and_counts_from_its_event() {
    use ComplianceType::{Compliant, NonCompliant};
    for (call, at_end) in [
        ("DeleteAccountPublicAccessBlock", false),
        ("DeletePublicAccessBlock", true),
    ] {
        let mut world = World::new(of_the_account());
        *world.memory.account_block.lock().unwrap() = Some(all_on());
        world.memory.change("b", |state| {
            state.policy = Some(public_policy("b", "s3:GetObject"));
        });
        let parameters = json!({"accountId": ACCOUNT});
        world
            .told("s3", "PutAccountPublicAccessBlock", parameters.clone())
            .await;
        world.sweep().await;
        world.work().await;
        let block = world.resource(ACCOUNT_PUBLIC_ACCESS_BLOCK, ACCOUNT).await;
        assert_eq!(said(&block, "block"), Compliant);
        assert_eq!(world.says("read").await, Compliant);
        assert!(world.is_seen("e-1"));

        world.clock.advance(SignedDuration::from_mins(1));
        *world.memory.account_block.lock().unwrap() = None;
        let happened = world.clock.now();
        world.told("s3", call, parameters.clone()).await;
        world.clock.advance(SignedDuration::from_secs(7));
        if at_end {
            world.sweep().await;
            world.clock.advance(SignedDuration::from_secs(7));
        }
        world.work().await;
        let block = world.resource(ACCOUNT_PUBLIC_ACCESS_BLOCK, ACCOUNT).await;
        assert_eq!(said(&block, "block"), NonCompliant);
        let finding = &block.findings[0];
        assert_eq!(
            (finding.cause.as_str(), finding.opened_at),
            ("block", happened)
        );
        assert_eq!(
            world.is_seen("e-2"),
            at_end,
            "when it is gone through, not before"
        );
        world.sweep().await;
        world.work().await;
        assert!(world.is_seen("e-2"));
        assert_eq!(world.untold(), 0, "an event told");
        let known = world.known().await;
        assert_eq!(said(&known, "read"), NonCompliant);
        let [exposure] = known.exposures.as_slice() else {
            unreachable!("{known:?}")
        };
        assert_eq!(exposure.from, happened);
        assert_eq!(exposure.event_id.as_deref(), Some("e-2"));
        assert_eq!(exposure.actor.as_deref(), Some(MALLORY));

        // And who closes it.
        world.clock.advance(SignedDuration::from_mins(1));
        *world.memory.account_block.lock().unwrap() = Some(all_on());
        world
            .told("s3", "PutAccountPublicAccessBlock", parameters)
            .await;
        world.sweep().await;
        world.work().await;
        let finding = &world.known().await.findings[0];
        assert_eq!(finding.state, FindingState::Resolved);
        assert_eq!(finding.resolved_by.as_deref(), Some(MALLORY));

        // What happens later without an event is not laid at their door.
        world.clock.advance(SignedDuration::from_hours(2));
        *world.memory.account_block.lock().unwrap() = None;
        world.sweep().await;
        world.work().await;
        assert_eq!(world.untold(), 1);
        let known = world.known().await;
        assert_eq!(known.exposures[0].actor, None);
        assert_eq!(known.exposures[0].from, world.clock.now());
    }
}

#[tokio::test]
async fn what_becomes_of_the_root_users_mfa_is_read_at_once() {
    let mut world = World::new(of_the_account());
    {
        let mut summary = world.services.summary.lock().unwrap();
        summary.insert("AccountMFAEnabled".to_owned(), 0);
        summary.insert("AccountPasswordPresent".to_owned(), 1);
    }
    world
        .told("iam", "DeactivateMFADevice", json!({"userName": "root"}))
        .await;
    world.work().await;
    let account = world.resource(compliance::item::ACCOUNT, ACCOUNT).await;
    assert_eq!(said(&account, "mfa"), ComplianceType::NonCompliant);
    assert!(!world.is_seen("e-1"));
    world.sweep().await;
    assert!(world.is_seen("e-1"));
}

/// Two workers on one store: what one of them has read of the account before an event is not what
/// closes a bucket after it.
#[tokio::test]
async fn what_another_worker_read_before_protects_nothing() {
    let mut world = World::new(of_the_account());
    *world.memory.account_block.lock().unwrap() = Some(all_on());
    world.memory.change("b", |state| {
        state.policy = Some(public_policy("b", "s3:GetObject"));
    });
    let other = worker(
        &world.memory,
        Some(&world.services),
        &world.clock,
        &world.guard.repository,
        of_the_account(),
    );
    world.told_of_bucket("PutBucketPolicy").await;
    let job = claimed(&other, JobKind::Look, None).await.unwrap();
    other.look(&job).await;
    assert_eq!(world.says("read").await, ComplianceType::Compliant);

    world.clock.advance(SignedDuration::from_secs(1));
    *world.memory.account_block.lock().unwrap() = None;
    let parameters = json!({"accountId": ACCOUNT});
    world
        .told("s3", "DeleteAccountPublicAccessBlock", parameters)
        .await;
    world.sweep().await;
    while let Some(job) = claimed(&other, JobKind::Look, None).await {
        let did = other.look(&job).await;
        ended(&other, &job, did).await;
    }
    assert_eq!(world.says("read").await, ComplianceType::NonCompliant);
}

#[tokio::test]
async fn the_accounts_block_is_not_read_for_each_bucket() {
    let world = World::new(quiet());
    let account = &world.guard.accounts[ACCOUNT];
    let at_once = || async {
        let asking = (0..10).map(|_| account.gatherer(world.clock.now()));
        for gatherer in futures::future::join_all(asking).await {
            gatherer.unwrap();
        }
    };
    // Where it protects nothing, once for a while.
    at_once().await;
    world.clock.advance(SignedDuration::from_secs(20));
    at_once().await;
    assert_eq!(world.block_reads(), 1);
    // Where it protects, once for all who ask while it is being asked for.
    *world.memory.account_block.lock().unwrap() = Some(all_on());
    world.clock.advance(SignedDuration::from_secs(20));
    at_once().await;
    assert_eq!(world.block_reads(), 3);
    at_once().await;
    assert_eq!(world.block_reads(), 5);
    // And once for a sweep.
    for bucket in 0..50 {
        let mut buckets = world.memory.buckets.lock().unwrap();
        buckets.insert(format!("b-{bucket}"), closed());
    }
    let sweep = guard::arrive::sweep(ACCOUNT, world.clock.now());
    world
        .guard
        .repository
        .request(&[sweep], world.clock.now())
        .await
        .unwrap();
    world.sweep().await;
    assert_eq!(world.block_reads(), 6);
}

fn volume(region: &str, encrypted: bool) -> Volume {
    Volume {
        id: "vol-1".to_owned(),
        region: region.to_owned(),
        availability_zone: Some(format!("{region}a")),
        encrypted,
        kms_key: None,
        state: "in-use".to_owned(),
        created: None,
        size: Some(8),
        volume_type: Some("gp3".to_owned()),
        snapshot: None,
        attachments: vec![VolumeAttachment {
            instance: "i-1".to_owned(),
            device: None,
            state: Some("attached".to_owned()),
            delete_on_termination: false,
        }],
        tags: BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_volume_is_looked_for_where_it_is() {
    let mut world = World::new(rules(
        json!([{"name": "encrypted", "identifier": "ENCRYPTED_VOLUMES"}]),
    ));
    let parameters = || json!({"volumeId": "vol-1"});
    // The event tells where; the account's own region is another one.
    *world.services.volumes.lock().unwrap() = vec![volume("eu-west-1", false)];
    world
        .told_in("eu-west-1", "ec2", "AttachVolume", parameters())
        .await;
    world.work().await;
    let known = world.resource(VOLUME, "vol-1").await;
    assert_eq!(said(&known, "encrypted"), ComplianceType::NonCompliant);
    // Whatever a later event tells, or does not tell, it is not gone while it is where it was.
    world
        .told_in("eu-central-1", "ec2", "DetachVolume", parameters())
        .await;
    world.work().await;
    let now = world.clock.now();
    let look = guard::arrive::look(ACCOUNT, VOLUME, "vol-1", now);
    world.guard.repository.request(&[look], now).await.unwrap();
    world.work().await;
    let known = world.resource(VOLUME, "vol-1").await;
    assert!(!known.item.status.is_deleted());
    assert_eq!(known.findings[0].state, FindingState::Open);
    world.services.volumes.lock().unwrap().clear();
    world
        .told_in("eu-west-1", "ec2", "DeleteVolume", parameters())
        .await;
    world.work().await;
    assert!(
        world
            .resource(VOLUME, "vol-1")
            .await
            .item
            .status
            .is_deleted()
    );
}

/// Whatever else asks for the same look: what one was asked for stands.
#[tokio::test]
async fn a_look_that_is_asked_for_twice_loses_nothing() {
    let mut world = World::new(versioning());
    world.part(BucketPart::Versioning, versioning_is("Enabled"));
    world.told_of_bucket("CreateBucket").await;
    world.work().await;
    world.clock.advance(SignedDuration::from_mins(1));
    world.part(BucketPart::Versioning, versioning_is("Suspended"));
    world.told_of_bucket("PutBucketVersioning").await;
    world.told_of_bucket("PutBucketAcl").await;
    let now = world.clock.now();
    let later = now + SignedDuration::from_hours(6);
    let review = guard::arrive::review(ACCOUNT, BUCKET, "b", later);
    world
        .guard
        .repository
        .request(&[review], now)
        .await
        .unwrap();
    world.work().await;
    assert_eq!(world.says("versioned").await, ComplianceType::NonCompliant);
    // The other way round: what waits for its time is done when something happens, and in full.
    let mut full = guard::arrive::review(ACCOUNT, BUCKET, "b", later);
    full.payload["everything"] = json!(true);
    world.guard.repository.request(&[full], now).await.unwrap();
    world.part(BucketPart::Versioning, versioning_is("Enabled"));
    world.told_of_bucket("PutBucketAcl").await;
    world.work().await;
    assert_eq!(world.says("versioned").await, ComplianceType::Compliant);
    assert!(claimed(&world.guard, JobKind::Review, None).await.is_none());
}

/// Who made the account's block go is known also to a look that waited for something else.
#[tokio::test]
async fn a_look_that_waits_learns_what_it_is_made_for() {
    let mut world = World::new(of_the_account());
    *world.memory.account_block.lock().unwrap() = Some(all_on());
    world.memory.change("b", |state| {
        state.policy = Some(public_policy("b", "s3:GetObject"));
    });
    world.told_of_bucket("PutBucketPolicy").await;
    world.work().await;
    world.clock.advance(SignedDuration::from_secs(1));
    *world.memory.account_block.lock().unwrap() = None;
    let parameters = json!({"accountId": ACCOUNT});
    for _ in 0..2 {
        world
            .told("s3", "DeleteAccountPublicAccessBlock", parameters.clone())
            .await;
        world.sweep().await;
        world.clock.advance(SignedDuration::from_mins(1));
    }
    let now = world.clock.now();
    let review = guard::arrive::review(ACCOUNT, BUCKET, "b", now);
    world
        .guard
        .repository
        .request(&[review], now)
        .await
        .unwrap();
    world.work().await;
    let exposure = &world.known().await.exposures[0];
    assert_eq!(exposure.event_id.as_deref(), Some("e-2"), "the first");
    assert_eq!(exposure.actor.as_deref(), Some(MALLORY));
}

fn on_schedule(names: &[&str]) -> Settings {
    let rules_of = names.iter().map(|name| {
        json!({"name": name, "identifier": "S3_BUCKET_PUBLIC_READ_PROHIBITED", "frequency": "24h"})
    });
    rules(rules_of.collect())
}

/// When the rules on a schedule are evaluated, if the guard were started now.
async fn due(guard: &Watching) -> Timestamp {
    let jobs = guard.schedules_due(guard.clock.now()).await.unwrap();
    let [job] = jobs.as_slice() else {
        unreachable!("{jobs:?}")
    };
    job.due_at
}

#[tokio::test]
async fn what_happens_does_not_wait_for_what_is_only_due() {
    let mut world = World::new(on_schedule(&["read"]));
    for bucket in 0..700 {
        let mut buckets = world.memory.buckets.lock().unwrap();
        buckets.insert(format!("b-{bucket}"), closed());
    }
    // At first none is recorded, and of none anything is known to have happened.
    let sweep = guard::arrive::sweep(ACCOUNT, world.clock.now());
    world
        .guard
        .repository
        .request(&[sweep], world.clock.now())
        .await
        .unwrap();
    world.sweep().await;
    world.told_of_bucket("PutBucketAcl").await;
    let asked = |kind: JobKind| {
        let disk = world.guard.repository.disk.borrow();
        let mut due: Vec<Timestamp> = disk
            .jobs
            .values()
            .filter(|row| row.job.kind == kind && row.job.payload["resourceType"] == BUCKET)
            .map(|row| row.job.due_at)
            .collect();
        due.sort();
        due
    };
    assert_eq!(asked(JobKind::Look).len(), 1);
    assert_eq!(asked(JobKind::Review).len(), 700);
    world.work().await;
    // Nor at the hour when all of them are due.
    let start = world.clock.now();
    let disk = &world.guard.repository.disk;
    disk.send_modify(|disk| disk.jobs.clear());
    assert_eq!(due(&world.guard).await, start, "never done");
    let periodic = world.guard.schedules_due(start).await.unwrap().remove(0);
    let job = claimed(&world.guard, JobKind::Periodic, Some(periodic))
        .await
        .unwrap();
    let did = world.guard.evaluate_on_schedule(&job).await;
    ended(&world.guard, &job, did).await;
    let reviews = asked(JobKind::Review);
    assert_eq!(reviews.len(), 701);
    assert!(reviews[100] > reviews[0] && reviews[700] < start + SignedDuration::from_hours(12));
    assert_eq!(asked(JobKind::Look), []);

    // A start is no reason to evaluate all again; a rule that never was is one.
    world.clock.advance(SignedDuration::from_hours(1));
    let again = |settings| {
        worker(
            &world.memory,
            None,
            &world.clock,
            &world.guard.repository,
            settings,
        )
    };
    let tomorrow = start + SignedDuration::from_hours(24);
    assert_eq!(due(&again(on_schedule(&["read"]))).await, tomorrow);
    assert_eq!(
        due(&again(on_schedule(&["read", "new"]))).await,
        world.clock.now()
    );
}

/// What is not watched is said.
#[tokio::test]
async fn coverage_says_how_acls_of_objects_are_watched() {
    let world = World::new(quiet());
    let gaps = || async {
        let now = world.clock.now();
        let sweep = guard::arrive::sweep(ACCOUNT, now);
        world.guard.repository.request(&[sweep], now).await.unwrap();
        world.sweep().await;
        let coverage = world.guard.repository.coverage().await.unwrap();
        coverage.into_iter().next().unwrap().gaps
    };
    let [gap] = gaps().await.try_into().unwrap();
    assert!(gap.starts_with("object ACLs: not sampled"), "{gap}");
    *world.memory.account_block.lock().unwrap() = Some(all_on());
    world.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(gaps().await, Vec::<String>::new());
}
