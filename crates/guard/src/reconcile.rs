//! Goes through an account at an interval, and compares with what is recorded.
//!
//! Events are best effort. A sweep reads as much of each bucket as settles its verdict and asks for a
//! look at each that is not as recorded: new, gone, opened or closed. What it finds that no event told
//! is counted, so that people see how good their events are. It writes nothing itself; the looks do.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use compliance::assessment::Assessment;
use compliance::exceptions::Exception;
use compliance::fingerprint;
use compliance::item::object_acls::ObjectAcls;
use compliance::item::{ACCOUNT, BUCKET, ResourceKey};
use jiff::{SignedDuration, Timestamp};
use policy::action::AccessClass;
use policy::observed::{Observed, Unread};
use policy::public::{Access, Answer};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::account::{Account, Reach};
use crate::arrive::{self, ALL, account_wide};
use crate::clock::Clock;
use crate::decide::{ACCESS_POINT, ACL, OBJECT_ACL, POLICY, UNDECIDED};
use crate::gather::Depth;
use crate::look::EVENTS_AT_ONCE;
use crate::ports::ReadBuckets as _;
use crate::repository::{Repository, RepositoryError};
use crate::state::{
    Commit, Coverage, EventRecord, FindingState, Finish, Job, NewJob, ResourceRecord,
};
use crate::sweep::{SweepOptions, Swept, Told, sweep};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

/// How many looks are asked for at once.
const BATCH: usize = 200;
/// How many buckets the sweep may be ahead of the comparison with what is recorded.
const PASSING: usize = 256;

/// As much of a verdict as is compared with what is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Glimpse {
    /// The causes by which it counts as open, with the classes of access.
    causes: BTreeSet<(&'static str, &'static str)>,
    exception: Option<String>,
}

