//! CloudFormation templates: `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.
//!
//! What a template leaves out is what AWS gives a new bucket: since April 2023 all four settings of
//! Block Public Access are on and ACLs are off (Amazon S3 user guide, "Default settings for new S3
//! buckets FAQ"; AWS::S3::Bucket in the CloudFormation resource reference). Functions are resolved as
//! far as the template decides them ([`resolve`]); what it does not decide is
//! [`Unread::KnownLater`] with the property's address.

mod resolve;

use policy::bucket::{ObjectOwnership, PublicAccessBlock};
use policy::observed::{Observed, Unread};

use self::resolve::{Resolver, Unresolved};
use super::members::{self, Found};
use super::node::Node;
use super::{InputBucket, Kind, Problem, Reader, Reading};

const BUCKET: &str = "AWS::S3::Bucket";
const BUCKET_POLICY: &str = "AWS::S3::BucketPolicy";

/// Whether a node is a template: `Resources`, each with a `Type`.
pub(super) fn is_template(node: &Node) -> bool {
    let resources = node.get("Resources").map(Node::members).unwrap_or_default();
    resources
        .iter()
        .any(|(_, resource)| resource.get_str("Type").is_some_and(|t| t.contains("::")))
        || node.get("AWSTemplateFormatVersion").is_some()
}

/// Reads the buckets of a template.
pub(super) fn read(reader: &Reader<'_>, template: &Node) -> Reading {
    let resolver = Resolver::new(template, reader.options);
    let mut stack = Stack {
        reader,
        resolver: &resolver,
        buckets: Vec::new(),
        problems: Vec::new(),
    };
    let resources = template.get("Resources").map(Node::members);
    stack.unexpanded(resources.unwrap_or_default());
    let present = |kind: &'static str| {
        resources
            .unwrap_or_default()
            .iter()
            .filter(move |(_, r)| r.get_str("Type") == Some(kind))
    };
    for (id, resource) in present(BUCKET) {
        if resolver.condition_of(resource) != Some(false) {
            stack.bucket(id, resource);
        }
    }
    for (id, resource) in present(BUCKET_POLICY) {
        if resolver.condition_of(resource) != Some(false) {
            stack.policy(id, resource);
        }
    }
    Reading {
        kind: Kind::CloudFormation,
        buckets: stack.buckets,
        problems: stack.problems,
    }
}

struct Stack<'a> {
    reader: &'a Reader<'a>,
    resolver: &'a Resolver<'a>,
    buckets: Vec<InputBucket>,
    problems: Vec<Problem>,
}

impl Stack<'_> {
    /// Says what CloudFormation would turn into resources that nobody has looked at here.
    fn unexpanded(&mut self, resources: &[(String, Node)]) {
        for (name, resource) in resources {
            let kind = resource.get_str("Type").unwrap_or_default();
            let expands = name.starts_with("Fn::") || kind.ends_with("::MODULE");
            if expands {
                self.problems.push(
                    Problem {
                        line: Some(resource.line).filter(|line| *line > 0),
                        ..Problem::of_file(
                            self.reader.file,
                            format!("Resources.{name} is expanded by CloudFormation only, and was not looked at"),
                        )
                    }
                    .hint("check the processed template: `aws cloudformation get-template --template-stage Processed`"),
                );
            }
        }
    }

    fn bucket(&mut self, id: &str, resource: &Node) {
        let name = self.resolver.bucket_name(id);
        let empty = Node::new(super::node::Kind::Mapping(Vec::new()));
        let properties = resource.get("Properties").unwrap_or(&empty);
        let mut input = self.reader.bucket(&name, resource);
        input.id = Some(id.to_owned());
        input.source.path = Some(format!("Resources.{id}"));
        input.bucket.owner_account = Some(self.resolver.account().to_owned());
        input.bucket.partition = self.resolver.partition().to_owned();
        input.bucket.policy = Observed::Absent;
        input.bucket.public_access_block.bucket = self
            .property(
                id,
                &name,
                properties,
                "PublicAccessBlockConfiguration",
                members::public_access_block,
            )
            .unwrap_or(Observed::Present(PublicAccessBlock::ALL));
        input.bucket.ownership = self
            .property(
                id,
                &name,
                properties,
                "OwnershipControls",
                members::ownership,
            )
            .unwrap_or(Observed::Present(ObjectOwnership::BucketOwnerEnforced));
        input.bucket.acl = self
            .property(id, &name, properties, "AccessControl", members::acl)
            .unwrap_or(Observed::Present(policy::bucket::Acl::default()));
        self.buckets.push(input);
    }

    /// One property, resolved and read; `None` if the template leaves it out.
    fn property<T>(
        &mut self,
        id: &str,
        bucket: &str,
        properties: &Node,
        name: &str,
        read: impl FnOnce(&Node) -> Found<T>,
    ) -> Option<Observed<T>> {
        let address = format!("Resources.{id}.Properties.{name}");
        if self.resolver.is_call(properties) || properties.get("Fn::Transform").is_some() {
            // Whatever the property will be, a macro or a function decides it.
            return Some(Observed::Unknown(Unread::KnownLater { attribute: address }));
        }
        let node = properties.get(name)?;
        match self.resolver.resolve(node, &address) {
            Ok(None) => None,
            Ok(Some(node)) if node.is_null() => None,
            Ok(Some(node)) => {
                let found = read(&node);
                if let Some((message, line)) = found.wrong {
                    self.problems
                        .push(self.reader.problem(bucket, message, line));
                }
                Some(found.observed)
            }
            Err(Unresolved { attribute }) => {
                Some(Observed::Unknown(Unread::KnownLater { attribute }))
            }
        }
    }

    fn policy(&mut self, id: &str, resource: &Node) {
        let empty = Node::new(super::node::Kind::Null);
        let properties = resource.get("Properties").unwrap_or(&empty);
        let named = properties.get("Bucket").map(|bucket| {
            self.resolver
                .resolve_name(bucket, &format!("Resources.{id}.Properties.Bucket"))
        });
        let name = match named {
            Some(Ok(Some(node))) => node.scalar_text(),
            _ => None,
        };
        let at = name
            .as_deref()
            .and_then(|name| self.buckets.iter().position(|b| b.bucket.name == name));
        let at = match at {
            Some(at) => at,
            None => {
                // The bucket stands elsewhere: its policy is judged with what is known, nothing else.
                let name = name.unwrap_or_else(|| id.to_ascii_lowercase());
                let mut input = self.reader.bucket(&name, resource);
                input.id = Some(id.to_owned());
                input.source.path = Some(format!("Resources.{id}"));
                input.bucket.owner_account = Some(self.resolver.account().to_owned());
                input.bucket.partition = self.resolver.partition().to_owned();
                self.buckets.push(input);
                self.buckets.len() - 1
            }
        };
        let name = self.buckets[at].bucket.name.clone();
        let source = self.reader.text;
        let mut line = None;
        let found = self.property(id, &name, properties, "PolicyDocument", |node| {
            let (found, at) = members::bucket_policy(node, source);
            line = at;
            found
        });
        let input = &mut self.buckets[at];
        input.source.policy_line = line;
        match found {
            Some(policy) => input.bucket.policy = policy,
            None => self.problems.push(self.reader.problem(
                &name,
                format!("Resources.{id} has no PolicyDocument"),
                resource.line,
            )),
        }
    }
}
