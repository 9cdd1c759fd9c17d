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

mod other;
mod read;

use std::time::Duration;

use compliance::assessment::Assessment;
use compliance::fingerprint;
use compliance::item::{BUCKET, ConfigurationItem, ResourceKey};
use compliance::notice::{Notice, NoticeKind};
use compliance::remediation::{RemediationPlan, diff, plan};
use compliance::rules::{self, ComplianceType, RuleEvaluation};
use jiff::{SignedDuration, Timestamp};
use policy::bucket::Bucket;
use policy::public::judge;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::account::{Account, Reach};
use crate::arrive::{self, ALL, account_wide};
use crate::clock::Clock;
use crate::decide::{ACCESS_POINT, ACL, Decision, POLICY, Seen, UNDECIDED, decide};
use crate::enforcement;
use crate::error::{CallError, Hopeless};
use crate::event_rules::Raised;
use crate::gather::arn_name;
use crate::history;
use crate::journal::{
    Change, Event, Journal, JournalError, Record, Remediation, State, remediations, same_changes,
};
use crate::outbox;
use crate::remediate::{Notes, Permit, RemediateError, apply, as_before, changes, left_as_planned};
use crate::repository::{Repository, RepositoryError};
use crate::responder::{Failed, Hold, Leave, Open, Past, Response, pause, respond};
use crate::state::{
    Commit, Coverage, EnforcementStop, EvaluationRecord, EventRecord, Exposure, Finding,
    FindingState, Finish, Job, NewJob, ResourceRecord,
};
use crate::tell::{Remediated, Subject, tell, tell_closed, tell_failed, with_changes};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

pub(crate) use read::{Depth, Found, ReadBucket, access_in_passing};

/// So many remediations of a bucket are looked back at, or as many as the loop guard counts.
const REMEMBERED: u32 = 16;

