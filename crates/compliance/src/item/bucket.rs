//! A bucket as a configuration item, and back.
//!
//! [`item`] writes what AWS Config records of a bucket (AWS Config developer guide, "Example
//! Configuration Item Change Notifications", and recorded items): the ACL as a text that holds JSON,
//! with bare names for groups; the policy as `{"policyText": …}`; the bucket's own Block Public
//! Access only where it is set. What AWS Config has no place for is in our member `portcullis`:
//!
//! | member | holds |
//! |---|---|
//! | `partition` | the partition that the bucket's ARN names |
//! | `ownerAccount` | the account that owns the bucket, or `null` if that is not known |
//! | `enforcement` | `aws`, or `cephRgw`: how the store enforces what it stores |
//! | `accountPublicAccessBlock`, `organizationPublicAccessBlock` | the levels above; `null` if there is none |
//! | `accessPoints` | `[{"arn", "vpcOrigin", "policy", "publicAccessBlock", "unread"}]`; `null` if there are none |
//! | `objectAcls` | objects that are public by ACLs of their own (see [`super::object_acls`]); left out where none is known |
//! | `resourceControlPolicies` | `[{"policyText"}]`; `null` if there are none |
//! | `unread` | each part above or of AWS Config that was not read, and why (see [`super::unread`]) |
//!
//! [`bucket`] is the way back, also for items that AWS Config recorded itself. For every bucket,
//! the verdict on `bucket(item(b))` is the verdict on `b`, with the capture time as its moment: so a
//! verdict can be reached again from the item alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use policy::bucket::{
    ALL_USERS, AUTHENTICATED_USERS, AccessPoint, Acl, Bucket, Enforcement, Grantee, LOG_DELIVERY,
    Permission, PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::Observed;
use serde_json::{Map, Value, json};

use super::object_acls::{OBJECT_ACLS, ObjectAcls};
use super::{BUCKET, ConfigurationItem, ItemError, ItemStatus, ResourceKey, millis, unread};
use crate::input;
use crate::input::node::Node;

/// The name of the part that holds the ACL.
pub const ACL: &str = "AccessControlList";
/// The name of the part that holds the bucket policy.
pub const POLICY: &str = "BucketPolicy";
/// The name of the part that holds the bucket's own Block Public Access.
pub const PUBLIC_ACCESS_BLOCK: &str = "PublicAccessBlockConfiguration";
/// The name of the part that holds Object Ownership.
pub const OWNERSHIP: &str = "BucketOwnershipControls";
/// The name of the part that holds default encryption.
pub const ENCRYPTION: &str = "ServerSideEncryptionConfiguration";
/// The name of the part that holds versioning.
pub const VERSIONING: &str = "BucketVersioningConfiguration";
/// The name of the part that holds server access logging.
pub const LOGGING: &str = "BucketLoggingConfiguration";
/// The name, in our member, of the account's Block Public Access.
pub const ACCOUNT_BLOCK: &str = "accountPublicAccessBlock";
/// The name, in our member, of the organization's Block Public Access.
pub const ORGANIZATION_BLOCK: &str = "organizationPublicAccessBlock";
/// The name, in our member, of the access points.
pub const ACCESS_POINTS: &str = "accessPoints";
/// The name, in our member, of the resource control policies.
pub const RESOURCE_CONTROL_POLICIES: &str = "resourceControlPolicies";

/// What an item holds beside the access configuration.
#[derive(Clone, Debug)]
pub struct Taken {
    /// When the bucket was read.
    pub capture_time: Timestamp,
    /// When the bucket was made, where known.
    pub creation_time: Option<Timestamp>,
    /// The owner's canonical id, where known.
    pub owner: Option<String>,
    /// The bucket's tags; empty if there are none or they were not read (`parts` then says why
    /// under `BucketTaggingConfiguration`).
    pub tags: BTreeMap<String, String>,
    /// Further parts by AWS Config's name, in AWS Config's shape, such as
    /// `BucketVersioningConfiguration`.
    pub parts: BTreeMap<String, Observed<Value>>,
    /// Objects that are known to be public by ACLs of their own.
    pub object_acls: ObjectAcls,
    /// Ids of CloudTrail events that led to this item.
    pub related_events: Vec<String>,
}

