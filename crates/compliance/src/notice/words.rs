//! A notice in words: the pieces that every medium puts together.

use jiff::{SignedDuration, Timestamp};

use super::{Access, HeldBy, Mechanism, Notice, NoticeKind, Recurrence, StillOpen};

/// `2026-01-01 00:00:00 UTC`
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A length of time in its two largest units: `3 min 20 s`, `2 h`, `4 d 1 h`.
pub(super) fn span(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let Some(largest) = units.iter().position(|(_, size)| seconds >= *size) else {
        return "less than 1 s".to_owned();
    };
    let (name, size) = units[largest];
    let mut text = format!("{} {name}", seconds / size);
    if let Some((name, smaller)) = units.get(largest + 1) {
        let rest = seconds % size / smaller;
        if rest > 0 {
            text.push_str(&format!(" {rest} {name}"));
        }
    }
    text
}

/// `1st`, `2nd`, `3rd`, `11th`.
pub(super) fn ordinal(number: u32) -> String {
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

/// `read`, `write` or `read and write`; `None`: nothing is open with a witness.
pub(super) fn access(notice: &Notice) -> Option<&'static str> {
    let open = |access| notice.mechanisms.iter().any(|way| way.access == access);
    match (open(Access::Read), open(Access::Write)) {
        (true, true) => Some("read and write"),
        (true, false) => Some("read"),
        (false, true) => Some("write"),
        (false, false) => None,
    }
}

/// The mechanisms that are open, each once, in the order of [`Mechanism`].
pub(super) fn mechanisms(notice: &Notice) -> Vec<Mechanism> {
    let mut all: Vec<Mechanism> = notice.mechanisms.iter().map(|way| way.via).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Its name in a sentence.
pub(super) fn mechanism(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Acl => "the ACL",
        Mechanism::Policy => "the bucket policy",
        Mechanism::AccessPoint => "an access point",
        Mechanism::ObjectAcl => "ACLs of its objects",
    }
}

/// Its name where there is little room.
pub(super) fn mechanism_briefly(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Acl => "ACL",
        Mechanism::Policy => "policy",
        Mechanism::AccessPoint => "access point",
        Mechanism::ObjectAcl => "object ACL",
    }
}

/// What else is open, as a mechanism; `None`: it is not decided.
fn way(open: StillOpen) -> Option<Mechanism> {
    match open {
        StillOpen::Acl => Some(Mechanism::Acl),
        StillOpen::Policy => Some(Mechanism::Policy),
        StillOpen::AccessPoint => Some(Mechanism::AccessPoint),
        StillOpen::ObjectAcl => Some(Mechanism::ObjectAcl),
        StillOpen::Undecided => None,
    }
}

/// `STILL PUBLIC by policy`, `NOT known to be closed`
pub(super) fn still_open_briefly(notice: &Notice) -> String {
    let ways: Vec<&str> = notice
        .still_open
        .iter()
        .filter_map(|open| way(*open))
        .map(mechanism_briefly)
        .collect();
    match ways.as_slice() {
        [] => "NOT known to be closed".to_owned(),
        ways => format!("STILL PUBLIC by {}", ways.join("+")),
    }
}

/// The same as a sentence, with a space before it; nothing if nothing is open.
fn still_open(notice: &Notice) -> String {
    if notice.still_open.is_empty() {
        return String::new();
    }
    let ways: Vec<&str> = notice
        .still_open
        .iter()
        .filter_map(|open| way(*open))
        .map(mechanism)
        .collect();
    let undecided = notice.still_open.contains(&StillOpen::Undecided);
    match (ways.as_slice(), undecided) {
        ([], _) => " Whether it is closed altogether is NOT decided.".to_owned(),
        (ways, false) => format!(
            " It is STILL open to the public through {}.",
            ways.join(" and ")
        ),
        (ways, true) => format!(
            " It is STILL open to the public through {}, and not everything is decided.",
            ways.join(" and ")
        ),
    }
}

/// What holds a remediation back, as the end of "held back by".
pub(super) fn held_by(held: HeldBy) -> &'static str {
    match held {
        HeldBy::CircuitBreaker => "the circuit breaker",
        HeldBy::LoopGuard => "the loop guard",
        HeldBy::EnforcementOff => "enforcement being off",
        HeldBy::EnforcementStopped => "the stop of all enforcement",
        HeldBy::GracePeriod => "the grace period",
        HeldBy::NotifyOnly => "the setting to notify only",
    }
}

