//! The rules that are switched on: managed ones with their parameters, custom ones in Guard, and
//! Lambda functions.
//!
//! [`RuleSet::new`] checks a configuration whole. [`RuleSet::on_change`] and [`RuleSet::periodic`]
//! evaluate managed and Guard rules; Lambda functions are called at the edge, which
//! [`RuleSet::lambdas_on_change`] and [`RuleSet::lambdas_periodic`] tell whom to call.

mod check;
mod config;

use std::collections::{BTreeMap, BTreeSet};

use super::{ComplianceType, Outcome, Parameters, Rule, RuleEvaluation, Subject, Trigger};
use crate::item::ConfigurationItem;
use crate::rules::{BUILT_IN, evaluate_one};

pub use config::{Frequency, ParameterValue, RuleConfig, RuleSource};

/// The identifier of every rule in Guard (AWS Config API reference, `Source`, `Owner`).
pub const CUSTOM_POLICY: &str = "CUSTOM_POLICY";
/// The identifier of every Lambda function.
pub const CUSTOM_LAMBDA: &str = "CUSTOM_LAMBDA";

/// Why a rule cannot be evaluated as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule:?}: {wrong}")]
pub struct RuleConfigError {
    /// The rule's name.
    pub rule: String,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong with a configured rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each variant's sentence says what it is, and its fields fill the sentence"
)]
pub enum Wrong {
    #[error("a name has 1 to 128 characters, this one has {length}")]
    Name { length: usize },
    #[error("two rules have this name")]
    NameTwice,
    #[error("a managed rule needs an `identifier`, one of {}", known.join(", "))]
    NoIdentifier { known: Vec<&'static str> },
    #[error("{identifier:?} is none of the managed rules: {}", known.join(", "))]
    Identifier {
        identifier: String,
        known: Vec<&'static str>,
    },
    #[error(
        "{name:?} is not a parameter of {identifier}; {}",
        parameters_of(known)
    )]
    Parameter {
        identifier: &'static str,
        name: String,
        known: Vec<&'static str>,
    },
    #[error("parameter `{name}` is {value:?}, but must be {allowed}")]
    ParameterValue {
        name: String,
        value: String,
        allowed: &'static str,
    },
    #[error("{message}")]
    Parameters { message: String },
    #[error("{name:?} is not a resource type: they look like AWS::S3::Bucket")]
    ResourceType { name: String },
    #[error("{identifier} is not about {name}, only about {}", types.join(", "))]
    NotAbout {
        identifier: &'static str,
        name: String,
        types: &'static [&'static str],
    },
    #[error("`tag-value` needs a `tag-key`")]
    TagValueAlone,
    #[error(
        "{what} is evaluated when something changes and has no schedule: leave out `frequency`"
    )]
    NoSchedule { what: &'static str },
    #[error("`{member}` does not belong to a rule with source = {:?}", of.as_str())]
    Elsewhere {
        member: &'static str,
        of: RuleSource,
    },
    #[error("a rule with source = \"guard\" needs `guard` (the rule's text) or `guard-file`")]
    NoGuard,
    #[error("the file {file:?} was not read")]
    GuardFile { file: String },
    #[error("the Guard rule cannot be read: {message}")]
    Guard { message: String },
    #[error("this program was built without Guard rules (cargo feature `guard-rules`)")]
    GuardNotBuiltIn,
    #[error("a rule with source = \"lambda\" needs `lambda`, the function's ARN or URL")]
    NoLambda,
    #[error(
        "`lambda` is neither the ARN of a function (arn:aws:lambda:REGION:ACCOUNT:function:NAME) nor \
         an https:// URL without a user name in it (http:// only to this machine)"
    )]
    Lambda,
}

fn parameters_of(known: &[&str]) -> String {
    if known.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", known.join(", "))
    }
}

/// The rules that are configured.
#[derive(Clone, Debug)]
pub struct RuleSet {
    rules: Vec<ConfiguredRule>,
}

/// One configured rule.
#[derive(Clone, Debug)]
pub struct ConfiguredRule {
    name: String,
    kind: Kind,
    scope: Scope,
    trigger: Trigger,
    frequency: Frequency,
    enabled: bool,
}

