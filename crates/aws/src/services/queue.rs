//! Events from a queue: Amazon SQS.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use guard::error::{CallError, Hopeless};
use guard::operation::Operation;
use guard::ports::publish::{QueueMessage, SendMessage};
use guard::ports::queue::{EventQueue, QueuedMessage};
use jiff::Timestamp;

use super::Services;
use super::publish::strings;
use crate::connect::check_url;
use crate::dialect::{Document, Expect};
use crate::failure::meaning;

/// SQS gives at most so many messages at once, and waits at most so long (Amazon SQS API reference,
/// `ReceiveMessage`).
const MOST_AT_ONCE: u32 = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// A message is hidden for at most twelve hours (`ChangeMessageVisibility`).
const LONGEST_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);

/// One queue.
pub struct Queue {
    services: Arc<Services>,
    url: String,
}

impl Queue {
    /// The queue at this URL. Nothing is called yet.
    pub fn at(services: Arc<Services>, url: &str) -> Result<Queue, Hopeless> {
        check_url(url)?;
        Ok(Queue {
            services,
            url: url.to_owned(),
        })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Where a queue is, by its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The region that the host names, if it is one of AWS's.
    pub(super) region: Option<&'a str>,
    /// Scheme and authority, if the host is not one of AWS's.
    pub(super) endpoint: Option<&'a str>,
}

/// `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME` (older: `https://REGION.queue.amazonaws.com/…`).
pub(super) fn place(url: &str) -> Place<'_> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let domain = ["amazonaws.com", "amazonaws.com.cn", "api.aws"]
        .iter()
        .find_map(|domain| host.strip_suffix(domain)?.strip_suffix('.'));
    let Some(labels) = domain else {
        let end = scheme.len() + "://".len() + authority.len();
        return Place {
            region: None,
            endpoint: url.get(..end),
        };
    };
    let region = labels
        .strip_prefix("sqs.")
        .or_else(|| labels.strip_suffix(".queue"));
    Place {
        region,
        endpoint: None,
    }
}

impl EventQueue for Queue {
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<QueuedMessage>, CallError> {
        let answer = self
            .services
            .sqs(&self.url)
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(small(max.clamp(1, MOST_AT_ONCE)))
            .wait_time_seconds(seconds(wait.min(LONGEST_WAIT)))
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .interceptor(Expect(Document::Json))
            .send()
            .await
            .map_err(|error| meaning(Operation::ReceiveMessage, &self.url, &error))?;
        Ok(answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .filter_map(queued)
            .collect())
    }

    async fn delete(&self, receipt: &str) -> Result<(), CallError> {
        self.services
            .sqs(&self.url)
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| meaning(Operation::DeleteMessage, &self.url, &error))
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> Result<(), CallError> {
        self.services
            .sqs(&self.url)
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(seconds(visibility.min(LONGEST_VISIBILITY)))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| meaning(Operation::ChangeMessageVisibility, &self.url, &error))
    }
}

/// A message that cannot be deleted again is none.
fn queued(message: Message) -> Option<QueuedMessage> {
    let attribute = |name| message.attributes.as_ref()?.get(&name);
    let sent_at = attribute(MessageSystemAttributeName::SentTimestamp)
        .and_then(|millis| Timestamp::from_millisecond(millis.parse().ok()?).ok());
    let receive_count = attribute(MessageSystemAttributeName::ApproximateReceiveCount)
        .and_then(|count| count.parse().ok())
        .unwrap_or(1);
    Some(QueuedMessage {
        message_id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle?,
        sent_at,
        receive_count,
    })
}

fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

impl SendMessage for Services {
    async fn send_message(&self, message: &QueueMessage) -> Result<String, CallError> {
        let operation = Operation::SendMessage;
        let attributes = strings(&message.attributes, |value| {
            aws_sdk_sqs::types::MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
        });
        let attributes = attributes.map_err(|error| CallError::Failed {
            operation,
            detail: error.to_string(),
        })?;
        let answer = self
            .sqs(&message.queue_url)
            .send_message()
            .queue_url(&message.queue_url)
            .message_body(&message.body)
            .set_message_attributes(attributes)
            .set_message_group_id(message.group.clone())
            .set_message_deduplication_id(message.deduplication.clone())
            .send()
            .await
            .map_err(|error| meaning(operation, &message.queue_url, &error))?;
        answer.message_id.ok_or(CallError::Failed {
            operation,
            detail: "the answer has no message id: the message may not have been taken".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queues_url_says_where_it_is() {
        for (url, region, endpoint) in [
            (
                "https://sqs.eu-central-1.amazonaws.com/111122223333/events",
                Some("eu-central-1"),
                None,
            ),
            (
                "https://eu-west-1.queue.amazonaws.com/111122223333/events",
                Some("eu-west-1"),
                None,
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/events",
                Some("cn-north-1"),
                None,
            ),
            (
                "http://127.0.0.1:5000/111122223333/events",
                None,
                Some("http://127.0.0.1:5000"),
            ),
            (
                "https://amazonaws.com.example.org/q",
                None,
                Some("https://amazonaws.com.example.org"),
            ),
            (
                "https://notamazonaws.com/q",
                None,
                Some("https://notamazonaws.com"),
            ),
        ] {
            assert_eq!(place(url), Place { region, endpoint }, "{url}");
        }
    }
}
