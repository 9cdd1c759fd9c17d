//! S3 buckets encrypt what is stored in them.

use policy::action::AccessClass;
use policy::bucket::Bucket;
use policy::observed::{Observed, Unread};
use serde_json::Value;

use super::denied::{Denial, Requests, denial};
use super::{About, Outcome, Parameters, Rule, Severity, Subject, Trigger};
use crate::item::bucket::{self, ENCRYPTION};
use crate::item::{BUCKET, ConfigurationItem};

/// The rule `s3-bucket-server-side-encryption-enabled`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketServerSideEncryptionEnabled;

const READS_ENCRYPTION: &str = "s3:GetEncryptionConfiguration";
const READS_POLICY: &str = "s3:GetBucketPolicy";
/// The algorithms of default encryption (Amazon S3 API reference, `ServerSideEncryptionByDefault`).
const ALGORITHMS: [&str; 3] = ["AES256", "aws:kms", "aws:kms:dsse"];

const ABOUT: About = About {
    name: "s3-bucket-server-side-encryption-enabled",
    identifier: "S3_BUCKET_SERVER_SIDE_ENCRYPTION_ENABLED",
    description: "S3 buckets encrypt what is stored in them.",
    detail: "A bucket complies when default encryption is on (AES256, aws:kms or aws:kms:dsse), or when \
             its policy denies everybody s3:PutObject without the header that asks for encryption. \
             AWS encrypts everything since January 2023; other stores do not.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChanges,
    reads: &[READS_ENCRYPTION, READS_POLICY],
    parameters: &[],
    severity: Severity::Medium,
    annotations: &[
        "The S3 bucket has no default encryption, and its policy does not deny uploads without encryption.",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-server-side-encryption-enabled.html",
};

const UNENCRYPTED: Requests<'_> = Requests {
    actions: "s3:PutObject",
    condition: ("Null", "s3:x-amz-server-side-encryption", "true"),
    value: None,
    keys: &["s3:x-amz-server-side-encryption"],
    classes: &[AccessClass::Write],
};

impl Rule for S3BucketServerSideEncryptionEnabled {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, _: &Parameters) -> Outcome {
        let encryption = default_encryption(subject.item);
        if let Observed::Present(()) = encryption {
            return Outcome::compliant();
        }
        let denied = match subject.assessment {
            Some(assessment) => uploads_denied(&assessment.bucket),
            None => match bucket::bucket(subject.item) {
                Ok(bucket) => uploads_denied(&bucket),
                Err(wrong) => Err(Outcome::insufficient(wrong.to_string())),
            },
        };
        match (denied, encryption) {
            (Ok(true), _) => Outcome::compliant(),
            (_, Observed::Unknown(unread)) => {
                Outcome::unread("default encryption was", &unread, READS_ENCRYPTION)
            }
            (Err(undecided), _) => undecided,
            (Ok(false), _) => Outcome::non_compliant(ABOUT.annotations[0]),
        }
    }
}

/// Whether default encryption is on.
fn default_encryption(item: &ConfigurationItem) -> Observed<()> {
    match item.part(ENCRYPTION) {
        Observed::Unknown(unread) => Observed::Unknown(unread),
        Observed::Absent => Observed::Absent,
        Observed::Present(encryption) => {
            let algorithm = |rule: &Value| {
                rule.get("applyServerSideEncryptionByDefault")?
                    .get("sseAlgorithm")?
                    .as_str()
                    .map(str::to_owned)
            };
            let Some(rules) = encryption.get("rules").and_then(Value::as_array) else {
                return Observed::Unknown(Unread::Failed("it cannot be understood".to_owned()));
            };
            if rules
                .iter()
                .filter_map(algorithm)
                .any(|found| ALGORITHMS.contains(&found.as_str()))
            {
                Observed::Present(())
            } else {
                Observed::Absent
            }
        }
    }
}

