//! `portcullis enforcement`: one command that stops enforcement at once, everywhere or in one account.

use clap::{Args, Subcommand};
use compliance::report::visible;
use guard::arrive::look;
use guard::enforcement;
use guard::repository::{FindingFilter, Repository};
use guard::state::EnforcementStop;
use jiff::Timestamp;
use serde_json::{Value, json};
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
    /// Stop all enforcement, or one account's, in every worker, before its next write.
    Stop(StopArgs),
    /// Let it go on, also where the circuit breaker stopped it, and look again at everything that is open.
    Start(StartArgs),
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

#[derive(Debug, Args)]
struct StartArgs {
    #[command(flatten)]
    status: StatusArgs,
    /// Only in this account [default: everywhere]
    #[arg(long, value_name = "ID")]
    account: Option<String>,
}

#[derive(Debug, Args)]
struct StopArgs {
    #[command(flatten)]
    status: StatusArgs,
    /// Only in this account [default: everywhere]
    #[arg(long, value_name = "ID")]
    account: Option<String>,
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
                let stops = Stops::of(&store).await?;
                stops.say(args.shape)?;
                Ok(if stops.is_none() {
                    ExitStatus::Closed
                } else {
                    ExitStatus::Open
                })
            }
            EnforcementCommand::Stop(args) => {
                let store = args.status.kept.open().await?;
                let stop = EnforcementStop {
                    by: args.by.clone(),
                    at: Timestamp::now(),
                    reason: args.reason.clone(),
                };
                match &args.account {
                    None => store.set_enforcement_stop(Some(&stop)).await,
                    Some(account) => {
                        is_watched(&store, account).await?;
                        enforcement::stop_account(&store, account, Some(&stop)).await
                    }
                }
                .map_err(failed)?;
                Stops::of(&store).await?.say(args.status.shape)?;
                Ok(ExitStatus::Closed)
            }
            EnforcementCommand::Start(args) => {
                let store = args.status.kept.open().await?;
                let accounts: Vec<String> = match &args.account {
                    Some(account) => {
                        is_watched(&store, account).await?;
                        vec![account.clone()]
                    }
                    None => {
                        store.set_enforcement_stop(None).await.map_err(failed)?;
                        let stopped = enforcement::stopped_accounts(&store).await;
                        let stopped = stopped.map_err(failed)?.into_iter();
                        stopped.map(|(account, _)| account).collect()
                    }
                };
                for account in &accounts {
                    enforcement::stop_account(&store, account, None)
                        .await
                        .map_err(failed)?;
                }
                let looks = look_again(&store, args.account.as_deref()).await?;
                let shape = args.status.shape;
                Stops::of(&store).await?.say(shape)?;
                if !shape.is_json() {
                    print(&format!("{looks} open resources are looked at again.\n"))?;
                }
                Ok(ExitStatus::Closed)
            }
        }
    })
}

/// An account of which nothing is known is one that was mistyped.
async fn is_watched(store: &Store, account: &str) -> Result<(), Failure> {
    let coverage = store.coverage().await.map_err(failed)?;
    if coverage.iter().any(|own| own.account == account) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "nothing is known of account {account:?}; `portcullis status` lists those that are watched"
    )))
}

/// Where enforcement is stopped.
pub(super) struct Stops {
    everywhere: Option<EnforcementStop>,
    accounts: Vec<(String, EnforcementStop)>,
}

impl Stops {
    pub(super) async fn of(store: &Store) -> Result<Stops, Failure> {
        Ok(Stops {
            everywhere: store.enforcement_stop().await.map_err(failed)?,
            accounts: enforcement::stopped_accounts(store).await.map_err(failed)?,
        })
    }

    fn is_none(&self) -> bool {
        self.everywhere.is_none() && self.accounts.is_empty()
    }

    /// The stop of everything, and those of accounts by their ids.
    pub(super) fn as_json(&self) -> (Value, Value) {
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(account, stop)| (account.clone(), describe::stop(stop)));
        (
            json!(self.everywhere.as_ref().map(describe::stop)),
            Value::Object(accounts.collect()),
        )
    }

    /// One sentence and what to do about it, line by line.
    pub(super) fn as_text(&self, now: Timestamp) -> String {
        let one = |place: &str, stop: &EnforcementStop, command: &str| {
            format!(
                "Enforcement is stopped {place}, by {} {}: {}\n`{command}` lets it go on.\n",
                visible(&stop.by),
                ago(stop.at, now),
                visible(&stop.reason)
            )
        };
        let mut text = String::new();
        if let Some(stop) = &self.everywhere {
            text.push_str(&one("everywhere", stop, "portcullis enforcement start"));
        }
        for (account, stop) in &self.accounts {
            let account = visible(account);
            text.push_str(&one(
                &format!("in account {account}"),
                stop,
                &format!("portcullis enforcement start --account {account}"),
            ));
        }
        if text.is_empty() {
            text.push_str(
                "Enforcement is not stopped; `portcullis config check` says where it is on.\n",
            );
        }
        text
    }

    fn say(&self, shape: ShapeArgs) -> Result<(), Failure> {
        if shape.is_json() {
            let (everywhere, accounts) = self.as_json();
            return json(json!({"stopped": everywhere, "accounts_stopped": accounts}));
        }
        print(&self.as_text(Timestamp::now()))
    }
}

/// Asks for a look at each resource with an open finding: what was held back is done now.
async fn look_again(store: &Store, account: Option<&str>) -> Result<usize, Failure> {
    let filter = FindingFilter {
        states: vec!["open".to_owned(), "acknowledged".to_owned()],
        account: account.map(str::to_owned),
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
