//! `portcullis rules list`: which rules are configured and how resources stand with them, and which could
//! be.

use std::collections::BTreeMap;

use clap::Args;
use compliance::rules::configured::{CUSTOM_LAMBDA, CUSTOM_POLICY, ConfiguredRule, RuleSet};
use compliance::rules::{ALL, BUILT_IN, ComplianceType, Trigger};
use guard::repository::Repository;
use serde_json::{Value, json};

use super::super::page::{columns, json};
use super::super::{KeptArgs, ShapeArgs, address, existing, failed, is_there};
use crate::config::load::DEFAULT_PATH;
use crate::config::rule::rules;
use crate::exit::{ExitStatus, Failure};
use crate::output::print;

#[derive(Debug, Args)]
#[command(after_help = "\
Without a configuration file only the managed rules that can be configured are listed, and without a store no \
numbers of resources.")]
pub(super) struct ListArgs {
    /// Only the rules that are configured
    #[arg(long, conflicts_with = "managed")]
    configured: bool,
    /// Only AWS Config's managed rules that can be configured
    #[arg(long)]
    managed: bool,
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

/// Of how many resources a rule said what, by its name.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// The configured rules.
struct Configured {
    rules: RuleSet,
    /// `None`: there is no store yet.
    counts: Option<Counts>,
}

pub(super) async fn list(args: &ListArgs) -> Result<ExitStatus, Failure> {
    let configured = match args.managed {
        true => None,
        false => configured(args).await?,
    };
    if args.shape.is_json() {
        let mut object = json!({
            "configured": configured.as_ref().map(Configured::as_json),
        });
        if let Some(members) = object.as_object_mut()
            && !args.configured
        {
            members.insert("rules".to_owned(), catalogue_json());
        }
        json(object)?;
        return Ok(ExitStatus::Closed);
    }
    if let Some(configured) = &configured {
        print(&configured.as_text())?;
    }
    if !args.configured {
        if configured.is_some() {
            print("\nManaged rules that can be configured:\n\n")?;
        }
        print(&catalogue_text())?;
    }
    Ok(ExitStatus::Closed)
}

/// The configured rules; `None`: nobody named a configuration, and there is none where it is looked for.
async fn configured(args: &ListArgs) -> Result<Option<Configured>, Failure> {
    let file = &args.kept.config.config;
    let by_default = file.as_os_str() == DEFAULT_PATH && !file.exists();
    if by_default && !args.configured {
        return Ok(None);
    }
    let loaded = args.kept.loaded()?;
    let rules = rules(&loaded.config).map_err(|error| Failure::usage(error.to_string()))?;
    // Which rules there are can be said before the first `serve` has made the store.
    let address = match &args.kept.store {
        Some(named) => Some(named.clone()),
        None => Some(address(&loaded)?).filter(|address| is_there(address)),
    };
    let counts = match address {
        None => None,
        Some(address) => {
            let totals = existing(&address).await?.totals().await.map_err(failed)?;
            let mut counts = Counts::new();
            for (rule, said, count) in totals.compliance {
                counts.entry(rule).or_default().insert(said, count);
            }
            Some(counts)
        }
    };
    Ok(Some(Configured { rules, counts }))
}

impl Configured {
    /// Rules that said something which still stands in the store, and are not configured any more.
    fn left_over(&self) -> impl Iterator<Item = (&String, &BTreeMap<String, u64>)> {
        self.counts
            .iter()
            .flatten()
            .filter(|(name, _)| self.rules.get(name).is_none())
    }

    fn as_json(&self) -> Value {
        let mut all: Vec<Value> = self
            .rules
            .iter()
            .map(|rule| {
                let (tag_key, tag_value) = rule.tag().unzip();
                json!({
                    "name": rule.name(), "source": source(rule), "identifier": rule.identifier(),
                    "built_in": is_built_in(rule), "enabled": rule.is_enabled(),
                    "resource_types": rule.resource_types(),
                    "tag_key": tag_key, "tag_value": tag_value.flatten(),
                    "on_change": rule.trigger().on_change(),
                    "on_schedule": rule.trigger().on_schedule(),
                    "frequency": rule.frequency().map(|one| one.as_str()),
                    "parameters": rule.parameters(),
                    "resources": self.counts.as_ref().map(|all| json!(counted(all.get(rule.name())))),
                })
            })
            .collect();
        all.extend(self.left_over().map(|(name, counts)| {
            json!({
                "name": name, "source": Value::Null, "enabled": false,
                "resources": counted(Some(counts)),
            })
        }));
        Value::from(all)
    }

