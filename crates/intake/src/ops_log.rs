//! Reads the ops log of Ceph's gateway from its socket (`rgw ops log socket path`).
//!
//! What the socket does and does not, as seen with RADOS Gateway 16.2.15:
//!
//! - It tells of requests as they end, and never again: what was told while nobody read is in the
//!   gateway's backlog (`rgw ops log data backlog`, 5 MiB), whose *newest* entries are dropped when it is
//!   full, and what the kernel held for a reader that died is lost. So at every connection the sink is
//!   told of a gap, and sweeps.
//! - **One reader is served at a time.** A second one is connected and told nothing, not even an error,
//!   until the first is gone *and* the gateway has tried to write to it once more. So who reads must be
//!   alone: one guard on one socket. A connection on which nothing comes, although requests are made that
//!   are logged, is reported as a source that is not heard.
//! - An entry that is added while the gateway writes another waits for the next logged request. In a quiet
//!   system that can be minutes. So when the socket has been quiet for a second, [`Nudge`] makes one cheap
//!   request that is logged.
//!
//! While the store is away, reading waits and the gateway keeps what it tells, as far as its backlog goes;
//! afterwards the sink is told of a gap.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use compliance::event::{OpsLogStream, Piece};
use guard::clock::Clock;
use guard::intake::{EventSink, SinkError};
use jiff::Timestamp;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::sources::SourceWatch;
use crate::{backoff, later};

/// How the socket is read.
#[derive(Clone, Debug)]
pub struct OpsLogSettings {
    /// The socket.
    pub path: PathBuf,
    /// After how long without a record one is provoked.
    pub quiet: Duration,
    /// After how long without a record, although some were provoked, the source counts as not heard.
    pub silent: Duration,
    /// The pause after a failure; it doubles with each in a row.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl OpsLogSettings {
    /// The settings for a socket, with everything else as it usually is.
    pub fn new(path: impl Into<PathBuf>) -> OpsLogSettings {
        OpsLogSettings {
            path: path.into(),
            quiet: Duration::from_secs(1),
            silent: Duration::from_secs(15),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(15),
        }
    }
}

/// Makes the gateway write what it holds back.
pub trait Nudge: Send + Sync + 'static {
    /// Makes one request that the gateway logs (of a bucket that is there; listing all buckets is not
    /// logged). `false`: it could not be made, or this nudge makes none.
    fn nudge(&self) -> impl Future<Output = bool> + Send;
}

/// Makes no request. What the gateway holds back comes with the next request of somebody else.
#[derive(Clone, Copy, Debug)]
pub struct NoNudge;

impl Nudge for NoNudge {
    async fn nudge(&self) -> bool {
        false
    }
}

/// A nudge that hangs must not keep the socket from being read.
const LONGEST_NUDGE: Duration = Duration::from_secs(10);
const READ: usize = 64 * 1024;
/// How often a record that the store refuses is offered to it.
const MOST_OFFERS: u32 = 3;

/// Reads until `stop` turns true (or its sender is gone). Records that were read by then are stored first.
pub async fn read<S, C, N>(
    settings: OpsLogSettings,
    sink: Arc<S>,
    watch: SourceWatch,
    clock: Arc<C>,
    nudge: Arc<N>,
    mut stop: watch::Receiver<bool>,
) where
    S: EventSink,
    C: Clock,
    N: Nudge,
{
    let mut reader = Reader {
        settings,
        sink,
        watch,
        clock,
        nudge,
        heard_at: None,
        gap: None,
    };
    let mut failures = 0_u32;
    while !stopped(&stop) {
        let why = tokio::select! {
            biased;
            () = told(&mut stop) => return,
            connected = UnixStream::connect(&reader.settings.path) => match connected {
                Ok(stream) => {
                    let ended = reader.connection(stream, &mut stop).await;
                    if ended.heard {
                        failures = 0;
                    }
                    ended.why
                }
                Err(error) => format!("cannot connect to {}: {error}", reader.settings.path.display()),
            },
        };
        if stopped(&stop) {
            return;
        }
        reader.watch.silent(reader.clock.now(), why);
        failures = failures.saturating_add(1);
        let pause = backoff(
            failures,
            reader.settings.first_pause,
            reader.settings.longest_pause,
        );
        reader.pause(pause, &mut stop).await;
    }
}

fn stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

async fn told(stop: &mut watch::Receiver<bool>) {
    // An error: the sender is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// How a connection ended.
struct Ended {
    /// Whether anything came on it.
    heard: bool,
    why: String,
}

/// What was not heard, and has not been told to the sink yet.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: Option<Timestamp>,
}

struct Reader<S, C, N> {
    settings: OpsLogSettings,
    sink: Arc<S>,
    watch: SourceWatch,
    clock: Arc<C>,
    nudge: Arc<N>,
    /// When something came last, on any connection.
    heard_at: Option<Timestamp>,
    gap: Option<Gap>,
}

