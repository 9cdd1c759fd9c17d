//! From a notice and a subscription to one attempt.

use bytes::Bytes;
use compliance::notice::mail::{Envelope, mail};
use compliance::notice::{
    Notice, Outcome, Protocol, SnsFormat, SnsNotification, Subscription, chat, slack,
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
    /// What is told. Its links are this subscription's.
    pub notice: &'a Notice,
    /// Whom.
    pub subscription: &'a Subscription,
    /// The keys that a webhook's body is signed with; none: it is not signed.
    pub keys: &'a [SigningKey],
    /// The ARN that stands in SNS-compatible bodies.
    pub topic_arn: &'a str,
    /// What stands in an SNS-compatible body's message.
    pub sns_format: SnsFormat,
    /// Now.
    pub at: Timestamp,
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
}

impl Courier {
    /// Makes one attempt. A topic of AWS SNS itself is not reached from here: that is for who has the
    /// SDK.
    pub async fn deliver(&self, parcel: &Parcel<'_>) -> Outcome {
        let notice = parcel.notice;
        match parcel.subscription.protocol {
            Protocol::Email => self.mail(parcel).await,
            Protocol::Webhook => {
                self.signed(parcel, "application/json", webhook(notice), Vec::new())
                    .await
            }
            Protocol::SnsWebhook => {
                let about = SnsNotification {
                    message_id: parcel.delivery_id,
                    topic_arn: parcel.topic_arn,
                    format: parcel.sns_format,
                    at: parcel.at,
                };
                let body = sns_notification(notice, &about);
                let kind = body["Type"].as_str().unwrap_or("Notification").to_owned();
                let headers = vec![
                    ("x-amz-sns-message-type", kind),
                    ("x-amz-sns-message-id", parcel.delivery_id.to_owned()),
                    ("x-amz-sns-topic-arn", parcel.topic_arn.to_owned()),
                ];
                // SNS names its JSON so (Amazon SNS developer guide, "HTTP/HTTPS headers").
                self.signed(parcel, "text/plain; charset=UTF-8", body, headers)
                    .await
            }
            Protocol::Slack => self.json(parcel, slack(notice)).await,
            Protocol::Chat => self.json(parcel, chat(notice)).await,
            Protocol::Sns => {
                Outcome::refused("an SNS topic is published to through the AWS SDK, not from here")
            }
        }
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
        let id = parcel.delivery_id;
        headers.push(("webhook-id", id.to_owned()));
        headers.push(("webhook-timestamp", parcel.at.as_second().to_string()));
        if !parcel.keys.is_empty() {
            headers.push((
                "webhook-signature",
                signature(parcel.keys, id, parcel.at, &body),
            ));
        }
        let endpoint = &parcel.subscription.endpoint;
        self.poster
            .post(endpoint, content_type, &headers, body, parcel.at)
            .await
    }
}
