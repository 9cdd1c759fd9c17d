//! CloudFormation's intrinsic functions, as far as a template alone decides them.
//!
//! Parameters count with their defaults. What AWS assigns at deployment and what nobody outside can
//! choose stands for itself by a fixed name: the account, the region, the stack, and the physical
//! names and ARNs of the template's own resources. A policy that trusts `!GetAtt Role.Arn` trusts one
//! fixed role whatever its final ARN will be, so the verdict does not depend on it. Anything else
//! that the template does not decide is [`Unresolved`].

mod conditions;
mod references;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use crate::input::Options;
use crate::input::node::{Kind, Node};

use self::references::referred;

/// Stands for the account that a template will be deployed to.
pub(super) const DEPLOYING_ACCOUNT: &str = "000000000000";
/// Stands for the region that a template will be deployed to.
const DEPLOYING_REGION: &str = "us-east-1";
/// How many function calls one property may take: functions can nest.
const MAX_CALLS: usize = 10_000;

/// A value that the template does not decide.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    /// The address of the property and what it waits for.
    pub(super) attribute: String,
}

/// `None`: the value is `AWS::NoValue`, so the member that it stands in is left out.
type Resolved = Result<Option<Node>, Unresolved>;

pub(super) struct Resolver<'a> {
    template: &'a Node,
    account: String,
    partition: String,
    /// Physical names of the template's buckets, by logical id.
    buckets: HashMap<&'a str, String>,
    /// What the names of the template's buckets are made of. A parameter among it holds no wildcard,
    /// since a bucket's name cannot, so it is one fixed text wherever it is used.
    in_names: HashSet<String>,
    calls: Cell<usize>,
    /// The conditions that were decided; one that is being decided stands here as undecided, so that
    /// cycles end.
    conditions: RefCell<HashMap<String, Option<bool>>>,
}

/// Where a value is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Anywhere.
    Value,
    /// In a bucket's name or a policy's resources: a parameter without a value stands for one fixed
    /// name, the same wherever it is used so.
    Name,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(template: &'a Node, options: &Options) -> Resolver<'a> {
        let mut resolver = Resolver {
            template,
            account: options
                .owner_account
                .clone()
                .unwrap_or_else(|| DEPLOYING_ACCOUNT.to_owned()),
            partition: options
                .partition
                .clone()
                .unwrap_or_else(|| "aws".to_owned()),
            buckets: HashMap::new(),
            in_names: HashSet::new(),
            calls: Cell::new(0),
            conditions: RefCell::new(HashMap::new()),
        };
        for (id, resource) in resolver.resources() {
            if resource.get_str("Type") == Some(super::BUCKET) {
                let name = resource
                    .get("Properties")
                    .and_then(|properties| properties.get("BucketName"));
                if let Some(name) = name {
                    referred(name, &mut resolver.in_names);
                }
                let name = name
                    .and_then(|name| resolver.resolve_name(name, id).ok().flatten())
                    .and_then(|name| name.scalar_text())
                    .unwrap_or_else(|| generated_name(id));
                resolver.buckets.insert(id, name);
            }
        }
        resolver
    }

    fn resources(&self) -> &'a [(String, Node)] {
        self.template
            .get("Resources")
            .map(Node::members)
            .unwrap_or_default()
    }

    /// The account that the template is deployed to.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// The partition that the template is deployed to.
    pub(super) fn partition(&self) -> &str {
        &self.partition
    }

    /// The name of a bucket of the template.
    pub(super) fn bucket_name(&self, id: &str) -> String {
        self.buckets
            .get(id)
            .cloned()
            .unwrap_or_else(|| generated_name(id))
    }

    /// Whether a value is a function's.
    pub(super) fn is_call(&self, node: &Node) -> bool {
        call(node).is_some()
    }

    /// A property's value, every function in it resolved.
    pub(super) fn resolve(&self, node: &Node, address: &str) -> Resolved {
        self.calls.set(0);
        self.value(node, address, Use::Value)
    }

    /// A bucket's name.
    pub(super) fn resolve_name(&self, node: &Node, address: &str) -> Resolved {
        self.calls.set(0);
        self.value(node, address, Use::Name)
    }

    fn value(&self, node: &Node, address: &str, used: Use) -> Resolved {
        if let Some((function, argument)) = call(node) {
            self.calls.set(self.calls.get() + 1);
            if self.calls.get() > MAX_CALLS {
                return Err(unresolved(address, "more functions than are resolved"));
            }
            return self.call(function, argument, node, address, used);
        }
        let kind = match &node.kind {
            Kind::String(text) if text.contains("{{resolve:") => {
                return Err(unresolved(address, "a dynamic reference"));
            }
            Kind::Sequence(elements) => {
                let mut resolved = Vec::with_capacity(elements.len());
                for (at, element) in elements.iter().enumerate() {
                    resolved.extend(self.value(element, &format!("{address}[{at}]"), used)?);
                }
                Kind::Sequence(resolved)
            }
            Kind::Mapping(members) => {
                let mut resolved = Vec::with_capacity(members.len());
                for (name, member) in members {
                    let used = if name == "Resource" || name == "NotResource" {
                        Use::Name
                    } else {
                        used
                    };
                    let member = self.value(member, &format!("{address}.{name}"), used)?;
                    resolved.extend(member.map(|member| (name.clone(), member)));
                }
                Kind::Mapping(resolved)
            }
            scalar => scalar.clone(),
        };
        // An object whose functions were replaced is no longer what its bytes say.
        let changed = kind != node.kind;
        Ok(Some(Node {
            kind,
            tag: None,
            span: if changed { 0..0 } else { node.span.clone() },
            line: node.line,
        }))
    }

    fn call(
        &self,
        function: &str,
        argument: &Node,
        node: &Node,
        address: &str,
        used: Use,
    ) -> Resolved {
        let text = |text: String| Ok(Some(Node::text_at(text, node)));
        match function {
            "Ref" => {
                let name = argument.as_str().unwrap_or_default();
                if name == "AWS::NoValue" {
                    return Ok(None);
                }
                self.reference(name, node, address, used).map(Some)
            }
            "Fn::GetAtt" => {
                let (id, attribute) = attribute_of(argument);
                match self.attribute(&id, &attribute) {
                    Some(value) => text(value),
                    None => Err(unresolved(address, &format!("{id}.{attribute}"))),
                }
            }
            "Fn::Sub" => self.substitute(argument, address, used).and_then(text),
            "Fn::Join" => {
                let [separator, list] = argument.elements() else {
                    return Err(unresolved(address, "Fn::Join"));
                };
                let separator = separator.as_str().unwrap_or_default().to_owned();
                let list = self.value(list, address, used)?;
                let parts: Option<Vec<String>> = list
                    .as_ref()
                    .map(Node::elements)
                    .unwrap_or_default()
                    .iter()
                    .map(Node::scalar_text)
                    .collect();
                match parts {
                    Some(parts) => text(parts.join(&separator)),
                    None => Err(unresolved(address, "Fn::Join")),
                }
            }
            "Fn::Split" => {
                let [separator, joined] = argument.elements() else {
                    return Err(unresolved(address, "Fn::Split"));
                };
                let joined = self.value(joined, address, used)?;
                match (separator.as_str(), joined.as_ref().and_then(Node::as_str)) {
                    (Some(separator), Some(joined)) if !separator.is_empty() => {
                        let parts = joined.split(separator).map(|p| Node::text_at(p, node));
                        let kind = Kind::Sequence(parts.collect());
                        Ok(Some(Node {
                            kind,
                            ..Node::text_at("", node)
                        }))
                    }
                    _ => Err(unresolved(address, "Fn::Split")),
                }
            }
            "Fn::Select" => {
                let [at, list] = argument.elements() else {
                    return Err(unresolved(address, "Fn::Select"));
                };
                let at = self.value(at, address, used)?;
                let list = self.value(list, address, used)?;
                let at = at.and_then(|at| at.scalar_text()?.parse::<usize>().ok());
                match (at, list) {
                    (Some(at), Some(list)) if at < list.elements().len() => {
                        Ok(list.elements().get(at).cloned())
                    }
                    _ => Err(unresolved(address, "Fn::Select")),
                }
            }
            "Fn::FindInMap" => self.find_in_map(argument, address, used),
            "Fn::If" => {
                let [condition, then, otherwise] = argument.elements() else {
                    return Err(unresolved(address, "Fn::If"));
                };
                let name = condition.as_str().unwrap_or_default();
                match self.named_condition(name) {
                    Some(true) => self.value(then, address, used),
                    Some(false) => self.value(otherwise, address, used),
                    None => Err(unresolved(address, &format!("the condition {name}"))),
                }
            }
            other => Err(unresolved(address, other)),
        }
    }

    fn find_in_map(&self, argument: &Node, address: &str, used: Use) -> Resolved {
        let mut keys = Vec::new();
        for key in argument.elements().iter().take(3) {
            let key = self.value(key, address, used)?;
            keys.push(key.and_then(|key| key.scalar_text()));
        }
        let mut keys = keys.into_iter();
        let mut at = self.template.get("Mappings");
        for _ in 0..3 {
            let key = keys.next().flatten();
            at = match (at, key) {
                (Some(node), Some(key)) => node.get(&key),
                _ => None,
            };
        }
        match at {
            Some(found) => Ok(Some(found.clone())),
            None => Err(unresolved(address, "Fn::FindInMap")),
        }
    }
}

