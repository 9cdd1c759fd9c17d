//! Answers in the vocabulary of `policy`, and back; `parts` in that of AWS Config.

pub(crate) mod parts;

use aws_sdk_s3::types as s3;
use jiff::Timestamp;
use policy::bucket::{Acl, Grant, Grantee, ObjectOwnership, Permission, PublicAccessBlock};

/// A moment; one outside the years that are written is not told.
pub(crate) fn timestamp(at: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// An ACL. What cannot be understood is an error, so that it is never taken for "no grant".
pub(crate) fn acl(owner: Option<&s3::Owner>, grants: &[s3::Grant]) -> Result<Acl, String> {
    let grants: Result<Vec<Grant>, String> = grants.iter().map(grant).collect();
    Ok(Acl {
        owner: owner.and_then(|owner| owner.id.clone()),
        grants: grants?,
    })
}

fn grant(grant: &s3::Grant) -> Result<Grant, String> {
    let permission = grant
        .permission
        .as_ref()
        .ok_or("a grant without a permission")?;
    let permission = Permission::parse(permission.as_str())
        .ok_or_else(|| format!("a grant with the unknown permission {permission:?}"))?;
    let to = grant.grantee.as_ref().ok_or("a grant without a grantee")?;
    // The address says who it is; some servers leave the type out.
    let grantee = if let Some(uri) = &to.uri {
        Grantee::Group(uri.clone())
    } else if let Some(id) = &to.id {
        Grantee::CanonicalUser(id.clone())
    } else if let Some(email) = &to.email_address {
        Grantee::Email(email.clone())
    } else {
        return Err("a grant to a grantee without an address".to_owned());
    };
    Ok(Grant {
        grantee,
        permission,
    })
}

/// The document that sets an ACL.
pub(crate) fn acl_document(acl: &Acl) -> Result<s3::AccessControlPolicy, String> {
    let mut document = s3::AccessControlPolicy::builder();
    if let Some(owner) = &acl.owner {
        document = document.owner(s3::Owner::builder().id(owner).build());
    }
    let grants: Result<Vec<s3::Grant>, String> = acl.grants.iter().map(grant_document).collect();
    // Set even if empty: without the list the server would refuse the document.
    Ok(document.set_grants(Some(grants?)).build())
}

fn grant_document(grant: &Grant) -> Result<s3::Grant, String> {
    let grantee = s3::Grantee::builder();
    let grantee = match &grant.grantee {
        Grantee::CanonicalUser(id) => grantee.r#type(s3::Type::CanonicalUser).id(id),
        Grantee::Group(uri) => grantee.r#type(s3::Type::Group).uri(uri),
        Grantee::Email(address) => grantee
            .r#type(s3::Type::AmazonCustomerByEmail)
            .email_address(address),
    };
    Ok(s3::Grant::builder()
        .grantee(grantee.build().map_err(|error| error.to_string())?)
        .permission(s3::Permission::from(grant.permission.as_str()))
        .build())
}

/// The four settings; one that the answer leaves out is off.
pub(crate) fn block(settings: &s3::PublicAccessBlockConfiguration) -> PublicAccessBlock {
    PublicAccessBlock {
        block_public_acls: settings.block_public_acls.unwrap_or(false),
        ignore_public_acls: settings.ignore_public_acls.unwrap_or(false),
        block_public_policy: settings.block_public_policy.unwrap_or(false),
        restrict_public_buckets: settings.restrict_public_buckets.unwrap_or(false),
    }
}

/// The root element that Ceph's gateway gives a bucket's block (seen in release 16.2).
pub(crate) const CEPH_BLOCK: &str = "BlockPublicAccessBlockConfiguration";

/// The four settings of a document with that root.
pub(crate) fn ceph_block(text: &str) -> Result<PublicAccessBlock, String> {
    let setting = |name: &str| {
        let value = text
            .split_once(&format!("<{name}>"))
            .and_then(|(_, rest)| rest.split_once(&format!("</{name}>")))
            .map(|(value, _)| value.trim());
        match value {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => Err(format!("a block without {name}")),
        }
    };
    Ok(PublicAccessBlock {
        block_public_acls: setting("BlockPublicAcls")?,
        ignore_public_acls: setting("IgnorePublicAcls")?,
        block_public_policy: setting("BlockPublicPolicy")?,
        restrict_public_buckets: setting("RestrictPublicBuckets")?,
    })
}

/// The same of the account's or an access point's block.
pub(crate) fn control_block(
    settings: &aws_sdk_s3control::types::PublicAccessBlockConfiguration,
) -> PublicAccessBlock {
    PublicAccessBlock {
        block_public_acls: settings.block_public_acls.unwrap_or(false),
        ignore_public_acls: settings.ignore_public_acls.unwrap_or(false),
        block_public_policy: settings.block_public_policy.unwrap_or(false),
        restrict_public_buckets: settings.restrict_public_buckets.unwrap_or(false),
    }
}

/// The document that sets a block.
pub(crate) fn block_document(block: &PublicAccessBlock) -> s3::PublicAccessBlockConfiguration {
    s3::PublicAccessBlockConfiguration::builder()
        .block_public_acls(block.block_public_acls)
        .ignore_public_acls(block.ignore_public_acls)
        .block_public_policy(block.block_public_policy)
        .restrict_public_buckets(block.restrict_public_buckets)
        .build()
}

/// The one rule of an Object Ownership document.
pub(crate) fn ownership(controls: &s3::OwnershipControls) -> Result<ObjectOwnership, String> {
    let rule = controls
        .rules
        .first()
        .ok_or("an Object Ownership document without a rule")?;
    ObjectOwnership::parse(rule.object_ownership.as_str())
        .ok_or_else(|| format!("the unknown Object Ownership {:?}", rule.object_ownership))
}
