//! Looks at one bucket, decides, and does what follows: the same code for an event, a sweep and a retry.
//!
//! 1. Read the bucket, judge it, evaluate the rules. (Other resources are read and evaluated; nothing
//!    is done about them but to tell.)
//! 2. [`decide`] and [`respond`]; commit what follows in one transaction.
//! 3. If the responder acts: read again, write, read back, verify, with the way back in the journal.
//! 4. Decide on what is there now, and commit that with the end of the job.
//!
//! Killed anywhere, the job's lease runs out and it begins at 1: whatever was committed is known, and
//! whatever was written is seen.

mod commit;
mod enforcing;
mod objects;
mod other;
mod outcome;
mod past;
mod read;

use std::time::Duration;

use compliance::assessment::Assessment;
use compliance::fingerprint;
use compliance::item::{BUCKET, ConfigurationItem, ResourceKey};
use compliance::remediation::diff;
use compliance::rules::{self, ComplianceType, RuleEvaluation};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::account::{Account, Reach};
use crate::arrive::{ALL, account_wide};
use crate::clock::Clock;
use crate::decide::{Decision, Seen, UNDECIDED, decide};
use crate::enforcement;
use crate::error::{CallError, Hopeless};
use crate::event_rules::Raised;
use crate::journal::{Event, Record, Remediation, State};
use crate::remediate::{Notes, RemediateError, apply};
use crate::repository::{Repository, RepositoryError};
use crate::responder::{Hold, Leave, Open, Past, Response, respond};
use crate::state::{
    Commit, Coverage, EnforcementStop, EvaluationRecord, EventRecord, Exposure, Finding,
    FindingState, Finish, Job, ResourceRecord,
};
use crate::tell::{Remediated, Subject, tell};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

use commit::for_the_rest;
use enforcing::{Enforcing, Resuming, remediation_id};
use outcome::FOUND_CLOSED;

pub use enforcing::InStore;
pub(crate) use read::{Depth, Found, ReadBucket, access_in_passing};

/// Who ended a finding on what is not recorded any more: nobody knows how it stands.
const NOT_RECORDED: &str = "the configuration, which does not record it any more";

