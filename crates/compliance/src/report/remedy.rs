//! What would close a bucket, each remedy judged before it is offered.

use policy::bucket::{Bucket, ObjectOwnership, PublicAccessBlock};
use policy::document::Effect;
use policy::observed::Observed;
use policy::public::{Verdict, judge};

use super::describe;
use crate::assessment::Assessment;

/// One way to close a bucket, or a part of what is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remedy {
    /// What to do.
    pub(super) text: String,
    /// What else it does, if it does more than close.
    pub(super) caution: Option<&'static str>,
    /// Whether the bucket is closed afterwards, for reading and writing.
    pub(super) closes_all: bool,
}

/// The ways that help, what closes everything first.
pub(super) fn remedies(assessment: &Assessment) -> Vec<Remedy> {
    let (bucket, verdict) = (&assessment.bucket, &assessment.verdict);
    if !verdict.read.counts_as_open() && !verdict.write.counts_as_open() {
        return Vec::new();
    }
    let mut list = Vec::new();
    let mut consider = |changed: Option<Bucket>, text: String, caution| {
        let Some(changed) = changed else { return };
        let after = judge(&changed);
        let closes_all = !after.read.counts_as_open() && !after.write.counts_as_open();
        if closes_all || open_ways(&after) < open_ways(verdict) {
            list.push(Remedy {
                text,
                caution,
                closes_all,
            });
        }
    };

    let (without, removed) = without_open_statements(bucket);
    if !removed.is_empty() {
        let names: Vec<String> = removed
            .iter()
            .map(|at| describe::statement(bucket, *at))
            .collect();
        let text = format!(
            "Remove {} from the bucket policy, or let it name the principals that need it.",
            names.join(" and ")
        );
        consider(Some(without), text, None);
    }
    let mut without_grants = bucket.clone();
    if let Observed::Present(acl) = &mut without_grants.acl {
        let before = acl.grants.len();
        acl.grants.retain(|grant| !grant.grantee.is_untrusted());
        if acl.grants.len() < before {
            consider(
                Some(without_grants),
                "Remove the public grants from the ACL.".to_owned(),
                None,
            );
        }
    }
    let own = bucket.public_access_block.bucket.present();
    let own = own.copied().unwrap_or_default();
    let with_block = |change: fn(&mut PublicAccessBlock)| {
        let mut changed = bucket.clone();
        let mut block = own;
        change(&mut block);
        changed.public_access_block.bucket = Observed::Present(block);
        (block != own).then_some(changed)
    };
    consider(
        with_block(|block| *block = PublicAccessBlock::ALL),
        "Turn on all four settings of Block Public Access on the bucket.".to_owned(),
        Some("as long as the policy is public, access of other accounts that it names is cut too"),
    );
    consider(
        with_block(|block| block.restrict_public_buckets = true),
        "Turn on RestrictPublicBuckets on the bucket.".to_owned(),
        Some("as long as the policy is public, access of other accounts that it names is cut too"),
    );
    consider(
        with_block(|block| block.ignore_public_acls = true),
        "Turn on IgnorePublicAcls on the bucket.".to_owned(),
        Some("public ACLs of objects are ignored too"),
    );
    let mut enforced = bucket.clone();
    enforced.ownership = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
    consider(
        Some(enforced),
        "Set Object Ownership to BucketOwnerEnforced.".to_owned(),
        Some("every ACL of the bucket and its objects loses its effect"),
    );
    // A stable sort: what closes everything comes first, the narrowest change before wider ones.
    list.sort_by_key(|remedy| !remedy.closes_all);
    list
}

/// How many ways in are not closed.
fn open_ways(verdict: &Verdict) -> usize {
    [&verdict.read, &verdict.write]
        .iter()
        .flat_map(|access| [&access.policy, &access.acl, &access.access_points])
        .filter(|answer| !matches!(answer, policy::public::Answer::Closed(_)))
        .count()
}

/// How often statements are taken out until nothing is left that opens: more than that is no advice.
const MOST_ROUNDS: usize = 50;

/// The bucket without the Allow statements that let untrusted requests in, and which these are.
fn without_open_statements(bucket: &Bucket) -> (Bucket, Vec<usize>) {
    let mut changed = bucket.clone();
    let mut left: Vec<usize> =
        (0..bucket.policy.present().map_or(0, |p| p.statements.len())).collect();
    let mut removed = Vec::new();
    // Each round takes out what admits the witnesses.
    for _ in 0..MOST_ROUNDS {
        let verdict = judge(&changed);
        let mut admitting: Vec<usize> = [&verdict.read, &verdict.write]
            .iter()
            .filter_map(|access| access.policy.witness())
            .flat_map(|witness| witness.admitted_by.iter().copied())
            .collect();
        admitting.sort_unstable();
        admitting.dedup();
        let Observed::Present(policy) = &mut changed.policy else {
            break;
        };
        admitting.retain(|at| {
            policy
                .statements
                .get(*at)
                .is_some_and(|statement| statement.effect == Effect::Allow)
        });
        if admitting.is_empty() {
            break;
        }
        for at in admitting.into_iter().rev() {
            policy.statements.remove(at);
            removed.push(left.remove(at));
        }
    }
    removed.sort_unstable();
    (changed, removed)
}
