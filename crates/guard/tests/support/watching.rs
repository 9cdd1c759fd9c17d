//! A guard over the store in memory, for tests that do its jobs one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use compliance::exceptions::Exceptions;
use compliance::item::BUCKET;
use compliance::notice::{Ladder, Notice, NoticeKind, RetrySchedule};
use compliance::pattern::EventPattern;
use compliance::remediation::RemediationOptions;
use compliance::rules::configured::RuleSet;
use guard::account::{Account, AccountSettings, Reach};
use guard::arrive;
use guard::clock::{Clock, ManualClock};
use guard::event_rules::{EventRule, EventRules, RuleTarget};
use guard::meter::Unmeasured;
use guard::pace::{Pace, PaceSettings};
use guard::record::Recorder;
use guard::repository::Repository;
use guard::responder::{EnforcementScope, ResponderSettings};
use guard::state::{EventRecord, Finish, Job, JobKind, NewJob};
use guard::watch::{Guard, Reminders, Settings};
use guard::work::Did;
use jiff::SignedDuration;

use super::power::Power;
use super::repository::{Disk, MemoryRepository};
use super::services::Services;
use super::{Memory, State, facts, now};

pub const ACCOUNT: &str = "111122223333";

pub type Watching = Guard<MemoryRepository, InMemory, ManualClock>;

/// An account in memory.
pub struct InMemory;

impl Reach for InMemory {
    type Store = Memory;
    type Services = Services;
}

