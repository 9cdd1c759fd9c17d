//! Our question: can somebody whom nobody trusted read or write this bucket?
//!
//! [`judge`] answers it for one [`Bucket`]. An *untrusted* request is unsigned; or signed by a
//! principal of an account that is not the owner's and that neither policy nor ACL names; or comes
//! from an AWS service that matches only through `*`; or from a session of a web identity provider
//! that anyone can sign up with; and is not granted merely because of a narrow source address.
//!
//! Open comes with a witness request that was replayed through the concrete evaluator. Closed comes
//! with the reason for each Allow statement and each grant. What exceeds the budget, uses something
//! that we do not understand, or hangs on a part that could not be read is undecided.

use crate::action::AccessClass;
use crate::bucket::{Acl, Bucket};
use crate::observed::Observed;
use crate::request::Request;

/// The whole answer about one bucket.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Reading and listing, for untrusted callers.
    pub read: Access,
    /// Writing, tagging and changing permissions, for untrusted callers.
    pub write: Access,
    /// AWS's policy status: what BlockPublicPolicy and RestrictPublicBuckets act on. `None`: the
    /// policy was not read, or could not be decided.
    pub aws_is_public: Option<bool>,
    /// AWS's ACL rule: any grant to AllUsers or AuthenticatedUsers. `None`: the ACL was not read.
    pub acl_is_public: Option<bool>,
    /// The same question with narrow source addresses counted like any other.
    pub literal: Literal,
    /// Whether objects may be public by ACLs of their own: ACLs are in force and not ignored.
    /// `None`: not known.
    pub objects_may_be_public: Option<bool>,
    /// Layers that were outside the input.
    pub not_considered: Vec<NotConsidered>,
    /// What else a security engineer should know.
    pub advisories: Vec<Advisory>,
}

/// The answer for one class of access, mechanism by mechanism.
#[derive(Clone, Debug)]
pub struct Access {
    /// Through the bucket policy.
    pub policy: Answer,
    /// Through the bucket's ACL.
    pub acl: Answer,
    /// Through the policies of access points.
    pub access_points: Answer,
}

/// The answer about one object, as far as its own ACL lets untrusted callers in. What lets them in to
/// all of the bucket is [`Verdict`]'s.
#[derive(Clone, Debug)]
pub struct ObjectAccess {
    /// Reading the object or its ACL.
    pub read: Answer,
    /// Changing its ACL.
    pub write: Answer,
}

/// Open with a witness, closed with reasons, or undecided with reasons.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This untrusted request is allowed.
    Open(Box<Witness>),
    /// No untrusted request is allowed, because of these.
    Closed(Vec<Reason>),
    /// Not decided, because of these. Counts as open.
    Undecided(Vec<String>),
}

/// A request that shows a verdict true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The request.
    pub request: Request,
    /// The mechanism that lets it in.
    pub via: Via,
    /// The class of access.
    pub class: AccessClass,
    /// The Allow statements (indexes) or the grant (index) that admit it.
    pub admitted_by: Vec<usize>,
    /// The first moment at which it works, if that is later than the bucket's `as_of`.
    pub from: Option<jiff::Timestamp>,
    /// Whether it reaches data (object content, listings) and not only metadata.
    pub reaches_data: bool,
}

/// The mechanism that lets a request in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// The bucket policy.
    Policy,
    /// The bucket's ACL; in an [`ObjectAccess`] the object's own.
    Acl,
    /// The policy of this access point (ARN).
    AccessPoint(String),
}

/// Why one Allow statement or one grant lets no untrusted request in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The statement or grant, by index; `None` if it is about the whole layer.
    pub index: Option<usize>,
    /// Why.
    pub why: Why,
}

