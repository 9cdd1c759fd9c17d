//! From a notice and a subscription to one attempt.

use std::collections::BTreeMap;

use bytes::Bytes;
use compliance::notice::links::LinkMaker;
use compliance::notice::mail::{Envelope, mail};
use compliance::notice::{
    Endpoint, Notice, Outcome, Protocol, SnsFormat, SnsNotification, Subscription, chat, slack,
    sns_notification, webhook,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::http::Poster;
use crate::signature::{SigningKey, signature};
use crate::smtp::Mailer;

/// One delivery of one notice.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// The delivery's id, the same in every attempt: receivers tell repetitions by it
    /// (`Message-ID`, `webhook-id`).
    pub delivery_id: &'a str,
    /// What is told.
    pub notice: &'a Notice,
    /// Whom.
    pub subscription: &'a Subscription,
    /// Now.
    pub at: Timestamp,
}

/// What a web address expects beside a body.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// The keys that the body is signed with; none: it is not signed.
    pub keys: Vec<SigningKey>,
    /// The ARN that stands in an SNS-compatible body; `None`: one of the notice's account and region,
    /// and of the topic's name.
    pub topic_arn: Option<String>,
    /// What stands in an SNS-compatible body's message.
    pub sns_format: SnsFormat,
}

/// Takes parcels to their places.
#[derive(Clone, Debug)]
pub struct Courier {
    /// For web addresses.
    pub poster: Poster,
    /// For mail; `None`: no mail server is configured.
    pub mailer: Option<Mailer>,
    /// The sender of mails, `Name <address>` or an address.
    pub sender: String,
    /// Where answers to mails go, if not to the sender.
    pub reply_to: Option<String>,
    /// The domain of Message-IDs.
    pub domain: String,
    /// Makes each subscriber's links; `None`: nothing of ours can be reached by them, so that notices
    /// have no such links, and no mail address can be confirmed by one.
    pub links: Option<LinkMaker>,
    /// What web addresses expect, by the subscription's id.
    pub receivers: BTreeMap<String, Receiver>,
}

impl Courier {
    /// Makes one attempt. A topic of AWS SNS itself is not reached from here: that is for who has the
    /// SDK.
    pub async fn deliver(&self, parcel: &Parcel<'_>) -> Outcome {
        let mut notice = parcel.notice.clone();
        if let Some(links) = &self.links {
            notice.links = links.links(&notice, parcel.subscription, parcel.at);
        }
        let parcel = Parcel {
            notice: &notice,
            ..*parcel
        };
        match parcel.subscription.protocol {
            Protocol::Email => self.mail(&parcel).await,
            Protocol::Webhook => {
                let body = webhook(&notice);
                self.signed(&parcel, "application/json", body, Vec::new())
                    .await
            }
            Protocol::SnsWebhook => self.sns(&parcel).await,
            Protocol::Slack => self.json(&parcel, slack(&notice)).await,
            Protocol::Chat => self.json(&parcel, chat(&notice)).await,
            Protocol::Sns => {
                Outcome::refused("an SNS topic is published to through the AWS SDK, not from here")
            }
        }
    }

    /// Posts an event to a web address, signed like a notice.
    pub async fn post_event(
        &self,
        delivery_id: &str,
        endpoint: &Endpoint,
        keys: &[SigningKey],
        event: &Value,
        at: Timestamp,
    ) -> Outcome {
        let body = Bytes::from(event.to_string());
        let headers = signed_headers(delivery_id, keys, at, &body);
        self.poster
            .post(endpoint, "application/json", &headers, body, at)
            .await
    }

    async fn sns(&self, parcel: &Parcel<'_>) -> Outcome {
        let receiver = self.receivers.get(&parcel.subscription.id);
        let topic_arn = match receiver.and_then(|receiver| receiver.topic_arn.clone()) {
            Some(arn) => arn,
            None => topic_arn(parcel),
        };
        let about = SnsNotification {
            message_id: parcel.delivery_id,
            topic_arn: &topic_arn,
            format: receiver.map(|it| it.sns_format).unwrap_or_default(),
            at: parcel.at,
        };
        let body = sns_notification(parcel.notice, &about);
        let kind = body["Type"].as_str().unwrap_or("Notification").to_owned();
        let headers = vec![
            ("x-amz-sns-message-type", kind),
            ("x-amz-sns-message-id", parcel.delivery_id.to_owned()),
            ("x-amz-sns-topic-arn", topic_arn),
        ];
        // SNS names its JSON so (Amazon SNS developer guide, "HTTP/HTTPS headers").
        self.signed(parcel, "text/plain; charset=UTF-8", body, headers)
            .await
    }

    async fn mail(&self, parcel: &Parcel<'_>) -> Outcome {
        let Some(mailer) = &self.mailer else {
            // It waits until somebody sets it right.
            return Outcome::passing("no mail server is configured");
        };
        let envelope = Envelope {
            delivery_id: parcel.delivery_id,
            domain: &self.domain,
            from: &self.sender,
            to: parcel.subscription.endpoint.expose(),
            reply_to: self.reply_to.as_deref(),
            date: parcel.at,
        };
        mailer.send(&mail(parcel.notice, &envelope)).await
    }

    async fn json(&self, parcel: &Parcel<'_>, body: Value) -> Outcome {
        let body = Bytes::from(body.to_string());
        let endpoint = &parcel.subscription.endpoint;
        self.poster
            .post(endpoint, "application/json", &[], body, parcel.at)
            .await
    }

    async fn signed(
        &self,
        parcel: &Parcel<'_>,
        content_type: &'static str,
        body: Value,
        mut headers: Vec<(&'static str, String)>,
    ) -> Outcome {
        let body = Bytes::from(body.to_string());
        let receiver = self.receivers.get(&parcel.subscription.id);
        let keys = receiver.map_or(&[][..], |receiver| &receiver.keys);
        headers.extend(signed_headers(parcel.delivery_id, keys, parcel.at, &body));
        let endpoint = &parcel.subscription.endpoint;
        self.poster
            .post(endpoint, content_type, &headers, body, parcel.at)
            .await
    }
}

fn signed_headers(
    id: &str,
    keys: &[SigningKey],
    at: Timestamp,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.as_second().to_string()),
    ];
    if !keys.is_empty() {
        headers.push(("webhook-signature", signature(keys, id, at, body)));
    }
    headers
}

/// As the topic would be called if it were one of the account's.
fn topic_arn(parcel: &Parcel<'_>) -> String {
    let (region, account) = match &parcel.notice.key {
        Some(key) => (key.region.as_str(), key.account.as_str()),
        None => ("us-east-1", "000000000000"),
    };
    format!(
        "arn:aws:sns:{region}:{account}:{}",
        parcel.subscription.topic
    )
}