/// `4th time in 30 days, last closed 2 h ago by …`
pub(super) fn recurrence(recurrence: &Recurrence, now: Timestamp) -> String {
    let mut text = format!(
        "{} time in {} day{}",
        ordinal(recurrence.count),
        recurrence.within_days,
        if recurrence.within_days == 1 { "" } else { "s" }
    );
    match (recurrence.last_closed_at, &recurrence.last_closed_by) {
        (Some(at), by) => {
            text.push_str(&format!(
                ", last closed {} ago",
                span(now.duration_since(at))
            ));
            if let Some(by) = by {
                text.push_str(&format!(" by {by}"));
            }
        }
        (None, Some(by)) => text.push_str(&format!(", last closed by {by}")),
        (None, None) => {}
    }
    text
}

/// What the resource is called: a bucket `bucket backups`, others by type and id.
pub(super) fn resource(notice: &Notice) -> Option<String> {
    let key = notice.key.as_ref()?;
    Some(match key.resource_type.as_str() {
        crate::item::BUCKET => format!("Bucket {}", key.resource_id),
        crate::item::ACCOUNT | crate::item::ACCOUNT_PUBLIC_ACCESS_BLOCK => {
            format!("Account {}", key.resource_id)
        }
        other => format!("{other} {}", key.resource_id),
    })
}

/// `prod (111122223333)`
pub(super) fn account(notice: &Notice) -> Option<String> {
    let account = notice.key.as_ref().map(|key| key.account.as_str());
    match (account, &notice.account_label) {
        (Some(account), Some(label)) if label != account => Some(format!("{label} ({account})")),
        (Some(account), _) => Some(account.to_owned()),
        (None, label) => label.clone(),
    }
}

/// What the notice says, in a sentence or two.
pub(super) fn headline(notice: &Notice) -> String {
    let what = resource(notice).unwrap_or_else(|| "Something".to_owned());
    let through = || {
        let names: Vec<&str> = mechanisms(notice).into_iter().map(mechanism).collect();
        match names.is_empty() {
            true => String::new(),
            false => format!(" through {}", names.join(" and ")),
        }
    };
    let open = || match access(notice) {
        Some(access) => format!("{what} is open to the public for {access}{}.", through()),
        None if notice.witness.is_some() => format!("{what} is open to the public."),
        None => match &notice.annotation {
            Some(annotation) => format!("{what} fails: {annotation}"),
            None => format!("{what} may be public; it could not be decided."),
        },
    };
    let because = || {
        notice
            .reason
            .as_ref()
            .map(|reason| format!(" {}", sentence(reason)))
            .unwrap_or_default()
    };
    let exception = || match &notice.exception {
        Some(exception) => format!("exception {}", exception.id),
        None => "an exception".to_owned(),
    };
    match notice.kind {
        NoticeKind::Opened => format!("{}{}", open(), because()),
        NoticeKind::Recurred => match &notice.recurrence {
            Some(again) => format!(
                "{} Again: {}.",
                open(),
                recurrence(again, notice.created_at)
            ),
            None => format!("{} It was closed before.", open()),
        },
        NoticeKind::Closed => match access(notice) {
            Some(access) => format!(
                "{what} was open to the public for {access}{}. That was closed, read back and verified.{}{}",
                through(),
                still_open(notice),
                because()
            ),
            None => format!(
                "{what} was closed, read back and verified.{}{}",
                still_open(notice),
                because()
            ),
        },
        NoticeKind::Resolved if notice.finding_id.is_none() => {
            match notice.key.as_ref().map(|key| key.resource_type.as_str()) {
                Some(crate::item::BUCKET) => {
                    format!(
                        "Deliveries to {} come through again.{}",
                        lowered(&what),
                        because()
                    )
                }
                _ => format!("{what} is watched again.{}", because()),
            }
        }
        NoticeKind::Resolved if !notice.still_open.is_empty() => {
            let over = match through().as_str() {
                "" => "as it was".to_owned(),
                ways => format!("open{ways}"),
            };
            format!(
                "{what} is no longer {over}.{}{}",
                still_open(notice),
                because()
            )
        }
        NoticeKind::Resolved => format!("{what} complies again.{}", because()),
        NoticeKind::RemediationFailed => {
            format!("{} The remediation FAILED.{}", open(), because())
        }
        NoticeKind::RemediationHeld => {
            let held = match notice.held_by {
                Some(held) => format!(" by {}", held_by(held)),
                None => String::new(),
            };
            format!(
                "{} It was NOT closed: the remediation is held back{held}.{}",
                open(),
                because()
            )
        }
        NoticeKind::GraceBegins => {
            let at = match notice.closes_at {
                Some(at) => format!("at {}", moment(at)),
                None => "when the grace period ends".to_owned(),
            };
            format!(
                "{} It will be closed {at} unless an exception covers it or it is closed before.{}",
                open(),
                because()
            )
        }
        NoticeKind::Escalated => {
            let waited = match &notice.escalation {
                Some(step) => {
                    let whom = match &step.previous_contact {
                        Some(contact) => format!("{contact} did not"),
                        None => "nobody did".to_owned(),
                    };
                    format!(
                        " You are asked because {whom} answer within {} (step {} of {}).",
                        span(step.waited),
                        step.step,
                        step.of
                    )
                }
                None => " You are asked because nobody answered in time.".to_owned(),
            };
            format!("{}{waited}{}", open(), because())
        }
        NoticeKind::ExceptionExpiring => {
            let when = match &notice.exception {
                Some(exception) => format!(
                    "at {}, in {}",
                    moment(exception.expires),
                    span(exception.expires.duration_since(notice.created_at))
                ),
                None => "soon".to_owned(),
            };
            format!(
                "{what} is open on purpose, and {} ends {when}. Then it counts as public.{}",
                exception(),
                because()
            )
        }
        NoticeKind::ExceptionExpired => format!(
            "{} has ended and covers {} no longer. {}{}",
            capitalized(&exception()),
            lowered(&what),
            open(),
            because()
        ),
        NoticeKind::ExceptionVoid => format!(
            "{} covers less than what is open now, so it covers nothing. {}{}",
            capitalized(&exception()),
            open(),
            because()
        ),
        NoticeKind::DeadLetter => {
            format!(
                "A notice could not be delivered and was given up.{}",
                because()
            )
        }
        NoticeKind::CoverageLost => match account(notice) {
            Some(account) => format!(
                "Account {account} is not watched as it should be.{}",
                because()
            ),
            None => format!("Something is not watched as it should be.{}", because()),
        },
        NoticeKind::DeliveryFailed => format!(
            "History or a snapshot could not be delivered to its bucket.{}",
            because()
        ),
        NoticeKind::Digest => match (&notice.reason, notice.digest.len()) {
            (Some(reason), _) => sentence(reason),
            (None, 1) => "One notice since the last digest.".to_owned(),
            (None, many) => format!("{many} notices since the last digest."),
        },
        NoticeKind::Test => format!(
            "This is a test: notices of {} arrive here.{}",
            topics(notice),
            because()
        ),
        NoticeKind::SubscriptionConfirmation => format!(
            "This address was subscribed to {}. Nothing is sent here until that is confirmed; if you did not ask for it, do nothing.",
            topics(notice)
        ),
        NoticeKind::Unsubscribed => format!(
            "A subscription to {} has ended.{}",
            topics(notice),
            because()
        ),
    }
}

