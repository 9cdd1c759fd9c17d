//! What the loops need of a store.
//!
//! One implementation speaks to AWS and to S3-compatible endpoints; tests use one in memory. Each
//! method makes one call (a listing: one page), does not retry, and says by [`CallError`] what its
//! failure means. Pace, retries and time-outs are [`crate::pace`]'s.
//!
//! This file has what a scan and a remediation need; [`record`] what a recorder reads beyond that,
//! [`queue`] where events come from, [`publish`] where messages go, [`files`] where files go.

pub mod files;
pub mod publish;
pub mod queue;
pub mod record;

use std::future::Future;

use jiff::Timestamp;
use policy::bucket::{Acl, ObjectOwnership, PublicAccessBlock};

use crate::error::CallError;

/// One bucket of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketAddress {
    /// The name by which the store is asked. On Ceph with a tenant: `tenant:bucket`.
    pub name: String,
    /// The region, where the listing tells it.
    pub region: Option<String>,
    /// The owner as the store names it, where the listing tells it (Ceph's Admin Ops API).
    pub owner: Option<String>,
    /// When the bucket was made, where the listing tells it.
    pub created: Option<Timestamp>,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

/// One access point of an account's listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPointEntry {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The bucket behind it.
    pub bucket: String,
    /// Whether it takes requests from one VPC only.
    pub vpc_origin: bool,
}

/// Reads one account's buckets.
///
/// `Ok(None)` means: asked, answered, and not there.
pub trait ReadBuckets: Send + Sync {
    /// One page of the buckets that these credentials can see, and whose name begins with `prefix`
    /// where the store filters (the caller filters again).
    fn buckets(
        &self,
        prefix: Option<&str>,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<BucketAddress>, CallError>> + Send;

    /// Why a listing that came to its end does not have every bucket of the account or store, if that is
    /// so: buckets that are not listed are not swept.
    fn listing_gap(&self) -> Option<String> {
        None
    }

    /// The region of one bucket, where the listing did not tell it.
    fn location(
        &self,
        bucket: &BucketAddress,
    ) -> impl Future<Output = Result<Option<String>, CallError>> + Send;

    /// The account's Block Public Access.
    fn account_block(
        &self,
    ) -> impl Future<Output = Result<Option<PublicAccessBlock>, CallError>> + Send;

    /// The bucket's own Block Public Access.
    fn block(
        &self,
        bucket: &BucketAddress,
    ) -> impl Future<Output = Result<Option<PublicAccessBlock>, CallError>> + Send;

    /// The text of the bucket's policy.
    fn policy(
        &self,
        bucket: &BucketAddress,
    ) -> impl Future<Output = Result<Option<String>, CallError>> + Send;

    /// The bucket's ACL.
    fn acl(&self, bucket: &BucketAddress) -> impl Future<Output = Result<Acl, CallError>> + Send;

    /// The bucket's Object Ownership.
    fn ownership(
        &self,
        bucket: &BucketAddress,
    ) -> impl Future<Output = Result<Option<ObjectOwnership>, CallError>> + Send;

    /// The store's own opinion whether the policy is public.
    fn policy_status(
        &self,
        bucket: &BucketAddress,
    ) -> impl Future<Output = Result<Option<bool>, CallError>> + Send;

    /// One page of the account's access points in a region.
    fn access_points(
        &self,
        region: &str,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<AccessPointEntry>, CallError>> + Send;

    /// The text of an access point's policy.
    fn access_point_policy(
        &self,
        region: &str,
        point: &AccessPointEntry,
    ) -> impl Future<Output = Result<Option<String>, CallError>> + Send;

    /// An access point's own Block Public Access.
    fn access_point_block(
        &self,
        region: &str,
        point: &AccessPointEntry,
    ) -> impl Future<Output = Result<Option<PublicAccessBlock>, CallError>> + Send;

    /// Up to `limit` keys of the bucket.
    fn sample_keys(
        &self,
        bucket: &BucketAddress,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<String>, CallError>> + Send;

    /// The ACL of one object, if there is such an object.
    fn object_acl(
        &self,
        bucket: &BucketAddress,
        key: &str,
    ) -> impl Future<Output = Result<Option<Acl>, CallError>> + Send;
}

/// Writes a bucket's access configuration. There is no other write, and `delete_policy` and
/// `delete_block` are the only DELETEs: on Ceph's gateway an unknown sub-resource falls through to
/// the bucket, and the bucket is deleted.
pub trait WriteBuckets: Send + Sync {
    /// Replaces the ACL.
    fn put_acl(
        &self,
        bucket: &BucketAddress,
        acl: &Acl,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Replaces the bucket's Block Public Access.
    fn put_block(
        &self,
        bucket: &BucketAddress,
        block: &PublicAccessBlock,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Removes the bucket's Block Public Access. Ceph and AWS both have the operation; call it only
    /// where a block was read before, so that the endpoint has proved to know the sub-resource.
    fn delete_block(
        &self,
        bucket: &BucketAddress,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Replaces the policy.
    fn put_policy(
        &self,
        bucket: &BucketAddress,
        text: &str,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Removes the policy.
    fn delete_policy(
        &self,
        bucket: &BucketAddress,
    ) -> impl Future<Output = Result<(), CallError>> + Send;
}
