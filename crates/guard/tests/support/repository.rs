//! The guard's store in memory: what the trait promises, in the plainest way. It can lose power at any
//! call, before or after the call's effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use compliance::item::{ConfigurationItem, ResourceKey};
use guard::journal::{Event, Record};
use guard::repository::{
    Accepted, EventFilter, FindingFilter, Repository, RepositoryError, Totals,
};
use guard::state::{
    BusEvent, Commit, Coverage, EnforcementStop, EvaluationRecord, EventRecord, Exposure, Finding,
    FindingUpdate, Finish, Job, JobKind, NewJob, NoticeRecord, ResourceRecord, SubscriptionState,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use super::power::Power;

/// What survives a loss of power.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub jobs: BTreeMap<i64, Row>,
    next_job: i64,
    pub resources: BTreeMap<(String, String, String), ResourceRecord>,
    pub items: Vec<ConfigurationItem>,
    pub evaluations: Vec<(ResourceKey, EvaluationRecord)>,
    pub exposures: BTreeMap<String, Exposure>,
    pub events: BTreeMap<String, EventRecord>,
    pub bus: BTreeMap<String, BusEvent>,
    pub notices: BTreeMap<String, NoticeRecord>,
    pub journal: Vec<Record>,
    pub stop: Option<EnforcementStop>,
    pub coverage: BTreeMap<(String, String), Coverage>,
    pub subscriptions: BTreeMap<String, SubscriptionState>,
    remembered: BTreeMap<String, Value>,
    leases: u64,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub job: Job,
    pub held_until: Option<Timestamp>,
    /// Asked for again while it ran, with this due time.
    again: Option<Timestamp>,
    pub dead: bool,
}

/// The store.
pub struct MemoryRepository {
    pub disk: watch::Sender<Disk>,
    pub power: Arc<Power>,
    /// What somebody else does, once, when exposures have been read.
    pub meddler: Mutex<Option<Meddler>>,
    /// How it answers who wants to hold a job longer.
    pub renewal: Mutex<Renewal>,
    /// How often somebody wanted to.
    pub renewals: watch::Sender<u32>,
}

/// How a store answers who wants to hold a job longer.
#[derive(Clone, Copy, Debug, Default)]
pub enum Renewal {
    #[default]
    Granted,
    /// Somebody else has the job.
    Lost,
    /// The store is away.
    Unavailable,
    /// The store says nothing.
    Silent,
}

/// Changes what is kept.
pub type Meddler = Box<dyn FnOnce(&mut Disk) + Send>;

impl MemoryRepository {
    pub fn new(disk: Disk, power: Arc<Power>) -> MemoryRepository {
        MemoryRepository {
            disk: watch::Sender::new(disk),
            power,
            meddler: Mutex::default(),
            renewal: Mutex::default(),
            renewals: watch::Sender::default(),
        }
    }

    /// Ready when this is so.
    pub async fn until(&self, is: impl FnMut(&Disk) -> bool) {
        self.disk.subscribe().wait_for(is).await.unwrap();
    }

    async fn read<T>(&self, read: impl FnOnce(&Disk) -> T) -> Result<T, RepositoryError> {
        Ok(self.power.call(|| read(&self.disk.borrow())).await)
    }

    async fn write<T>(
        &self,
        write: impl FnOnce(&mut Disk) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        self.power
            .call(|| {
                let mut done = None;
                self.disk.send_modify(|disk| done = Some(write(disk)));
                done.unwrap()
            })
            .await
    }

    fn due(disk: &Disk, kinds: &[JobKind], now: Timestamp) -> Vec<(Timestamp, i64)> {
        let mut due: Vec<(Timestamp, i64)> = disk
            .jobs
            .values()
            .filter(|row| !row.dead && kinds.contains(&row.job.kind) && row.job.due_at <= now)
            .filter(|row| row.held_until.is_none_or(|until| until <= now))
            .map(|row| (row.job.due_at, row.job.id))
            .collect();
        due.sort();
        due
    }
}

impl Disk {
    /// Whether no look and no delivery is to be done.
    pub fn is_idle(&self) -> bool {
        let waits = [
            JobKind::Look,
            JobKind::Review,
            JobKind::Deliver,
            JobKind::Forward,
        ];
        !self
            .jobs
            .values()
            .any(|row| !row.dead && waits.contains(&row.job.kind))
    }

