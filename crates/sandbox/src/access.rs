//! Stands before every operation: which action it needs, on what, and whether the caller may.

use hyper::HeaderMap;
use s3s::access::{S3Access, S3AccessContext};
use s3s::path::S3Path;
use s3s::{S3Error, S3Result, s3_error};

use crate::authorize::{Answer, By, Question, authorize};
use crate::context::{Arrival, context, query_pairs};
use crate::endpoint::Endpoint;
use crate::state::BucketState;

/// What must hold before an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// A signature; there is no bucket yet.
    Signature,
    /// This action on the bucket.
    OnBucket(&'static str),
    /// This action on the object.
    OnObject(&'static str),
}

/// The operations that are served. Whatever is not here answers 501.
fn needs(operation: &str) -> Option<Needs> {
    use Needs::{OnBucket, OnObject, Signature};
    Some(match operation {
        "ListBuckets" | "CreateBucket" => Signature,
        "DeleteBucket" => OnBucket("s3:DeleteBucket"),
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => OnBucket("s3:ListBucket"),
        "GetBucketLocation" => OnBucket("s3:GetBucketLocation"),
        "GetBucketPolicy" => OnBucket("s3:GetBucketPolicy"),
        "PutBucketPolicy" => OnBucket("s3:PutBucketPolicy"),
        "DeleteBucketPolicy" => OnBucket("s3:DeleteBucketPolicy"),
        "GetBucketPolicyStatus" => OnBucket("s3:GetBucketPolicyStatus"),
        "GetBucketAcl" => OnBucket("s3:GetBucketAcl"),
        "PutBucketAcl" => OnBucket("s3:PutBucketAcl"),
        "GetPublicAccessBlock" => OnBucket("s3:GetBucketPublicAccessBlock"),
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => {
            OnBucket("s3:PutBucketPublicAccessBlock")
        }
        "GetBucketOwnershipControls" => OnBucket("s3:GetBucketOwnershipControls"),
        "PutBucketOwnershipControls" | "DeleteBucketOwnershipControls" => {
            OnBucket("s3:PutBucketOwnershipControls")
        }
        "GetBucketTagging" => OnBucket("s3:GetBucketTagging"),
        "PutBucketTagging" | "DeleteBucketTagging" => OnBucket("s3:PutBucketTagging"),
        "PutObject" => OnObject("s3:PutObject"),
        "GetObject" | "HeadObject" => OnObject("s3:GetObject"),
        "DeleteObject" => OnObject("s3:DeleteObject"),
        "GetObjectAcl" => OnObject("s3:GetObjectAcl"),
        "PutObjectAcl" => OnObject("s3:PutObjectAcl"),
        _ => return None,
    })
}

#[async_trait::async_trait]
impl S3Access for Endpoint {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = request.s3_op().name().to_owned();
        let Some(needs) = needs(&operation) else {
            return Err(not_implemented(&operation));
        };
        let arrival = request
            .extensions_mut()
            .get::<Arrival>()
            .copied()
            .ok_or_else(|| s3_error!(InternalError))?;
        refuse_what_is_not_kept(&operation, request.uri().query())?;

        let caller = match request.credentials() {
            None => None,
            Some(credentials) => Some(
                self.accounts
                    .identity(&credentials.access_key)
                    .ok_or_else(|| s3_error!(InvalidAccessKeyId))?,
            ),
        };
        let (action, key) = match (needs, request.s3_path()) {
            (Needs::Signature, _) => return caller.map(|_| ()).ok_or_else(access_denied),
            (Needs::OnBucket(action), S3Path::Bucket { .. }) => (action, None),
            (Needs::OnObject(action), S3Path::Object { key, .. }) => (action, Some(key.as_ref())),
            _ => return Err(s3_error!(MethodNotAllowed)),
        };
        let name = request.s3_path().get_bucket_name().unwrap_or_default();
        let state = self.state();
        let bucket = state
            .buckets
            .get(name)
            .ok_or_else(|| no_such_bucket(name))?;
        if let Some(expected) = request.headers().get("x-amz-expected-bucket-owner")
            && expected.as_bytes() != bucket.account.as_bytes()
        {
            return Err(access_denied());
        }

        let block = state.effective_block(bucket);
        let ask = |action: &str, key: Option<&str>, bucket: &BucketState| {
            let context = context(
                arrival,
                caller,
                Some(bucket),
                action,
                request.uri().query(),
                request.headers(),
            );
            authorize(&Question {
                caller,
                action,
                context: &context,
                bucket,
                block,
                key,
            })
        };
        // Whether an object exists is told to those only who may list the bucket; the operation itself
        // then says that there is none.
        let missing = key.is_some_and(|key| !bucket.objects.contains_key(key));
        if action == "s3:GetObject" && missing {
            return match ask("s3:ListBucket", None, bucket) {
                Answer::Allowed(_) => Ok(()),
                Answer::AccessDenied | Answer::OwnerOnly => Err(access_denied()),
            };
        }
        let mut answer = ask(action, key, bucket);
        // A policy that lets somebody upload does not yet let him choose the object's ACL.
        if answer == Answer::Allowed(By::Policy)
            && operation == "PutObject"
            && sets_acl(request.headers())
        {
            answer = ask("s3:PutObjectAcl", key, bucket);
        }
        match answer {
            Answer::Allowed(_) => Ok(()),
            Answer::AccessDenied => Err(access_denied()),
            Answer::OwnerOnly => Err(s3_error!(
                MethodNotAllowed,
                "The specified method is not allowed against this resource."
            )),
        }
    }
}

