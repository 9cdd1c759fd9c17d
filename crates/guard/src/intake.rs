//! Where every source of events hands over what came: texts go in, looks come out, and nothing else.
//!
//! A source may forget a text when [`EventSink::arrive`] has returned [`Arrival`], and not before: by
//! then its events are stored under their ids, together with the looks that they ask for. Whatever the
//! text was (forged, repeated, late, cut short, too large, not an event at all), the most that it can
//! cause is that a watched resource is read once more. What cannot be understood is counted by its
//! kind, and the last of it is kept for people to see ([`rejected_name`]).

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use compliance::event::{self, Arrived, Event, EventError};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use thiserror::Error;

use crate::arrive::{Watched, arrive, sweep};
use crate::clock::Clock;
use crate::repository::{Accepted, Repository, RepositoryError};
use crate::state::{Coverage, EventRecord, NewJob};

/// One configured source of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// Its name in the configuration, unique there.
    pub name: String,
    /// What its texts are.
    pub form: Form,
    /// The account that it tells of, for events that do not say it themselves (Ceph's never do).
    pub account: Option<String>,
}

/// What one text of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A message, wrapped as [`compliance::event::read`] knows it.
    Message,
    /// A record of Ceph's ops log, as [`compliance::event::read_ops_log`] knows it.
    OpsLog,
}

/// What became of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Events that were stored now, with the looks that they ask for.
    pub new: usize,
    /// Events that were stored before.
    pub duplicate: usize,
    /// Events that ask for nothing: they read only, were refused, or are about nothing watched.
    pub idle: usize,
    /// The kinds of what could not be understood ([`EventError::kind`]).
    pub rejected: Vec<&'static str>,
    /// If something was new: how long before now each of the events that ask for something happened,
    /// as they tell it. Never negative.
    pub ages: Vec<SignedDuration>,
}

/// Why a text was not taken. Its source keeps it and brings it again.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The store cannot be reached now, is busy, or is full.
    #[error("the event could not be stored now: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
    },
    /// The store refuses it, and will again. It is still not forgotten: a queue's own redrive policy
    /// moves it to the dead-letter queue, and a sweep finds what it told.
    #[error("the event could not be stored: {detail}")]
    Broken {
        /// What happened.
        detail: String,
    },
}

impl From<RepositoryError> for SinkError {
    fn from(error: RepositoryError) -> SinkError {
        let detail = error.to_string();
        match error {
            RepositoryError::Broken { detail } => SinkError::Broken { detail },
            RepositoryError::Unavailable { detail } => SinkError::Unavailable { detail },
            // Neither is about events; to bring the text again is right for both.
            RepositoryError::Conflict(_) | RepositoryError::LeaseLost => {
                SinkError::Unavailable { detail }
            }
        }
    }
}

