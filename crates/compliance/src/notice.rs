//! Notices: what people are told, how it reads in each medium, to whom it goes and when.
//!
//! A [`Notice`] is plain data: it is stored as JSON in the same transaction as what it tells of, and
//! rendered when it is sent. Everything here is pure: which subscriptions get it ([`route`]), when a
//! failed delivery is tried again ([`RetrySchedule`]), when the next contact is asked
//! ([`Ladder`]), and what the links in a mail are signed with ([`token`]).
//!
//! Names of buckets, policies, tags and actors are chosen by attackers. Each medium escapes them in
//! its own way, and what would hide or reverse text is spelled out everywhere.

mod body;
mod chat;
mod escalation;
mod evidence;
mod html;
pub mod links;
pub mod mail;
mod outcome;
mod quiet;
mod retry;
mod route;
mod sns;
mod subject;
mod subscription;
mod text;
pub mod token;
mod webhook;
mod words;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::item::ResourceKey;

pub use chat::{chat, slack};
pub use escalation::{
    Acknowledgement, EscalationStanding, Ladder, LadderStep, NextEscalation, next_escalation,
};
pub use html::html;
pub use outcome::Outcome;
pub use quiet::{QuietHours, Zone};
pub use retry::RetrySchedule;
pub use route::{Delivery, digest, digest_dedupe_key, route};
pub use sns::{SNS_MESSAGE_LIMIT, SnsFormat, SnsNotification, sns_message, sns_notification};
pub use subject::{MAIL_SUBJECT_LIMIT, SNS_SUBJECT_LIMIT, mail_subject, subject};
pub use subscription::{Endpoint, Filter, Protocol, Subscription, Topic};
pub use text::text;
pub use webhook::{SCHEMA_VERSION, webhook};

/// How many bytes of a policy a mail carries. S3 allows 20 KB (Amazon S3 user guide, "Bucket policies
/// and user policies"); other stores may allow more.
pub const POLICY_LIMIT: usize = 48 * 1024;

/// Something to tell somebody.
///
/// ```
/// use compliance::item::ResourceKey;
/// use compliance::notice::{self, Notice, NoticeKind, Severity};
///
/// let notice = Notice {
///     finding_id: Some("f-1".to_owned()),
///     key: Some(ResourceKey::bucket("111122223333", "eu-central-1", "backups")),
///     severity: Severity::High,
///     ..Notice::new("n-1", NoticeKind::Opened, "2026-01-01T00:00:00Z".parse().unwrap())
/// };
/// assert_eq!(notice::subject(&notice, notice::SNS_SUBJECT_LIMIT), "May be public: backups in 111122223333");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id, unique in a store.
    pub id: String,
    /// What it says.
    pub kind: NoticeKind,
    /// The topics that it is published to.
    #[serde(default)]
    pub topics: Vec<String>,
    /// The one subscription that it is for, whatever its topic: a request to confirm, a test.
    #[serde(default)]
    pub only_to: Option<String>,
    /// The finding that it is about. Notices of one finding form a thread.
    #[serde(default)]
    pub finding_id: Option<String>,
    /// Which time the finding is open, from 1: the same kind of notice about the same occurrence is
    /// sent once.
    #[serde(default)]
    pub occurrence: u64,
    /// The resource.
    #[serde(default, with = "key")]
    pub key: Option<ResourceKey>,
    /// What people call the account.
    #[serde(default)]
    pub account_label: Option<String>,
    /// How severe it is.
    #[serde(default)]
    pub severity: Severity,
    /// The rules that the resource fails or failed.
    #[serde(default)]
    pub rule_names: Vec<String>,
    /// The rules' annotation.
    #[serde(default)]
    pub annotation: Option<String>,
    /// The ways in.
    #[serde(default)]
    pub mechanisms: Vec<WayIn>,
    /// A request that gets in, in the shape of `portcullis check --format json`.
    #[serde(default)]
    pub witness: Option<Value>,
    /// The witness's request as a command to try.
    #[serde(default)]
    pub attempt: Option<String>,
    /// The text of the Allow statements that let it in.
    #[serde(default)]
    pub statement: Option<String>,
    /// The whole policy.
    #[serde(default)]
    pub policy: Option<String>,
    /// The ACL's public grants, one a line.
    #[serde(default)]
    pub grants: Vec<String>,
    /// Who opened it.
    #[serde(default)]
    pub event: Option<WhoDidIt>,
    /// How long it is or was open.
    #[serde(default)]
    pub exposure: Option<Exposure>,
    /// What was done, or would be.
    #[serde(default)]
    pub remediation: Option<Remediation>,
    /// What holds a remediation back ([`NoticeKind::RemediationHeld`]).
    #[serde(default)]
    pub held_by: Option<HeldBy>,
    /// When it will be closed unless somebody objects ([`NoticeKind::GraceBegins`]).
    #[serde(default)]
    pub closes_at: Option<Timestamp>,
    /// Why, in a sentence: a failure, what voids an exception, how somebody resolved it.
    #[serde(default)]
    pub reason: Option<String>,
    /// That the same cause was seen before.
    #[serde(default)]
    pub recurrence: Option<Recurrence>,
    /// That an earlier contact did not answer.
    #[serde(default)]
    pub escalation: Option<Escalation>,
    /// The exception that it is about.
    #[serde(default)]
    pub exception: Option<ExceptionSummary>,
    /// The notices that a digest collects.
    #[serde(default)]
    pub digest: Vec<DigestLine>,
    /// Config's compliance-change event, for subscribers that want that instead of text.
    #[serde(default)]
    pub compliance_change: Option<Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where to go from here.
    #[serde(default)]
    pub links: Links,
}