impl Glimpse {
    fn of(assessment: &Assessment) -> Glimpse {
        let parts: [(&'static str, Part); 3] = [
            (ACL, |access| &access.acl),
            (POLICY, |access| &access.policy),
            (ACCESS_POINT, |access| &access.access_points),
        ];
        let mut causes = BTreeSet::new();
        for class in [AccessClass::Read, AccessClass::Write] {
            let access = assessment.verdict.access(class);
            for (cause, part) in parts {
                if part(access).witness().is_some() {
                    causes.insert((cause, class.as_str()));
                }
            }
            if access.is_undecided() {
                causes.insert((UNDECIDED, class.as_str()));
            }
        }
        Glimpse {
            causes,
            exception: assessment.exception.clone(),
        }
    }

    /// Whether what is recorded says the same. A sweep stops asking once a bucket is open for
    /// reading and writing, so that it may see fewer causes than are recorded, not more; but where
    /// it sees none, there is none.
    fn is_recorded(&self, known: &ResourceRecord) -> bool {
        if known.item.status.is_deleted() {
            return false;
        }
        let present: Vec<_> = known
            .findings
            .iter()
            .filter(|finding| finding.state.is_present())
            .filter(|finding| {
                [ACL, POLICY, ACCESS_POINT, UNDECIDED].contains(&finding.cause.as_str())
            })
            .collect();
        let all_recorded = self.causes.iter().all(|(cause, class)| {
            present.iter().any(|finding| finding.cause == *cause)
                && known
                    .exposures
                    .iter()
                    .filter(|exposure| exposure.cause == *cause && exposure.to.is_none())
                    .all(|exposure| exposure.classes.iter().any(|known| known == class))
        });
        let excepted = present.iter().find_map(|finding| match &finding.state {
            FindingState::Excepted { exception } => Some(exception),
            _ => None,
        });
        let none_left = self.causes.is_empty() && !present.is_empty();
        let exception_stands = self.causes.is_empty() || excepted == self.exception.as_ref();
        all_recorded && !none_left && exception_stands
    }
}

type Part = fn(&Access) -> &Answer;

/// One bucket as the sweep saw it.
struct Passed {
    name: String,
    glimpse: Glimpse,
    /// What opens it, where a tag may except it.
    fingerprint: Option<String>,
    undecided: bool,
    /// Whether ACLs of objects have an effect, as far as the sweep saw.
    objects_may_be_public: Option<bool>,
    gaps: Vec<String>,
}

impl Passed {
    /// Whether objects are known that were public by ACLs of their own, and may be so no longer: no sweep
    /// sees them.
    fn has_objects_to_follow(&self, known: &ResourceRecord) -> bool {
        let told = known
            .findings
            .iter()
            .any(|finding| finding.state.is_present() && finding.cause == OBJECT_ACL);
        told || self.objects_may_be_public != Some(false)
            && !ObjectAcls::of_item(&known.item).is_empty()
    }
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Sweep`](crate::state::JobKind::Sweep) job.
    pub async fn reconcile(&self, job: &Job) -> Did {
        let account = job.payload.get("account").and_then(|id| id.as_str());
        let Some(account) = account.and_then(|id| self.accounts.get(id)) else {
            return Did::Finish(Finish::Dead {
                error: format!("no account that is watched: {}", job.payload),
            });
        };
        let now = self.clock.now();
        match self.go_through(account, now).await {
            Ok(None) => Did::Finish(Finish::Again {
                due_at: self.next_sweep(account, job),
                error: None,
            }),
            Ok(Some(why)) => self.again(job, why),
            Err(error) => self.again(job, error.to_string()),
        }
    }

    fn again(&self, job: &Job, why: String) -> Did {
        tracing::warn!(job = %job.key, attempts = job.attempts, %why, "the sweep is repeated");
        let wait = backoff(
            job.attempts,
            Duration::from_secs(1),
            Duration::from_secs(300),
        );
        Did::Finish(Finish::Again {
            due_at: later(self.clock.now(), wait),
            error: Some(why),
        })
    }

    /// An interval later, and up to a tenth of it, so that accounts do not keep step.
    fn next_sweep(&self, account: &Account<A>, job: &Job) -> Timestamp {
        let every = self.settings.sweep_every(&account.id);
        let digest = Sha256::digest(format!("{} {}", account.id, job.generation));
        let share = i32::from(digest[0]);
        let jitter = every.checked_div(2560).unwrap_or_default() * share;
        self.clock
            .now()
            .checked_add(every)
            .and_then(|at| at.checked_add(jitter))
            .unwrap_or(Timestamp::MAX)
    }

    /// `Some`: why it did not get to the end.
    async fn go_through(
        &self,
        account: &Account<A>,
        now: Timestamp,
    ) -> Result<Option<String>, RepositoryError> {
        // Before anything is read: what is read after an event arrived shows its effect.
        let about_all = self.events_about_all(account).await?;
        // Settings of the account may be why it is gone through.
        account.forget_block().await;
        let gatherer = match account.gatherer(now).await {
            Ok(gatherer) => Arc::new(gatherer),
            Err(hopeless) => {
                self.cover_failure(account, hopeless.to_string()).await?;
                return Ok(Some(hopeless.to_string()));
            }
        };
        let mut gaps: BTreeSet<String> = BTreeSet::new();
        if let Observed::Unknown(unread) = &gatherer.facts().account_block {
            gaps.extend(gap(unread));
        }
        let (passed, passing) = mpsc::channel(PASSING);
        let options = SweepOptions {
            depth: Depth::Verdict,
            ask_store: false,
            concurrency: self.settings.sweep_concurrency,
            prefix: None,
        };
        let recorder = &self.settings.recorder;
        let exceptions = &self.settings.exceptions;
        let tags_except = self.settings.tags_except;
        let sweeping = async move {
            sweep(
                gatherer,
                &options,
                |name| recorder.records_bucket(name),
                std::future::pending(),
                |told| {
                    let one = if let Told::Judged(mut judged) = told {
                        exceptions.apply(&mut judged.assessment, now);
                        let assessment = &judged.assessment;
                        let verdict = &assessment.verdict;
                        let fingerprint = (tags_except && assessment.exception.is_none())
                            .then(|| fingerprint::of(&assessment.bucket, verdict))
                            .flatten();
                        Some(Passed {
                            glimpse: Glimpse::of(&judged.assessment),
                            fingerprint,
                            objects_may_be_public: verdict.objects_may_be_public,
                            undecided: verdict.read.is_undecided() || verdict.write.is_undecided(),
                            gaps: gaps_of(&judged.assessment, recorder.sampled_objects()),
                            name: judged.address.name,
                        })
                    } else {
                        None
                    };
                    let passed = passed.clone();
                    async move {
                        if let Some(one) = one {
                            // Nobody listens only when the sweep has been given up.
                            let _ = passed.send(one).await;
                        }
                    }
                },
            )
            .await
        };
        let mut seen: HashSet<String> = HashSet::new();
        let mut undecided = 0;
        let mut untold = 0;
        let comparing = async {
            // Gone with this block: when it fails, the sweep is not held up for ever.
            let mut passing = passing;
            let mut looks = Vec::new();
            while let Some(mut bucket) = passing.recv().await {
                undecided += u64::from(bucket.undecided);
                gaps.extend(std::mem::take(&mut bucket.gaps));
                let known = self
                    .repository
                    .resource(&account.id, BUCKET, &bucket.name)
                    .await?;
                if let (Some(fingerprint), Some(known)) = (&bucket.fingerprint, &known)
                    && let Some(Ok(tagged)) = Exception::of_tags(&bucket.name, &known.item.tags)
                    && tagged.covers(Some(fingerprint), now)
                {
                    // A sweep asks for no tags: the recorded ones count until a look reads others.
                    bucket.glimpse.exception = Some(tagged.id);
                }
                if let Some(known) = &known {
                    let objects = ObjectAcls::of_item(&known.item);
                    gaps.extend(objects.unsampled().and_then(gap));
                }
                let as_recorded = known
                    .as_ref()
                    .is_some_and(|known| bucket.glimpse.is_recorded(known));
                if !as_recorded {
                    if known.is_some()
                        && about_all.is_empty()
                        && self.is_untold(account, &bucket.name).await?
                    {
                        untold += 1;
                    }
                    let mut look = if known.is_none() && bucket.glimpse.causes.is_empty() {
                        // One that is only not recorded yet, as all are at first.
                        arrive::review(&account.id, BUCKET, &bucket.name, now)
                    } else {
                        arrive::look(&account.id, BUCKET, &bucket.name, now)
                    };
                    account_wide::made_for(&mut look, &about_all);
                    looks.push(look);
                    self.ask_when_full(&mut looks).await?;
                } else if known.is_some_and(|known| bucket.has_objects_to_follow(&known)) {
                    looks.push(arrive::review(&account.id, BUCKET, &bucket.name, now));
                    self.ask_when_full(&mut looks).await?;
                }
                seen.insert(bucket.name);
            }
            self.ask(&mut looks).await
        };
        let (swept, compared) = tokio::join!(sweeping, comparing);
        compared?;
        if let Some(why) = incomplete(&swept) {
            self.cover_failure(account, why.clone()).await?;
            return Ok(Some(why));
        }
        gaps.extend(account.store().listing_gap());
        untold += self.look_for_gone(account, &seen, now).await?;
        self.repository
            .cover(&Coverage {
                last_sweep_at: Some(self.clock.now()),
                swept: seen.len() as u64,
                undecided,
                untold_changes: untold,
                gaps: gaps.into_iter().collect(),
                ..Coverage::of(&account.id, "*")
            })
            .await?;
        tracing::info!(account = %account.id, buckets = seen.len(), untold, undecided, "swept");
        self.record_everything(account, &seen, now).await?;
        self.have_seen(account, about_all).await?;
        Ok(None)
    }

    /// Events about all of the account that no sweep has gone through for, the first of them.
    async fn events_about_all(
        &self,
        account: &Account<A>,
    ) -> Result<Vec<EventRecord>, RepositoryError> {
        let mut events = Vec::new();
        for resource_type in [ACCOUNT, BUCKET] {
            let unseen =
                self.repository
                    .unseen_events(&account.id, resource_type, ALL, EVENTS_AT_ONCE);
            events.extend(unseen.await?);
        }
        Ok(events)
    }

    async fn have_seen(
        &self,
        account: &Account<A>,
        events: Vec<EventRecord>,
    ) -> Result<(), RepositoryError> {
        if events.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let all = ResourceKey {
            account: account.id.clone(),
            region: "global".to_owned(),
            resource_type: ACCOUNT.to_owned(),
            resource_id: ALL.to_owned(),
        };
        let many = u32::try_from(events.len()).is_ok_and(|count| count >= EVENTS_AT_ONCE);
        let seen = Commit {
            // There may be more, for another sweep.
            jobs: many
                .then(|| arrive::sweep(&account.id, now))
                .into_iter()
                .collect(),
            events_seen: events.into_iter().map(|event| event.id).collect(),
            ..Commit::of(all, now)
        };
        self.repository.commit(&seen, None, now).await
    }

    /// Buckets that are recorded and were not listed.
    async fn look_for_gone(
        &self,
        account: &Account<A>,
        seen: &HashSet<String>,
        now: Timestamp,
    ) -> Result<u64, RepositoryError> {
        let mut untold = 0;
        let mut after: Option<String> = None;
        let mut looks = Vec::new();
        loop {
            let ids = self
                .repository
                .resource_ids(&account.id, BUCKET, after.as_deref(), 1000)
                .await?;
            let Some(last) = ids.last() else { break };
            after = Some(last.clone());
            for id in ids {
                if !seen.contains(&id) {
                    untold += u64::from(self.is_untold(account, &id).await?);
                    looks.push(arrive::look(&account.id, BUCKET, &id, now));
                }
            }
            self.ask_when_full(&mut looks).await?;
        }
        self.ask(&mut looks).await?;
        Ok(untold)
    }

    /// Asks for a full record of every bucket, spread over the time until the next.
    async fn record_everything(
        &self,
        account: &Account<A>,
        names: &HashSet<String>,
        now: Timestamp,
    ) -> Result<(), RepositoryError> {
        let remembered = format!("recorded everything of {}", account.id);
        let last = self.repository.remembered(&remembered).await?;
        let last: Option<Timestamp> = last
            .as_ref()
            .and_then(|at| at.as_str())
            .and_then(|at| at.parse().ok());
        let every = self.settings.record_every(&account.id);
        if last.is_some_and(|last| now.duration_since(last) < every) {
            return Ok(());
        }
        let count = i64::try_from(names.len()).unwrap_or(i64::MAX).max(1);
        // Half the time: the next round finds the last one done.
        let step = every.as_micros() / 2 / i128::from(count);
        let step = SignedDuration::from_micros(i64::try_from(step).unwrap_or(0));
        let mut due_at = now;
        let mut looks = Vec::new();
        for name in names {
            let mut look = arrive::review(&account.id, BUCKET, name, due_at);
            look.payload["everything"] = json!(true);
            looks.push(look);
            due_at = due_at.checked_add(step).unwrap_or(due_at);
            self.ask_when_full(&mut looks).await?;
        }
        self.ask(&mut looks).await?;
        self.repository
            .remember(&remembered, &json!(now.to_string()))
            .await
    }

    async fn is_untold(&self, account: &Account<A>, bucket: &str) -> Result<bool, RepositoryError> {
        let told = self
            .repository
            .unseen_events(&account.id, BUCKET, bucket, 1)
            .await?;
        Ok(told.is_empty())
    }

    async fn ask_when_full(&self, looks: &mut Vec<NewJob>) -> Result<(), RepositoryError> {
        if looks.len() >= BATCH {
            self.ask(looks).await?;
        }
        Ok(())
    }

    async fn ask(&self, looks: &mut Vec<NewJob>) -> Result<(), RepositoryError> {
        if !looks.is_empty() {
            self.repository.request(looks, self.clock.now()).await?;
            looks.clear();
        }
        Ok(())
    }

    async fn cover_failure(
        &self,
        account: &Account<A>,
        why: String,
    ) -> Result<(), RepositoryError> {
        self.repository
            .cover(&Coverage {
                error: Some(why),
                ..Coverage::of(&account.id, "*")
            })
            .await
    }
}

fn incomplete(swept: &Swept) -> Option<String> {
    use crate::sweep::Ended;
    match &swept.ended_by {
        Some(Ended::Stopped) => Some("the sweep was stopped".to_owned()),
        Some(Ended::Listing(error)) => Some(format!("the buckets cannot be listed: {error}")),
        Some(Ended::Hopeless(hopeless)) => Some(hopeless.to_string()),
        None => swept.failed.first().cloned(),
    }
}

/// What no verdict on a bucket speaks of.
const SAMPLED: &str = "object ACLs: sampled, and read when an event tells of an object";
/// The same where no sample is taken.
const UNSAMPLED: &str = "object ACLs: not sampled, and read only when an event tells of an object";

/// What could not be read of a bucket, without the bucket's name: what is missing is the same for many.
fn gaps_of(assessment: &Assessment, sampled_objects: u16) -> Vec<String> {
    let bucket = &assessment.bucket;
    // Known not to count: by Object Ownership, or by IgnorePublicAcls on any level.
    let objects = (assessment.verdict.objects_may_be_public != Some(false)).then(|| {
        match sampled_objects {
            0 => UNSAMPLED,
            _ => SAMPLED,
        }
        .to_owned()
    });
    [
        bucket.policy.unread(),
        bucket.acl.unread(),
        bucket.ownership.unread(),
        bucket.public_access_block.bucket.unread(),
        bucket.access_points.unread(),
    ]
    .into_iter()
    .flatten()
    .filter_map(gap)
    .chain(objects)
    .collect()
}

fn gap(unread: &Unread) -> Option<String> {
    match unread {
        Unread::AccessDenied { action } => Some(format!("{action} is denied")),
        _ => None,
    }
}
