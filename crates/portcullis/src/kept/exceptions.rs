//! `portcullis exceptions list`: what is open on purpose, and until when.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::ShapeArgs;
use super::page::{columns, json, moment};
use crate::config::load::{ConfigFileArgs, load};
use crate::exit::{ExitStatus, Failure};
use crate::output::print;

/// Arguments of `portcullis exceptions`.
#[derive(Debug, Args)]
pub(crate) struct ExceptionsArgs {
    #[command(subcommand)]
    command: ExceptionsCommand,
}

#[derive(Debug, Subcommand)]
enum ExceptionsCommand {
    /// List the exceptions of the configuration and its exceptions file, the next to expire first.
    List(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    config: ConfigFileArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ExceptionsArgs) -> Result<ExitStatus, Failure> {
    let ExceptionsCommand::List(args) = &args.command;
    let loaded = load(&args.config.config)?;
    let now = Timestamp::now();
    let mut all: Vec<_> = loaded.exceptions.iter().collect();
    all.sort_by_key(|own| own.expires);
    if args.shape.is_json() {
        let all: Vec<_> = all
            .iter()
            .map(|own| {
                json!({
                    "id": own.id, "bucket": own.bucket.text(), "account": own.account,
                    "owner": own.owner, "reason": own.reason, "expires": own.expires.to_string(),
                    "expired": own.expires <= now, "fingerprint": own.fingerprint,
                })
            })
            .collect();
        json(json!({"exceptions": all}))?;
        return Ok(ExitStatus::Closed);
    }
    if all.is_empty() {
        print("none\n")?;
        return Ok(ExitStatus::Closed);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|own| {
            let expired = if own.expires <= now { " EXPIRED" } else { "" };
            vec![
                own.id.clone(),
                own.bucket.text().to_owned(),
                own.account.clone().unwrap_or_else(|| "any".to_owned()),
                format!("{}{expired}", moment(own.expires)),
                own.owner.clone(),
                own.reason.clone(),
            ]
        })
        .collect();
    print(&columns(
        &["exception", "bucket", "account", "until", "owner", "reason"],
        &rows,
    ))?;
    Ok(ExitStatus::Closed)
}
