//! Terraform plans and states, as `terraform show -json` prints them (Terraform, "JSON output
//! format").
//!
//! A bucket's configuration is spread over several resources; [`references`] finds which bucket each
//! belongs to, by the name if the plan knows it and by the configuration's references if not. A value
//! that the plan does not know yet is [`Unread::KnownLater`] with its address. What a new bucket's
//! configuration leaves out is what AWS gives it (all four settings of Block Public Access on, ACLs
//! off; Amazon S3 user guide, "Default settings for new S3 buckets FAQ"); of a bucket that exists
//! already the plan does not tell, so it is unknown.

mod references;
mod resources;

use policy::bucket::{Acl, Grant, ObjectOwnership, PublicAccessBlock};
use policy::observed::{Observed, Unread};

use self::references::Configuration;
use self::resources::{Plan, Resource};
use super::members::{self, Found};
use super::node::{Kind as Value, Node};
use super::{InputBucket, Kind, Problem, Reader, Reading};

const BUCKET: &str = "aws_s3_bucket";
const ACL: &str = "aws_s3_bucket_acl";
const POLICY: &str = "aws_s3_bucket_policy";
const BLOCK: &str = "aws_s3_bucket_public_access_block";
const OWNERSHIP: &str = "aws_s3_bucket_ownership_controls";
const ACCOUNT_BLOCK: &str = "aws_s3_account_public_access_block";

/// Whether a node is a plan or a state.
pub(super) fn is_plan(node: &Node) -> bool {
    node.get("format_version").is_some()
        && [
            "planned_values",
            "resource_changes",
            "values",
            "terraform_version",
        ]
        .iter()
        .any(|name| node.get(name).is_some())
}

/// Reads the buckets of a plan.
pub(super) fn read(reader: &Reader<'_>, node: &Node) -> Reading {
    let plan = Plan::new(node);
    let configuration = Configuration::new(node);
    let mut estate = Estate {
        reader,
        plan: &plan,
        configuration: &configuration,
        owners: Vec::new(),
        buckets: Vec::new(),
        problems: Vec::new(),
    };
    for bucket in plan.of_type(BUCKET) {
        estate.bucket(bucket);
    }
    for resource in plan.of_type(OWNERSHIP) {
        estate.part(resource, |estate, resource, at| {
            let found = estate.attribute(resource, "rule", members::ownership);
            estate.buckets[at].bucket.ownership = found.unwrap_or(Observed::Absent);
        });
    }
    for resource in plan.of_type(BLOCK) {
        estate.part(resource, |estate, resource, at| {
            estate.buckets[at].bucket.public_access_block.bucket = estate.block(resource);
        });
    }
    for resource in plan.of_type(ACL) {
        estate.part(resource, |estate, resource, at| {
            estate.buckets[at].bucket.acl = estate.acl(resource);
        });
    }
    for resource in plan.of_type(POLICY) {
        estate.part(resource, |estate, resource, at| {
            let source = "";
            let found = estate.attribute(resource, "policy", |node| {
                members::bucket_policy(node, source).0
            });
            estate.buckets[at].bucket.policy = found.unwrap_or(Observed::Absent);
            estate.buckets[at].source.policy_line = None;
        });
    }
    estate.account_block();
    let says = |name: &str, value: bool| node.get(name).and_then(Node::as_bool) == Some(value);
    if says("errored", true) || says("complete", false) {
        estate.problems.push(Problem::of_file(
            reader.file,
            "the plan is not complete: what it leaves out was not looked at",
        ));
    }
    Reading {
        kind: Kind::Terraform,
        buckets: estate.buckets,
        problems: estate.problems,
    }
}

struct Estate<'a> {
    reader: &'a Reader<'a>,
    plan: &'a Plan<'a>,
    configuration: &'a Configuration<'a>,
    /// The bucket resources, each at the index of its bucket; buckets that stand elsewhere follow.
    owners: Vec<&'a Resource<'a>>,
    buckets: Vec<InputBucket>,
    problems: Vec<Problem>,
}

