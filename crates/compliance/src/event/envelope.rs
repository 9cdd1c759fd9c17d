//! What events come wrapped in.

use serde_json::Value;

use super::{Arrived, Event, EventError, cloudtrail, config, storage, text};

/// The largest message that is read. A message of SQS, SNS or EventBridge has at most 1 MiB (Amazon
/// SQS developer guide, "Message quotas", since 2025; 256 KiB before and elsewhere).
pub const LARGEST_MESSAGE: usize = 1 << 20;
/// An event in an envelope in a notification in a queue's message in a batch: 5.
const MOST_WRAPPINGS: usize = 8;
/// One message of a queue holds one event; a batch for a Lambda function 10,000 at most, small ones.
const MOST_EVENTS: usize = 10_000;

/// What the wrapping told, for events that do not tell it themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wrapping<'a> {
    /// The id of the innermost envelope.
    pub(super) id: Option<&'a str>,
    /// Its time.
    pub(super) time: Option<&'a str>,
    /// Its account.
    pub(super) account: Option<&'a str>,
    /// Its region.
    pub(super) region: Option<&'a str>,
}

/// The events in the text of one message.
///
/// Never panics, whatever the text. Messages that are known and tell of no change (a subscription's
/// confirmation, S3's test event, a delivery of Config's) hold no event and are not rejected.
///
/// ```
/// let text = r#"{"version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602",
///   "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3", "account": "111122223333",
///   "time": "2026-01-01T00:00:00Z", "region": "eu-central-1", "resources": [],
///   "detail": {"eventVersion": "1.09", "eventSource": "s3.amazonaws.com", "eventName": "PutBucketAcl",
///     "eventTime": "2026-01-01T00:00:00Z", "eventID": "0f1c4c7c-9d3c-4f4e-8a53-000000000000",
///     "requestParameters": {"bucketName": "backups"}}}"#;
/// let arrived = compliance::event::read(text);
/// assert_eq!(arrived.events[0].concerns.bucket(), Some("backups"));
/// ```
pub fn read(text: &str) -> Arrived {
    let mut arrived = Arrived::default();
    if let Err(error) = of_text(text, Wrapping::default(), 0, &mut arrived) {
        arrived.rejected.push(error);
    }
    arrived
}

/// Text that is itself JSON, perhaps inside other JSON.
fn of_text(
    text: &str,
    around: Wrapping<'_>,
    depth: usize,
    arrived: &mut Arrived,
) -> Result<(), EventError> {
    if text.len() > LARGEST_MESSAGE {
        return Err(EventError::TooLarge {
            bytes: text.len(),
            limit: LARGEST_MESSAGE,
        });
    }
    // Nested deeper than 128 levels is an error of the parser's.
    let value: Value = serde_json::from_str(text).map_err(|error| EventError::NotJson {
        why: error.to_string(),
    })?;
    of_value(&value, around, depth, arrived)
}

fn of_value(
    value: &Value,
    around: Wrapping<'_>,
    depth: usize,
    arrived: &mut Arrived,
) -> Result<(), EventError> {
    if depth > MOST_WRAPPINGS {
        return Err(EventError::TooDeep {
            limit: MOST_WRAPPINGS,
        });
    }
    if let Value::String(text) = value {
        return of_text(text, around, depth + 1, arrived);
    }
    let Some(members) = value.as_object() else {
        return Err(unrecognised(value));
    };
    let has = |name: &str| members.contains_key(name);
    if let Some(records) = members.get("Records").and_then(Value::as_array) {
        for record in records {
            if arrived.events.len() + arrived.rejected.len() >= MOST_EVENTS {
                return Err(EventError::TooMany { limit: MOST_EVENTS });
            }
            // One bad record does not take the others along.
            if let Err(error) = of_value(record, around, depth + 1, arrived) {
                arrived.rejected.push(error);
            }
        }
        return Ok(());
    }
    if has("detail-type") && has("source") {
        return of_envelope(value, depth, arrived);
    }
    if has("Type") && (has("TopicArn") || has("MessageId")) {
        return of_notification(value, around, depth, arrived);
    }
    if let Some(notification) = members.get("Sns") {
        return of_notification(notification, around, depth, arrived);
    }
    if text::at(value, &["eventSource"]) == Some("aws:sqs") {
        let around = Wrapping {
            id: text::at(value, &["messageId"]),
            ..around
        };
        let body = members.get("body").unwrap_or(&Value::Null);
        return of_value(body, around, depth + 1, arrived);
    }
    if text::at(value, &["eventSource"]) == Some("aws:s3") {
        arrived.events.push(storage::of_record(value)?);
        return Ok(());
    }
    if text::at(value, &["Event"]) == Some("s3:TestEvent") {
        return Ok(());
    }
    if has("eventName") && has("eventSource") {
        return all(cloudtrail::of_record(value, around), arrived);
    }
    if has("messageType") {
        return config::of_message(value, around).map(|event| arrived.events.extend(event));
    }
    Err(unrecognised(value))
}

