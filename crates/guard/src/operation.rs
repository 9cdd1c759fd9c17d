//! Every call that Portcullis makes, with the IAM action that it needs.
//!
//! A port method names its [`Operation`] where it makes the call, so that a refusal can name the
//! missing action and the least-privilege policies can be computed. Source of the actions: Amazon S3
//! user guide, "Required permissions for Amazon S3 API operations".

use std::fmt;

/// One call to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Whose credentials these are. AWS allows it to everybody, without a permission.
    GetCallerIdentity,
    /// The account's buckets.
    ListBuckets,
    /// The region of one bucket, where the listing does not tell.
    GetBucketLocation,
    /// The account's Block Public Access.
    GetAccountPublicAccessBlock,
    /// A bucket's Block Public Access.
    GetBucketPublicAccessBlock,
    /// A bucket's policy.
    GetBucketPolicy,
    /// AWS's own opinion about a bucket's policy.
    GetBucketPolicyStatus,
    /// A bucket's ACL.
    GetBucketAcl,
    /// A bucket's Object Ownership.
    GetBucketOwnershipControls,
    /// The access points of an account in one region.
    ListAccessPoints,
    /// An access point's own Block Public Access.
    GetAccessPoint,
    /// An access point's policy.
    GetAccessPointPolicy,
    /// A sample of a bucket's keys.
    ListObjects,
    /// The ACL of one object of the sample.
    GetObjectAcl,
    /// Writes a bucket's ACL.
    PutBucketAcl,
    /// Writes a bucket's Block Public Access.
    PutBucketPublicAccessBlock,
    /// Removes a bucket's Block Public Access. AWS asks for the permission to write it.
    DeleteBucketPublicAccessBlock,
    /// Writes a bucket's policy.
    PutBucketPolicy,
    /// Removes a bucket's policy.
    DeleteBucketPolicy,
}

