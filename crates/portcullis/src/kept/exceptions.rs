//! `portcullis exceptions list`: what is open on purpose, and until when.

use clap::{Args, Subcommand};
use compliance::exceptions::Exception;
use compliance::item::BUCKET;
use compliance::report::visible;
use jiff::Timestamp;
use serde_json::json;

use super::judge::each_item;
use super::page::{columns, json, moment};
use super::{KeptArgs, ShapeArgs, address, existing, is_there};
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis exceptions`.
#[derive(Debug, Args)]
pub(crate) struct ExceptionsArgs {
    #[command(subcommand)]
    command: ExceptionsCommand,
}

#[derive(Debug, Subcommand)]
enum ExceptionsCommand {
    /// List the exceptions of the configuration and its exceptions file, the next to expire first; and those
    /// of tags, where the configuration lets tags except and there is a store.
    List(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

/// An exception, and where it comes from.
struct Listed {
    exception: Exception,
    /// The account of the tagged bucket; `None`: it stands in the configuration.
    tagged_in: Option<String>,
}

/// A tag that should except a bucket, and does not.
struct WrongTag {
    account: String,
    bucket: String,
    why: String,
}

/// Runs the command.
pub(crate) fn run(args: &ExceptionsArgs) -> Result<ExitStatus, Failure> {
    let ExceptionsCommand::List(args) = &args.command;
    block_on(list(args))
}

async fn list(args: &ListArgs) -> Result<ExitStatus, Failure> {
    let loaded = args.kept.loaded()?;
    let now = Timestamp::now();
    let configured = loaded.exceptions.iter().map(|own| Listed {
        exception: own.clone(),
        tagged_in: None,
    });
    let mut all: Vec<Listed> = configured.collect();
    let mut wrong = Vec::new();
    let store = match &args.kept.store {
        Some(named) => named.clone(),
        None => address(&loaded)?,
    };
    // Before the first `serve` there is none, and no tag was read.
    if loaded.config.allow_tag_exceptions && is_there(&store) {
        each_item(&existing(&store).await?, None, |item| {
            let key = item.key;
            if key.resource_type != BUCKET {
                return;
            }
            match Exception::of_tags(&key.resource_id, &item.tags) {
                Some(Ok(exception)) => all.push(Listed {
                    exception,
                    tagged_in: Some(key.account),
                }),
                Some(Err(why)) => wrong.push(WrongTag {
                    account: key.account,
                    bucket: key.resource_id,
                    why,
                }),
                None => {}
            }
        })
        .await?;
    }
    all.sort_by_key(|own| own.exception.expires);
    if args.shape.is_json() {
        let all: Vec<_> = all
            .iter()
            .map(|listed| {
                let own = &listed.exception;
                json!({
                    "id": own.id, "bucket": own.bucket.text(), "account": account(listed),
                    "from": if listed.tagged_in.is_some() { "tag" } else { "configuration" },
                    "owner": own.owner, "reason": own.reason, "expires": own.expires.to_string(),
                    "expired": own.expires <= now, "fingerprint": own.fingerprint,
                })
            })
            .collect();
        let wrong: Vec<_> = wrong
            .iter()
            .map(|own| json!({"account": own.account, "bucket": own.bucket, "why": own.why}))
            .collect();
        json(json!({"exceptions": all, "tags_that_do_not_count": wrong}))?;
        return Ok(ExitStatus::Closed);
    }
    for own in &wrong {
        print(&format!(
            "{} in account {}: {}\n",
            visible(&own.bucket),
            visible(&own.account),
            visible(&own.why)
        ))?;
    }
    if all.is_empty() {
        print("none\n")?;
        return Ok(ExitStatus::Closed);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|listed| {
            let own = &listed.exception;
            let expired = if own.expires <= now { " EXPIRED" } else { "" };
            vec![
                own.id.clone(),
                own.bucket.text().to_owned(),
                account(listed).unwrap_or("any").to_owned(),
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

fn account(listed: &Listed) -> Option<&str> {
    let own = listed.exception.account.as_deref();
    listed.tagged_in.as_deref().or(own)
}
