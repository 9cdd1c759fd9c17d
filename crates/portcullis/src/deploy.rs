//! `portcullis deploy`.

use clap::Args;

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {}

/// Runs the command.
pub fn run(_args: &DeployArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::usage("deploy is not there yet"))
}
