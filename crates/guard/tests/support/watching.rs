//! A guard over the store in memory, for tests that do its jobs one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use compliance::exceptions::Exceptions;
use compliance::notice::{Ladder, RetrySchedule};
use compliance::rules::configured::RuleSet;
use guard::account::{Account, AccountSettings, Reach};
use guard::clock::{Clock, ManualClock};
use guard::event_rules::EventRules;
use guard::meter::Unmeasured;
use guard::pace::{Pace, PaceSettings};
use guard::record::Recorder;
use guard::repository::Repository;
use guard::responder::ResponderSettings;
use guard::state::{Finish, Job, JobKind, NewJob};
use guard::watch::{Guard, Reminders, Settings};
use guard::work::Did;
use jiff::SignedDuration;

use super::power::Power;
use super::repository::{Disk, MemoryRepository};
use super::services::Services;
use super::{Memory, facts};

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
        sweep_concurrency: 8,
        undecided_after: SignedDuration::from_mins(1),
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
