//! `portcullis scan`.

use clap::Args;

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis scan`.
#[derive(Debug, Args)]
pub struct ScanArgs {}

/// Runs the command.
pub fn run(_args: &ScanArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::usage("scan is not there yet"))
}
