//! Who gets a notice, and when.

use jiff::Timestamp;

use super::{DigestLine, Notice, NoticeKind, Subscription, mail_subject};

/// One notice for one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The subscription.
    pub subscription_id: String,
    /// When.
    pub due: Timestamp,
    /// Together with others that are due to it then.
    pub digest: bool,
    /// What is sent once: a second delivery of the same key is none.
    pub dedupe_key: String,
}

/// The deliveries of a notice: to every confirmed subscription of its topics whose filter admits it,
/// at once, with the next digest, or when it is not quiet any more.
///
/// The same kind of notice about the same occurrence of a finding has the same key for one
/// subscription, however often it is made.
pub fn route(notice: &Notice, subscriptions: &[Subscription], now: Timestamp) -> Vec<Delivery> {
    subscriptions
        .iter()
        .filter(|subscription| wants(subscription, notice))
        .map(|subscription| {
            let interval = subscription.digest.filter(|_| may_wait(notice.kind));
            let mut due = match interval {
                Some(interval) => next_multiple(now, interval.as_secs()),
                None => now,
            };
            if let Some(quiet) = &subscription.quiet_hours {
                due = quiet.release(notice, due);
            }
            Delivery {
                subscription_id: subscription.id.clone(),
                due,
                digest: interval.is_some(),
                dedupe_key: format!("{}/{}", subscription.id, sent_once(notice)),
            }
        })
        .collect()
}

fn wants(subscription: &Subscription, notice: &Notice) -> bool {
    if let Some(only) = &notice.only_to {
        let asked_only = notice.kind == NoticeKind::SubscriptionConfirmation
            || notice.kind == NoticeKind::Unsubscribed;
        return subscription.id == *only && (subscription.confirmed || asked_only);
    }
    subscription.confirmed
        && notice.topics.contains(&subscription.topic)
        && (notice.kind.is_about_subscription() || subscription.filter.admits(notice))
}

/// Whether a kind of notice may come with the next digest: what asks somebody because another did not
/// answer may not, nor what somebody waits for on a screen.
fn may_wait(kind: NoticeKind) -> bool {
    kind != NoticeKind::Escalated && kind != NoticeKind::Digest && !kind.is_about_subscription()
}

/// What makes a notice the same as another.
fn sent_once(notice: &Notice) -> String {
    let Some(finding) = &notice.finding_id else {
        return notice.id.clone();
    };
    let mut key = format!("{finding}/{}/{}", notice.kind.as_str(), notice.occurrence);
    match notice.kind {
        NoticeKind::Escalated => {
            let step = notice.escalation.as_ref().map_or(0, |step| step.step);
            // The last step may repeat, with a longer wait each time.
            let waited = notice
                .escalation
                .as_ref()
                .map_or(0, |it| it.waited.as_secs());
            key.push_str(&format!("/{step}/{waited}"));
        }
        NoticeKind::RemediationHeld => {
            key.push('/');
            key.push_str(notice.held_by.map_or("", super::HeldBy::as_str));
        }
        NoticeKind::RemediationFailed | NoticeKind::Closed => {
            if let Some(remediation) = &notice.remediation {
                key.push('/');
                key.push_str(&remediation.id);
            }
        }
        NoticeKind::ExceptionExpiring
        | NoticeKind::ExceptionExpired
        | NoticeKind::ExceptionVoid => {
            if let Some(exception) = &notice.exception {
                key.push_str(&format!(
                    "/{}/{}",
                    exception.id,
                    exception.expires.as_second()
                ));
            }
        }
        // Each undelivered notice is one of its own.
        NoticeKind::DeadLetter | NoticeKind::CoverageLost | NoticeKind::DeliveryFailed => {
            key.push('/');
            key.push_str(&notice.id);
        }
        _ => {}
    }
    key
}

/// The next multiple of an interval since 1970: all who have the same interval are told together, and
/// nothing needs to be remembered.
fn next_multiple(now: Timestamp, seconds: i64) -> Timestamp {
    if seconds <= 0 {
        return now;
    }
    let next = (now.as_second().div_euclid(seconds) + 1).saturating_mul(seconds);
    Timestamp::from_second(next).unwrap_or(now)
}

/// The digest of several notices, in the order of how severe they are, then of time.
pub fn digest(
    id: impl Into<String>,
    subscription: &Subscription,
    notices: &[Notice],
    now: Timestamp,
) -> Notice {
    let mut lines: Vec<DigestLine> = notices
        .iter()
        .map(|notice| DigestLine {
            notice_id: notice.id.clone(),
            finding_id: notice.finding_id.clone(),
            kind: notice.kind,
            severity: notice.severity,
            subject: mail_subject(notice),
            created_at: notice.created_at,
        })
        .collect();
    lines.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then(a.created_at.cmp(&b.created_at))
    });
    Notice {
        topics: vec![subscription.topic.clone()],
        only_to: Some(subscription.id.clone()),
        severity: lines.first().map(|line| line.severity).unwrap_or_default(),
        digest: lines,
        ..Notice::new(id, NoticeKind::Digest, now)
    }
}

/// The key of the digest of a subscription that is due at a moment.
pub fn digest_dedupe_key(subscription_id: &str, due: Timestamp) -> String {
    format!("{subscription_id}/digest/{}", due.as_second())
}
