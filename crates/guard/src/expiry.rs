//! Exceptions that end: people are told some days before, and what is still open then is looked at
//! again, so that it counts.

use std::collections::BTreeMap;
use std::time::Duration;

use compliance::exceptions::{Exception, TAG};
use compliance::item::ConfigurationItem;
use compliance::notice::{ExceptionSummary, Notice, NoticeKind, Severity};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::account::Reach;
use crate::arrive;
use crate::clock::Clock;
use crate::outbox;
use crate::repository::{FindingFilter, Repository, RepositoryError};
use crate::state::{Finding, FindingState, Finish, Job, JobKind, NewJob};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

/// At least so often it is looked whether an exception ends.
const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// What is remembered in the store: of which exceptions people were told that they end.
const TOLD: &str = "told of ending exceptions";
/// So many excepted findings are looked at.
const MOST: u32 = 10_000;

/// The job that looks after exceptions.
pub fn exceptions(now: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Check,
        key: "check exceptions".to_owned(),
        payload: json!({"check": "exceptions"}),
        due_at: now,
    }
}

/// What is to be told of one exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has ended.
    Ended,
    /// It ends within this time, of which people are told now.
    Within(SignedDuration),
    /// Nothing before this moment.
    Nothing {
        /// When to look again.
        until: Timestamp,
    },
}

/// What is to be told of an exception that ends at `expires`. `warnings` is how long before people
/// are told, in any order; `told` the shortest of these of which they were told already. Who was not
/// told of a longer one in time (the guard did not run, or the exception is short) is told once, of the
/// shortest that is due.
pub fn ending(
    expires: Timestamp,
    warnings: &[SignedDuration],
    told: Option<SignedDuration>,
    now: Timestamp,
) -> Ending {
    let left = now.until(expires);
    let left = left.map_or(SignedDuration::MAX, |left| {
        left.try_into().unwrap_or(SignedDuration::MAX)
    });
    if left <= SignedDuration::ZERO {
        return Ending::Ended;
    }
    let shortest_due = warnings.iter().filter(|before| left <= **before).min();
    if let Some(before) = shortest_due
        && told.is_none_or(|told| *before < told)
    {
        return Ending::Within(*before);
    }
    let next = warnings
        .iter()
        .filter(|before| left > **before)
        .max()
        .and_then(|before| expires.checked_sub(*before).ok());
    Ending::Nothing {
        until: next.unwrap_or(expires),
    }
}

