//! Who gets a notice and when, on a clock that is an argument.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::notices::{at, bare, harmless};
use compliance::notice::{
    Acknowledgement, Endpoint, EscalationStanding, Filter, Ladder, LadderStep, NextEscalation,
    Notice, NoticeKind, Protocol, QuietHours, RetrySchedule, Severity, Subscription, Zone, digest,
    next_escalation, route,
};
use jiff::civil::{Weekday, time};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn subscription(id: &str) -> Subscription {
    Subscription {
        id: id.to_owned(),
        topic: "security".to_owned(),
        protocol: Protocol::Email,
        endpoint: Endpoint::new("a@example.com"),
        confirmed: true,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    }
}

fn ids(notice: &Notice, subscriptions: &[Subscription]) -> Vec<String> {
    route(notice, subscriptions, notice.created_at)
        .into_iter()
        .map(|delivery| delivery.subscription_id)
        .collect()
}

#[test]
fn a_notice_goes_to_the_confirmed_subscriptions_of_its_topics() {
    let mut unconfirmed = subscription("unconfirmed");
    unconfirmed.confirmed = false;
    let mut other = subscription("other");
    other.topic = "finance".to_owned();
    let all = [subscription("one"), unconfirmed, other, subscription("two")];
    assert_eq!(ids(&harmless(NoticeKind::Opened), &all), ["one", "two"]);
    // Except the question itself, and only to whom it is for.
    let mut question = harmless(NoticeKind::SubscriptionConfirmation);
    question.only_to = Some("unconfirmed".to_owned());
    assert_eq!(ids(&question, &all), ["unconfirmed"]);
    let mut test = harmless(NoticeKind::Test);
    test.only_to = Some("unconfirmed".to_owned());
    assert!(ids(&test, &all).is_empty());
    test.only_to = Some("two".to_owned());
    assert_eq!(ids(&test, &all), ["two"]);
}

#[test]
fn filters_let_through_what_they_name() {
    let passes = |filter: &Filter, notice: &Notice| {
        let mut one = subscription("one");
        one.filter = filter.clone();
        !ids(notice, &[one]).is_empty()
    };
    let opened = harmless(NoticeKind::Opened);
    for (accounts, expected) in [
        (vec!["111122223333"], true),
        (vec!["pro*"], true),
        (vec!["dev", "prod"], true),
        (vec!["1111"], false),
    ] {
        let accounts = accounts.into_iter().map(str::to_owned).collect();
        let filter = Filter {
            accounts,
            ..Filter::default()
        };
        assert_eq!(passes(&filter, &opened), expected, "{filter:?}");
        assert!(!passes(&filter, &bare(NoticeKind::DeadLetter)) || opened.topics.is_empty());
    }
    let severe = Filter {
        severity: Some(Severity::Critical),
        ..Filter::default()
    };
    assert!(!passes(&severe, &opened));
    let mut critical = opened.clone();
    critical.severity = Severity::Critical;
    assert!(passes(&severe, &critical));
    let kinds = Filter {
        kinds: vec![NoticeKind::Closed],
        ..Filter::default()
    };
    assert!(!passes(&kinds, &opened));
    assert!(passes(&kinds, &harmless(NoticeKind::Closed)));
    // A test shows whether the address works, not whether the filter does.
    assert!(passes(&kinds, &harmless(NoticeKind::Test)));
}

