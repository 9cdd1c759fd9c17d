//! ACLs of buckets and objects.

use policy::bucket::Permission;
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Result, s3_error};

use crate::access::{access_denied, no_such_bucket};
use crate::acl::{self, Given, Of};
use crate::endpoint::Endpoint;
use crate::state::private_acl;

pub(crate) fn get_bucket_acl(
    endpoint: &Endpoint,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<GetBucketAclOutput> {
    let name = &request.input.bucket;
    let state = endpoint.state();
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    // S3 answers with the permissions that are in force, not with what is stored.
    let acl = if bucket.acls_are_off() {
        private_acl(&bucket.canonical_id)
    } else {
        let block = state.effective_block(bucket);
        acl::effective(&bucket.acl, block.ignore_public_acls)
    };
    Ok(GetBucketAclOutput {
        grants: Some(acl::grant_elements(&acl)),
        owner: Some(acl::owner_element(&bucket.canonical_id)),
    })
}

pub(crate) fn put_bucket_acl(
    endpoint: &Endpoint,
    request: S3Request<PutBucketAclInput>,
) -> S3Result<PutBucketAclOutput> {
    let input = &request.input;
    let name = &input.bucket;
    let given = Given {
        canned: input.acl.as_ref().map(BucketCannedACL::as_str),
        headers: present([
            (Permission::FullControl, &input.grant_full_control),
            (Permission::Read, &input.grant_read),
            (Permission::ReadAcp, &input.grant_read_acp),
            (Permission::Write, &input.grant_write),
            (Permission::WriteAcp, &input.grant_write_acp),
        ]),
        document: input.access_control_policy.as_ref(),
    };
    let mut state = endpoint.state();
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    if bucket.acls_are_off() {
        return Err(acls_not_supported());
    }
    let of = Of::Bucket {
        owner: &bucket.canonical_id,
    };
    let acl = given.acl(of)?.ok_or_else(no_acl_given)?;
    if state.effective_block(bucket).block_public_acls && acl::is_public(&acl) {
        return Err(access_denied());
    }
    let account = bucket.account.clone();
    if let Some(bucket) = state.buckets.get_mut(name) {
        bucket.acl = acl;
    }
    drop(state);
    let caller = endpoint.caller(request.credentials.as_ref());
    endpoint.changed("PutBucketAcl", &account, Some(name), caller);
    Ok(PutBucketAclOutput {})
}

pub(crate) fn get_object_acl(
    endpoint: &Endpoint,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<GetObjectAclOutput> {
    let name = &request.input.bucket;
    let state = endpoint.state();
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    let object = bucket
        .objects
        .get(&request.input.key)
        .ok_or_else(super::objects::no_such_key)?;
    let (owner, acl) = if bucket.acls_are_off() {
        let owner = &bucket.canonical_id;
        (owner, private_acl(owner))
    } else {
        let block = state.effective_block(bucket);
        let acl = acl::effective(&object.acl, block.ignore_public_acls);
        (&object.owner, acl)
    };
    Ok(GetObjectAclOutput {
        grants: Some(acl::grant_elements(&acl)),
        owner: Some(acl::owner_element(owner)),
        request_charged: None,
    })
}

pub(crate) fn put_object_acl(
    endpoint: &Endpoint,
    request: S3Request<PutObjectAclInput>,
) -> S3Result<PutObjectAclOutput> {
    let input = &request.input;
    let name = &input.bucket;
    let given = Given {
        canned: input.acl.as_ref().map(ObjectCannedACL::as_str),
        headers: present([
            (Permission::FullControl, &input.grant_full_control),
            (Permission::Read, &input.grant_read),
            (Permission::ReadAcp, &input.grant_read_acp),
            (Permission::Write, &input.grant_write),
            (Permission::WriteAcp, &input.grant_write_acp),
        ]),
        document: input.access_control_policy.as_ref(),
    };
    let mut state = endpoint.state();
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    if bucket.acls_are_off() {
        return Err(acls_not_supported());
    }
    let object = bucket
        .objects
        .get(&input.key)
        .ok_or_else(super::objects::no_such_key)?;
    let of = Of::Object {
        owner: &object.owner,
        bucket_owner: &bucket.canonical_id,
    };
    let acl = given.acl(of)?.ok_or_else(no_acl_given)?;
    if state.effective_block(bucket).block_public_acls && acl::is_public(&acl) {
        return Err(access_denied());
    }
    let account = bucket.account.clone();
    if let Some(bucket) = state.buckets.get_mut(name)
        && let Some(object) = bucket.objects.get_mut(&input.key)
    {
        object.acl = acl;
    }
    drop(state);
    let caller = endpoint.caller(request.credentials.as_ref());
    endpoint.changed("PutObjectAcl", &account, Some(name), caller);
    Ok(PutObjectAclOutput::default())
}

/// The grant headers that are there.
pub(crate) fn present<const N: usize>(
    headers: [(Permission, &Option<String>); N],
) -> Vec<(Permission, &str)> {
    headers
        .into_iter()
        .filter_map(|(permission, value)| Some((permission, value.as_deref()?)))
        .collect()
}

pub(crate) fn acls_not_supported() -> S3Error {
    s3_error!(
        AccessControlListNotSupported,
        "The bucket does not allow ACLs"
    )
}

fn no_acl_given() -> S3Error {
    s3_error!(
        MissingSecurityHeader,
        "Your request was missing a required header: x-amz-acl"
    )
}