/// Of one finding: until when its exception was to last, and of what people were told.
type Told = BTreeMap<String, (Timestamp, SignedDuration)>;

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Check`] job about exceptions.
    pub async fn check_exceptions(&self, job: &Job) -> Did {
        let now = self.clock.now();
        let finish = match self.tell_of_endings(now).await {
            Ok(due_at) => Finish::Again {
                due_at,
                error: None,
            },
            Err(error) => Finish::Again {
                due_at: later(
                    now,
                    backoff(
                        job.attempts,
                        Duration::from_secs(1),
                        Duration::from_secs(600),
                    ),
                ),
                error: Some(error.to_string()),
            },
        };
        Did::Finish(finish)
    }

    /// Tells what is to be told now, and says when to look again.
    async fn tell_of_endings(&self, now: Timestamp) -> Result<Timestamp, RepositoryError> {
        let filter = FindingFilter {
            states: vec!["excepted".to_owned()],
            limit: MOST,
            ..FindingFilter::default()
        };
        let before = told(self.repository.remembered(TOLD).await?);
        // What is not excepted any more is forgotten.
        let mut after = Told::new();
        let mut again = now.checked_add(EVERY).unwrap_or(Timestamp::MAX);
        let (mut notices, mut jobs) = (Vec::new(), Vec::new());
        for finding in self.repository.findings(&filter).await? {
            let FindingState::Excepted { exception } = &finding.state else {
                continue;
            };
            let key = &finding.key;
            let look = || arrive::look(&key.account, &key.resource_type, &key.resource_id, now);
            let known = self
                .repository
                .resource(&key.account, &key.resource_type, &key.resource_id)
                .await?;
            let Some(summary) = known.and_then(|known| self.exception(exception, &known.item))
            else {
                // It was taken out of the configuration, or off the bucket.
                jobs.push(look());
                continue;
            };
            let told = before.get(&finding.id).copied();
            let told = told.filter(|(expires, _)| *expires == summary.expires);
            let warnings = &self.settings.reminders.exceptions_end;
            let mut last = told.map(|(_, within)| within);
            match ending(summary.expires, warnings, last, now) {
                Ending::Ended => jobs.push(look()),
                Ending::Within(within) => {
                    last = Some(within);
                    notices.push(self.tell_ending(&finding, &summary, within, now));
                }
                Ending::Nothing { .. } => {}
            }
            if let Ending::Nothing { until } = ending(summary.expires, warnings, last, now) {
                again = again.min(until);
            }
            if let Some(within) = last {
                after.insert(finding.id.clone(), (summary.expires, within));
            }
        }
        if !notices.is_empty() || !jobs.is_empty() {
            jobs.extend(self.deliveries(&notices, now).await?);
            self.repository
                .update_findings(&[], &outbox::notices(&notices), &jobs, None, now)
                .await?;
        }
        if after != before {
            // Killed before this, the same notices are told once more, under the same ids.
            self.repository.remember(TOLD, &written(&after)).await?;
        }
        Ok(again)
    }

    fn tell_ending(
        &self,
        finding: &Finding,
        exception: &ExceptionSummary,
        within: SignedDuration,
        now: Timestamp,
    ) -> Notice {
        let digest = Sha256::digest(format!(
            "portcullis exception ends 1\n{}\n{}\n{}\n{}\n",
            finding.id,
            exception.id,
            exception.expires.as_microsecond(),
            within.as_secs(),
        ));
        let id: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let account = self.accounts.get(&finding.key.account);
        Notice {
            topics: match finding.topics.is_empty() {
                true => self.settings.reminders.topics.clone(),
                false => finding.topics.clone(),
            },
            finding_id: Some(finding.id.clone()),
            occurrence: u64::from(finding.occurrences),
            key: Some(finding.key.clone()),
            account_label: account.map(|account| account.label.clone()),
            severity: Severity::Medium,
            rule_names: finding.rule_names.clone(),
            annotation: Some(finding.annotation.clone()),
            exception: Some(exception.clone()),
            ..Notice::new(id, NoticeKind::ExceptionExpiring, now)
        }
    }

    /// An exception by its id: a configured one, or the one that the resource's tags make.
    pub(crate) fn exception(&self, id: &str, item: &ConfigurationItem) -> Option<ExceptionSummary> {
        let summary = |exception: &Exception| ExceptionSummary {
            id: exception.id.clone(),
            owner: exception.owner.clone(),
            reason: exception.reason.clone(),
            expires: exception.expires,
        };
        if id == TAG && self.settings.tags_except {
            let tagged = Exception::of_tags(&item.key.resource_id, &item.tags)?;
            return tagged.ok().as_ref().map(summary);
        }
        let mut configured = self.settings.exceptions.iter();
        configured.find(|exception| exception.id == id).map(summary)
    }
}

fn told(value: Option<Value>) -> Told {
    let read = |(id, entry): (&String, &Value)| {
        let expires = entry["expires"].as_str()?.parse().ok()?;
        let within = SignedDuration::from_secs(entry["within"].as_i64()?);
        Some((id.clone(), (expires, within)))
    };
    let members = value.as_ref().and_then(Value::as_object);
    members.into_iter().flatten().filter_map(read).collect()
}

fn written(told: &Told) -> Value {
    let entries = told.iter().map(|(id, (expires, within))| {
        let entry = json!({"expires": expires.to_string(), "within": within.as_secs()});
        (id.clone(), entry)
    });
    Value::Object(entries.collect())
}
