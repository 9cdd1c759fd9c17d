//! Takes up jobs and has them done: some at a time, each under a lease, until told to stop.
//!
//! A job that is not finished when its lease runs out is taken up again, here or by another worker, so
//! whoever does jobs may be killed at any moment. Waiting ends by a signal (somebody asked for work),
//! by a due time, or by the period at which a store is looked into that cannot signal.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::repository::{Repository, RepositoryError};
use crate::state::{Finish, Job, JobKind};

/// How jobs are taken up.
#[derive(Clone, Debug)]
pub struct WorkSettings {
    /// This worker's name, unique among those on one store.
    pub worker: String,
    /// How long a job stays with a worker that says nothing any more. One that works renews it.
    pub lease: Duration,
    /// How often a store is looked into that does not signal work.
    pub poll: Duration,
    /// How many jobs of these kinds are done at the same time.
    pub concurrency: usize,
}

/// How a job's doing ended.
#[derive(Debug)]
pub enum Did {
    /// The job was ended in the same transaction as what it did.
    Finished,
    /// It is to be ended so.
    Finish(Finish),
}

/// Does the jobs of these kinds until `stop` turns true. What runs then is finished first.
pub async fn work<P, C, H, F>(
    repository: Arc<P>,
    clock: Arc<C>,
    kinds: &[JobKind],
    settings: &WorkSettings,
    handle: H,
    mut stop: watch::Receiver<bool>,
) where
    P: Repository,
    C: Clock,
    H: Fn(Job) -> F + Clone + Send + 'static,
    F: Future<Output = Did> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut failures: u32 = 0;
    while !*stop.borrow() {
        let free = settings.concurrency.saturating_sub(running.len());
        let now = clock.now();
        // Listening begins before the look into the store, so that no signal falls between them.
        let signal = repository.work_asked_for();
        let claimed = if free == 0 {
            Ok(Vec::new())
        } else {
            let limit = u32::try_from(free).unwrap_or(u32::MAX);
            repository
                .claim(kinds, &settings.worker, settings.lease, now, limit)
                .await
        };
        let wait = match claimed {
            Ok(jobs) => {
                failures = 0;
                let none = jobs.is_empty();
                for job in jobs {
                    running.spawn(one(
                        Arc::clone(&repository),
                        Arc::clone(&clock),
                        settings.lease,
                        handle.clone(),
                        job,
                    ));
                }
                if !none && running.len() < settings.concurrency {
                    continue;
                }
                until_due(&*repository, kinds, settings, now).await
            }
            Err(_) => {
                failures = failures.saturating_add(1);
                later(
                    now,
                    backoff(failures, Duration::from_millis(100), Duration::from_secs(5)),
                )
            }
        };
        tokio::select! {
            _ = stop.changed() => {}
            // One that panicked leaves its lease to run out.
            Some(_) = running.join_next(), if !running.is_empty() => {}
            () = signal, if free > 0 && failures == 0 => {}
            () = clock.sleep_until(wait), if free > 0 => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// When to look again, unless there is a signal.
async fn until_due<P: Repository>(
    repository: &P,
    kinds: &[JobKind],
    settings: &WorkSettings,
    now: Timestamp,
) -> Timestamp {
    let poll = later(now, settings.poll);
    match repository.next_due(kinds).await {
        Ok(Some(due)) => due.clamp(now, poll),
        Ok(None) | Err(_) => poll,
    }
}

/// Does one job, and holds its lease as long as that takes.
async fn one<P, C, H, F>(repository: Arc<P>, clock: Arc<C>, lease: Duration, handle: H, job: Job)
where
    P: Repository,
    C: Clock,
    H: Fn(Job) -> F,
    F: Future<Output = Did> + Send + 'static,
{
    let doing = handle(job.clone());
    tokio::pin!(doing);
    let did = loop {
        let renew_at = later(clock.now(), lease / 3);
        tokio::select! {
            did = &mut doing => break did,
            () = clock.sleep_until(renew_at) => {
                let renewed = repository.renew(&job, lease, clock.now()).await;
                if matches!(renewed, Err(RepositoryError::LeaseLost)) {
                    // Somebody else does it now. To go on would be to do it twice.
                    return;
                }
            }
        }
    };
    if let Did::Finish(finish) = did {
        // If this fails the job is done again, which does no harm.
        let _ = repository.finish(&job, finish, clock.now()).await;
    }
}

/// `at` and so much later; far in the future, the end of time.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

/// How long to wait after so many failures in a row: doubled each time, up to a bound.
pub(crate) fn backoff(failures: u32, first: Duration, most: Duration) -> Duration {
    first
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(31)))
        .min(most)
}
