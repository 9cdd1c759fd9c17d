//! `portcullis explain`.

use clap::Args;

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {}

/// Runs the command.
pub fn run(_args: &ExplainArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::usage("explain is not there yet"))
}
