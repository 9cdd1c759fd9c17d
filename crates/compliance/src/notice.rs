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
mod details;
mod escalation;
mod evidence;
mod html;
mod kind;
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

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::item::ResourceKey;

pub use chat::{chat, slack};
pub use details::{
    DigestLine, Escalation, ExceptionSummary, Exposure, Links, Recurrence, Remediation,
    RemediationState, WhoDidIt,
};
pub use escalation::{
    Acknowledgement, EscalationStanding, Ladder, LadderStep, NextEscalation, next_escalation,
};
pub use html::html;
pub use kind::{Access, HeldBy, Mechanism, NoticeKind, Severity, StillOpen, WayIn};
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
    /// What else is open on the resource when this is over ([`NoticeKind::Closed`],
    /// [`NoticeKind::Resolved`]): only if there is nothing is it good news.
    #[serde(default)]
    pub still_open: Vec<StillOpen>,
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
            still_open: Vec::new(),
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

    /// Whether what it tells of is over and nothing else is open, so that nobody needs to act.
    pub fn is_good_news(&self) -> bool {
        self.kind.is_over() && self.still_open.is_empty()
    }
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
