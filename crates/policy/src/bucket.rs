//! A bucket's access configuration: everything that decides who can get in.

use jiff::Timestamp;

use crate::document::Policy;
use crate::observed::Observed;

/// The group of everybody, signed or not.
pub const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
/// The group of every principal of any AWS account.
pub const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
/// The group that delivers server access logs; not public.
pub const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
/// The canonical user id under which unsigned requests own what they upload.
pub const ANONYMOUS_CANONICAL_ID: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

/// Everything about one bucket that decides who can get in.
///
/// Each part is an [`Observed`]: what was not read is decided both ways.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The bucket's name.
    pub name: String,
    /// The AWS partition that the bucket's ARN names: `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The twelve digits of the account that owns the bucket, if known.
    pub owner_account: Option<String>,
    /// The moment that the verdict is about. A caller can wait, so later moments count too.
    pub as_of: Timestamp,
    /// The bucket policy.
    pub policy: Observed<Policy>,
    /// The bucket's ACL. `Absent` means: no grant at all.
    pub acl: Observed<Acl>,
    /// Block Public Access on each level.
    pub public_access_block: BlockLevels,
    /// Object Ownership. `Absent` means that no setting was ever made: ACLs are in force.
    pub ownership: Observed<ObjectOwnership>,
    /// Access points of the bucket. `Absent` means: there are none.
    pub access_points: Observed<Vec<AccessPoint>>,
    /// Resource control policies in force for the bucket's account. `Absent` means: none.
    pub resource_control_policies: Observed<Vec<Policy>>,
    /// How the store that holds the bucket enforces what it stores.
    pub enforcement: Enforcement,
}

/// Where a store's own enforcement differs from AWS's documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// As AWS documents it.
    #[default]
    Aws,
    /// Ceph's RADOS gateway: RestrictPublicBuckets is stored but not enforced.
    CephRgw,
}

/// An access control list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// The canonical id of the owner, if the source tells it.
    pub owner: Option<String>,
    /// The grants, in the order of the source.
    pub grants: Vec<Grant>,
}

/// One grant of an ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// To whom an ACL grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// One account by its canonical id.
    CanonicalUser(String),
    /// A predefined group by its URI.
    Group(String),
    /// One account by e-mail address (stores turn it into a canonical id).
    Email(String),
}

/// What an ACL grants (Amazon S3 user guide, "Access control list (ACL) overview").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// List the bucket.
    Read,
    /// Create objects in the bucket.
    Write,
    /// Read the ACL.
    ReadAcp,
    /// Write the ACL.
    WriteAcp,
    /// All four.
    FullControl,
}

impl Permission {
    /// The name that the S3 API uses, such as `READ_ACP`.
    pub fn as_str(self) -> &'static str {
        match self {
            Permission::Read => "READ",
            Permission::Write => "WRITE",
            Permission::ReadAcp => "READ_ACP",
            Permission::WriteAcp => "WRITE_ACP",
            Permission::FullControl => "FULL_CONTROL",
        }
    }

    /// Reads `READ_ACP` (the S3 API) as well as `ReadAcp` (AWS Config's items), ignoring case.
    pub fn parse(text: &str) -> Option<Permission> {
        let folded: String = text
            .chars()
            .filter(|c| *c != '_')
            .map(|c| c.to_ascii_lowercase())
            .collect();
        Some(match folded.as_str() {
            "read" => Permission::Read,
            "write" => Permission::Write,
            "readacp" => Permission::ReadAcp,
            "writeacp" => Permission::WriteAcp,
            "fullcontrol" => Permission::FullControl,
            _ => return None,
        })
    }
}

impl Grantee {
    /// Whether AWS's ACL rule calls a grant to it public: the groups AllUsers and AuthenticatedUsers.
    pub fn is_public_group(&self) -> bool {
        matches!(self, Grantee::Group(uri) if uri == ALL_USERS || uri == AUTHENTICATED_USERS)
    }

    /// Whether a grant to it reaches somebody untrusted: the public groups, and the anonymous
    /// canonical id.
    pub fn is_untrusted(&self) -> bool {
        self.is_public_group()
            || matches!(self, Grantee::CanonicalUser(id) if id == ANONYMOUS_CANONICAL_ID)
    }
}

/// The four settings of Block Public Access at one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// Refuses new public ACLs; existing access stays.
    pub block_public_acls: bool,
    /// All public ACLs on bucket and objects are ignored.
    pub ignore_public_acls: bool,
    /// Refuses new public policies; existing access stays.
    pub block_public_policy: bool,
    /// A bucket with a public policy answers only its own account and AWS services.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// All four settings on.
    pub const ALL: PublicAccessBlock = PublicAccessBlock {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// Block Public Access on the levels that apply to a bucket; the most restrictive setting wins.
///
/// `Absent` on a level means that the level has no block: four times off.
#[derive(Clone, Debug)]
pub struct BlockLevels {
    /// The bucket's own block.
    pub bucket: Observed<PublicAccessBlock>,
    /// The account's block.
    pub account: Observed<PublicAccessBlock>,
    /// The block that an S3 policy of AWS Organizations sets.
    pub organization: Observed<PublicAccessBlock>,
}

/// Who owns objects, and whether ACLs are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectOwnership {
    /// ACLs are off.
    BucketOwnerEnforced,
    /// ACLs are in force; uploads with `bucket-owner-full-control` belong to the bucket's owner.
    BucketOwnerPreferred,
    /// ACLs are in force; whoever uploads owns.
    ObjectWriter,
}

impl ObjectOwnership {
    /// The name that the S3 API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectOwnership::BucketOwnerEnforced => "BucketOwnerEnforced",
            ObjectOwnership::BucketOwnerPreferred => "BucketOwnerPreferred",
            ObjectOwnership::ObjectWriter => "ObjectWriter",
        }
    }

    /// Reads the name that the S3 API uses.
    pub fn parse(text: &str) -> Option<ObjectOwnership> {
        Some(match text {
            "BucketOwnerEnforced" => ObjectOwnership::BucketOwnerEnforced,
            "BucketOwnerPreferred" => ObjectOwnership::BucketOwnerPreferred,
            "ObjectWriter" => ObjectOwnership::ObjectWriter,
            _ => return None,
        })
    }
}

/// An access point in front of a bucket.
#[derive(Clone, Debug)]
pub struct AccessPoint {
    /// The access point's ARN.
    pub arn: String,
    /// Whether it takes requests from one VPC only. AWS counts such access points as never public.
    pub vpc_origin: bool,
    /// The access point's policy.
    pub policy: Observed<Policy>,
    /// The access point's own block.
    pub public_access_block: Observed<PublicAccessBlock>,
}