impl Notice {
    /// A notice that says nothing yet but its kind; the rest is added with struct update syntax.
    pub fn new(id: impl Into<String>, kind: NoticeKind, created_at: Timestamp) -> Notice {
        Notice {
            id: id.into(),
            kind,
            topics: Vec::new(),
            only_to: None,
            finding_id: None,
            occurrence: 0,
            key: None,
            account_label: None,
            severity: Severity::default(),
            rule_names: Vec::new(),
            annotation: None,
            mechanisms: Vec::new(),
            witness: None,
            attempt: None,
            statement: None,
            policy: None,
            grants: Vec::new(),
            event: None,
            exposure: None,
            remediation: None,
            held_by: None,
            closes_at: None,
            reason: None,
            recurrence: None,
            escalation: None,
            exception: None,
            digest: Vec::new(),
            compliance_change: None,
            created_at,
            links: Links::default(),
        }
    }
}

/// What a notice says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Something is open and needs somebody.
    Opened,
    /// It was closed by a remediation, read back and verified.
    Closed,
    /// A remediation was tried and did not close it.
    RemediationFailed,
    /// A remediation would close it and is held back; [`Notice::held_by`] says by what.
    RemediationHeld,
    /// It will be closed at [`Notice::closes_at`] unless somebody objects.
    GraceBegins,
    /// Somebody closed it.
    Resolved,
    /// It is open again, by the same cause.
    Recurred,
    /// Nobody answered in time; this is the next contact.
    Escalated,
    /// An exception ends soon.
    ExceptionExpiring,
    /// An exception has ended, and what it covered is still open.
    ExceptionExpired,
    /// What is open is wider than the exception covers.
    ExceptionVoid,
    /// A notice could not be delivered.
    DeadLetter,
    /// Something is not watched any more: a source is silent, credentials have expired.
    CoverageLost,
    /// Several notices in one.
    Digest,
    /// Somebody tries a subscription.
    Test,
    /// A new subscriber is asked whether they want this.
    SubscriptionConfirmation,
    /// A subscriber has left; the topic's others are told.
    Unsubscribed,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [NoticeKind; 17] = [
        NoticeKind::Opened,
        NoticeKind::Closed,
        NoticeKind::RemediationFailed,
        NoticeKind::RemediationHeld,
        NoticeKind::GraceBegins,
        NoticeKind::Resolved,
        NoticeKind::Recurred,
        NoticeKind::Escalated,
        NoticeKind::ExceptionExpiring,
        NoticeKind::ExceptionExpired,
        NoticeKind::ExceptionVoid,
        NoticeKind::DeadLetter,
        NoticeKind::CoverageLost,
        NoticeKind::Digest,
        NoticeKind::Test,
        NoticeKind::SubscriptionConfirmation,
        NoticeKind::Unsubscribed,
    ];

    /// Its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Opened => "opened",
            NoticeKind::Closed => "closed",
            NoticeKind::RemediationFailed => "remediation_failed",
            NoticeKind::RemediationHeld => "remediation_held",
            NoticeKind::GraceBegins => "grace_begins",
            NoticeKind::Resolved => "resolved",
            NoticeKind::Recurred => "recurred",
            NoticeKind::Escalated => "escalated",
            NoticeKind::ExceptionExpiring => "exception_expiring",
            NoticeKind::ExceptionExpired => "exception_expired",
            NoticeKind::ExceptionVoid => "exception_void",
            NoticeKind::DeadLetter => "dead_letter",
            NoticeKind::CoverageLost => "coverage_lost",
            NoticeKind::Digest => "digest",
            NoticeKind::Test => "test",
            NoticeKind::SubscriptionConfirmation => "subscription_confirmation",
            NoticeKind::Unsubscribed => "unsubscribed",
        }
    }

    /// Reads [`NoticeKind::as_str`]'s spelling.
    pub fn parse(text: &str) -> Option<NoticeKind> {
        NoticeKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    /// Whether it is about the subscription itself: neither filtered nor held for the morning.
    pub fn is_about_subscription(self) -> bool {
        matches!(
            self,
            NoticeKind::Test | NoticeKind::SubscriptionConfirmation | NoticeKind::Unsubscribed
        )
    }

    /// Whether what it tells of is over, so that nobody needs to act.
    pub fn is_good_news(self) -> bool {
        matches!(self, NoticeKind::Closed | NoticeKind::Resolved)
    }
}

/// How severe a notice is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To know.
    #[default]
    Informational,
    /// To be looked at some day.
    Low,
    /// To be looked at soon.
    Medium,
    /// Somebody outside can read.
    High,
    /// Somebody outside can write.
    Critical,
}

