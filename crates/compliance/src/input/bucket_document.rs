//! Bucket documents: `{"bucket", "owner_account", "as_of", "policy", "acl", "bpa", "ownership"}`.
//!
//! Unknown keys are ignored. A part that is missing is taken as absent and listed as not
//! considered; a part that is `"unknown"` makes undecided what depends on it.

use jiff::Timestamp;
use policy::bucket::{AccessPoint, BlockLevels};
use policy::document::Policy;
use policy::observed::{Observed, Unread};

use super::json::{self, Place};
use super::members::{self, Found};
use super::node::Node;
use super::{InputBucket, Kind, Problem, Reader, Reading};

/// Whether a node is a bucket document.
pub(super) fn is_bucket(node: &Node) -> bool {
    node.get("bucket")
        .is_some_and(|name| name.as_str().is_some())
}

/// Reads a file that is one bucket document.
pub(super) fn read_one(reader: &Reader<'_>, node: &Node) -> Reading {
    let mut problems = Vec::new();
    let buckets = bucket(reader, node, "$", &mut problems)
        .into_iter()
        .collect();
    Reading {
        kind: Kind::BucketDocument,
        buckets,
        problems,
    }
}

/// Reads a list of bucket documents.
pub(super) fn read_list(reader: &Reader<'_>, places: &[Place]) -> Reading {
    let mut problems = Vec::new();
    let mut buckets = Vec::with_capacity(places.len());
    for (at, place) in places.iter().enumerate() {
        match json::parse_at(reader.text, place) {
            Ok(node) => buckets.extend(bucket(reader, &node, &format!("$[{at}]"), &mut problems)),
            Err(wrong) => problems.push(Problem::syntax(reader.file, wrong)),
        }
    }
    Reading {
        kind: Kind::BucketDocument,
        buckets,
        problems,
    }
}

fn bucket(
    reader: &Reader<'_>,
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<InputBucket> {
    let Some(name) = node.get_str("bucket") else {
        problems.push(Problem {
            line: Some(node.line),
            ..Problem::of_file(
                reader.file,
                format!(
                    "{path} is not a bucket document: it has no \"bucket\" with the bucket's name"
                ),
            )
        });
        return None;
    };
    let mut input = reader.bucket(name, node);
    input.source.path = Some(path.to_owned());
    input.id = node.get("id").and_then(Node::scalar_text);
    input.region = node.get_str("region").map(str::to_owned);
    let mut part = Part {
        reader,
        name,
        problems,
    };

    if let Some(member) = node.repeated() {
        // Readers of JSON differ in which one they take, so somebody is deceived.
        part.wrong(
            format!("{member:?} stands twice in the document; the last one is taken"),
            node.line,
        );
    }

    let found = &mut input.bucket;
    found.partition = match node.get_str("partition") {
        Some(partition) => partition.to_owned(),
        None => reader.partition(input.region.as_deref()),
    };
    if let Some(account) = node.get("owner_account").and_then(Node::scalar_text) {
        found.owner_account = Some(account);
    }
    if let Some(text) = node
        .get_str("as_of")
        .filter(|_| reader.options.as_of.is_none())
    {
        match text.parse::<Timestamp>() {
            Ok(as_of) => found.as_of = as_of,
            Err(_) => part.wrong(
                format!("as_of {text:?} is not a time like 2026-01-01T00:00:00Z; now is taken"),
                node.line,
            ),
        }
    }

    if let Some(policy) = node.get("policy") {
        let (policy, line) = members::bucket_policy(policy, reader.text);
        input.source.policy_line = line;
        found.policy = part.take(policy);
    }
    part.read(node, "acl", &mut found.acl, members::acl);
    part.read(node, "ownership", &mut found.ownership, members::ownership);
    if let Some(blocks) = node.get("bpa") {
        part.blocks(blocks, &mut found.public_access_block);
    }
    part.read(node, "access_points", &mut found.access_points, |points| {
        access_points(points, reader.text)
    });
    part.read(
        node,
        "resource_control_policies",
        &mut found.resource_control_policies,
        |policies| policy_list(policies, reader.text),
    );
    Some(input)
}

/// The parts of one bucket document, as they are read.
struct Part<'a> {
    reader: &'a Reader<'a>,
    name: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Part<'_> {
    fn wrong(&mut self, message: String, line: usize) {
        self.problems
            .push(self.reader.problem(self.name, message, line));
    }

    fn take<T>(&mut self, found: Found<T>) -> Observed<T> {
        if let Some((message, line)) = found.wrong {
            self.wrong(message, line);
        }
        found.observed
    }

    /// Reads a member into its place; one that is missing leaves the place as it is.
    fn read<T>(
        &mut self,
        node: &Node,
        member: &str,
        place: &mut Observed<T>,
        read: impl FnOnce(&Node) -> Found<T>,
    ) {
        if let Some(value) = node.get(member) {
            *place = self.take(read(value));
        }
    }

    /// Block Public Access: `{"bucket", "account", "organization"}`, or the bucket's own as
    /// `aws s3api get-public-access-block` prints it.
    fn blocks(&mut self, node: &Node, levels: &mut BlockLevels) {
        let read = members::public_access_block;
        if node.as_str() == Some("unknown") {
            for level in [
                &mut levels.bucket,
                &mut levels.account,
                &mut levels.organization,
            ] {
                *level = Observed::Unknown(Unread::SaidUnknown);
            }
            return;
        }
        let node = members::unwrapped(node);
        let has_levels = ["bucket", "account", "organization"]
            .iter()
            .any(|level| node.get(level).is_some());
        if has_levels {
            self.read(&node, "bucket", &mut levels.bucket, read);
            self.read(&node, "account", &mut levels.account, read);
            self.read(&node, "organization", &mut levels.organization, read);
        } else {
            levels.bucket = self.take(read(&node));
        }
    }
}

