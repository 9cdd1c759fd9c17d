//! `portcullis config`: check the configuration file, print an example, print its schema.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::load::{ConfigFileArgs, load};
use super::{EXAMPLE, reference, schema, summary};
use crate::exit::{ExitStatus, Failure};
use crate::output::print;

/// Arguments of `portcullis config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a configuration file, and say what it means: what is watched, where enforcement is on,
    /// who is told. No network. Exit code 2 if it cannot be used.
    Check(CheckArgs),
    /// Print a full example, with comments.
    Example,
    /// Print the JSON schema of the file, for editors.
    Schema,
    /// Print the reference page of the file.
    #[command(hide = true)]
    Reference,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The file; otherwise that of --config
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    config: ConfigFileArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ConfigArgs) -> Result<ExitStatus, Failure> {
    match &args.command {
        ConfigCommand::Check(args) => {
            let path = args.file.as_ref().unwrap_or(&args.config.config);
            let loaded = load(path)?;
            loaded.warn();
            print(&summary::summary(&loaded))?;
        }
        ConfigCommand::Example => print(EXAMPLE)?,
        ConfigCommand::Reference => print(&reference::page())?,
        ConfigCommand::Schema => print(&format!("{:#}\n", schema()))?,
    }
    Ok(ExitStatus::Closed)
}
