//! What became of a remediation: verified, failed, cut off, or overtaken by a change.

use compliance::assessment::Assessment;
use compliance::item::ResourceKey;
use compliance::notice::{Notice, NoticeKind};
use compliance::remediation::RemediationPlan;
use jiff::Timestamp;
use policy::bucket::Bucket;

use crate::account::Reach;
use crate::clock::Clock;
use crate::decide::Decision;
use crate::event_rules::Raised;
use crate::journal::{Change, Remediation, State, remediations, same_changes};
use crate::remediate::{RemediateError, changes, left_as_planned};
use crate::repository::Repository;
use crate::responder::{Failed, Hold, Leave, Response, pause};
use crate::state::{Finding, Finish, Job};
use crate::tell::{Remediated, Subject, tell, tell_closed, tell_failed};
use crate::work::{Did, later};

use super::{LookError, Looking, ReadBucket};

/// What becomes of a remediation of which no write is on record, where there is nothing left to do.
pub(super) const FOUND_CLOSED: &str =
    "it was cut off before a write of it was on record, and the bucket was found closed";

impl<P: Repository, A: Reach, C: Clock> Looking<'_, P, A, C> {
    /// Records what a verified remediation left, and tells of it.
    pub(super) async fn closed(
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
    pub(super) fn until_answered(&self, finish: Finish, job: &Job, now: Timestamp) -> Finish {
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
    pub(super) async fn closed_before(
        &self,
        now: &Bucket,
    ) -> Result<Option<Remediation>, LookError> {
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
    pub(super) fn tell_late(
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
    pub(super) async fn unsteady(
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
    pub(super) async fn resumed(
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
    pub(super) fn tell_found_closed(
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
    pub(super) async fn failed(
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
}
