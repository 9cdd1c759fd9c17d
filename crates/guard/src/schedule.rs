//! Rules on a schedule, and resources that no listing of buckets finds.
//!
//! A rule that is due is evaluated as every other is: by a look at the resource, which reads it again
//! and evaluates all rules that are about it. A function is asked once for each account.

use std::time::Duration;

use compliance::item::{ACCOUNT, ACCOUNT_PUBLIC_ACCESS_BLOCK, BUCKET, VOLUME};
use compliance::rules::configured::Frequency;
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use crate::account::{Account, Reach};
use crate::arrive::{look, review, sweep};
use crate::clock::Clock;
use crate::error::CallError;
use crate::functions::added::definition;
use crate::gather::AccountFacts;
use crate::record::account::volumes;
use crate::repository::{Repository, RepositoryError};
use crate::state::{Finish, Job, JobKind, NewJob};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

/// How many looks are asked for at once.
pub(crate) const BATCH: u32 = 500;

#[derive(Debug, Error)]
enum ScheduleError {
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error("the volumes of {region} cannot be listed: {error}")]
    Volumes { region: String, error: CallError },
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// The work that evaluates rules on a schedule: one job for each frequency.
    pub(crate) fn schedules(&self, now: Timestamp) -> Vec<NewJob> {
        let mut frequencies: Vec<Frequency> =
            self.settings.rules.frequencies().into_iter().collect();
        // Resources of other types are read on a schedule, whatever triggers their rules.
        if !frequencies.contains(&Frequency::default()) {
            frequencies.push(Frequency::default());
        }
        frequencies
            .into_iter()
            .map(|frequency| NewJob {
                kind: JobKind::Periodic,
                key: format!("periodic {}", frequency.as_str()),
                payload: json!({"frequency": frequency.as_str()}),
                due_at: now,
            })
            .collect()
    }

    /// The same, each when it was last done and an interval more: a start is no reason to evaluate
    /// everything, but what was never evaluated so is.
    pub async fn schedules_due(&self, now: Timestamp) -> Result<Vec<NewJob>, RepositoryError> {
        let mut jobs = self.schedules(now);
        for job in &mut jobs {
            let Some(frequency) = frequency_of(&job.payload) else {
                continue;
            };
            let done = self.repository.remembered(&done_name(frequency)).await?;
            let Some(done) = done.filter(|done| done["of"] == self.evaluated(frequency)) else {
                continue;
            };
            let at: Option<Timestamp> = done["at"].as_str().and_then(|at| at.parse().ok());
            if let Some(at) = at {
                job.due_at = later(at, interval(frequency)).max(now);
            }
        }
        Ok(jobs)
    }

    /// What is evaluated on a schedule: another rule or account has not been.
    fn evaluated(&self, frequency: Frequency) -> Value {
        let rules = self.settings.rules.iter();
        let rules: Vec<Value> = rules
            .filter(|rule| rule.is_enabled() && rule.frequency() == Some(frequency))
            .map(|rule| match definition(rule) {
                Some(definition) => json!([rule.name(), definition]),
                None => json!(rule.name()),
            })
            .collect();
        let accounts: Vec<_> = self
            .accounts
            .values()
            .map(|account| json!([account.id, account.volume_regions]))
            .collect();
        json!({"rules": rules, "accounts": accounts})
    }

    /// Does a [`JobKind::Periodic`] job.
    pub async fn evaluate_on_schedule(&self, job: &Job) -> Did {
        let Some(frequency) = frequency_of(&job.payload) else {
            return Did::Finish(Finish::Done);
        };
        let now = self.clock.now();
        let (wait, error) = match self.ask_for_looks(frequency, now).await {
            Ok(()) => (interval(frequency), None),
            Err(error) => {
                tracing::warn!(%error, "rules on a schedule are evaluated later");
                (
                    backoff(
                        job.attempts,
                        Duration::from_secs(5),
                        Duration::from_secs(600),
                    ),
                    Some(error.to_string()),
                )
            }
        };
        Did::Finish(Finish::Again {
            due_at: later(now, wait),
            error,
        })
    }

    async fn ask_for_looks(
        &self,
        frequency: Frequency,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let types: Vec<&str> = self
            .settings
            .rules
            .iter()
            .filter(|rule| rule.is_enabled() && rule.frequency() == Some(frequency))
            // What a function speaks of, it reads itself.
            .filter(|rule| rule.lambda().is_none())
            .flat_map(|rule| rule.resource_types())
            .map(String::as_str)
            .collect();
        let is_default = frequency == Frequency::default();
        let mut failed = None;
        for account in self.accounts.values() {
            let functions = self.functions_on_schedule(account, frequency, now);
            self.repository.request(&functions, now).await?;
            let recorder = &self.settings.recorder;
            let due = |resource_type: &str| {
                recorder.records(resource_type) && (is_default || types.contains(&resource_type))
            };
            if types.contains(&BUCKET) && recorder.records(BUCKET) {
                self.look_at_buckets(account, frequency, now).await?;
            }
            let mut looks = Vec::new();
            if account.services().is_some() {
                for resource_type in [ACCOUNT_PUBLIC_ACCESS_BLOCK, ACCOUNT] {
                    if due(resource_type) {
                        looks.push(look(&account.id, resource_type, &account.id, now));
                    }
                }
            }
            self.repository.request(&looks, now).await?;
            // One that nobody answers for is looked at when it is reached.
            if due(VOLUME) && account.facts().is_ok() {
                match self.look_at_volumes(account, frequency, now).await {
                    // What one account does not tell is no reason to leave the others alone.
                    Err(error @ ScheduleError::Volumes { .. }) => failed = Some(error),
                    looked => looked?,
                }
            }
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        let done = json!({"at": now.to_string(), "of": self.evaluated(frequency)});
        self.repository
            .remember(&done_name(frequency), &done)
            .await?;
        Ok(())
    }

    /// Takes up an account that is reached now: it is gone through, and what is evaluated on a
    /// schedule is evaluated.
    pub async fn take_up(
        &self,
        account: &Account<A>,
        facts: AccountFacts,
    ) -> Result<(), RepositoryError> {
        account.reached(facts);
        let now = self.clock.now();
        let mut jobs = self.schedules(now);
        jobs.push(sweep(&account.id, now));
        self.repository.request(&jobs, now).await
    }

    async fn look_at_buckets(
        &self,
        account: &Account<A>,
        frequency: Frequency,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        let mut spread = Spread::over(frequency, now);
        let mut after: Option<String> = None;
        loop {
            let ids = self
                .repository
                .resource_ids(&account.id, BUCKET, after.as_deref(), BATCH)
                .await?;
            let Some(last) = ids.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            let looks: Vec<NewJob> = ids
                .iter()
                .map(|id| review(&account.id, BUCKET, id, spread.next()))
                .collect();
            self.repository.request(&looks, now).await?;
        }
    }

    /// Looks at every volume that is listed, and at those that are recorded and may be gone.
    async fn look_at_volumes(
        &self,
        account: &Account<A>,
        frequency: Frequency,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let Some(services) = account.services() else {
            return Ok(());
        };
        let mut spread = Spread::over(frequency, now);
        let mut looks = Vec::new();
        for region in &account.volume_regions {
            let listed = volumes(&**services, account.pace(), region)
                .await
                .map_err(|error| ScheduleError::Volumes {
                    region: region.clone(),
                    error,
                })?;
            for volume in listed {
                let mut look = review(&account.id, VOLUME, &volume.id, spread.next());
                look.payload["region"] = json!(region);
                looks.push(look);
            }
        }
        let mut after: Option<String> = None;
        loop {
            let ids = self
                .repository
                .resource_ids(&account.id, VOLUME, after.as_deref(), BATCH)
                .await?;
            let Some(last) = ids.last() else { break };
            after = Some(last.clone());
            for id in ids {
                let wanted = review(&account.id, VOLUME, &id, now);
                if looks.iter().any(|look| look.key == wanted.key) {
                    continue;
                }
                let known = self.repository.resource(&account.id, VOLUME, &id).await?;
                let region = known.map(|known| known.item.key.region);
                let mut look = wanted;
                look.payload["region"] = json!(region);
                looks.push(look);
            }
        }
        for some in looks.chunks(BATCH as usize) {
            self.repository.request(some, now).await?;
        }
        Ok(())
    }
}

