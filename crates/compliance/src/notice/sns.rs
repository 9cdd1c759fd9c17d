//! A notice as the message of an SNS topic.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Notice, NoticeKind, SNS_SUBJECT_LIMIT, subject, text, webhook};
use crate::item::millis;

/// The most bytes of a message (Amazon SNS API reference, `Publish`, `Message`: "at most 262,144
/// bytes").
pub const SNS_MESSAGE_LIMIT: usize = 262_144;

/// What stands in the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnsFormat {
    /// Text for people.
    #[default]
    Text,
    /// The JSON that a webhook gets ([`webhook`]).
    Json,
    /// Config's compliance-change event, for programs that read Config's own notifications. A notice
    /// that comes from no compliance change is text all the same.
    ComplianceChange,
}

/// The message, within the limit of SNS; a document that exceeds it becomes a text.
pub fn sns_message(notice: &Notice, format: SnsFormat) -> String {
    let document = match format {
        SnsFormat::Text => None,
        SnsFormat::Json => Some(webhook(notice)),
        SnsFormat::ComplianceChange => notice.compliance_change.clone(),
    };
    let mut message = document
        .map(|document| document.to_string())
        // Half a JSON document is worth nothing.
        .filter(|document| document.len() <= SNS_MESSAGE_LIMIT)
        .unwrap_or_else(|| text(notice));
    const CUT: &str = "\n[cut: longer than SNS allows]\n";
    if message.len() > SNS_MESSAGE_LIMIT {
        let mut end = SNS_MESSAGE_LIMIT - CUT.len();
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push_str(CUT);
    }
    message
}

/// What SNS would add to a message on its way to an HTTPS endpoint.
#[derive(Clone, Copy, Debug)]
pub struct SnsNotification<'a> {
    /// The message's id, the same in every attempt.
    pub message_id: &'a str,
    /// The ARN of the topic, as the receiver expects it.
    pub topic_arn: &'a str,
    /// What stands in the message.
    pub format: SnsFormat,
    /// When it is sent.
    pub at: Timestamp,
}

/// The JSON that SNS posts to an HTTPS endpoint (Amazon SNS developer guide, "HTTP/HTTPS notification
/// JSON format"), for receivers that were written for it.
///
/// `Signature` is empty: only AWS has the key to a certificate that such receivers trust. A receiver
/// that verifies must look at the signature in the headers instead.
pub fn sns_notification(notice: &Notice, about: &SnsNotification<'_>) -> Value {
    let confirm = (notice.kind == NoticeKind::SubscriptionConfirmation)
        .then_some(notice.links.confirm.as_deref())
        .flatten();
    let mut body = json!({
        "Type": if confirm.is_some() { "SubscriptionConfirmation" } else { "Notification" },
        "MessageId": about.message_id,
        "TopicArn": about.topic_arn,
        "Subject": subject(notice, SNS_SUBJECT_LIMIT),
        "Message": sns_message(notice, about.format),
        "Timestamp": millis(about.at),
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertURL": "",
    });
    let (name, link) = match confirm {
        Some(link) => ("SubscribeURL", link),
        None => (
            "UnsubscribeURL",
            notice.links.unsubscribe.as_deref().unwrap_or_default(),
        ),
    };
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), link.into());
    }
    body
}
