//! Delivers what is recorded to a bucket, in AWS Config's layout: history of what changed, every so
//! often, and snapshots of how everything stands, on schedule and when somebody asks.
//!
//! A delivery reads the store page by page and uploads each file when it is full, so that its memory is
//! bounded. Up to where history was delivered is remembered only after the last upload: killed before,
//! the same span is delivered again, under the same keys with the same bytes. A delivered file is
//! announced after its upload and before that is remembered: at least once, with the same event id.

mod status;

use std::time::Duration;

use compliance::delivery_channel::{
    CONTENT_TYPE, DeliveryFile, FileBounds, Files, KeyPrefix, delivery_completed,
};
use compliance::item::ConfigurationItem;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use thiserror::Error;

use crate::account::Reach;
use crate::clock::Clock;
use crate::error::CallError;
use crate::operation::Operation;
use crate::outbox;
use crate::pace::{Pace, PaceSettings};
use crate::ports::files::PutFile;
use crate::repository::{Repository, RepositoryError};
use crate::state::{Finish, Job, JobKind, NewJob};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

pub use status::{Delivered, DeliveryStatus};

/// Where history and snapshots go. Plain data, made from the configuration.
#[derive(Clone, Debug)]
pub struct DeliveryChannel {
    /// The bucket.
    pub bucket: String,
    /// The account whose credentials put files there.
    pub account: String,
    /// What stands before `AWSLogs/` in every key.
    pub prefix: KeyPrefix,
    /// How often history is delivered; `None`: never. AWS Config does every six hours.
    pub history_every: Option<SignedDuration>,
    /// How often a snapshot is delivered; `None`: only when somebody asks.
    pub snapshot_every: Option<SignedDuration>,
    /// How large files become, and how much is held.
    pub bounds: FileBounds,
    /// The configured targets that deliveries are announced to, by name. Event rules that match the
    /// event send it to theirs as well.
    pub announce: Vec<String>,
}

impl DeliveryChannel {
    /// Into this bucket as AWS Config does it: history every six hours, snapshots when asked for.
    pub fn to(account: impl Into<String>, bucket: impl Into<String>) -> DeliveryChannel {
        DeliveryChannel {
            account: account.into(),
            bucket: bucket.into(),
            prefix: KeyPrefix::default(),
            history_every: Some(SignedDuration::from_hours(6)),
            snapshot_every: None,
            bounds: FileBounds::default(),
            announce: Vec::new(),
        }
    }
}

/// How old a capture may be when it is committed. One that is older is made again.
pub(crate) const STALE: SignedDuration = SignedDuration::from_mins(5);
/// How long after its end a span is delivered: by then everything that was captured in it is committed,
/// also by a worker whose clock is a little behind.
const SETTLED: SignedDuration = SignedDuration::from_mins(10);
/// How many items are read at once.
const PAGE: u32 = 200;

/// What is remembered in the store.
const HISTORY: &str = "delivered history";
const SNAPSHOT: &str = "delivered snapshot";

/// The jobs of the schedules of a channel. They find out themselves when they are due.
pub fn scheduled(channel: &DeliveryChannel, now: Timestamp) -> Vec<NewJob> {
    let job = |what: &str| NewJob {
        kind: JobKind::Snapshot,
        key: format!("deliver {what}"),
        payload: json!({"deliver": what}),
        due_at: now,
    };
    let history = channel.history_every.map(|_| job("history"));
    let snapshot = channel.snapshot_every.map(|_| job("snapshot"));
    history.into_iter().chain(snapshot).collect()
}

/// The job that delivers a snapshot now.
pub fn snapshot(now: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Snapshot,
        key: format!("deliver snapshot of {now}"),
        payload: json!({"deliver": "snapshot", "at": now.to_string()}),
        due_at: now,
    }
}

/// Why a delivery did not get to its end, this time.
#[derive(Debug, Error)]
enum DeliveryError {
    /// Our own store.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The bucket.
    #[error("cannot put {key} into bucket {bucket}: {error}")]
    Put {
        bucket: String,
        key: String,
        error: CallError,
    },
}

/// Up to where something was delivered, and what was begun.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    done: Option<Timestamp>,
    begun: Option<Timestamp>,
}

impl Progress {
    fn read(value: Option<Value>) -> Progress {
        let member = |name: &str| value.as_ref()?.get(name)?.as_str()?.parse().ok();
        Progress {
            done: member("done"),
            begun: member("begun"),
        }
    }

    fn write(self) -> Value {
        json!({
            "done": self.done.map(|at| at.to_string()),
            "begun": self.begun.map(|at| at.to_string()),
        })
    }
}