#[test]
fn the_same_is_told_once() {
    let key = |notice: &Notice| {
        route(notice, &[subscription("one")], notice.created_at)[0]
            .dedupe_key
            .clone()
    };
    let one = harmless(NoticeKind::Opened);
    let mut again = one.clone();
    again.id = "n-2".to_owned();
    again.created_at = at("2026-01-02T00:00:00Z");
    assert_eq!(key(&one), key(&again));
    // The next time that it opens is something else, and so is what else happens to it.
    again.occurrence += 1;
    assert_ne!(key(&one), key(&again));
    let mut keys: Vec<String> = NoticeKind::ALL.map(|kind| key(&harmless(kind))).to_vec();
    let mut next_step = harmless(NoticeKind::Escalated);
    next_step.escalation.as_mut().unwrap().step += 1;
    keys.push(key(&next_step));
    let mut other_reason = harmless(NoticeKind::RemediationHeld);
    other_reason.held_by = Some(compliance::notice::HeldBy::CircuitBreaker);
    keys.push(key(&other_reason));
    let mut undelivered = harmless(NoticeKind::DeadLetter);
    undelivered.id = "n-2".to_owned();
    keys.push(key(&undelivered));
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count, "{keys:?}");
    // Two subscriptions are told each.
    let both = route(
        &one,
        &[subscription("one"), subscription("two")],
        one.created_at,
    );
    assert_ne!(both[0].dedupe_key, both[1].dedupe_key);
    // Without a finding, each notice is its own.
    let (mut a, mut b) = (
        bare(NoticeKind::CoverageLost),
        bare(NoticeKind::CoverageLost),
    );
    (a.topics, b.topics) = (one.topics.clone(), one.topics.clone());
    b.id = "n-3".to_owned();
    assert_ne!(key(&a), key(&b));
}

#[test]
fn a_digest_collects_what_may_wait() {
    let mut daily = subscription("daily");
    daily.digest = Some(SignedDuration::from_hours(24));
    let due = |kind| {
        let notice = harmless(kind);
        let delivery = route(&notice, &[daily.clone()], at("2026-01-01T09:30:00Z")).remove(0);
        (delivery.digest, delivery.due)
    };
    for kind in [
        NoticeKind::Opened,
        NoticeKind::Closed,
        NoticeKind::RemediationHeld,
    ] {
        assert_eq!(due(kind), (true, at("2026-01-02T00:00:00Z")));
    }
    for kind in [NoticeKind::Escalated, NoticeKind::Test, NoticeKind::Digest] {
        assert_eq!(due(kind), (false, at("2026-01-01T09:30:00Z")));
    }
    // At the boundary it is the next one's: the one that is made now has been claimed.
    let delivery = route(
        &harmless(NoticeKind::Opened),
        &[daily.clone()],
        at("2026-01-02T00:00:00Z"),
    );
    assert_eq!(delivery[0].due, at("2026-01-03T00:00:00Z"));

    let mut milder = harmless(NoticeKind::Closed);
    milder.severity = Severity::Low;
    let notice = digest(
        "d-1",
        &daily,
        &[milder, harmless(NoticeKind::Opened)],
        at("2026-01-02T00:00:00Z"),
    );
    let lines: Vec<NoticeKind> = notice.digest.iter().map(|line| line.kind).collect();
    assert_eq!(lines, [NoticeKind::Opened, NoticeKind::Closed]);
    assert_eq!(notice.severity, Severity::High);
    assert_eq!(ids(&notice, &[daily, subscription("other")]), ["daily"]);
    let text = compliance::notice::text(&notice);
    assert!(
        text.starts_with("2 notices since the last digest."),
        "{text}"
    );
    assert!(
        text.contains("Public read by policy: backups in prod"),
        "{text}"
    );
}

fn nights(zone: &str) -> QuietHours {
    QuietHours {
        from: time(22, 0, 0, 0),
        to: time(7, 0, 0, 0),
        zone: Zone::named(zone).unwrap(),
        days: Vec::new(),
        except: None,
    }
}