/// The item of a bucket. `key` names it; its type is taken as [`BUCKET`].
///
/// `bucket.as_of` is not in it: the moment of an item is its capture time. A part that both
/// `bucket` and `taken.parts` have is the bucket's.
pub fn item(bucket: &Bucket, key: ResourceKey, taken: Taken) -> ConfigurationItem {
    let mut parts = Parts::default();
    for (name, part) in taken.parts {
        parts.put_or_null(&name, part);
    }
    parts.put_or_null(
        ACL,
        bucket
            .acl
            .as_ref()
            .map(|acl| Value::from(acl_document(acl).to_string())),
    );
    parts.put(
        POLICY,
        match &bucket.policy {
            Observed::Absent => Observed::Present(json!({"policyText": null})),
            policy => policy.as_ref().map(policy_member),
        },
    );
    // AWS Config leaves this part out where no block was ever set.
    parts.put(
        PUBLIC_ACCESS_BLOCK,
        bucket.public_access_block.bucket.as_ref().map(block_member),
    );
    parts.put_or_null(
        OWNERSHIP,
        bucket
            .ownership
            .as_ref()
            .map(|ownership| json!({"rules": [{"objectOwnership": ownership.as_str()}]})),
    );

    let mut layers = Parts::default();
    layers.put_or_null(
        ACCOUNT_BLOCK,
        bucket
            .public_access_block
            .account
            .as_ref()
            .map(block_member),
    );
    layers.put_or_null(
        ORGANIZATION_BLOCK,
        bucket
            .public_access_block
            .organization
            .as_ref()
            .map(block_member),
    );
    layers.put_or_null(
        ACCESS_POINTS,
        bucket
            .access_points
            .as_ref()
            .map(|points| points.iter().map(access_point).collect()),
    );
    layers.put_or_null(
        RESOURCE_CONTROL_POLICIES,
        bucket
            .resource_control_policies
            .as_ref()
            .map(|policies| policies.iter().map(policy_member).collect()),
    );
    let mut portcullis = layers.members;
    let mut why = parts.unread;
    why.extend(layers.unread);
    if !why.is_empty() {
        portcullis.insert("unread".to_owned(), Value::Object(why));
    }
    if let Some(known) = taken.object_acls.to_json() {
        portcullis.insert(OBJECT_ACLS.to_owned(), known);
    }
    portcullis.insert("partition".to_owned(), json!(bucket.partition));
    portcullis.insert("ownerAccount".to_owned(), json!(bucket.owner_account));
    portcullis.insert(
        "enforcement".to_owned(),
        json!(enforcement(bucket.enforcement)),
    );

    ConfigurationItem {
        key: ResourceKey {
            resource_type: BUCKET.to_owned(),
            ..key
        },
        status: ItemStatus::Ok,
        capture_time: taken.capture_time,
        resource_name: Some(bucket.name.clone()),
        arn: format!("arn:{}:s3:::{}", bucket.partition, bucket.name),
        creation_time: taken.creation_time,
        tags: taken.tags,
        related_events: taken.related_events,
        relationships: Vec::new(),
        configuration: json!({
            "name": bucket.name,
            "owner": {"displayName": null, "id": taken.owner},
            "creationDate": taken.creation_time.map(millis),
        }),
        supplementary_configuration: parts.members,
        portcullis: Value::Object(portcullis),
    }
}

/// The parts of an item that no verdict depends on, as [`Taken::parts`] has them.
pub fn further_parts(item: &ConfigurationItem) -> BTreeMap<String, Observed<Value>> {
    let access = [ACL, POLICY, PUBLIC_ACCESS_BLOCK, OWNERSHIP];
    let unread = item.portcullis.get("unread").and_then(Value::as_object);
    let mut parts: BTreeMap<String, Observed<Value>> = item
        .supplementary_configuration
        .iter()
        .filter(|(name, _)| !access.contains(&name.as_str()))
        .map(|(name, value)| {
            let observed = match value {
                Value::Null => Observed::Absent,
                value => Observed::Present(value.clone()),
            };
            (name.clone(), observed)
        })
        .collect();
    let layers = [
        ACCOUNT_BLOCK,
        ORGANIZATION_BLOCK,
        ACCESS_POINTS,
        RESOURCE_CONTROL_POLICIES,
    ];
    for (name, why) in unread.into_iter().flatten() {
        if !access.contains(&name.as_str()) && !layers.contains(&name.as_str()) {
            parts.insert(name.clone(), Observed::Unknown(unread::from_json(why)));
        }
    }
    parts
}

