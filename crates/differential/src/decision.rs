//! One concrete unsigned request, decided over the whole configuration of a bucket.
//!
//! This is the documented composition of the layers, request by request: an explicit Deny of the
//! policy refuses whatever grants; the policy grants unless RestrictPublicBuckets cuts off a public
//! policy; an ACL (the bucket's or the object's) grants unless ACLs are ignored or off
//! (Amazon S3 user guide, "Blocking public access to your Amazon S3 storage", "Controlling ownership
//! of objects", "Access control list (ACL) overview").

use policy::action::ActionTable;
use policy::bucket::{Acl, ObjectOwnership, Permission, PublicAccessBlock};
use policy::document::Policy;
use policy::evaluate::{Decision, evaluate};
use policy::request::Request;

use crate::configuration::reaches_anonymous;

/// Everything that decides one request. Differences of a store change it before it is decided.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The request.
    pub request: Request,
    /// The bucket policy.
    pub policy: Option<Policy>,
    /// The bucket's ACL.
    pub bucket_acl: Acl,
    /// The ACL of the object that the request is about.
    pub object_acl: Acl,
    /// Block Public Access.
    pub block: PublicAccessBlock,
    /// Whether the policy is public by AWS's rule, which RestrictPublicBuckets acts on.
    pub policy_is_public: bool,
    /// Object Ownership.
    pub ownership: ObjectOwnership,
    /// Whether owner-only actions are refused to everybody else.
    pub owner_only_enforced: bool,
    /// Actions that permissions of a bucket's ACL grant beyond the documented ones.
    pub more_by_bucket_acl: &'static [(Permission, &'static [&'static str])],
    /// Whether an explicit Deny of the policy refuses what an ACL grants, too.
    pub deny_overrides_acls: bool,
    /// Whether the request is refused whatever grants it.
    pub refused_outright: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is let in.
    Allowed,
    /// It is refused.
    Refused,
    /// The policy holds something that is not understood, and it matters here.
    Undecided,
}

/// Decides the request.
pub fn decide(situation: &Situation) -> Outcome {
    if situation.refused_outright {
        return Outcome::Refused;
    }
    let by_acl = acl_grants(situation);
    if by_acl && !situation.deny_overrides_acls {
        return Outcome::Allowed;
    }
    let decision = situation
        .policy
        .as_ref()
        .map_or(Decision::ImplicitlyDenied, |policy| {
            evaluate(&[policy], &situation.request)
        });
    match decision {
        Decision::Denied { .. } => return Outcome::Refused,
        Decision::Undecided { .. } => return Outcome::Undecided,
        Decision::Allowed { .. } if policy_counts(situation) => return Outcome::Allowed,
        Decision::Allowed { .. } | Decision::ImplicitlyDenied => {}
    }
    if by_acl {
        Outcome::Allowed
    } else {
        Outcome::Refused
    }
}

fn policy_counts(situation: &Situation) -> bool {
    let table = ActionTable::get();
    let owner_only = table
        .index_of(&situation.request.action)
        .is_some_and(|index| table.owner_only().contains(index));
    let cut_off = situation.block.restrict_public_buckets && situation.policy_is_public;
    !(cut_off || owner_only && situation.owner_only_enforced)
}

fn acl_grants(situation: &Situation) -> bool {
    if situation.block.ignore_public_acls
        || situation.ownership == ObjectOwnership::BucketOwnerEnforced
    {
        return false;
    }
    let table = ActionTable::get();
    let action = situation.request.action.as_str();
    let by_bucket = situation.bucket_acl.grants.iter().any(|grant| {
        let listed = table.index_of(action).is_some_and(|index| {
            table
                .granted_by_bucket_acl(grant.permission)
                .contains(index)
        });
        let beyond = situation
            .more_by_bucket_acl
            .iter()
            .any(|(permission, actions)| {
                (grant.permission == *permission || grant.permission == Permission::FullControl)
                    && actions.contains(&action)
            });
        reaches_anonymous(grant) && (listed || beyond)
    });
    let by_object = situation.object_acl.grants.iter().any(|grant| {
        reaches_anonymous(grant) && granted_by_object_acl(grant.permission).contains(&action)
    });
    by_bucket || by_object
}

/// What a permission on an object's ACL lets its grantee do.
fn granted_by_object_acl(permission: Permission) -> &'static [&'static str] {
    match permission {
        Permission::Read => &["s3:GetObject", "s3:GetObjectVersion"],
        Permission::Write => &[],
        Permission::ReadAcp => &["s3:GetObjectAcl", "s3:GetObjectVersionAcl"],
        Permission::WriteAcp => &["s3:PutObjectAcl", "s3:PutObjectVersionAcl"],
        Permission::FullControl => &[
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:GetObjectAcl",
            "s3:GetObjectVersionAcl",
            "s3:PutObjectAcl",
            "s3:PutObjectVersionAcl",
        ],
    }
}
