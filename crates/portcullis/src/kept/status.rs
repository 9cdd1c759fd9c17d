//! `portcullis status`: what is watched, what is open, what waits.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Args;
use compliance::report::visible;
use guard::history::{Delivered, DeliveryStatus};
use guard::repository::{FindingFilter, Repository, Totals};
use guard::state::{Coverage, Finding};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::enforcement::Stops;
use super::functions::{Function, functions};
use super::page::{ago, columns, json, moment, span};
use super::{KeptArgs, ShapeArgs, delivery_channel, describe, failed};
use crate::config::{Account, Config};
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 2 wrong usage or configuration; 1 a finding is open (acknowledged ones included); 3 nothing is \
known to be open, but an account is not watched as it should be, history or snapshots cannot be delivered, or \
the function of a rule on a schedule gives no answer; 0 all is well.")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    kept: KeptArgs,

    #[command(flatten)]
    shape: ShapeArgs,

    /// How old the last sweep of an account may be, in minutes [default: 60, or three times the account's
    /// interval if that is more]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    stale_after: Option<u32>,
}

/// How many open findings are shown.
const SHOWN: u32 = 20;

struct Status {
    coverage: Vec<Coverage>,
    open: Vec<Finding>,
    totals: Totals,
    stops: Stops,
    /// How deliveries of history and snapshots do, as far as one was ever tried.
    channel: Vec<(Delivered, DeliveryStatus)>,
    /// How functions do that are asked on a schedule.
    functions: Vec<Function>,
    now: Timestamp,
    /// How old the last sweep of an account may be, by its id; of one that is not among them, an hour.
    stale_after: BTreeMap<String, SignedDuration>,
}

/// The configuration that names the store, if one does.
fn configured(args: &StatusArgs) -> Option<Config> {
    if args.kept.store.is_some() {
        return None;
    }
    // One that is not in order is said by who opens the store that it names.
    args.kept.loaded().ok().map(|loaded| loaded.config)
}

/// How old the last sweep of each configured account may be.
fn patience(config: &Config) -> BTreeMap<String, SignedDuration> {
    let of = |own: &Account| {
        let every = own.sweep_interval(&config.recorder).0;
        let thrice = every.checked_mul(3).unwrap_or(SignedDuration::MAX);
        (own.id.clone(), thrice.max(AN_HOUR))
    };
    config.account.iter().map(of).collect()
}

const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Runs the command.
pub(crate) fn run(args: &StatusArgs) -> Result<ExitStatus, Failure> {
    let status = block_on(gather(args))?;
    if args.shape.is_json() {
        json(status.as_json())?;
    } else {
        print(&status.as_text())?;
    }
    Ok(status.exit())
}

async fn gather(args: &StatusArgs) -> Result<Status, Failure> {
    let store = args.kept.open().await?;
    let open = FindingFilter {
        states: vec!["open".to_owned(), "acknowledged".to_owned()],
        limit: SHOWN,
        ..FindingFilter::default()
    };
    let config = configured(args);
    let mut stale_after = config.as_ref().map(patience).unwrap_or_default();
    if let Some(minutes) = args.stale_after {
        let asked = SignedDuration::from_mins(i64::from(minutes));
        stale_after.values_mut().for_each(|own| *own = asked);
        for own in &store.coverage().await.map_err(failed)? {
            stale_after.insert(own.account.clone(), asked);
        }
    }
    let mut channel = Vec::new();
    for what in Delivered::ALL {
        let status = DeliveryStatus::of(&store, what).await.map_err(failed)?;
        if status.last_attempt_at.is_some() {
            channel.push((what, status));
        }
    }
    let functions = match &config {
        Some(config) => functions(&store, config).await?,
        None => Vec::new(),
    };
    Ok(Status {
        channel,
        functions,
        coverage: store.coverage().await.map_err(failed)?,
        open: store.findings(&open).await.map_err(failed)?,
        totals: store.totals().await.map_err(failed)?,
        stops: Stops::of(&store).await?,
        now: Timestamp::now(),
        stale_after,
    })
}

impl Status {
    /// Whether an account is not gone through as it should be.
    fn is_stale(&self, coverage: &Coverage) -> bool {
        let allowed = self.stale_after.get(&coverage.account).unwrap_or(&AN_HOUR);
        let swept = coverage
            .last_sweep_at
            .is_some_and(|at| self.now.duration_since(at) <= *allowed);
        // Sweeps are of whole accounts.
        coverage.region == "*" && !swept
    }

    fn exit(&self) -> ExitStatus {
        let unwatched = self.coverage.is_empty()
            || self
                .coverage
                .iter()
                .any(|own| self.is_stale(own) || own.error.is_some());
        let undelivered = self
            .channel
            .iter()
            .any(|(_, own)| own.failing_since.is_some());
        if !self.open.is_empty() {
            ExitStatus::Open
        } else if unwatched || undelivered || self.functions.iter().any(Function::fails) {
            ExitStatus::Incomplete
        } else {
            ExitStatus::Closed
        }
    }