/// The bucket of an item, with the capture time as the moment that verdicts are about.
///
/// Items that AWS Config recorded do not have our member: the layers above the bucket are then not
/// given, and what such an item does not show is unknown.
///
/// # Errors
///
/// If the item is not a bucket's, or says that the bucket is gone or not recorded. A part that cannot
/// be understood is no error: it is unknown, with the reason.
pub fn bucket(item: &ConfigurationItem) -> Result<Bucket, ItemError> {
    if item.key.resource_type != BUCKET {
        return Err(ItemError::Value {
            member: "resourceType",
            value: item.key.resource_type.clone(),
        });
    }
    if item.status.is_deleted() || item.status == ItemStatus::ResourceNotRecorded {
        return Err(ItemError::Value {
            member: "configurationItemStatus",
            value: item.status.as_str().to_owned(),
        });
    }
    let name = item.resource_name.as_ref().unwrap_or(&item.key.resource_id);
    let node = Node::from(&json!({
        "awsAccountId": item.key.account,
        "awsRegion": item.key.region,
        "supplementaryConfiguration": item.supplementary_configuration,
        "portcullis": item.portcullis,
    }));
    Ok(input::recorded_bucket(
        &node,
        name,
        &input::Options::at(item.capture_time),
    ))
}

/// The parts of an item as they come, and what was not read.
#[derive(Default)]
struct Parts {
    members: Map<String, Value>,
    unread: Map<String, Value>,
}

impl Parts {
    /// A part that is left out where there is none.
    fn put(&mut self, name: &str, part: Observed<Value>) {
        self.members.remove(name);
        self.unread.remove(name);
        match part {
            Observed::Present(value) => {
                self.members.insert(name.to_owned(), value);
            }
            Observed::Absent => {}
            Observed::Unknown(why) => {
                self.unread.insert(name.to_owned(), unread::to_json(&why));
            }
        }
    }

    /// A part that is `null` where there is none: left out, it would read as not looked for.
    fn put_or_null(&mut self, name: &str, part: Observed<Value>) {
        self.put(
            name,
            match part {
                Observed::Absent => Observed::Present(Value::Null),
                other => other,
            },
        );
    }
}

fn policy_member(policy: &Policy) -> Value {
    json!({"policyText": policy.text})
}

/// The four settings in AWS Config's spelling.
pub(crate) fn block_member(block: &PublicAccessBlock) -> Value {
    json!({
        "blockPublicAcls": block.block_public_acls,
        "ignorePublicAcls": block.ignore_public_acls,
        "blockPublicPolicy": block.block_public_policy,
        "restrictPublicBuckets": block.restrict_public_buckets,
    })
}

fn access_point(point: &AccessPoint) -> Value {
    let mut parts = Parts::default();
    parts.put_or_null("policy", point.policy.as_ref().map(policy_member));
    parts.put_or_null(
        "publicAccessBlock",
        point.public_access_block.as_ref().map(block_member),
    );
    let mut members = parts.members;
    members.insert("arn".to_owned(), json!(point.arn));
    members.insert("vpcOrigin".to_owned(), json!(point.vpc_origin));
    if !parts.unread.is_empty() {
        members.insert("unread".to_owned(), Value::Object(parts.unread));
    }
    Value::Object(members)
}

/// The ACL in AWS Config's shape.
pub(super) fn acl_document(acl: &Acl) -> Value {
    let grants: Vec<Value> = acl
        .grants
        .iter()
        .map(|grant| {
            let grantee = match &grant.grantee {
                Grantee::CanonicalUser(id) => json!({"id": id, "displayName": null}),
                Grantee::Email(address) => json!({"emailAddress": address}),
                Grantee::Group(uri) => match uri.as_str() {
                    ALL_USERS => json!("AllUsers"),
                    AUTHENTICATED_USERS => json!("AuthenticatedUsers"),
                    LOG_DELIVERY => json!("LogDelivery"),
                    uri => json!({"uri": uri}),
                },
            };
            json!({"grantee": grantee, "permission": permission(grant.permission)})
        })
        .collect();
    let owner = acl
        .owner
        .as_ref()
        .map(|id| json!({"displayName": null, "id": id}));
    json!({"grantSet": null, "grantList": grants, "owner": owner, "isRequesterCharged": false})
}

fn permission(permission: Permission) -> &'static str {
    match permission {
        Permission::Read => "Read",
        Permission::Write => "Write",
        Permission::ReadAcp => "ReadAcp",
        Permission::WriteAcp => "WriteAcp",
        Permission::FullControl => "FullControl",
    }
}

fn enforcement(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Aws => "aws",
        Enforcement::CephRgw => "cephRgw",
    }
}