/// `the topic security`
pub(super) fn topics(notice: &Notice) -> String {
    match notice.topics.as_slice() {
        [] => "Portcullis".to_owned(),
        [topic] => format!("the topic {topic}"),
        several => format!("the topics {}", several.join(", ")),
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn lowered(text: &str) -> String {
    match text.strip_prefix("Bucket ") {
        Some(name) => format!("bucket {name}"),
        None if text == "Something" => "something".to_owned(),
        None => text.to_owned(),
    }
}

/// A reason as a sentence of its own.
fn sentence(reason: &str) -> String {
    let text = capitalized(reason.trim());
    if text.ends_with(['.', '!', '?']) || text.is_empty() {
        text
    } else {
        format!("{text}.")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn lengths_of_time_have_two_units() {
        for (seconds, text) in [
            (0, "less than 1 s"),
            (59, "59 s"),
            (200, "3 min 20 s"),
            (7_200, "2 h"),
            (7_261, "2 h 1 min"),
            (349_200, "4 d 1 h"),
            (-5, "less than 1 s"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn recurrence_says_how_often_and_who_closed_it() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let mut again = Recurrence {
            count: 4,
            within_days: 30,
            last_closed_at: Some("2026-01-01T22:00:00Z".parse().unwrap()),
            last_closed_by: Some("remediation 7".to_owned()),
        };
        assert_eq!(
            recurrence(&again, now),
            "4th time in 30 days, last closed 2 h ago by remediation 7"
        );
        again.last_closed_by = None;
        again.count = 112;
        again.within_days = 1;
        assert_eq!(
            recurrence(&again, now),
            "112th time in 1 day, last closed 2 h ago"
        );
        assert_eq!(
            [1, 2, 3, 11, 13, 21, 22].map(ordinal),
            ["1st", "2nd", "3rd", "11th", "13th", "21st", "22nd"]
        );
    }
}
