//! `[[rule]]`: AWS Config's managed rules with parameters, and custom ones.

use std::collections::BTreeMap;

use compliance::rules::configured::{
    Frequency, ParameterValue, RuleConfig, RuleConfigError, RuleSet, RuleSource,
};
use compliance::rules::{ALL, BUILT_IN};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::Config;

/// A rule. Those about public access are always there; one with the identifier of such a rule replaces
/// it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Rule {
    /// Its name: what events and findings call it.
    pub(crate) name: String,
    /// Where its decision comes from: `managed`, `guard` or `lambda`.
    #[serde(default)]
    #[schemars(schema_with = "source")]
    pub(crate) source: RuleSource,
    /// `managed`: its identifier in AWS Config.
    #[serde(default)]
    #[schemars(schema_with = "identifier")]
    pub(crate) identifier: Option<String>,
    /// Its parameters.
    #[serde(default)]
    #[schemars(schema_with = "parameters")]
    pub(crate) parameters: BTreeMap<String, ParameterValue>,
    /// The types that it is about. [default: all that a managed rule knows, else buckets; with a `frequency`, a
    /// function is then asked on its schedule only]
    #[serde(default)]
    pub(crate) resource_types: Vec<String>,
    /// Only resources with a tag of this key.
    #[serde(default)]
    pub(crate) tag_key: Option<String>,
    /// Only resources whose tag of that key has this value.
    #[serde(default)]
    pub(crate) tag_value: Option<String>,
    /// How often it is evaluated, if it has a schedule, or a function is asked: `1h`, `3h`, `6h`, `12h` or `24h`.
    #[serde(default)]
    #[schemars(schema_with = "frequency")]
    pub(crate) frequency: Option<Frequency>,
    /// `guard`: the rule's text, in the Guard language.
    #[serde(default)]
    pub(crate) guard: Option<String>,
    /// `guard`: the file that holds it.
    #[serde(default)]
    pub(crate) guard_file: Option<String>,
    /// `lambda`: the function's ARN, or the URL of a server that answers like one.
    #[serde(default)]
    pub(crate) lambda: Option<String>,
    /// Whether it is evaluated.
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
}

fn yes() -> bool {
    true
}

fn source(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["managed", "guard", "lambda"]})
}

fn identifier(_: &mut SchemaGenerator) -> Schema {
    let known: Vec<&str> = ALL.iter().map(|rule| rule.identifier()).collect();
    json_schema!({"type": "string", "enum": known})
}

fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {
            "type": ["boolean", "integer", "string", "array"],
            "items": {"type": "string"},
        },
    })
}

fn frequency(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<String> = Frequency::ALL
        .iter()
        .flat_map(|one| [format!("{}h", one.hours()), one.as_str().to_owned()])
        .collect();
    json_schema!({"type": "string", "enum": names})
}

impl From<&Rule> for RuleConfig {
    fn from(rule: &Rule) -> RuleConfig {
        let rule = rule.clone();
        RuleConfig {
            name: rule.name,
            source: rule.source,
            identifier: rule.identifier,
            parameters: rule.parameters,
            resource_types: rule.resource_types,
            tag_key: rule.tag_key,
            tag_value: rule.tag_value,
            frequency: rule.frequency,
            guard: rule.guard,
            guard_file: rule.guard_file,
            lambda: rule.lambda,
            enabled: rule.enabled,
        }
    }
}

/// The rules: the built-in ones as far as none replaces them, then the others in their order.
pub(crate) fn rules(config: &Config) -> Result<RuleSet, RuleConfigError> {
    let replaced = |identifier: &str| {
        let mut own = config
            .rule
            .iter()
            .filter_map(|rule| rule.identifier.as_deref());
        own.any(|own| own == identifier)
    };
    let built_in = BUILT_IN
        .iter()
        .map(|rule| rule.about())
        .filter(|about| !replaced(about.identifier))
        .map(|about| RuleConfig {
            name: about.name.to_owned(),
            source: RuleSource::Managed,
            identifier: Some(about.identifier.to_owned()),
            parameters: BTreeMap::new(),
            resource_types: Vec::new(),
            tag_key: None,
            tag_value: None,
            frequency: None,
            guard: None,
            guard_file: None,
            lambda: None,
            enabled: true,
        });
    RuleSet::new(
        built_in
            .chain(config.rule.iter().map(RuleConfig::from))
            .collect(),
    )
}
