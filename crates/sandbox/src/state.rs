//! What the sandbox stores, all of it in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use bytes::Bytes;
use jiff::Timestamp;
use policy::bucket::{
    Acl, BlockLevels, Bucket, Enforcement, Grant, Grantee, ObjectOwnership, Permission,
    PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::Observed;
use policy::public::judge;

/// Everything that is stored.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// By name.
    pub(crate) buckets: BTreeMap<String, BucketState>,
    /// Block Public Access of accounts that have set it.
    pub(crate) account_blocks: HashMap<String, PublicAccessBlock>,
}

/// One bucket.
#[derive(Debug)]
pub(crate) struct BucketState {
    pub(crate) name: String,
    /// The owner's account and canonical user id.
    pub(crate) account: String,
    pub(crate) canonical_id: String,
    pub(crate) region: String,
    pub(crate) created: Timestamp,
    pub(crate) acl: Acl,
    pub(crate) policy: Option<StoredPolicy>,
    pub(crate) public_access_block: Option<PublicAccessBlock>,
    /// `None`: never set, which leaves ACLs in force.
    pub(crate) ownership: Option<ObjectOwnership>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) objects: BTreeMap<String, ObjectState>,
}

/// A bucket policy, and whether it is public, which is found out once, when it first matters.
#[derive(Debug)]
pub(crate) struct StoredPolicy {
    pub(crate) policy: Policy,
    bucket: String,
    account: String,
    is_public: OnceLock<bool>,
}

impl StoredPolicy {
    pub(crate) fn new(bucket: &str, account: &str, policy: Policy) -> StoredPolicy {
        StoredPolicy {
            policy,
            bucket: bucket.to_owned(),
            account: account.to_owned(),
            is_public: OnceLock::new(),
        }
    }

    /// Whether it is public in AWS's sense: what BlockPublicPolicy and RestrictPublicBuckets act on.
    /// What cannot be decided counts as public.
    pub(crate) fn is_public(&self) -> bool {
        *self.is_public.get_or_init(|| {
            let bucket = Bucket {
                name: self.bucket.clone(),
                partition: "aws".to_owned(),
                owner_account: Some(self.account.clone()),
                // AWS's rule leaves time free, so that the moment does not matter.
                as_of: Timestamp::UNIX_EPOCH,
                policy: Observed::Present(self.policy.clone()),
                acl: Observed::Absent,
                public_access_block: BlockLevels {
                    bucket: Observed::Absent,
                    account: Observed::Absent,
                    organization: Observed::Absent,
                },
                ownership: Observed::Absent,
                access_points: Observed::Absent,
                resource_control_policies: Observed::Absent,
                enforcement: Enforcement::Aws,
            };
            judge(&bucket).aws_is_public.unwrap_or(true)
        })
    }
}

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct ObjectState {
    pub(crate) body: Bytes,
    pub(crate) content_type: Option<String>,
    pub(crate) metadata: HashMap<String, String>,
    /// The MD5 of the body, in hexadecimal.
    pub(crate) e_tag: String,
    pub(crate) modified: Timestamp,
    /// The owner's canonical user id.
    pub(crate) owner: String,
    pub(crate) acl: Acl,
}

impl BucketState {
    /// The settings that are on, at the bucket's or its account's level: the most restrictive
    /// combination counts.
    pub(crate) fn effective_block(&self, account: Option<PublicAccessBlock>) -> PublicAccessBlock {
        let bucket = self.public_access_block.unwrap_or_default();
        let account = account.unwrap_or_default();
        PublicAccessBlock {
            block_public_acls: bucket.block_public_acls || account.block_public_acls,
            ignore_public_acls: bucket.ignore_public_acls || account.ignore_public_acls,
            block_public_policy: bucket.block_public_policy || account.block_public_policy,
            restrict_public_buckets: bucket.restrict_public_buckets
                || account.restrict_public_buckets,
        }
    }

    /// Whether Object Ownership switches ACLs off.
    pub(crate) fn acls_are_off(&self) -> bool {
        self.ownership == Some(ObjectOwnership::BucketOwnerEnforced)
    }
}

impl State {
    /// The block that applies to a bucket, both levels together.
    pub(crate) fn effective_block(&self, bucket: &BucketState) -> PublicAccessBlock {
        bucket.effective_block(self.account_blocks.get(&bucket.account).copied())
    }
}

/// The ACL that gives its owner everything and nobody else anything.
pub(crate) fn private_acl(owner: &str) -> Acl {
    Acl {
        owner: Some(owner.to_owned()),
        grants: vec![Grant {
            grantee: Grantee::CanonicalUser(owner.to_owned()),
            permission: Permission::FullControl,
        }],
    }
}
