//! The fingerprint of what opens a bucket.
//!
//! Exceptions and baselines must know a grant again, and must notice when it becomes wider. The
//! fingerprint is the SHA-256 of a canonical form of everything that opens the bucket:
//!
//! - each Allow statement that lets some untrusted request in when it stands alone with the policy's
//!   Deny statements (found by judging it alone, so a statement that trusts only named principals
//!   does not count and may change freely);
//! - all Deny statements, because without one of them the same Allow grants more;
//! - each grant of the ACL to an untrusted grantee, if the ACL opens the bucket;
//! - the Allow statements of access points, likewise, with the whole bucket policy, since that decides
//!   what access points may hand on.
//!
//! The canonical form sorts members and lists, folds lists of one and the case of actions, and leaves
//! `Sid`s out: layout and names do not matter, what is granted does.

use policy::bucket::{AccessPoint, BlockLevels, Bucket, Grantee};
use policy::document::{Effect, Policy};
use policy::observed::Observed;
use policy::public::{Access, Answer, Verdict, judge};
use sha2::{Digest, Sha256};

use crate::input::node::{Kind, Node};

/// How many statements are judged one by one. S3 stores policies of up to 20 KB, a few hundred
/// statements; a file may hold more.
const MOST_STATEMENTS: usize = 500;

/// The fingerprint of what opens a bucket, such as `sha256:9f86d0…`.
///
/// `None` if nothing opens it, or if something that might was not read: what is not known cannot be
/// recognised.
pub fn of(bucket: &Bucket, verdict: &Verdict) -> Option<String> {
    let through = |part: fn(&Access) -> &Answer| {
        let closed = |access: &Access| matches!(part(access), Answer::Closed(_));
        !(closed(&verdict.read) && closed(&verdict.write))
    };
    let mut lines = Vec::new();
    let mut denies = Vec::new();
    if through(|access| &access.policy) {
        let policy = bucket.policy.present()?;
        for at in allows(policy).filter(|at| opens_alone(bucket, policy, *at)) {
            lines.push(line("allow", policy, at));
        }
        denies.extend(deny_lines(policy));
    }
    if through(|access| &access.acl) {
        let acl = bucket.acl.present()?;
        for grant in acl.grants.iter().filter(|g| g.grantee.is_untrusted()) {
            let to = match &grant.grantee {
                Grantee::CanonicalUser(to) | Grantee::Group(to) | Grantee::Email(to) => to,
            };
            lines.push(format!("acl {} {to}", grant.permission.as_str()));
        }
        denies.extend(bucket.policy.present().map(deny_lines).unwrap_or_default());
    }
    if through(|access| &access.access_points) {
        for point in bucket.access_points.present()? {
            let policy = match &point.policy {
                Observed::Present(policy) => policy,
                Observed::Absent => continue,
                Observed::Unknown(_) => return None,
            };
            let opening = allows(policy).filter(|at| point_opens_alone(bucket, point, policy, *at));
            lines.extend(opening.map(|at| format!("{} {}", point.arn, line("allow", policy, at))));
            let refused = deny_lines(policy).into_iter();
            denies.extend(refused.map(|line| format!("{} {line}", point.arn)));
        }
        if let Some(policy) = bucket.policy.present() {
            denies.extend(allows(policy).map(|at| line("hands on", policy, at)));
            denies.extend(deny_lines(policy));
        }
    }
    if lines.is_empty() {
        return None;
    }
    lines.extend(denies);
    lines.sort();
    lines.dedup();
    let digest = Sha256::digest(format!("portcullis grant 1\n{}\n", lines.join("\n")));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("sha256:{hex}"))
}

/// The indexes of the Allow statements.
fn allows(policy: &Policy) -> impl Iterator<Item = usize> {
    let statements = policy.statements.iter().enumerate();
    statements
        .filter(|(_, statement)| statement.effect == Effect::Allow)
        .map(|(at, _)| at)
}

fn deny_lines(policy: &Policy) -> Vec<String> {
    let denies = policy.statements.iter().enumerate();
    denies
        .filter(|(_, statement)| statement.effect == Effect::Deny)
        .map(|(at, _)| line("deny", policy, at))
        .collect()
}

