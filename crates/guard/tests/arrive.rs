//! From an event as it arrives to what is known after it: the look that an event asks for reads what
//! the event is about.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use compliance::item::BUCKET;
use compliance::rules::ComplianceType;
use compliance::rules::configured::{RuleConfig, RuleSet};
use guard::arrive::Watched;
use guard::clock::{Clock, ManualClock};
use guard::intake::{EventSink, EventSource, Form, StoreSink};
use guard::ports::record::BucketPart;
use guard::repository::Repository;
use guard::state::{JobKind, ResourceRecord};
use guard::watch::Settings;
use jiff::SignedDuration;
use serde_json::{Value, json};
use support::power::Power;
use support::repository::{Disk, MemoryRepository};
use support::watching::{ACCOUNT, Watching, claimed, ended, quiet, watching};
use support::{Memory, State, now, private_acl};

struct World {
    memory: Arc<Memory>,
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
        let guard = watching(
            &memory,
            &clock,
            Disk::default(),
            &Power::endless(),
            settings,
        );
        let watched = Watched {
            accounts: vec![ACCOUNT.to_owned()],
        };
        let sink = StoreSink::new(Arc::clone(&guard.repository), Arc::clone(&clock), watched);
        World {
            memory,
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
        self.told += 1;
        let record = json!({
            "eventVersion": "1.09",
            "eventID": format!("e-{}", self.told),
            "eventName": name,
            "eventSource": format!("{service}.amazonaws.com"),
            "eventTime": self.clock.now().to_string(),
            "awsRegion": "eu-central-1",
            "recipientAccountId": ACCOUNT,
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory"},
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
        while let Some(job) = claimed(&self.guard, JobKind::Look, None).await {
            let did = self.guard.look(&job).await;
            ended(&self.guard, &job, did).await;
        }
    }

    async fn known(&self) -> ResourceRecord {
        let known = self.guard.repository.resource(ACCOUNT, BUCKET, "b").await;
        known.unwrap().unwrap()
    }

    async fn says(&self, rule: &str) -> ComplianceType {
        let known = self.known().await;
        let mut said = known.evaluations.iter();
        said.find(|said| said.rule_name == rule)
            .unwrap()
            .compliance_type
    }
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
