//! S3 buckets do not let the public read.
//!
//! A bucket fails when some untrusted request could list it or read an object or a setting of it, after
//! bucket policy, ACL, Object Ownership and Block Public Access on every level. It answers like the
//! AWS Config managed rule of the same name, with the exact verdict behind it.

use policy::action::AccessClass;

use super::public_access;
use super::{About, Outcome, Parameters, PublicAccessRule, Rule, Severity, Subject, Trigger};
use crate::item::BUCKET;

/// The rule `s3-bucket-public-read-prohibited`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketPublicReadProhibited;

const ABOUT: About = About {
    name: "s3-bucket-public-read-prohibited",
    identifier: "S3_BUCKET_PUBLIC_READ_PROHIBITED",
    description: "S3 buckets do not let the public read.",
    detail: "A bucket fails when some untrusted request could list it or read an object or a setting of it: bucket policy, \
             ACL, Object Ownership, access points, resource control policies and Block Public Access \
             on every level are taken together, and the request is shown. AWS's own rule does not \
             evaluate changes of the account's Block Public Access; this one does.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChangesAndPeriodic,
    reads: public_access::READS,
    parameters: &[],
    severity: Severity::High,
    annotations: &[
        "The S3 bucket ACL allows public read access.",
        "The S3 bucket policy allows public read access.",
        "The S3 bucket ACL allows public read access.The S3 bucket policy allows public read access.",
        "An access point of the S3 bucket allows public read access.",
        "Not decided: REASONS",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-public-read-prohibited.html",
};

impl Rule for S3BucketPublicReadProhibited {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, _: &Parameters) -> Outcome {
        public_access::decide_subject(AccessClass::Read, subject)
    }
}

impl PublicAccessRule for S3BucketPublicReadProhibited {
    fn class(&self) -> AccessClass {
        AccessClass::Read
    }
}
