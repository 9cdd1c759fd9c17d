//! What a security engineer should know beside the verdict.

use crate::action::ActionTable;
use crate::bucket::{Bucket, Enforcement};
use crate::condition::{Condition, Value};
use crate::document::{Effect, Policy, Principal, Statement};
use crate::public::{Advisory, Answer, Verdict, Why};

use super::atom::is_narrow;

/// Addresses that narrow blocks may admit together before they are called much of the internet: a
/// quarter of IPv4.
const MANY_ADDRESSES: u64 = 1 << 30;

/// Whether a statement's source address blocks are what the headline and the literal flags differ by.
pub(super) fn tests_narrow_block(statement: &Statement) -> bool {
    statement
        .conditions
        .iter()
        .any(|condition| narrow_blocks(condition).next().is_some())
}

fn narrow_blocks(condition: &Condition) -> impl Iterator<Item = &ipnet::IpNet> {
    condition
        .values
        .iter()
        .filter(|_| condition.key == "aws:sourceip")
        .filter_map(|value| match value {
            Value::Cidr(block) if is_narrow(block) => Some(block),
            _ => None,
        })
}

pub(super) fn advisories(bucket: &Bucket, verdict: &Verdict) -> Vec<Advisory> {
    let mut advisories = Vec::new();
    if let Some(policy) = bucket.policy.present() {
        policy_advisories(policy, verdict, &mut advisories);
    }
    store_advisories(bucket, verdict, &mut advisories);
    for access in [&verdict.read, &verdict.write] {
        if let Some(from) = access.witness().and_then(|witness| witness.from) {
            advisories.push(Advisory {
                code: "opens-later",
                message: format!("the bucket opens at {from}, not now"),
                path: None,
            });
        }
    }
    advisories
}

fn policy_advisories(policy: &Policy, verdict: &Verdict, advisories: &mut Vec<Advisory>) {
    let closed = !verdict.read.counts_as_open() && !verdict.write.counts_as_open();
    let literal = &verdict.literal;
    let reachable = [literal.stranger_read, literal.stranger_write].contains(&Some(true));
    if closed && reachable {
        advisories.push(Advisory {
            code: "narrow-cidr",
            message: "anybody at the named source addresses gets in; RestrictPublicBuckets does \
                      not change that, since AWS does not call the policy public"
                .to_owned(),
            path: None,
        });
    }
    for (index, statement) in policy.statements.iter().enumerate() {
        if statement.effect != Effect::Allow {
            continue;
        }
        let mut say = |code, message: String| {
            advisories.push(Advisory {
                code,
                message,
                path: Some(statement.path.clone()),
            });
        };
        if let Some(name) = unsupported_action(statement) {
            let public = if verdict.aws_is_public == Some(true) {
                "; Block Public Access takes the whole policy as public for it"
            } else {
                ""
            };
            say(
                "unsupported-action",
                format!("`{name}` is no action of a bucket or object: remove it{public}"),
            );
        }
        if closed && verdict.aws_is_public == Some(true) && is_inert(verdict, index) {
            say(
                "inert-grant",
                "no outsider can use this grant, but AWS calls the policy public for it: remove it"
                    .to_owned(),
            );
        }
        for service in confused_deputies(statement) {
            say(
                "confused-deputy",
                format!(
                    "{service} may act for any account here: add aws:SourceAccount or aws:SourceArn"
                ),
            );
        }
        let addresses: u64 = statement
            .conditions
            .iter()
            .flat_map(narrow_blocks)
            .map(|block| match block {
                ipnet::IpNet::V4(block) => 1u64 << (32 - block.prefix_len()),
                ipnet::IpNet::V6(_) => 0,
            })
            .sum();
        if addresses >= MANY_ADDRESSES {
            say(
                "many-narrow-cidrs",
                format!("the narrow blocks together hold {addresses} addresses"),
            );
        }
    }
}

fn unsupported_action(statement: &Statement) -> Option<&str> {
    let table = ActionTable::get();
    let clause = &statement.action;
    clause
        .patterns
        .iter()
        .filter(|_| !clause.negated)
        .find(|pattern| table.matching(pattern).is_empty())
        .map(|pattern| pattern.text())
}

/// Whether a statement lets an outsider do nothing although it takes him in.
fn is_inert(verdict: &Verdict, index: usize) -> bool {
    [&verdict.read.policy, &verdict.write.policy]
        .into_iter()
        .any(|answer| match answer {
            Answer::Closed(reasons) => reasons.iter().any(|reason| {
                reason.index == Some(index)
                    && matches!(
                        reason.why,
                        Why::OwnerOnlyActions
                            | Why::ConditionUnsatisfiable(_)
                            | Why::ConditionsExcludeEachOther
                    )
            }),
            _ => false,
        })
}

fn confused_deputies(statement: &Statement) -> impl Iterator<Item = &str> {
    let guarded = statement.conditions.iter().any(|condition| {
        matches!(
            condition.key.as_str(),
            "aws:sourceaccount"
                | "aws:sourcearn"
                | "aws:sourceorgid"
                | "aws:sourceorgpaths"
                | "aws:sourceowner"
        )
    });
    statement
        .principal
        .entries
        .iter()
        .filter(move |_| !guarded)
        .filter_map(move |entry| match entry {
            Principal::Service(name) if !statement.principal.negated => Some(name.as_str()),
            _ => None,
        })
}

fn store_advisories(bucket: &Bucket, verdict: &Verdict, advisories: &mut Vec<Advisory>) {
    let mut say = |code, message: &str| {
        advisories.push(Advisory {
            code,
            message: message.to_owned(),
            path: None,
        });
    };
    let block = &bucket.public_access_block;
    let on = |part: fn(&crate::bucket::PublicAccessBlock) -> bool| {
        [&block.bucket, &block.account, &block.organization]
            .iter()
            .any(|level| level.present().is_some_and(part))
    };
    let policy_open = [&verdict.read, &verdict.write]
        .iter()
        .any(|a| a.policy.witness().is_some());
    let acl_open = [&verdict.read, &verdict.write]
        .iter()
        .any(|a| a.acl.witness().is_some());
    if bucket.enforcement == Enforcement::CephRgw && on(|b| b.restrict_public_buckets) {
        say(
            "restrict-not-enforced",
            "this store keeps RestrictPublicBuckets but does not enforce it: only changing the \
             policy closes it",
        );
    }
    if policy_open && on(|b| b.block_public_policy) {
        say(
            "block-stops-new-only",
            "BlockPublicPolicy refuses new public policies; the one in place stays in force",
        );
    }
    if acl_open && on(|b| b.block_public_acls) {
        say(
            "block-stops-new-only",
            "BlockPublicAcls refuses new public ACLs; the one in place stays in force",
        );
    }
    if verdict.objects_may_be_public == Some(true) {
        say(
            "object-acls",
            "objects may be public by ACLs of their own: ACLs are in force and IgnorePublicAcls is off",
        );
    }
}
