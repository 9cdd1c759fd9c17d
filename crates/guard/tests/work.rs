//! Work goes on, whatever becomes of one job.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use guard::clock::{Clock as _, ManualClock};
use guard::repository::Repository;
use guard::state::{Finish, JobKind, NewJob};
use guard::work::{Did, WorkSettings, work};
use jiff::SignedDuration;
use serde_json::Value;
use support::power::Power;
use support::repository::{Disk, MemoryRepository, Renewal};
use tokio::sync::{mpsc, watch};

#[tokio::test]
async fn a_job_that_panics_is_tried_again_then_given_up_and_others_are_done() {
    let repository = Arc::new(MemoryRepository::new(Disk::default(), Power::endless()));
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let asked = |key: &str| NewJob {
        kind: JobKind::Look,
        key: key.to_owned(),
        payload: Value::Null,
        due_at: clock.now(),
    };
    let jobs = [asked("panics"), asked("works")];
    repository.request(&jobs, clock.now()).await.unwrap();
    let (begun, mut seen) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let settings = WorkSettings {
        worker: "w".to_owned(),
        lease: Duration::from_secs(3600),
        poll: Duration::from_secs(1),
        concurrency: 2,
    };
    let working = {
        let (repository, clock) = (Arc::clone(&repository), Arc::clone(&clock));
        tokio::spawn(async move {
            let handle = move |job: guard::state::Job| {
                begun.send((job.key.clone(), job.attempts)).unwrap();
                async move {
                    if job.key == "panics" {
                        panic!("a bug");
                    }
                    Did::Finish(Finish::Done)
                }
            };
            work(
                repository,
                clock,
                &[JobKind::Look],
                &settings,
                handle,
                stopped,
            )
            .await;
        })
    };
    let mut attempts = Vec::new();
    while repository.dead_letters(10).await.unwrap().is_empty() {
        while let Ok(job) = seen.try_recv() {
            attempts.push(job);
        }
        clock.advance(SignedDuration::from_secs(1));
        tokio::task::yield_now().await;
    }
    stop.send(true).unwrap();
    working.await.unwrap();
    while let Ok(job) = seen.try_recv() {
        attempts.push(job);
    }
    let of = |key: &str| -> Vec<u32> {
        let own = attempts.iter().filter(|(own, _)| own == key);
        own.map(|(_, attempts)| *attempts).collect()
    };
    assert_eq!(of("works"), [1]);
    assert_eq!(of("panics"), (1..=10).collect::<Vec<u32>>());
    let dead = repository.dead_letters(10).await.unwrap();
    let error = dead[0].last_error.as_deref().unwrap();
    assert!(error.contains("a bug of Portcullis: a bug"), "{error}");
}

/// Tells that what was done is given up.
struct GivenUp(mpsc::UnboundedSender<()>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        // Nobody listens any more when the test is over.
        let _ = self.0.send(());
    }
}

/// Lets everything go on that has been woken.
async fn settled() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// When a worker gives a job up, in milliseconds after it took it, if the store answers so from the beginning
/// or after so many renewals. Its lease is of nine seconds, renewed every three.
async fn given_up_after(granted: u32, then: Renewal) -> Option<i64> {
    let repository = Arc::new(MemoryRepository::new(Disk::default(), Power::endless()));
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let asked = NewJob {
        kind: JobKind::Look,
        key: "never ends".to_owned(),
        payload: Value::Null,
        due_at: clock.now(),
    };
    repository.request(&[asked], clock.now()).await.unwrap();
    let (gone, mut given_up) = mpsc::unbounded_channel();
    let (begun, mut begins) = mpsc::unbounded_channel();
    let (_stop, stopped) = watch::channel(false);
    let settings = WorkSettings {
        worker: "w".to_owned(),
        lease: Duration::from_secs(9),
        poll: Duration::from_secs(3600),
        concurrency: 1,
    };
    let working = {
        let (repository, clock) = (Arc::clone(&repository), Arc::clone(&clock));
        tokio::spawn(async move {
            let handle = move |_: guard::state::Job| {
                let held = GivenUp(gone.clone());
                let begun = begun.clone();
                async move {
                    let _held = held;
                    begun.send(()).unwrap();
                    std::future::pending().await
                }
            };
            let kinds = [JobKind::Look];
            work(repository, clock, &kinds, &settings, handle, stopped).await;
        })
    };
    begins.recv().await.unwrap();
    let mut after = None;
    let step = 500;
    for at in (step..=40_000).step_by(step) {
        if *repository.renewals.borrow() >= granted {
            *repository.renewal.lock().unwrap() = then;
        }
        clock.advance(SignedDuration::from_millis(i64::try_from(step).unwrap()));
        settled().await;
        if given_up.try_recv().is_ok() {
            after = i64::try_from(at).ok();
            break;
        }
    }
    working.abort();
    after
}

/// Whoever cannot renew a lease must not go on once it has run out: somebody else may have the job then.
/// Until then, a store that is away may come back.
#[tokio::test]
async fn a_job_is_given_up_when_its_lease_has_run_out_by_the_workers_clock() {
    for (granted, then, wanted) in [
        (0, Renewal::Granted, None),
        // Said by the store, when it is asked.
        (0, Renewal::Lost, Some(3_000)),
        (1, Renewal::Lost, Some(6_000)),
        // Found out alone: a lease after the last one that was granted.
        (0, Renewal::Unavailable, Some(9_000)),
        (0, Renewal::Silent, Some(9_000)),
        (2, Renewal::Unavailable, Some(15_000)),
        (2, Renewal::Silent, Some(15_000)),
    ] {
        let after = given_up_after(granted, then).await;
        assert_eq!(after, wanted, "{then:?} after {granted} renewals");
    }
}