    fn request(&mut self, new: &NewJob, now: Timestamp) {
        let known = self
            .jobs
            .values_mut()
            .find(|row| !row.dead && row.job.key == new.key);
        if let Some(row) = known {
            row.job.generation += 1;
            (row.job.kind, row.job.payload) = new.joined_to(row.job.kind, &row.job.payload);
            row.job.due_at = row.job.due_at.min(new.due_at);
            if row.held_until.is_some() {
                row.again = Some(row.again.map_or(new.due_at, |at| at.min(new.due_at)));
            }
            return;
        }
        self.next_job += 1;
        self.jobs.insert(
            self.next_job,
            Row {
                job: Job {
                    id: self.next_job,
                    kind: new.kind,
                    key: new.key.clone(),
                    payload: new.payload.clone(),
                    due_at: new.due_at,
                    attempts: 0,
                    generation: 0,
                    lease: String::new(),
                    created_at: now,
                    last_error: None,
                },
                held_until: None,
                again: None,
                dead: false,
            },
        );
    }

    fn finish(&mut self, job: &Job, finish: &Finish) -> Result<(), RepositoryError> {
        let Some(row) = self
            .jobs
            .get_mut(&job.id)
            .filter(|row| row.job.lease == job.lease && !row.dead)
        else {
            return Err(RepositoryError::LeaseLost);
        };
        let again = row.again.take();
        row.held_until = None;
        row.job.lease.clear();
        match finish {
            Finish::Done => match again {
                Some(due_at) => {
                    row.job.due_at = due_at;
                    row.job.attempts = 0;
                }
                None => {
                    self.jobs.remove(&job.id);
                }
            },
            Finish::Again { due_at, error } => {
                row.job.due_at = again.map_or(*due_at, |at| at.min(*due_at));
                row.job.last_error.clone_from(error);
                if error.is_none() {
                    row.job.attempts = 0;
                }
            }
            Finish::PutOff { due_at } => {
                row.job.due_at = again.map_or(*due_at, |at| at.min(*due_at));
                row.job.attempts -= 1;
            }
            Finish::Dead { error } => {
                row.dead = true;
                row.job.last_error = Some(error.clone());
            }
        }
        Ok(())
    }
}

fn about(record: &Record, places: &BTreeMap<String, (String, String)>) -> Option<(String, String)> {
    match &record.event {
        Event::Intent { place, .. } => Some((
            place.account.clone().unwrap_or_default(),
            place.bucket.clone(),
        )),
        _ => places.get(&record.id).cloned(),
    }
}

impl Repository for MemoryRepository {
    async fn accept(
        &self,
        events: &[(EventRecord, Vec<NewJob>)],
    ) -> Result<Accepted, RepositoryError> {
        self.write(|disk| {
            let mut accepted = Accepted::default();
            for (event, jobs) in events {
                if disk.events.contains_key(&event.id) {
                    accepted.duplicate += 1;
                    continue;
                }
                accepted.new += 1;
                disk.events.insert(event.id.clone(), event.clone());
                for job in jobs {
                    disk.request(job, event.arrived_at);
                }
            }
            Ok(accepted)
        })
        .await
    }

    async fn request(&self, jobs: &[NewJob], now: Timestamp) -> Result<(), RepositoryError> {
        self.write(|disk| {
            for job in jobs {
                disk.request(job, now);
            }
            Ok(())
        })
        .await
    }

