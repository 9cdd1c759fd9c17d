//! Files that are delivered to a bucket, and the bucket itself where it is to be made.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, ServerSideEncryption,
};
use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::BucketAddress;
use guard::ports::files::PutFile;
use policy::bucket::PublicAccessBlock;

use super::{Store, answered, understood};
use crate::dialect::{Document, Expect};
use crate::shape;

/// How files are put into a bucket.
#[derive(Clone, Debug, Default)]
pub struct DeliveryOptions {
    /// The bucket's region, if it is not that of the configuration.
    pub region: Option<String>,
    /// The account that must own the bucket: if another does, nothing is put there (Amazon S3 user
    /// guide, "Verifying bucket ownership with bucket owner condition").
    pub expected_owner: Option<String>,
    /// How files are encrypted; `None`: as the bucket says.
    pub encryption: Option<DeliveryEncryption>,
    /// Whether the bucket is made if there is none of its name: closed to the public, without ACLs.
    pub create: bool,
}

/// How delivered files are encrypted at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryEncryption {
    /// With keys of S3's own (SSE-S3).
    S3,
    /// With a key of KMS: its id, ARN or alias.
    Kms(String),
}

/// Puts files into buckets of one account's store.
pub struct DeliveryBucket<S> {
    holder: Arc<S>,
    options: DeliveryOptions,
}

impl<S: AsRef<Store>> DeliveryBucket<S> {
    /// Puts files with the credentials of the store that somebody holds.
    pub fn new(holder: Arc<S>, options: DeliveryOptions) -> DeliveryBucket<S> {
        DeliveryBucket { holder, options }
    }

    fn store(&self) -> &Store {
        (*self.holder).as_ref()
    }

    fn address(&self, bucket: &str) -> BucketAddress {
        BucketAddress {
            name: bucket.to_owned(),
            region: self.options.region.clone(),
            owner: None,
            created: None,
        }
    }

    async fn put(
        &self,
        at: &BucketAddress,
        key: &str,
        body: &[u8],
        content_type: &str,
    ) -> Result<(), CallError> {
        let (encryption, kms_key) = match &self.options.encryption {
            None => (None, None),
            Some(DeliveryEncryption::S3) => (Some(ServerSideEncryption::Aes256), None),
            Some(DeliveryEncryption::Kms(key)) => {
                (Some(ServerSideEncryption::AwsKms), Some(key.clone()))
            }
        };
        self.store()
            .at(at, Operation::PutObject, &[], |client| {
                client
                    .put_object()
                    .bucket(&at.name)
                    .key(key)
                    .content_type(content_type)
                    .set_server_side_encryption(encryption.clone())
                    .set_ssekms_key_id(kms_key.clone())
                    .set_expected_bucket_owner(self.options.expected_owner.clone())
                    .body(ByteStream::from(body.to_vec()))
                    .send()
            })
            .await
            .and_then(|answer| answered(Operation::PutObject, answer))
            .map(|_| ())
    }

    /// Makes the bucket and closes it, before anything is in it. To be killed in between does no harm:
    /// a bucket that is ours already is closed again.
    async fn create(&self, at: &BucketAddress) -> Result<(), CallError> {
        let region = at.region.as_deref().unwrap_or(self.store().region());
        // `us-east-1` is the one region that is named by no constraint; other stores know theirs.
        let named = !self.store().is_custom() && region != "us-east-1" && !region.is_empty();
        let configuration = named.then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
        self.store()
            .at(
                at,
                Operation::CreateBucket,
                &["BucketAlreadyOwnedByYou"],
                |client| {
                    client
                        .create_bucket()
                        .bucket(&at.name)
                        .set_create_bucket_configuration(configuration.clone())
                        .send()
                },
            )
            .await?;
        let block = shape::block_document(&PublicAccessBlock::ALL);
        let blocked = self
            .store()
            .at(at, Operation::PutDeliveryBucketBlock, &[], |client| {
                let request = client
                    .put_public_access_block()
                    .bucket(&at.name)
                    .public_access_block_configuration(block.clone());
                send!(request, Document::Empty)
            })
            .await;
        self.offered(blocked.map(|_| ()))?;
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .build()
            .map_err(|error| error.to_string());
        let rule = understood(Operation::PutDeliveryBucketOwnership, rule)?;
        let controls = OwnershipControls::builder().rules(rule).build();
        let controls = controls.map_err(|error| error.to_string());
        let controls = understood(Operation::PutDeliveryBucketOwnership, controls)?;
        let enforced = self
            .store()
            .at(at, Operation::PutDeliveryBucketOwnership, &[], |client| {
                let request = client
                    .put_bucket_ownership_controls()
                    .bucket(&at.name)
                    .ownership_controls(controls.clone());
                send!(request, Document::Empty)
            })
            .await;
        self.offered(enforced.map(|_| ()))
    }

    /// Other stores may not have these settings; a new bucket is private there.
    fn offered(&self, answer: Result<(), CallError>) -> Result<(), CallError> {
        match answer {
            Err(CallError::Unsupported { .. } | CallError::Failed { .. })
                if self.store().is_custom() =>
            {
                Ok(())
            }
            answer => answer,
        }
    }
}

impl AsRef<Store> for Store {
    fn as_ref(&self) -> &Store {
        self
    }
}

impl<S: AsRef<Store> + Send + Sync + 'static> PutFile for DeliveryBucket<S> {
    async fn put_file(
        &self,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
        content_type: &str,
    ) -> Result<(), CallError> {
        let at = self.address(bucket);
        match self.put(&at, key, &body, content_type).await {
            Err(CallError::NoSuchBucket) if self.options.create => {
                self.create(&at).await?;
                self.put(&at, key, &body, content_type).await
            }
            answer => answer,
        }
    }
}
