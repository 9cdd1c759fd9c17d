//! S3 buckets keep earlier versions of their objects.

use policy::observed::Observed;

use super::{
    About, Outcome, Parameter, ParameterKind, Parameters, Rule, Severity, Subject, Trigger,
};
use crate::item::BUCKET;
use crate::item::bucket::VERSIONING;

/// The rule `s3-bucket-versioning-enabled`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketVersioningEnabled;

const READS: &str = "s3:GetBucketVersioning";

const ABOUT: About = About {
    name: "s3-bucket-versioning-enabled",
    identifier: "S3_BUCKET_VERSIONING_ENABLED",
    description: "S3 buckets keep earlier versions of their objects.",
    detail: "A bucket fails when versioning was never enabled or is suspended; with \
             `isMfaDeleteEnabled`, also when versions can be deleted without an MFA device.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChanges,
    reads: &[READS],
    parameters: &[Parameter {
        name: "isMfaDeleteEnabled",
        description: "Whether MFA delete must be enabled too.",
        kind: ParameterKind::Flag,
        default: None,
    }],
    severity: Severity::Low,
    annotations: &[
        "Versioning of the S3 bucket is not enabled.",
        "MFA delete of the S3 bucket is not enabled.",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-versioning-enabled.html",
};

impl Rule for S3BucketVersioningEnabled {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, parameters: &Parameters) -> Outcome {
        let versioning = match subject.item.part(VERSIONING) {
            Observed::Unknown(unread) => return Outcome::unread("versioning was", &unread, READS),
            Observed::Absent => None,
            Observed::Present(versioning) => Some(versioning),
        };
        let member = |name: &str| versioning.as_ref().and_then(|v| v.get(name));
        let enabled = member("status")
            .and_then(|status| status.as_str())
            .is_some_and(|status| status.eq_ignore_ascii_case("enabled"));
        if !enabled {
            return Outcome::non_compliant("Versioning of the S3 bucket is not enabled.");
        }
        let mfa_delete = member("isMfaDeleteEnabled")
            .and_then(|value| value.as_bool())
            .unwrap_or(false);
        if parameters.flag("isMfaDeleteEnabled") == Some(true) && !mfa_delete {
            return Outcome::non_compliant("MFA delete of the S3 bucket is not enabled.");
        }
        Outcome::compliant()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rules::testing::{bucket_with, check, parameters, undecided_without};

    const RULE: S3BucketVersioningEnabled = S3BucketVersioningEnabled;

    fn versioning(status: &str, mfa: Value) -> crate::item::ConfigurationItem {
        bucket_with(
            VERSIONING,
            json!({"status": status, "isMfaDeleteEnabled": mfa}),
        )
    }

    #[test]
    fn versioning_is_enabled() {
        let (plain, mfa) = (
            parameters(&RULE, &[]),
            parameters(&RULE, &[("isMfaDeleteEnabled", "true")]),
        );
        let off = "NON_COMPLIANT Versioning of the S3 bucket is not enabled.";
        let no_mfa = "NON_COMPLIANT MFA delete of the S3 bucket is not enabled.";
        check(
            &RULE,
            &versioning("Enabled", Value::Null),
            &plain,
            "COMPLIANT",
        );
        check(&RULE, &versioning("Off", Value::Null), &plain, off);
        check(&RULE, &versioning("Suspended", json!(true)), &mfa, off);
        check(&RULE, &bucket_with(VERSIONING, Value::Null), &plain, off);
        check(&RULE, &versioning("Enabled", Value::Null), &mfa, no_mfa);
        check(&RULE, &versioning("Enabled", json!(false)), &mfa, no_mfa);
        check(
            &RULE,
            &versioning("Enabled", json!(true)),
            &mfa,
            "COMPLIANT",
        );
        let indifferent = parameters(&RULE, &[("isMfaDeleteEnabled", "false")]);
        check(
            &RULE,
            &versioning("Enabled", json!(true)),
            &indifferent,
            "COMPLIANT",
        );
        // As AWS Config's API gives it.
        let text = json!({"status": "Enabled"}).to_string();
        check(
            &RULE,
            &bucket_with(VERSIONING, Value::from(text)),
            &plain,
            "COMPLIANT",
        );
    }

    #[test]
    fn what_was_not_read_decides_nothing() {
        let plain = parameters(&RULE, &[]);
        undecided_without(
            &RULE,
            &versioning("Enabled", Value::Null),
            &plain,
            VERSIONING,
            READS,
        );
    }
}
