//! Rules and their evaluations, in the words of AWS Config.
//!
//! One rule, one file: what it asks, what it reads, how it decides, and its tests. The reference page
//! `docs/rules.md` is made from what the rules say of themselves.
//!
//! A rule never fetches: it decides on a [`Subject`], which is a recorded configuration item. What
//! was not read is `INSUFFICIENT_DATA` with the IAM action that would read it, never a guess.

mod about;
mod account_blocks;
mod block_settings;
pub mod configured;
mod denied;
mod encrypted_volumes;

mod evaluation;
#[cfg(feature = "guard-rules")]
mod guard_policy;
pub mod lambda;
mod public_access;
pub mod reference;
mod required_tags;
mod root_account_mfa_enabled;
mod s3_account_level_public_access_blocks;
mod s3_account_level_public_access_blocks_periodic;
mod s3_bucket_acl_prohibited;
mod s3_bucket_level_public_access_prohibited;
mod s3_bucket_logging_enabled;

mod s3_bucket_public_read_prohibited;
mod s3_bucket_public_write_prohibited;
mod s3_bucket_server_side_encryption_enabled;
mod s3_bucket_ssl_requests_only;
mod s3_bucket_versioning_enabled;
pub mod s3_object_acl_public_access_prohibited;
mod subject;
#[cfg(test)]
mod testing;

use policy::action::AccessClass;

use crate::assessment::Assessment;

pub use about::{About, Parameter, ParameterKind, Parameters, Severity, Trigger};
pub use encrypted_volumes::EncryptedVolumes;
pub use evaluation::{Annotation, ComplianceType, Evaluation, Outcome, RuleEvaluation};
pub use required_tags::RequiredTags;
pub use root_account_mfa_enabled::RootAccountMfaEnabled;
pub use s3_account_level_public_access_blocks::S3AccountLevelPublicAccessBlocks;
pub use s3_account_level_public_access_blocks_periodic::S3AccountLevelPublicAccessBlocksPeriodic;
pub use s3_bucket_acl_prohibited::S3BucketAclProhibited;
pub use s3_bucket_level_public_access_prohibited::S3BucketLevelPublicAccessProhibited;
pub use s3_bucket_logging_enabled::S3BucketLoggingEnabled;
pub use s3_bucket_public_read_prohibited::S3BucketPublicReadProhibited;
pub use s3_bucket_public_write_prohibited::S3BucketPublicWriteProhibited;
pub use s3_bucket_server_side_encryption_enabled::S3BucketServerSideEncryptionEnabled;
pub use s3_bucket_ssl_requests_only::S3BucketSslRequestsOnly;
pub use s3_bucket_versioning_enabled::S3BucketVersioningEnabled;
pub use s3_object_acl_public_access_prohibited::S3ObjectAclPublicAccessProhibited;
pub use subject::{Subject, evaluate_one};

/// A managed rule.
pub trait Rule: Sync {
    /// What it says of itself.
    fn about(&self) -> &'static About;

    /// Its answer about a resource of one of its types that is there. [`evaluate_one`] asks it only
    /// for such.
    fn decide(&self, subject: &Subject<'_>, parameters: &Parameters) -> Outcome;

    /// Whether values of its parameters fit together; each is one that its kind allows. The error is a
    /// sentence for people.
    fn check(&self, _parameters: &Parameters) -> Result<(), String> {
        Ok(())
    }

    /// Its name, such as `s3-bucket-public-read-prohibited`.
    fn name(&self) -> &'static str {
        self.about().name
    }

    /// The identifier of the AWS Config managed rule that it answers like.
    fn identifier(&self) -> &'static str {
        self.about().identifier
    }
}

/// A rule about public access: its answer is the verdict on one class of access.
pub trait PublicAccessRule: Rule {
    /// The class of access that it is about.
    fn class(&self) -> AccessClass;

    /// Its answer about a judged bucket.
    fn assess(&self, assessment: &Assessment) -> Evaluation {
        let outcome = public_access::decide(self.class(), assessment);
        Evaluation {
            identifier: self.identifier(),
            compliance_type: outcome.compliance_type,
            annotation: outcome.annotation,
        }
    }
}

/// The rules about public access, which every report shows.
pub const PUBLIC_ACCESS: &[&dyn PublicAccessRule] = &[
    &S3BucketPublicReadProhibited,
    &S3BucketPublicWriteProhibited,
];

/// The rules that are there without being configured: those about who gets in to a bucket or its objects.
pub const BUILT_IN: &[&dyn Rule] = &[
    &S3BucketPublicReadProhibited,
    &S3BucketPublicWriteProhibited,
    &S3ObjectAclPublicAccessProhibited,
];

/// Every managed rule.
pub const ALL: &[&dyn Rule] = &[
    &S3BucketPublicReadProhibited,
    &S3BucketPublicWriteProhibited,
    &S3ObjectAclPublicAccessProhibited,
    &S3BucketLevelPublicAccessProhibited,
    &S3AccountLevelPublicAccessBlocks,
    &S3AccountLevelPublicAccessBlocksPeriodic,
    &S3BucketAclProhibited,
    &S3BucketSslRequestsOnly,
    &S3BucketServerSideEncryptionEnabled,
    &S3BucketVersioningEnabled,
    &S3BucketLoggingEnabled,
    &RequiredTags,
    &EncryptedVolumes,
    &RootAccountMfaEnabled,
];

/// The managed rule with an identifier.
pub fn managed(identifier: &str) -> Option<&'static dyn Rule> {
    ALL.iter()
        .copied()
        .find(|rule| rule.identifier() == identifier)
}

/// The answers of the rules about public access about one judged bucket.
pub fn evaluate(assessment: &Assessment) -> Vec<Evaluation> {
    PUBLIC_ACCESS
        .iter()
        .map(|rule| rule.assess(assessment))
        .collect()
}