/// Why a look came to nothing, this time.
#[derive(Debug, Error)]
pub enum LookError {
    /// No call to the account's store can succeed now.
    #[error(transparent)]
    Hopeless(#[from] Hopeless),
    /// A call failed without which there is nothing to record.
    #[error(transparent)]
    Call(CallError),
    /// Our own store.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Something was not answered in passing, so that nothing is known now.
    #[error("not everything was answered: {0}")]
    Unanswered(String),
    /// The job does not say what to look at.
    #[error("the job names no resource that is watched: {0}")]
    Job(String),
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Look`](crate::state::JobKind::Look) job.
    pub async fn look(&self, job: &Job) -> Did {
        let error = match self.try_look(job).await {
            Ok(did) => return did,
            Err(error) => error,
        };
        let now = self.clock.now();
        let wait = match &error {
            // Somebody else committed: what they saw may be older than what is there.
            // Once it is read anew at once; who loses each time, or reads for too long, waits.
            LookError::Repository(RepositoryError::Conflict(_)) => match job.attempts {
                0..=1 => Duration::ZERO,
                more => self.wait_after(more),
            },
            // Somebody else has the job.
            LookError::Repository(RepositoryError::LeaseLost) => return Did::Finished,
            LookError::Job(why) => {
                return Did::Finish(Finish::Dead { error: why.clone() });
            }
            LookError::Hopeless(hopeless) => {
                self.tell_gap(job, hopeless).await;
                self.wait_after(job.attempts)
            }
            LookError::Call(_) | LookError::Unanswered(_) | LookError::Repository(_) => {
                self.wait_after(job.attempts)
            }
        };
        self.meter.looked("failed");
        tracing::warn!(job = %job.key, attempts = job.attempts, %error, "the look is repeated");
        Did::Finish(Finish::Again {
            due_at: later(now, wait),
            error: Some(error.to_string()),
        })
    }

    fn wait_after(&self, attempts: u32) -> Duration {
        backoff(
            attempts,
            Duration::from_millis(250),
            Duration::from_secs(60),
        )
    }

    /// Whether a bucket that could not be read in passing is only tried again: what is recorded of it
    /// stands, and nobody is told yet.
    fn is_patient(&self, job: &Job) -> bool {
        let waited: Duration = (1..job.attempts)
            .map(|failures| self.wait_after(failures))
            .sum();
        SignedDuration::try_from(waited).is_ok_and(|waited| waited < self.settings.undecided_after)
    }

    /// What cannot be read is said where people look whether everything is watched.
    async fn tell_gap(&self, job: &Job, hopeless: &Hopeless) {
        let account = text(job, "account").unwrap_or_default();
        let told = self
            .repository
            .cover(&Coverage {
                error: Some(hopeless.to_string()),
                ..Coverage::of(account, "*")
            })
            .await;
        if let Err(error) = told {
            tracing::warn!(%error, "what is not watched could not be written down");
        }
    }

    async fn try_look(&self, job: &Job) -> Result<Did, LookError> {
        let (Some(account), Some(resource_type), Some(id)) = (
            text(job, "account"),
            text(job, "resourceType"),
            text(job, "resourceId"),
        ) else {
            return Err(LookError::Job(job.payload.to_string()));
        };
        let Some(account) = self.accounts.get(account) else {
            return Err(LookError::Job(format!("account {account} is not watched")));
        };
        let known = self
            .repository
            .resource(&account.id, resource_type, id)
            .await?;
        // Before the resource is read: what is read after an event arrived shows its effect.
        let mut events = self
            .repository
            .unseen_events(&account.id, resource_type, id, EVENTS_AT_ONCE)
            .await?;
        let recorder = &self.settings.recorder;
        let recorded = match resource_type {
            BUCKET => recorder.records_bucket(id),
            // A store that is not AWS's has nothing else.
            other => recorder.records(other) && account.services().is_some(),
        };
        if !recorded {
            // Events tell of every bucket of a store. What is not recorded is neither read nor changed.
            return self.pass_over(account, known, events, job).await;
        }
        let told_region = events.iter().rev().find_map(|event| event.region.clone());
        let seen_before = known.as_ref().map(|known| known.observed_at);
        events.extend(
            account_wide::causes(&job.payload)
                .into_iter()
                .filter(|event| seen_before.is_none_or(|before| event.arrived_at >= before)),
        );
        events.sort_by(|a, b| (a.event_time, &a.id).cmp(&(b.event_time, &b.id)));
        let found = match resource_type {
            BUCKET => {
                let anew = job.payload["anew"] == true;
                let same = known.as_ref().map(|known| &known.item);
                let same = same.filter(|item| !anew && !item.status.is_deleted());
                let everything =
                    |item| job.payload["everything"] == true || read::is_to_be_completed(item);
                let depth = match same {
                    None => Depth::Anew(known.as_ref().map(|known| &known.item)),
                    Some(item) if !everything(item) => Depth::Access(item),
                    same => Depth::Everything(same),
                };
                // Where it is made, it is asked for: the caller's region need not be the bucket's.
                let told = told_region.filter(|_| !anew);
                self.read(account, id, told, &events, depth).await?
            }
            other => {
                let recorded = known.as_ref().map(|known| known.item.key.region.as_str());
                // Where it was seen counts: what is not anywhere else is there, or gone.
                let mut regions: Vec<&str> = text(job, "region").into_iter().collect();
                regions.extend(recorded.filter(|region| !regions.contains(region)));
                self.read_other(account, other, id, &regions).await?
            }
        };
        let mut looking = Looking {
            guard: self,
            account,
            known,
            events,
            unanswered: None,
            patient: false,
            seen_at: None,
        };
        match found {
            Found::Gone => looking.gone(job).await,
            Found::Bucket(bucket) => match &bucket.unanswered {
                // Who is seen to get in is kept out at once, whatever else there is.
                Some(why)
                    if !bucket.lets_somebody_in()
                        && !bucket.is_refused()
                        && self.is_patient(job) =>
                {
                    Err(LookError::Unanswered(why.clone()))
                }
                _ => looking.decide(job, *bucket).await,
            },
            Found::Other(item) => looking.record(job, *item).await,
        }
    }
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Records what a function says of a resource that is as it was recorded. It was not looked at for
    /// that: an event whose effect nobody saw is still to be seen.
    pub(crate) async fn record_answer(
        &self,
        account: &Account<A>,
        known: ResourceRecord,
        assessment: Option<Assessment>,
        evaluations: &[RuleEvaluation],
        standing: &[EvaluationRecord],
        end: Option<(&Job, Finish)>,
    ) -> Result<(), LookError> {
        let now = self.clock.now();
        let item = known.item.clone();
        let seen_at = known.observed_at;
        let fingerprint = assessment
            .as_ref()
            .and_then(|assessment| fingerprint::of(&assessment.bucket, &assessment.verdict));
        let mut looking = Looking {
            guard: self,
            account,
            known: Some(known),
            events: Vec::new(),
            unanswered: None,
            patient: false,
            seen_at: Some(seen_at),
        };
        let (mut decision, raised) = looking.decided_on(&Seen {
            item: &item,
            assessment: assessment.as_ref(),
            fingerprint: fingerprint.as_deref(),
            evaluations,
            standing,
            events: &[],
            remediation: None,
            at: now,
        });
        let response = Response::Leave(Leave::NothingAllowed);
        let subject = looking.subject(&item, assessment.as_ref(), now);
        let notices = tell(&mut decision, &response, &subject);
        looking
            .commit(&item, decision, raised, notices, end, now)
            .await
    }
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Is done with the events about a resource that is not recorded.
    async fn pass_over(
        &self,
        account: &Account<A>,
        known: Option<ResourceRecord>,
        events: Vec<EventRecord>,
        job: &Job,
    ) -> Result<Did, LookError> {
        let now = self.clock.now();
        let mut commit = match &known {
            Some(known) => Commit {
                expected_version: Some(known.version),
                evaluations: known.evaluations.clone(),
                ..Commit::of(known.item.key.clone(), known.observed_at)
            },
            None => Commit::of(unknown_key(account, job), now),
        };
        for known in known.iter() {
            let present = known
                .findings
                .iter()
                .filter(|finding| finding.state.is_present());
            commit
                .findings
                .extend(present.cloned().map(|finding| Finding {
                    state: FindingState::Resolved,
                    resolved_at: Some(now),
                    resolved_by: Some(NOT_RECORDED.to_owned()),
                    ..finding
                }));
            commit
                .exposures
                .extend(known.exposures.iter().cloned().map(|exposure| Exposure {
                    to: Some(now),
                    closed_by: Some(NOT_RECORDED.to_owned()),
                    ..exposure
                }));
        }
        for finding in &commit.findings {
            tracing::warn!(resource = %finding.key, cause = %finding.cause, "a finding ends: {NOT_RECORDED}");
        }
        commit.jobs.extend(for_the_rest(&commit.key, &events, now));
        commit.events_seen = events.into_iter().map(|event| event.id).collect();
        self.repository
            .commit(&commit, Some((job, Finish::Done)), now)
            .await?;
        Ok(Did::Finished)
    }
}

/// The events about the resource itself. Those about all of its account are seen when the sweep has ended
/// that they asked for.
fn own(events: &[EventRecord]) -> Vec<String> {
    let own = events.iter().filter(|event| event.resource_id != ALL);
    own.map(|event| event.id.clone()).collect()
}

/// The key of what a job names and nobody knows: of its own type, since a bucket may have any other
/// resource's name.
fn unknown_key<A: Reach>(account: &Account<A>, job: &Job) -> ResourceKey {
    let member = |name: &str| text(job, name).unwrap_or_default().to_owned();
    ResourceKey {
        account: account.id.clone(),
        region: account.default_region.clone(),
        resource_type: member("resourceType"),
        resource_id: member("resourceId"),
    }
}

fn text<'a>(job: &'a Job, member: &str) -> Option<&'a str> {
    job.payload.get(member)?.as_str()
}

/// One look at one bucket.
struct Looking<'a, P, A: Reach, C> {
    guard: &'a Guard<P, A, C>,
    account: &'a Account<A>,
    known: Option<ResourceRecord>,
    /// The events that the look is about, in the order of their time.
    events: Vec<EventRecord>,
    /// What was not answered in passing: the events' effect was not seen, and the look is made again.
    unanswered: Option<String>,
    /// Whether that is likely to be answered soon, so that nothing is undecided by it yet.
    patient: bool,
    /// When the resource was looked at, if that is not now.
    seen_at: Option<Timestamp>,
}

impl<P: Repository, A: Reach, C: Clock> Looking<'_, P, A, C> {
    /// The bucket is not there (any more).
    async fn gone(&mut self, job: &Job) -> Result<Did, LookError> {
        let now = self.guard.clock.now();
        let Some(known) = &self.known else {
            // Nothing is known of it and nothing is there: only the events are done with.
            let key = unknown_key(self.account, job);
            let commit = Commit {
                events_seen: own(&self.events),
                events_closed: true,
                jobs: for_the_rest(&key, &self.events, now),
                ..Commit::of(key, now)
            };
            self.guard
                .repository
                .commit(&commit, Some((job, Finish::Done)), now)
                .await?;
            return Ok(Did::Finished);
        };
        let item = ConfigurationItem::deleted(&known.item, now);
        self.record(job, item).await
    }

    /// Records a resource that nothing is done about but to tell.
    async fn record(&mut self, job: &Job, item: ConfigurationItem) -> Result<Did, LookError> {
        let now = self.guard.clock.now();
        self.unanswered = item.failed_in_passing().map(str::to_owned);
        self.patient = self.guard.is_patient(job);
        if let Some(why) = self.unanswered.take_if(|_| self.patient) {
            return Err(LookError::Unanswered(why));
        }
        let (mut decision, raised) = self.decided(&item, None, None, now);
        let response = Response::Leave(Leave::NothingSent);
        let notices = tell(&mut decision, &response, &self.subject(&item, None, now));
        let end = Some((job, self.until_answered(Finish::Done, job, now)));
        self.commit(&item, decision, raised, notices, end, now)
            .await?;
        Ok(Did::Finished)
    }

    /// What follows from a resource as it is now, put on the bus.
    fn decided(
        &self,
        item: &ConfigurationItem,
        read: Option<&ReadBucket>,
        remediation: Option<&str>,
        now: Timestamp,
    ) -> (Decision, Raised) {
        let assessment = read.map(|read| &read.assessment);
        let mut evaluations = self.guard.settings.rules.evaluate(&rules::Subject {
            item,
            assessment,
            previous: self.known.as_ref().map(|known| &known.item),
            now,
        });
        let mut standing = self.guard.standing(self.known.as_ref(), item);
        if self.is_answered_soon() {
            // A rule that cannot be decided by it was not asked: what it said before stands.
            let unasked: Vec<RuleEvaluation> = evaluations
                .extract_if(.., |evaluation| {
                    evaluation.compliance_type == ComplianceType::InsufficientData
                })
                .collect();
            let known = self.known.iter().flat_map(|known| &known.evaluations);
            let said =
                known.filter(|said| unasked.iter().any(|rule| rule.rule_name == said.rule_name));
            standing.extend(said.cloned());
        }
        self.decided_on(&Seen {
            item,
            assessment,
            fingerprint: read.and_then(|read| read.fingerprint.as_deref()),
            evaluations: &evaluations,
            standing: &standing,
            events: &self.events,
            remediation,
            at: now,
        })
    }

    fn is_answered_soon(&self) -> bool {
        self.unanswered.is_some() && self.patient
    }

    fn decided_on(&self, seen: &Seen<'_>) -> (Decision, Raised) {
        let mut decision = decide(self.known.as_ref(), seen);
        if self.is_answered_soon() {
            decision.keep_unopened(UNDECIDED, self.known.as_ref());
        }
        let version = self.known.as_ref().map_or(0, |known| known.version) + 1;
        let raised = self
            .guard
            .settings
            .event_rules
            .raise(&mut decision, version);
        (decision, raised)
    }

    async fn decide(&mut self, job: &Job, read: ReadBucket) -> Result<Did, LookError> {
        let now = self.guard.clock.now();
        self.unanswered.clone_from(&read.unanswered);
        self.patient = !read.is_refused() && self.guard.is_patient(job);
        let ours = self.closed_before(&read.bucket).await?;
        // A write that failed was sent: what it was to do is there.
        let is_ours = |ours: &&Remediation| {
            ours.written_at.is_some() || matches!(ours.state, State::Failed(_))
        };
        let id = ours.as_ref().filter(is_ours).map(|ours| ours.id.as_str());
        let (mut decision, raised) = self.decided(&read.item, Some(&read), id, now);
        let is_sent = |finding: &Finding| finding.state.is_present() && finding.respond;
        let past = match decision.findings.iter().any(is_sent) {
            true => self.past(&read, now).await?,
            // Nothing is done, whatever was done before.
            false => Past::default(),
        };
        let response = respond(
            &Open {
                item: &read.item,
                bucket: &read.bucket,
                assessment: &read.assessment,
                findings: &decision.findings,
                exposures: &decision.exposures,
            },
            &past,
            &self.guard.settings.responder,
            now,
        );
        if let Response::Hold {
            why: why @ Hold::CircuitBreaker { .. },
            ..
        } = &response
        {
            let stop = EnforcementStop {
                by: "circuit breaker".to_owned(),
                at: now,
                reason: why.to_string(),
            };
            let repository = &*self.guard.repository;
            enforcement::stop_account(repository, &self.account.id, Some(&stop)).await?;
            tracing::error!(bucket = %read.item.key, %why, "enforcement is stopped in the account");
        }
        let mut notices = match &ours {
            Some(ours) if is_ours(&ours) => self.tell_late(&mut decision, ours, now),
            Some(cut_off) => self.tell_found_closed(&mut decision, cut_off, now),
            None => Vec::new(),
        };
        if let Some(ours) = ours.filter(|ours| ours.state != State::Verified)
            && !decision.told.is_empty()
        {
            let event = if is_ours(&&ours) {
                Event::Verified
            } else {
                Event::Failed {
                    why: FOUND_CLOSED.to_owned(),
                }
            };
            let ended = Record {
                id: ours.id,
                at: now,
                event,
            };
            self.guard.repository.append_journal(&ended).await?;
        }
        let subject = self.subject(&read.item, Some(&read.assessment), now);
        notices.extend(tell(&mut decision, &response, &subject));
        let Response::Act(plan) = &response else {
            let finish = match &response {
                Response::Wait { until } => again(*until),
                Response::Hold {
                    again_at: Some(at), ..
                } => again(*at),
                _ => Finish::Done,
            };
            let finish = self.until_answered(finish, job, now);
            self.commit(
                &read.item,
                decision,
                raised,
                notices,
                Some((job, finish)),
                now,
            )
            .await?;
            return Ok(Did::Finished);
        };
        // The verdict is on record before anything is written.
        self.commit(&read.item, decision.clone(), raised, notices, None, now)
            .await?;
        let resumed = self.resumed(&read.item.key, plan).await?;
        let id = match &resumed {
            Some(resumed) => resumed.id.clone(),
            None => remediation_id(&read.item.key, now),
        };
        let gatherer = self.account.gatherer(now).await?;
        let mut journal = Resuming {
            journal: InStore(&*self.guard.repository),
            has_intent: resumed.is_some(),
        };
        let clock = || self.guard.clock.now();
        let applied = apply(
            &gatherer,
            plan,
            &read.address,
            self.account.place(&read.address),
            &Enforcing {
                guard: self.guard,
                item: &read.item,
            },
            Notes {
                journal: &mut journal,
                id: &id,
                now: &clock,
            },
        )
        .await;
        let mut remediated = Remediated {
            id: &id,
            difference: diff::lines(plan).iter().map(ToString::to_string).collect(),
            failure: None,
        };
        match applied {
            Ok(after) => {
                tracing::info!(bucket = %read.item.key, remediation = %id, "closed and verified");
                self.guard.meter.remediated("verified");
                self.closed(job, read, after, &decision, &remediated).await
            }
            Err(error @ RemediateError::Gone { .. }) => {
                tracing::info!(bucket = %read.item.key, %error, "the bucket is looked at again");
                Ok(Did::Finish(again(self.guard.clock.now())))
            }
            Err(
                error @ (RemediateError::ChangedSincePlan { .. }
                | RemediateError::CannotRead { .. }
                | RemediateError::NotPermitted { .. }),
            ) => {
                tracing::info!(bucket = %read.item.key, %error, "the bucket is looked at again");
                self.guard.meter.remediated("changed");
                self.unsteady(job, &read, decision, &error).await
            }
            // Whether it is closed is seen by the next look, which tells of it.
            Err(error @ RemediateError::NotVerified { .. }) => {
                tracing::warn!(bucket = %read.item.key, remediation = %id, %error, "the bucket is looked at again");
                self.guard.meter.remediated("unverified");
                Ok(Did::Finish(Finish::Again {
                    due_at: later(self.guard.clock.now(), self.guard.wait_after(job.attempts)),
                    error: Some(error.to_string()),
                }))
            }
            Err(error) => {
                tracing::error!(bucket = %read.item.key, remediation = %id, %error, "a remediation failed");
                self.guard.meter.remediated("failed");
                remediated.failure = Some(error.to_string());
                self.failed(job, &read, decision, &remediated, past.failed)
                    .await
            }
        }
    }

    fn subject<'b>(
        &'b self,
        item: &'b ConfigurationItem,
        assessment: Option<&'b Assessment>,
        now: Timestamp,
    ) -> Subject<'b> {
        Subject {
            item,
            assessment,
            account_label: Some(&self.account.label),
            endpoint: self.account.endpoint.as_deref(),
            events: &self.events,
            now,
        }
    }
}

/// So many events about a resource are looked after in one look, the earliest first. Whoever sends
/// events decides how many there are.
pub(crate) const EVENTS_AT_ONCE: u32 = 256;

fn again(due_at: Timestamp) -> Finish {
    Finish::Again {
        due_at,
        error: None,
    }
}