#[test]
fn quiet_hours_hold_until_the_morning_of_the_place() {
    let released = |quiet: &QuietHours, when: &str| {
        quiet
            .release(&harmless(NoticeKind::Opened), at(when))
            .to_string()
    };
    let berlin = nights("Europe/Berlin");
    // Winter: one hour before UTC. Before, in, across midnight, at the end.
    assert_eq!(
        released(&berlin, "2026-01-01T20:59:59Z"),
        "2026-01-01T20:59:59Z"
    );
    assert_eq!(
        released(&berlin, "2026-01-01T21:00:00Z"),
        "2026-01-02T06:00:00Z"
    );
    assert_eq!(
        released(&berlin, "2026-01-02T05:59:59Z"),
        "2026-01-02T06:00:00Z"
    );
    assert_eq!(
        released(&berlin, "2026-01-02T06:00:00Z"),
        "2026-01-02T06:00:00Z"
    );
    // Summer, and the night in which the clocks go forward (29 March 2026, 02:00 to 03:00).
    assert_eq!(
        released(&berlin, "2026-07-01T20:00:00Z"),
        "2026-07-02T05:00:00Z"
    );
    assert_eq!(
        released(&berlin, "2026-03-28T21:30:00Z"),
        "2026-03-29T05:00:00Z"
    );
    // An end that the clocks skip is an hour later on the clock.
    let mut skipped = nights("Europe/Berlin");
    skipped.to = time(2, 30, 0, 0);
    assert_eq!(
        released(&skipped, "2026-03-28T23:00:00Z"),
        "2026-03-29T01:30:00Z"
    );
    // Another place has another night.
    assert_eq!(
        released(&nights("America/New_York"), "2026-01-01T21:00:00Z"),
        "2026-01-01T21:00:00Z"
    );
    assert_eq!(
        released(&nights("UTC"), "2026-01-01T23:00:00Z"),
        "2026-01-02T07:00:00Z"
    );
    assert_eq!(Zone::named("Europe/Atlantis"), None);
}

#[test]
fn quiet_days_follow_on_each_other() {
    let mut weekend = nights("UTC");
    (weekend.from, weekend.to) = (time(0, 0, 0, 0), time(0, 0, 0, 0));
    weekend.days = vec![Weekday::Saturday, Weekday::Sunday];
    let notice = harmless(NoticeKind::Opened);
    // 3 January 2026 is a Saturday.
    assert_eq!(
        weekend.release(&notice, at("2026-01-03T10:00:00Z")),
        at("2026-01-05T00:00:00Z")
    );
    assert_eq!(
        weekend.release(&notice, at("2026-01-02T23:59:59Z")),
        at("2026-01-02T23:59:59Z")
    );
    // Never is not an answer.
    weekend.days.clear();
    let released = weekend.release(&notice, at("2026-01-03T10:00:00Z"));
    assert!(released > at("2026-01-09T00:00:00Z") && released < at("2026-01-13T00:00:00Z"));
}

#[test]
fn what_is_severe_enough_disturbs() {
    let mut quiet = nights("UTC");
    quiet.except = Some(Severity::Critical);
    let night = at("2026-01-01T23:00:00Z");
    let mut notice = harmless(NoticeKind::Opened);
    assert_ne!(quiet.release(&notice, night), night);
    notice.severity = Severity::Critical;
    assert_eq!(quiet.release(&notice, night), night);
    // So does what the receiver asked for.
    assert_eq!(
        quiet.release(&harmless(NoticeKind::SubscriptionConfirmation), night),
        night
    );
    let mut asleep = subscription("asleep");
    asleep.quiet_hours = Some(nights("UTC"));
    let delivery = route(&harmless(NoticeKind::Opened), &[asleep], night);
    assert_eq!(delivery[0].due, at("2026-01-02T07:00:00Z"));
}