/// Where a rule's decision comes from.
#[derive(Clone)]
pub(crate) enum Kind {
    Managed {
        rule: &'static dyn Rule,
        parameters: Parameters,
    },
    #[cfg(feature = "guard-rules")]
    Guard(super::guard_policy::GuardPolicy),
    Lambda(Lambda),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Managed { rule, parameters } => {
                f.debug_tuple(rule.identifier()).field(parameters).finish()
            }
            #[cfg(feature = "guard-rules")]
            Kind::Guard(policy) => policy.fmt(f),
            Kind::Lambda(lambda) => lambda.fmt(f),
        }
    }
}

#[cfg(feature = "guard-rules")]
fn guard_kind(text: &str) -> Result<Kind, Wrong> {
    match super::guard_policy::GuardPolicy::parse(text) {
        Ok(policy) => Ok(Kind::Guard(policy)),
        Err(wrong) => Err(Wrong::Guard {
            message: wrong.to_string(),
        }),
    }
}

#[cfg(not(feature = "guard-rules"))]
fn guard_kind(_: &str) -> Result<Kind, Wrong> {
    Err(Wrong::GuardNotBuiltIn)
}

/// A Lambda function that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lambda {
    /// Where it is called.
    pub target: LambdaTarget,
    /// The rule's parameters, handed to it as they are.
    pub parameters: BTreeMap<String, String>,
}

/// Where a function is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LambdaTarget {
    /// A function of AWS Lambda.
    Arn(String),
    /// A server that takes the event as a POST and answers like a function.
    Url(String),
}

impl std::fmt::Display for LambdaTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (LambdaTarget::Arn(text) | LambdaTarget::Url(text)) = self;
        f.write_str(text)
    }
}

impl LambdaTarget {
    /// Reads an ARN or a URL. A URL that holds a user name is none: it would hold a secret, and be
    /// logged.
    pub fn parse(text: &str) -> Option<LambdaTarget> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        if text.starts_with("arn:") {
            let parts: Vec<&str> = text.split(':').collect();
            let fits = matches!(parts.len(), 7 | 8)
                && parts[2] == "lambda"
                && parts[5] == "function"
                && parts[3..].iter().all(|part| !part.is_empty());
            return fits.then(|| LambdaTarget::Arn(text.to_owned()));
        }
        let (rest, plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let fits = !host.is_empty() && !authority.contains('@') && (!plain || here);
        fits.then(|| LambdaTarget::Url(text.to_owned()))
    }
}

/// Which resources a rule is about.
#[derive(Clone, Debug, Default)]
struct Scope {
    /// Empty: any.
    resource_types: Vec<String>,
    tag_key: Option<String>,
    tag_value: Option<String>,
}

impl Scope {
    fn has_type(&self, resource_type: &str) -> bool {
        self.resource_types.is_empty() || self.resource_types.iter().any(|t| t == resource_type)
    }

    /// Whether the resource has the tag. Only the tags that were read can tell.
    fn has_tag(&self, item: &ConfigurationItem) -> bool {
        let Some(key) = &self.tag_key else {
            return true;
        };
        match (item.tags.get(key), &self.tag_value) {
            (Some(value), Some(wanted)) => value == wanted,
            (found, _) => found.is_some(),
        }
    }
}

/// A function to call about a resource.
#[derive(Clone, Copy, Debug)]
pub struct LambdaCall<'a> {
    /// The rule.
    pub rule: &'a ConfiguredRule,
    /// The function.
    pub lambda: &'a Lambda,
    /// Whether the resource has left the rule's scope; the function's answer is then expected to be
    /// `NOT_APPLICABLE`.
    pub left_scope: bool,
}

impl RuleSet {
    /// Checks a configuration.
    ///
    /// # Errors
    ///
    /// At the first rule that cannot be evaluated as it is configured, switched on or not.
    pub fn new(configs: Vec<RuleConfig>) -> Result<RuleSet, RuleConfigError> {
        let mut names = BTreeSet::new();
        let mut rules = Vec::with_capacity(configs.len());
        for config in &configs {
            rules.push(check::rule(config)?);
            if !names.insert(config.name.as_str()) {
                return Err(RuleConfigError {
                    rule: config.name.clone(),
                    wrong: Wrong::NameTwice,
                });
            }
        }
        Ok(RuleSet { rules })
    }

