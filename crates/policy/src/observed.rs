//! A value that was looked for: present, absent, or not known, and then why.

use std::fmt;

/// What a look at one part of a configuration found.
///
/// "Not seen" is a value of its own: a part that could not be read is never taken for a part that is
/// not there. The analysis decides with [`Observed::Unknown`] both ways and reports a verdict only
/// where both ways agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed<T> {
    /// It was read and is there.
    Present(T),
    /// It was read and is not there (no policy, no block, no access point).
    Absent,
    /// It was not read.
    Unknown(Unread),
}

/// Why a part of a configuration was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The verdict was settled without it, so nobody asked.
    NotNeeded,
    /// The input does not have it (a bare policy says nothing about ACLs). The analysis takes it as
    /// absent and lists it as not considered.
    NotGiven,
    /// The input says itself that it is unknown. What depends on it is undecided.
    SaidUnknown,
    /// The store refused the call; `action` is the IAM action that the reader lacks.
    AccessDenied {
        /// The missing IAM action, such as `s3:GetBucketPolicy`.
        action: String,
    },
    /// The value is only known later; `attribute` says which one (a Terraform plan's unknown value).
    KnownLater {
        /// The attribute's address, such as `aws_s3_bucket_policy.logs.policy`.
        attribute: String,
    },
    /// The store does not offer it.
    Unsupported {
        /// The operation that the store does not offer.
        operation: String,
    },
    /// The call failed in passing (throttled, a time-out, half an answer): asked again, the store may
    /// answer. A sentence for people.
    Passing(String),
    /// The call failed, or its answer could not be understood; a sentence for people.
    Failed(String),
}

impl<T> Observed<T> {
    /// The value, if it was read and is there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Observed::Present(value) => Some(value),
            Observed::Absent | Observed::Unknown(_) => None,
        }
    }

    /// Why it was not read, if it was not.
    pub fn unread(&self) -> Option<&Unread> {
        match self {
            Observed::Unknown(unread) => Some(unread),
            Observed::Present(_) | Observed::Absent => None,
        }
    }

    /// Whether it was not read.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Observed::Unknown(_))
    }

    /// The same observation, of the value by reference.
    pub fn as_ref(&self) -> Observed<&T> {
        match self {
            Observed::Present(value) => Observed::Present(value),
            Observed::Absent => Observed::Absent,
            Observed::Unknown(unread) => Observed::Unknown(unread.clone()),
        }
    }

    /// The same observation of a part of the value.
    pub fn map<U>(self, part: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Observed::Present(value) => Observed::Present(part(value)),
            Observed::Absent => Observed::Absent,
            Observed::Unknown(unread) => Observed::Unknown(unread),
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::NotNeeded => f.write_str("not needed"),
            Unread::NotGiven => f.write_str("not part of the input"),
            Unread::SaidUnknown => f.write_str("the input says that it is unknown"),
            Unread::AccessDenied { action } => write!(f, "access denied: {action} is missing"),
            Unread::KnownLater { attribute } => write!(f, "{attribute} is not known yet"),
            Unread::Unsupported { operation } => write!(f, "the store does not offer {operation}"),
            Unread::Passing(why) | Unread::Failed(why) => f.write_str(why),
        }
    }
}
