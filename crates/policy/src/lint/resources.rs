//! Resources that are not in this bucket, and variables that are none.

use super::covering::{admits, admits_prefix};
use super::{BucketName, Linter, element};
use crate::document::{Severity, Statement, Version};
use crate::json::Shown;
use crate::pattern::Pattern;

pub(super) fn lint(linter: &mut Linter<'_>, statement: &Statement, bucket: Option<&BucketName>) {
    let element = element(statement, "Resource", statement.resource.negated);
    for (index, pattern) in statement.resource.patterns.iter().enumerate() {
        if linter.is_full() {
            return;
        }
        let path = linter.entry(&element, index);
        if linter.policy.version == Version::V2008 && pattern.text().contains("${") {
            variable_in_old_version(linter, pattern.text(), path.clone());
        }
        if !admits_prefix(pattern, "arn:") {
            linter.say(
                Severity::Error,
                "not-an-arn",
                path,
                format!(
                    "`{}` is neither `*` nor an ARN: it matches nothing",
                    Shown(pattern.text())
                ),
                "write `arn:aws:s3:::example-bucket` or `arn:aws:s3:::example-bucket/*`".to_owned(),
            );
        } else if let Some(bucket) = bucket {
            other_bucket(linter, pattern, bucket, path);
        }
    }
}

fn other_bucket(linter: &mut Linter<'_>, pattern: &Pattern, bucket: &BucketName, path: String) {
    let arn = format!("arn:{}:s3:::{}", bucket.partition, bucket.name);
    if admits(pattern, &arn) || admits_prefix(pattern, &format!("{arn}/")) {
        return;
    }
    linter.say(
        Severity::Error,
        "other-bucket",
        path,
        format!(
            "`{}` is not in the bucket `{}`",
            Shown(pattern.text()),
            Shown(&bucket.name)
        ),
        format!("write `{arn}` or `{arn}/*`: Amazon S3 refuses a policy that names another bucket"),
    );
}

/// `${…}` where the language has no policy variables.
pub(super) fn variable_in_old_version(linter: &mut Linter<'_>, text: &str, path: String) {
    linter.say(
        Severity::Warning,
        "variable-in-old-version",
        path,
        format!(
            "`{}` is plain text: this version of the policy language has no variables",
            Shown(text)
        ),
        "write \"Version\": \"2012-10-17\"".to_owned(),
    );
}