/// CloudFormation names a bucket after stack, logical id and a random part.
fn generated_name(id: &str) -> String {
    id.to_ascii_lowercase()
}

fn unresolved(address: &str, what: &str) -> Unresolved {
    Unresolved {
        attribute: format!("{address} ({what})"),
    }
}

/// A function call: a tag, or an object with the function as its one member. The argument of a tag
/// is the tagged value itself, so it must be taken apart, never resolved as a whole.
fn call(node: &Node) -> Option<(&str, &Node)> {
    if let Some(tag) = &node.tag {
        let function = match tag.as_str() {
            "GetAtt" => "Fn::GetAtt",
            "Sub" => "Fn::Sub",
            "Join" => "Fn::Join",
            "Split" => "Fn::Split",
            "Select" => "Fn::Select",
            "FindInMap" => "Fn::FindInMap",
            "If" => "Fn::If",
            "Not" => "Fn::Not",
            "And" => "Fn::And",
            "Or" => "Fn::Or",
            "Equals" => "Fn::Equals",
            // `Ref` and `Condition` have no prefix; others are named as they stand.
            other => other,
        };
        return Some((function, node));
    }
    match node.members() {
        [(name, argument)]
            if name == "Ref" || name.starts_with("Fn::") || is_condition(name, argument) =>
        {
            Some((name, argument))
        }
        _ => None,
    }
}

/// `{"Condition": "Name"}` names a condition; a policy statement's `Condition` is an object.
fn is_condition(name: &str, argument: &Node) -> bool {
    name == "Condition" && argument.as_str().is_some()
}

fn attribute_of(argument: &Node) -> (String, String) {
    match &argument.kind {
        Kind::String(text) => match text.split_once('.') {
            Some((id, attribute)) => (id.to_owned(), attribute.to_owned()),
            None => (text.clone(), String::new()),
        },
        _ => {
            let mut parts = argument.elements().iter().map(Node::scalar_text);
            let mut next = || parts.next().flatten().unwrap_or_default();
            (next(), next())
        }
    }
}
