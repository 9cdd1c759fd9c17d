//! A policy alone, or an ACL alone as the AWS CLI prints it: judged as the only part of its bucket.

use std::collections::BTreeSet;

use policy::document::Policy;
use policy::observed::{Observed, Unread};

use super::members;
use super::node::Node;
use super::{Kind, Reader, Reading};

/// The name of a bucket that no resource names.
const UNNAMED: &str = "unnamed-bucket";

/// Whether a node is a policy, or what `aws s3api get-bucket-policy` or `get-bucket-acl` prints.
pub(super) fn is_policy(node: &Node) -> bool {
    node.get("Statement").is_some()
        || node.get("Policy").is_some_and(|p| p.as_str().is_some())
        || node.get("Grants").is_some()
}

/// Reads it. Each bucket that the policy's resources name is judged with it.
pub(super) fn read(reader: &Reader<'_>, node: &Node) -> Reading {
    let mut problems = Vec::new();
    let mut policy = Observed::Unknown(Unread::NotGiven);
    let mut acl = Observed::Unknown(Unread::NotGiven);
    let mut policy_line = None;
    let wrong = if node.get("Grants").is_some() {
        let found = members::acl(node);
        acl = found.observed;
        found.wrong
    } else {
        let (found, line) = members::bucket_policy(node, reader.text);
        policy = found.observed;
        policy_line = line;
        found.wrong
    };
    let names = policy.present().map(bucket_names).unwrap_or_default();
    let names = if names.is_empty() {
        BTreeSet::from([UNNAMED.to_owned()])
    } else {
        names
    };
    let buckets = names
        .into_iter()
        .map(|name| {
            let mut input = reader.bucket(&name, node);
            input.source.policy_line = policy_line;
            if reader.options.partition.is_none()
                && let Some(partition) = policy.present().and_then(partition)
            {
                input.bucket.partition = partition;
            }
            input.bucket.policy = policy.clone();
            input.bucket.acl = acl.clone();
            input
        })
        .collect();
    if let Some((message, line)) = wrong {
        problems.push(reader.problem(UNNAMED, message, line));
    }
    Reading {
        kind: Kind::Policy,
        buckets,
        problems,
    }
}

/// The buckets that a policy's resources name; a wildcard in a name is filled so that it matches.
fn bucket_names(policy: &Policy) -> BTreeSet<String> {
    let named = |wild: bool| -> BTreeSet<String> {
        policy
            .statements
            .iter()
            .filter(|statement| !statement.resource.negated)
            .flat_map(|statement| &statement.resource.patterns)
            .filter_map(|pattern| {
                let resource = pattern.text().splitn(6, ':').nth(5)?;
                let name = resource.split('/').next()?;
                let usable = !name.is_empty() && !name.contains('$');
                (usable && name.contains(['*', '?']) == wild).then(|| name.to_owned())
            })
            .collect()
    };
    let exact = named(false);
    if !exact.is_empty() {
        return exact;
    }
    named(true)
        .into_iter()
        .filter(|name| name != "*")
        .map(|name| name.replace(['*', '?'], "x"))
        .collect()
}

/// The partition that the resources' ARNs name.
fn partition(policy: &Policy) -> Option<String> {
    policy
        .statements
        .iter()
        .flat_map(|statement| &statement.resource.patterns)
        .find_map(|pattern| {
            let partition = pattern.text().strip_prefix("arn:")?.split(':').next()?;
            ["aws", "aws-cn", "aws-us-gov"]
                .contains(&partition)
                .then(|| partition.to_owned())
        })
}
