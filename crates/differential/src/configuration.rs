//! A bucket's access configuration as a test writes it: to be installed, and to be judged.

use jiff::Timestamp;
use policy::bucket::{
    ANONYMOUS_CANONICAL_ID, Acl, BlockLevels, Bucket, Enforcement, Grant, Grantee, ObjectOwnership,
    Permission, PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::Observed;
use serde::Deserialize;
use serde_json::Value;

/// The name that configurations use for their bucket until they are installed.
pub const PLACEHOLDER: &str = "example-bucket";

/// The account that owns every bucket.
pub const OWNER_ACCOUNT: &str = "111122223333";

/// One bucket's access configuration.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The corpus's id, or the number of a generated one.
    pub id: String,
    /// The bucket policy, about the bucket [`PLACEHOLDER`].
    pub policy: Option<Value>,
    /// The grants beside the owner's own.
    pub grants: Vec<Grant>,
    /// The block in force: stores have one level where AWS has three, and the most restrictive
    /// setting wins.
    pub block: PublicAccessBlock,
    /// Object Ownership.
    pub ownership: ObjectOwnership,
}

impl Configuration {
    /// The policy's text for a bucket of this name.
    pub fn policy_text(&self, name: &str) -> Option<String> {
        let text = self.policy.as_ref()?.to_string();
        Some(text.replace(
            &format!("arn:aws:s3:::{PLACEHOLDER}"),
            &format!("arn:aws:s3:::{name}"),
        ))
    }

    /// The bucket to be judged.
    ///
    /// # Errors
    ///
    /// If the policy cannot be parsed.
    pub fn bucket(&self, name: &str, as_of: Timestamp) -> Result<Bucket, String> {
        let policy = match self.policy_text(name) {
            Some(text) => {
                Observed::Present(Policy::parse(&text).map_err(|e| format!("{}: {e}", self.id))?)
            }
            None => Observed::Absent,
        };
        Ok(Bucket {
            name: name.to_owned(),
            partition: "aws".to_owned(),
            owner_account: Some(OWNER_ACCOUNT.to_owned()),
            as_of,
            policy,
            acl: Observed::Present(Acl {
                owner: None,
                grants: self.grants.clone(),
            }),
            public_access_block: BlockLevels {
                bucket: Observed::Present(self.block),
                account: Observed::Absent,
                organization: Observed::Absent,
            },
            ownership: Observed::Present(self.ownership),
            access_points: Observed::Absent,
            resource_control_policies: Observed::Absent,
            enforcement: Enforcement::Aws,
        })
    }
}

/// Reads the labelled corpus.
///
/// # Errors
///
/// If it is not in the documented form.
pub fn read_corpus(text: &str) -> Result<Vec<Configuration>, String> {
    let cases: Vec<Case> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    cases.into_iter().map(Case::configuration).collect()
}

#[derive(Deserialize)]
struct Case {
    id: String,
    bucket: String,
    policy: Option<Value>,
    acl: Vec<CaseGrant>,
    bpa: CaseBlocks,
    ownership: String,
}

#[derive(Deserialize)]
struct CaseGrant {
    grantee: CaseGrantee,
    permission: String,
}

#[derive(Deserialize)]
struct CaseGrantee {
    uri: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize)]
struct CaseBlocks {
    bucket: Option<CaseBlock>,
    account: Option<CaseBlock>,
    organization: Option<CaseBlock>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CaseBlock {
    block_public_acls: bool,
    ignore_public_acls: bool,
    block_public_policy: bool,
    restrict_public_buckets: bool,
}

/// The owner's canonical id in the corpus.
const CORPUS_OWNER: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";

impl Case {
    fn configuration(self) -> Result<Configuration, String> {
        if self.bucket != PLACEHOLDER {
            return Err(format!("{}: unexpected bucket {}", self.id, self.bucket));
        }
        let mut block = PublicAccessBlock::default();
        for level in [self.bpa.bucket, self.bpa.account, self.bpa.organization]
            .into_iter()
            .flatten()
        {
            block.block_public_acls |= level.block_public_acls;
            block.ignore_public_acls |= level.ignore_public_acls;
            block.block_public_policy |= level.block_public_policy;
            block.restrict_public_buckets |= level.restrict_public_buckets;
        }
        let mut grants = Vec::new();
        for grant in self.acl {
            let permission = Permission::parse(&grant.permission)
                .ok_or_else(|| format!("{}: permission {}", self.id, grant.permission))?;
            let grantee = match (grant.grantee.uri, grant.grantee.id) {
                (Some(uri), None) => Grantee::Group(uri),
                // The owner's own grant is every configuration's.
                (None, Some(id)) if id == CORPUS_OWNER => continue,
                (None, Some(id)) => Grantee::CanonicalUser(id),
                _ => return Err(format!("{}: a grantee without uri or id", self.id)),
            };
            grants.push(Grant {
                grantee,
                permission,
            });
        }
        Ok(Configuration {
            ownership: ObjectOwnership::parse(&self.ownership)
                .ok_or_else(|| format!("{}: ownership {}", self.id, self.ownership))?,
            id: self.id,
            policy: self.policy,
            grants,
            block,
        })
    }
}

/// Whether a grant reaches an unsigned caller.
pub fn reaches_anonymous(grant: &Grant) -> bool {
    match &grant.grantee {
        Grantee::Group(uri) => uri == policy::bucket::ALL_USERS,
        Grantee::CanonicalUser(id) => id == ANONYMOUS_CANONICAL_ID,
        Grantee::Email(_) => false,
    }
}
