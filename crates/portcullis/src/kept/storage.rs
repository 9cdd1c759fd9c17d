//! `portcullis store`: the store itself: what is in it, and out and in again as JSON lines.

use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use compliance::report::visible;
use guard::repository::Repository;
use jiff::Timestamp;
use serde_json::json;
use store::{Check, TransferError};
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};

use super::page::{columns, json};
use super::{KeptArgs, ShapeArgs, failed, open};
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis store`.
#[derive(Debug, Args)]
pub(crate) struct StorageArgs {
    #[command(subcommand)]
    command: StorageCommand,
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Say how many of what it holds.
    Info(InfoArgs),
    /// Look whether it is sound: the database itself, every row, and what they say of each other.
    ///
    /// It looks at one moment of the store and changes nothing; the guard may run meanwhile. On a SQLite
    /// file it runs `PRAGMA integrity_check` and `foreign_key_check`; on PostgreSQL it looks for unique
    /// columns that are not and for references that lead nowhere, and into the server's own files where
    /// the extension amcheck is installed and may be used. On both it reads every row as the guard would
    /// (items, events, findings, the journal of remediations …), counts again what is kept counted, and
    /// looks whether each remediation has its intent, each message its notice, each resource its newest
    /// item.
    #[command(after_help = "\
Exit codes: 2 wrong usage or configuration; 1 something is wrong with the store; 3 the database does not \
answer; 0 it is sound.")]
    Check(CheckArgs),
    /// Bring it up to date, or make it; what `serve` does at its start.
    Migrate(MigrateArgs),
    /// Write everything in it as JSON lines.
    Export(ExportArgs),
    /// Read what `store export` wrote into an empty store, of either kind.
    Import(ImportArgs),
}

#[derive(Debug, Args)]
struct InfoArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

#[derive(Debug, Args)]
struct MigrateArgs {
    #[command(flatten)]
    kept: KeptArgs,
}

#[derive(Debug, Args)]
struct ExportArgs {
    #[command(flatten)]
    kept: KeptArgs,
    /// The file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// The file that was exported; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    kept: KeptArgs,
}

/// Runs the command.
pub(crate) fn run(args: &StorageArgs) -> Result<ExitStatus, Failure> {
    block_on(async {
        match &args.command {
            StorageCommand::Info(args) => info(args).await,
            StorageCommand::Check(args) => check(args).await,
            StorageCommand::Migrate(args) => {
                made(&args.kept).await?.close().await;
                print("The store is up to date.\n")?;
                Ok(ExitStatus::Closed)
            }
            StorageCommand::Export(args) => export(args).await,
            StorageCommand::Import(args) => import(args).await,
        }
    })
}

/// Opens the store and makes it if it is not there.
async fn made(kept: &KeptArgs) -> Result<store::Store, Failure> {
    match &kept.store {
        Some(address) => open(address).await,
        None => super::open_configured(&kept.loaded()?).await,
    }
}

async fn info(args: &InfoArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let totals = store.totals().await.map_err(failed)?;
    let mut rows: Vec<(String, u64)> = Vec::new();
    for (what, pairs) in [
        ("resources", &totals.resources),
        ("findings", &totals.findings),
        ("jobs waiting", &totals.jobs_waiting),
        ("dead letters", &totals.jobs_dead),
    ] {
        rows.extend(
            pairs
                .iter()
                .map(|(name, count)| (format!("{what}: {name}"), *count)),
        );
    }
    rows.push(("exposures open".to_owned(), totals.exposures_open));
    if args.shape.is_json() {
        let counts: serde_json::Value = rows
            .iter()
            .map(|(name, count)| (name.clone(), json!(count)))
            .collect();
        json(json!({"at": Timestamp::now().to_string(), "counts": counts}))?;
        return Ok(ExitStatus::Closed);
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, count)| vec![name, count.to_string()])
        .collect();
    print(&columns(&["what", "how many"], &rows))?;
    Ok(ExitStatus::Closed)
}

async fn check(args: &CheckArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let check = store.check().await.map_err(failed)?;
    let status = if check.is_sound() {
        ExitStatus::Closed
    } else {
        ExitStatus::Open
    };
    if args.shape.is_json() {
        json(json!({
            "at": Timestamp::now().to_string(),
            "database": check.database,
            "sound": check.is_sound(),
            "rows": named(&check.rows),
            "remediations": named(&check.remediations),
            "problems": check.problems,
            "further_problems": check.further_problems,
            "not_checked": check.not_checked,
        }))?;
        return Ok(status);
    }
    print(&checked(&check))?;
    Ok(status)
}

fn named(counts: &[(&str, u64)]) -> serde_json::Value {
    let counts = counts.iter();
    counts
        .map(|(name, count)| ((*name).to_owned(), json!(count)))
        .collect()
}

/// What a check found, for people. What stands in a store may be written by an attacker.
fn checked(check: &Check) -> String {
    let counts = |what: &str, counts: &[(&str, u64)]| -> Vec<Vec<String>> {
        let counts = counts.iter();
        counts
            .map(|(name, count)| vec![format!("{what}: {name}"), count.to_string()])
            .collect()
    };
    let mut rows = counts("rows", &check.rows);
    rows.extend(counts("remediations", &check.remediations));
    let mut text = columns(&["what", "how many"], &rows);
    text.push('\n');
    for problem in &check.problems {
        text.push_str(&format!("WRONG: {}\n", visible(problem)));
    }
    if check.further_problems > 0 {
        text.push_str(&format!("… and {} more\n", check.further_problems));
    }
    for what in &check.not_checked {
        text.push_str(&format!("Not looked at: {what}\n"));
    }
    text.push_str(&if check.is_sound() {
        format!("The store ({}) is sound.\n", check.database)
    } else {
        format!(
            "The store ({}) is NOT sound: stop the guard, keep a copy of the database as it is, and see \
             docs/serve.md, \"When the store is damaged\".\n",
            check.database
        )
    });
    text
}

async fn export(args: &ExportArgs) -> Result<ExitStatus, Failure> {
    let store = args.kept.open().await?;
    let lines = match &args.output {
        Some(path) => {
            let named = |error: std::io::Error| {
                Failure::usage(format!("{}: cannot be written: {error}", path.display()))
            };
            let mut options = tokio::fs::OpenOptions::new();
            // It holds all that the store holds, which only its owner may read; and a file that is
            // there is somebody's.
            options.write(true).create_new(true);
            #[cfg(unix)]
            options.mode(0o600);
            let mut file = BufWriter::new(options.open(path).await.map_err(named)?);
            let lines = store.export(&mut file).await.map_err(transfer)?;
            file.flush().await.map_err(named)?;
            file.get_ref().sync_all().await.map_err(named)?;
            lines
        }
        None => {
            let mut out = BufWriter::new(standard(std::io::stdout())?);
            let lines = match store.export(&mut out).await {
                Err(TransferError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Ok(ExitStatus::Closed);
                }
                lines => lines.map_err(transfer)?,
            };
            out.flush().await.map_err(|error| transfer(error.into()))?;
            lines
        }
    };
    eprintln!("{lines} lines exported");
    Ok(ExitStatus::Closed)
}

async fn import(args: &ImportArgs) -> Result<ExitStatus, Failure> {
    let store = made(&args.kept).await?;
    let lines = if args.file.as_os_str() == "-" {
        store
            .import(&mut BufReader::new(standard(std::io::stdin())?))
            .await
    } else {
        let file = tokio::fs::File::open(&args.file).await.map_err(|error| {
            Failure::usage(format!("{}: cannot be read: {error}", args.file.display()))
        })?;
        store.import(&mut BufReader::new(file)).await
    }
    .map_err(transfer)?;
    print(&format!("{lines} lines imported.\n"))?;
    Ok(ExitStatus::Closed)
}

/// Standard input or output as a file.
fn standard(stream: impl AsFd) -> Result<tokio::fs::File, Failure> {
    let own = stream.as_fd().try_clone_to_owned();
    own.map(|own| tokio::fs::File::from_std(own.into()))
        .map_err(|error| Failure::incomplete(format!("no standard input or output: {error}")))
}

fn transfer(error: TransferError) -> Failure {
    match error {
        TransferError::Store(error) => failed(error),
        error => Failure::usage(error.to_string()),
    }
}
