//! A message of SNS over HTTP, and the bytes that its signature is over.
//!
//! Members and their order: Amazon SNS developer guide, "Parsing message formats" and "Verifying the
//! signatures of Amazon SNS messages".

use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

use super::address;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something was published.
    Notification,
    /// Somebody has subscribed this address, and is to be confirmed.
    SubscriptionConfirmation,
    /// The subscription has ended.
    UnsubscribeConfirmation,
}

/// With what the signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureVersion {
    /// RSA over SHA-1.
    One,
    /// RSA over SHA-256.
    Two,
}

/// A message. That it was read says nothing about who wrote it.
#[derive(Clone, Debug)]
pub struct Message {
    kind: Kind,
    members: Map<String, Value>,
    topic: String,
    time: Timestamp,
    version: SignatureVersion,
    signature: Vec<u8>,
    certificate: Uri,
}

/// Why a text is no message of SNS.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Not even JSON. With raw message delivery, what SNS sends has no signature.
    #[error(
        "this is no message of SNS; raw message delivery must be off, since it has no signature"
    )]
    NotJson,
    /// A member that it always has is missing or is no text.
    #[error("the message has no usable `{0}`")]
    Member(&'static str),
}

impl Message {
    /// Reads a message.
    pub fn parse(text: &str) -> Result<Message, MessageError> {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(MessageError::NotJson);
        };
        let member = |name: &'static str| {
            let text = members.get(name).and_then(Value::as_str);
            text.ok_or(MessageError::Member(name))
        };
        let kind = match member("Type")? {
            "Notification" => Kind::Notification,
            "SubscriptionConfirmation" => Kind::SubscriptionConfirmation,
            "UnsubscribeConfirmation" => Kind::UnsubscribeConfirmation,
            _ => return Err(MessageError::Member("Type")),
        };
        for name in signed(kind) {
            if *name != "Subject" {
                member(name)?;
            }
        }
        let subject = members.get("Subject");
        if !subject.is_none_or(|subject| subject.is_null() || subject.is_string()) {
            return Err(MessageError::Member("Subject"));
        }
        let version = match member("SignatureVersion")? {
            "1" => SignatureVersion::One,
            "2" => SignatureVersion::Two,
            _ => return Err(MessageError::Member("SignatureVersion")),
        };
        let time = member("Timestamp")?.parse();
        let signature = STANDARD.decode(member("Signature")?);
        let certificate = address::of_certificate(member("SigningCertURL")?);
        Ok(Message {
            kind,
            topic: member("TopicArn")?.to_owned(),
            time: time.map_err(|_| MessageError::Member("Timestamp"))?,
            version,
            signature: signature.map_err(|_| MessageError::Member("Signature"))?,
            certificate: certificate.ok_or(MessageError::Member("SigningCertURL"))?,
            members,
        })
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The topic's ARN.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// When it was published, as it says.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The address that confirms the subscription, if it is one of SNS that does so and nothing else.
    pub fn subscribe_address(&self) -> Option<&str> {
        let address = self.members.get("SubscribeURL")?.as_str()?;
        address::of_confirmation(address, &self.topic)?;
        Some(address)
    }

    pub(super) fn version(&self) -> SignatureVersion {
        self.version
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(super) fn certificate(&self) -> &Uri {
        &self.certificate
    }

    /// The bytes that the signature is over: the name and the value of each member, a line each.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in self.signed() {
            for line in [name, value] {
                bytes.extend_from_slice(line.as_bytes());
                bytes.push(b'\n');
            }
        }
        bytes
    }

    /// The members that the signature is over, and no others.
    pub(super) fn signed_json(&self) -> String {
        let members = self.signed();
        let members: Map<String, Value> = members
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        Value::from(members).to_string()
    }

    fn signed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let value = |name: &'static str| Some((name, self.members.get(name)?.as_str()?));
        signed(self.kind).iter().filter_map(move |name| value(name))
    }
}

/// The members that the signature of a kind is over, in order; the subject where there is one.
fn signed(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Notification => &[
            "Message",
            "MessageId",
            "Subject",
            "Timestamp",
            "TopicArn",
            "Type",
        ],
        Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => &[
            "Message",
            "MessageId",
            "SubscribeURL",
            "Timestamp",
            "Token",
            "TopicArn",
            "Type",
        ],
    }
}
