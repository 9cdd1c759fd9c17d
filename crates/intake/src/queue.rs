//! Polls a queue of events: receive, store, delete.
//!
//! A message is deleted when the sink has stored it, and not before. One that could not be stored is
//! left alone; the queue's visibility time-out brings it again, here or to another poller, and after so
//! many times the queue's own redrive policy (`maxReceiveCount`) moves it to its dead-letter queue. A
//! message that cannot be understood is counted, kept by the sink among the rejected, and deleted: it
//! would be no better the next time, and a dead-letter queue full of such would hide the messages for
//! which the store was broken. What it may have told, a sweep finds.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use guard::clock::Clock;
use guard::error::CallError;
use guard::intake::EventSink;
use guard::operation::Operation;
use guard::ports::queue::{EventQueue, QueuedMessage};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::sources::SourceWatch;
use crate::{backoff, later};

/// How a queue is polled.
#[derive(Clone, Debug)]
pub struct PollSettings {
    /// How many poll at the same time. Each has at most ten messages in hand.
    pub pollers: usize,
    /// How long one waits for a first message; twenty seconds are the most that SQS allows.
    pub wait: Duration,
    /// How long an answer may take, beside that wait.
    pub patience: Duration,
    /// The pause after a failure; it doubles with each in a row.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for PollSettings {
    fn default() -> PollSettings {
        PollSettings {
            pollers: 2,
            wait: Duration::from_secs(20),
            patience: Duration::from_secs(10),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// The most messages of one call (Amazon SQS API reference, `ReceiveMessage`).
const MOST_MESSAGES: u32 = 10;

/// Polls until `stop` turns true (or its sender is gone). What is in hand then is stored and deleted
/// first; a wait for messages is broken off, and whatever that would have brought comes again.
pub async fn poll<Q, S, C>(
    queue: Arc<Q>,
    sink: Arc<S>,
    watch: SourceWatch,
    clock: Arc<C>,
    settings: PollSettings,
    stop: watch::Receiver<bool>,
) where
    Q: EventQueue + 'static,
    S: EventSink,
    C: Clock,
{
    let mut pollers = JoinSet::new();
    for _ in 0..settings.pollers.max(1) {
        let poller = Poller {
            queue: Arc::clone(&queue),
            sink: Arc::clone(&sink),
            watch: watch.clone(),
            clock: Arc::clone(&clock),
            settings: settings.clone(),
        };
        pollers.spawn(poller.run(stop.clone()));
    }
    while let Some(ended) = pollers.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, source = watch.source().name, "a poller ended");
        }
    }
}

struct Poller<Q, S, C> {
    queue: Arc<Q>,
    sink: Arc<S>,
    watch: SourceWatch,
    clock: Arc<C>,
    settings: PollSettings,
}

impl<Q: EventQueue, S: EventSink, C: Clock> Poller<Q, S, C> {
    async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut failures = 0_u32;
        loop {
            let received = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                received = self.receive() => received,
            };
            let all_done = match received {
                Ok(messages) => {
                    self.watch.heard(self.clock.now());
                    join_all(messages.iter().map(|message| self.take(message)))
                        .await
                        .into_iter()
                        .all(|done| done)
                }
                Err(error) => {
                    self.watch.silent(self.clock.now(), said(&error));
                    false
                }
            };
            if all_done {
                failures = 0;
                continue;
            }
            failures = failures.saturating_add(1);
            let pause = backoff(
                failures,
                self.settings.first_pause,
                self.settings.longest_pause,
            );
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.clock.sleep_until(later(self.clock.now(), pause)) => {}
            }
        }
    }

    /// A queue that does not answer at all must not look like one that is empty.
    async fn receive(&self) -> Result<Vec<QueuedMessage>, CallError> {
        let settings = &self.settings;
        let received = self.queue.receive(MOST_MESSAGES, settings.wait);
        within(
            Operation::ReceiveMessage,
            settings.wait.saturating_add(settings.patience),
            received,
        )
        .await
    }

    /// Stores one message and deletes it. `false`: the store or the queue fails.
    async fn take(&self, message: &QueuedMessage) -> bool {
        match self.sink.arrive(&message.body, self.watch.source()).await {
            Ok(arrival) => self.watch.arrived(&arrival),
            Err(error) => {
                self.watch.not_stored(&error.to_string());
                return false;
            }
        }
        let deleted = within(
            Operation::DeleteMessage,
            self.settings.patience,
            self.queue.delete(&message.receipt),
        );
        match deleted.await {
            Ok(()) => true,
            Err(error) => {
                // It comes again, and is known by its id then.
                self.watch.silent(self.clock.now(), said(&error));
                false
            }
        }
    }
}

/// A call that has so long to be answered.
async fn within<T>(
    operation: Operation,
    limit: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer,
        Err(_) => Err(CallError::Passing {
            operation,
            detail: format!("no answer within {} s", limit.as_secs_f32()),
        }),
    }
}

/// The reason with the hint that goes with it.
fn said(error: &CallError) -> String {
    match error {
        CallError::Hopeless(hopeless) => format!("{hopeless}; {}", hopeless.hint()),
        error => error.to_string(),
    }
}
