//! What the two rules about an account's Block Public Access have in common.

use policy::observed::{Observed, Unread};

use super::block_settings::{missing, settings};
use super::{Outcome, Parameter, ParameterKind, Parameters, Subject};
use crate::item::account;

pub(super) const READS: &str = "s3:GetAccountPublicAccessBlock";

const fn setting(name: &'static str) -> Parameter {
    Parameter {
        name,
        description: "Whether the setting must be on, or must be off.",
        kind: ParameterKind::Flag,
        default: Some("True"),
    }
}

pub(super) const PARAMETERS: &[Parameter] = &[
    setting("BlockPublicAcls"),
    setting("IgnorePublicAcls"),
    setting("BlockPublicPolicy"),
    setting("RestrictPublicBuckets"),
];

pub(super) const ANNOTATIONS: &[&str] = &[
    "Block Public Access of the account is not as it must be: SETTING, SETTING.",
    "The account has no Block Public Access.",
];

/// What to say of an account that never had a block.
pub(super) enum NeverSet {
    Undecided,
    Fails,
}

pub(super) fn decide(
    subject: &Subject<'_>,
    parameters: &Parameters,
    never_set: NeverSet,
) -> Outcome {
    let found = match account::recorded_block(subject.item) {
        Observed::Unknown(unread) => {
            return Outcome::unread("the account's Block Public Access was", &unread, READS);
        }
        Observed::Absent => match never_set {
            NeverSet::Undecided => {
                return Outcome::insufficient("the account has never had a Block Public Access");
            }
            NeverSet::Fails => {
                return Outcome::non_compliant("The account has no Block Public Access.");
            }
        },
        Observed::Present(block) => settings(block),
    };
    let Some(found) = found else {
        let unread = Unread::Failed("it cannot be understood".to_owned());
        return Outcome::unread("the account's Block Public Access was", &unread, READS);
    };
    match missing(&found, |name| parameters.flag(name).unwrap_or(true)) {
        off if off.is_empty() => Outcome::compliant(),
        off => Outcome::non_compliant(format!(
            "Block Public Access of the account is not as it must be: {}.",
            off.join(", ")
        )),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;
    use policy::bucket::PublicAccessBlock;
    use serde_json::json;

    use super::*;
    use crate::item::{ConfigurationItem, account::public_access_block};
    use crate::rules::Rule;
    use crate::rules::testing::{check, parameters, undecided_without};

    fn block(block: Observed<PublicAccessBlock>) -> ConfigurationItem {
        public_access_block("111122223333", block, Timestamp::UNIX_EPOCH)
    }

    pub(in crate::rules) fn never_set() -> ConfigurationItem {
        block(Observed::Absent)
    }

    pub(in crate::rules) fn answers_about_blocks(rule: &dyn Rule) {
        let all = parameters(rule, &[]);
        check(
            rule,
            &block(Observed::Present(PublicAccessBlock::ALL)),
            &all,
            "COMPLIANT",
        );
        check(
            rule,
            &block(Observed::Present(PublicAccessBlock {
                ignore_public_acls: true,
                ..PublicAccessBlock::default()
            })),
            &all,
            "NON_COMPLIANT Block Public Access of the account is not as it must be: BlockPublicAcls, \
             BlockPublicPolicy, RestrictPublicBuckets.",
        );
        // What must be off and is on does not match either.
        let policies_only = parameters(
            rule,
            &[("BlockPublicAcls", "false"), ("IgnorePublicAcls", "FALSE")],
        );
        check(
            rule,
            &block(Observed::Present(PublicAccessBlock::ALL)),
            &policies_only,
            "NON_COMPLIANT Block Public Access of the account is not as it must be: BlockPublicAcls, \
             IgnorePublicAcls.",
        );
        for why in crate::item::unread::tests::reasons() {
            let evaluation = crate::rules::evaluate_one(
                rule,
                &Subject::of(&block(Observed::Unknown(why)), Timestamp::UNIX_EPOCH),
                &all,
            );
            assert_eq!(evaluation.compliance_type.as_str(), "INSUFFICIENT_DATA");
        }
        let mut odd = block(Observed::Present(PublicAccessBlock::ALL));
        odd.configuration = json!("everything");
        check(
            rule,
            &odd,
            &all,
            "INSUFFICIENT_DATA Not decided: the account's Block Public Access was not read (it cannot \
             be understood; s3:GetAccountPublicAccessBlock reads it)",
        );
        undecided_without(rule, &odd, &all, "configuration", READS);
    }
}
