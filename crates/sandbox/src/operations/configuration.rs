//! Policy, Block Public Access, Object Ownership and tags of a bucket.

use std::collections::HashSet;

use policy::bucket::{ObjectOwnership as Ownership, PublicAccessBlock};
use policy::document::{Policy as Document, Principal, Severity};
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use crate::access::{access_denied, no_such_bucket};
use crate::account::Accounts;
use crate::acl::reaches_others;
use crate::endpoint::Endpoint;
use crate::state::{BucketState, StoredPolicy};

/// The largest bucket policy that S3 takes (Amazon S3 user guide, "Bucket policies").
const LARGEST_POLICY: usize = 20 * 1024;
/// The most tags that a bucket has.
const MOST_TAGS: usize = 50;

/// Runs `change` on a bucket and tells about it.
fn change<I, T>(
    endpoint: &Endpoint,
    request: &S3Request<I>,
    name: &str,
    operation: &'static str,
    change: impl FnOnce(&mut BucketState) -> S3Result<T>,
) -> S3Result<T> {
    let mut state = endpoint.state();
    let bucket = state
        .buckets
        .get_mut(name)
        .ok_or_else(|| no_such_bucket(name))?;
    let done = change(bucket)?;
    let account = bucket.account.clone();
    drop(state);
    let caller = endpoint.caller(request.credentials.as_ref());
    endpoint.changed(operation, &account, Some(name), caller);
    Ok(done)
}

/// Reads from a bucket.
fn read<T>(
    endpoint: &Endpoint,
    name: &str,
    read: impl FnOnce(&BucketState) -> S3Result<T>,
) -> S3Result<T> {
    let state = endpoint.state();
    let bucket = state
        .buckets
        .get(name)
        .ok_or_else(|| no_such_bucket(name))?;
    read(bucket)
}

// ---------------------------------------------------------------------------------------- policy

pub(crate) fn get_bucket_policy(
    endpoint: &Endpoint,
    request: S3Request<GetBucketPolicyInput>,
) -> S3Result<GetBucketPolicyOutput> {
    read(endpoint, &request.input.bucket, |bucket| {
        let stored = bucket.policy.as_ref().ok_or_else(no_policy)?;
        Ok(GetBucketPolicyOutput {
            policy: Some(stored.policy.text.clone()),
        })
    })
}

