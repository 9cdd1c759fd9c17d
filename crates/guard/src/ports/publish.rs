//! Where messages go: topics, event buses, queues, functions.
//!
//! Each method sends one thing to one place. A place that takes only a part of what it was given has
//! failed, and says so by an error: silence is never success.

use std::collections::BTreeMap;
use std::future::Future;

use jiff::Timestamp;

use crate::error::CallError;

/// A message for an SNS topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicMessage {
    /// The topic's ARN.
    pub topic: String,
    /// The subject: ASCII, fewer than 100 characters, no line break (Amazon SNS API reference,
    /// `Publish`).
    pub subject: Option<String>,
    /// The text.
    pub message: String,
    /// Attributes, all of them strings.
    pub attributes: BTreeMap<String, String>,
    /// For a FIFO topic: by what its order is kept.
    pub group: Option<String>,
    /// For a FIFO topic: by what a repetition is known.
    pub deduplication: Option<String>,
}

/// Publishes to topics.
pub trait PublishTopic: Send + Sync {
    /// Publishes, and gives the message's id.
    fn publish(
        &self,
        message: &TopicMessage,
    ) -> impl Future<Output = Result<String, CallError>> + Send;
}

/// An event for an EventBridge bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusEntry {
    /// The bus: its name or ARN; `None` is the account's default one.
    pub bus: Option<String>,
    /// Who tells it. `aws.…` is AWS's own.
    pub source: String,
    /// What kind it is.
    pub detail_type: String,
    /// The event: a JSON object.
    pub detail: String,
    /// ARNs that it is about.
    pub resources: Vec<String>,
    /// When it happened.
    pub time: Option<Timestamp>,
}

/// Puts events on a bus.
pub trait PutEvents: Send + Sync {
    /// Puts up to ten events on buses of one region, and gives their ids. If one of them was not
    /// taken, it is an error: those before it may have been.
    fn put_events(
        &self,
        region: &str,
        entries: &[BusEntry],
    ) -> impl Future<Output = Result<Vec<String>, CallError>> + Send;
}

/// A message for a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueMessage {
    /// The queue's URL.
    pub queue_url: String,
    /// The text.
    pub body: String,
    /// Attributes, all of them strings.
    pub attributes: BTreeMap<String, String>,
    /// For a FIFO queue: by what its order is kept.
    pub group: Option<String>,
    /// For a FIFO queue: by what a repetition is known.
    pub deduplication: Option<String>,
}

/// Sends to queues.
pub trait SendMessage: Send + Sync {
    /// Sends, and gives the message's id.
    fn send_message(
        &self,
        message: &QueueMessage,
    ) -> impl Future<Output = Result<String, CallError>> + Send;
}

/// How a function is invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// And its answer is waited for.
    Wait,
    /// It is queued, and nothing is heard of it.
    Event,
}

/// What a function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionAnswer {
    /// What it returned; if it failed, its error. JSON, if the function keeps to the rules.
    pub payload: Vec<u8>,
    /// `Handled` or `Unhandled`, if the function itself failed.
    pub error: Option<String>,
}

/// Invokes functions.
pub trait InvokeFunction: Send + Sync {
    /// Invokes a function, by its name or ARN, with a JSON document. That the function itself fails is
    /// an answer, not an error.
    fn invoke(
        &self,
        function: &str,
        payload: &[u8],
        invocation: Invocation,
    ) -> impl Future<Output = Result<FunctionAnswer, CallError>> + Send;
}
