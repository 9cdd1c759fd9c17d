//! `portcullis demo`.

use clap::Args;

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {}

/// Runs the command.
pub fn run(_args: &DemoArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::usage("demo is not there yet"))
}
