//! `portcullis check`.

use clap::Args;

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis check`.
#[derive(Debug, Args)]
pub struct CheckArgs {}

/// Runs the command.
pub fn run(_args: &CheckArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::usage("check is not there yet"))
}
