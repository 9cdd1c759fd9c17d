//! The one line that people see first.
//!
//! What happened stands in front, and the name is what gives way: it is shortened in the middle, since
//! names of buckets often differ at both ends (`company-team-…-eu-prod`).

use super::words;
use super::{HeldBy, Notice, NoticeKind};
use crate::report::visible;

/// An SNS subject is ASCII without line breaks or control characters and "must be less than 100
/// characters long" (Amazon SNS API reference, `Publish`, `Subject`).
pub const SNS_SUBJECT_LIMIT: usize = 99;
/// Longer subjects of mails are cut by most readers.
pub const MAIL_SUBJECT_LIMIT: usize = 160;

/// The subject in printable ASCII, at most `limit` characters, beginning with a letter or digit.
pub fn subject(notice: &Notice, limit: usize) -> String {
    let ascii = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for c in visible(text).chars() {
            match c {
                ' '..='~' => out.push(c),
                c => out.extend(c.escape_unicode()),
            }
        }
        out
    };
    compose(notice, limit, ascii)
}

/// The subject of a mail: letters of all languages stay, whatever could hide, reverse or break the
/// line does not.
pub fn mail_subject(notice: &Notice) -> String {
    compose(notice, MAIL_SUBJECT_LIMIT, |text| {
        visible(text).into_owned()
    })
}

fn compose(notice: &Notice, limit: usize, clean: impl Fn(&str) -> String) -> String {
    let meaning = clean(&meaning(notice));
    let Some(name) = name(notice)
        .map(|name| clean(&name))
        .filter(|name| !name.is_empty())
    else {
        return cut(&meaning, limit);
    };
    let mut subject = format!("{meaning}: {name}");
    if length(&subject) > limit {
        let room = limit.saturating_sub(length(&meaning) + 2);
        // A few letters of a name say nothing.
        if room < 8 {
            return cut(&meaning, limit);
        }
        return format!("{meaning}: {}", shorten(&name, room));
    }
    let account = notice
        .account_label
        .as_ref()
        .or(notice.key.as_ref().map(|key| &key.account))
        .map(|account| clean(account))
        .filter(|account| !account.is_empty() && names_a_resource(notice.kind));
    if let Some(account) = account {
        let with_account = format!("{subject} in {account}");
        if length(&with_account) <= limit {
            subject = with_account;
        }
    }
    subject
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// At most `limit` characters, the middle left out.
fn shorten(text: &str, limit: usize) -> String {
    let count = length(text);
    if count <= limit {
        return text.to_owned();
    }
    let kept = limit.saturating_sub(3);
    let front = kept.div_ceil(2);
    let back = kept - front;
    let start: String = text.chars().take(front).collect();
    let end: String = text.chars().skip(count - back).collect();
    format!("{start}...{end}")
}

fn names_a_resource(kind: NoticeKind) -> bool {
    !kind.is_about_subscription() && kind != NoticeKind::CoverageLost
}

/// What the subject is about.
fn name(notice: &Notice) -> Option<String> {
    match notice.kind {
        NoticeKind::SubscriptionConfirmation | NoticeKind::Unsubscribed | NoticeKind::Test => {
            (!notice.topics.is_empty()).then(|| notice.topics.join(", "))
        }
        NoticeKind::Digest => None,
        NoticeKind::CoverageLost => words::account(notice),
        NoticeKind::DeadLetter => notice
            .key
            .as_ref()
            .map(|key| key.resource_id.clone())
            .or_else(|| (!notice.topics.is_empty()).then(|| notice.topics.join(", "))),
        _ => notice.key.as_ref().map(|key| key.resource_id.clone()),
    }
}

/// `Public read by policy`
fn public(notice: &Notice) -> String {
    match words::access(notice) {
        Some(access) => {
            let by: Vec<&str> = words::mechanisms(notice)
                .into_iter()
                .map(words::mechanism_briefly)
                .collect();
            let access = if access == "read and write" {
                "read+write"
            } else {
                access
            };
            format!("Public {access} by {}", by.join("+"))
        }
        None if notice.witness.is_some() => "Public".to_owned(),
        None if notice.annotation.is_some() => "Non-compliant".to_owned(),
        None => "May be public".to_owned(),
    }
}

fn meaning(notice: &Notice) -> String {
    match notice.kind {
        NoticeKind::Opened => public(notice),
        NoticeKind::Closed | NoticeKind::Resolved if !notice.still_open.is_empty() => {
            let by: Vec<&str> = words::mechanisms(notice)
                .into_iter()
                .map(words::mechanism_briefly)
                .collect();
            let over = match by.as_slice() {
                [] => "One cause is over".to_owned(),
                by => format!("{} closed", by.join("+")),
            };
            format!("{over}, {}", words::still_open_briefly(notice))
        }
        NoticeKind::Closed => "Closed and verified".to_owned(),
        NoticeKind::RemediationFailed => "NOT closed, remediation failed".to_owned(),
        NoticeKind::RemediationHeld => {
            let why = match notice.held_by {
                Some(HeldBy::CircuitBreaker) => "circuit breaker",
                Some(HeldBy::LoopGuard) => "loop guard",
                Some(HeldBy::EnforcementOff) => "enforcement off",
                Some(HeldBy::EnforcementStopped) => "enforcement stopped",
                Some(HeldBy::GracePeriod) => "grace period",
                Some(HeldBy::NotifyOnly) => "notify only",
                None => "held back",
            };
            format!("NOT closed ({why}), {}", decapitalized(&public(notice)))
        }
        NoticeKind::GraceBegins => match notice.closes_at {
            Some(at) => format!(
                "Closes at {} unless stopped",
                at.strftime("%Y-%m-%d %H:%MZ")
            ),
            None => "Closes soon unless stopped".to_owned(),
        },
        NoticeKind::Resolved => "Resolved".to_owned(),
        NoticeKind::Recurred => match &notice.recurrence {
            Some(again) => format!("{} ({} time)", public(notice), words::ordinal(again.count)),
            None => format!("{} again", public(notice)),
        },
        NoticeKind::Escalated => match &notice.escalation {
            Some(step) => format!(
                "Escalation {}/{}, {}",
                step.step,
                step.of,
                decapitalized(&public(notice))
            ),
            None => format!("Escalation, {}", decapitalized(&public(notice))),
        },
        NoticeKind::ExceptionExpiring => match &notice.exception {
            Some(exception) => {
                format!("Exception ends {}", exception.expires.strftime("%Y-%m-%d"))
            }
            None => "Exception ends soon".to_owned(),
        },
        NoticeKind::ExceptionExpired => "Exception ended, still open".to_owned(),
        NoticeKind::ExceptionVoid => "Exception void, open wider".to_owned(),
        NoticeKind::DeadLetter => "Notice NOT delivered".to_owned(),
        NoticeKind::CoverageLost => "Not watching".to_owned(),
        NoticeKind::DeliveryFailed => "History NOT delivered".to_owned(),
        NoticeKind::Digest => match notice.digest.len() {
            1 => "1 notice from Portcullis".to_owned(),
            many => format!("{many} notices from Portcullis"),
        },
        NoticeKind::Test => "Test notice".to_owned(),
        NoticeKind::SubscriptionConfirmation => "Please confirm your subscription".to_owned(),
        NoticeKind::Unsubscribed => "Unsubscribed".to_owned(),
    }
}

fn decapitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