impl<S: EventSink, C: Clock, N: Nudge> Reader<S, C, N> {
    async fn connection(
        &mut self,
        mut socket: UnixStream,
        stop: &mut watch::Receiver<bool>,
    ) -> Ended {
        self.missed(self.heard_at);
        self.tell_gap().await;
        let mut stream = OpsLogStream::default();
        let mut buffer = vec![0; READ];
        // When something came last on this connection, and whether any of it was.
        let mut last = self.clock.now();
        let mut heard = false;
        let mut nudged = false;
        let why = loop {
            let quiet_at = later(self.clock.now(), self.settings.quiet);
            let read = tokio::select! {
                biased;
                () = told(stop) => break String::new(),
                read = socket.read(&mut buffer) => Some(read),
                () = self.clock.sleep_until(quiet_at) => None,
            };
            let now = self.clock.now();
            match read {
                Some(Ok(0)) => break "the gateway closed the connection".to_owned(),
                Some(Ok(length)) => {
                    // Somebody else was told meanwhile.
                    if nudged && self.is_silent(last, now) {
                        self.missed(Some(last));
                    }
                    (last, heard, nudged) = (now, true, false);
                    self.heard_at = Some(now);
                    self.watch.heard(now);
                    let (records, dropped) = pieces(&mut stream, &buffer[..length]);
                    self.rejected(dropped);
                    for record in records {
                        self.take(&record, stop).await;
                    }
                    self.tell_gap().await;
                }
                Some(Err(error)) => break format!("the connection broke: {error}"),
                None => {
                    self.tell_gap().await;
                    let asked = tokio::time::timeout(LONGEST_NUDGE, self.nudge.nudge());
                    nudged |= asked.await.unwrap_or(false);
                    if nudged && self.is_silent(last, self.clock.now()) {
                        self.watch.silent(now, self.unserved());
                    }
                }
            }
        };
        let mut dropped = 0;
        stream.finish(|piece| {
            if let Piece::Dropped(bytes) = piece {
                dropped += bytes;
            }
        });
        self.rejected(dropped);
        Ended { heard, why }
    }

    fn is_silent(&self, last: Timestamp, now: Timestamp) -> bool {
        later(last, self.settings.silent) <= now
    }

    fn unserved(&self) -> String {
        format!(
            "connected to {}, but nothing is told there, although requests are made: another reader has \
             the socket (the gateway serves one), or the gateway does not log (`rgw enable ops log`)",
            self.settings.path.display()
        )
    }

    fn rejected(&self, bytes: u64) {
        if bytes > 0 {
            self.watch.rejected("no-record", 1);
            tracing::warn!(
                source = self.watch.source().name,
                bytes,
                "bytes that are no record were passed over"
            );
        }
    }

    /// Something may have been missed since `from`.
    fn missed(&mut self, from: Option<Timestamp>) {
        self.gap = Some(match self.gap {
            Some(earlier) => Gap {
                from: earlier.from.and_then(|at| Some(at.min(from?))),
            },
            None => Gap { from },
        });
    }

    /// Tells the sink of a gap; if it cannot take that now, it is told again later.
    async fn tell_gap(&mut self) {
        let Some(gap) = self.gap else {
            return;
        };
        let now = self.clock.now();
        match self.sink.gap(self.watch.source(), gap.from, now).await {
            Ok(()) => {
                self.gap = None;
                self.watch.gap();
            }
            Err(error) => self.watch.not_stored(&error.to_string()),
        }
    }

    /// Stores one record, however long the store is away; the gateway keeps the others meanwhile. One
    /// that the store refuses is given up, and a sweep finds what it told.
    async fn take(&mut self, record: &str, stop: &mut watch::Receiver<bool>) {
        let since = self.clock.now();
        let mut failures = 0_u32;
        loop {
            match self.sink.arrive(record, self.watch.source()).await {
                Ok(arrival) => {
                    self.watch.arrived(&arrival);
                    if failures > 0 {
                        self.missed(Some(since));
                    }
                    return;
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.watch.not_stored(&error.to_string());
                    let refused = matches!(error, SinkError::Broken { .. });
                    if (refused && failures >= MOST_OFFERS) || stopped(stop) {
                        self.missed(Some(since));
                        return;
                    }
                }
            }
            let pause = backoff(
                failures,
                self.settings.first_pause,
                self.settings.longest_pause,
            );
            self.pause(pause, stop).await;
        }
    }

    async fn pause(&self, pause: Duration, stop: &mut watch::Receiver<bool>) {
        let until = later(self.clock.now(), pause);
        tokio::select! {
            biased;
            () = told(stop) => {}
            () = self.clock.sleep_until(until) => {}
        }
    }
}

/// The records that end in these bytes, and how many bytes are none.
fn pieces(stream: &mut OpsLogStream, bytes: &[u8]) -> (Vec<String>, u64) {
    let mut records = Vec::new();
    let mut dropped = 0;
    stream.push(bytes, |piece| match piece {
        Piece::Record(text) => records.push(text.into_owned()),
        Piece::Dropped(bytes) => dropped += bytes,
    });
    (records, dropped)
}
