//! Events that arrive: who did what, when, and which resource to look at again.
//!
//! [`read`] takes the text of one message, as it comes from a queue, an HTTPS intake or a recording,
//! and finds the events in it, whatever they are wrapped in:
//!
//! - an EventBridge envelope ("AWS API Call via CloudTrail", "Config Rules Compliance Change", "Config
//!   Configuration Item Change", "Object ACL Updated");
//! - an SNS notification around it, also as SNS and SQS hand it to a Lambda function (`Records`);
//! - a bare CloudTrail record, a CloudTrail log file's `Records`, a notification of AWS Config, an S3
//!   event notification.
//!
//! [`read_ops_log`] takes one record of Ceph's ops log; [`OpsLogStream`] finds the records in the bytes of
//! its socket.
//!
//! An event is a hint and nothing more: it says where to look, never what is there. So a forged, late,
//! repeated or lost event can cause no wrong verdict and no write; the state is read again. What cannot
//! be understood is an [`EventError`] with the reason, to be kept and counted, and never stops the
//! other events of the same message.

mod cloudtrail;
mod config;
mod envelope;
mod ops_log;
mod ops_log_stream;
mod storage;
mod text;

use jiff::Timestamp;
use serde_json::Value;

pub use envelope::{LARGEST_MESSAGE, read};
pub use ops_log::read_ops_log;
pub use ops_log_stream::{LARGEST_OPS_LOG_RECORD, OpsLogStream, Piece};

/// One event, about one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// CloudTrail's `eventID`, else the id of the envelope, the notification or the request, else a
    /// digest of the text. The same event has the same id however often and by whatever way it
    /// arrives: repeated ones are known by it. Where one record tells of several resources, the
    /// second and later ones have `/1`, `/2` … at the end.
    pub id: String,
    /// Who told it.
    pub source: Source,
    /// What happened: CloudTrail's `eventName`, EventBridge's `detail-type`, Ceph's operation.
    pub name: String,
    /// When it happened, as the source tells it. It can be wrong or forged: before time is counted
    /// from it, it is held to what is plausible (not after the arrival).
    pub time: Timestamp,
    /// The account of the resource, where told.
    pub account: Option<String>,
    /// The region, where told.
    pub region: Option<String>,
    /// Who did it: an ARN, a service, or a user as the store names it.
    pub actor: Option<String>,
    /// From where: an address, or a service's name.
    pub source_ip: Option<String>,
    /// With what.
    pub user_agent: Option<String>,
    /// The error that the call ended with, if it failed. See [`Event::may_have_changed`].
    pub error_code: Option<String>,
    /// What to look at again.
    pub concerns: Concerns,
    /// The record as it was told.
    pub detail: Value,
}

/// Who told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A call recorded by CloudTrail.
    CloudTrail,
    /// AWS Config: a compliance change, an evaluation, or a configuration item.
    Config,
    /// S3 itself: an event notification.
    Storage,
    /// Ceph's ops log.
    OpsLog,
}

impl Source {
    const ALL: [(Source, &'static str); 4] = [
        (Source::CloudTrail, "cloudtrail"),
        (Source::Config, "config"),
        (Source::Storage, "s3"),
        (Source::OpsLog, "ops-log"),
    ];

    /// Its name, for stores and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::CloudTrail => "cloudtrail",
            Source::Config => "config",
            Source::Storage => "s3",
            Source::OpsLog => "ops-log",
        }
    }

    /// The source of this name.
    pub fn parse(name: &str) -> Option<Source> {
        let found = Self::ALL.iter().find(|(_, text)| *text == name);
        found.map(|(source, _)| *source)
    }
}

/// What an event gives cause to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concerns {
    /// One bucket, by the name that it is asked for by.
    Bucket(String),
    /// The account's own settings, and with them each of its buckets. Twelve digits.
    Account(String),
    /// Every bucket that is watched: a policy of the organization changed, or a setting of an account
    /// that is not told.
    AllBuckets,
    /// An access point. Without the bucket, the account's access points have to be listed.
    AccessPoint {
        /// Its name.
        name: String,
        /// The bucket behind it, where told.
        bucket: Option<String>,
    },
    /// The ACL of one object.
    Object {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// An EBS volume, by its id.
    Volume(String),
    /// Nothing that is watched: the call read only, or is about something else.
    Nothing,
}

impl Concerns {
    /// The bucket, if one is named.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Concerns::Bucket(bucket) | Concerns::Object { bucket, .. } => Some(bucket),
            Concerns::AccessPoint { bucket, .. } => bucket.as_deref(),
            Concerns::Account(_)
            | Concerns::AllBuckets
            | Concerns::Volume(_)
            | Concerns::Nothing => None,
        }
    }
}

