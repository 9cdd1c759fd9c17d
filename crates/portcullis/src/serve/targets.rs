//! Where events go to as they are, and where notices go that the SDK takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::Services;
use compliance::notice::{Endpoint, Protocol, SNS_SUBJECT_LIMIT, SnsFormat, sns_message, subject};
use compliance::rules::configured::LambdaTarget;
use courier::{Command, Courier, Poster, SigningKey, sent};
use guard::deliver::{Courier as Deliver, Message, SendError, Sending};
use guard::error::CallError;
use guard::ports::publish::{
    BusEntry, Invocation, InvokeFunction, PublishTopic, PutEvents, QueueMessage, SendMessage,
    TopicMessage,
};
use serde_json::Value;

/// What the courier leaves to others.
pub(crate) struct Elsewhere {
    /// The targets of event rules, by name.
    pub(crate) targets: BTreeMap<String, Target>,
    /// Through whom notices are published to SNS topics, and how, by the subscription's id.
    pub(crate) topics: BTreeMap<String, (Arc<Services>, SnsFormat)>,
    /// Who invokes the functions of custom rules: the services of the account that an ARN names, else
    /// of the first.
    pub(crate) functions: BTreeMap<String, Arc<Services>>,
    /// For web addresses.
    pub(crate) courier: Courier,
}

/// One target.
pub(crate) struct Target {
    /// Where it is.
    pub(crate) place: Place,
    /// How long an attempt may take.
    pub(crate) within: Duration,
}

/// How long an attempt may take unless the configuration says.
pub(crate) const SEND_WITHIN: Duration = Duration::from_secs(20);
/// How long a function may take to answer: Lambda ends one after 15 minutes (AWS Lambda developer guide,
/// "Lambda quotas").
const ANSWER_WITHIN: Duration = Duration::from_secs(15 * 60 + 10);

/// Where a target is.
pub(crate) enum Place {
    /// A web address, by who posts to it.
    Webhook(Box<Poster>, Endpoint, Vec<SigningKey>),
    /// A queue, by its URL.
    Queue(Arc<Services>, String),
    /// A function, by name or ARN.
    Function(Arc<Services>, String),
    /// An event bus, in a region.
    Bus(Arc<Services>, Option<String>, String),
    /// A topic, by its ARN.
    Topic(Arc<Services>, String),
    /// A program.
    Command(Box<Command>),
}

impl Deliver for Elsewhere {
    async fn send(&self, sending: &Sending) -> Result<(), SendError> {
        match &sending.message {
            Message::Event { target, event } => match self.targets.get(target) {
                Some(target) => within(target.within, self.event(target, sending, event)).await,
                None => Err(SendError::Refused {
                    detail: format!("the configuration has no target {target:?} any more"),
                }),
            },
            Message::Notice {
                subscription,
                notice,
            } if subscription.protocol == Protocol::Sns => {
                let Some((services, format)) = self.topics.get(&subscription.id) else {
                    return Err(SendError::Refused {
                        detail: "no account publishes for this subscription".to_owned(),
                    });
                };
                let topic = subscription.endpoint.expose();
                let message = TopicMessage {
                    subject: Some(subject(notice, SNS_SUBJECT_LIMIT)),
                    message: sns_message(notice, *format),
                    ..fifo(topic, &sending.id)
                };
                within(SEND_WITHIN, async {
                    called(services.publish(&message).await)
                })
                .await
            }
            Message::Notice { subscription, .. } => Err(SendError::Refused {
                detail: format!("{} is not sent from here", subscription.protocol.as_str()),
            }),
        }
    }

    async fn ask(&self, function: &LambdaTarget, event: &Value) -> Result<Value, SendError> {
        match function {
            LambdaTarget::Arn(arn) => within(ANSWER_WITHIN, self.invoke(arn, event)).await,
            LambdaTarget::Url(url) => {
                let answer = self.courier.poster.ask(&Endpoint::new(url), event).await;
                let answer = match answer {
                    Ok(answer) => answer,
                    Err(outcome) => {
                        return Err(sent(outcome).err().unwrap_or(SendError::Refused {
                            detail: "there is no answer".to_owned(),
                        }));
                    }
                };
                parsed(&answer)
            }
        }
    }
}

/// An attempt that hangs must not hold up the others, nor keep what it was to tell from being tried again.
async fn within<T>(
    limit: Duration,
    attempt: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    match tokio::time::timeout(limit, attempt).await {
        Ok(sent) => sent,
        Err(_) => Err(SendError::Passing {
            detail: format!("no answer within {} s", limit.as_secs()),
            retry_after: None,
        }),
    }
}

