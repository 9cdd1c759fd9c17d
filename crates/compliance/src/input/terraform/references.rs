//! Which bucket a resource belongs to, where the plan does not know the bucket's name yet.
//!
//! The plan's `configuration` lists for each expression what it refers to. A reference is followed
//! through variables into the calling module, through outputs into the called one, and through
//! `each` into the resource's `for_each`.

use super::BUCKET;
use super::resources::{Plan, Resource};
use crate::input::node::Node;

/// How many references are followed from one to the next.
const MAX_STEPS: usize = 32;

pub(super) struct Configuration<'a> {
    root: Option<&'a Node>,
}

/// One step of a module instance's address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    name: String,
    index: Option<String>,
}

impl<'a> Configuration<'a> {
    pub(super) fn new(plan: &'a Node) -> Configuration<'a> {
        Configuration {
            root: plan
                .get("configuration")
                .and_then(|configuration| configuration.get("root_module")),
        }
    }

    /// Whether the configuration sets an attribute of a resource.
    pub(super) fn sets(&self, resource: &Resource<'_>, attribute: &str) -> bool {
        self.resource(&steps(&resource.module), resource.kind, resource.name)
            .and_then(|r| r.get("expressions"))
            .is_some_and(|expressions| expressions.get(attribute).is_some())
    }

    /// The addresses of the buckets that a resource's `bucket` refers to.
    pub(super) fn buckets_of<'p>(
        &self,
        resource: &Resource<'_>,
        plan: &'p Plan<'_>,
    ) -> Vec<&'p str> {
        let module = steps(&resource.module);
        let Some(configured) = self.resource(&module, resource.kind, resource.name) else {
            return Vec::new();
        };
        let bucket = configured
            .get("expressions")
            .and_then(|expressions| expressions.get("bucket"));
        let mut search = Search {
            configuration: self,
            plan,
            each: configured.get("for_each_expression"),
            index: resource.index.clone(),
            left: MAX_STEPS,
            found: Vec::new(),
        };
        search.expression(bucket, &module);
        search.found
    }

    fn module(&self, module: &[Step]) -> Option<&'a Node> {
        let mut at = self.root?;
        for step in module {
            at = at.get("module_calls")?.get(&step.name)?.get("module")?;
        }
        Some(at)
    }

    fn resource(&self, module: &[Step], kind: &str, name: &str) -> Option<&'a Node> {
        self.module(module)?
            .get("resources")?
            .elements()
            .iter()
            .find(|r| r.get_str("type") == Some(kind) && r.get_str("name") == Some(name))
    }
}

struct Search<'a, 'p> {
    configuration: &'a Configuration<'a>,
    plan: &'p Plan<'p>,
    /// What the resource's `for_each` is made of.
    each: Option<&'a Node>,
    /// The instance whose counterpart is looked for.
    index: Option<String>,
    left: usize,
    found: Vec<&'p str>,
}

impl Search<'_, '_> {
    fn expression(&mut self, expression: Option<&Node>, module: &[Step]) {
        let references = expression
            .and_then(|expression| expression.get("references"))
            .map(Node::elements)
            .unwrap_or_default();
        // `aws_s3_bucket.a.id` is followed by `aws_s3_bucket.a`: the most exact one comes first.
        for reference in references.iter().filter_map(Node::as_str) {
            if !self.found.is_empty() || self.left == 0 {
                return;
            }
            self.left -= 1;
            self.reference(reference, module);
        }
    }

    fn reference(&mut self, reference: &str, module: &[Step]) {
        let mut parts = split(reference).into_iter();
        let (Some(head), next) = (parts.next(), parts.next()) else {
            return;
        };
        match (head.name.as_str(), next) {
            (BUCKET, Some(resource)) => self.resource(&resource, module),
            ("var", Some(variable)) => {
                let Some((call, outer)) = module.split_last() else {
                    return;
                };
                let expression = self.configuration.module(outer).and_then(|m| {
                    m.get("module_calls")?
                        .get(&call.name)?
                        .get("expressions")?
                        .get(&variable.name)
                });
                // Inside the caller it is the module's own index that tells instances apart.
                let inner = std::mem::replace(&mut self.index, call.index.clone());
                self.expression(expression, outer);
                self.index = inner;
            }
            ("module", Some(call)) => {
                let Some(output) = parts.next() else {
                    return;
                };
                let mut inner = module.to_vec();
                let index = call.index.or_else(|| self.index.clone());
                inner.push(Step {
                    name: call.name,
                    index: None,
                });
                // The module may have one instance without an index, or one for each index.
                let instance = address(&inner);
                if !self.plan.resources.iter().any(|r| r.module == instance)
                    && let Some(last) = inner.last_mut()
                {
                    last.index = index;
                }
                let expression = self
                    .configuration
                    .module(&inner)
                    .and_then(|m| m.get("outputs")?.get(&output.name)?.get("expression"));
                self.expression(expression, &inner);
            }
            ("each", _) => {
                let each = self.each.take();
                self.expression(each, module);
            }
            _ => {}
        }
    }

    fn resource(&mut self, reference: &Step, module: &[Step]) {
        let module = address(module);
        let candidates: Vec<_> = self
            .plan
            .of_type(BUCKET)
            .filter(|bucket| bucket.module == module && bucket.name == reference.name)
            .collect();
        let index = reference.index.as_ref().or(self.index.as_ref());
        let chosen = match candidates.as_slice() {
            [only] => Some(only),
            several => several.iter().find(|bucket| bucket.index.as_ref() == index),
        };
        self.found
            .extend(chosen.map(|bucket| bucket.address.as_str()));
    }
}

/// The steps of a module instance's address: `module.a["x"].module.b`.
fn steps(address: &str) -> Vec<Step> {
    split(address).into_iter().skip(1).step_by(2).collect()
}

fn address(module: &[Step]) -> String {
    let steps: Vec<String> = module
        .iter()
        .map(|step| match &step.index {
            None => format!("module.{}", step.name),
            Some(index) if index.parse::<u64>().is_ok() => format!("module.{}[{index}]", step.name),
            Some(index) => format!("module.{}[{index:?}]", step.name),
        })
        .collect();
    steps.join(".")
}

/// Splits at dots outside brackets; the text in brackets is the index, without its quotes.
fn split(address: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut name = String::new();
    let mut index: Option<String> = None;
    let mut in_brackets = false;
    for c in address.chars() {
        match c {
            '[' if !in_brackets => {
                in_brackets = true;
                index = Some(String::new());
            }
            ']' if in_brackets => in_brackets = false,
            c if in_brackets => {
                if let Some(index) = index.as_mut().filter(|_| c != '"') {
                    index.push(c);
                }
            }
            '.' => steps.push(Step {
                name: std::mem::take(&mut name),
                index: index.take(),
            }),
            c => name.push(c),
        }
    }
    if !name.is_empty() {
        steps.push(Step { name, index });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_split_and_join() {
        let module = steps("module.a[\"x.y\"].module.b[0].module.c");
        assert_eq!(module.len(), 3);
        assert_eq!(module[0].index.as_deref(), Some("x.y"));
        assert_eq!(address(&module), "module.a[\"x.y\"].module.b[0].module.c");
        assert_eq!(address(&steps("")), "");
    }
}
