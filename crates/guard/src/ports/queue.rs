//! Where events come from: a queue that is read, and whose messages are deleted when they are kept
//! elsewhere.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::CallError;

/// One message of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Its id; the same at each delivery.
    pub message_id: String,
    /// Its text.
    pub body: String,
    /// By what this delivery is deleted or extended.
    pub receipt: String,
    /// When it was sent to the queue.
    pub sent_at: Option<Timestamp>,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
}

/// A queue of events. A message that is neither deleted nor extended comes again when its
/// visibility time-out ends, so nothing is lost that is deleted only after it was stored.
pub trait EventQueue: Send + Sync {
    /// Up to `max` messages (at most ten at once), waiting up to `wait` (at most twenty seconds) for
    /// the first. None came: an empty list.
    fn receive(
        &self,
        max: u32,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<QueuedMessage>, CallError>> + Send;

    /// Removes a message for good.
    fn delete(&self, receipt: &str) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Hides a message for so long from now.
    fn extend(
        &self,
        receipt: &str,
        visibility: Duration,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}
