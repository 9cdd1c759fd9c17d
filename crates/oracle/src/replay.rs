//! Whether one concrete request gets in through the policy or the ACL: the plain reading.

use policy::bucket::{ALL_USERS, ANONYMOUS_CANONICAL_ID, AUTHENTICATED_USERS};
use policy::bucket::{Bucket, Grantee, ObjectOwnership, Permission};
use policy::document::{Effect, Policy};
use policy::evaluate::{Decision, Matches, evaluate, statement_matches};
use policy::public::Via;
use policy::request::{Caller, Request};

/// What lets the request in: the indexes of the Allow statements, or of the grants.
///
/// Block Public Access on IgnorePublicAcls and Object Ownership are considered;
/// RestrictPublicBuckets hangs on a judgement over the whole policy and is the caller's to check.
/// The error says why the request stays out.
pub fn admitted(bucket: &Bucket, request: &Request, via: &Via) -> Result<Vec<usize>, String> {
    let policy = bucket.policy.present();
    match via {
        Via::Policy => {
            let policy = policy.ok_or("there is no policy")?;
            match evaluate(&[policy], request) {
                Decision::Allowed { by } => Ok(by.iter().map(|s| s.statement).collect()),
                other => Err(format!("the policy says {other:?}")),
            }
        }
        Via::Acl => {
            if let Some(policy) = policy
                && let Decision::Denied { by } = evaluate(&[policy], request)
            {
                return Err(format!("denied by {by:?}"));
            }
            let levels = [
                &bucket.public_access_block.bucket,
                &bucket.public_access_block.account,
                &bucket.public_access_block.organization,
            ];
            if levels
                .iter()
                .any(|level| level.present().is_some_and(|b| b.ignore_public_acls))
            {
                return Err("IgnorePublicAcls is on".to_owned());
            }
            if bucket.ownership.present() == Some(&ObjectOwnership::BucketOwnerEnforced) {
                return Err("ACLs are off".to_owned());
            }
            let grants = bucket.acl.present().map_or(&[][..], |acl| &acl.grants);
            let by: Vec<usize> = grants
                .iter()
                .enumerate()
                .filter(|(_, grant)| {
                    holds(&grant.grantee, &request.caller)
                        && permits(grant.permission, &request.action)
                })
                .map(|(index, _)| index)
                .collect();
            if by.is_empty() {
                Err("no grant covers it".to_owned())
            } else {
                Ok(by)
            }
        }
        Via::AccessPoint(arn) => Err(format!("{arn}: cases have no access points")),
    }
}

/// The Allow statements that match a request.
pub fn matching_allows(policy: &Policy, request: &Request) -> Vec<usize> {
    policy
        .statements
        .iter()
        .enumerate()
        .filter(|(_, s)| {
            s.effect == Effect::Allow && statement_matches(s, policy, request) == Matches::Yes
        })
        .map(|(index, _)| index)
        .collect()
}

/// Whether a grantee is, or holds, a stranger of this kind.
fn holds(grantee: &Grantee, caller: &Caller) -> bool {
    match (grantee, caller) {
        (Grantee::Group(uri), _) if uri == ALL_USERS => true,
        (Grantee::Group(uri), Caller::Principal(_)) => uri == AUTHENTICATED_USERS,
        (Grantee::CanonicalUser(id), Caller::Anonymous) => id == ANONYMOUS_CANONICAL_ID,
        _ => false,
    }
}

/// Amazon S3 user guide, "Mapping of ACL permissions and access policy permissions", bucket column.
fn permits(permission: Permission, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    match permission {
        Permission::Read => [
            "s3:listbucket",
            "s3:listbucketversions",
            "s3:listbucketmultipartuploads",
        ]
        .contains(&action.as_str()),
        Permission::Write => action == "s3:putobject",
        Permission::ReadAcp => action == "s3:getbucketacl",
        Permission::WriteAcp => action == "s3:putbucketacl",
        Permission::FullControl => [
            Permission::Read,
            Permission::Write,
            Permission::ReadAcp,
            Permission::WriteAcp,
        ]
        .into_iter()
        .any(|part| permits(part, &action)),
    }
}
