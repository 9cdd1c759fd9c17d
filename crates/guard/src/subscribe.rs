//! Subscribers: asked before anything is sent to them, and what the links in their notices do.
//!
//! Nothing is sent to a mailbox whose reader has not said that they want it. The question is a notice
//! like any other, sent by the same loop. What its link and the link to leave do when somebody follows
//! them ([`compliance::notice::links`]) is here; what the link to acknowledge does is
//! [`acknowledge`](crate::escalate::acknowledge).

use compliance::notice::{Notice, NoticeKind, Subscription};
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::outbox;
use crate::repository::{Repository, RepositoryError};
use crate::state::SubscriptionState;

/// Asks every receiver who must be asked and was not: to be called when the guard starts. An address
/// that was changed is asked anew. `again` names a subscription whose receiver is asked once more,
/// also one that was left or given up; nothing but the question goes there until it is answered.
///
/// Returns the ids of those that were asked. If it breaks off, the next call asks whom this one did
/// not note.
pub async fn ask_to_confirm<P: Repository>(
    repository: &P,
    configured: &[Subscription],
    again: Option<&str>,
    now: Timestamp,
) -> Result<Vec<String>, RepositoryError> {
    let states = repository.subscriptions().await?;
    let mut asked = Vec::new();
    for subscription in configured {
        let own = state(&states, subscription);
        let wanted = match again {
            Some(id) => id == subscription.id,
            // Who has left is not asked back by a restart.
            None => {
                own.asked_at.is_none()
                    && own.confirmed_at.is_none()
                    && own.unsubscribed_at.is_none()
            }
        };
        if !wanted || subscription.confirmed || !subscription.protocol.needs_confirmation() {
            continue;
        }
        let notice = Notice {
            topics: vec![subscription.topic.clone()],
            only_to: Some(subscription.id.clone()),
            ..Notice::new(
                question_id(&own, now),
                NoticeKind::SubscriptionConfirmation,
                now,
            )
        };
        let notices = [notice];
        let unconfirmed = Subscription {
            confirmed: false,
            ..subscription.clone()
        };
        let jobs = outbox::deliveries(&notices, &[unconfirmed], now);
        // Noted after the question is on its way: it may be asked twice, and is not forgotten.
        repository
            .update_findings(&[], &outbox::notices(&notices), &jobs, None, now)
            .await?;
        repository
            .put_subscription(&SubscriptionState {
                asked_at: Some(now),
                // What somebody said before they left does not hold for now.
                confirmed_at: own.confirmed_at.filter(|_| own.unsubscribed_at.is_none()),
                unsubscribed_at: None,
                disabled: None,
                ..own
            })
            .await?;
        asked.push(subscription.id.clone());
    }
    Ok(asked)
}

/// Tells every subscription that is new, or has a new address, what is open already: to be called when the
/// guard starts. One that is still to be confirmed is told when it is ([`confirm`]).
pub async fn tell_new_ones<P: Repository>(
    repository: &P,
    configured: &[Subscription],
    now: Timestamp,
) -> Result<(), RepositoryError> {
    for subscription in configured.iter().filter(|own| own.confirmed) {
        let key = format!("told what is open: {}", subscription.id);
        let endpoint = json!(subscription.endpoint.digest());
        if repository.remembered(&key).await?.as_ref() == Some(&endpoint) {
            continue;
        }
        let jobs = [outbox::standing_findings(subscription, now)];
        repository
            .update_findings(&[], &[], &jobs, None, now)
            .await?;
        repository.remember(&key, &endpoint).await?;
    }
    Ok(())
}

/// Notes that the receiver of a subscription wants it. To say it twice is to say it once.
pub async fn confirm<P: Repository>(
    repository: &P,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<(), RepositoryError> {
    let own = state(&repository.subscriptions().await?, subscription);
    if own.confirmed_at.is_some() && own.unsubscribed_at.is_none() && own.disabled.is_none() {
        return Ok(());
    }
    // First, so that it is not lost: whoever is not confirmed when it is due gets nothing.
    let jobs = [outbox::standing_findings(subscription, now)];
    repository
        .update_findings(&[], &[], &jobs, None, now)
        .await?;
    repository
        .put_subscription(&SubscriptionState {
            confirmed_at: Some(now),
            unsubscribed_at: None,
            disabled: None,
            ..own
        })
        .await
}

/// Ends a subscription, and says so to the others of its topic: a topic that nobody reads any more is
/// for the operator to know. To say it twice is to say it once.
pub async fn unsubscribe<P: Repository>(
    repository: &P,
    configured: &[Subscription],
    subscription: &Subscription,
    now: Timestamp,
) -> Result<(), RepositoryError> {
    let states = repository.subscriptions().await?;
    let own = state(&states, subscription);
    if own.unsubscribed_at.is_some() {
        return Ok(());
    }
    let left = SubscriptionState {
        unsubscribed_at: Some(now),
        ..own
    };
    let others: Vec<Subscription> = outbox::standing(configured, &states)
        .into_iter()
        .filter(|other| other.id != subscription.id)
        .collect();
    let notices = [Notice {
        topics: vec![subscription.topic.clone()],
        reason: Some(format!("{} has left", subscription.endpoint)),
        ..Notice::new(notice_id("left", &left, now), NoticeKind::Unsubscribed, now)
    }];
    let jobs = outbox::deliveries(&notices, &others, now);
    repository
        .update_findings(&[], &outbox::notices(&notices), &jobs, None, now)
        .await?;
    repository.put_subscription(&left).await
}

/// What is known of a subscription at its present address.
fn state(states: &[SubscriptionState], subscription: &Subscription) -> SubscriptionState {
    let digest = subscription.endpoint.digest();
    states
        .iter()
        .find(|state| state.id == subscription.id && state.endpoint_digest == digest)
        .cloned()
        .unwrap_or_else(|| SubscriptionState::of(&subscription.id, &digest))
}

/// The first question to an address has the same id however often it is begun to be asked; one that is
/// asked again has another.
fn question_id(own: &SubscriptionState, now: Timestamp) -> String {
    match own.asked_at {
        None => notice_id("first question", own, Timestamp::UNIX_EPOCH),
        Some(_) => notice_id("question", own, now),
    }
}

fn notice_id(what: &str, own: &SubscriptionState, at: Timestamp) -> String {
    let digest = Sha256::digest(format!(
        "portcullis subscription 1\n{what}\n{}\n{}\n{}\n",
        own.id,
        own.endpoint_digest,
        at.as_microsecond()
    ));
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