#[test]
fn a_failed_delivery_is_tried_for_three_days_and_then_given_up() {
    let schedule = RetrySchedule::default();
    let first = at("2026-01-01T00:00:00Z");
    for seed in [0, 1, u64::MAX] {
        let (mut now, mut attempt, mut longest) = (first, 1, SignedDuration::ZERO);
        while let Some(next) = schedule.next_attempt(first, attempt, now, seed, None) {
            let delay = next.duration_since(now);
            assert!(
                delay > SignedDuration::ZERO && delay <= schedule.longest,
                "{attempt}: {delay}"
            );
            longest = longest.max(delay);
            (now, attempt) = (next, attempt + 1);
            assert!(attempt < 1_000);
        }
        // The last attempt is at the horizon itself.
        assert_eq!(now, at("2026-01-04T00:00:00Z"));
        assert!(longest > SignedDuration::from_mins(29));
        assert!((70..160).contains(&attempt), "{attempt}");
    }
    // Those that failed together do not come back together.
    let spread: std::collections::BTreeSet<Timestamp> = (0..100)
        .filter_map(|seed| schedule.next_attempt(first, 5, first, seed, None))
        .collect();
    assert!(spread.len() > 90, "{}", spread.len());
}

#[test]
fn a_guard_that_did_not_run_has_not_tried() {
    let schedule = RetrySchedule::default();
    let (first, later) = (at("2026-01-01T00:00:00Z"), at("2026-01-20T00:00:00Z"));
    for attempt in 1..schedule.at_least {
        assert!(
            schedule
                .next_attempt(first, attempt, later, 1, None)
                .is_some()
        );
    }
    assert_eq!(
        schedule.next_attempt(first, schedule.at_least, later, 1, None),
        None
    );
}

#[test]
fn a_receiver_that_asks_to_wait_is_heeded_up_to_an_hour() {
    let schedule = RetrySchedule::default();
    let first = at("2026-01-01T00:00:00Z");
    let after = |seconds| {
        let asked = Some(SignedDuration::from_secs(seconds));
        schedule
            .next_attempt(first, 1, first, 1, asked)
            .unwrap()
            .duration_since(first)
    };
    assert_eq!(after(600), SignedDuration::from_mins(10));
    assert_eq!(after(1_000_000), SignedDuration::from_hours(1));
    assert!(after(0) >= SignedDuration::from_secs(7));
}

proptest! {
    #[test]
    fn the_next_attempt_is_never_in_the_past(
        attempt in 0..u32::MAX, passed in 0..4_000_000_i64, seed: u64, asked in proptest::option::of(i64::MIN..i64::MAX),
        first in 0..100_000_000_000_i64, longest in 0..100_000_000_000_i64, horizon in 0..100_000_000_i64,
    ) {
        let schedule = RetrySchedule {
            first: SignedDuration::from_millis(first),
            longest: SignedDuration::from_millis(longest),
            horizon: SignedDuration::from_secs(horizon),
            at_least: 3,
        };
        let begun = at("2026-01-01T00:00:00Z");
        let now = begun + SignedDuration::from_secs(passed);
        let next = schedule.next_attempt(begun, attempt, now, seed, asked.map(SignedDuration::from_secs));
        prop_assert!(next.is_none_or(|next| next >= now));
    }
}

fn ladder() -> Ladder {
    let step = |minutes, topic: &str| LadderStep {
        after: SignedDuration::from_mins(minutes),
        topics: vec![topic.to_owned()],
    };
    Ladder {
        steps: vec![step(15, "on-call"), step(30, "lead"), step(60, "head")],
        repeat_last: None,
    }
}

fn standing() -> EscalationStanding {
    EscalationStanding {
        opened_at: at("2026-01-01T00:00:00Z"),
        steps_taken: 0,
        last_step_at: None,
        acknowledged: None,
        resolved: false,
        excepted: false,
    }
}

