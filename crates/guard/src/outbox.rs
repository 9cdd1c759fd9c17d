//! From notices to deliveries: pure where it decides, and committed together with what is told.

use std::collections::BTreeSet;

use compliance::notice::{Delivery, Notice, Subscription, digest_dedupe_key, route};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::account::Reach;
use crate::clock::Clock;
use crate::repository::{Repository, RepositoryError};
use crate::state::{Finding, FindingState, JobKind, NewJob, NoticeRecord, SubscriptionState};
use crate::tell::document;
use crate::watch::Guard;

/// A look that was begun before a subscription was confirmed is over after this.
const SETTLED: SignedDuration = SignedDuration::from_secs(20);

/// Notices as the store keeps them.
pub fn notices(notices: &[Notice]) -> Vec<NoticeRecord> {
    notices
        .iter()
        .map(|notice| NoticeRecord {
            id: notice.id.clone(),
            finding_id: notice.finding_id.clone(),
            created_at: notice.created_at,
            document: document(notice),
        })
        .collect()
}

/// The subscriptions as they stand: configured, and confirmed or not, ended or not.
pub fn standing(configured: &[Subscription], states: &[SubscriptionState]) -> Vec<Subscription> {
    configured
        .iter()
        .filter_map(|subscription| {
            let digest = subscription.endpoint.digest();
            let state = states
                .iter()
                .find(|state| state.id == subscription.id && state.endpoint_digest == digest);
            let ended = state.is_some_and(|state| {
                let left = match (state.unsubscribed_at, state.confirmed_at) {
                    (Some(left), Some(confirmed)) => left >= confirmed,
                    (left, _) => left.is_some(),
                };
                left || state.disabled.is_some()
            });
            if ended {
                return None;
            }
            let confirmed = state.is_some_and(|state| state.confirmed_at.is_some());
            Some(Subscription {
                confirmed: subscription.confirmed || confirmed,
                ..subscription.clone()
            })
        })
        .collect()
}

/// The work that sends notices to subscriptions.
pub fn deliveries(
    notices: &[Notice],
    subscriptions: &[Subscription],
    now: Timestamp,
) -> Vec<NewJob> {
    notices
        .iter()
        .flat_map(|notice| {
            route(notice, subscriptions, now)
                .into_iter()
                .map(|delivery| job(notice, &delivery))
        })
        .collect()
}

fn job(notice: &Notice, delivery: &Delivery) -> NewJob {
    let subscription = &delivery.subscription_id;
    if delivery.digest {
        let key = digest_dedupe_key(subscription, delivery.due);
        return NewJob {
            kind: JobKind::Deliver,
            key: format!("deliver {key}"),
            payload: json!({"digest": subscription, "until": delivery.due.to_string()}),
            due_at: delivery.due,
        };
    }
    NewJob {
        kind: JobKind::Deliver,
        key: format!("deliver {}", delivery.dedupe_key),
        payload: json!({"notice": notice.id, "subscription": subscription}),
        due_at: delivery.due,
    }
}

/// In the payload of a delivery: the subscription that is told what is open when it begins.
pub(crate) const STANDING: &str = "standing";

/// The work that tells a subscription what is open when it begins: a little later, when the looks that
/// did not know of it yet have ended.
pub(crate) fn standing_findings(subscription: &Subscription, now: Timestamp) -> NewJob {
    let due_at = now.checked_add(SETTLED).unwrap_or(now);
    NewJob {
        kind: JobKind::Deliver,
        key: format!("deliver {}/{STANDING}", subscription.id),
        payload: json!({STANDING: subscription.id}),
        due_at,
    }
}

/// The work that sends an event to targets.
pub(crate) fn events(event: &Value, targets: BTreeSet<&str>, now: Timestamp) -> Vec<NewJob> {
    let id = event["id"].as_str().unwrap_or_default();
    targets
        .into_iter()
        .map(|target| NewJob {
            kind: JobKind::Forward,
            key: format!("deliver {id} {target}"),
            payload: json!({"target": target, "event": event}),
            due_at: now,
        })
        .collect()
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// The subscriptions as they stand now.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, RepositoryError> {
        let states = self.repository.subscriptions().await?;
        Ok(standing(&self.settings.subscriptions, &states))
    }

    /// The work that sends these notices.
    pub(crate) async fn deliveries(
        &self,
        notices: &[Notice],
        now: Timestamp,
    ) -> Result<Vec<NewJob>, RepositoryError> {
        if notices.is_empty() {
            return Ok(Vec::new());
        }
        Ok(deliveries(notices, &self.subscriptions().await?, now))
    }

    /// The first look at the ladder of findings that people have just been told of.
    pub(crate) fn first_escalations(&self, findings: &[Finding], now: Timestamp) -> Vec<NewJob> {
        let Some(first) = self.settings.ladder.steps.first() else {
            return Vec::new();
        };
        findings
            .iter()
            .filter(|finding| finding.told_at == Some(now) && finding.state == FindingState::Open)
            .map(|finding| escalate(finding, now.checked_add(first.after).unwrap_or(now)))
            .collect()
    }
}

/// The job that looks at a finding's ladder.
pub fn escalate(finding: &Finding, due_at: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Escalate,
        key: format!("escalate {}", finding.id),
        payload: json!({"finding": finding.id}),
        due_at,
    }
}
