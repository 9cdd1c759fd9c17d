//! `portcullis replay`: recorded items through the rules of today, or of another configuration.

use std::collections::BTreeMap;

use clap::Args;
use compliance::item::{ConfigurationItem, ResourceKey};
use compliance::rules::ComplianceType;
use guard::repository::Repository;
use guard::state::EvaluationRecord;
use jiff::Timestamp;
use serde_json::json;

use super::judge::{each_item, evaluate};
use super::page::{columns, json, moment};
use super::{KeptArgs, ShapeArgs, failed};
use crate::config::rule::rules;
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every answer that was ever recorded is compared with what the rules of the configuration say of the item \
that it was about. Nothing is written and nobody is told. Name another configuration with --config, and the \
store with --store, to see what that would have said.

Exit codes: 2 wrong usage or configuration; 1 something differs; 0 nothing does.")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Only what was recorded from this time on, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only this bucket, or other resource by its id
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Prove that every recorded answer follows from its item: what has no item or no rule any more
    /// counts as a difference, too
    #[arg(long)]
    verify: bool,
}

/// How many answers of one resource are looked at.
const ANSWERS: u32 = 100_000;

/// One recorded answer that is not repeated.
struct Difference {
    key: ResourceKey,
    record: EvaluationRecord,
    now: Result<ComplianceType, &'static str>,
}

#[derive(Default)]
struct Outcome {
    compared: u64,
    skipped: u64,
    differences: Vec<Difference>,
}

/// Runs the command.
pub(crate) fn run(args: &ReplayArgs) -> Result<ExitStatus, Failure> {
    let outcome = block_on(replay(args))?;
    let differs = !outcome.differences.is_empty();
    show(&outcome, args.shape)?;
    Ok(if differs {
        ExitStatus::Open
    } else {
        ExitStatus::Closed
    })
}

async fn replay(args: &ReplayArgs) -> Result<Outcome, Failure> {
    let loaded = args.kept.loaded()?;
    let rules = rules(&loaded.config).map_err(|error| Failure::usage(error.to_string()))?;
    let store = args.kept.open().await?;
    // Which resources there are; their items are read one resource at a time, so that memory does not
    // grow with the history.
    let mut keys: BTreeMap<ResourceKey, ()> = BTreeMap::new();
    each_item(&store, Some((Timestamp::MIN, Timestamp::MAX)), |item| {
        let wanted = args
            .resource
            .as_ref()
            .is_none_or(|id| *id == item.key.resource_id);
        if wanted {
            keys.insert(item.key, ());
        }
    })
    .await?;
    let mut outcome = Outcome::default();
    for key in keys.into_keys() {
        let (account, kind, id) = (&key.account, &key.resource_type, &key.resource_id);
        let items = store
            .history(account, kind, id, ANSWERS)
            .await
            .map_err(failed)?;
        let said = store
            .evaluation_history(account, kind, id, ANSWERS)
            .await
            .map_err(failed)?;
        for record in said {
            if args.since.is_some_and(|since| record.since < since) {
                continue;
            }
            // The items are the newest first.
            let found = items
                .iter()
                .position(|item| item.capture_time <= record.since);
            let now = match found {
                None => Err("its item is not kept any more"),
                Some(at) => again(&rules, &loaded.exceptions, &items[at..], &record),
            };
            match now {
                Ok(answer) if answer == record.compliance_type => outcome.compared += 1,
                Err(_) if !args.verify => outcome.skipped += 1,
                now => outcome.differences.push(Difference {
                    key: key.clone(),
                    record,
                    now,
                }),
            }
        }
    }
    Ok(outcome)
}

/// What the rule says of the first of these items now.
fn again(
    rules: &compliance::rules::configured::RuleSet,
    exceptions: &compliance::exceptions::Exceptions,
    items: &[ConfigurationItem],
    record: &EvaluationRecord,
) -> Result<ComplianceType, &'static str> {
    let Some(item) = items.first() else {
        return Err("its item is not kept any more");
    };
    let Some(rule) = rules.get(&record.rule_name) else {
        return Err("there is no such rule any more");
    };
    if rule.lambda().is_some() {
        return Err("it is a function's answer, which is not asked again");
    }
    evaluate(rules, exceptions, item, items.get(1), record.since)
        .into_iter()
        .find(|own| own.rule_name == record.rule_name)
        .map(|own| own.compliance_type)
        .ok_or("the rule is not about it, or switched off")
}

fn show(outcome: &Outcome, shape: ShapeArgs) -> Result<(), Failure> {
    let said = |now: &Result<ComplianceType, &'static str>| match now {
        Ok(answer) => answer.as_str().to_owned(),
        Err(why) => (*why).to_owned(),
    };
    if shape.is_json() {
        let differences: Vec<_> = outcome
            .differences
            .iter()
            .map(|own| {
                json!({
                    "account": own.key.account, "resource_type": own.key.resource_type,
                    "resource_id": own.key.resource_id, "rule": own.record.rule_name,
                    "at": own.record.since.to_string(),
                    "recorded": own.record.compliance_type.as_str(),
                    "now": own.now.ok().map(ComplianceType::as_str), "why": own.now.err(),
                })
            })
            .collect();
        return json(json!({
            "reproduced": outcome.compared, "not_compared": outcome.skipped,
            "differences": differences,
        }));
    }
    let rows: Vec<Vec<String>> = outcome
        .differences
        .iter()
        .map(|own| {
            vec![
                moment(own.record.since),
                own.key.account.clone(),
                own.key.resource_id.clone(),
                own.record.rule_name.clone(),
                own.record.compliance_type.as_str().to_owned(),
                said(&own.now),
            ]
        })
        .collect();
    if !rows.is_empty() {
        print(&columns(
            &["at", "account", "resource", "rule", "recorded", "now"],
            &rows,
        ))?;
    }
    let skipped = match outcome.skipped {
        0 => String::new(),
        count => format!(", {count} could not be compared (--verify says why)"),
    };
    print(&format!(
        "{} answers are the same, {} differ{skipped}.\n",
        outcome.compared,
        outcome.differences.len()
    ))
}