    /// The rules that are always there, under the names that AWS Config gives them.
    pub fn default_set() -> RuleSet {
        RuleSet {
            rules: BUILT_IN
                .iter()
                .map(|rule| {
                    let about = rule.about();
                    ConfiguredRule {
                        name: about.name.to_owned(),
                        kind: Kind::Managed {
                            rule: *rule,
                            parameters: Parameters::defaults(about),
                        },
                        scope: Scope {
                            resource_types: about
                                .resource_types
                                .iter()
                                .map(|name| (*name).to_owned())
                                .collect(),
                            ..Scope::default()
                        },
                        trigger: about.trigger,
                        frequency: Frequency::default(),
                        enabled: true,
                    }
                })
                .collect(),
        }
    }

    /// All rules, those switched off included.
    pub fn iter(&self) -> impl Iterator<Item = &ConfiguredRule> {
        self.rules.iter()
    }

    /// The rule of a name.
    pub fn get(&self, name: &str) -> Option<&ConfiguredRule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The types of the resources that the rules are about. `None` among them would say "any":
    /// such a rule is about whatever else is recorded.
    pub fn resource_types(&self) -> BTreeSet<&str> {
        self.enabled()
            .flat_map(|rule| rule.scope.resource_types.iter().map(String::as_str))
            .collect()
    }

    /// The IAM actions that a reader needs for the managed rules.
    pub fn reads(&self) -> BTreeSet<&'static str> {
        self.enabled()
            .filter_map(|rule| match &rule.kind {
                Kind::Managed { rule, .. } => Some(rule.about().reads),
                _ => None,
            })
            .flatten()
            .copied()
            .collect()
    }

    /// The schedules that are in use.
    pub fn frequencies(&self) -> BTreeSet<Frequency> {
        self.enabled()
            .filter(|rule| rule.trigger.on_schedule())
            .map(|rule| rule.frequency)
            .collect()
    }

    /// What the rules say about a resource that changed: every rule that a change triggers and that is
    /// about its type. Lambda functions are not among them.
    pub fn on_change(&self, subject: &Subject<'_>) -> Vec<RuleEvaluation> {
        self.evaluations(subject, |rule| rule.trigger.on_change())
    }

    /// What the rules on a schedule say about a resource.
    pub fn periodic(&self, frequency: Frequency, subject: &Subject<'_>) -> Vec<RuleEvaluation> {
        self.evaluations(subject, |rule| {
            rule.trigger.on_schedule() && rule.frequency == frequency
        })
    }

    /// What all rules say about a resource, whatever triggers them.
    pub fn evaluate(&self, subject: &Subject<'_>) -> Vec<RuleEvaluation> {
        self.evaluations(subject, |_| true)
    }

    /// The functions to call about a resource that changed.
    pub fn lambdas_on_change(&self, subject: &Subject<'_>) -> Vec<LambdaCall<'_>> {
        let item = subject.item;
        self.enabled()
            .filter(|rule| rule.trigger.on_change() && rule.scope.has_type(&item.key.resource_type))
            .filter_map(|rule| {
                let lambda = rule.lambda()?;
                let inside = rule.scope.has_tag(item);
                let was_inside = subject
                    .previous
                    .is_some_and(|item| rule.scope.has_tag(item));
                // A deleted item has no tags: whether it was in the scope, the one before it says.
                (inside || was_inside).then_some(LambdaCall {
                    rule,
                    lambda,
                    left_scope: !inside || subject.is_gone(),
                })
            })
            .collect()
    }

    /// The functions to call on a schedule.
    pub fn lambdas_periodic(&self, frequency: Frequency) -> Vec<LambdaCall<'_>> {
        self.enabled()
            .filter(|rule| rule.trigger.on_schedule() && rule.frequency == frequency)
            .filter_map(|rule| {
                Some(LambdaCall {
                    rule,
                    lambda: rule.lambda()?,
                    left_scope: false,
                })
            })
            .collect()
    }

    fn enabled(&self) -> impl Iterator<Item = &ConfiguredRule> {
        self.rules.iter().filter(|rule| rule.enabled)
    }

    fn evaluations(
        &self,
        subject: &Subject<'_>,
        wanted: impl Fn(&ConfiguredRule) -> bool,
    ) -> Vec<RuleEvaluation> {
        self.enabled()
            .filter(|rule| wanted(rule))
            .filter_map(|rule| rule.evaluate(subject))
            .collect()
    }
}