#[test]
fn the_ladder_asks_one_after_the_other_until_there_is_nobody_left() {
    let (ladder, mut standing) = (ladder(), standing());
    let mut told = Vec::new();
    let mut now = standing.opened_at;
    loop {
        match next_escalation(&ladder, &standing, now) {
            NextEscalation::At(due) => {
                assert!(due > now);
                now = due;
            }
            NextEscalation::Now {
                step,
                of,
                topics,
                previous,
                waited,
            } => {
                told.push(format!(
                    "{now} {step}/{of} {topics:?} after {previous:?} {waited:#}"
                ));
                standing.steps_taken += 1;
                standing.last_step_at = Some(now);
            }
            NextEscalation::Never => break,
        }
    }
    assert_eq!(
        told,
        [
            r#"2026-01-01T00:15:00Z 1/3 ["on-call"] after [] 15m"#,
            r#"2026-01-01T00:45:00Z 2/3 ["lead"] after ["on-call"] 30m"#,
            r#"2026-01-01T01:45:00Z 3/3 ["head"] after ["lead"] 1h"#,
        ]
    );
    // Until somebody acts, where that is wanted.
    let mut ladder = ladder;
    ladder.repeat_last = Some(SignedDuration::from_hours(4));
    assert_eq!(
        next_escalation(&ladder, &standing, now),
        NextEscalation::At(at("2026-01-01T05:45:00Z"))
    );
    let NextEscalation::Now {
        step,
        topics,
        previous,
        ..
    } = next_escalation(&ladder, &standing, at("2026-01-01T05:45:00Z"))
    else {
        panic!("the last step repeats");
    };
    assert_eq!(
        (step, topics, previous),
        (3, vec!["head".to_owned()], vec!["head".to_owned()])
    );
    ladder.repeat_last = Some(SignedDuration::ZERO);
    assert_eq!(
        next_escalation(&ladder, &standing, now),
        NextEscalation::Never
    );
}

#[test]
fn who_acts_stops_the_ladder() {
    let much_later = at("2026-02-01T00:00:00Z");
    let next = |change: fn(&mut EscalationStanding)| {
        let mut standing = standing();
        change(&mut standing);
        next_escalation(&ladder(), &standing, much_later)
    };
    assert!(matches!(next(|_| {}), NextEscalation::Now { step: 1, .. }));
    assert_eq!(next(|it| it.resolved = true), NextEscalation::Never);
    assert_eq!(next(|it| it.excepted = true), NextEscalation::Never);
    let acknowledge = |standing: &mut EscalationStanding, until: Option<&str>| {
        standing.acknowledged = Some(Acknowledgement {
            by: "eve".to_owned(),
            at: at("2026-01-01T00:01:00Z"),
            until: until.map(at),
        });
    };
    let mut standing = standing();
    acknowledge(&mut standing, None);
    assert_eq!(
        next_escalation(&ladder(), &standing, much_later),
        NextEscalation::Never
    );
    // One that expires only holds it.
    acknowledge(&mut standing, Some("2026-01-01T08:00:00Z"));
    assert_eq!(
        next_escalation(&ladder(), &standing, at("2026-01-01T00:20:00Z")),
        NextEscalation::At(at("2026-01-01T08:00:00Z"))
    );
    assert!(matches!(
        next_escalation(&ladder(), &standing, at("2026-01-01T08:00:00Z")),
        NextEscalation::Now { step: 1, .. }
    ));
    assert_eq!(
        next_escalation(&Ladder::default(), &standing, much_later),
        NextEscalation::Never
    );
}

#[test]
fn secrets_in_addresses_do_not_print() {
    for (address, shown) in [
        (
            "https://hooks.slack.com/services/T0/B0/secret",
            "https://hooks.slack.com/…",
        ),
        (
            "https://user:secret@example.com:8443/a?token=secret",
            "https://example.com:8443/…",
        ),
        ("https://example.com?token=secret", "https://example.com/…"),
        ("https://example.com", "https://example.com"),
        ("a@example.com", "a@example.com"),
        (
            "arn:aws:sns:us-east-1:111122223333:t",
            "arn:aws:sns:us-east-1:111122223333:t",
        ),
    ] {
        let endpoint = Endpoint::new(address);
        assert_eq!(endpoint.to_string(), shown);
        assert_eq!(endpoint.expose(), address);
        assert!(!format!("{endpoint:?} {}", endpoint.digest()).contains("secret"));
    }
}
