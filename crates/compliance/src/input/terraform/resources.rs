//! The resources of a plan, with what is not known about them yet.

use std::collections::HashMap;

use crate::input::node::{Kind, Node};

/// One managed resource, as it will be.
pub(super) struct Resource<'a> {
    /// Such as `module.logs["eu"].aws_s3_bucket.this[0]`.
    pub(super) address: String,
    /// The module instance's part of the address; empty for the root module.
    pub(super) module: String,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    /// What stands in the last brackets of the address.
    pub(super) index: Option<String>,
    pub(super) values: &'a Node,
    /// What is not known yet: `true` where the value will be.
    unknown: Option<&'a Node>,
    /// Whether this plan creates it.
    pub(super) created: bool,
    pub(super) node: &'a Node,
}

impl Resource<'_> {
    /// Whether an attribute is not known yet, wholly or in part.
    pub(super) fn is_unknown(&self, attribute: &str) -> bool {
        fn any(node: &Node) -> bool {
            match &node.kind {
                Kind::Bool(unknown) => *unknown,
                Kind::Sequence(elements) => elements.iter().any(any),
                Kind::Mapping(members) => members.iter().any(|(_, m)| any(m)),
                _ => false,
            }
        }
        self.unknown.and_then(|u| u.get(attribute)).is_some_and(any)
    }
}

/// All resources of a plan or state.
pub(super) struct Plan<'a> {
    pub(super) resources: Vec<Resource<'a>>,
    /// Resources that are deleted and not replaced: their types and what they were.
    pub(super) deleted: Vec<(&'a str, &'a Node)>,
    /// The account, if the configuration asks who it is.
    pub(super) account: Option<String>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(node: &'a Node) -> Plan<'a> {
        let mut changes = HashMap::new();
        let mut deleted = Vec::new();
        for change in node
            .get("resource_changes")
            .map(Node::elements)
            .unwrap_or_default()
        {
            let Some(address) = change.get_str("address") else {
                continue;
            };
            let details = change.get("change");
            let actions: Vec<&str> = details
                .and_then(|details| details.get("actions"))
                .map(Node::elements)
                .unwrap_or_default()
                .iter()
                .filter_map(Node::as_str)
                .collect();
            if actions == ["delete"] {
                let before = details.and_then(|details| details.get("before"));
                deleted.extend(change.get_str("type").zip(before));
            }
            let unknown = details.and_then(|details| details.get("after_unknown"));
            changes.insert(address, (actions.contains(&"create"), unknown));
        }
        let mut plan = Plan {
            resources: Vec::new(),
            deleted,
            account: None,
        };
        let values = node.get_any(&["planned_values", "values"]);
        if let Some(root) = values.and_then(|values| values.get("root_module")) {
            plan.module(root, "", &changes);
        }
        let prior = node
            .get("prior_state")
            .and_then(|state| state.get("values"));
        for root in [prior, values].into_iter().flatten() {
            if let Some(root) = root.get("root_module") {
                plan.account = plan.account.or_else(|| account(root));
            }
        }
        plan
    }

    fn module(
        &mut self,
        module: &'a Node,
        address: &str,
        changes: &HashMap<&str, (bool, Option<&'a Node>)>,
    ) {
        for node in module
            .get("resources")
            .map(Node::elements)
            .unwrap_or_default()
        {
            let (Some(at), Some(kind), Some(name), Some(values)) = (
                node.get_str("address"),
                node.get_str("type"),
                node.get_str("name"),
                node.get("values"),
            ) else {
                continue;
            };
            if node.get_str("mode") == Some("data") || !kind.starts_with("aws_s3_") {
                continue;
            }
            let (created, unknown) = changes.get(at).copied().unwrap_or((false, None));
            self.resources.push(Resource {
                address: at.to_owned(),
                module: address.to_owned(),
                kind,
                name,
                index: node.get("index").and_then(Node::scalar_text),
                values,
                unknown,
                created,
                node,
            });
        }
        for child in module
            .get("child_modules")
            .map(Node::elements)
            .unwrap_or_default()
        {
            let address = child.get_str("address").unwrap_or_default();
            self.module(child, address, changes);
        }
    }

    pub(super) fn of_type(&self, kind: &'static str) -> impl Iterator<Item = &Resource<'a>> {
        self.resources.iter().filter(move |r| r.kind == kind)
    }
}

/// The account that `data.aws_caller_identity` gave, anywhere in a module tree.
fn account(module: &Node) -> Option<String> {
    let own = module
        .get("resources")
        .map(Node::elements)
        .unwrap_or_default()
        .iter()
        .filter(|r| r.get_str("type") == Some("aws_caller_identity"))
        .find_map(|r| r.get("values")?.get_str("account_id").map(str::to_owned));
    own.or_else(|| {
        let children = module.get("child_modules").map(Node::elements);
        children.unwrap_or_default().iter().find_map(account)
    })
}
