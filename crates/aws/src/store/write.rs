//! What is written of a bucket's access configuration, and nothing else.

use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::{BucketAddress, WriteBuckets};
use policy::bucket::{Acl, PublicAccessBlock};

use super::{Store, understood};
use crate::dialect::{Document, Expect};
use crate::shape;

impl WriteBuckets for Store {
    async fn put_acl(&self, bucket: &BucketAddress, acl: &Acl) -> Result<(), CallError> {
        let operation = Operation::PutBucketAcl;
        let document = understood(operation, shape::acl_document(acl))?;
        self.at(bucket, operation, &[], |client| {
            let request = client
                .put_bucket_acl()
                .bucket(&bucket.name)
                .access_control_policy(document.clone());
            send!(request, Document::Empty)
        })
        .await
        .map(|_| ())
    }

    async fn put_block(
        &self,
        bucket: &BucketAddress,
        block: &PublicAccessBlock,
    ) -> Result<(), CallError> {
        self.at(
            bucket,
            Operation::PutBucketPublicAccessBlock,
            &[],
            |client| {
                let request = client
                    .put_public_access_block()
                    .bucket(&bucket.name)
                    .public_access_block_configuration(shape::block_document(block));
                send!(request, Document::Empty)
            },
        )
        .await
        .map(|_| ())
    }

    async fn delete_block(&self, bucket: &BucketAddress) -> Result<(), CallError> {
        // Not asked of other stores at all: an unknown sub-resource may fall through to the bucket.
        // There, a block with four times off is the same.
        if self.is_custom() {
            return self.put_block(bucket, &PublicAccessBlock::default()).await;
        }
        self.at(
            bucket,
            Operation::DeleteBucketPublicAccessBlock,
            &[],
            |client| {
                let request = client.delete_public_access_block().bucket(&bucket.name);
                send!(request, Document::Empty)
            },
        )
        .await
        .map(|_| ())
    }

    async fn put_policy(&self, bucket: &BucketAddress, text: &str) -> Result<(), CallError> {
        self.at(bucket, Operation::PutBucketPolicy, &[], |client| {
            let request = client.put_bucket_policy().bucket(&bucket.name).policy(text);
            send!(request, Document::Empty)
        })
        .await
        .map(|_| ())
    }

    async fn delete_policy(&self, bucket: &BucketAddress) -> Result<(), CallError> {
        self.at(bucket, Operation::DeleteBucketPolicy, &[], |client| {
            let request = client.delete_bucket_policy().bucket(&bucket.name);
            send!(request, Document::Empty)
        })
        .await
        .map(|_| ())
    }
}
