//! `portcullis history`: one bucket through time: what changed, who changed it, what rules said, when it
//! was open.

use std::fmt::Write;

use clap::Args;
use compliance::item::{self, BUCKET, ConfigurationItem, diff};
use compliance::report::visible;
use guard::repository::{EventFilter, FindingFilter, Repository};
use guard::state::{EvaluationRecord, EventRecord, Exposure, Finding};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

use super::page::{columns, json, moment, span};
use super::{KeptArgs, ShapeArgs, describe, failed};
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The bucket, or another resource by its id
    #[arg(value_name = "BUCKET")]
    resource: String,
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Its account, where several have one of this name
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// The resource's type
    #[arg(long = "type", value_name = "TYPE", default_value = BUCKET)]
    resource_type: String,
    /// At most so many items
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// How many events a change is attributed from.
const EVENTS: u32 = 1000;

struct History {
    /// The newest first.
    items: Vec<ConfigurationItem>,
    evaluations: Vec<EvaluationRecord>,
    events: Vec<EventRecord>,
    findings: Vec<(Finding, Vec<Exposure>)>,
}

/// Runs the command.
pub(crate) fn run(args: &HistoryArgs) -> Result<ExitStatus, Failure> {
    let history = block_on(gather(args))?;
    if args.shape.is_json() {
        json(history.as_json())?;
    } else {
        print(&history.as_text())?;
    }
    Ok(ExitStatus::Closed)
}

async fn gather(args: &HistoryArgs) -> Result<History, Failure> {
    let store = args.kept.open().await?;
    let account = account(args, &store).await?;
    let (kind, id) = (args.resource_type.as_str(), args.resource.as_str());
    // One more than is shown, for the difference of the oldest.
    let items = store
        .history(&account, kind, id, args.limit.saturating_add(1))
        .await
        .map_err(failed)?;
    if items.is_empty() {
        return Err(Failure::usage(format!(
            "account {account} has no recorded {kind} {id:?}"
        )));
    }
    let filter = EventFilter {
        account: Some(account.clone()),
        resource_id: Some(id.to_owned()),
        limit: EVENTS,
        ..EventFilter::default()
    };
    let known = FindingFilter {
        account: Some(account.clone()),
        resource_id: Some(id.to_owned()),
        limit: 1000,
        ..FindingFilter::default()
    };
    let mut findings = Vec::new();
    for finding in store.findings(&known).await.map_err(failed)? {
        if finding.key.resource_type == kind {
            let exposures = store.exposures(&finding.id).await.map_err(failed)?;
            findings.push((finding, exposures));
        }
    }
    Ok(History {
        items,
        evaluations: store
            .evaluation_history(&account, kind, id, 1000)
            .await
            .map_err(failed)?,
        events: store.events(&filter).await.map_err(failed)?,
        findings,
    })
}

/// The account that has the resource.
async fn account(args: &HistoryArgs, store: &Store) -> Result<String, Failure> {
    if let Some(account) = &args.account {
        return Ok(account.clone());
    }
    let mut known: Vec<String> = store
        .coverage()
        .await
        .map_err(failed)?
        .into_iter()
        .map(|own| own.account)
        .collect();
    known.dedup();
    let mut having = Vec::new();
    for account in known {
        let found = store
            .resource(&account, &args.resource_type, &args.resource)
            .await
            .map_err(failed)?;
        if found.is_some() {
            having.push(account);
        }
    }
    match having.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::usage(format!(
            "no {} {:?} is recorded",
            args.resource_type, args.resource
        ))),
        several => Err(Failure::usage(format!(
            "several accounts have {:?}: {}",
            args.resource,
            several.join(", ")
        ))
        .hint("name one with --account")),
    }
}

impl History {
    /// The items that are shown, each with the one before it.
    fn shown(&self) -> impl Iterator<Item = (&ConfigurationItem, Option<&ConfigurationItem>)> {
        self.items
            .iter()
            .enumerate()
            .map(|(index, item)| (item, self.items.get(index + 1)))
    }

