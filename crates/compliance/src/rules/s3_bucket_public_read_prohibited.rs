//! S3 buckets do not let the public read.
//!
//! A bucket fails when some untrusted request could list it or read an object or a setting of it, after
//! bucket policy, ACL, Object Ownership and Block Public Access on every level. It answers like the
//! AWS Config managed rule of the same name (AWS Config developer guide,
//! "s3-bucket-public-read-prohibited"), with the exact verdict behind it.

use policy::action::AccessClass;

use super::{Evaluation, Rule, public_access};
use crate::assessment::Assessment;

/// The rule `s3-bucket-public-read-prohibited`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketPublicReadProhibited;

impl Rule for S3BucketPublicReadProhibited {
    fn name(&self) -> &'static str {
        "s3-bucket-public-read-prohibited"
    }

    fn identifier(&self) -> &'static str {
        "S3_BUCKET_PUBLIC_READ_PROHIBITED"
    }

    fn description(&self) -> &'static str {
        "S3 buckets do not let the public read."
    }

    fn class(&self) -> AccessClass {
        AccessClass::Read
    }

    fn severity_score(&self) -> &'static str {
        // CVSS 3.1 of network access without privileges that breaks confidentiality.
        "7.5"
    }

    fn reads(&self) -> &'static [&'static str] {
        public_access::READS
    }

    fn evaluate(&self, assessment: &Assessment) -> Evaluation {
        public_access::evaluate(self.identifier(), AccessClass::Read, assessment)
    }
}