fn line(what: &str, policy: &Policy, at: usize) -> String {
    let statement = canonical_statement(policy, at);
    format!("{what} {:?} {statement}", policy.version)
}

/// The policy with one Allow statement only, and all Deny statements.
fn alone(policy: &Policy, at: usize) -> Policy {
    let mut alone = policy.clone();
    let mut index = 0;
    alone.statements.retain(|statement| {
        index += 1;
        statement.effect == Effect::Deny || index - 1 == at
    });
    alone
}

/// The bucket without anything that grants or blocks beside the policy.
fn bare(bucket: &Bucket) -> Bucket {
    Bucket {
        acl: Observed::Absent,
        access_points: Observed::Absent,
        public_access_block: BlockLevels {
            bucket: Observed::Absent,
            account: Observed::Absent,
            organization: Observed::Absent,
        },
        ..bucket.clone()
    }
}

/// Whether a statement lets somebody untrusted in (or may do so) with all Deny statements beside it
/// and nothing else. In a policy of very many statements all count: a wider fingerprint is still one.
fn opens_alone(bucket: &Bucket, policy: &Policy, at: usize) -> bool {
    if policy.statements.len() > MOST_STATEMENTS {
        return true;
    }
    let verdict = judge(&Bucket {
        policy: Observed::Present(alone(policy, at)),
        ..bare(bucket)
    });
    verdict.read.counts_as_open() || verdict.write.counts_as_open()
}

/// The same of a statement of an access point's policy, behind the bucket policy as it is.
fn point_opens_alone(bucket: &Bucket, point: &AccessPoint, policy: &Policy, at: usize) -> bool {
    if policy.statements.len() > MOST_STATEMENTS {
        return true;
    }
    let point = AccessPoint {
        policy: Observed::Present(alone(policy, at)),
        public_access_block: Observed::Absent,
        ..point.clone()
    };
    let verdict = judge(&Bucket {
        access_points: Observed::Present(vec![point]),
        ..bare(bucket)
    });
    [&verdict.read, &verdict.write]
        .iter()
        .any(|access| !matches!(access.access_points, Answer::Closed(_)))
}

fn canonical_statement(policy: &Policy, at: usize) -> String {
    let text = policy
        .statements
        .get(at)
        .and_then(|s| policy.text.get(s.span.clone()));
    let text = text.unwrap_or_default();
    match crate::input::parse_json(text) {
        Some(node) => canonical(&node, Place::Statement),
        // The parser read this very text, so it is JSON; its bytes stand for it all the same.
        None => text.to_owned(),
    }
}

/// What a value is, which decides how it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The statement itself: its `Sid` is left out.
    Statement,
    /// Names of actions, whose case does not matter.
    Actions,
    /// Anything else.
    Elsewhere,
}

/// One line of JSON: members and lists sorted, a list of one as its element.
fn canonical(node: &Node, place: Place) -> String {
    match &node.kind {
        Kind::Mapping(members) => {
            let mut parts: Vec<String> = members
                .iter()
                .filter(|(name, _)| !(place == Place::Statement && name == "Sid"))
                .map(|(name, value)| {
                    let actions = name == "Action" || name == "NotAction";
                    let inner = if place == Place::Statement && actions {
                        Place::Actions
                    } else {
                        Place::Elsewhere
                    };
                    let name = serde_json::Value::from(name.as_str());
                    format!("{name}:{}", canonical(value, inner))
                })
                .collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
        Kind::Sequence(elements) => {
            let mut parts: Vec<String> = elements.iter().map(|e| canonical(e, place)).collect();
            parts.sort();
            parts.dedup();
            match parts.as_slice() {
                [one] => one.clone(),
                parts => format!("[{}]", parts.join(",")),
            }
        }
        Kind::String(text) if place == Place::Actions => {
            serde_json::Value::from(text.to_ascii_lowercase()).to_string()
        }
        Kind::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Kind::Number(text) => text.clone(),
        Kind::Bool(value) => value.to_string(),
        Kind::Null => "null".to_owned(),
    }
}