    async fn claim(
        &self,
        kinds: &[JobKind],
        worker: &str,
        lease: Duration,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>, RepositoryError> {
        // To find nothing changes nothing, and must wake nobody.
        if Self::due(&self.disk.borrow(), kinds, now).is_empty() {
            return self.read(|_| Vec::new()).await;
        }
        self.write(|disk| {
            let mut claimed = Vec::new();
            for (_, id) in Self::due(disk, kinds, now).into_iter().take(limit as usize) {
                disk.leases += 1;
                let lease_id = format!("{worker} {}", disk.leases);
                let row = disk.jobs.get_mut(&id).unwrap();
                row.job.attempts += 1;
                row.job.lease = lease_id;
                row.again = None;
                row.held_until = Some(now + SignedDuration::try_from(lease).unwrap());
                claimed.push(row.job.clone());
            }
            Ok(claimed)
        })
        .await
    }

    async fn renew(
        &self,
        job: &Job,
        lease: Duration,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        let renewal = *self.renewal.lock().unwrap();
        self.renewals.send_modify(|renewals| *renewals += 1);
        match renewal {
            Renewal::Granted => {}
            Renewal::Lost => return Err(RepositoryError::LeaseLost),
            Renewal::Unavailable => {
                return Err(RepositoryError::Unavailable {
                    detail: "away".to_owned(),
                });
            }
            Renewal::Silent => std::future::pending().await,
        }
        self.write(|disk| match disk.jobs.get_mut(&job.id) {
            Some(row) if row.job.lease == job.lease => {
                row.held_until = Some(now + SignedDuration::try_from(lease).unwrap());
                Ok(())
            }
            _ => Err(RepositoryError::LeaseLost),
        })
        .await
    }

    async fn finish(
        &self,
        job: &Job,
        finish: Finish,
        _now: Timestamp,
    ) -> Result<(), RepositoryError> {
        self.write(|disk| disk.finish(job, &finish)).await
    }

    async fn next_due(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, RepositoryError> {
        self.read(|disk| {
            disk.jobs
                .values()
                .filter(|row| !row.dead && kinds.contains(&row.job.kind))
                .map(|row| row.held_until.unwrap_or(row.job.due_at))
                .min()
        })
        .await
    }

    fn work_asked_for(&self) -> impl Future<Output = ()> + Send {
        let mut disk = self.disk.subscribe();
        async move {
            let _ = disk.changed().await;
        }
    }

    async fn resource(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
    ) -> Result<Option<ResourceRecord>, RepositoryError> {
        let key = (
            account.to_owned(),
            resource_type.to_owned(),
            resource_id.to_owned(),
        );
        self.read(|disk| disk.resources.get(&key).cloned()).await
    }

    async fn resource_ids(
        &self,
        account: &str,
        resource_type: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, RepositoryError> {
        self.read(|disk| {
            disk.resources
                .iter()
                .filter(|((own, kind, id), record)| {
                    own == account
                        && kind == resource_type
                        && after.is_none_or(|after| id.as_str() > after)
                        && !record.item.status.is_deleted()
                })
                .map(|((_, _, id), _)| id.clone())
                .take(limit as usize)
                .collect()
        })
        .await
    }

    async fn unseen_events(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> Result<Vec<EventRecord>, RepositoryError> {
        self.read(|disk| {
            let mut events: Vec<EventRecord> = disk
                .events
                .values()
                .filter(|event| event.verdict_at.is_none())
                .filter(|event| {
                    event.account == account
                        && event.resource_type == resource_type
                        && event.resource_id == resource_id
                })
                .cloned()
                .collect();
            events.sort_by_key(|event| event.event_time);
            events.truncate(limit as usize);
            events
        })
        .await
    }

    async fn commit(
        &self,
        commit: &Commit,
        job: Option<(&Job, Finish)>,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        self.write(|disk| {
            let key = (
                commit.key.account.clone(),
                commit.key.resource_type.clone(),
                commit.key.resource_id.clone(),
            );
            let known = disk.resources.get(&key);
            if known.map(|known| known.version) != commit.expected_version {
                return Err(RepositoryError::Conflict(commit.key.clone()));
            }
            if let Some((job, finish)) = &job {
                disk.finish(job, finish)?;
            }
            let last = disk.resources.remove(&key);
            let (item, content_hash) = match (&commit.item, last.as_ref()) {
                (Some((item, hash)), _) => {
                    disk.items.push(item.clone());
                    (Some(item.clone()), hash.clone())
                }
                (None, Some(last)) => (Some(last.item.clone()), last.content_hash.clone()),
                (None, None) => (None, String::new()),
            };
            if let Some(item) = item {
                let mut findings: BTreeMap<String, Finding> = last
                    .iter()
                    .flat_map(|last| last.findings.clone())
                    .map(|finding| (finding.id.clone(), finding))
                    .collect();
                for finding in &commit.findings {
                    findings.insert(finding.id.clone(), finding.clone());
                }
                for exposure in &commit.exposures {
                    disk.exposures.insert(exposure.id.clone(), exposure.clone());
                }
                let before = last.iter().flat_map(|last| last.evaluations.clone());
                let before: Vec<EvaluationRecord> = before.collect();
                for evaluation in &commit.evaluations {
                    let same = before.iter().any(|before| {
                        before.rule_name == evaluation.rule_name
                            && before.compliance_type == evaluation.compliance_type
                            && before.annotation == evaluation.annotation
                    });
                    if !same {
                        disk.evaluations
                            .push((commit.key.clone(), evaluation.clone()));
                    }
                }
                let ids: BTreeSet<String> = findings.keys().cloned().collect();
                let record = ResourceRecord {
                    version: commit.expected_version.unwrap_or(0) + 1,
                    item,
                    content_hash,
                    observed_at: commit.observed_at,
                    evaluations: commit.evaluations.clone(),
                    findings: findings.into_values().collect(),
                    exposures: disk
                        .exposures
                        .values()
                        .filter(|e| e.to.is_none() && ids.contains(&e.finding_id))
                        .cloned()
                        .collect(),
                };
                disk.resources.insert(key.clone(), record);
            }
            for id in &commit.events_seen {
                if let Some(event) = disk.events.get_mut(id) {
                    event.verdict_at.get_or_insert(now);
                }
            }
            if commit.events_closed {
                for event in disk.events.values_mut().filter(|event| {
                    (
                        event.account.clone(),
                        event.resource_type.clone(),
                        event.resource_id.clone(),
                    ) == key
                        && event.verdict_at.is_some()
                }) {
                    event.closed_at.get_or_insert(now);
                }
            }
            for event in &commit.bus_events {
                disk.bus.insert(event.id.clone(), event.clone());
            }
            for notice in &commit.notices {
                disk.notices.insert(notice.id.clone(), notice.clone());
            }
            for job in &commit.jobs {
                disk.request(job, now);
            }
            Ok(())
        })
        .await
    }

    async fn update_findings(
        &self,
        updates: &[FindingUpdate],
        notices: &[NoticeRecord],
        jobs: &[NewJob],
        job: Option<(&Job, Finish)>,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        self.write(|disk| {
            let kept = |update: &FindingUpdate| {
                let mut records = disk.resources.iter();
                records.find_map(|(key, record)| {
                    let mut findings = record.findings.iter();
                    let index = findings.position(|kept| kept.id == update.read.id)?;
                    update
                        .is_about(&record.findings[index])
                        .then(|| (key.clone(), index))
                })
            };
            let mut places = Vec::new();
            for update in updates {
                let conflict = || RepositoryError::Conflict(update.read.key.clone());
                places.push(kept(update).ok_or_else(conflict)?);
            }
            if let Some((job, finish)) = &job {
                disk.finish(job, finish)?;
            }
            for (update, (key, index)) in updates.iter().zip(places) {
                let record = disk.resources.get_mut(&key).unwrap();
                record.findings[index].state.clone_from(&update.state);
                record.findings[index].escalation_step = update.escalation_step;
                record.findings[index].escalated_at = update.escalated_at;
                record.version += 1;
            }
            for notice in notices {
                disk.notices.insert(notice.id.clone(), notice.clone());
            }
            for job in jobs {
                disk.request(job, now);
            }
            Ok(())
        })
        .await
    }

    async fn finding(&self, id: &str) -> Result<Option<Finding>, RepositoryError> {
        self.read(|disk| {
            disk.resources
                .values()
                .flat_map(|record| &record.findings)
                .find(|finding| finding.id == id)
                .cloned()
        })
        .await
    }

    async fn findings(&self, filter: &FindingFilter) -> Result<Vec<Finding>, RepositoryError> {
        self.read(|disk| {
            let mut findings: Vec<Finding> = disk
                .resources
                .values()
                .flat_map(|record| record.findings.clone())
                .filter(|finding| {
                    filter.states.is_empty()
                        || filter
                            .states
                            .iter()
                            .any(|state| state == finding.state.name())
                })
                .collect();
            findings.sort_by_key(|finding| std::cmp::Reverse(finding.opened_at));
            findings.truncate(filter.limit as usize);
            findings
        })
        .await
    }

    async fn exposures(&self, finding_id: &str) -> Result<Vec<Exposure>, RepositoryError> {
        let exposures = self
            .read(|disk| {
                disk.exposures
                    .values()
                    .filter(|exposure| exposure.finding_id == finding_id)
                    .cloned()
                    .collect()
            })
            .await;
        if let Some(meddler) = self.meddler.lock().unwrap().take() {
            self.disk.send_modify(meddler);
        }
        exposures
    }

    async fn history(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> Result<Vec<ConfigurationItem>, RepositoryError> {
        self.read(|disk| {
            disk.items
                .iter()
                .rev()
                .filter(|item| {
                    item.key.account == account
                        && item.key.resource_type == resource_type
                        && item.key.resource_id == resource_id
                })
                .take(limit as usize)
                .cloned()
                .collect()
        })
        .await
    }

    async fn evaluation_history(
        &self,
        account: &str,
        resource_type: &str,
        resource_id: &str,
        limit: u32,
    ) -> Result<Vec<EvaluationRecord>, RepositoryError> {
        self.read(|disk| {
            disk.evaluations
                .iter()
                .rev()
                .filter(|(key, _)| {
                    key.account == account
                        && key.resource_type == resource_type
                        && key.resource_id == resource_id
                })
                .take(limit as usize)
                .map(|(_, record)| record.clone())
                .collect()
        })
        .await
    }

    async fn items(
        &self,
        span: Option<(Timestamp, Timestamp)>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, ConfigurationItem)>, RepositoryError> {
        self.read(|disk| {
            let newest = |item: &ConfigurationItem| {
                disk.resources.values().any(|record| record.item == *item)
            };
            (0_i64..)
                .zip(&disk.items)
                .filter(|(id, _)| after.is_none_or(|after| *id > after))
                .filter(|(_, item)| match span {
                    Some((from, to)) => from <= item.capture_time && item.capture_time < to,
                    None => !item.status.is_deleted() && newest(item),
                })
                .take(limit as usize)
                .map(|(id, item)| (id, item.clone()))
                .collect()
        })
        .await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRecord>, RepositoryError> {
        self.read(|disk| {
            disk.events
                .values()
                .take(filter.limit as usize)
                .cloned()
                .collect()
        })
        .await
    }

    async fn bus_events(&self, limit: u32) -> Result<Vec<BusEvent>, RepositoryError> {
        self.read(|disk| disk.bus.values().take(limit as usize).cloned().collect())
            .await
    }

    async fn bus_events_from(
        &self,
        since: Timestamp,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, BusEvent)>, RepositoryError> {
        let after = after.unwrap_or(0);
        self.read(|disk| {
            (1..)
                .zip(disk.bus.values().cloned())
                .filter(|(number, event)| *number > after && event.at >= since)
                .take(limit as usize)
                .collect()
        })
        .await
    }

    async fn notice(&self, id: &str) -> Result<Option<NoticeRecord>, RepositoryError> {
        self.read(|disk| disk.notices.get(id).cloned()).await
    }

    async fn notices(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<NoticeRecord>, RepositoryError> {
        self.read(|disk| {
            let mut notices: Vec<NoticeRecord> = disk
                .notices
                .values()
                .filter(|notice| notice.created_at >= since && notice.created_at < until)
                .cloned()
                .collect();
            notices.sort_by_key(|notice| notice.created_at);
            notices.truncate(limit as usize);
            notices
        })
        .await
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<Job>, RepositoryError> {
        self.read(|disk| {
            disk.jobs
                .values()
                .filter(|row| row.dead)
                .take(limit as usize)
                .map(|row| row.job.clone())
                .collect()
        })
        .await
    }

    async fn redrive(&self, id: i64, now: Timestamp) -> Result<bool, RepositoryError> {
        self.write(|disk| {
            Ok(match disk.jobs.get_mut(&id).filter(|row| row.dead) {
                Some(row) => {
                    row.dead = false;
                    row.held_until = None;
                    row.job.due_at = now;
                    row.job.attempts = 0;
                    true
                }
                None => false,
            })
        })
        .await
    }

    async fn enforcement_stop(&self) -> Result<Option<EnforcementStop>, RepositoryError> {
        self.read(|disk| disk.stop.clone()).await
    }

    async fn set_enforcement_stop(
        &self,
        stop: Option<&EnforcementStop>,
    ) -> Result<(), RepositoryError> {
        self.write(|disk| {
            disk.stop = stop.cloned();
            Ok(())
        })
        .await
    }

    async fn append_journal(&self, record: &Record) -> Result<(), RepositoryError> {
        self.write(|disk| {
            disk.journal.push(record.clone());
            Ok(())
        })
        .await
    }

    async fn journal(
        &self,
        account: Option<&str>,
        bucket: Option<&str>,
        since: Option<Timestamp>,
    ) -> Result<Vec<Record>, RepositoryError> {
        self.read(|disk| {
            let places: BTreeMap<String, (String, String)> = disk
                .journal
                .iter()
                .filter_map(|record| Some((record.id.clone(), about(record, &BTreeMap::new())?)))
                .collect();
            disk.journal
                .iter()
                .filter(|record| since.is_none_or(|since| record.at >= since))
                .filter(|record| {
                    about(record, &places).is_some_and(|(own, name)| {
                        account.is_none_or(|account| account == own)
                            && bucket.is_none_or(|bucket| bucket == name)
                    })
                })
                .cloned()
                .collect()
        })
        .await
    }

    async fn last_remediations(
        &self,
        account: &str,
        bucket: &str,
        limit: u32,
    ) -> Result<Vec<Record>, RepositoryError> {
        let mut records = self.journal(Some(account), Some(bucket), None).await?;
        let mut ids: Vec<String> = Vec::new();
        for record in &records {
            if !ids.contains(&record.id) {
                ids.push(record.id.clone());
            }
        }
        let last: Vec<String> = ids.into_iter().rev().take(limit as usize).collect();
        records.retain(|record| last.contains(&record.id));
        Ok(records)
    }

    async fn written_buckets(
        &self,
        account: &str,
        since: Timestamp,
    ) -> Result<Vec<String>, RepositoryError> {
        let records = self.journal(Some(account), None, None).await?;
        let written = guard::journal::remediations(&records).into_iter();
        let buckets: BTreeSet<String> = written
            .filter(|one| one.written_at.is_some_and(|at| at >= since))
            .map(|one| one.place.bucket)
            .collect();
        Ok(buckets.into_iter().collect())
    }

    async fn cover(&self, told: &Coverage) -> Result<(), RepositoryError> {
        self.write(|disk| {
            let known = disk
                .coverage
                .entry((told.account.clone(), told.region.clone()))
                .or_insert_with(|| Coverage::of(&told.account, &told.region));
            known.last_event_at = known.last_event_at.max(told.last_event_at);
            known.untold_changes += told.untold_changes;
            if told.last_sweep_at.is_some() {
                known.last_sweep_at = told.last_sweep_at;
                known.swept = told.swept;
                known.undecided = told.undecided;
                known.gaps.clone_from(&told.gaps);
                known.error.clone_from(&told.error);
            } else if told.error.is_some() {
                known.error.clone_from(&told.error);
            }
            Ok(())
        })
        .await
    }

    async fn coverage(&self) -> Result<Vec<Coverage>, RepositoryError> {
        self.read(|disk| disk.coverage.values().cloned().collect())
            .await
    }

    async fn subscriptions(&self) -> Result<Vec<SubscriptionState>, RepositoryError> {
        self.read(|disk| disk.subscriptions.values().cloned().collect())
            .await
    }

    async fn put_subscription(
        &self,
        subscription: &SubscriptionState,
    ) -> Result<(), RepositoryError> {
        self.write(|disk| {
            disk.subscriptions
                .insert(subscription.id.clone(), subscription.clone());
            Ok(())
        })
        .await
    }

    async fn remembered(&self, name: &str) -> Result<Option<Value>, RepositoryError> {
        self.read(|disk| disk.remembered.get(name).cloned()).await
    }

    async fn remember(&self, name: &str, value: &Value) -> Result<(), RepositoryError> {
        self.write(|disk| {
            disk.remembered.insert(name.to_owned(), value.clone());
            Ok(())
        })
        .await
    }

    async fn totals(&self) -> Result<Totals, RepositoryError> {
        self.read(|_| Totals::default()).await
    }

    async fn retire(&self, _before: Timestamp, _limit: u32) -> Result<u64, RepositoryError> {
        self.read(|_| 0).await
    }
}
