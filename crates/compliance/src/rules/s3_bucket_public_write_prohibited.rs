//! S3 buckets do not let the public write.
//!
//! A bucket fails when some untrusted request could change it or what is in it, after
//! bucket policy, ACL, Object Ownership and Block Public Access on every level. It answers like the
//! AWS Config managed rule of the same name, with the exact verdict behind it.

use policy::action::AccessClass;

use super::public_access;
use super::{About, Outcome, Parameters, PublicAccessRule, Rule, Severity, Subject, Trigger};
use crate::item::BUCKET;

/// The rule `s3-bucket-public-write-prohibited`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketPublicWriteProhibited;

const ABOUT: About = About {
    name: "s3-bucket-public-write-prohibited",
    identifier: "S3_BUCKET_PUBLIC_WRITE_PROHIBITED",
    description: "S3 buckets do not let the public write.",
    detail: "A bucket fails when some untrusted request could change it or what is in it: bucket policy, \
             ACL, Object Ownership, access points, resource control policies and Block Public Access \
             on every level are taken together, and the request is shown. AWS's own rule does not \
             evaluate changes of the account's Block Public Access; this one does.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChangesAndPeriodic,
    reads: public_access::READS,
    parameters: &[],
    severity: Severity::Critical,
    annotations: &[
        "The S3 bucket ACL allows public write access.",
        "The S3 bucket policy allows public write access.",
        "The S3 bucket ACL allows public write access.The S3 bucket policy allows public write access.",
        "An access point of the S3 bucket allows public write access.",
        "Not decided: REASONS",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-public-write-prohibited.html",
};

impl Rule for S3BucketPublicWriteProhibited {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, _: &Parameters) -> Outcome {
        public_access::decide_subject(AccessClass::Write, subject)
    }
}

impl PublicAccessRule for S3BucketPublicWriteProhibited {
    fn class(&self) -> AccessClass {
        AccessClass::Write
    }
}
