//! `portcullis rules`: which rules there are, and what one would say before it is switched on.

mod list;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use compliance::exceptions::Exceptions;
use compliance::item::ConfigurationItem;
use compliance::rules::configured::{RuleConfig, RuleSet};
use compliance::rules::{ComplianceType, RuleEvaluation};
use guard::repository::Repository;
use jiff::Timestamp;
use serde_json::json;

use super::judge::{each_item, evaluate};
use super::page::{columns, json};
use super::{KeptArgs, ShapeArgs, failed};
use crate::config::load::read_text;
use crate::config::rule::rules;
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis rules`.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// List the rules that are configured, with how resources stand, and AWS Config's managed rules that can
    /// be.
    List(list::ListArgs),
    /// Evaluate a rule on everything that is recorded, and say what it would change. Nothing is written
    /// and nobody is told. Exit code 1 if something does not comply.
    Test(TestArgs),
}

#[derive(Debug, Args)]
struct TestArgs {
    /// A rule of the configuration, switched on or not; or an identifier of `rules list`
    #[arg(value_name = "RULE", required_unless_present = "file")]
    rule: Option<String>,
    /// A file with one rule, written as a [[rule]] of the configuration
    #[arg(long, value_name = "FILE", conflicts_with = "rule")]
    file: Option<PathBuf>,
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

/// Runs the command.
pub(crate) fn run(args: &RulesArgs) -> Result<ExitStatus, Failure> {
    match &args.command {
        RulesCommand::List(args) => block_on(list::list(args)),
        RulesCommand::Test(args) => block_on(test(args)),
    }
}

/// What a rule says of one resource, beside what is recorded.
struct Answer {
    item: ConfigurationItem,
    now: RuleEvaluation,
    recorded: Option<ComplianceType>,
}

async fn test(args: &TestArgs) -> Result<ExitStatus, Failure> {
    let (rule, exceptions) = rule(args)?;
    let store = args.kept.open().await?;
    let at = Timestamp::now();
    let mut answers = Vec::new();
    let mut lambda = 0;
    let asks_lambda = rule.iter().any(|rule| rule.lambda().is_some());
    each_item(&store, None, |item| {
        lambda += usize::from(asks_lambda);
        for now in evaluate(&rule, &exceptions, &item, None, at) {
            answers.push(Answer {
                item: item.clone(),
                now,
                recorded: None,
            });
        }
    })
    .await?;
    if lambda > 0 {
        return Err(Failure::usage(
            "this rule is a function, and a function may act: it is not called to try it",
        )
        .hint("test it where it lives, with an event of `portcullis history --format json`"));
    }
    for answer in &mut answers {
        let key = &answer.item.key;
        let known = store
            .resource(&key.account, &key.resource_type, &key.resource_id)
            .await
            .map_err(failed)?;
        answer.recorded = known.and_then(|known| {
            let said = known
                .evaluations
                .iter()
                .find(|own| own.rule_name == answer.now.rule_name);
            said.map(|own| own.compliance_type)
        });
    }
    show(&answers, args.shape)
}

/// The one rule, switched on, and the exceptions that hold.
fn rule(args: &TestArgs) -> Result<(RuleSet, Exceptions), Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    if let Some(file) = &args.file {
        let text =
            read_text(file).map_err(|why| Failure::usage(format!("{}: {why}", file.display())))?;
        let text = text.replacen("[[rule]]", "", 1);
        let mut config: RuleConfig = toml::from_str(&text)
            .map_err(|error| Failure::usage(format!("{}: {}", file.display(), error.message())))?;
        config.enabled = true;
        let set = RuleSet::new(vec![config]).map_err(|error| wrong(&error))?;
        return Ok((set, Exceptions::default()));
    }
    let wanted = args.rule.as_deref().unwrap_or_default();
    if args.kept.store.is_some() && compliance::rules::managed(wanted).is_some() {
        return Ok((by_identifier(wanted)?, Exceptions::default()));
    }
    let loaded = args.kept.loaded()?;
    let all = rules(&loaded.config).map_err(|error| wrong(&error))?;
    if all.get(wanted).is_none() {
        if compliance::rules::managed(wanted).is_some() {
            return Ok((by_identifier(wanted)?, loaded.exceptions));
        }
        let names: Vec<&str> = all.iter().map(|rule| rule.name()).collect();
        return Err(
            Failure::usage(format!("there is no rule {wanted:?}")).hint(format!(
                "there is {}; or name an identifier of `rules list`",
                names.join(", ")
            )),
        );
    }
    let mut config = loaded.config;
    config.rule.retain(|rule| rule.name == wanted);
    for rule in &mut config.rule {
        rule.enabled = true;
    }
    // A built-in one is none of these, and is there without being configured.
    let set = rules(&config).map_err(|error| wrong(&error))?;
    Ok((set, loaded.exceptions))
}

fn by_identifier(identifier: &str) -> Result<RuleSet, Failure> {
    let text = format!("name = \"test\"\nidentifier = \"{identifier}\"\n");
    let config: RuleConfig =
        toml::from_str(&text).map_err(|error| Failure::usage(error.to_string()))?;
    RuleSet::new(vec![config]).map_err(|error| Failure::usage(error.to_string()))
}

fn show(answers: &[Answer], shape: ShapeArgs) -> Result<ExitStatus, Failure> {
    let failing = answers
        .iter()
        .filter(|own| own.now.compliance_type == ComplianceType::NonCompliant)
        .count();
    let differs = |own: &Answer| {
        own.recorded
            .is_some_and(|recorded| recorded != own.now.compliance_type)
    };
    if shape.is_json() {
        let resources: Vec<_> = answers
            .iter()
            .map(|own| {
                json!({
                    "account": own.item.key.account, "region": own.item.key.region,
                    "resource_type": own.item.key.resource_type,
                    "resource_id": own.item.key.resource_id,
                    "compliance_type": own.now.compliance_type.as_str(),
                    "annotation": own.now.annotation.as_ref().map(|text| text.as_str()),
                    "recorded": own.recorded.map(ComplianceType::as_str),
                    "differs": differs(own),
                })
            })
            .collect();
        json(json!({"resources": resources, "non_compliant": failing}))?;
    } else {
        let rows: Vec<Vec<String>> = answers
            .iter()
            .filter(|own| differs(own) || own.now.compliance_type != ComplianceType::Compliant)
            .filter(|own| differs(own) || own.now.compliance_type != ComplianceType::NotApplicable)
            .map(|own| {
                vec![
                    own.item.key.account.clone(),
                    own.item.key.resource_id.clone(),
                    own.now.compliance_type.as_str().to_owned(),
                    own.recorded.map_or("-", ComplianceType::as_str).to_owned(),
                    own.now
                        .annotation
                        .as_ref()
                        .map_or("", |text| text.as_str())
                        .to_owned(),
                ]
            })
            .collect();
        if !rows.is_empty() {
            print(&columns(
                &["account", "resource", "would be", "is recorded as", "why"],
                &rows,
            ))?;
        }
        print(&format!(
            "{} resources, {failing} would not comply.\n",
            answers.len()
        ))?;
    }
    Ok(if failing > 0 {
        ExitStatus::Open
    } else {
        ExitStatus::Closed
    })
}
