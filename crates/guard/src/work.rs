//! Takes up jobs and has them done: some at a time, each under a lease, until told to stop.
//!
//! A job that is not finished when its lease runs out is taken up again, here or by another worker, so
//! whoever does jobs may be killed at any moment. Waiting ends by a signal (somebody asked for work),
//! by a due time, or by the period at which a store is looked into that cannot signal.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
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
                if failures > 0 {
                    tracing::info!(kinds = %named(kinds), "the store answers again");
                }
                failures = 0;
                let none = jobs.is_empty();
                for job in jobs {
                    running.spawn(one(
                        Arc::clone(&repository),
                        Arc::clone(&clock),
                        settings.lease,
                        handle.clone(),
                        (job, now),
                    ));
                }
                if !none && running.len() < settings.concurrency {
                    continue;
                }
                until_due(&*repository, kinds, settings, now).await
            }
            Err(error) => {
                if failures == 0 {
                    // Once, and not at every attempt.
                    tracing::warn!(kinds = %named(kinds), %error, "no work can be taken up");
                }
                failures = failures.saturating_add(1);
                later(
                    now,
                    backoff(failures, Duration::from_millis(100), Duration::from_secs(5)),
                )
            }
        };
        tokio::select! {
            _ = stop.changed() => {}
            Some(_) = running.join_next(), if !running.is_empty() => {}
            () = signal, if free > 0 && failures == 0 => {}
            () = clock.sleep_until(wait), if free > 0 => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// The kinds for the log.
fn named(kinds: &[JobKind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    names.join(", ")
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

/// Does one job, and holds its lease as long as that takes. The lease began when it was asked for, which
/// a slow store may have answered late.
async fn one<P, C, H, F>(
    repository: Arc<P>,
    clock: Arc<C>,
    lease: Duration,
    handle: H,
    (job, held_from): (Job, Timestamp),
) where
    P: Repository,
    C: Clock,
    H: Fn(Job) -> F,
    F: Future<Output = Did> + Send + 'static,
{
    // A panic is a bug of ours; it ends one attempt at one job, and not all work.
    let doing = AssertUnwindSafe(handle(job.clone())).catch_unwind();
    let did = tokio::select! {
        // First: a worker that was held up for so long must not go on.
        biased;
        // Somebody else does it now. To go on would be to do it twice.
        () = hold(&*repository, &*clock, lease, &job, held_from) => return,
        did = doing => did.unwrap_or_else(|panic| panicked(&job, &*panic, clock.now())),
    };
    if let Did::Finish(finish) = did {
        end(&*repository, &*clock, lease, &job, finish).await;
    }
}

/// How often a job may panic before it is given up visibly.
const MOST_PANICS: u32 = 10;

/// How a job ends that panicked.
fn panicked(job: &Job, panic: &(dyn Any + Send), now: Timestamp) -> Did {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word");
    tracing::error!(job = %job.key, attempts = job.attempts, panic = said, "a job panicked; a bug");
    let error = format!("it panicked, which is a bug of Portcullis: {said}");
    if job.attempts >= MOST_PANICS {
        return Did::Finish(Finish::Dead { error });
    }
    let wait = backoff(
        job.attempts,
        Duration::from_secs(1),
        Duration::from_secs(60),
    );
    Did::Finish(Finish::Again {
        due_at: later(now, wait),
        error: Some(error),
    })
}

/// Renews the lease again and again, beside the work: a store that is slow to answer does not hold that
/// up. Ends when the lease is lost, or has run out as far as is known: then somebody else may work.
async fn hold<P: Repository, C: Clock>(
    repository: &P,
    clock: &C,
    lease: Duration,
    job: &Job,
    mut held_from: Timestamp,
) {
    let mut asked = held_from;
    loop {
        let ends = later(held_from, lease);
        clock
            .sleep_until(later(asked, lease / 3).clamp(held_from, ends))
            .await;
        asked = clock.now();
        let renewed = tokio::select! {
            renewed = repository.renew(job, lease, asked) => renewed,
            () = clock.sleep_until(ends) => Err(RepositoryError::LeaseLost),
        };
        match renewed {
            Ok(()) => held_from = asked,
            Err(RepositoryError::LeaseLost) => break,
            Err(_) if clock.now() >= ends => break,
            // There is time to ask again.
            Err(_) => {}
        }
    }
    tracing::warn!(
        job = %job.key,
        lease_seconds = lease.as_secs(),
        "this worker did not renew its lease in time, and gives the job up"
    );
}

/// Ends a job. What was sent is not to be sent again because the store was away for a moment: as long
/// as the lease lasts it is tried again. After that the job is done again, which does no harm.
async fn end<P: Repository, C: Clock>(
    repository: &P,
    clock: &C,
    lease: Duration,
    job: &Job,
    finish: Finish,
) {
    let until = later(clock.now(), lease);
    let mut failures: u32 = 0;
    loop {
        let now = clock.now();
        let error = match repository.finish(job, finish.clone(), now).await {
            Ok(()) | Err(RepositoryError::LeaseLost) => return,
            Err(error) => error,
        };
        failures = failures.saturating_add(1);
        let again = later(
            now,
            backoff(failures, Duration::from_millis(100), Duration::from_secs(1)),
        );
        if again >= until {
            tracing::warn!(job = %job.key, %error, "the end of a job could not be kept; it is done again");
            return;
        }
        clock.sleep_until(again).await;
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
