//! `portcullis delivery-channel`: how deliveries of history and snapshots do, and a snapshot when asked for.

use std::fmt::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use compliance::delivery_channel::KeyPrefix;
use compliance::report::visible;
use guard::history::{self, Delivered, DeliveryStatus};
use guard::repository::Repository;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

use super::page::{ago, json, moment};
use super::{KeptArgs, ShapeArgs, failed};
use crate::config::load::Loaded;
use crate::config::{Config, Period};
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis delivery-channel`.
#[derive(Debug, Args)]
pub(crate) struct DeliveryChannelArgs {
    #[command(subcommand)]
    command: DeliveryChannelCommand,
}

#[derive(Debug, Subcommand)]
enum DeliveryChannelCommand {
    /// Say what was delivered last, what is on its way, and what fails. Exit code 3 if something fails.
    Status(StatusArgs),
    /// Have a snapshot of everything that is recorded delivered now, by the guard that runs.
    ///
    /// As AWS Config's deliver-config-snapshot.
    DeliverSnapshot(DeliverArgs),
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 2 wrong usage or configuration; 3 with --wait: it was not delivered in time, or a delivery failed \
meanwhile (it is tried again all the same); 0 it is asked for, with --wait: delivered.")]
struct DeliverArgs {
    /// Wait until it is delivered, and show how far it is
    #[arg(long)]
    wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "wait", value_parser = period)]
    timeout: Period,
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

fn period(text: &str) -> Result<Period, String> {
    Period::parse(text).ok_or_else(|| "this is no duration, such as 90s or 15m".to_owned())
}

/// How often the store is asked how far a delivery is.
const ASKED_EVERY: Duration = Duration::from_millis(250);

/// Runs the command.
pub(crate) fn run(args: &DeliveryChannelArgs) -> Result<ExitStatus, Failure> {
    match &args.command {
        DeliveryChannelCommand::Status(args) => block_on(status(args)),
        DeliveryChannelCommand::DeliverSnapshot(args) => block_on(deliver(args)),
    }
}

/// Where files go.
struct Place {
    bucket: String,
    prefix: String,
}

impl Place {
    fn of(loaded: &Loaded) -> Result<Place, Failure> {
        let channel = loaded.config.delivery_channel.as_ref().ok_or_else(|| {
            Failure::usage("the configuration has no [delivery-channel]")
                .hint("say in which `bucket` history and snapshots are kept")
        })?;
        let prefix = channel.prefix.as_deref().unwrap_or_default();
        let prefix = KeyPrefix::parse(prefix)
            .map_err(|wrong| Failure::usage(format!("delivery-channel.prefix: {wrong}")))?;
        Ok(Place {
            bucket: channel.bucket.clone(),
            prefix: match prefix.to_string() {
                none if none.is_empty() => none,
                prefix => format!("{prefix}/"),
            },
        })
    }

    /// `s3://bucket/prefix/AWSLogs/111122223333/Config/`, for each account.
    fn folders(&self, config: &Config) -> Vec<String> {
        let Place { bucket, prefix } = self;
        config
            .account
            .iter()
            .map(|own| format!("s3://{bucket}/{prefix}AWSLogs/{}/Config/", own.id))
            .collect()
    }
}

async fn statuses(store: &Store) -> Result<Vec<(Delivered, DeliveryStatus)>, Failure> {
    let mut all = Vec::new();
    for what in Delivered::ALL {
        let status = DeliveryStatus::of(store, what).await.map_err(failed)?;
        all.push((what, status));
    }
    Ok(all)
}

async fn status(args: &StatusArgs) -> Result<ExitStatus, Failure> {
    let loaded = args.kept.loaded()?;
    let place = Place::of(&loaded)?;
    let store = args.kept.open().await?;
    let all = statuses(&store).await?;
    let fails = all.iter().any(|(_, own)| own.failing_since.is_some());
    if args.shape.is_json() {
        let mut object = json!({"bucket": place.bucket, "goes_to": place.folders(&loaded.config)});
        for (what, status) in &all {
            object[what.as_str()] = described(status);
        }
        json(object)?;
    } else {
        let now = Timestamp::now();
        let mut text = format!(
            "To {}\n",
            visible(&place.folders(&loaded.config).join(", "))
        );
        for (what, status) in &all {
            let _ = writeln!(text, "{what}: {}", sentence(status, now));
        }
        print(&text)?;
    }
    Ok(match fails {
        true => ExitStatus::Incomplete,
        false => ExitStatus::Closed,
    })
}