    fn as_text(&self) -> String {
        let numbers = |counts: Option<&BTreeMap<String, u64>>| -> Vec<String> {
            match &self.counts {
                None => vec!["-".to_owned(); ANSWERS.len()],
                Some(_) => counted(counts)
                    .values()
                    .map(|count| count.to_string())
                    .collect(),
            }
        };
        let mut rows: Vec<Vec<String>> = Vec::new();
        for rule in self.rules.iter() {
            let counts = self.counts.as_ref().and_then(|all| all.get(rule.name()));
            let mut row = vec![
                rule.name().to_owned(),
                match rule.is_enabled() {
                    true => "on".to_owned(),
                    false => "off".to_owned(),
                },
                rule.identifier().to_owned(),
                when(rule),
                about(rule),
            ];
            row.extend(numbers(counts));
            row.push(parameters(rule));
            rows.push(row);
        }
        for (name, counts) in self.left_over() {
            let mut row = vec![name.clone(), "not configured".to_owned()];
            row.extend(["-", "-", "-"].map(str::to_owned));
            row.extend(numbers(Some(counts)));
            row.push(String::new());
            rows.push(row);
        }
        columns(
            &[
                "rule",
                "is",
                "identifier",
                "evaluated on",
                "about",
                "compliant",
                "non-compliant",
                "not applicable",
                "insufficient data",
                "parameters",
            ],
            &rows,
        )
    }
}

/// The answers, in the order in which they are shown.
const ANSWERS: [ComplianceType; 4] = [
    ComplianceType::Compliant,
    ComplianceType::NonCompliant,
    ComplianceType::NotApplicable,
    ComplianceType::InsufficientData,
];

/// The number of resources of each answer, those of none as 0.
fn counted(counts: Option<&BTreeMap<String, u64>>) -> InOrder {
    InOrder(ANSWERS.map(|answer| {
        let count = counts.and_then(|all| all.get(answer.as_str()));
        (answer.as_str(), count.copied().unwrap_or(0))
    }))
}

/// Numbers by name, in the order of [`ANSWERS`].
struct InOrder([(&'static str, u64); ANSWERS.len()]);

impl InOrder {
    fn values(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|(_, count)| *count)
    }
}

impl serde::Serialize for InOrder {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0)
    }
}

fn source(rule: &ConfiguredRule) -> &'static str {
    match rule.identifier() {
        CUSTOM_POLICY => "guard",
        CUSTOM_LAMBDA => "lambda",
        _ => "managed",
    }
}

/// Whether it is one of the two that are there without being configured, as they are then.
fn is_built_in(rule: &ConfiguredRule) -> bool {
    let own = |about: &compliance::rules::About| {
        about.identifier == rule.identifier() && about.name == rule.name()
    };
    BUILT_IN.iter().any(|public| own(public.about()))
}

fn triggers(trigger: Trigger) -> &'static str {
    match (trigger.on_change(), trigger.on_schedule()) {
        (true, true) => "change, schedule",
        (true, false) => "change",
        (false, _) => "schedule",
    }
}

fn when(rule: &ConfiguredRule) -> String {
    let triggers = triggers(rule.trigger());
    match rule.frequency() {
        Some(frequency) => format!("{triggers} ({}h)", frequency.hours()),
        None => triggers.to_owned(),
    }
}

fn about(rule: &ConfiguredRule) -> String {
    let mut text = match rule.resource_types() {
        [] => "any".to_owned(),
        types => types.join(", "),
    };
    match rule.tag() {
        Some((key, Some(value))) => text.push_str(&format!(" with tag {key}={value}")),
        Some((key, None)) => text.push_str(&format!(" with tag {key}")),
        None => {}
    }
    text
}

fn parameters(rule: &ConfiguredRule) -> String {
    let mut parts: Vec<String> = rule
        .parameters()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if let Some(lambda) = rule.lambda() {
        parts.insert(0, lambda.target.to_string());
    }
    parts.join(", ")
}

fn catalogue_json() -> Value {
    ALL.iter()
        .map(|rule| rule.about())
        .map(|about| {
            json!({
                "identifier": about.identifier, "name": about.name,
                "description": about.description, "resource_types": about.resource_types,
                "reads": about.reads,
                "on_change": about.trigger.on_change(), "on_schedule": about.trigger.on_schedule(),
                "parameters": about.parameters.iter().map(|one| json!({
                    "name": one.name, "description": one.description, "default": one.default,
                })).collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn catalogue_text() -> String {
    let rows: Vec<Vec<String>> = ALL
        .iter()
        .map(|rule| rule.about())
        .map(|about| {
            vec![
                about.identifier.to_owned(),
                triggers(about.trigger).to_owned(),
                about.resource_types.join(", "),
                about.description.to_owned(),
            ]
        })
        .collect();
    columns(&["identifier", "evaluated on", "about", "asks"], &rows)
}