impl Event {
    /// Whether the state can be another one after it. A call that was refused changed nothing, so
    /// strangers whose calls are refused cannot keep the guard busy; every other failure (a time-out,
    /// an internal error) may have come after the change, and is looked at.
    pub fn may_have_changed(&self) -> bool {
        match self.error_code.as_deref() {
            None => true,
            Some(code) => !is_refusal(code),
        }
    }
}

impl Event {
    /// Whether nothing can be another than before but who gets in: then the rest of a bucket (its
    /// versioning, encryption, logging, tags …) need not be read again. What is not known to be so is
    /// about more.
    pub fn is_about_access_only(&self) -> bool {
        match self.concerns {
            Concerns::AccessPoint { .. } | Concerns::Object { .. } | Concerns::Nothing => true,
            _ => ACCESS_ONLY.contains(&self.name.as_str()),
        }
    }

    /// Whether what is there now under the bucket's name may be another bucket than before.
    pub fn makes_or_removes(&self) -> bool {
        matches!(
            self.name.as_str(),
            "CreateBucket" | "DeleteBucket" | "create_bucket" | "delete_bucket"
        )
    }
}

/// Calls that change who gets into a bucket, and nothing else: by CloudTrail's names (Amazon S3 user
/// guide, "Amazon S3 CloudTrail events"), and by those of the operation classes of Ceph's gateway
/// (`rgw_op.h`).
const ACCESS_ONLY: &[&str] = &[
    "PutBucketAcl",
    "PutBucketPolicy",
    "DeleteBucketPolicy",
    "PutBucketPublicAccessBlock",
    "DeleteBucketPublicAccessBlock",
    "PutPublicAccessBlock",
    "DeletePublicAccessBlock",
    "PutBucketOwnershipControls",
    "DeleteBucketOwnershipControls",
    "put_acls",
    "put_bucket_policy",
    "delete_bucket_policy",
    "put_public_access_block",
    "delete_public_access_block",
];

/// Whether a call with this error was turned away before anything was done (Amazon S3 API reference,
/// "List of error codes", those of status 4xx that depend on the request alone).
fn is_refusal(code: &str) -> bool {
    let code = code.strip_prefix("Client.").unwrap_or(code);
    code.starts_with("AccessDenied")
        || code.starts_with("Malformed")
        || code.starts_with("Invalid")
        || code.starts_with("NoSuch")
        || matches!(
            code,
            "UnauthorizedOperation"
                | "UnauthorizedAccess"
                | "AllAccessDisabled"
                | "MethodNotAllowed"
                | "NotImplemented"
                | "SignatureDoesNotMatch"
                | "RequestTimeTooSkewed"
                | "ExpiredToken"
                | "AuthorizationHeaderMalformed"
                | "BucketAlreadyExists"
                | "BucketAlreadyOwnedByYou"
                | "BucketNotEmpty"
                | "AccessControlListNotSupported"
                | "OwnershipControlsNotFoundError"
                | "PermanentRedirect"
                | "TemporaryRedirect"
                | "SlowDown"
                | "ThrottlingException"
                | "Throttling"
        )
}

/// What one message held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrived {
    /// The events, in the message's order.
    pub events: Vec<Event>,
    /// What could not be understood.
    pub rejected: Vec<EventError>,
}

/// Why a message, or a part of it, is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The message is larger than any real one.
    #[error("the message has {bytes} bytes, more than the {limit} that are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// The text is not JSON: cut short, or something else.
    #[error("the message is not JSON: {why}")]
    NotJson {
        /// Where, and what was expected.
        why: String,
    },
    /// It is wrapped more often than any real one.
    #[error("the event is wrapped more than {limit} times")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
    /// It holds more events than any real one.
    #[error("the message holds more than {limit} events; the rest is not read")]
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// It is JSON, but none of the documents that carry events.
    #[error("the message is none of the known kinds of event: {found}")]
    Unrecognised {
        /// What it looks like.
        found: String,
    },
    /// A member that the document always has is missing, or has another type.
    #[error("{document} has no usable `{member}`")]
    Member {
        /// The document.
        document: &'static str,
        /// The member's path in it.
        member: &'static str,
    },
    /// A member has a value that it cannot have.
    #[error("{document} has {value:?} as `{member}`, which cannot be")]
    Value {
        /// The document.
        document: &'static str,
        /// The member's path in it.
        member: &'static str,
        /// The value, shortened.
        value: String,
    },
}

impl EventError {
    /// A short name of the kind, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            EventError::TooLarge { .. } => "too-large",
            EventError::NotJson { .. } => "not-json",
            EventError::TooDeep { .. } => "too-deep",
            EventError::TooMany { .. } => "too-many",
            EventError::Unrecognised { .. } => "unrecognised",
            EventError::Member { .. } => "member-missing",
            EventError::Value { .. } => "impossible-value",
        }
    }
}