    fn as_json(&self) -> serde_json::Value {
        let named = |pairs: &[(String, u64)]| -> serde_json::Value {
            pairs
                .iter()
                .map(|(name, count)| (name.clone(), json!(count)))
                .collect()
        };
        let (everywhere, accounts) = self.stops.as_json();
        json!({
            "at": self.now.to_string(),
            "coverage": self.coverage.iter().map(|own| {
                let mut object = describe::coverage(own);
                object["stale"] = json!(self.is_stale(own));
                object
            }).collect::<Vec<_>>(),
            "findings_open": self.open.iter().map(describe::finding).collect::<Vec<_>>(),
            "totals": {
                "resources": named(&self.totals.resources),
                "findings": named(&self.totals.findings),
                "compliance": self.totals.compliance.iter().map(|(rule, kind, count)| {
                    json!({"rule": rule, "compliance_type": kind, "resources": count})
                }).collect::<Vec<_>>(),
                "exposures_open": self.totals.exposures_open,
                "jobs_waiting": named(&self.totals.jobs_waiting),
                "jobs_dead": named(&self.totals.jobs_dead),
                "oldest_due": self.totals.oldest_due.map(|at| at.to_string()),
            },
            "delivery_channel": self.channel.iter().map(|(what, status)| {
                (what.as_str().to_owned(), delivery_channel::described(status))
            }).collect::<serde_json::Map<_, _>>(),
            "functions": self.functions.iter().map(Function::as_json).collect::<Vec<_>>(),
            "enforcement_stopped": everywhere,
            "enforcement_stopped_accounts": accounts,
        })
    }

    fn as_text(&self) -> String {
        let mut text = String::new();
        self.watched(&mut text);
        self.found(&mut text);
        self.worked(&mut text);
        text.push_str(&self.stops.as_text(self.now));
        text
    }

    fn watched(&self, text: &mut String) {
        if self.coverage.is_empty() {
            text.push_str(
                "Nothing was watched yet: no sweep has ended, and no event has come.\n\n",
            );
            return;
        }
        let at =
            |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| ago(at, self.now));
        let rows: Vec<Vec<String>> = self
            .coverage
            .iter()
            .map(|own| {
                let mut notes: Vec<String> = Vec::new();
                if self.is_stale(own) {
                    notes.push("STALE".to_owned());
                }
                notes.extend(own.error.clone());
                notes.extend(own.gaps.iter().cloned());
                vec![
                    own.account.clone(),
                    own.region.clone(),
                    at(own.last_event_at),
                    if own.region == "*" {
                        at(own.last_sweep_at)
                    } else {
                        "-".to_owned()
                    },
                    own.swept.to_string(),
                    own.undecided.to_string(),
                    own.untold_changes.to_string(),
                    notes.join("; "),
                ]
            })
            .collect();
        text.push_str(&columns(
            &[
                "account",
                "region",
                "last event",
                "last sweep",
                "buckets",
                "undecided",
                "untold",
                "notes",
            ],
            &rows,
        ));
        text.push('\n');
    }

    fn found(&self, text: &mut String) {
        if self.open.is_empty() {
            text.push_str("No finding is open.\n\n");
            return;
        }
        let rows: Vec<Vec<String>> = self
            .open
            .iter()
            .map(|own| {
                vec![
                    own.id.clone(),
                    own.key.account.clone(),
                    own.key.resource_id.clone(),
                    own.cause.clone(),
                    own.state.name().to_owned(),
                    span(self.now.duration_since(own.opened_at)),
                    own.annotation.clone(),
                ]
            })
            .collect();
        text.push_str(&columns(
            &[
                "finding", "account", "resource", "cause", "state", "open for", "why",
            ],
            &rows,
        ));
        let count = |state: &str| {
            let found = self.totals.findings.iter().find(|(name, _)| name == state);
            found.map_or(0, |(_, count)| *count)
        };
        let all = count("open") + count("acknowledged");
        if all > self.open.len() as u64 {
            let _ = writeln!(text, "… and {} more", all - self.open.len() as u64);
        }
        text.push('\n');
    }

    fn worked(&self, text: &mut String) {
        let listed = |pairs: &[(String, u64)]| {
            let parts: Vec<String> = pairs
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| format!("{count} {}", visible(name)))
                .collect();
            if parts.is_empty() {
                "none".to_owned()
            } else {
                parts.join(", ")
            }
        };
        let _ = writeln!(text, "Jobs waiting: {}", listed(&self.totals.jobs_waiting));
        if let Some(oldest) = self.totals.oldest_due
            && self.now.duration_since(oldest) > SignedDuration::from_mins(1)
        {
            let _ = writeln!(
                text,
                "  the oldest was due at {}, {}: is `portcullis serve` running?",
                moment(oldest),
                ago(oldest, self.now)
            );
        }
        let _ = writeln!(text, "Dead letters: {}", listed(&self.totals.jobs_dead));
        for (what, status) in &self.channel {
            let said = delivery_channel::sentence(status, self.now);
            let _ = writeln!(text, "Delivery channel, {what}: {said}");
        }
        for function in &self.functions {
            let _ = writeln!(text, "{}", function.as_text(self.now));
        }
    }
}
