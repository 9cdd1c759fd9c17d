//! What the responder did to a bucket before.

use compliance::fingerprint;
use compliance::remediation::plan;
use jiff::{SignedDuration, Timestamp};
use policy::public::judge;

use crate::account::Reach;
use crate::clock::Clock;
use crate::enforcement;
use crate::journal::{Remediation, State, remediations, same_changes};
use crate::remediate::{as_before, changes};
use crate::repository::Repository;
use crate::responder::{Failed, Past};

use super::{LookError, Looking, ReadBucket};

/// So many remediations of a bucket are looked back at, or as many as the loop guard counts.
const REMEMBERED: u32 = 16;

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

impl<P: Repository, A: Reach, C: Clock> Looking<'_, P, A, C> {
    /// Whether a bucket is open by what it was opened by again when a remediation was taken back, and by
    /// nothing that would be changed beside.
    pub(super) fn is_what_was_taken_back(&self, read: &ReadBucket, last: &Remediation) -> bool {
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
        match (&opened_by, &read.fingerprint) {
            // It closed objects; the bucket itself was not open.
            (None, Some(_)) => false,
            // What is not known cannot be told apart.
            (_, None) => true,
            (Some(then), Some(now)) => then == now,
        }
    }

    /// What the responder did before, as far as it matters for this bucket.
    pub(super) async fn past(&self, read: &ReadBucket, now: Timestamp) -> Result<Past, LookError> {
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
