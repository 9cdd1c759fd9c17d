//! Whether everything is still watched: an account that cannot be gone through any more, or whose
//! events stopped coming, is told once, and once more when it is watched again.

use std::collections::BTreeMap;
use std::time::Duration;

use compliance::item::{ACCOUNT, ResourceKey};
use compliance::notice::{Notice, NoticeKind, Severity};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::account::Reach;
use crate::clock::Clock;
use crate::outbox;
use crate::repository::{Repository, RepositoryError};
use crate::state::{Coverage, Finish, Job, JobKind, NewJob};
use crate::watch::{Guard, Reminders};
use crate::work::{Did, backoff, later};

/// How often it is looked.
const EVERY: SignedDuration = SignedDuration::from_mins(5);
/// What is remembered in the store: what people were told is not watched.
const TOLD: &str = "told of lost coverage";
/// And since when accounts are watched.
const SINCE: &str = "watched since";

/// The job that looks whether everything is watched.
pub fn coverage(now: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Check,
        key: "check coverage".to_owned(),
        payload: json!({"check": "coverage"}),
        due_at: now,
    }
}

/// Something that is not watched as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The account.
    pub account: String,
    /// What is missing: `sweeps` or `events`.
    pub what: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// What is wrong, for people.
    pub why: String,
}

/// What is not watched of one account. `rows` is what is known of its coverage, `watched_since` when
/// the guard first was to watch it.
///
/// An account whose events never came has no source of events, so that their absence is no loss.
pub fn lost(
    account: &str,
    rows: &[Coverage],
    watched_since: Timestamp,
    sweep_every: SignedDuration,
    reminders: &Reminders,
    now: Timestamp,
) -> Vec<Lost> {
    let own = || rows.iter().filter(|row| row.account == account);
    let mut lost = Vec::new();
    let swept = own().filter_map(|row| row.last_sweep_at).max();
    let since = swept.unwrap_or(watched_since);
    // An interval, and the jitter that sweeps have.
    let interval = sweep_every.checked_div(10).unwrap_or_default();
    let interval = sweep_every.saturating_add(interval);
    let patience = i32::try_from(reminders.sweeps_missed.max(1)).unwrap_or(i32::MAX);
    let patience = interval.checked_mul(patience);
    if now.duration_since(since) > patience.unwrap_or(SignedDuration::MAX) {
        let error = own().find_map(|row| row.error.as_deref());
        lost.push(Lost {
            account: account.to_owned(),
            what: "sweeps",
            since,
            why: format!(
                "its buckets were {}: {}",
                match swept {
                    Some(at) => format!("last gone through at {at}"),
                    None => format!("never gone through since {since}"),
                },
                error.unwrap_or("no sweep came to its end")
            ),
        });
    }
    let heard = own().filter_map(|row| row.last_event_at).max();
    if let (Some(heard), Some(most)) = (heard, reminders.silent_after)
        && now.duration_since(heard) > most
    {
        lost.push(Lost {
            account: account.to_owned(),
            what: "events",
            since: heard,
            why: format!("no event came since {heard}; changes are found by sweeps only"),
        });
    }
    lost
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Check`] job about coverage.
    pub async fn check_coverage(&self, job: &Job) -> Did {
        let now = self.clock.now();
        let (due_at, error) = match self.tell_of_lost(now).await {
            Ok(()) => (now.checked_add(EVERY).unwrap_or(Timestamp::MAX), None),
            Err(error) => {
                let wait = backoff(
                    job.attempts,
                    Duration::from_secs(1),
                    Duration::from_secs(300),
                );
                (later(now, wait), Some(error.to_string()))
            }
        };
        Did::Finish(Finish::Again { due_at, error })
    }

    async fn tell_of_lost(&self, now: Timestamp) -> Result<(), RepositoryError> {
        let rows = self.repository.coverage().await?;
        let mut since = times(self.repository.remembered(SINCE).await?);
        let before = times(self.repository.remembered(TOLD).await?);
        let known = since.len();
        let mut after = BTreeMap::new();
        let mut notices = Vec::new();
        for account in self.accounts.keys() {
            let since = *since.entry(account.clone()).or_insert(now);
            let every = self.settings.sweep_every(account);
            for lost in lost(account, &rows, since, every, &self.settings.reminders, now) {
                let name = format!("{account} {}", lost.what);
                if !before.contains_key(&name) {
                    tracing::warn!(%account, why = %lost.why, "not watched as it should be");
                    let mut notice = self.about_account(
                        account,
                        &name,
                        NoticeKind::CoverageLost,
                        lost.since,
                        now,
                    );
                    notice.reason = Some(lost.why.clone());
                    notices.push(notice);
                }
                after.insert(name, lost.since);
                // Where people look whether everything is watched.
                self.repository
                    .cover(&Coverage {
                        error: Some(lost.why),
                        ..Coverage::of(account, "*")
                    })
                    .await?;
            }
            for what in ["sweeps", "events"] {
                let name = format!("{account} {what}");
                if let (Some(since), None) = (before.get(&name), after.get(&name)) {
                    let mut notice =
                        self.about_account(account, &name, NoticeKind::Resolved, *since, now);
                    notice.reason = Some(format!(
                        "{what} come again; they were missing since {since}"
                    ));
                    notices.push(notice);
                }
            }
        }
        if since.len() != known {
            self.repository.remember(SINCE, &written(&since)).await?;
        }
        if !notices.is_empty() {
            let jobs = self.deliveries(&notices, now).await?;
            self.repository
                .update_findings(&[], &outbox::notices(&notices), &jobs, None, now)
                .await?;
        }
        if after != before {
            // Killed before this, the same notices are told once more, under the same ids.
            self.repository.remember(TOLD, &written(&after)).await?;
        }
        Ok(())
    }

    fn about_account(
        &self,
        account: &str,
        name: &str,
        kind: NoticeKind,
        since: Timestamp,
        now: Timestamp,
    ) -> Notice {
        let digest = Sha256::digest(format!(
            "portcullis coverage 1\n{name}\n{}\n{}\n",
            kind.as_str(),
            since.as_microsecond(),
        ));
        let id: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        Notice {
            topics: self.settings.reminders.topics.clone(),
            key: Some(ResourceKey {
                account: account.to_owned(),
                region: "global".to_owned(),
                resource_type: ACCOUNT.to_owned(),
                resource_id: account.to_owned(),
            }),
            account_label: self.accounts.get(account).map(|own| own.label.clone()),
            severity: Severity::High,
            ..Notice::new(id, kind, now)
        }
    }
}

fn times(value: Option<Value>) -> BTreeMap<String, Timestamp> {
    let members = value.as_ref().and_then(Value::as_object);
    let read = |(name, at): (&String, &Value)| Some((name.clone(), at.as_str()?.parse().ok()?));
    members.into_iter().flatten().filter_map(read).collect()
}

fn written(times: &BTreeMap<String, Timestamp>) -> Value {
    let entries = times.iter();
    Value::Object(
        entries
            .map(|(name, at)| (name.clone(), Value::from(at.to_string())))
            .collect(),
    )
}
