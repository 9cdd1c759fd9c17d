//! An account has the settings of Block Public Access that it must have.

use super::account_blocks::{self, NeverSet};
use super::{About, Outcome, Parameters, Rule, Severity, Subject, Trigger};
use crate::item::ACCOUNT_PUBLIC_ACCESS_BLOCK;

/// The rule `s3-account-level-public-access-blocks`.
#[derive(Clone, Copy, Debug)]
pub struct S3AccountLevelPublicAccessBlocks;

const ABOUT: About = About {
    name: "s3-account-level-public-access-blocks",
    identifier: "S3_ACCOUNT_LEVEL_PUBLIC_ACCESS_BLOCKS",
    description: "An account has the settings of Block Public Access that it must have.",
    detail: "An account fails when a setting of its block differs from its parameter, in either \
             direction. An account that never had a block has nothing to compare: the answer is INSUFFICIENT_DATA, as AWS documents it. The periodic rule says NON_COMPLIANT there.",
    resource_types: &[ACCOUNT_PUBLIC_ACCESS_BLOCK],
    trigger: Trigger::ConfigurationChanges,
    reads: &[account_blocks::READS],
    parameters: account_blocks::PARAMETERS,
    severity: Severity::Medium,
    annotations: account_blocks::ANNOTATIONS,
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-account-level-public-access-blocks.html",
};

impl Rule for S3AccountLevelPublicAccessBlocks {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, parameters: &Parameters) -> Outcome {
        account_blocks::decide(subject, parameters, NeverSet::Undecided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::account_blocks::tests::{answers_about_blocks, never_set};
    use crate::rules::testing::{check, parameters};

    #[test]
    fn it_answers_as_its_twin() {
        answers_about_blocks(&S3AccountLevelPublicAccessBlocks);
    }

    #[test]
    fn a_block_that_was_never_set() {
        check(
            &S3AccountLevelPublicAccessBlocks,
            &never_set(),
            &parameters(&S3AccountLevelPublicAccessBlocks, &[]),
            "INSUFFICIENT_DATA Not decided: the account has never had a Block Public Access",
        );
    }
}
