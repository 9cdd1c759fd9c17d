//! `portcullis enforcement`: one command that stops all enforcement, everywhere and at once.

use clap::{Args, Subcommand};
use compliance::report::visible;
use guard::arrive::look;
use guard::repository::{FindingFilter, Repository};
use guard::state::EnforcementStop;
use jiff::Timestamp;
use serde_json::json;
use store::Store;

use super::page::{ago, json};
use super::{KeptArgs, ShapeArgs, describe, failed};
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis enforcement`.
#[derive(Debug, Args)]
pub(crate) struct EnforcementArgs {
    #[command(subcommand)]
    command: EnforcementCommand,
}

#[derive(Debug, Subcommand)]
enum EnforcementCommand {
    /// Say whether enforcement is stopped. Exit code 1 if it is.
    Status(StatusArgs),
    /// Stop all enforcement, in every worker, before its next write.
    Stop(StopArgs),
    /// Let it go on, and look again at everything that is open.
    Start(StatusArgs),
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

#[derive(Debug, Args)]
struct StopArgs {
    #[command(flatten)]
    status: StatusArgs,
    /// Why, for whoever finds it stopped
    #[arg(long, value_name = "TEXT", default_value = "stopped by hand")]
    reason: String,
    /// Who [default: the user of this shell]
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    by: String,
}

/// Runs the command.
pub(crate) fn run(args: &EnforcementArgs) -> Result<ExitStatus, Failure> {
    block_on(async {
        match &args.command {
            EnforcementCommand::Status(args) => {
                let store = args.kept.open().await?;
                let stop = store.enforcement_stop().await.map_err(failed)?;
                say(stop.as_ref(), args.shape)?;
                Ok(match stop {
                    Some(_) => ExitStatus::Open,
                    None => ExitStatus::Closed,
                })
            }
            EnforcementCommand::Stop(args) => {
                let store = args.status.kept.open().await?;
                let stop = EnforcementStop {
                    by: args.by.clone(),
                    at: Timestamp::now(),
                    reason: args.reason.clone(),
                };
                store
                    .set_enforcement_stop(Some(&stop))
                    .await
                    .map_err(failed)?;
                say(Some(&stop), args.status.shape)?;
                Ok(ExitStatus::Closed)
            }
            EnforcementCommand::Start(args) => {
                let store = args.kept.open().await?;
                store.set_enforcement_stop(None).await.map_err(failed)?;
                let looks = look_again(&store).await?;
                say(None, args.shape)?;
                if !args.shape.is_json() {
                    print(&format!("{looks} open resources are looked at again.\n"))?;
                }
                Ok(ExitStatus::Closed)
            }
        }
    })
}

fn say(stop: Option<&EnforcementStop>, shape: ShapeArgs) -> Result<(), Failure> {
    if shape.is_json() {
        return json(json!({"stopped": stop.map(describe::stop)}));
    }
    print(&match stop {
        Some(stop) => format!(
            "Enforcement is stopped everywhere, by {} {}: {}\n`portcullis enforcement start` lets it go on.\n",
            visible(&stop.by),
            ago(stop.at, Timestamp::now()),
            visible(&stop.reason)
        ),
        None => "Enforcement is not stopped. `portcullis config check` says where it is on.\n"
            .to_owned(),
    })
}

/// Asks for a look at each resource with an open finding: what was held back is done now.
async fn look_again(store: &Store) -> Result<usize, Failure> {
    let filter = FindingFilter {
        states: vec!["open".to_owned(), "acknowledged".to_owned()],
        limit: 100_000,
        ..FindingFilter::default()
    };
    let now = Timestamp::now();
    let mut keys: Vec<_> = store
        .findings(&filter)
        .await
        .map_err(failed)?
        .into_iter()
        .map(|finding| finding.key)
        .collect();
    keys.sort();
    keys.dedup();
    for part in keys.chunks(500) {
        let looks: Vec<_> = part
            .iter()
            .map(|key| look(&key.account, &key.resource_type, &key.resource_id, now))
            .collect();
        store.request(&looks, now).await.map_err(failed)?;
    }
    Ok(keys.len())
}