/// Whether an upload chooses its ACL. Handing the object over to the bucket's owner does not count: the
/// policies that the user guide shows for it ("Bucket policy examples") allow `s3:PutObject` alone.
fn sets_acl(headers: &HeaderMap) -> bool {
    headers.iter().any(|(name, value)| {
        (name == "x-amz-acl" && value != "bucket-owner-full-control")
            || name.as_str().starts_with("x-amz-grant-")
    })
}

/// Refuses what would otherwise be taken for something else: an unknown sub-resource of a DELETE
/// must not delete the bucket, and there are no versions.
fn refuse_what_is_not_kept(operation: &str, query: Option<&str>) -> S3Result<()> {
    for (name, value) in query_pairs(query) {
        let unknown_sub_resource =
            operation == "DeleteBucket" && name != "x-id" && !name.starts_with("X-Amz-");
        if unknown_sub_resource || (name == "versionId" && value != "null") {
            return Err(not_implemented(&name));
        }
    }
    Ok(())
}

pub(crate) fn access_denied() -> S3Error {
    s3_error!(AccessDenied, "Access Denied")
}

pub(crate) fn no_such_bucket(name: &str) -> S3Error {
    s3_error!(
        NoSuchBucket,
        "The specified bucket does not exist: {}",
        name
    )
}

fn not_implemented(what: &str) -> S3Error {
    s3_error!(
        NotImplemented,
        "A header or operation you provided implies functionality that is not implemented: {}",
        what
    )
}

#[cfg(test)]
mod tests {
    use policy::action::ActionTable;

    use super::*;

    #[test]
    fn every_action_is_one_of_amazons() {
        let table = ActionTable::get();
        for operation in [
            "DeleteBucket",
            "HeadBucket",
            "GetBucketLocation",
            "GetBucketPolicy",
            "PutBucketPolicy",
            "DeleteBucketPolicy",
            "GetBucketPolicyStatus",
            "GetBucketAcl",
            "PutBucketAcl",
            "GetPublicAccessBlock",
            "PutPublicAccessBlock",
            "GetBucketOwnershipControls",
            "PutBucketOwnershipControls",
            "GetBucketTagging",
            "PutBucketTagging",
            "PutObject",
            "GetObject",
            "DeleteObject",
            "GetObjectAcl",
            "PutObjectAcl",
        ] {
            let action = match needs(operation) {
                Some(Needs::OnBucket(action) | Needs::OnObject(action)) => action,
                Some(Needs::Signature) | None => operation,
            };
            assert!(table.index_of(action).is_some(), "{action}");
        }
        assert_eq!(needs("CreateSession"), None);
    }
}