impl Elsewhere {
    async fn event(
        &self,
        target: &Target,
        sending: &Sending,
        event: &Value,
    ) -> Result<(), SendError> {
        match &target.place {
            Place::Webhook(poster, endpoint, keys) => {
                let courier = Courier {
                    poster: (**poster).clone(),
                    ..self.courier.clone()
                };
                let posted = courier.post_event(&sending.id, endpoint, keys, event, sending.now);
                sent(posted.await)
            }
            Place::Queue(services, url) => {
                let is_fifo = url.ends_with(".fifo");
                let message = QueueMessage {
                    queue_url: url.clone(),
                    body: event.to_string(),
                    group: is_fifo.then(|| "portcullis".to_owned()),
                    deduplication: is_fifo.then(|| sending.id.clone()),
                    ..QueueMessage::default()
                };
                called(services.send_message(&message).await)
            }
            Place::Function(services, function) => {
                let payload = event.to_string();
                let invoked = services
                    .invoke(function, payload.as_bytes(), Invocation::Event)
                    .await;
                called(invoked)
            }
            Place::Bus(services, bus, region) => called(
                services
                    .put_events(region, &[entry(bus.clone(), event)])
                    .await,
            ),
            Place::Topic(services, arn) => {
                let message = TopicMessage {
                    message: event.to_string(),
                    ..fifo(arn, &sending.id)
                };
                called(services.publish(&message).await)
            }
            Place::Command(command) => sent(command.run(event.to_string().as_bytes()).await),
        }
    }

    async fn invoke(&self, arn: &str, event: &Value) -> Result<Value, SendError> {
        let account = arn.split(':').nth(4).unwrap_or_default();
        let services = self
            .functions
            .get(account)
            .or_else(|| self.functions.values().next());
        let Some(services) = services else {
            return Err(SendError::Refused {
                detail: "no account of AWS is watched that could invoke it".to_owned(),
            });
        };
        let payload = event.to_string();
        let answer = services
            .invoke(arn, payload.as_bytes(), Invocation::Wait)
            .await
            .map_err(|error| send_error(&error))?;
        if let Some(error) = answer.error {
            let said: String = String::from_utf8_lossy(&answer.payload)
                .chars()
                .take(300)
                .collect();
            return Err(SendError::Passing {
                detail: format!("the function failed ({error}): {said}"),
                retry_after: None,
            });
        }
        parsed(&answer.payload)
    }
}

fn parsed(answer: &[u8]) -> Result<Value, SendError> {
    serde_json::from_slice(answer).map_err(|error| SendError::Passing {
        detail: format!("its answer is not JSON: {error}"),
        retry_after: None,
    })
}

/// A topic's message with what a FIFO topic asks for.
fn fifo(arn: &str, id: &str) -> TopicMessage {
    let is_fifo = arn.ends_with(".fifo");
    TopicMessage {
        topic: arn.to_owned(),
        group: is_fifo.then(|| "portcullis".to_owned()),
        deduplication: is_fifo.then(|| id.to_owned()),
        ..TopicMessage::default()
    }
}

/// An event of ours on somebody's bus. Only AWS may call a source `aws.…` there (EventBridge API
/// reference, `PutEventsRequestEntry`), so ours is another and the rest is the same.
fn entry(bus: Option<String>, event: &Value) -> BusEntry {
    let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
    let source = text("source");
    BusEntry {
        bus,
        source: match source.strip_prefix("aws.") {
            Some(service) => format!("portcullis.{service}"),
            None => source,
        },
        detail_type: text("detail-type"),
        detail: event["detail"].to_string(),
        resources: event["resources"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|arn| arn.as_str().map(str::to_owned))
            .collect(),
        time: event["time"].as_str().and_then(|at| at.parse().ok()),
    }
}

fn called<T>(result: Result<T, CallError>) -> Result<(), SendError> {
    result.map(drop).map_err(|error| send_error(&error))
}

/// What a failed call means for a message. A denied call may be allowed tomorrow, when somebody has
/// seen the dead letter's reason; a wrong one stays wrong.
fn send_error(error: &CallError) -> SendError {
    let detail = error.to_string();
    match error {
        CallError::Failed { .. } | CallError::Unsupported { .. } | CallError::NoSuchBucket => {
            SendError::Refused { detail }
        }
        CallError::AccessDenied { .. }
        | CallError::Throttled { .. }
        | CallError::Passing { .. }
        | CallError::Hopeless(_) => SendError::Passing {
            detail,
            retry_after: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_of_ours_does_not_pose_as_one_of_awss() {
        let event = json!({"source": "aws.config", "detail-type": "Config Rules Compliance Change",
                           "detail": {"a": 1}, "resources": ["arn:aws:s3:::b"],
                           "time": "2026-01-01T00:00:00Z"});
        let entry = entry(None, &event);
        assert_eq!(entry.source, "portcullis.config");
        assert_eq!(entry.detail, r#"{"a":1}"#);
        assert_eq!(entry.resources, ["arn:aws:s3:::b"]);
        assert!(entry.time.is_some());
    }

    #[test]
    fn fifo_topics_get_what_they_ask_for() {
        let plain = fifo("arn:aws:sns:eu-central-1:111122223333:t", "1");
        assert_eq!((plain.group, plain.deduplication), (None, None));
        let fifo = fifo("arn:aws:sns:eu-central-1:111122223333:t.fifo", "1");
        assert_eq!(fifo.deduplication.as_deref(), Some("1"));
        assert!(fifo.group.is_some());
    }
}
