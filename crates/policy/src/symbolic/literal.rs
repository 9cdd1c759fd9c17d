//! The literal flags: narrow source addresses counted like any other.

use crate::action::AccessClass;
use crate::observed::{Observed, Unread};
use crate::public::{Access, Answer, Literal, Why};
use crate::request::Caller;

use super::caller::Callers;
use super::judgement::{Judgement, Mechanism, Setting};
use super::layers::Reach;

impl Judgement<'_> {
    /// The literal flags.
    pub(super) fn literal(
        &self,
        read: &Access,
        write: &Access,
        policy: Option<&Mechanism>,
        acl: Option<&Mechanism>,
        aws_is_public: Option<bool>,
    ) -> Literal {
        let flag = |class: AccessClass, callers: Callers| {
            let at = usize::from(class == AccessClass::Write);
            let of = |mechanism: &Mechanism| match callers {
                Callers::Anonymous => mechanism.literal_anonymous[at],
                Callers::All => mechanism.literal_stranger[at],
            };
            let restricted = match (&self.restrict, aws_is_public) {
                (Setting::Off, _) | (_, Some(false)) => Some(false),
                (Setting::On, Some(true)) => Some(true),
                _ => None,
            };
            let by_policy = match (&self.bucket.policy, policy) {
                (Observed::Unknown(unread), _) if *unread != Unread::NotGiven => None,
                (_, Some(policy)) => and(of(policy), restricted.map(|r| !r)),
                (_, None) => Some(false),
            };
            let access = if class == AccessClass::Read {
                read
            } else {
                write
            };
            let by_acl = match (&access.acl, acl) {
                (Answer::Undecided(_), _) => None,
                (Answer::Closed(reasons), Some(_))
                    if reasons.iter().any(|r| {
                        matches!(r.why, Why::IgnorePublicAcls | Why::BucketOwnerEnforced)
                    }) =>
                {
                    Some(false)
                }
                (_, Some(acl)) => and(of(acl), self.acls_in_force()),
                (_, None) => Some(false),
            };
            let by_point = match &access.access_points {
                Answer::Open(witness) => {
                    Some(callers == Callers::All || witness.request.caller == Caller::Anonymous)
                }
                Answer::Closed(_) => Some(false),
                Answer::Undecided(_) => None,
            };
            or(or(by_policy, by_acl), by_point)
        };
        Literal {
            anonymous_read: flag(AccessClass::Read, Callers::Anonymous),
            anonymous_write: flag(AccessClass::Write, Callers::Anonymous),
            stranger_read: flag(AccessClass::Read, Callers::All),
            stranger_write: flag(AccessClass::Write, Callers::All),
        }
    }
}

pub(super) fn known(reach: &Reach) -> Option<bool> {
    match reach {
        Reach::Open(_) => Some(true),
        Reach::Closed(_) => Some(false),
        Reach::Unsure(_) => None,
    }
}

pub(super) fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

pub(super) fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}