pub(crate) fn frequency_of(payload: &Value) -> Option<Frequency> {
    let wanted = payload["frequency"].as_str()?;
    let mut all = Frequency::ALL.into_iter();
    all.find(|frequency| frequency.as_str() == wanted)
}

fn interval(frequency: Frequency) -> Duration {
    Duration::from_secs(u64::from(frequency.hours()) * 3600)
}

/// Under this name the store remembers when a schedule was last done.
fn done_name(frequency: Frequency) -> String {
    format!("evaluated {}", frequency.as_str())
}

/// Times for many looks, so that they do not all ask the store at once: one after the other, within half
/// the time until the next round.
pub(crate) struct Spread {
    from: Timestamp,
    within: Duration,
    after: Duration,
}

/// The pause between two looks, where there is time for it.
const STEP: Duration = Duration::from_millis(100);

impl Spread {
    pub(crate) fn over(frequency: Frequency, from: Timestamp) -> Spread {
        Spread {
            from,
            within: interval(frequency) / 2,
            after: Duration::ZERO,
        }
    }

    pub(crate) fn next(&mut self) -> Timestamp {
        let at = later(self.from, self.after);
        self.after += STEP;
        if self.after >= self.within {
            // More than fit in: they are spread over the same time again.
            self.after = Duration::ZERO;
        }
        at
    }
}
