//! `portcullis events`: what arrived, and what could not be delivered.

use clap::{Args, Subcommand};
use guard::repository::{EventFilter, Repository};
use guard::state::EventRecord;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::page::{ago, columns, json, moment, span};
use super::{KeptArgs, ShapeArgs, describe, failed, one_of};
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// List events, the last arrived first, with the times of event, arrival, verdict and closing.
    List(ListArgs),
    /// Show one event in full.
    Show(ShowArgs),
    /// List dead letters: work that was given up, and why. Exit code 1 if there are any.
    Dead(DeadArgs),
    /// Have dead letters tried again.
    Redrive(RedriveArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Only about this account, by its id
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only about this bucket, or other resource by its id
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Only those that arrived at this time or later, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The event's id, or its beginning
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    kept: KeptArgs,
}

#[derive(Debug, Args)]
struct DeadArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

#[derive(Debug, Args)]
struct RedriveArgs {
    /// The numbers that `events dead` shows
    #[arg(value_name = "NUMBER", required_unless_present = "all")]
    ids: Vec<i64>,
    /// All of them
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    kept: KeptArgs,
}

/// How many of the newest an id's beginning is looked for in, and how many dead letters are shown.
const MOST: u32 = 1000;

/// Runs the command.
pub(crate) fn run(args: &EventsArgs) -> Result<ExitStatus, Failure> {
    block_on(async {
        match &args.command {
            EventsCommand::List(args) => list(args).await,
            EventsCommand::Show(args) => show(args).await,
            EventsCommand::Dead(args) => dead(args).await,
            EventsCommand::Redrive(args) => redrive(args).await,
        }
    })
}

async fn list(args: &ListArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let filter = EventFilter {
        account: args.account.clone(),
        resource_id: args.resource.clone(),
        since: args.since,
        after: None,
        limit: args.limit,
    };
    let events = store.events(&filter).await.map_err(failed)?;
    if args.shape.is_json() {
        let events: Vec<_> = events
            .iter()
            .map(|own| describe::event(own, false))
            .collect();
        json(json!({"events": events}))?;
        return Ok(ExitStatus::Closed);
    }
    if events.is_empty() {
        print("none\n")?;
        return Ok(ExitStatus::Closed);
    }
    let rows: Vec<Vec<String>> = events.iter().map(row).collect();
    print(&columns(
        &[
            "event", "what", "account", "resource", "happened", "arrived", "verdict", "closed",
            "who",
        ],
        &rows,
    ))?;
    Ok(ExitStatus::Closed)
}

fn row(event: &EventRecord) -> Vec<String> {
    let after = |at: Option<Timestamp>| {
        at.map_or_else(
            || "-".to_owned(),
            |at| short(at.duration_since(event.arrived_at)),
        )
    };
    vec![
        event.id.clone(),
        event.name.clone(),
        event.account.clone(),
        event.resource_id.clone(),
        moment(event.event_time),
        short(event.arrived_at.duration_since(event.event_time)),
        after(event.verdict_at),
        after(event.closed_at),
        event.actor.clone().unwrap_or_else(|| "not told".to_owned()),
    ]
}

/// `+30 ms`, `+2 min`.
fn short(after: SignedDuration) -> String {
    format!("+{}", span(after))
}

async fn show(args: &ShowArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let filter = EventFilter {
        limit: MOST,
        ..EventFilter::default()
    };
    let events = store.events(&filter).await.map_err(failed)?;
    let event = one_of("event", &args.id, &events, |event| event.id.as_str())?;
    json(json!({"event": describe::event(event, true)}))?;
    Ok(ExitStatus::Closed)
}

async fn dead(args: &DeadArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let letters = store.dead_letters(MOST).await.map_err(failed)?;
    if args.shape.is_json() {
        let letters: Vec<_> = letters.iter().map(describe::job).collect();
        json(json!({"dead_letters": letters}))?;
    } else if letters.is_empty() {
        print("none\n")?;
    } else {
        let now = Timestamp::now();
        let rows: Vec<Vec<String>> = letters
            .iter()
            .map(|own| {
                vec![
                    own.id.to_string(),
                    own.kind.to_string(),
                    own.key.clone(),
                    own.attempts.to_string(),
                    ago(own.created_at, now),
                    own.last_error.clone().unwrap_or_default(),
                ]
            })
            .collect();
        print(&columns(
            &["number", "kind", "what", "attempts", "first", "why"],
            &rows,
        ))?;
    }
    Ok(if letters.is_empty() {
        ExitStatus::Closed
    } else {
        ExitStatus::Open
    })
}

async fn redrive(args: &RedriveArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let ids: Vec<i64> = if args.all {
        let letters = store.dead_letters(u32::MAX).await.map_err(failed)?;
        letters.iter().map(|own| own.id).collect()
    } else {
        args.ids.clone()
    };
    let mut unknown = Vec::new();
    for id in &ids {
        if !store.redrive(*id, Timestamp::now()).await.map_err(failed)? {
            unknown.push(id.to_string());
        }
    }
    print(&format!("{} are tried again.\n", ids.len() - unknown.len()))?;
    if unknown.is_empty() {
        Ok(ExitStatus::Closed)
    } else {
        Err(Failure::usage(format!(
            "no dead letter has the number {}",
            unknown.join(", ")
        )))
    }
}
