//! Every call that Portcullis makes, with the IAM action that it needs.
//!
//! A port method names its [`Operation`] where it makes the call, so that a refusal can name the
//! missing action and the least-privilege policies can be computed. Source of the actions: Amazon S3
//! user guide, "Required permissions for Amazon S3 API operations"; service authorization reference for
//! the other services.

use std::fmt;

/// One call to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Whose credentials these are. AWS allows it to everybody, without a permission.
    GetCallerIdentity,
    /// The account's buckets.
    ListBuckets,
    /// The region of one bucket, where the listing does not tell.
    GetBucketLocation,
    /// The account's Block Public Access.
    GetAccountPublicAccessBlock,
    /// A bucket's Block Public Access.
    GetBucketPublicAccessBlock,
    /// A bucket's policy.
    GetBucketPolicy,
    /// AWS's own opinion about a bucket's policy.
    GetBucketPolicyStatus,
    /// A bucket's ACL.
    GetBucketAcl,
    /// A bucket's Object Ownership.
    GetBucketOwnershipControls,
    /// The access points of an account in one region.
    ListAccessPoints,
    /// An access point's own Block Public Access.
    GetAccessPoint,
    /// An access point's policy.
    GetAccessPointPolicy,
    /// A sample of a bucket's keys.
    ListObjects,
    /// The ACL of one object: of one that an event told of, or of a sample.
    GetObjectAcl,
    /// Writes a bucket's ACL.
    PutBucketAcl,
    /// Writes a bucket's Block Public Access.
    PutBucketPublicAccessBlock,
    /// Removes a bucket's Block Public Access. AWS asks for the permission to write it.
    DeleteBucketPublicAccessBlock,
    /// Writes a bucket's policy.
    PutBucketPolicy,
    /// Removes a bucket's policy.
    DeleteBucketPolicy,
    /// A bucket's tags.
    GetBucketTagging,
    /// Whether a bucket keeps versions.
    GetBucketVersioning,
    /// Where a bucket's access log goes.
    GetBucketLogging,
    /// A bucket's website.
    GetBucketWebsite,
    /// A bucket's default encryption.
    GetBucketEncryption,
    /// A bucket's event notifications.
    GetBucketNotification,
    /// A bucket's lifecycle rules.
    GetBucketLifecycle,
    /// A bucket's replication rules.
    GetBucketReplication,
    /// A bucket's cross-origin rules.
    GetBucketCors,
    /// A bucket's Transfer Acceleration.
    GetBucketAcceleration,
    /// Who pays for a bucket's requests.
    GetBucketRequestPayment,
    /// A bucket's Object Lock.
    GetObjectLockConfiguration,
    /// What IAM counts in an account, the root user's MFA among it.
    GetAccountSummary,
    /// Has the report about an account's credentials made.
    GenerateCredentialReport,
    /// The report about an account's credentials.
    GetCredentialReport,
    /// An account's virtual MFA devices.
    ListVirtualMfaDevices,
    /// A region's EBS volumes.
    DescribeVolumes,
    /// Takes events from the queue.
    ReceiveMessage,
    /// Removes an event that was kept.
    DeleteMessage,
    /// Keeps an event hidden while it is worked on.
    ChangeMessageVisibility,
    /// Publishes to a topic.
    Publish,
    /// Puts events on a bus.
    PutEvents,
    /// Sends to a queue.
    SendMessage,
    /// Invokes a function.
    InvokeFunction,
    /// Delivers a file.
    PutObject,
    /// Makes the bucket that files are delivered to.
    CreateBucket,
    /// Closes that bucket to the public.
    PutDeliveryBucketBlock,
    /// Takes ACLs out of force in that bucket.
    PutDeliveryBucketOwnership,
}

/// What a permission is about: the `Resource` of the statement that grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// No resource of its own: `*`.
    Account,
    /// Buckets.
    Bucket,
    /// Objects.
    Object,
    /// Access points.
    AccessPoint,
    /// The queue that events are taken from.
    EventQueue,
    /// Topics that are published to.
    Topic,
    /// Event buses.
    Bus,
    /// Queues that are sent to.
    Queue,
    /// Functions that are invoked.
    Function,
    /// The bucket that files are delivered to.
    DeliveryBucket,
    /// The files in it.
    DeliveredFile,
}

