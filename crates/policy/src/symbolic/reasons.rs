//! Why nobody gets in, and what was outside the input.

use crate::bucket::{Acl, Bucket};
use crate::document::{Effect, Policy};
use crate::observed::{Observed, Unread};
use crate::public::{NotConsidered, Reason, Why};

use super::layers::FOREIGN;
use super::search::Attempt;

/// Why no Allow statement of a policy lets anybody in.
pub(super) fn of_policy(policy: &Policy, attempts: &[Attempt]) -> Vec<Reason> {
    let allows = policy
        .statements
        .iter()
        .enumerate()
        .filter(|(_, s)| s.effect == Effect::Allow);
    or_nothing_grants(
        allows
            .zip(attempts)
            .map(|((index, _), attempt)| Reason {
                index: Some(index),
                why: why(attempt),
            })
            .collect(),
    )
}

/// Why no grant of an ACL lets anybody in.
pub(super) fn of_acl(acl: Option<&Acl>, attempts: &[Attempt]) -> Vec<Reason> {
    let mut attempts = attempts.iter();
    let grants = acl.map_or(&[][..], |acl| &acl.grants);
    or_nothing_grants(
        grants
            .iter()
            .enumerate()
            .map(|(index, grant)| {
                let why = if grant.grantee.is_untrusted() {
                    attempts.next().map_or(Why::NothingGrants, why)
                } else {
                    Why::NamesOnlyTrusted
                };
                Reason {
                    index: Some(index),
                    why,
                }
            })
            .collect(),
    )
}

fn or_nothing_grants(reasons: Vec<Reason>) -> Vec<Reason> {
    if reasons.is_empty() {
        return vec![Reason {
            index: None,
            why: Why::NothingGrants,
        }];
    }
    reasons
}

fn why(attempt: &Attempt) -> Why {
    if !attempt.takes_caller {
        return Why::NamesOnlyTrusted;
    }
    if attempt.only_owner_actions && !attempt.has_action {
        return Why::OwnerOnlyActions;
    }
    if !attempt.has_action {
        return Why::NoActionOfThisClass;
    }
    if !attempt.fits_resource {
        return Why::ResourceDoesNotFit;
    }
    if !attempt.denied_by.is_empty() {
        let own = attempt
            .denied_by
            .iter()
            .copied()
            .filter(|index| *index != FOREIGN);
        let own: Vec<usize> = own.collect();
        return if own.is_empty() {
            Why::ResourceControlPolicy
        } else {
            Why::Denied(own)
        };
    }
    if attempt.narrow {
        return Why::NarrowSourceAddress;
    }
    match attempt
        .unsatisfied
        .as_ref()
        .and_then(|conditions| conditions.first())
    {
        Some(condition) => Why::ConditionUnsatisfiable(*condition),
        None => Why::ConditionsExcludeEachOther,
    }
}

/// The layers that the input does not have.
pub(super) fn not_considered(bucket: &Bucket) -> Vec<NotConsidered> {
    fn lacks<T>(part: &Observed<T>) -> bool {
        matches!(part, Observed::Unknown(Unread::NotGiven))
    }
    let block = &bucket.public_access_block;
    let mut layers = vec![NotConsidered::ObjectAcls];
    for (missing, layer) in [
        (lacks(&bucket.policy), NotConsidered::BucketPolicy),
        (lacks(&bucket.acl), NotConsidered::BucketAcl),
        (lacks(&block.bucket), NotConsidered::BucketPublicAccessBlock),
        (
            lacks(&block.account),
            NotConsidered::AccountPublicAccessBlock,
        ),
        (
            lacks(&block.organization),
            NotConsidered::OrganizationPublicAccessBlock,
        ),
        (lacks(&bucket.ownership), NotConsidered::ObjectOwnership),
        (lacks(&bucket.access_points), NotConsidered::AccessPoints),
        (
            bucket.resource_control_policies.is_unknown(),
            NotConsidered::ResourceControlPolicies,
        ),
    ] {
        if missing {
            layers.push(layer);
        }
    }
    layers.sort_unstable();
    layers
}
