//! How often accounts are gone through: as all are, or as one of its own says.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use guard::arrive;
use guard::clock::{Clock, ManualClock};
use guard::state::{Finish, JobKind};
use guard::watch::{Intervals, Settings};
use jiff::SignedDuration;
use support::Memory;
use support::power::Power;
use support::repository::Disk;
use support::watching::{ACCOUNT, claimed, ended, quiet, watching};

/// How long after a sweep the next is due.
async fn next_sweep(intervals: BTreeMap<String, Intervals>) -> SignedDuration {
    let memory = Arc::new(Memory::with([]));
    let clock = Arc::new(ManualClock::at("2026-01-01T12:00:00Z".parse().unwrap()));
    let settings = Settings {
        intervals,
        ..quiet()
    };
    let power = Power::endless();
    let guard = watching(&memory, &clock, Disk::default(), &power, settings);
    let asked = arrive::sweep(ACCOUNT, clock.now());
    let job = claimed(&guard, JobKind::Sweep, Some(asked)).await.unwrap();
    let did = guard.reconcile(&job).await;
    match ended(&guard, &job, did).await {
        Some(Finish::Again {
            due_at,
            error: None,
        }) => due_at.duration_since(clock.now()),
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn an_account_is_gone_through_as_often_as_it_says() {
    let hours = SignedDuration::from_hours;
    let usual = next_sweep(BTreeMap::new()).await;
    assert!(usual >= hours(1) && usual < hours(2), "{usual}");
    let own = |account: &str| {
        let intervals = Intervals {
            sweep: Some(hours(6)),
            record: None,
        };
        BTreeMap::from([(account.to_owned(), intervals)])
    };
    let rare = next_sweep(own(ACCOUNT)).await;
    assert!(rare >= hours(6) && rare < hours(7), "{rare}");
    assert_eq!(next_sweep(own("444455556666")).await, usual);
}