    /// Who made the change that led to an item: by the events that it names, else the last that
    /// happened between it and the item before.
    fn who(
        &self,
        item: &ConfigurationItem,
        previous: Option<&ConfigurationItem>,
    ) -> Option<&EventRecord> {
        let named = self
            .events
            .iter()
            .find(|event| item.related_events.contains(&event.id));
        named.or_else(|| {
            self.events.iter().find(|event| {
                event.event_time <= item.capture_time
                    && previous.is_none_or(|before| event.event_time > before.capture_time)
            })
        })
    }

    fn as_json(&self) -> Value {
        let items: Vec<Value> = self
            .shown()
            .map(|(own, previous)| {
                json!({
                    "item": own.to_json(),
                    "diff": item::diff_json(previous, own),
                    "event": self.who(own, previous).map(|event| describe::event(event, false)),
                })
            })
            .collect();
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|(finding, exposures)| {
                let exposures: Vec<_> = exposures.iter().map(describe::exposure).collect();
                json!({"finding": describe::finding(finding), "exposures": exposures})
            })
            .collect();
        let evaluations: Vec<_> = self.evaluations.iter().map(describe::evaluation).collect();
        json!({"items": items, "evaluations": evaluations, "findings": findings})
    }

    fn as_text(&self) -> String {
        let mut text = String::new();
        for (own, previous) in self.shown() {
            let _ = writeln!(
                text,
                "{}  {}  {}",
                moment(own.capture_time),
                own.status.as_str(),
                visible(&own.key.to_string())
            );
            if let Some(event) = self.who(own, previous) {
                let _ = writeln!(
                    text,
                    "  {} by {} from {}",
                    visible(&event.name),
                    visible(event.actor.as_deref().unwrap_or("somebody")),
                    visible(
                        event
                            .source_ip
                            .as_deref()
                            .unwrap_or("an address that is not told")
                    )
                );
            }
            let Some(previous) = previous else {
                text.push_str("  first recorded\n\n");
                continue;
            };
            for change in diff(previous, own) {
                let _ = writeln!(text, "  {}", visible(&change.path));
                for (sign, value) in [('-', &change.previous), ('+', &change.updated)] {
                    if let Some(value) = value {
                        let _ = writeln!(text, "    {sign} {}", visible(&shortened(value)));
                    }
                }
            }
            text.push('\n');
        }
        let said: Vec<Vec<String>> = self
            .evaluations
            .iter()
            .map(|own| {
                vec![
                    moment(own.since),
                    own.rule_name.clone(),
                    own.compliance_type.as_str().to_owned(),
                    own.annotation.clone().unwrap_or_default(),
                ]
            })
            .collect();
        if !said.is_empty() {
            text.push_str(&columns(&["since", "rule", "answer", "why"], &said));
            text.push('\n');
        }
        let now = Timestamp::now();
        let open: Vec<Vec<String>> = self
            .findings
            .iter()
            .flat_map(|(_, exposures)| exposures)
            .map(|own| {
                vec![
                    moment(own.from),
                    own.to.map_or_else(|| "open".to_owned(), moment),
                    span(own.to.unwrap_or(now).duration_since(own.from)),
                    own.cause.clone(),
                    own.classes.join(", "),
                    own.actor.clone().unwrap_or_default(),
                    own.closed_by.clone().unwrap_or_default(),
                ]
            })
            .collect();
        if open.is_empty() {
            text.push_str("It was never seen open.\n");
        } else {
            text.push_str(&columns(
                &[
                    "open from",
                    "to",
                    "for",
                    "by",
                    "class",
                    "opened by",
                    "closed by",
                ],
                &open,
            ));
        }
        text
    }
}

/// A value on one line; a long one is cut, the JSON form has it whole.
fn shortened(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(400) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text,
    }
}