impl<'a> Estate<'a> {
    fn new_bucket(&self, name: &str, resource: &Resource<'_>) -> InputBucket {
        let mut input = self.reader.bucket(name, resource.node);
        input.id = Some(resource.address.clone());
        input.source.path = Some(resource.address.clone());
        input.region = resource.values.get_str("region").map(str::to_owned);
        input.bucket.partition = self.reader.partition(input.region.as_deref());
        if input.bucket.owner_account.is_none() {
            input.bucket.owner_account = self.plan.account.clone();
        }
        input
    }

    fn bucket(&mut self, resource: &'a Resource<'a>) {
        let name = match resource.values.get_str("bucket") {
            Some(name) => name.to_owned(),
            None => resource.address.clone(),
        };
        let mut input = self.new_bucket(&name, resource);
        let found = &mut input.bucket;
        if resource.created {
            found.public_access_block.bucket = Observed::Present(PublicAccessBlock::ALL);
            found.ownership = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
        } else {
            let unseen = |what: &str| {
                Unread::Failed(format!(
                    "the bucket exists already and the plan does not show {what}"
                ))
            };
            found.public_access_block.bucket = Observed::Unknown(unseen("its Block Public Access"));
            found.ownership = Observed::Unknown(unseen("its Object Ownership"));
        }
        input.bucket.policy = self
            .inline(resource, "policy", |node| {
                members::bucket_policy(node, "").0
            })
            .unwrap_or(Observed::Absent);
        let canned = self.inline(resource, "acl", members::acl);
        let grants = self.inline(resource, "grant", inline_grants);
        input.bucket.acl = match (canned, grants) {
            (Some(acl), _) | (None, Some(acl)) => acl,
            (None, None) => Observed::Present(Acl::default()),
        };
        // What this plan takes away is gone afterwards, whatever the state still shows.
        let found = &mut input.bucket;
        for (kind, before) in &self.plan.deleted {
            if before.get_str("bucket") != Some(name.as_str()) {
                continue;
            }
            match *kind {
                BLOCK => found.public_access_block.bucket = Observed::Absent,
                OWNERSHIP => found.ownership = Observed::Absent,
                POLICY => found.policy = Observed::Absent,
                _ => {}
            }
        }
        self.owners.push(resource);
        self.buckets.push(input);
    }

    /// An attribute of the bucket resource itself. The provider computes these where they are not
    /// set, so a value that is not known counts only if the configuration sets it.
    fn inline<T>(
        &mut self,
        resource: &Resource<'_>,
        name: &str,
        read: impl FnOnce(&Node) -> Found<T>,
    ) -> Option<Observed<T>> {
        if resource.is_unknown(name) && !self.configuration.sets(resource, name) {
            return None;
        }
        let empty = resource.values.get(name).is_none_or(|value| {
            value.is_null()
                || value.as_str() == Some("")
                || matches!(&value.kind, Value::Sequence(elements) if elements.is_empty())
        });
        if empty && !resource.is_unknown(name) {
            return None;
        }
        self.attribute(resource, name, read)
    }

    /// One attribute; `None` if it is not set.
    fn attribute<T>(
        &mut self,
        resource: &Resource<'_>,
        name: &str,
        read: impl FnOnce(&Node) -> Found<T>,
    ) -> Option<Observed<T>> {
        if resource.is_unknown(name) {
            return Some(Observed::Unknown(Unread::KnownLater {
                attribute: format!("{}.{name}", resource.address),
            }));
        }
        let value = resource.values.get(name)?;
        let found = read(value);
        if let Some((message, line)) = found.wrong {
            let message = format!("{}.{name}: {message}", resource.address);
            self.problems.push(Problem {
                line: Some(line).filter(|line| *line > 0),
                ..Problem::of_file(self.reader.file, message)
            });
        }
        Some(found.observed)
    }

    fn block(&mut self, resource: &Resource<'_>) -> Observed<PublicAccessBlock> {
        // The two settings that act on existing access decide; the other two only on later writes.
        for name in ["ignore_public_acls", "restrict_public_buckets"] {
            if resource.is_unknown(name) {
                return Observed::Unknown(Unread::KnownLater {
                    attribute: format!("{}.{name}", resource.address),
                });
            }
        }
        let found = members::public_access_block(resource.values);
        if let Some((message, line)) = found.wrong {
            let message = format!("{}: {message}", resource.address);
            self.problems.push(Problem {
                line: Some(line),
                ..Problem::of_file(self.reader.file, message)
            });
        }
        found.observed
    }

