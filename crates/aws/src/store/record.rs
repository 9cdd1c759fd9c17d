//! The further parts of a bucket.

use guard::error::CallError;
use guard::ports::BucketAddress;
use guard::ports::record::{BucketPart, RecordBuckets};
use serde_json::Value;

use super::Store;
use crate::dialect::{Document, Expect};
use crate::shape::parts;

/// Asks for one part, checks the answer's root element, and shapes it.
macro_rules! part {
    ($store:ident, $bucket:ident, $part:ident, $call:ident, $root:literal, $absent:expr) => {
        $store
            .at($bucket, $part.operation(), $absent, |client| {
                let request = client.$call().bucket(&$bucket.name);
                send!(request, Document::Xml($root))
            })
            .await?
    };
}

impl RecordBuckets for Store {
    async fn part(
        &self,
        bucket: &BucketAddress,
        part: BucketPart,
    ) -> Result<Option<Value>, CallError> {
        Ok(match part {
            BucketPart::Tags => part!(
                self,
                bucket,
                part,
                get_bucket_tagging,
                "Tagging",
                &["NoSuchTagSet", "NoSuchTagSetError"]
            )
            .and_then(|answer| parts::tags(answer.tag_set())),
            BucketPart::Versioning => part!(
                self,
                bucket,
                part,
                get_bucket_versioning,
                "VersioningConfiguration",
                &[]
            )
            .map(|answer| parts::versioning(answer.status(), answer.mfa_delete())),
            BucketPart::Logging => part!(
                self,
                bucket,
                part,
                get_bucket_logging,
                "BucketLoggingStatus",
                &[]
            )
            .map(|answer| parts::logging(answer.logging_enabled())),
            BucketPart::Website => part!(
                self,
                bucket,
                part,
                get_bucket_website,
                "WebsiteConfiguration",
                &["NoSuchWebsiteConfiguration"]
            )
            .map(|answer| parts::website(&answer)),
            BucketPart::Encryption => part!(
                self,
                bucket,
                part,
                get_bucket_encryption,
                "ServerSideEncryptionConfiguration",
                &["ServerSideEncryptionConfigurationNotFoundError"]
            )
            .and_then(|answer| {
                answer
                    .server_side_encryption_configuration()
                    .map(parts::encryption)
            }),
            BucketPart::Notification => part!(
                self,
                bucket,
                part,
                get_bucket_notification_configuration,
                "NotificationConfiguration",
                &[]
            )
            .map(|answer| parts::notification(&answer)),
            BucketPart::Lifecycle => part!(
                self,
                bucket,
                part,
                get_bucket_lifecycle_configuration,
                "LifecycleConfiguration",
                &["NoSuchLifecycleConfiguration"]
            )
            .map(|answer| parts::lifecycle(answer.rules())),
            BucketPart::Replication => part!(
                self,
                bucket,
                part,
                get_bucket_replication,
                "ReplicationConfiguration",
                &["ReplicationConfigurationNotFoundError"]
            )
            .and_then(|answer| answer.replication_configuration().map(parts::replication)),
            BucketPart::Cors => part!(
                self,
                bucket,
                part,
                get_bucket_cors,
                "CORSConfiguration",
                &["NoSuchCORSConfiguration"]
            )
            .map(|answer| parts::cors(answer.cors_rules())),
            BucketPart::Acceleration => part!(
                self,
                bucket,
                part,
                get_bucket_accelerate_configuration,
                "AccelerateConfiguration",
                &[]
            )
            .map(|answer| parts::acceleration(answer.status())),
            BucketPart::RequestPayment => part!(
                self,
                bucket,
                part,
                get_bucket_request_payment,
                "RequestPaymentConfiguration",
                &[]
            )
            .map(|answer| {
                let payer = answer.payer().map(|payer| payer.as_str());
                Value::Bool(payer == Some("Requester"))
            }),
            BucketPart::ObjectLock => part!(
                self,
                bucket,
                part,
                get_object_lock_configuration,
                "ObjectLockConfiguration",
                &["ObjectLockConfigurationNotFoundError"]
            )
            .and_then(|answer| answer.object_lock_configuration().map(parts::object_lock)),
        })
    }
}
