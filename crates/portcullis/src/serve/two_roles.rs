//! A store that is read with one set of credentials and written with another.

use guard::error::CallError;
use guard::ports::record::{BucketPart, RecordBuckets};
use guard::ports::{AccessPointEntry, BucketAddress, Page, ReadBuckets, WriteBuckets};
use policy::bucket::{Acl, ObjectOwnership, PublicAccessBlock};
use serde_json::Value;

/// A store as the guard uses it.
pub(crate) struct TwoRoles {
    /// Reads.
    pub(crate) reader: aws::Store,
    /// Writes, if another role does.
    pub(crate) writer: Option<aws::Store>,
}

impl TwoRoles {
    fn writer(&self) -> &aws::Store {
        self.writer.as_ref().unwrap_or(&self.reader)
    }
}

impl AsRef<aws::Store> for TwoRoles {
    /// Whoever delivers files: the one that records them.
    fn as_ref(&self) -> &aws::Store {
        &self.reader
    }
}

impl ReadBuckets for TwoRoles {
    async fn buckets(
        &self,
        prefix: Option<&str>,
        token: Option<String>,
    ) -> Result<Page<BucketAddress>, CallError> {
        self.reader.buckets(prefix, token).await
    }

    fn listing_gap(&self) -> Option<String> {
        // What cannot be renewed ends some day, and the watch with it.
        let ends = [Some(&self.reader), self.writer.as_ref()]
            .into_iter()
            .flatten()
            .find_map(aws::Store::renewal_trouble)
            .map(|why| format!("the credentials in use cannot be renewed: {why}"));
        match (self.reader.listing_gap(), ends) {
            (Some(gap), Some(ends)) => Some(format!("{gap}; {ends}")),
            (gap, ends) => gap.or(ends),
        }
    }

    async fn location(&self, bucket: &BucketAddress) -> Result<Option<String>, CallError> {
        self.reader.location(bucket).await
    }

    async fn account_block(&self) -> Result<Option<PublicAccessBlock>, CallError> {
        self.reader.account_block().await
    }

    async fn block(&self, bucket: &BucketAddress) -> Result<Option<PublicAccessBlock>, CallError> {
        self.reader.block(bucket).await
    }

    async fn policy(&self, bucket: &BucketAddress) -> Result<Option<String>, CallError> {
        self.reader.policy(bucket).await
    }

    async fn acl(&self, bucket: &BucketAddress) -> Result<Acl, CallError> {
        self.reader.acl(bucket).await
    }

    async fn ownership(
        &self,
        bucket: &BucketAddress,
    ) -> Result<Option<ObjectOwnership>, CallError> {
        self.reader.ownership(bucket).await
    }

    async fn policy_status(&self, bucket: &BucketAddress) -> Result<Option<bool>, CallError> {
        self.reader.policy_status(bucket).await
    }

    async fn access_points(
        &self,
        region: &str,
        token: Option<String>,
    ) -> Result<Page<AccessPointEntry>, CallError> {
        self.reader.access_points(region, token).await
    }

    async fn access_point_policy(
        &self,
        region: &str,
        point: &AccessPointEntry,
    ) -> Result<Option<String>, CallError> {
        self.reader.access_point_policy(region, point).await
    }

    async fn access_point_block(
        &self,
        region: &str,
        point: &AccessPointEntry,
    ) -> Result<Option<PublicAccessBlock>, CallError> {
        self.reader.access_point_block(region, point).await
    }

    async fn sample_keys(
        &self,
        bucket: &BucketAddress,
        limit: u16,
    ) -> Result<Vec<String>, CallError> {
        self.reader.sample_keys(bucket, limit).await
    }

    async fn object_acl(
        &self,
        bucket: &BucketAddress,
        key: &str,
    ) -> Result<Option<Acl>, CallError> {
        self.reader.object_acl(bucket, key).await
    }
}

impl RecordBuckets for TwoRoles {
    async fn part(
        &self,
        bucket: &BucketAddress,
        part: BucketPart,
    ) -> Result<Option<Value>, CallError> {
        self.reader.part(bucket, part).await
    }
}

impl WriteBuckets for TwoRoles {
    async fn put_acl(&self, bucket: &BucketAddress, acl: &Acl) -> Result<(), CallError> {
        self.writer().put_acl(bucket, acl).await
    }

    async fn put_block(
        &self,
        bucket: &BucketAddress,
        block: &PublicAccessBlock,
    ) -> Result<(), CallError> {
        self.writer().put_block(bucket, block).await
    }

    async fn delete_block(&self, bucket: &BucketAddress) -> Result<(), CallError> {
        self.writer().delete_block(bucket).await
    }

    async fn put_policy(&self, bucket: &BucketAddress, text: &str) -> Result<(), CallError> {
        self.writer().put_policy(bucket, text).await
    }

    async fn delete_policy(&self, bucket: &BucketAddress) -> Result<(), CallError> {
        self.writer().delete_policy(bucket).await
    }
}