/// EventBridge's envelope (Amazon EventBridge user guide, "Event structure reference").
fn of_envelope(envelope: &Value, depth: usize, arrived: &mut Arrived) -> Result<(), EventError> {
    let around = Wrapping {
        id: text::at(envelope, &["id"]),
        time: text::at(envelope, &["time"]),
        account: text::at(envelope, &["account"]),
        region: text::at(envelope, &["region"]),
    };
    let detail = envelope.get("detail").unwrap_or(&Value::Null);
    let kind = text::at(envelope, &["detail-type"]).unwrap_or_default();
    let source = text::at(envelope, &["source"]).unwrap_or_default();
    match (source, kind) {
        (_, "AWS API Call via CloudTrail" | "AWS Service Event via CloudTrail") => {
            all(cloudtrail::of_record(detail, around), arrived)
        }
        ("aws.config", _) => {
            let event = config::of_message(detail, around)?;
            arrived.events.extend(event);
            Ok(())
        }
        ("aws.s3", _) => {
            arrived
                .events
                .push(storage::of_event(kind, detail, around)?);
            Ok(())
        }
        // An event that somebody forwarded whole.
        _ if detail.get("detail-type").is_some() => of_value(detail, around, depth + 1, arrived),
        _ => Err(EventError::Unrecognised {
            found: shortened(&format!("detail-type {kind:?} of {source:?}")),
        }),
    }
}

/// An SNS notification (Amazon SNS developer guide, "HTTP/HTTPS notification JSON format"); a Lambda
/// function gets the same members.
fn of_notification(
    notification: &Value,
    around: Wrapping<'_>,
    depth: usize,
    arrived: &mut Arrived,
) -> Result<(), EventError> {
    // Whoever takes subscriptions confirms them; they tell of no change.
    if let Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") =
        text::at(notification, &["Type"])
    {
        return Ok(());
    }
    let around = Wrapping {
        id: text::at(notification, &["MessageId"]).or(around.id),
        time: text::at(notification, &["Timestamp"]).or(around.time),
        ..around
    };
    let message = notification.get("Message").unwrap_or(&Value::Null);
    of_value(message, around, depth + 1, arrived)
}

fn all(
    read: Result<Vec<Result<Event, EventError>>, EventError>,
    arrived: &mut Arrived,
) -> Result<(), EventError> {
    for event in read? {
        match event {
            Ok(event) => arrived.events.push(event),
            Err(error) => arrived.rejected.push(error),
        }
    }
    Ok(())
}

/// What a document that nobody knows looks like: its kind, or the names of its first members.
fn unrecognised(value: &Value) -> EventError {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(members) if members.is_empty() => "an object without members".to_owned(),
        Value::Object(members) => {
            let names: Vec<&str> = members.keys().take(5).map(String::as_str).collect();
            shortened(&format!("an object with {}", names.join(", ")))
        }
    };
    EventError::Unrecognised { found }
}

fn shortened(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(160)
        .collect()
}