/// Access points: `[{"arn", "vpc_origin": bool, "policy", "bpa"}]`.
fn access_points(node: &Node, source: &str) -> Found<Vec<AccessPoint>> {
    if node.as_str() == Some("unknown") {
        return Found::of(Observed::Unknown(Unread::SaidUnknown));
    }
    let mut wrong = None;
    let points: Vec<AccessPoint> = node
        .elements()
        .iter()
        .map(|point| {
            let mut keep = |w: Option<(String, usize)>| wrong = wrong.take().or(w);
            let arn = point
                .get_any(&["arn", "AccessPointArn"])
                .and_then(Node::as_str);
            if arn.is_none() {
                keep(Some(("an access point has no arn".to_owned(), point.line)));
            }
            let policy = point
                .get("policy")
                .map_or(Found::of(Observed::Absent), |p| {
                    members::bucket_policy(p, source).0
                });
            keep(policy.wrong);
            let block = point
                .get("bpa")
                .map_or(Found::of(Observed::Absent), members::public_access_block);
            keep(block.wrong);
            let vpc_origin = point.get("vpc_origin").and_then(Node::as_bool);
            let network_origin = point.get_str("NetworkOrigin").map(|origin| origin == "VPC");
            AccessPoint {
                arn: arn.unwrap_or_default().to_owned(),
                vpc_origin: vpc_origin.or(network_origin).unwrap_or(false),
                policy: policy.observed,
                public_access_block: block.observed,
            }
        })
        .collect();
    Found {
        observed: if points.is_empty() {
            Observed::Absent
        } else {
            Observed::Present(points)
        },
        wrong,
    }
}

fn policy_list(node: &Node, source: &str) -> Found<Vec<Policy>> {
    if node.as_str() == Some("unknown") {
        return Found::of(Observed::Unknown(Unread::SaidUnknown));
    }
    let mut policies = Vec::new();
    for element in node.elements() {
        let found = members::bucket_policy(element, source).0;
        match found.observed {
            Observed::Present(policy) => policies.push(policy),
            Observed::Absent => {}
            // One that cannot be read may refuse anything: the whole layer is unknown.
            Observed::Unknown(unread) => {
                return Found {
                    observed: Observed::Unknown(unread),
                    wrong: found.wrong,
                };
            }
        }
    }
    Found::of(if policies.is_empty() {
        Observed::Absent
    } else {
        Observed::Present(policies)
    })
}