/// What becomes of a remediation of which no write is on record, where there is nothing left to do.
const FOUND_CLOSED: &str =
    "it was cut off before a write of it was on record, and the bucket was found closed";

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
    /// Records what a function says of a resource that is as it was recorded.
    pub(crate) async fn record_answer(
        &self,
        account: &Account<A>,
        known: ResourceRecord,
        assessment: Option<Assessment>,
        evaluations: &[RuleEvaluation],
        standing: &[EvaluationRecord],
        job: &Job,
    ) -> Result<Did, LookError> {
        let now = self.clock.now();
        let item = known.item.clone();
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
        let end = Some((job, Finish::Done));
        looking
            .commit(&item, decision, raised, notices, end, now)
            .await?;
        Ok(Did::Finished)
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

    /// Records what a verified remediation left, and tells of it.
    async fn closed(
        &mut self,
        job: &Job,
        read: ReadBucket,
        after: Assessment,
        before: &Decision,
        remediated: &Remediated<'_>,
    ) -> Result<Did, LookError> {
        let now = self.guard.clock.now();
        let open = read.assessment.clone();
        let read = self.guard.reread(self.account, read, after, now);
        let events = match self.unanswered {
            // Their effect was committed as seen before the write.
            None => std::mem::take(&mut self.events),
            Some(_) => self.events.clone(),
        };
        self.unanswered.clone_from(&read.unanswered);
        let (mut decision, raised) =
            self.decided(&read.item, Some(&read), Some(remediated.id), now);
        for event in &events {
            let closed_after = now.duration_since(event.arrived_at);
            self.guard.meter.closed_after(closed_after);
        }
        let subject = Subject {
            events: &events,
            ..self.subject(&read.item, Some(&open), now)
        };
        let mut notices = tell_closed(&mut decision, remediated, &before.findings, &subject);
        // What the remediation leaves open (a policy that is only told of) was told before the write.
        let rest = Response::Leave(Leave::NothingAllowed);
        let subject = self.subject(&read.item, Some(&read.assessment), now);
        notices.extend(tell(&mut decision, &rest, &subject));
        let finish = self.until_answered(Finish::Done, job, now);
        self.commit(
            &read.item,
            decision,
            raised,
            notices,
            Some((job, finish)),
            now,
        )
        .await?;
        Ok(Did::Finished)
    }

    /// How the look ends: what was not answered is asked again.
    fn until_answered(&self, finish: Finish, job: &Job, now: Timestamp) -> Finish {
        let Some(why) = &self.unanswered else {
            return finish;
        };
        let due_at = later(now, self.guard.wait_after(job.attempts));
        Finish::Again {
            due_at: match finish {
                Finish::Again { due_at: asked, .. } => asked.min(due_at),
                _ => due_at,
            },
            error: Some(LookError::Unanswered(why.clone()).to_string()),
        }
    }

    /// The remediation that closed what was recorded as open and about to be closed. A kill between its
    /// write and its record, or a write or a reading back that was not answered, leaves it to the next
    /// look to say what became of it.
    async fn closed_before(&self, now: &Bucket) -> Result<Option<Remediation>, LookError> {
        let Some(known) = &self.known else {
            return Ok(None);
        };
        let repository = &self.guard.repository;
        let bucket = &known.item.key.resource_id;
        let to_close = |finding: &&Finding| finding.state.is_present() && finding.respond;
        if !known.findings.iter().any(|finding| to_close(&finding)) {
            return Ok(None);
        }
        let records = repository
            .last_remediations(&self.account.id, bucket, 1)
            .await?;
        let Some(last) = remediations(&records).pop() else {
            return Ok(None);
        };
        // People were told of nothing yet, or that this very remediation failed.
        let failed = match &last.state {
            State::Failed(why) => Some(why.as_str()),
            _ => None,
        };
        let begun_after = known
            .findings
            .iter()
            .filter(to_close)
            .filter(|finding| {
                finding.told_at.is_none()
                    || failed.is_some() && finding.response.as_deref() == failed
            })
            .flat_map(|finding| {
                let exposures = known.exposures.iter();
                exposures.filter(|exposure| exposure.finding_id == finding.id)
            })
            .map(|exposure| exposure.detected_at)
            .min();
        let is_its = begun_after.is_some_and(|begun_after| last.begun >= begun_after)
            && match last.state {
                State::Verified => true,
                State::Unfinished | State::Failed(_) => left_as_planned(now, &last),
                State::Undoing | State::Undone => false,
            };
        Ok(is_its.then_some(last))
    }

    /// Tells of findings that an earlier remediation closed.
    fn tell_late(
        &self,
        decision: &mut Decision,
        ours: &Remediation,
        now: Timestamp,
    ) -> Vec<Notice> {
        let Some(known) = &self.known else {
            return Vec::new();
        };
        let open = Assessment::of_item(&known.item).ok();
        let remediated = Remediated {
            id: &ours.id,
            difference: ours.changes.iter().flat_map(Change::lines).collect(),
            failure: None,
        };
        let subject = self.subject(&known.item, open.as_ref(), now);
        tell_closed(decision, &remediated, &known.findings, &subject)
    }

    /// Ends a look between whose plan and write something changed. The first time the bucket is only
    /// looked at again; whoever changes it each time does not keep people from knowing that it is open.
    async fn unsteady(
        &mut self,
        job: &Job,
        read: &ReadBucket,
        mut decision: Decision,
        error: &RemediateError,
    ) -> Result<Did, LookError> {
        let now = self.guard.clock.now();
        let finish = Finish::Again {
            due_at: later(now, self.guard.wait_after(job.attempts)),
            error: Some(error.to_string()),
        };
        if job.attempts < 2 {
            return Ok(Did::Finish(finish));
        }
        let why = match error {
            // Which part it was differs from time to time, and is no news.
            RemediateError::ChangedSincePlan { .. } => {
                "it changes each time between the look at it and the write".to_owned()
            }
            RemediateError::CannotRead { part, .. } => {
                format!("the {part} cannot be read again before the write")
            }
            other => other.to_string(),
        };
        let response = Response::Hold {
            why: Hold::Unsteady { why },
            again_at: None,
        };
        // What the look itself found was told with it.
        decision.item_is_new = false;
        decision.changes.clear();
        decision.resolved.clear();
        let subject = self.subject(&read.item, Some(&read.assessment), now);
        let notices = tell(&mut decision, &response, &subject);
        let end = Some((job, finish));
        self.commit(&read.item, decision, Raised::default(), notices, end, now)
            .await?;
        Ok(Did::Finished)
    }

    /// The last remediation, if it was to change the same, failed, and wrote nothing: its intent holds for
    /// this one too, so that what always fails does not fill the journal.
    async fn resumed(
        &self,
        key: &ResourceKey,
        plan: &RemediationPlan,
    ) -> Result<Option<Remediation>, LookError> {
        let last = self
            .guard
            .repository
            .last_remediations(&self.account.id, &key.resource_id, 1)
            .await?;
        Ok(remediations(&last).pop().filter(|last| {
            matches!(last.state, State::Failed(_))
                && last.left.iter().all(Option::is_none)
                && same_changes(&last.changes, &changes(plan))
        }))
    }

    /// Tells of findings that were to be closed by a remediation of which no write is on record: it was
    /// cut off, and either it or somebody else closed them.
    fn tell_found_closed(
        &self,
        decision: &mut Decision,
        cut_off: &Remediation,
        now: Timestamp,
    ) -> Vec<Notice> {
        let mut notices = self.tell_late(decision, cut_off, now);
        for notice in &mut notices {
            notice.kind = NoticeKind::Resolved;
            notice.remediation = None;
            notice.reason = Some(format!(
                "It was found closed. Remediation {} had begun to close it and was cut off: whether it wrote, or somebody else did, is not known.",
                cut_off.id
            ));
        }
        notices
    }

    /// Tells that a remediation failed; it is tried again.
    async fn failed(
        &mut self,
        job: &Job,
        read: &ReadBucket,
        mut decision: Decision,
        remediated: &Remediated<'_>,
        before: Option<Failed>,
    ) -> Result<Did, LookError> {
        let now = self.guard.clock.now();
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        decision.item_is_new = false;
        decision.changes.clear();
        let subject = self.subject(&read.item, Some(&read.assessment), now);
        let notices = tell_failed(&mut decision, remediated, &subject);
        let finish = Finish::Again {
            due_at: later(now, pause(times)),
            error: remediated.failure.clone(),
        };
        self.commit(
            &read.item,
            decision,
            Raised::default(),
            notices,
            Some((job, finish)),
            now,
        )
        .await?;
        Ok(Did::Finished)
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

    /// Commits, and takes what was committed as what is known.
    async fn commit(
        &mut self,
        item: &ConfigurationItem,
        decision: Decision,
        raised: Raised,
        mut notices: Vec<Notice>,
        end: Option<(&Job, Finish)>,
        now: Timestamp,
    ) -> Result<(), LookError> {
        let Raised {
            events,
            mut jobs,
            same_type,
        } = raised;
        jobs.extend(for_the_rest(&item.key, &self.events, now));
        for notice in &mut notices {
            if matches!(
                notice.kind,
                NoticeKind::ExceptionExpired | NoticeKind::ExceptionVoid
            ) {
                let ended = decision
                    .uncovered
                    .iter()
                    .find(|(id, _)| notice.finding_id.as_ref() == Some(id));
                notice.exception = ended.and_then(|(_, id)| self.guard.exception(id, item));
            }
        }
        with_changes(&mut notices, events.iter().chain(&same_type));
        let told = outbox::notices(&notices);
        jobs.extend(self.guard.deliveries(&notices, now).await?);
        jobs.extend(self.guard.first_escalations(&decision.findings, now));
        if decision.item_is_new {
            if self.guard.clock.now().duration_since(item.capture_time) > history::STALE {
                // History of that time may have been delivered: what is told now is read now.
                return Err(RepositoryError::Conflict(item.key.clone()).into());
            }
            let before = self.known.as_ref();
            let previous = before.map(|known| &known.item);
            let version = before.map_or(0, |known| known.version) + 1;
            jobs.extend(self.guard.lambdas_to_ask(item, previous, now));
            jobs.extend(self.guard.change_deliveries(previous, item, version, now));
        }
        let content_hash = item.content_hash();
        let changed = |finding: &&Finding| {
            let before = self.known.as_ref().map(|known| known.findings.as_slice());
            !before.unwrap_or_default().contains(finding)
        };
        let commit = Commit {
            key: item.key.clone(),
            expected_version: self.known.as_ref().map(|known| known.version),
            observed_at: now,
            item: decision
                .item_is_new
                .then(|| (item.clone(), content_hash.clone())),
            evaluations: decision.evaluations.clone(),
            findings: decision.findings.iter().filter(changed).cloned().collect(),
            exposures: decision.exposures.clone(),
            events_seen: match self.unanswered {
                None => own(&self.events),
                Some(_) => Vec::new(),
            },
            events_closed: self.unanswered.is_none() && decision.is_closed(),
            bus_events: events,
            notices: told,
            jobs,
        };
        self.guard
            .repository
            .commit(
                &commit,
                end.as_ref().map(|(job, finish)| (*job, finish.clone())),
                now,
            )
            .await?;
        self.measure(&commit, &decision, now);
        self.known = Some(ResourceRecord {
            version: commit.expected_version.unwrap_or(0) + 1,
            item: item.clone(),
            content_hash,
            observed_at: now,
            evaluations: decision.evaluations,
            findings: decision.findings,
            exposures: decision
                .exposures
                .into_iter()
                .filter(|exposure| exposure.to.is_none())
                .collect(),
        });
        Ok(())
    }

    /// Tells what was committed to the log and to whoever measures.
    fn measure(&self, commit: &Commit, decision: &Decision, now: Timestamp) {
        tracing::info!(
            resource = %commit.key,
            changed = commit.item.is_some(),
            opened = decision.opened.len(),
            resolved = decision.resolved.len(),
            notices = commit.notices.len(),
            "looked"
        );
        let meter = &self.guard.meter;
        meter.looked(if commit.item.is_some() {
            "changed"
        } else {
            "unchanged"
        });
        if commit.key.resource_type == BUCKET {
            let present = |cause: &str| {
                let mut findings = decision.findings.iter();
                findings.any(|finding| finding.state.is_present() && finding.cause == cause)
            };
            meter.judged(if [ACL, POLICY, ACCESS_POINT].into_iter().any(present) {
                "open"
            } else if present(UNDECIDED) {
                "undecided"
            } else {
                "closed"
            });
        }
        for event in self.events.iter().filter(|_| self.unanswered.is_none()) {
            meter.verdict_after(now.duration_since(event.arrived_at));
        }
    }

    /// Whether a bucket is open by what it was opened by again when a remediation was taken back, and by
    /// nothing that would be changed beside.
    fn is_what_was_taken_back(&self, read: &ReadBucket, last: &Remediation) -> bool {
        let Some(scope) = self.guard.settings.responder.scope_of(&read.item) else {
            return true;
        };
        let planned = plan(&read.bucket, &read.assessment.verdict, &scope.options);
        let is_known = |name: &str| last.changes.iter().any(|own| own.before.name() == name);
        let mut planned = changes(&planned).into_iter();
        if !planned.all(|change| is_known(change.before.name())) {
            return false;
        }
        let before = as_before(&read.bucket, last);
        let opened_by = fingerprint::of(&before, &judge(&before));
        // What is not known cannot be told apart.
        read.fingerprint.is_none() || opened_by.is_none() || opened_by == read.fingerprint
    }

    /// What the responder did before, as far as it matters for this bucket.
    async fn past(&self, read: &ReadBucket, now: Timestamp) -> Result<Past, LookError> {
        let key = &read.item.key;
        let repository = &self.guard.repository;
        let stop = repository.enforcement_stop().await?;
        let account_stop = enforcement::account_stop(&**repository, &self.account.id).await?;
        let hour_ago = now
            .checked_sub(SignedDuration::from_hours(1))
            .unwrap_or(Timestamp::MIN);
        let mut others = repository
            .written_buckets(&self.account.id, hour_ago)
            .await?;
        others.retain(|bucket| *bucket != key.resource_id);
        let counted = self.guard.settings.responder.loop_guard.times;
        let own = repository
            .last_remediations(&self.account.id, &key.resource_id, counted.max(REMEMBERED))
            .await?;
        let own = remediations(&own);
        let taken_back = own
            .last()
            .filter(|last| matches!(last.state, State::Undone | State::Undoing))
            .filter(|last| self.is_what_was_taken_back(read, last))
            .map(|last| (last.id.clone(), last.begun));
        let estate = repository
            .coverage()
            .await?
            .into_iter()
            .filter(|coverage| coverage.account == self.account.id)
            .map(|coverage| coverage.swept)
            .sum();
        Ok(Past {
            others_in_last_hour: u32::try_from(others.len()).unwrap_or(u32::MAX),
            estate,
            on_bucket: own.iter().filter_map(|one| one.written_at).collect(),
            failed: failed(&own),
            taken_back,
            stop,
            account_stop,
        })
    }
}

/// What failed last, and how often in a row.
fn failed(own: &[Remediation]) -> Option<Failed> {
    let last = own.last()?;
    let State::Failed(why) = &last.state else {
        return None;
    };
    let times = own
        .iter()
        .rev()
        .take_while(|one| matches!(one.state, State::Failed(_)))
        .take_while(|one| same_changes(&one.changes, &last.changes))
        .map(|one| one.failures)
        .sum();
    Some(Failed {
        changes: last.changes.clone(),
        times,
        at: last.failed_at?,
        why: why.clone(),
    })
}

/// So many events about a resource are looked after in one look, the earliest first. Whoever sends
/// events decides how many there are.
pub(crate) const EVENTS_AT_ONCE: u32 = 256;

/// If there may be more events than one look takes: another look, once this one is done.
fn for_the_rest(key: &ResourceKey, events: &[EventRecord], now: Timestamp) -> Vec<NewJob> {
    let all = u32::try_from(own(events).len()).is_ok_and(|count| count < EVENTS_AT_ONCE);
    let next = || {
        let mut look = arrive::look(&key.account, &key.resource_type, &key.resource_id, now);
        look.payload["region"] = key.region.clone().into();
        look
    };
    (!all).then(next).into_iter().collect()
}

fn again(due_at: Timestamp) -> Finish {
    Finish::Again {
        due_at,
        error: None,
    }
}

/// `20261124T063000Z-1a2b3c4d`: sorted by time; two of one bucket in one microsecond cannot be.
fn remediation_id(key: &ResourceKey, now: Timestamp) -> String {
    let digest = Sha256::digest(format!("{key}\n{}", now.as_microsecond()));
    let hex: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}-{hex}", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// The journal in the guard's own store.
pub struct InStore<'a, P>(pub &'a P);

