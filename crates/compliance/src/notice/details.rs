//! The parts of a notice that some kinds have.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{NoticeKind, Severity};

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
