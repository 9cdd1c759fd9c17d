//! S3 buckets log who asks for what.

use policy::observed::Observed;

use super::{
    About, Outcome, Parameter, ParameterKind, Parameters, Rule, Severity, Subject, Trigger,
};
use crate::item::BUCKET;
use crate::item::bucket::LOGGING;

/// The rule `s3-bucket-logging-enabled`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketLoggingEnabled;

const READS: &str = "s3:GetBucketLogging";

const ABOUT: About = About {
    name: "s3-bucket-logging-enabled",
    identifier: "S3_BUCKET_LOGGING_ENABLED",
    description: "S3 buckets log who asks for what.",
    detail: "A bucket fails when server access logging is off, or goes to another bucket or prefix than \
             the parameters name.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChanges,
    reads: &[READS],
    parameters: &[
        Parameter {
            name: "targetBucket",
            description: "The bucket that logs must go to.",
            kind: ParameterKind::Text,
            default: None,
        },
        Parameter {
            name: "targetPrefix",
            description: "The prefix that logs must have.",
            kind: ParameterKind::Text,
            default: None,
        },
    ],
    severity: Severity::Low,
    annotations: &[
        "Server access logging of the S3 bucket is off.",
        "Server access logs of the S3 bucket go to the bucket BUCKET.",
        "Server access logs of the S3 bucket have the prefix \"PREFIX\".",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-logging-enabled.html",
};

impl Rule for S3BucketLoggingEnabled {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, parameters: &Parameters) -> Outcome {
        let logging = match subject.item.part(LOGGING) {
            Observed::Unknown(unread) => return Outcome::unread("logging was", &unread, READS),
            Observed::Absent => None,
            Observed::Present(logging) => Some(logging),
        };
        let member = |name: &str| {
            let text = logging.as_ref()?.get(name)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        let Some(target) = member("destinationBucketName") else {
            return Outcome::non_compliant("Server access logging of the S3 bucket is off.");
        };
        if parameters
            .text("targetBucket")
            .is_some_and(|wanted| wanted != target)
        {
            return Outcome::non_compliant(format!(
                "Server access logs of the S3 bucket go to the bucket {target}."
            ));
        }
        let prefix = member("logFilePrefix").unwrap_or_default();
        if parameters
            .text("targetPrefix")
            .is_some_and(|wanted| wanted != prefix)
        {
            return Outcome::non_compliant(format!(
                "Server access logs of the S3 bucket have the prefix {prefix:?}."
            ));
        }
        Outcome::compliant()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rules::testing::{bucket_with, check, parameters, undecided_without};

    const RULE: S3BucketLoggingEnabled = S3BucketLoggingEnabled;

    fn logging(bucket: Value, prefix: Value) -> crate::item::ConfigurationItem {
        bucket_with(
            LOGGING,
            json!({"destinationBucketName": bucket, "logFilePrefix": prefix}),
        )
    }

    #[test]
    fn logs_go_where_they_must() {
        let any = parameters(&RULE, &[]);
        let off = "NON_COMPLIANT Server access logging of the S3 bucket is off.";
        check(&RULE, &logging(Value::Null, Value::Null), &any, off);
        check(&RULE, &bucket_with(LOGGING, Value::Null), &any, off);
        check(&RULE, &logging(json!(""), Value::Null), &any, off);
        check(
            &RULE,
            &logging(json!("logs"), Value::Null),
            &any,
            "COMPLIANT",
        );

        let named = parameters(&RULE, &[("targetBucket", "logs"), ("targetPrefix", "s3/")]);
        check(
            &RULE,
            &logging(json!("logs"), json!("s3/")),
            &named,
            "COMPLIANT",
        );
        check(
            &RULE,
            &logging(json!("mine"), json!("s3/")),
            &named,
            "NON_COMPLIANT Server access logs of the S3 bucket go to the bucket mine.",
        );
        check(
            &RULE,
            &logging(json!("logs"), Value::Null),
            &named,
            "NON_COMPLIANT Server access logs of the S3 bucket have the prefix \"\".",
        );
    }

    #[test]
    fn what_was_not_read_decides_nothing() {
        let any = parameters(&RULE, &[]);
        undecided_without(
            &RULE,
            &logging(json!("logs"), json!("")),
            &any,
            LOGGING,
            READS,
        );
    }
}
