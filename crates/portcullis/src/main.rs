//! The Portcullis executable: one binary, one subcommand a job.

mod check;
mod config;
mod demo;
mod deploy;
mod exit;
mod explain;
mod fix;
mod inputs;
mod kept;
mod live;
mod output;
mod reference;
mod scan;
mod serve;
mod undo;

use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::{ExitStatus, Failure};

/// Keeps S3 buckets closed: finds who can get in, shows how, and closes the door with care.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge configurations at hand: policies, bucket documents, templates, plans. No network.
    Check(check::CheckArgs),
    /// Judge every bucket of an account, or of an S3-compatible store.
    Scan(scan::ScanArgs),
    /// Explain one bucket in full: which layer decides, witness or proof, what would close it.
    Explain(explain::ExplainArgs),
    /// Plan how to close what is open; with --apply, close it, verify, and keep the way back.
    Fix(fix::FixArgs),
    /// Take a remediation back, if nothing else changed since.
    Undo(undo::UndoArgs),
    /// Watch buckets all the time: record, judge, close where that is switched on, and tell people.
    Serve(serve::ServeArgs),
    /// Say what is watched, what is open, and what waits.
    Status(kept::status::StatusArgs),
    /// Show one bucket through time: what changed, who did it, what rules said, when it was open.
    History(kept::history::HistoryArgs),
    /// List and show findings, and say that somebody looks after one.
    Findings(kept::findings::FindingsArgs),
    /// List and show events, and what could not be delivered.
    Events(kept::events::EventsArgs),
    /// List rules, and try one on what is recorded before it is switched on.
    Rules(kept::rules::RulesArgs),
    /// Run what was recorded through these rules or others, and say what differs.
    Replay(kept::replay::ReplayArgs),
    /// Say how deliveries of history and snapshots do, and have a snapshot delivered.
    DeliveryChannel(kept::delivery_channel::DeliveryChannelArgs),
    /// Stop all enforcement at once, or let it go on.
    Enforcement(kept::enforcement::EnforcementArgs),
    /// List what is open on purpose, and until when.
    Exceptions(kept::exceptions::ExceptionsArgs),
    /// List who is told, confirm a subscription, or send a test.
    Subscriptions(kept::subscriptions::SubscriptionsArgs),
    /// Look into the guard's store, export and import it.
    Store(kept::storage::StorageArgs),
    /// Watch open buckets being found and closed on an embedded S3 server. Nothing to configure.
    Demo(demo::DemoArgs),
    /// Check the configuration file of the guard, print an example or its schema.
    Config(config::command::ConfigArgs),
    /// Print what is needed to run Portcullis on a real account.
    Deploy(deploy::DeployArgs),
    /// Print a script that makes a shell complete commands and options.
    Completions(reference::CompletionsArgs),
    /// Write man pages.
    #[command(hide = true)]
    Man(reference::ManArgs),
    /// Print the reference page of the command line.
    #[command(hide = true)]
    Reference,
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    let done: Result<ExitStatus, Failure> = match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Scan(args) => scan::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Fix(args) => fix::run(&args),
        Command::Undo(args) => undo::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Status(args) => kept::status::run(&args),
        Command::History(args) => kept::history::run(&args),
        Command::Findings(args) => kept::findings::run(&args),
        Command::Events(args) => kept::events::run(&args),
        Command::Rules(args) => kept::rules::run(&args),
        Command::Replay(args) => kept::replay::run(&args),
        Command::DeliveryChannel(args) => kept::delivery_channel::run(&args),
        Command::Enforcement(args) => kept::enforcement::run(&args),
        Command::Exceptions(args) => kept::exceptions::run(&args),
        Command::Subscriptions(args) => kept::subscriptions::run(&args),
        Command::Store(args) => kept::storage::run(&args),
        Command::Config(args) => config::command::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Completions(args) => reference::completions(&args, Cli::command()),
        Command::Man(args) => reference::man(&args, Cli::command()),
        Command::Reference => reference::reference(Cli::command()),
    };
    match done {
        Ok(status) => status.into(),
        Err(failure) => failure.report(),
    }
}
