//! S3 buckets refuse requests without TLS.

use policy::action::AccessClass;
use policy::bucket::Bucket;
use policy::observed::Observed;

use super::denied::{Denial, Requests, denial};
use super::{About, Outcome, Parameters, Rule, Severity, Subject, Trigger};
use crate::item::{BUCKET, bucket};

/// The rule `s3-bucket-ssl-requests-only`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketSslRequestsOnly;

const READS: &str = "s3:GetBucketPolicy";

const ABOUT: About = About {
    name: "s3-bucket-ssl-requests-only",
    identifier: "S3_BUCKET_SSL_REQUESTS_ONLY",
    description: "S3 buckets refuse requests without TLS.",
    detail: "A bucket fails unless its policy explicitly denies everybody every action on the bucket and \
             on every object when `aws:SecureTransport` is false. Several statements may do so \
             together. A statement that spares somebody, or asks about anything else, does not count. \
             To allow only requests with TLS is not enough: whoever is allowed by an identity-based \
             policy or an ACL may then come without. The answer is exact, and names a request that is \
             not denied.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChanges,
    reads: &[READS],
    parameters: &[],
    severity: Severity::Medium,
    annotations: &[
        "The S3 bucket has no policy, so requests without TLS are not denied.",
        "The S3 bucket policy does not deny everybody ACTION without TLS on RESOURCE.",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-ssl-requests-only.html",
};

const PLAIN: Requests<'_> = Requests {
    actions: "s3:*",
    condition: ("Bool", "aws:SecureTransport", "false"),
    value: Some("false"),
    keys: &["aws:securetransport"],
    classes: &[AccessClass::Read, AccessClass::Write],
};

impl Rule for S3BucketSslRequestsOnly {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, _: &Parameters) -> Outcome {
        match subject.assessment {
            Some(assessment) => decide(&assessment.bucket),
            None => match bucket::bucket(subject.item) {
                Ok(bucket) => decide(&bucket),
                Err(wrong) => Outcome::insufficient(wrong.to_string()),
            },
        }
    }
}

