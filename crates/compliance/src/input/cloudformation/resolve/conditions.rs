//! A template's conditions, as far as it decides them.

use crate::input::node::{Kind, Node};

use super::{Resolver, Use, call};

impl Resolver<'_> {
    /// Whether a resource will be there: `None` if the template does not decide it.
    pub(in crate::input::cloudformation) fn condition_of(&self, resource: &Node) -> Option<bool> {
        match resource.get_str("Condition") {
            Some(name) => self.named_condition(name),
            None => Some(true),
        }
    }

    pub(super) fn named_condition(&self, name: &str) -> Option<bool> {
        if let Some(decided) = self.conditions.borrow().get(name) {
            return *decided;
        }
        self.conditions.borrow_mut().insert(name.to_owned(), None);
        let condition = self
            .template
            .get("Conditions")
            .and_then(|all| all.get(name));
        let decided = condition.and_then(|condition| self.condition(condition));
        self.conditions
            .borrow_mut()
            .insert(name.to_owned(), decided);
        decided
    }

    pub(super) fn condition(&self, node: &Node) -> Option<bool> {
        let (function, argument) = call(node)?;
        let each = || argument.elements().iter().map(|c| self.condition(c));
        match function {
            "Condition" => self.named_condition(argument.as_str()?),
            "Fn::Not" => each().next()?.map(|value| !value),
            "Fn::And" => {
                let values: Vec<_> = each().collect();
                if values.contains(&Some(false)) {
                    Some(false)
                } else if values.contains(&None) {
                    None
                } else {
                    Some(true)
                }
            }
            "Fn::Or" => {
                let values: Vec<_> = each().collect();
                if values.contains(&Some(true)) {
                    Some(true)
                } else if values.contains(&None) {
                    None
                } else {
                    Some(false)
                }
            }
            "Fn::Equals" => {
                // Where the stack goes is not known, so nothing is decided by it.
                let decided = |node: &Node| {
                    if mentions_deployment(node) {
                        return None;
                    }
                    self.value(node, "", Use::Value).ok()?
                };
                let [left, right] = argument.elements() else {
                    return None;
                };
                let (left, right) = (decided(left)?, decided(right)?);
                Some(left.scalar_text()? == right.scalar_text()?)
            }
            _ => None,
        }
    }
}

fn mentions_deployment(node: &Node) -> bool {
    match &node.kind {
        Kind::String(text) => ["AWS::AccountId", "AWS::Region", "AWS::StackName"]
            .iter()
            .any(|pseudo| text.contains(pseudo)),
        Kind::Sequence(elements) => elements.iter().any(mentions_deployment),
        Kind::Mapping(members) => members.iter().any(|(_, m)| mentions_deployment(m)),
        _ => false,
    }
}
