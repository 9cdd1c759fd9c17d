//! The operations, once access is granted. What is not here answers 501.

mod acls;
mod buckets;
mod configuration;
mod listing;
mod objects;

pub(crate) use configuration::{block_element, from_block_element, no_block};

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::endpoint::Endpoint;

/// A moment as the wire types hold it.
fn timestamp(moment: jiff::Timestamp) -> Option<Timestamp> {
    std::time::SystemTime::try_from(moment)
        .ok()
        .map(Timestamp::from)
}

/// Hands operations of the S3 trait to functions of the modules here. A function takes the endpoint
/// and the request, and gives the output.
macro_rules! operations {
    ($($operation:ident($input:ident) -> $output:ident: $module:ident),* $(,)?) => {
        #[async_trait::async_trait]
        impl S3 for Endpoint {
            $(
                async fn $operation(
                    &self,
                    request: S3Request<$input>,
                ) -> S3Result<S3Response<$output>> {
                    $module::$operation(self, request).map(S3Response::new)
                }
            )*

            // The only one that waits: for the body.
            async fn put_object(
                &self,
                request: S3Request<PutObjectInput>,
            ) -> S3Result<S3Response<PutObjectOutput>> {
                objects::put_object(self, request).await.map(S3Response::new)
            }
        }
    };
}

operations! {
    create_bucket(CreateBucketInput) -> CreateBucketOutput: buckets,
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput: buckets,
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput: buckets,
    head_bucket(HeadBucketInput) -> HeadBucketOutput: buckets,
    list_buckets(ListBucketsInput) -> ListBucketsOutput: buckets,

    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput: configuration,
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput: configuration,
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput: configuration,
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput: configuration,
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput: configuration,
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput: configuration,
    get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput: configuration,
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput: configuration,
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput: configuration,
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput: configuration,
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput: configuration,
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput: configuration,
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput: configuration,

    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput: acls,
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput: acls,
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput: acls,
    put_object_acl(PutObjectAclInput) -> PutObjectAclOutput: acls,

    delete_object(DeleteObjectInput) -> DeleteObjectOutput: objects,
    get_object(GetObjectInput) -> GetObjectOutput: objects,
    head_object(HeadObjectInput) -> HeadObjectOutput: objects,
    list_objects(ListObjectsInput) -> ListObjectsOutput: objects,
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output: objects,
}
