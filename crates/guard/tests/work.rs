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
use support::repository::{Disk, MemoryRepository};
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
