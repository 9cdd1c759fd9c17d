//! What a recorder reads beyond what a verdict needs: the rest of a bucket, the account, its volumes.

use std::collections::BTreeMap;
use std::future::Future;

use jiff::Timestamp;
use serde_json::Value;

use super::{BucketAddress, Page, ReadBuckets};
use crate::error::CallError;
use crate::operation::Operation;

/// A part of a bucket's configuration that no verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BucketPart {
    /// Its tags.
    Tags,
    /// Versioning, and MFA delete.
    Versioning,
    /// Server access logging.
    Logging,
    /// Static website hosting.
    Website,
    /// Default encryption.
    Encryption,
    /// Event notifications.
    Notification,
    /// Lifecycle rules.
    Lifecycle,
    /// Replication rules.
    Replication,
    /// Cross-origin rules.
    Cors,
    /// Transfer Acceleration.
    Acceleration,
    /// Requester Pays.
    RequestPayment,
    /// Object Lock's default retention.
    ObjectLock,
}

impl BucketPart {
    /// All of them.
    pub const ALL: [BucketPart; 12] = [
        BucketPart::Tags,
        BucketPart::Versioning,
        BucketPart::Logging,
        BucketPart::Website,
        BucketPart::Encryption,
        BucketPart::Notification,
        BucketPart::Lifecycle,
        BucketPart::Replication,
        BucketPart::Cors,
        BucketPart::Acceleration,
        BucketPart::RequestPayment,
        BucketPart::ObjectLock,
    ];

    /// The name in a configuration item's `supplementaryConfiguration`. Those of cross-origin rules
    /// and Object Lock follow the others' pattern; AWS does not document them.
    pub fn config_name(self) -> &'static str {
        match self {
            BucketPart::Tags => "BucketTaggingConfiguration",
            BucketPart::Versioning => "BucketVersioningConfiguration",
            BucketPart::Logging => "BucketLoggingConfiguration",
            BucketPart::Website => "BucketWebsiteConfiguration",
            BucketPart::Encryption => "ServerSideEncryptionConfiguration",
            BucketPart::Notification => "BucketNotificationConfiguration",
            BucketPart::Lifecycle => "BucketLifecycleConfiguration",
            BucketPart::Replication => "BucketReplicationConfiguration",
            BucketPart::Cors => "BucketCrossOriginConfiguration",
            BucketPart::Acceleration => "BucketAccelerateConfiguration",
            BucketPart::RequestPayment => "IsRequesterPaysEnabled",
            BucketPart::ObjectLock => "ObjectLockConfiguration",
        }
    }

    /// The name in the configuration file: `tags`, `request-payment` ….
    pub fn name(self) -> &'static str {
        match self {
            BucketPart::Tags => "tags",
            BucketPart::Versioning => "versioning",
            BucketPart::Logging => "logging",
            BucketPart::Website => "website",
            BucketPart::Encryption => "encryption",
            BucketPart::Notification => "notification",
            BucketPart::Lifecycle => "lifecycle",
            BucketPart::Replication => "replication",
            BucketPart::Cors => "cors",
            BucketPart::Acceleration => "acceleration",
            BucketPart::RequestPayment => "request-payment",
            BucketPart::ObjectLock => "object-lock",
        }
    }

    /// The part of this [`BucketPart::name`].
    pub fn parse(name: &str) -> Option<BucketPart> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// The call that reads it.
    pub fn operation(self) -> Operation {
        match self {
            BucketPart::Tags => Operation::GetBucketTagging,
            BucketPart::Versioning => Operation::GetBucketVersioning,
            BucketPart::Logging => Operation::GetBucketLogging,
            BucketPart::Website => Operation::GetBucketWebsite,
            BucketPart::Encryption => Operation::GetBucketEncryption,
            BucketPart::Notification => Operation::GetBucketNotification,
            BucketPart::Lifecycle => Operation::GetBucketLifecycle,
            BucketPart::Replication => Operation::GetBucketReplication,
            BucketPart::Cors => Operation::GetBucketCors,
            BucketPart::Acceleration => Operation::GetBucketAcceleration,
            BucketPart::RequestPayment => Operation::GetBucketRequestPayment,
            BucketPart::ObjectLock => Operation::GetObjectLockConfiguration,
        }
    }
}

/// Reads the further parts of a bucket.
pub trait RecordBuckets: ReadBuckets {
    /// One part, in the shape that AWS Config records it in (lowerCamel names of the AWS SDK for Java,
    /// from which Config's items are made): versioning is `{"status": "Off", "isMfaDeleteEnabled": null}`,
    /// tags are `{"tagSets": [{"tags": {…}}]}`. `None`: asked, answered, and not configured; what always
    /// has a value (versioning, logging, notifications, acceleration, payment) has one when it is off.
    fn part(
        &self,
        bucket: &BucketAddress,
        part: BucketPart,
    ) -> impl Future<Output = Result<Option<Value>, CallError>> + Send;
}

/// How far a credential report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportProgress {
    /// It is there.
    Complete,
    /// It is being made.
    InProgress,
}

/// A credential report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialReport {
    /// The CSV text.
    pub text: String,
    /// When it was made. IAM makes a new one at most every four hours.
    pub generated_at: Option<Timestamp>,
}

/// A virtual MFA device that is assigned to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualMfaDevice {
    /// Its serial number, an ARN.
    pub serial_number: String,
    /// The ARN of whom it is assigned to.
    pub user_arn: Option<String>,
}

/// An EBS volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its id, `vol-…`.
    pub id: String,
    /// The region.
    pub region: String,
    /// The Availability Zone.
    pub availability_zone: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The ARN of the key, if it is.
    pub kms_key: Option<String>,
    /// `in-use`, `available` …
    pub state: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its size in GiB.
    pub size: Option<i64>,
    /// `gp3`, `io2` …
    pub volume_type: Option<String>,
    /// The snapshot that it was made from.
    pub snapshot: Option<String>,
    /// The instances it is attached to.
    pub attachments: Vec<VolumeAttachment>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// One attachment of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeAttachment {
    /// The instance.
    pub instance: String,
    /// The device's name there.
    pub device: Option<String>,
    /// `attached`, `attaching` …
    pub state: Option<String>,
    /// Whether it is deleted with the instance.
    pub delete_on_termination: bool,
}

/// Reads an account's own settings and its volumes. Its Block Public Access is
/// [`ReadBuckets::account_block`].
pub trait RecordAccount: Send + Sync {
    /// IAM's summary: `AccountMFAEnabled`, `AccountAccessKeysPresent` … with their numbers.
    fn account_summary(
        &self,
    ) -> impl Future<Output = Result<BTreeMap<String, i64>, CallError>> + Send;

    /// Asks for a credential report to be made; one that is younger than four hours is kept.
    fn generate_credential_report(
        &self,
    ) -> impl Future<Output = Result<ReportProgress, CallError>> + Send;

    /// The credential report. `None`: there is none, it is not ready yet, or it is too old.
    fn credential_report(
        &self,
    ) -> impl Future<Output = Result<Option<CredentialReport>, CallError>> + Send;

    /// One page of the virtual MFA devices that are assigned to somebody.
    fn virtual_mfa_devices(
        &self,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<VirtualMfaDevice>, CallError>> + Send;

    /// One page of a region's volumes.
    fn volumes(
        &self,
        region: &str,
        token: Option<String>,
    ) -> impl Future<Output = Result<Page<Volume>, CallError>> + Send;

    /// One volume, if it is there.
    fn volume(
        &self,
        region: &str,
        id: &str,
    ) -> impl Future<Output = Result<Option<Volume>, CallError>> + Send;
}
