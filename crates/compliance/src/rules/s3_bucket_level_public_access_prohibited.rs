//! S3 buckets have all four settings of their own Block Public Access on.

use super::{
    About, Outcome, Parameter, ParameterKind, Parameters, Rule, Severity, Subject, Trigger,
};
use crate::item::BUCKET;
use crate::item::bucket::PUBLIC_ACCESS_BLOCK;
use policy::observed::Observed;

use super::block_settings::{missing, settings};

/// The rule `s3-bucket-level-public-access-prohibited`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketLevelPublicAccessProhibited;

const READS: &str = "s3:GetBucketPublicAccessBlock";

const ABOUT: About = About {
    name: "s3-bucket-level-public-access-prohibited",
    identifier: "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED",
    description: "S3 buckets have all four settings of their own Block Public Access on.",
    detail: "A bucket fails when one of the four settings of its own block is off, whether or not \
             anybody can get in, and whatever the account's block says. Buckets that \
             `excludedPublicBuckets` names comply.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChanges,
    reads: &[READS],
    parameters: &[Parameter {
        name: "excludedPublicBuckets",
        description: "Names of buckets that may be without a block.",
        kind: ParameterKind::List,
        default: None,
    }],
    severity: Severity::Medium,
    annotations: &[
        "The S3 bucket has no Block Public Access of its own.",
        "Block Public Access of the S3 bucket is off for SETTING, SETTING.",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-level-public-access-prohibited.html",
};

impl Rule for S3BucketLevelPublicAccessProhibited {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, parameters: &Parameters) -> Outcome {
        let item = subject.item;
        let name = item.resource_name.as_ref().unwrap_or(&item.key.resource_id);
        if parameters
            .list("excludedPublicBuckets")
            .any(|excluded| excluded == name)
        {
            return Outcome::compliant();
        }
        // AWS Config leaves the part out where no block was ever set; an item without any part at all
        // was not recorded in full.
        let block = match item.part(PUBLIC_ACCESS_BLOCK) {
            Observed::Unknown(_)
                if !item.supplementary_configuration.is_empty()
                    && !item
                        .supplementary_configuration
                        .contains_key(PUBLIC_ACCESS_BLOCK)
                    && !item.is_unread(PUBLIC_ACCESS_BLOCK) =>
            {
                Observed::Absent
            }
            other => other,
        };
        match block {
            Observed::Unknown(unread) => Outcome::unread("Block Public Access was", &unread, READS),
            Observed::Absent => {
                Outcome::non_compliant("The S3 bucket has no Block Public Access of its own.")
            }
            Observed::Present(block) => match settings(&block) {
                None => Outcome::insufficient(format!(
                    "the item's {PUBLIC_ACCESS_BLOCK} cannot be understood; {READS} reads it"
                )),
                Some(found) => match missing(&found, |_| true) {
                    off if off.is_empty() => Outcome::compliant(),
                    off => Outcome::non_compliant(format!(
                        "Block Public Access of the S3 bucket is off for {}.",
                        off.join(", ")
                    )),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::testing::{
        bucket_with, bucket_with_policy, check, item, parameters, undecided_without,
    };

    const RULE: S3BucketLevelPublicAccessProhibited = S3BucketLevelPublicAccessProhibited;

    #[test]
    fn all_four_settings_are_on() {
        let none = parameters(&RULE, &[]);
        let block = |p: bool, r: bool| {
            bucket_with(
                PUBLIC_ACCESS_BLOCK,
                json!({"blockPublicAcls": true, "ignorePublicAcls": true, "blockPublicPolicy": p, "restrictPublicBuckets": r}),
            )
        };
        check(&RULE, &block(true, true), &none, "COMPLIANT");
        check(
            &RULE,
            &block(false, false),
            &none,
            "NON_COMPLIANT Block Public Access of the S3 bucket is off for BlockPublicPolicy, RestrictPublicBuckets.",
        );
        // As text, as AWS Config's API gives it.
        let mut text = block(true, true);
        text.supplementary_configuration.insert(
            PUBLIC_ACCESS_BLOCK.to_owned(),
            json!("{\"blockPublicAcls\":true,\"ignorePublicAcls\":\"true\",\"blockPublicPolicy\":true,\"restrictPublicBuckets\":true}"),
        );
        check(&RULE, &text, &none, "COMPLIANT");
        check(
            &RULE,
            &bucket_with_policy(None),
            &none,
            "NON_COMPLIANT The S3 bucket has no Block Public Access of its own.",
        );
    }

    #[test]
    fn excluded_buckets_comply() {
        let excluded = parameters(&RULE, &[("excludedPublicBuckets", "a, r ,b")]);
        check(&RULE, &bucket_with_policy(None), &excluded, "COMPLIANT");
        let other = parameters(&RULE, &[("excludedPublicBuckets", "rr")]);
        check(
            &RULE,
            &bucket_with_policy(None),
            &other,
            "NON_COMPLIANT The S3 bucket has no Block Public Access of its own.",
        );
    }

    #[test]
    fn what_was_not_read_or_not_understood_decides_nothing() {
        let none = parameters(&RULE, &[]);
        undecided_without(
            &RULE,
            &bucket_with(PUBLIC_ACCESS_BLOCK, json!({})),
            &none,
            PUBLIC_ACCESS_BLOCK,
            READS,
        );
        check(
            &RULE,
            &item(BUCKET),
            &none,
            "INSUFFICIENT_DATA Not decided: Block Public Access was not read (the configuration item does not show PublicAccessBlockConfiguration; s3:GetBucketPublicAccessBlock reads it)",
        );
        check(
            &RULE,
            &bucket_with(PUBLIC_ACCESS_BLOCK, json!({"blockPublicAcls": "perhaps"})),
            &none,
            "INSUFFICIENT_DATA Not decided: the item's PublicAccessBlockConfiguration cannot be understood; s3:GetBucketPublicAccessBlock reads it",
        );
    }
}
