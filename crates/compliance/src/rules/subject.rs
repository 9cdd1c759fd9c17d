//! What rules are asked about: a resource as it was recorded.

use jiff::Timestamp;

use super::{About, Evaluation, Outcome, Parameters, Rule};
use crate::assessment::Assessment;
use crate::item::{ConfigurationItem, ItemStatus};

/// A resource as it was recorded, and what is known around it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The resource.
    pub item: &'a ConfigurationItem,
    /// The verdict on it, if it is a bucket and was judged already. Without it, the rules that need a
    /// verdict judge the item.
    pub assessment: Option<&'a Assessment>,
    /// The item before this one.
    pub previous: Option<&'a ConfigurationItem>,
    /// The present.
    pub now: Timestamp,
}

impl<'a> Subject<'a> {
    /// A resource of which nothing else is known.
    pub fn of(item: &'a ConfigurationItem, now: Timestamp) -> Subject<'a> {
        Subject {
            item,
            assessment: None,
            previous: None,
            now,
        }
    }

    /// Whether there is nothing to evaluate any more (AWS Config developer guide, "Evaluating
    /// resources": items with the status ResourceDeleted or ResourceNotRecorded are not applicable).
    pub fn is_gone(&self) -> bool {
        self.item.status.is_deleted() || self.item.status == ItemStatus::ResourceNotRecorded
    }
}

impl About {
    /// Whether the rule is about resources of a type.
    pub fn is_about(&self, resource_type: &str) -> bool {
        self.resource_types.is_empty() || self.resource_types.contains(&resource_type)
    }
}

/// A managed rule's answer about a resource, whatever its trigger. A resource that is gone, or of a
/// type that the rule is not about, is not applicable.
pub fn evaluate_one(rule: &dyn Rule, subject: &Subject<'_>, parameters: &Parameters) -> Evaluation {
    let about = rule.about();
    let outcome = if subject.is_gone() || !about.is_about(&subject.item.key.resource_type) {
        Outcome::not_applicable()
    } else {
        rule.decide(subject, parameters)
    };
    Evaluation {
        identifier: about.identifier,
        compliance_type: outcome.compliance_type,
        annotation: outcome.annotation,
    }
}
