//! May this request do this? The bucket's side of AWS's answer, as a pure function.
//!
//! The rules, in the order in which they are applied (Amazon S3 user guide, "How Amazon S3 authorizes a
//! request", "Blocking public access to your Amazon S3 storage", "Controlling ownership of objects"):
//!
//! 1. A Deny of the bucket policy refuses, whoever asks. Only the owner's root user keeps access to the
//!    policy itself.
//! 2. Principals of the owner's account may do all else: they have every identity-based permission.
//!    That does not reach into objects that somebody else owns.
//! 3. Others need an Allow of the bucket policy, unless the policy is public and RestrictPublicBuckets
//!    is on, or the object belongs to somebody else; or a grant of the ACL of the bucket or object,
//!    unless Object Ownership switches ACLs off. Under IgnorePublicAcls public grants do not count.
//! 4. The operations on the bucket policy itself answer outsiders, allowed or not, with a refusal.

use policy::action::ActionTable;
use policy::bucket::{
    ALL_USERS, ANONYMOUS_CANONICAL_ID, AUTHENTICATED_USERS, Acl, Grantee, Permission,
    PublicAccessBlock,
};
use policy::evaluate::{Decision, evaluate};
use policy::request::{Caller, Context, Request};

use crate::account::Identity;
use crate::state::{BucketState, ObjectState};

/// One request for one action.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// Who signed it; `None` for an anonymous caller.
    pub(crate) caller: Option<&'a Identity>,
    /// With its prefix.
    pub(crate) action: &'a str,
    pub(crate) context: &'a Context,
    pub(crate) bucket: &'a BucketState,
    /// Bucket and account level together.
    pub(crate) block: PublicAccessBlock,
    /// The key, for an action on an object.
    pub(crate) key: Option<&'a str>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed(By),
    AccessDenied,
    /// The caller has the permission but is not of the owner's account, and the operation is the
    /// owner's only: 405.
    OwnerOnly,
}

/// What allows a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The caller is of the owner's account.
    Account,
    Policy,
    Acl,
}

/// Decides one request.
pub(crate) fn authorize(question: &Question<'_>) -> Answer {
    let Question { caller, bucket, .. } = *question;
    let of_owner_account = caller.is_some_and(|identity| identity.account == bucket.account);

    let policy = policy_decision(question);
    if let Some(Decision::Denied { .. }) = policy {
        let root_keeps_the_policy = of_owner_account
            && caller.is_some_and(Identity::is_root)
            && is_owner_only(question.action);
        return if root_keeps_the_policy {
            Answer::Allowed(By::Account)
        } else {
            Answer::AccessDenied
        };
    }

    let object = question.key.and_then(|key| bucket.objects.get(key));
    let foreign_object = object.is_some_and(|object| belongs_to_another(bucket, object));

    if of_owner_account && !(foreign_object && needs_object_owner(question.action)) {
        return Answer::Allowed(By::Account);
    }
    let is_cut = || {
        question.block.restrict_public_buckets
            && bucket.policy.as_ref().is_some_and(|p| p.is_public())
    };
    let by_policy =
        matches!(policy, Some(Decision::Allowed { .. })) && !foreign_object && !is_cut();
    let by = if by_policy {
        By::Policy
    } else if !bucket.acls_are_off() && granted_by_acl(question, object) {
        By::Acl
    } else {
        return Answer::AccessDenied;
    };
    if is_owner_only(question.action) && !of_owner_account {
        return Answer::OwnerOnly;
    }
    Answer::Allowed(by)
}

fn policy_decision(question: &Question<'_>) -> Option<Decision> {
    let stored = question.bucket.policy.as_ref()?;
    let request = Request {
        caller: match question.caller {
            None => Caller::Anonymous,
            Some(identity) => Caller::Principal(identity.arn.clone()),
        },
        action: question.action.to_owned(),
        resource: match question.key {
            None => format!("arn:aws:s3:::{}", question.bucket.name),
            Some(key) => format!("arn:aws:s3:::{}/{key}", question.bucket.name),
        },
        context: question.context.clone(),
    };
    Some(evaluate(&[&stored.policy], &request))
}

fn is_owner_only(action: &str) -> bool {
    let table = ActionTable::get();
    table
        .index_of(action)
        .is_some_and(|index| table.owner_only().contains(index))
}

/// Under BucketOwnerEnforced the bucket's owner owns every object.
fn belongs_to_another(bucket: &BucketState, object: &ObjectState) -> bool {
    !bucket.acls_are_off() && object.owner != bucket.canonical_id
}

/// What the bucket's owner may not do with an object that somebody else owns. Deleting and replacing
/// it is the bucket owner's right.
fn needs_object_owner(action: &str) -> bool {
    matches!(
        action,
        "s3:GetObject" | "s3:GetObjectAcl" | "s3:PutObjectAcl"
    )
}

fn granted_by_acl(question: &Question<'_>, object: Option<&ObjectState>) -> bool {
    let holds = |acl: &Acl, permission: Permission| {
        acl.grants.iter().any(|grant| {
            (grant.permission == permission || grant.permission == Permission::FullControl)
                && !(question.block.ignore_public_acls && grant.grantee.is_untrusted())
                && is_meant(&grant.grantee, question.caller)
        })
    };
    let caller_owns = |object: &ObjectState| object.owner == canonical_id(question.caller);
    let bucket_acl = &question.bucket.acl;
    match (question.action, object) {
        // An object's owner can always read and write its ACL.
        ("s3:GetObjectAcl" | "s3:PutObjectAcl", Some(object))
            if question.caller.is_some() && caller_owns(object) =>
        {
            true
        }
        ("s3:GetObject", Some(object)) => holds(&object.acl, Permission::Read),
        ("s3:GetObjectAcl", Some(object)) => holds(&object.acl, Permission::ReadAcp),
        ("s3:PutObjectAcl", Some(object)) => holds(&object.acl, Permission::WriteAcp),
        // WRITE creates objects; replacing and deleting is for those who own the object.
        ("s3:PutObject", None) => holds(bucket_acl, Permission::Write),
        ("s3:PutObject" | "s3:DeleteObject", Some(object)) => {
            holds(bucket_acl, Permission::Write) && caller_owns(object)
        }
        (action, _) => {
            let table = ActionTable::get();
            question.key.is_none()
                && table.index_of(action).is_some_and(|index| {
                    [Permission::Read, Permission::ReadAcp, Permission::WriteAcp]
                        .into_iter()
                        .any(|permission| {
                            table.granted_by_bucket_acl(permission).contains(index)
                                && holds(bucket_acl, permission)
                        })
                })
        }
    }
}

/// The canonical id under which a caller owns what it uploads.
pub(crate) fn canonical_id(caller: Option<&Identity>) -> &str {
    caller.map_or(ANONYMOUS_CANONICAL_ID, |identity| &identity.canonical_id)
}

fn is_meant(grantee: &Grantee, caller: Option<&Identity>) -> bool {
    match grantee {
        Grantee::Group(uri) if uri == ALL_USERS => true,
        Grantee::Group(uri) if uri == AUTHENTICATED_USERS => caller.is_some(),
        // The group of log delivery has no caller here: nobody delivers logs.
        Grantee::Group(_) | Grantee::Email(_) => false,
        Grantee::CanonicalUser(id) => id == canonical_id(caller),
    }
}