fn decide(bucket: &Bucket) -> Outcome {
    let policy = match &bucket.policy {
        Observed::Present(policy) => policy,
        Observed::Absent => {
            return Outcome::non_compliant(
                "The S3 bucket has no policy, so requests without TLS are not denied.",
            );
        }
        Observed::Unknown(unread) => return Outcome::unread("the policy was", unread, READS),
    };
    match denial(bucket, policy, &PLAIN) {
        Denial::Whole => Outcome::compliant(),
        Denial::Gap { action, resource } => Outcome::non_compliant(format!(
            "The S3 bucket policy does not deny everybody {action} without TLS on {resource}."
        )),
        Denial::Undecided(why) => Outcome::insufficient(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{
        bucket_with_policy, check, open_bucket, parameters, recorded, undecided_without,
    };

    const RULE: S3BucketSslRequestsOnly = S3BucketSslRequestsOnly;

    /// The answer about a bucket whose policy has these statements.
    fn answer(statements: &str) -> String {
        let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
        let outcome = decide(&open_bucket(&policy));
        match outcome.annotation {
            Some(annotation) => format!("{} {annotation}", outcome.compliance_type.as_str()),
            None => outcome.compliance_type.as_str().to_owned(),
        }
    }

    fn deny(action: &str, resource: &str, more: &str) -> String {
        format!(
            r#"{{"Effect": "Deny", "Principal": "*", "Action": {action}, "Resource": {resource}{more}}}"#
        )
    }

    const PLAIN_HTTP: &str = r#", "Condition": {"Bool": {"aws:SecureTransport": "false"}}"#;
    const BOTH: &str = r#"["arn:aws:s3:::example-bucket", "arn:aws:s3:::example-bucket/*"]"#;
    const OBJECTS: &str = r#""arn:aws:s3:::example-bucket/*""#;
    const ITSELF: &str = r#""arn:aws:s3:::example-bucket""#;

    #[test]
    fn the_documented_statement_complies_however_it_is_written() {
        for statements in [
            deny(r#""s3:*""#, BOTH, PLAIN_HTTP),
            deny(r#""*""#, r#""*""#, PLAIN_HTTP),
            deny(r#""s3:*""#, r#""arn:aws:s3:::example-bucket*""#, PLAIN_HTTP),
            deny(
                r#""s3:*""#,
                BOTH,
                r#", "Condition": {"BoolIfExists": {"aws:securetransport": false}}"#,
            ),
            deny(
                r#""s3:*""#,
                BOTH,
                r#", "Condition": {"StringNotEquals": {"aws:SecureTransport": "true"}}"#,
            ),
            // Two statements, one for the bucket and one for its objects; or one for each class.
            [
                deny(r#""s3:*""#, OBJECTS, PLAIN_HTTP),
                deny(r#""s3:*""#, ITSELF, PLAIN_HTTP),
            ]
            .join(","),
            [
                deny(r#"["s3:Get*", "s3:List*", "s3:Describe*"]"#, BOTH, PLAIN_HTTP),
                r#"{"Effect": "Deny", "Principal": {"AWS": "*"}, "NotAction": ["s3:Get*", "s3:List*", "s3:Describe*"],
                    "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}"#
                    .to_owned(),
            ]
            .join(","),
            // Everything denied to everybody includes what comes without TLS.
            deny(r#""s3:*""#, BOTH, ""),
        ] {
            assert_eq!(answer(&statements), "COMPLIANT", "{statements}");
        }
    }

    #[test]
    fn a_gap_is_named() {
        let allow = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::example-bucket/*",
            "Condition": {"Bool": {"aws:SecureTransport": "true"}}}"#;
        for (statements, named) in [
            (allow.to_owned(), "s3:"),
            (deny(r#""s3:*""#, OBJECTS, PLAIN_HTTP), "arn:aws:s3:::example-bucket."),
            (deny(r#""s3:*""#, ITSELF, PLAIN_HTTP), "arn:aws:s3:::example-bucket/"),
            (deny(r#""s3:GetObject""#, BOTH, PLAIN_HTTP), "s3:"),
            (deny(r#"["s3:Get*", "s3:List*"]"#, BOTH, PLAIN_HTTP), "s3:"),
            (
                deny(r#""s3:*""#, r#"["arn:aws:s3:::example-bucket", "arn:aws:s3:::example-bucket/a*"]"#, PLAIN_HTTP),
                "arn:aws:s3:::example-bucket/",
            ),
            (
                deny(r#""s3:*""#, BOTH, r#", "Condition": {"Bool": {"aws:SecureTransport": "true"}}"#),
                "s3:",
            ),
            // Whoever it spares may come without TLS.
            (
                r#"{"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "s3:*",
                    "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}"#
                    .to_owned(),
                "s3:",
            ),
            (
                deny(
                    r#""s3:*""#,
                    BOTH,
                    r#", "Condition": {"Bool": {"aws:SecureTransport": "false"}, "StringNotEquals": {"aws:PrincipalAccount": "111122223333"}}"#,
                ),
                "s3:",
            ),
            (
                deny(r#""s3:*""#, BOTH, r#", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}"#),
                "s3:",
            ),
            // What outsiders never get counts too: the owner's own people must use TLS.
            (
                deny(r#"["s3:?*"]"#, BOTH, PLAIN_HTTP).replace(r#""Action": ["s3:?*"]"#, r#""NotAction": "s3:GetBucketPolicy""#),
                "s3:GetBucketPolicy without TLS on arn:aws:s3:::example-bucket.",
            ),
        ] {
            let answer = answer(&statements);
            assert!(answer.starts_with("NON_COMPLIANT "), "{statements}: {answer}");
            assert!(answer.contains(named), "{statements}: {answer}");
        }
    }

    #[test]
    fn what_is_not_understood_or_not_read_decides_nothing() {
        let odd = deny(
            r#""s3:*""#,
            BOTH,
            r#", "Condition": {"Wobbles": {"aws:SecureTransport": "false"}}"#,
        );
        let undecided = answer(&odd);
        assert!(undecided.starts_with("INSUFFICIENT_DATA "), "{undecided}");

        let none = parameters(&RULE, &[]);
        check(
            &RULE,
            &bucket_with_policy(None),
            &none,
            "NON_COMPLIANT The S3 bucket has no policy, so requests without TLS are not denied.",
        );
        let compliant = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#,
            deny(r#""s3:*""#, BOTH, PLAIN_HTTP)
        );
        let item = recorded(&open_bucket(&compliant));
        check(&RULE, &item, &none, "COMPLIANT");
        undecided_without(&RULE, &item, &none, bucket::POLICY, READS);
    }
}
