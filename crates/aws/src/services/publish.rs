//! Messages to topics (Amazon SNS) and events to buses (Amazon EventBridge).

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_types::DateTime;
use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::publish::{BusEntry, PublishTopic, PutEvents, TopicMessage};

use super::Services;
use crate::failure::{Answer, answer_meaning, meaning};

/// EventBridge takes at most so many events at once (API reference, `PutEvents`).
const MOST_EVENTS: usize = 10;

/// Attributes, each a string; none at all are left out.
pub(super) fn strings<V, E>(
    attributes: &BTreeMap<String, String>,
    value: impl Fn(&str) -> Result<V, E>,
) -> Result<Option<HashMap<String, V>>, E> {
    if attributes.is_empty() {
        return Ok(None);
    }
    attributes
        .iter()
        .map(|(name, text)| Ok((name.clone(), value(text)?)))
        .collect::<Result<_, E>>()
        .map(Some)
}

impl PublishTopic for Services {
    async fn publish(&self, message: &TopicMessage) -> Result<String, CallError> {
        let operation = Operation::Publish;
        let attributes = strings(&message.attributes, |value| {
            aws_sdk_sns::types::MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
        });
        let attributes = attributes.map_err(|error| CallError::Failed {
            operation,
            detail: error.to_string(),
        })?;
        let answer = self
            .sns(self.region_of(&message.topic))
            .publish()
            .topic_arn(&message.topic)
            .set_subject(message.subject.clone())
            .message(&message.message)
            .set_message_attributes(attributes)
            .set_message_group_id(message.group.clone())
            .set_message_deduplication_id(message.deduplication.clone())
            .send()
            .await
            .map_err(|error| meaning(operation, "SNS", &error))?;
        answer.message_id.ok_or(CallError::Failed {
            operation,
            detail: "the answer has no message id: the message may not have been taken".to_owned(),
        })
    }
}

impl PutEvents for Services {
    async fn put_events(
        &self,
        region: &str,
        entries: &[BusEntry],
    ) -> Result<Vec<String>, CallError> {
        let operation = Operation::PutEvents;
        let failed = |detail: String| CallError::Failed { operation, detail };
        if entries.is_empty() || entries.len() > MOST_EVENTS {
            return Err(failed(format!(
                "{} events at once, where 1 to {MOST_EVENTS} are taken",
                entries.len()
            )));
        }
        let request = self
            .events(region)
            .put_events()
            .set_entries(Some(entries.iter().map(entry).collect()));
        let answer = request
            .send()
            .await
            .map_err(|error| meaning(operation, "EventBridge", &error))?;
        let told = answer.entries.unwrap_or_default();
        // The call succeeds as a whole even if no event was taken.
        for (number, entry) in told.iter().enumerate() {
            if let Some(code) = entry.error_code() {
                let message = format!(
                    "event {} of {}: {}",
                    number + 1,
                    entries.len(),
                    entry.error_message().unwrap_or("no reason given")
                );
                let answer = Answer::within(code, &message);
                return Err(answer_meaning(operation, "EventBridge", answer));
            }
        }
        let ids: Vec<String> = told
            .into_iter()
            .filter_map(|entry| entry.event_id)
            .collect();
        if answer.failed_entry_count > 0 || ids.len() != entries.len() {
            return Err(failed(format!(
                "{} of {} events were taken, and no reason was given",
                ids.len(),
                entries.len()
            )));
        }
        Ok(ids)
    }
}

fn entry(entry: &BusEntry) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .set_event_bus_name(entry.bus.clone())
        .source(&entry.source)
        .detail_type(&entry.detail_type)
        .detail(&entry.detail)
        .set_resources((!entry.resources.is_empty()).then(|| entry.resources.clone()))
        .set_time(entry.time.map(|time| DateTime::from_secs(time.as_second())))
        .build()
}