/// Whether the policy denies everybody uploads that do not ask for encryption.
fn uploads_denied(bucket: &Bucket) -> Result<bool, Outcome> {
    match &bucket.policy {
        Observed::Absent => Ok(false),
        Observed::Unknown(unread) => Err(Outcome::unread("the policy was", unread, READS_POLICY)),
        Observed::Present(policy) => match denial(bucket, policy, &UNENCRYPTED) {
            Denial::Whole => Ok(true),
            Denial::Gap { .. } => Ok(false),
            Denial::Undecided(why) => Err(Outcome::insufficient(why)),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::testing::{
        check, denied, open_bucket, parameters, recorded, undecided_without,
    };

    const RULE: S3BucketServerSideEncryptionEnabled = S3BucketServerSideEncryptionEnabled;
    const FAILS: &str = "NON_COMPLIANT The S3 bucket has no default encryption, and its policy does \
                         not deny uploads without encryption.";

    fn bucket(encryption: Value, statement: &str) -> ConfigurationItem {
        let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        let mut item = recorded(&open_bucket(&policy));
        item.supplementary_configuration
            .insert(ENCRYPTION.to_owned(), encryption);
        item
    }

    fn with(algorithm: &str) -> Value {
        json!({"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": algorithm}, "bucketKeyEnabled": true}]})
    }

    fn deny(condition: &str) -> String {
        format!(
            r#"{{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::example-bucket/*",
                "Condition": {condition}}}"#
        )
    }

    #[test]
    fn default_encryption_or_the_policy_sees_to_it() {
        let none = parameters(&RULE, &[]);
        for algorithm in ALGORITHMS {
            check(&RULE, &bucket(with(algorithm), ""), &none, "COMPLIANT");
        }
        check(&RULE, &bucket(Value::Null, ""), &none, FAILS);
        check(&RULE, &bucket(json!({"rules": []}), ""), &none, FAILS);
        check(&RULE, &bucket(with("ROT13"), ""), &none, FAILS);
        for condition in [
            r#"{"StringNotEquals": {"s3:x-amz-server-side-encryption": "AES256"}}"#,
            r#"{"StringNotEquals": {"s3:x-amz-server-side-encryption": ["AES256", "aws:kms"]}}"#,
            r#"{"Null": {"s3:x-amz-server-side-encryption": "true"}}"#,
        ] {
            check(
                &RULE,
                &bucket(Value::Null, &deny(condition)),
                &none,
                "COMPLIANT",
            );
        }
        for condition in [
            r#"{"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "AES256"}, "Bool": {"aws:SecureTransport": "false"}}"#,
            r#"{"StringEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}"#,
            r#"{"Null": {"s3:x-amz-server-side-encryption": "false"}}"#,
        ] {
            check(&RULE, &bucket(Value::Null, &deny(condition)), &none, FAILS);
        }
        let some_objects = deny(r#"{"Null": {"s3:x-amz-server-side-encryption": "true"}}"#)
            .replace("example-bucket/*", "example-bucket/a*");
        check(&RULE, &bucket(Value::Null, &some_objects), &none, FAILS);
    }

    #[test]
    fn what_was_not_read_decides_nothing_unless_it_does_not_matter() {
        let none = parameters(&RULE, &[]);
        undecided_without(
            &RULE,
            &bucket(with("AES256"), ""),
            &none,
            ENCRYPTION,
            READS_ENCRYPTION,
        );
        undecided_without(
            &RULE,
            &bucket(Value::Null, ""),
            &none,
            bucket::POLICY,
            READS_POLICY,
        );
        check(
            &RULE,
            &bucket(json!({"rules": "none"}), ""),
            &none,
            "INSUFFICIENT_DATA Not decided: default encryption was not read (it cannot be understood; s3:GetEncryptionConfiguration reads it)",
        );
        let sealed = deny(r#"{"Null": {"s3:x-amz-server-side-encryption": "true"}}"#);
        check(
            &RULE,
            &denied(bucket(Value::Null, &sealed), ENCRYPTION, READS_ENCRYPTION),
            &none,
            "COMPLIANT",
        );
        check(
            &RULE,
            &denied(bucket(with("AES256"), ""), bucket::POLICY, READS_POLICY),
            &none,
            "COMPLIANT",
        );
    }
}