/// What a permission is about: the `Resource` of the statement that grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// No resource of its own: `*`.
    Account,
    /// Buckets.
    Bucket,
    /// Objects.
    Object,
    /// Access points.
    AccessPoint,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 19] = [
        Operation::GetCallerIdentity,
        Operation::ListBuckets,
        Operation::GetBucketLocation,
        Operation::GetAccountPublicAccessBlock,
        Operation::GetBucketPublicAccessBlock,
        Operation::GetBucketPolicy,
        Operation::GetBucketPolicyStatus,
        Operation::GetBucketAcl,
        Operation::GetBucketOwnershipControls,
        Operation::ListAccessPoints,
        Operation::GetAccessPoint,
        Operation::GetAccessPointPolicy,
        Operation::ListObjects,
        Operation::GetObjectAcl,
        Operation::PutBucketAcl,
        Operation::PutBucketPublicAccessBlock,
        Operation::DeleteBucketPublicAccessBlock,
        Operation::PutBucketPolicy,
        Operation::DeleteBucketPolicy,
    ];

    /// The name that the service's API reference gives it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::GetCallerIdentity => "GetCallerIdentity",
            Operation::ListBuckets => "ListBuckets",
            Operation::GetBucketLocation => "GetBucketLocation",
            Operation::GetAccountPublicAccessBlock | Operation::GetBucketPublicAccessBlock => {
                "GetPublicAccessBlock"
            }
            Operation::GetBucketPolicy => "GetBucketPolicy",
            Operation::GetBucketPolicyStatus => "GetBucketPolicyStatus",
            Operation::GetBucketAcl => "GetBucketAcl",
            Operation::GetBucketOwnershipControls => "GetBucketOwnershipControls",
            Operation::ListAccessPoints => "ListAccessPoints",
            Operation::GetAccessPoint => "GetAccessPoint",
            Operation::GetAccessPointPolicy => "GetAccessPointPolicy",
            Operation::ListObjects => "ListObjectsV2",
            Operation::GetObjectAcl => "GetObjectAcl",
            Operation::PutBucketAcl => "PutBucketAcl",
            Operation::PutBucketPublicAccessBlock => "PutPublicAccessBlock",
            Operation::DeleteBucketPublicAccessBlock => "DeletePublicAccessBlock",
            Operation::PutBucketPolicy => "PutBucketPolicy",
            Operation::DeleteBucketPolicy => "DeleteBucketPolicy",
        }
    }

    /// The IAM action that allows it; `None` if AWS asks for no permission.
    pub fn iam_action(self) -> Option<&'static str> {
        Some(match self {
            Operation::GetCallerIdentity => return None,
            Operation::ListBuckets => "s3:ListAllMyBuckets",
            Operation::GetBucketLocation => "s3:GetBucketLocation",
            Operation::GetAccountPublicAccessBlock => "s3:GetAccountPublicAccessBlock",
            Operation::GetBucketPublicAccessBlock => "s3:GetBucketPublicAccessBlock",
            Operation::GetBucketPolicy => "s3:GetBucketPolicy",
            Operation::GetBucketPolicyStatus => "s3:GetBucketPolicyStatus",
            Operation::GetBucketAcl => "s3:GetBucketAcl",
            Operation::GetBucketOwnershipControls => "s3:GetBucketOwnershipControls",
            Operation::ListAccessPoints => "s3:ListAccessPoints",
            Operation::GetAccessPoint => "s3:GetAccessPoint",
            Operation::GetAccessPointPolicy => "s3:GetAccessPointPolicy",
            Operation::ListObjects => "s3:ListBucket",
            Operation::GetObjectAcl => "s3:GetObjectAcl",
            Operation::PutBucketAcl => "s3:PutBucketAcl",
            Operation::PutBucketPublicAccessBlock | Operation::DeleteBucketPublicAccessBlock => {
                "s3:PutBucketPublicAccessBlock"
            }
            Operation::PutBucketPolicy => "s3:PutBucketPolicy",
            Operation::DeleteBucketPolicy => "s3:DeleteBucketPolicy",
        })
    }

    /// What the permission is about.
    pub fn scope(self) -> Scope {
        match self {
            Operation::GetCallerIdentity
            | Operation::ListBuckets
            | Operation::GetAccountPublicAccessBlock
            | Operation::ListAccessPoints => Scope::Account,
            Operation::GetAccessPoint | Operation::GetAccessPointPolicy => Scope::AccessPoint,
            Operation::GetObjectAcl => Scope::Object,
            Operation::GetBucketLocation
            | Operation::GetBucketPublicAccessBlock
            | Operation::GetBucketPolicy
            | Operation::GetBucketPolicyStatus
            | Operation::GetBucketAcl
            | Operation::GetBucketOwnershipControls
            | Operation::ListObjects
            | Operation::PutBucketAcl
            | Operation::PutBucketPublicAccessBlock
            | Operation::DeleteBucketPublicAccessBlock
            | Operation::PutBucketPolicy
            | Operation::DeleteBucketPolicy => Scope::Bucket,
        }
    }

    /// Whether it changes something.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Operation::PutBucketAcl
                | Operation::PutBucketPublicAccessBlock
                | Operation::DeleteBucketPublicAccessBlock
                | Operation::PutBucketPolicy
                | Operation::DeleteBucketPolicy
        )
    }

    /// Whether only `fix` makes it: it samples objects, which a scan never looks at.
    pub fn samples_objects(self) -> bool {
        matches!(self, Operation::ListObjects | Operation::GetObjectAcl)
    }

    /// Whether a scan may make it: the reader's policy holds exactly these.
    pub fn is_of_reader(self) -> bool {
        !self.writes() && !self.samples_objects()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_holds_each_operation_once_in_order() {
        assert!(Operation::ALL.is_sorted());
        let distinct: std::collections::BTreeSet<_> = Operation::ALL.into_iter().collect();
        assert_eq!(distinct.len(), Operation::ALL.len());
        assert_eq!(Operation::ALL.last(), Some(&Operation::DeleteBucketPolicy));
    }
}