async fn deliver(args: &DeliverArgs) -> Result<ExitStatus, Failure> {
    let loaded = args.kept.loaded()?;
    let place = Place::of(&loaded)?;
    let store = args.kept.open().await?;
    let at = Timestamp::now();
    store
        .request(&[history::snapshot(at)], at)
        .await
        .map_err(failed)?;
    let folders = place.folders(&loaded.config);
    if !args.shape.is_json() {
        print(&format!(
            "Asked for a snapshot of how everything stands at {}; it goes to\n",
            moment(at)
        ))?;
        for folder in &folders {
            print(&format!(
                "  {}REGION/{}/ConfigSnapshot/\n",
                visible(folder),
                day(at)
            ))?;
        }
    }
    let status = match args.wait {
        true => Some(wait(args, &store, at).await?),
        false => None,
    };
    let delivered = status.as_ref().map(|own| is_delivered(own, at));
    if args.shape.is_json() {
        json(json!({
            "asked_at": at.to_string(), "bucket": place.bucket, "goes_to": folders,
            "delivered": delivered, "snapshot": status.as_ref().map(described),
        }))?;
    } else if let (Some(status), Some(true)) = (&status, delivered) {
        print(&format!(
            "Delivered: {} items in {} files.\n",
            status.items, status.files
        ))?;
    }
    match (status, delivered) {
        (Some(status), Some(false)) => Err(Failure::incomplete(match &status.error {
            Some(error) => format!("it is not delivered yet: {error}"),
            None => "it is not delivered yet".to_owned(),
        })
        .hint(
            "it stays asked for; `portcullis delivery-channel status` shows how it goes on, and \
             `portcullis status` whether the guard works",
        )),
        _ => Ok(ExitStatus::Closed),
    }
}

/// Waits until the snapshot is delivered, a delivery fails, or the time is over.
async fn wait(args: &DeliverArgs, store: &Store, at: Timestamp) -> Result<DeliveryStatus, Failure> {
    let deadline = tokio::time::Instant::now() + args.timeout.unsigned();
    let mut shown = 0;
    loop {
        let status = DeliveryStatus::of(store, Delivered::Snapshot)
            .await
            .map_err(failed)?;
        let failed_since = status.failing_since.is_some()
            && status.last_attempt_at.is_some_and(|tried| tried >= at);
        if is_delivered(&status, at) || failed_since || tokio::time::Instant::now() >= deadline {
            return Ok(status);
        }
        let ours = status.running_up_to.is_some_and(|up_to| up_to >= at);
        if ours && status.files > shown && !args.shape.is_json() {
            shown = status.files;
            eprintln!("{} files, {} items …", status.files, status.items);
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

/// A later snapshot holds what an earlier one was to hold.
fn is_delivered(status: &DeliveryStatus, at: Timestamp) -> bool {
    status.delivered_up_to.is_some_and(|up_to| up_to >= at)
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y/%-m/%-d").to_string()
}

/// How deliveries of one kind do, in a sentence.
pub(super) fn sentence(status: &DeliveryStatus, now: Timestamp) -> String {
    let mut text = match (status.last_success_at, status.delivered_up_to) {
        (Some(at), Some(up_to)) => format!(
            "delivered {}, everything up to {}",
            ago(at, now),
            moment(up_to)
        ),
        _ => "not delivered yet".to_owned(),
    };
    if let (Some(since), Some(error)) = (status.failing_since, &status.error) {
        let _ = write!(
            text,
            "; FAILS since {} ({} attempts): {}",
            moment(since),
            status.attempts,
            visible(error)
        );
    } else if status.running_up_to.is_some() {
        let _ = write!(text, "; one is on its way, {} files so far", status.files);
    }
    text
}

/// How deliveries of one kind do, as JSON.
pub(super) fn described(status: &DeliveryStatus) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "last_attempt_at": time(status.last_attempt_at),
        "last_success_at": time(status.last_success_at),
        "delivered_up_to": time(status.delivered_up_to),
        "running_up_to": time(status.running_up_to),
        "files": status.files,
        "items": status.items,
        "failing_since": time(status.failing_since),
        "attempts": status.attempts,
        "error": status.error,
        "told_at": time(status.told_at),
    })
}
