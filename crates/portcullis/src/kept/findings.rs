//! `portcullis findings`: what is or was open, and who looks after it.

use std::fmt::Write;

use clap::{Args, Subcommand, ValueEnum};
use compliance::report::visible;
use guard::escalate::{AcknowledgeError, acknowledge, unacknowledge};
use guard::repository::{FindingFilter, Repository};
use guard::state::{Finding, FindingState};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::Store;

use super::page::{ago, columns, json, moment, span};
use super::{KeptArgs, ShapeArgs, describe, failed, one_of};
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis findings`.
#[derive(Debug, Args)]
pub(crate) struct FindingsArgs {
    #[command(subcommand)]
    command: FindingsCommand,
}

#[derive(Debug, Subcommand)]
enum FindingsCommand {
    /// List findings, the last opened first.
    List(ListArgs),
    /// Show one finding in full, with its exposures.
    Show(ShowArgs),
    /// Say that somebody looks after a finding: the escalation waits.
    Ack(AckArgs),
    /// Say that nobody does any more: the escalation goes on.
    Unack(ShowArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Only these states
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATE",
          default_values_t = [State::Open, State::Acknowledged])]
    state: Vec<State>,
    /// Only of this account, by its id
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Only of this bucket, or other resource by its id
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    /// Nobody said that they look after it.
    Open,
    /// Somebody does.
    Acknowledged,
    /// Open on purpose.
    Excepted,
    /// Not there any more.
    Resolved,
}

impl State {
    fn name(self) -> String {
        match self {
            State::Open => "open",
            State::Acknowledged => "acknowledged",
            State::Excepted => "excepted",
            State::Resolved => "resolved",
        }
        .to_owned()
    }
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The finding's id, or its beginning
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

#[derive(Debug, Args)]
struct AckArgs {
    #[command(flatten)]
    show: ShowArgs,
    /// Who looks after it [default: the user of this shell]
    #[arg(long, value_name = "NAME", env = "USER")]
    by: Option<String>,
    /// For how many hours that counts [default: until it is resolved]
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=8760))]
    hours: Option<u32>,
    /// What there is to say about it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &FindingsArgs) -> Result<ExitStatus, Failure> {
    block_on(async {
        match &args.command {
            FindingsCommand::List(args) => list(args).await,
            FindingsCommand::Show(args) => {
                let store = args.kept.open().await?;
                let finding = find(&store, &args.id).await?;
                show(&store, &finding, args.shape).await
            }
            FindingsCommand::Ack(args) => ack(args).await,
            FindingsCommand::Unack(args) => unack(args).await,
        }
    })
}

async fn list(args: &ListArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let filter = FindingFilter {
        states: args.state.iter().map(|state| state.name()).collect(),
        account: args.account.clone(),
        resource_id: args.resource.clone(),
        limit: args.limit,
    };
    let findings = store.findings(&filter).await.map_err(failed)?;
    if args.shape.is_json() {
        let findings: Vec<_> = findings.iter().map(describe::finding).collect();
        json(json!({"findings": findings}))?;
        return Ok(ExitStatus::Closed);
    }
    if findings.is_empty() {
        print("none\n")?;
        return Ok(ExitStatus::Closed);
    }
    let now = Timestamp::now();
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|own| {
            vec![
                own.id.clone(),
                own.key.account.clone(),
                own.key.resource_id.clone(),
                own.cause.clone(),
                own.state.name().to_owned(),
                ago(own.opened_at, now),
                own.occurrences.to_string(),
                own.annotation.clone(),
            ]
        })
        .collect();
    print(&columns(
        &[
            "finding", "account", "resource", "cause", "state", "opened", "times", "why",
        ],
        &rows,
    ))?;
    Ok(ExitStatus::Closed)
}

/// A finding by its id, or by the beginning of it among the last thousand.
async fn find(store: &Store, id: &str) -> Result<Finding, Failure> {
    if let Some(finding) = store.finding(id).await.map_err(failed)? {
        return Ok(finding);
    }
    let filter = FindingFilter {
        limit: 1000,
        ..FindingFilter::default()
    };
    let all = store.findings(&filter).await.map_err(failed)?;
    one_of("finding", id, &all, |finding| finding.id.as_str()).cloned()
}

async fn show(store: &Store, finding: &Finding, shape: ShapeArgs) -> Result<ExitStatus, Failure> {
    let exposures = store.exposures(&finding.id).await.map_err(failed)?;
    if shape.is_json() {
        let exposures: Vec<_> = exposures.iter().map(describe::exposure).collect();
        json(json!({"finding": describe::finding(finding), "exposures": exposures}))?;
        return Ok(ExitStatus::Closed);
    }
    let now = Timestamp::now();
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<14}{}", visible(value));
    };
    line("finding", &finding.id);
    line("resource", &finding.key.to_string());
    line("cause", &finding.cause);
    line("why", &finding.annotation);
    line("rules", &finding.rule_names.join(", "));
    line("state", &state(finding));
    line(
        "opened",
        &format!(
            "{} ({})",
            moment(finding.opened_at),
            ago(finding.opened_at, now)
        ),
    );
    if finding.occurrences > 1 {
        line(
            "recurs",
            &format!(
                "{} times since {}",
                finding.occurrences,
                moment(finding.first_opened_at)
            ),
        );
    }
    if let Some(at) = finding.resolved_at {
        let by = finding.resolved_by.as_deref().unwrap_or("somebody");
        line("resolved", &format!("{} by {by}", moment(at)));
    }
    if let Some(response) = &finding.response {
        line("responder", response);
    }
    line(
        "told",
        &finding
            .told_at
            .map_or_else(|| "nobody yet".to_owned(), moment),
    );
    if let Some(witness) = &finding.witness {
        line("witness", &witness.to_string());
    }
    if let Some(fingerprint) = &finding.fingerprint {
        line("fingerprint", fingerprint);
    }
    if !exposures.is_empty() {
        text.push('\n');
        let rows: Vec<Vec<String>> = exposures
            .iter()
            .map(|own| {
                vec![
                    moment(own.from),
                    own.to.map_or_else(|| "open".to_owned(), moment),
                    span(own.to.unwrap_or(now).duration_since(own.from)),
                    own.classes.join(", "),
                    own.actor.clone().unwrap_or_else(|| "not told".to_owned()),
                    own.closed_by.clone().unwrap_or_default(),
                ]
            })
            .collect();
        text.push_str(&columns(
            &["exposed from", "to", "for", "to", "opened by", "closed by"],
            &rows,
        ));
    }
    print(&text)?;
    Ok(ExitStatus::Closed)
}

fn state(finding: &Finding) -> String {
    match &finding.state {
        FindingState::Acknowledged {
            by,
            at,
            until,
            note,
        } => {
            let until =
                until.map_or_else(String::new, |until| format!(", until {}", moment(until)));
            let note = note
                .as_ref()
                .map_or_else(String::new, |note| format!(": {note}"));
            format!("acknowledged by {by} at {}{until}{note}", moment(*at))
        }
        FindingState::Excepted { exception } => format!("excepted by {exception}"),
        state => state.name().to_owned(),
    }
}

async fn ack(args: &AckArgs) -> Result<ExitStatus, Failure> {
    let show = &args.show;
    let store = show.kept.open().await?;
    let finding = find(&store, &show.id).await?;
    let by = args
        .by
        .as_deref()
        .filter(|by| !by.trim().is_empty())
        .ok_or_else(|| Failure::usage("who looks after it? name somebody with --by"))?;
    let now = Timestamp::now();
    let until = args.hours.and_then(|hours| {
        now.checked_add(SignedDuration::from_hours(i64::from(hours)))
            .ok()
    });
    let done = acknowledge(&store, &finding.id, by, until, args.note.clone(), now).await;
    let finding = done.map_err(acknowledge_failed)?;
    self::show(&store, &finding, show.shape).await
}

fn acknowledge_failed(error: AcknowledgeError) -> Failure {
    match error {
        AcknowledgeError::Repository(error) => failed(error),
        error => Failure::usage(error.to_string()),
    }
}

async fn unack(args: &ShowArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let finding = find(&store, &args.id).await?;
    let finding = unacknowledge(&store, &finding.id, Timestamp::now())
        .await
        .map_err(acknowledge_failed)?;
    show(&store, &finding, args.shape).await
}
