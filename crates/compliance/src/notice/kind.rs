//! The closed lists in a notice: what it says, how severe, through what, held back by what.

use serde::{Deserialize, Serialize};

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
    /// A remediation would close it and is held back; [`held_by`](super::Notice::held_by) says by what.
    RemediationHeld,
    /// It will be closed at [`closes_at`](super::Notice::closes_at) unless somebody objects.
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
    /// History or a snapshot could not be delivered.
    DeliveryFailed,
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
    pub const ALL: [NoticeKind; 18] = [
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
        NoticeKind::DeliveryFailed,
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
            NoticeKind::DeliveryFailed => "delivery_failed",
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

    /// Whether what it tells of is over.
    pub fn is_over(self) -> bool {
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
    /// ACLs of single objects.
    ObjectAcl,
}

/// What else is open, or not known to be closed, when one cause is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StillOpen {
    /// The ACL.
    Acl,
    /// The bucket policy.
    Policy,
    /// An access point.
    AccessPoint,
    /// ACLs of single objects.
    ObjectAcl,
    /// Something that could not be decided.
    Undecided,
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
