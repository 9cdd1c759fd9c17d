//! The Portcullis executable: one binary, one subcommand a job.

mod check;
#[expect(dead_code, reason = "`serve` reads the rest")]
mod config;
mod demo;
mod deploy;
mod exit;
mod explain;
mod fix;
mod inputs;
mod live;
mod output;
mod reference;
mod scan;
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
