//! The courier as the guard's loops know it.

use std::time::Duration;

use compliance::notice::{Outcome, Protocol};
use compliance::rules::configured::LambdaTarget;
use guard::deliver::{Courier as Deliver, Message, SendError, Sending};

use serde_json::Value;

use crate::courier::{Courier, Parcel};

/// Sends notices to subscriptions; events to targets, and notices to topics of AWS, are for somebody
/// else.
#[derive(Clone, Debug)]
pub struct Dispatch<E> {
    /// Takes notices.
    pub courier: Courier,
    /// Takes the rest.
    pub elsewhere: E,
}

impl<E: Deliver> Deliver for Dispatch<E> {
    async fn send(&self, sending: &Sending) -> Result<(), SendError> {
        match &sending.message {
            Message::Notice {
                subscription,
                notice,
            } if subscription.protocol != Protocol::Sns => {
                let parcel = Parcel {
                    delivery_id: &sending.id,
                    notice,
                    subscription,
                    at: sending.now,
                };
                sent(self.courier.deliver(&parcel).await)
            }
            _ => self.elsewhere.send(sending).await,
        }
    }

    async fn ask(&self, function: &LambdaTarget, event: &Value) -> Result<Value, SendError> {
        self.elsewhere.ask(function, event).await
    }
}

/// What became of an attempt, in the guard's words.
pub fn sent(outcome: Outcome) -> Result<(), SendError> {
    match outcome {
        Outcome::Accepted { .. } => Ok(()),
        Outcome::Passing { why, retry_after } => Err(SendError::Passing {
            detail: why,
            retry_after: retry_after.and_then(|wait| Duration::try_from(wait).ok()),
        }),
        Outcome::Refused { why, gone: false } => Err(SendError::Refused { detail: why }),
        Outcome::Refused { why, gone: true } => Err(SendError::Gone { detail: why }),
    }
}