pub(crate) fn get_bucket_policy_status(
    endpoint: &Endpoint,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> S3Result<GetBucketPolicyStatusOutput> {
    read(endpoint, &request.input.bucket, |bucket| {
        let stored = bucket.policy.as_ref().ok_or_else(no_policy)?;
        Ok(GetBucketPolicyStatusOutput {
            policy_status: Some(PolicyStatus {
                is_public: Some(stored.is_public()),
            }),
        })
    })
}

pub(crate) fn put_bucket_policy(
    endpoint: &Endpoint,
    request: S3Request<PutBucketPolicyInput>,
) -> S3Result<PutBucketPolicyOutput> {
    let name = request.input.bucket.clone();
    let mut policy = understood(&request.input.policy)?;
    if policy_names_other_resources(&policy, &name) {
        return Err(malformed_policy("Policy has invalid resource"));
    }
    resolve_canonical_users(&mut policy, &endpoint.accounts);
    let (account, block) = {
        let state = endpoint.state();
        let bucket = state
            .buckets
            .get(&name)
            .ok_or_else(|| no_such_bucket(&name))?;
        (bucket.account.clone(), state.effective_block(bucket))
    };
    let stored = StoredPolicy::new(&name, &account, policy);
    if block.block_public_policy && stored.is_public() {
        return Err(access_denied());
    }
    change(endpoint, &request, &name, "PutBucketPolicy", |bucket| {
        bucket.policy = Some(stored);
        Ok(PutBucketPolicyOutput {})
    })
}

pub(crate) fn delete_bucket_policy(
    endpoint: &Endpoint,
    request: S3Request<DeleteBucketPolicyInput>,
) -> S3Result<DeleteBucketPolicyOutput> {
    let name = &request.input.bucket;
    change(endpoint, &request, name, "DeleteBucketPolicy", |bucket| {
        bucket.policy = None;
        Ok(DeleteBucketPolicyOutput {})
    })
}

/// The policy, if every word of it is understood: what is stored here is enforced.
fn understood(text: &str) -> S3Result<Document> {
    if text.len() > LARGEST_POLICY {
        return Err(malformed_policy(
            "Normalized policy document exceeds the maximum allowed size of 20480 bytes.",
        ));
    }
    let policy = Document::parse(text).map_err(|error| malformed_policy(&error.to_string()))?;
    let complaint = policy
        .diagnostics
        .iter()
        .find(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| format!("{} at {}", diagnostic.message, diagnostic.path))
        .or_else(|| {
            policy
                .statements
                .iter()
                .find_map(|statement| statement.not_understood.first().cloned())
        });
    match complaint {
        Some(complaint) => Err(malformed_policy(&complaint)),
        None => Ok(policy),
    }
}

/// S3 refuses a statement about another bucket.
fn policy_names_other_resources(policy: &Document, bucket: &str) -> bool {
    let arn = format!("arn:aws:s3:::{bucket}");
    policy.statements.iter().any(|statement| {
        !statement.resource.negated
            && statement.resource.patterns.iter().any(|pattern| {
                let of_bucket = pattern.text().split('/').next().unwrap_or_default();
                // With a wildcard or variable in the bucket's part it may be meant for this one.
                of_bucket != arn && !of_bucket.contains(['*', '?', '$'])
            })
    })
}

/// A canonical user id names the same account as its twelve digits.
fn resolve_canonical_users(policy: &mut Document, accounts: &Accounts) {
    for statement in &mut policy.statements {
        for entry in &mut statement.principal.entries {
            if let Principal::CanonicalUser(id) = entry
                && let Some(account) = accounts.by_canonical_id(id)
            {
                *entry = Principal::Account(account.to_owned());
            }
        }
    }
}

fn malformed_policy(why: &str) -> S3Error {
    s3_error!(MalformedPolicy, "{}", why)
}

fn no_policy() -> S3Error {
    s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist")
}

// --------------------------------------------------------------------------- Block Public Access

pub(crate) fn get_public_access_block(
    endpoint: &Endpoint,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<GetPublicAccessBlockOutput> {
    read(endpoint, &request.input.bucket, |bucket| {
        let block = bucket.public_access_block.ok_or_else(no_block)?;
        Ok(GetPublicAccessBlockOutput {
            public_access_block_configuration: Some(block_element(block)),
        })
    })
}

pub(crate) fn put_public_access_block(
    endpoint: &Endpoint,
    request: S3Request<PutPublicAccessBlockInput>,
) -> S3Result<PutPublicAccessBlockOutput> {
    let input = &request.input;
    let block = from_block_element(&input.public_access_block_configuration);
    change(
        endpoint,
        &request,
        &input.bucket,
        "PutBucketPublicAccessBlock",
        |bucket| {
            bucket.public_access_block = Some(block);
            Ok(PutPublicAccessBlockOutput {})
        },
    )
}

pub(crate) fn delete_public_access_block(
    endpoint: &Endpoint,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> S3Result<DeletePublicAccessBlockOutput> {
    let name = &request.input.bucket;
    change(
        endpoint,
        &request,
        name,
        "DeleteBucketPublicAccessBlock",
        |bucket| {
            bucket.public_access_block = None;
            Ok(DeletePublicAccessBlockOutput {})
        },
    )
}

/// The settings as S3 prints them.
pub(crate) fn block_element(block: PublicAccessBlock) -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration {
        block_public_acls: Some(block.block_public_acls),
        block_public_policy: Some(block.block_public_policy),
        ignore_public_acls: Some(block.ignore_public_acls),
        restrict_public_buckets: Some(block.restrict_public_buckets),
    }
}

/// A setting that is left out is off.
pub(crate) fn from_block_element(element: &PublicAccessBlockConfiguration) -> PublicAccessBlock {
    PublicAccessBlock {
        block_public_acls: element.block_public_acls.unwrap_or(false),
        block_public_policy: element.block_public_policy.unwrap_or(false),
        ignore_public_acls: element.ignore_public_acls.unwrap_or(false),
        restrict_public_buckets: element.restrict_public_buckets.unwrap_or(false),
    }
}

/// What S3 answers where no block was ever set.
pub(crate) fn no_block() -> S3Error {
    let mut error = S3Error::with_message(
        S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into()),
        "The public access block configuration was not found",
    );
    error.set_status_code(hyper::StatusCode::NOT_FOUND);
    error
}

// ------------------------------------------------------------------------------ Object Ownership

pub(crate) fn get_bucket_ownership_controls(
    endpoint: &Endpoint,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> S3Result<GetBucketOwnershipControlsOutput> {
    read(endpoint, &request.input.bucket, |bucket| {
        let ownership = bucket.ownership.ok_or_else(|| {
            s3_error!(
                OwnershipControlsNotFoundError,
                "The bucket ownership controls were not found"
            )
        })?;
        Ok(GetBucketOwnershipControlsOutput {
            ownership_controls: Some(OwnershipControls {
                rules: vec![OwnershipControlsRule {
                    object_ownership: ObjectOwnership::from_static(ownership.as_str()),
                }],
            }),
        })
    })
}

pub(crate) fn put_bucket_ownership_controls(
    endpoint: &Endpoint,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> S3Result<PutBucketOwnershipControlsOutput> {
    let input = &request.input;
    let malformed = || {
        s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        )
    };
    let [rule] = input.ownership_controls.rules.as_slice() else {
        return Err(malformed());
    };
    let ownership = Ownership::parse(rule.object_ownership.as_str()).ok_or_else(malformed)?;
    change(
        endpoint,
        &request,
        &input.bucket,
        "PutBucketOwnershipControls",
        |bucket| {
            if ownership == Ownership::BucketOwnerEnforced
                && reaches_others(&bucket.acl, &bucket.canonical_id)
            {
                return Err(s3_error!(
                    InvalidBucketAclWithObjectOwnership,
                    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
                ));
            }
            bucket.ownership = Some(ownership);
            Ok(PutBucketOwnershipControlsOutput {})
        },
    )
}

pub(crate) fn delete_bucket_ownership_controls(
    endpoint: &Endpoint,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> S3Result<DeleteBucketOwnershipControlsOutput> {
    let name = &request.input.bucket;
    change(
        endpoint,
        &request,
        name,
        "DeleteBucketOwnershipControls",
        |bucket| {
            bucket.ownership = None;
            Ok(DeleteBucketOwnershipControlsOutput {})
        },
    )
}

// ------------------------------------------------------------------------------------------ tags

pub(crate) fn get_bucket_tagging(
    endpoint: &Endpoint,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<GetBucketTaggingOutput> {
    read(endpoint, &request.input.bucket, |bucket| {
        if bucket.tags.is_empty() {
            return Err(s3_error!(NoSuchTagSet, "The TagSet does not exist"));
        }
        Ok(GetBucketTaggingOutput {
            tag_set: bucket
                .tags
                .iter()
                .map(|(key, value)| Tag {
                    key: Some(key.clone()),
                    value: Some(value.clone()),
                })
                .collect(),
        })
    })
}

pub(crate) fn put_bucket_tagging(
    endpoint: &Endpoint,
    request: S3Request<PutBucketTaggingInput>,
) -> S3Result<PutBucketTaggingOutput> {
    let input = &request.input;
    let invalid = |why: &'static str| S3Error::with_message(S3ErrorCode::InvalidTag, why);
    let mut tags = Vec::new();
    let mut keys = HashSet::new();
    for tag in &input.tagging.tag_set {
        let key = tag
            .key
            .clone()
            .filter(|key| !key.is_empty() && key.chars().count() <= 128);
        let key = key.ok_or_else(|| invalid("The TagKey you have provided is invalid"))?;
        let value = tag.value.clone().unwrap_or_default();
        if value.chars().count() > 256 {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if !keys.insert(key.clone()) {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
        tags.push((key, value));
    }
    if tags.len() > MOST_TAGS {
        return Err(invalid("Bucket tag count cannot be greater than 50"));
    }
    change(
        endpoint,
        &request,
        &input.bucket,
        "PutBucketTagging",
        |bucket| {
            bucket.tags = tags;
            Ok(PutBucketTaggingOutput {})
        },
    )
}

pub(crate) fn delete_bucket_tagging(
    endpoint: &Endpoint,
    request: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<DeleteBucketTaggingOutput> {
    let name = &request.input.bucket;
    change(endpoint, &request, name, "DeleteBucketTagging", |bucket| {
        bucket.tags.clear();
        Ok(DeleteBucketTaggingOutput {})
    })
}