/// Nobody is told, nothing is closed, nothing is delivered.
pub fn quiet() -> Settings {
    Settings {
        rules: RuleSet::default_set(),
        exceptions: Exceptions::default(),
        tags_except: false,
        responder: ResponderSettings::default(),
        event_rules: EventRules::new(Vec::new()),
        subscriptions: Vec::new(),
        ladder: Ladder {
            steps: Vec::new(),
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

/// Whatever is open is closed as far as the options allow by default, and told to the topic `default`.
pub fn enforcing() -> Settings {
    let pattern = r#"{"detail-type": ["Config Rules Compliance Change"], "detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT", "INSUFFICIENT_DATA"]}}}"#;
    Settings {
        responder: ResponderSettings {
            scopes: vec![EnforcementScope {
                name: "all".to_owned(),
                accounts: Vec::new(),
                regions: Vec::new(),
                buckets: Vec::new(),
                tag: None,
                enabled: true,
                options: RemediationOptions::default(),
                grace: SignedDuration::ZERO,
            }],
            ..ResponderSettings::default()
        },
        event_rules: EventRules::new(vec![EventRule {
            name: "open".to_owned(),
            pattern: EventPattern::parse(pattern).unwrap(),
            targets: vec![
                RuleTarget::Responder,
                RuleTarget::Topic("default".to_owned()),
            ],
        }]),
        ..quiet()
    }
}

/// A guard that does the looks at the bucket `b`, and at others, one by one.
pub struct Looks {
    pub memory: Arc<Memory>,
    pub clock: Arc<ManualClock>,
    pub guard: Watching,
}

impl Looks {
    pub fn new(
        buckets: impl IntoIterator<Item = (&'static str, State)>,
        settings: Settings,
    ) -> Looks {
        let memory = Arc::new(Memory::with(buckets));
        let clock = Arc::new(ManualClock::at(now()));
        let guard = watching(
            &memory,
            &clock,
            Disk::default(),
            &Power::endless(),
            settings,
        );
        Looks {
            memory,
            clock,
            guard,
        }
    }

    /// The same store behind another process, with other settings.
    pub fn restart(self, settings: Settings) -> Looks {
        let disk = self.guard.repository.disk.borrow().clone();
        let guard = watching(&self.memory, &self.clock, disk, &Power::endless(), settings);
        Looks { guard, ..self }
    }

    /// Stores an event about a bucket, which asks for a look.
    pub async fn event(&self, id: &str, name: &str, bucket: &str) {
        self.event_with(id, name, bucket, serde_json::Value::Null)
            .await;
    }

    /// The same, with what the event's source said.
    pub async fn event_with(&self, id: &str, name: &str, bucket: &str, detail: serde_json::Value) {
        let event = EventRecord {
            id: id.to_owned(),
            source: "cloudtrail".to_owned(),
            name: name.to_owned(),
            event_time: self.clock.now(),
            arrived_at: self.clock.now(),
            account: ACCOUNT.to_owned(),
            region: None,
            resource_type: BUCKET.to_owned(),
            resource_id: bucket.to_owned(),
            actor: Some("mallory".to_owned()),
            source_ip: None,
            detail,
            verdict_at: None,
            closed_at: None,
        };
        let look = arrive::look(ACCOUNT, BUCKET, bucket, self.clock.now());
        let accepted = self.guard.repository.accept(&[(event, vec![look])]).await;
        assert_eq!(accepted.unwrap().new, 1);
    }

    /// Asks for a look at a bucket, as a sweep does.
    pub async fn ask(&self, bucket: &str) {
        let now = self.clock.now();
        let looks = [arrive::look(ACCOUNT, BUCKET, bucket, now)];
        self.guard.repository.request(&looks, now).await.unwrap();
    }

    /// Does the next look that is due. `None`: none is.
    pub async fn look(&self) -> Option<()> {
        let job = claimed(&self.guard, JobKind::Look, None).await?;
        let did = self.guard.look(&job).await;
        ended(&self.guard, &job, did).await;
        Some(())
    }

    /// Waits for the next look, and does it: how long it had to wait.
    pub async fn next_look(&self) -> Option<SignedDuration> {
        let waited = self.until_next_look()?;
        self.clock.advance(waited);
        self.look().await?;
        Some(waited)
    }

    /// How long until the next look is due, if there is one.
    pub fn until_next_look(&self) -> Option<SignedDuration> {
        let disk = self.guard.repository.disk.borrow();
        let looks = disk.jobs.values().filter(|row| !row.dead);
        let looks = looks.filter(|row| row.job.kind == JobKind::Look);
        let due = looks.map(|row| row.job.due_at).min()?;
        Some(
            due.duration_since(self.clock.now())
                .max(SignedDuration::ZERO),
        )
    }

    /// What the store holds now.
    pub fn disk(&self) -> Disk {
        self.guard.repository.disk.borrow().clone()
    }

    /// The kinds of the notices so far, in the order in which they were made, with their bucket.
    pub fn told(&self) -> Vec<(NoticeKind, String)> {
        let disk = self.guard.repository.disk.borrow();
        let mut notices: Vec<_> = disk.notices.values().collect();
        notices.sort_by_key(|notice| notice.created_at);
        notices
            .into_iter()
            .map(|notice| {
                let notice: Notice = serde_json::from_value(notice.document.clone()).unwrap();
                (notice.kind, notice.key.unwrap().resource_id)
            })
            .collect()
    }

    /// The kinds of the notices about the bucket `b`.
    pub fn told_kinds(&self) -> Vec<NoticeKind> {
        let told = self.told().into_iter();
        told.filter(|(_, bucket)| bucket == "b")
            .map(|(kind, _)| kind)
            .collect()
    }

    /// How the findings of the bucket `b` stand, by cause.
    pub fn findings(&self) -> BTreeMap<String, &'static str> {
        let disk = self.guard.repository.disk.borrow();
        let records = disk.resources.values();
        records
            .filter(|record| record.item.key.resource_id == "b")
            .flat_map(|record| &record.findings)
            .map(|finding| (finding.cause.clone(), finding.state.name()))
            .collect()
    }
}

/// A guard of one account that has no other services.
pub fn watching(
    memory: &Arc<Memory>,
    clock: &Arc<ManualClock>,
    disk: Disk,
    power: &Arc<Power>,
    settings: Settings,
) -> Watching {
    let repository = Arc::new(MemoryRepository::new(disk, Arc::clone(power)));
    worker(memory, None, clock, &repository, settings)
}

/// A guard of one account, one of several on a store.
pub fn worker(
    memory: &Arc<Memory>,
    services: Option<&Arc<Services>>,
    clock: &Arc<ManualClock>,
    repository: &Arc<MemoryRepository>,
    settings: Settings,
) -> Watching {
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
        Arc::clone(memory),
        services.cloned(),
        Arc::new(Pace::new(PaceSettings::default(), 1)),
    );
    Guard {
        repository: Arc::clone(repository),
        accounts: BTreeMap::from([(ACCOUNT.to_owned(), account)]),
        clock: Arc::clone(clock),
        settings,
        meter: Arc::new(Unmeasured),
    }
}

/// Asks for a job if one is given, and takes up the next of its kind that is due.
pub async fn claimed(guard: &Watching, kind: JobKind, asked: Option<NewJob>) -> Option<Job> {
    let now = guard.clock.now();
    if let Some(asked) = asked {
        guard.repository.request(&[asked], now).await.unwrap();
    }
    let lease = Duration::from_secs(10);
    let jobs = guard
        .repository
        .claim(&[kind], "w", lease, now, 1)
        .await
        .unwrap();
    jobs.into_iter().next()
}

/// Ends a job as it was done.
pub async fn ended(guard: &Watching, job: &Job, did: Did) -> Option<Finish> {
    match did {
        Did::Finished => None,
        Did::Finish(finish) => {
            let now = guard.clock.now();
            let end = finish.clone();
            guard.repository.finish(job, end, now).await.unwrap();
            Some(finish)
        }
    }
}