impl DeliveryError {
    /// Whether the same may come through later without anybody's doing.
    fn may_pass(&self) -> bool {
        match self {
            DeliveryError::Repository(_) => true,
            DeliveryError::Put { error, .. } => error.is_passing(),
        }
    }
}

/// What one delivery is made with.
struct Delivering<'a, F> {
    what: Delivered,
    /// What it holds: everything up to this moment. `None`: nothing is due.
    up_to: Option<Timestamp>,
    channel: &'a DeliveryChannel,
    files: &'a F,
    pace: Pace,
    seen: u64,
    put: u64,
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Snapshot`] job.
    pub async fn deliver_files<F: PutFile>(&self, files: &F, job: &Job) -> Did {
        let Some(channel) = &self.settings.delivery_channel else {
            return Did::Finish(Finish::Done);
        };
        let pace = PaceSettings {
            timeout: Duration::from_secs(120),
            ..PaceSettings::default()
        };
        let what = match job.payload["deliver"].as_str() {
            Some("history") => Delivered::History,
            Some("snapshot") => Delivered::Snapshot,
            _ => {
                return Did::Finish(Finish::Dead {
                    error: format!("the job does not say what to deliver: {}", job.payload),
                });
            }
        };
        let mut delivering = Delivering {
            what,
            up_to: None,
            channel,
            files,
            pace: Pace::new(pace, job.id.unsigned_abs()),
            seen: 0,
            put: 0,
        };
        let asked = job.payload["at"].as_str().and_then(|at| at.parse().ok());
        let mut finish = match (what, asked) {
            (Delivered::History, _) => self.history_is_due(&mut delivering).await,
            (Delivered::Snapshot, Some(at)) => self
                .deliver_snapshot(&mut delivering, at)
                .await
                .map(|()| Finish::Done),
            (Delivered::Snapshot, None) => self.snapshot_is_due(&mut delivering).await,
        };
        if let (Ok(_), Some(up_to)) = (&finish, delivering.up_to) {
            let noted = self
                .delivery_succeeded(what, up_to, delivering.put, delivering.seen)
                .await;
            if let Err(error) = noted {
                finish = Err(error.into());
            }
        }
        if delivering.put > 0 {
            tracing::info!(
                bucket = %channel.bucket, job = %job.key, files = delivering.put, items = delivering.seen,
                "delivered"
            );
        }
        let error = match finish {
            Ok(finish) => return Did::Finish(finish),
            Err(error) => error,
        };
        tracing::warn!(job = %job.key, attempts = job.attempts, %error, "the delivery is repeated");
        let wait = backoff(
            job.attempts,
            Duration::from_secs(10),
            Duration::from_secs(3600),
        );
        let mut due_at = later(self.clock.now(), wait);
        match self
            .delivery_failed(channel, what, job.attempts, &error)
            .await
        {
            // Before somebody else is asked it is tried once more.
            Ok(Some(next)) => due_at = due_at.min(next),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "that a delivery failed could not be told yet"),
        }
        Did::Finish(Finish::Again {
            due_at,
            error: Some(error.to_string()),
        })
    }

    async fn history_is_due<F: PutFile>(
        &self,
        delivering: &mut Delivering<'_, F>,
    ) -> Result<Finish, DeliveryError> {
        let Some(every) = delivering.channel.history_every else {
            return Ok(Finish::Done);
        };
        let progress = Progress::read(self.repository.remembered(HISTORY).await?);
        let now = self.clock.now();
        let settled = now.checked_sub(SETTLED).unwrap_or(now);
        // The first time, everything that is recorded.
        let due = progress.done.map(|done| after(done, every));
        let to = match (progress.begun, due) {
            (Some(begun), _) => begun,
            (None, Some(due)) if due > settled => return Ok(again(after(due, SETTLED))),
            // Whole seconds, as keys tell them: no two spans have the same key.
            (None, _) => Timestamp::from_second(settled.as_second()).unwrap_or(settled),
        };
        let begun = Progress {
            begun: Some(to),
            ..progress
        };
        self.repository.remember(HISTORY, &begun.write()).await?;
        delivering.up_to = Some(to);
        let from = progress.done.unwrap_or(Timestamp::UNIX_EPOCH);
        let files = Files::history(
            delivering.channel.prefix.clone(),
            from,
            to,
            delivering.channel.bounds,
        );
        self.deliver_items(delivering, Some((from, to)), files)
            .await?;
        let done = Progress {
            done: Some(to),
            begun: None,
        };
        self.repository.remember(HISTORY, &done.write()).await?;
        Ok(again(after(after(to, every), SETTLED)))
    }

    async fn snapshot_is_due<F: PutFile>(
        &self,
        delivering: &mut Delivering<'_, F>,
    ) -> Result<Finish, DeliveryError> {
        let Some(every) = delivering.channel.snapshot_every else {
            return Ok(Finish::Done);
        };
        let progress = Progress::read(self.repository.remembered(SNAPSHOT).await?);
        let now = self.clock.now();
        let due = progress.done.map(|done| after(done, every));
        let at = match (progress.begun, due) {
            (Some(begun), _) => begun,
            (None, Some(due)) if due > now => return Ok(again(due)),
            (None, _) => now,
        };
        let begun = Progress {
            begun: Some(at),
            ..progress
        };
        self.repository.remember(SNAPSHOT, &begun.write()).await?;
        self.deliver_snapshot(delivering, at).await?;
        let done = Progress {
            done: Some(at),
            begun: None,
        };
        self.repository.remember(SNAPSHOT, &done.write()).await?;
        Ok(again(after(at, every).max(now)))
    }

    async fn deliver_snapshot<F: PutFile>(
        &self,
        delivering: &mut Delivering<'_, F>,
        at: Timestamp,
    ) -> Result<(), DeliveryError> {
        delivering.up_to = Some(at);
        let files = Files::snapshot(
            delivering.channel.prefix.clone(),
            at,
            delivering.channel.bounds,
        );
        self.deliver_items(delivering, None, files).await
    }

    async fn deliver_items<F: PutFile>(
        &self,
        delivering: &mut Delivering<'_, F>,
        span: Option<(Timestamp, Timestamp)>,
        mut files: Files,
    ) -> Result<(), DeliveryError> {
        let mut last = None;
        self.note_progress(delivering).await?;
        loop {
            let page = self.repository.items(span, last, PAGE).await?;
            let ended = page.len() < PAGE as usize;
            for (id, item) in &page {
                delivering.seen += 1;
                last = Some(*id);
                for file in files.push(item) {
                    self.deliver_file(delivering, file).await?;
                }
            }
            if ended {
                break;
            }
        }
        for file in files.finish() {
            self.deliver_file(delivering, file).await?;
        }
        Ok(())
    }

    async fn deliver_file<F: PutFile>(
        &self,
        delivering: &mut Delivering<'_, F>,
        file: DeliveryFile,
    ) -> Result<(), DeliveryError> {
        let Delivering {
            channel,
            files,
            pace,
            ..
        } = &*delivering;
        let put = || files.put_file(&channel.bucket, &file.key, file.body.clone(), CONTENT_TYPE);
        if let Err(error) = pace.call(Operation::PutObject, put).await {
            return Err(DeliveryError::Put {
                bucket: channel.bucket.clone(),
                key: file.key,
                error,
            });
        }
        let now = self.clock.now();
        let event = delivery_completed(&channel.bucket, &file, now);
        let jobs = self.event_deliveries(&event, &channel.announce, now);
        if !jobs.is_empty() {
            self.repository.request(&jobs, now).await?;
        }
        delivering.put += 1;
        self.note_progress(delivering).await?;
        Ok(())
    }

    async fn note_progress<F>(
        &self,
        delivering: &Delivering<'_, F>,
    ) -> Result<(), RepositoryError> {
        match delivering.up_to {
            Some(up_to) => {
                let (files, items) = (delivering.put, delivering.seen);
                self.delivery_runs(delivering.what, up_to, files, items)
                    .await
            }
            None => Ok(()),
        }
    }

    /// The work that tells of a new item.
    pub(crate) fn change_deliveries(
        &self,
        previous: Option<&ConfigurationItem>,
        item: &ConfigurationItem,
        version: i64,
        now: Timestamp,
    ) -> Vec<NewJob> {
        let stream = &self.settings.change_stream;
        if stream.is_empty() && self.settings.event_rules.rules().is_empty() {
            return Vec::new();
        }
        let event = compliance::delivery_channel::item_changed(previous, item, version, now);
        self.event_deliveries(&event, stream, now)
    }

    /// The work that sends an event, which is about no finding, to these targets and to those of the
    /// event rules that match it.
    fn event_deliveries(&self, event: &Value, named: &[String], now: Timestamp) -> Vec<NewJob> {
        let mut targets = self.settings.event_rules.targets(event);
        targets.extend(named.iter().map(String::as_str));
        outbox::events(event, targets, now)
    }
}

fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn again(due_at: Timestamp) -> Finish {
    Finish::Again {
        due_at,
        error: None,
    }
}