/// Takes what sources of events hand over.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one text. When it returns `Ok`, everything in the text that can be understood is stored,
    /// and the source may forget it. It may be called again with the same text.
    fn arrive(
        &self,
        text: &str,
        source: &EventSource,
    ) -> impl Future<Output = Result<Arrival, SinkError>> + Send;

    /// Says that the source was not heard from `from` (`None`: since before this process began) to `to`,
    /// and will not repeat what it told then. Asks for a sweep of what it is about, at once.
    fn gap(
        &self,
        source: &EventSource,
        from: Option<Timestamp>,
        to: Timestamp,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// The part of a [`Repository`] that the sink needs. It has no other, so whatever arrives, it can
/// neither take up work, nor commit a verdict, nor touch the journal or the enforcement switch.
pub trait EventStore: Send + Sync + 'static {
    /// See [`Repository::accept`].
    fn accept(
        &self,
        events: &[(EventRecord, Vec<NewJob>)],
    ) -> impl Future<Output = Result<Accepted, RepositoryError>> + Send;

    /// See [`Repository::request`].
    fn request(
        &self,
        jobs: &[NewJob],
        now: Timestamp,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// See [`Repository::cover`].
    fn cover(
        &self,
        coverage: &Coverage,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// See [`Repository::remembered`].
    fn remembered(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<Value>, RepositoryError>> + Send;

    /// See [`Repository::remember`].
    fn remember(
        &self,
        name: &str,
        value: &Value,
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;
}

impl<R: Repository> EventStore for R {
    async fn accept(
        &self,
        events: &[(EventRecord, Vec<NewJob>)],
    ) -> Result<Accepted, RepositoryError> {
        Repository::accept(self, events).await
    }

    async fn request(&self, jobs: &[NewJob], now: Timestamp) -> Result<(), RepositoryError> {
        Repository::request(self, jobs, now).await
    }

    async fn cover(&self, coverage: &Coverage) -> Result<(), RepositoryError> {
        Repository::cover(self, coverage).await
    }

    async fn remembered(&self, name: &str) -> Result<Option<Value>, RepositoryError> {
        Repository::remembered(self, name).await
    }

    async fn remember(&self, name: &str, value: &Value) -> Result<(), RepositoryError> {
        Repository::remember(self, name, value).await
    }
}

/// The name under which the store remembers what a source told last that could not be understood: a
/// list, the newest first, of objects with `at`, `kind`, `reason`, `bytes` and the beginning of the
/// `text`. A sample and not a log: it is bounded, and written at most once a second.
pub fn rejected_name(source: &str) -> String {
    format!("rejected {source}")
}

/// The name under which the store remembers when a source was not heard: an object with `from` (or
/// `null`) and `to`.
pub fn gap_name(source: &str) -> String {
    format!("gap {source}")
}

/// How many texts that could not be understood are kept of each source.
const REJECTED_KEPT: usize = 20;
/// How much of each.
const REJECTED_TEXT: usize = 2_048;
/// How many regions of one account are told apart. AWS has some forty; the names stand in events, and
/// whoever can send events must not be able to fill the store with them.
const MOST_REGIONS: usize = 64;
/// How long what is only shown may lag behind, so that a storm of events does not write it each time.
const LAG: SignedDuration = SignedDuration::from_secs(1);

/// The sink over the store.
#[derive(Debug)]
pub struct StoreSink<R, C> {
    repository: Arc<R>,
    clock: Arc<C>,
    watched: RwLock<Watched>,
    /// When coverage was last written, by account and region.
    covered: Mutex<BTreeMap<String, BTreeMap<String, Timestamp>>>,
    rejected: tokio::sync::Mutex<BTreeMap<String, Rejected>>,
}

/// The last texts of a source that could not be understood.
#[derive(Debug)]
struct Rejected {
    newest_first: VecDeque<Value>,
    written_at: Option<Timestamp>,
}

impl<R: EventStore, C: Clock> StoreSink<R, C> {
    /// A sink that stores into `repository` what is about the watched accounts.
    pub fn new(repository: Arc<R>, clock: Arc<C>, watched: Watched) -> StoreSink<R, C> {
        StoreSink {
            repository,
            clock,
            watched: RwLock::new(watched),
            covered: Mutex::default(),
            rejected: tokio::sync::Mutex::default(),
        }
    }

    /// Watches other accounts from now on.
    pub fn watch(&self, watched: Watched) {
        *self.watched.write().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    fn watched(&self) -> Watched {
        self.watched
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes that the accounts of these events are heard of.
    async fn cover(
        &self,
        events: &[Event],
        source: &EventSource,
        watched: &Watched,
        now: Timestamp,
    ) {
        for event in events {
            let Some(account) = event.account.as_ref().or(source.account.as_ref()) else {
                continue;
            };
            if !watched.accounts.contains(account) {
                continue;
            }
            let region = event.region.as_deref().unwrap_or("*");
            let Some(region) = self.due(account, region, now) else {
                continue;
            };
            let mut coverage = Coverage::of(account, &region);
            coverage.last_event_at = Some(now);
            // The events themselves are stored: for this alone nobody has to bring them again.
            if let Err(error) = self.repository.cover(&coverage).await {
                tracing::warn!(%error, account, region, "coverage was not written");
            }
        }
    }

    /// The region to write coverage of, if it was not just written.
    fn due(&self, account: &str, region: &str, now: Timestamp) -> Option<String> {
        let mut covered = self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        let regions = covered.entry(account.to_owned()).or_default();
        let region = if regions.len() < MOST_REGIONS || regions.contains_key(region) {
            region
        } else {
            "*"
        };
        let fresh = regions
            .get(region)
            .is_some_and(|at| now.duration_since(*at).abs() < LAG);
        if fresh {
            return None;
        }
        regions.insert(region.to_owned(), now);
        Some(region.to_owned())
    }

    /// Keeps what could not be understood.
    async fn keep(
        &self,
        text: &str,
        errors: &[EventError],
        source: &EventSource,
        now: Timestamp,
    ) -> Result<(), SinkError> {
        let Some(error) = errors.first() else {
            return Ok(());
        };
        let name = rejected_name(&source.name);
        let mut all = self.rejected.lock().await;
        if !all.contains_key(&source.name) {
            let before = self.repository.remembered(&name).await?;
            let before = before.as_ref().and_then(Value::as_array);
            let rejected = Rejected {
                newest_first: before.into_iter().flatten().cloned().collect(),
                written_at: None,
            };
            all.insert(source.name.clone(), rejected);
        }
        let Some(rejected) = all.get_mut(&source.name) else {
            return Ok(());
        };
        rejected.newest_first.push_front(json!({
            "at": now,
            "kind": error.kind(),
            "reason": error.to_string(),
            "bytes": text.len(),
            "text": text.chars().take(REJECTED_TEXT).collect::<String>(),
        }));
        rejected.newest_first.truncate(REJECTED_KEPT);
        let fresh = rejected
            .written_at
            .is_some_and(|at| now.duration_since(at).abs() < LAG);
        if !fresh {
            let list = rejected.newest_first.iter().cloned().collect();
            if let Err(error) = self.repository.remember(&name, &list).await {
                // The text comes again.
                rejected.newest_first.pop_front();
                return Err(error.into());
            }
            rejected.written_at = Some(now);
        }
        Ok(())
    }
}

fn read(text: &str, form: Form) -> Arrived {
    match form {
        Form::Message => event::read(text),
        Form::OpsLog => match event::read_ops_log(text) {
            Ok(event) => Arrived {
                events: vec![event],
                rejected: Vec::new(),
            },
            Err(error) => Arrived {
                events: Vec::new(),
                rejected: vec![error],
            },
        },
    }
}

impl<R: EventStore, C: Clock> EventSink for StoreSink<R, C> {
    async fn arrive(&self, text: &str, source: &EventSource) -> Result<Arrival, SinkError> {
        let now = self.clock.now();
        let watched = self.watched();
        let arrived = read(text, source.form);
        let mut arrival = Arrival {
            rejected: arrived.rejected.iter().map(EventError::kind).collect(),
            ..Arrival::default()
        };
        let mut asked = Vec::new();
        for event in &arrived.events {
            let asks = arrive(event, source.account.as_deref(), &watched, now);
            if asks.is_empty() {
                arrival.idle += 1;
            }
            asked.extend(asks);
        }
        if !asked.is_empty() {
            let accepted = self.repository.accept(&asked).await?;
            arrival.new = accepted.new;
            arrival.duplicate = accepted.duplicate;
            if accepted.new > 0 {
                let age = |at: Timestamp| now.duration_since(at).max(SignedDuration::ZERO);
                arrival.ages = asked
                    .iter()
                    .map(|(record, _)| age(record.event_time))
                    .collect();
            }
        }
        self.cover(&arrived.events, source, &watched, now).await;
        self.keep(text, &arrived.rejected, source, now).await?;
        Ok(arrival)
    }

    async fn gap(
        &self,
        source: &EventSource,
        from: Option<Timestamp>,
        to: Timestamp,
    ) -> Result<(), SinkError> {
        let now = self.clock.now();
        let watched = self.watched();
        let told = |account: &&String| source.account.as_ref().is_none_or(|own| own == *account);
        let concerned = watched.accounts.iter().filter(told);
        let jobs: Vec<NewJob> = concerned.map(|account| sweep(account, now)).collect();
        if !jobs.is_empty() {
            self.repository.request(&jobs, now).await?;
        }
        let gap = json!({"from": from, "to": to});
        self.repository
            .remember(&gap_name(&source.name), &gap)
            .await?;
        Ok(())
    }
}