impl Severity {
    /// Its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Informational => "informational",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// One open way into a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WayIn {
    /// Through what.
    pub via: Mechanism,
    /// For what.
    pub access: Access,
}

/// Through what a bucket is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// The ACL.
    Acl,
    /// The bucket policy.
    Policy,
    /// An access point.
    AccessPoint,
}

/// For what a bucket is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Listing and reading.
    Read,
    /// Writing, deleting, changing.
    Write,
}

/// Who opened it, as the event tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WhoDidIt {
    /// The ARN or name of who asked for it.
    pub actor: Option<String>,
    /// From where.
    pub source_ip: Option<String>,
    /// The operation, such as `PutBucketPolicy`.
    pub event_name: Option<String>,
    /// When it was done.
    pub event_time: Option<Timestamp>,
    /// The event's id.
    pub event_id: Option<String>,
}

/// How long a resource is or was open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// From when: the event's time where there is one.
    pub from: Timestamp,
    /// Until when; `None`: it is open.
    #[serde(default)]
    pub to: Option<Timestamp>,
    /// When it was found.
    pub detected_at: Timestamp,
}

/// A remediation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remediation {
    /// Its id in the journal.
    pub id: String,
    /// The difference that it makes, line by line, marked `+`, `-` or with a space.
    #[serde(default)]
    pub summary: Vec<String>,
    /// The command that takes it back.
    #[serde(default)]
    pub undo_command: Option<String>,
    /// How far it is.
    pub state: RemediationState,
}

/// How far a remediation is (AWS Config API reference, `RemediationExecutionStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RemediationState {
    /// Not begun.
    Queued,
    /// Begun.
    InProgress,
    /// Done and verified.
    Succeeded,
    /// Not done, or done and not effective.
    Failed,
}

/// What holds a remediation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// Too many changes in too short a time.
    CircuitBreaker,
    /// Somebody opens it again each time.
    LoopGuard,
    /// Enforcement is not switched on for it.
    EnforcementOff,
    /// All enforcement was stopped.
    EnforcementStopped,
    /// The grace period is running.
    GracePeriod,
    /// The configuration says to notify and leave it as it is.
    NotifyOnly,
}

impl HeldBy {
    /// Its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            HeldBy::CircuitBreaker => "circuit_breaker",
            HeldBy::LoopGuard => "loop_guard",
            HeldBy::EnforcementOff => "enforcement_off",
            HeldBy::EnforcementStopped => "enforcement_stopped",
            HeldBy::GracePeriod => "grace_period",
            HeldBy::NotifyOnly => "notify_only",
        }
    }
}

/// That the same cause was seen before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// Which time it is, in the window.
    pub count: u32,
    /// The window in days.
    pub within_days: u32,
    /// When it was last closed.
    #[serde(default)]
    pub last_closed_at: Option<Timestamp>,
    /// By whom it was last closed.
    #[serde(default)]
    pub last_closed_by: Option<String>,
}

/// That an earlier contact did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Which step of the ladder this is, from 1.
    pub step: u32,
    /// How many there are.
    pub of: u32,
    /// Who was told before.
    #[serde(default)]
    pub previous_contact: Option<String>,
    /// How long they were waited for.
    pub waited: SignedDuration,
}

/// The exception that a notice is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionSummary {
    /// Its id.
    pub id: String,
    /// Who answers for it.
    pub owner: String,
    /// Why the bucket is open.
    pub reason: String,
    /// From this moment on it covers nothing.
    pub expires: Timestamp,
}

/// One notice in a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestLine {
    /// The notice's id.
    pub notice_id: String,
    /// The finding.
    #[serde(default)]
    pub finding_id: Option<String>,
    /// What it says.
    pub kind: NoticeKind,
    /// How severe it is.
    pub severity: Severity,
    /// Its subject, unshortened.
    pub subject: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where to go from a notice. Each is an absolute address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    /// To say that somebody is on it.
    pub acknowledge: Option<String>,
    /// The finding in the console.
    pub console: Option<String>,
    /// To confirm a subscription. Whoever has it can confirm.
    pub confirm: Option<String>,
    /// To leave. Differs from subscription to subscription, so that it is set when it is sent.
    pub unsubscribe: Option<String>,
}

/// [`ResourceKey`] as JSON: the core type is not tied to a format.
mod key {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::item::ResourceKey;

    #[derive(Serialize, Deserialize)]
    struct Written {
        account: String,
        region: String,
        resource_type: String,
        resource_id: String,
    }

    pub(super) fn serialize<S: Serializer>(
        key: &Option<ResourceKey>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        key.as_ref()
            .map(|key| Written {
                account: key.account.clone(),
                region: key.region.clone(),
                resource_type: key.resource_type.clone(),
                resource_id: key.resource_id.clone(),
            })
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<ResourceKey>, D::Error> {
        let key: Option<Written> = Option::deserialize(from)?;
        Ok(key.map(|key| ResourceKey {
            account: key.account,
            region: key.region,
            resource_type: key.resource_type,
            resource_id: key.resource_id,
        }))
    }
}