    fn acl(&mut self, resource: &Resource<'_>) -> Observed<Acl> {
        let canned = resource.values.get("acl").is_some_and(|acl| !acl.is_null());
        if canned {
            let found = self.attribute(resource, "acl", members::acl);
            return found.unwrap_or(Observed::Absent);
        }
        let found = self.attribute(resource, "access_control_policy", access_control_policy);
        found.unwrap_or(Observed::Absent)
    }

    /// Gives a resource to the buckets that it belongs to, or to a bucket that stands elsewhere.
    fn part(
        &mut self,
        resource: &Resource<'_>,
        give: impl Fn(&mut Estate<'a>, &Resource<'_>, usize),
    ) {
        let named = resource.values.get_str("bucket");
        let mut owners: Vec<usize> = Vec::new();
        if let Some(name) = named {
            owners.extend(self.buckets.iter().position(|b| b.bucket.name == name));
        } else {
            let found = self.configuration.buckets_of(resource, self.plan);
            owners.extend(
                (0..self.owners.len())
                    .filter(|at| found.contains(&self.owners[*at].address.as_str())),
            );
        }
        if owners.is_empty() {
            let name = named.unwrap_or(&resource.address).to_owned();
            let input = self.new_bucket(&name, resource);
            if named.is_none() {
                self.problems.push(self.reader.problem(
                    &name,
                    format!(
                        "the plan does not tell which bucket {} belongs to; it is judged alone",
                        resource.address
                    ),
                    resource.node.line,
                ));
            }
            self.buckets.push(input);
            owners.push(self.buckets.len() - 1);
        }
        for at in owners {
            give(self, resource, at);
        }
    }

    fn account_block(&mut self) {
        let mut blocks = self.plan.of_type(ACCOUNT_BLOCK);
        let (Some(resource), None) = (blocks.next(), blocks.next()) else {
            // None, or several accounts' in one plan: it cannot be told whose is whose.
            return;
        };
        let block = self.block(resource);
        for input in &mut self.buckets {
            input.bucket.public_access_block.account = block.clone();
        }
    }
}

/// `grant` blocks of a bucket: each with several permissions.
fn inline_grants(node: &Node) -> Found<Acl> {
    let mut grants: Vec<Grant> = Vec::new();
    for grant in node.elements() {
        let permissions = grant.get("permissions").map(Node::elements);
        for permission in permissions.unwrap_or_default() {
            let members = Value::Mapping(vec![
                ("grantee".to_owned(), grant.clone()),
                ("permission".to_owned(), permission.clone()),
            ]);
            let one = Node {
                line: grant.line,
                ..Node::new(Value::Sequence(vec![Node::new(members)]))
            };
            match members::acl(&one) {
                Found {
                    observed: Observed::Present(acl),
                    ..
                } => grants.extend(acl.grants),
                found => return found,
            }
        }
    }
    Found::of(Observed::Present(Acl {
        owner: None,
        grants,
    }))
}

/// `access_control_policy` of `aws_s3_bucket_acl`: blocks are lists of one.
fn access_control_policy(node: &Node) -> Found<Acl> {
    let grants = node
        .elements()
        .iter()
        .filter_map(|policy| policy.get("grant"))
        .flat_map(|grants| grants.elements())
        .map(|grant| {
            let grantee = grant.get("grantee");
            let grantee = grantee.and_then(|g| g.elements().first().or(Some(g)));
            let mut members = Vec::new();
            members.extend(grantee.map(|g| ("grantee".to_owned(), g.clone())));
            members.extend(
                grant
                    .get("permission")
                    .map(|p| ("permission".to_owned(), p.clone())),
            );
            Node {
                line: grant.line,
                ..Node::new(Value::Mapping(members))
            }
        })
        .collect();
    members::acl(&Node {
        line: node.line,
        ..Node::new(Value::Sequence(grants))
    })
}
