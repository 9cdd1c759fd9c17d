//! `portcullis replay`: what was recorded, through the rules of today or of another configuration.
//!
//! Three things are recorded and can be compared: what rules said of items ([`answers`]), where event
//! rules sent compliance changes ([`changes`]), and which resource arrived events asked to be looked at
//! ([`arrivals`]).

mod answers;
mod arrivals;
mod changes;

use clap::{Args, ValueEnum};
use compliance::item::ResourceKey;
use guard::event_rules::EventRules;
use guard::state::Route;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

use super::page::{columns, json};
use super::{KeptArgs, ShapeArgs};
use crate::config::load::Loaded;
use crate::config::settings::event_rules;
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every answer that was ever recorded is compared with what the rules of the configuration say of the item \
that it was about; every compliance change with where its event rules send it now; every event that arrived \
with what it asks to be looked at now. Nothing is written, nothing is sent, nobody is told. Name another \
configuration with --config, and the store with --store, to see what that would have made of it.

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
    /// Only these; several with commas [default: all]
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    only: Vec<What>,
    /// Prove that everything recorded follows from what it was made from: what cannot be compared any
    /// more counts as a difference, too
    #[arg(long)]
    verify: bool,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// What rules said of recorded items.
    Answers,
    /// Where event rules sent compliance changes.
    Changes,
    /// What arrived events asked to be looked at.
    Arrivals,
}

impl ReplayArgs {
    fn wants(&self, what: What) -> bool {
        self.only.is_empty() || self.only.contains(&what)
    }

    fn wants_resource(&self, key: &ResourceKey) -> bool {
        self.resource
            .as_ref()
            .is_none_or(|id| *id == key.resource_id)
    }

    fn since(&self) -> Timestamp {
        self.since.unwrap_or(Timestamp::MIN)
    }
}

/// What is replayed with.
struct Replay<'a> {
    args: &'a ReplayArgs,
    loaded: &'a Loaded,
    event_rules: EventRules,
    store: Store,
}

/// What became of one kind of recorded things.
struct Outcome<D> {
    /// What came out as it is recorded.
    same: u64,
    /// What cannot be compared any more.
    skipped: u64,
    differences: Vec<D>,
}

impl<D> Default for Outcome<D> {
    fn default() -> Outcome<D> {
        Outcome {
            same: 0,
            skipped: 0,
            differences: Vec::new(),
        }
    }
}

/// One thing that differs, as it is shown.
trait Difference {
    /// The heading of the table.
    const HEADING: &'static [&'static str];
    /// What the things are called, after their number.
    const NAME: &'static str;

    fn row(&self) -> Vec<String>;
    fn as_json(&self) -> Value;
}

/// Runs the command.
pub(crate) fn run(args: &ReplayArgs) -> Result<ExitStatus, Failure> {
    let loaded = args.kept.loaded()?;
    let event_rules =
        event_rules(&loaded.config).map_err(|problem| Failure::usage(problem.to_string()))?;
    block_on(async {
        let replay = Replay {
            args,
            loaded: &loaded,
            event_rules,
            store: args.kept.open().await?,
        };
        let answers = match args.wants(What::Answers) {
            true => Some(replay.answers().await?),
            false => None,
        };
        let changes = match args.wants(What::Changes) {
            true => Some(replay.changes().await?),
            false => None,
        };
        let arrivals = match args.wants(What::Arrivals) {
            true => Some(replay.arrivals().await?),
            false => None,
        };
        if args.shape.is_json() {
            let mut all = json!({
                "compliance_changes": changes.as_ref().map(as_json),
                "arrived_events": arrivals.as_ref().map(as_json),
            });
            // The answers were there first: their members stand outside.
            if let (Some(answers), Some(members)) = (&answers, all.as_object_mut()) {
                for (name, value) in [
                    ("reproduced", json!(answers.same)),
                    ("not_compared", json!(answers.skipped)),
                    ("differences", differences(answers)),
                ] {
                    members.insert(name.to_owned(), value);
                }
            }
            json(all)?;
        } else {
            show(answers.as_ref())?;
            show(changes.as_ref())?;
            show(arrivals.as_ref())?;
        }
        let differ = [
            answers.map_or(0, |own| own.differences.len()),
            changes.map_or(0, |own| own.differences.len()),
            arrivals.map_or(0, |own| own.differences.len()),
        ];
        Ok(match differ.iter().sum::<usize>() {
            0 => ExitStatus::Closed,
            _ => ExitStatus::Open,
        })
    })
}

fn differences<D: Difference>(outcome: &Outcome<D>) -> Value {
    outcome.differences.iter().map(D::as_json).collect()
}

fn as_json<D: Difference>(outcome: &Outcome<D>) -> Value {
    json!({
        "same": outcome.same,
        "not_compared": outcome.skipped,
        "differences": differences(outcome),
    })
}

fn show<D: Difference>(outcome: Option<&Outcome<D>>) -> Result<(), Failure> {
    let Some(outcome) = outcome else {
        return Ok(());
    };
    let rows: Vec<Vec<String>> = outcome.differences.iter().map(D::row).collect();
    if !rows.is_empty() {
        print(&columns(D::HEADING, &rows))?;
    }
    let skipped = match outcome.skipped {
        0 => String::new(),
        count => format!(", {count} could not be compared (--verify says why)"),
    };
    print(&format!(
        "{} {} are the same, {} differ{skipped}.\n",
        outcome.same,
        D::NAME,
        rows.len()
    ))
}

/// The targets of these routes, for a cell.
fn targets(routes: &[Route]) -> String {
    let mut names: Vec<&str> = routes.iter().map(|route| route.target.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    match names.is_empty() {
        true => "nobody".to_owned(),
        false => names.join(", "),
    }
}
