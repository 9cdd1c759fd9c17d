//! `portcullis fix`.

use clap::Args;

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis fix`.
#[derive(Debug, Args)]
pub struct FixArgs {}

/// Runs the command.
pub fn run(_args: &FixArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::usage("fix is not there yet"))
}
