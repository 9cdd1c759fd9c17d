//! The further parts of a bucket.

use guard::error::CallError;
use guard::ports::BucketAddress;
use guard::ports::record::{BucketPart, RecordBuckets};
use serde_json::Value;

use super::Store;
use crate::admin_ops::Captured;
use crate::dialect::{Document, Expect, Found, look_at};
use crate::shape::parts;
use crate::xml::Element;

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

/// Asks for one part whose document some stores give another root; the SDK does not read those. Both
/// shapes come to the same value.
macro_rules! part_by_another_name {
    ($store:ident, $bucket:ident, $part:ident, $call:ident, $root:literal, $shape:expr, $other:expr) => {{
        let captured = Captured::default();
        let answer = $store
            .at($bucket, $part.operation(), &[], |client| {
                let request = client.$call().bucket(&$bucket.name);
                request
                    .customize()
                    .interceptor(Expect(Document::Xml($root)))
                    .interceptor(captured.clone())
                    .send()
            })
            .await;
        match answer {
            Ok(answer) => answer.map($shape),
            Err(error @ CallError::Unsupported { .. }) => {
                let document = renamed(&captured.body()).ok_or(error)?;
                Some($other(&document))
            }
            Err(error) => return Err(error),
        }
    }};
}

/// The document in a root that is named after the call, as moto does: `GetBucket…Response`.
fn renamed(body: &[u8]) -> Option<Element> {
    let Found::Xml(root) = look_at(body) else {
        return None;
    };
    let named_after_call = root.starts_with("GetBucket") && root.ends_with("Response");
    named_after_call
        .then(|| Element::parse(body).ok())
        .flatten()
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
            BucketPart::Versioning => part_by_another_name!(
                self,
                bucket,
                part,
                get_bucket_versioning,
                "VersioningConfiguration",
                |answer| parts::versioning(answer.status(), answer.mfa_delete()),
                parts::versioning_document
            ),
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
            BucketPart::Notification => part_by_another_name!(
                self,
                bucket,
                part,
                get_bucket_notification_configuration,
                "NotificationConfiguration",
                |answer| parts::notification(&answer),
                parts::notification_document
            ),
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
            // Ceph answers one that was never set with one without rules, which S3 does not take.
            .and_then(|answer| {
                answer
                    .replication_configuration()
                    .filter(|configuration| !configuration.rules().is_empty())
                    .map(parts::replication)
            }),
            BucketPart::Cors => part!(
                self,
                bucket,
                part,
                get_bucket_cors,
                "CORSConfiguration",
                &["NoSuchCORSConfiguration"]
            )
            .map(|answer| parts::cors(answer.cors_rules())),
            BucketPart::Acceleration => part_by_another_name!(
                self,
                bucket,
                part,
                get_bucket_accelerate_configuration,
                "AccelerateConfiguration",
                |answer| parts::acceleration(answer.status()),
                parts::acceleration_document
            ),
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
