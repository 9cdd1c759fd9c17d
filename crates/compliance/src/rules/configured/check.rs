//! Whether a configured rule can be evaluated: everything is checked when the configuration is read,
//! so that nothing is found out at the first change of a bucket.

use std::collections::BTreeMap;

use super::{Kind, Lambda, LambdaTarget, RuleConfig, RuleConfigError, RuleSource, Scope, Wrong};
use crate::item::BUCKET;
use crate::rules::{ALL, About, Parameters, Trigger, managed};

/// How many characters a rule's name may have (AWS Config API reference, `ConfigRule`).
const LONGEST_NAME: usize = 128;

/// A rule that passed, apart from what concerns several of them.
pub(super) fn rule(config: &RuleConfig) -> Result<super::ConfiguredRule, RuleConfigError> {
    let fail = |wrong: Wrong| RuleConfigError {
        rule: config.name.clone(),
        wrong,
    };
    let length = config.name.chars().count();
    if config.name.trim().is_empty() || length > LONGEST_NAME {
        return Err(fail(Wrong::Name { length }));
    }
    if config.tag_value.is_some() && config.tag_key.is_none() {
        return Err(fail(Wrong::TagValueAlone));
    }
    for name in &config.resource_types {
        let parts: Vec<&str> = name.split("::").collect();
        if parts.len() < 3 || parts[0] != "AWS" || parts.last().is_none_or(|last| last.is_empty()) {
            return Err(fail(Wrong::ResourceType { name: name.clone() }));
        }
    }
    let elsewhere = |member: &'static str| Wrong::Elsewhere {
        member,
        of: config.source,
    };
    if config.source != RuleSource::Managed && config.identifier.is_some() {
        return Err(fail(elsewhere("identifier")));
    }
    if config.source != RuleSource::Guard && (config.guard.is_some() || config.guard_file.is_some())
    {
        return Err(fail(elsewhere("guard")));
    }
    if config.source != RuleSource::Lambda && config.lambda.is_some() {
        return Err(fail(elsewhere("lambda")));
    }
    let (kind, resource_types, trigger) = match config.source {
        RuleSource::Managed => managed_rule(config).map_err(fail)?,
        RuleSource::Guard => guard_rule(config).map_err(fail)?,
        RuleSource::Lambda => lambda_rule(config).map_err(fail)?,
    };
    Ok(super::ConfiguredRule {
        name: config.name.clone(),
        kind,
        scope: Scope {
            resource_types,
            tag_key: config.tag_key.clone(),
            tag_value: config.tag_value.clone(),
        },
        trigger,
        frequency: config.frequency.unwrap_or_default(),
        enabled: config.enabled,
    })
}

type Checked = (Kind, Vec<String>, Trigger);

fn managed_rule(config: &RuleConfig) -> Result<Checked, Wrong> {
    let known = || ALL.iter().map(|rule| rule.identifier()).collect();
    let Some(identifier) = &config.identifier else {
        return Err(Wrong::NoIdentifier { known: known() });
    };
    let Some(rule) = managed(identifier) else {
        return Err(Wrong::Identifier {
            identifier: identifier.clone(),
            known: known(),
        });
    };
    let about = rule.about();
    let parameters = parameters(about, config)?;
    rule.check(&parameters)
        .map_err(|message| Wrong::Parameters { message })?;
    for name in &config.resource_types {
        if !about.is_about(name) {
            return Err(Wrong::NotAbout {
                identifier: about.identifier,
                name: name.clone(),
                types: about.resource_types,
            });
        }
    }
    let types = if config.resource_types.is_empty() {
        about
            .resource_types
            .iter()
            .map(|name| (*name).to_owned())
            .collect()
    } else {
        config.resource_types.clone()
    };
    if config.frequency.is_some() && !about.trigger.on_schedule() {
        return Err(Wrong::NoSchedule {
            what: about.identifier,
        });
    }
    Ok((Kind::Managed { rule, parameters }, types, about.trigger))
}

fn parameters(about: &About, config: &RuleConfig) -> Result<Parameters, Wrong> {
    let mut parameters = Parameters::defaults(about);
    for (name, value) in &config.parameters {
        let Some(parameter) = about.parameters.iter().find(|one| one.name == *name) else {
            return Err(Wrong::Parameter {
                identifier: about.identifier,
                name: name.clone(),
                known: about.parameters.iter().map(|one| one.name).collect(),
            });
        };
        let value = value.to_text();
        if !parameter.kind.allows(&value) {
            return Err(Wrong::ParameterValue {
                name: name.clone(),
                value,
                allowed: parameter.kind.allowed(),
            });
        }
        parameters = parameters.with(name, &value);
    }
    Ok(parameters)
}

/// Buckets, where a custom rule does not say what it is about.
fn types_or_buckets(config: &RuleConfig) -> Vec<String> {
    if config.resource_types.is_empty() {
        vec![BUCKET.to_owned()]
    } else {
        config.resource_types.clone()
    }
}

fn guard_rule(config: &RuleConfig) -> Result<Checked, Wrong> {
    if config.frequency.is_some() {
        return Err(Wrong::NoSchedule {
            what: "a rule in Guard",
        });
    }
    if let Some(name) = config.parameters.keys().next() {
        return Err(Wrong::Parameter {
            identifier: "a rule in Guard",
            name: name.clone(),
            known: Vec::new(),
        });
    }
    let text = match (&config.guard, &config.guard_file) {
        (Some(text), _) => text,
        (None, Some(file)) => return Err(Wrong::GuardFile { file: file.clone() }),
        (None, None) => return Err(Wrong::NoGuard),
    };
    let policy = super::guard_kind(text)?;
    Ok((
        policy,
        types_or_buckets(config),
        Trigger::ConfigurationChanges,
    ))
}

fn lambda_rule(config: &RuleConfig) -> Result<Checked, Wrong> {
    let Some(target) = &config.lambda else {
        return Err(Wrong::NoLambda);
    };
    let target = LambdaTarget::parse(target).ok_or(Wrong::Lambda)?;
    let trigger = match (config.resource_types.is_empty(), config.frequency) {
        (true, Some(_)) => Trigger::Periodic,
        (false, Some(_)) => Trigger::ConfigurationChangesAndPeriodic,
        (_, None) => Trigger::ConfigurationChanges,
    };
    let parameters: BTreeMap<String, String> = config
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), value.to_text()))
        .collect();
    // Asked on a schedule, it speaks of whatever it likes.
    let types = match trigger {
        Trigger::Periodic => Vec::new(),
        _ => types_or_buckets(config),
    };
    Ok((Kind::Lambda(Lambda { target, parameters }), types, trigger))
}