impl ConfiguredRule {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The managed rule's identifier, [`CUSTOM_POLICY`] or [`CUSTOM_LAMBDA`].
    pub fn identifier(&self) -> &'static str {
        match &self.kind {
            Kind::Managed { rule, .. } => rule.identifier(),
            #[cfg(feature = "guard-rules")]
            Kind::Guard(_) => CUSTOM_POLICY,
            Kind::Lambda(_) => CUSTOM_LAMBDA,
        }
    }

    /// The managed rule, if it is one.
    pub fn managed(&self) -> Option<(&'static dyn Rule, &Parameters)> {
        match &self.kind {
            Kind::Managed { rule, parameters } => Some((*rule, parameters)),
            _ => None,
        }
    }

    /// The function, if it is one.
    pub fn lambda(&self) -> Option<&Lambda> {
        match &self.kind {
            Kind::Lambda(lambda) => Some(lambda),
            _ => None,
        }
    }

    /// Its parameters by name, defaults included.
    pub fn parameters(&self) -> BTreeMap<&str, &str> {
        match &self.kind {
            Kind::Managed { parameters, .. } => parameters.iter().collect(),
            #[cfg(feature = "guard-rules")]
            Kind::Guard(_) => BTreeMap::new(),
            Kind::Lambda(lambda) => lambda
                .parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        }
    }

    /// The tag that a resource must have for it, and its value if that matters.
    pub fn tag(&self) -> Option<(&str, Option<&str>)> {
        let key = self.scope.tag_key.as_deref()?;
        Some((key, self.scope.tag_value.as_deref()))
    }

    /// The types that it is about; empty: any.
    pub fn resource_types(&self) -> &[String] {
        &self.scope.resource_types
    }

    /// What triggers it.
    pub fn trigger(&self) -> Trigger {
        self.trigger
    }

    /// How often it is evaluated, if it has a schedule.
    pub fn frequency(&self) -> Option<Frequency> {
        self.trigger.on_schedule().then_some(self.frequency)
    }

    /// Whether it is switched on.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// What it says about a resource, whatever triggers it and switched on or not. `None`: it is not
    /// about the resource's type, or is a Lambda function. A resource that is gone or does not have
    /// the tag of the rule's scope is `NOT_APPLICABLE`.
    pub fn evaluate(&self, subject: &Subject<'_>) -> Option<RuleEvaluation> {
        let item = subject.item;
        if !self.scope.has_type(&item.key.resource_type) {
            return None;
        }
        let outcome = if subject.is_gone() {
            Outcome::not_applicable()
        } else if let Some(outcome) = self.outside(item) {
            outcome
        } else {
            match &self.kind {
                Kind::Managed { rule, parameters } => {
                    let evaluation = evaluate_one(*rule, subject, parameters);
                    Outcome {
                        compliance_type: evaluation.compliance_type,
                        annotation: evaluation.annotation,
                    }
                }
                #[cfg(feature = "guard-rules")]
                Kind::Guard(policy) => policy.decide(item),
                Kind::Lambda(_) => return None,
            }
        };
        Some(RuleEvaluation {
            rule_name: self.name.clone(),
            identifier: self.identifier().to_owned(),
            compliance_type: outcome.compliance_type,
            annotation: outcome.annotation,
        })
    }

    /// The answer about a resource that does not have the tag of the scope, or whose tags nobody read.
    fn outside(&self, item: &ConfigurationItem) -> Option<Outcome> {
        if self.scope.has_tag(item) {
            return None;
        }
        Some(match super::required_tags::unread(item) {
            Some(unread) => unread,
            None => Outcome {
                compliance_type: ComplianceType::NotApplicable,
                annotation: None,
            },
        })
    }
}