impl<P: Repository> Journal for InStore<'_, P> {
    async fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.0
            .append_journal(record)
            .await
            .map_err(|error| JournalError::Store(error.to_string()))
    }
}

/// The journal of a remediation whose intent may be on record from an earlier try.
struct Resuming<'a, P> {
    journal: InStore<'a, P>,
    has_intent: bool,
}

impl<P: Repository> Journal for Resuming<'_, P> {
    async fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        match &record.event {
            Event::Intent { .. } if self.has_intent => Ok(()),
            _ => self.journal.append(record).await,
        }
    }
}

/// Writes are permitted unless enforcement is stopped.
struct Enforcing<'a, P, A: Reach, C> {
    guard: &'a Guard<P, A, C>,
    item: &'a ConfigurationItem,
}

impl<P: Repository, A: Reach, C: Clock> Permit for Enforcing<'_, P, A, C> {
    async fn permit(&self) -> Result<(), String> {
        let repository = &*self.guard.repository;
        // Whether it is stopped is not known: then it is.
        let unknown = |error| format!("whether enforcement is stopped is not known: {error}");
        if let Some(stop) = repository.enforcement_stop().await.map_err(unknown)? {
            return Err(Hold::Stopped(stop).to_string());
        }
        let account = &self.item.key.account;
        let stop = enforcement::account_stop(repository, account).await;
        match stop.map_err(unknown)? {
            None => Ok(()),
            Some(stop) => {
                let account = account.clone();
                Err(Hold::AccountStopped { account, stop }.to_string())
            }
        }
    }

    fn plan_again(&self, now: &Assessment) -> Option<RemediationPlan> {
        let scope = self.guard.settings.responder.scope_of(self.item)?;
        let mut bucket = now.bucket.clone();
        arn_name(&now.bucket.name).clone_into(&mut bucket.name);
        Some(plan(&bucket, &now.verdict, &scope.options))
    }
}