/// What somebody who makes a call is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads what verdicts need.
    Reader,
    /// Closes buckets.
    Responder,
    /// Reads what configuration items hold beyond that.
    Recorder,
    /// Takes events from a queue.
    Listener,
    /// Sends to topics, buses, queues and functions.
    Publisher,
    /// Delivers files to a bucket.
    Archivist,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 47] = [
        Operation::GetCallerIdentity,
        Operation::ListBuckets,
        Operation::GetBucketLocation,
        Operation::GetAccountPublicAccessBlock,
        Operation::GetBucketPublicAccessBlock,
        Operation::GetBucketPolicy,
        Operation::GetBucketPolicyStatus,
        Operation::GetBucketAcl,
        Operation::GetBucketOwnershipControls,
        Operation::ListAccessPoints,
        Operation::GetAccessPoint,
        Operation::GetAccessPointPolicy,
        Operation::ListObjects,
        Operation::GetObjectAcl,
        Operation::PutBucketAcl,
        Operation::PutBucketPublicAccessBlock,
        Operation::DeleteBucketPublicAccessBlock,
        Operation::PutBucketPolicy,
        Operation::DeleteBucketPolicy,
        Operation::GetBucketTagging,
        Operation::GetBucketVersioning,
        Operation::GetBucketLogging,
        Operation::GetBucketWebsite,
        Operation::GetBucketEncryption,
        Operation::GetBucketNotification,
        Operation::GetBucketLifecycle,
        Operation::GetBucketReplication,
        Operation::GetBucketCors,
        Operation::GetBucketAcceleration,
        Operation::GetBucketRequestPayment,
        Operation::GetObjectLockConfiguration,
        Operation::GetAccountSummary,
        Operation::GenerateCredentialReport,
        Operation::GetCredentialReport,
        Operation::ListVirtualMfaDevices,
        Operation::DescribeVolumes,
        Operation::ReceiveMessage,
        Operation::DeleteMessage,
        Operation::ChangeMessageVisibility,
        Operation::Publish,
        Operation::PutEvents,
        Operation::SendMessage,
        Operation::InvokeFunction,
        Operation::PutObject,
        Operation::CreateBucket,
        Operation::PutDeliveryBucketBlock,
        Operation::PutDeliveryBucketOwnership,
    ];

    /// The name that the service's API reference gives it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::GetCallerIdentity => "GetCallerIdentity",
            Operation::ListBuckets => "ListBuckets",
            Operation::GetBucketLocation => "GetBucketLocation",
            Operation::GetAccountPublicAccessBlock | Operation::GetBucketPublicAccessBlock => {
                "GetPublicAccessBlock"
            }
            Operation::GetBucketPolicy => "GetBucketPolicy",
            Operation::GetBucketPolicyStatus => "GetBucketPolicyStatus",
            Operation::GetBucketAcl => "GetBucketAcl",
            Operation::GetBucketOwnershipControls => "GetBucketOwnershipControls",
            Operation::ListAccessPoints => "ListAccessPoints",
            Operation::GetAccessPoint => "GetAccessPoint",
            Operation::GetAccessPointPolicy => "GetAccessPointPolicy",
            Operation::ListObjects => "ListObjectsV2",
            Operation::GetObjectAcl => "GetObjectAcl",
            Operation::PutBucketAcl => "PutBucketAcl",
            Operation::PutBucketPublicAccessBlock => "PutPublicAccessBlock",
            Operation::DeleteBucketPublicAccessBlock => "DeletePublicAccessBlock",
            Operation::PutBucketPolicy => "PutBucketPolicy",
            Operation::DeleteBucketPolicy => "DeleteBucketPolicy",
            Operation::GetBucketTagging => "GetBucketTagging",
            Operation::GetBucketVersioning => "GetBucketVersioning",
            Operation::GetBucketLogging => "GetBucketLogging",
            Operation::GetBucketWebsite => "GetBucketWebsite",
            Operation::GetBucketEncryption => "GetBucketEncryption",
            Operation::GetBucketNotification => "GetBucketNotificationConfiguration",
            Operation::GetBucketLifecycle => "GetBucketLifecycleConfiguration",
            Operation::GetBucketReplication => "GetBucketReplication",
            Operation::GetBucketCors => "GetBucketCors",
            Operation::GetBucketAcceleration => "GetBucketAccelerateConfiguration",
            Operation::GetBucketRequestPayment => "GetBucketRequestPayment",
            Operation::GetObjectLockConfiguration => "GetObjectLockConfiguration",
            Operation::GetAccountSummary => "GetAccountSummary",
            Operation::GenerateCredentialReport => "GenerateCredentialReport",
            Operation::GetCredentialReport => "GetCredentialReport",
            Operation::ListVirtualMfaDevices => "ListVirtualMFADevices",
            Operation::DescribeVolumes => "DescribeVolumes",
            Operation::ReceiveMessage => "ReceiveMessage",
            Operation::DeleteMessage => "DeleteMessage",
            Operation::ChangeMessageVisibility => "ChangeMessageVisibility",
            Operation::Publish => "Publish",
            Operation::PutEvents => "PutEvents",
            Operation::SendMessage => "SendMessage",
            Operation::InvokeFunction => "Invoke",
            Operation::PutObject => "PutObject",
            Operation::CreateBucket => "CreateBucket",
            Operation::PutDeliveryBucketBlock => "PutPublicAccessBlock",
            Operation::PutDeliveryBucketOwnership => "PutBucketOwnershipControls",
        }
    }

    /// The IAM action that allows it; `None` if AWS asks for no permission.
    pub fn iam_action(self) -> Option<&'static str> {
        Some(match self {
            Operation::GetCallerIdentity => return None,
            Operation::ListBuckets => "s3:ListAllMyBuckets",
            Operation::GetBucketLocation => "s3:GetBucketLocation",
            Operation::GetAccountPublicAccessBlock => "s3:GetAccountPublicAccessBlock",
            Operation::GetBucketPublicAccessBlock => "s3:GetBucketPublicAccessBlock",
            Operation::GetBucketPolicy => "s3:GetBucketPolicy",
            Operation::GetBucketPolicyStatus => "s3:GetBucketPolicyStatus",
            Operation::GetBucketAcl => "s3:GetBucketAcl",
            Operation::GetBucketOwnershipControls => "s3:GetBucketOwnershipControls",
            Operation::ListAccessPoints => "s3:ListAccessPoints",
            Operation::GetAccessPoint => "s3:GetAccessPoint",
            Operation::GetAccessPointPolicy => "s3:GetAccessPointPolicy",
            Operation::ListObjects => "s3:ListBucket",
            Operation::GetObjectAcl => "s3:GetObjectAcl",
            Operation::PutBucketAcl => "s3:PutBucketAcl",
            Operation::PutBucketPublicAccessBlock | Operation::DeleteBucketPublicAccessBlock => {
                "s3:PutBucketPublicAccessBlock"
            }
            Operation::PutBucketPolicy => "s3:PutBucketPolicy",
            Operation::DeleteBucketPolicy => "s3:DeleteBucketPolicy",
            Operation::GetBucketTagging => "s3:GetBucketTagging",
            Operation::GetBucketVersioning => "s3:GetBucketVersioning",
            Operation::GetBucketLogging => "s3:GetBucketLogging",
            Operation::GetBucketWebsite => "s3:GetBucketWebsite",
            Operation::GetBucketEncryption => "s3:GetEncryptionConfiguration",
            Operation::GetBucketNotification => "s3:GetBucketNotification",
            Operation::GetBucketLifecycle => "s3:GetLifecycleConfiguration",
            Operation::GetBucketReplication => "s3:GetReplicationConfiguration",
            Operation::GetBucketCors => "s3:GetBucketCORS",
            Operation::GetBucketAcceleration => "s3:GetAccelerateConfiguration",
            Operation::GetBucketRequestPayment => "s3:GetBucketRequestPayment",
            Operation::GetObjectLockConfiguration => "s3:GetBucketObjectLockConfiguration",
            Operation::GetAccountSummary => "iam:GetAccountSummary",
            Operation::GenerateCredentialReport => "iam:GenerateCredentialReport",
            Operation::GetCredentialReport => "iam:GetCredentialReport",
            Operation::ListVirtualMfaDevices => "iam:ListVirtualMFADevices",
            Operation::DescribeVolumes => "ec2:DescribeVolumes",
            Operation::ReceiveMessage => "sqs:ReceiveMessage",
            Operation::DeleteMessage => "sqs:DeleteMessage",
            Operation::ChangeMessageVisibility => "sqs:ChangeMessageVisibility",
            Operation::Publish => "sns:Publish",
            Operation::PutEvents => "events:PutEvents",
            Operation::SendMessage => "sqs:SendMessage",
            Operation::InvokeFunction => "lambda:InvokeFunction",
            Operation::PutObject => "s3:PutObject",
            Operation::CreateBucket => "s3:CreateBucket",
            Operation::PutDeliveryBucketBlock => "s3:PutBucketPublicAccessBlock",
            Operation::PutDeliveryBucketOwnership => "s3:PutBucketOwnershipControls",
        })
    }

    /// What the permission is about.
    pub fn scope(self) -> Scope {
        match self {
            Operation::GetCallerIdentity
            | Operation::ListBuckets
            | Operation::GetAccountPublicAccessBlock
            | Operation::ListAccessPoints
            | Operation::GetAccountSummary
            | Operation::GenerateCredentialReport
            | Operation::GetCredentialReport
            | Operation::ListVirtualMfaDevices
            | Operation::DescribeVolumes => Scope::Account,
            Operation::GetAccessPoint | Operation::GetAccessPointPolicy => Scope::AccessPoint,
            Operation::GetObjectAcl => Scope::Object,
            Operation::GetBucketLocation
            | Operation::GetBucketPublicAccessBlock
            | Operation::GetBucketPolicy
            | Operation::GetBucketPolicyStatus
            | Operation::GetBucketAcl
            | Operation::GetBucketOwnershipControls
            | Operation::ListObjects
            | Operation::PutBucketAcl
            | Operation::PutBucketPublicAccessBlock
            | Operation::DeleteBucketPublicAccessBlock
            | Operation::PutBucketPolicy
            | Operation::DeleteBucketPolicy
            | Operation::GetBucketTagging
            | Operation::GetBucketVersioning
            | Operation::GetBucketLogging
            | Operation::GetBucketWebsite
            | Operation::GetBucketEncryption
            | Operation::GetBucketNotification
            | Operation::GetBucketLifecycle
            | Operation::GetBucketReplication
            | Operation::GetBucketCors
            | Operation::GetBucketAcceleration
            | Operation::GetBucketRequestPayment
            | Operation::GetObjectLockConfiguration => Scope::Bucket,
            Operation::ReceiveMessage
            | Operation::DeleteMessage
            | Operation::ChangeMessageVisibility => Scope::EventQueue,
            Operation::Publish => Scope::Topic,
            Operation::PutEvents => Scope::Bus,
            Operation::SendMessage => Scope::Queue,
            Operation::InvokeFunction => Scope::Function,
            Operation::PutObject => Scope::DeliveredFile,
            Operation::CreateBucket
            | Operation::PutDeliveryBucketBlock
            | Operation::PutDeliveryBucketOwnership => Scope::DeliveryBucket,
        }
    }

    /// Whether it changes a bucket's configuration.
    pub fn writes(self) -> bool {
        self.role() == Role::Responder && !self.samples_objects()
    }

    /// Whether it looks at objects: `fix` and the recorder take samples; a scan never looks at one.
    pub fn samples_objects(self) -> bool {
        matches!(self, Operation::ListObjects | Operation::GetObjectAcl)
    }

    /// The first role that makes it.
    pub fn role(self) -> Role {
        match self {
            Operation::ListObjects
            | Operation::GetObjectAcl
            | Operation::PutBucketAcl
            | Operation::PutBucketPublicAccessBlock
            | Operation::DeleteBucketPublicAccessBlock
            | Operation::PutBucketPolicy
            | Operation::DeleteBucketPolicy => Role::Responder,
            operation => match operation.scope() {
                Scope::EventQueue => Role::Listener,
                Scope::Topic | Scope::Bus | Scope::Queue | Scope::Function => Role::Publisher,
                Scope::DeliveryBucket | Scope::DeliveredFile => Role::Archivist,
                Scope::Account | Scope::Bucket | Scope::Object | Scope::AccessPoint
                    if operation.is_of_record() =>
                {
                    Role::Recorder
                }
                Scope::Account | Scope::Bucket | Scope::Object | Scope::AccessPoint => Role::Reader,
            },
        }
    }

    /// Whether only a recorder makes it.
    fn is_of_record(self) -> bool {
        (Operation::GetBucketTagging..=Operation::DescribeVolumes).contains(&self)
    }

    /// Whether a scan may make it: the reader's policy holds exactly these.
    pub fn is_of_reader(self) -> bool {
        self.role() == Role::Reader
    }

    /// Whether `fix` and `undo` may make it: what a scan does, the writes, and a look at objects.
    pub fn is_of_responder(self) -> bool {
        matches!(self.role(), Role::Reader | Role::Responder)
    }

    /// Whether the guard makes it to record: what a scan does, the rest of the configuration, and the ACLs
    /// of objects.
    pub fn is_of_recorder(self) -> bool {
        matches!(self.role(), Role::Reader | Role::Recorder) || self.samples_objects()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_holds_each_operation_once_in_order() {
        assert!(Operation::ALL.is_sorted());
        let distinct: std::collections::BTreeSet<_> = Operation::ALL.into_iter().collect();
        assert_eq!(distinct.len(), Operation::ALL.len());
        assert_eq!(
            Operation::ALL.last(),
            Some(&Operation::PutDeliveryBucketOwnership)
        );
    }
}
