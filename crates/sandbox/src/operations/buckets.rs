//! Making, removing and listing buckets.

use policy::bucket::{ObjectOwnership, Permission, PublicAccessBlock};
use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::timestamp;
use crate::access::{access_denied, no_such_bucket};
use crate::acl::{self, Given, Of};
use crate::endpoint::{Endpoint, NewBuckets};
use crate::state::{BucketState, private_acl};

/// The most buckets that one answer lists.
const MOST_BUCKETS: usize = 10_000;

pub(crate) fn create_bucket(
    endpoint: &Endpoint,
    request: S3Request<CreateBucketInput>,
) -> S3Result<CreateBucketOutput> {
    let caller = endpoint
        .caller(request.credentials.as_ref())
        .ok_or_else(access_denied)?;
    let input = &request.input;
    let given = Given {
        canned: input.acl.as_ref().map(BucketCannedACL::as_str),
        headers: super::acls::present([
            (Permission::FullControl, &input.grant_full_control),
            (Permission::Read, &input.grant_read),
            (Permission::ReadAcp, &input.grant_read_acp),
            (Permission::Write, &input.grant_write),
            (Permission::WriteAcp, &input.grant_write_acp),
        ]),
        document: None,
    };
    let owner = caller.canonical_id.as_str();
    let acl = given
        .acl(Of::Bucket { owner })?
        .unwrap_or_else(|| private_acl(owner));

    let (ownership, block) = match endpoint.settings.new_buckets {
        NewBuckets::Closed => (
            Some(ObjectOwnership::BucketOwnerEnforced),
            Some(PublicAccessBlock::ALL),
        ),
        NewBuckets::AclsInForce => (None, None),
    };
    let ownership = match &input.object_ownership {
        None => ownership,
        Some(wanted) => Some(
            ObjectOwnership::parse(wanted.as_str())
                .ok_or_else(|| s3_error!(InvalidArgument, "Invalid x-amz-object-ownership"))?,
        ),
    };
    if ownership == Some(ObjectOwnership::BucketOwnerEnforced) && acl::reaches_others(&acl, owner) {
        return Err(s3_error!(
            InvalidBucketAclWithObjectOwnership,
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        ));
    }
    let region = input
        .create_bucket_configuration
        .as_ref()
        .and_then(|c| c.location_constraint.as_ref())
        .map_or_else(
            || endpoint.settings.region.clone(),
            |region| region.as_str().to_owned(),
        );

    let mut state = endpoint.state();
    if let Some(existing) = state.buckets.get(&input.bucket) {
        return Err(if existing.account == caller.account {
            s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            )
        } else {
            s3_error!(
                BucketAlreadyExists,
                "The requested bucket name is not available."
            )
        });
    }
    let refuses_public_acls = state
        .account_blocks
        .get(&caller.account)
        .is_some_and(|block| block.block_public_acls);
    if refuses_public_acls && acl::is_public(&acl) {
        return Err(access_denied());
    }
    state.buckets.insert(
        input.bucket.clone(),
        BucketState {
            name: input.bucket.clone(),
            account: caller.account.clone(),
            canonical_id: owner.to_owned(),
            region,
            created: endpoint.now(),
            acl,
            policy: None,
            public_access_block: block,
            ownership,
            tags: Vec::new(),
            objects: std::collections::BTreeMap::new(),
        },
    );
    drop(state);
    endpoint.changed(
        "CreateBucket",
        &caller.account,
        Some(&input.bucket),
        Some(caller),
    );
    Ok(CreateBucketOutput {
        location: Some(format!("/{}", input.bucket)),
    })
}

pub(crate) fn delete_bucket(
    endpoint: &Endpoint,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<DeleteBucketOutput> {
    let name = &request.input.bucket;
    let mut state = endpoint.state();
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    if !bucket.objects.is_empty() {
        return Err(s3_error!(
            BucketNotEmpty,
            "The bucket you tried to delete is not empty"
        ));
    }
    let account = bucket.account.clone();
    state.buckets.remove(name);
    drop(state);
    let caller = endpoint.caller(request.credentials.as_ref());
    endpoint.changed("DeleteBucket", &account, Some(name), caller);
    Ok(DeleteBucketOutput {})
}

pub(crate) fn head_bucket(
    endpoint: &Endpoint,
    request: S3Request<HeadBucketInput>,
) -> S3Result<HeadBucketOutput> {
    let name = &request.input.bucket;
    let state = endpoint.state();
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    Ok(HeadBucketOutput {
        bucket_region: Some(bucket.region.clone()),
        ..HeadBucketOutput::default()
    })
}

pub(crate) fn get_bucket_location(
    endpoint: &Endpoint,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<GetBucketLocationOutput> {
    let name = &request.input.bucket;
    let state = endpoint.state();
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    Ok(GetBucketLocationOutput {
        // S3 answers with an empty element for its first region.
        location_constraint: (bucket.region != "us-east-1")
            .then(|| BucketLocationConstraint::from(bucket.region.clone())),
    })
}

pub(crate) fn list_buckets(
    endpoint: &Endpoint,
    request: S3Request<ListBucketsInput>,
) -> S3Result<ListBucketsOutput> {
    let caller = endpoint
        .caller(request.credentials.as_ref())
        .ok_or_else(access_denied)?;
    let input = &request.input;
    let invalid = |what: &str| s3_error!(InvalidArgument, "Invalid {}", what);
    let most = match input.max_buckets {
        None => MOST_BUCKETS,
        Some(most) => usize::try_from(most)
            .ok()
            .filter(|most| (1..=MOST_BUCKETS).contains(most))
            .ok_or_else(|| invalid("max-buckets"))?,
    };
    let after = match &input.continuation_token {
        None => None,
        Some(token) => Some(
            super::listing::name_in_token(token).ok_or_else(|| invalid("continuation-token"))?,
        ),
    };
    // S3 tells the region only to those who ask with one of the newer parameters.
    let with_region = input.max_buckets.is_some()
        || input.prefix.is_some()
        || input.continuation_token.is_some()
        || input.bucket_region.is_some();

    let state = endpoint.state();
    let mut matching = state.buckets.values().filter(|bucket| {
        bucket.account == caller.account
            && after.as_ref().is_none_or(|after| bucket.name > *after)
            && input
                .prefix
                .as_ref()
                .is_none_or(|prefix| bucket.name.starts_with(prefix.as_str()))
            && input
                .bucket_region
                .as_ref()
                .is_none_or(|region| bucket.region == region.as_str())
    });
    let page: Vec<&BucketState> = matching.by_ref().take(most).collect();
    let more = matching.next().is_some();
    Ok(ListBucketsOutput {
        continuation_token: page
            .last()
            .filter(|_| more)
            .map(|last| super::listing::token_for(&last.name)),
        buckets: Some(
            page.iter()
                .map(|bucket| Bucket {
                    bucket_region: with_region.then(|| bucket.region.clone()),
                    creation_date: timestamp(bucket.created),
                    name: Some(bucket.name.clone()),
                })
                .collect(),
        ),
        owner: Some(acl::owner_element(&caller.canonical_id)),
        prefix: input.prefix.clone(),
    })
}
