//! Commits what a look found, and tells whoever measures.

use compliance::item::{BUCKET, ConfigurationItem, ResourceKey};
use compliance::notice::{Notice, NoticeKind};
use jiff::Timestamp;

use crate::account::Reach;
use crate::clock::Clock;
use crate::decide::{ACCESS_POINT, ACL, Decision, OBJECT_ACL, POLICY, UNDECIDED};
use crate::event_rules::Raised;
use crate::repository::{Repository, RepositoryError};
use crate::state::{Commit, EventRecord, Finding, Finish, Job, NewJob, ResourceRecord};
use crate::tell::with_changes;
use crate::{arrive, history, outbox};

use super::{EVENTS_AT_ONCE, LookError, Looking, own};

/// If there may be more events than one look takes: another look, once this one is done.
pub(super) fn for_the_rest(
    key: &ResourceKey,
    events: &[EventRecord],
    now: Timestamp,
) -> Vec<NewJob> {
    let all = u32::try_from(own(events).len()).is_ok_and(|count| count < EVENTS_AT_ONCE);
    let next = || {
        let mut look = arrive::look(&key.account, &key.resource_type, &key.resource_id, now);
        look.payload["region"] = key.region.clone().into();
        look
    };
    (!all).then(next).into_iter().collect()
}

impl<P: Repository, A: Reach, C: Clock> Looking<'_, P, A, C> {
    /// Commits, and takes what was committed as what is known.
    pub(super) async fn commit(
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
        if self.unanswered.is_none() {
            // Else they are still to be seen, by the look that is made again.
            jobs.extend(for_the_rest(&item.key, &self.events, now));
        }
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
            observed_at: self.seen_at.unwrap_or(now),
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
            observed_at: commit.observed_at,
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
    pub(super) fn measure(&self, commit: &Commit, decision: &Decision, now: Timestamp) {
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
            meter.judged(
                if [ACL, POLICY, ACCESS_POINT, OBJECT_ACL]
                    .into_iter()
                    .any(present)
                {
                    "open"
                } else if present(UNDECIDED) {
                    "undecided"
                } else {
                    "closed"
                },
            );
        }
        for event in self.events.iter().filter(|_| self.unanswered.is_none()) {
            meter.verdict_after(now.duration_since(event.arrived_at));
        }
    }
}
