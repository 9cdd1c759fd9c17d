//! An account has the settings of Block Public Access that it must have, looked at on a schedule.

use super::account_blocks::{self, NeverSet};
use super::{About, Outcome, Parameters, Rule, Severity, Subject, Trigger};
use crate::item::ACCOUNT_PUBLIC_ACCESS_BLOCK;

/// The rule `s3-account-level-public-access-blocks-periodic`.
#[derive(Clone, Copy, Debug)]
pub struct S3AccountLevelPublicAccessBlocksPeriodic;

const ABOUT: About = About {
    name: "s3-account-level-public-access-blocks-periodic",
    identifier: "S3_ACCOUNT_LEVEL_PUBLIC_ACCESS_BLOCKS_PERIODIC",
    description: "An account has the settings of Block Public Access that it must have, looked at on a schedule.",
    detail: "An account fails when a setting of its block differs from its parameter, in either \
             direction. An account that never had a block fails. AWS's rule of this name is about AWS::::Account; here the account's block is a recorded resource of its own, as for the change-triggered rule.",
    resource_types: &[ACCOUNT_PUBLIC_ACCESS_BLOCK],
    trigger: Trigger::Periodic,
    reads: &[account_blocks::READS],
    parameters: account_blocks::PARAMETERS,
    severity: Severity::Medium,
    annotations: account_blocks::ANNOTATIONS,
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-account-level-public-access-blocks-periodic.html",
};

impl Rule for S3AccountLevelPublicAccessBlocksPeriodic {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, parameters: &Parameters) -> Outcome {
        account_blocks::decide(subject, parameters, NeverSet::Fails)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::account_blocks::tests::{answers_about_blocks, never_set};
    use crate::rules::testing::{check, parameters};

    #[test]
    fn it_answers_as_its_twin() {
        answers_about_blocks(&S3AccountLevelPublicAccessBlocksPeriodic);
    }

    #[test]
    fn a_block_that_was_never_set() {
        check(
            &S3AccountLevelPublicAccessBlocksPeriodic,
            &never_set(),
            &parameters(&S3AccountLevelPublicAccessBlocksPeriodic, &[]),
            "NON_COMPLIANT The account has no Block Public Access.",
        );
    }
}