/// Why something lets no untrusted request in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no policy, or no grant, or no Allow statement.
    NothingGrants,
    /// It names only trusted principals.
    NamesOnlyTrusted,
    /// It grants no action of this class.
    NoActionOfThisClass,
    /// It grants nothing on this bucket's ARN or its objects that fits its actions.
    ResourceDoesNotFit,
    /// It grants only actions that are always refused to outsiders.
    OwnerOnlyActions,
    /// No untrusted request can satisfy the condition at this index.
    ConditionUnsatisfiable(usize),
    /// Its conditions exclude each other, or the caller, together.
    ConditionsExcludeEachOther,
    /// It grants only to narrow source addresses.
    NarrowSourceAddress,
    /// These Deny statements refuse all that it would grant.
    Denied(Vec<usize>),
    /// RestrictPublicBuckets is on.
    RestrictPublicBuckets,
    /// IgnorePublicAcls is on.
    IgnorePublicAcls,
    /// Object Ownership is BucketOwnerEnforced.
    BucketOwnerEnforced,
    /// A resource control policy refuses it.
    ResourceControlPolicy,
    /// The access point answers only requests from one VPC.
    VpcOrigin,
}

/// The literal reachability flags; `None`: not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// An unsigned request can read.
    pub anonymous_read: Option<bool>,
    /// An unsigned request can write.
    pub anonymous_write: Option<bool>,
    /// Some untrusted request can read.
    pub stranger_read: Option<bool>,
    /// Some untrusted request can write.
    pub stranger_write: Option<bool>,
}

/// A layer that was outside the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotConsidered {
    /// The bucket policy.
    BucketPolicy,
    /// The bucket's ACL.
    BucketAcl,
    /// The bucket's own Block Public Access.
    BucketPublicAccessBlock,
    /// The account's Block Public Access.
    AccountPublicAccessBlock,
    /// The organization's Block Public Access.
    OrganizationPublicAccessBlock,
    /// Object Ownership.
    ObjectOwnership,
    /// ACLs of single objects.
    ObjectAcls,
    /// Access points and their policies.
    AccessPoints,
    /// Resource control policies of AWS Organizations.
    ResourceControlPolicies,
}

/// Something to know beside the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// A short stable name, such as `narrow-cidr`.
    pub code: &'static str,
    /// The sentence for people.
    pub message: String,
    /// The JSON path of the place, if it has one.
    pub path: Option<String>,
}

impl Access {
    /// Whether it counts as open: open, or not decided.
    pub fn counts_as_open(&self) -> bool {
        [&self.policy, &self.acl, &self.access_points]
            .iter()
            .any(|a| !matches!(a, Answer::Closed(_)))
    }
    /// The witness, the policy's first.
    pub fn witness(&self) -> Option<&Witness> {
        [&self.policy, &self.acl, &self.access_points]
            .into_iter()
            .find_map(Answer::witness)
    }
    /// Whether a witness exists.
    pub fn is_open(&self) -> bool {
        self.witness().is_some()
    }
    /// Whether it is undecided: counted as open, but without a witness.
    pub fn is_undecided(&self) -> bool {
        !self.is_open() && self.counts_as_open()
    }
}

impl ObjectAccess {
    /// The answer for a class.
    pub fn access(&self, class: AccessClass) -> &Answer {
        match class {
            AccessClass::Read => &self.read,
            AccessClass::Write => &self.write,
        }
    }
}

impl Answer {
    /// The witness, if open.
    pub fn witness(&self) -> Option<&Witness> {
        if let Answer::Open(witness) = self {
            Some(witness)
        } else {
            None
        }
    }
}

impl Verdict {
    /// The answer for a class.
    pub fn access(&self, class: AccessClass) -> &Access {
        match class {
            AccessClass::Read => &self.read,
            AccessClass::Write => &self.write,
        }
    }
}

/// Judges one bucket. Pure: the same bucket gives the same verdict.
pub fn judge(bucket: &Bucket) -> Verdict {
    crate::symbolic::judge(bucket)
}

/// Judges what the ACL of one object lets untrusted callers do with it, in a bucket with this Block Public
/// Access, Object Ownership and policy (whose Deny overrides what an ACL grants). Pure.
///
/// The rules of bucket ACLs hold: IgnorePublicAcls and BucketOwnerEnforced close it, and an ACL or another
/// part that was not read leaves it undecided unless it cannot matter.
pub fn judge_object(bucket: &Bucket, key: &str, acl: &Observed<Acl>) -> ObjectAccess {
    crate::symbolic::judge_object(bucket, key, acl)
}
