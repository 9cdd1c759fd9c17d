//! All loops together, until told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::account::Reach;
use crate::arrive;
use crate::clock::Clock;
use crate::deliver::Courier;
use crate::history;
use crate::ports::files::PutFile;
use crate::receivers::Receivers;
use crate::repository::{Repository, RepositoryError};
use crate::state::{Finish, Job, JobKind, NewJob};
use crate::watch::Guard;
use crate::work::{Did, WorkSettings, backoff, later, work};
use crate::{coverage, expiry};

/// How many jobs of each kind run at the same time, and under which leases.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// See [`WorkSettings::worker`].
    pub worker: String,
    /// See [`WorkSettings::lease`].
    pub lease: Duration,
    /// See [`WorkSettings::poll`].
    pub poll: Duration,
    /// Looks at the same time. A quarter as many more go to those for which nothing happened.
    pub looks: usize,
    /// Notices to subscriptions at the same time, and as many events to targets.
    pub deliveries: usize,
    /// Sweeps, and other long work, at the same time.
    pub sweeps: usize,
    /// How long what is not needed for judgement any more is kept.
    pub keep_for: jiff::SignedDuration,
}

/// Of so many looks, one place more is for those for which nothing happened.
const REVIEWS: usize = 4;

/// Runs the guard until `stop` turns true. Work that runs then is finished.
///
/// `files` puts what the delivery channel delivers; without it nothing is delivered from here.
pub async fn run<P, A, C, S, F>(
    guard: Arc<Guard<P, A, C>>,
    courier: Arc<S>,
    files: Option<Arc<F>>,
    settings: &RunSettings,
    stop: watch::Receiver<bool>,
) -> Result<(), RepositoryError>
where
    P: Repository,
    A: Reach,
    C: Clock,
    S: Courier,
    F: PutFile,
{
    let now = guard.clock.now();
    let mut jobs: Vec<NewJob> = guard
        .accounts
        .keys()
        .map(|account| arrive::sweep(account, now))
        .collect();
    jobs.push(NewJob {
        kind: JobKind::Retention,
        key: "retention".to_owned(),
        payload: serde_json::Value::Null,
        due_at: now,
    });
    jobs.extend(guard.schedules_due(now).await?);
    jobs.extend(guard.functions_to_ask(now).await?);
    jobs.extend([expiry::exceptions(now), coverage::coverage(now)]);
    if let (Some(channel), Some(_)) = (&guard.settings.delivery_channel, &files) {
        jobs.extend(history::scheduled(channel, now));
    }
    guard.repository.request(&jobs, now).await?;
    let mut loops = JoinSet::new();
    let with = |concurrency: usize| WorkSettings {
        worker: settings.worker.clone(),
        lease: settings.lease,
        poll: settings.poll,
        concurrency,
    };
    let reviews = settings.looks.div_ceil(REVIEWS);
    let kinds: [(&'static [JobKind], usize); 2] = [
        (&[JobKind::Look], settings.looks),
        (&[JobKind::Review], reviews),
    ];
    for (kinds, places) in kinds {
        let looking = Arc::clone(&guard);
        loops.spawn(worker(
            &guard,
            kinds,
            with(places),
            stop.clone(),
            move |job| {
                let guard = Arc::clone(&looking);
                async move { guard.look(&job).await }
            },
        ));
    }
    let kinds: [&'static [JobKind]; 2] = [&[JobKind::Deliver], &[JobKind::Forward]];
    for kinds in kinds {
        let (delivering, courier) = (Arc::clone(&guard), Arc::clone(&courier));
        let receivers = Arc::new(Receivers::new(settings.deliveries));
        loops.spawn(worker(
            &guard,
            kinds,
            with(settings.deliveries),
            stop.clone(),
            move |job| {
                let (guard, courier) = (Arc::clone(&delivering), Arc::clone(&courier));
                let receivers = Arc::clone(&receivers);
                async move { guard.deliver_in_turn(courier, &receivers, &job).await }
            },
        ));
    }
    {
        let (asking, courier) = (Arc::clone(&guard), Arc::clone(&courier));
        loops.spawn(worker(
            &guard,
            &[JobKind::Evaluate],
            with(settings.deliveries),
            stop.clone(),
            move |job| {
                let (guard, courier) = (Arc::clone(&asking), Arc::clone(&courier));
                async move { guard.ask_function(&*courier, &job).await }
            },
        ));
    }
    {
        let sweeping = Arc::clone(&guard);
        loops.spawn(worker(
            &guard,
            &[JobKind::Sweep],
            with(settings.sweeps),
            stop.clone(),
            move |job| {
                let guard = Arc::clone(&sweeping);
                async move { guard.reconcile(&job).await }
            },
        ));
    }
    if let Some(files) = files {
        let filing = Arc::clone(&guard);
        loops.spawn(worker(
            &guard,
            &[JobKind::Snapshot],
            with(1),
            stop.clone(),
            move |job| {
                let (guard, files) = (Arc::clone(&filing), Arc::clone(&files));
                async move { guard.deliver_files(&*files, &job).await }
            },
        ));
    }
    {
        let keeping = Arc::clone(&guard);
        let keep_for = settings.keep_for;
        loops.spawn(worker(
            &guard,
            &[
                JobKind::Escalate,
                JobKind::Periodic,
                JobKind::Check,
                JobKind::Retention,
            ],
            with(settings.sweeps),
            stop,
            move |job| {
                let guard = Arc::clone(&keeping);
                async move {
                    match job.kind {
                        JobKind::Escalate => guard.escalate(&job).await,
                        JobKind::Check if job.payload["check"] == "coverage" => {
                            guard.check_coverage(&job).await
                        }
                        JobKind::Check => guard.check_exceptions(&job).await,
                        JobKind::Periodic => guard.evaluate_on_schedule(&job).await,
                        _ => guard.retire(&job, keep_for).await,
                    }
                }
            },
        ));
    }
    while let Some(ended) = loops.join_next().await {
        if let Err(error) = ended {
            // With one loop gone the rest would look well and tell nobody, or close nothing. Whoever
            // started the guard sees it end, and starts it again.
            match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => tracing::error!(%error, "a loop ended"),
            }
        }
    }
    Ok(())
}

fn worker<P, A, C, H, F>(
    guard: &Guard<P, A, C>,
    kinds: &'static [JobKind],
    settings: WorkSettings,
    stop: watch::Receiver<bool>,
    handle: H,
) -> impl Future<Output = ()> + Send + 'static
where
    P: Repository,
    A: Reach,
    C: Clock,
    H: Fn(Job) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Did> + Send + 'static,
{
    let (repository, clock) = (Arc::clone(&guard.repository), Arc::clone(&guard.clock));
    async move { work(repository, clock, kinds, &settings, handle, stop).await }
}

/// How many rows of a kind are removed in one transaction.
const ROWS_AT_ONCE: u32 = 1000;

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Retention`] job: an event or a notice that nobody needs for a judgement any
    /// more goes, some at a time.
    pub async fn retire(&self, job: &Job, keep_for: jiff::SignedDuration) -> Did {
        let now = self.clock.now();
        let before = now.checked_sub(keep_for).unwrap_or(jiff::Timestamp::MIN);
        let (wait, error) = match self.repository.retire(before, ROWS_AT_ONCE).await {
            Ok(0) => (Duration::from_secs(3600), None),
            // There is more. A pause lets others write.
            Ok(_) => (Duration::from_millis(100), None),
            Err(error) => (
                backoff(
                    job.attempts,
                    Duration::from_secs(1),
                    Duration::from_secs(600),
                ),
                Some(error.to_string()),
            ),
        };
        Did::Finish(Finish::Again {
            due_at: later(now, wait),
            error,
        })
    }
}
