//! S3 buckets do not let the public write.
//!
//! A bucket fails when some untrusted request could change it or what is in it, after
//! bucket policy, ACL, Object Ownership and Block Public Access on every level. It answers like the
//! AWS Config managed rule of the same name (AWS Config developer guide,
//! "s3-bucket-public-write-prohibited"), with the exact verdict behind it.

use policy::action::AccessClass;

use super::{Evaluation, Rule, public_access};
use crate::assessment::Assessment;

/// The rule `s3-bucket-public-write-prohibited`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketPublicWriteProhibited;

impl Rule for S3BucketPublicWriteProhibited {
    fn name(&self) -> &'static str {
        "s3-bucket-public-write-prohibited"
    }

    fn identifier(&self) -> &'static str {
        "S3_BUCKET_PUBLIC_WRITE_PROHIBITED"
    }

    fn description(&self) -> &'static str {
        "S3 buckets do not let the public write."
    }

    fn class(&self) -> AccessClass {
        AccessClass::Write
    }

    fn severity_score(&self) -> &'static str {
        // CVSS 3.1 of network access without privileges that breaks integrity and availability.
        "9.1"
    }

    fn reads(&self) -> &'static [&'static str] {
        public_access::READS
    }

    fn evaluate(&self, assessment: &Assessment) -> Evaluation {
        public_access::evaluate(self.identifier(), AccessClass::Write, assessment)
    }
}
